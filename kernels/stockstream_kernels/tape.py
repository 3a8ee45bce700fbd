"""A symbol prepared for the short way: its own returns, summed beforehand.

A run that is all in or flat earns the symbol's own daily returns while it holds. Prefix sums of them, and tables that
answer the highest, the lowest and the deepest fall of any holding period with two look-ups, give every measure without
visiting the bars again. Prefix sums are kept as a value and what was rounded off it, so that one bar of a hundred times
the others costs the rest no digits.

Where the fee is a rate, what a purchase and a sale do to the equity are factors that depend on their session alone, so
they stand in tables too.
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rows of `Tape.prices`.
CLOSE, CLEAN, BUY, SELL = codes(4)

#: Columns of `Tape.sums`: value and remainder of the prefix sums.
RETURN, SQUARE, SHORTFALL, WORTH = 0, 2, 4, 6

#: Columns of `Tape.enters` and `Tape.leaves`: return of the session of a fill, its square and shortfall, quantity for
#: one unit of money, price, slippage a share, own bars before the position counts.
FIRST, FIRST_SQUARE, FIRST_SHORTFALL, SHARES, FILL_PRICE, SLIP, OWN = codes(7)


class Tape(NamedTuple):
    """One symbol prepared for scoring."""

    prices: Series  # (4, T): close carried over gaps; price of a fill on that session, unslipped, bought and sold
    sums: Series  # (T + 1, 8): of returns, squares, shortfalls and closes before each session
    ranges: Series  # (levels, T, 4): highest, lowest, deepest fall from a peak, of the part of a block; one is spare
    level_of: NDArray[np.int8]  # place of the highest bit of a number
    fill: NDArray[np.int32]  # (T,): session that fills a decision of this one; T is too late, NEVER is not so simple
    enters: Series  # (T, 8): a purchase on that session
    leaves: Series  # (T, 8): a sale
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
    fill_edges(terms, hurdle, tape)


@step
def fill_edges(terms: Terms, hurdle: float, tape: Tape) -> None:
    """Fill what a purchase and a sale on each session come to, where the fee is a rate."""
    rate, prices = terms.tiers[0, 2], tape.prices
    for t in range(len(tape.fill)):
        clean = prices[CLEAN, t]
        own = tape.own[t + terms.close_fills]
        shares = 1.0 / (prices[BUY, t] * (1.0 + rate))
        before = prices[CLOSE, t - 1] if t > 0 else np.nan
        fill_edge(tape.enters[t], shares * prices[CLOSE, t] - 1.0, hurdle, shares, prices[BUY, t], clean, own)
        kept = prices[SELL, t] * (1.0 - rate)
        fill_edge(tape.leaves[t], kept / before - 1.0, hurdle, kept, prices[SELL, t], clean, own)


@step
def fill_edge(edge: Series, change: float, hurdle: float, shares: float, price: float, clean: float, own: int) -> None:
    """Fill one row of `enters` or `leaves`; what a sale leaves of a share stands at SHARES."""
    below = min(change - hurdle, 0.0)
    edge[FIRST], edge[FIRST_SQUARE], edge[FIRST_SHORTFALL] = change, change * change, below * below
    edge[SHARES], edge[FILL_PRICE], edge[SLIP], edge[OWN] = shares, price, abs(price - clean), own


@step
def fill_sessions(market: Market, terms: Terms, fill: NDArray[np.int32]) -> None:
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


@kernel
def first_known(rows: Series, first: NDArray[np.int64]) -> None:
    """Write the first known bar of each row, its length where there is none, NEVER where a later one is not known."""
    bars = rows.shape[1]
    for row in range(len(rows)):
        begin = 0
        while begin < bars and np.isnan(rows[row, begin]):
            begin += 1
        unknown = np.int64(0)
        for t in range(bars):
            unknown += np.isnan(rows[row, t])
        first[row] = begin if unknown == begin else NEVER
