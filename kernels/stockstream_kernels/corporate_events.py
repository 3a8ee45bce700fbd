"""Splits, dividends and delistings, which come before anything trades."""

from __future__ import annotations

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.ledger import (
    ACTIVE,
    CANCELLED,
    CASH,
    CLOSE,
    DELISTED,
    DELISTED_ON,
    DIVIDEND,
    FILLED,
    FRACTION_PAID,
    HAS_VOLUME,
    HELD,
    NO_REASON,
    PRICE,
    REDUCE_ONLY,
    SHARES,
    SPLIT,
    TARGET_SHARES,
    VOLUME,
    Book,
    Market,
    Terms,
)
from stockstream_kernels.orders import (
    execute,
    finish,
    submit,
    sweep_active,
)


@step
def present(market: Market, s: int, t: int) -> bool:
    """Whether a symbol has a bar."""
    return not np.isnan(market.prices[PRICE, s, t])


@step
def tradable(market: Market, s: int, t: int) -> bool:
    """Whether a symbol traded: a bar, and volume where volume is known."""
    return present(market, s, t) and (market.listing[HAS_VOLUME, s] == 0 or market.prices[VOLUME, s, t] > 0.0)


@step
def split_position(book: Book, terms: Terms, s: int, ratio: float, t: int) -> None:
    """Multiply shares and divide prices; in an account of whole shares, fractions are paid in cash at the mark."""
    position = book.positions[s]
    position["quantity"] *= ratio
    position["entry_shares"] *= ratio
    position["exit_shares"] *= ratio
    position["mark"] /= ratio
    position["entry_price"] /= ratio
    position["stop"] /= ratio
    position["target"] /= ratio
    position["trail_extreme"] /= ratio
    position["highest"] /= ratio
    position["lowest"] /= ratio
    if position["trail_relative"] == 0:
        position["trail"] /= ratio
    if terms.lot > 0.0 and position["quantity"] != 0.0:
        side = 1.0 if position["quantity"] > 0.0 else -1.0
        whole = np.floor(abs(position["quantity"]) + 1e-9)
        fraction = abs(position["quantity"]) - whole
        if whole == 0.0:
            close_position(book, terms, s, position["mark"], FRACTION_PAID, t)
        elif fraction > 1e-9:
            book.account[CASH] += side * fraction * position["mark"]
            position["exit_notional"] += fraction * position["mark"]
            position["exit_shares"] += fraction
            position["quantity"] = side * whole


@step
def split_orders(book: Book, s: int, ratio: float) -> None:
    """Resting orders keep their meaning: levels and money distances are divided, shares multiplied."""
    for i in range(book.counts[ACTIVE]):
        order = book.orders[book.active[i]]
        if order["symbol"] != s:
            continue
        order["limit"] /= ratio
        order["stop"] /= ratio
        order["remaining"] *= ratio
        if order["size_kind"] in (SHARES, TARGET_SHARES):
            order["size"] *= ratio
        if not order["relative"] & 1:
            order["stop_loss"] /= ratio
        if not order["relative"] & 2:
            order["take_profit"] /= ratio
        if not order["relative"] & 4:
            order["trailing"] /= ratio


@step
def pay_dividend(book: Book, terms: Terms, s: int, dividend: float) -> None:
    """Credit the holder of the evening before; a short pays.

    Reinvested, it buys shares at the mark less the dividend.
    """
    position = book.positions[s]
    amount = position["quantity"] * dividend
    if terms.reinvest and position["mark"] > dividend:
        bought = amount / (position["mark"] - dividend)
        position["quantity"] += bought
        position["entry_shares"] += abs(bought)
        position["entry_notional"] += abs(amount)
        position["entry_price"] = position["entry_notional"] / position["entry_shares"]
    else:
        book.account[CASH] += amount
    position["income"] += amount


@step
def events(book: Book, market: Market, terms: Terms, t: int) -> None:
    """(1) Splits, dividends and delistings of the day, before anything trades."""
    if market.extras.shape[0] > 0:
        for s in range(market.prices.shape[1]):
            ratio = market.extras[SPLIT, s, t]
            if ratio == ratio and ratio != 1.0:
                split_orders(book, s, ratio)
                split_position(book, terms, s, ratio, t)
            dividend = market.extras[DIVIDEND, s, t]
            if dividend == dividend and book.positions[s]["quantity"] != 0.0:
                pay_dividend(book, terms, s, dividend)
    i = 0
    while i < book.counts[HELD]:
        s = book.held[i]
        if market.listing[DELISTED_ON, s] == t:
            close_position(book, terms, s, book.positions[s]["mark"] * (1.0 - terms.delist_loss), DELISTED, t)
        else:
            i += 1
    for j in range(book.counts[ACTIVE]):
        if market.listing[DELISTED_ON, book.orders[book.active[j]]["symbol"]] == t:
            finish(book, book.active[j], CANCELLED, DELISTED)


@step
def close_position(book: Book, terms: Terms, s: int, price: float, reason: int, t: int) -> None:
    """Close a whole position at a price without slippage or fee, outside the market."""
    side = -1 if book.positions[s]["quantity"] > 0.0 else 1
    number = submit(book, t, s, side, CLOSE, 0.0, REDUCE_ONLY, reason)
    execute(book, terms, number, s, -book.positions[s]["quantity"], price, price, 1.0, reason, t)
    finish(book, number, FILLED, NO_REASON)
    sweep_active(book)
