"""The score of a run that is all in or flat, in O(trades), from a tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.ledger import NEVER, Series, Terms
from stockstream_kernels.performance import PathSums
from stockstream_kernels.tape import (
    BUY,
    CLEAN,
    CLOSE,
    FILL_PRICE,
    FIRST,
    FIRST_SHORTFALL,
    FIRST_SQUARE,
    OWN,
    RETURN,
    SELL,
    SHARES,
    SHORTFALL,
    SLIP,
    SQUARE,
    WORTH,
    Tape,
)
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
    add_trade,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@step
def between(tape: Tape, first: int, last: int) -> tuple[float, float, float]:
    """Return the highest and lowest close of the sessions first … last, and the deepest fall from a peak as a ratio."""
    if first == last:
        close = tape.prices[CLOSE, first]
        return close, close, 1.0
    level = tape.level_of[first ^ last]
    left, right = tape.ranges[level, first], tape.ranges[level, last]
    return max(left[0], right[0]), min(left[1], right[1]), min(left[2], right[2], right[1] / left[0])


@step
def added(sums: Series, column: int, first: int, last: int) -> float:
    """Sum over the sessions first … last."""
    return (sums[last + 1, column] - sums[first, column]) + (sums[last + 1, column + 1] - sums[first, column + 1])


#: Squares of returns below this are rounding: returns of a millionth of a millionth.
NO_RETURN: Final = 1e-24


class Score(NamedTuple):
    """What a run came to."""

    simple: bool  # False: something happened that only the simulator knows
    sums: PathSums
    exposed: int
    equity: float
    mean_equity: float
    fees: float
    slippage: float
    traded: float
    ambiguous: int


@step
def score(
    tape: Tape, terms: Terms, turns: NDArray[np.int32], count: int, cash: float, hurdle: float, trades: Series
) -> Score:
    """Score a run that buys all it can at every even turn and sells it at every odd one.

    ``turns`` are the sessions of the decisions. Closed trades are added to their sums.
    """
    sessions, rate, minimum = len(tape.fill), terms.tiers[0, 2], terms.minimum_fee
    equity, peak, deepest = cash, cash, 1.0
    total, squares, shortfall = 0.0, 0.0, 0.0
    exposed, worth, fees, slippage, traded, flat_from = 0, 0.0, 0.0, 0.0, 0.0, 0
    simple = True
    k = 0
    while k < count:
        entry = tape.fill[turns[k]]
        if entry == sessions:
            break
        leave = tape.fill[turns[k + 1]] if k + 1 < count else sessions
        price = tape.prices[BUY, entry] if entry != NEVER else np.nan
        quantity = min(equity / (price * (1.0 + rate)), (equity - minimum) / price)
        if entry == NEVER or leave == NEVER or not quantity > 0.0:
            simple = False
            break
        charge = max(rate * (quantity * price), minimum)
        worth += equity * (entry - flat_from)
        first, last = quantity * tape.prices[CLOSE, entry] / equity - 1.0, leave - 1
        total += first
        squares += first * first
        below = min(first - hurdle, 0.0)
        shortfall += below * below
        if last > entry:
            total += added(tape.sums, RETURN, entry + 1, last)
            squares += added(tape.sums, SQUARE, entry + 1, last)
            shortfall += added(tape.sums, SHORTFALL, entry + 1, last)
        highest, lowest, fall = between(tape, entry, last)
        depth = min(quantity * lowest / peak, fall)
        deepest = min(deepest, depth)
        peak = max(peak, quantity * highest)
        worth += quantity * added(tape.sums, WORTH, entry, last)
        exposed += leave - entry
        fees, traded = fees + charge, traded + quantity * price
        slippage += quantity * abs(price - tape.prices[CLEAN, entry])
        if leave == sessions:
            equity, flat_from = quantity * tape.prices[CLOSE, last], sessions
            break
        sold = tape.prices[SELL, leave]
        fee = max(rate * (quantity * sold), minimum)
        after = quantity * sold - fee
        final = after / (quantity * tape.prices[CLOSE, last]) - 1.0
        total += final
        squares += final * final
        below = min(final - hurdle, 0.0)
        shortfall += below * below
        deepest = min(deepest, after / peak)
        peak = max(peak, after)
        pnl = quantity * sold - quantity * price - (charge + fee)
        held = tape.own[leave + terms.close_fills] - tape.own[entry + terms.close_fills]
        add_trade(trades, pnl, pnl / (quantity * price), held)
        fees, traded = fees + fee, traded + quantity * sold
        slippage += quantity * abs(sold - tape.prices[CLEAN, leave])
        equity, flat_from = after, leave
        simple = simple and after > 0.0
        k += 2
    worth += equity * (sessions - flat_from)
    sums = sums_of(sessions, hurdle, equity / cash, total, squares, shortfall, deepest, exposed, trades[COUNT])
    simple = simple and clear(sums, squares, exposed)
    return Score(simple, sums, exposed, equity, worth / sessions, fees, slippage, traded, 0)


@step
def sums_of(
    sessions: int,
    hurdle: float,
    growth: float,
    total: float,
    squares: float,
    shortfall: float,
    deepest: float,
    exposed: int,
    sales: float,
) -> PathSums:
    """Put the sums together; sessions with a return of their own are those held, and one for each sale."""
    short = min(-hurdle, 0.0)
    shortfall += short * short * (sessions - (exposed + sales))
    mean = total / sessions
    spread = squares - sessions * mean * mean
    wide = 1.0 if exposed > 0 else 0.0
    return PathSums(sessions, growth, mean, spread, shortfall, -wide, wide, max(deepest - 1.0, -1.0))


@step
def clear(sums: PathSums, squares: float, exposed: int) -> bool:
    """Whether the squares have digits: those that cancel, or are nothing but rounding, the simulator sums again."""
    return exposed == 0 or sums.squares > max(1e-6 * squares, NO_RETURN)


@step
def score_by_rate(
    tape: Tape,
    terms: Terms,
    turns: NDArray[np.int32],
    count: int,
    cash: float,
    hurdle: float,
    shares: Series,
    trades: Series,
) -> Score:
    """Score as `score` does, where the fee is a rate: all but the money of a trade stands in the tables.

    ``shares`` are 1 / k. Nothing is kept in memory between trades, and no branch depends on a depth (a division costs
    less than a wrong guess): a fifth of the time. Of the closed trades only the sums behind MEASURES are written.
    """
    sessions, rate = len(tape.fill), terms.tiers[0, 2]
    equity, peak, deepest, worth = cash, cash, 1.0, 0.0
    total, squares, shortfall, slippage, traded = 0.0, 0.0, 0.0, 0.0, 0.0
    best, worst, mean, spread, held = -np.inf, np.inf, 0.0, 0.0, 0.0
    won, lost, wins, losses, closed = 0.0, 0.0, 0, 0, 0
    exposed, flat_from, simple, k = 0, 0, True, 0
    while k < count:
        entry = tape.fill[turns[k]]
        if entry == sessions:
            break
        leave = tape.fill[turns[k + 1]] if k + 1 < count else sessions
        if entry == NEVER or leave == NEVER:
            simple = False
            break
        enter = tape.enters[entry]
        quantity = equity * enter[SHARES]
        paid = quantity * enter[FILL_PRICE]
        worth += equity * (entry - flat_from)
        before, after = tape.sums[entry + 1], tape.sums[leave]
        total += enter[FIRST] + ((after[RETURN] - before[RETURN]) + (after[RETURN + 1] - before[RETURN + 1]))
        squares += enter[FIRST_SQUARE] + ((after[SQUARE] - before[SQUARE]) + (after[SQUARE + 1] - before[SQUARE + 1]))
        shortfall += enter[FIRST_SHORTFALL] + (
            (after[SHORTFALL] - before[SHORTFALL]) + (after[SHORTFALL + 1] - before[SHORTFALL + 1])
        )
        start = tape.sums[entry]
        worth += quantity * ((after[WORTH] - start[WORTH]) + (after[WORTH + 1] - start[WORTH + 1]))
        level = tape.level_of[entry ^ (leave - 1)]
        left, right = tape.ranges[level, entry], tape.ranges[level, leave - 1]
        lowest = quantity * min(left[1], right[1])
        deepest = min(deepest, left[2], right[2])
        deepest = min(deepest, lowest / peak, right[1] / left[0])
        peak = max(peak, quantity * max(left[0], right[0]))
        exposed += leave - entry
        traded += paid
        slippage += quantity * enter[SLIP]
        if leave == sessions:
            equity, flat_from = quantity * tape.prices[CLOSE, leave - 1], sessions
            simple = simple and equity > 0.0
            break
        exit_ = tape.leaves[leave]
        received = quantity * exit_[FILL_PRICE]
        pnl = received - paid - (rate * paid + rate * received)
        equity = quantity * exit_[SHARES]
        total += exit_[FIRST]
        squares += exit_[FIRST_SQUARE]
        shortfall += exit_[FIRST_SHORTFALL]
        deepest = min(deepest, equity / peak)
        peak = max(peak, equity)
        closed += 1
        distance = pnl - mean
        mean += distance * shares[closed]
        spread += distance * (pnl - mean)
        best, worst = max(best, pnl), min(worst, pnl)
        won += max(pnl, 0.0)
        lost -= min(pnl, 0.0)
        wins += pnl > 0.0
        losses += pnl < 0.0
        held += exit_[OWN] - enter[OWN]
        traded += received
        slippage += quantity * exit_[SLIP]
        flat_from = leave
        simple = simple and equity > 0.0
        k += 2
    worth += equity * (sessions - flat_from)
    trades[COUNT], trades[WINS], trades[LOSSES], trades[WON], trades[LOST] = closed, wins, losses, won, lost
    trades[BEST], trades[WORST], trades[MEAN], trades[SQUARES], trades[HELD] = best, worst, mean, spread, held
    sums = sums_of(sessions, hurdle, equity / cash, total, squares, shortfall, deepest, exposed, float(closed))
    simple = simple and clear(sums, squares, exposed)
    return Score(simple, sums, exposed, equity, worth / sessions, rate * traded, slippage, traded, 0)


@step
def score_blocks(
    tape: Tape,
    terms: Terms,
    turns: NDArray[np.int32],
    count: int,
    cash: float,
    borders: NDArray[np.int64],
    out: Series,
) -> None:
    """Write what `block_sums` would of the same run, in O(trades + blocks)."""
    sessions, rate, minimum = len(tape.fill), terms.tiers[0, 2], terms.minimum_fee
    for block in range(len(borders) - 1):
        out[3 * block], out[3 * block + 1] = borders[block + 1] - borders[block], 0.0
        out[3 * block + 2] = 0.0
    equity, block, k = cash, 0, 0
    while k < count:
        entry = tape.fill[turns[k]]
        if entry == sessions:
            break
        leave = tape.fill[turns[k + 1]] if k + 1 < count else sessions
        price = tape.prices[BUY, entry]
        quantity = min(equity / (price * (1.0 + rate)), (equity - minimum) / price)
        block = add_return(quantity * tape.prices[CLOSE, entry] / equity - 1.0, entry, borders, block, out)
        begin = entry + 1
        while begin < leave:
            while borders[block + 1] <= begin:
                block += 1
            end = min(leave, borders[block + 1])
            out[3 * block + 1] += added(tape.sums, RETURN, begin, end - 1)
            out[3 * block + 2] += added(tape.sums, SQUARE, begin, end - 1)
            begin = end
        if leave < sessions:
            sold = quantity * tape.prices[SELL, leave]
            equity = sold - max(rate * sold, minimum)
            final = equity / (quantity * tape.prices[CLOSE, leave - 1]) - 1.0
            block = add_return(final, leave, borders, block, out)
        k += 2


@step
def add_return(change: float, session: int, borders: NDArray[np.int64], block: int, out: Series) -> int:
    """Add one return to its block, not before `block`; return that block."""
    while borders[block + 1] <= session:
        block += 1
    out[3 * block + 1] += change
    out[3 * block + 2] += change * change
    return block
