"""One batch: ask for its symbols, compare with what is stored, store the answers, and leave a receipt."""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from stockstream import sessions
from stockstream.ingest.batches import Receipt, add_to_receipt, read_receipt, still_to_ask
from stockstream.ingest.known import Known, read_known
from stockstream.ingest.landing import land
from stockstream.ingest.sources import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stockstream.ingest.sources import Finding, Pace, PipelineStep, PriceSource
    from stockstream.lake.location import Location

#: Every symbol is asked for whole once in so many sessions.
ROLLING_SESSIONS: Final = 5

#: A gap is asked for again on every run until it is so old.
OLDEST_GAP: Final = timedelta(days=365)


#: More runs of one session than that are refused for want of a number.
MOST_RERUNS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run wants of every batch.

    Attributes
    ----------
    session
        The session, the last day asked for.
    now
        The instant that all answers are stamped with; None: their own.
    overlap_days
        Days before the session that are asked for again.
    backfill
        The first day wanted, when more than the overlap is.
    gaps
        Symbol -> sessions that earlier runs did not get.
    whole_due
        Symbols that an earlier run saw change and could not ask for whole.
    exchange
        Code of the trading calendar.
    into_empty
        Whether the lake held no prices before the session: then nothing is asked for whole.
    """

    session: date
    now: datetime | None = None
    overlap_days: int = 45
    backfill: date | None = None
    gaps: Mapping[str, Sequence[date]] = field(default_factory=dict)
    whole_due: frozenset[str] = frozenset()
    exchange: str = "XASX"
    into_empty: bool = False

    @cached_property
    def overlap_start(self) -> date:
        """The first day of the overlap."""
        return self.session - timedelta(days=self.overlap_days)

    @cached_property
    def expected(self) -> list[date]:
        """The sessions of the overlap."""
        return sessions.sessions(self.overlap_start, self.session, self.exchange)

    @cached_property
    def turn(self) -> int:
        """Which part of the symbols is asked for whole this session."""
        return len(sessions.sessions(sessions.FIRST_DAY, self.session, self.exchange)) % ROLLING_SESSIONS

    def start(self, symbol: str, known: Known) -> date | None:
        """Return the first day to ask for a symbol from; None: whole.

        Whole are symbols in turn, symbols that have changed, and those new to a lake that holds others.
        """
        in_turn = zlib.crc32(symbol.encode()) % ROLLING_SESSIONS == self.turn
        if symbol in self.whole_due or (not self.into_empty and (in_turn or symbol not in known)):
            return None
        return min([self.overlap_start, *self.open_gaps(symbol), *([self.backfill] if self.backfill else [])])

    def open_gaps(self, symbol: str) -> list[date]:
        """Return the sessions that earlier runs did not get of a symbol and that are not too old to be asked for."""
        return [day for day in self.gaps.get(symbol, ()) if day >= self.session - OLDEST_GAP]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of a session, with what its work needs."""

    location: Location
    number: int
    symbols: Sequence[str]
    wish: Wish
    source: PriceSource
    batches: int
    steps: Sequence[PipelineStep] = ()
    pace: Pace | None = None
    deadline: float | None = None

    def run(self) -> Receipt:
        """Ask for the symbols without a receipt, store what comes, and return the receipt of the whole batch.

        Raises
        ------
        LakeError
            The lake cannot be read or written; what was stored before stands.
        """
        wish = self.wish
        receipt = read_receipt(self.location, wish.session, self.number)
        wanted = still_to_ask(self.symbols, receipt, wish.session, wish.backfill)
        if not wanted:
            return receipt
        since = {symbol: min([wish.overlap_start, *wish.open_gaps(symbol)]) for symbol in wanted}
        known = read_known(self.location, since, wish.session)
        starts = {symbol: wish.start(symbol, known) for symbol in wanted}
        answers = {answer.symbol: answer for answer in self._ask(starts)}
        revisions = {
            symbol: revision
            for symbol, answer in answers.items()
            if answer.ok and (revision := known.revision(symbol, answer.columns)) is not None
        }
        changed = [symbol for symbol in revisions if starts[symbol] is not None]
        whole = {answer.symbol: answer for answer in self._ask(dict.fromkeys(changed)) if answer.ok}
        answers |= whole
        landed = land(self.location, list(answers.values()), wish, self.steps, self._numbers(receipt))
        entries: Receipt = {}
        for symbol, answer in answers.items():
            asked_whole = starts[symbol] is None or symbol in whole
            entries[symbol] = {
                **_entry(answer, wish, known, landed.findings.get(symbol, ())),
                "asked_from": None if asked_whole else str(starts[symbol]),
                "whole_due": symbol in changed and symbol not in whole,
                "quarantined": landed.quarantined.get(symbol, {}),
                "hidden": landed.hidden.get(symbol, {}),
                "files": landed.files if answer.ok else [],
            }
            if symbol in revisions:
                entries[symbol]["revision"] = revisions[symbol].as_json()
        return add_to_receipt(self.location, wish.session, self.number, entries)

    def _ask(self, starts: Mapping[str, date | None]) -> Iterator[Answer]:
        """Answer for every symbol, in the order given, a source being asked once for all that share a first day."""
        groups: dict[date | None, list[str]] = defaultdict(list)
        for symbol, start in starts.items():
            groups[start].append(symbol)
        for start, symbols in groups.items():
            for answer in self.source.fetch(symbols, start, self.wish.session, pace=self.pace, deadline=self.deadline):
                yield answer if self.wish.now is None else replace(answer, fetched_at=self.wish.now)

    def _numbers(self, receipt: Receipt) -> list[int]:
        """Return numbers for the files: at first the batch's own, so that names do not depend on who is faster."""
        later = range(self.batches + 1, self.batches + MOST_RERUNS)
        return [*later] if receipt else [self.number, *later]


def _entry(answer: Answer, wish: Wish, known: Known, findings: Sequence[Finding]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "outcome": str(answer.outcome),
        "message": answer.message,
        "rows": 0,
        "missing": [day.isoformat() for day in _missing(answer, wish, known)],
    }
    if answer.outcome is Outcome.ok:
        days = answer.columns["date"]
        entry |= {
            "rows": len(days),
            "first": str(days[0]),
            "last": str(days[-1]),
            "duplicates": [day.isoformat() for day in answer.duplicates],
            "unsettled": answer.unsettled,
            "findings": [finding.as_json() for finding in (*answer.findings, *findings)],
            "currency": answer.currency,
        }
    return entry


def _missing(answer: Answer, wish: Wish, known: Known) -> list[date]:
    """Return the sessions of the overlap, and older gaps, of which there is still no bar."""
    stored = set(known.dates(answer.symbol).tolist())
    got = set(answer.columns["date"].tolist()) if answer.ok else set()
    first = min(stored | got, default=wish.session)
    expected = {day for day in wish.expected if day >= first} | set(wish.open_gaps(answer.symbol))
    return sorted(expected - stored - got)
