"""Fewer points of a long series without losing its extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def extremes(values: ArrayLike, limit: int) -> NDArray[np.intp]:
    """Return the places of at most `limit` points that draw the same picture.

    The series is cut into equal buckets; of each, the least and the greatest value stay, and the first and last point
    of all. Sampling every k-th point instead would lose the day of a crash.

    Parameters
    ----------
    values : (T,)
        NaN is never an extreme.
    limit
        At least 4. A series that is no longer is kept whole.

    Examples
    --------
    >>> extremes([1.0, 9.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0], 6).tolist()
    [0, 1, 4, 7]
    """
    series = np.asarray(values, dtype=np.float64)
    if len(series) <= limit:
        return np.arange(len(series))
    buckets = (limit - 2) // 2
    width = -(-len(series) // buckets)
    padded = np.full(width * buckets, np.nan)
    padded[: len(series)] = series
    table = padded.reshape(buckets, width)
    gaps = np.isnan(table)
    low = np.where(gaps, np.inf, table).argmin(axis=1)
    high = np.where(gaps, -np.inf, table).argmax(axis=1)
    starts = np.arange(buckets) * width
    places = np.concatenate([[0], starts + low, starts + high, [len(series) - 1]])
    return np.unique(places[places < len(series)])
