"""Momentum as the place of the close in the range of its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.indicators.declaration import Oracle, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import DOUBLING, STRETCH, extremes, means
from stockstream.indicators.volatility import room


@dataclass(frozen=True, repr=False)
class STOCH(Indicator):
    """Stochastic: where the close stands between lowest low (0) and highest high (100), smoothed, and its signal.

    Parameters
    ----------
    window
        Bars of the range.
    smooth, signal_window
        Bars of the mean that gives %K and of the mean of %K that gives %D. %K is there from bar ``window + smooth - 2``
        on, %D ``signal_window - 1`` bars later. NaN where there is no range (a suspended stock), and while a NaN in any
        of the three prices is in a window.

    Examples
    --------
    >>> import numpy as np
    >>> STOCH(2, 1, 1)(np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, 2.5])).k
    array([nan, 75.])
    """

    window: int = parameter(14, meaning="bars of the range")
    smooth: int = parameter(3, meaning="bars of the mean that gives %K")
    signal_window: int = parameter(3, meaning="bars of the mean that gives %D")

    group = "momentum"
    inputs = ("high", "low", "close")
    outputs = ("k", "d")
    columns = ("stoch_k", "stoch_d")
    kernel = "stochastics:stoch"
    source = "Lane; Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "STOCH", "%K shown from its own first bar")
    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return extremes(self.window) + means(self.smooth) + means(self.signal_window)

    @override
    def warmup(self) -> int:
        return self.window + self.smooth - 2


@dataclass(frozen=True, repr=False)
class STOCHF(Indicator):
    """Fast stochastic: where the close stands between lowest low (0) and highest high (100), and its mean.

    Parameters
    ----------
    window, signal_window
        Bars of the range and of the mean that gives %D. %K is there from bar ``window - 1`` on, %D ``signal_window -
        1`` bars later. NaN where there is no range, and while a NaN in any of the three prices is in a window.

    Examples
    --------
    >>> import numpy as np
    >>> STOCHF(2, 1)(np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, 2.5])).k
    array([nan, 75.])
    """

    window: int = parameter(14, meaning="bars of the range")
    signal_window: int = parameter(3, meaning="bars of the mean that gives %D")

    group = "momentum"
    inputs = ("high", "low", "close")
    outputs = ("k", "d")
    columns = ("stochf_k", "stochf_d")
    kernel = "stochastics:stoch"
    source = "Lane; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "STOCHF", "%K shown from its own first bar")
    per_bar = DOUBLING

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, 1, self.signal_window)

    @override
    def state_size(self) -> int:
        return extremes(self.window) + means(1) + means(self.signal_window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class STOCHRSI(Indicator):
    """Stochastic RSI: where the RSI stands between its lowest (0) and highest (100) of the window, smoothed.

    Parameters
    ----------
    rsi_window, window
        Bars of the RSI and of its range.
    smooth, signal_window
        Bars of the mean that gives %K and of the mean of %K that gives %D. %K is there from bar ``rsi_window + window +
        smooth - 2`` on, %D ``signal_window - 1`` bars later. NaN where the RSI has no range; a NaN gives NaN on its
        bar, which is otherwise left out.
    """

    rsi_window: int = parameter(14, meaning="bars of the RSI")
    window: int = parameter(14, meaning="bars of the RSI's range")
    smooth: int = parameter(3, meaning="bars of the mean that gives %K")
    signal_window: int = parameter(3, meaning="bars of the mean that gives %D")

    group = "momentum"
    outputs = ("k", "d")
    columns = ("stochrsi_k", "stochrsi_d")
    kernel = "stochastics:stochrsi"
    source = "Chande and Kroll 1994, The New Technical Trader; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "STOCHRSI", "fastk, then means of 3 and 3")
    recursive = True

    @override
    def state_size(self) -> int:
        return 6 + room(self.window) + means(self.smooth) + means(self.signal_window) + STRETCH

    @override
    def warmup(self) -> int:
        return self.rsi_window + self.window + self.smooth - 2


@dataclass(frozen=True, repr=False)
class KDJ(Indicator):
    """KDJ: the stochastic smoothed by Wilder's average twice, and j = 3 k - 2 d, which leaves 0 to 100.

    Parameters
    ----------
    window
        Bars of the range.
    smooth, signal_window
        Bars of the averages that give k and d. k is there from bar ``window + smooth - 2`` on, d and j ``signal_window
        - 1`` bars later. Bars without a range are NaN and the averages are carried over them; a bar with a NaN is NaN
        and otherwise left out.
    """

    window: int = parameter(9, meaning="bars of the range")
    smooth: int = parameter(3, meaning="bars of the average that gives k")
    signal_window: int = parameter(3, meaning="bars of the average that gives d")

    group = "momentum"
    inputs = ("high", "low", "close")
    outputs = ("k", "d", "j")
    columns = ("kdj_k", "kdj_d", "kdj_j")
    kernel = "stochastics:kdj"
    source = "after Lane's stochastic, as drawn on Asian exchanges' charts"
    oracle = Oracle("TA-Lib", "KDJ", "k shown from its own first bar")
    recursive = True

    @override
    def state_size(self) -> int:
        return 8 + room(self.window)

    @override
    def warmup(self) -> int:
        return self.window + self.smooth - 2


@dataclass(frozen=True, repr=False)
class WILLR(Indicator):
    """Williams %R: how far the close is below the highest high, in percent of the range, -100 to 0.

    Parameters
    ----------
    window
        Bars of the range. The first value is on bar ``window - 1``. NaN where there is no range (0 would read
        "overbought"), and while a NaN in any of the three prices is in the window. A close outside the range, which
        only bad data have, counts as its edge.

    Examples
    --------
    >>> import numpy as np
    >>> WILLR(2)(np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, 2.5]))
    array([ nan, -25.])
    """

    window: int = parameter(14, meaning="bars of the range")

    group = "momentum"
    inputs = ("high", "low", "close")
    kernel = "stochastics:willr"
    source = "Williams 1973, How I Made One Million Dollars; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "WILLR")
    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return extremes(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1
