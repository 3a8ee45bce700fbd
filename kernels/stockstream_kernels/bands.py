"""Bands around the price; see `volatility` for NaN and tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, scratch, smaller, view
from stockstream_kernels.smoothing import exponential
from stockstream_kernels.statistics import moments
from stockstream_kernels.tiles import WIDE, expand, pair_extremes, pair_sums, room, squeeze
from stockstream_kernels.volatility import average_ranges

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
        bars = smaller(WIDE, len(values) - start)
        value, top, centre = view(values, start, bars), view(upper, start, bars), view(middle, start, bars)
        bottom, place, reach = view(lower, start, bars), view(percent_b, start, bars), view(width, start, bars)
        moments(value, window, ddof, state, place, reach)
        for k in range(bars):
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
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        top, mean, bottom = view(upper, start, bars), view(middle, start, bars), view(lower, start, bars)
        centre = scratch(WIDE, bars)
        for k in range(bars):
            typical = (highs[k] + lows[k] + closes[k]) / 3.0
            centre[k] = typical if price == 1 or np.isnan(typical) else closes[k]
        exponential(centre, window, 2.0 / (window + 1.0), 0, view(state, 0, 8), mean)
        average_ranges(highs, lows, closes, range_window, 0, view(state, 8, 8), top)
        for k in range(bars):
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
        bars = smaller(WIDE, len(high) - start)
        top, mean, bottom = view(upper, start, bars), view(middle, start, bars), view(lower, start, bars)
        pair_extremes(view(high, start, bars), view(low, start, bars), window, state, top, bottom)
        for k in range(bars):
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
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        top, centre, bottom = scratch(WIDE, bars), scratch(WIDE, bars), scratch(WIDE, bars)
        above, mean, below = view(upper, start, bars), view(middle, start, bars), view(lower, start, bars)
        for k in range(bars):
            both = highs[k] + lows[k]
            push = 4.0 * (highs[k] - lows[k]) / both
            absent = (both + closes[k]) - (both + closes[k])  # 0, or NaN on a bar that is not known
            top[k] = highs[k] * (1.0 + push) + absent
            bottom[k] = lows[k] * (1.0 - push) + absent
            centre[k] = closes[k] + absent
        pair_sums(top, bottom, window, view(state, 0, size), above, below)
        pair_sums(centre, centre, window, view(state, size, size), mean, top)
        for k in range(bars):
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
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        known, up, down, last = scratch(WIDE, bars), scratch(WIDE, bars), scratch(WIDE, bars), scratch(WIDE, bars)
        for k in range(bars):
            known[k] = highs[k] + lows[k] + closes[k]
        count = squeeze(highs, known, up)
        squeeze(lows, known, down)
        squeeze(closes, known, last)
        top, bottom, price, reach = view(up, 0, count), view(down, 0, count), view(last, 0, count), scratch(WIDE, count)
        lowest = scratch(WIDE, count)
        average_ranges(top, bottom, price, window, 0, view(state, 0, 8), reach)
        pair_extremes(top, bottom, window, view(state, 8, len(state) - 8), price, lowest)
        for k in range(count):
            top[k] = price[k] - multiple * reach[k]
            bottom[k] = lowest[k] + multiple * reach[k]
        expand(top, known, view(long, start, bars))
        expand(bottom, known, view(short, start, bars))
