"""How far the price travels, against how far it gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, smaller, step, view
from stockstream_kernels.averages import averaged
from stockstream_kernels.ladders import means
from stockstream_kernels.smoothing import FOUR, ONE, THREE, TWO
from stockstream_kernels.tiles import WIDE, pair_extremes, room

type Series = NDArray[np.float64]


@kernel
def vhf(values: Series, window: int, state: Series, out: Series) -> None:
    """Write the range of `window` values over the sum of their `window` changes.

    State: ``[last value, started]``, that of `pair_extremes`, that of `means`, two tiles.
    """
    extremes, tiles = 2 + room(window), len(state) - 2 * WIDE
    last = state[0] if state[1] == 1.0 else np.nan
    for start in range(0, len(values), WIDE):
        bars = smaller(WIDE, len(values) - start)
        part, top = view(values, start, bars), view(out, start, bars)
        moves, bottom = view(state, tiles, bars), view(state, tiles + WIDE, bars)
        moves[0] = abs(part[0] - last)
        for t in range(1, bars):
            moves[t] = abs(part[t] - part[t - 1])
        last = part[bars - 1]
        pair_extremes(part, part, window, view(state, 2, extremes - 2), top, bottom)
        means(window, view(state, extremes, tiles - extremes), moves, moves)
        for t in range(bars):
            top[t] = (top[t] - bottom[t]) / (window * moves[t])
    if len(values) > 0:
        state[0], state[1] = last, 1.0


@kernel
def vortex(high: Series, low: Series, close: Series, window: int, state: Series, plus: Series, minus: Series) -> None:
    """Write the summed distances from low to next high, and from high to next low, over the summed true ranges.

    The three sums go in one loop over the method of `rolling`: memory is read and written while sums are added up. In
    passes over tiles, whose reads and writes of memory wait for each other, it took half as long again.
    State: ``[started, position, last high, last low, last close, three prefixes]`` and, for each sum, held values,
    window, + suffixes, window + 1.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(close))
    held_up, held_down, held_reach = np.uint64(8), np.uint64(8 + window), np.uint64(8 + 2 * window)
    after_up, after_down = np.uint64(8 + 3 * window), np.uint64(9 + 4 * window)
    after_reach = np.uint64(10 + 5 * window)
    if state[0] == 0.0:  # before the first full block there is no window
        state[0], state[2], state[3], state[4] = 1.0, np.nan, np.nan, np.nan
        for k in range(n):
            state[after_reach + k] = np.nan
    position, last_high, last_low, last_close = np.uint64(state[1]), state[2], state[3], state[4]
    up, down, reach = state[5], state[6], state[7]
    while t < end:
        count = smaller(n - position, end - t)
        for k in range(count):
            place = position + k
            top, bottom = high[t + k], low[t + k]
            rise, fall, whole = abs(top - last_low), abs(bottom - last_high), spanned(top, bottom, last_close)
            last_high, last_low, last_close = top, bottom, close[t + k]
            state[held_up + place], state[held_down + place], state[held_reach + place] = rise, fall, whole
            up += rise
            down += fall
            reach += whole
            share = 1.0 / (state[after_reach + place + ONE] + reach)
            plus[t + k] = (state[after_up + place + ONE] + up) * share
            minus[t + k] = (state[after_down + place + ONE] + down) * share
        t += count
        position += count
        if position == n:
            up, down, reach = 0.0, 0.0, 0.0
            for k in range(ONE, n):
                place = n - k
                up += state[held_up + place]
                down += state[held_down + place]
                reach += state[held_reach + place]
                state[after_up + place], state[after_down + place], state[after_reach + place] = up, down, reach
            position, up, down, reach = np.uint64(0), 0.0, 0.0, 0.0
    state[1], state[2], state[3], state[4] = float(position), last_high, last_low, last_close
    state[5], state[6], state[7] = up, down, reach


@step
def spanned(top: float, bottom: float, last: float) -> float:
    """Return the true range of a bar after one that closed at `last`; NaN when any of the three is."""
    unknown = 0.0 * (top + bottom + last)  # a comparison may pass over a NaN
    return (top if top > last else last) - (bottom if bottom < last else last) + unknown


@kernel
def mass(high: Series, low: Series, smoothing: int, window: int, state: Series, out: Series) -> None:
    """Write the sum of `window` ratios of the range's average to the average of that average.

    One loop does it all, because both averages, two operations a bar in the way of the next, leave time for the sum:
    2.0 ms a million bars, 2.7 in passes over tiles. Distances of the averages as in `averages`, sums as in `rolling`.
    State: two of `averaged`, ``[position, prefix]``, held ratios, window, + suffixes, window + 1.
    """
    n, held, after = np.uint64(window), np.uint64(8), np.uint64(8 + window)
    if state[0] == 0.0:  # before the first full block there is no window
        for k in range(n):
            state[after + k] = np.nan
    alpha = 2.0 / (smoothing + 1.0)
    keep, seeded = 1.0 - alpha, state[3] >= smoothing
    one, last, two, position, total = state[1], state[2], state[4], np.uint64(state[6]), state[7]
    for t in range(np.uint64(len(high))):
        reach = high[t] - low[t]
        if reach != reach:
            out[t] = np.nan
            continue
        if not seeded:
            seed_ratio(reach, smoothing, keep, state[0:6])
            one, last, two, seeded = state[1], state[2], state[4] / alpha, state[3] >= smoothing
            if not seeded:
                out[t] = np.nan
                continue
        else:
            one += reach - last
            two = keep * (two + one)
            one *= keep
            last = reach
        average = last - one
        ratio = average / (average - alpha * two)
        total += ratio
        state[held + position] = ratio
        position += ONE
        out[t] = state[after + position] + total
        if position == n:
            suffixes(state, held, after, n)
            position, total = np.uint64(0), 0.0
    if seeded:
        state[1], state[2], state[4] = one, last, two
    state[6], state[7] = float(position), total


@step
def suffixes(state: Series, held: np.uint64, after: np.uint64, count: np.uint64) -> None:
    """Sum the held values of a full block from its end on, by fours: one addition in four waits for another."""
    total, k = 0.0, count
    while k > FOUR:
        four = state[held + k - ONE]
        three = four + state[held + k - TWO]
        two = three + state[held + k - THREE]
        one = two + state[held + k - FOUR]
        state[after + k - ONE], state[after + k - TWO] = total + four, total + three
        total, state[after + k - THREE] = total + one, total + two
        state[after + k - FOUR] = total
        k -= FOUR
    while k > ONE:
        k -= ONE
        total += state[held + k]
        state[after + k] = total


@step
def seed_ratio(reach: float, smoothing: int, keep: float, memory: Series) -> None:
    """Feed a range to two averages that are not both seeded yet, the second an average of the first."""
    once = averaged(reach, smoothing, keep, memory[0:3])
    if once == once:
        averaged(once, smoothing, keep, memory[3:6])
