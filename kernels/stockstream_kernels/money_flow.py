"""Price and volume over windows and in exponential averages; see `volatility` for NaN and tiles."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.rolling import sma
from stockstream_kernels.smoothing import ema
from stockstream_kernels.statistics import TILE
from stockstream_kernels.volatility import room
from stockstream_kernels.volume import ad, flow

type Series = NDArray[np.float64]

#: Typical prices that differ by less, relative to the price, are equal: real bars of equal sums are told apart by the
#: rounding of the last bit alone. (TA-Lib's bound is 1e-14 whatever the price, Tulip Indicators has none.)
TIE: Final = 1e-15


@kernel
def adosc(
    high: Series, low: Series, close: Series, volume: Series, fast: int, slow: int, state: Series, out: Series
) -> None:
    """Difference of two exponential averages of the accumulated flow, both seeded with its first value.

    State: ``[known values]``, the accumulation, two averages.
    """
    known = state[0]
    tiles = np.empty((2, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        balance, quick = tiles[0, : stop - start], tiles[1, : stop - start]
        ad(high[start:stop], low[start:stop], close[start:stop], volume[start:stop], state[1:2], balance)
        ema(balance, fast, 1, state[8:16], quick)
        ema(balance, slow, 1, state[16:24], out[start:stop])
        for k in range(stop - start):
            known += 0.0 if np.isnan(balance[k]) else 1.0
            out[start + k] = quick[k] - out[start + k] if known >= max(fast, slow) else np.nan
    state[0] = known


@kernel
def cmf(high: Series, low: Series, close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Flow of the window over its volume; NaN without volume. State: two steps."""
    size = room(window)
    tiles = np.empty((3, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        moved, traded, shares = tiles[0, : stop - start], tiles[1, : stop - start], tiles[2, : stop - start]
        for t in range(start, stop):
            moved[t - start] = flow(high[t], low[t], close[t], volume[t])
            traded[t - start] = volume[t]
        sma(moved, window, state[:size], out[start:stop])
        sma(traded, window, state[size : 2 * size], shares)
        for k in range(stop - start):
            out[start + k] /= shares[k]


@kernel
def mfi(high: Series, low: Series, close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Money traded on rising typical prices, in percent of that on all changing ones, over the last `window` changes.

    State: ``[started, last typical price]``, two steps.
    """
    size = room(window)
    last = state[1] if state[0] == 1.0 else np.nan
    tiles = np.empty((3, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        rise, fall, falls = tiles[0, : stop - start], tiles[1, : stop - start], tiles[2, : stop - start]
        for t in range(start, stop):
            price = (high[t] + low[t] + close[t]) / 3.0
            money = price * volume[t]
            known = (price - last) * 0.0 + money * 0.0  # 0, or NaN where there is no change to speak of
            slack = TIE * price
            rise[t - start] = (money if price - last > slack else 0.0) + known
            fall[t - start] = (money if last - price > slack else 0.0) + known
            last = price
        sma(rise, window, state[2 : 2 + size], out[start:stop])
        sma(fall, window, state[2 + size : 2 + 2 * size], falls)
        for k in range(stop - start):
            out[start + k] = 100.0 * out[start + k] / (out[start + k] + falls[k])
    state[0], state[1] = 1.0, last


@kernel
def efi(close: Series, volume: Series, window: int, state: Series, out: Series) -> None:
    """Exponential average of change times volume. State: ``[started, last close]``, the average."""
    started, last = state[0], state[1]
    forces = np.empty(min(TILE, len(close)))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        force = forces[: stop - start]
        for t in range(start, stop):
            price, traded = close[t], volume[t]
            absent = np.isnan(price + traded)
            force[t - start] = np.nan if absent or started == 0.0 else (price - last) * traded
            last = last if absent else price
            started = started if absent else 1.0
        ema(force, window, 0, state[2:10], out[start:stop])
    state[0], state[1] = started, last


@kernel
def pvo(volume: Series, fast: int, slow: int, state: Series, out: Series) -> None:
    """Distance between two exponential averages of the volume, in percent of the slow one. State: two averages."""
    quicks = np.empty(min(TILE, len(volume)))
    for start in range(0, len(volume), TILE):
        stop = min(start + TILE, len(volume))
        quick = quicks[: stop - start]
        ema(volume[start:stop], fast, 0, state[:8], quick)
        ema(volume[start:stop], slow, 0, state[8:16], out[start:stop])
        for k in range(stop - start):
            out[start + k] = 100.0 * (quick[k] - out[start + k]) / out[start + k]


@kernel
def emv(high: Series, low: Series, volume: Series, state: Series, out: Series) -> None:
    """Move of the middle of the range per volume and range, times 10,000; NaN without volume.

    State: ``[started, last middle]``.
    """
    started, last = state[0], state[1]
    for t in range(len(high)):
        middle, traded = (high[t] + low[t]) / 2.0, volume[t]
        absent = np.isnan(middle + traded)
        eased = 1e4 * (middle - last) * (high[t] - low[t]) / traded
        out[t] = eased if started == 1.0 and traded > 0.0 else np.nan
        last = last if absent else middle
        started = started if absent else 1.0
    state[0], state[1] = started, last


@kernel
def kvo(
    high: Series, low: Series, close: Series, volume: Series, fast: int, slow: int, state: Series, out: Series
) -> None:
    """Difference of two exponential averages of Klinger's volume force, both seeded with its first value.

    The force is the volume, signed by the trend of high + low + close, times how far the day's range stands out of
    the ranges summed since the trend began. State: ``[started, last sum, last range, trend, ranges]``, two averages.
    """
    started, last, before, trend, ranges = state[0], state[1], state[2], state[3], state[4]
    tiles = np.empty((2, min(TILE, len(close))))
    for start in range(0, len(close), TILE):
        stop = min(start + TILE, len(close))
        force, quick = tiles[0, : stop - start], tiles[1, : stop - start]
        for t in range(start, stop):
            price, reach = high[t] + low[t] + close[t], high[t] - low[t]
            force[t - start] = np.nan
            if np.isnan(price + volume[t]):
                continue
            if started == 1.0:
                side = 1.0 if price > last else -1.0
                turned = price != last and side != trend
                trend = side if turned else trend
                ranges = (before if turned else ranges) + reach
                sign = 100.0 if trend == 1.0 else -100.0
                force[t - start] = volume[t] * abs(2.0 * reach / ranges - 1.0) * sign
            started, last, before = 1.0, price, reach
        ema(force, fast, 1, state[8:16], quick)
        ema(force, slow, 1, state[16:24], out[start:stop])
        for k in range(stop - start):
            out[start + k] = quick[k] - out[start + k]
    state[0], state[1], state[2], state[3], state[4] = started, last, before, trend, ranges


@kernel
def marketfi(high: Series, low: Series, volume: Series, state: Series, out: Series) -> None:
    """Range per share traded; NaN without volume. No state."""
    for t in range(len(high)):
        out[t] = (high[t] - low[t]) / volume[t] if volume[t] > 0.0 else np.nan
