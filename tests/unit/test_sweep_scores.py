"""Runs that the short way of a sweep must leave to the simulator."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.indicators import SMA


class LooksUp(ss.RuleStrategy):
    """A strategy that has other numbers for some of its parameters."""

    def __init__(self, days: int = 5) -> None:
        self.days = days

    def rules(self) -> ss.Rules:
        mean = SMA({151: 7}.get(self.days, self.days))
        return ss.Rules(enter_long=ss.close > mean, exit_long=ss.close < mean)


def test_a_strategy_that_looks_its_numbers_up_gets_the_right_ones() -> None:
    close = 50 + np.cumsum(np.random.default_rng(3).normal(size=240))
    bars = ss.Bars.from_arrays(
        symbols=["A"],
        dates=np.arange(240).astype("datetime64[D]"),
        volume=np.ones(240),
        **dict.fromkeys(("open", "high", "low", "close"), close),
    )
    found = ss.sweep(LooksUp, bars, {"days": range(2, 200)}, metrics=["final_equity"], progress=False).frame
    alone = ss.backtest(LooksUp(151), bars).equity["equity"][-1]
    assert found.filter(pl.col("days") == 151)["final_equity"][0] == pytest.approx(alone, rel=1e-12)


def test_a_sweep_of_a_run_without_any_return_has_no_sharpe() -> None:
    """Bought at the last close without costs: the equity never moves, and rounding is no return."""
    closes = [60.0, 58.0, 56.0, 55.0, 57.0, 59.0, 60.0, 61.1]
    level = np.round(np.array(closes) / 0.37) * 0.37 * 1.0073
    bars = ss.Bars.from_arrays(
        symbols=["A"],
        dates=np.arange(len(level)).astype("datetime64[D]"),
        open=level,
        high=level,
        low=level,
        close=level,
        volume=np.ones(len(level)),
    )
    grid = {"fast_period": [2], "slow_period": [4, 5, 6, 7]}
    found = ss.sweep(MovingAverageCrossover, bars, grid, cash=1000.0, fill="close", progress=False)
    for row in found.frame.rows(named=True):
        alone = ss.backtest(MovingAverageCrossover(2, row["slow_period"]), bars, cash=1000.0, fill="close")
        assert row["sharpe"] == pytest.approx(alone.metrics.sharpe, rel=1e-9, nan_ok=True)
