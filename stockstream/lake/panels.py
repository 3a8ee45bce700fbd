"""From long columns, sorted by symbol and date, to panels of symbols and days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class Told(NamedTuple):
    """A symbol's rows, and what their adjustment can rest on.

    Attributes
    ----------
    symbol, bars
        The symbol, and how many rows it has.
    by_events
        Dividends are recorded.
    one_scale
        Its adjusted closes come from one fetch, or equal the closes.
    source_adjusted
        Its adjusted closes differ from the closes.
    splits
        Splits are recorded.
    """

    symbol: str
    bars: int
    by_events: bool
    one_scale: bool | None
    source_adjusted: bool | None
    splits: bool


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows that bars are made of, sorted by symbol and date, and read column by column.

    Attributes
    ----------
    symbols
        S symbols, sorted, each with N rows.
    days
        ``(N,)`` int32: the date of each row, in days since 1970.
    column
        Name -> ``(N,)`` float64: a price or the volume on the basis of the last answer; NaN where none is known.
    total_factor
        ``(N,)``: adjusted / stored price, NaN where it cannot be known; None is 1 everywhere.
    split_ratio
        ``(N,)``: new / old shares of all later splits; None is 1 everywhere.
    """

    symbols: Sequence[Told]
    days: NDArray[np.int32]
    column: Callable[[str], NDArray[np.float64]]
    total_factor: NDArray[np.float64] | None
    split_ratio: NDArray[np.float64] | None


class Spread:
    """The places of rows in (S, T) panels.

    Parameters
    ----------
    rows
        Sorted by symbol and date.

    Attributes
    ----------
    symbols
        S names.
    days
        ``(T,)`` datetime64[D], the union of all dates.
    bounds
        ``(S + 1,)``: where each symbol's rows begin, and the last one's end.
    column
        ``(N,)``: the place of each row's date among the days.
    """

    def __init__(self, rows: Rows) -> None:
        self.symbols = tuple(told.symbol for told in rows.symbols)
        self.bounds = np.concatenate([[0], np.cumsum([told.bars for told in rows.symbols])]).astype(np.intp)
        first, last = int(rows.days.min()), int(rows.days.max())
        seen = np.zeros(last - first + 1, dtype=np.bool_)
        offsets = rows.days - np.int32(first)
        seen[offsets] = True
        self.days: NDArray[Any] = (np.flatnonzero(seen) + first).astype("datetime64[D]")
        self.column = np.cumsum(seen, dtype=np.int32)[offsets] - np.int32(1)

    def panel(
        self, values: NDArray[np.float64] | None, factor: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return values, times a factor, as (S, T), NaN where there is no bar; None stands for 1."""
        if values is None:
            values, factor = factor, None
        panel = np.empty((len(self.symbols), len(self.days)))
        bounds = self.bounds.tolist()
        firsts, lasts = (self.column[place].tolist() for place in (self.bounds[:-1], self.bounds[1:] - 1))
        for row, begin, end, first, last in zip(panel, bounds, bounds[1:], firsts, lasts, strict=False):
            row[:first] = np.nan
            row[last + 1 :] = np.nan
            part = row[first : last + 1]
            if last - first == end - begin - 1:  # no day is missing
                part[:] = 1.0 if values is None else values[begin:end]
                if factor is not None:
                    part *= factor[begin:end]
                continue
            part[:] = np.nan
            own = 1.0 if values is None else values[begin:end]
            row[self.column[begin:end]] = own if factor is None else own * factor[begin:end]
        return panel
