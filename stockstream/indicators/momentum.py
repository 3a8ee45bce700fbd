"""Oscillators of price change."""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.indicators.indicator import Indicator, Oracle, parameter


@dataclass(frozen=True, repr=False)
class RSI(Indicator):
    """Relative strength index: the share of gains in the averaged moves, 0 to 100, Wilder's smoothing.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`. NaN where the price has never moved.

    Examples
    --------
    >>> import numpy as np
    >>> RSI(2)(np.array([1.0, 2.0, 1.0, 2.0]))
    array([ nan,  nan,  50.,  75.])
    """

    window: int = parameter(14, meaning="bars averaged")

    group = "momentum"
    kernel = "momentum:rsi"
    source = "Wilder 1978, New Concepts in Technical Trading Systems; StockCharts ChartSchool"
    oracle = Oracle("talib", "RSI")
    recursive = True

    def warmup(self) -> int:
        """Index of the first value."""
        return self.window
