"""The straight line of least squares through the last n values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def linear_regression(
    values: Series,
    window: int,
    state: Series,
    value: Series,
    slope: Series,
    intercept: Series,
    angle: Series,
    forecast: Series,
) -> None:
    """Line through the last `window` values: at the newest bar, its slope, at the oldest bar, its angle, a bar ahead.

    Distances to the first value of the block enter, weighted 1 … n by place: a window of equal values has slope 0
    exactly. State: ``[started, position, sum, sum of sums, anchor]`` + window + 2 * (window + 1).
    """
    held = state[5 : 5 + window]
    sums, weighted = state[5 + window : 6 + 2 * window], state[6 + 2 * window : 7 + 3 * window]
    position, prefix, prefixes, anchor = int(state[1]), state[2], state[3], state[4]
    n = float(window)
    share, middle, scale = 1.0 / n, (n + 1.0) / 2.0, 12.0 / (n * (n * n - 1.0))
    if state[0] == 0.0:
        state[0] = 1.0
        held[:] = np.nan  # before the first full block there is no window
    t = 0
    while t < len(values):
        if position == 0:
            anchor, prefix, prefixes = values[t], 0.0, 0.0
            total, totals = 0.0, 0.0
            for k in range(window - 1, 0, -1):
                total += held[k] - anchor
                totals += total
                sums[k], weighted[k] = total, totals
        for k in range(position, min(window, position + len(values) - t)):
            held[k] = values[t]
            prefix += values[t] - anchor
            prefixes += prefix
            total = sums[k + 1] + prefix
            rise = (weighted[k + 1] + ((n + 1.0) * prefix - prefixes) - middle * total) * scale
            mean = anchor + total * share
            slope[t] = rise
            value[t] = mean + rise * (middle - 1.0)
            intercept[t] = mean - rise * (middle - 1.0)
            forecast[t] = mean + rise * middle
            t += 1
            position += 1
        if position == window:
            position = 0
    for k in range(len(values)):
        angle[k] = math.atan(slope[k]) * (180.0 / math.pi)
    state[1], state[2], state[3], state[4] = position, prefix, prefixes, anchor
