"""Momentum from whole bars: typical and median prices, true ranges, candle bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import CHUNK, DOUBLING, ladder, room


@dataclass(frozen=True, repr=False)
class CCI(Indicator):
    """Commodity channel index: the typical price's distance from its mean, in units of 0.015 mean deviations.

    Parameters
    ----------
    window
        Bars of the mean, 2 or more. The first value is on bar ``window - 1``. NaN where the price has not moved; a NaN
        in any of the three prices is felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> prices = np.array([1.0, 2.0, 4.0])
    >>> CCI(2)(prices, prices, prices).round(3)
    array([   nan, 66.667, 66.667])
    """

    window: int = parameter(20, low=2, meaning="bars looked at")

    group = "momentum"
    inputs = ("high", "low", "close")
    kernel = "oscillators:cci"
    source = "Lambert 1980, Commodities; StockCharts ChartSchool; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "CCI")
    per_bar = "O(window): the mean moves, so that every distance from it is another"

    @override
    def state_size(self) -> int:
        return 5 + 3 * self.window + 3 * CHUNK

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class ULTOSC(Indicator):
    """Ultimate oscillator: buying pressure as a share of the true range over three windows, 0 to 100.

    Parameters
    ----------
    first, second, third
        Bars of the three windows, in increasing order; their shares weigh 4, 2 and 1. The first value is on bar
        `third`. NaN where one of the windows has no range; a NaN in any of the three prices is felt only while it is
        among the prices used.
    """

    first: int = parameter(7, meaning="bars of the window that weighs 4")
    second: int = parameter(14, meaning="bars of the window that weighs 2")
    third: int = parameter(28, meaning="bars of the window that weighs 1")

    group = "momentum"
    inputs = ("high", "low", "close")
    kernel = "oscillators:ultosc"
    ascending = ("first", "second", "third")
    source = "Williams 1985, Technical Analysis of Stocks and Commodities; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "ULTOSC")
    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return 3 + 2 * ladder(self.third) + 5 * room(self.third)

    @override
    def warmup(self) -> int:
        return self.third


@dataclass(frozen=True, repr=False)
class AO(Indicator):
    """Awesome oscillator: a fast mean of the median price less a slow one, in units of the price.

    Parameters
    ----------
    fast, slow
        Bars of the means, `fast` smaller than `slow`. The first value is on bar ``slow - 1``; a NaN in high or low is
        felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> AO(1, 2)(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    array([ nan, 0.75])
    """

    fast: int = parameter(5, meaning="bars of the fast mean")
    slow: int = parameter(34, meaning="bars of the slow mean")

    group = "momentum"
    inputs = ("high", "low")
    kernel = "oscillators:ao"
    ascending = ("fast", "slow")
    source = "Williams 1998, New Trading Dimensions"
    oracle = Oracle("TA-Lib", "AO")
    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return 3 + ladder(self.slow) + room(self.slow)

    @override
    def warmup(self) -> int:
        return self.slow - 1


@dataclass(frozen=True, repr=False)
class BOP(Indicator):
    """Balance of power: the candle's body as a share of its range, -1 to 1; NaN where high and low are equal.

    Examples
    --------
    >>> import numpy as np
    >>> BOP()(np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    array([0.5, nan])
    """

    group = "momentum"
    inputs = ("open", "high", "low", "close")
    kernel = "oscillators:bop"
    source = "Livshin 2001, Technical Analysis of Stocks and Commodities"
    oracle = Oracle("TA-Lib", "BOP")


@dataclass(frozen=True, repr=False)
class QSTICK(Indicator):
    """Qstick: the mean of the candle bodies, close less open, in units of the price.

    Parameters
    ----------
    window
        Bars of the mean, 1 or more. The first value is on bar ``window - 1``; a NaN in open or close is felt only
        while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> QSTICK(2)(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    array([nan, 1.5])
    """

    window: int = parameter(10, meaning="bars averaged")

    group = "momentum"
    inputs = ("open", "close")
    kernel = "oscillators:qstick"
    source = "Chande and Kroll 1994, The New Technical Trader; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "QSTICK")
    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return 2 + ladder(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class SMI(Indicator):
    """Stochastic momentum index: the close's averaged distance from mid-range, -100 to 100, and its signal.

    Parameters
    ----------
    window
        Bars of the range.
    first, second
        Bars of the exponential averages of distance and range. The line is there from bar
        ``window + first + second - 3`` on.
    signal_window
        Bars of the line's exponential average, which is there ``signal_window - 1`` bars later. NaN where there has
        been no range; a bar with a NaN in any of the three prices is NaN and otherwise left out.
    """

    window: int = parameter(13, meaning="bars of the range")
    first: int = parameter(25, meaning="bars of the first average")
    second: int = parameter(2, meaning="bars of the average of the average")
    signal_window: int = parameter(9, meaning="bars of the signal's average")

    group = "momentum"
    inputs = ("high", "low", "close")
    outputs = ("smi", "signal")
    columns = ("smi", "smi_signal")
    kernel = "stochastics:smi"
    source = "Blau 1993, Technical Analysis of Stocks and Commodities"
    oracle = Oracle("TA-Lib", "SMI", "line shown from its own first bar")
    recursive = True

    @override
    def state_size(self) -> int:
        return 15 + 4 * self.window

    @override
    def warmup(self) -> int:
        return self.window + self.first + self.second - 3


@dataclass(frozen=True, repr=False)
class FISHER(Indicator):
    """Fisher transform: the median price's place in its range, smoothed and stretched; the signal is the value before.

    Parameters
    ----------
    window
        Bars of the range. The line is there from bar ``window - 1`` on, the signal with it, starting from 0. Bars
        without a range are NaN and the recursion is carried over them; a bar with a NaN is NaN and otherwise left out.
    """

    window: int = parameter(9, meaning="bars of the range")

    group = "momentum"
    inputs = ("high", "low")
    outputs = ("fisher", "signal")
    columns = ("fisher", "fisher_signal")
    kernel = "oscillators:fisher"
    source = "Ehlers 2002, Technical Analysis of Stocks and Commodities"
    oracle = Oracle("tulipy", "fisher")
    recursive = True

    @override
    def state_size(self) -> int:
        return 9 + CHUNK + 4 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class STC(Indicator):
    """Schaff trend cycle: the stochastic of the stochastic of a MACD line, 0 to 100.

    Parameters
    ----------
    window
        Bars of the range of either stochastic; without a range (up to rounding) the last place holds.
    fast, slow
        Bars of the exponential averages of the MACD line, `fast` smaller than `slow`.
    smooth
        Bars of the exponential average of either stochastic; 3 is Schaff's factor of 0.5. The first value is on bar
        ``slow + 2 * window + 2 * smooth - 5``. NaN while the price has never moved; a NaN gives NaN on its bar,
        which is otherwise left out.
    """

    window: int = parameter(10, meaning="bars of the ranges")
    fast: int = parameter(23, meaning="bars of the fast average")
    slow: int = parameter(50, meaning="bars of the slow average")
    smooth: int = parameter(3, meaning="bars of the average of either stochastic")

    group = "momentum"
    kernel = "oscillators:stc"
    ascending = ("fast", "slow")
    source = "Schaff 2008, Technical Analysis of Stocks and Commodities"
    oracle = Oracle("TA-Lib", "EMA", "and pandas rolling ranges; talipp STC with EMA in the limit")
    recursive = True

    @override
    def state_size(self) -> int:
        return 8 + 2 * CHUNK + 2 * (13 + 4 * self.window)

    @override
    def warmup(self) -> int:
        return self.slow + 2 * self.window + 2 * self.smooth - 5
