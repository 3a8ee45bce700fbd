"""Oscillators of price change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, pick, smaller, step, truncated, view
from stockstream_kernels.ladders import (
    BEGIN,
    CHUNK,
    HEADER,
    begin,
    climb,
    means,
    settle,
    shape,
    shift,
    sums,
    whole,
)

type Series = NDArray[np.float64]


@kernel
def rsi(values: Series, window: int, state: Series, out: Series) -> None:
    """Wilder's relative strength index: 100 * gain / (gain + loss) of the averaged gains and losses.

    NaN when both averages are zero (a suspended stock says nothing), 100 when only the loss is.
    State: ``[count of finite values, average gain, average loss, last value]``.
    """
    count, gain = truncated(state[0]), state[1]
    loss, last = state[2], state[3]
    start = truncated(np.int64(0))  # typed: from a literal, types take one more round to settle
    while start < len(values) and count <= window:
        value = values[start]
        out[start] = np.nan
        if value == value:
            if count > 0:
                change = value - last
                gain += pick(change < 0.0, 0.0, change) / window
                loss += pick(change > 0.0, 0.0, -change) / window
            last = value
            count += 1
            if count > window:
                out[start] = 100.0 * gain / (gain + loss)
        start += 1
    newest, keep = 1.0 / window, 1.0 - 1.0 / window
    for t in range(start, len(values)):
        value = values[t]
        if value == value:
            change = value - last
            gain = keep * gain + newest * pick(change < 0.0, 0.0, change)
            loss = keep * loss + newest * pick(change > 0.0, 0.0, -change)
            last = value
            out[t] = 100.0 * gain / (gain + loss)
        else:
            out[t] = np.nan
    state[0], state[1] = count, gain
    state[2], state[3] = loss, last


@step
def past(values: Series, window: int, state: Series, out: Series) -> int:
    """Write the values `window` bars before the first bars, which this input does not hold; return how many.

    State: ``[started, place of the oldest]`` and the last `window` values.
    """
    ring = view(state, 2, window)
    if state[0] == 0.0:
        state[0] = 1.0
        begin(ring, truncated(BEGIN), window, np.nan)
    count, oldest = smaller(window, len(values)), truncated(state[1])
    for t in range(count):
        out[t] = ring[(oldest + t) % window]
        ring[(oldest + t) % window] = values[len(values) - count + t]
    state[1] = (oldest + count) % window
    return count


@kernel
def mom(values: Series, window: int, state: Series, out: Series) -> None:
    """Change over `window` bars. State: 2 + window."""
    count, lag = past(values, window, state, out), np.uint64(window)
    for t in range(count):
        out[t] = values[t] - out[t]
    for t in range(np.uint64(count), np.uint64(len(values))):
        out[t] = values[t] - values[t - lag]


@kernel
def roc(values: Series, window: int, state: Series, out: Series) -> None:
    """Change over `window` bars in percent. State: 2 + window."""
    count, lag = past(values, window, state, out), np.uint64(window)
    for t in range(count):
        out[t] = 100.0 * (values[t] - out[t]) / out[t]
    for t in range(np.uint64(count), np.uint64(len(values))):
        out[t] = 100.0 * (values[t] - values[t - lag]) / values[t - lag]


@kernel
def efficiency(values: Series, window: int, signed: int, state: Series, out: Series) -> None:
    """Change over `window` bars as a share of the sum of the changes' sizes on the way; NaN where nothing has moved.

    Signed 0: its size, 0 to 1. Signed 1: in percent, -100 to 100, which is gains less losses over gains plus losses.
    State: ``[started, cursor]``, a ladder, and a track of prices with `window` of the past.
    """
    height, chunk, length = shape(window)
    lag, at = np.uint64(window), truncated(HEADER)
    track, scale = at + length, pick(signed == 1, 100.0, 1.0)
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, at, track + window - at, np.nan)
    start = truncated(BEGIN)
    while start < len(values):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(values) - start)
        bars, prices, sizes = np.uint64(start), np.uint64(track + window + cursor), np.uint64(at + 1 + cursor)
        for k in range(np.uint64(count)):
            state[prices + k] = values[bars + k]
        for k in range(np.uint64(count)):
            state[sizes + k] = abs(state[prices + k] - state[prices - np.uint64(1) + k])
        climb(state, 3 + cursor, 3 + cursor, height, chunk, count)
        sums(state, 3 + cursor, window, chunk, count, out, start)
        for k in range(np.uint64(count)):
            share = (state[prices + k] - state[prices - lag + k]) / out[bars + k]
            share = pick(share > 1.0, 1.0, share)
            share = pick(share < -1.0, -1.0, share)
            out[bars + k] = scale * pick(signed == 1, share, abs(share))
        if cursor + count == chunk:
            shift(state, track, window, chunk)
        settle(at, height, chunk, count, state)
        start += count


@kernel
def cmo_wilder(values: Series, window: int, state: Series, out: Series) -> None:
    """Gains less losses in percent of gains plus losses, Wilder's averages of both. State: that of `rsi`."""
    rsi(values, window, state, out)
    for t in range(len(values)):
        out[t] = 2.0 * out[t] - 100.0


@kernel
def coppock(values: Series, window: int, first: int, second: int, state: Series, out: Series) -> None:
    """Weighted mean of the sum of two rates of change.

    State: ``[started, cursor]``, that of `ramp_mean`, and a track of prices with ``max(first, second)`` of the past.
    """
    longest = max(first, second)
    chunk, at = shape(longest)[1], 7 + window
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, at, longest, np.nan)
    one, two = np.uint64(first), np.uint64(second)
    start = 0
    while start < len(values):
        cursor = truncated(state[1])
        count = smaller(chunk - cursor, len(values) - start)
        bars, prices = np.uint64(start), np.uint64(at + longest + cursor)
        for k in range(np.uint64(count)):
            state[prices + k] = values[bars + k]
        for k in range(np.uint64(count)):
            base, other = state[prices - one + k], state[prices - two + k]
            out[bars + k] = 100.0 * (state[prices + k] * (base + other) / (base * other) - 2.0)
        state[1] = (cursor + count) % chunk
        if cursor + count == chunk:
            shift(state, at, longest, chunk)
        start += count
    ramp_mean(window, view(state, 2, at - 2), out)


@step
def ramp_mean(window: int, state: Series, values: Series) -> None:
    """Replace values by their mean of the last `window` with weights 1 … window.

    In blocks of n: the part of the window in its own block is ``(n - 1 - p) * prefix + ramp``, where p is the place in
    the block and ramp the sum of the values times 1 … p + 1; the part in the block before is a suffix sum of suffix
    sums. Nothing is subtracted. State: ``[started, position, prefix, ramp]`` and ``window + 1``.
    """
    place = np.uint64(4)
    if state[0] == 0.0:
        state[0] = 1.0
        begin(state, 4, window, np.nan)
    position, prefix, ramp = np.uint64(state[1]), state[2], state[3]
    end, share = np.uint64(window), 1.0 / (0.5 * window * (window + 1.0))
    for t in range(len(values)):
        value = values[t]
        state[place + position] = value
        position += np.uint64(1)
        prefix += value
        ramp += np.float64(position) * value
        values[t] = share * (state[place + position] + np.float64(end - position) * prefix + ramp)
        if position == end:
            total, twice = 0.0, 0.0
            for k in range(end - np.uint64(1)):
                total += state[place + end - np.uint64(1) - k]
                twice += total
                state[place + end - np.uint64(1) - k] = twice
            position, prefix, ramp = np.uint64(0), 0.0, 0.0
    state[1], state[2], state[3] = position, prefix, ramp


@kernel
def kst(
    values: Series,
    changes: tuple[int, int, int, int],
    windows: tuple[int, int, int, int],
    signal: int,
    state: Series,
    line: Series,
    signals: Series,
) -> None:
    """Sum of four averaged rates of change, weighted 1 to 4, and its mean.

    State: for each rate that of `roc` and of `means`; that of `means` for the signal.
    """
    at = 0
    for t in range(np.uint64(len(line))):
        line[t] = 0.0
    for rate in range(4):
        middle = at + 2 + changes[rate]
        end = middle + 4 + 2 * windows[rate]
        roc(values, changes[rate], view(state, at, middle - at), signals)
        means(windows[rate], view(state, middle, end - middle), signals, signals)
        for t in range(len(values)):
            line[t] += (rate + 1.0) * signals[t]
        at = end
    means(signal, view(state, at, len(state) - at), line, signals)


@kernel
def fosc(values: Series, window: int, state: Series, out: Series) -> None:
    """Price less what the line through the `window` bars before foretold for this bar, in percent of the price.

    The line's next point is ``mean + 6 / (n * (n - 1)) * sum of (i - middle) * value``; both sums run in blocks as in
    `coppock`. A run of equal prices foretells itself exactly.
    State: ``[started, position, prefix, ramp, run, last value, forecast]`` and two places of ``window + 1``.
    """
    if state[0] == 0.0:
        state[0], state[6] = 1.0, np.nan
        begin(state, 7, window, np.nan)
        begin(state, 8 + window, window, np.nan)
    position, prefix, ramp, run = np.uint64(state[1]), state[2], state[3], state[4]
    last, forecast = state[5], state[6]
    place, end, one = np.uint64(7), np.uint64(window), np.uint64(1)
    across = end + one
    share, tilt, middle = 1.0 / window, 6.0 / (window * (window - 1.0)), 0.5 * (window + 1.0)
    for t in range(len(values)):
        value = values[t]
        out[t] = forecast
        run = run + 1.0 if value == last else 1.0
        last = value
        state[place + position], state[place + across + position] = value, value
        position += one
        prefix += value
        ramp += np.float64(position) * value
        whole_sum = state[place + position] + prefix
        leaning = state[place + across + position] + np.float64(end - position) * prefix + ramp - middle * whole_sum
        forecast = value if run >= window else whole_sum * share + tilt * leaning
        if position == end:
            total, twice = 0.0, 0.0
            for k in range(end - one):
                total += state[place + end - one - k]
                twice += total
                state[place + end - one - k], state[place + across + end - one - k] = total, twice
            position, prefix, ramp = np.uint64(0), 0.0, 0.0
    for t in range(len(values)):
        out[t] = 100.0 * (values[t] - out[t]) / values[t]
    state[1], state[2], state[3], state[4], state[5], state[6] = position, prefix, ramp, run, last, forecast


@kernel
def crsi(values: Series, window: int, streaks: int, rank: int, state: Series, out: Series) -> None:
    """Mean of an RSI, the RSI of the length of the run of rises or falls, and the rank of today's change.

    Gaps are left out. State: ``[count of values, streak, last value]``, two of `rsi`, a track of changes with `rank` of
    the past, two chunks.
    """
    at, past = 11 + rank, np.uint64(rank)
    start, now = truncated(BEGIN), np.uint64(11 + rank)
    while start < len(values):
        stop = whole(values, values, values, start, CHUNK)
        if stop == start:
            out[start] = np.nan
            start += 1
            continue
        bars, seen = stop - start, state[0]
        part, own = view(values, start, bars), view(out, start, bars)
        runs, ranked = view(state, at + CHUNK, bars), view(state, at + 2 * CHUNK, bars)
        changes_and_streaks(part, state, view(state, at, CHUNK), runs)
        rsi(part, window, view(state, 3, 4), own)
        rsi(runs, streaks, view(state, 7, 4), ranked)
        for k in range(np.uint64(bars)):
            below, today = np.int64(0), state[now + k]
            for lag in range(past):
                below += state[now + k - past + lag] < today
            place = pick(seen + np.float64(k) > rank, 100.0 * below / rank, np.nan)
            own[k] = (own[k] + ranked[k] + place) / 3.0
        shift(state, 11, rank, bars)
        start = stop


@step
def changes_and_streaks(values: Series, state: Series, changes: Series, streaks: Series) -> None:
    """Write the relative change of each bar and the number of rises (or falls, negative) in a row that it ends.

    The first bar has a streak of 0 and no change.
    """
    count, streak, last = state[0], state[1], state[2]
    for k in range(len(values)):
        value = values[k]
        changes[k] = pick(count > 0.0, (value - last) / last, np.nan)
        rise, fall = (count > 0.0) & (value > last), (count > 0.0) & (value < last)
        rises, falls = pick(streak > 0.0, streak, 0.0) + 1.0, pick(streak < 0.0, streak, 0.0) - 1.0
        streak = pick(rise, rises, pick(fall, falls, 0.0))
        streaks[k] = streak
        last = value
        count += 1.0
    state[0], state[1], state[2] = count, streak, last
