"""The score of a run of long and short legs, from event to event.

A run on one symbol that is all in, on either side, or flat changes only where a decision is filled or a stop, target or
trailing stop is touched. The order of a session is that of `session`: levels that the open jumps over, decisions of
yesterday, levels inside the bar, the decision of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.ledger import HIGH, LOW, NEVER, PRICE, Market, Series, Terms
from stockstream_kernels.legs import (
    AMBIGUOUS,
    BROKEN,
    CASH,
    DEEPEST,
    ENTERED,
    EQUITY,
    EXPOSED,
    FEES,
    LIVE,
    PEAK,
    QUANTITY,
    SHORTFALLS,
    SLIPPAGES,
    SQUARES,
    TOTAL,
    TRADED,
    WORTHS,
    Walk,
    add_session,
    enter,
    hold,
    jumps,
    leave,
    leave_at_level,
    stretch,
    touched,
    touches,
    turn_round,
)
from stockstream_kernels.portfolio import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from stockstream_kernels.scoring import Score, clear, sums_of
from stockstream_kernels.tape import BUY, CLEAN, SELL, Tape

if TYPE_CHECKING:
    from numpy.typing import NDArray


# ---- decisions ---------------------------------------------------------------------------------------------------


@step
def goal_of(code: int, side: int, blocked: bool) -> int:
    """Side that a signal leads to from a side; entries on both sides at once are refused."""
    both = ENTER_LONG | ENTER_SHORT
    if blocked or code & both == both:
        code = code & ~both
    if side <= 0 and code & ENTER_LONG != 0:
        return 1
    if side >= 0 and code & ENTER_SHORT != 0:
        return -1
    if (side > 0 and code & EXIT_LONG != 0) or (side < 0 and code & EXIT_SHORT != 0):
        return 0
    return side


@step
def next_decision(signal: NDArray[np.uint8], first: int, side: int, blocked_on: int) -> int:
    """Return the first session from `first` on whose signal leads to another side, the number of sessions if none."""
    mask = ENTER_LONG | ENTER_SHORT
    if side != 0:
        mask = (ENTER_SHORT | EXIT_LONG) if side > 0 else (ENTER_LONG | EXIT_SHORT)
    for t in range(first, len(signal)):
        if signal[t] & mask != 0 and goal_of(int(signal[t]), side, t == blocked_on) != side:
            return t
    return len(signal)


# ---- the walk ----------------------------------------------------------------------------------------------------


@step
def side_of(holding: Series) -> int:
    """Side of the position."""
    return 1 if holding[QUANTITY] > 0.0 else -1 if holding[QUANTITY] < 0.0 else 0


@step
def end_of_entry(walk: Walk, tape: Tape, market: Market, terms: Terms, trades: Series, hurdle: float, t: int) -> bool:
    """Close the session of an entry; returns whether a level ended the position inside the bar."""
    holding = walk.holding
    side = 1.0 if holding[QUANTITY] > 0.0 else -1.0
    ended = False
    if terms.close_fills == 0:
        low, high = market.prices[LOW, 0, t], market.prices[HIGH, 0, t]
        if touches(holding, side, high, low):
            leave_at_level(walk, market, terms, trades, t, 0, False)
            ended = True
        else:
            stretch(holding, side, high, low)
    exposure = holding[QUANTITY] * market.prices[PRICE, 0, t]
    equity = holding[CASH] + exposure
    if not ended:
        walk.tally[EXPOSED] += 1.0
        if equity < terms.maintenance * abs(exposure):
            walk.tally[BROKEN] = 1.0
    add_session(walk, hurdle, t, equity)
    return ended


@step
def start(walk: Walk, cash: float) -> None:
    """Make a walk fresh."""
    walk.tally[:] = 0.0
    walk.holding[:] = 0.0
    walk.tally[EQUITY], walk.tally[PEAK], walk.tally[DEEPEST], walk.holding[CASH] = cash, cash, 1.0, cash
    for block in range(len(walk.borders) - 1):
        walk.blocks[3 * block] = walk.borders[block + 1] - walk.borders[block]
        walk.blocks[3 * block + 1], walk.blocks[3 * block + 2] = 0.0, 0.0


@step
def result_of(walk: Walk, sessions: int, cash: float, hurdle: float) -> Score:
    """Return what a walk has come to."""
    tally = walk.tally
    live, exposed = tally[LIVE], int(tally[EXPOSED])
    sums = sums_of(
        sessions,
        hurdle,
        tally[EQUITY] / cash,
        tally[TOTAL],
        tally[SQUARES],
        tally[SHORTFALLS],
        tally[DEEPEST],
        int(live),
        0.0,
    )
    simple = tally[BROKEN] == 0.0 and clear(sums, tally[SQUARES], int(live))
    return Score(
        simple,
        sums,
        exposed,
        tally[EQUITY],
        tally[WORTHS] / sessions,
        tally[FEES],
        tally[SLIPPAGES],
        tally[TRADED],
        int(tally[AMBIGUOUS]),
    )


@step
def score_legs(
    walk: Walk,
    tape: Tape,
    market: Market,
    terms: Terms,
    signal: NDArray[np.uint8],
    cash: float,
    hurdle: float,
    trades: Series,
) -> Score:
    """Walk through a run; ``signal (T,)`` are its codes. Closed trades are added to `trades`, zeros at first."""
    sessions, at_close, tally, holding = len(signal), terms.close_fills == 1, walk.tally, walk.holding
    start(walk, cash)
    t, decided, blocked_on = 0, 0, NEVER  # next session to close, first whose signal counts, where entries do not
    while t < sessions and tally[BROKEN] == 0.0:
        side = side_of(holding)
        decision = next_decision(signal, decided, side, blocked_on)
        filled = int(tape.fill[decision]) if decision < sessions else sessions
        if filled == NEVER:
            tally[BROKEN] = 1.0
            break
        goal = goal_of(int(signal[decision]), side, decision == blocked_on) if decision < sessions else side
        touch = sessions
        if side != 0:
            end = min(filled + 1, sessions)
            touch = touched(walk, market, t, end)
            touch = sessions if touch == end else touch
        bars = -1 if at_close else 0
        if touch < filled or (touch == filled and touch < sessions and (at_close or jumps(walk, market, touch))):
            hold(walk, tape, terms, hurdle, t, touch)
            leave_at_level(walk, market, terms, trades, touch, touch - int(holding[ENTERED]) + bars, True)
            t, decided, blocked_on = touch + 1, touch + 1, touch
            if touch == filled and not at_close and goal == -side:  # the order to reverse finds nothing to leave
                enter(walk, tape, terms, goal, touch)
                ended = end_of_entry(walk, tape, market, terms, trades, hurdle, touch)
                decided = touch + 1 if ended else touch
            else:
                add_session(walk, hurdle, touch, holding[CASH])
            continue
        if side == 0:
            tally[WORTHS] += tally[EQUITY] * (filled - t)
        else:
            hold(walk, tape, terms, hurdle, t, filled)
        t = filled
        if filled == sessions:
            break
        decided = filled + 1 if at_close else filled
        held = filled - int(holding[ENTERED])
        if goal == 0:
            price = tape.prices[SELL if side > 0 else BUY, filled]
            leave(walk, terms, trades, price, tape.prices[CLEAN, filled], held)
            add_session(walk, hurdle, filled, holding[CASH])
        else:
            if side == 0:
                enter(walk, tape, terms, goal, filled)
            else:
                turn_round(walk, tape, terms, trades, goal, filled, held)
            if end_of_entry(walk, tape, market, terms, trades, hurdle, filled):
                decided, blocked_on = filled + 1, filled
        t += 1
    return result_of(walk, sessions, cash, hurdle)


@step
def score_turns(
    walk: Walk,
    tape: Tape,
    market: Market,
    terms: Terms,
    turns: NDArray[np.int32],
    rises: bool,
    cash: float,
    hurdle: float,
    trades: Series,
) -> Score:
    """Walk through a run that does nothing but turn round, without levels; ``turns`` are the sessions it decides on.

    The first decision leads from cash to a long position where it `rises`, else to a short one.
    """
    sessions, tally, holding = len(tape.fill), walk.tally, walk.holding
    start(walk, cash)
    walk.levels[:] = np.nan
    t, goal = 0, 1 if rises else -1
    for turn in turns:
        filled = int(tape.fill[turn])
        if filled == NEVER:
            tally[BROKEN] = 1.0
        if filled == sessions or tally[BROKEN] != 0.0:
            break
        if holding[QUANTITY] == 0.0:
            tally[WORTHS] += tally[EQUITY] * (filled - t)
            enter(walk, tape, terms, goal, filled)
        else:
            hold(walk, tape, terms, hurdle, t, filled)
            turn_round(walk, tape, terms, trades, goal, filled, filled - int(holding[ENTERED]))
        end_of_entry(walk, tape, market, terms, trades, hurdle, filled)
        t, goal = filled + 1, -goal
    if tally[BROKEN] == 0.0 and holding[QUANTITY] == 0.0:
        tally[WORTHS] += tally[EQUITY] * (sessions - t)
    elif tally[BROKEN] == 0.0:
        hold(walk, tape, terms, hurdle, t, sessions)
    return result_of(walk, sessions, cash, hurdle)
