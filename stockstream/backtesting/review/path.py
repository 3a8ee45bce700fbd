"""Checks of the equity: how long, how deep, how sure, and whether too good."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from stockstream_kernels import ledger

from stockstream.backtesting.review.check import Figures, declare

if TYPE_CHECKING:
    from stockstream.backtesting.review.facts import Facts


@declare(
    "one-bar",
    "One bar only",
    when="the run has one session",
    says="The run has one session, so nothing that compares sessions is defined.",
    remedy="Read more days.",
    grave=True,
)
def one_bar(run: Facts) -> Figures | None:
    """Ask whether there is anything to compare."""
    return {} if len(run.result.bars) == 1 else None


@declare(
    "short-history",
    "Short history",
    when="the bars span less than {years:.0f} years, and more than one session",
    says="{years:.1f} years hold one kind of market. A strategy that has seen no fall has not been tested in one.",
    remedy="Run over at least one fall of the market: 2008, 2020, 2022.",
    years=3,
)
def short_history(run: Facts, years: float) -> Figures | None:
    """Ask how long the history is."""
    return {"years": run.years} if len(run.result.bars) > 1 and run.years < years else None


@declare(
    "ruin",
    "The account was ruined",
    when="the equity reaches 0 or falls below",
    says="The equity fell to {equity:,.2f} on {day}. The account stopped there; no measure looks beyond that day.",
    remedy="Trade smaller, with stops, or with less leverage.",
    grave=True,
)
def ruin(run: Facts) -> Figures | None:
    """Ask whether the account lived."""
    if run.ruined is None:
        return None
    return {"equity": run.result.account.equity[run.ruined], "day": run.result.bars.dates[run.ruined]}


@declare(
    "margin-call",
    "Margin called",
    when="a position was sold because the equity fell below the maintenance margin",
    says="{calls:,} trades were ended by a margin call, the first on {day}.",
    remedy="Lower the leverage, or the size of positions; a broker may sell earlier and at worse prices.",
    grave=True,
)
def margin_call(run: Facts) -> Figures | None:
    """Ask whether the broker closed positions."""
    called = run.trades[run.trades["exit_reason"] == ledger.MARGIN_CALL]
    return {"calls": len(called), "day": run.result.bars.dates[called["exit"].min()]} if len(called) else None


@declare(
    "deep-drawdown",
    "Deep drawdown for the return",
    when="the deepest drawdown is {depth:.0%} or more and above {times:.0f} times the annual return",
    says="The deepest drawdown was {depth:.1%}, the annual return {annual:+.1%}.",
    remedy="Few hold through that. Trade smaller, or fewer things that fall together.",
    depth=0.2,
    times=2,
)
def deep_drawdown(run: Facts, depth: float, times: float) -> Figures | None:
    """Ask whether the fall was worth the climb."""
    deepest, annual = -run.result.metrics.max_drawdown, run.result.metrics.annual_return
    if not (deepest >= depth and deepest > times * annual):
        return None
    return {"depth": deepest, "annual": annual}


@declare(
    "long-underwater",
    "Long time under water",
    when="the equity was below an earlier high for more than {years:.0f} years in a row",
    says="The longest stretch below an earlier high was {bars:,} bars, {years:.1f} years.",
    remedy="Ask whether you would still have traded it then.",
    years=2,
)
def long_underwater(run: Facts, years: float) -> Figures | None:
    """Ask how long a holder waited."""
    bars = run.result.metrics.max_drawdown_bars
    stretch = bars / run.result.settings.periods_per_year
    return {"bars": bars, "years": stretch} if stretch > years else None


@declare(
    "fat-tails",
    "Returns are far from normal",
    when="of at least {returns:.0f} returns the excess kurtosis is above {kurtosis:.0f} or the skew below {skew:.0f}",
    says="Excess kurtosis {kurtosis:.1f}, skew {skew:+.1f}, worst day {worst:.1%}: the Sharpe ratio, which counts on "
    "returns near the normal, says too little about losses.",
    remedy="Read CVaR, worst day and drawdown instead.",
    returns=60,
    kurtosis=10,
    skew=-1,
)
def fat_tails(run: Facts, returns: float, kurtosis: float, skew: float) -> Figures | None:
    """Ask whether deviations describe the risk."""
    found = run.result.metrics
    if len(run.result.bars) < returns or not (found.kurtosis > kurtosis or found.skew < skew):
        return None
    return {"kurtosis": found.kurtosis, "skew": found.skew, "worst": found.worst_day}


@declare(
    "too-good",
    "Too good to be true",
    when="the Sharpe ratio is above {sharpe:.0f}",
    says="A Sharpe ratio of {sharpe:.1f} is beyond what daily strategies in stocks earn for long.",
    remedy="Look for look-ahead, faulty prices, missing costs and fills that nobody would have got.",
    grave=True,
    sharpe=3,
)
def too_good(run: Facts, sharpe: float) -> Figures | None:
    """Ask whether it can be."""
    found = run.result.metrics.sharpe
    return {"sharpe": found} if found > sharpe else None


@declare(
    "could-be-luck",
    "Could be luck",
    when="the Sharpe ratio is above 0, but less than {errors:.0f} standard errors (1 / √years, more with fat tails)",
    says="The Sharpe ratio is {sharpe:.2f} with a standard error of {error:.2f}, after {years:.1f} years of returns.",
    remedy="Wait for more years, or test it on other symbols; a ratio within two standard errors of 0 is no evidence.",
    errors=2,
)
def could_be_luck(run: Facts, errors: float) -> Figures | None:
    """Ask whether the Sharpe ratio differs from nothing."""
    found, periods = run.result.metrics, run.result.settings.periods_per_year
    count = len(run.result.bars)
    if not 0.0 < found.sharpe < math.inf or not len(run.result.ledgers["fills"]):
        return None
    ratio = found.sharpe / math.sqrt(periods)
    # Mertens (2002): the standard error of a Sharpe ratio whose returns are skewed and have tails
    shape = np.nan_to_num([found.skew, found.kurtosis])
    spread = 1.0 + ratio**2 / 2.0 - shape[0] * ratio + shape[1] / 4.0 * ratio**2
    error = math.sqrt(max(spread, 0.0) / count * periods)
    return {"sharpe": found.sharpe, "error": error, "years": count / periods} if found.sharpe < errors * error else None


CHECKS = (
    one_bar,
    short_history,
    ruin,
    margin_call,
    deep_drawdown,
    long_underwater,
    fat_tails,
    too_good,
    could_be_luck,
)
