"""Where the close stands in the range of its window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels import tiles
from stockstream_kernels._compile import kernel, pick, smaller, spliced, step, truncated, view
from stockstream_kernels.convergence import average
from stockstream_kernels.ladders import (
    BEGIN,
    STRETCH,
    means,
    settle,
    shape,
    take,
    whole,
)
from stockstream_kernels.momentum import rsi
from stockstream_kernels.smoothing import ONE, exponential
from stockstream_kernels.tiles import pair_extremes, ranges

type Series = NDArray[np.float64]


@spliced
def place(high: Series, low: Series, close: Series, window: int, upper: bool, state: Series, out: Series) -> None:
    """Where the close stands between lowest low (0) and highest high (100) of the last `window` bars.

    With `upper` as -100 (lowest) to 0 (highest), and held there where the close leaves the range. NaN where there is no
    range and while a gap is in the window, because a gap makes the extremes infinite. `out` may be one of the inputs.
    State: that of `take`.
    """
    height, chunk, length = shape(window)
    last = height - 1
    across, back = np.uint64(length), np.uint64(window - (1 << last))
    lowest, highest = pick(upper, -100.0, -np.inf), pick(upper, 0.0, np.inf)
    start = truncated(BEGIN)
    while start < len(close):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(close) - start)
        take(high, low, close, start, count, height, chunk, state)
        bars, newest = np.uint64(start), np.uint64(1 + (2 << last) + last * chunk + cursor)
        for k in range(np.uint64(count)):
            one, two = state[newest + k], state[newest - back + k]
            top = pick(one > two, one, two)
            one, two = state[newest + across + k], state[newest + across - back + k]
            bottom = -pick(one > two, one, two)
            share = 100.0 * (close[bars + k] - pick(upper, top, bottom)) / (top - bottom)
            share = pick(share > highest, highest, share)
            out[bars + k] = pick(share < lowest, lowest, share)
        settle(2 + length, height, chunk, count, state)
        start += count


@kernel
def stoch(
    high: Series, low: Series, close: Series, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic: the close's place in the range, its mean, and that one's mean.

    State: that of `place` and of two `means`.
    """
    first = 2 + 2 * shape(window)[2]
    second = first + 4 + 2 * smooth
    place(high, low, close, window, False, state, k)
    if smooth > 1:
        means(smooth, view(state, first, second - first), k, k)
    means(signal, view(state, second, len(state) - second), k, d)


@kernel
def stochrsi(
    values: Series, rsi_window: int, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic of the relative strength index; gaps are left out.

    State: ``[last price, last index]``, 4 of `rsi`, that of `pair_extremes`, two of `means`.
    """
    middle = 6 + tiles.room(window)
    last = middle + 4 + 2 * smooth
    start = truncated(BEGIN)
    while start < len(values):
        stop = whole(values, values, values, start, STRETCH)
        if stop > start:
            bars = stop - start
            part, index = view(values, start, bars), view(state, len(state) - STRETCH, bars)
            first, second = view(k, start, bars), view(d, start, bars)
            rsi(part, rsi_window, view(state, 2, 4), index)
            hold(part, state, index)
            pair_extremes(index, index, window, view(state, 6, middle - 6), first, second)
            for t in range(np.uint64(bars)):
                first[t] = 100.0 * (index[t] - second[t]) / (first[t] - second[t])
            means(smooth, view(state, middle, last - middle), first, first)
            means(signal, view(state, last, len(state) - last), first, second)
        else:
            k[start], d[start] = np.nan, np.nan
            stop += 1
        start = stop


@step
def hold(values: Series, state: Series, index: Series) -> None:
    """Keep the index where the price has not moved: both averages shrink alike, and rounding must not make a range."""
    last, held = state[0], state[1]
    for t in range(len(values)):
        held = pick((values[t] == last) & (held == held), held, index[t])
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
    """Stochastic smoothed by Wilder's average, and ``3 k - 2 d``; gaps are left out. State: 8 and that of `ranges`."""
    keep_k, keep_d = 1.0 - 1.0 / smooth, 1.0 - 1.0 / signal
    start = truncated(BEGIN)
    while start < len(close):
        stop = whole(high, low, close, start, STRETCH)
        if stop > start:
            bars = stop - start
            top, bottom = view(k, start, bars), view(d, start, bars)
            ranges(view(high, start, bars), view(low, start, bars), window, view(state, 8, len(state) - 8), top, bottom)
            for t in range(start, stop):
                k[t] = 100.0 * (close[t] - d[t]) / (k[t] - d[t])
        else:
            k[start], d[start], j[start] = np.nan, np.nan, np.nan
            stop += 1
        for t in range(start, stop):  # a gap changes no average
            k[t] = average(k[t], smooth, keep_k, view(state, 0, 4))
            d[t] = average(k[t], signal, keep_d, view(state, 4, 4))
            j[t] = 3.0 * k[t] - 2.0 * d[t]
        start = stop


@kernel
def smi(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    first: int,
    second: int,
    signal: int,
    state: Series,
    line: Series,
    signals: Series,
) -> None:
    """Twice averaged distance of the close from the middle of its range, in percent of half the averaged range.

    Gaps are left out. State: that of the signal (5), then that of `averaged_ranges`.
    """
    start = truncated(BEGIN)
    while start < len(close):
        stop = whole(high, low, close, start, STRETCH)
        if stop > start:  # in parts: what one pass writes is still in the cache for the next
            bars = stop - start
            index, average, rest = view(line, start, bars), view(signals, start, bars), view(state, 5, len(state) - 5)
            highs, lows, closes = view(high, start, bars), view(low, start, bars), view(close, start, bars)
            averaged_ranges(highs, lows, closes, window, first, second, rest, index, average)
            for k in range(np.uint64(bars)):  # apart, divisions are taken several at a time
                index[k] = 100.0 * index[k] / (0.5 * average[k])
            exponential(index, signal, 2.0 / (signal + 1.0), 0, state, average)
        else:
            line[start], signals[start] = np.nan, np.nan
            stop += 1
        start = stop


@step
def averaged_ranges(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    first: int,
    second: int,
    state: Series,
    line: Series,
    reach: Series,
) -> None:
    """Write the twice averaged distance from the middle of the range and the twice averaged range; 0 before the seeds.

    One loop for ranges, by the method of `rolling`, and averages: those wait for themselves, these do not, and each
    fills the other's time. The averages are plain ones: where ``|x| <= y`` on every bar they obey it too, to the last
    bit, and the index keeps its bounds. Their seeds are means, summed with weights of their own.
    State: ``[bars seen, position, highest, lowest, averages of distance, of range]``, held bars, 2 * window, +
    suffixes, 2 * window + 2.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(close))
    seen, left = truncated(state[0]), truncated(np.int64(0))
    held_a, held_b = np.uint64(8), np.uint64(8 + window)
    after_a, after_b = np.uint64(8 + 2 * window), np.uint64(9 + 3 * window)
    if seen == 0:
        state[2], state[3] = -np.inf, np.inf
        for k in range(n + ONE):
            state[after_a + k], state[after_b + k] = -np.inf, np.inf
    position, best, worst = np.uint64(state[1]), state[2], state[3]
    once, twice = state[4], state[5]
    once_reach, twice_reach = state[6], state[7]
    new, keep, shown = 0.0, 0.0, 0.0
    new_two, keep_two = 0.0, 0.0
    while t < end:
        if left == 0:
            left, new, keep, new_two, keep_two, shown = weights(seen, window - 1, first, second)
        count = smaller(smaller(n - position, end - t), np.uint64(left))
        for k in range(count):
            a, b, place = high[t + k], low[t + k], position + k
            best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
            state[held_a + place], state[held_b + place] = a, b
            top, bottom = state[after_a + place + ONE], state[after_b + place + ONE]
            top, bottom = pick(top > best, top, best), pick(bottom < worst, bottom, worst)
            once = keep * once + new * (close[t + k] - 0.5 * (top + bottom))
            twice = keep_two * twice + new_two * once
            once_reach = keep * once_reach + new * (top - bottom)
            twice_reach = keep_two * twice_reach + new_two * once_reach
            line[t + k], reach[t + k] = shown * twice, shown * twice_reach
        t += count
        position += count
        seen, left = seen + truncated(np.int64(count)), left - truncated(np.int64(count))
        if position == n:
            best, worst = -np.inf, np.inf
            for k in range(ONE, n):
                a, b = state[held_a + n - k], state[held_b + n - k]
                best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
                state[after_a + n - k], state[after_b + n - k] = best, worst
            position, best, worst = np.uint64(0), -np.inf, np.inf
    state[0], state[1] = float(seen), float(position)
    state[2], state[3] = best, worst
    state[4], state[5] = once, twice
    state[6], state[7] = once_reach, twice_reach


@step
def weights(seen: int, begin: int, first: int, second: int) -> tuple[int, float, float, float, float, float]:
    """Return for how many bars, after those `seen`, averages that begin at bar `begin` are built with which weights.

    The newest value and the average so far: while a seed is summed 1 / n and 1, before that 0 and 1. Last, 1 where both
    averages are there.
    """
    middle = begin + first - 1  # the bar on which the first average has its seed
    ready = middle + second - 1
    left = truncated(np.int64(1 << 62))
    for bar in (ready + 1, ready, middle + 1, middle, begin):
        left = pick(bar > seen, bar - seen, left)
    new, new_two = 2.0 / (first + 1.0), 2.0 / (second + 1.0)
    keep, keep_two = pick(seen > middle, 1.0 - new, 1.0), pick(seen > ready, 1.0 - new_two, 1.0)
    new = pick(seen > middle, new, pick(seen >= begin, 1.0 / first, 0.0))
    new_two = pick(seen > ready, new_two, pick(seen >= middle, 1.0 / second, 0.0))
    return left, new, keep, new_two, keep_two, pick(seen >= ready, 1.0, 0.0)
