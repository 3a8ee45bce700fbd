"""The manifest of a run: what was asked for, what came, what is still missing."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.ingest.batches import RUNS, read_batches, read_receipt
from stockstream.ingest.sources import Outcome
from stockstream.ingest.stored_verdicts import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from stockstream.lake.location import Location

COMPLETE: Final = "complete"
PARTIAL: Final = "partial"
FAILED: Final = "failed"

_NAME: Final = re.compile(rf"{RUNS}/(\d{{4}}-\d{{2}}-\d{{2}})\.json")


def manifest_name(session: date) -> str:
    """Return the name of a session's manifest inside the lake."""
    return f"{RUNS}/{session.isoformat()}.json"


def read_manifest(location: Location, session: date) -> dict[str, Any] | None:
    """Return the manifest of a session, None when no run of it has come to its end.

    Raises
    ------
    LakeError
        The file is not one.
    """
    text = location.read_text(manifest_name(session))
    if text is None:
        return None
    try:
        found: dict[str, Any] = json.loads(text)
        found["state"], found["backfill_queue"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"expected a run's manifest in {location.url(manifest_name(session))}. Remove the file."
        raise LakeError(message) from error
    return found


def latest_manifest(location: Location, before: date) -> dict[str, Any] | None:
    """Return the manifest of the last session before one, None when there is none."""
    days = [match[1] for file in location.files(RUNS) if (match := _NAME.fullmatch(file.name))]
    earlier = [day for day in sorted(days) if day < before.isoformat()]
    return read_manifest(location, date.fromisoformat(earlier[-1])) if earlier else None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the batches of a run ended: batch -> error of those that gave up, and what the manifest needs besides.

    ``stored`` is what the lake's own rows say after the batches: see `stockstream.ingest.stored_verdicts`.
    """

    failed_batches: Mapping[int, str] = field(default_factory=dict)
    stored: Stored = field(default_factory=Stored)
    threshold: float = 0.95
    backfill: date | None = None
    reported_at: datetime | None = None


def compose(location: Location, session: date, ending: Ending) -> dict[str, Any]:
    """Return the manifest of a session from the receipts of its batches.

    Raises
    ------
    LakeError
        The batches or a receipt cannot be read.
    """
    symbols, entries = _entries(location, session)
    received = [symbol for symbol in symbols if _has_bar(entries.get(symbol), session)]
    unanswered = [symbol for symbol in symbols if symbol not in entries]
    coverage = len(received) / len(symbols) if symbols else 0.0
    whole = ending.backfill is not None and not unanswered and not ending.failed_batches
    findings = _findings(entries, ending.stored)
    ok = {symbol: entry for symbol, entry in sorted(entries.items()) if entry["outcome"] == Outcome.ok}
    return {
        "session": session.isoformat(),
        "state": _state(received, coverage, unanswered, ending),
        "coverage": round(coverage, 6),
        "symbols": len(symbols),
        "received": len(received),
        "rows": sum(entry["rows"] for entry in entries.values()),
        "outcomes": dict(sorted(Counter(entry["outcome"] for entry in entries.values()).items())),
        "failures": _failures(entries),
        "without_session": sorted(set(ok) - set(received)),
        "unanswered": unanswered,
        "revisions": _those_with("revision", entries),
        "asked_whole": [symbol for symbol, entry in ok.items() if entry["asked_from"] is None],
        "whole_due": sorted(symbol for symbol, entry in entries.items() if entry["whole_due"]),
        "backfill_queue": _queue(symbols, entries, session),
        "duplicates": _those_with("duplicates", entries),
        "findings": findings,
        "findings_by_kind": dict(sorted(Counter(one["kind"] for some in findings.values() for one in some).items())),
        "hidden": {reason: dict(sorted(days.items())) for reason, days in sorted(ending.stored.hidden.items())},
        "quarantined": _quarantined(entries.values()),
        "failed_batches": {str(number): error for number, error in sorted(ending.failed_batches.items())},
        "files": sorted({name for entry in entries.values() for name in entry["files"]}),
        "backfilled_from": ending.backfill.isoformat() if whole and ending.backfill else None,
        "reported_at": ending.reported_at.isoformat() if ending.reported_at else None,
    }


def doubtful(location: Location, session: date) -> set[str]:
    """Return the symbols of a session that had a row hidden, or whose stored rows have changed.

    Raises
    ------
    LakeError
        The batches or a receipt cannot be read.
    """
    _, entries = _entries(location, session)
    return {symbol for symbol, entry in entries.items() if entry.get("hidden") or entry.get("revision")}


def _entries(location: Location, session: date) -> tuple[list[str], dict[str, Mapping[str, Any]]]:
    """Return the symbols of a session, and what its receipts say of each."""
    batches = read_batches(location, session)
    receipts = [read_receipt(location, session, number) for number in batches.numbers]
    entries: dict[str, Mapping[str, Any]] = {symbol: entry for receipt in receipts for symbol, entry in receipt.items()}
    return [symbol for batch in batches.symbols for symbol in batch], entries


def _findings(entries: Mapping[str, Mapping[str, Any]], stored: Stored) -> dict[str, list[Any]]:
    """Return symbol -> what was found in its answer, and in what was stored of it."""
    found: dict[str, list[Any]] = defaultdict(list)
    for symbol, some in _those_with("findings", entries).items():
        found[symbol] += some
    for symbol, more in stored.findings.items():
        found[symbol] += [finding.as_json() for finding in more]
    return dict(sorted(found.items()))


def _those_with(key: str, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {symbol: entry[key] for symbol, entry in sorted(entries.items()) if entry.get(key)}


def store(location: Location, session: date, manifest: Mapping[str, Any]) -> None:
    """Write a session's manifest over the one of an earlier run.

    Raises
    ------
    LakeError
        The lake cannot be written.
    """
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    location.update(manifest_name(session), lambda _: data)


def _has_bar(entry: Mapping[str, Any] | None, session: date) -> bool:
    return entry is not None and entry["outcome"] == Outcome.ok and session.isoformat() not in entry["missing"]


def _state(received: Sequence[str], coverage: float, unanswered: Sequence[str], ending: Ending) -> str:
    if not received:
        return FAILED
    return COMPLETE if coverage >= ending.threshold and not unanswered and not ending.failed_batches else PARTIAL


def _failures(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return reason -> symbol -> what the source said."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for symbol, entry in sorted(entries.items()):
        if entry["outcome"] != Outcome.ok:
            found[entry["outcome"]][symbol] = entry["message"]
    return dict(sorted(found.items()))


def _queue(symbols: Iterable[str], entries: Mapping[str, Mapping[str, Any]], session: date) -> dict[str, list[str]]:
    """Return symbol -> sessions that later runs ask for again."""
    missing = {symbol: entries[symbol]["missing"] if symbol in entries else [session.isoformat()] for symbol in symbols}
    return {symbol: days for symbol, days in sorted(missing.items()) if days}


def _quarantined(entries: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for entry in entries:
        total.update(entry["quarantined"])
    return dict(sorted(total.items()))
