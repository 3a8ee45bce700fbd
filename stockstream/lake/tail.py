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
    from stockstream.lake.gathered import Gathered, Runs

#: More days than there are, to keep the dates of symbols apart in one column.
_FAR: Final = 2**31


class Answers:
    """What some batches answered, symbol by symbol.

    Parameters
    ----------
    rows
        All answers in the batches, and the rows that may count.
    reading
        What counts.

    Attributes
    ----------
    names, stamps, closes
        As in `stockstream.lake.gathered.Gathered`.
    days
        ``(D,)`` int32: the dates, in days since 1970.
    last, best
        ``(C, D)``: the row of the last version of each bar, and of the last one that counts; -1 where there is none.
    runs
        As in `Gathered`, sorted by symbol and instant.
    run_begin
        ``(R,)``: where each run begins among all rows, in the order of their files.
    floor, ceiling
        ``(C,)``: the first and the last date that dense answers about a symbol cover.
    odd
        ``(C,)``: symbols that are out of the ordinary.
    sparse
        The bars are too far apart for a table of symbols and days: nothing else is known.
    """

    def __init__(self, rows: Gathered, reading: Reading) -> None:
        self.names, self.stamps, self.closes = rows.names, rows.stamps, rows.closes
        self._code, self._stamp, self._counts, self._values = rows.code, rows.stamp, rows.counts, rows.values
        self.days, self._day = placed(rows.number)
        self.odd = np.zeros(len(self.names), dtype=np.bool_)
        self.sparse = len(self.names) * len(self.days) > SPARSE * int(rows.runs.bars.sum())
        if self.sparse:
            return
        self._find_runs(rows.runs)
        self._find_last()
        self._find_withdrawn()

    def _find_runs(self, runs: Runs) -> None:
        """Sort the runs, and find the symbols of which an answer holds a bar twice or comes in parts."""
        pairs = self._pairs(runs.code, runs.stamp)
        order = np.argsort(pairs, kind="stable")
        self.run_begin = (np.cumsum(runs.bars, dtype=np.int64) - runs.bars)[order]
        self.runs = runs.at(order)
        self._sorted_pairs = pairs[order]
        self.odd[runs.code[~runs.ordered]] = True
        self.odd[self.runs.code[1:][self._sorted_pairs[1:] == self._sorted_pairs[:-1]]] = True
        self.dense = 14 * self.runs.bars >= 5 * (self.runs.last - self.runs.first + 1)

    def _pairs(self, code: NDArray[np.int32], stamp: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return one number for each symbol and instant, in their order."""
        return code.astype(np.int64) * len(self.stamps) + stamp

    def run_of(self, rows: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the place of the run of each of some rows; of an answer in parts, which is odd, that of the first."""
        return np.searchsorted(self._sorted_pairs, self._pairs(self._code[rows], self._stamp[rows]))

    def _find_last(self) -> None:
        """Find the last version of each bar, and the last that counts; of one instant there is one, or it is odd."""
        cell = self._code.astype(np.intp) * len(self.days) + self._day
        rows = np.arange(len(cell), dtype=np.int32)
        if (self._stamp[1:] < self._stamp[:-1]).any():
            rows = np.argsort(self._stamp, kind="stable").astype(np.int32)
            cell = cell[rows]
        shape = (len(self.names), len(self.days))
        last = np.full(shape[0] * shape[1], -1, dtype=np.int32)
        last[cell] = rows  # of several the last one stays
        self.last = self.best = last.reshape(shape)
        if not self._counts.all():
            counts = self._counts[rows]
            best = np.full(len(last), -1, dtype=np.int32)
            best[cell[counts]] = rows[counts]
            self.best = best.reshape(shape)

    def _find_withdrawn(self) -> None:
        """Find the symbols of which a later dense answer covers a bar and lacks it."""
        code = self.runs.code
        scale = np.int64(_FAR) * code
        first = np.where(self.dense, self.runs.first, _FAR // 2) + scale
        final = np.where(self.dense, self.runs.last, -_FAR // 2) - scale
        # From the last run of the last symbol on: each symbol lies below (above) all before, so bounds begin anew.
        floor, ceiling = np.full(len(first), _FAR // 2 + scale), np.full(len(first), -_FAR // 2 - scale)
        same = code[1:] == code[:-1]
        floor[:-1][same] = np.minimum.accumulate(first[::-1])[::-1][1:][same]
        ceiling[:-1][same] = np.maximum.accumulate(final[::-1])[::-1][1:][same]
        floor, ceiling = floor - scale, ceiling + scale
        self.floor = np.full(len(self.names), _FAR // 2, dtype=np.int64)
        self.ceiling = np.full(len(self.names), -_FAR // 2, dtype=np.int64)
        np.minimum.at(self.floor, code, first - scale)
        np.maximum.at(self.ceiling, code, final + scale)
        codes, places = np.nonzero(self.last >= 0)
        run = self.run_of(self.last[codes, places])
        days = self.days[places]
        self.odd[codes[(floor[run] <= days) & (days <= ceiling[run])]] = True

    def counted(self) -> Counted:
        """Return what is known of the bars, without the rows that no longer count."""
        import polars as pl

        codes, places = np.nonzero(self.best >= 0)
        rows = self.best[codes, places]
        keys = {
            "symbol": pl.Series(self.names).gather(codes),
            "date": pl.Series(self.days[places]).cast(pl.Date),
            "fetch_timestamp": pl.Series(self.stamps).gather(self._stamp[rows]),
        }
        found = self._values[rows].with_columns(**keys).select(list(ROW_TYPES))
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
