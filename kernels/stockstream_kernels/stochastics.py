"""Where the close stands in the range of its window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.convergence import average
from stockstream_kernels.momentum import rsi
from stockstream_kernels.windows import CHUNK, fold, place

type Series = NDArray[np.float64]


@kernel
def means(smooth: int, signal: int, state: Series, k: Series, d: Series) -> None:
    """Replace `k` by its mean of `smooth` bars and write that one's mean of `signal` bars to `d`.

    State: ``[started, position and prefix sum of k, of d]``, places of ``smooth + 1`` and ``signal + 1``.
    """
    first, second = state[5 : 6 + smooth], state[6 + smooth : 7 + smooth + signal]
    if state[0] == 0.0:
        state[0] = 1.0
        first[:smooth], second[:signal] = np.nan, np.nan
    one, prefix, two, total = int(state[1]), state[2], int(state[3]), state[4]
    for t in range(len(k)):
        value = k[t]
        prefix += value
        first[one] = value
        one += 1
        value = (first[one] + prefix) / smooth
        if one == smooth:
            one, prefix = 0, fold(first, smooth)
        total += value
        second[two] = value
        two += 1
        k[t], d[t] = value, (second[two] + total) / signal
        if two == signal:
            two, total = 0, fold(second, signal)
    state[1], state[2], state[3], state[4] = one, prefix, two, total


@kernel
def stoch(
    high: Series, low: Series, close: Series, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic: the close's place in the range, its mean, and that one's mean.

    State: that of `place` (``8 + 4 * window`` and two chunks) and of `means` (``7 + smooth + signal``).
    """
    place(high, low, close, window, False, state, k)
    means(smooth, signal, state[8 + 4 * window + 2 * CHUNK :], k, d)


@kernel
def stochrsi(
    values: Series, rsi_window: int, window: int, smooth: int, signal: int, state: Series, k: Series, d: Series
) -> None:
    """Stochastic of the relative strength index. State: 4 and that of `stoch`."""
    rsi(values, rsi_window, state[:4], k)
    stoch(k, k, k, window, smooth, signal, state[4:], k, d)


@kernel
def willr(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Williams %R: the close's distance below the highest high in percent of the range, negative. State: `place`."""
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
    """Stochastic smoothed by Wilder's average, and ``3 k - 2 d``. State: 8 and that of `place`."""
    place(high, low, close, window, False, state[8:], k)
    for t in range(len(k)):
        k[t] = average(k[t], smooth, 1.0 - 1.0 / smooth, state[0:4])
        d[t] = average(k[t], signal, 1.0 - 1.0 / signal, state[4:8])
        j[t] = 3.0 * k[t] - 2.0 * d[t]
