"""Many runs of one symbol: rules evaluated by block, the simulator entered only where something can happen.

Between two decisions that matter a run without stops only marks its position, so `run_single` steps over those bars and
calls the same session steps as the portfolio loop on the others: the fills are its fills, to the last bit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.expressions import BLOCK, TRUE, Truths, run_program
from stockstream_kernels.ledger import (
    ACTIVE,
    BORROW,
    CASH,
    EVENTFUL,
    FEES,
    FILLS,
    GUARDED,
    HELD,
    INTEREST,
    LONG_VALUE,
    NEVER,
    ORDERS,
    OVERNIGHT_CASH,
    PRICE,
    RUIN,
    SHORT_VALUE,
    SLIPPAGE,
    TRADES,
    TURNOVER,
    Book,
    Market,
    Record,
    Series,
    Terms,
)
from stockstream_kernels.performance import living_bars, mean_equity, path_ratios, path_sums
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
from stockstream_kernels.tape import Score, Tape, score, turns_of_codes, turns_of_cross
from stockstream_kernels.trade_performance import add_trade, trade_ratios

#: What a run of a sweep can report, by place in its row of results.
MEASURES: Final = (
    "total_return",
    "annual_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "average_win",
    "average_loss",
    "volatility",
    "calmar",
    "exposure",
    "turnover",
    "trades",
    "expectancy",
    "sqn",
    "best_trade",
    "worst_trade",
    "average_bars_held",
    "fees",
    "slippage",
    "borrow",
    "interest",
    "final_equity",
    "ambiguous_bars",
)


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
        for i in range(count):
            codes[begin + i] |= np.uint8(bit) * np.uint8(scratch.truths[0, i] == TRUE)


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


@step
def measure(
    book: Book, record: Record, trades: Series, exposed: int, cash: float, periods: float, hurdle: float, out: Series
) -> None:
    """Write every measure of a finished run, in the order of MEASURES."""
    sessions = len(record.equity)
    path = record.equity[: living_bars(record.equity)]
    ratios = path_ratios(path_sums(path, cash, hurdle), periods, hurdle)
    closed = trade_ratios(trades)
    average, account = mean_equity(path), book.account
    out[0], out[1], out[2], out[3] = ratios.total_return, ratios.annual_return, ratios.sharpe, ratios.sortino
    out[4], out[5], out[6] = ratios.max_drawdown, closed.win_rate, closed.profit_factor
    out[7], out[8], out[9], out[10] = closed.average_win, closed.average_loss, ratios.volatility, ratios.calmar
    out[11] = exposed / sessions
    out[12] = account[TURNOVER] / average * periods / len(path) if average > 0.0 else np.nan
    out[13], out[14], out[15] = closed.trades, closed.expectancy, closed.sqn
    out[16], out[17], out[18] = closed.best_trade, closed.worst_trade, closed.average_bars_held
    out[19], out[20], out[21], out[22] = account[FEES], account[SLIPPAGE], account[BORROW], account[INTEREST]
    out[23], out[24] = record.equity[sessions - 1], book.counts[5]


class Short(NamedTuple):
    """What the short way needs besides the tape."""

    way: int  # 0: none, every run is simulated; 1: by codes; 2: by the cross of two rows
    fast: int  # slots of the two rows
    slow: int
    known: NDArray[np.int64]  # (R,): first known bar of each row, NEVER when it has a gap later on
    place: NDArray[np.int64]  # (N,): session of each own bar
    above: NDArray[np.uint8]
    words: NDArray[np.uint64]  # the same bytes, eight at a time
    turns: NDArray[np.int32]


@step
def short_turns(short: Short, tape: Tape, signals: Signals, rows: Series, slots: NDArray[np.int32]) -> int:
    """List the decisions of a run, NEVER where the short way does not see them."""
    if short.way == 1:
        return turns_of_codes(signals.codes[0], tape.fill, short.turns)
    one, two = slots[short.fast], slots[short.slow]
    first = max(short.known[one], short.known[two])
    if min(short.known[one], short.known[two]) == NEVER:
        return NEVER
    if first >= rows.shape[1]:
        return 0
    count = turns_of_cross(rows[one], rows[two], first, short.above, short.words, short.turns)
    for k in range(count):
        short.turns[k] = short.place[short.turns[k]]
        if k > 0 and tape.fill[short.turns[k - 1]] > short.turns[k]:
            return NEVER
    return count


@step
def measure_score(result: Score, trades: Series, terms: Terms, periods: float, hurdle: float, out: Series) -> None:
    """Write the measures of a run that was scored, in the order of MEASURES."""
    ratios, closed = path_ratios(result.sums, periods, hurdle), trade_ratios(trades)
    sessions = result.sums.periods
    out[0], out[1], out[2], out[3] = ratios.total_return, ratios.annual_return, ratios.sharpe, ratios.sortino
    out[4], out[5], out[6] = ratios.max_drawdown, closed.win_rate, closed.profit_factor
    out[7], out[8], out[9], out[10] = closed.average_win, closed.average_loss, ratios.volatility, ratios.calmar
    out[11] = result.exposed / sessions
    out[12] = result.traded / result.mean_equity * periods / sessions if result.mean_equity > 0.0 else np.nan
    out[13], out[14], out[15] = closed.trades, closed.expectancy, closed.sqn
    out[16], out[17], out[18] = closed.best_trade, closed.worst_trade, closed.average_bars_held
    out[19], out[20], out[21], out[22] = result.fees, result.slippage, 0.0, 0.0
    out[23], out[24] = result.equity, 0.0


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
    tape: Tape,
    short: Short,
    account: Series,
    out: Series,
) -> int:
    """Run every combination of a chunk on one symbol.

    ``slots (C, K)`` are the rows and ``values (C, V)`` the numbers of each combination; ``levels (3,)`` say which value
    is its stop-loss, take-profit and trailing stop (NEVER: the panel in `signals`); ``session (N,)`` places own bars on
    the T sessions; ``account`` is (cash, periods a year, hurdle a period). Writes ``out (C, len(MEASURES))`` and
    returns how many runs went the short way.
    """
    cash, periods, hurdle, shortened = account[0], account[1], account[2], 0
    for run in range(len(slots)):
        if short.way == 2:
            scratch.trades[:] = 0.0
            count = short_turns(short, tape, signals, rows, slots[run])
            if count != NEVER:
                result = score(tape, terms, short.turns, count, cash, hurdle, scratch.trades)
                if result.simple:
                    measure_score(result, scratch.trades, terms, periods, hurdle, out[run])
                    shortened += 1
                    continue
        if len(scratch.own) == 0:
            fill_codes(programs, rows, slots[run], values[run], signals.codes[0], scratch)
        else:
            fill_codes(programs, rows, slots[run], values[run], scratch.own, scratch)
            for i in range(len(session)):
                signals.codes[0, session[i]] = scratch.own[i]
        if short.way == 1:
            scratch.trades[:] = 0.0
            count = short_turns(short, tape, signals, rows, slots[run])
            result = score(tape, terms, short.turns, count, cash, hurdle, scratch.trades)
            if result.simple:
                measure_score(result, scratch.trades, terms, periods, hurdle, out[run])
                shortened += 1
                continue
        if levels[0] != NEVER:
            signals.stop_loss[0, 0] = values[run, levels[0]]
        if levels[1] != NEVER:
            signals.take_profit[0, 0] = values[run, levels[1]]
        if levels[2] != NEVER:
            signals.trailing[0, 0] = values[run, levels[2]]
        exposed = run_single(book, market, terms, record, signals, scratch.trades, cash)
        measure(book, record, scratch.trades, exposed, cash, periods, hurdle, out[run])
    return shortened
