"""Windows: sums, means, deviations and extremes over the last n bars.

Method: a series is cut into blocks of n bars. A window that ends inside a block is a suffix of the block before plus a
prefix of its own block, and both are running sums that only ever add. Nothing is subtracted, so nothing drifts and
nothing cancels, whatever the length of the series; a NaN or an infinity touches exactly the windows that hold it; the
cost is one addition a bar for the prefix and one a bar, at the end of each block, for the suffixes.

State of every kernel here: ``[started, position in block, …, held values of the block, suffixes]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def suffix_sums(held: Series, suffix: Series) -> None:
    """Write suffix[k] = held[k] + … + held[n - 1] for k = 1 … n - 1."""
    total = 0.0
    for k in range(len(held) - 1, 0, -1):
        total += held[k]
        suffix[k] = total


@kernel
def sma(values: Series, window: int, state: Series, out: Series) -> None:
    """Mean of the last `window` values; a window of equal values gives that value exactly.

    State: ``5 + 2 * window + 1``.
    """
    held, suffix = state[5 : 5 + window], state[5 + window : 6 + 2 * window]
    if state[0] == 0.0:
        state[0] = 1.0
        suffix[:window] = np.nan  # before the first full block there is no window
    position, prefix, run, last = int(state[1]), state[2], int(state[3]), state[4]
    for t in range(len(values)):
        value = values[t]
        run = run + 1 if value == last else 1
        last = value
        prefix += value
        held[position] = value
        position += 1
        mean = (suffix[position] + prefix) / window
        out[t] = value if run >= window else mean
        if position == window:
            suffix_sums(held, suffix)
            position, prefix = 0, 0.0
    state[1], state[2], state[3], state[4] = position, prefix, run, last


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
    the size of the deviations themselves, so that a price level of 1e6 costs no digits. State: ``8 + 3 * window + 2``.
    """
    held = state[8 : 8 + window]
    first, second = state[8 + window : 9 + 2 * window], state[9 + 2 * window : 10 + 3 * window]
    if state[0] == 0.0:
        state[0] = 1.0
        state[7] = 1.0  # no block before this one
    position, total, squares, run, last, anchor = int(state[1]), state[2], state[3], int(state[4]), state[5], state[6]
    for t in range(len(values)):
        value = values[t]
        run = run + 1 if value == last else 1
        last = value
        if position == 0:
            anchor = value
            if state[7] == 1.0:
                first[:window], second[:window] = np.nan, np.nan
                state[7] = 0.0
            else:
                anchored_suffixes(held, anchor, first, second)
            total, squares = 0.0, 0.0
        distance = value - anchor
        total += distance
        squares += distance * distance
        held[position] = value
        position += 1
        one, two = first[position] + total, second[position] + squares
        spread = max((two - one * one / window) / (window - ddof), 0.0) if one == one else np.nan
        spread = 0.0 if run >= window else spread
        out[t] = np.sqrt(spread) if root else spread
        if position == window:
            position = 0
    state[1], state[2], state[3], state[4], state[5], state[6] = position, total, squares, run, last, anchor


@kernel
def larger(first: float, second: float) -> float:
    """Return the larger of two values, NaN if either is NaN."""
    return first if (first > second or first != first) else second


@kernel
def extreme(values: Series, window: int, sign: float, state: Series, out: Series) -> None:
    """Largest (sign 1) or smallest (sign -1) of the last `window` values.

    State: ``3 + 2 * window + 1``.
    """
    held, suffix = state[3 : 3 + window], state[3 + window : 4 + 2 * window]
    if state[0] == 0.0:
        state[0] = 1.0
        suffix[:window], suffix[window] = np.nan, -np.inf
        state[2] = -np.inf
    position, prefix = int(state[1]), state[2]
    for t in range(len(values)):
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
