"""Checks of where the profit comes from, and whether there is enough of it to say anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from stockstream_kernels import ledger

from stockstream.backtesting.review.check import Figures, declare

if TYPE_CHECKING:
    from stockstream.backtesting.review.facts import Facts

#: Returns that differ by less are the same.
TIE: Final = 1e-9


@declare(
    "no-trades",
    "No trades",
    when="no order was filled",
    says="{why}",
    remedy="Ask result.why(date, symbol) about a day on which you expected one.",
    grave=True,
)
def no_trades(run: Facts) -> Figures | None:
    """Ask whether anything happened."""
    if len(run.trades) or len(run.still_open):
        return None
    orders = run.result.ledgers["orders"]
    if not len(orders):
        why = "The strategy never asked for one: no entry condition was true, or the bars are fewer than its warm-up."
        return {"why": why}
    most = ledger.REASONS[int(np.bincount(orders["reason"]).argmax())] or "no reason given"
    asked = f"{len(orders):,} order{'' if len(orders) == 1 else 's'}"
    return {"why": f"{asked} asked for, none filled; most often: {most}."}


@declare(
    "few-trades",
    "Too few trades",
    when="fewer than {trades} closed trades, but at least one fill",
    says="{trades} closed trades say little: one more or less moves every figure.",
    remedy="Run over more years or more symbols before comparing figures.",
    trades=30,
)
def few_trades(run: Facts, trades: float) -> Figures | None:
    """Ask whether there are enough trades to count."""
    happened = len(run.trades) or len(run.still_open)
    return {"trades": len(run.trades)} if happened and len(run.trades) < trades else None


@declare(
    "one-trade",
    "One trade makes the profit",
    when="the best trade made at least {share:.0%} of the profit",
    says="The best trade, in {symbol}, made {best:,.2f} of a profit of {profit:,.2f} ({share:.0%}).",
    remedy="Look at that trade: a fault of the data, a takeover, or luck that does not come twice.",
    grave=True,
    share=0.5,
)
def one_trade(run: Facts, share: float) -> Figures | None:
    """Ask what is left without the best trade."""
    if len(run.gains) < 2 or not run.profit > 0.0:  # noqa: PLR2004 one trade is always all of it
        return None
    best = int(run.gains.argmax())
    part = float(run.gains[best]) / run.profit
    rows = np.concatenate([run.trades["symbol"], run.still_open["symbol"]])
    symbol = run.result.bars.symbols[rows[best]]
    figures = {"symbol": symbol, "best": float(run.gains[best]), "profit": run.profit, "share": part}
    return figures if part >= share else None


@declare(
    "one-symbol",
    "One name makes the profit",
    when="of at least {symbols} traded symbols one made {share:.0%} of the profit or more",
    says="{symbol} made {best:,.2f} of a profit of {profit:,.2f} ({share:.0%}), with {symbols} symbols traded.",
    remedy="Run without it: ss.backtest(strategy, bars.select([...])).",
    symbols=4,
    share=0.5,
)
def one_symbol(run: Facts, symbols: float, share: float) -> Figures | None:
    """Ask what is left without the best symbol."""
    if len(run.traded) < symbols or not run.profit > 0.0:
        return None
    best = int(run.by_symbol.argmax())
    part = float(run.by_symbol[best]) / run.profit
    figures = {
        "symbol": run.result.bars.symbols[best],
        "best": float(run.by_symbol[best]),
        "profit": run.profit,
        "share": part,
        "symbols": len(run.traded),
    }
    return figures if part >= share else None


@declare(
    "one-year",
    "One year makes the profit",
    when="of at least {years} calendar years one made {share:.0%} of the growth (log return) or more",
    says="{year} made {share:.0%} of the growth of {years} calendar years.",
    remedy="Run from the year after, and up to the year before.",
    years=4,
    share=0.6,
)
def one_year(run: Facts, years: float, share: float) -> Figures | None:
    """Ask what is left without the best year."""
    names, returns = run.yearly
    if len(names) < years or run.ruined is not None or not run.profit > 0.0:
        return None
    growth = np.log1p(np.nan_to_num(returns))
    best = int(growth.argmax())
    part = float(growth[best] / growth.sum())
    return {"year": names[best], "share": part, "years": len(names)} if part >= share else None


@declare(
    "one-day",
    "One day makes the profit",
    when="in at least {sessions} sessions, one day made {share:.0%} of the growth (log return) or more",
    says="{day} made {share:.0%} of the growth of {sessions:,} sessions ({move:+.1%} on that day).",
    remedy="Look at the prices of that day in result.trades and in the data.",
    sessions=60,
    share=0.3,
)
def one_day(run: Facts, sessions: float, share: float) -> Figures | None:
    """Ask what is left without the best day."""
    if run.growth is None or len(run.growth) < sessions or not run.growth.sum() > 0.0:
        return None
    best = int(run.growth.argmax())
    part = float(run.growth[best] / run.growth.sum())
    day, move = run.result.bars.dates[best], math.expm1(float(run.growth[best]))
    return {"day": day, "share": part, "sessions": len(run.growth), "move": move} if part >= share else None


@declare(
    "open-position",
    "Open positions dominate",
    when="gains and losses not yet taken are at least {share:.0%} of the profit or loss, with closed trades beside",
    says="Positions still open stand at {open_gain:+,.2f}, of a result of {profit:+,.2f} in all.",
    remedy="Their exit is not decided: read the figures of closed trades, and the equity a little before the end.",
    share=0.5,
)
def open_position(run: Facts, share: float) -> Figures | None:
    """Ask how much of the result has not been taken."""
    gain = float(run.still_open["pnl"].sum())
    if not len(run.still_open) or not len(run.trades) or abs(gain) < share * abs(run.profit) or gain == 0.0:
        return None
    return {"open_gain": gain, "profit": run.profit}


@declare(
    "high-turnover",
    "High turnover",
    when="more than {times:.0f} times the mean equity is traded a year",
    says="{turnover:.0f} times the equity is bought and sold a year; each basis point of cost takes {cost:.1%} a year.",
    remedy="Hold longer, or trade only when the target has moved enough (threshold=).",
    times=50,
)
def high_turnover(run: Facts, times: float) -> Figures | None:
    """Ask how much is traded."""
    turnover = run.result.metrics.turnover
    return {"turnover": turnover, "cost": turnover * 1e-4} if turnover > times else None


@declare(
    "low-exposure",
    "Hardly invested",
    when="a position is held on less than {share:.0%} of the bars, but on some",
    says="A position was held on {exposure:.1%} of {bars:,} bars, so that annual figures describe mostly cash.",
    remedy="Look at the figures of the trades rather than at those of a year, or let cash earn interest (cash_rate=).",
    share=0.1,
)
def low_exposure(run: Facts, share: float) -> Figures | None:
    """Ask how much of the time is behind the figures."""
    exposure = run.result.metrics.exposure
    return {"exposure": exposure, "bars": len(run.result.bars)} if 0.0 < exposure < share else None


@declare(
    "worse-than-holding",
    "Worse than buying and holding",
    when="the total return is below that of the benchmark, or of holding all symbols in equal parts without one",
    says="The run returned {own:+.1%}; {other} returned {held:+.1%} over the same days, without a decision.",
    remedy="A lower return can be worth it for less risk: compare drawdown and Sharpe with benchmark='universe'.",
)
def worse_than_holding(run: Facts) -> Figures | None:
    """Ask whether the decisions were worth making."""
    held, own = run.buy_and_hold, run.result.metrics.total_return
    if held is None or not len(run.result.ledgers["fills"]) or own >= held - TIE:
        return None
    other = "the benchmark" if run.result.benchmark is not None else "holding all symbols in equal parts"
    return {"own": own, "held": held, "other": other}


CHECKS = (
    no_trades,
    few_trades,
    one_trade,
    one_symbol,
    one_year,
    one_day,
    open_position,
    high_turnover,
    low_exposure,
    worse_than_holding,
)
