"""Price and volume, summed since the start: balance, average price, indices.

A bar with a NaN input is skipped: it gives NaN, and every other bar gives what it would give without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]


@kernel
def obv(close: Series, volume: Series, state: Series, out: Series) -> None:
    """On-balance volume: volume added on a rise, taken away on a fall; 0 on the first bar.

    State: ``[started, last close, balance]``.
    """
    started, last, balance = state[0], state[1], state[2]
    for t in range(len(close)):
        price, traded = close[t], volume[t]
        if np.isnan(price + traded):
            out[t] = np.nan
            continue
        last = last if started == 1.0 else price
        started = 1.0
        signed = traded if price > last else -traded
        balance += 0.0 if price == last else signed
        last = price
        out[t] = balance
    state[0], state[1], state[2] = started, last, balance


@kernel
def vwap(high: Series, low: Series, close: Series, volume: Series, state: Series, out: Series) -> None:
    """Volume-weighted average of the typical price since the first bar; NaN until there is volume.

    Prices are summed as distances to the first one, so that a constant price gives that price exactly.
    State: ``[started, first price, volume, distance times volume]``.
    """
    started, anchor, shares, money = state[0], state[1], state[2], state[3]
    for t in range(len(close)):
        price, traded = (high[t] + low[t] + close[t]) / 3.0, volume[t]
        if np.isnan(price + traded):
            out[t] = np.nan
            continue
        anchor = anchor if started == 1.0 else price
        started = 1.0
        shares += traded
        money += (price - anchor) * traded
        out[t] = anchor + money / shares
    state[0], state[1], state[2], state[3] = started, anchor, shares, money


@kernel
def anchored_vwap(
    high: Series, low: Series, close: Series, volume: Series, date: Series, anchor: int, state: Series, out: Series
) -> None:
    """Volume-weighted average of the typical price since the first bar of the day (anchor 1, 2) or of the week (3).

    `date` is in days since 1970-01-01, a Thursday; weeks start on Mondays.
    State: ``[started, first price, volume, distance times volume, period]``.
    """
    started, first, shares, money, period = state[0], state[1], state[2], state[3], state[4]
    for t in range(len(close)):
        price, traded = (high[t] + low[t] + close[t]) / 3.0, volume[t]
        if np.isnan(price + traded + date[t]):
            out[t] = np.nan
            continue
        current = np.floor((date[t] + 3.0) / 7.0) if anchor == 3 else np.floor(date[t])
        if started == 0.0 or current != period:
            started, first, shares, money, period = 1.0, price, 0.0, 0.0, current
        shares += traded
        money += (price - first) * traded
        out[t] = first + money / shares
    state[0], state[1], state[2], state[3], state[4] = started, first, shares, money, period
