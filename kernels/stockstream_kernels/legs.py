"""Legs of a run that is all in on one symbol, long or short: how one begins, is held, touches a level, and ends.

A long leg is summed from the tape; a short one, whose return depends on its entry, is marked bar by bar. Levels are
looked for by spans of bars, and a span whose range cannot touch them is skipped. What else can happen, a margin call or
an order without cash, breaks the walk: the simulator takes the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.fills import slipped
from stockstream_kernels.ledger import HIGH, LOW, OPEN, PRICE_FACTOR, Market, Series, Terms, codes
from stockstream_kernels.scoring import added, between
from stockstream_kernels.tape import BUY, CLEAN, CLOSE, RETURN, SELL, SHORTFALL, SQUARE, WORTH, Tape
from stockstream_kernels.trade_performance import add_trade

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bars whose range is looked at as one.
SPAN: Final = 32

#: Where a run stands, and what it has come to: equity of the last session, its peak, deepest drawdown; sums of returns,
#: squares, shortfalls and equities; costs; sessions with a return of their own, with a position; ambiguous bars; block.
EQUITY, PEAK, DEEPEST, TOTAL, SQUARES, SHORTFALLS, WORTHS, FEES, SLIPPAGES, TRADED = codes(10)
LIVE, EXPOSED, AMBIGUOUS, BLOCK, BROKEN = codes(15)[10:]
TALLY_SIZE: Final = 16

#: The position: cash, signed quantity, price and fee of its entry, session of it, levels, extreme of the trailing stop.
CASH, QUANTITY, ENTRY_PRICE, ENTRY_FEE, ENTERED, STOP, TARGET, TRAIL, EXTREME = codes(9)
HOLDING_SIZE: Final = 10


class Walk(NamedTuple):
    """What a walk reads besides the tape, and where it notes how far it is."""

    lows: Series  # (spans,): lowest low of each span of bars
    highs: Series
    tally: Series  # (TALLY_SIZE,)
    holding: Series  # (HOLDING_SIZE,)
    levels: Series  # (3,): stop-loss, take-profit and trailing stop as fractions, NaN where there is none
    borders: NDArray[np.int64]  # as of a sheet
    blocks: Series  # (3 * blocks,)


@step
def fill_spans(market: Market, lows: Series, highs: Series) -> None:
    """Write the range of each span of bars; bars that are not there are left out."""
    for span in range(len(lows)):
        lowest, highest = np.inf, -np.inf
        for t in range(SPAN * span, min(SPAN * (span + 1), market.prices.shape[2])):
            low, high = market.prices[LOW, 0, t], market.prices[HIGH, 0, t]
            lowest, highest = (
                min(lowest, low if low == low else lowest),
                max(highest, high if high == high else highest),
            )
        lows[span], highs[span] = lowest, highest


# ---- sums --------------------------------------------------------------------------------------------------------


@step
def add_session(walk: Walk, hurdle: float, t: int, equity: float) -> None:
    """Close a session at an equity."""
    tally = walk.tally
    change = equity / tally[EQUITY] - 1.0
    below = min(change - hurdle, 0.0)
    tally[TOTAL] += change
    tally[SQUARES] += change * change
    tally[SHORTFALLS] += below * below
    tally[WORTHS] += equity
    tally[LIVE] += 1.0
    tally[DEEPEST] = min(tally[DEEPEST], equity / tally[PEAK])
    tally[PEAK] = max(tally[PEAK], equity)
    tally[EQUITY] = equity
    if not equity > 0.0:
        tally[BROKEN] = 1.0
    if len(walk.borders) > 1:
        block = block_of(walk, t)
        walk.blocks[3 * block + 1] += change
        walk.blocks[3 * block + 2] += change * change


@step
def block_of(walk: Walk, t: int) -> int:
    """Return the block of a session, not before that of the last one asked for."""
    block = int(walk.tally[BLOCK])
    while walk.borders[block + 1] <= t:
        block += 1
    walk.tally[BLOCK] = block
    return block


@step
def add_long(walk: Walk, tape: Tape, first: int, last: int) -> None:
    """Hold a long position through sessions first … last."""
    tally, quantity = walk.tally, walk.holding[QUANTITY]
    highest, lowest, fall = between(tape, first, last)
    tally[TOTAL] += added(tape.sums, RETURN, first, last)
    tally[SQUARES] += added(tape.sums, SQUARE, first, last)
    tally[SHORTFALLS] += added(tape.sums, SHORTFALL, first, last)
    tally[WORTHS] += quantity * added(tape.sums, WORTH, first, last)
    tally[DEEPEST] = min(tally[DEEPEST], quantity * lowest / tally[PEAK], fall)
    tally[PEAK] = max(tally[PEAK], quantity * highest)
    tally[EQUITY] = quantity * tape.prices[CLOSE, last]
    tally[LIVE] += last + 1 - first
    if len(walk.borders) > 1:
        begin = first
        while begin <= last:
            block = block_of(walk, begin)
            end = min(last, walk.borders[block + 1] - 1)
            walk.blocks[3 * block + 1] += added(tape.sums, RETURN, begin, end)
            walk.blocks[3 * block + 2] += added(tape.sums, SQUARE, begin, end)
            begin = end + 1


@step
def add_short(walk: Walk, tape: Tape, terms: Terms, hurdle: float, first: int, last: int) -> None:
    """Hold a short position through sessions first … last, bar by bar; a margin call breaks the walk."""
    tally, cash, quantity = walk.tally, walk.holding[CASH], walk.holding[QUANTITY]
    equity, peak, deepest = tally[EQUITY], tally[PEAK], tally[DEEPEST]
    total, squares, shortfall, worth, least = 0.0, 0.0, 0.0, 0.0, np.inf
    for t in range(first, last + 1):
        exposure = quantity * tape.prices[CLOSE, t]
        now = cash + exposure
        change = now / equity - 1.0
        equity = now
        below = min(change - hurdle, 0.0)
        total += change
        squares += change * change
        shortfall += below * below
        worth += now
        deepest = min(deepest, now / peak)
        peak = max(peak, now)
        least = min(least, now + terms.maintenance * exposure)
        if len(walk.borders) > 1:
            block = block_of(walk, t)
            walk.blocks[3 * block + 1] += change
            walk.blocks[3 * block + 2] += change * change
    if not least >= 0.0 or not equity > 0.0:
        tally[BROKEN] = 1.0
    tally[TOTAL] += total
    tally[SQUARES] += squares
    tally[SHORTFALLS] += shortfall
    tally[WORTHS] += worth
    tally[LIVE] += last + 1 - first
    tally[EQUITY], tally[PEAK], tally[DEEPEST] = equity, peak, deepest


@step
def hold(walk: Walk, tape: Tape, terms: Terms, hurdle: float, first: int, end: int) -> None:
    """Hold the position through sessions first … end - 1."""
    if first >= end:
        return
    walk.tally[EXPOSED] += end - first
    if walk.holding[QUANTITY] > 0.0:
        add_long(walk, tape, first, end - 1)
    else:
        add_short(walk, tape, terms, hurdle, first, end - 1)


# ---- fills -------------------------------------------------------------------------------------------------------


@step
def pay(walk: Walk, terms: Terms, shares: float, price: float, clean: float) -> float:
    """Book the costs of a fill and return its fee."""
    charge = max(terms.tiers[0, 2] * (shares * price), terms.minimum_fee)
    walk.tally[FEES] += charge
    walk.tally[TRADED] += shares * price
    walk.tally[SLIPPAGES] += shares * abs(price - clean)
    return charge


@step
def most(terms: Terms, budget: float, price: float) -> float:
    """Shares that a budget pays with their fee."""
    return min(budget / (price * (1.0 + terms.tiers[0, 2])), (budget - terms.minimum_fee) / price)


@step
def enter(walk: Walk, tape: Tape, terms: Terms, side: int, t: int) -> None:
    """Put all cash on a side at the price of decisions of session `t`, leaving the other one in the same order."""
    holding = walk.holding
    price, clean = tape.prices[BUY if side > 0 else SELL, t], tape.prices[CLEAN, t]
    closing = abs(holding[QUANTITY])
    power = holding[CASH] - side * closing * price
    shares = most(terms, power + closing * price, price)
    opened = shares - closing
    if not (power > 0.0 and opened > 1e-9 * shares):
        walk.tally[BROKEN] = 1.0
        return
    charge = pay(walk, terms, shares, price, clean)
    holding[CASH] -= side * shares * price + charge
    holding[QUANTITY], holding[ENTRY_PRICE], holding[ENTERED] = side * opened, price, t
    holding[ENTRY_FEE] = charge * opened / shares
    holding[STOP] = price - side * walk.levels[0] * price
    holding[TARGET] = price + side * walk.levels[1] * price
    holding[TRAIL], holding[EXTREME] = walk.levels[2], price


@step
def close_trade(walk: Walk, trades: Series, price: float, fee: float, bars: int) -> None:
    """Add the closed trade to the sums."""
    holding = walk.holding
    shares, side = abs(holding[QUANTITY]), 1.0 if holding[QUANTITY] > 0.0 else -1.0
    paid = shares * holding[ENTRY_PRICE]
    pnl = side * (shares * price - paid) - (holding[ENTRY_FEE] + fee)
    add_trade(trades, pnl, pnl / paid, bars)


@step
def leave(walk: Walk, terms: Terms, trades: Series, price: float, clean: float, bars: int) -> None:
    """Leave the position; its fee is its own."""
    holding = walk.holding
    charge = pay(walk, terms, abs(holding[QUANTITY]), price, clean)
    close_trade(walk, trades, price, charge, bars)
    holding[CASH] += holding[QUANTITY] * price - charge
    holding[QUANTITY] = 0.0


@step
def turn_round(walk: Walk, tape: Tape, terms: Terms, trades: Series, side: int, t: int, bars: int) -> None:
    """Reverse the position: one order, one fee, of which each trade bears its part."""
    holding = walk.holding
    price = tape.prices[BUY if side > 0 else SELL, t]
    closing = abs(holding[QUANTITY])
    shares = most(terms, holding[CASH] - side * closing * price + closing * price, price)
    charge = max(terms.tiers[0, 2] * (shares * price), terms.minimum_fee)
    close_trade(walk, trades, price, charge * closing / shares, bars)
    enter(walk, tape, terms, side, t)


# ---- levels ------------------------------------------------------------------------------------------------------


@step
def stop_of(holding: Series, side: float) -> float:
    """Return the nearer of the fixed and the trailing stop, NaN without either."""
    fixed = holding[STOP]
    if np.isnan(holding[TRAIL]):
        return fixed
    level = holding[EXTREME] - side * holding[TRAIL] * holding[EXTREME]
    if np.isnan(fixed):
        return level
    return max(fixed, level) if side > 0.0 else min(fixed, level)


@step
def stretch(holding: Series, side: float, high: float, low: float) -> None:
    """Let the extreme of the trailing stop take in a range."""
    holding[EXTREME] = max(holding[EXTREME], high) if side > 0.0 else min(holding[EXTREME], low)


@step
def touched(walk: Walk, market: Market, first: int, end: int) -> int:
    """Return the first session from `first` on, before `end`, that touches a level, `end` if none does.

    The trailing stop then stands where it stood before that session.
    """
    holding = walk.holding
    if np.isnan(holding[STOP]) and np.isnan(holding[TARGET]) and np.isnan(holding[TRAIL]):
        return end
    side = 1.0 if holding[QUANTITY] > 0.0 else -1.0
    t = first
    while t < end:
        if t % SPAN == 0 and t + SPAN <= end:
            low, high, before = walk.lows[t // SPAN], walk.highs[t // SPAN], holding[EXTREME]
            stretch(holding, side, high, low)
            if not touches(holding, side, high, low):  # not even with the stop where it is at the end of the span
                t += SPAN
                continue
            holding[EXTREME] = before
        low, high = market.prices[LOW, 0, t], market.prices[HIGH, 0, t]
        if touches(holding, side, high, low):
            return t
        stretch(holding, side, high, low)
        t += 1
    return end


@step
def touches(holding: Series, side: float, high: float, low: float) -> bool:
    """Whether a range touches a level."""
    worst, best = (low, high) if side > 0.0 else (high, low)
    return side * (stop_of(holding, side) - worst) >= 0.0 or side * (best - holding[TARGET]) >= 0.0


@step
def leave_at_level(walk: Walk, market: Market, terms: Terms, trades: Series, t: int, bars: int, waiting: bool) -> bool:
    """Leave where session `t` touches a level; returns whether that was at the open.

    ``waiting``: the position was there before the open, which may have jumped over a level.
    """
    holding = walk.holding
    side = 1.0 if holding[QUANTITY] > 0.0 else -1.0
    stop, target = stop_of(holding, side), holding[TARGET]
    opening = market.prices[OPEN, 0, t]
    worst, best = (
        (market.prices[LOW, 0, t], market.prices[HIGH, 0, t])
        if side > 0.0
        else (market.prices[HIGH, 0, t], market.prices[LOW, 0, t])
    )
    factor = market.extras[PRICE_FACTOR, 0, t] if market.extras.shape[0] > 0 else 1.0
    factor = 1.0 if np.isnan(factor) else factor
    exit_side = -1 if side > 0.0 else 1
    if waiting and side * (stop - opening) >= 0.0:
        leave(walk, terms, trades, slipped(terms, opening, exit_side, factor), opening, bars)
        return True
    if waiting and side * (opening - target) >= 0.0:
        leave(walk, terms, trades, opening, opening, bars)
        return True
    stopped, aimed = side * (stop - worst) >= 0.0, side * (best - target) >= 0.0
    if stopped and aimed:
        walk.tally[AMBIGUOUS] += 1.0
        stopped = terms.optimistic == 0
    if stopped:
        leave(walk, terms, trades, slipped(terms, stop, exit_side, factor), stop, bars)
    else:
        leave(walk, terms, trades, target, target, bars)
    return False


@step
def jumps(walk: Walk, market: Market, t: int) -> bool:
    """Whether the open of a session jumps over a level."""
    side = 1.0 if walk.holding[QUANTITY] > 0.0 else -1.0
    opening = market.prices[OPEN, 0, t]
    stop = stop_of(walk.holding, side)
    return side * (stop - opening) >= 0.0 or side * (opening - walk.holding[TARGET]) >= 0.0
