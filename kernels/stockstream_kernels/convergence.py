"""Differences of exponential averages.

An average is carried as its distance behind its input, d = x - average. With c the change of the input, ``u = d + c``
is the distance of the new input from the old average, ``d = (1 - alpha) * u`` the new distance and ``alpha * u`` the
change of the average, which is the input's change of the next stage. Equal prices give distances of exactly zero,
nothing drifts, and the chain from bar to bar is one addition and one multiplication long.

Each kernel has a slow start, stage by stage through the state, and a loop in registers from the last stage's seed on.
Where TA-Lib is quick, bars go in pairs: the second distance is ``keep**2 * base + keep * (keep * c1 + c2)``, so that
only one addition and one multiplication in two bars wait for the pair before. A pair that a call cuts in two is
finished by the next call with the same formulas, from the distances at its start and the changes of its first bar.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, smaller, step
from stockstream_kernels.averages import start_cascade
from stockstream_kernels.ladders import CHUNK

type Series = NDArray[np.float64]

ONE: Final = np.uint64(1)
TWO: Final = np.uint64(2)
SCRATCH: Final = np.uint64(9)


@step
def average(value: float, window: int, keep: float, memory: Series) -> float:
    """Feed one value to an exponential average that starts with the mean of the first `window` values.

    NaN changes nothing and gives NaN. Memory (4): ``[count of values, distance behind the last value or, before the
    seed, sum of the distances to the first value, last value, first value]``.
    """
    if value != value:
        return np.nan
    if memory[0] >= window:
        memory[1] = keep * (memory[1] + (value - memory[2]))
        memory[2] = value
        return value - memory[1]
    if memory[0] == 0.0:
        memory[3] = value
    memory[0] += 1.0
    memory[1] += value - memory[3]
    memory[2] = value
    if memory[0] < window:
        return np.nan
    memory[1] = (value - memory[3]) - memory[1] / window
    return value - memory[1]


@kernel
def macd(
    values: Series,
    fast: int,
    slow: int,
    signal: int,
    align: int,
    state: Series,
    line: Series,
    signals: Series,
    histogram: Series,
) -> None:
    """Fast average less slow average, its own average, and the difference of the two.

    Align 0: each average starts on its own window. Align 1: the fast one's first window ends with the slow one's, and
    the line is shown from the signal's first bar on. State: 16.
    """
    kept_fast, kept_slow, kept = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0), 1.0 - 2.0 / (signal + 1.0)
    start = 0
    while start < len(values) and state[8] < signal:
        value = values[start]
        late = align == 1 and state[12] < slow - fast
        state[12] += value == value
        quick = average(np.nan if late else value, fast, kept_fast, state[0:4])
        between = quick - average(value, slow, kept_slow, state[4:8])
        signals[start] = average(between, signal, kept, state[8:12])
        histogram[start] = between - signals[start]
        line[start] = between if align == 0 or signals[start] == signals[start] else np.nan
        start += 1
    macd_pairs(values, start, kept_fast, kept_slow, kept, state, line, signals, histogram)


@step
def second(base: float, first: float, change: float, keep: float) -> float:
    """Return the distance after the second bar of a pair, from the one before the pair and both changes."""
    return keep * keep * base + keep * (keep * first + change)


@step
def macd_pairs(
    values: Series,
    start: int,
    kept_fast: float,
    kept_slow: float,
    kept: float,
    state: Series,
    line: Series,
    signals: Series,
    histogram: Series,
) -> None:
    """Go on from the seeds, two bars at a time.

    State from 13: ``[bars of the pair done, its first change of the price, and of the line]``.
    """
    fast, slow, last, behind, between = state[1], state[5], state[6], state[9], state[10]
    half, held, drift = state[13], state[14], state[15]
    t, end = np.uint64(start), np.uint64(len(values))
    while t < end:
        one, two = values[t] - last, values[t + ONE] - values[t] if t + ONE < end else np.nan
        if half == 0.0 and one == one and two == two:
            middle = kept_slow * (slow + one) - kept_fast * (fast + one)
            fast, slow = second(fast, one, two, kept_fast), second(slow, one, two, kept_slow)
            drift, before, between, last = middle - between, middle, slow - fast, values[t + ONE]
            early = kept * (behind + drift)
            behind = second(behind, drift, between - before, kept)
            line[t], signals[t], histogram[t] = middle, middle - early, early
            line[t + ONE], signals[t + ONE], histogram[t + ONE] = between, between - behind, behind
            t += TWO
            continue
        line[t], signals[t], histogram[t] = np.nan, np.nan, np.nan
        if one == one and half == 0.0:
            middle = kept_slow * (slow + one) - kept_fast * (fast + one)
            half, held, drift = 1.0, one, middle - between
            early = kept * (behind + drift)
            line[t], signals[t], histogram[t] = middle, middle - early, early
            last, between = values[t], middle
        elif one == one:
            fast, slow = second(fast, held, one, kept_fast), second(slow, held, one, kept_slow)
            behind = second(behind, drift, (slow - fast) - between, kept)
            half, last, between = 0.0, values[t], slow - fast
            line[t], signals[t], histogram[t] = between, between - behind, behind
        t += ONE
    state[1], state[5], state[6], state[9], state[10] = fast, slow, last, behind, between
    state[13], state[14], state[15] = half, held, drift


@kernel
def ppo(
    values: Series,
    fast: int,
    slow: int,
    signal: int,
    state: Series,
    line: Series,
    signals: Series,
    histogram: Series,
) -> None:
    """Fast average less slow average in percent of the slow one, its own average, and the difference. State: 12."""
    kept_fast, kept_slow, kept = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0), 1.0 - 2.0 / (signal + 1.0)
    start = 0
    while start < len(values) and state[8] < signal:
        value = values[start]
        quick, steady = average(value, fast, kept_fast, state[0:4]), average(value, slow, kept_slow, state[4:8])
        line[start] = 100.0 * (quick - steady) / steady
        signals[start] = average(line[start], signal, kept, state[8:12])
        histogram[start] = line[start] - signals[start]
        start += 1
    behind_fast, behind_slow, last, behind, share = state[1], state[5], state[6], state[9], state[10]
    for t in range(start, len(values)):
        value = values[t]
        change = value - last
        if change == change:
            behind_fast = kept_fast * (behind_fast + change)
            behind_slow = kept_slow * (behind_slow + change)
            last = value
            before, share = share, 100.0 * (behind_slow - behind_fast) / (value - behind_slow)
            behind = kept * (behind + (share - before))
            line[t], signals[t], histogram[t] = share, share - behind, behind
        else:
            line[t], signals[t], histogram[t] = np.nan, np.nan, np.nan
    state[1], state[5], state[6], state[9], state[10] = behind_fast, behind_slow, last, behind, share


@kernel
def apo(values: Series, fast: int, slow: int, state: Series, out: Series) -> None:
    """Fast average less slow average. State: 8."""
    kept_fast, kept_slow = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0)
    start = 0
    while start < len(values) and (state[0] < fast or state[4] < slow):
        value = values[start]
        out[start] = average(value, fast, kept_fast, state[0:4]) - average(value, slow, kept_slow, state[4:8])
        start += 1
    behind_fast, behind_slow, last = state[1], state[5], state[6]
    for t in range(start, len(values)):
        value = values[t]
        change = value - last
        if change == change:
            behind_fast = kept_fast * (behind_fast + change)
            behind_slow = kept_slow * (behind_slow + change)
            last = value
            out[t] = behind_slow - behind_fast
        else:
            out[t] = np.nan
    state[1], state[5], state[2], state[6] = behind_fast, behind_slow, last, last


@kernel
def trix(values: Series, window: int, state: Series, out: Series) -> None:
    """Change, in percent, of a thrice averaged price.

    State: that of `start_cascade` (9) and a chunk of averages.
    """
    start = start_cascade(values, window, 3, state, out)
    if start > 0 and state[6] >= window:
        out[start - 1] = np.nan
    while start < len(values):
        stop = smaller(start + CHUNK, len(values))
        triple_changes(values, start, stop, window, state, out)
        bars = np.uint64(start)
        for k in range(np.uint64(stop - start)):
            out[bars + k] /= state[SCRATCH + k]
        start = stop


@step
def triple_changes(values: Series, start: int, stop: int, window: int, state: Series, out: Series) -> None:
    """Write 100 times the change of the third average to `out`, and its base, the average before, to the state.

    Distances as in `averages`: what the last stage moves by is ``alpha ** 3`` times its scaled distance. Dividing
    later, a chunk at once, is a vector operation; a division a bar would take longer than all the rest. Two bars at a
    time took 2.1 ms a million bars and this loop 1.9: three stages two bars on are more operations than the time saved.
    """
    alpha = 2.0 / (window + 1.0)
    keep, second, third, scale = 1.0 - alpha, alpha, alpha * alpha, 100.0 * alpha * alpha * alpha
    one, last, two, three = state[1], state[2], state[4], state[7]
    base, place = last - (one + second * two + third * three), SCRATCH
    for t in range(np.uint64(start), np.uint64(stop)):
        change = values[t] - last
        state[place] = base
        place += ONE
        if change != change:
            out[t] = np.nan
            continue
        last = values[t]
        one += change
        two += one
        three += two
        out[t] = scale * three
        one *= keep
        two *= keep
        three *= keep
        base = last - (one + second * two + third * three)
    state[1], state[2], state[4], state[7] = one, last, two, three


@step
def smoothed(value: float, window: int, newest: float, memory: Series) -> float:
    """Feed one value to an exponential average in its plain form, which keeps the order of what it averages.

    Where ``|x| <= y`` on every bar the averages obey it too, to the last bit, so that shares of two averages keep their
    bounds. Memory (2): ``[count of values, average or sum]``.
    """
    if value != value:
        return np.nan
    if memory[0] >= window:
        memory[1] = (1.0 - newest) * memory[1] + newest * value
        return memory[1]
    memory[0] += 1.0
    memory[1] += value
    if memory[0] < window:
        return np.nan
    memory[1] /= window
    return memory[1]


@kernel
def tsi(values: Series, first: int, second: int, state: Series, out: Series) -> None:
    """Twice averaged change in percent of the twice averaged size of the change.

    State: 10, ``[count of values, last value, change once and twice averaged, size once and twice averaged]``.
    """
    new_first, new_second = 2.0 / (first + 1.0), 2.0 / (second + 1.0)
    keep_first, keep_second = 1.0 - new_first, 1.0 - new_second
    start = 0
    while start < len(values) and state[4] < second:
        change = values[start] - state[1] if state[0] > 0.0 else np.nan
        twice = smoothed(smoothed(change, first, new_first, state[2:4]), second, new_second, state[4:6])
        size = smoothed(smoothed(abs(change), first, new_first, state[6:8]), second, new_second, state[8:10])
        out[start] = 100.0 * twice / size
        if values[start] == values[start]:
            state[0], state[1] = 1.0, values[start]
        start += 1
    last, once, twice, size_once, size_twice = state[1], state[3], state[5], state[7], state[9]
    for t in range(start, len(values)):
        change = values[t] - last
        if change == change:
            last = values[t]
            once = keep_first * once + new_first * change
            twice = keep_second * twice + new_second * once
            size_once = keep_first * size_once + new_first * abs(change)
            size_twice = keep_second * size_twice + new_second * size_once
            out[t] = 100.0 * twice / size_twice
        else:
            out[t] = np.nan
    state[1], state[3], state[5], state[7], state[9] = last, once, twice, size_once, size_twice


@kernel
def eri(high: Series, low: Series, close: Series, window: int, state: Series, bull: Series, bear: Series) -> None:
    """High and low less the exponential average of the close.

    State: 6, the memory of the average and ``[bars of the pair done, the change of its first bar]``.
    """
    keep = 1.0 - 2.0 / (window + 1.0)
    start = 0
    while start < len(close) and state[0] < window:
        whole = high[start] == high[start] and low[start] == low[start]
        middle = average(close[start] if whole else np.nan, window, keep, state[0:4])
        bull[start], bear[start] = high[start] - middle, low[start] - middle
        start += 1
    behind, last, half, held = state[1], state[2], state[4], state[5]
    t, end = np.uint64(start), np.uint64(len(close))
    while t < end:
        one = close[t] - last + (high[t] + low[t]) * 0.0
        two = close[t + ONE] - close[t] + (high[t + ONE] + low[t + ONE]) * 0.0 if t + ONE < end else np.nan
        if half == 0.0 and one == one and two == two:
            early, last = close[t] - keep * (behind + one), close[t + ONE]
            behind = second(behind, one, two, keep)
            late = last - behind
            bull[t], bear[t] = high[t] - early, low[t] - early
            bull[t + ONE], bear[t + ONE] = high[t + ONE] - late, low[t + ONE] - late
            t += TWO
            continue
        bull[t], bear[t] = np.nan, np.nan
        if one == one:
            last = close[t]
            distance = keep * (behind + one) if half == 0.0 else second(behind, held, one, keep)
            half, held, behind = (1.0, one, behind) if half == 0.0 else (0.0, 0.0, distance)
            bull[t], bear[t] = high[t] - (last - distance), low[t] - (last - distance)
        t += ONE
    state[1], state[2], state[4], state[5] = behind, last, half, held
