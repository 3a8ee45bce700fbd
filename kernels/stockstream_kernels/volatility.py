"""Ranges of price."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.statistics import moments

type Series = NDArray[np.float64]

TILE: Final = 512  # bars worked on at a time, so that what one pass writes is still in the cache for the next


@kernel
def true_range(high: float, low: float, previous_close: float) -> float:
    """Largest of high - low and the distances of both to the close before."""
    return max(high, previous_close) - min(low, previous_close)


@kernel
def atr(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> None:
    """Wilder's average of the true range.

    With first_tr 0 the first bar, which has no close before it, is left out and the first value is on bar `window`;
    with 1 its range counts and the first value is on bar ``window - 1``.
    State: ``[bars seen, true ranges summed, average, last close]``.
    """
    seen, summed, average, last = int(state[0]), int(state[1]), state[2], state[3]
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(len(close)):
        out[t] = np.nan
        if not (high[t] == high[t] and low[t] == low[t] and close[t] == close[t]):
            continue
        reach = true_range(high[t], low[t], last) if seen > 0 else high[t] - low[t]
        last = close[t]
        seen += 1
        if seen == 1 and first_tr == 0:
            continue
        if summed < window:
            average += reach / window
            summed += 1
        else:
            average = keep * average + newest * reach
        if summed == window:
            out[t] = average
    state[0], state[1], state[2], state[3] = seen, summed, average, last


@kernel
def bollinger(
    values: Series,
    window: int,
    deviations: float,
    ddof: int,
    state: Series,
    upper: Series,
    middle: Series,
    lower: Series,
    percent_b: Series,
    width: Series,
) -> None:
    """Mean and so many standard deviations around it; where in the band the value is, and how wide the band is.

    State: that of `moments`.
    """
    for start in range(0, len(values), TILE):
        stop = min(start + TILE, len(values))
        moments(values[start:stop], window, ddof, state, middle[start:stop], upper[start:stop])
        for t in range(start, stop):
            reach = deviations * np.sqrt(upper[t])
            upper[t] = middle[t] + reach
            lower[t] = middle[t] - reach
            percent_b[t] = (values[t] - lower[t]) / (upper[t] - lower[t])
            width[t] = (upper[t] - lower[t]) / middle[t]
