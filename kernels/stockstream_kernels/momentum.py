"""Oscillators of price change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def rsi(values: Series, window: int, state: Series, out: Series) -> None:
    """Wilder's relative strength index: 100 * gain / (gain + loss) of the averaged gains and losses.

    NaN when both averages are zero (a suspended stock says nothing), 100 when only the loss is.
    State: ``[count of finite values, average gain, average loss, last value]``.
    """
    count, gain, loss, last = int(state[0]), state[1], state[2], state[3]
    start = 0
    while start < len(values) and count <= window:
        value = values[start]
        out[start] = np.nan
        if value == value:
            if count > 0:
                gain += max(value - last, 0.0) / window
                loss += max(last - value, 0.0) / window
            last = value
            count += 1
            if count > window:
                out[start] = 100.0 * gain / (gain + loss)
        start += 1
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(start, len(values)):
        value = values[t]
        if value == value:
            change = value - last
            gain = keep * gain + newest * max(change, 0.0)
            loss = keep * loss + newest * max(-change, 0.0)
            last = value
            out[t] = 100.0 * gain / (gain + loss)
        else:
            out[t] = np.nan
    state[0], state[1], state[2], state[3] = count, gain, loss, last
