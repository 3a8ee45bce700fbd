"""What a run of a sweep reports: simulated or scored, the same row of measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.ledger import AMBIGUOUS, BORROW, FEES, INTEREST, SLIPPAGE, TURNOVER, Book, Record, Series
from stockstream_kernels.performance import living_bars, mean_equity, path_ratios, path_sums
from stockstream_kernels.trade_performance import trade_ratios

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.scoring import Score

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

#: What a block of bars reports, after MEASURES: how many returns, their sum, the sum of their squares.
BLOCK_SUMS: Final = ("count", "return", "square")


class Sheet(NamedTuple):
    """Where results go, column by column."""

    out: Series  # (M, n)
    columns: NDArray[np.int64]  # (M,): place of each in a row
    places: NDArray[np.int64]  # (C,): place of each run in `out`
    row: Series  # (MEASURES and 3 * blocks,): of one run
    borders: NDArray[np.int64]  # (blocks + 1,): first session of each block of bars, and the end; (1,) without blocks


@step
def write_row(sheet: Sheet, run: int) -> None:
    """Write what is wanted of a row to its place."""
    place = sheet.places[run]
    for m in range(len(sheet.columns)):
        sheet.out[m, place] = sheet.row[sheet.columns[m]]


@kernel
def block_sums(path: Series, cash: float, borders: NDArray[np.int64], out: Series) -> None:
    """Write number, sum and sum of squares of the returns of an equity path in each block of bars, ``(3 * blocks,)``.

    A path ends with the bar on which nothing is left.
    """
    last, living = cash, living_bars(path)
    for block in range(len(borders) - 1):
        begin, end = min(borders[block], living), min(borders[block + 1], living)
        total, squares = 0.0, 0.0
        for t in range(begin, end):
            change = path[t] / last - 1.0
            last = path[t]
            total += change
            squares += change * change
        out[3 * block], out[3 * block + 1], out[3 * block + 2] = end - begin, total, squares


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
    out[23], out[24] = record.equity[sessions - 1], book.counts[AMBIGUOUS]


@step
def measure_score(result: Score, trades: Series, periods: float, hurdle: float, out: Series) -> None:
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
    out[23], out[24] = result.equity, result.ambiguous
