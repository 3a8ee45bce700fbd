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

from stockstream_kernels._compile import kernel
from stockstream_kernels.rolling import anchored_suffixes

type Series = NDArray[np.float64]

TILE: Final = 4096  # bars worked on at a time, so that what one step writes is still in the cache for the next


@kernel
def moments(values: Series, window: int, ddof: int, state: Series, away: Series, variance: Series) -> None:
    """Distance of the value from the mean of the last `window` values, and their variance.

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
            away[t] = distance - one * share
            variance[t] = 0.0 if spread < 0.0 else spread  # written so that NaN stays NaN
            t += 1
            position += 1
        if position == window:
            position = 0
    state[1], state[2], state[3], state[4] = position, total, squares, anchor


@kernel
def zscore(values: Series, window: int, ddof: int, state: Series, out: Series) -> None:
    """Distance to the mean in standard deviations; NaN where all values are equal. State: that of `moments`."""
    spreads = np.empty(min(TILE, len(values)))
    for start in range(0, len(values), TILE):
        stop = min(start + TILE, len(values))
        spread = spreads[: stop - start]
        moments(values[start:stop], window, ddof, state, out[start:stop], spread)
        for k in range(stop - start):
            out[start + k] /= np.sqrt(spread[k])


@kernel
def paired_suffixes(held: Series, anchor_x: float, anchor_y: float, suffix: Series) -> None:
    """Write the suffix sums of x, y, xx, yy and xy about the anchors, five to a place."""
    sum_x, sum_y, sum_xx, sum_yy, sum_xy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(held) // 2 - 1, 0, -1):
        x, y = held[2 * k] - anchor_x, held[2 * k + 1] - anchor_y
        sum_x += x
        sum_y += y
        sum_xx += x * x
        sum_yy += y * y
        sum_xy += x * y
        place = 5 * k
        suffix[place], suffix[place + 1], suffix[place + 2] = sum_x, sum_y, sum_xx
        suffix[place + 3], suffix[place + 4] = sum_yy, sum_xy


@kernel
def comoments(first: Series, second: Series, window: int, state: Series, xx: Series, yy: Series, xy: Series) -> None:
    """Sums of squares and products of the distances to the means over the last `window` pairs.

    State: ``[block before, position, anchors, five sums, held pairs, suffixes]``, of length ``14 + 7 * window``.
    """
    held, suffix = state[9 : 9 + 2 * window], state[9 + 2 * window : 14 + 7 * window]
    position, anchor_x, anchor_y = int(state[1]), state[2], state[3]
    sum_x, sum_y, sum_xx, sum_yy, sum_xy = state[4], state[5], state[6], state[7], state[8]
    share = 1.0 / window
    t = 0
    while t < len(first):
        if position == 0:
            anchor_x, anchor_y = first[t], second[t]
            sum_x, sum_y, sum_xx, sum_yy, sum_xy = 0.0, 0.0, 0.0, 0.0, 0.0
            if state[0] == 0.0:
                suffix[: 5 * window] = np.nan
                state[0] = 1.0
            else:
                paired_suffixes(held, anchor_x, anchor_y, suffix)
        for k in range(position, min(window, position + len(first) - t)):
            held[2 * k], held[2 * k + 1] = first[t], second[t]
            x, y = first[t] - anchor_x, second[t] - anchor_y
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_yy += y * y
            sum_xy += x * y
            place = 5 * (k + 1)
            all_x, all_y = suffix[place] + sum_x, suffix[place + 1] + sum_y
            xx[t] = suffix[place + 2] + sum_xx - all_x * all_x * share
            yy[t] = suffix[place + 3] + sum_yy - all_y * all_y * share
            xy[t] = suffix[place + 4] + sum_xy - all_x * all_y * share
            t += 1
            position += 1
        if position == window:
            position = 0
    state[1], state[2], state[3] = position, anchor_x, anchor_y
    state[4], state[5], state[6], state[7], state[8] = sum_x, sum_y, sum_xx, sum_yy, sum_xy


@kernel
def correl(first: Series, second: Series, window: int, state: Series, out: Series) -> None:
    """Pearson's correlation, from -1 to 1; NaN where one of the two does not move. State: that of `comoments`."""
    tiles = np.empty((2, min(TILE, len(first))))
    for start in range(0, len(first), TILE):
        stop = min(start + TILE, len(first))
        xx, yy = tiles[0, : stop - start], tiles[1, : stop - start]
        comoments(first[start:stop], second[start:stop], window, state, xx, yy, out[start:stop])
        for k in range(stop - start):
            scale = np.sqrt(xx[k] * yy[k])
            ratio = out[start + k] / scale if xx[k] > 0.0 and yy[k] > 0.0 else np.nan
            ratio = 1.0 if ratio > 1.0 else ratio  # by rounding only; written so that NaN stays NaN
            out[start + k] = -1.0 if ratio < -1.0 else ratio


@kernel
def beta(first: Series, second: Series, window: int, state: Series, out: Series) -> None:
    """Slope of the returns of the first series on those of the second; NaN where the second does not move.

    State: ``[started, last pair]``, then that of `comoments`.
    """
    last_x, last_y = (state[1], state[2]) if state[0] == 1.0 else (np.nan, np.nan)
    tiles = np.empty((4, min(TILE, len(first))))
    for start in range(0, len(first), TILE):
        stop = min(start + TILE, len(first))
        count = stop - start
        for k in range(count):
            x, y = first[start + k], second[start + k]
            tiles[0, k], tiles[1, k] = (x - last_x) / last_x, (y - last_y) / last_y
            last_x, last_y = x, y
        comoments(
            tiles[0, :count], tiles[1, :count], window, state[3:], tiles[2, :count], tiles[3, :count], out[start:stop]
        )
        for k in range(count):
            out[start + k] = out[start + k] / tiles[3, k] if tiles[3, k] > 0.0 else np.nan
    state[0], state[1], state[2] = 1.0, last_x, last_y


@kernel
def percent_rank(values: Series, window: int, state: Series, out: Series) -> None:
    """Percentage of the `window` values before this one that are smaller.

    Counting is O(window), but over contiguous values in any order, many at a time: faster than an ordered structure
    for the usual windows. State: ``[held, place, NaNs held, ring of values]``.
    """
    held, place, absent = int(state[0]), int(state[1]), int(state[2])
    ring = state[3 : 3 + window]
    for t in range(len(values)):
        value = values[t]
        smaller = 0
        for k in range(window):
            smaller += 1 if ring[k] < value else 0
        known = held == window and absent == 0 and not np.isnan(value)
        out[t] = 100.0 * smaller / window if known else np.nan
        if held == window and np.isnan(ring[place]):
            absent -= 1
        absent += 1 if np.isnan(value) else 0
        held = min(held + 1, window)
        ring[place] = value
        place = place + 1 if place + 1 < window else 0
    state[0], state[1], state[2] = held, place, absent
