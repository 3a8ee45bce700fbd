"""Averages whose speed follows the price.

The averages of one recursion are carried as their distance behind the price, ``d = keep * (d + change)``, with a `keep`
of its own on every bar. Groups of four bars are taken together as in `smoothing`: within one, ``d = reach * d[start] +
part``.

A NaN gives NaN on its bar and is otherwise not counted: windows are of values.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, pick, smaller, step, truncated, view
from stockstream_kernels.rolling import rolling_sum
from stockstream_kernels.smoothing import FOUR, ONE, THREE, TWO
from stockstream_kernels.statistics import moments
from stockstream_kernels.tiles import WIDE, expand, gaps, squeeze

type Series = NDArray[np.float64]

#: The last place of a ring, where the rings begin, and lags. Not literals, for which steps would be compiled anew each.
LAST: Final = np.uint64(7)
PRICES, SMOOTHS, TRENDLESS, PHASES, SHIFTS = np.uint64(9), np.uint64(17), np.uint64(25), np.uint64(33), np.uint64(41)
FIRST, SECOND, THIRD, FOURTH, SIXTH = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(6)


@step
def follow(values: Series, weights: Series, memory: Series, out: Series) -> None:
    """Move towards each value by its weight; a NaN weight gives NaN and the average starts anew at that value.

    Memory (5): ``[last value, distance at the start of the group, reach, part, place in the group]``.
    """
    last, distance, reach = memory[0], memory[1], memory[2]
    part, place = memory[3], truncated(memory[4])
    t, end = np.uint64(0), np.uint64(len(out))
    while t < end:
        if place == 0 and end - t >= FOUR:
            keep1, keep2 = 1.0 - weights[t], 1.0 - weights[t + ONE]
            keep3, keep4 = 1.0 - weights[t + TWO], 1.0 - weights[t + THREE]
            one, two = values[t], values[t + ONE]
            three, four = values[t + TWO], values[t + THREE]
            part1 = keep1 * (one - last)
            part2 = keep2 * (part1 + (two - one))
            part3 = keep3 * (part2 + (three - two))
            part4 = keep4 * (part3 + (four - three))
            if part4 == part4:
                reach2 = keep2 * keep1
                reach3 = keep3 * reach2
                out[t] = one - (keep1 * distance + part1)
                out[t + ONE] = two - (reach2 * distance + part2)
                out[t + TWO] = three - (reach3 * distance + part3)
                distance = keep4 * reach3 * distance + part4
                out[t + THREE] = four - distance
                last = four
                t += FOUR
                continue
        keep, change = 1.0 - weights[t], values[t] - last
        reach = keep * pick(place == 0, 1.0, reach)
        part = keep * pick(place == 0, change, part + change)
        behind = reach * distance + part
        last = values[t]
        out[t] = last - behind
        place += 1
        if behind != behind or place == 4:
            distance, place = pick(behind != behind, 0.0, behind), 0
        t += ONE
    memory[0], memory[1], memory[2] = last, distance, reach
    memory[3], memory[4] = part, place


@kernel
def kama(values: Series, window: int, fast: int, slow: int, state: Series, out: Series) -> None:
    """Kaufman's adaptive average: it keeps up with a price that goes straight and stays put in noise.

    The weight is the square of slowest + efficiency * (fastest - slowest), the efficiency the net change of `window`
    bars over the sum of its changes. State: ``[started, -, -]`` + 5 + that of a sum, 6 + 2 * window, + the last window
    values and three tiles of whole blocks of `rolling`.
    """
    tile, at = window * ((511 + window) // window), 14 + 2 * window
    joined = view(state, at, window + tile)
    weights, found = view(state, at + window + tile, tile), view(state, at + window + 2 * tile, tile)
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(window):
            joined[k] = np.nan
    slowest, fastest = 2.0 / (slow + 1.0), 2.0 / (fast + 1.0)
    for start in range(0, len(values), tile):
        count = smaller(tile, len(values) - start)
        part, own, source, bars = view(values, start, count), view(out, start, count), joined, count
        if start >= window and gaps(view(values, start - window, window + count)) == 0:
            source = view(values, start - window, window + count)
        else:
            bars = squeeze(part, part, view(joined, window, tile))
        now, yesterday, past = view(source, window, bars), view(source, window - 1, bars), view(source, 0, bars)
        for t in range(bars):
            found[t] = abs(now[t] - yesterday[t])
        rolling_sum(view(found, 0, bars), window, view(state, 8, 6 + 2 * window), weights)
        for t in range(bars):
            net, path = abs(now[t] - past[t]), weights[t]
            efficiency = pick(net < path, net / path, 1.0 + 0.0 * path)  # the net change of one way is all of it
            weight = slowest + efficiency * (fastest - slowest)
            weights[t] = weight * weight
        result = own if bars == count else view(found, 0, bars)
        follow(now, weights, view(state, 3, 5), result)
        if bars < count:
            expand(result, part, own)
        for k in range(window):
            joined[k] = source[bars + k]


@kernel
def vidya(values: Series, fast: int, slow: int, alpha: float, state: Series, out: Series) -> None:
    """Chande's average: it follows faster when the deviation of `fast` bars exceeds that of `slow` bars.

    It starts at the price, a bar before the longer window is full, and does not move while that window has no
    deviation. State: ``[values seen, -, -]`` + 5 + those of the deviations, see `moments`, + four tiles.
    """
    at, tile = 15 + 3 * fast, len(state) - 4 * WIDE
    short, long, seen = view(state, 8, at - 8), view(state, at, tile - at), truncated(state[0])
    for start in range(0, len(values), WIDE):
        bars = smaller(WIDE, len(values) - start)
        part = view(values, start, bars)
        count = squeeze(part, part, view(state, tile, WIDE))
        value, quick = view(state, tile, count), view(state, tile + WIDE, count)
        slower, result = view(state, tile + 2 * WIDE, count), view(state, tile + 3 * WIDE, count)
        moments(value, fast, 0, short, result, quick)
        moments(value, slow, 0, long, result, slower)
        for t in range(count):
            deviation = np.sqrt(slower[t])
            slower[t] = alpha * np.sqrt(quick[t]) / deviation if deviation != 0.0 else 0.0
        follow(value, slower, view(state, 3, 5), result)
        if 0 <= slow - 2 - seen < count:
            result[slow - 2 - seen] = value[slow - 2 - seen]
        expand(result, part, view(out, start, bars))
        seen += count
    state[0] = seen


@step
def before(memory: Series, seen: np.uint64, ring: np.uint64, lag: np.uint64) -> float:
    """Return the value `lag` values ago out of the ring of eight that begins at `ring`."""
    return float(memory[ring + ((seen - lag) & LAST)])


@step
def enter(memory: Series, seen: np.uint64, ring: np.uint64, value: float) -> None:
    """Put the newest value in a ring."""
    memory[ring + (seen & LAST)] = value


@step
def quadrature(newest: float, memory: Series, seen: np.uint64, ring: np.uint64, gain: float) -> float:
    """Return Ehlers' Hilbert filter of a value and the six before it."""
    outer = newest - before(memory, seen, ring, SIXTH)
    inner = before(memory, seen, ring, SECOND) - before(memory, seen, ring, FOURTH)
    return gain * (0.0962 * outer + 0.5769 * inner)


@step
def between(value: float, low: float, high: float) -> float:
    """Return the value, or the limit that it passes."""
    value = value if value < high else high
    return value if value > low else low


@step
def measure_cycle(memory: Series, price: float) -> None:
    """Advance Ehlers' homodyne discriminator by one price.

    Memory (49): ``[values seen, I2, Q2, Re, Im, period, smooth period, I1, Q1]`` + rings of eight prices, smoothed
    prices, detrended ones, I1 and Q1. Rings, because values that move along a line are read together before what was
    written one by one has arrived: MAMA takes 44 ms a million bars, 48 with lines.
    """
    past, seen = memory[5], np.uint64(memory[0])
    gain = 0.075 * past + 0.54
    smooth = 0.1 * (
        4.0 * price
        + 3.0 * before(memory, seen, PRICES, FIRST)
        + 2.0 * before(memory, seen, PRICES, SECOND)
        + before(memory, seen, PRICES, THIRD)
    )
    detrended = quadrature(smooth, memory, seen, SMOOTHS, gain)
    first, second = before(memory, seen, TRENDLESS, THIRD), quadrature(detrended, memory, seen, TRENDLESS, gain)
    in_phase = 0.2 * (first - quadrature(second, memory, seen, SHIFTS, gain)) + 0.8 * memory[1]
    shifted = 0.2 * (second + quadrature(first, memory, seen, PHASES, gain)) + 0.8 * memory[2]
    real = 0.2 * (in_phase * memory[1] + shifted * memory[2]) + 0.8 * memory[3]
    imaginary = 0.2 * (in_phase * memory[2] - shifted * memory[1]) + 0.8 * memory[4]
    period = 2.0 * math.pi / math.atan(imaginary / real) if real != 0.0 and imaginary != 0.0 else past
    period = between(between(period, 0.67 * past, 1.5 * past), 6.0, 50.0)
    period = 0.2 * period + 0.8 * past
    enter(memory, seen, PRICES, price)
    enter(memory, seen, SMOOTHS, smooth)
    enter(memory, seen, TRENDLESS, detrended)
    enter(memory, seen, PHASES, first)
    enter(memory, seen, SHIFTS, second)
    memory[1], memory[2], memory[3], memory[4], memory[5] = in_phase, shifted, real, imaginary, period
    memory[6], memory[7], memory[8] = 0.33 * period + 0.67 * memory[6], first, second


@kernel
def mama(values: Series, fast: float, slow: float, state: Series, mother: Series, following: Series) -> None:
    """Ehlers' adaptive average: its weight is `fast` over the advance of the cycle's phase in degrees, at least `slow`.

    State: ``[mama, fama, phase]`` + 49 of the cycle, which begins 12 values after the first.
    """
    memory = state[3:52]
    for t in range(len(values)):
        mother[t], following[t] = np.nan, np.nan
        value = values[t]
        if value != value:
            continue
        memory[0] += 1.0
        if memory[0] <= 12.0:
            enter(memory, np.uint64(memory[0]), PRICES, value)
            continue
        measure_cycle(memory, value)
        phase = math.degrees(math.atan(memory[8] / memory[7])) if memory[7] != 0.0 else 0.0
        weight = max(fast / max(state[2] - phase, 1.0), slow)
        state[0] = weight * value + (1.0 - weight) * state[0]
        state[1] = 0.5 * weight * state[0] + (1.0 - 0.5 * weight) * state[1]
        state[2] = phase
        if memory[0] > 32.0:
            mother[t], following[t] = state[0], state[1]


@step
def latest_sum(rungs: Series, newest: int, value: float, length: int) -> float:
    """Take the next of 64 values and return the sum of the last `length`, 1 to 63, of them.

    Rung j, 64 places from ``64 * j`` on, holds the sums of 2**j values, each two sums of the rung below; a length is
    put together from its binary digits. Adding up the values themselves took 12 ms a million bars, this 5.
    """
    rungs[newest] = value
    whole, total, taken = value, 0.0, 0
    for j in range(6):
        part = rungs[64 * j + ((newest - taken) & 63)]
        total += part if (length >> j) & 1 == 1 else 0.0
        taken += length & (1 << j)
        if j < 5:
            whole += rungs[64 * j + ((newest - (1 << j)) & 63)]
            rungs[64 * (j + 1) + newest] = whole
    return total


@kernel
def ht_trendline(values: Series, state: Series, out: Series) -> None:
    """Mean over the dominant cycle's length, smoothed over four bars.

    The mean of equal prices is that price. State: ``[three means]`` + 49 of the cycle, which begins 37 values after the
    first, + 6 rungs of 64 sums, see `latest_sum`, + ``[run of equal prices, last price]``.
    """
    memory, rungs = state[3:52], state[52:436]
    one, two, three, run, last = state[0], state[1], state[2], state[436], state[437]
    for t in range(len(values)):
        value = values[t]
        if value != value:
            out[t] = np.nan
            continue
        memory[0] += 1.0
        run = run + 1.0 if value == last else 1.0
        last = value
        if memory[0] <= 37.0:
            latest_sum(rungs, truncated(memory[0]) & 63, value, 1)
            enter(memory, np.uint64(memory[0]), PRICES, value)
            out[t] = np.nan
            continue
        measure_cycle(memory, value)
        length = max(truncated(memory[6] + 0.5), 1)
        mean = latest_sum(rungs, truncated(memory[0]) & 63, value, length) / length
        mean = value if run >= length else mean
        smooth = mean + 0.1 * (3.0 * (one - mean) + 2.0 * (two - mean) + (three - mean))
        out[t] = smooth if memory[0] > 63.0 else np.nan
        one, two, three = mean, one, two
    state[0], state[1], state[2], state[436], state[437] = one, two, three, run, last
