"""Where a run turns: the decisions that matter, from codes or from two series that cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels._words import TOGETHER, WORD, lowest_bit, mark_four, mark_one
from stockstream_kernels.ledger import NEVER, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.tape import Tape

#: Runs that are compared before any of them is scored, and the words of a series that stay in the first cache while
#: they are: four series and the one they are compared with take 20 kB.
GROUP: Final = 64
NEAR: Final = 8


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

    Words of four runs with the same second series are made together, and by blocks of bars, so that series come from
    the first cache: half the time of one run after the other.
    """
    runs, bars = len(slots), rows.shape[1]
    whole = bars // WORD
    for begin in range(0, whole, NEAR):
        end = min(begin + NEAR, whole)
        run = 0
        while run < runs:
            two = int(slots[run, slow])
            if run + TOGETHER <= runs and shared(slots, run, slow):
                four = (
                    int(slots[run, fast]),
                    int(slots[run + 1, fast]),
                    int(slots[run + 2, fast]),
                    int(slots[run + 3, fast]),
                )
                for word in range(begin, end):
                    mark_four(rows, four, two, WORD * word, masks, run, word)
                run += TOGETHER
            else:
                for word in range(begin, end):
                    mark_one(rows, int(slots[run, fast]), two, WORD * word, masks, run, word)
                run += 1
    if WORD * whole < bars:
        for run in range(runs):
            mark_rest(rows, slots[run, fast], slots[run, slow], masks[run])


@step
def shared(slots: NDArray[np.int32], run: int, slow: int) -> bool:
    """Whether four runs have the same second series."""
    same = slots[run, slow]
    return bool(slots[run + 1, slow] == same and slots[run + 2, slow] == same and slots[run + 3, slow] == same)


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
) -> int:
    """List the sessions on which row `one` changes sides with row `two`, from the first rise on, or from a fall.

    Both are known from bar `first` on. A word that differs from itself shifted by a bit holds the turns. NEVER where a
    tie decides, or where a decision is made before the last one is filled: that is for the simulator.
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
            if not rows[one, known] < rows[two, known]:
                return NEVER
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
