"""Wilder's directional movement.

A bar on which one of high, low and close is NaN gives NaN and is otherwise not counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, scratch, smaller, spliced, step, truncated, view
from stockstream_kernels.averages import PART
from stockstream_kernels.smoothing import exponential

type Series = NDArray[np.float64]


@step
def directions(
    high: Series, low: Series, close: Series, window: int, seed: int, state: Series, plus: Series, minus: Series
) -> None:
    """Write both directional indicators: 100 * summed movement / summed true range, in Wilder's fading sums.

    The sums start with `window` terms less one (seed 0, TA-Lib) or with `window` terms (seed 1); the first value is on
    bar `window` either way. NaN while nothing has moved. State (7): ``[bars seen, rise, fall, range, last high, last
    low, last close]``.
    """
    seen, rise, fall, reach = truncated(state[0]), state[1], state[2], state[3]
    last_high, last_low, last_close = state[4], state[5], state[6]
    keep = 1.0 - 1.0 / window
    for t in range(len(close)):
        up, down = high[t] - last_high, last_low - low[t]
        if up + down + close[t] != up + down + close[t]:
            plus[t], minus[t] = np.nan, np.nan
            continue
        true_range = max(high[t], last_close) - min(low[t], last_close)
        last_high, last_low, last_close = high[t], low[t], close[t]
        seen += 1
        if seen <= window + seed:  # the first terms are summed without fading; the first bar has no change
            first = 0.0 if seen == 1 else 1.0
            rise += first * (up if up > down and up > 0.0 else 0.0)
            fall += first * (down if down > up and down > 0.0 else 0.0)
            reach += first * true_range
        else:
            rise = keep * rise + (up if up > down and up > 0.0 else 0.0)
            fall = keep * fall + (down if down > up and down > 0.0 else 0.0)
            reach = keep * reach + true_range
        whole = reach if seen > window else np.nan
        plus[t], minus[t] = 100.0 * (rise / whole), 100.0 * (fall / whole)  # never above 100, as a reciprocal might
    state[0], state[1], state[2], state[3] = seen, rise, fall, reach
    state[4], state[5], state[6] = last_high, last_low, last_close


@kernel
def di(
    high: Series, low: Series, close: Series, window: int, seed: int, state: Series, plus: Series, minus: Series
) -> None:
    """Write both directional indicators. State: 7."""
    directions(high, low, close, window, seed, state, plus, minus)


@kernel
def dx(high: Series, low: Series, close: Series, window: int, seed: int, state: Series, out: Series) -> None:
    """Write their difference over their sum, 0 to 100. State: 7."""
    for start in range(0, len(close), PART):
        bars = smaller(PART, len(close) - start)
        highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        plus, minus = view(out, start, bars), scratch(PART, bars)
        directions(highs, lows, closes, window, seed, state, plus, minus)
        for t in range(bars):
            plus[t] = 100.0 * abs(plus[t] - minus[t]) / (plus[t] + minus[t])


@kernel
def adx(high: Series, low: Series, close: Series, window: int, seed: int, state: Series, out: Series) -> None:
    """Write Wilder's average of DX. State: 7 + 5."""
    averaged_index(high, low, close, window, seed, state, out)


@spliced
def averaged_index(
    high: Series, low: Series, close: Series, window: int, seed: int, state: Series, out: Series
) -> None:
    """Write Wilder's average of DX. State: 7 + 5."""
    for start in range(0, len(close), PART):
        bars = smaller(PART, len(close) - start)
        highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        plus, minus = scratch(PART, bars), scratch(PART, bars)
        directions(highs, lows, closes, window, seed, view(state, 0, 7), plus, minus)
        for t in range(bars):
            plus[t] = 100.0 * abs(plus[t] - minus[t]) / (plus[t] + minus[t])
        exponential(plus, window, 1.0 / window, 0, view(state, 7, 5), view(out, start, bars))


@kernel
def adxr(high: Series, low: Series, close: Series, window: int, seed: int, state: Series, out: Series) -> None:
    """Write the mean of ADX and its value of window - 1 values before.

    State: 7 + 5 + ``[values so far]`` + the last window - 1 values.
    """
    averaged_index(high, low, close, window, seed, view(state, 0, 12), out)
    lag, seen = window - 1, truncated(state[12])
    older = view(state, 13, lag)
    for t in range(len(close)):
        value = out[t]
        if value == value:
            place = seen % lag
            out[t] = 0.5 * (value + older[place]) if seen >= lag else np.nan
            older[place] = value
            seen += 1
    state[12] = seen
