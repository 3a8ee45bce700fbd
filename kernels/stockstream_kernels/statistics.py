"""Moments of windows, of one series and of two.

The method is that of `rolling`: a window is a suffix of the block before plus a prefix of its own block, both running
sums that only ever add. Values enter as distances to the first value of the block, which every window that ends in the
block contains: the distances are of the size of the deviations, so that the level of prices costs no digits, and are
exactly 0 in a constant window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.rolling import anchored_suffixes

type Series = NDArray[np.float64]


@kernel
def moments(values: Series, window: int, ddof: int, state: Series, mean: Series, variance: Series) -> None:
    """Mean and variance of the last `window` values.

    State: ``[block before, position, sum, sum of squares, anchor, held values, suffixes, suffixes of squares]``, of
    length ``7 + 3 * window``.
    """
    held = state[5 : 5 + window]
    first, second = state[5 + window : 6 + 2 * window], state[6 + 2 * window : 7 + 3 * window]
    position, total, squares, anchor = int(state[1]), state[2], state[3], state[4]
    share, divisor = 1.0 / window, 1.0 / (window - ddof)
    t = 0
    while t < len(values):
        if position == 0:
            anchor, total, squares = values[t], 0.0, 0.0
            if state[0] == 0.0:
                first[:window], second[:window] = np.nan, np.nan
                state[0] = 1.0
            else:
                anchored_suffixes(held, anchor, first, second)
        for k in range(position, min(window, position + len(values) - t)):
            value = values[t]
            held[k] = value
            distance = value - anchor
            total += distance
            squares += distance * distance
            one, two = first[k + 1] + total, second[k + 1] + squares
            spread = (two - one * one * share) * divisor
            mean[t] = anchor + one * share
            variance[t] = 0.0 if spread < 0.0 else spread  # written so that NaN stays NaN
            t += 1
            position += 1
        if position == window:
            position = 0
    state[1], state[2], state[3], state[4] = position, total, squares, anchor
