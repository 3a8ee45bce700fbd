"""Trends: where the extremes lie, stops that follow the price, and smoothed candles.

Windowed kernels are NaN while a NaN is in the window; in the others a bar with a NaN gives NaN and is otherwise not
counted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, smaller, step, truncated
from stockstream_kernels.averages import PART
from stockstream_kernels.rolling import ONE, extreme, first_nan

type Series = NDArray[np.float64]

RISING: Final = 1.0
FALLING: Final = -1.0


@step
def bars_since_extreme(values: Series, window: int, sign: float, state: Series, out: Series) -> None:
    """Count the bars since the largest (sign 1) or smallest (sign -1) of `window` values; of equals the latest.

    By blocks as in `rolling`, with the place of each extreme beside it: 2 ms a million bars, 5 ms bar by bar.
    State: ``[started, position, extreme, its place, bars since a NaN]`` + held values + suffix extremes + their places,
    and room for those of another block, ``9 + 5 * window`` in all.
    """
    if state[0] == 0.0:
        state[0] = 1.0
        state[2] = -np.inf
        for k in range(np.uint64(window + 1)):  # before the first full block, and after the last bar of any, is nothing
            state[np.uint64(5 + window) + k], state[np.uint64(7 + 3 * window) + k] = -np.inf, -np.inf
    t = truncated(np.int64(0))
    while t < len(values):
        if state[1] == 0.0 and len(values) - t >= window and state[4] >= window - 1:
            t = age_blocks(values, t, window, sign, state, out)
        t = age_bars(values, t, window, sign, state, out)


@step
def age_bars(values: Series, start: int, window: int, sign: float, state: Series, out: Series) -> int:
    """Write the ages up to the end of the block or of the input; return the bar after."""
    held = state[5 : 5 + window]
    suffix, places = state[5 + window : 6 + 2 * window], state[6 + 2 * window : 7 + 3 * window]
    position, best, place, clean = truncated(state[1]), state[2], state[3], state[4]
    stop = smaller(len(values), start + window - position)
    for t in range(start, stop):
        value = sign * values[t]
        clean = clean + 1.0 if value == value else 0.0
        held[position] = value
        newer = value >= best
        best = value if newer else best
        place = float(position) if newer else place
        here = place if best >= suffix[position + 1] else places[position + 1] - window
        out[t] = position - here if clean >= window else np.nan
        position += 1
    if position == window:
        best, place = -np.inf, 0.0
        for k in range(window - 1, 0, -1):
            newer = held[k] > best
            best = held[k] if newer else best
            place = float(k) if newer else place
            suffix[k], places[k] = best, place
        position, best, place = 0, -np.inf, 0.0
    state[1], state[2], state[3], state[4] = position, best, place, clean
    return stop


@step
def age_blocks(values: Series, start: int, window: int, sign: float, state: Series, out: Series) -> int:
    """Write the ages in whole blocks up to the first NaN; return the bar after them."""
    n, t, end = np.uint64(window), np.uint64(start), np.uint64(first_nan(values, start))
    here, there, across = np.uint64(5 + window), np.uint64(7 + 3 * window), np.uint64(1 + window)
    while end - t >= n:
        best, place, position = -np.inf, 0.0, 0.0
        latest, where = -np.inf, 0.0
        for k in range(n):
            value = sign * values[t + k]
            place = position if value >= best else place
            best = value if value >= best else best
            before = state[here + across + k + ONE] - window
            out[t + k] = position - (place if best >= state[here + k + ONE] else before)
            position += 1.0
            later = n - ONE - k
            value = sign * values[t + later]
            where = window - position if value > latest else where
            latest = value if value > latest else latest
            state[there + later], state[there + across + later] = latest, where
        here, there = there, here
        t += n
    if here != np.uint64(5 + window):
        for k in range(ONE, n):
            state[there + k], state[there + across + k] = state[here + k], state[here + across + k]
    state[4] += float(t) - start
    return truncated(np.int64(t))


@kernel
def aroon(high: Series, low: Series, window: int, state: Series, down: Series, up: Series) -> None:
    """Write how recent the low and the high of the last `window` + 1 bars are: 100 on this bar, 0 `window` bars ago.

    State: those of the two places, 9 + 5 * (window + 1) each.
    """
    size = 14 + 5 * window
    bars_since_extreme(low, window + 1, -1.0, state[:size], down)
    bars_since_extreme(high, window + 1, 1.0, state[size:], up)
    for t in range(len(high)):
        known = down[t] + up[t] == down[t] + up[t]
        down[t] = 100.0 * (window - down[t]) / window if known else np.nan
        up[t] = 100.0 * (window - up[t]) / window if known else np.nan


@kernel
def aroon_oscillator(high: Series, low: Series, window: int, state: Series, out: Series) -> None:
    """Write Aroon up less Aroon down. State: as `aroon`."""
    size = 14 + 5 * window
    since_high = np.empty(smaller(PART, len(high)))
    for start in range(0, len(high), PART):
        part = slice(start, start + PART)
        since_low = out[part]
        bars_since_extreme(low[part], window + 1, -1.0, state[:size], since_low)
        bars_since_extreme(high[part], window + 1, 1.0, state[size:], since_high)
        for t in range(len(since_low)):
            since_low[t] = 100.0 * (since_low[t] - since_high[t]) / window


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

    State: six extremes, 4 + 2 * window each, + ``[started]`` + 2 * kijun held spans.
    """
    place = 0
    bottom = np.empty(smaller(PART, len(high)))
    held = state[len(state) - 2 * kijun :]
    if state[len(state) - 2 * kijun - 1] == 0.0:
        state[len(state) - 2 * kijun - 1] = 1.0
        held[:] = np.nan
    position = truncated(state[len(state) - 2 * kijun - 2])
    for window, middle in ((tenkan, turning), (kijun, base), (senkou, span_b)):
        size = 4 + 2 * window
        for start in range(0, len(high), PART):
            part = slice(start, start + PART)
            top = middle[part]
            extreme(high[part], window, 1.0, state[place : place + size], top)
            extreme(low[part], window, -1.0, state[place + size : place + 2 * size], bottom)
            for t in range(len(top)):
                top[t] = 0.5 * (top[t] + bottom[t])
        place += 2 * size
    for t in range(len(high)):
        leading, trailing = 0.5 * (turning[t] + base[t]), span_b[t]
        span_a[t], span_b[t] = held[position], held[kijun + position]
        held[position], held[kijun + position] = leading, trailing
        position = position + 1 if position + 1 < kijun else 0
    state[len(state) - 2 * kijun - 2] = position
