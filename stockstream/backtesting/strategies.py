"""Strategies that come with the library."""

from __future__ import annotations

from stockstream.backtesting.rules import Rules
from stockstream.backtesting.strategy import RuleStrategy
from stockstream.indicators import RSI, SMA


class MovingAverageCrossover(RuleStrategy):
    """Long while a fast moving average is above a slow one.

    Parameters
    ----------
    fast_period, slow_period
        Bars of the two simple moving averages.
    """

    def __init__(self, fast_period: int = 20, slow_period: int = 50) -> None:
        self.fast_period = fast_period
        self.slow_period = slow_period

    def rules(self) -> Rules:
        """Enter when fast rises above slow, leave when it falls below."""
        fast, slow = SMA(self.fast_period), SMA(self.slow_period)
        return Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow))


class RSIMeanReversion(RuleStrategy):
    """Buy what has fallen too fast, sell it when it has recovered.

    Parameters
    ----------
    oversold, overbought
        Levels of the RSI, 0 to 100.
    period
        Bars of the RSI.
    """

    def __init__(self, oversold: float = 30, overbought: float = 70, period: int = 14) -> None:
        self.oversold = oversold
        self.overbought = overbought
        self.period = period

    def rules(self) -> Rules:
        """Enter below `oversold`, leave above `overbought`."""
        rsi = RSI(self.period)
        return Rules(enter_long=rsi < self.oversold, exit_long=rsi > self.overbought)
