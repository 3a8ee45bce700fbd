"""Oscillators of whole bars: typical and median prices, true ranges, candle bodies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.convergence import average, smoothed
from stockstream_kernels.rolling import sma
from stockstream_kernels.windows import CHUNK, extremes

type Series = NDArray[np.float64]


@kernel
def cci(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Typical price less its mean, in units of 0.015 times the mean absolute distance from it.

    The distances are summed lag by lag over a chunk of bars, which compiles to vector operations; bar by bar they are
    added in the same order. State: that of `sma`, the last ``window - 1`` typical prices and two chunks.
    """
    used = 6 + 2 * window
    history = state[used : used + window - 1 + CHUNK]
    means = state[used + window - 1 + CHUNK :]
    start = 0
    while start < len(close):
        count = min(CHUNK, len(close) - start)
        prices, result = history[window - 1 : window - 1 + count], out[start : start + count]
        for k in range(count):
            prices[k] = (high[start + k] + low[start + k] + close[start + k]) / 3.0
        sma(prices, window, state[:used], means[:count])
        result[:] = 0.0
        for lag in range(window):
            behind = history[window - 1 - lag : window - 1 - lag + count]
            for k in range(count):
                result[k] += abs(behind[k] - means[k])
        for k in range(count):
            result[k] = (prices[k] - means[k]) / (0.015 * (result[k] / window))
        for k in range(window - 1):
            history[k] = history[count + k]
        start += count


@kernel
def ultosc(
    high: Series, low: Series, close: Series, first: int, second: int, third: int, state: Series, out: Series
) -> None:
    """Buying pressure as a share of the true range over three windows, weighted 4, 2 and 1.

    State: ``[started, last close]``, two of `sma` for each window, four chunks.
    """
    if state[0] == 0.0:
        state[0], state[1] = 1.0, np.nan
    one, two = 2 + 2 * (6 + 2 * first), 2 + 2 * (12 + 2 * first + 2 * second)
    used = two + 2 * (6 + 2 * third)
    pressure, reach = state[used : used + CHUNK], state[used + CHUNK : used + 2 * CHUNK]
    work = state[used + 2 * CHUNK :]
    start = 0
    while start < len(close):
        count = min(CHUNK, len(close) - start)
        stop = start + count
        pressures(high[start:stop], low[start:stop], close[start:stop], state, pressure, reach)
        result = out[start:stop]
        result[:] = 0.0
        add_share(pressure[:count], reach[:count], first, 4.0, state[2:one], work, result)
        add_share(pressure[:count], reach[:count], second, 2.0, state[one:two], work, result)
        add_share(pressure[:count], reach[:count], third, 1.0, state[two:used], work, result)
        for k in range(count):
            result[k] *= 100.0 / 7.0
        start = stop


@kernel
def pressures(high: Series, low: Series, close: Series, state: Series, pressure: Series, reach: Series) -> None:
    """Write close less true low, and true high less true low; NaN on a gap and on the bar after it."""
    last = state[1]
    for k in range(len(close)):
        floor = low[k] if low[k] < last else last
        ceiling = high[k] if high[k] > last else last
        total = high[k] + low[k] + last
        pressure[k] = close[k] - floor if total == total else np.nan
        reach[k] = ceiling - floor if pressure[k] == pressure[k] else np.nan
        last = close[k]
    state[1] = last


@kernel
def add_share(
    pressure: Series, reach: Series, window: int, weight: float, state: Series, work: Series, out: Series
) -> None:
    """Add the weighted ratio of two means. State: two of `sma`."""
    size = 6 + 2 * window
    above, below = work[: len(out)], work[CHUNK : CHUNK + len(out)]
    sma(pressure, window, state[:size], above)
    sma(reach, window, state[size:], below)
    for k in range(len(out)):
        out[k] += weight * (above[k] / below[k])


@kernel
def ao(high: Series, low: Series, fast: int, slow: int, state: Series, out: Series) -> None:
    """Fast mean of the median price less the slow one. State: two of `sma` and two chunks."""
    split, used = 6 + 2 * fast, 12 + 2 * fast + 2 * slow
    median, quick = state[used : used + CHUNK], state[used + CHUNK : used + 2 * CHUNK]
    start = 0
    while start < len(low):
        count = min(CHUNK, len(low) - start)
        result = out[start : start + count]
        for k in range(count):
            median[k] = 0.5 * (high[start + k] + low[start + k])
        sma(median[:count], fast, state[:split], quick[:count])
        sma(median[:count], slow, state[split:used], result)
        for k in range(count):
            result[k] = quick[k] - result[k]
        start += count


@kernel
def bop(open_: Series, high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Candle body as a share of its range; NaN where there is no range. State: none."""
    for t in range(len(close)):
        reach = high[t] - low[t]
        out[t] = (close[t] - open_[t]) / reach if reach > 0.0 else np.nan


@kernel
def qstick(open_: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Mean of the candle bodies. State: that of `sma` and a chunk."""
    used = 6 + 2 * window
    body = state[used : used + CHUNK]
    start = 0
    while start < len(close):
        count = min(CHUNK, len(close) - start)
        for k in range(count):
            body[k] = close[start + k] - open_[start + k]
        sma(body[:count], window, state[:used], out[start : start + count])
        start += count


@kernel
def smi(
    high: Series,
    low: Series,
    close: Series,
    window: int,
    first: int,
    second: int,
    signal: int,
    state: Series,
    line: Series,
    signals: Series,
) -> None:
    """Twice averaged distance of the close from the middle of its range, in percent of half the averaged range.

    State: the memories of two averages of two (8) and of the signal (4), and that of `extremes`.
    """
    new_first, new_second = 2.0 / (first + 1.0), 2.0 / (second + 1.0)
    keep = 1.0 - 2.0 / (signal + 1.0)
    extremes(high, low, close, window, state[12:], line, signals)
    for t in range(len(close)):
        distance, reach = close[t] - 0.5 * (line[t] + signals[t]), line[t] - signals[t]
        above = smoothed(smoothed(distance, first, new_first, state[0:2]), second, new_second, state[2:4])
        below = smoothed(smoothed(reach, first, new_first, state[4:6]), second, new_second, state[6:8])
        line[t] = 100.0 * above / (0.5 * below)
        signals[t] = average(line[t], signal, keep, state[8:12])


@kernel
def fisher(high: Series, low: Series, window: int, state: Series, line: Series, signals: Series) -> None:
    """Fisher transform of the median price's smoothed place in its range, and the value before.

    State: ``[started, smoothed place, last value]``, that of `extremes` and a chunk.
    """
    median = state[11 + 4 * window : 11 + 4 * window + CHUNK]
    place, last = state[1], state[2]
    start = 0
    while start < len(low):
        count = min(CHUNK, len(low) - start)
        for k in range(count):
            median[k] = 0.5 * (high[start + k] + low[start + k])
        prices, result, previous = median[:count], line[start : start + count], signals[start : start + count]
        extremes(prices, prices, prices, window, state[3:], result, previous)
        for k in range(count):
            share = (prices[k] - previous[k]) / (result[k] - previous[k])
            result[k], previous[k] = np.nan, np.nan
            if share == share:
                place = 0.66 * (share - 0.5) + 0.67 * place
                place = min(max(place, -0.999), 0.999) if abs(place) > 0.99 else place
                previous[k] = last
                last = 0.5 * (np.log((1.0 + place) / (1.0 - place)) + last)
                result[k] = last
        start += count
    state[1], state[2] = place, last


@kernel
def stc(values: Series, window: int, fast: int, slow: int, smooth: int, state: Series, out: Series) -> None:
    """Stochastic of the stochastic of the difference of two exponential averages, each smoothed by an average.

    State: the memories of the averages (8), two of `cycle`, two chunks.
    """
    kept_fast, kept_slow = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0)
    size = 14 + 4 * window
    work = state[8 + 2 * size :]
    for t in range(len(values)):
        quick = average(values[t], fast, kept_fast, state[0:4])
        out[t] = quick - average(values[t], slow, kept_slow, state[4:8])
    start = 0
    while start < len(values):
        count = min(CHUNK, len(values) - start)
        result = out[start : start + count]
        cycle(result, window, smooth, state[8 : 8 + size], work)
        cycle(result, window, smooth, state[8 + size : 8 + 2 * size], work)
        start += count


@kernel
def cycle(values: Series, window: int, smooth: int, state: Series, work: Series) -> None:
    """Replace values by the average of their place, 0 to 100, in their range; without a range the last place holds.

    State: ``[a place is known, the last]``, the memory of an average (4) and that of `extremes`.
    """
    keep = 1.0 - 2.0 / (smooth + 1.0)
    top, bottom = work[: len(values)], work[CHUNK : CHUNK + len(values)]
    extremes(values, values, values, window, state[6:], top, bottom)
    for k in range(len(values)):
        reach = top[k] - bottom[k]
        if reach > 0.0:
            state[0], state[1] = 1.0, 100.0 * (values[k] - bottom[k]) / reach
        known = reach == reach and state[0] == 1.0
        values[k] = average(state[1] if known else np.nan, smooth, keep, state[2:6])
