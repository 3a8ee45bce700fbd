"""Stops, targets and trailing stops of positions: where they stand, and what happens when a price meets them."""

from __future__ import annotations

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.corporate_events import tradable
from stockstream_kernels.ledger import (
    AMBIGUOUS,
    AT_CLOSE,
    AT_OPEN,
    BY_LIMIT,
    BY_STOP,
    CLOSE,
    HELD,
    HIGH,
    LIMIT,
    LOW,
    MARGIN_CALL,
    MARKET,
    NOT_TODAY,
    OPEN,
    REDUCE_ONLY,
    STOP,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    Book,
    Market,
    Terms,
)
from stockstream_kernels.orders import (
    fill_order,
    submit,
)


@step
def stop_level(book: Book, s: int) -> float:
    """Return the nearer of the fixed and the trailing stop, NaN without either."""
    position = book.positions[s]
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    fixed, trail = position["stop"], position["trail"]
    if trail != trail:
        return fixed
    distance = trail * position["trail_extreme"] if position["trail_relative"] == 1 else trail
    level = position["trail_extreme"] - side * distance
    if fixed != fixed:
        return level
    return max(fixed, level) if side > 0.0 else min(fixed, level)


@step
def note_levels(book: Book, s: int, t: int) -> None:
    """Remember the levels that a bar is tested against."""
    position = book.positions[s]
    position["tested_stop"], position["tested_target"], position["tested_on"] = (
        stop_level(book, s),
        position["target"],
        t,
    )


@step
def leave(book: Book, market: Market, terms: Terms, s: int, price: float, reason: int, t: int) -> None:
    """Close by an attachment: a stop slips, a target is a limit.

    What the volume cap leaves goes on as a market order.
    """
    position = book.positions[s]
    side = -1 if position["quantity"] > 0.0 else 1
    number = submit(book, t, s, side, CLOSE, 0.0, REDUCE_ONLY, reason)
    order = book.orders[number]
    order["created"] = position["opened"]
    if reason == TAKE_PROFIT:
        order["kind"], order["limit"] = LIMIT, price
    elif reason != MARGIN_CALL:
        order["kind"], order["stop"] = STOP, price
    fill_order(book, market, terms, number, price, AT_OPEN, t)
    position["stopped_on"] = t
    if position["quantity"] != 0.0:  # the volume cap left some: it goes on as a market order, not by its levels
        order["kind"] = MARKET
        position["stop"], position["target"], position["trail"] = np.nan, np.nan, np.nan


@step
def gaps(book: Book, market: Market, terms: Terms, t: int) -> None:
    """Levels that the open has jumped over fill at the open, a stop before a target."""
    i = 0
    while i < book.counts[HELD]:
        s = book.held[i]
        before = book.counts[HELD]
        position = book.positions[s]
        if tradable(market, s, t):
            note_levels(book, s, t)
            side = 1.0 if position["quantity"] > 0.0 else -1.0
            level, price = stop_level(book, s), market.prices[OPEN, s, t]
            if side * (level - price) >= 0.0:
                leave(book, market, terms, s, price, stop_reason(book, s, level), t)
            elif side * (price - position["target"]) >= 0.0:
                leave(book, market, terms, s, price, TAKE_PROFIT, t)
        if book.counts[HELD] == before:
            i += 1


@step
def stop_reason(book: Book, s: int, level: float) -> int:
    """Which of the two stops a level belongs to."""
    return STOP_LOSS if level == book.positions[s]["stop"] else TRAILING_STOP


@step
def attachments(book: Book, market: Market, terms: Terms, t: int, of_this_bar: int) -> None:
    """Fill stops and targets inside the bar, of older positions or of those that a resting order has just opened."""
    i = 0
    while i < book.counts[HELD]:
        s = book.held[i]
        before = book.counts[HELD]
        position = book.positions[s]
        fresh = position["opened"] == t and position["filled"] in (BY_LIMIT, BY_STOP)
        if fresh == (of_this_bar != NOT_TODAY) and tradable(market, s, t):
            touch(book, market, terms, s, t)
        if book.counts[HELD] == before:
            i += 1


@step
def touch(book: Book, market: Market, terms: Terms, s: int, t: int) -> None:
    """Fill a stop or target whose level the bar touches.

    Both inside: the stop, pessimistically, and the bar counts as ambiguous. On the bar of an intrabar entry a stop in
    the range fills (certain after a limit entry, ambiguous after a stop entry); a target fills only after a stop entry
    that opened on the near side of it, for then the target came later.
    """
    position = book.positions[s]
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    worst, best = (
        (market.prices[LOW, s, t], market.prices[HIGH, s, t])
        if side > 0.0
        else (market.prices[HIGH, s, t], market.prices[LOW, s, t])
    )
    when = position["filled"] if position["opened"] == t else NOT_TODAY
    if when != AT_CLOSE:
        note_levels(book, s, t)
    level, target = stop_level(book, s), position["target"]
    stopped = side * (level - worst) >= 0.0
    aimed = side * (best - target) >= 0.0 and when != BY_LIMIT
    if when == AT_CLOSE or not (stopped or aimed):
        return
    if stopped and (aimed or when == BY_STOP):
        book.counts[AMBIGUOUS] += 1
        if terms.optimistic and (aimed or when == BY_STOP):
            stopped = False
    if stopped:
        leave(book, market, terms, s, level, stop_reason(book, s, level), t)
    elif aimed:
        leave(book, market, terms, s, target, TAKE_PROFIT, t)
