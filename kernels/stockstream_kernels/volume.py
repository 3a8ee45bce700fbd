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


@kernel
def flow(high: float, low: float, close: float, volume: float) -> float:
    """Volume times where the close lies in the day's range, -1 at the low to 1 at the high; 0 without a range."""
    reach = high - low
    place = (close - low) - (high - close)
    return place * volume / reach if reach != 0.0 else place * volume


@kernel
def ad(high: Series, low: Series, close: Series, volume: Series, state: Series, out: Series) -> None:
    """Accumulated `flow`. State: ``[sum]``."""
    total = state[0]
    for t in range(len(close)):
        out[t] = flow(high[t], low[t], close[t], volume[t])
    for t in range(len(close)):
        moved = out[t]
        total = total if np.isnan(moved) else total + moved
        out[t] = np.nan if np.isnan(moved) else total
    state[0] = total


@kernel
def volume_index(close: Series, volume: Series, sign: float, state: Series, out: Series) -> None:
    """Index from 1000 that follows the price on bars whose volume rose (sign 1) or fell (sign -1).

    State: ``[started, last close, last volume, index]``.
    """
    started, last, before, index = state[0], state[1], state[2], state[3]
    for t in range(len(close)):
        price, traded = close[t], volume[t]
        if np.isnan(price + traded):
            out[t] = np.nan
            continue
        if started == 0.0:
            started, index = 1.0, 1000.0
        else:
            ratio = price / last
            index *= ratio if sign * (traded - before) > 0.0 else 1.0
        last, before = price, traded
        out[t] = index
    state[0], state[1], state[2], state[3] = started, last, before, index


@kernel
def pvt(close: Series, volume: Series, state: Series, out: Series) -> None:
    """Volume times relative change of the price, summed; 0 on the first bar. State: ``[started, last close, sum]``."""
    started, last, total = state[0], state[1], state[2]
    for t in range(len(close)):
        price, traded = close[t], volume[t]
        if np.isnan(price + traded):
            out[t] = np.nan
            continue
        total += traded * ((price - last) / last) if started == 1.0 else 0.0
        started, last = 1.0, price
        out[t] = total
    state[0], state[1], state[2] = started, last, total


@kernel
def wad(high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Distance of a rising close to the true low, of a falling one to the true high, summed; 0 on the first bar.

    State: ``[started, last close, sum]``.
    """
    started, last, total = state[0], state[1], state[2]
    for t in range(len(close)):
        price = close[t]
        if np.isnan(high[t] + low[t] + price):
            out[t] = np.nan
            continue
        last = last if started == 1.0 else price
        started = 1.0
        bottom, top = min(last, low[t]), max(last, high[t])
        moved = price - (bottom if price > last else top)
        total += 0.0 if price == last else moved
        last = price
        out[t] = total
    state[0], state[1], state[2] = started, last, total
