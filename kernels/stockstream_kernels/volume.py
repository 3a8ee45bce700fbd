"""Price and volume, summed since the start: balance, average price, indices.

A bar with a NaN input is skipped: it gives NaN, and every other bar gives what it would give without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, scratch, smaller, step, view
from stockstream_kernels.tiles import TILE, WIDE, accumulate, carry

type Series = NDArray[np.float64]


@kernel
def obv(close: Series, volume: Series, state: Series, out: Series) -> None:
    """On-balance volume: volume added on a rise, taken away on a fall; 0 on the first bar.

    State: ``[started, last close]``, the balance.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, price, traded = view(out, start, bars), view(close, start, bars), view(volume, start, bars)
        known, previous = scratch(TILE, bars), scratch(TILE, bars)
        for k in range(bars):
            known[k] = price[k] + traded[k]
        last = carry(price, known, last, previous)
        for k in range(bars):
            signed = traded[k] if price[k] > previous[k] else -traded[k]
            # the first bar, with NaN before it, neither rises nor falls
            moved = signed if price[k] > previous[k] or price[k] < previous[k] else 0.0
            own[k] = np.nan if np.isnan(known[k]) else moved
        accumulate(own, view(state, 2, 3))
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last


@kernel
def vwap(high: Series, low: Series, close: Series, volume: Series, state: Series, out: Series) -> None:
    """Volume-weighted average of the typical price since the first bar; NaN until there is volume.

    Prices are summed as distances to the first one, so that a constant price gives that price exactly.
    State: ``[started, first price]``, the sums of volume and of distance times volume.
    """
    anchor = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, top, bottom = view(out, start, bars), view(high, start, bars), view(low, start, bars)
        last, number, weight = view(close, start, bars), view(volume, start, bars), scratch(TILE, bars)
        for k in range(bars):
            own[k] = (top[k] + bottom[k] + last[k]) / 3.0
            weight[k] = number[k] + (own[k] - own[k])
        k = 0
        while np.isnan(anchor) and k < bars:
            anchor = np.nan if np.isnan(weight[k]) else own[k]
            k += 1
        for k in range(bars):
            own[k] = (own[k] - anchor) * weight[k]
        accumulate(weight, view(state, 2, 3))
        accumulate(own, view(state, 5, 3))
        for k in range(bars):
            own[k] = anchor + own[k] / weight[k]
    state[0], state[1] = 0.0 if np.isnan(anchor) else 1.0, anchor


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


@step
def flow(high: float, low: float, close: float, volume: float) -> float:
    """Volume times where the close lies in the day's range, -1 at the low to 1 at the high; 0 without a range."""
    reach = high - low
    return ((close - low) - (high - close)) * volume / (reach if reach != 0.0 else 1.0)


@step
def flows(high: Series, low: Series, close: Series, volume: Series, start: int, out: Series) -> None:
    """Write the `flow` of the bars from `start` on. No slice of an input is made: each is counted by reference."""
    bar = np.uint64(start)
    for k in range(np.uint64(len(out))):
        out[k] = flow(high[bar + k], low[bar + k], close[bar + k], volume[bar + k])


@kernel
def ad(high: Series, low: Series, close: Series, volume: Series, state: Series, out: Series) -> None:
    """Accumulated `flow`. State: the sum."""
    for start in range(0, len(close), WIDE):
        bars = smaller(WIDE, len(close) - start)
        own = view(out, start, bars)
        flows(high, low, close, volume, start, own)
        accumulate(own, state)


@kernel
def volume_index(close: Series, volume: Series, sign: float, state: Series, out: Series) -> None:
    """Index from 1000 that follows the price on bars whose volume rose (sign 1) or fell (sign -1).

    State: ``[started, last close, last volume, index]``.
    """
    last, before, index = state[1], state[2], state[3]
    if state[0] == 0.0:
        last, before, index = np.nan, np.nan, 1000.0
    for start in range(0, len(close), TILE):
        count = smaller(TILE, len(close) - start)
        own, price, traded = view(out, start, count), view(close, start, count), view(volume, start, count)
        known, previous, earlier = scratch(TILE, count), scratch(TILE, count), scratch(TILE, count)
        for k in range(count):
            known[k] = price[k] + traded[k]
        last, before = carry(price, known, last, previous), carry(traded, known, before, earlier)
        for k in range(count):
            # nothing is before the first bar: NaN compares as False
            own[k] = price[k] / previous[k] if sign * traded[k] > sign * earlier[k] else 1.0
        for k in range(count):
            index *= 1.0 if np.isnan(known[k]) else own[k]
            own[k] = np.nan if np.isnan(known[k]) else index
    state[0], state[1], state[2], state[3] = 0.0 if np.isnan(last) else 1.0, last, before, index


@kernel
def pvt(close: Series, volume: Series, state: Series, out: Series) -> None:
    """Volume times relative change of the price, summed; 0 on the first bar.

    State: ``[started, last close]``, the sum.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, price, traded = view(out, start, bars), view(close, start, bars), view(volume, start, bars)
        last = money_moves(price, traded, last, own)
        accumulate(own, view(state, 2, 3))
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last


@step
def money_moves(price: Series, traded: Series, last: float, out: Series) -> float:
    """Write volume times relative change; return the last known price. A bar without one before it moves nothing.

    Tried first as though every bar were known, which needs no second array.
    """
    out[0] = traded[0] * ((price[0] - last) / last)
    absent = np.int64(np.isnan(out[0]))
    for k in range(1, len(out)):
        moved = traded[k] * ((price[k] - price[k - 1]) / price[k - 1])
        absent += np.isnan(moved)
        out[k] = moved
    if absent == 0:
        return float(price[len(out) - 1])
    for k in range(len(out)):
        known = not np.isnan(price[k] + traded[k])
        out[k] = traded[k] * ((price[k] - last) / last) if known else np.nan
        out[k] = 0.0 if known and np.isnan(last) else out[k]
        last = price[k] if known else last
    return last


@kernel
def wad(high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Distance of a rising close to the true low, of a falling one to the true high, summed; 0 on the first bar.

    State: ``[started, last close]``, the sum.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, price = view(out, start, bars), view(close, start, bars)
        top, bottom = view(high, start, bars), view(low, start, bars)
        known, previous = scratch(TILE, bars), scratch(TILE, bars)
        for k in range(bars):
            known[k] = top[k] + bottom[k] + price[k]
        last = carry(price, known, last, previous)
        for k in range(bars):
            risen = price[k] - (previous[k] if previous[k] < bottom[k] else bottom[k])
            fallen = price[k] - (previous[k] if previous[k] > top[k] else top[k])
            moved = risen if price[k] > previous[k] else fallen
            moved = moved if price[k] > previous[k] or price[k] < previous[k] else 0.0
            own[k] = np.nan if np.isnan(known[k]) else moved
        accumulate(own, view(state, 2, 3))
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last
