"""Runs that do nothing but turn round, all in, where the fee is a rate: nothing is kept in memory between trades.

The walk of `walks` does the same for every fee, with blocks and levels, at three times the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.ledger import NEVER, Series, Terms
from stockstream_kernels.scoring import Score, added, between, clear, sums_of
from stockstream_kernels.tape import BUY, CLEAN, CLOSE, RETURN, SELL, SHORTFALL, SQUARE, WORTH, Tape
from stockstream_kernels.trade_performance import (
    BEST,
    COUNT,
    HELD,
    LOSSES,
    LOST,
    MEAN,
    SQUARES,
    WINS,
    WON,
    WORST,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@step
def score_reversals(
    tape: Tape,
    terms: Terms,
    turns: NDArray[np.int32],
    rises: bool,
    cash: float,
    hurdle: float,
    shares_of: Series,
    trades: Series,
) -> Score:
    """Score as `walks.score_turns` does; ``shares_of`` are 1 / k. Only the trade sums behind MEASURES are written."""
    sessions, rate, maintenance, close = len(tape.fill), terms.tiers[0, 2], terms.maintenance, tape.prices[CLOSE]
    account, equity, peak, deepest, quantity = cash, cash, cash, 1.0, 0.0  # quantity is negative for a short position
    total, squares, shortfall, worth, slippage, traded = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    best, worst, mean, spread, held = -np.inf, np.inf, 0.0, 0.0, 0.0
    won, lost, wins, losses, closed = 0.0, 0.0, 0, 0, 0
    entry_price, entered, begun, t = 0.0, 0, sessions, 0
    goal, simple, count = 1.0 if rises else -1.0, True, len(turns)
    for k in range(count + 1):
        filled = int(tape.fill[turns[k]]) if k < count else sessions
        if filled == NEVER:
            simple = False
            break
        if quantity > 0.0 and t < filled:
            last = filled - 1
            total += added(tape.sums, RETURN, t, last)
            squares += added(tape.sums, SQUARE, t, last)
            shortfall += added(tape.sums, SHORTFALL, t, last)
            worth += quantity * added(tape.sums, WORTH, t, last)
            highest, lowest, fall = between(tape, t, last)
            deepest = min(deepest, fall)
            if quantity * lowest < deepest * peak:
                deepest = quantity * lowest / peak
            peak = max(peak, quantity * highest)
            equity = quantity * close[last]
        elif quantity < 0.0:
            least = np.inf
            for bar in range(t, filled):
                exposure = quantity * close[bar]
                now = account + exposure
                change = now / equity - 1.0
                equity = now
                below = min(change - hurdle, 0.0)
                total += change
                squares += change * change
                shortfall += below * below
                worth += now
                if now < deepest * peak:
                    deepest = now / peak
                peak = max(peak, now)
                least = min(least, now + maintenance * exposure)
            simple = simple and least >= 0.0 and equity > 0.0
        elif quantity == 0.0:
            worth += equity * (filled - t)
        if filled == sessions or not simple:
            break
        price = tape.prices[BUY if goal > 0.0 else SELL, filled]
        closing = abs(quantity)
        power = account - goal * closing * price
        shares = (power + closing * price) / (price * (1.0 + rate))
        opened = shares - closing
        if not (power > 0.0 and opened > 1e-9 * shares):
            simple = False
            break
        if closing > 0.0:
            paid, received = closing * entry_price, closing * price
            pnl = goal * (paid - received) - rate * (paid + received)
            closed += 1
            distance = pnl - mean
            mean += distance * shares_of[closed]
            spread += distance * (pnl - mean)
            best, worst = max(best, pnl), min(worst, pnl)
            won += max(pnl, 0.0)
            lost -= min(pnl, 0.0)
            wins += pnl > 0.0
            losses += pnl < 0.0
            held += filled - entered
        else:
            begun = filled
        traded += shares * price
        slippage += shares * abs(price - tape.prices[CLEAN, filled])
        account -= goal * shares * price + rate * (shares * price)
        quantity, entry_price, entered = goal * opened, price, filled
        exposure = quantity * close[filled]
        now = account + exposure
        change = now / equity - 1.0
        equity = now
        below = min(change - hurdle, 0.0)
        total += change
        squares += change * change
        shortfall += below * below
        worth += now
        if now < deepest * peak:
            deepest = now / peak
        peak = max(peak, now)
        simple = simple and now > 0.0 and now >= maintenance * abs(exposure)
        t, goal = filled + 1, -goal
    trades[COUNT], trades[WINS], trades[LOSSES], trades[WON], trades[LOST] = closed, wins, losses, won, lost
    trades[BEST], trades[WORST], trades[MEAN], trades[SQUARES], trades[HELD] = best, worst, mean, spread, held
    exposed = sessions - begun
    sums = sums_of(sessions, hurdle, equity / cash, total, squares, shortfall, deepest, exposed, 0.0)
    simple = simple and clear(sums, squares, exposed)
    return Score(simple, sums, exposed, equity, worth / sessions, rate * traded, slippage, traded, 0)
