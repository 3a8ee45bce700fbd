"""The rows that count among many batches, told from arrays instead of by joins.

Serves the ordinary: answers that hold each of their bars once and in order, nothing that later answers cover and lack,
no verdict. Symbols out of the ordinary are named, and left to the views of `stockstream.lake.versions`. Versions of a
bar compete only within their symbol, so the two kinds of symbols can be told apart and put together again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.lake.as_of import settled
from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents

#: The most cells of the table of symbols and days per row; beyond it most of the table would be empty.
_SPARSE: Final = 64

#: More days than there are, to keep the dates of symbols apart in one column.
_FAR: Final = 2**31


class Answers:
    """What some batches answered, symbol by symbol.

    A *run* is the rows of one symbol that follow one another with one fetch_timestamp: one answer about it.

    Parameters
    ----------
    frame
        All rows of the batches, in their order, with the columns of `ROW_TYPES`; at least one.
    reading
        What counts.

    Attributes
    ----------
    frame
        As given.
    names
        C symbols, sorted.
    code, day
        ``(N,)``: the place of each row's symbol, and of its date among `days`.
    days
        ``(D,)`` int32: the dates, in days since 1970.
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

    def __init__(self, frame: pl.DataFrame, reading: Reading) -> None:
        self.frame = frame
        self.names, self.code = _codes(frame.get_column("symbol"))
        self.stamps, self.stamp = _codes(frame.get_column("fetch_timestamp"))
        numbers = frame.get_column("date").to_physical().to_numpy()
        self.days, self.day = _places(numbers)
        self.odd = np.zeros(len(self.names), dtype=np.bool_)
        self.sparse = len(self.names) * len(self.days) > _SPARSE * frame.height
        if self.sparse:
            return
        self._find_runs()
        self._find_last(reading)
        self._find_withdrawn()

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
        self.final: NDArray[np.bool_] | None = None
        final = np.searchsorted(self.stamps, [settled(int(day), reading.exchange) for day in self.days])
        counts = self.stamp[rows] >= final[self.day[rows]]
        if not counts.all():
            self.final = self.stamp >= final[self.day]
        if not (reading.provisional or counts.all()):
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

    def counting(self) -> pl.DataFrame:
        """Return the rows that count of ordinary symbols, sorted by symbol and date."""
        import polars as pl

        best = self.best[~self.odd]
        rows = best[best >= 0]
        kept = np.zeros(self.frame.height, dtype=np.bool_)
        kept[rows] = True
        # First fewer rows, then in order: to pick them out of many pieces at random takes several times as long.
        places = np.cumsum(kept, dtype=np.int32)[rows] - np.int32(1)
        return self.frame.filter(pl.Series(kept)).rechunk()[places]


def _codes(texts: pl.Series) -> tuple[list[str], NDArray[np.int32]]:
    """Return distinct texts, sorted, and the place of each row's."""
    import polars as pl

    runs = texts.rle().struct.unnest()
    values = runs.get_column("value")
    names = values.unique().sort()
    codes = values.cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy()
    return names.to_list(), np.repeat(codes, runs.get_column("len").to_numpy())


def _places(numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return distinct numbers, sorted, and the place of each row's."""
    first = np.int32(numbers.min())
    offsets = numbers - first
    seen = np.zeros(int(offsets.max()) + 1, dtype=np.bool_)
    seen[offsets] = True
    places = np.cumsum(seen, dtype=np.int32)[offsets] - np.int32(1)
    return np.flatnonzero(seen).astype(np.int32) + first, places


def answers(
    contents: Contents,
    paths: Sequence[str],
    reading: Reading,
    symbols: Sequence[str] | None,
    *,
    before: Callable[[pl.DataFrame], pl.DataFrame | None] | None = None,
) -> Answers | None:
    """Return what some batches answered, None where they are not to be told from arrays.

    Parameters
    ----------
    contents, paths, reading
        The lake, the batches, and what counts.
    symbols
        Only these.
    before
        Gives rows of older answers, for the rows of the batches; None, or if it gives none: there are none.
    """
    import polars as pl

    if any("://" in path for path in paths):
        return None
    rows = pl.scan_parquet(list(paths), glob=False).select(list(ROW_TYPES))
    if symbols is not None:
        rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
    if reading.until is not None:
        rows = rows.filter(pl.col("fetch_timestamp") <= reading.until)
    frame = contents.collect(rows)
    keys = [frame.get_column(name) for name in (*KEY, "fetch_timestamp")]
    if frame.height == 0 or any(key.null_count() for key in keys):
        return None
    older = None if before is None else before(frame)
    found = Answers(frame if older is None else pl.concat([older, frame]), reading)
    return None if found.sparse else found
