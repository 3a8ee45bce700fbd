"""Oscillators of whole bars: typical and median prices, true ranges, candle bodies."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, pick, smaller, spliced, step, truncated, view
from stockstream_kernels.convergence import average
from stockstream_kernels.ladders import (
    BEGIN,
    CHUNK,
    HEADER,
    ONE,
    begin,
    climb,
    means,
    settle,
    shape,
    shift,
    sums,
    whole,
)
from stockstream_kernels.tiles import pair_extremes, ranges

type Series = NDArray[np.float64]

#: A range smaller than this share of the values is what rounding leaves of none.
ROUNDING: Final = 1e-10


@kernel
def cci(high: Series, low: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Typical price less its mean, in units of 0.015 times the mean absolute distance from it.

    The distances are summed lag by lag over a chunk of bars, which compiles to vector operations; bar by bar they are
    added in the same order.
    The mean of equal prices may be off by its last bit: a run of them says where there is no distance.
    State: that of `means`, ``[run of equal prices]``, a track of typical prices with ``window - 1`` of the past, and
    two chunks.
    """
    used, past = 5 + 2 * window, window - 1
    prices, means_at = np.uint64(used + past), np.uint64(used + past + CHUNK)
    distances, run = means_at + np.uint64(CHUNK), state[used - 1]
    start = 0
    while start < len(close):
        count = smaller(CHUNK, len(close) - start)
        bars, end = np.uint64(start), np.uint64(count)
        for k in range(end):
            state[prices + k] = (high[bars + k] + low[bars + k] + close[bars + k]) / 3.0
            state[distances + k] = 0.0
        at = used + past
        means(window, view(state, 0, used - 1), view(state, at, count), view(state, at + CHUNK, count))
        for lag in range(np.uint64(window)):
            for k in range(end):
                state[distances + k] += abs(state[prices - lag + k] - state[means_at + k])
        for k in range(end):
            out[bars + k] = (state[prices + k] - state[means_at + k]) / (0.015 * (state[distances + k] / window))
        for k in range(end):
            run = run + 1.0 if state[prices + k] == state[prices + k - ONE] else 1.0
            out[bars + k] = np.nan if run >= window else out[bars + k]
        shift(state, used, past, count)
        start += count
    state[used - 1] = run


@kernel
def ultosc(
    high: Series, low: Series, close: Series, first: int, second: int, third: int, state: Series, out: Series
) -> None:
    """Buying pressure as a share of the true range over three windows, weighted 4, 2 and 1.

    The three shares are put over one denominator: one division a bar.
    State: ``[started, cursor]``, two ladders for windows up to `third`, the last close, five chunks.
    """
    height, chunk, length = shape(third)
    at, used, windows = truncated(HEADER), 2 + 2 * length, (first, second, third)
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, at, used - 1, np.nan)
    start = truncated(BEGIN)
    while start < len(close):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(close) - start)
        pressures(high, low, close, start, count, 3 + cursor, 3 + length + cursor, used, state)
        climb(state, 3 + cursor, 3 + cursor + length, height, chunk, count)
        for n in range(6):  # one call: a step that is called six times is compiled six times
            into, place = (state, used + 1 + n * chunk) if n < 5 else (out, start)
            sums(state, 3 + cursor + (n & 1) * length, windows[n >> 1], chunk, count, into, place)
        shares_of_range(view(state, used + 1, 5 * chunk), chunk, view(out, start, count))
        settle(at + length, height, chunk, count, state)
        start += count


@step
def shares_of_range(sums_by_chunk: Series, chunk: int, out: Series) -> None:
    """Put three shares over one denominator: one division a bar instead of three.

    Given in chunks: pressure and range of the first window, of the second, pressure of the third, whose range is `out`.
    """
    bars = len(out)
    first, one = view(sums_by_chunk, 0, bars), view(sums_by_chunk, chunk, bars)
    second, two = view(sums_by_chunk, 2 * chunk, bars), view(sums_by_chunk, 3 * chunk, bars)
    third = view(sums_by_chunk, 4 * chunk, bars)
    for k in range(len(out)):
        three = out[k]
        shares = 4.0 * first[k] * (two[k] * three) + 2.0 * second[k] * (one[k] * three) + third[k] * (one[k] * two[k])
        out[k] = 100.0 * shares / (7.0 * (one[k] * (two[k] * three)))


@step
def pressures(
    high: Series,
    low: Series,
    close: Series,
    start: int,
    count: int,
    pressure: int,
    reach: int,
    held: int,
    state: Series,
) -> None:
    """Put close less true low, and true high less true low, in the state; NaN on a gap and on the bar after it."""
    bars, one, two = np.uint64(start), np.uint64(pressure), np.uint64(reach)
    state[one], state[two] = push(high[start], low[start], close[start], state[held])
    for k in range(np.uint64(1), np.uint64(count)):
        bar = bars + k
        state[one + k], state[two + k] = push(high[bar], low[bar], close[bar], close[bar - np.uint64(1)])
    state[held] = close[start + count - 1]


@step
def push(high: float, low: float, close: float, last: float) -> tuple[float, float]:
    """Return buying pressure and true range of a bar."""
    total = high + low + close + last
    floor, ceiling = pick(low < last, low, last), pick(high > last, high, last)
    return pick(total == total, close - floor, np.nan), pick(total == total, ceiling - floor, np.nan)


@kernel
def ao(high: Series, low: Series, fast: int, slow: int, state: Series, out: Series) -> None:
    """Fast mean of the median price less the slow one, exactly 0 while the median has not moved.

    State: ``[started, cursor]``, a ladder, the run of equal medians and a chunk.
    """
    height, chunk, length = shape(slow)
    at, used = truncated(HEADER), 2 + length
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, at, used - 2, np.nan)
    start, work = truncated(BEGIN), np.uint64(used + 1)
    quick, steady = 0.5 / fast, 0.5 / slow
    while start < len(low):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(low) - start)
        bars, here, equal = np.uint64(start), np.uint64(3 + cursor), 0
        for k in range(np.uint64(count)):
            state[here + k] = high[bars + k] + low[bars + k]
        climb(state, 3 + cursor, 3 + cursor, height, chunk, count)
        sums(state, 3 + cursor, fast, chunk, count, state, used + 1)
        sums(state, 3 + cursor, slow, chunk, count, out, start)
        for k in range(np.uint64(count)):
            out[bars + k] = quick * state[work + k] - steady * out[bars + k]
        for k in range(np.uint64(count)):
            equal += state[here + k] == state[here - np.uint64(1) + k]
        state[used] = flatten(state, 3 + cursor, state[used], slow, view(out, start, count)) if equal > 0 else 0.0
        settle(at, height, chunk, count, state)
        start += count


@step
def flatten(state: Series, at: int, run: float, window: int, out: Series) -> float:
    """Write 0 where a window of equal values ends; return the number of bars in a row that equal the one before."""
    for k in range(len(out)):
        run = pick(state[at + k] == state[at + k - 1], run + 1.0, 0.0)
        if run >= window - 1.0:
            out[k] = 0.0
    return run


@kernel
def bop(open_: Series, high: Series, low: Series, close: Series, state: Series, out: Series) -> None:
    """Candle body as a share of its range; NaN where there is no range. State: none."""
    for t in range(len(close)):
        reach = high[t] - low[t]
        out[t] = (close[t] - open_[t]) / reach if reach > 0.0 else np.nan


@kernel
def qstick(open_: Series, close: Series, window: int, state: Series, out: Series) -> None:
    """Mean of the candle bodies. State: ``[started, cursor]`` and a ladder."""
    height, chunk, length = shape(window)
    share, at = 1.0 / window, truncated(HEADER)
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, at, length, np.nan)
    start = truncated(BEGIN)
    while start < len(close):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(close) - start)
        bars, here = np.uint64(start), np.uint64(3 + cursor)
        for k in range(np.uint64(count)):
            state[here + k] = close[bars + k] - open_[bars + k]
        climb(state, 3 + cursor, 3 + cursor, height, chunk, count)
        sums(state, 3 + cursor, window, chunk, count, out, start)
        for k in range(np.uint64(count)):
            out[bars + k] *= share
        settle(at, height, chunk, count, state)
        start += count


@kernel
def fisher(high: Series, low: Series, window: int, state: Series, line: Series, signals: Series) -> None:
    """Fisher transform of the median price's smoothed place in its range, and the value before; gaps are left out.

    State: ``[smoothed place, last value]``, a chunk and that of `ranges`.
    """
    start = truncated(BEGIN)
    while start < len(low):
        stop = whole(high, low, low, start, CHUNK)
        if stop > start:
            bars = stop - start
            highs, lows = view(high, start, bars), view(low, start, bars)
            transform(highs, lows, window, state, view(line, start, bars), view(signals, start, bars))
        else:
            line[start], signals[start] = np.nan, np.nan
            stop += 1
        start = stop


@spliced
def transform(high: Series, low: Series, window: int, state: Series, line: Series, signals: Series) -> None:
    """Compute at most a chunk of bars, none of them a gap. Without a range the recursion is carried over."""
    place, last, median = state[0], state[1], view(state, 2, len(low))
    for k in range(len(low)):
        median[k] = 0.5 * (high[k] + low[k])
    ranges(median, median, window, view(state, 2 + CHUNK, len(state) - 2 - CHUNK), line, signals)
    for k in range(len(low)):
        share = (median[k] - signals[k]) / (line[k] - signals[k])
        line[k], signals[k] = np.nan, np.nan
        if share == share:
            place = 0.66 * (share - 0.5) + 0.67 * place
            place = np.copysign(0.999, place) if abs(place) > 0.99 else place
            signals[k] = last
            last = 0.5 * (np.log((1.0 + place) / (1.0 - place)) + last)
            line[k] = last
    state[0], state[1] = place, last


@kernel
def stc(values: Series, window: int, fast: int, slow: int, smooth: int, state: Series, out: Series) -> None:
    """Stochastic of the stochastic of the difference of two exponential averages, each smoothed by an average.

    Gaps are left out. State: the memories of the averages (8), two chunks, two of `cycle`.
    """
    kept_fast, kept_slow = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0)
    at = 8 + 2 * CHUNK
    start = truncated(BEGIN)
    while start < len(values):
        stop = whole(values, values, values, start, CHUNK)
        for t in range(start, stop):
            quick = average(values[t], fast, kept_fast, state[0:4])
            out[t] = quick - average(values[t], slow, kept_slow, state[4:8])
        if stop > start:
            for stage in range(2):
                held = at + stage * (13 + 4 * window)
                cycle(out[start:stop], window, smooth, stage == 1, state[held:], state[8:at])
        else:
            out[start] = np.nan
            stop += 1
        start = stop


@spliced
def cycle(values: Series, window: int, smooth: int, scaled: bool, state: Series, work: Series) -> None:
    """Replace values by the average of their place, 0 to 100, in their range; without a range the last place holds.

    A range that is no more than rounding is none: a line that stays near 100 would give places out of noise. Values
    that are `scaled`, 0 to 100 already, stand for their first place themselves.
    State: ``[a place is known, the last]``, the memory of an average (4) and that of `pair_extremes`.
    """
    keep = 1.0 - 2.0 / (smooth + 1.0)
    top, bottom = work[: len(values)], work[CHUNK : CHUNK + len(values)]
    pair_extremes(values, values, window, state[6:], top, bottom)
    for k in range(len(values)):
        span = top[k] - bottom[k]
        if span < np.inf and span > ROUNDING * max(abs(top[k]), abs(bottom[k])):
            state[0], state[1] = 1.0, 100.0 * (values[k] - bottom[k]) / span
        elif span < np.inf and scaled and state[0] == 0.0:
            state[0], state[1] = 1.0, values[k]
        known = span < np.inf and state[0] == 1.0
        values[k] = average(state[1] if known else np.nan, smooth, keep, state[2:6])
