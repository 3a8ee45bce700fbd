"""Performance of the closed trades of one run, summed as they close."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import allocating, kernel
from stockstream_kernels.performance import ratio_or

type Series = NDArray[np.float64]

COUNT, WINS, LOSSES, WON, LOST, BEST, WORST, MEAN, SQUARES, RETURNS = range(10)
HELD, LONGEST, RUN, MOST_WINS, MOST_LOSSES = range(10, 15)
TRADE_SUMS_SIZE: Final = 16


class TradeRatios(NamedTuple):
    """Measures of closed trades."""

    win_rate: float
    profit_factor: float
    average_win: float
    average_loss: float
    trades: int
    expectancy: float
    average_trade_return: float
    sqn: float
    payoff_ratio: float
    kelly: float
    best_trade: float
    worst_trade: float
    average_bars_held: float
    longest_bars_held: int
    consecutive_wins: int
    consecutive_losses: int


@kernel
def add_trade(sums: Series, pnl: float, trade_return: float, bars_held: float) -> None:
    """Add one closed trade to `sums (TRADE_SUMS_SIZE,)`, all zeros before the first.

    A run of wins is counted upwards at RUN, one of losses downwards; a trade of exactly zero ends both.
    """
    if sums[COUNT] == 0.0:
        sums[BEST], sums[WORST] = pnl, pnl
    sums[COUNT] += 1.0
    distance = pnl - sums[MEAN]
    sums[MEAN] += distance / sums[COUNT]
    sums[SQUARES] += distance * (pnl - sums[MEAN])
    sums[BEST], sums[WORST] = max(sums[BEST], pnl), min(sums[WORST], pnl)
    sums[RETURNS] += trade_return
    sums[HELD] += bars_held
    sums[LONGEST] = max(sums[LONGEST], bars_held)
    if pnl > 0.0:
        sums[WINS] += 1.0
        sums[WON] += pnl
        sums[RUN] = max(sums[RUN], 0.0) + 1.0
    elif pnl < 0.0:
        sums[LOSSES] += 1.0
        sums[LOST] -= pnl
        sums[RUN] = min(sums[RUN], 0.0) - 1.0
    else:
        sums[RUN] = 0.0
    sums[MOST_WINS] = max(sums[MOST_WINS], sums[RUN])
    sums[MOST_LOSSES] = max(sums[MOST_LOSSES], -sums[RUN])


@kernel
def trade_ratios(sums: Series) -> TradeRatios:
    """Turn the sums of closed trades into their measures: money and fractions, NaN where there is no such trade."""
    count, wins, losses = sums[COUNT], sums[WINS], sums[LOSSES]
    win = sums[WON] / wins if wins > 0.0 else np.nan
    loss = -sums[LOST] / losses if losses > 0.0 else np.nan
    factor = ratio_or(sums[WON], sums[LOST])
    payoff = win / -loss  # NaN unless there are both
    win_rate = expectancy = average = held = best = worst = sqn = kelly = np.nan
    if count > 0.0:
        win_rate, expectancy, average, held = wins / count, sums[MEAN], sums[RETURNS] / count, sums[HELD] / count
        best, worst = sums[BEST], sums[WORST]
        kelly = win_rate - losses / count / payoff
        if count > 1.0 and best > worst:
            sqn = np.sqrt(count) * expectancy / np.sqrt(sums[SQUARES] / (count - 1.0))
    runs = int(sums[MOST_WINS]), int(sums[MOST_LOSSES])
    return TradeRatios(
        win_rate,
        factor,
        win,
        loss,
        int(count),
        expectancy,
        average,
        sqn,
        payoff,
        kelly,
        best,
        worst,
        held,
        int(sums[LONGEST]),
        runs[0],
        runs[1],
    )


@allocating
def trade_measures(pnl: Series, trade_returns: Series, bars_held: Series) -> TradeRatios:
    """Return the measures of closed trades in the order in which they were closed; arrays (N,)."""
    sums = np.zeros(TRADE_SUMS_SIZE)
    for k in range(len(pnl)):
        add_trade(sums, pnl[k], trade_returns[k], bars_held[k])
    return trade_ratios(sums)
