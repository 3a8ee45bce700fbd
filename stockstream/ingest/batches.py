"""The batches of a session, and the receipts that say what became of each symbol.

Both are small JSON files in the lake. The batches are fixed by the session's first run; a receipt grows with each run
of its batch, after the prices that it speaks of are stored. A run that was cut off anywhere asks again for what no
receipt holds, and for nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.ingest.sources import Outcome
from stockstream.lake.location import RAW_DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from stockstream.lake.location import Location

RUNS: Final = "runs"

#: The source has answered, and would answer the same today.
_ANSWERED: Final = frozenset({Outcome.ok, Outcome.not_found, Outcome.no_data, Outcome.wrong_listing})

#: Symbols in a batch at the most: what one function can ask for within its time.
LARGEST: Final = 100

type Receipt = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The symbols of a session in batches; batch 1 is the first.

    Attributes
    ----------
    session, symbols
        The session, and the symbols of each batch.
    into_empty
        Whether the lake held no prices when the batches were fixed.
    """

    session: date
    symbols: tuple[tuple[str, ...], ...]
    into_empty: bool = False

    @property
    def numbers(self) -> list[int]:
        """The numbers of the batches."""
        return list(range(1, len(self.symbols) + 1))

    def batch(self, number: int) -> tuple[str, ...]:
        """Return the symbols of a batch.

        Raises
        ------
        LakeError
            There is no such batch.
        """
        if not 1 <= number <= len(self.symbols):
            message = f"expected a batch of {self.session} from 1 to {len(self.symbols)}; found {number}"
            raise LakeError(message)
        return self.symbols[number - 1]


def batches_name(session: date) -> str:
    """Return the name of the file with a session's batches inside the lake."""
    return f"symbols/{session.isoformat()}-batches.json"


def fix_batches(location: Location, session: date, symbols: Iterable[str], size: int) -> Batches:
    """Store the batches of a session. Those of an earlier run stand; symbols that are in none of them get new ones.

    The file is a list, one item a batch: that is what a distributed map reads.
    """
    shared = {"session": session.isoformat(), "into_empty": not location.batch_files(RAW_DATA)}

    def fixed(before: bytes | None) -> bytes:
        items = json.loads(before) if before else []
        have = {symbol for item in items for symbol in item["symbols"]}
        more = sorted(set(symbols) - have)
        added = [more[start : start + size] for start in range(0, len(more), size)]
        common = {name: items[0][name] for name in shared} if items else shared
        new = [{"number": number, "symbols": one, **common} for number, one in enumerate(added, len(items) + 1)]
        return _bytes([*items, *new])

    if has_batches(location, session):
        known = {symbol for batch in read_batches(location, session).symbols for symbol in batch}
        if known >= set(symbols):
            return read_batches(location, session)
    location.update(batches_name(session), fixed)
    return read_batches(location, session)


def has_batches(location: Location, session: date) -> bool:
    """Whether an earlier run has fixed the batches of a session."""
    return location.read(batches_name(session)) is not None


def read_batches(location: Location, session: date) -> Batches:
    """Read the batches of a session.

    Raises
    ------
    LakeError
        There are none, or the file is not one of batches.
    """
    found = _read(location, batches_name(session))
    if not isinstance(found, list) or not all(_is_batch(*pair, session) for pair in enumerate(found, start=1)):
        message = (
            f"expected the batches of {session}, of up to {LARGEST} symbols each, in "
            f"{location.url(batches_name(session))}; found something else. Remove the file."
        )
        raise LakeError(message)
    batches = tuple(tuple(item["symbols"]) for item in found)
    return Batches(session=session, symbols=batches, into_empty=any(item["into_empty"] for item in found))


def _is_batch(number: int, item: object, session: date) -> bool:
    match item:
        case {"number": int(found), "session": str(day), "into_empty": bool(), "symbols": [*symbols]}:
            texts = all(isinstance(symbol, str) and symbol.strip() for symbol in symbols)
            return found == number and day == session.isoformat() and texts and 0 < len(symbols) <= LARGEST
        case _:
            return False


def receipt_name(session: date, number: int) -> str:
    """Return the name of a batch's receipt inside the lake."""
    return f"{RUNS}/{session.isoformat()}/batch-{number}.json"


def read_receipt(location: Location, session: date, number: int) -> Receipt:
    """Return what is known of each symbol of a batch; nothing before its first answer."""
    found = _read(location, receipt_name(session, number))
    receipt: Receipt = found.get("symbols", {}) if isinstance(found, dict) else {}
    return receipt


def add_to_receipt(location: Location, session: date, number: int, entries: Mapping[str, Mapping[str, Any]]) -> Receipt:
    """Write what has become known of some symbols over what was known of them."""

    def added(before: bytes | None) -> bytes:
        known = json.loads(before)["symbols"] if before else {}
        return _bytes({"session": session.isoformat(), "batch": number, "symbols": {**known, **entries}})

    merged: Receipt = json.loads(location.update(receipt_name(session, number), added))["symbols"]
    return merged


def still_to_ask(symbols: Sequence[str], receipt: Receipt, session: date, backfill: date | None) -> list[str]:
    """Return the symbols that a run of the session would ask for now.

    Parameters
    ----------
    symbols
        Those of the batch.
    receipt
        What is known of them.
    session
        The session.
    backfill
        The first day wanted, when more than the overlap is.
    """
    return [symbol for symbol in symbols if not _is_settled(receipt.get(symbol), session, backfill)]


def _is_settled(entry: Mapping[str, Any] | None, session: date, backfill: date | None) -> bool:
    if entry is None or entry["outcome"] not in _ANSWERED or entry.get("whole_due"):
        return False
    if backfill is not None and entry["asked_from"] is not None and entry["asked_from"] > backfill.isoformat():
        return False
    return session.isoformat() not in entry["missing"]


def _read(location: Location, name: str) -> Any:
    """Return the content of a JSON file, None where there is none."""
    text = location.read_text(name)
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{location.url(name)}: expected JSON; {error}. Remove the file, and run the day again."
        raise LakeError(message) from error


def _bytes(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
