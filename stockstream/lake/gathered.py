"""The rows of many batches, read some files at a time from the newest session back.

Of every row the keys are kept as numbers, of a row that counts its values too: unless a newer answer holds its bar.
Most rows of answers that overlap are dropped so before the next files are read.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.lake.as_of import settled
from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading

#: What a row says of its bar.
VALUES: Final = tuple(name for name in ROW_TYPES if name not in (*KEY, "fetch_timestamp"))

#: Bytes of files that are read at once, unless the files of one session are more.
_AT_ONCE: Final = 4_000_000

#: Rows that a column has room for at first.
_LEAST_ROOM: Final = 2**16

#: The most cells of a table of symbols and days per row; beyond it most of the table would be empty.
SPARSE: Final = 64


class Gathered(NamedTuple):
    """Rows in the order of their files.

    Attributes
    ----------
    names, stamps
        Distinct symbols and instants, sorted.
    code, stamp
        ``(N,)`` int32: the place of each row's symbol and instant among them.
    number
        ``(N,)`` int32: its date, in days since 1970.
    final
        ``(N,)``: whether its session had settled when it was fetched.
    kept
        ``(N,)``: whether its values are kept; those of all rows that count for their bar are.
    values
        The kept rows' values, with the columns of `VALUES`.
    close
        ``(N,)``; empty if not asked for.
    """

    names: list[str]
    stamps: list[str]
    code: NDArray[np.int32]
    stamp: NDArray[np.int32]
    number: NDArray[np.int32]
    final: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    values: pl.DataFrame
    close: NDArray[np.float64]


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
        self._exchange, self._provisional, self._closes = reading.exchange, reading.provisional, closes
        self._names: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._seen = _Seen()
        self._columns: dict[str, _Backwards] = {}
        self._values: list[pl.DataFrame] = []

    @property
    def names(self) -> list[str]:
        """The symbols of all rows so far."""
        return list(self._names)

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows, which are before all others so far in the order of their files; at least one."""
        import polars as pl

        names, code = coded(frame.get_column("symbol"))
        stamps, stamp = coded(frame.get_column("fetch_timestamp"))
        number = frame.get_column("date").to_physical().to_numpy()
        code = _known(self._names, names)[code]
        days, day = placed(number)
        final = stamp >= np.searchsorted(stamps, [_settled(each, self._exchange) for each in days.tolist()])[day]
        counts = np.ones_like(final) if self._provisional else final
        # All that was read so far is newer: a bar that counts in it, counts there.
        kept = self._seen.add(code, number, counts, all_newer=self.first is not None and stamps[-1] < self.first)
        self.first = stamps[0] if self.first is None else min(self.first, stamps[0])
        self._keep("code", code)
        self._keep("stamp", _known(self._stamps, stamps)[stamp])
        self._keep("number", number)
        self._keep("final", final)
        self._keep("kept", kept)
        self._keep("close", frame.get_column("close").to_numpy() if self._closes else np.empty(0))
        self._values.append(frame.select(VALUES).filter(pl.Series(kept)).rechunk())

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self._columns.setdefault(name, _Backwards(values.dtype)).add(values)

    def rows(self) -> Gathered:
        """Return all rows, once."""
        import polars as pl

        names, code_of = _ordered(self._names)
        stamps, stamp_of = _ordered(self._stamps)
        values = pl.concat(self._values[::-1], rechunk=True)
        found = {name: column.whole() for name, column in self._columns.items()}
        self._values, self._columns = [], {}
        return Gathered(
            names=names, stamps=stamps, code=code_of[found.pop("code")], stamp=stamp_of[found.pop("stamp")],
            values=values, **found,
        )  # fmt: skip


class _Backwards:
    """A column that grows at its beginning; what is not filled of it takes no memory."""

    def __init__(self, kind: np.dtype[Any]) -> None:
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
        self, code: NDArray[np.int32], number: NDArray[np.int32], counts: NDArray[np.bool_], *, all_newer: bool
    ) -> NDArray[np.bool_]:
        """Add bars, and return which of them may count beside those before."""
        self._rows += len(code)
        if not self._reach(int(code.max()) + 1, int(number.min()), int(number.max()) + 1):
            return counts
        cell = code.astype(np.intp) * self._table.shape[1] + (number - np.int32(self._first))
        flat = self._table.reshape(-1)
        kept = counts & ~flat[cell] if all_newer else counts
        flat[cell[counts]] = True
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


def coded(texts: pl.Series) -> tuple[list[str], NDArray[np.int32]]:
    """Return distinct texts, sorted, and the place of each row's."""
    import polars as pl

    runs = texts.rle().struct.unnest()
    values = runs.get_column("value")
    names = values.unique().sort()
    found = values.cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy()
    return names.to_list(), np.repeat(found, runs.get_column("len").to_numpy())


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
