"""Tables of the rows that count, sorted by symbol and date, of which columns are read when they are needed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.lake.merged import Base
from stockstream.schema import PRICES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.contents import Contents

#: What bars are made of, besides the symbol and the date.
VALUES: Final = (*PRICES, "volume", "adjusted_close", "segment", "price_basis", "volume_basis", "fetch_timestamp")

#: Pieces of fewer rows than this, on average, are taken row by row.
_ROWS_A_PIECE: Final = 32


class Table(Base):
    """Rows whose columns are those of the latest rows of a compaction.

    Parameters
    ----------
    contents
        The lake.
    frame
        The rows, lazily.
    """

    def __init__(self, contents: Contents, frame: pl.LazyFrame) -> None:
        self._contents = contents
        self._frame = frame
        super().__init__(contents.collect(frame.select("symbol", "date")))
        self._basis: dict[str, NDArray[np.float64] | None] = {}

    @property
    def ordered(self) -> bool:
        """Whether there are rows, and each symbol has its own in one place."""
        return bool(self.names) and all(one < other for one, other in pairwise(self.names))

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
            self._basis[kind] = None if self.is_one(kind) else self.read(kind)
        known = self._basis[kind]
        return values if known is None else values * known

    def is_one(self, name: str) -> bool:
        """Whether a column is 1 in all rows."""
        return bool((self.read(name) == 1).all())

    def last_answer(self) -> str:
        """Return the instant of the last answer among the rows."""
        return str(self.series("fetch_timestamp").max())

    def mixed(self) -> bool:
        """Whether a symbol has rows on two scales."""
        return bool(self.changes(self.read("segment")).any())

    def unadjusted(self) -> bool:
        """Whether every adjusted close equals the close."""
        return bool((self.read("adjusted_close") == self.read("close")).all())

    def changes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return per symbol whether a column is not the same in all of its rows."""
        other = np.zeros(len(values), dtype=np.bool_)
        other[1:] = values[1:] != values[:-1]
        other[self.begins] = False
        return np.logical_or.reduceat(other, self.begins)

    def changes_of(self, name: str) -> NDArray[np.bool_]:
        """Return per symbol whether a column of texts is not the same in all of its rows."""
        return self.changes(self.series(name).rle_id().to_numpy())


def table_of_file(
    contents: Contents,
    path: str,
    symbols: Sequence[str] | None,
    days: tuple[date | None, date | None] = (None, None),
    *,
    without: Collection[str] = (),
) -> Table:
    """Return the latest rows of a compaction, of some symbols but not of others, and of some days.

    A column of a whole file on this machine is read by itself and let go; otherwise one reading gets them all, because
    each costs requests, or finds the rows anew.
    """
    import polars as pl

    remote = "://" in path
    frame = pl.scan_parquet(path, glob=False, storage_options=contents.location.storage_options() if remote else None)
    if symbols is not None:
        frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
    if without:
        frame = frame.filter(~pl.col("symbol").is_in(sorted(without)))
    frame = within(frame, days)
    if remote or symbols is not None or days != (None, None):
        frame = contents.collect(frame.select("symbol", "date", *VALUES)).lazy()
    return Table(contents, frame)


def within(frame: pl.LazyFrame, days: tuple[date | None, date | None]) -> pl.LazyFrame:
    """Return the rows from the first to the last of two days; None is open."""
    import polars as pl

    first, last = days
    if first is not None:
        frame = frame.filter(pl.col("date") >= first)
    return frame if last is None else frame.filter(pl.col("date") <= last)


class Merged(Table):
    """Rows of a table with others among them.

    Parameters
    ----------
    contents
        The lake.
    base
        The table.
    kept
        Which of its rows stay.
    newer
        The others, sorted by symbol and date, with the columns of `VALUES`; no bar is in both, and every symbol is on
        one scale.
    """

    def __init__(self, contents: Contents, base: Table, kept: NDArray[np.bool_], newer: pl.DataFrame) -> None:
        self._contents, self._base, self._kept = contents, base, kept
        self._newer = Table(contents, newer.lazy())
        self._basis = {}
        others = self._newer
        self.names = sorted({*base.names, *others.names})
        place = {name: number for number, name in enumerate(self.names)}
        own, their = (
            np.repeat(np.array([place[name] for name in each.names], dtype=np.int64), each.counts)
            for each in (base, others)
        )
        own = own[kept]
        # One number a bar, in the order of symbols and days.
        one = own << 32 | (base.days[kept].astype(np.int64) + 2**31)
        other = their << 32 | (others.days.astype(np.int64) + 2**31)
        inserted = np.zeros(len(one) + len(other), dtype=np.bool_)
        inserted[np.searchsorted(one, other) + np.arange(len(other))] = True
        del one, other
        counts = np.bincount(own, minlength=len(self.names)) + np.bincount(their, minlength=len(self.names))
        self.names = [name for name, count in zip(self.names, counts.tolist(), strict=True) if count]
        self.counts = counts[counts > 0].astype(np.int64)
        self.begins = np.cumsum(self.counts) - self.counts
        origin = np.empty(len(inserted), dtype=np.intp)
        origin[~inserted] = np.flatnonzero(kept)
        origin[inserted] = len(kept) + np.arange(len(others.days))
        self._origin, self._pieces = _pieces(origin, len(kept))
        self.days = self._joined(base.days, others.days)

    def _joined[T: np.generic](self, base: NDArray[T], newer: NDArray[T]) -> NDArray[T]:
        """Return the rows of both in their order."""
        if self._origin is not None:
            return np.concatenate([base, newer])[self._origin]
        count = len(base)
        return np.concatenate(
            [base[begin:end] if begin < count else newer[begin - count : end - count] for begin, end in self._pieces]
        )

    def read(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; see `Table.read`."""
        return self._joined(self._base.read(name), self._newer.read(name))

    def series(self, name: str) -> pl.Series:
        """Return a column as it lies; see `Table.series`."""
        import polars as pl

        base, newer = self._base.series(name), self._newer.series(name)
        numbers = np.arange(len(base) + len(newer))
        return pl.concat([base, newer]).gather(self._joined(numbers[: len(base)], numbers[len(base) :]))

    def mixed(self) -> bool:
        """Return False: see the parameters."""
        return False

    def is_one(self, name: str) -> bool:
        """Whether a column is 1 in all rows; see `Table.is_one`."""
        return (self._base.is_one(name) and self._newer.is_one(name)) or super().is_one(name)

    def unadjusted(self) -> bool:
        """Whether nothing was adjusted; see `Table.unadjusted`."""
        return (self._base.unadjusted() and self._newer.unadjusted()) or super().unadjusted()

    def last_answer(self) -> str:
        """Return the instant of the last answer; see `Table.last_answer`."""
        import polars as pl

        base = self._base.series("fetch_timestamp")
        newer = self._newer.last_answer() if self._newer.names else ""
        return newer if newer >= str(base.max()) else max(newer, str(base.filter(pl.Series(self._kept)).max() or ""))


def _pieces(origin: NDArray[np.intp], border: int) -> tuple[NDArray[np.intp] | None, list[tuple[int, int]]]:
    """Return the runs of places that follow one another, on one side of a border; of many, all places instead."""
    starts = np.ones(len(origin), dtype=np.bool_)
    starts[1:] = (origin[1:] != origin[:-1] + 1) | (origin[1:] == border)
    begins = np.flatnonzero(starts)
    if len(begins) * _ROWS_A_PIECE >= len(origin):
        return origin, []
    first, last = origin[begins], origin[np.append(begins[1:], len(origin)) - 1]
    return None, list(zip(first.tolist(), (last + 1).tolist(), strict=True))
