"""Windows over several series at once, shared by the oscillators.

The method is that of `rolling`: blocks of n bars, a window is a suffix of the block before and a prefix of its own
block. Here a bar is a gap when any of its inputs is NaN, and a window that holds a gap has no value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]

ONE: Final = np.uint64(1)
SCANNED: Final = np.uint64(64)
#: Bars computed at a time where one pass feeds the next through the state: small enough to stay in the first cache.
CHUNK: Final = 512


@kernel
def first_gap(high: Series, low: Series, close: Series, start: int, stop: int) -> int:
    """Return the first bar from `start` on of which a price is NaN, or `stop`.

    Stretches of fixed length counted in unsigned subscripts compile to vector compares: 0.3 ms a million bars, not 2.5.
    """
    t, end = np.uint64(start), np.uint64(stop)
    while end - t >= SCANNED:
        found = np.int64(0)
        for k in range(SCANNED):
            total = high[t + k] + low[t + k] + close[t + k]
            found += total != total
        if found > 0:
            break
        t += SCANNED
    while t < end:
        total = high[t] + low[t] + close[t]
        if total != total:
            break
        t += ONE
    return np.int64(t)


@kernel
def extremes(
    high: Series, low: Series, close: Series, window: int, state: Series, top: Series, bottom: Series
) -> None:
    """Highest high and lowest low of the last `window` bars, NaN while a gap is in the window.

    State: ``[position in block, run of whole bars, highest and lowest of this block so far]`` and two places for high
    and low of ``window + 1`` each: ``8 + 4 * window``.
    """
    t, gap = 0, -1
    while t < len(close):
        if gap < t:
            gap = first_gap(high, low, close, t, len(close))
        if state[0] == 0.0 and state[1] >= window and gap - t >= window:
            t = extremes_blocks(high, low, t, gap, window, state, top, bottom)
        else:
            t = extremes_bars(high, low, close, t, window, state, top, bottom)


@kernel
def extremes_bars(
    high: Series, low: Series, close: Series, start: int, window: int, state: Series, top: Series, bottom: Series
) -> int:
    """Write the extremes up to the end of the block or of the input; return the bar after.

    Held values and the suffixes of the block before share their places: what is read next is not yet overwritten.
    """
    position, run = int(state[0]), int(state[1])
    highs, lows = state[4 : 5 + window], state[5 + window : 6 + 2 * window]
    highs[window], lows[window] = -np.inf, np.inf
    best, worst = (state[2], state[3]) if position > 0 else (-np.inf, np.inf)
    stop = min(len(close), start + window - position)
    for t in range(start, stop):
        total = high[t] + low[t] + close[t]
        run = run + 1 if total == total else 0
        best = high[t] if high[t] > best else best
        worst = low[t] if low[t] < worst else worst
        highs[position], lows[position] = high[t], low[t]
        position += 1
        after, under = highs[position], lows[position]
        top[t] = (best if best > after else after) if run >= window else np.nan
        bottom[t] = (worst if worst < under else under) if run >= window else np.nan
    if position == window:
        best, worst = -np.inf, np.inf
        for k in range(window - 1, -1, -1):
            best = highs[k] if highs[k] > best else best
            worst = lows[k] if lows[k] < worst else worst
            highs[k], lows[k] = best, worst
        position = 0
    state[0], state[1], state[2], state[3] = position, run, best, worst
    return stop


@kernel
def extremes_blocks(
    high: Series, low: Series, start: int, stop: int, window: int, state: Series, top: Series, bottom: Series
) -> int:
    """Write the extremes of all whole blocks from `start` to `stop`, none with a gap; return the bar after them."""
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(stop)
    here, there = np.uint64(4), np.uint64(6 + 2 * window)
    across = np.uint64(window + 1)  # from the place of the highs to that of the lows
    while end - t >= n:
        best, worst = -np.inf, np.inf
        highest, lowest = -np.inf, np.inf
        for k in range(n - ONE):
            best = high[t + k] if high[t + k] > best else best
            worst = low[t + k] if low[t + k] < worst else worst
            after, under = state[here + k + ONE], state[here + across + k + ONE]
            top[t + k] = best if best > after else after
            bottom[t + k] = worst if worst < under else under
            late = t + n - ONE - k
            highest = high[late] if high[late] > highest else highest
            lowest = low[late] if low[late] < lowest else lowest
            state[there + n - ONE - k], state[there + across + n - ONE - k] = highest, lowest
        late = t + n - ONE
        top[late] = high[late] if high[late] > best else best
        bottom[late] = low[late] if low[late] < worst else worst
        here, there = there, here
        t += n
    if here != np.uint64(4):
        for k in range(2 * window + 2):
            state[4 + k] = state[6 + 2 * window + k]
    state[1] += np.int64(t) - start
    return np.int64(t)


@kernel
def place(high: Series, low: Series, close: Series, window: int, upper: bool, state: Series, out: Series) -> None:
    """Where the close stands between lowest low (0) and highest high (100) of the last `window` bars.

    With `upper` as -100 (lowest) to 0 (highest). NaN where there is no range. `out` may be one of the inputs.
    State: that of `extremes` and two chunks.
    """
    used = 8 + 4 * window
    top, bottom = state[used : used + CHUNK], state[used + CHUNK : used + 2 * CHUNK]
    t = 0
    while t < len(close):
        count = min(len(close) - t, (CHUNK // window) * window - int(state[0]) if window <= CHUNK else CHUNK)
        last = close[t : t + count]
        extremes(high[t : t + count], low[t : t + count], last, window, state, top[:count], bottom[:count])
        result = out[t : t + count]
        if upper:
            for k in range(count):
                result[k] = 100.0 * (last[k] - top[k]) / (top[k] - bottom[k])
        else:
            for k in range(count):
                result[k] = 100.0 * (last[k] - bottom[k]) / (top[k] - bottom[k])
        t += count


@kernel
def before(values: Series, t: int, lag: int, ring: Series, oldest: int) -> float:
    """Return the value `lag` bars before bar t, from the ring of the last values where the input begins too late."""
    if t >= lag:
        return values[t - lag]
    place = oldest + len(ring) + t - lag
    return ring[place - len(ring) if place >= len(ring) else place]


@kernel
def remember(values: Series, ring: Series, oldest: int) -> int:
    """Put the newest values in the place of the oldest; return where the oldest is now."""
    count = min(len(values), len(ring))
    for k in range(count):
        ring[oldest] = values[len(values) - count + k]
        oldest = oldest + 1 if oldest + 1 < len(ring) else 0
    return oldest


@kernel
def mean(value: float, window: int, memory: Series) -> float:
    """Feed one value to a mean of the last `window` values. Memory: ``3 + window + 1``, the last place is zero."""
    held = memory[3 : 4 + window]
    if memory[0] == 0.0:
        memory[0] = 1.0
        held[:window] = np.nan
    position = int(memory[1])
    memory[2] += value
    held[position] = value
    total = held[position + 1] + memory[2]
    memory[1] += 1.0
    if position + 1 == window:
        memory[1], memory[2] = 0.0, fold(held, window)
    return total / window


@kernel
def fold(held: Series, window: int) -> float:
    """Turn a full block of values into its suffix sums; return the sum of nothing, with which the next one starts."""
    total = 0.0
    for k in range(window - 1, 0, -1):
        total += held[k]
        held[k] = total
    return 0.0
