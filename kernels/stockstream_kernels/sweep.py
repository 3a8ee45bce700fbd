"""Many runs of one symbol: rules evaluated by block, the simulator entered only where something can happen.

Between two decisions that matter a run without stops only marks its position, so `run_single` steps over those bars and
calls the same session steps as the portfolio loop on the others: the fills are its fills, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.expressions import BLOCK, TRUE, Truths, run_program
from stockstream_kernels.ledger import (
    ACTIVE,
    CASH,
    EVENTFUL,
    FILLS,
    GUARDED,
    HELD,
    LONG_VALUE,
    NEVER,
    ORDERS,
    OVERNIGHT_CASH,
    PRICE,
    RUIN,
    SHORT_VALUE,
    TRADES,
    Book,
    Market,
    Record,
    Series,
    Terms,
)
from stockstream_kernels.measures import MEASURES, Sheet, block_sums, measure, write_row
from stockstream_kernels.portfolio import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    Signals,
    close_session,
    decide,
    open_session,
)
from stockstream_kernels.trade_performance import add_trade

type Codes = NDArray[np.uint8]


class Programs(NamedTuple):
    """The rules of a sweep: one program each, empty where there is no such rule."""

    enter_long: NDArray[np.int64]
    exit_long: NDArray[np.int64]
    enter_short: NDArray[np.int64]
    exit_short: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working memory of one thread, reused by every run."""

    numbers: Series  # (levels, BLOCK)
    truths: Truths  # (levels, BLOCK)
    sides: Series  # memory of crosses
    own: NDArray[np.uint8]  # (N,) codes on the own bars, (0,) when there is one on every session
    trades: Series


@step
def fill_codes(
    programs: Programs, rows: Series, slots: NDArray[np.int32], values: Series, codes: Codes, scratch: Scratch
) -> None:
    """Evaluate the rules of one run into signal codes on the symbol's own bars."""
    for i in range(len(codes)):
        codes[i] = 0
    add_code(programs.enter_long, rows, slots, values, codes, scratch, ENTER_LONG)
    add_code(programs.exit_long, rows, slots, values, codes, scratch, EXIT_LONG)
    add_code(programs.enter_short, rows, slots, values, codes, scratch, ENTER_SHORT)
    add_code(programs.exit_short, rows, slots, values, codes, scratch, EXIT_SHORT)


@step
def place_codes(
    programs: Programs,
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    session: NDArray[np.int64],
    codes: Codes,
    scratch: Scratch,
) -> None:
    """Evaluate the rules of one run into signal codes on the sessions; ``session (N,)`` places own bars on them."""
    if len(scratch.own) == 0:
        fill_codes(programs, rows, slots, values, codes, scratch)
        return
    fill_codes(programs, rows, slots, values, scratch.own, scratch)
    for i in range(len(session)):
        codes[session[i]] = scratch.own[i]


@step
def add_code(
    program: NDArray[np.int64],
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    codes: Codes,
    scratch: Scratch,
    bit: int,
) -> None:
    """Set one bit of the codes where a rule is true; unknown is not a signal."""
    if len(program) == 0:
        return
    scratch.sides[:] = 0.0
    for begin in range(0, len(codes), BLOCK):
        count = min(BLOCK, len(codes) - begin)
        run_program(program, rows, slots, values, begin, count, scratch.numbers, scratch.truths, scratch.sides)
        set_bits(scratch.truths[0, :count], bit, codes[begin : begin + count])


@step
def set_bits(truth: Truths, bit: int, codes: Codes) -> None:
    """Set a bit where a truth value is TRUE."""
    for i in range(len(codes)):
        codes[i] |= np.uint8(bit) * np.uint8(truth[i] == TRUE)


@step
def matters(code: int, quantity: float) -> bool:
    """Whether a code can lead to an order for a position like this."""
    if quantity == 0.0:
        return code & (ENTER_LONG | ENTER_SHORT) != 0
    if quantity > 0.0:
        return code & (EXIT_LONG | ENTER_SHORT) != 0
    return code & (EXIT_SHORT | ENTER_LONG) != 0


@step
def coast(book: Book, market: Market, terms: Terms, record: Record, codes: NDArray[np.uint8], first: int) -> int:
    """Mark the position from session `first` on until something can happen; return the session on which it can."""
    position, account = book.positions[0], book.account
    quantity, cash, last = position["quantity"], account[CASH], position["mark"]
    worth, t, own = 0.0, first, 0
    while t < len(codes) and not (matters(codes[t], quantity) and book.counts[RUIN] == 0):
        price = market.prices[PRICE, 0, t]
        seen = price == price
        price = price if seen else last
        worth = abs(quantity) * price if quantity != 0.0 else 0.0
        equity = cash + worth if quantity >= 0.0 else cash - worth
        if equity <= 0.0 or equity < terms.maintenance * worth:
            break
        last = price
        own += seen
        record.equity[t] = equity
        t += 1
    if quantity != 0.0 and t > first:
        position["mark"] = last
        position["bars"] += own
        account[LONG_VALUE] = quantity * last if quantity > 0.0 else 0.0
        account[SHORT_VALUE] = -quantity * last if quantity < 0.0 else 0.0
    return t


@step
def idle(book: Book, terms: Terms) -> bool:
    """Whether nothing waits, nothing guards the position, and nothing accrues."""
    counts = book.counts
    calm = counts[ACTIVE] == 0 and counts[GUARDED] == 0 and counts[EVENTFUL] == 0
    return calm and terms.cash_rate == 0.0 and terms.borrow_rate == 0.0


@step
def reset(book: Book, cash: float) -> None:
    """Make a book of one symbol fresh again."""
    eventful = book.counts[EVENTFUL]
    book.counts[:] = 0
    book.counts[EVENTFUL] = eventful
    book.account[:] = 0.0
    book.account[CASH], book.account[OVERNIGHT_CASH] = cash, cash
    position = book.positions[0]
    position["quantity"], position["most_bars"] = 0.0, 0
    position["stop"], position["target"], position["trail"], position["mark"] = np.nan, np.nan, np.nan, np.nan
    position["pending"], position["stopped_on"], position["traded_on"] = NEVER, NEVER, NEVER


@step
def run_single(
    book: Book, market: Market, terms: Terms, record: Record, signals: Signals, trades: Series, cash: float
) -> int:
    """Run one symbol; equity goes to the record, closed trades to their sums. Returns the sessions with a position."""
    reset(book, cash)
    trades[:] = 0.0
    codes, t, exposed = signals.codes[0], 0, 0
    sessions = len(codes)
    while t < sessions:
        if idle(book, terms):
            begin, held = t, book.counts[HELD]
            t = coast(book, market, terms, record, codes, t)
            exposed += (t - begin) * held
            if t == sessions:
                break
        open_session(book, market, terms, t)
        if codes[t] != 0 and book.counts[RUIN] == 0:
            decide(book, market, terms, signals, 0, t)
        close_session(book, market, terms, record, t)
        exposed += book.account[LONG_VALUE] + book.account[SHORT_VALUE] > 0.0
        for i in range(book.counts[TRADES]):
            trade = book.trades[i]
            add_trade(
                trades, trade["pnl"], trade["pnl"] / (trade["quantity"] * trade["entry_price"]), trade["bars_held"]
            )
        book.counts[TRADES] = 0
        if book.counts[ACTIVE] == 0:  # nothing refers to the ledgers any more: they stay small and in the cache
            book.counts[ORDERS], book.counts[FILLS] = 0, 0
        t += 1
    return exposed


@kernel
def sweep_runs(
    programs: Programs,
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    levels: NDArray[np.int32],
    session: NDArray[np.int64],
    book: Book,
    market: Market,
    terms: Terms,
    record: Record,
    signals: Signals,
    scratch: Scratch,
    account: Series,
    sheet: Sheet,
) -> None:
    """Simulate every combination of a chunk on one symbol.

    ``slots (C, K)`` are the rows and ``values (C, V)`` the numbers of each combination; ``levels (3,)`` say which value
    is its stop-loss, take-profit and trailing stop (NEVER: the panel in `signals`); ``session (N,)`` places own bars on
    the T sessions; ``account`` is (cash, periods a year, hurdle a period).
    """
    cash, periods, hurdle = account[0], account[1], account[2]
    for run in range(len(slots)):
        place_codes(programs, rows, slots[run], values[run], session, signals.codes[0], scratch)
        if levels[0] != NEVER:
            signals.stop_loss[0, 0] = values[run, levels[0]]
        if levels[1] != NEVER:
            signals.take_profit[0, 0] = values[run, levels[1]]
        if levels[2] != NEVER:
            signals.trailing[0, 0] = values[run, levels[2]]
        exposed = run_single(book, market, terms, record, signals, scratch.trades, cash)
        measure(book, record, scratch.trades, exposed, cash, periods, hurdle, sheet.row)
        if len(sheet.borders) > 1:
            block_sums(record.equity, cash, sheet.borders, sheet.row[len(MEASURES) :])
        write_row(sheet, run)
