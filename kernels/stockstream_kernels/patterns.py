"""Candlestick patterns: one kernel that runs any pattern's program over the bars.

A program is a flat ``(8 + 8 · rows,) int64`` array of lines of eight numbers. The first line is ``[averages,
conditions, first bar, warm-up, remembers]``. A line per average follows, ``[row, bars ago, period]``, and a line per
condition, ``[value, relation, left, right, third, sign of it, fourth, sign of it]``, which asks whether left stands in
the relation to right plus the signed third and fourth. Left to fourth are terms, ``16 · row + bars ago``. Conditions
follow each other until one that has a value: where all of them held, the answer is that value.

Bars are taken 64 at a time. What they measure and the averages are written as rows, and a rule is the word of bars on
which it still holds: most words are 0 after a few conditions, and the rest of the rule is skipped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._candles import PAST, WORD, compare, keep_past, measure, scale
from stockstream_kernels._compile import kernel, step, truncated
from stockstream_kernels._words import lowest_bit

type Series = NDArray[np.float64]
type Program = NDArray[np.int64]

#: Numbers of a line of a program.
LINE: Final = 8
#: Length of a row: ten bars before the one of four bars ago and more, then a word.
WIDTH: Final = PAST + WORD
#: What a bar measures, in the order of the rows; those of the averages follow.
MEASURES: Final = (
    "open",
    "high",
    "low",
    "close",
    "top",
    "bottom",
    "body",
    "upper",
    "lower",
    "middle",
    "range",
    "shadows",
)
#: How many there are, and where the rows begin; before them stand the sums.
MEASURED: Final = 12
ROWS: Final = 20
#: Bars after a remembered pattern in which a close may confirm it.
CONFIRM: Final = 3
#: Numbers that are passed on: a literal one would be compiled anew.
BEGIN: Final = np.int64(0)
WORD_OF_BARS: Final = np.int64(WORD)
EVERY: Final = np.uint64(2**64 - 1)


def state_size(averages: int) -> int:
    """Length of the state of a program with so many averages (at most 16)."""
    return ROWS + (MEASURED + averages) * WIDTH


@step
def clipped(bars: int, count: int) -> int:
    """Return a number of bars within 0 to `count`; `min` and `max` are compiled anew wherever they stand."""
    return 0 if bars < 0 else count if bars > count else bars


@step
def average(program: Program, factors: Series, which: int, count: int, state: Series) -> None:
    """Write one average of the bars before each bar, times its factor; of a period of 0, the bar's own measure.

    A running sum from the first bar on, in the oracle's order: at prices of whole ticks measures often equal averages,
    and then the last bit of the sum decides.
    """
    line, seen = LINE * (1 + which), truncated(state[0])
    period, since = program[line + 2], program[2] - seen
    newest = np.uint64(ROWS + program[line] * WIDTH + PAST - program[line + 1])
    row, before = ROWS + (MEASURED + which) * WIDTH + PAST, np.uint64(period)
    first, total = np.uint64(row), state[4 + which]
    begin, full = clipped(since - period, count), clipped(since, count)
    for k in range(np.uint64(begin), np.uint64(full)):
        total += state[newest + k]
    for k in range(np.uint64(full), np.uint64(count)):
        state[first + k] = total if period > 0 else state[newest + k]
        total += state[newest + k] - state[newest + k - before]
    state[4 + which] = total
    scale(state, row, float(period) if period > 0 else 1.0, factors[which])


@step
def place(term: int) -> int:
    """Return where a term stands in the state on the first bar of a word."""
    return ROWS + (term >> 4) * WIDTH + PAST - (term & 15)


@step
def answer(program: Program, ready: np.uint64, start: int, state: Series, out: Series) -> None:
    """Write the value of the last rule of which all conditions hold, on the bars of a word that are ready."""
    begin = LINE * (1 + program[0])
    word = ready
    for line in range(begin, begin + LINE * program[1], LINE):
        if word != 0:
            terms = (
                place(program[line + 2]),
                place(program[line + 3]),
                place(program[line + 4]),
                place(program[line + 6]),
            )
            word &= compare(state, terms, float(program[line + 5]), float(program[line + 7]), program[line + 1])
        if program[line] != 0:
            while word != 0:
                out[start + lowest_bit(word)] = program[line]
                word &= word - np.uint64(1)
            word = ready


@step
def confirm(t: int, at: int, state: Series, out: Series) -> None:
    """Remember a pattern and the bar before it; double its value when one of the next closes leaves that bar's range.

    In the state: ``[…, bars since, value, level to pass, …]``.
    """
    value = out[t]
    if value != 0.0:
        state[1], state[2] = 0.0, value
        state[3] = state[ROWS + (1 if value > 0.0 else 2) * WIDTH + PAST + at - 1]
        return
    state[1] += 1.0
    close, way = state[ROWS + 3 * WIDTH + PAST + at], 1.0 if state[2] > 0.0 else -1.0
    if state[1] <= CONFIRM and state[2] != 0.0 and way * close > way * state[3]:
        out[t], state[2] = 2.0 * state[2], 0.0


@step
def load(open_: Series, high: Series, low: Series, close: Series, start: int, count: int, state: Series) -> None:
    """Write `count` candles from `start` on into the first rows, after their past."""
    first, at, bars = np.uint64(start), np.uint64(ROWS + PAST), np.uint64(count)
    for k in range(bars):
        state[at + k] = open_[first + k]
    at += np.uint64(WIDTH)
    for k in range(bars):
        state[at + k] = high[first + k]
    at += np.uint64(WIDTH)
    for k in range(bars):
        state[at + k] = low[first + k]
    at += np.uint64(WIDTH)
    for k in range(bars):
        state[at + k] = close[first + k]


@kernel
def pattern(
    open_: Series,
    high: Series,
    low: Series,
    close: Series,
    program: Program,
    factors: Series,
    state: Series,
    out: Series,
) -> None:
    """Write the value of a pattern on each bar, 0 where it is not; a bar with a NaN begins the series anew.

    `factors` is ``(averages,)``. State: ``[bars seen, bars since, value, level, sums]`` and the rows with their past;
    its length is `state_size`.
    """
    start, first, warmup = truncated(BEGIN), program[2], program[3]
    while start < len(out):
        count = clipped(len(out) - start, truncated(WORD_OF_BARS))
        load(open_, high, low, close, start, count, state)
        finite = measure(state, ROWS + PAST, WIDTH)
        if finite != EVERY:
            count = clipped(lowest_bit(~finite), count)
        if count == 0:
            out[start] = np.nan
            for k in range(ROWS):
                state[k] = 0.0
            start += 1
            continue
        seen = truncated(state[0])
        for which in range(program[0]):
            average(program, factors, which, count, state)
        for t in range(start, start + count):
            out[t] = 0.0
        ready = clipped(first - seen, count)
        if ready < count:
            answer(program, (EVERY >> np.uint64(WORD - count + ready)) << np.uint64(ready), start, state, out)
        if program[4] != 0:
            for at in range(ready, count):
                confirm(start + at, at, state, out)
        for t in range(start, start + clipped(warmup - seen, count)):
            out[t] = np.nan
        for row in range(ROWS, ROWS + MEASURED * WIDTH, WIDTH):
            keep_past(state, row, row + count)
        state[0] = seen + count
        start += count
