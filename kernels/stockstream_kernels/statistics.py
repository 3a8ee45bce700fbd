"""Moments of windows, of one series and of two.

The method is that of `rolling`: a window is a suffix of the block before plus a prefix of its own block, both running
sums that only ever add. Values enter as distances to the first value of the block, which every window that ends in the
block contains: the distances are of the size of the deviations, so that the level of prices costs no digits, and are
exactly 0 in a constant window.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import allocating, kernel, scratch, smaller, step, view
from stockstream_kernels.rolling import spread
from stockstream_kernels.tiles import FOUR, ONE, THREE, TILE, TWO, WIDE

type Series = NDArray[np.float64]

FIVE: Final = np.uint64(5)


@step
def moments(values: Series, window: int, ddof: int, state: Series, away: Series, variance: Series) -> None:
    """Distance of the value from the mean of the last `window` values, and their variance.

    State: ``[block before, position, sum, squares, anchor, held values, suffixes]``, ``7 + 3 * window``.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(values))
    held, first, second = np.uint64(5), np.uint64(5 + window), np.uint64(6 + 2 * window)
    position, total = np.uint64(state[1]), state[2]
    squares, anchor = state[3], state[4]
    share, scale = 1.0 / window, 1.0 / (window - ddof)
    if state[0] == 0.0:  # before the first full block there is no window
        for k in range(n):
            state[first + k], state[second + k] = np.nan, np.nan
    while t < end:
        if position == 0:
            anchor = values[t]
            total, squares = 0.0, 0.0
            for k in range(ONE if state[0] == 1.0 else n, n):
                distance = state[held + n - k] - anchor
                total += distance
                squares += distance * distance
                state[first + n - k], state[second + n - k] = total, squares
            total, squares = 0.0, 0.0
        count = smaller(n - position, end - t)
        for k in range(count):
            place = position + k
            distance = values[t + k] - anchor
            total += distance
            squares += distance * distance
            state[held + place] = values[t + k]
            one = state[first + place + ONE] + total
            away[t + k] = distance - one * share
            variance[t + k] = spread(one, state[second + place + ONE] + squares, share, scale)
        t += count
        position += count
        if position == n:
            position = np.uint64(0)
            state[0] = 1.0
    state[1], state[2] = position, total
    state[3], state[4] = squares, anchor


@kernel
def zscore(values: Series, window: int, ddof: int, state: Series, out: Series) -> None:
    """Distance to the mean in standard deviations; NaN where all values are equal. State: that of `moments`."""
    for start in range(0, len(values), TILE):
        bars = smaller(TILE, len(values) - start)
        own = view(out, start, bars)
        variance = scratch(TILE, bars)
        moments(view(values, start, bars), window, ddof, state, own, variance)
        for k in range(bars):
            own[k] /= np.sqrt(variance[k])


@step
def paired_suffixes(window: int, state: Series) -> None:
    """Write the suffix sums of x, y, xx, yy and xy about the anchors, five to a place."""
    n, held, suffix = np.uint64(window), np.uint64(9), np.uint64(9 + 2 * window)
    anchor_x, anchor_y = state[2], state[3]
    sum_x, sum_y, sum_xx, sum_yy, sum_xy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(ONE, n):
        place, at = held + TWO * (n - k), suffix + FIVE * (n - k)
        x, y = state[place] - anchor_x, state[place + ONE] - anchor_y
        sum_x += x
        sum_y += y
        sum_xx += x * x
        sum_yy += y * y
        sum_xy += x * y
        state[at], state[at + ONE], state[at + TWO] = sum_x, sum_y, sum_xx
        state[at + THREE], state[at + FOUR] = sum_yy, sum_xy


@step
def comoments(first: Series, second: Series, window: int, state: Series, xx: Series, yy: Series, xy: Series) -> None:
    """Write the sums of squares and products of the distances to the means over the last `window` pairs.

    State: ``[block before, position, anchors, five sums, held pairs, suffixes]``, ``14 + 7 * window``.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(first))
    held, suffix, share = np.uint64(9), np.uint64(9 + 2 * window), 1.0 / window
    if state[0] == 0.0:  # before the first full block there is no window
        for k in range(FIVE * n):
            state[suffix + k] = np.nan
    while t < end:
        if state[1] == 0.0:
            state[2], state[3] = first[t], second[t]
            state[4], state[5], state[6], state[7], state[8] = 0.0, 0.0, 0.0, 0.0, 0.0
            if state[0] == 1.0:
                paired_suffixes(window, state)
        position, anchor_x, anchor_y = np.uint64(state[1]), state[2], state[3]
        sum_x, sum_y, sum_xx, sum_yy, sum_xy = state[4], state[5], state[6], state[7], state[8]
        count = smaller(n - position, end - t)
        for k in range(count):
            place, at = held + TWO * (position + k), suffix + FIVE * (position + k + ONE)
            state[place], state[place + ONE] = first[t + k], second[t + k]
            x, y = first[t + k] - anchor_x, second[t + k] - anchor_y
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_yy += y * y
            sum_xy += x * y
            all_x, all_y = state[at] + sum_x, state[at + ONE] + sum_y
            xx[t + k] = state[at + TWO] + sum_xx - all_x * all_x * share
            yy[t + k] = state[at + THREE] + sum_yy - all_y * all_y * share
            xy[t + k] = state[at + FOUR] + sum_xy - all_x * all_y * share
        t += count
        state[4], state[5], state[6], state[7], state[8] = sum_x, sum_y, sum_xx, sum_yy, sum_xy
        state[1] = position + count
        if position + count == n:
            state[0], state[1] = 1.0, 0.0


@kernel
def correl(first: Series, second: Series, window: int, state: Series, out: Series) -> None:
    """Pearson's correlation, from -1 to 1; NaN where one of the two does not move. State: that of `comoments`."""
    for start in range(0, len(first), TILE):
        bars = smaller(TILE, len(first) - start)
        own = view(out, start, bars)
        xx, yy = scratch(TILE, bars), scratch(TILE, bars)
        comoments(view(first, start, bars), view(second, start, bars), window, state, xx, yy, own)
        for k in range(bars):
            ratio = own[k] / np.sqrt(xx[k] * yy[k])
            ratio = ratio if xx[k] > 0.0 and yy[k] > 0.0 else np.nan
            ratio = 1.0 if ratio > 1.0 else ratio  # by rounding only; written so that NaN stays NaN
            own[k] = -1.0 if ratio < -1.0 else ratio


@kernel
def beta(first: Series, second: Series, window: int, state: Series, out: Series) -> None:
    """Slope of the returns of the first series on those of the second; NaN where the second does not move.

    State: ``[started, last pair]``, then that of `comoments`.
    """
    last_x, last_y = (state[1], state[2]) if state[0] == 1.0 else (np.nan, np.nan)
    for start in range(0, len(first), TILE):
        bars = smaller(TILE, len(first) - start)
        own, x, y = view(out, start, bars), view(first, start, bars), view(second, start, bars)
        one, two = scratch(TILE, bars), scratch(TILE, bars)
        xx, yy = scratch(TILE, bars), scratch(TILE, bars)
        last_x, last_y = changes(x, last_x, one), changes(y, last_y, two)
        comoments(one, two, window, view(state, 3, len(state) - 3), xx, yy, own)
        for k in range(bars):
            own[k] = own[k] / yy[k] if yy[k] > 0.0 else np.nan
    state[0], state[1], state[2] = 1.0, last_x, last_y


@step
def changes(values: Series, last: float, out: Series) -> float:
    """Write the relative changes from bar to bar, `last` being the value before the first; return the last value."""
    out[0] = (values[0] - last) / last
    for k in range(1, len(out)):
        out[k] = (values[k] - values[k - 1]) / values[k - 1]
    return float(values[len(out) - 1])


@allocating
def percent_rank(values: Series, window: int, state: Series, out: Series) -> None:
    """Percentage of the `window` values before this one that are smaller.

    Counting is O(window), but one lag at a time over many bars, eight to an instruction: faster than an ordered
    structure for the usual windows. State: ``[run of values without NaN, window values before]``.
    """
    run, past = state[0], np.uint64(window)
    series, smaller = np.empty(window + min(WIDE, len(values))), np.empty(min(WIDE, len(values)))
    for k in range(past):
        series[k] = state[ONE + k]
    for start in range(0, len(values), WIDE):
        own, value = out[start : start + WIDE], values[start : start + WIDE]
        count = np.uint64(len(own))
        for k in range(count):
            series[past + k] = value[k]
            smaller[k] = 0.0
        lag = np.uint64(0)
        while past - lag >= FOUR:  # four lags a pass: counts are read and written less often
            for k in range(count):
                now = value[k]
                one = (1.0 if series[lag + k] < now else 0.0) + (1.0 if series[lag + ONE + k] < now else 0.0)
                two = (1.0 if series[lag + TWO + k] < now else 0.0) + (1.0 if series[lag + THREE + k] < now else 0.0)
                smaller[k] += one + two
            lag += FOUR
        while lag < past:
            for k in range(count):
                smaller[k] += 1.0 if series[lag + k] < value[k] else 0.0
            lag += ONE
        for k in range(count):
            run = 0.0 if np.isnan(value[k]) else run + 1.0
            own[k] = 100.0 * smaller[k] / window if run > window else np.nan
        for k in range(past):
            series[k] = series[count + k]
    for k in range(past):
        state[ONE + k] = series[k]
    state[0] = run
