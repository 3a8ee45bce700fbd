"""Price and volume over windows and in exponential averages; see `volatility` for NaN and tiles."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, scratch, smaller, step, view
from stockstream_kernels.smoothing import exponential
from stockstream_kernels.tiles import ONE, TILE, TWO, WIDE, carry, pair_sums
from stockstream_kernels.volume import flows

type Series = NDArray[np.float64]

#: Typical prices that differ by less, relative to the price, are equal: real bars of equal sums are told apart by the
#: rounding of the last bit alone. (TA-Lib's bound is 1e-14 whatever the price, Tulip Indicators has none.)
TIE: Final = 1e-15


@kernel
def adosc(
    high: Series, low: Series, close: Series, volume: Series, fast: int, slow: int, state: Series, out: Series
) -> None:
    """Difference of two exponential averages of the accumulated flow, both seeded with its first value.

    State: ``[known bars]``, up to the first value, then that of `distances`.
    """
    known, needed = int(state[0]), max(fast, slow)
    for start in range(0, len(close), WIDE):
        count = smaller(WIDE, len(close) - start)
        own = view(out, start, count)
        move = scratch(WIDE, count)
        flows(high, low, close, volume, start, move)
        first = 0
        while known == 0 and first < count:
            if not np.isnan(move[first]):  # both averages are this value: at no distance
                move[first] = 0.0
                break
            first += 1
        distances(move, 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0), view(state, 1, len(state) - 1), own)
        k = 0
        while known < needed and k < count:
            known += 0 if np.isnan(own[k]) else 1
            own[k] = own[k] if known >= needed else np.nan
            k += 1
    state[0] = known


@step
def distances(moves: Series, keep: float, slow_keep: float, state: Series, out: Series) -> None:
    """Fast less slow exponential average of the running sum of moves.

    An average is the sum less its distance behind it, ``d = keep * (d + move)``, and the sum cancels: only distances
    are carried, and no digits are lost to a sum that grows. They go in pairs of bars, as in `volatility.atr`.
    State: ``[distance, slow distance, half a pair is held, its part, its slow part]``.
    """
    near, far, half, part, slow_part = state[0], state[1], state[2], state[3], state[4]
    square, slow_square = keep * keep, slow_keep * slow_keep
    t, end = np.uint64(0), np.uint64(len(moves))
    while t < end:
        if half == 0.0 and end - t >= TWO:
            one, two = keep * moves[t], slow_keep * moves[t]
            both, slow_both = keep * (one + moves[t + ONE]), slow_keep * (two + moves[t + ONE])
            if not np.isnan(both):
                out[t] = (slow_keep * far + two) - (keep * near + one)
                near, far = square * near + both, slow_square * far + slow_both
                out[t + ONE] = far - near
                t += TWO
                continue
        out[t] = np.nan
        if not np.isnan(moves[t]):
            if half == 0.0:
                part, slow_part = keep * moves[t], slow_keep * moves[t]
                out[t] = (slow_keep * far + slow_part) - (keep * near + part)
            else:
                near = square * near + keep * (part + moves[t])
                far = slow_square * far + slow_keep * (slow_part + moves[t])
                out[t] = far - near
            half = 1.0 - half
        t += ONE
    state[0], state[1], state[2], state[3], state[4] = near, far, half, part, slow_part


@kernel
def cmf(high: Series, low: Series, close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Flow of the window over its volume; NaN without volume. State: two tiles and that of `pair_sums`."""
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, traded = view(out, start, bars), view(volume, start, bars)
        # tiles of this length and buffers so far apart were the fastest of those tried
        move, shares = view(state, 0, bars), view(state, 300, bars)
        flows(high, low, close, volume, start, move)
        pair_sums(move, traded, window, view(state, 600, len(state) - 600), own, shares)
        for k in range(np.uint64(bars)):
            own[k] /= shares[k]


@kernel
def mfi(high: Series, low: Series, close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Money traded on rising typical prices, in percent of that on all changing ones, over the last `window` changes.

    State: ``[started, last typical price]``, then that of `pair_sums`.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, top, bottom = view(out, start, bars), view(high, start, bars), view(low, start, bars)
        price, traded = view(close, start, bars), view(volume, start, bars)
        typical, change = scratch(TILE, bars), scratch(TILE, bars)
        rise, fall = scratch(TILE, bars), scratch(TILE, bars)
        for k in range(bars):
            typical[k] = (top[k] + bottom[k] + price[k]) / 3.0
        change[0] = typical[0] - last
        for k in range(1, bars):
            change[k] = typical[k] - typical[k - 1]
        last = typical[bars - 1]
        for k in range(bars):
            money, slack = typical[k] * traded[k], TIE * typical[k]
            known = change[k] * 0.0 + money * 0.0  # 0, or NaN where there is no change to speak of
            rise[k] = (money if change[k] > slack else 0.0) + known
            fall[k] = (money if change[k] < -slack else 0.0) + known
        pair_sums(rise, fall, window, view(state, 2, len(state) - 2), typical, change)
        for k in range(bars):
            own[k] = 100.0 * typical[k] / (typical[k] + change[k])
    state[0], state[1] = 1.0, last


@kernel
def efi(close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Exponential average of change times volume. State: ``[started, last close]``, the average (5), a tile."""
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own, price, traded = view(out, start, bars), view(close, start, bars), view(volume, start, bars)
        force = view(state, 7, bars)
        last = forces(price, traded, last, force)
        exponential(force, window, 2.0 / (window + 1.0), 0, view(state, 2, 5), own)
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last


@step
def forces(price: Series, traded: Series, last: float, out: Series) -> float:
    """Write change times volume; return the last known price. A bar without one before it has none.

    Tried first as though every bar were known, as in `volume.money_moves`: one pass instead of three.
    """
    out[0] = (price[0] - last) * traded[0]
    absent = np.int64(np.isnan(out[0]))
    for k in range(1, len(out)):
        moved = (price[k] - price[k - 1]) * traded[k]
        absent += np.isnan(moved)
        out[k] = moved
    if absent == 0:
        return float(price[len(out) - 1])
    for k in range(len(out)):
        known = not np.isnan(price[k] + traded[k])
        out[k] = (price[k] - last) * traded[k] if known else np.nan
        last = price[k] if known else last
    return last


@kernel
def pvo(volume: Series, fast: int, slow: int, state: Series, out: Series) -> None:
    """Distance between two exponential averages of the volume, in percent of the slow one. State: two averages."""
    for start in range(0, len(volume), TILE):
        bars = smaller(TILE, len(volume) - start)
        own, traded = view(out, start, bars), view(volume, start, bars)
        quick = scratch(TILE, bars)
        exponential(traded, fast, 2.0 / (fast + 1.0), 0, view(state, 0, 8), quick)
        exponential(traded, slow, 2.0 / (slow + 1.0), 0, view(state, 8, 8), own)
        for k in range(bars):
            own[k] = 100.0 * (quick[k] - own[k]) / own[k]


@kernel
def emv(high: Series, low: Series, volume: Series, state: Series, out: Series) -> None:
    """Move of the middle of the range per volume and range, times 10,000; NaN without volume.

    State: ``[started, last middle]``.
    """
    last = state[1] if state[0] == 1.0 else np.nan
    for start in range(0, len(high), TILE):
        bars = smaller(TILE, len(high) - start)
        own, top, bottom = view(out, start, bars), view(high, start, bars), view(low, start, bars)
        traded = view(volume, start, bars)
        middle, known, previous = scratch(TILE, bars), scratch(TILE, bars), scratch(TILE, bars)
        for k in range(bars):
            middle[k] = (top[k] + bottom[k]) / 2.0
            known[k] = middle[k] + traded[k]
        last = carry(middle, known, last, previous)
        for k in range(bars):
            eased = 1e4 * (middle[k] - previous[k]) * (top[k] - bottom[k]) / traded[k]
            own[k] = eased if traded[k] > 0.0 else np.nan
    state[0], state[1] = 0.0 if np.isnan(last) else 1.0, last


@kernel
def kvo(
    high: Series, low: Series, close: Series, volume: Series, fast: int, slow: int, state: Series, out: Series
) -> None:
    """Difference of two exponential averages of Klinger's volume force, both seeded with its first value.

    State: that of `volume_force`, two averages.
    """
    for start in range(0, len(close), TILE):
        bars = smaller(TILE, len(close) - start)
        own = view(out, start, bars)
        force, quick = scratch(TILE, bars), scratch(TILE, bars)
        top, bottom, price = view(high, start, bars), view(low, start, bars), view(close, start, bars)
        volume_force(top, bottom, price, view(volume, start, bars), view(state, 0, 8), force)
        exponential(force, fast, 2.0 / (fast + 1.0), 1, view(state, 8, 8), quick)
        exponential(force, slow, 2.0 / (slow + 1.0), 1, view(state, 16, 8), own)
        for k in range(bars):
            own[k] = quick[k] - own[k]


@step
def volume_force(high: Series, low: Series, close: Series, volume: Series, state: Series, out: Series) -> None:
    """Volume, signed by the trend of high + low + close, times how far the range stands out of those of the trend.

    State: ``[started, last sum, last range, trend, ranges summed since it began, or one bar before]``.
    """
    started, last, before, trend, ranges = state[0], state[1], state[2], state[3], state[4]
    for t in range(len(close)):
        price, reach = high[t] + low[t] + close[t], high[t] - low[t]
        out[t] = np.nan
        if np.isnan(price + volume[t]):
            continue
        if started == 1.0:
            # arithmetic instead of branches: the direction of prices cannot be predicted
            side = (price > last) * 1.0 - (price < last) * 1.0
            turned = (side * trend < 0.0) * 1.0 + (trend == 0.0) * abs(side)
            trend += turned * (side - trend)
            ranges += turned * (before - ranges) + reach
            out[t] = volume[t] * abs(2.0 * reach / ranges - 1.0) * (200.0 * (trend == 1.0) - 100.0)
        started, last, before = 1.0, price, reach
    state[0], state[1], state[2], state[3], state[4] = started, last, before, trend, ranges


@kernel
def marketfi(high: Series, low: Series, volume: Series, state: Series, out: Series) -> None:
    """Range per share traded; NaN without volume. No state."""
    for t in range(len(high)):
        out[t] = (high[t] - low[t]) / volume[t] if volume[t] > 0.0 else np.nan
