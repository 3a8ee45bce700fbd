"""Where a run turns: the decisions that matter, from codes or from two series that cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels._words import TOGETHER, WORD, lowest_bit, mark_one, mark_tile
from stockstream_kernels.ledger import NEVER, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.tape import Tape

#: Runs that are compared before any of them is scored, and the words of a series that stay in the first cache while
#: they are: four series and the four they are compared with take 16 kB.
GROUP: Final = 64
NEAR: Final = 4
TILE: Final = TOGETHER * TOGETHER

#: No number of turns: a tie decides whether there is one.
TIED: Final = -2


@step
def turns_of_codes(signal: NDArray[np.uint8], fill: NDArray[np.int32], turns: NDArray[np.int32]) -> int:
    """List the decisions that matter of a long-only run: the next entry when flat, the next exit when held."""
    count, t, wanted = 0, 0, 1
    sessions = len(signal)
    while t < sessions:
        while t < sessions and signal[t] & wanted == 0:
            t += 1
        if t == sessions:
            break
        turns[count] = t
        count += 1
        t = max(fill[t], t + 1)  # the next decision is made with the position that this one leads to
        wanted = 3 - wanted  # 1 enter long, 2 exit long
    return count


@step
def mark_group(rows: Series, slots: NDArray[np.int32], fast: int, slow: int, masks: NDArray[np.uint64]) -> None:
    """Write the bits of the bars on which one series of each run is above the other; ``masks (GROUP, words)``.

    Words of sixteen runs of four series with four others are made together, and by blocks of bars, so that series come
    from the first cache: a third of the time of one run after the other.
    """
    runs, bars = len(slots), rows.shape[1]
    whole = bars // WORD
    for begin in range(0, whole, NEAR):
        end = min(begin + NEAR, whole)
        run = 0
        while run < runs:
            if run + TILE <= runs and tiled(slots, run, fast, slow):
                ones = (
                    int(slots[run, fast]),
                    int(slots[run + 1, fast]),
                    int(slots[run + 2, fast]),
                    int(slots[run + 3, fast]),
                )
                twos = (
                    int(slots[run, slow]),
                    int(slots[run + 4, slow]),
                    int(slots[run + 8, slow]),
                    int(slots[run + 12, slow]),
                )
                for word in range(begin, end):
                    mark_tile(rows, ones, twos, WORD * word, masks, run, word)
                run += TILE
            else:
                for word in range(begin, end):
                    mark_one(rows, int(slots[run, fast]), int(slots[run, slow]), WORD * word, masks, run, word)
                run += 1
    if WORD * whole < bars:
        for run in range(runs):
            mark_rest(rows, slots[run, fast], slots[run, slow], masks[run])


@step
def tiled(slots: NDArray[np.int32], run: int, fast: int, slow: int) -> bool:
    """Whether sixteen runs are four series with one other, the same four with the next, and so on."""
    for place in range(TILE):
        column = place % TOGETHER
        if (
            slots[run + place, fast] != slots[run + column, fast]
            or slots[run + place, slow] != slots[run + place - column, slow]
        ):
            return False
    return True


@step
def mark_rest(rows: Series, one: int, two: int, mask: NDArray[np.uint64]) -> None:
    """Write the last word, of fewer than 64 bars."""
    bars = rows.shape[1]
    begin = bars // WORD * WORD
    word = np.uint64(0)
    for place in range(bars - begin):
        if rows[one, begin + place] > rows[two, begin + place]:
            word |= np.uint64(1) << np.uint64(place)
    mask[begin // WORD] = word


@step
def turns_of_pair(
    mask: NDArray[np.uint64],
    rows: Series,
    one: int,
    two: int,
    first: int,
    place: NDArray[np.int32],
    tape: Tape,
    turns: NDArray[np.int32],
    falls_first: bool,
) -> int:
    """List the sessions on which row `one` changes sides with row `two`, from the first rise on, or from a fall.

    Both are known from bar `first` on. NEVER where a decision is made before the last one is filled: that is for the
    simulator. Where a tie decides, the mask is written anew first.
    """
    count = turns_of_mask(mask, rows, one, two, first, place, tape, turns, falls_first, False)
    if count == TIED:
        carry_ties(mask, rows, one, two, first)
        count = turns_of_mask(mask, rows, one, two, first, place, tape, turns, falls_first, True)
    return count


@step
def carry_ties(mask: NDArray[np.uint64], rows: Series, one: int, two: int, first: int) -> None:
    """Give each tie the side of the bar before it, and those at the beginning that of the bar after them."""
    bars, up = rows.shape[1], np.uint64(1)
    start = first
    while start < bars and rows[one, start] == rows[two, start]:
        start += 1
    side = start < bars and rows[one, start] > rows[two, start]
    for bar in range(first, bars):
        if bar >= start and rows[one, bar] != rows[two, bar]:
            side = rows[one, bar] > rows[two, bar]
        bit = up << np.uint64(bar % WORD)
        mask[bar // WORD] = (mask[bar // WORD] | bit) if side else (mask[bar // WORD] & ~bit)


@step
def turns_of_mask(
    mask: NDArray[np.uint64],
    rows: Series,
    one: int,
    two: int,
    first: int,
    place: NDArray[np.int32],
    tape: Tape,
    turns: NDArray[np.int32],
    falls_first: bool,
    carried: bool,
) -> int:
    """Do what `turns_of_pair` does; TIED where a tie decides and ties have not been carried.

    A word that differs from itself shifted by a bit holds the turns.
    """
    bars, count = rows.shape[1], 0
    up, top = np.uint64(1), np.uint64(WORD - 1)
    at = first // WORD
    low = (up << np.uint64(first - WORD * at)) - up
    word = mask[at]
    before = (word >> np.uint64(first - WORD * at)) & up
    word = (word | low) if before != 0 else (word & ~low)
    last = NEVER
    while at < len(mask):
        changed = word ^ ((word << up) | before)
        before = word >> top
        while changed != 0:
            bit = lowest_bit(changed)
            changed &= changed - up
            bar = WORD * at + bit
            if bar >= bars:
                break
            rise = (word >> np.uint64(bit)) & up != 0
            known = bar - 1 if rise else bar
            if not (carried or rows[one, known] < rows[two, known]):
                return TIED
            if rise or count > 0 or falls_first:
                session = place[bar]
                if session < last:
                    return NEVER
                turns[count] = session
                count += 1
                last = tape.fill[session]
        at += 1
        word = mask[at] if at < len(mask) else word
    return count
