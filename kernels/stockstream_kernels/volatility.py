"""Ranges of price.

Kernels that carry an average skip a bar with a NaN input: it gives NaN, and every other bar gives what it would give
without it. Composed kernels work on `TILE` bars at a time, so that what one step writes is still in the cache for the
next; each step keeps its own part of the state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.rolling import extreme, sma
from stockstream_kernels.smoothing import ema, rma
from stockstream_kernels.statistics import TILE, moments

type Series = NDArray[np.float64]


@kernel
def room(window: int) -> int:
    """Length of state that is enough for one step over a window."""
    return 16 + 4 * window


@kernel
def true_range(high: float, low: float, previous_close: float) -> float:
    """Largest of high - low and the distances of both to the close before.

    Written so that a NaN in high or low gives NaN, while an unknown close before leaves high - low.
    """
    top = previous_close if previous_close > high else high
    bottom = previous_close if previous_close < low else low
    return top - bottom


@kernel
def tr(high: Series, low: Series, close: Series, first_tr: int, state: Series, out: Series) -> None:
    """True range; the first bar, which has no close before it, is NaN (first_tr 0) or its range (1).

    State: ``[started, last close]``.
    """
    started, last = state[0], state[1]
    for t in range(len(close)):
        reach = true_range(high[t], low[t], last if started == 1.0 else np.nan)
        absent = np.isnan(reach + close[t])
        out[t] = np.nan if absent or (started == 0.0 and first_tr == 0) else reach
        last = last if absent else close[t]
        started = started if absent else 1.0
    state[0], state[1] = started, last


@kernel
def atr(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> None:
    """Wilder's average of the true range.

    With first_tr 0 the first bar, which has no close before it, is left out and the first value is on bar `window`;
    with 1 its range counts and the first value is on bar ``window - 1``.

    After the seed the recursion goes in pairs of bars: the second of a pair is reached from the average before the
    first, so that one multiplication and one addition stand in the way of the next pair instead of two each.
    State: ``[started, true ranges summed, average before the pair, last close, half a pair is held, its true range]``.
    """
    started, summed, average, last, half, held = state[0], int(state[1]), state[2], state[3], state[4], state[5]
    start = 0
    while start < len(close) and summed < window:
        out[start] = np.nan
        reach = true_range(high[start], low[start], last if started == 1.0 else np.nan)
        if not np.isnan(reach + close[start]):
            if started == 1.0 or first_tr == 1:
                summed += 1
                average += reach / window
                out[start] = average if summed == window else np.nan
            started, last = 1.0, close[start]
        start += 1
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    t = start
    while t < len(close):
        if half == 0.0 and t + 1 < len(close):
            one, two = true_range(high[t], low[t], last), true_range(high[t + 1], low[t + 1], close[t])
            if not np.isnan((one + two) + (close[t] + close[t + 1])):
                out[t] = keep * average + newest * one
                average = keep * keep * average + newest * (keep * one + two)
                out[t + 1] = average
                last = close[t + 1]
                t += 2
                continue
        reach = true_range(high[t], low[t], last)
        if np.isnan(reach + close[t]):
            out[t] = np.nan
        else:
            last = close[t]
            if half == 0.0:
                out[t] = keep * average + newest * reach
                held = reach
            else:
                average = keep * keep * average + newest * (keep * held + reach)
                out[t] = average
            half = 1.0 - half
        t += 1
    state[0], state[1], state[2], state[3], state[4], state[5] = started, summed, average, last, half, held


@kernel
def natr(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> None:
    """Average true range in percent of the close. State: that of `atr`."""
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        atr(high[start:stop], low[start:stop], close[start:stop], window, first_tr, state, out[start:stop])
        for t in range(start, stop):
            out[t] = 100.0 * out[t] / close[t]


@kernel
def chop(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Choppiness: the true ranges of the window against the range of the whole window, on a logarithmic scale.

    State: ``[last close known, last close]``, then three steps.
    """
    size = room(window)
    ranges = np.empty((3, min(TILE, len(close))))
    last = state[1] if state[0] == 1.0 else np.nan
    scale = 100.0 / np.log10(window)
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        reach, top, bottom = ranges[0, : stop - start], ranges[1, : stop - start], ranges[2, : stop - start]
        for t in range(start, stop):
            reach[t - start] = true_range(high[t], low[t], last) + (last - last)  # NaN without a close before
            last = close[t]
        sma(reach, window, state[2 : 2 + size], out[start:stop])
        extreme(high[start:stop], window, 1.0, state[2 + size : 2 + 2 * size], top)
        extreme(low[start:stop], window, -1.0, state[2 + 2 * size : 2 + 3 * size], bottom)
        for k in range(stop - start):
            whole = top[k] - bottom[k]
            out[start + k] = scale * np.log10(window * out[start + k] / whole) if whole > 0.0 else np.nan
    state[0], state[1] = 1.0, last


@kernel
def ulcer(values: Series, window: int, state: Series, out: Series) -> None:
    """Root mean square of the percentage falls from the highest of the window. State: two steps."""
    size = room(window)
    falls, highest = np.empty(min(TILE, len(values))), np.empty(min(TILE, len(values)))
    for start in range(0, len(values), TILE):
        stop = min(start + TILE, len(values))
        top, fall = highest[: stop - start], falls[: stop - start]
        extreme(values[start:stop], window, 1.0, state[:size], top)
        for k in range(stop - start):
            percent = 100.0 * (values[start + k] - top[k]) / top[k]
            fall[k] = percent * percent
        sma(fall, window, state[size : 2 * size], out[start:stop])
        for t in range(start, stop):
            out[t] = np.sqrt(out[t])


@kernel
def chaikin_volatility(high: Series, low: Series, window: int, change: int, state: Series, out: Series) -> None:
    """Percentage change over `change` bars of the exponential average of high - low.

    State: ``[averages seen, place in the ring]``, the exponential average, the last `change` averages.
    """
    seen, place, ring = int(state[0]), int(state[1]), state[8 : 8 + change]
    reaches, averages = np.empty(min(TILE, len(high))), np.empty(min(TILE, len(high)))
    for start in range(0, len(high), TILE):
        stop = min(start + TILE, len(high))
        reach, average = reaches[: stop - start], averages[: stop - start]
        for t in range(start, stop):
            reach[t - start] = high[t] - low[t]
        ema(reach, window, 0, state[2:8], average)
        for k in range(stop - start):
            out[start + k] = np.nan
            if not np.isnan(average[k]):
                before = ring[place]
                # 0 / 0, a price without a range all the time, is NaN
                out[start + k] = 100.0 * (average[k] - before) / before if seen >= change else np.nan
                ring[place] = average[k]
                place = place + 1 if place + 1 < change else 0
                seen += 1
    state[0], state[1] = seen, place


@kernel
def finite_values(values: Series, dense: Series) -> int:
    """Copy the values that are not NaN to the front of `dense` and return how many there are."""
    count = 0
    for value in values:
        dense[count] = value
        count += 0 if np.isnan(value) else 1
    return count


@kernel
def rvi(values: Series, window: int, deviation: int, state: Series, out: Series) -> None:
    """Wilder's average of the standard deviation on days of rise, in percent of that on all days of change.

    State: ``[started, last value]``, two averages, the moments.
    """
    started, last = state[0], state[1]
    tiles = np.empty((6, min(TILE, len(values))))
    for start in range(0, len(values), TILE):
        own = values[start : start + TILE]
        count = finite_values(own, tiles[0])
        dense, fallen, spread = tiles[0, :count], tiles[1, :count], tiles[2, :count]
        moments(dense, deviation, 0, state[18:], fallen, spread)
        for k in range(count):
            value, swing = dense[k], np.sqrt(spread[k])
            swing = swing if started == 1.0 else np.nan
            dense[k] = swing if value > last or np.isnan(swing) else 0.0
            fallen[k] = swing if value < last or np.isnan(swing) else 0.0
            started, last = 1.0, value
        rise, fall = tiles[3, :count], tiles[4, :count]
        rma(dense, window, state[2:10], rise)
        rma(fallen, window, state[10:18], fall)
        k = 0
        for t in range(len(own)):
            out[start + t] = np.nan
            if not np.isnan(own[t]):
                out[start + t] = 100.0 * rise[k] / (rise[k] + fall[k])
                k += 1
    state[0], state[1] = started, last
