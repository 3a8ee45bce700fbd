"""Many windows of one indicator in one call: the series is read into the cache once and every window is taken from it.

Each kernel goes over the windows with the kernel of one window, so that a row of a grid has the bits of the single
call; what it saves is the way from Python for each window, which for 2,520 bars costs more than the calculation. No
work is shared between windows: sums that are never subtracted, and recursions, have nothing in common but the prices.

Arguments: inputs, windows of shape ``(P,)`` int64, the other parameters, state, outputs of shape ``(P, T)``. State:
that of the longest window; zeros on entry, without meaning afterwards. Where there are several outputs, one that nobody
asks for may be of shape ``(1, T)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels import convergence, momentum, rolling, smoothing, weighted
from stockstream_kernels._compile import kernel, step

type Series = NDArray[np.float64]
type Windows = NDArray[np.int64]
type Rows = NDArray[np.float64]


@step
def fresh(state: Series) -> None:
    """Make a used state a fresh one."""
    for k in range(len(state)):
        state[k] = 0.0


@kernel
def sma(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write a simple moving average per window."""
    for row in range(len(windows)):
        fresh(state)
        rolling.sma(values, windows[row], state, out[row])


@kernel
def ema(values: Series, windows: Windows, seed: int, state: Series, out: Rows) -> None:
    """Write an exponential moving average per window."""
    for row in range(len(windows)):
        fresh(state)
        smoothing.ema(values, windows[row], seed, state, out[row])


@kernel
def rma(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write Wilder's average per window."""
    for row in range(len(windows)):
        fresh(state)
        smoothing.rma(values, windows[row], state, out[row])


@kernel
def wma(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write a weighted moving average per window."""
    for row in range(len(windows)):
        fresh(state)
        weighted.wma(values, windows[row], state, out[row])


@kernel
def rsi(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write a relative strength index per window."""
    for row in range(len(windows)):
        fresh(state)
        momentum.rsi(values, windows[row], state, out[row])


@kernel
def roc(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write a rate of change per window."""
    for row in range(len(windows)):
        fresh(state)
        momentum.roc(values, windows[row], state, out[row])


@kernel
def mom(values: Series, windows: Windows, state: Series, out: Rows) -> None:
    """Write a change per window."""
    for row in range(len(windows)):
        fresh(state)
        momentum.mom(values, windows[row], state, out[row])


@kernel
def extreme(values: Series, windows: Windows, sign: float, state: Series, out: Rows) -> None:
    """Write a largest (sign 1) or smallest (sign -1) value per window."""
    for row in range(len(windows)):
        fresh(state)
        rolling.extreme(values, windows[row], sign, state, out[row])


@kernel
def variance(values: Series, windows: Windows, ddof: int, root: bool, state: Series, out: Rows) -> None:
    """Write a variance, or its root, per window."""
    for row in range(len(windows)):
        fresh(state)
        rolling.variance(values, windows[row], ddof, root, state, out[row])


@kernel
def macd(
    values: Series,
    fast: Windows,
    slow: Windows,
    signal: Windows,
    align: int,
    state: Series,
    line: Rows,
    signals: Rows,
    histogram: Rows,
) -> None:
    """Write line, signal and histogram per combination of three windows.

    Pairs of bars begin at the signal's seed, so that lines of the same averages differ in their last bits from signal
    to signal: none is taken over from another.
    """
    for row in range(len(fast)):
        fresh(state)
        one, two, three = line[row % len(line)], signals[row % len(signals)], histogram[row % len(histogram)]
        convergence.macd(values, fast[row], slow[row], signal[row], align, state, one, two, three)
