"""The loop over sessions: decisions given as arrays become equity, cash and a ledger.

Shared cash, any number of symbols. The order of a session is `session`'s; here stands only what is decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream_kernels._compile import allocating, kernel, step
from stockstream_kernels.corporate_events import events
from stockstream_kernels.ledger import (
    ACTIVE,
    ALL_CASH,
    BY_STRATEGY,
    CANCELLED,
    CANCELLED_BY_STRATEGY,
    CLOSE,
    CONFLICT,
    ENTRY,
    ENTRY_ORDER,
    EVENTFUL,
    EXIT,
    FILLS,
    GUARDED,
    HELD,
    LONG_VALUE,
    MARKET,
    NET,
    NEVER,
    ORDERS,
    PRICE,
    REBALANCE,
    REDUCE_ONLY,
    REJECTED,
    RESTING,
    REVERSAL,
    RUIN,
    SHORT_VALUE,
    STOPPED_TODAY,
    SUPERSEDED,
    TARGET_WEIGHT,
    TRADES,
    Book,
    Market,
    Record,
    Records,
    Series,
    Terms,
    codes,
)
from stockstream_kernels.orders import (
    equity_now,
    factor_of,
    finish,
    submit,
    sweep_active,
    wanted,
    way_back,
    within_cash,
)
from stockstream_kernels.session import accrue, age, at_close, at_open, inside, mark, revalue

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bits of a signal code.
ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = codes(9)[1], codes(9)[2], codes(9)[4], codes(9)[8]


class Signals(NamedTuple):
    """What is decided at each close, as arrays. Panels are (S, T), (1, 1) for one value, (0, 0) for none."""

    codes: NDArray[np.uint8]  # (S, T), bits
    starts: NDArray[np.int64]  # (T + 1,): symbols with a code on session t are symbols[starts[t]:starts[t + 1]]
    symbols: NDArray[np.int64]
    rank: Series  # smaller goes first
    size_kind: int
    size: Series
    stop_loss: Series
    take_profit: Series
    trailing: Series
    relative: int
    most_bars: int
    life: int


class Targets(NamedTuple):
    """Weights (S, T) to hold after each close; NaN leaves the symbol alone."""

    weights: Series
    threshold: float  # least difference to the weight held that is worth a trade
    life: int


@step
def at(panel: Series, s: int, t: int) -> float:
    """Value of a panel, a constant, or NaN where there is none."""
    if panel.shape[0] == 0:
        return np.nan
    if panel.shape == (1, 1):
        return panel[0, 0]
    return panel[s, t]


@allocating
def index_codes(codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the symbols that have a code, session by session, so that the loop visits nothing else."""
    symbols, sessions = codes.shape
    starts = np.zeros(sessions + 1, dtype=np.int64)
    for s in range(symbols):
        for t in range(sessions):
            starts[t + 1] += codes[s, t] != 0
    starts = np.cumsum(starts)
    place = starts[:-1].copy()
    listed = np.empty(starts[-1], dtype=np.int64)
    for s in range(symbols):
        for t in range(sessions):
            if codes[s, t] != 0:
                listed[place[t]] = s
                place[t] += 1
    return starts, listed


@step
def open_session(book: Book, market: Market, terms: Terms, t: int) -> None:
    """Everything of a session up to the strategy's turn; what cannot happen is not asked for."""
    counts = book.counts
    if counts[EVENTFUL] != 0:
        events(book, market, terms, t)
    if counts[ACTIVE] > 0 or counts[GUARDED] > 0:
        at_open(book, market, terms, t)
    if counts[GUARDED] > 0 or counts[RESTING] > 0:
        inside(book, market, terms, t)
    if terms.cash_rate != 0.0 or terms.borrow_rate != 0.0:
        accrue(book, market, terms, t)
    if counts[HELD] > 0 or counts[ACTIVE] > 0:
        age(book, market, terms, t)
    if counts[HELD] > 0:
        revalue(book, market, PRICE, t)
    else:
        book.account[LONG_VALUE], book.account[SHORT_VALUE] = 0.0, 0.0


@step
def close_session(book: Book, market: Market, terms: Terms, record: Record, t: int) -> None:
    """Everything of a session after the strategy's turn."""
    if book.counts[ACTIVE] > 0 or book.counts[HELD] > 0:
        at_close(book, market, terms, t)
    mark(book, market, terms, record, t)


@step
def has_room(book: Book) -> bool:
    """Whether the ledgers can take one more session, whatever happens in it."""
    symbols = len(book.positions)
    need = 6 * symbols + 2 * book.counts[ACTIVE] + 16
    return (
        book.counts[ORDERS] + need <= len(book.orders)
        and book.counts[FILLS] + need <= len(book.fills)
        and book.counts[TRADES] + need <= len(book.trades)
        and book.counts[ACTIVE] + 3 * symbols + 16 <= len(book.active)
    )


@kernel
def run_signals(book: Book, market: Market, terms: Terms, record: Record, signals: Signals, first: int) -> int:
    """Run from session `first` until the end or until a ledger is full; return the session to go on with."""
    for t in range(first, market.prices.shape[2]):
        if not has_room(book):
            return t
        open_session(book, market, terms, t)
        if book.counts[RUIN] == 0:
            for i in range(signals.starts[t], signals.starts[t + 1]):
                decide(book, market, terms, signals, signals.symbols[i], t)
        close_session(book, market, terms, record, t)
    return market.prices.shape[2]


@step
def decide(book: Book, market: Market, terms: Terms, signals: Signals, s: int, t: int) -> None:
    """Turn a symbol's signals of one bar into an order, unless it is already there or on its way.

    An exit applies to what is held or waited for on its side; an entry on the other side reverses. Entries on both
    sides at once contradict each other and are refused; a symbol that was stopped out on this bar needs a new signal.
    """
    code = signals.codes[s, t]
    long, short = code & ENTER_LONG != 0, code & ENTER_SHORT != 0
    position = book.positions[s]
    heading = intention(book, s)
    if (long and short) or ((long or short) and position["stopped_on"] == t):
        side = -1 if short and not long else 1
        number = submit(book, t, s, side, signals.size_kind, at(signals.size, s, t), ENTRY_ORDER, ENTRY)
        finish(book, number, REJECTED, CONFLICT if long and short else STOPPED_TODAY)
        sweep_active(book)
        long, short = False, False
    goal = heading
    if heading <= 0 and long:
        goal = 1
    elif heading >= 0 and short:
        goal = -1
    elif (heading > 0 and code & EXIT_LONG) or (heading < 0 and code & EXIT_SHORT):
        goal = 0
    if goal != heading:
        head_for(book, market, terms, signals, s, goal, t)


@step
def intention(book: Book, s: int) -> int:
    """Side that a symbol is on, or will be on once its waiting decision is filled."""
    position = book.positions[s]
    if position["pending"] != NEVER:
        order = book.orders[position["pending"]]
        return 0 if order["size_kind"] == CLOSE else order["side"]
    return 1 if position["quantity"] > 0.0 else -1 if position["quantity"] < 0.0 else 0


@step
def head_for(book: Book, market: Market, terms: Terms, signals: Signals, s: int, goal: int, t: int) -> None:
    """Supersede the waiting decision and order what still separates the position from the goal."""
    position = book.positions[s]
    if position["pending"] != NEVER:
        finish(book, position["pending"], CANCELLED, SUPERSEDED)
        sweep_active(book)
    side = 1 if position["quantity"] > 0.0 else -1 if position["quantity"] < 0.0 else 0
    if goal == side:
        return
    if goal == 0:
        number = submit(book, t, s, -side, CLOSE, 0.0, REDUCE_ONLY, EXIT)
    else:
        cause = REVERSAL if side != 0 else ENTRY
        number = submit(book, t, s, goal, signals.size_kind, at(signals.size, s, t), ENTRY_ORDER, cause)
    order = book.orders[number]
    order["stop_loss"], order["take_profit"] = at(signals.stop_loss, s, t), at(signals.take_profit, s, t)
    order["trailing"], order["relative"] = at(signals.trailing, s, t), signals.relative
    order["most_bars"], order["life"] = signals.most_bars, signals.life
    if signals.rank.shape[0] > 0:
        # a symbol without a rank comes last
        order["rank"] = signals.rank[s, t] if not np.isnan(signals.rank[s, t]) else np.inf
    if terms.at_decision and goal != 0:
        size_now(book, market, terms, number, t)
    position["pending"] = number


@step
def size_now(book: Book, market: Market, terms: Terms, number: int, t: int) -> None:
    """Resolve the size of an order with the close of its decision.

    Cash, lots and the number of positions are judged at the fill: what is sold there may make room. Only all cash
    needs the cash of now; where there is none, it is resolved at the fill like the others.
    """
    order = book.orders[number]
    price = market.prices[PRICE, order["symbol"], t]
    quantity = wanted(book, number, price, price)
    if np.isinf(quantity) and order["size_kind"] == ALL_CASH:
        quantity = within_cash(book, terms, number, quantity, price, factor_of(market, order["symbol"], t))
    quantity -= way_back(order, book.positions[order["symbol"]]["quantity"])
    order["remaining"] = quantity if quantity != 0.0 and np.isfinite(quantity) else np.nan


@kernel
def run_targets(book: Book, market: Market, terms: Terms, record: Record, targets: Targets, first: int) -> int:
    """Run weights from session `first` until the end or until a ledger is full; return the session to go on with."""
    for t in range(first, market.prices.shape[2]):
        if not has_room(book):
            return t
        open_session(book, market, terms, t)
        if book.counts[RUIN] == 0:
            equity = equity_now(book)
            for s in range(market.prices.shape[1]):
                if targets.weights[s, t] == targets.weights[s, t]:
                    aim(book, targets, s, t, equity)
        close_session(book, market, terms, record, t)
    return market.prices.shape[2]


@step
def aim(book: Book, targets: Targets, s: int, t: int, equity: float) -> None:
    """Order the way to a weight, unless the position is nearer to it than the threshold."""
    position, weight = book.positions[s], targets.weights[s, t]
    if position["pending"] != NEVER:
        finish(book, position["pending"], CANCELLED, SUPERSEDED)
        sweep_active(book)
    now = position["quantity"] * position["mark"] / equity if position["quantity"] != 0.0 else 0.0
    if weight == now or (weight != 0.0 and abs(weight - now) <= targets.threshold):
        return
    number = submit(book, t, s, 0, TARGET_WEIGHT, weight, NET, REBALANCE)
    book.orders[number]["life"] = targets.life
    position["pending"] = number


# ---- what Python calls -------------------------------------------------------------------------------------------


@kernel
def catch_up(book: Book, market: Market, table: Records, record: Record, first: int, opened: bool, goal: int) -> int:
    """Run up to the strategy's turn of session `goal`; `first` is the first session that is not closed yet.

    The terms come as a table of one row, whose memory Python hands over faster than that of a record.

    Returns the goal, or ``-1 - t`` when a ledger is too full to open session t.
    """
    terms, t = table[0], first
    if opened and t < goal:
        close_session(book, market, terms, record, t)
        t += 1
    elif opened:
        return goal
    while t <= goal:
        if not has_room(book):
            return -1 - t
        open_session(book, market, terms, t)
        if t < goal:
            close_session(book, market, terms, record, t)
        t += 1
    return goal


@kernel
def finish_session(book: Book, market: Market, terms: Terms, record: Record, t: int) -> None:
    """Run the rest of a session after the strategy's turn."""
    close_session(book, market, terms, record, t)


@kernel
def decide_signals(book: Book, market: Market, terms: Terms, signals: Signals, s: int, t: int) -> None:
    """Act on the signals of one symbol and bar."""
    decide(book, market, terms, signals, s, t)


@kernel
def cancel_waiting(book: Book, s: int) -> None:
    """Cancel the waiting orders of a symbol, at the strategy's word."""
    for i in range(book.counts[ACTIVE]):
        if book.orders[book.active[i]]["symbol"] == s:
            finish(book, book.active[i], CANCELLED, CANCELLED_BY_STRATEGY)
    sweep_active(book)


@kernel
def place_order(
    book: Book,
    t: int,
    s: int,
    side: int,
    size_kind: int,
    size: float,
    effect: int,
    kind: int,
    limit: float,
    stop: float,
    stop_loss: float,
    take_profit: float,
    trailing: float,
    relative: int,
    most_bars: int,
    life: int,
) -> int:
    """Append an order of a strategy and return its number, or NEVER when the ledgers must grow first.

    One call for all of it: writing the fields of a record from Python took longer than everything else about an order.
    """
    if not has_room(book):
        return NEVER
    number = submit(book, t, s, side, size_kind, size, effect, BY_STRATEGY)
    order = book.orders[number]
    order["kind"], order["limit"], order["stop"] = kind, limit, stop
    order["stop_loss"], order["take_profit"], order["trailing"] = stop_loss, take_profit, trailing
    order["relative"], order["most_bars"], order["life"] = relative, most_bars, life
    if kind != MARKET:
        book.counts[RESTING] += 1
    return number


@kernel
def reject(book: Book, number: int, reason: int) -> None:
    """Refuse an order that was submitted from Python."""
    finish(book, number, REJECTED, reason)
    sweep_active(book)
