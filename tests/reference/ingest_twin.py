"""The slow, obvious twin of the daily run: dictionaries of rows, one symbol and one day after the other."""

import math
import zlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from stockstream import sessions
from tests.replay.books import Book, Series

Row = tuple[float, float, float, float, int, float]  # open, high, low, close, volume, adjusted close


@dataclass
class Entry:
    """What is known of one symbol after a session's runs."""

    failure: str | None = None
    whole: bool = False
    revised: int = 0
    missing: list[date] = field(default_factory=list)
    quarantined: int = 0


@dataclass
class Outcome:
    """What a session's manifest must say after a run; None for a run that had nothing to do."""

    session: date
    entries: dict[str, Entry]

    @property
    def received(self) -> set[str]:
        return {
            symbol
            for symbol, entry in self.entries.items()
            if entry.failure is None and self.session not in entry.missing
        }

    @property
    def queue(self) -> dict[str, list[str]]:
        return {s: [str(day) for day in entry.missing] for s, entry in self.entries.items() if entry.missing}

    @property
    def failures(self) -> dict[str, set[str]]:
        reasons = {entry.failure for entry in self.entries.values() if entry.failure}
        return {reason: {s for s, entry in self.entries.items() if entry.failure == reason} for reason in reasons}


class Twin:
    """Knows what a lake must hold after each run.

    `symbols` are asked for on every run; `threshold` is the coverage from which a session is never asked for again.
    """

    def __init__(self, book: Book, symbols: list[str], *, overlap_days: int = 45, threshold: float = 0.95) -> None:
        self.book, self.symbols, self.overlap, self.threshold = book, symbols, timedelta(overlap_days), threshold
        self.rows: dict[tuple[str, date], Row] = {}
        self.events: dict[tuple[str, date, str], float] = {}
        self.stored_on: dict[date, dict[str, dict[date, Row]]] = {}
        self.outcomes: dict[date, Outcome] = {}

    def run(self, now: datetime) -> Outcome | None:
        session = sessions.last_closed(now, settled_after=timedelta(hours=2))
        outcome = self.outcomes.setdefault(session, Outcome(session, {}))
        if len(outcome.received) >= self.threshold * len(self.symbols):
            return None
        final = outcome.received | {symbol for found in outcome.failures.values() for symbol in found}
        for symbol in self.symbols:
            if symbol not in final:
                outcome.entries[symbol] = self._ask(symbol, now, session)
        return outcome

    def _ask(self, symbol: str, now: datetime, session: date) -> Entry:
        gaps = self._gaps(symbol, session)
        window = min([session - self.overlap, *gaps])
        known = {day: row for day, row in self._known(symbol, session).items() if day >= window}
        series = self.book.series(symbol, now)
        entry = Entry(whole=self._is_whole(symbol, session, known))
        answer, entry.failure = self._answer(series, date.min if entry.whole else window, session)
        entry.revised = self._changed(known, answer)
        if entry.revised:
            entry.whole = True
            answer, _ = self._answer(series, date.min, session)
        earliest = min(answer.keys() | known.keys(), default=session)
        expected = {day for day in sessions.sessions(session - self.overlap, session) if day >= earliest}
        entry.missing = sorted((expected | set(gaps)) - answer.keys() - known.keys())
        self._store(symbol, session, answer, entry)
        if series is not None and answer:
            self._store_events(symbol, series, date.min if entry.whole else window, session)
        return entry

    def _gaps(self, symbol: str, session: date) -> list[date]:
        earlier = [day for day in self.outcomes if day < session]
        if not earlier:
            return []
        last = self.outcomes[max(earlier)].entries.get(symbol, Entry())
        return [day for day in last.missing if day >= session - timedelta(365)]

    def _known(self, symbol: str, session: date) -> dict[date, Row]:
        """Return what the files of the last five sessions before hold of a symbol."""
        known: dict[date, Row] = {}
        for stored in sorted(day for day in self.stored_on if day < session)[-5:]:
            known |= self.stored_on[stored].get(symbol, {})
        return known

    def _is_whole(self, symbol: str, session: date, known: dict[date, Row]) -> bool:
        if session == min(self.outcomes):
            return False
        turn = len(sessions.sessions(sessions.FIRST_DAY, session)) % 5
        return zlib.crc32(symbol.encode()) % 5 == turn or not known

    def _store(self, symbol: str, session: date, answer: dict[date, Row], entry: Entry) -> None:
        for day, row in answer.items():
            if self._bad(row):
                entry.quarantined += 1
            else:
                self.rows[symbol, day] = row
                self.stored_on.setdefault(session, {}).setdefault(symbol, {})[day] = row

    def _store_events(self, symbol: str, series: Series, start: date, session: date) -> None:
        for kind, found in (("dividend", series.dividends), ("split", series.splits)):
            for day, value in found:
                if start <= day <= session:
                    self.events[symbol, day, kind] = value

    def _answer(self, series: Series | None, start: date, session: date) -> tuple[dict[date, Row], str | None]:
        if series is None:
            return {}, "not_found"
        if series.meta.get("exchangeTimezoneName", "Australia/Sydney") != "Australia/Sydney":
            return {}, "wrong_listing"
        if series.live is not None and series.live < sessions.closes_at(series.days[-1].item()):
            session = min(session, series.days[-1].item() - timedelta(1))  # an answer of midday, served again later
        found: dict[date, Row] = {}
        for place, day in enumerate(series.days.tolist()):
            values = [float(series.values[name][place]) for name in ("open", "high", "low", "close")]
            if start <= day <= session and not all(map(math.isnan, values)):
                volume, adjusted = series.values["volume"][place], series.values["adjusted_close"][place]
                found[day] = (*values, 0 if math.isnan(volume) else int(volume), float(adjusted))  # the last of a day
        return found, None if found else "no_data"

    @staticmethod
    def _changed(known: dict[date, Row], answer: dict[date, Row]) -> int:
        def same(a: float, b: float) -> bool:
            return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-6 * abs(b)

        common = known.keys() & answer.keys()
        return sum(not all(same(a, b) for a, b in zip(answer[day][:5], known[day][:5], strict=True)) for day in common)

    @staticmethod
    def _bad(row: Row) -> bool:
        opened, high, low, close, volume, adjusted = row
        prices = (opened, high, low, close)
        if any(math.isnan(price) or price <= 0 for price in prices) or high < low or volume < 0:
            return True
        return not math.isnan(adjusted) and adjusted <= 0
