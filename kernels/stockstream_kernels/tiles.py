"""Work on a tile of bars at a time, so that what one pass writes is still in the first cache for the next.

Passes over a tile are loops over whole arrays from subscript 0: those compile to vector instructions, at 0.2 to 0.6 ms
a million bars. Passes with a running sum in them do only that. The same work in one loop with a branch for NaN took 1.5
to 8 times as long.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import pick, smaller, step, truncated

type Series = NDArray[np.float64]

#: Bars a tile, where every pass is over the tile: with four inputs and scratch they fit 32 KB.
TILE: Final = 256
#: Bars a tile, where steps that cost something to enter are among the passes.
WIDE: Final = 512
ONE: Final = np.uint64(1)
TWO: Final = np.uint64(2)
THREE: Final = np.uint64(3)
FOUR: Final = np.uint64(4)


@step
def room(window: int) -> int:
    """Length of state that is enough for one step over a window."""
    return 16 + 4 * window


@step
def gaps(values: Series) -> int:
    """Count the NaN."""
    count = np.int64(0)
    for k in range(len(values)):
        count += np.isnan(values[k])
    return truncated(count)


@step
def carry(values: Series, known: Series, last: float, previous: Series) -> float:
    """Write the value of the last known bar before each bar, `last` before the first; return that of the last one.

    A bar is known where `known` is not NaN.
    """
    if gaps(known) == 0:
        previous[0] = last
        for k in range(1, len(values)):  # an assignment of slices would allocate, in case the two overlap
            previous[k] = values[k - 1]
        return float(values[len(values) - 1])
    for k in range(len(values)):
        previous[k] = last
        last = last if np.isnan(known[k]) else values[k]
    return last


@step
def squeeze(values: Series, known: Series, dense: Series) -> int:
    """Copy the values of the known bars to the front of `dense` and return how many there are."""
    count = truncated(np.int64(0))
    for k in range(len(values)):
        dense[count] = values[k]
        count += 0 if np.isnan(known[k]) else 1
    return count


@step
def expand(dense: Series, known: Series, out: Series) -> None:
    """Write the values of the known bars to their places, and NaN between them."""
    if len(dense) == len(out):
        for k in range(len(out)):
            out[k] = dense[k]
        return
    count = truncated(np.int64(0))
    for k in range(len(out)):
        out[k] = np.nan
        if not np.isnan(known[k]):
            out[k] = dense[count]
            count += 1


@step
def accumulate(moves: Series, state: Series) -> None:
    """Replace moves by their running sum; NaN stays and adds nothing.

    Sums go in groups of four known bars, each with its own part: one addition every four bars waits for the group
    before. State: ``[sum before the group, place in it, part]``, the sum being where counting starts.
    """
    total, place, part = state[0], state[1], state[2]
    t, end = np.uint64(0), np.uint64(len(moves))
    while t < end:
        if place == 0.0 and end - t >= FOUR:
            one = moves[t]
            two = one + moves[t + ONE]
            three = two + moves[t + TWO]
            four = three + moves[t + THREE]
            if not np.isnan(four):
                moves[t], moves[t + ONE], moves[t + TWO] = total + one, total + two, total + three
                total += four
                moves[t + THREE] = total
                t += FOUR
                continue
        if not np.isnan(moves[t]):
            part = moves[t] if place == 0.0 else part + moves[t]
            moves[t] = total + part
            place += 1.0
            if place == 4.0:
                total, place = total + part, 0.0
        t += ONE
    state[0], state[1], state[2] = total, place, part


@step
def pair_sums(first: Series, second: Series, window: int, state: Series, one: Series, two: Series) -> None:
    """Write the sums of the last `window` values of two series, by the method of `rolling`.

    What limits it are writes to memory, one a cycle: where a whole block is at hand nothing is held, and the suffixes
    for the next block are written beside those in use; the two places change roles from block to block. The outputs
    are other arrays than the inputs.
    State: ``[place of the suffixes in use, position, two prefixes]``, two places of 2 * window each.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(first))
    if state[0] == 0.0:  # before the first full block there is no window
        state[0] = 4.0
        for k in range(n + n - ONE):
            state[FOUR + k] = np.nan
        state[FOUR + n - ONE], state[FOUR + n + n - ONE] = 0.0, 0.0
    here, position = np.uint64(state[0]), np.uint64(state[1])
    sum_a, sum_b = state[2], state[3]
    there = FOUR + FOUR + n + n - here
    while t < end:
        if position == 0 and end - t >= n:
            sum_a, sum_b = 0.0, 0.0
            tail_a, tail_b = 0.0, 0.0
            for k in range(n):
                later = n - ONE - k
                sum_a += first[t + k]
                sum_b += second[t + k]
                one[t + k], two[t + k] = state[here + k] + sum_a, state[here + n + k] + sum_b
                state[there + later], state[there + n + later] = tail_a, tail_b
                tail_a += first[t + later]
                tail_b += second[t + later]
            t += n
            here, there = there, here
            sum_a, sum_b = 0.0, 0.0
            continue
        count = smaller(n - position, end - t)
        for k in range(count):
            sum_a += first[t + k]
            sum_b += second[t + k]
            place = position + k
            state[there + place], state[there + n + place] = first[t + k], second[t + k]
            one[t + k], two[t + k] = state[here + place] + sum_a, state[here + n + place] + sum_b
        t += count
        position += count
        if position == n:
            sum_a, sum_b = 0.0, 0.0
            for k in range(n):
                place = there + n - ONE - k
                a, b = state[place], state[place + n]
                state[place], state[place + n] = sum_a, sum_b
                sum_a += a
                sum_b += b
            here, there, position = there, here, np.uint64(0)
            sum_a, sum_b = 0.0, 0.0
    state[0], state[1] = float(here), float(position)
    state[2], state[3] = sum_a, sum_b


@step
def pair_extremes(first: Series, second: Series, window: int, state: Series, top: Series, bottom: Series) -> None:
    """Write the highest of the last `window` values of one series, the lowest of another; NaN while either has a NaN.

    By the method of `rolling`. NaN compares as False and so never enters an extreme; a run of known bars says where it
    counts. State: ``[started, position, highest, lowest, run, held values, suffixes]``, ``7 + 4 * window``.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(first))
    held_a, held_b = np.uint64(5), np.uint64(5 + window)
    after_a, after_b = np.uint64(5 + 2 * window), np.uint64(6 + 3 * window)
    if state[0] == 0.0:
        state[0], state[2], state[3] = 1.0, -np.inf, np.inf
        for k in range(n + ONE):
            state[after_a + k], state[after_b + k] = -np.inf, np.inf
    position, best = np.uint64(state[1]), state[2]
    worst, run = state[3], state[4]
    while t < end:
        count = smaller(n - position, end - t)
        for k in range(count):
            place = position + k
            a, b = first[t + k], second[t + k]
            run = pick(np.isnan(a + b), 0.0, run + 1.0)
            best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
            state[held_a + place], state[held_b + place] = a, b
            high, low = state[after_a + place + ONE], state[after_b + place + ONE]
            top[t + k] = pick(run >= window, pick(high > best, high, best), np.nan)
            bottom[t + k] = pick(run >= window, pick(low < worst, low, worst), np.nan)
        t += count
        position += count
        if position == n:
            best, worst = -np.inf, np.inf
            for k in range(ONE, n):
                a, b = state[held_a + n - k], state[held_b + n - k]
                best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
                state[after_a + n - k], state[after_b + n - k] = best, worst
            position, best, worst = np.uint64(0), -np.inf, np.inf
    state[1], state[2] = position, best
    state[3], state[4] = worst, run


@step
def ranges(high: Series, low: Series, window: int, state: Series, top: Series, bottom: Series) -> None:
    """Write the highest of the last `window` highs and the lowest of the lows, where no bar is a gap.

    By the method of `rolling`. Before the first full window they are infinite, so that no finite number comes of them.
    Not asking for NaN takes 1.8 ms a million bars, `pair_extremes` 3.1 and two calls of `rolling.extreme` 2.8.
    State: ``[started, position, highest, lowest]``, held bars, 2 * window, + suffixes, 2 * window + 2.
    """
    n, t, end = np.uint64(window), np.uint64(0), np.uint64(len(high))
    held_a, held_b = np.uint64(4), np.uint64(4 + window)
    after_a, after_b = np.uint64(4 + 2 * window), np.uint64(5 + 3 * window)
    if state[0] == 0.0:
        state[0], state[2], state[3] = 1.0, -np.inf, np.inf
        for k in range(n):
            state[after_a + k], state[after_b + k] = np.inf, -np.inf
        state[after_a + n], state[after_b + n] = -np.inf, np.inf
    position, best, worst = np.uint64(state[1]), state[2], state[3]
    while t < end:
        count = smaller(n - position, end - t)
        for k in range(count):
            place = position + k
            a, b = high[t + k], low[t + k]
            best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
            state[held_a + place], state[held_b + place] = a, b
            higher, lower = state[after_a + place + ONE], state[after_b + place + ONE]
            top[t + k], bottom[t + k] = pick(higher > best, higher, best), pick(lower < worst, lower, worst)
        t += count
        position += count
        if position == n:
            best, worst = -np.inf, np.inf
            for k in range(ONE, n):
                a, b = state[held_a + n - k], state[held_b + n - k]
                best, worst = pick(a > best, a, best), pick(b < worst, b, worst)
                state[after_a + n - k], state[after_b + n - k] = best, worst
            position, best, worst = np.uint64(0), -np.inf, np.inf
    state[1], state[2], state[3] = position, best, worst
