"""Weighted means of windows: by place in the window, by volume, and along a fitted line.

The method is that of `rolling`, with sums of sums: with P the prefix sums of a block and Q the sums of those, the
values of the block up to place k, weighted n for the newest and one less for each before it, are (n + 1) * P[k] - Q[k];
the rest of the window, at the end of the block before, is a sum of its suffix sums.

State of each: ``[started, position in block, …, held values, suffixes]``.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import allocating, kernel, scratch, smaller, step, truncated, view
from stockstream_kernels.rolling import ONE, block_means, constant_windows, rolling_sum

type Series = NDArray[np.float64]

# Kernels made of kernels run in parts of this many bars, whose intermediate results stay in the processor's cache: an
# intermediate array of 1,000,000 bars costs 4 ms where fresh memory is slow, more than the calculation.
PART: Final = 2300


@kernel
def wma(values: Series, window: int, state: Series, out: Series) -> None:
    """Mean weighted 1, 2, … n from the oldest to the newest; equal values give that value exactly.

    State: ``[started, position, prefix sum, run, last, sum of prefix sums]`` + 2 * window.
    """
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(window - 1):
            state[6 + window + k] = np.nan  # before the first full block there is no window
    t = truncated(np.int64(0))
    while t < len(values):
        if state[1] == 0.0 and len(values) - t >= window:
            t = wma_blocks(values, t, window, state, out)
        else:
            t = wma_bars(values, t, window, state, out)


@step
def wma_bars(values: Series, start: int, window: int, state: Series, out: Series) -> int:
    """Write the means up to the end of the block or of the input; return the bar after."""
    held, suffix = view(state, 6, window), view(state, 6 + window, window)
    position, prefix, run, last, prefixes = truncated(state[1]), state[2], truncated(state[3]), state[4], state[5]
    grown, share = window + 1.0, 2.0 / (window * (window + 1.0))
    stop = smaller(len(values), start + window - position)
    for t in range(start, stop):
        value = values[t]
        run = run + 1 if value == last else 1
        last = value
        prefix += value
        prefixes += prefix
        held[position] = value
        out[t] = value if run >= window else (suffix[position] + (grown * prefix - prefixes)) * share
        position += 1
    if position == window:
        total, totals = 0.0, 0.0
        for k in range(window - 1, 0, -1):
            total += held[k]
            totals += total
            suffix[k - 1] = totals
        position, prefix, prefixes = 0, 0.0, 0.0
    state[1], state[2], state[3], state[4], state[5] = position, prefix, run, last, prefixes
    return stop


@step
def wma_blocks(values: Series, start: int, window: int, state: Series, out: Series) -> int:
    """Write the means of all whole blocks from bar `start` on; return the bar after them (compare `sum_blocks`)."""
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(len(values))
    here, there = np.uint64(6 + window), np.uint64(6)
    grown, share = window + 1.0, 2.0 / (window * (window + 1.0))
    while end - t >= n:
        prefix, prefixes, total, totals = 0.0, 0.0, 0.0, 0.0
        for k in range(n - ONE):
            prefix += values[t + k]
            prefixes += prefix
            out[t + k] = (state[here + k] + (grown * prefix - prefixes)) * share
            total += values[t + n - ONE - k]
            totals += total
            state[there + n - ONE - ONE - k] = totals
        prefix += values[t + n - ONE]
        out[t + n - ONE] = (grown * prefix - (prefixes + prefix)) * share
        here, there = there, here
        t += n
    if here == np.uint64(6):
        for k in range(window - 1):
            state[6 + window + k] = state[6 + k]
    stop = truncated(np.int64(t))
    constant_windows(values, start, stop, window, state, out)
    return stop


@kernel
def hma(values: Series, window: int, state: Series, out: Series) -> None:
    """Hull's average: twice the mean of half the window less that of the whole, smoothed over the root of the window.

    State: those of the three means, 18 + 2 * (half + window + root).
    """
    half, root = max(window // 2, 1), truncated(math.sqrt(window))
    of_half, of_whole = view(state, 0, 6 + 2 * half), view(state, 6 + 2 * half, 6 + 2 * window)
    of_root = view(state, 12 + 2 * half + 2 * window, 6 + 2 * root)
    for start in range(0, len(values), PART):
        bars = smaller(PART, len(values) - start)
        value, twice, slow = view(values, start, bars), scratch(PART, bars), view(out, start, bars)
        wma(value, half, of_half, twice)
        wma(value, window, of_whole, slow)
        for t in range(bars):
            twice[t] += twice[t] - slow[t]
        wma(twice, root, of_root, slow)


@kernel
def trima(values: Series, window: int, state: Series, out: Series) -> None:
    """Mean of means: weights rise to the middle of the window and fall after it.

    Both means are sums alone, without the care for equal values, which is taken once, of the whole window: 1.75 ms a
    million bars where prices repeat now and then, 2.0 with two means.
    State: those of the two sums, 12 + 2 * (window + 1), and ``[-, -, -, run of equal values, last value]``.
    """
    longer, shorter = window // 2 + 1, (window + 1) // 2
    of_longer, of_shorter = view(state, 0, 6 + 2 * longer), view(state, 6 + 2 * longer, 6 + 2 * shorter)
    share, of_runs = 1.0 / (float(longer) * shorter), view(state, 14 + 2 * window, 5)
    for start in range(0, len(values), PART):
        bars = smaller(PART, len(values) - start)
        part, sums, own = view(values, start, bars), scratch(PART, bars), view(out, start, bars)
        rolling_sum(part, longer, of_longer, sums)
        rolling_sum(sums, shorter, of_shorter, own)
        for t in range(bars):
            own[t] *= share
        constant_windows(part, truncated(np.int64(0)), bars, window, of_runs, own)


@kernel
def dpo(values: Series, window: int, state: Series, out: Series) -> None:
    """Value of window // 2 + 1 bars ago less the mean of the last `window`.

    State: ``[started, place of the oldest value]`` + window // 2 + 1 older values + that of the mean.
    """
    lag, bars = window // 2 + 1, len(values)
    older = view(state, 2, lag)
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(lag):
            older[k] = np.nan
    block_means(values, window, view(state, 2 + lag, len(state) - 2 - lag), out)
    oldest = truncated(state[1])
    for t in range(smaller(lag, bars)):
        out[t] = older[(oldest + t) % lag] - out[t]
    for t in range(lag, bars):
        out[t] = values[t - lag] - out[t]
    for t in range(max(bars - lag, 0), bars):
        older[(oldest + t) % lag] = values[t]
    state[1] = (oldest + bars) % lag


@kernel
def vwma(values: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Mean weighted by volume, NaN while no volume is in the window.

    Distances to the first value of the block are weighted: a window of equal values gives that value exactly.
    State: ``[started, position, volume, weighted, anchor]`` + held values and volumes, 2 * window, + suffixes, 2 *
    (window + 1).
    """
    held, traded = state[5 : 5 + window], state[5 + window : 5 + 2 * window]
    volumes, weighted = state[5 + 2 * window : 6 + 3 * window], state[6 + 3 * window : 7 + 4 * window]
    if state[0] == 0.0:
        state[0] = 1.0
        traded[:] = np.nan  # before the first full block there is no window
    position, total, moved, anchor = truncated(state[1]), state[2], state[3], state[4]
    t = 0
    while t < len(values):
        if position == 0:
            anchor, total, moved = values[t], 0.0, 0.0
            later, later_moved = 0.0, 0.0
            for k in range(window - 1, 0, -1):
                later += traded[k]
                later_moved += traded[k] * (held[k] - anchor)
                volumes[k], weighted[k] = later, later_moved
        for k in range(position, smaller(window, position + len(values) - t)):
            held[k], traded[k] = values[t], volume[t]
            total += volume[t]
            moved += volume[t] * (values[t] - anchor)
            out[t] = anchor + (weighted[k + 1] + moved) / (volumes[k + 1] + total)
            t += 1
            position += 1
        if position == window:
            position = 0
    state[1], state[2], state[3], state[4] = position, total, moved, anchor


@allocating
def alma(values: Series, window: int, offset: float, sigma: float, state: Series, out: Series) -> None:
    """Mean with Gaussian weights about `offset` of the way from the oldest to the newest; n operations a bar.

    Distances to the newest value are weighted, so that equal values give that value exactly.
    State: ``[started, -]`` + the window - 1 values before, oldest first.
    """
    weights = np.empty(window)
    centre, width = offset * (window - 1), window / sigma
    for k in range(window):
        weights[k] = math.exp(-((k - centre) ** 2) / (2.0 * width * width))
    weights /= weights.sum()
    before = window - 1
    older = state[2 : 2 + before]
    if state[0] == 0.0:
        state[0] = 1.0
        older[:] = np.nan
    joined = np.empty(before + smaller(PART, len(values)))
    for k in range(before):
        joined[k] = older[k]
    for start in range(0, len(values), PART):
        bars = smaller(PART, len(values) - start)
        for t in range(bars):
            joined[before + t] = values[start + t]
        mean = out[start : start + bars]
        mean[:] = 0.0
        for k in range(before):  # by place, then by bar: each pass is a vector loop
            for t in range(bars):
                mean[t] += weights[k] * (joined[t + k] - joined[t + before])
        for t in range(bars):
            mean[t] += joined[t + before]
        for k in range(before):
            joined[k] = joined[k + bars]
    for k in range(before):
        older[k] = joined[k]
