"""Where the close stands in the range of its window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.convergence import average
from stockstream_kernels.ladders import (
    BEGIN,
    HEADER,
    climb_highest,
    copy,
    means,
    room,
    rungs,
    settle,
    size,
    take,
    whole,
)
from stockstream_kernels.momentum import rsi

type Series = NDArray[np.float64]


@step
def place(high: Series, low: Series, close: Series, window: int, upper: bool, state: Series, out: Series) -> None:
    """Where the close stands between lowest low (0) and highest high (100) of the last `window` bars.

    With `upper` as -100 (lowest) to 0 (highest), and held there where the close leaves the range. NaN where there is no
    range and while a gap is in the window, because a gap makes the extremes infinite. `out` may be one of the inputs.
    State: that of `take`.
    """
    chunk, last, first = room(window), rungs(window) - 1, int(HEADER)
    length = size(window, chunk)
    across, back = np.uint64(length), np.uint64(window - (1 << last))
    start = int(BEGIN)
    while start < len(close):
        cursor = int(state[1])
        count = min(chunk - cursor, len(close) - start)
        take(high, low, close, start, count, length, state)
        climb_highest(state, first, window, chunk, cursor, count)
        climb_highest(state, first + length, window, chunk, cursor, count)
        bars, newest = np.uint64(start), np.uint64(1 + (2 << last) + last * chunk + cursor)
        for k in range(np.uint64(count)):
            one, two = state[newest + k], state[newest - back + k]
            top = one if one > two else two
            one, two = state[newest + across + k], state[newest + across - back + k]
            bottom = -(one if one > two else two)
            share = 100.0 * (close[bars + k] - (top if upper else bottom)) / (top - bottom)
            share = 0.0 if upper and share > 0.0 else share
            out[bars + k] = -100.0 if upper and share < -100.0 else share
        settle(window, chunk, first + length, count, state)
        start += count


@kernel
def stoch(
    high: Series, low: Series, close: Series, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic: the close's place in the range, its mean, and that one's mean.

    State: that of `place` and of two `means`.
    """
    first = 2 + 2 * size(window, room(window))
    second = first + 4 + 2 * smooth
    place(high, low, close, window, False, state[:first], k)
    if smooth > 1:
        means(smooth, state[first:second], k)
    copy(k, d)
    means(signal, state[second:], d)


@kernel
def stochrsi(
    values: Series, rsi_window: int, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic of the relative strength index; gaps are left out.

    State: ``[last price, last index]``, 4 of `rsi`, that of `stoch`.
    """
    middle = 8 + 2 * size(window, room(window))
    last = middle + 4 + 2 * smooth
    start = int(BEGIN)
    while start < len(values):
        stop = whole(values, values, values, start)
        if stop > start:
            first, second = k[start:stop], d[start:stop]
            rsi(values[start:stop], rsi_window, state[2:6], first)
            hold(values[start:stop], state, first)
            place(first, first, first, window, False, state[6:middle], first)
            means(smooth, state[middle:last], first)
            copy(first, second)
            means(signal, state[last:], second)
        if stop < len(values):
            k[stop], d[stop] = np.nan, np.nan
        start = stop + 1


@step
def hold(values: Series, state: Series, index: Series) -> None:
    """Keep the index where the price has not moved: both averages shrink alike, and rounding must not make a range."""
    last, held = state[0], state[1]
    for t in range(len(values)):
        held = held if values[t] == last and held == held else index[t]
        last = values[t]
        index[t] = held
    state[0], state[1] = last, held


@kernel
def willr(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Williams %R: the close's distance below the highest high in percent of the range, negative. State: `place`'s."""
    place(high, low, close, window, True, state, out)


@kernel
def kdj(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    smooth: int,
    signal: int,
    state: Series,
    k: Series,
    d: Series,
    j: Series,
) -> None:
    """Stochastic smoothed by Wilder's average, and ``3 k - 2 d``; gaps are left out. State: 8 and that of `place`."""
    keep_k, keep_d = 1.0 - 1.0 / smooth, 1.0 - 1.0 / signal
    start = int(BEGIN)
    while start < len(close):
        stop = whole(high, low, close, start)
        if stop > start:
            cut = slice(start, stop)
            place(high[cut], low[cut], close[cut], window, False, state[8:], k[cut])
        for t in range(start, stop):
            k[t] = average(k[t], smooth, keep_k, state[0:4])
            d[t] = average(k[t], signal, keep_d, state[4:8])
            j[t] = 3.0 * k[t] - 2.0 * d[t]
        if stop < len(close):
            k[stop], d[stop], j[stop] = np.nan, np.nan, np.nan
        start = stop + 1
