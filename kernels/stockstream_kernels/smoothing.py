"""Exponential averages: recursions that never forget.

An average is carried as its distance behind the price, ``d[t] = (1 - alpha) * (d[t-1] + x[t] - x[t-1])`` and
``average = x - d``: algebraically the usual recursion, one dependent operation shorter, and exact on constant prices.
NaN gives NaN on its bar; the state is carried over it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def exponential(values: Series, window: int, alpha: float, seed: int, state: Series, out: Series) -> None:
    """Exponential average with weight `alpha` on the newest value.

    Seed 0 starts with the mean of the first `window` values, on bar ``window - 1``; seed 1 with the first value, on
    bar 0. State: ``[count of finite values seen, distance or sum, last value]``.
    """
    needed = window if seed == 0 else 1
    count, distance, last = int(state[0]), state[1], state[2]
    start = 0
    while start < len(values) and count < needed:
        value = values[start]
        out[start] = np.nan
        if value == value:
            count += 1
            distance += value
            if count == needed:
                # the mean of equal values is that value, whatever their sum rounds to
                distance = 0.0 if distance == needed * value else value - distance / needed
                out[start] = value - distance
            last = value
        start += 1
    keep = 1.0 - alpha
    for t in range(start, len(values)):
        value = values[t]
        if value == value:
            distance = keep * (distance + (value - last))
            last = value
            out[t] = value - distance
        else:
            out[t] = np.nan
    state[0], state[1], state[2] = count, distance, last


@kernel
def ema(values: Series, window: int, seed: int, state: Series, out: Series) -> None:
    """Exponential moving average, alpha = 2 / (window + 1). State: 3."""
    exponential(values, window, 2.0 / (window + 1.0), seed, state, out)


@kernel
def rma(values: Series, window: int, state: Series, out: Series) -> None:
    """Wilder's average, alpha = 1 / window. State: 3."""
    exponential(values, window, 1.0 / window, 0, state, out)
