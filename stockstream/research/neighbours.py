"""Plateau against peak: what the combinations around each combination came to."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

#: Parameters of which each combination is compared with its neighbours: 3 ** 8 are 6,561 of them.
MOST_PARAMETERS: Final = 8

#: Numbers looked at together.
TOGETHER: Final = 4_000_000


def with_medians(frame: pl.DataFrame, parameters: Sequence[str], metric: str) -> pl.DataFrame:
    """Return rows with the median of their neighbourhood, ``{metric}_median``.

    Neighbours are rows of the same symbol whose parameters are at most one step away, a step being the next value that
    the frame has of that parameter; a row is its own neighbour. Those without a value are left out, and so are those
    beyond the edge of the grid.

    Raises
    ------
    ParameterError
        More than 8 parameters that vary.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"days": [5, 10, 20, 40], "sharpe": [0.5, 0.4, 3.0, 0.1]})
    >>> with_medians(frame, ["days"], "sharpe")["sharpe_median"].to_list()
    [0.45, 0.5, 0.4, 1.55]
    """
    import polars as pl

    if "symbol" in frame.columns:
        parts = [_one(part, parameters, metric) for part in frame.partition_by("symbol", maintain_order=True)]
        return pl.concat(parts) if parts else _one(frame, parameters, metric)
    return _one(frame, parameters, metric)


def _one(frame: pl.DataFrame, parameters: Sequence[str], metric: str) -> pl.DataFrame:
    import polars as pl

    medians = np.full(frame.height, np.nan)
    if frame.height:
        medians = medians_of(
            [frame.get_column(name).to_numpy() for name in parameters],
            frame.get_column(metric).cast(pl.Float64).fill_null(math.nan).to_numpy(),
        )
    return frame.with_columns(pl.Series(f"{metric}_median", medians))


def medians_of(columns: Sequence[NDArray[np.float64]], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(C,)``: the median of `values` around each combination, NaN where nothing is known."""
    places, sizes = [], []
    for column in columns:
        steps, place = np.unique(column, return_inverse=True)
        if len(steps) > 1:
            places.append(place.ravel())
            sizes.append(len(steps))
    if len(places) > MOST_PARAMETERS:
        message = (
            f"the neighbourhood of {len(places)} parameters has {3 ** len(places):,} combinations; expected at most "
            f"{MOST_PARAMETERS} parameters that vary"
        )
        raise ParameterError(message)
    scale = np.cumprod([1, *[size + 2 for size in sizes]], dtype=object)  # a margin, so that an edge has no other side
    if scale[-1] > np.iinfo(np.int64).max:
        message = "the parameters take too many different values to have neighbours: sweep a grid, not a random sample"
        raise ParameterError(message)
    factors = scale[:-1].astype(np.int64)
    number = sum(
        ((place + 1) * factor for place, factor in zip(places, factors, strict=True)), np.zeros(len(values), int)
    )
    order = np.argsort(number, kind="stable")
    ordered = number[order]
    shifts = np.array([np.dot(step, factors) for step in itertools.product((-1, 0, 1), repeat=len(factors))], dtype=int)
    medians = np.empty(len(values))
    size = max(TOGETHER // len(shifts), 1)
    for first in range(0, len(values), size):
        wanted = number[first : first + size, None] + shifts[None, :]
        found = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        near = np.where(ordered[found] == wanted, values[order[found]], np.nan)
        near[~np.isfinite(near)] = np.nan
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="All-NaN")
            medians[first : first + size] = np.nanmedian(near, axis=1)
    return medians
