"""The rows that count among many batches, told from arrays instead of by joins.

Serves the ordinary: answers that hold each of their bars once and in order, nothing that later answers cover and lack,
no verdict. Symbols out of the ordinary are named, and left to the views of `stockstream.lake.versions`. Versions of a
bar compete only within their symbol, so the two kinds of symbols can be told apart and put together again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.lake.gathered import SPARSE, Gatherer, newest_first, placed
from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.gathered import Gathered

#: More days than there are, to keep the dates of symbols apart in one column.
_FAR: Final = 2**31


class Answers:
    """What some batches answered, symbol by symbol.

    A *run* is the rows of one symbol that follow one another with one fetch_timestamp: one answer about it.

    Parameters
    ----------
    rows
        All rows of the batches.
    reading
        What counts.

    Attributes
    ----------
    names, stamps, code, stamp, close
        As in `stockstream.lake.gathered.Gathered`.
    days
        ``(D,)`` int32: the dates, in days since 1970.
    day
        ``(N,)``: the place of each row's date among them.
    last, best
        ``(C, D)``: the row of the last version of each bar, and of the last one that counts; -1 where there is none.
    final
        ``(N,)``: whether each row's session had settled when it was fetched; None: all had.
    run_begin, run_code, run_stamp, run_bars
        ``(R,)``: where each run begins, its symbol, instant and rows; sorted by symbol and instant.
    floor, ceiling
        ``(C,)``: the first and the last date that dense answers about a symbol cover.
    odd
        ``(C,)``: symbols that are out of the ordinary.
    sparse
        The bars are too far apart for a table of symbols and days: nothing else is known.
    """

    def __init__(self, rows: Gathered, reading: Reading) -> None:
        self.names, self.code = rows.names, rows.code
        self.stamps, self.stamp = rows.stamps, rows.stamp
        self.close = rows.close
        self.final: NDArray[np.bool_] | None = None if rows.final.all() else rows.final
        self.days, self.day = placed(rows.number)
        self.odd = np.zeros(len(self.names), dtype=np.bool_)
        self.sparse = len(self.names) * len(self.days) > SPARSE * len(self.code)
        if self.sparse:
            return
        self._find_runs()
        self._find_last(reading)
        self._find_withdrawn()
        self._kept, self._values = rows.kept, rows.values

    def _find_runs(self) -> None:
        """Find the runs, and the symbols of which an answer holds a bar twice or comes in parts."""
        code, stamp, day = self.code, self.stamp, self.day
        other = (code[1:] != code[:-1]) | (stamp[1:] != stamp[:-1])
        self.odd[code[1:][~other & (day[1:] <= day[:-1])]] = True
        begins = np.concatenate([[0], np.flatnonzero(other) + 1])
        ends = np.append(begins[1:], len(code))
        pairs = code[begins].astype(np.int64) * len(self.stamps) + stamp[begins]
        order = np.argsort(pairs, kind="stable")
        begins, ends, pairs = begins[order], ends[order], pairs[order]
        self.odd[code[begins[1:][pairs[1:] == pairs[:-1]]]] = True
        self.run_begin, self.run_code, self.run_stamp = begins, code[begins], stamp[begins]
        self.run_first, self.run_last, self.run_bars = self.days[day[begins]], self.days[day[ends - 1]], ends - begins
        self.dense = 14 * self.run_bars >= 5 * (self.run_last - self.run_first + 1)

    def _find_last(self, reading: Reading) -> None:
        """Find the last version of each bar, and the last that counts; of one instant there is one, or it is odd."""
        cell = self.code.astype(np.intp) * len(self.days) + self.day
        rows = np.arange(len(cell), dtype=np.int32)
        if (self.stamp[1:] < self.stamp[:-1]).any():
            rows = np.argsort(self.stamp, kind="stable").astype(np.int32)
            cell = cell[rows]
        shape = (len(self.names), len(self.days))
        last = np.full(shape[0] * shape[1], -1, dtype=np.int32)
        last[cell] = rows  # of several the last one stays
        self.last = self.best = last.reshape(shape)
        if not (reading.provisional or self.final is None):
            counts = self.final[rows]
            best = np.full(len(last), -1, dtype=np.int32)
            best[cell[counts]] = rows[counts]
            self.best = best.reshape(shape)

    def _find_withdrawn(self) -> None:
        """Find the symbols of which a later dense answer covers a bar and lacks it."""
        scale = np.int64(_FAR) * self.run_code
        first = np.where(self.dense, self.run_first, _FAR // 2) + scale
        final = np.where(self.dense, self.run_last, -_FAR // 2) - scale
        # From the last run of the last symbol on: each symbol lies below (above) all before, so bounds begin anew.
        floor, ceiling = np.full(len(first), _FAR // 2 + scale), np.full(len(first), -_FAR // 2 - scale)
        same = self.run_code[1:] == self.run_code[:-1]
        floor[:-1][same] = np.minimum.accumulate(first[::-1])[::-1][1:][same]
        ceiling[:-1][same] = np.maximum.accumulate(final[::-1])[::-1][1:][same]
        floor, ceiling = floor - scale, ceiling + scale
        self.floor = np.full(len(self.names), _FAR // 2, dtype=np.int64)
        self.ceiling = np.full(len(self.names), -_FAR // 2, dtype=np.int64)
        np.minimum.at(self.floor, self.run_code, first - scale)
        np.maximum.at(self.ceiling, self.run_code, final + scale)
        order = np.argsort(self.run_begin)
        codes, places = np.nonzero(self.last >= 0)
        rows = self.last[codes, places]
        run = order[np.searchsorted(self.run_begin[order], rows, side="right") - 1]
        days = self.days[places]
        self.odd[codes[(floor[run] <= days) & (days <= ceiling[run])]] = True

    def counted(self) -> Counted:
        """Return what is known of the bars, without the rows that no longer count."""
        import polars as pl

        codes, places = np.nonzero(self.best >= 0)
        rows = self.best[codes, places]
        kept = np.cumsum(self._kept, dtype=np.int32)[rows] - np.int32(1)
        keys = {
            "symbol": pl.Series(self.names).gather(codes),
            "date": pl.Series(self.days[places]).cast(pl.Date),
            "fetch_timestamp": pl.Series(self.stamps).gather(self.stamp[rows]),
        }
        found = self._values[kept].with_columns(**keys).select(list(ROW_TYPES))
        return Counted(
            names=self.names,
            first=self.stamps[0],
            days=self.days,
            held=self.last >= 0,
            counts=self.best >= 0,
            floor=self.floor,
            ceiling=self.ceiling,
            odd=self.odd,
            rows=found,
            code=codes.astype(np.int32),
        )


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The rows that count in some batches, and what is known of the others.

    Attributes
    ----------
    names, days, floor, ceiling, odd
        As in `Answers`.
    first
        The first instant of an answer.
    held, counts
        ``(C, D)``: whether there is a version of a bar, and one that counts.
    rows
        The rows that count, sorted by symbol and date.
    code
        The place of each one's symbol.
    """

    names: list[str]
    first: str
    days: NDArray[np.int32]
    held: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    floor: NDArray[np.int64]
    ceiling: NDArray[np.int64]
    odd: NDArray[np.bool_]
    rows: pl.DataFrame
    code: NDArray[np.int32]

    def size(self) -> int:
        """Return the bytes that it takes."""
        arrays = (self.days, self.held, self.counts, self.floor, self.ceiling, self.odd, self.code)
        return int(self.rows.estimated_size()) + sum(array.nbytes for array in arrays)

    def counting(self) -> pl.DataFrame:
        """Return the rows that count of ordinary symbols, sorted by symbol and date."""
        import polars as pl

        return self.rows.filter(pl.Series(~self.odd[self.code])) if self.odd.any() else self.rows


def answers(
    contents: Contents,
    paths: Sequence[str],
    reading: Reading,
    symbols: Sequence[str] | None,
    *,
    closes: bool = False,
    before: Callable[[Sequence[str], str], pl.DataFrame | None] | None = None,
) -> Answers | None:
    """Return what some batches answered, None where they are not to be told from arrays.

    Parameters
    ----------
    contents, paths, reading
        The lake, the batches, and what counts.
    symbols
        Only these.
    closes
        Whether the closes of all rows are asked for.
    before
        Gives rows of older answers, for the symbols and the first instant of the batches; None, or if it gives none:
        there are none.
    """
    import polars as pl

    if any("://" in path for path in paths):
        return None
    gatherer = Gatherer(reading, closes=closes)
    for part in newest_first(paths):
        rows = pl.scan_parquet(part, glob=False).select(list(ROW_TYPES))
        if symbols is not None:
            rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
        if reading.until is not None:
            rows = rows.filter(pl.col("fetch_timestamp") <= reading.until)
        frame = contents.collect(rows)
        if any(frame.get_column(name).null_count() for name in (*KEY, "fetch_timestamp")):
            return None
        if frame.height:
            gatherer.add(frame)
    if gatherer.first is None:
        return None
    older = None if before is None else before(gatherer.names, gatherer.first)
    if older is not None and older.height:
        gatherer.add(older)
    found = Answers(gatherer.rows(), reading)
    return None if found.sparse else found
