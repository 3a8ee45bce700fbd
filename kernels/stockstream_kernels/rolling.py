"""Windows: sums, means, deviations and extremes over the last n bars.

Method: a series is cut into blocks of n bars. A window that ends inside a block is a suffix of the block before plus a
prefix of its own block, and both are running sums that only ever add. Nothing is subtracted, so nothing drifts and
nothing cancels, whatever the length of the series; a NaN or an infinity touches exactly the windows that hold it; the
cost is one addition a bar for the prefix and one a bar for the suffixes.

Each kernel has two paths with the same operations in the same order, hence the same bits. Bar by bar (``…_bars``): the
block's values are held in the state until it is full. Block by block (``…_blocks``), wherever a whole block of input is
at hand: no branch a bar, and the prefix chain of this block runs beside the suffix chain for the next one.

Decisions, measured on 1,000,000 bars with a window of 20 and of 200:

- Block loops count in unsigned integers. Numba checks a signed subscript for wrapping around, which doubled the time of
  the mean (0.50 ms and 0.64 ms, against 1.01 and 0.99). Slices of arrays avoid the check too, but passing or swapping
  them counts references atomically, about 10 ns a block: 1.9 ms for the maximum of 20.
- A sum is multiplied by 1 / n: dividing costs 1.1 ms a million bars. What a reader can see of it, a constant window
  whose mean is not the constant, is handled apart (`constant_windows`); elsewhere the last bit may differ.
- Loops over bars start at ``int(np.int64(0))``: for the literal 0 Numba would compile every step that gets it once
  more. No slice is assigned to a slice: the message of the error it might raise costs 1.5 s of compiling.
- The suffix chain in a loop of its own is as fast for short windows, where blocks overlap in the processor, and 1.6
  times slower at 200.

State of every kernel here: ``[started, position in block, …, held values of the block, suffixes]``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, pick, smaller, spliced, step, truncated

type Series = NDArray[np.float64]

ONE: Final = np.uint64(1)
SCANNED: Final = np.uint64(256)


@step
def first_nan(values: Series, start: int) -> int:
    """Return the first bar from `start` on that is NaN, or the length.

    Counting over a stretch of fixed length compiles to vector compares: 0.09 ms a million bars.
    """
    t, end = np.uint64(start), np.uint64(len(values))
    while end - t >= SCANNED:
        found = np.int64(0)  # typed: from a literal, types take one more round to settle
        for k in range(SCANNED):
            found += values[t + k] != values[t + k]
        if found > 0:
            break
        t += SCANNED
    while t < end and values[t] == values[t]:
        t += ONE
    return truncated(np.int64(t))


@kernel
def sma(values: Series, window: int, state: Series, out: Series) -> None:
    """Mean of the last `window` values. State: that of `block_means`."""
    block_means(values, window, state, out)


@spliced
def block_means(values: Series, window: int, state: Series, out: Series) -> None:
    """Mean of the last `window` values; a window of equal values gives that value exactly.

    State: ``[started, position, prefix sum, run of equal values, last value]`` + window + window + 1.
    """
    open_blocks(window, state)
    t, share = truncated(np.int64(0)), 1.0 / window
    while t < len(values):
        if state[1] == 0.0 and len(values) - t >= window:
            stop = sum_blocks(values, t, window, share, state, out)
            constant_windows(values, t, stop, window, state, out)
            t = stop
        else:
            t = sum_bars(values, t, window, share, True, state, out)


@spliced
def rolling_sum(values: Series, window: int, state: Series, out: Series) -> None:
    """Sum of the last `window` values. State: as `block_means`."""
    open_blocks(window, state)
    t = truncated(np.int64(0))
    while t < len(values):
        if state[1] == 0.0 and len(values) - t >= window:
            t = sum_blocks(values, t, window, 1.0, state, out)
        else:
            t = sum_bars(values, t, window, 1.0, False, state, out)


@step
def open_blocks(window: int, state: Series) -> None:
    """Mark that before the first full block there is no window."""
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(window):
            state[5 + window + k] = np.nan


@step
def sum_bars(values: Series, start: int, window: int, share: float, exact: bool, state: Series, out: Series) -> int:
    """Write the sums up to the end of the block or of the input; return the bar after."""
    held, suffix = np.uint64(5), np.uint64(5 + window)  # places, not slices: those take longer to compile
    position, prefix = np.uint64(state[1]), state[2]
    run, last = state[3], state[4]
    stop = smaller(start + window - truncated(state[1]), len(values))
    for t in range(np.uint64(start), np.uint64(stop)):
        value = values[t]
        run = pick((value == last) & exact, run + 1.0, 1.0)
        last = value
        prefix += value
        state[held + position] = value
        position += ONE
        out[t] = pick((run >= window) & exact, value, (state[suffix + position] + prefix) * share)
    if position == np.uint64(window):
        total = 0.0
        for k in range(ONE, position):
            total += state[held + position - k]
            state[suffix + position - k] = total
        position, prefix = np.uint64(0), 0.0
    state[1], state[2] = float(position), prefix
    state[3], state[4] = run, last
    return stop


@step
def sum_blocks(values: Series, start: int, window: int, share: float, state: Series, out: Series) -> int:
    """Write the sums of all whole blocks from bar `start` on; return the bar after them.

    The values need not be held here, so the suffixes for the next block are written where held values would stand, and
    the two places change roles from block to block.
    """
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(len(values))
    here, there = np.uint64(5 + window), np.uint64(5)
    while end - t >= n:
        prefix, total = 0.0, 0.0
        for k in range(n - ONE):
            prefix += values[t + k]
            out[t + k] = (state[here + k + ONE] + prefix) * share
            total += values[t + n - ONE - k]
            state[there + n - ONE - k] = total
        out[t + n - ONE] = (prefix + values[t + n - ONE]) * share
        here, there = there, here
        t += n
    if here == np.uint64(5):
        for k in range(1, window):
            state[5 + window + k] = state[5 + k]
    return truncated(np.int64(t))


@step
def constant_windows(values: Series, start: int, stop: int, window: int, state: Series, out: Series) -> None:
    """Give the windows of equal values from bar `start` to `stop` their value, which a rounded sum need not.

    Such a window holds the first value of a stretch of `window` bars, and the one before or after it. ``state[3]``
    counts the equal values before `start`, ``state[4]`` is the last of them; both are brought to `stop`. A count may
    stop at the window.
    """
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(stop)
    first = t
    before, last = state[3], state[4]
    while t < end:
        value = values[t]
        if t == first or value == values[t - ONE] or n == ONE or (end - t > ONE and value == values[t + ONE]):
            k, run = t, 0.0
            while k > first and t - k < n and values[k - ONE] == value:
                k -= ONE
                run += 1.0
            if k == first and value == last:
                run += before
            k, over = t, t + n if end - t > n else end
            while k < over and values[k] == value:
                k += ONE
                run += 1.0
                if run >= window:
                    out[k - ONE] = value
        t += n
    k = end - ONE
    while k > first and end - k < n and values[k - ONE] == values[end - ONE]:
        k -= ONE
    state[3] = float(end - k) + (before if k == first and values[k] == last else 0.0)
    state[4] = values[end - ONE]


@kernel
def anchored_suffixes(held: Series, anchor: float, first: Series, second: Series) -> None:
    """Write the suffix sums of (held - anchor) and of its square."""
    total, squares = 0.0, 0.0
    for k in range(len(held) - 1, 0, -1):
        distance = held[k] - anchor
        total += distance
        squares += distance * distance
        first[k], second[k] = total, squares


@kernel
def variance(values: Series, window: int, ddof: int, root: bool, state: Series, out: Series) -> None:
    """Variance of the last `window` values, or its square root.

    Distances are taken to the first value of the block, which every window that ends in the block contains: they are of
    the size of the deviations themselves, so that a price level of 1e6 costs no digits, and in a window of equal values
    they are all 0. State: ``[started, position, sum, squares, anchor, blocks done]``, 8 in all, + 3 * window + 2.
    """
    t = truncated(np.int64(0))
    while t < len(values):
        if state[1] == 0.0 and state[5] > 0.0 and t >= window and len(values) - t >= window:
            t = variance_blocks(values, t, window, ddof, state, out)
        else:
            t = variance_bars(values, t, window, ddof, state, out)
    if root:  # apart from the chains, square roots are taken eight at a time
        for t in range(len(values)):
            out[t] = np.sqrt(out[t])


@step
def spread(total: float, squares: float, share: float, scale: float) -> float:
    """Return the variance from sums about the anchor; share is 1 / n, scale 1 / (n - ddof)."""
    found = (squares - total * total * share) * scale
    return 0.0 if found < 0.0 else found


@step
def variance_bars(values: Series, start: int, window: int, ddof: int, state: Series, out: Series) -> int:
    """Write the variances up to the end of the block or of the input; return the bar after."""
    held = state[8 : 8 + window]
    first, second = state[8 + window : 9 + 2 * window], state[9 + 2 * window : 10 + 3 * window]
    position, total, squares, anchor = truncated(state[1]), state[2], state[3], state[4]
    share, scale = 1.0 / window, 1.0 / (window - ddof)
    stop = smaller(len(values), start + window - position)
    if position == 0:
        anchor, total, squares = values[start], 0.0, 0.0
        if state[5] > 0.0:
            anchored_suffixes(held, anchor, first, second)
        else:  # before the first full block there is no window
            first[:window], second[:window] = np.nan, np.nan
    for t in range(start, stop):
        distance = values[t] - anchor
        total += distance
        squares += distance * distance
        held[position] = values[t]
        position += 1
        out[t] = spread(first[position] + total, second[position] + squares, share, scale)
    if position == window:
        position = 0
        state[5] = 1.0
    state[1], state[2], state[3], state[4] = position, total, squares, anchor
    return stop


@step
def variance_blocks(values: Series, start: int, window: int, ddof: int, state: Series, out: Series) -> int:
    """Write the variances of all whole blocks from bar `start` on; return the bar after them.

    The block before must be part of the input: its distances to this block's anchor are summed from there.
    """
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(len(values))
    first, second = np.uint64(8 + window), np.uint64(9 + 2 * window)
    share, scale = 1.0 / window, 1.0 / (window - ddof)
    while end - t >= n:
        anchor = values[t]
        total, squares = 0.0, 0.0
        for k in range(ONE, n):
            distance = values[t - k] - anchor
            total += distance
            squares += distance * distance
            state[first + n - k], state[second + n - k] = total, squares
        total, squares = 0.0, 0.0
        for k in range(n):
            distance = values[t + k] - anchor
            total += distance
            squares += distance * distance
            out[t + k] = spread(state[first + k + ONE] + total, state[second + k + ONE] + squares, share, scale)
        t += n
    for k in range(n):
        state[np.uint64(8) + k] = values[t - n + k]
    return truncated(np.int64(t))


@step
def larger(first: float, second: float) -> float:
    """Return the larger of two values, NaN if either is NaN."""
    return first if (first > second or first != first) else second


@kernel
def extreme(values: Series, window: int, sign: float, state: Series, out: Series) -> None:
    """Largest (sign 1) or smallest (sign -1) of the last `window` values.

    State: ``[started, position, prefix]`` + window + window + 1.
    """
    if state[0] == 0.0:
        state[0] = 1.0
        state[3 + window : 3 + 2 * window], state[3 + 2 * window] = np.nan, -np.inf
        state[2] = -np.inf
    t = truncated(np.int64(0))
    while t < len(values):
        # the block path must not meet a NaN: neither in the input nor among the suffixes
        if state[1] == 0.0 and len(values) - t >= window and state[4 + window] == state[4 + window]:
            t = extreme_blocks(values, t, window, sign, state, out)
        t = extreme_bars(values, t, window, sign, state, out)


@step
def extreme_bars(values: Series, start: int, window: int, sign: float, state: Series, out: Series) -> int:
    """Write the extremes up to the end of the block or of the input; return the bar after."""
    held, suffix = state[3 : 3 + window], state[3 + window : 4 + 2 * window]
    position, prefix = truncated(state[1]), state[2]
    stop = smaller(len(values), start + window - position)
    for t in range(start, stop):
        value = sign * values[t]
        prefix = larger(value, prefix)
        held[position] = value
        position += 1
        out[t] = sign * larger(suffix[position], prefix)
    if position == window:
        best = -np.inf
        for k in range(window - 1, 0, -1):
            best = larger(held[k], best)
            suffix[k] = best
        position, prefix = 0, -np.inf
    state[1], state[2] = position, prefix
    return stop


@step
def extreme_blocks(values: Series, start: int, window: int, sign: float, state: Series, out: Series) -> int:
    """Write the extremes of whole blocks up to the first NaN; return the bar after them.

    Without NaN `larger` is one instruction; asking for NaN inside the chain costs 1 ms a million bars.
    """
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(first_nan(values, start))
    here, there = np.uint64(3 + window), np.uint64(3)
    while end - t >= n:
        prefix, best = -np.inf, -np.inf
        for k in range(n - ONE):
            value = sign * values[t + k]
            prefix = value if value > prefix else prefix
            suffix = state[here + k + ONE]
            out[t + k] = sign * (suffix if suffix > prefix else prefix)
            value = sign * values[t + n - ONE - k]
            best = value if value > best else best
            state[there + n - ONE - k] = best
        value = sign * values[t + n - ONE]
        out[t + n - ONE] = sign * (value if value > prefix else prefix)
        here, there = there, here
        t += n
    if here == np.uint64(3):
        for k in range(1, window):
            state[3 + window + k] = state[3 + k]
    return truncated(np.int64(t))
