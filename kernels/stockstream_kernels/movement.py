"""How far the price travels, against how far it gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.averages import PART, pack, unpack
from stockstream_kernels.rolling import extreme, sma
from stockstream_kernels.smoothing import exponential

type Series = NDArray[np.float64]


@kernel
def vhf(values: Series, window: int, state: Series, out: Series) -> None:
    """Write the range of `window` values over the sum of their `window` changes.

    State: ``[last value, started]`` + two extremes, 4 + 2 * window each, + a mean, 6 + 2 * window.
    """
    size = 4 + 2 * window
    last = state[0] if state[1] == 1.0 else np.nan
    moves, bottom, paths = np.empty(PART), np.empty(PART), np.empty(PART)
    for start in range(0, len(values), PART):
        part, top = values[start : start + PART], out[start : start + PART]
        bars = len(part)
        for t in range(bars):
            moves[t] = abs(part[t] - last)
            last = part[t]
        extreme(part, window, 1.0, state[2 : 2 + size], top)
        extreme(part, window, -1.0, state[2 + size : 2 + 2 * size], bottom)
        sma(moves[:bars], window, state[2 + 2 * size :], paths)
        for t in range(bars):
            top[t] = (top[t] - bottom[t]) / (paths[t] * window)
    if len(values) > 0:
        state[0], state[1] = last, 1.0


@kernel
def vortex(high: Series, low: Series, close: Series, window: int, state: Series, plus: Series, minus: Series) -> None:
    """Write the summed distances from low to next high, and from high to next low, over the summed true ranges.

    State: ``[last high, last low, last close, started]`` + three means, 6 + 2 * window each.
    """
    size = 6 + 2 * window
    last_high, last_low, last_close = state[0], state[1], state[2]
    if state[3] == 0.0:
        last_high, last_low, last_close = np.nan, np.nan, np.nan
    up, down, reach = np.empty(PART), np.empty(PART), np.empty(PART)
    for start in range(0, len(close), PART):
        part = slice(start, start + PART)
        top, bottom, price = high[part], low[part], close[part]
        bars = len(price)
        for t in range(bars):
            up[t], down[t] = abs(top[t] - last_low), abs(bottom[t] - last_high)
            # max and min may pass over a NaN; one in any of the three makes all three sums unknown
            unknown = 0.0 * (up[t] + down[t] + last_close)
            reach[t] = max(top[t], last_close) - min(bottom[t], last_close) + unknown
            last_high, last_low, last_close = top[t], bottom[t], price[t]
        sma(up[:bars], window, state[4 : 4 + size], plus[part])
        sma(down[:bars], window, state[4 + size : 4 + 2 * size], minus[part])
        sma(reach[:bars], window, state[4 + 2 * size :], up)
        rises, falls = plus[part], minus[part]
        for t in range(bars):
            rises[t], falls[t] = rises[t] / up[t], falls[t] / up[t]
    if len(close) > 0:
        state[0], state[1], state[2], state[3] = last_high, last_low, last_close, 1.0


@kernel
def mass(high: Series, low: Series, smoothing: int, window: int, state: Series, out: Series) -> None:
    """Write the sum of `window` ratios of the range's average to the average of that average.

    State: two averages, 5 each, + a mean, 6 + 2 * window.
    """
    ranges, once, twice = np.empty(PART), np.empty(PART), np.empty(PART)
    alpha = 2.0 / (smoothing + 1.0)
    for start in range(0, len(high), PART):
        part = slice(start, start + PART)
        top, bottom = high[part], low[part]
        for t in range(len(top)):
            ranges[t] = top[t] - bottom[t]
        bars = pack(ranges[: len(top)], twice, 0)
        exponential(twice[:bars], smoothing, alpha, 0, state[:5], once)
        exponential(once[:bars], smoothing, alpha, 0, state[5:10], twice)
        for t in range(bars):
            once[t] /= twice[t]
        sma(once[:bars], window, state[10:], twice)
        for t in range(bars):
            twice[t] *= window
        unpack(ranges[: len(top)], twice[:bars], out[part])
