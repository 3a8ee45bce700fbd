"""What the replay server knows: for a symbol and an instant, the history that Yahoo would serve then."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from numpy.typing import NDArray

from stockstream import sessions

SYDNEY = ZoneInfo("Australia/Sydney")
VALUES = ("open", "high", "low", "close", "volume", "adjusted_close")

#: Splits of the recorded set that its prices do not show (its README names them); history was never rescaled by them.
IGNORED_SPLITS = {("QBE", date(2025, 8, 19)), ("AZI", date(2025, 12, 12)), ("1AD", date(2025, 12, 9))}


@dataclass(frozen=True)
class Series:
    """One symbol as served at one instant: rows in the order served, dates may repeat; NaN is null."""

    days: NDArray[np.datetime64]
    values: Mapping[str, NDArray[np.float64]]
    dividends: Sequence[tuple[date, float]] = ()
    splits: Sequence[tuple[date, float]] = ()
    live: datetime | None = None  # the last bar is in the making, and stamped so
    meta: Mapping[str, object] = field(default_factory=dict)


class Book(Protocol):
    def series(self, symbol: str, now: datetime) -> Series | None: ...


def _columns(query: str, *params: object) -> dict[str, NDArray[np.float64]]:
    with duckdb.connect() as connection:
        found = connection.execute(query, params).fetchnumpy()
    return {
        name: np.ma.filled(np.ma.masked_array(column), np.nan) if column.dtype.kind == "f" else np.ma.getdata(column)
        for name, column in found.items()
    }


def _by_symbol(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, slice]:
    names = columns["symbol"]
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    ends = np.append(starts[1:], len(names))
    return {str(names[start]): slice(start, end) for start, end in zip(starts, ends, strict=True)}


class Vintages:
    """Real downloads of 2021: what each of them holds, from its instant on until the next one of the symbol."""

    def __init__(self, data: Path, symbols: Sequence[str] | None = None) -> None:
        self._columns = _columns(
            "SELECT symbol, epoch_us(fetched_at) AS fetched, date, open, high, low, close, volume::DOUBLE AS volume, "
            "adjusted_close FROM read_parquet($1) WHERE $2 IS NULL OR symbol IN (SELECT unnest($2::VARCHAR[])) "
            "ORDER BY symbol, fetched_at, row",
            str(data / "prices" / "yahoo_vintages_2021.parquet"),
            None if symbols is None else list(symbols),
        )
        self._places = _by_symbol(self._columns)
        self.symbols = tuple(self._places)
        fetched = np.unique(self._columns["fetched"])
        self.instants = tuple(datetime.fromtimestamp(int(stamp) / 1e6, UTC) for stamp in fetched)

    def series(self, symbol: str, now: datetime) -> Series | None:
        place = self._places.get(symbol)
        if place is None:
            return None
        fetched = self._columns["fetched"][place]
        known = fetched[fetched <= int(now.timestamp() * 1e6)]
        if not len(known):
            return None
        chosen = np.flatnonzero(fetched == known[-1]) + place.start
        instant = datetime.fromtimestamp(int(known[-1]) / 1e6, UTC)
        days = self._columns["date"][chosen].astype("datetime64[D]")
        live = instant if days[-1].item() == instant.astimezone(SYDNEY).date() else None
        return Series(days, {name: self._columns[name][chosen] for name in VALUES}, live=live)


class Recorded:
    """Two years with their events, as each day knew them: later splits undone, later dividends not yet adjusted for."""

    def __init__(self, data: Path, symbols: Sequence[str] | None = None) -> None:
        self._columns = _columns(
            "SELECT symbol, date, open, high, low, close, volume::DOUBLE AS volume, adjusted_close, dividend, split "
            "FROM read_parquet($1) WHERE $2 IS NULL OR symbol IN (SELECT unnest($2::VARCHAR[])) ORDER BY symbol, date",
            str(data / "prices" / "asx_yahoo_2024_2026.parquet"),
            None if symbols is None else list(symbols),
        )
        self._places = _by_symbol(self._columns)
        self.symbols = tuple(self._places)

    def series(self, symbol: str, now: datetime) -> Series | None:
        place = self._places.get(symbol)
        if place is None:
            return None
        days = self._columns["date"][place].astype("datetime64[D]")
        today = now.astimezone(SYDNEY)
        closed = today.date() if today.time() >= time(16, 10) else today.date() - timedelta(days=1)
        known = days <= np.datetime64(closed)
        if not known.any():
            return None
        column = {name: self._columns[name][place] for name in (*VALUES, "dividend", "split")}
        shrink = np.ones(len(days))  # what later splits have done to the stored price
        splits = []
        for at in np.flatnonzero(~np.isnan(column["split"])):
            ex_date, ratio = days[at].item(), float(column["split"][at])
            if known[at]:
                splits.append((ex_date, ratio))
            elif (symbol, ex_date) not in IGNORED_SPLITS:
                shrink[:at] *= ratio
        last = np.flatnonzero(known & ~np.isnan(column["close"]))
        factor = column["adjusted_close"] / column["close"]
        values = {name: (column[name] * shrink)[known] for name in ("open", "high", "low", "close")}
        values["volume"] = np.round(column["volume"] / shrink)[known]
        values["adjusted_close"] = (
            values["close"] * (factor / factor[last[-1]])[known] if len(last) else values["close"]
        )
        dividends = [
            (days[at].item(), float(column["dividend"][at] * shrink[at]))
            for at in np.flatnonzero(~np.isnan(column["dividend"]) & known)
        ]
        zone = "America/New_York" if symbol == "AOH" else SYDNEY.key
        meta = {"exchangeTimezoneName": zone}
        return Series(days[known], values, dividends, splits, meta=meta)


class Generated:
    """Random walks, the same for a seed: as many symbols as asked for."""

    def __init__(self, symbols: Sequence[str], first: date, last: date, seed: int = 1) -> None:
        self.symbols = tuple(symbols)
        self._seed = seed
        self._days = np.array(sessions.sessions(first, last), dtype="datetime64[D]")
        self._made: dict[str, Series] = {}

    def series(self, symbol: str, now: datetime) -> Series | None:
        if symbol not in self.symbols:
            return None
        whole = self._made.get(symbol) or self._make(symbol)
        today = now.astimezone(SYDNEY)
        open_today = today.time() >= time(10, 0)
        known = whole.days <= np.datetime64(today.date() if open_today else today.date() - timedelta(days=1))
        if not known.any():
            return None
        live = (
            now if open_today and today.time() < time(16, 10) and whole.days[known][-1].item() == today.date() else None
        )
        kept = [pair for pair in whole.dividends if np.datetime64(pair[0]) <= whole.days[known][-1]]
        return replace(
            whole,
            days=whole.days[known],
            values={n: v[known] for n, v in whole.values.items()},
            dividends=kept,
            live=live,
        )

    def _make(self, symbol: str) -> Series:
        random = np.random.default_rng([self._seed, zlib.crc32(symbol.encode())])
        count = len(self._days)
        close = np.round(5 * np.exp(np.cumsum(random.normal(0, 0.01, count))) + 0.5, 3)
        opened = np.round(close * np.exp(random.normal(0, 0.003, count)), 3)
        high = np.round(np.maximum(opened, close) * 1.004, 3)
        low = np.round(np.minimum(opened, close) * 0.996, 3)
        volume = random.integers(0, 1_000_000, count).astype(np.float64)
        values = dict(zip(VALUES, (opened, high, low, close, volume, close), strict=True))
        paid = [(self._days[at].item(), 0.05) for at in range(60, count, 120)]
        made = self._made[symbol] = Series(self._days, values, paid)
        return made


@dataclass
class Edited:
    """A book with what a test makes of it: symbol -> what becomes of its series."""

    book: Book
    edits: dict[str, Callable[[Series], Series]] = field(default_factory=dict)

    def series(self, symbol: str, now: datetime) -> Series | None:
        found = self.book.series(symbol, now)
        return self.edits[symbol](found) if found is not None and symbol in self.edits else found


def in_cents(*days: str) -> Callable[[Series], Series]:
    """Return an edit that gives the prices of some days times 100."""

    def edit(series: Series) -> Series:
        scale = np.where(np.isin(series.days, np.array(days, dtype="datetime64[D]")), 100.0, 1.0)
        values = {name: v if name == "volume" else v * scale for name, v in series.values.items()}
        return replace(series, values=values)

    return edit


class Shelf:
    """Several books: the first that knows a symbol answers."""

    def __init__(self, *books: Book) -> None:
        self._books = books

    def series(self, symbol: str, now: datetime) -> Series | None:
        return next((found for book in self._books if (found := book.series(symbol, now)) is not None), None)
