"""Trends: where the extremes lie, stops that follow the price, and smoothed candles.

Windowed kernels are NaN while a NaN is in the window; in the others a bar with a NaN gives NaN and is otherwise not
counted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels import tiles
from stockstream_kernels._compile import kernel, pick, smaller, spliced, step, truncated, view
from stockstream_kernels.ladders import (
    BEGIN,
    ONE,
    STRETCH,
    settle,
    shape,
    take,
)
from stockstream_kernels.tiles import WIDE, pair_extremes

type Series = NDArray[np.float64]

RISING: Final = 1.0
FALLING: Final = -1.0


@step
def climb_ages(state: Series, newest: int, length: int, height: int, chunk: int, count: int) -> None:
    """Fill the rungs above the first of two ladders of bars since the largest, which lie after two of the largest.

    Of equals the latest counts. A loop of its own, after the largest themselves, is one that becomes vectors.
    """
    across = np.uint64(length + length)
    at = newest
    while at <= newest + length:
        below, back, bars = np.uint64(at), ONE, 1.0
        for _ in range(1, height):
            here, ages, older = below + np.uint64(chunk) + back + back, below + across, below - back
            for k in range(np.uint64(count)):
                newer = state[below + k] >= state[older + k]
                state[here + across + k] = pick(newer, state[ages + k], state[ages - back + k] + bars)
            below, back, bars = here, back + back, bars + bars
        at += length


@step
def since(state: Series, newest: int, across: int, back: int, start: int, count: int, out: Series) -> None:
    """Write the bars since the largest of two stretches of the last rung, the older one `back` bars before."""
    here, there, ages, bars = np.uint64(newest), np.uint64(newest - back), np.uint64(across), np.uint64(start)
    for k in range(np.uint64(count)):
        one, two = state[here + k], state[there + k]
        age = pick(one >= two, state[here + ages + k], state[there + ages + k] + back)
        out[bars + k] = pick(pick(one >= two, one, two) < np.inf, age, np.nan)


@spliced
def ages(high: Series, low: Series, window: int, state: Series, since_low: Series, since_high: Series) -> None:
    """Count the bars since the largest high and the smallest low of `window` bars; NaN while one of them is a gap.

    By ladders of the extremes and of their ages: 5.3 ms a million bars, 7.0 by blocks with the place of each extreme.
    State: that of `take` and two more ladders.
    """
    height, chunk, length = shape(window)
    last, start = height - 1, truncated(BEGIN)
    back = window - (1 << last)
    while start < len(high):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(high) - start)
        take(high, low, low, start, count, height, chunk, state)
        climb_ages(state, 3 + cursor, length, height, chunk, count)
        newest = 1 + (2 << last) + last * chunk + cursor
        since(state, newest, 2 * length, back, start, count, since_high)
        since(state, newest + length, 2 * length, back, start, count, since_low)
        settle(2 + 3 * length, height, chunk, count, state)
        start += count


@kernel
def aroon(high: Series, low: Series, window: int, state: Series, down: Series, up: Series) -> None:
    """Write how recent the low and the high of the last `window` + 1 bars are: 100 on this bar, 0 `window` bars ago.

    State: that of `ages`.
    """
    for start in range(0, len(high), STRETCH):
        bars = smaller(STRETCH, len(high) - start)
        since_low, since_high = view(down, start, bars), view(up, start, bars)
        ages(view(high, start, bars), view(low, start, bars), window + 1, state, since_low, since_high)
        for k in range(bars):
            since_low[k] = 100.0 * (window - since_low[k]) / window
            since_high[k] = 100.0 * (window - since_high[k]) / window


@kernel
def aroon_oscillator(high: Series, low: Series, window: int, state: Series, out: Series) -> None:
    """Write Aroon up less Aroon down. State: that of `ages` and `STRETCH` places."""
    end = len(state) - STRETCH
    for start in range(0, len(high), STRETCH):
        bars = smaller(STRETCH, len(high) - start)
        since_low, since_high = view(out, start, bars), view(state, end, bars)
        ages(view(high, start, bars), view(low, start, bars), window + 1, state, since_low, since_high)
        for k in range(bars):
            since_low[k] = 100.0 * (since_low[k] - since_high[k]) / window


@kernel
def sar(high: Series, low: Series, step_size: float, largest: float, state: Series, out: Series) -> None:
    """Write Wilder's stop and reverse: a stop that speeds up towards the price with every new extreme.

    The first trade is long unless the second bar falls further than it rises; its stop is the first bar's extreme.
    State (7): ``[bars seen, side, extreme, next stop, acceleration, last high, last low]``.
    """
    seen, side, extreme_price, stop, speed = truncated(state[0]), state[1], state[2], state[3], state[4]
    last_high, last_low = state[5], state[6]
    first = min(step_size, largest)
    for t in range(len(high)):
        out[t] = np.nan
        top, bottom = high[t], low[t]
        if top + bottom != top + bottom:
            continue
        seen += 1
        if seen == 1:
            last_high, last_low = top, bottom
            continue
        if seen == 2:
            fall = last_low - bottom
            side = FALLING if fall > 0.0 and fall > top - last_high else RISING
            extreme_price = top if side == RISING else bottom
            stop = last_low if side == RISING else last_high
            speed = first
            # Wilder's stop may not enter the two bars before; on the second bar TA-Lib takes that bar for both
            last_high, last_low = top, bottom
        if side == RISING:
            if bottom <= stop:
                side, speed = FALLING, first
                out[t] = max(extreme_price, last_high, top)
                extreme_price = bottom
                stop = max(out[t] + speed * (extreme_price - out[t]), last_high, top)
            else:
                out[t] = stop
                if top > extreme_price:
                    extreme_price, speed = top, min(speed + first, largest)
                stop = min(stop + speed * (extreme_price - stop), last_low, bottom)
        elif top >= stop:
            side, speed = RISING, first
            out[t] = min(extreme_price, last_low, bottom)
            extreme_price = top
            stop = min(out[t] + speed * (extreme_price - out[t]), last_low, bottom)
        else:
            out[t] = stop
            if bottom < extreme_price:
                extreme_price, speed = bottom, min(speed + first, largest)
            stop = max(stop + speed * (extreme_price - stop), last_high, top)
        last_high, last_low = top, bottom
    state[0], state[1], state[2], state[3], state[4] = seen, side, extreme_price, stop, speed
    state[5], state[6] = last_high, last_low


@kernel
def supertrend(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    multiplier: float,
    state: Series,
    line: Series,
    direction: Series,
) -> None:
    """Write the band that the close has not crossed, and the side it lies on: 1 below the price, -1 above it.

    Bands lie `multiplier` average true ranges about the middle of the bar; a band only moves towards the price until
    the close crosses it. State (7): ``[bars seen, average range, last close, upper band, lower band, side, -]``.
    """
    seen, average, last, upper, lower, side = truncated(state[0]), state[1], state[2], state[3], state[4], state[5]
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(len(close)):
        line[t], direction[t] = np.nan, np.nan
        if high[t] + low[t] + close[t] != high[t] + low[t] + close[t]:
            continue
        true_range = max(high[t], last) - min(low[t], last)
        middle = 0.5 * (high[t] + low[t])
        if seen > window:
            average = keep * average + newest * true_range
            reach = multiplier * average
            upper = middle + reach if middle + reach < upper or last > upper else upper
            lower = middle - reach if middle - reach > lower or last < lower else lower
            side = (
                (FALLING if close[t] < lower else RISING)
                if side == RISING
                else (RISING if close[t] > upper else FALLING)
            )
        elif seen > 0:
            average += newest * true_range
            upper, lower = middle + multiplier * average, middle - multiplier * average
            side = RISING  # as in TA-Lib, wherever the close lies
        last = close[t]
        seen += 1
        if seen > window:
            line[t], direction[t] = lower if side == RISING else upper, side
    state[0], state[1], state[2], state[3], state[4], state[5] = seen, average, last, upper, lower, side


@kernel
def heikin_ashi(
    open_: Series,
    high: Series,
    low: Series,
    close: Series,
    state: Series,
    smooth_open: Series,
    smooth_high: Series,
    smooth_low: Series,
    smooth_close: Series,
) -> None:
    """Write averaged candles: the close is the bar's mean, the open the middle of the candle before.

    State (2): ``[started, next open]``.
    """
    started, following = state[0], state[1]
    for t in range(len(close)):
        mean = 0.25 * (open_[t] + high[t] + low[t] + close[t])
        if mean != mean:
            smooth_open[t], smooth_high[t], smooth_low[t], smooth_close[t] = np.nan, np.nan, np.nan, np.nan
            continue
        start = following if started == 1.0 else 0.5 * (open_[t] + close[t])
        smooth_open[t], smooth_close[t] = start, mean
        smooth_high[t], smooth_low[t] = max(high[t], start, mean), min(low[t], start, mean)
        started, following = 1.0, 0.5 * (start + mean)
    state[0], state[1] = started, following


@kernel
def ichimoku(
    high: Series,
    low: Series,
    tenkan: int,
    kijun: int,
    senkou: int,
    state: Series,
    turning: Series,
    base: Series,
    span_a: Series,
    span_b: Series,
) -> None:
    """Write the middles of three ranges; the spans are those of `kijun` bars ago.

    State: ``[started, position]``, 2 * kijun held spans, three of `pair_extremes`, a tile.
    """
    held, place, tile = view(state, 2, 2 * kijun), 2 + 2 * kijun, len(state) - WIDE
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(np.uint64(len(held))):
            held[k] = np.nan
    position = truncated(state[1])
    for window, middle in ((tenkan, turning), (kijun, base), (senkou, span_b)):
        extremes = view(state, place, tiles.room(window))
        for start in range(0, len(high), WIDE):
            bars = smaller(WIDE, len(high) - start)
            top, bottom = view(middle, start, bars), view(state, tile, bars)
            pair_extremes(view(high, start, bars), view(low, start, bars), window, extremes, top, bottom)
            for t in range(bars):
                top[t] = 0.5 * (top[t] + bottom[t])
        place += len(extremes)
    for t in range(len(high)):
        leading, trailing = 0.5 * (turning[t] + base[t]), span_b[t]
        span_a[t], span_b[t] = held[position], held[kijun + position]
        held[position], held[kijun + position] = leading, trailing
        position = position + 1 if position + 1 < kijun else 0
    state[1] = position
