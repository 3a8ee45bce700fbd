"""Averages made of exponential averages.

A cascade carries each stage as its distance behind the stage before. With c the change of a stage's input and
``u = d + c``, the new distance is ``keep * u`` and the change of the stage's own output, which is the input's change of
the next one, is ``alpha * u``. With the distance of stage k divided by ``alpha ** (k - 1)`` that factor vanishes: one
addition and one multiplication a stage, and the result is ``x - (w1 * d1 + w2 * d2 + …)``. Equal prices give distances
of exactly 0. The chain from bar to bar is two operations long however many stages there are.

A NaN gives NaN on its bar and is otherwise not counted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, scratch, smaller, step, view
from stockstream_kernels.rolling import first_nan
from stockstream_kernels.smoothing import exponential

type Series = NDArray[np.float64]

PART: Final = 2300


@step
def averaged(value: float, window: int, keep: float, memory: Series) -> float:
    """Feed one value to an exponential average seeded with a mean; return it, NaN before the seed.

    Memory (3): ``[count up to the window, sum of distances to the first value, then distance, first value, then
    last]``.
    """
    if memory[0] >= window:
        memory[1] = keep * (memory[1] + (value - memory[2]))
        memory[2] = value
        return value - memory[1]
    if memory[0] == 0.0:
        memory[2] = value
    memory[0] += 1.0
    memory[1] += value - memory[2]
    if memory[0] < window:
        return np.nan
    memory[1] = value - memory[2] - memory[1] / window
    memory[2] = value
    return value - memory[1]


@step
def start_cascade(values: Series, window: int, stages: int, state: Series, out: Series) -> int:
    """Feed values to the stages until the last one has its seed; return the bar after, and write NaN before it.

    State: 3 a stage, see `averaged`. Once seeded, the distances ``state[1]``, ``state[4]`` … are scaled as the loops
    want them, and ``state[2]`` is the last value.
    """
    alpha, final = 2.0 / (window + 1.0), 3 * (stages - 1)
    t = 0
    while t < len(values) and state[final] < window:
        out[t] = np.nan
        value = values[t]
        for stage in range(stages):
            if value == value:
                value = averaged(value, window, 1.0 - alpha, state[3 * stage : 3 * stage + 3])
        if state[final] >= window:
            for stage in range(stages):
                state[3 * stage + 1] /= alpha**stage
        t += 1
    return t


@kernel
def dema(values: Series, window: int, state: Series, out: Series) -> None:
    """Twice the average less the average of the average. State: 6."""
    unseeded = state[3] < window
    start = start_cascade(values, window, 2, state, out)
    alpha = 2.0 / (window + 1.0)
    keep = 1.0 - alpha
    second = -alpha
    one, last, two = state[1], state[2], state[4]
    if unseeded and state[3] >= window:
        out[start - 1] = last - (one + second * two)
    for t in range(start, len(values)):
        change = values[t] - last
        if change != change:
            out[t] = np.nan
            continue
        last = values[t]
        one += change
        two = keep * (two + one)
        one *= keep
        out[t] = last - (one + second * two)
    state[1], state[2], state[4] = one, last, two


@kernel
def tema(values: Series, window: int, state: Series, out: Series) -> None:
    """Three times the average less three times the average of it, plus the average of that. State: 9."""
    unseeded = state[6] < window
    start = start_cascade(values, window, 3, state, out)
    alpha = 2.0 / (window + 1.0)
    keep = 1.0 - alpha
    second, third = -2.0 * alpha, alpha * alpha
    one, last, two, three = state[1], state[2], state[4], state[7]
    if unseeded and state[6] >= window:
        out[start - 1] = last - (one + second * two + third * three)
    for t in range(start, len(values)):
        change = values[t] - last
        if change != change:
            out[t] = np.nan
            continue
        last = values[t]
        one += change
        two += one
        three = keep * (three + two)
        one *= keep
        two *= keep
        out[t] = last - (one + second * two + third * three)
    state[1], state[2], state[4], state[7] = one, last, two, three


@kernel
def t3(values: Series, window: int, factor: float, state: Series, out: Series) -> None:
    """Tillson's average: the generalised double average, applied three times.

    With v the factor and e3 … e6 the last four of six averages of averages it is (1 + v)^3 e3 - 3 v (1 + v)^2 e4 +
    3 v^2 (1 + v) e5 - v^3 e6; the weights add up to 1, so that in distances only three of them remain. State: 18.
    """
    unseeded = state[15] < window
    start = start_cascade(values, window, 6, state, out)
    alpha = 2.0 / (window + 1.0)
    keep = 1.0 - alpha
    sixth = -(factor**3)
    fifth = sixth + 3.0 * factor**2 * (1.0 + factor)
    fourth = fifth - 3.0 * factor * (1.0 + factor) ** 2
    second, third, fourth, fifth, sixth = alpha, alpha**2, fourth * alpha**3, fifth * alpha**4, sixth * alpha**5
    last = state[2]
    one, two, three, four, five, six = state[1], state[4], state[7], state[10], state[13], state[16]
    if unseeded and state[15] >= window:
        out[start - 1] = last - (one + second * two + third * three + (fourth * four + fifth * five + sixth * six))
    for t in range(start, len(values)):
        change = values[t] - last
        if change != change:
            out[t] = np.nan
            continue
        last = values[t]
        one += change
        two += one
        three += two
        four += three
        five += four
        six = keep * (six + five)
        one, two, three, four, five = keep * one, keep * two, keep * three, keep * four, keep * five
        out[t] = last - (one + second * two + third * three + (fourth * four + fifth * five + sixth * six))
    state[1], state[2], state[4], state[7], state[10], state[13], state[16] = one, last, two, three, four, five, six


@step
def pack(values: Series, joined: Series, place: int) -> int:
    """Write the values that are not NaN one after another from `place` on; return how many they are."""
    packed = view(joined, place, len(joined) - place)
    if first_nan(values, 0) == len(values):
        for t in range(len(values)):
            packed[t] = values[t]
        return len(values)
    count = 0
    for value in values:
        if value == value:
            packed[count] = value
            count += 1
    return count


@step
def unpack(values: Series, packed: Series, out: Series) -> None:
    """Put results for the values that are not NaN in their places, and NaN in the others."""
    if len(packed) == len(values):
        for t in range(len(values)):
            out[t] = packed[t]
        return
    count = 0
    for t in range(len(values)):
        out[t] = np.nan
        if values[t] == values[t]:
            out[t] = packed[count]
            count += 1


@kernel
def zlema(values: Series, window: int, state: Series, out: Series) -> None:
    """Exponential average of the price plus its change over the lag of that average, (window - 1) // 2 bars.

    State: ``[started, those of the average, 5]`` + the values of the lag, a part.
    """
    lag = (window - 1) // 2
    joined = view(state, 6, lag + PART)
    if state[0] == 0.0:
        state[0] = 1.0
        for k in range(lag):
            joined[k] = np.nan
    for start in range(0, len(values), PART):
        count = smaller(PART, len(values) - start)
        part, result = view(values, start, count), view(out, start, count)
        bars = pack(part, joined, lag)
        now, ahead, smooth = view(joined, lag, bars), scratch(PART, bars), scratch(PART, bars)
        for t in range(bars):
            ahead[t] = now[t] + (now[t] - joined[t])
        for k in range(lag):
            joined[k] = joined[bars + k]
        exponential(ahead, window, 2.0 / (window + 1.0), 0, view(state, 1, 5), smooth)
        unpack(part, smooth, result)


@kernel
def mcginley(values: Series, window: int, state: Series, out: Series) -> None:
    """McGinley's dynamic average: it follows faster when the price falls below it.

    Seeded with the mean of the first `window` values. State (3): see `averaged`.
    """
    count, average = state[0], state[1]
    for t in range(len(values)):
        value = values[t]
        out[t] = np.nan
        if value != value:
            continue
        if count < window:
            state[2] = value if count == 0.0 else state[2]
            count += 1.0
            average += value - state[2]
            if count < window:
                continue
            average = state[2] + average / window
        else:
            ratio = value / average
            # Never past the price: uncapped, a fall to a third throws a window of 14 below zero, and then to infinity.
            average += (value - average) / max(window * ratio * ratio * ratio * ratio, 1.0)
        out[t] = average
    state[0], state[1] = count, average
