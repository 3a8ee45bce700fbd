"""Candlestick patterns: one kernel that runs any pattern's program over the bars.

Bars are taken 64 at a time. What they measure and the averages are written as rows of the state, and a condition is the
word of bars on which it holds: it is computed where a rule first asks for it, once for all rules. Most words of a rule
are 0 after a few conditions, and the rest of it is skipped.

A program is a flat ``(…,) int64`` array, lines of `LINE` numbers after a head of `HEADER`: ``[sums, averages,
conditions, rules, first bar, warm-up, scratch, measures]`` and, from `PLACES` on, where in the state each measure goes,
0 for nowhere; those that go somewhere are the first rows. Then

- a line a running sum, ``[newest bar, to, period]``, the first two places in the state;
- a line an average, ``[sum, to, period]``;
- a line a condition, ``[one, two, averages, combined, first, second, third]``, whether one place is above another. The
  third number has a bit for each average that it needs. Where the fourth is not 0, the scratch row is first made from
  three places: the first plus the others times their factors;
- the rules, ``[value, age, count, conditions…]``: a condition is two times its number, plus 1 where it must not hold;
  the first five are the white candles of 0 to 4 bars ago. A rule of value 0 says on which bars the rules after it are
  asked. The last rule that holds gives the value. A rule with an age is asked on the bars so many after those of its
  sign, until it has held or the pattern is there again; ages ascend from 1, one sign after the other.

Factors are ``(3 · averages + 2 · conditions,)``: of an average, 1 over its period, what that is short of it, and its
factor; of a condition, those of the second and third places.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._candles import (
    PART,
    PAST,
    WORD,
    accumulate,
    bars_of,
    clear,
    combine,
    compare,
    copy,
    keep_past,
    measure,
    paint,
    recall,
    remember,
    scale,
)
from stockstream_kernels._compile import kernel, part, step, truncated
from stockstream_kernels._words import lowest_bit

type Series = NDArray[np.float64]
type Program = NDArray[np.int64]

#: What a bar measures, in the order of their places.
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
#: Numbers before the lines of a program, where those of the places begin, and numbers of a line.
HEADER: Final = 20
PLACES: Final = 8
LINE: Final = 8
#: In the state: which of the last bars were white, whether the last bar waits to be confirmed, sums, and the rows.
WHITE: Final = 1
WAITING: Final = 2
SUMS: Final = 8
ROWS: Final = 24
#: Bars that a rule may look back, and bars after a pattern in which a close may confirm it.
LOOK_BACK: Final = 4
CONFIRM: Final = 3
#: Length of a row: the bars before a word, then the word.
WIDTH: Final = PAST + WORD
#: In the scratch: a row, the prices of a word that is not full, and the words of the conditions.
PRICES: Final = WORD
WORDS: Final = 5 * WORD
MOST_CONDITIONS: Final = 64
#: Numbers that are passed on: a literal one would be compiled anew.
BEGIN: Final = np.int64(0)
WORD_OF_BARS: Final = np.int64(WORD)
ONE: Final = np.uint64(1)
NONE: Final = np.uint64(0)
EVERY: Final = np.uint64(2**64 - 1)
OF_LOOK_BACK: Final = np.uint64(2**LOOK_BACK - 1)


@step
def clipped(bars: int, count: int) -> int:
    """Return a number of bars within 0 to `count`; `min` and `max` are compiled anew wherever they stand."""
    return 0 if bars < 0 else count if bars > count else bars


@part
def add_up(program: Program, count: int, state: Series) -> None:
    """Write the running sums before each bar of a word.

    From the first bar on, in the oracle's order: at prices of whole ticks measures often equal averages, and then the
    last bit of the sum decides. Several go on at once, in parts of a word, because each sum waits for itself only.
    """
    since, scratch = program[4] - truncated(state[0]), program[6] + PRICES
    together = PART if program[0] > 1 and since <= 0 and count == WORD else WORD
    for begin in range(0, WORD, together):
        for which in range(program[0]):
            line, total = HEADER + LINE * which, state[SUMS + which]
            newest, to, period = program[line], program[line + 1], program[line + 2]
            if since > 0:  # bars before the first that counts are zeros
                copy(state, newest - period, state, scratch, period + WORD)
                clear(state, scratch, since)
                newest = scratch + period
            for k in range(begin, begin + together, PART):
                total = accumulate(state, newest + k, period, to + k, total)
            state[SUMS + which] = total if count == WORD else state[to + count]


@step
def ask(program: Program, factors: Series, which: int, ready: np.uint64, state: Series) -> np.uint64:
    """Write the word of one condition into the scratch; return which averages are now ready to be compared with."""
    averages, scratch = HEADER + LINE * program[0], program[6]
    line = averages + LINE * (program[1] + which)
    needed = np.uint64(program[line + 2])
    missing = needed & ~ready
    while missing != NONE:
        average = lowest_bit(missing)
        at = averages + LINE * average
        scale(state, program[at], program[at + 1], program[at + 2], factors, 3 * average)
        missing &= missing - ONE
    if program[line + 3] != 0:
        at = 3 * program[1] + 2 * which
        terms = (program[line + 4], program[line + 5], program[line + 6])
        combine(state, scratch, terms, factors[at], factors[at + 1])
    remember(state, scratch + WORDS + which, compare(state, program[line], program[line + 1]))
    return ready | needed


@step
def mark(out: Series, start: int, count: int, word: np.uint64, value: float) -> None:
    """Write a value on the bars of a word."""
    if count == WORD:
        paint(out, start, word, value)
        return
    while word != NONE:
        out[start + lowest_bit(word)] = value
        word &= word - ONE


@part
def answer(
    program: Program,
    factors: Series,
    ready: np.uint64,
    white: np.uint64,
    place: tuple[int, int],
    state: Series,
    out: Series,
) -> None:
    """Write the value of the last rule of which all conditions hold, on the bars of a word that are ready.

    The place is the first bar of the word, and how many it has.
    """
    (start, count), at = place, HEADER + LINE * (program[0] + program[1] + program[2])
    words, past = program[6] + WORDS - (LOOK_BACK + 1), np.uint64(truncated(state[WHITE]))
    asked = scaled = rises = falls = waiting = NONE
    base = ready
    for _ in range(program[3]):
        value, age, begin = program[at], program[at + 1], at + 3
        at = begin + program[at + 2]
        word = base
        if age > 0:
            if age == 1:
                waiting = rises if value > 0 else falls
            slot = WAITING + age - 1 + (0 if value > 0 else CONFIRM)
            before = ONE if state[slot] != 0.0 else NONE
            state[slot] = float(waiting >> np.uint64(count - 1) & ONE)
            waiting = (waiting << ONE | before) & ready & ~(rises | falls)
            word = waiting
        for k in range(begin, at):
            if word != NONE:
                which = program[k] >> 1
                bit = ONE << np.uint64(which)
                if which <= LOOK_BACK:
                    holds = white << np.uint64(which) | past >> np.uint64(LOOK_BACK - which)
                else:
                    if asked & bit == NONE:
                        scaled = ask(program, factors, which - LOOK_BACK - 1, scaled, state)
                        asked |= bit
                    holds = recall(state, words + which)
                word &= holds if program[k] & 1 == 0 else ~holds
        if value == 0:
            base = word
            continue
        if word != NONE:
            mark(out, start, count, word, float(value))
        if age > 0:
            waiting &= ~word
        elif value > 0:
            rises |= word
        else:
            falls |= word


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

    State: ``[bars seen, white, waiting (6), sums (16)]``, the rows with their past, and scratch.
    """
    start, first, prices = truncated(BEGIN), program[4], program[6] + PRICES
    while start < len(out):
        count = clipped(len(out) - start, truncated(WORD_OF_BARS))
        bars = bars_of(open_, high, low, close, (start, count), state, prices)
        finite, white = measure(bars, program, PLACES, state)
        if finite != EVERY:
            count = clipped(lowest_bit(~finite), count)
        if count == 0:
            out[start] = np.nan
            clear(state, truncated(BEGIN), ROWS)
            start += 1
            continue
        seen = truncated(state[0])
        add_up(program, count, state)
        clear(out, start, count)
        begin = clipped(first - seen, count)
        ready = EVERY >> np.uint64(WORD - count + begin) << np.uint64(begin) if begin < count else NONE
        answer(program, factors, ready, white, (start, count), state, out)
        unknown = clipped(program[5] - seen, count)
        if unknown > 0:
            mark(out, start, count, EVERY >> np.uint64(WORD - unknown), np.nan)
        for row in range(program[7]):
            keep_past(state, ROWS + PAST + WIDTH * row, count)
        if count < LOOK_BACK:
            white = white << np.uint64(LOOK_BACK - count) | np.uint64(truncated(state[WHITE])) >> np.uint64(count)
        else:
            white >>= np.uint64(count - LOOK_BACK)
        state[WHITE] = float(white & OF_LOOK_BACK)
        state[0] = seen + count
        start += count
