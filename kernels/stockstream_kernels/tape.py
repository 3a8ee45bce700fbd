"""The short way through a run: a symbol's own returns, summed beforehand, and a score in O(trades).

A run that is all in or flat earns the symbol's own daily returns while it holds. Prefix sums of them, and tables that
answer the highest, the lowest and the deepest fall of any holding period with two look-ups, give every measure without
visiting the bars again. Prefix sums are kept as a value and what was rounded off it, so that one bar of a hundred times
the others costs the rest no digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.fills import slipped
from stockstream_kernels.ledger import (
    HAS_VOLUME,
    NEVER,
    OPEN,
    PRICE,
    PRICE_FACTOR,
    VOLUME,
    Market,
    Series,
    Terms,
    codes,
)
from stockstream_kernels.performance import PathSums
from stockstream_kernels.trade_performance import add_trade

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rows of `Tape.prices`.
CLOSE, CLEAN, BUY, SELL = codes(4)

#: Columns of `Tape.sums`: value and remainder of the prefix sums.
RETURN, SQUARE, SHORTFALL, WORTH = 0, 2, 4, 6


class Tape(NamedTuple):
    """One symbol prepared for scoring."""

    prices: Series  # (4, T): close carried over gaps; price of a fill on that session, unslipped, bought and sold
    sums: Series  # (T + 1, 8): of returns, squares, shortfalls and closes before each session
    ranges: Series  # (levels, T, 3): highest, lowest, deepest fall from a peak, of the part of a block
    level_of: NDArray[np.int8]  # place of the highest bit of a number
    fill: NDArray[np.int64]  # (T,): session that fills a decision of this one; T is too late, NEVER is not so simple
    own: NDArray[np.int64]  # (T + 1,): own bars before each session


@step
def carry(total: float, rest: float, value: float) -> tuple[float, float]:
    """Add to a sum and to what was rounded off it."""
    new = total + value
    part = new - total
    return new, rest + ((total - (new - part)) + (value - part))


@kernel
def fill_tape(market: Market, terms: Terms, hurdle: float, tape: Tape) -> None:
    """Fill prices, prefix sums and fills of the first symbol of a market."""
    last, begun = np.nan, False
    sums = tape.sums
    sums[0, :] = 0.0
    tape.own[0] = 0
    for t in range(market.prices.shape[2]):
        close = market.prices[PRICE, 0, t]
        here = close == close
        tape.own[t + 1] = tape.own[t] + here
        close = close if here else last
        change = close / last - 1.0 if begun and close == close else 0.0
        begun = begun or here
        last = close
        short = min(change - hurdle, 0.0)
        factor = market.extras[PRICE_FACTOR, 0, t] if market.extras.shape[0] > 0 and here else 1.0
        clean = market.prices[PRICE if terms.close_fills == 1 else OPEN, 0, t]
        tape.prices[CLOSE, t], tape.prices[CLEAN, t] = close, clean
        tape.prices[BUY, t], tape.prices[SELL, t] = slipped(terms, clean, 1, factor), slipped(terms, clean, -1, factor)
        worth = close if close == close else 0.0
        sums[t + 1, 0], sums[t + 1, 1] = carry(sums[t, 0], sums[t, 1], change)
        sums[t + 1, 2], sums[t + 1, 3] = carry(sums[t, 2], sums[t, 3], change * change)
        sums[t + 1, 4], sums[t + 1, 5] = carry(sums[t, 4], sums[t, 5], short * short)
        sums[t + 1, 6], sums[t + 1, 7] = carry(sums[t, 6], sums[t, 7], worth)
    fill_sessions(market, terms, tape.fill)


@step
def fill_sessions(market: Market, terms: Terms, fill: NDArray[np.int64]) -> None:
    """Say which session fills a decision: the next one where the symbol trades on it; T when there is none left.

    A decision that has to wait can be superseded or expire: NEVER leaves it to the simulator.
    """
    sessions = len(fill)
    for t in range(sessions):
        at = t if terms.close_fills == 1 else t + 1
        if at == sessions:
            fill[t] = sessions
            continue
        close, volume = market.prices[PRICE, 0, at], market.prices[VOLUME, 0, at]
        trades = close == close and (market.listing[HAS_VOLUME, 0] == 0 or volume > 0.0)
        fill[t] = at if trades else NEVER


@kernel
def fill_ranges(close: Series, ranges: Series) -> None:
    """Fill the tables: on level k, blocks of 2 ** (k + 1) bars are read outwards from their middle."""
    sessions = len(close)
    for level in range(ranges.shape[0]):
        half = 1 << level
        for middle in range(half, sessions + half, 2 * half):
            highest, lowest, fall = -np.inf, np.inf, 1.0
            for t in range(min(middle, sessions) - 1, middle - half - 1, -1):
                fall = min(fall, lowest / close[t])
                highest, lowest = max(highest, close[t]), min(lowest, close[t])
                ranges[level, t, 0], ranges[level, t, 1], ranges[level, t, 2] = highest, lowest, fall
            highest, lowest, fall = -np.inf, np.inf, 1.0
            for t in range(middle, min(middle + half, sessions)):
                highest, lowest = max(highest, close[t]), min(lowest, close[t])
                fall = min(fall, close[t] / highest)
                ranges[level, t, 0], ranges[level, t, 1], ranges[level, t, 2] = highest, lowest, fall


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
NO_RETURN = 1e-24


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
    short = min(-hurdle, 0.0)
    invested = exposed + trades[0]  # sessions with a return of their own: held ones, and the one of each sale
    shortfall += short * short * (sessions - invested)
    mean = total / sessions
    spread = squares - sessions * mean * mean
    # squares that cancel, or that are nothing but the rounding of no return at all, have no digits: the simulator sums
    # such a run about its mean
    simple = simple and (exposed == 0 or spread > max(1e-6 * squares, NO_RETURN))
    wide = 1.0 if exposed > 0 else 0.0
    sums = PathSums(sessions, equity / cash, mean, spread, shortfall, -wide, wide, max(deepest - 1.0, -1.0))
    return Score(simple, sums, exposed, equity, worth / sessions, fees, slippage, traded)


# ---- where a run turns -------------------------------------------------------------------------------------------


@step
def turns_of_codes(signal: NDArray[np.uint8], fill: NDArray[np.int64], turns: NDArray[np.int32]) -> int:
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
def mark_above(one: Series, two: Series, above: NDArray[np.uint8]) -> None:
    """Write 1 where one series is above another, else 0.

    On its own, and from index 0: inside a larger function, or from an index that might be negative, the loop is not
    vectorised (measured: ten times slower).
    """
    for t in range(len(one)):
        above[t] = one[t] > two[t]


@step
def turns_of_cross(
    fast: Series,
    slow: Series,
    first: int,
    above: NDArray[np.uint8],
    words: NDArray[np.uint64],
    turns: NDArray[np.int32],
) -> int:
    """List the sessions on which two series change sides, from the first rise on; NEVER where a tie decides.

    The comparison fills one byte a bar without a branch; eight bytes are then looked at as one word, and a word that
    differs from itself shifted by a byte holds the turns.
    """
    mark_above(fast[first:], slow[first:], above[first:])
    start = above[first]
    for t in range(first):
        above[t] = start
    before, count = np.uint64(above[first]), 0
    low, eight, top = np.uint64(1), np.uint64(8), np.uint64(56)
    for w in range(first >> 3, len(words)):
        word = words[w]
        changed = word ^ ((word << eight) | before)
        before = word >> top
        while changed != 0:
            lowest = changed & (~changed + low)
            place = np.int64((lowest * np.uint64(0x0001020304050607)) >> top)
            changed ^= lowest
            bar = 8 * w + place
            if bar >= len(fast):
                break
            rise = above[bar] == 1
            if not (fast[bar - 1] < slow[bar - 1] if rise else fast[bar] < slow[bar]):
                return NEVER
            if rise or count > 0:
                turns[count] = bar
                count += 1
    return count
