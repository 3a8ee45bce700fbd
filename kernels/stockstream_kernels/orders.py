"""Orders become fills, fills become positions, positions become trades."""

from __future__ import annotations

from typing import Any

import numpy as np

from stockstream_kernels._compile import step
from stockstream_kernels.fills import affordable, fee, slipped, volume_cap, whole_lots
from stockstream_kernels.ledger import (
    ACTIVE,
    ALL_CASH,
    BAD_SIZE,
    BELOW_LOT,
    BELOW_PARCEL,
    CANCELLED,
    CASH,
    CLOSE,
    CUT_TO_CASH,
    DELISTED,
    ENTRY_ORDER,
    FEES,
    FILLED,
    FILLS,
    FRACTION_PAID,
    GUARDED,
    HAS_VOLUME,
    HELD,
    LONG_VALUE,
    MARKET,
    MAX_POSITIONS,
    NEVER,
    NO_CASH,
    NO_POSITION,
    NO_REASON,
    NO_STOP,
    NOTHING_TO_DO,
    ORDERS,
    PARTLY_FILLED,
    POSITION_CLOSED,
    PRICE_FACTOR,
    REDUCE_ONLY,
    REJECTED,
    RISK,
    RUIN,
    RUINED,
    SHARES,
    SHORT_VALUE,
    SLIPPAGE,
    STOP,
    TARGET_SHARES,
    TARGET_WEIGHT,
    TRADES,
    TURNOVER,
    UNSETTLED,
    VALUE,
    VOLUME,
    VOLUME_FACTOR,
    WAITING,
    WEIGHT,
    Book,
    Market,
    Terms,
)

DUST = 1e-9  # of equity, or of a quantity: what rounding leaves behind


@step
def factor_of(market: Market, s: int, t: int) -> float:
    """Return adjusted / as-traded price of a bar, 1 without the panel."""
    if market.extras.shape[0] == 0 or np.isnan(market.extras[PRICE_FACTOR, s, t]):
        return 1.0
    return market.extras[PRICE_FACTOR, s, t]


@step
def submit(book: Book, t: int, s: int, side: int, size_kind: int, size: float, effect: int, cause: int) -> int:
    """Append a waiting market order without attachments and return its number; the caller sets what else it has."""
    number = book.counts[ORDERS]
    book.counts[ORDERS] = number + 1
    order = book.orders[number]
    order["symbol"], order["created"], order["kind"], order["side"] = s, t, MARKET, side
    order["size_kind"], order["size"], order["effect"] = size_kind, size, effect
    order["cause"], order["reason"] = cause, NO_REASON
    order["limit"], order["stop"] = np.nan, np.nan
    order["stop_loss"], order["take_profit"], order["trailing"] = np.nan, np.nan, np.nan
    order["relative"], order["most_bars"], order["life"], order["waited"] = 0, 0, 0, 0
    order["rank"], order["triggered"], order["status"] = 0.0, 0, WAITING
    order["remaining"], order["asked"], order["filled"] = np.nan, np.nan, 0.0
    order["fill_price"], order["filled_on"], order["cash"] = np.nan, NEVER, np.nan
    book.active[book.counts[ACTIVE]] = number
    book.counts[ACTIVE] += 1
    return number


@step
def finish(book: Book, number: int, status: int, reason: int) -> None:
    """End an order; what was filled of it stays filled."""
    order = book.orders[number]
    order["status"] = PARTLY_FILLED if order["filled"] != 0.0 and status != FILLED else status
    order["reason"] = reason
    position = book.positions[order["symbol"]]
    if position["pending"] == number:
        position["pending"] = NEVER


@step
def sweep_active(book: Book) -> None:
    """Drop ended orders from the waiting list, keeping its order."""
    kept = 0
    for i in range(book.counts[ACTIVE]):
        number = book.active[i]
        if book.orders[number]["status"] == WAITING:
            book.active[kept] = number
            kept += 1
    book.counts[ACTIVE] = kept


@step
def equity_now(book: Book) -> float:
    """Equity at the marks of this instant."""
    return book.account[CASH] + book.account[LONG_VALUE] - book.account[SHORT_VALUE]


@step
def buying_power(cash: float, long_value: float, short_value: float, leverage: float) -> float:
    """Equity times leverage minus gross exposure; exactly the cash for a long-only account without leverage."""
    return leverage * cash + (leverage - 1.0) * long_value - (leverage + 1.0) * short_value


@step
def wanted(book: Book, number: int, price: float, clean: float) -> float:
    """Signed shares that an order's size comes to before cash, lots and caps; NaN for a size that is no number.

    A weight includes the fee and is taken of the equity at this instant; a value is notional at the unslipped price.
    All cash is infinite here: the cash decides.
    """
    order = book.orders[number]
    held = book.positions[order["symbol"]]["quantity"]
    kind, size, side = order["size_kind"], order["size"], order["side"]
    if kind == CLOSE:
        return -held
    if kind == TARGET_SHARES:
        return size - held
    if kind == TARGET_WEIGHT:
        return size * equity_now(book) / price - held
    if kind == ALL_CASH:
        quantity = np.inf
    elif kind == SHARES:
        quantity = size
    elif kind == VALUE:
        quantity = size / clean
    elif kind == WEIGHT:
        quantity = size * equity_now(book) / price
    else:
        distance = order["stop_loss"] * (price if order["relative"] & 1 else 1.0)
        quantity = size * equity_now(book) / distance
    return side * quantity + way_back(order, held)


@step
def way_back(order: Any, held: float) -> float:
    """Shares that a reversal trades to leave the other side; asked for anew at every try, for a stop may be faster."""
    return -held if order["effect"] == ENTRY_ORDER and held * order["side"] < 0.0 else 0.0


@step
def within_cash(book: Book, terms: Terms, number: int, quantity: float, price: float, factor: float) -> float:
    """Cut the part of an order that adds exposure to what buying power, and a weight's budget, can pay with its fee."""
    order = book.orders[number]
    position = book.positions[order["symbol"]]
    held, account = position["quantity"], book.account
    closing = min(abs(held), abs(quantity)) if held * quantity < 0.0 else 0.0
    if abs(quantity) <= closing:
        return quantity
    side = 1.0 if quantity > 0.0 else -1.0
    cash, longs, shorts = account[CASH], account[LONG_VALUE], account[SHORT_VALUE]
    if closing > 0.0:
        cash -= side * closing * price
        longs -= max(held, 0.0) * position["mark"]
        shorts -= max(-held, 0.0) * position["mark"]
    power = buying_power(cash, longs, shorts, terms.leverage)
    if order["size_kind"] == WEIGHT:
        power = min(power, order["size"] * (cash + longs - shorts))
    elif order["size_kind"] == TARGET_WEIGHT:
        power = min(
            power, abs(order["size"]) * (cash + longs - shorts) - (abs(held) * price if closing == 0.0 else 0.0)
        )
    order["cash"] = power
    if power <= DUST * max(equity_now(book), 0.0):
        return -held if closing > 0.0 else 0.0
    # one commission on the whole reversal: the closing part is paid from its own proceeds
    most = affordable(terms, power + closing * price, price, factor)
    return side * max(min(abs(quantity), most), closing)


@step
def sized(
    book: Book, market: Market, terms: Terms, number: int, side: int, price: float, clean: float, t: int
) -> float:
    """Signed shares an order may fill now; 0 ends it, with the reason."""
    order = book.orders[number]
    s = order["symbol"]
    held, factor = book.positions[s]["quantity"], factor_of(market, s, t)
    quantity = order["remaining"]
    # a close is of all that is held by now: a dividend may have bought more since it was first tried
    if not np.isnan(quantity) and order["size_kind"] != CLOSE:
        quantity += way_back(order, held)
    else:
        quantity = wanted(book, number, price, clean)
        if order["size_kind"] != ALL_CASH and (
            not np.isfinite(quantity) or (order["size"] <= 0.0 and order["size_kind"] < CLOSE)
        ):
            finish(book, number, REJECTED, NO_STOP if order["size_kind"] == RISK else BAD_SIZE)
            return 0.0
    if order["effect"] == REDUCE_ONLY:
        quantity = -held if held * quantity < 0.0 and abs(quantity) > abs(held) else quantity
        if held * quantity >= 0.0:
            finish(book, number, CANCELLED, NO_POSITION)
            return 0.0
    if quantity * side <= 0.0:
        # slippage alone is more than the way to the target, or the position has turned round since
        finish(book, number, CANCELLED, NOTHING_TO_DO if order["side"] == 0 else NO_POSITION)
        return 0.0
    if held == 0.0 and quantity != 0.0 and book.counts[HELD] >= terms.max_positions:
        finish(book, number, REJECTED, MAX_POSITIONS)
        return 0.0
    order["asked"] = order["filled"] + quantity if np.isfinite(quantity) else np.nan
    return fitted(book, terms, number, quantity, price, factor)


@step
def fitted(book: Book, terms: Terms, number: int, quantity: float, price: float, factor: float) -> float:
    """Cut to the cash, to whole lots and to the least parcel; 0 ends the order, with the reason."""
    order = book.orders[number]
    held = book.positions[order["symbol"]]["quantity"]
    paid = within_cash(book, terms, number, quantity, price, factor)
    if paid == 0.0:
        finish(book, number, REJECTED, NO_CASH)
        return 0.0
    cut = np.isfinite(quantity) and abs(paid) < abs(quantity) * (1.0 - DUST)
    if cut and order["size_kind"] not in (WEIGHT, TARGET_WEIGHT):
        order["reason"] = CUT_TO_CASH
    if paid == -held:
        return paid
    side = 1.0 if paid > 0.0 else -1.0
    whole = side * whole_lots(terms, abs(paid), factor)
    if whole == 0.0:
        finish(book, number, REJECTED, BELOW_LOT)
        return 0.0
    if held == 0.0 and side > 0.0 and whole * price < terms.parcel:
        finish(book, number, REJECTED, BELOW_PARCEL)
        return 0.0
    return whole


@step
def fill_order(book: Book, market: Market, terms: Terms, number: int, clean: float, when: int, t: int) -> None:
    """Fill an order at a price, as far as size, cash and the volume cap allow; limits do not slip."""
    order = book.orders[number]
    s = order["symbol"]
    position = book.positions[s]
    factor = factor_of(market, s, t)
    if book.counts[RUIN] == 1 and order["effect"] != REDUCE_ONLY:
        finish(book, number, REJECTED, RUINED)
        return
    side = direction(book, number, clean)
    if side == 0:
        no_way(book, number, clean)
        return
    price = slipped(terms, clean, side, factor) if order["kind"] in (MARKET, STOP) else clean
    quantity = sized(book, market, terms, number, side, price, clean, t)
    if quantity == 0.0:
        return
    cap = room(book, market, terms, s, t)
    done = quantity if abs(quantity) <= cap * (1.0 + DUST) else side * cap
    left = quantity - done
    if left != 0.0:
        done = (1.0 if done > 0.0 else -1.0) * whole_lots(terms, abs(done), factor)
        left = quantity - done
        order["remaining"] = left - way_back(order, position["quantity"] + done)
        if done == 0.0:
            return
    opened = position["quantity"] == 0.0 or position["quantity"] * (position["quantity"] + done) < 0.0
    execute(book, terms, number, s, done, price, clean, factor, order["cause"], t)
    if opened and position["quantity"] != 0.0:
        attach(book, number, price, when)
    if left == 0.0:
        finish(book, number, FILLED, order["reason"])


@step
def room(book: Book, market: Market, terms: Terms, s: int, t: int) -> float:
    """Shares that the volume cap still allows in this session; no cap where no volume is known."""
    if terms.participation <= 0.0 or market.listing[HAS_VOLUME, s] == 0:
        return np.inf
    position = book.positions[s]
    used = position["traded"] if position["traded_on"] == t else 0.0
    has = market.extras.shape[0] > 0 and not np.isnan(market.extras[VOLUME_FACTOR, s, t])
    volume_factor = market.extras[VOLUME_FACTOR, s, t] if has else 1.0
    cap = volume_cap(terms, market.prices[VOLUME, s, t], factor_of(market, s, t), volume_factor)
    return cap - used if cap - used > DUST * cap else 0.0


@step
def direction(book: Book, number: int, price: float) -> int:
    """Side an order will trade on at a price: 1 buy, -1 sell, 0 nothing to do."""
    order = book.orders[number]
    if order["side"] != 0:
        return order["side"]
    remaining = order["remaining"]
    quantity = wanted(book, number, price, price) if np.isnan(remaining) else remaining
    return 1 if quantity > 0.0 else -1 if quantity < 0.0 else 0


@step
def no_way(book: Book, number: int, price: float) -> None:
    """End a target order that has nothing to trade: it is met, or its size is no number."""
    if np.isnan(wanted(book, number, price, price)):
        finish(book, number, REJECTED, BAD_SIZE)
    else:
        finish(book, number, CANCELLED, NOTHING_TO_DO)


@step
def attach(book: Book, number: int, price: float, when: int) -> None:
    """Set the levels of a new position from its order, at the price it was filled at."""
    order = book.orders[number]
    position = book.positions[order["symbol"]]
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    relative = order["relative"]
    position["stop"] = price - side * order["stop_loss"] * (price if relative & 1 else 1.0)
    position["target"] = price + side * order["take_profit"] * (price if relative & 2 else 1.0)
    position["trail"] = order["trailing"]
    position["trail_relative"] = 1 if relative & 4 else 0
    position["trail_extreme"] = price
    position["most_bars"] = order["most_bars"]
    position["filled"] = when
    if guarded(position):
        book.counts[GUARDED] += 1


@step
def guarded(position: Any) -> bool:
    """Whether a position may end by itself: it has a stop, a target or a time exit."""
    stop, target, trail = position["stop"], position["target"], position["trail"]
    return stop == stop or target == target or trail == trail or position["most_bars"] > 0


@step
def execute(
    book: Book,
    terms: Terms,
    number: int,
    s: int,
    quantity: float,
    price: float,
    clean: float,
    factor: float,
    reason: int,
    t: int,
) -> None:
    """Book one fill: cash, position, fill record, and the trade where the position ends."""
    position, account, order = book.positions[s], book.account, book.orders[number]
    shares = abs(quantity)
    outside = reason in (DELISTED, FRACTION_PAID)
    charge = fee(terms, shares * price, shares * factor) if not outside else 0.0
    lost = shares * abs(price - clean)
    held = position["quantity"]
    account[CASH] -= quantity * price + charge
    account[FEES] += charge
    account[SLIPPAGE] += lost
    account[TURNOVER] += shares * price
    if quantity < 0.0 < held and terms.settle:  # proceeds of a short are collateral, settled or not
        sold = min(shares, held)
        account[UNSETTLED] += max(sold * price - charge * sold / shares, 0.0)  # a fee beyond them is paid at once
    record = book.fills[book.counts[FILLS]]
    book.counts[FILLS] += 1
    record["order"], record["session"], record["symbol"], record["quantity"] = number, t, s, quantity
    record["price"], record["fee"], record["slippage"], record["reason"] = price, charge, lost, reason
    if position["traded_on"] != t:
        position["traded"], position["traded_on"] = 0.0, t
    position["traded"] += shares
    before = order["filled"]
    order["fill_price"] = (
        price if before == 0.0 else (order["fill_price"] * before + price * quantity) / (before + quantity)
    )
    order["filled"] = before + quantity
    order["filled_on"] = t
    value(book, s, -1.0)
    closing = min(shares, abs(held)) if held * quantity < 0.0 else 0.0
    if closing > 0.0:
        reduce(book, number, s, closing, price, charge * closing / shares, reason, t)
    if shares > closing:
        side = 1.0 if quantity > 0.0 else -1.0
        add(book, s, side * (shares - closing), price, clean, charge * (shares - closing) / shares, reason, t)
    value(book, s, 1.0)


@step
def value(book: Book, s: int, sign: float) -> None:
    """Add (or take out) a position's value at its mark to the totals of the account."""
    position = book.positions[s]
    if position["quantity"] > 0.0:
        book.account[LONG_VALUE] += sign * position["quantity"] * position["mark"]
    elif position["quantity"] < 0.0:
        book.account[SHORT_VALUE] -= sign * position["quantity"] * position["mark"]


@step
def add(book: Book, s: int, quantity: float, price: float, clean: float, charge: float, reason: int, t: int) -> None:
    """Open a position or add to it."""
    position = book.positions[s]
    if position["quantity"] == 0.0:
        position["entry_notional"], position["exit_notional"] = 0.0, 0.0
        position["entry_shares"], position["exit_shares"] = 0.0, 0.0
        position["fees"], position["income"] = 0.0, 0.0
        position["stop"], position["target"], position["trail"] = np.nan, np.nan, np.nan
        position["highest"], position["lowest"], position["mark"] = price, price, clean
        position["opened"], position["bars"], position["most_bars"], position["entry_reason"] = t, 0, 0, reason
        hold(book, s)
    position["quantity"] += quantity
    position["entry_shares"] += abs(quantity)
    position["entry_notional"] += abs(quantity) * price
    position["entry_price"] = position["entry_notional"] / position["entry_shares"]
    position["fees"] += charge


@step
def hold(book: Book, s: int) -> None:
    """Insert a symbol into the list of held ones, in symbol order."""
    place = place_of(book, s)
    for i in range(book.counts[HELD], place, -1):
        book.held[i] = book.held[i - 1]
    book.held[place] = s
    book.counts[HELD] += 1


@step
def place_of(book: Book, s: int) -> int:
    """Where a symbol is in the list of held ones, or would be."""
    low, high = 0, book.counts[HELD]
    while low < high:
        middle = (low + high) // 2
        if book.held[middle] < s:
            low = middle + 1
        else:
            high = middle
    return low


@step
def reduce(book: Book, by: int, s: int, shares: float, price: float, charge: float, reason: int, t: int) -> None:
    """Close a position or part of it; a closed one becomes a trade and takes its reduce-only orders with it."""
    position = book.positions[s]
    position["exit_shares"] += shares
    position["exit_notional"] += shares * price
    position["fees"] += charge
    position["highest"] = max(position["highest"], price)
    position["lowest"] = min(position["lowest"], price)
    if shares < abs(position["quantity"]):
        position["quantity"] -= shares if position["quantity"] > 0.0 else -shares
        return
    record_trade(book, s, reason, t)
    position["quantity"] = 0.0
    book.counts[HELD] -= 1
    for j in range(place_of(book, s), book.counts[HELD]):
        book.held[j] = book.held[j + 1]
    for j in range(book.counts[ACTIVE]):
        number = book.active[j]
        order = book.orders[number]
        if number != by and order["symbol"] == s and order["effect"] == REDUCE_ONLY and order["status"] == WAITING:
            finish(book, number, CANCELLED, POSITION_CLOSED)


@step
def record_trade(book: Book, s: int, reason: int, t: int) -> None:
    """Write the round trip of a position that is about to be flat; pnl is net of both fees."""
    position = book.positions[s]
    trade = book.trades[book.counts[TRADES]]
    book.counts[TRADES] += 1
    side = 1 if position["quantity"] > 0.0 else -1
    entry = position["entry_price"]
    best, worst = position["highest"] / entry - 1.0, position["lowest"] / entry - 1.0
    trade["symbol"], trade["side"], trade["entry"], trade["exit"] = s, side, position["opened"], t
    trade["entry_price"], trade["quantity"] = entry, position["entry_shares"]
    trade["exit_price"] = (
        position["exit_notional"] / position["exit_shares"] if position["exit_shares"] > 0.0 else position["mark"]
    )
    gain = side * (position["exit_notional"] - position["entry_notional"])
    trade["pnl"] = gain - position["fees"] + position["income"]
    trade["fees"], trade["income"], trade["bars_held"] = position["fees"], position["income"], position["bars"]
    trade["mae"], trade["mfe"] = (worst, best) if side > 0 else (-best, -worst)
    trade["entry_reason"], trade["exit_reason"] = position["entry_reason"], reason
