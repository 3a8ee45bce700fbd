"""Sums and extremes of windows by doubling.

A ladder has one rung for each power of two up to the window: rung j holds, bar by bar, the sum (or the largest) of the
2**j values that end there, which is rung j - 1 added to itself 2**(j - 1) bars back. A window of n bars is put
together from the rungs of n's binary digits, the smallest at the newest end; the largest of n bars from two
overlapping stretches of the last rung. Nothing is subtracted, so nothing drifts and nothing cancels; a NaN touches
exactly the windows that hold it; a bar costs log2(n) operations, and a chunk of bars compiles to vector operations.
What is added to what depends on the window alone, so that any cutting of a series into calls gives the same bits.

A ladder lies in a kernel's state from place `at` on. Rung j is a track: 2**j values of the past, then room for a chunk,
which is filled from `cursor` on and becomes the past when it is full. Subscripts are unsigned: Numba checks signed ones
for wrapping around, which keeps loops from being vectorised.

Why not blocks, as in `rolling`: several inputs, windows and stages work on one chunk without leaving the first cache.
Williams %R 14 of 1,000,000 bars took 1.6 ms this way and 2.5 ms by blocks, the awesome oscillator 1.6 and 8.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import pick, smaller, step, truncated

type Series = NDArray[np.float64]

ONE: Final = np.uint64(1)
TWO: Final = np.uint64(2)
#: The first bar and the place of the first ladder. Floats, made whole where they are used: a literal int is a type of
#: its own to the compiler, and steps that are given one here and a variable there would be compiled twice.
BEGIN: Final = 0.0
HEADER: Final = 2.0
SCANNED: Final = np.uint64(64)
#: Bars that are worked on together where there is no ladder.
STRETCH: Final = 512
#: The shortest chunk, in bars: few enough that what a kernel works on stays in the first cache.
CHUNK: Final = 256


@step
def shape(window: int) -> tuple[int, int, int]:
    """Return how many rungs a ladder for windows up to `window` has, how many bars a chunk, and how long the ladder is.

    Chunks are in proportion to long windows, so that moving the past costs O(1) a bar.
    """
    height, chunk = 1, CHUNK if window >> 3 < CHUNK else window >> 3
    while (window >> height) > 0:
        height += 1
    return height, chunk, (1 << height) - 1 + height * chunk


@step
def begin(state: Series, at: int, count: int, value: float) -> None:
    """Fill places of a fresh state; a loop compiles in a third of the time of an assignment to a slice."""
    here = np.uint64(at)
    for k in range(np.uint64(count)):
        state[here + k] = value


@step
def shift(state: Series, at: int, past: int, chunk: int) -> None:
    """Make the newest values of a full track its past."""
    here, there = np.uint64(at), np.uint64(at + chunk)
    for k in range(np.uint64(past)):
        state[here + k] = state[there + k]


@step
def climb(state: Series, newest: int, last: int, height: int, chunk: int, count: int) -> None:
    """Fill the rungs above the first with sums, for `count` bars from `newest` on, in all ladders up to `last`'s."""
    at = newest
    while at <= last:
        below, back = np.uint64(at), ONE
        for _ in range(1, height):
            here = below + np.uint64(chunk) + back + back
            for k in range(np.uint64(count)):
                state[here + k] = state[below + k] + state[below - back + k]
            below, back = here, back + back
        at += (1 << height) - 1 + height * chunk


@step
def settle(last: int, height: int, chunk: int, count: int, state: Series) -> None:
    """Move the cursor over the bars taken; a full chunk becomes the past.

    State: ``[started, cursor]`` and equal ladders, the last one at `last`.
    """
    state[1] += count
    if state[1] < chunk:
        return
    state[1] = 0.0
    at = truncated(HEADER)
    while at <= last:
        for j in range(height):
            here = np.uint64(at)
            for k in range(np.uint64(1 << j)):
                state[here + k] = state[here + np.uint64(chunk) + k]
            at += (1 << j) + chunk


@step
def sums(state: Series, newest: int, window: int, chunk: int, count: int, out: Series, start: int) -> None:
    """Write the sums of the last `window` values; the ladder may be one for longer windows.

    Up to three parts are added in one pass; a pass for each after the second made the ultimate oscillator, whose
    windows have three, take 4.6 ms a million bars instead of 4.1.
    """
    there, here, offset = np.uint64(start), np.uint64(newest), np.uint64(0)
    first, second, end = offset, offset, np.uint64(count)
    seen, digit = np.int64(0), np.int64(1)  # typed: from literals, types take one more round to settle
    while digit <= window:
        if window & digit != 0:
            part = here - offset
            seen += 1
            if seen == 1:
                first = part
            elif seen == 2:
                second = part
            elif seen == 3:
                for k in range(end):
                    out[there + k] = state[first + k] + state[second + k] + state[part + k]
            else:
                for k in range(end):
                    out[there + k] += state[part + k]
            offset += np.uint64(digit)
        digit += digit
        here += np.uint64(chunk + digit)
    if seen == 1:
        for k in range(end):
            out[there + k] = state[first + k]
    elif seen == 2:
        for k in range(end):
            out[there + k] = state[first + k] + state[second + k]


@step
def take(
    high: Series, low: Series, close: Series, start: int, count: int, height: int, chunk: int, state: Series
) -> None:
    """Put bars in a ladder of highs and in one of negated lows; rungs above the first hold the larger of two stretches.

    A bar is a gap when any of the three is NaN. A gap, and what lies before the first bar, is infinite: so are the
    extremes while it is in the window, and what is computed from them is no finite number.
    State: ``[started, cursor]`` and two ladders.
    """
    bars, end = np.uint64(start), np.uint64(count)
    length = np.uint64((1 << height) - 1 + height * chunk)
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(length + length):
            state[TWO + k] = np.inf
    up = np.uint64(3 + state[1])
    for k in range(end):
        total = high[bars + k] + low[bars + k] + close[bars + k]
        state[up + k] = pick(total == total, high[bars + k], np.inf)
        state[up + length + k] = pick(total == total, -low[bars + k], np.inf)
    last = up + length
    while up <= last:
        below, back = up, ONE
        for _ in range(1, height):
            here = below + np.uint64(chunk) + back + back
            for k in range(end):
                one, two = state[below + k], state[below - back + k]
                state[here + k] = pick(one > two, one, two)
            below, back = here, back + back
        up += length


@step
def means(window: int, state: Series, values: Series, out: Series) -> None:
    """Write the mean of the last `window` values, summed by the blocks of `rolling`; `out` may be the values.

    On top of a kernel that is not short of time: a third of the compile time of a ladder.
    State: ``[started, position, prefix]``, held values, window, + suffixes, window + 1.
    """
    n, held, after = np.uint64(window), np.uint64(3), np.uint64(3 + window)
    if state[0] == 0.0:  # before the first full block there is no window
        state[0] = 1.0
        for k in range(n):
            state[after + k] = np.nan
    position, prefix = np.uint64(state[1]), state[2]
    for t in range(np.uint64(len(values))):
        value = values[t]
        prefix += value
        state[held + position] = value
        position += ONE
        out[t] = (state[after + position] + prefix) / window
        if position == n:
            prefix = 0.0
            for k in range(ONE, n):
                prefix += state[held + n - k]
                state[after + n - k] = prefix
            position, prefix = np.uint64(0), 0.0
    state[1], state[2] = position, prefix


@step
def whole(high: Series, low: Series, close: Series, start: int, most: int) -> int:
    """Return the bar after the stretch of at most `most` bars without a NaN that begins at `start`.

    Counting over stretches of fixed length compiles to vector compares: 0.3 ms a million bars. At most as many as stay
    in the cache for what is computed from them: scanned whole, a long series was read from memory twice.
    """
    t, end = np.uint64(start), np.uint64(smaller(start + most, len(close)))
    while t < end:
        found, count = np.int64(0), smaller(SCANNED, end - t)
        for k in range(count):
            total = high[t + k] + low[t + k] + close[t + k]
            found += total != total
        if found > 0:
            break
        t += count
    while t < end:
        total = high[t] + low[t] + close[t]
        if total != total:
            break
        t += ONE
    return truncated(np.int64(t))


@step
def copy(values: Series, out: Series) -> None:
    """Write values to `out`; an assignment of slices would allocate, in case the two overlap."""
    for k in range(np.uint64(len(out))):
        out[k] = values[k]
