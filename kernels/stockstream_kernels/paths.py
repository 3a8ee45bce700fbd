"""Runs whose equity paths are wanted: for measures that need more than one pass, and for reductions in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stockstream_kernels._compile import allocating, step
from stockstream_kernels.ledger import NEVER, Book, Market, Record, Series, Terms
from stockstream_kernels.measures import MEASURES, measure
from stockstream_kernels.performance import (
    living_bars,
    path_drawdowns,
    path_ratios,
    path_shape,
    path_sums,
    path_tails,
)
from stockstream_kernels.sweep import Programs, Scratch, place_codes, run_single
from stockstream_kernels.trade_performance import trade_ratios

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stockstream_kernels.portfolio import Signals

#: What a path tells beside MEASURES, by place after them in a row of results.
PATH_MEASURES: Final = (
    "downside_risk",
    "recovery_factor",
    "best_day",
    "worst_day",
    "skew",
    "kurtosis",
    "positive_days",
    "omega",
    "var_95",
    "cvar_95",
    "tail_ratio",
    "average_drawdown",
    "max_drawdown_bars",
    "average_drawdown_bars",
    "recovery_bars",
    "ulcer_index",
    "average_trade_return",
    "payoff_ratio",
    "kelly",
    "longest_bars_held",
    "consecutive_wins",
    "consecutive_losses",
    "alpha",
    "beta",
    "correlation",
    "information_ratio",
    "tracking_error",
    "benchmark_return",
    "up_capture",
    "down_capture",
)

FIRST: Final = len(MEASURES)
TRADED: Final = FIRST + 16
COMPARED: Final = FIRST + 22  # written by the caller, who knows whether there is a benchmark


@step
def measure_path(path: Series, trades: Series, cash: float, periods: float, hurdle: float, out: Series) -> None:
    """Write what takes a pass of its own over a living path, and what closed trades tell beside MEASURES."""
    sums = path_sums(path, cash, hurdle)
    ratios = path_ratios(sums, periods, hurdle)
    out[FIRST], out[FIRST + 1] = ratios.downside_risk, ratios.recovery_factor
    out[FIRST + 2], out[FIRST + 3] = ratios.best_day, ratios.worst_day
    shape = path_shape(path, cash, sums.mean, hurdle)
    out[FIRST + 4], out[FIRST + 5], out[FIRST + 6], out[FIRST + 7] = (
        shape.skew,
        shape.kurtosis,
        shape.positive_days,
        shape.omega,
    )
    spells = path_drawdowns(path, cash)
    out[FIRST + 11], out[FIRST + 12], out[FIRST + 13], out[FIRST + 14], out[FIRST + 15] = (
        spells.average_drawdown,
        spells.max_drawdown_bars,
        spells.average_drawdown_bars,
        spells.recovery_bars,
        spells.ulcer_index,
    )
    closed = trade_ratios(trades)
    out[TRADED], out[TRADED + 1], out[TRADED + 2] = closed.average_trade_return, closed.payoff_ratio, closed.kelly
    out[TRADED + 3], out[TRADED + 4] = closed.longest_bars_held, closed.consecutive_wins
    out[TRADED + 5] = closed.consecutive_losses


@allocating
def run_paths(
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
    ordered: Series,
    out: Series,
    paths: Series,
) -> None:
    """Simulate every combination of a chunk on one symbol and keep the equity paths.

    Arguments as of `sweep_runs`; ``ordered (T,)`` is workspace. Writes ``paths (C, T)`` and ``out (C, MEASURES and
    PATH_MEASURES)``, all but the comparisons with a benchmark; an `out` of no rows is for paths that nobody measures.
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
        paths[run, :] = record.equity
        if len(out) == 0:
            continue
        path = record.equity[: living_bars(record.equity)]
        measure(book, record, scratch.trades, exposed, cash, periods, hurdle, out[run])
        measure_path(path, scratch.trades, cash, periods, hurdle, out[run])
        tails = path_tails(path, cash, ordered)
        out[run, FIRST + 8], out[run, FIRST + 9], out[run, FIRST + 10] = tails.var_95, tails.cvar_95, tails.tail_ratio
