"""Averages whose speed follows the price.

The averages of one recursion are carried as their distance behind the price, ``d = keep * (d + change)``, with a `keep`
of its own on every bar. Groups of four bars are taken together as in `smoothing`: within one, ``d = reach * d[start] +
part``.

A NaN gives NaN on its bar and is otherwise not counted: windows are of values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.averages import PART, pack, unpack
from stockstream_kernels.rolling import sma, variance

type Series = NDArray[np.float64]


@step
def follow(values: Series, weights: Series, memory: Series, out: Series) -> None:
    """Move towards each value by its weight; a NaN weight gives NaN and the average starts anew at that value.

    Memory (5): ``[last value, distance at the start of the group, reach, part, place in the group]``.
    """
    last, distance, reach, part, place = memory[0], memory[1], memory[2], memory[3], int(memory[4])
    t = 0
    while t < len(out):
        if place == 0 and len(out) - t >= 4:
            keep1, keep2 = 1.0 - weights[t], 1.0 - weights[t + 1]
            keep3, keep4 = 1.0 - weights[t + 2], 1.0 - weights[t + 3]
            one, two, three, four = values[t], values[t + 1], values[t + 2], values[t + 3]
            part1 = keep1 * (one - last)
            part2 = keep2 * (part1 + (two - one))
            part3 = keep3 * (part2 + (three - two))
            part4 = keep4 * (part3 + (four - three))
            if part4 == part4:
                reach2 = keep2 * keep1
                reach3 = keep3 * reach2
                out[t] = one - (keep1 * distance + part1)
                out[t + 1] = two - (reach2 * distance + part2)
                out[t + 2] = three - (reach3 * distance + part3)
                distance = keep4 * reach3 * distance + part4
                out[t + 3] = four - distance
                last = four
                t += 4
                continue
        keep, change = 1.0 - weights[t], values[t] - last
        reach = keep if place == 0 else keep * reach
        part = keep * change if place == 0 else keep * (part + change)
        behind = reach * distance + part
        last = values[t]
        out[t] = last - behind
        place += 1
        if behind != behind:
            distance, place = 0.0, 0
        elif place == 4:
            distance, place = behind, 0
        t += 1
    memory[0], memory[1], memory[2], memory[3], memory[4] = last, distance, reach, part, place


@kernel
def kama(values: Series, window: int, fast: int, slow: int, state: Series, out: Series) -> None:
    """Kaufman's adaptive average: it keeps up with a price that goes straight and stays put in noise.

    The weight is the square of slowest + efficiency * (fastest - slowest), the efficiency the net change of `window`
    bars over the sum of its changes. State: ``[started, -, -]`` + 5 + that of a mean, 6 + 2 * window, + window values.
    """
    before = state[14 + 2 * window : 14 + 3 * window]
    if state[0] == 0.0:
        state[0] = 1.0
        before[:] = np.nan
    slowest, fastest = 2.0 / (slow + 1.0), 2.0 / (fast + 1.0)
    joined, weights, found = np.empty(window + PART), np.empty(PART), np.empty(PART)
    joined[:window] = before
    for start in range(0, len(values), PART):
        part = values[start : start + PART]
        bars = pack(part, joined, window)
        now, yesterday, past = joined[window : window + bars], joined[window - 1 :], joined[:bars]
        for t in range(bars):
            found[t] = abs(now[t] - yesterday[t])
        sma(found[:bars], window, state[8 : 14 + 2 * window], weights)
        for t in range(bars):
            path = weights[t] * window
            net = abs(now[t] - past[t])
            efficiency = net / path if net < path else 1.0 + 0.0 * path  # the net change of one way is all of it
            weight = slowest + efficiency * (fastest - slowest)
            weights[t] = weight * weight
        follow(now, weights, state[3:8], found[:bars])
        unpack(part, found[:bars], out[start : start + PART])
        for k in range(window):
            joined[k] = joined[bars + k]
    before[:] = joined[:window]


@kernel
def vidya(values: Series, fast: int, slow: int, alpha: float, state: Series, out: Series) -> None:
    """Chande's average: it follows faster when the deviation of `fast` bars exceeds that of `slow` bars.

    It starts at the price, a bar before the longer window is full, and does not move while that window has no
    deviation. State: ``[values seen, -, -]`` + 5 + those of the deviations, 10 + 3 * fast and 10 + 3 * slow.
    """
    short, long = state[8 : 18 + 3 * fast], state[18 + 3 * fast :]
    joined, quick, slower = np.empty(PART), np.empty(PART), np.empty(PART)
    seen = int(state[0])
    for start in range(0, len(values), PART):
        part = values[start : start + PART]
        bars = pack(part, joined, 0)
        variance(joined[:bars], fast, 0, True, short, quick[:bars])
        variance(joined[:bars], slow, 0, True, long, slower[:bars])
        for t in range(bars):
            slower[t] = alpha * quick[t] / slower[t] if slower[t] != 0.0 else 0.0
        follow(joined[:bars], slower, state[3:8], quick[:bars])
        if 0 <= slow - 2 - seen < bars:
            quick[slow - 2 - seen] = joined[slow - 2 - seen]
        unpack(part, quick[:bars], out[start : start + PART])
        seen += bars
    state[0] = seen


@step
def push(line: Series, value: float) -> None:
    """Put a value at the front of the last few."""
    for k in range(len(line) - 1, 0, -1):
        line[k] = line[k - 1]
    line[0] = value


@step
def quadrature(line: Series, gain: float) -> float:
    """Return Ehlers' Hilbert filter of the last seven values, newest first."""
    return gain * (0.0962 * (line[0] - line[6]) + 0.5769 * (line[2] - line[4]))


@step
def measure_cycle(memory: Series, price: float) -> None:
    """Advance Ehlers' homodyne discriminator by one price.

    Memory (45): ``[values seen, I2, Q2, Re, Im, period, smooth period, I1, Q1]`` + 4 prices at 9, and 7 each of
    smoothed prices at 13, detrended ones at 20, I1 at 27 and Q1 at 34; newest first.
    """
    gain = 0.075 * memory[5] + 0.54
    prices, smoothed, detrended = memory[9:13], memory[13:20], memory[20:27]
    push(prices, price)
    push(smoothed, 0.1 * (4.0 * prices[0] + 3.0 * prices[1] + 2.0 * prices[2] + prices[3]))
    push(detrended, quadrature(smoothed, gain))
    push(memory[34:41], quadrature(detrended, gain))
    push(memory[27:34], detrended[3])
    memory[7], memory[8] = memory[27], memory[34]
    in_phase = 0.2 * (memory[7] - quadrature(memory[34:41], gain)) + 0.8 * memory[1]
    shifted = 0.2 * (memory[8] + quadrature(memory[27:34], gain)) + 0.8 * memory[2]
    memory[3] = 0.2 * (in_phase * memory[1] + shifted * memory[2]) + 0.8 * memory[3]
    memory[4] = 0.2 * (in_phase * memory[2] - shifted * memory[1]) + 0.8 * memory[4]
    memory[1], memory[2] = in_phase, shifted
    before = period = memory[5]
    if memory[3] != 0.0 and memory[4] != 0.0:
        period = 2.0 * math.pi / math.atan(memory[4] / memory[3])
    period = max(min(period, 1.5 * before), 0.67 * before)
    memory[5] = 0.2 * max(min(period, 50.0), 6.0) + 0.8 * before
    memory[6] = 0.33 * memory[5] + 0.67 * memory[6]


@kernel
def mama(values: Series, fast: float, slow: float, state: Series, mother: Series, following: Series) -> None:
    """Ehlers' adaptive average: its weight is `fast` over the advance of the cycle's phase in degrees, at least `slow`.

    State: ``[mama, fama, phase]`` + 45 of the cycle, which begins 12 values after the first.
    """
    memory = state[3:48]
    for t in range(len(values)):
        mother[t], following[t] = np.nan, np.nan
        value = values[t]
        if value != value:
            continue
        memory[0] += 1.0
        if memory[0] <= 12.0:
            push(memory[9:13], value)
            continue
        measure_cycle(memory, value)
        phase = math.degrees(math.atan(memory[8] / memory[7])) if memory[7] != 0.0 else 0.0
        weight = max(fast / max(state[2] - phase, 1.0), slow)
        state[0] = weight * value + (1.0 - weight) * state[0]
        state[1] = 0.5 * weight * state[0] + (1.0 - 0.5 * weight) * state[1]
        state[2] = phase
        if memory[0] > 32.0:
            mother[t], following[t] = state[0], state[1]


@kernel
def ht_trendline(values: Series, state: Series, out: Series) -> None:
    """Mean over the dominant cycle's length, smoothed over four bars; up to 50 operations a bar.

    State: ``[three means]`` + 45 of the cycle, which begins 37 values after the first, + the last 50 prices.
    """
    memory, prices = state[3:48], state[48:98]
    for t in range(len(values)):
        out[t] = np.nan
        value = values[t]
        if value != value:
            continue
        newest = int(memory[0]) % 50
        prices[newest] = value
        memory[0] += 1.0
        if memory[0] <= 37.0:
            push(memory[9:13], value)
            continue
        measure_cycle(memory, value)
        length, total = int(memory[6] + 0.5), 0.0
        for k in range(length):  # distances, so that equal prices have exactly their mean
            total += prices[newest - k if k <= newest else newest - k + 50] - value
        mean = value + total / length if length > 0 else 0.0
        if memory[0] > 63.0:
            out[t] = mean + 0.1 * (3.0 * (state[0] - mean) + 2.0 * (state[1] - mean) + (state[2] - mean))
        push(state[:3], mean)
