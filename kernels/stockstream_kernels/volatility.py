"""Ranges of price.

Kernels that carry an average skip a bar with a NaN input: it gives NaN, and every other bar gives what it would give
without it. Composed kernels work tile by tile (see `tiles`); each step keeps its own part of the state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, pick, scratch, smaller, spliced, step, truncated, view
from stockstream_kernels.smoothing import exponential
from stockstream_kernels.statistics import moments
from stockstream_kernels.tiles import ONE, TWO, WIDE, expand, gaps, pair_extremes, pair_sums, room, squeeze

type Series = NDArray[np.float64]


@step
def true_range(high: float, low: float, previous_close: float) -> float:
    """Largest of high - low and the distances of both to the close before.

    Written so that a NaN in high or low gives NaN, while an unknown close before leaves high - low.
    """
    top = pick(previous_close > high, previous_close, high)
    return top - pick(previous_close < low, previous_close, low)


@step
def true_ranges(high: Series, low: Series, close: Series, last: float, out: Series) -> float:
    """Write true ranges, NaN on bars that are not known; return the close of the last known bar.

    `last` is the one before the first bar; while it is NaN, the range of the bar itself counts.
    """
    out[0] = true_range(high[0], low[0], last) + (close[0] - close[0])
    absent = np.int64(np.isnan(out[0]))
    for k in range(1, len(out)):
        reach = true_range(high[k], low[k], close[k - 1]) + (close[k] - close[k])
        absent += np.isnan(reach)
        out[k] = reach
    if absent == 0:
        return float(close[len(out) - 1])
    for k in range(len(out)):
        out[k] = true_range(high[k], low[k], last) + (close[k] - close[k])
        last = last if np.isnan(out[k]) else close[k]
    return last


@kernel
def tr(high: Series, low: Series, close: Series, first_tr: int, state: Series, out: Series) -> None:
    """Range or gap, the larger; the first bar, without a close before it, is NaN (first_tr 0) or its range (1).

    State: ``[started, last close]``.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        own = view(out, start, bars)
        unknown = np.isnan(last)
        last = true_ranges(view(high, start, bars), view(low, start, bars), view(close, start, bars), last, own)
        if unknown and first_tr == 0 and not np.isnan(last):
            first = 0
            while np.isnan(own[first]):
                first += 1
            own[first] = np.nan
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last


@kernel
def atr(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> None:
    """Wilder's average of the true range. State: that of `average_ranges`."""
    average_ranges(high, low, close, window, first_tr, state, out)


@spliced
def average_ranges(
    high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series
) -> None:
    """Wilder's average of the true range.

    With first_tr 0 the first bar, which has no close before it, is left out and the first value is on bar `window`;
    with 1 its range counts and the first value is on bar ``window - 1``.

    After the seed the recursion goes in pairs of bars: the second of a pair is reached from the average before the
    first, so that one multiplication and one addition stand in the way of the next pair instead of two each: 0.9 ms a
    million bars, 1.5 bar by bar.
    State: ``[started, true ranges summed, average before the pair, last close, half a pair is held, its share]``.
    """
    t, end = np.uint64(atr_seed(high, low, close, window, first_tr, state, out)), np.uint64(len(close))
    average, last = state[2], state[3]
    half, held = state[4], state[5]
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    square = keep * keep
    while t < end:
        one = newest * true_range(high[t], low[t], last)
        if half == 0.0 and end - t >= TWO:
            two = keep * one + newest * true_range(high[t + ONE], low[t + ONE], close[t])
            if not np.isnan(two + (close[t] + close[t + ONE])):
                out[t] = keep * average + one
                average = square * average + two
                out[t + ONE] = average
                last = close[t + ONE]
                t += TWO
                continue
        out[t] = np.nan
        if not np.isnan(one + close[t]):
            last = close[t]
            if half == 0.0:
                out[t] = keep * average + one
                held = one
            else:
                average = square * average + (keep * held + one)
                out[t] = average
            half = 1.0 - half
        t += ONE
    state[2], state[3] = average, last
    state[4], state[5] = half, held


@step
def atr_seed(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> int:
    """Take bars until the mean of `window` true ranges is known; return the bar after."""
    started, summed = state[0], truncated(state[1])
    average, last = state[2], state[3]
    t = truncated(np.int64(0))
    while t < len(close) and summed < window:
        out[t] = np.nan
        reach = true_range(high[t], low[t], pick(started == 1.0, last, np.nan))
        if not np.isnan(reach + close[t]):
            if started == 1.0 or first_tr == 1:
                summed += 1
                average += reach / window
                out[t] = pick(summed == window, average, np.nan)
            started, last = 1.0, close[t]
        t += 1
    state[0], state[1] = started, summed
    state[2], state[3] = average, last
    return t


@kernel
def natr(high: Series, low: Series, close: Series, window: int, first_tr: int, state: Series, out: Series) -> None:
    """Average true range in percent of the close. State: that of `average_ranges`."""
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        own, price = view(out, start, bars), view(close, start, bars)
        average_ranges(view(high, start, bars), view(low, start, bars), price, window, first_tr, state, own)
        for k in range(bars):
            own[k] = 100.0 * own[k] / price[k]


@kernel
def chop(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Choppiness: the true ranges of the window against the range of the whole window, on a logarithmic scale.

    State: ``[started, last close]``, then two steps.
    """
    size = room(window)
    last = state[1] if state[0] == 1.0 else np.nan
    scale = 100.0 / np.log10(window)
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        own, price = view(out, start, bars), view(close, start, bars)
        top, bottom = view(high, start, bars), view(low, start, bars)
        reach, highest, lowest = scratch(WIDE, bars), scratch(WIDE, bars), scratch(WIDE, bars)
        reach[0] = true_range(top[0], bottom[0], last) + (last - last)  # NaN without a close before
        for k in range(1, bars):
            reach[k] = true_range(top[k], bottom[k], price[k - 1]) + (price[k - 1] - price[k - 1])
        last = price[bars - 1]
        pair_sums(reach, reach, window, view(state, 2, size), own, highest)
        pair_extremes(top, bottom, window, view(state, 2 + size, size), highest, lowest)
        for k in range(bars):
            whole = highest[k] - lowest[k]
            own[k] = pick(whole > 0.0, scale * np.log10(own[k] / whole), np.nan)
    state[0], state[1] = 1.0, last


@kernel
def ulcer(values: Series, window: int, state: Series, out: Series) -> None:
    """Root mean square of the percentage falls from the highest of the window. State: two steps."""
    size = room(window)
    for start in range(0, len(values), WIDE):
        bars = smaller(WIDE, len(values) - start)
        own, value = view(out, start, bars), view(values, start, bars)
        top, fall = scratch(WIDE, bars), scratch(WIDE, bars)
        pair_extremes(value, value, window, view(state, 0, size), top, fall)
        for k in range(bars):
            percent = 100.0 * (value[k] - top[k]) / top[k]
            fall[k] = percent * percent
        pair_sums(fall, fall, window, view(state, size, size), own, top)
        for k in range(bars):
            own[k] = np.sqrt(own[k] / window)


@kernel
def chaikin_volatility(high: Series, low: Series, window: int, change: int, state: Series, out: Series) -> None:
    """Percentage change over `change` bars of the exponential average of high - low.

    State: ``[started, oldest place]``, the exponential average (5), two tiles, the last `change` averages.
    """
    ring = view(state, 7 + 2 * WIDE, len(state) - 7 - 2 * WIDE)
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(np.uint64(change)):
            ring[k] = np.nan
    for start in range(0, len(high), WIDE):
        count = smaller(WIDE, len(high) - start)
        own, top, bottom = view(out, start, count), view(high, start, count), view(low, start, count)
        reach, average = view(state, 7, count), view(state, 7 + WIDE, count)
        for k in range(count):
            reach[k] = top[k] - bottom[k]
        exponential(reach, window, 2.0 / (window + 1.0), 0, view(state, 2, 5), average)
        state[1] = changes_since(reach, average, ring, truncated(state[1]), own)


@step
def changes_since(known: Series, average: Series, ring: Series, oldest: int, out: Series) -> int:
    """Write the change, in percent, since as many known bars ago as the ring holds; return the place of its oldest.

    0 / 0, a price without a range all the time, is NaN. Without a gap the ring is asked for the first bars alone.
    """
    if gaps(known) > 0:
        for k in range(len(out)):
            out[k] = np.nan
            if not np.isnan(known[k]):
                out[k] = 100.0 * (average[k] - ring[oldest]) / ring[oldest]
                ring[oldest] = average[k]
                oldest = oldest + 1 if oldest + 1 < len(ring) else 0
        return oldest
    head, lag = smaller(len(out), len(ring)), np.uint64(len(ring))
    for k in range(head):
        then = ring[(oldest + k) % len(ring)]
        out[k] = 100.0 * (average[k] - then) / then
    for k in range(np.uint64(head), np.uint64(len(out))):
        out[k] = 100.0 * (average[k] - average[k - lag]) / average[k - lag]
    for k in range(len(out) - head, len(out)):
        ring[oldest] = average[k]
        oldest = oldest + 1 if oldest + 1 < len(ring) else 0
    return oldest


@kernel
def rvi(values: Series, window: int, deviation: int, state: Series, out: Series) -> None:
    """Wilder's average of the standard deviation on days of rise, in percent of that on all days of change.

    State: ``[started, last value]``, two averages, the moments.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(values), WIDE):
        bars = smaller(WIDE, len(values) - start)
        own, series = view(out, start, bars), view(values, start, bars)
        dense = scratch(WIDE, WIDE)
        count = squeeze(series, series, dense)
        value, previous, swing = view(dense, 0, count), scratch(WIDE, count), scratch(WIDE, count)
        rise, fall = scratch(WIDE, count), scratch(WIDE, count)
        for k in range(count):
            previous[k] = last
            last = value[k]
        moments(value, deviation, 0, view(state, 18, len(state) - 18), rise, swing)
        for k in range(count):
            size = pick(np.isnan(previous[k]), np.nan, np.sqrt(swing[k]))
            known = size - size  # 0, or NaN where there is no deviation yet
            rise[k] = pick(value[k] > previous[k], size, 0.0) + known
            fall[k] = pick(value[k] < previous[k], size, 0.0) + known
        exponential(rise, window, 1.0 / window, 0, view(state, 2, 8), value)
        exponential(fall, window, 1.0 / window, 0, view(state, 10, 8), previous)
        for k in range(count):
            swing[k] = 100.0 * value[k] / (value[k] + previous[k])
        expand(swing, series, own)
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last
