"""One session in its fixed order: events, open, inside the bar, interest, (the decision), close, mark.

Each step is a function over the book; the array kernel and the event loop call the same ones.
"""

from __future__ import annotations

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.corporate_events import present, tradable
from stockstream_kernels.ledger import (
    ACTIVE,
    AT_CLOSE,
    AT_OPEN,
    BORROW,
    BY_LIMIT,
    BY_STOP,
    CASH,
    CLOSE,
    DAY_ENDED,
    EXPIRED,
    GUARDED,
    HELD,
    HIGH,
    INTEREST,
    LEVEL_NOT_REACHED,
    LIMIT,
    LONG_VALUE,
    LOW,
    MARGIN_CALL,
    MARKET,
    NO_TRADE,
    NOT_TODAY,
    OPEN,
    OVERNIGHT_CASH,
    OVERNIGHT_SHORT,
    PRICE,
    REDUCE_ONLY,
    RESTING,
    RUIN,
    SHORT_VALUE,
    STOP,
    STOP_LIMIT,
    TIME_EXIT,
    UNSETTLED,
    VOLUME_CAP,
    WAITING,
    Book,
    Market,
    Record,
    Terms,
)
from stockstream_kernels.levels import attachments, gaps, leave
from stockstream_kernels.orders import (
    direction,
    equity_now,
    fill_order,
    finish,
    guarded,
    no_way,
    submit,
    sweep_active,
    value,
)

# ---- (2) the open ------------------------------------------------------------------------------------------------


@step
def revalue(book: Book, market: Market, field: int, t: int) -> None:
    """Mark positions with a price this instant; the others keep their last known one."""
    book.account[LONG_VALUE], book.account[SHORT_VALUE] = 0.0, 0.0
    for i in range(book.counts[HELD]):
        s = book.held[i]
        price = market.prices[field, s, t]
        if price == price:
            book.positions[s]["mark"] = price
        value(book, s, 1.0)


@step
def reached(market: Market, order: np.void, side: int, t: int) -> bool:
    """Whether the open fills an order: a market order always, a limit at or better, a stop at or beyond."""
    price = market.prices[OPEN, order["symbol"], t]
    kind = order["kind"]
    if kind in (STOP, STOP_LIMIT) and order["triggered"] == 0:
        if side * (price - order["stop"]) < 0.0:
            return False
        order["triggered"] = 1
    return kind in (MARKET, STOP) or side * (order["limit"] - price) >= 0.0


@step
def goes_first(book: Book, one: int, two: int) -> bool:
    """Whether an order goes before another: by rank, then symbol, then age."""
    first, second = book.orders[one], book.orders[two]
    if first["rank"] != second["rank"]:
        return first["rank"] < second["rank"]
    if first["symbol"] != second["symbol"]:
        return first["symbol"] < second["symbol"]
    return one < two


@step
def sort_active(book: Book) -> None:
    """Sort the waiting orders by who goes first: Shell's method, in place, cheap when they already are in order."""
    active, count = book.active, book.counts[ACTIVE]
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            number, j = active[i], i
            while j >= gap and goes_first(book, number, active[j - gap]):
                active[j] = active[j - gap]
                j -= gap
            active[j] = number
        gap //= 3


@step
def at_open(book: Book, market: Market, terms: Terms, t: int) -> None:
    """(2) Gaps through levels, then waiting orders: sells before buys, then rank, then symbol."""
    if book.counts[GUARDED] > 0:
        gaps(book, market, terms, t)
        sweep_active(book)
    if book.counts[ACTIVE] == 0:
        return
    revalue(book, market, OPEN, t)
    sort_active(book)
    count = book.counts[ACTIVE]
    for side in (-1, 1):
        for i in range(count):
            number = book.active[i]
            order = book.orders[number]
            s = order["symbol"]
            if order["status"] != WAITING or order["created"] == t or not tradable(market, s, t):
                continue
            if direction(book, number, market.prices[OPEN, s, t]) == side and reached(market, order, side, t):
                fill_order(book, market, terms, number, market.prices[OPEN, s, t], AT_OPEN, t)
    for i in range(count):
        number = book.active[i]
        order = book.orders[number]
        if (
            order["status"] == WAITING
            and order["side"] == 0
            and order["created"] < t
            and tradable(market, order["symbol"], t)
            and direction(book, number, market.prices[OPEN, order["symbol"], t]) == 0
        ):
            no_way(book, number, market.prices[OPEN, order["symbol"], t])
    sweep_active(book)


# ---- (3) inside the bar ------------------------------------------------------------------------------------------


@step
def inside(book: Book, market: Market, terms: Terms, t: int) -> None:
    """(3) Levels inside the range: attachments, then limits and stops, then attachments of what those opened."""
    attachments(book, market, terms, t, NOT_TODAY)
    if book.counts[RESTING] > 0:
        for side in (-1, 1):
            for i in range(book.counts[ACTIVE]):
                number = book.active[i]
                order = book.orders[number]
                if order["status"] != WAITING or order["kind"] == MARKET or order["created"] == t:
                    continue
                level = order["limit"] if order["kind"] == LIMIT else order["stop"]
                if tradable(market, order["symbol"], t) and direction(book, number, level) == side:
                    rest(book, market, terms, number, side, t)
        attachments(book, market, terms, t, AT_OPEN)
    sweep_active(book)


@step
def rest(book: Book, market: Market, terms: Terms, number: int, side: int, t: int) -> None:
    """Fill a resting order whose level lies inside the bar: a limit at its limit, a stop at its stop, slipped."""
    order = book.orders[number]
    s = order["symbol"]
    best, worst = (
        (market.prices[LOW, s, t], market.prices[HIGH, s, t])
        if side > 0
        else (market.prices[HIGH, s, t], market.prices[LOW, s, t])
    )
    if order["kind"] == STOP:
        if order["triggered"] == 0 and side * (worst - order["stop"]) >= 0.0:
            order["triggered"] = 1  # from now on a market order: what the volume cap leaves of it goes on at the open
            fill_order(book, market, terms, number, order["stop"], BY_STOP, t)
        return
    if order["kind"] == STOP_LIMIT and order["triggered"] == 0:
        if side * (worst - order["stop"]) < 0.0:
            return
        order["triggered"] = 1
        if side * (order["limit"] - order["stop"]) >= 0.0:
            fill_order(book, market, terms, number, order["stop"], BY_STOP, t)
        elif side * (order["limit"] - market.prices[PRICE, s, t]) >= 0.0:
            # the close comes after the trigger, so the limit was certainly met on the way to it
            fill_order(book, market, terms, number, order["limit"], BY_LIMIT, t)
        return
    if side * (order["limit"] - best) >= 0.0:
        fill_order(book, market, terms, number, order["limit"], BY_LIMIT, t)


# ---- (4) interest ------------------------------------------------------------------------------------------------


@step
def accrue(book: Book, market: Market, terms: Terms, t: int) -> None:
    """(4) Interest on the cash and fee on the shorts that were carried over the night, calendar days / 365.

    Short proceeds are collateral and earn nothing; cash that is not settled earns nothing; borrowed cash costs the
    borrow rate.
    """
    if t == 0 or (terms.cash_rate == 0.0 and terms.borrow_rate == 0.0):
        return
    years = (market.days[t] - market.days[t - 1]) / 365.0
    account = book.account
    carried = account[OVERNIGHT_CASH]
    interest = carried * (terms.cash_rate if carried > 0.0 else terms.borrow_rate) * years
    borrow = account[OVERNIGHT_SHORT] * terms.borrow_rate * years
    account[CASH] += interest - borrow
    account[INTEREST] += interest
    account[BORROW] += borrow


# ---- (6) the close, (7) the mark ---------------------------------------------------------------------------------


@step
def at_close(book: Book, market: Market, terms: Terms, t: int) -> None:
    """(6) Close fills: what was decided on this bar, and closes forced by margin or time.

    Runs after `revalue` at the close.
    """
    if terms.close_fills and book.counts[ACTIVE] > 0:
        sort_active(book)
        count = book.counts[ACTIVE]
        for side in (-1, 1):
            for i in range(count):
                number = book.active[i]
                order = book.orders[number]
                s = order["symbol"]
                if (
                    order["status"] == WAITING
                    and order["kind"] == MARKET
                    and tradable(market, s, t)
                    and direction(book, number, market.prices[PRICE, s, t]) == side
                ):
                    fill_order(book, market, terms, number, market.prices[PRICE, s, t], AT_CLOSE, t)
        sweep_active(book)
    account = book.account
    gross = account[LONG_VALUE] + account[SHORT_VALUE]
    if gross > 0.0 and equity_now(book) < terms.maintenance * gross:
        liquidate(book, market, terms, t)


@step
def liquidate(book: Book, market: Market, terms: Terms, t: int) -> None:
    """Close everything that trades today at the close, with costs; equity that is gone stops the account."""
    i = 0
    while i < book.counts[HELD]:
        s = book.held[i]
        before = book.counts[HELD]
        if tradable(market, s, t):
            leave(book, market, terms, s, market.prices[PRICE, s, t], MARGIN_CALL, t)
        if book.counts[HELD] == before:
            i += 1
    sweep_active(book)


@step
def age(book: Book, market: Market, terms: Terms, t: int) -> None:
    """Count the own bars of positions and waiting orders; run out the ones at their limit, extend trailing stops."""
    book.counts[GUARDED], book.counts[RESTING] = 0, 0
    for i in range(book.counts[HELD]):
        s = book.held[i]
        position = book.positions[s]
        if not present(market, s, t):
            book.counts[GUARDED] += 1
            continue
        if guarded(position):
            book.counts[GUARDED] += 1
        high, low = market.prices[HIGH, s, t], market.prices[LOW, s, t]
        seen = position["opened"] < t or position["filled"] == AT_OPEN
        if seen:
            position["bars"] += 1
            position["highest"] = max(position["highest"], high)
            position["lowest"] = min(position["lowest"], low)
            extreme = position["trail_extreme"]
            position["trail_extreme"] = max(extreme, high) if position["quantity"] > 0.0 else min(extreme, low)
        if position["most_bars"] > 0 and position["bars"] >= position["most_bars"] and position["pending"] < 0:
            number = submit(book, t, s, -1 if position["quantity"] > 0.0 else 1, CLOSE, 0.0, REDUCE_ONLY, TIME_EXIT)
            position["pending"] = number
    for i in range(book.counts[ACTIVE]):
        number = book.active[i]
        order = book.orders[number]
        if order["kind"] != MARKET:
            book.counts[RESTING] += 1
        if order["created"] == t or not present(market, order["symbol"], t):
            continue
        order["waited"] += 1
        if order["life"] > 0 and order["waited"] >= order["life"]:
            expire(book, market, number, t)
    sweep_active(book)


@step
def expire(book: Book, market: Market, number: int, t: int) -> None:
    """End an order that has waited as long as it may, saying what it waited for."""
    order = book.orders[number]
    tried = order["kind"] == MARKET and not np.isnan(order["remaining"]) and tradable(market, order["symbol"], t)
    if order["filled"] != 0.0 or tried:
        finish(book, number, EXPIRED, VOLUME_CAP)
    elif order["kind"] != MARKET and tradable(market, order["symbol"], t):
        finish(book, number, EXPIRED, DAY_ENDED if order["life"] == 1 else LEVEL_NOT_REACHED)
    else:
        finish(book, number, EXPIRED, NO_TRADE)


@step
def mark(book: Book, market: Market, terms: Terms, record: Record, t: int) -> None:
    """(7) The final mark at the close, written down."""
    account = book.account
    equity = equity_now(book)
    record.equity[t], record.cash[t] = equity, account[CASH]
    record.long_value[t], record.short_value[t] = account[LONG_VALUE], account[SHORT_VALUE]
    if equity <= 0.0:
        book.counts[RUIN] = 1
    carried = account[CASH] - account[SHORT_VALUE]
    if terms.settle:
        if carried > 0.0:  # proceeds that are not settled earn nothing, but what they bought is not borrowed for
            carried = max(carried - account[UNSETTLED] - account[UNSETTLED + 1], 0.0)
        account[UNSETTLED + 1], account[UNSETTLED] = account[UNSETTLED], 0.0
    account[OVERNIGHT_CASH] = carried
    account[OVERNIGHT_SHORT] = account[SHORT_VALUE]
    if record.positions.shape[0] > 0:
        for i in range(book.counts[HELD]):
            s = book.held[i]
            record.positions[t, s] = book.positions[s]["quantity"]
    if record.levels.shape[0] > 0:
        for s in range(len(book.positions)):
            position = book.positions[s]
            if position["tested_on"] == t:
                record.levels[0, s, t], record.levels[1, s, t] = position["tested_stop"], position["tested_target"]
