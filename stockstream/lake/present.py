"""The rows of bars straight from the files: the latest of a compaction, newer batches over them, or batches alone.

A compaction leaves the row that counts of every bar in one sorted file, with its basis. What the views of
`stockstream.lake.adjust` derive by joins is looked up here in arrays, to the same bits. Whatever is out of the ordinary
is left to the views: they know what to say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stockstream.lake.adjust import BEFORE_DIVIDENDS, CUMULATIVE, derived_rows
from stockstream.lake.overlaid import overlaid
from stockstream.lake.panels import Rows, Told
from stockstream.lake.query import bind, bind_events
from stockstream.lake.revisions import known_through
from stockstream.lake.tables import Table, table_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import duckdb
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.listings import Listings
    from stockstream.lake.query import Files

#: Symbol's place -> days of its events, and the factor of all bars before each.
type _Later = dict[int, tuple[NDArray[np.int32], NDArray[np.float64]]]


@dataclass(frozen=True, kw_only=True)
class Present:
    """Rows, and the instant of the last answer or verdict that they rest on."""

    rows: Rows
    through: str


def present(
    contents: Contents,
    files: Files,
    reading: Reading,
    *,
    eventful: bool,
    symbols: Sequence[str] | None,
    days: tuple[date | None, date | None],
    listings: Listings,
) -> Present | None:
    """Return the rows for bars, adjusted for all that happened, or None where only the views can tell them.

    Parameters
    ----------
    contents
        The lake.
    files, reading
        What is read, and what counts.
    eventful
        Whether the files hold dividends or splits.
    symbols, days
        Only these symbols, from the first to the last of two days.
    listings
        Whose the rows of reused codes are; these codes are left to the views.
    """
    first, last = days
    until = None if eventful else last
    curated = files.shortcut(reading)
    reused = listings.reused(symbols)
    others = set(reused)
    if curated is not None:
        table = table_of_file(contents, curated.parts["latest"], symbols, (first, until), without=others)
    else:
        found = overlaid(contents, files, reading, symbols, (first, until), without=others)
        if found is None:
            return None
        table, others = found.table, found.others | others
    if not table.ordered or table.mixed():
        return None  # two scales, which are refused if both are in the range asked for
    decided, events = None, None
    if eventful or files.verdicts:
        with contents.connection() as connection:
            bind_events(connection, files, reading, symbols)
            decided = _decided(connection)
            if eventful and files.curated is not None:
                events = _Events(connection, table, table.read("segment"))
    through = table.last_answer()
    rows = _adjusted(table, events)
    if last is not None and eventful:
        rows = _until(rows, table, last)
    if others:
        names = sorted(name for code in others for name in reused.get(code, [code]))
        split = listings if reused else None
        with contents.connection() as connection:
            bind(
                connection, files, reading, symbols=names, start=first, end=until, adjusted=True, listings=split
            )  # fmt: skip
            through = max(through, known_through(connection) or through)
            rows = _joined(rows, derived_rows(connection, last))
    if not rows.symbols or (symbols is not None and len(rows.symbols) < len(symbols)):
        return None
    return Present(rows=rows, through=max(through, decided or through))


def _joined(rows: Rows, others: Rows | None) -> Rows:
    """Return the rows of two sets of symbols, sorted by symbol."""
    if others is None:
        return rows
    parts = (rows, others)
    ends = [np.cumsum([told.bars for told in part.symbols]).tolist() for part in parts]
    blocks = sorted(
        (told.symbol, number, end - told.bars, end, told)
        for number, part in enumerate(parts)
        for told, end in zip(part.symbols, ends[number], strict=True)
    )

    def column[T: np.generic](values: Sequence[NDArray[T]]) -> NDArray[T]:
        return np.concatenate([values[number][begin:end] for _, number, begin, end, _ in blocks])

    def factor(values: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        if all(each is None for each in values):
            return None
        ones = (np.ones(len(part.days)) for part in parts)
        return column([one if each is None else each for one, each in zip(ones, values, strict=True)])

    return Rows(
        symbols=[told for *_, told in blocks],
        days=column([part.days for part in parts]),
        column=lambda name: column([part.column(name) for part in parts]),
        total_factor=factor([part.total_factor for part in parts]),
        split_ratio=factor([part.split_ratio for part in parts]),
    )


def _decided(connection: duckdb.DuckDBPyConnection) -> str | None:
    (decided,) = connection.execute("SELECT max(decided_at) FROM verdicts").fetchone() or (None,)
    return None if decided is None else str(decided)


class _Events:
    """What dividends and splits do to the rows of each symbol, as the views of `stockstream.lake.adjust` say it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: Table, segment: NDArray[np.float64]) -> None:
        self._table = table
        places = {name: place for place, name in enumerate(table.names)}
        self.paying = _flags(connection, "SELECT DISTINCT symbol FROM dividends", places)
        self.splitting = _flags(connection, "SELECT DISTINCT symbol FROM splits", places)
        self.dividends = self._steps(connection, places, segment)
        self.splits = _later(connection, "SELECT symbol, ex_date, ratio FROM derived.split_factors", places)

    def _steps(
        self, connection: duckdb.DuckDBPyConnection, places: Mapping[str, int], segment: NDArray[np.float64]
    ) -> _Later:
        paid = connection.execute(
            "SELECT symbol, ex_date, segment::DOUBLE AS segment, dividend FROM derived.based_dividends"
        ).fetchall()
        close, days = self._table.based("close"), self._table.days
        found = []
        for name, day, scale, dividend in paid:
            place = places.get(name)
            if place is None:
                continue
            begin, end = self._table.begins[place], self._table.begins[place] + self._table.counts[place]
            before = begin + int(np.searchsorted(days[begin:end], _number(day))) - 1
            if before >= begin:
                found.append((name, day, dividend, bool(scale == segment[before]), float(close[before])))
        connection.execute(BEFORE_DIVIDENDS)
        if found:
            connection.executemany("INSERT INTO derived.before_dividends VALUES (?, ?, ?, ?, ?)", found)
        connection.execute(CUMULATIVE)
        return _later(connection, "SELECT symbol, ex_date, factor FROM derived.dividend_factors", places)

    def spread(self, later: _Later, values: NDArray[np.float64]) -> None:
        """Write into the rows of each symbol with events the factor of the next one after each row's date."""
        for place, (days, factors) in later.items():
            begin, end = self._table.begins[place], self._table.begins[place] + self._table.counts[place]
            values[begin:end] = factors[np.searchsorted(days, self._table.days[begin:end], side="right")]


def _number(day: date) -> int:
    """Return a day as days since 1970."""
    return int(np.datetime64(day).astype(np.int64))


def _flags(connection: duckdb.DuckDBPyConnection, query: str, places: Mapping[str, int]) -> NDArray[np.bool_]:
    flags = np.zeros(len(places), dtype=np.bool_)
    flags[[places[name] for (name,) in connection.execute(query).fetchall() if name in places]] = True
    return flags


def _later(connection: duckdb.DuckDBPyConnection, query: str, places: Mapping[str, int]) -> _Later:
    """Return by symbol the days of events and the factor of all bars before each, which is 1 after the last."""
    found: dict[int, tuple[list[int], list[float]]] = {}
    for name, day, factor in connection.execute(f"{query} ORDER BY symbol, ex_date").fetchall():
        if name in places:
            days, factors = found.setdefault(places[name], ([], []))
            days.append(_number(day))
            factors.append(np.nan if factor is None else factor)
    return {
        place: (np.array(days, dtype=np.int32), np.array([*factors, 1.0])) for place, (days, factors) in found.items()
    }


def _adjusted(table: Table, events: _Events | None) -> Rows:
    """Return the rows with what adjusts them."""
    count = len(table.names)
    paying = np.zeros(count, dtype=np.bool_) if events is None else events.paying
    splitting = np.zeros(count, dtype=np.bool_) if events is None else events.splitting
    if not paying.any() and table.unadjusted():
        one_scale, differs, total = np.ones(count, dtype=np.bool_), paying, None
    else:
        one_scale, differs, total = _total(table, paying)
    if events is not None and total is not None:
        events.spread(events.dividends, total)
    ratio = None
    if events is not None and events.splits:
        ratio = np.ones(len(table.days))
        events.spread(events.splits, ratio)
    told = zip(
        table.names,
        table.counts.tolist(),
        paying.tolist(),
        one_scale.tolist(),
        differs.tolist(),
        splitting.tolist(),
        strict=True,
    )
    return Rows(
        symbols=[Told(*each) for each in told],
        days=table.days,
        column=table.based,
        total_factor=total,
        split_ratio=ratio,
    )


def _total(table: Table, paying: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Return per symbol whether its adjusted closes are on one scale, and differ; per row what they adjust it by."""
    adjusted, close = table.read("adjusted_close"), table.read("close")
    unknown = np.isnan(adjusted)
    differs = np.logical_or.reduceat((adjusted != close) & ~unknown, table.begins)
    agrees = ~differs & np.logical_or.reduceat(~unknown, table.begins)
    one_scale = agrees if bool((agrees | paying).all()) else agrees | ~table.changes_of("fetch_timestamp")
    total = adjusted / close
    total[np.repeat(paying, table.counts)] = 1.0
    total[np.repeat(~paying & ~one_scale, table.counts)] = np.nan
    return one_scale, differs, total


def _until(rows: Rows, table: Table, end: date) -> Rows:
    """Return the rows up to a day."""
    kept = rows.days <= _number(end)
    counts = np.add.reduceat(kept, table.begins, dtype=np.int64).tolist()
    return Rows(
        symbols=[told._replace(bars=bars) for told, bars in zip(rows.symbols, counts, strict=True) if bars],
        days=rows.days[kept],
        column=lambda name: rows.column(name)[kept],
        total_factor=None if rows.total_factor is None else rows.total_factor[kept],
        split_ratio=None if rows.split_ratio is None else rows.split_ratio[kept],
    )
