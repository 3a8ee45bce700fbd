"""Bands around the price; see `volatility` for NaN and tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, smaller
from stockstream_kernels.smoothing import exponential
from stockstream_kernels.statistics import moments
from stockstream_kernels.tiles import WIDE, expand, pair_extremes, pair_sums, room, squeeze
from stockstream_kernels.volatility import atr

type Series = NDArray[np.float64]


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
    for start in range(0, len(values), WIDE):
        value, top, centre = values[start : start + WIDE], upper[start : start + WIDE], middle[start : start + WIDE]
        bottom, place, reach = lower[start : start + WIDE], percent_b[start : start + WIDE], width[start : start + WIDE]
        moments(value, window, ddof, state, place, reach)
        for k in range(len(value)):
            half = deviations * np.sqrt(reach[k])
            mean = value[k] - place[k]
            top[k], centre[k], bottom[k] = mean + half, mean, mean - half
            place[k] = 0.5 + 0.5 * place[k] / half
            reach[k] = 2.0 * half / mean


@kernel
def keltner(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    range_window: int,
    multiple: float,
    price: int,
    state: Series,
    upper: Series,
    middle: Series,
    lower: Series,
) -> None:
    """Exponential average of the close (price 0) or the typical price (1), and so many average true ranges around it.

    State: the average, the average true range.
    """
    centres = np.empty(smaller(WIDE, len(close)))
    for start in range(0, len(close), WIDE):
        highs, lows, closes = high[start : start + WIDE], low[start : start + WIDE], close[start : start + WIDE]
        top, mean, bottom = upper[start : start + WIDE], middle[start : start + WIDE], lower[start : start + WIDE]
        centre = centres[: len(closes)]
        for k in range(len(closes)):
            typical = (highs[k] + lows[k] + closes[k]) / 3.0
            centre[k] = typical if price == 1 or np.isnan(typical) else closes[k]
        exponential(centre, window, 2.0 / (window + 1.0), 0, state[:8], mean)
        atr(highs, lows, closes, range_window, 0, state[8:16], top)
        for k in range(len(closes)):
            reach = multiple * top[k]
            top[k] = mean[k] + reach
            bottom[k] = mean[k] - reach
            mean[k] += reach - reach  # the three outputs start together


@kernel
def donchian(
    high: Series, low: Series, window: int, state: Series, upper: Series, middle: Series, lower: Series
) -> None:
    """Highest high and lowest low of the window, and their mean. State: that of `pair_extremes`."""
    for start in range(0, len(high), WIDE):
        top, mean, bottom = upper[start : start + WIDE], middle[start : start + WIDE], lower[start : start + WIDE]
        pair_extremes(high[start : start + WIDE], low[start : start + WIDE], window, state, top, bottom)
        for k in range(len(top)):
            mean[k] = (top[k] + bottom[k]) / 2.0


@kernel
def acceleration_bands(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    state: Series,
    upper: Series,
    middle: Series,
    lower: Series,
) -> None:
    """Means of the high and the low, pushed apart by twice the day's relative range, and of the close.

    State: two steps.
    """
    size, share = room(window), 1.0 / window
    pushed = np.empty((3, smaller(WIDE, len(close))))
    for start in range(0, len(close), WIDE):
        highs, lows, closes = high[start : start + WIDE], low[start : start + WIDE], close[start : start + WIDE]
        top, centre, bottom = pushed[0, : len(closes)], pushed[1, : len(closes)], pushed[2, : len(closes)]
        above, mean, below = upper[start : start + WIDE], middle[start : start + WIDE], lower[start : start + WIDE]
        for k in range(len(closes)):
            both = highs[k] + lows[k]
            push = 4.0 * (highs[k] - lows[k]) / both
            absent = (both + closes[k]) - (both + closes[k])  # 0, or NaN on a bar that is not known
            top[k] = highs[k] * (1.0 + push) + absent
            bottom[k] = lows[k] * (1.0 - push) + absent
            centre[k] = closes[k] + absent
        pair_sums(top, bottom, window, state[:size], above, below)
        pair_sums(centre, centre, window, state[size : 2 * size], mean, top)
        for k in range(len(closes)):
            above[k], mean[k], below[k] = above[k] * share, mean[k] * share, below[k] * share


@kernel
def chandelier(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    multiple: float,
    state: Series,
    long: Series,
    short: Series,
) -> None:
    """Highest high less, and lowest low plus, so many average true ranges.

    State: the average true range, that of `pair_extremes`.
    """
    tiles = np.empty((6, smaller(WIDE, len(close))))
    for start in range(0, len(close), WIDE):
        highs, lows, closes = high[start : start + WIDE], low[start : start + WIDE], close[start : start + WIDE]
        known = tiles[5, : len(closes)]
        for k in range(len(closes)):
            known[k] = highs[k] + lows[k] + closes[k]
        count = squeeze(highs, known, tiles[0])
        squeeze(lows, known, tiles[1])
        squeeze(closes, known, tiles[2])
        top, bottom, reach = tiles[0, :count], tiles[1, :count], tiles[3, :count]
        atr(top, bottom, tiles[2, :count], window, 0, state[:8], reach)
        pair_extremes(top, bottom, window, state[8:], tiles[2, :count], tiles[4, :count])
        for k in range(count):
            top[k] = tiles[2, k] - multiple * reach[k]
            bottom[k] = tiles[4, k] + multiple * reach[k]
        expand(top, known, long[start : start + WIDE])
        expand(bottom, known, short[start : start + WIDE])
