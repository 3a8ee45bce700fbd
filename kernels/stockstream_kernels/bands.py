"""Bands around the price; see `volatility` for NaN and tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.rolling import extreme, sma
from stockstream_kernels.smoothing import ema
from stockstream_kernels.statistics import TILE, moments
from stockstream_kernels.volatility import atr, room

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
    for start in range(0, len(values), TILE):
        stop = min(start + TILE, len(values))
        moments(values[start:stop], window, ddof, state, middle[start:stop], upper[start:stop])
        for t in range(start, stop):
            reach = deviations * np.sqrt(upper[t])
            middle[t] = values[t] - middle[t]
            upper[t] = middle[t] + reach
            lower[t] = middle[t] - reach
            percent_b[t] = (values[t] - lower[t]) / (upper[t] - lower[t])
            width[t] = (upper[t] - lower[t]) / middle[t]


@kernel
def keltner(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    range_window: int,
    multiple: float,
    source: int,
    state: Series,
    upper: Series,
    middle: Series,
    lower: Series,
) -> None:
    """Exponential average of the close (source 0) or the typical price (1), and so many average true ranges around it.

    State: the average, the average true range.
    """
    centres = np.empty(min(TILE, len(close)))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        centre = centres[: stop - start]
        for t in range(start, stop):
            typical = (high[t] + low[t] + close[t]) / 3.0
            centre[t - start] = typical if source == 1 or np.isnan(typical) else close[t]
        ema(centre, window, 0, state[:8], middle[start:stop])
        atr(high[start:stop], low[start:stop], close[start:stop], range_window, 0, state[8:16], upper[start:stop])
        for t in range(start, stop):
            reach = multiple * upper[t]
            upper[t] = middle[t] + reach
            lower[t] = middle[t] - reach
            middle[t] = middle[t] + (reach - reach)  # the three outputs start together


@kernel
def donchian(
    high: Series, low: Series, window: int, state: Series, upper: Series, middle: Series, lower: Series
) -> None:
    """Highest high and lowest low of the window, and their mean. State: two steps."""
    size = room(window)
    for start in range(0, len(high), TILE):
        stop = min(start + TILE, len(high))
        extreme(high[start:stop], window, 1.0, state[:size], upper[start:stop])
        extreme(low[start:stop], window, -1.0, state[size : 2 * size], lower[start:stop])
        for t in range(start, stop):
            middle[t] = (upper[t] + lower[t]) / 2.0
            # a NaN in one of the two makes the band unknown
            upper[t] += middle[t] - middle[t]
            lower[t] += middle[t] - middle[t]


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

    State: three steps.
    """
    size = room(window)
    pushed = np.empty((3, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        top, centre, bottom = pushed[0, : stop - start], pushed[1, : stop - start], pushed[2, : stop - start]
        for t in range(start, stop):
            both = high[t] + low[t]
            push = 4.0 * (high[t] - low[t]) / both if both != 0.0 else 0.0
            absent = (both + close[t]) - (both + close[t])  # 0, or NaN on a bar that is not known
            top[t - start] = high[t] * (1.0 + push) + absent
            bottom[t - start] = low[t] * (1.0 - push) + absent
            centre[t - start] = close[t] + absent
        sma(top, window, state[:size], upper[start:stop])
        sma(centre, window, state[size : 2 * size], middle[start:stop])
        sma(bottom, window, state[2 * size : 3 * size], lower[start:stop])


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

    State: the average true range, two steps.
    """
    size = room(window)
    tiles = np.empty((6, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        count = 0
        for t in range(start, stop):
            tiles[0, count], tiles[1, count], tiles[2, count] = high[t], low[t], close[t]
            count += 0 if np.isnan(high[t] + low[t] + close[t]) else 1
        reach, top, bottom = tiles[3, :count], tiles[4, :count], tiles[5, :count]
        atr(tiles[0, :count], tiles[1, :count], tiles[2, :count], window, 0, state[:8], reach)
        extreme(tiles[0, :count], window, 1.0, state[8 : 8 + size], top)
        extreme(tiles[1, :count], window, -1.0, state[8 + size : 8 + 2 * size], bottom)
        k = 0
        for t in range(start, stop):
            long[t], short[t] = np.nan, np.nan
            if not np.isnan(high[t] + low[t] + close[t]):
                long[t] = top[k] - multiple * reach[k]
                short[t] = bottom[k] + multiple * reach[k]
                k += 1
