"""One price for a bar. No state; NaN where an input is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def typical(high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Mean of high, low and close."""
    for t in range(len(out)):
        out[t] = (high[t] + low[t] + close[t]) / 3.0


@kernel
def median(high: Series, low: Series, state: Series, out: Series) -> None:
    """Middle of the range."""
    for t in range(len(out)):
        out[t] = (high[t] + low[t]) / 2.0


@kernel
def weighted(high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Mean of high, low and close, which counts twice."""
    for t in range(len(out)):
        out[t] = (high[t] + low[t] + 2.0 * close[t]) / 4.0


@kernel
def average(open_: Series, high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Mean of open, high, low and close."""
    for t in range(len(out)):
        out[t] = (open_[t] + high[t] + low[t] + close[t]) / 4.0
