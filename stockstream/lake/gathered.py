"""The rows of many batches, read some files at a time from the newest session back.

Of every answer it is kept when it came, which bars it covers and how many; of its rows those that may count. A row of
which a newer answer holds the bar is dropped before the next files are read, as most rows of answers that overlap are.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.lake.as_of import settled
from stockstream.schema import CONTENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading

#: Bytes of files that are read at once, unless the files of one session are more: what Polars let go of stays with the
#: process for a while, so larger parts cost several times their size in memory and save no time.
_AT_ONCE: Final = 1_500_000

#: Rows that a column has room for at first.
_LEAST_ROOM: Final = 2**16

#: The most cells of a table of symbols and days per row; beyond it most of the table would be empty.
SPARSE: Final = 64


class Runs(NamedTuple):
    """Rows of one symbol that follow one another with one fetch_timestamp: one answer about it each.

    Attributes
    ----------
    code, stamp
        ``(R,)`` int32: the place of each run's symbol and instant among the names and stamps.
    first, last
        ``(R,)`` int32: the dates of its first and last row, in days since 1970.
    bars
        ``(R,)`` int32: how many rows it has.
    ordered
        ``(R,)``: whether each of its rows has a later date than the row before.
    """

    code: NDArray[np.int32]
    stamp: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    bars: NDArray[np.int32]
    ordered: NDArray[np.bool_]

    def at(self, places: NDArray[np.intp]) -> Runs:
        """Return some of the runs, in an order."""
        found: Iterator[NDArray[Any]] = (each[places] for each in self)
        return Runs(*found)


class Closes(NamedTuple):
    """Of all rows, run by run: the date, the close, and whether its session had settled when it was fetched."""

    number: NDArray[np.int32]
    close: NDArray[np.float64]
    final: NDArray[np.bool_]


class Gathered(NamedTuple):
    """Answers and rows in the order of their files.

    Attributes
    ----------
    names, stamps
        Distinct symbols and instants, sorted.
    runs
        All answers.
    closes
        Of all rows; None if not asked for.
    code, stamp
        ``(N,)`` int32: the symbol and instant of each row that is kept: of a bar that counts in a newer answer none is.
    number
        ``(N,)`` int32: its date, in days since 1970.
    counts
        ``(N,)``: whether it may count.
    values
        N rows with the columns of `CONTENT`.
    """

    names: list[str]
    stamps: list[str]
    runs: Runs
    closes: Closes | None
    code: NDArray[np.int32]
    stamp: NDArray[np.int32]
    number: NDArray[np.int32]
    counts: NDArray[np.bool_]
    values: pl.DataFrame


class Gatherer:
    """Takes frames of rows, the newest first.

    Parameters
    ----------
    reading
        What counts.
    closes
        Whether the closes of all rows are asked for.

    Attributes
    ----------
    first
        The first instant of all rows so far, None before there are any.
    """

    def __init__(self, reading: Reading, *, closes: bool) -> None:
        self.first: str | None = None
        self._exchange, self._provisional = reading.exchange, reading.provisional
        self._symbols = _Symbols()
        self._stamps: dict[str, int] = {}
        self._seen = _Seen()
        self._runs: list[Runs] = []
        self._closes: tuple[_Backwards, ...] = ()
        if closes:
            self._closes = tuple(map(_Backwards, (np.int32, np.float64, np.bool_)))
        self._rows: list[tuple[NDArray[Any], ...]] = []
        self._values: list[pl.DataFrame] = []

    @property
    def names(self) -> list[str]:
        """The symbols of all rows so far."""
        return list(self._symbols.places)

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows, which are before all others so far in the order of their files; at least one."""
        import polars as pl

        number = frame.get_column("date").to_physical().to_numpy()
        codes = self._symbols.numbered(frame.get_column("symbol"))
        stamps, instants = coded(frame.get_column("fetch_timestamp"))
        runs = _runs(codes, instants, number)
        final = self._final(runs, stamps, number)
        counts = np.ones_like(final) if self._provisional else final
        # All that was read so far is newer: a bar that counts in it, counts there.
        all_newer = self.first is not None and stamps[-1] < self.first
        # What does not count may still be the last that is known of its bar.
        kept = self._seen.add(runs, number, counts, all_newer=all_newer) | ~counts
        self.first = stamps[0] if self.first is None else min(self.first, stamps[0])
        runs = runs._replace(stamp=_known(self._stamps, stamps)[runs.stamp])
        self._runs.append(runs)
        for column, values in zip(self._closes, (number, frame.get_column("close").to_numpy(), final), strict=False):
            column.add(values)
        rows = np.flatnonzero(kept)
        run = np.repeat(np.arange(len(runs.bars), dtype=np.int32), runs.bars)[rows]
        self._rows.append((runs.code[run], runs.stamp[run], number[rows], counts[rows]))
        self._values.append(frame.select(CONTENT).filter(pl.Series(kept)))

    def _final(self, runs: Runs, stamps: Sequence[str], number: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return of each row whether its session had settled when it was fetched."""
        final = np.ones(len(number), dtype=np.bool_)
        begins = np.cumsum(runs.bars) - runs.bars
        whole = self._settled(runs.stamp, stamps, np.maximum.reduceat(number, begins))
        if not whole.all():  # the last session of an answer, as a rule
            rows = np.flatnonzero(np.repeat(~whole, runs.bars))
            final[rows] = self._settled(np.repeat(runs.stamp, runs.bars)[rows], stamps, number[rows])
        return final

    def _settled(self, stamp: NDArray[np.int32], stamps: Sequence[str], number: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether the sessions of some days had settled at some instants."""
        days, day = placed(number)
        settled_at = np.searchsorted(stamps, [_settled(each, self._exchange) for each in days.tolist()])
        whole: NDArray[np.bool_] = stamp >= settled_at[day]
        return whole

    def rows(self) -> Gathered:
        """Return all rows, once."""
        import polars as pl

        names, code_of = _ordered(self._symbols.places)
        stamps, stamp_of = _ordered(self._stamps)
        runs = Runs(*map(np.concatenate, zip(*self._runs[::-1], strict=True)))
        code, stamp, number, counts = map(np.concatenate, zip(*self._rows[::-1], strict=True))
        values = pl.concat(self._values[::-1], rechunk=True)
        closes = Closes(*(column.whole() for column in self._closes)) if self._closes else None
        self._runs, self._rows, self._values, self._closes = [], [], [], ()
        return Gathered(
            names=names, stamps=stamps, runs=runs._replace(code=code_of[runs.code], stamp=stamp_of[runs.stamp]),
            closes=closes, code=code_of[code], stamp=stamp_of[stamp], number=number, counts=counts, values=values,
        )  # fmt: skip


class Texts(NamedTuple):
    """A column of texts: where each piece of alike ones begins, and the place of its text among the distinct ones."""

    begin: NDArray[np.intp]
    value: NDArray[np.int32]

    def at(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        """Return the values of some rows."""
        return self.value[np.searchsorted(self.begin, rows, side="right") - 1]


def _runs(codes: Texts, stamps: Texts, number: NDArray[np.int32]) -> Runs:
    """Return the runs of some rows."""
    starts = np.zeros(len(number), dtype=np.bool_)
    starts[codes.begin] = True
    starts[stamps.begin] = True
    begins = np.flatnonzero(starts)
    ends = np.append(begins[1:], len(number))
    starts[1:] |= number[1:] > number[:-1]
    return Runs(
        code=codes.at(begins),
        stamp=stamps.at(begins),
        first=number[begins],
        last=number[ends - 1],
        bars=(ends - begins).astype(np.int32),
        ordered=np.logical_and.reduceat(starts, begins),
    )


class _Symbols:
    """Numbers symbols as they come. Run after run answers about the same ones, which are not looked up again.

    Attributes
    ----------
    places
        The number of each symbol so far.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self._last: pl.Series | None = None
        self._numbers = np.empty(0, dtype=np.int32)

    def numbered(self, symbols: pl.Series) -> Texts:
        """Return the numbers of a column's symbols."""
        pieces, lengths = _pieces(symbols)
        if self._last is None or not pieces.equals(self._last):
            names, codes = distinct(pieces)
            self._last, self._numbers = pieces, _known(self.places, names)[codes]
        return Texts(np.cumsum(lengths) - lengths, self._numbers)


class _Backwards:
    """A column that grows at its beginning; what is not filled of it takes no memory."""

    def __init__(self, kind: type[np.generic]) -> None:
        self._values = np.empty(0, dtype=kind)
        self._begin = 0

    def add(self, values: NDArray[Any]) -> None:
        """Put values before all others."""
        if len(values) > self._begin:
            held = self.whole()
            self._values = np.empty(max(2 * (len(held) + len(values)), _LEAST_ROOM), dtype=held.dtype)
            self._begin = len(self._values) - len(held)
            self._values[self._begin :] = held
        end, self._begin = self._begin, self._begin - len(values)
        self._values[self._begin : end] = values

    def whole(self) -> NDArray[Any]:
        """Return all values."""
        return self._values[self._begin :]


class _Seen:
    """The bars that count in rows so far: a table of symbols and days, which grows."""

    def __init__(self) -> None:
        self._table = np.zeros((0, 0), dtype=np.bool_)
        self._first = 0
        self._rows = 0

    def add(
        self, runs: Runs, number: NDArray[np.int32], counts: NDArray[np.bool_], *, all_newer: bool
    ) -> NDArray[np.bool_]:
        """Add the bars of some runs, and return which of them may count beside those before."""
        self._rows += len(number)
        if not self._reach(int(runs.code.max()) + 1, int(number.min()), int(number.max()) + 1):
            return counts
        cell = np.repeat(runs.code.astype(np.intp) * self._table.shape[1] - self._first, runs.bars) + number
        flat = self._table.reshape(-1)
        kept = counts & ~flat[cell] if all_newer else counts
        flat[cell if counts.all() else cell[counts]] = True
        return kept

    def _reach(self, symbols: int, first: int, end: int) -> bool:
        """Let the table hold some symbols and days; False when most of it would be empty."""
        held, days = self._table.shape
        if days:
            first, end = min(first, self._first), max(end, self._first + days)
        if symbols * (end - first) > SPARSE * self._rows:
            self._table, self._first = np.zeros((0, 0), dtype=np.bool_), 0  # what is not known to be seen is kept
            return False
        if symbols > held or end - first > days:
            table = np.zeros((max(symbols, held), end - first), dtype=np.bool_)
            table[:held, self._first - first : self._first - first + days] = self._table
            self._table, self._first = table, first
        return True


def _known(places_of: dict[str, int], texts: Sequence[str]) -> NDArray[np.int32]:
    """Return the number of each text; a new one takes the next."""
    return np.array([places_of.setdefault(text, len(places_of)) for text in texts], dtype=np.int32)


def _ordered(places_of: dict[str, int]) -> tuple[list[str], NDArray[np.int32]]:
    """Return texts, sorted, and the new place of each."""
    texts = sorted(places_of)
    place = np.empty(len(texts), dtype=np.int32)
    place[[places_of[text] for text in texts]] = np.arange(len(texts), dtype=np.int32)
    return texts, place


@cache
def _settled(day: int, exchange: str) -> str:
    return settled(day, exchange)


def coded(texts: pl.Series) -> tuple[list[str], Texts]:
    """Return the distinct texts of a column, sorted, and where they are."""
    pieces, lengths = _pieces(texts)
    names, found = distinct(pieces)
    return names, Texts(np.cumsum(lengths) - lengths, found)


def _pieces(texts: pl.Series) -> tuple[pl.Series, NDArray[np.intp]]:
    """Return the texts of a column, alike ones that follow one another once, and how many these are."""
    pieces = texts.rle().struct.unnest()
    return pieces.get_column("value"), pieces.get_column("len").to_numpy().astype(np.intp)


def distinct(texts: pl.Series) -> tuple[list[str], NDArray[np.int32]]:
    """Return the distinct texts, sorted, and the place of each among them."""
    import polars as pl

    names = texts.unique().sort()
    return names.to_list(), texts.cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy()


def placed(numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return distinct numbers, sorted, and the place of each row's."""
    first = np.int32(numbers.min())
    offsets = numbers - first
    seen = np.zeros(int(offsets.max()) + 1, dtype=np.bool_)
    seen[offsets] = True
    found = np.cumsum(seen, dtype=np.int32)[offsets] - np.int32(1)
    return np.flatnonzero(seen).astype(np.int32) + first, found


def newest_first(paths: Iterable[str]) -> Iterator[list[str]]:
    """Part files, sorted by session, into some to read at once, the last sessions first; each part stays in order."""
    at_once: list[str] = []
    size = 0
    sessions = [list(found) for _, found in groupby(paths, _session)]
    for session in reversed(sessions):
        more = sum(map(_size, session))
        if at_once and size + more > _AT_ONCE:
            yield at_once
            at_once, size = [], 0
        at_once, size = [*session, *at_once], size + more
    if at_once:
        yield at_once


def _session(path: str) -> str:
    return os.path.basename(path)[:10]  # noqa: PTH119 as below


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 a thousand files are looked at here
    except OSError:  # whoever reads it says so
        return 0
