"""Bars straight from the latest rows of a compaction, where these are all that a reading asks for.

A compaction leaves the row that counts of every bar in one sorted file, with its basis. What the views of
`stockstream.lake.adjust` derive by joins is looked up here in arrays, to the same bits. Whatever is out of the ordinary
is left to the views: they know what to say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.lake.adjust import BEFORE_DIVIDENDS, CUMULATIVE
from stockstream.lake.panels import Rows, Told
from stockstream.lake.query import bind_events
from stockstream.schema import PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import duckdb
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.query import Files

#: Symbol's place -> days of its events, and the factor of all bars before each.
type _Later = dict[int, tuple[NDArray[np.int32], NDArray[np.float64]]]

_VALUES: Final = (*PRICES, "volume", "adjusted_close", "segment", "price_basis", "volume_basis")


@dataclass(frozen=True, kw_only=True)
class Present:
    """Rows from a compaction, and the instant of the last answer or verdict that they rest on."""

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
        Only these symbols, none of which is a reused code, from the first to the last of two days.
    """
    start, end = days
    curated = files.shortcut(reading)
    if curated is None:
        return None
    table = _Table(contents, curated.parts["latest"], symbols, start, None if eventful else end)
    if not table.ordered or (symbols is not None and len(table.names) < len(symbols)):
        return None
    segment = table.read("segment")
    if table.changes(segment).any():
        return None  # two scales, which are refused if both are in the range asked for
    events = None
    if eventful or files.verdicts:
        with contents.connection() as connection:
            bind_events(connection, files, reading, symbols)
            decided = _decided(connection)
            if eventful:
                events = _Events(connection, table, segment)
    else:
        decided = None
    through = table.last_answer()
    rows = _adjusted(table, events)
    if end is not None and eventful:
        rows = _until(rows, table, end)
    if not rows.symbols or (symbols is not None and len(rows.symbols) < len(symbols)):
        return None
    return Present(rows=rows, through=max(through, decided or through))


def _decided(connection: duckdb.DuckDBPyConnection) -> str | None:
    (decided,) = connection.execute("SELECT max(decided_at) FROM verdicts").fetchone() or (None,)
    return None if decided is None else str(decided)


class _Table:
    """The latest rows of a compaction, filtered, of which columns are read when they are needed.

    A column of a whole file on this machine is read by itself and let go; otherwise one reading gets them all, because
    each costs requests, or finds the rows anew.
    """

    def __init__(
        self, contents: Contents, path: str, symbols: Sequence[str] | None, start: date | None, end: date | None
    ) -> None:
        import polars as pl

        remote = "://" in path
        frame = pl.scan_parquet(
            path, glob=False, storage_options=contents.location.storage_options() if remote else None
        )
        if symbols is not None:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        if start is not None:
            frame = frame.filter(pl.col("date") >= start)
        if end is not None:
            frame = frame.filter(pl.col("date") <= end)
        self._contents = contents
        if remote or symbols is not None or start is not None or end is not None:
            frame = contents.collect(frame.select("symbol", "date", *_VALUES, "fetch_timestamp")).lazy()
        self._frame = frame
        keys = contents.collect(frame.select("symbol", "date"))
        runs = keys.get_column("symbol").rle().struct.unnest()
        self.names: list[str] = runs.get_column("value").to_list()
        self.counts: NDArray[np.int64] = runs.get_column("len").to_numpy().astype(np.int64)
        self.begins = np.cumsum(self.counts) - self.counts
        self.days: NDArray[np.int32] = keys.get_column("date").to_physical().to_numpy()
        self._basis: dict[str, NDArray[np.float64] | None] = {}

    @property
    def ordered(self) -> bool:
        """Whether there are rows, and each symbol has its own in one place."""
        return bool(self.names) and all(one < other for one, other in zip(self.names, self.names[1:], strict=False))

    def series(self, name: str) -> pl.Series:
        """Return a column as it lies."""
        return self._contents.collect(self._frame.select(name)).get_column(name)

    def read(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where there is none."""
        import polars as pl

        return self.series(name).cast(pl.Float64).to_numpy()

    def based(self, name: str) -> NDArray[np.float64]:
        """Return prices or volumes on the basis of the last answer."""
        values = self.read(name)
        kind = "volume_basis" if name == "volume" else "price_basis"
        if kind not in self._basis:
            basis = self.read(kind)
            self._basis[kind] = None if bool((basis == 1).all()) else basis
        known = self._basis[kind]
        return values if known is None else values * known

    def last_answer(self) -> str:
        """Return the instant of the last answer among the rows."""
        return str(self.series("fetch_timestamp").max())

    def changes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return per symbol whether a column is not the same in all of its rows."""
        other = np.zeros(len(values), dtype=np.bool_)
        other[1:] = values[1:] != values[:-1]
        other[self.begins] = False
        return np.logical_or.reduceat(other, self.begins)

    def changes_of(self, name: str) -> NDArray[np.bool_]:
        """Return per symbol whether a column of texts is not the same in all of its rows."""
        return self.changes(self.series(name).rle_id().to_numpy())


class _Events:
    """What dividends and splits do to the rows of each symbol, as the views of `stockstream.lake.adjust` say it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: _Table, segment: NDArray[np.float64]) -> None:
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


def _adjusted(table: _Table, events: _Events | None) -> Rows:
    """Return the rows with what adjusts them."""
    count = len(table.names)
    paying = np.zeros(count, dtype=np.bool_) if events is None else events.paying
    splitting = np.zeros(count, dtype=np.bool_) if events is None else events.splitting
    adjusted, close = table.read("adjusted_close"), table.read("close")
    unknown = np.isnan(adjusted)
    differs = np.logical_or.reduceat((adjusted != close) & ~unknown, table.begins)
    agrees = ~differs & np.logical_or.reduceat(~unknown, table.begins)
    one_scale = agrees if bool((agrees | paying).all()) else agrees | ~table.changes_of("fetch_timestamp")
    total = None
    if bool(paying.any() or differs.any() or unknown.any()):
        total = adjusted / close
        total[np.repeat(paying, table.counts)] = 1.0
        total[np.repeat(~paying & ~one_scale, table.counts)] = np.nan
        if events is not None:
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


def _until(rows: Rows, table: _Table, end: date) -> Rows:
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
