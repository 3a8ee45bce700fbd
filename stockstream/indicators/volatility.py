"""Ranges and bands."""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.indicators.indicator import Indicator, Oracle, choice, parameter


@dataclass(frozen=True, repr=False)
class ATR(Indicator):
    """Average true range: Wilder's average of the largest of today's range and the gaps from yesterday's close.

    Parameters
    ----------
    window
        Bars, 1 or more.
    first_tr
        ``"skip"``: the first bar, which has no close before it, is left out; the first value is on bar `window`.
        ``"range"``: its range counts, and the first value is on bar ``window - 1`` (StockCharts, TradingView).

    Examples
    --------
    >>> import numpy as np
    >>> ATR(2)(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    array([nan, nan, 2.])
    """

    window: int = parameter(14, meaning="bars averaged")
    first_tr: str = choice("skip", "range", meaning="whether the first bar's range counts")

    group = "volatility"
    inputs = ("high", "low", "close")
    kernel = "volatility:atr"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("talib", "ATR")
    recursive = True

    def warmup(self) -> int:
        """Index of the first value."""
        return self.window if self.first_tr == "skip" else self.window - 1
