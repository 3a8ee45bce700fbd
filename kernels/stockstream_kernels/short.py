"""Runs that are all in or flat, scored in O(trades); what is out of the ordinary is left to the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream_kernels._compile import kernel, step
from stockstream_kernels._words import WORD
from stockstream_kernels.ledger import NEVER, Market, Series, Terms
from stockstream_kernels.legs import Walk, fill_spans
from stockstream_kernels.measures import MEASURES, Sheet, measure_score, write_row
from stockstream_kernels.reversals import score_reversals
from stockstream_kernels.scoring import score, score_blocks, score_by_rate
from stockstream_kernels.sweep import Programs, Scratch, place_codes
from stockstream_kernels.turns import GROUP, mark_group, turns_of_codes, turns_of_pair
from stockstream_kernels.walks import score_legs, score_turns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.tape import Tape


class Pad(NamedTuple):
    """Working memory of one thread."""

    masks: NDArray[np.uint64]  # (GROUP, words): where one series is above the other
    codes: NDArray[np.uint8]  # (T,): signals
    turns: NDArray[np.int32]  # (T + 1,): decisions
    shares: Series  # (T + 2,): 1 / k
    left: NDArray[np.uint8]  # (C,): 1 where a run is left to the simulator


@step
def scored(
    tape: Tape, terms: Terms, pad: Pad, count: int, account: Series, trades: Series, sheet: Sheet, run: int
) -> int:
    """Score a run by its decisions and write its row; 0 where that is for the simulator."""
    cash, periods, hurdle = account[0], account[1], account[2]
    if terms.minimum_fee > 0.0:
        trades[:] = 0.0
        result = score(tape, terms, pad.turns, count, cash, hurdle, trades)
    else:
        result = score_by_rate(tape, terms, pad.turns, count, cash, hurdle, pad.shares, trades)
    if not result.simple:
        return 0
    measure_score(result, trades, periods, hurdle, sheet.row)
    if len(sheet.borders) > 1:
        score_blocks(tape, terms, pad.turns, count, cash, sheet.borders, sheet.row[len(MEASURES) :])
    write_row(sheet, run)
    return 1


@kernel
def score_crosses(
    rows: Series,
    slots: NDArray[np.int32],
    pair: NDArray[np.int64],
    known: NDArray[np.int64],
    place: NDArray[np.int32],
    tape: Tape,
    terms: Terms,
    pad: Pad,
    account: Series,
    trades: Series,
    sheet: Sheet,
) -> int:
    """Score runs that enter where one series rises above another and leave where it falls below.

    ``pair (2,)`` are the slots of the two series, ``known (R,)`` the first known bar of each row (NEVER: it has a gap
    later on), ``place (N,)`` the session of each own bar. Returns how many were scored; the others are marked in
    ``pad.left``.
    """
    total, fast, slow = 0, pair[0], pair[1]
    for begin in range(0, len(slots), GROUP):
        group = slots[begin : begin + GROUP]
        mark_group(rows, group, fast, slow, pad.masks)
        for run in range(len(group)):
            one, two = int(group[run, fast]), int(group[run, slow])
            first, least = max(known[one], known[two]), min(known[one], known[two])
            count = NEVER if least == NEVER else 0
            if least != NEVER and first < rows.shape[1]:
                count = turns_of_pair(pad.masks[run], rows, one, two, first, place, tape, pad.turns, False)
            done = 0
            if count != NEVER:
                done = scored(tape, terms, pad, count, account, trades, sheet, begin + run)
            pad.left[begin + run] = 1 - done
            total += done
    return total


@kernel
def score_codes(
    programs: Programs,
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    session: NDArray[np.int64],
    scratch: Scratch,
    tape: Tape,
    terms: Terms,
    pad: Pad,
    account: Series,
    sheet: Sheet,
) -> int:
    """Score long-only runs of any rules; arguments as of `sweep_runs` and `score_crosses`."""
    total = 0
    for run in range(len(slots)):
        place_codes(programs, rows, slots[run], values[run], session, pad.codes, scratch)
        count = turns_of_codes(pad.codes, tape.fill, pad.turns)
        done = scored(tape, terms, pad, count, account, scratch.trades, sheet, run)
        pad.left[run] = 1 - done
        total += done
    return total


@step
def reversals(
    mask: NDArray[np.uint64],
    rows: Series,
    one: int,
    two: int,
    known: NDArray[np.int64],
    place: NDArray[np.int32],
    tape: Tape,
    turns: NDArray[np.int32],
) -> tuple[int, bool]:
    """List the sessions on which a run turns that is long above, short below; NEVER where that is not so simple.

    Returns how many there are, and whether the first is a rise.
    """
    first, least = max(known[one], known[two]), min(known[one], known[two])
    if least == NEVER:
        return NEVER, False
    if first >= rows.shape[1]:
        return 0, False
    count = turns_of_pair(mask, rows, one, two, first, place, tape, turns, True)
    rises = (mask[first // WORD] >> np.uint64(first % WORD)) & np.uint64(1) == 0  # ties may have been carried
    return count, rises


@kernel
def score_walks(
    programs: Programs,
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    levels: NDArray[np.int32],
    pair: NDArray[np.int64],
    known: NDArray[np.int64],
    place: NDArray[np.int32],
    session: NDArray[np.int64],
    scratch: Scratch,
    tape: Tape,
    market: Market,
    terms: Terms,
    pad: Pad,
    walk: Walk,
    account: Series,
    sheet: Sheet,
) -> int:
    """Score runs of long and short legs with stops and targets; ``levels (3,)`` as of `sweep_runs`.

    ``pair (2,)`` are the slots of two series where all that a run does is to be long while the first is above and short
    while it is below, ``(0,)`` where it is not; the rest as of `score_crosses`.
    """
    total = 0
    fill_spans(market, walk.lows, walk.highs)
    for run in range(len(slots)):
        count, rises = NEVER, False
        if len(pair) > 0:
            if run % GROUP == 0:
                mark_group(rows, slots[run : run + GROUP], pair[0], pair[1], pad.masks)
            one, two = int(slots[run, pair[0]]), int(slots[run, pair[1]])
            count, rises = reversals(pad.masks[run % GROUP], rows, one, two, known, place, tape, pad.turns)
        scratch.trades[:] = 0.0
        cash, hurdle, trades = account[0], account[2], scratch.trades
        if count != NEVER and terms.minimum_fee == 0.0 and len(walk.borders) == 1:
            result = score_reversals(tape, terms, pad.turns[:count], rises, cash, hurdle, pad.shares, trades)
        elif count != NEVER:
            result = score_turns(walk, tape, market, terms, pad.turns[:count], rises, cash, hurdle, trades)
        else:
            place_codes(programs, rows, slots[run], values[run], session, pad.codes, scratch)
            for k in range(3):
                walk.levels[k] = values[run, levels[k]] if levels[k] != NEVER else np.nan
            result = score_legs(walk, tape, market, terms, pad.codes, cash, hurdle, trades)
        pad.left[run] = 0 if result.simple else 1
        if result.simple:
            measure_score(result, trades, account[1], hurdle, sheet.row)
            write_row(sheet, run)
            total += 1
    return total
