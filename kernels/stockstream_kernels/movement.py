"""How far the price travels, against how far it gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.averages import PART, pack, unpack
from stockstream_kernels.rolling import extreme, first_nan, rolling_sum
from stockstream_kernels.smoothing import exponential

type Series = NDArray[np.float64]


@kernel
def vhf(values: Series, window: int, state: Series, out: Series) -> None:
    """Write the range of `window` values over the sum of their `window` changes.

    State: ``[last value, started]`` + two extremes, 4 + 2 * window each, + a sum, 6 + 2 * window.
    """
    size = 4 + 2 * window
    last = state[0] if state[1] == 1.0 else np.nan
    moves, bottom, paths = np.empty(PART), np.empty(PART), np.empty(PART)
    for start in range(0, len(values), PART):
        part, top = values[start : start + PART], out[start : start + PART]
        bars = len(part)
        moves[0] = abs(part[0] - last)
        for t in range(1, bars):
            moves[t] = abs(part[t] - part[t - 1])
        last = part[bars - 1]
        extreme(part, window, 1.0, state[2 : 2 + size], top)
        extreme(part, window, -1.0, state[2 + size : 2 + 2 * size], bottom)
        rolling_sum(moves[:bars], window, state[2 + 2 * size :], paths)
        for t in range(bars):
            top[t] = (top[t] - bottom[t]) / paths[t]
    if len(values) > 0:
        state[0], state[1] = last, 1.0


@step
def apart(later: Series, earlier: Series, first: float, out: Series) -> None:
    """Write the distance of each value from the other series' value of the bar before, `first` before the first."""
    out[0] = abs(later[0] - first)
    for t in range(1, len(out)):
        out[t] = abs(later[t] - earlier[t - 1])


@step
def true_ranges(high: Series, low: Series, close: Series, first: float, out: Series) -> None:
    """Write the true range of each bar; `first` is the close before the first."""
    out[0] = max(high[0], first) - min(low[0], first) + 0.0 * (high[0] + low[0] + first)
    for t in range(1, len(out)):
        top, bottom, last = high[t], low[t], close[t - 1]
        unknown = 0.0 * (top + bottom + last)  # a comparison may pass over a NaN
        top = top if top > last else last
        bottom = bottom if bottom < last else last
        out[t] = top - bottom + unknown


@kernel
def vortex(high: Series, low: Series, close: Series, window: int, state: Series, plus: Series, minus: Series) -> None:
    """Write the summed distances from low to next high, and from high to next low, over the summed true ranges.

    State: ``[last high, last low, last close, started]`` + three sums, 6 + 2 * window each.
    """
    size = 6 + 2 * window
    if state[3] == 0.0:
        state[:3], state[3] = np.nan, 1.0
    up, down, reach, whole = np.empty(PART), np.empty(PART), np.empty(PART), np.empty(PART)
    for start in range(0, len(close), PART):
        rises, falls = plus[start : start + PART], minus[start : start + PART]
        bars = len(rises)
        top, bottom, price = high[start : start + bars], low[start : start + bars], close[start : start + bars]
        apart(top, bottom, state[1], up[:bars])
        apart(bottom, top, state[0], down[:bars])
        true_ranges(top, bottom, price, state[2], reach[:bars])
        state[0], state[1], state[2] = high[start + bars - 1], low[start + bars - 1], close[start + bars - 1]
        rolling_sum(reach[:bars], window, state[4 + 2 * size :], whole)
        rolling_sum(up[:bars], window, state[4 : 4 + size], reach)
        rolling_sum(down[:bars], window, state[4 + size : 4 + 2 * size], up)
        for t in range(bars):
            share = 1.0 / whole[t]
            rises[t], falls[t] = reach[t] * share, up[t] * share


@kernel
def mass(high: Series, low: Series, smoothing: int, window: int, state: Series, out: Series) -> None:
    """Write the sum of `window` ratios of the range's average to the average of that average.

    State: two averages, 5 each, + a sum, 6 + 2 * window.
    """
    ranges, once, twice = np.empty(PART), np.empty(PART), np.empty(PART)
    alpha = 2.0 / (smoothing + 1.0)
    for start in range(0, len(high), PART):
        part = slice(start, start + PART)
        top, bottom = high[part], low[part]
        for t in range(len(top)):
            ranges[t] = top[t] - bottom[t]
        known = first_nan(ranges[: len(top)], 0) == len(top)
        packed = ranges if known else twice
        bars = len(top) if known else pack(ranges[: len(top)], twice, 0)
        exponential(packed[:bars], smoothing, alpha, 0, state[:5], once)
        exponential(once[:bars], smoothing, alpha, 0, state[5:10], twice)
        for t in range(bars):
            once[t] /= twice[t]
        rolling_sum(once[:bars], window, state[10:], out[part] if known else twice)
        if not known:
            unpack(ranges[: len(top)], twice[:bars], out[part])
