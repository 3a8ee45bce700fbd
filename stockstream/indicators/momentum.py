"""Momentum as the size and the persistence of price changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.indicators.declaration import Oracle, choice, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import CHUNK, DOUBLING, ladder, means, room


@dataclass(frozen=True, repr=False)
class RSI(Indicator):
    """Relative strength index: the share of gains in the averaged moves, 0 to 100, Wilder's smoothing.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`. NaN where the price has never moved; NaN gives NaN on its
        bar and the averages are carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> RSI(2)(np.array([1.0, 2.0, 1.0, 2.0]))
    array([nan, nan, 50., 75.])
    """

    window: int = parameter(14, meaning="bars averaged")

    group = "momentum"
    kernel = "momentum:rsi"
    grid_kernel = "grids:rsi"
    source = "Wilder 1978, New Concepts in Technical Trading Systems; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "RSI")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class MOM(Indicator):
    """Momentum: the change over `window` bars, in units of the price.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; NaN only where one of the two prices is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> MOM(2)(np.array([1.0, 2.0, 4.0]))
    array([nan, nan, 3.])
    """

    window: int = parameter(10, meaning="bars back")

    group = "momentum"
    kernel = "momentum:mom"
    grid_kernel = "grids:mom"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "MOM")

    @override
    def state_size(self) -> int:
        return 2 + self.window

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class ROC(Indicator):
    """Rate of change: the change over `window` bars in percent.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; NaN only where one of the two prices is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> ROC(2)(np.array([1.0, 2.0, 4.0]))
    array([ nan,  nan, 300.])
    """

    window: int = parameter(12, meaning="bars back")

    group = "momentum"
    kernel = "momentum:roc"
    grid_kernel = "grids:roc"
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "ROC")

    @override
    def state_size(self) -> int:
        return 2 + self.window

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class CMO(Indicator):
    """Chande momentum oscillator: gains less losses in percent of gains plus losses, -100 to 100.

    Parameters
    ----------
    window
        Changes summed or averaged, 1 or more. The first value is on bar `window`. NaN where the price has not moved.
    smoothing
        ``"none"``: plain sums over the window; a NaN is felt only while it is in the window. ``"wilder"``: Wilder's
        averages, which is 2 * RSI - 100; NaN gives NaN on its bar and the averages are carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> CMO(2)(np.array([1.0, 2.0, 4.0, 3.0]))
    array([        nan,         nan, 100.        ,  33.33333333])
    """

    window: int = parameter(14, meaning="changes looked at")
    smoothing: str = choice("none", "wilder", meaning="plain sums or Wilder's averages")

    group = "momentum"
    kernel = "momentum:efficiency"
    source = "Chande and Kroll 1994, The New Technical Trader; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "CMOU", 'smoothing="wilder" is its CMO')
    per_bar = DOUBLING

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smoothing == "wilder":
            object.__setattr__(self, "recursive", True)
            object.__setattr__(self, "kernel", "momentum:cmo_wilder")

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window,) if self.smoothing == "wilder" else (self.window, 1)

    @override
    def state_size(self) -> int:
        return 2 + self.window + room(self.window) + ladder(self.window)

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class ER(Indicator):
    """Efficiency ratio: the size of the change as a share of the way the price went, 0 (to and fro) to 1 (straight).

    Parameters
    ----------
    window
        Changes looked at, 1 or more. The first value is on bar `window`. NaN where the price has not moved; a NaN is
        felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> ER(2)(np.array([1.0, 2.0, 4.0, 3.0]))
    array([       nan,        nan, 1.        , 0.33333333])
    """

    window: int = parameter(10, meaning="changes looked at")

    group = "momentum"
    kernel = "momentum:efficiency"
    source = "Kaufman 1995, Smarter Trading"
    oracle = Oracle("TA-Lib", "ER")
    per_bar = DOUBLING

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, 0)

    @override
    def state_size(self) -> int:
        return 2 + self.window + room(self.window) + ladder(self.window)

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class COPPOCK(Indicator):
    """Coppock curve: the weighted mean of the sum of two rates of change, in percent.

    Parameters
    ----------
    window
        Bars of the mean; the newest weighs `window`, the oldest 1.
    first, second
        Bars back of the two rates of change. The first value is on bar ``max(first, second) + window - 1``; a NaN is
        felt only while it is among the prices used.
    """

    window: int = parameter(10, meaning="bars of the weighted mean")
    first: int = parameter(11, meaning="bars back of one rate of change")
    second: int = parameter(14, meaning="bars back of the other")

    group = "momentum"
    kernel = "momentum:coppock"
    source = "Coppock 1962, Barron's; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "COPPOCK")

    @override
    def state_size(self) -> int:
        longest = max(self.first, self.second)
        return 7 + self.window + longest + room(longest)

    @override
    def warmup(self) -> int:
        return max(self.first, self.second) + self.window - 1


@dataclass(frozen=True, repr=False)
class KST(Indicator):
    """Know sure thing: four averaged rates of change, weighted 1 to 4, and the mean of their sum as signal.

    Parameters
    ----------
    first, second, third, fourth
        Bars back of the four rates of change, which are in percent.
    first_mean, second_mean, third_mean, fourth_mean
        Bars of their means.
    signal_window
        Bars of the signal's mean. The line is there from the bar on which the last of the four means is (44 with the
        defaults), the signal ``signal_window - 1`` bars later; a NaN is felt only while it is among the prices used.
    """

    first: int = parameter(10, meaning="bars back of the first rate of change")
    second: int = parameter(15, meaning="bars back of the second")
    third: int = parameter(20, meaning="bars back of the third")
    fourth: int = parameter(30, meaning="bars back of the fourth")
    first_mean: int = parameter(10, meaning="bars of the first rate's mean")
    second_mean: int = parameter(10, meaning="bars of the second's")
    third_mean: int = parameter(10, meaning="bars of the third's")
    fourth_mean: int = parameter(15, meaning="bars of the fourth's")
    signal_window: int = parameter(9, meaning="bars of the signal's mean")

    group = "momentum"
    outputs = ("kst", "signal")
    columns = ("kst", "kst_signal")
    kernel = "momentum:kst"
    source = "Pring 1992, Technical Analysis of Stocks and Commodities; StockCharts ChartSchool"
    oracle = Oracle("talipp", "KST")

    def pairs(self) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
        """Return the bars back of the four rates, and the bars of their means."""
        windows = (self.first_mean, self.second_mean, self.third_mean, self.fourth_mean)
        return (self.first, self.second, self.third, self.fourth), windows

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (*self.pairs(), self.signal_window)

    @override
    def state_size(self) -> int:
        changes, windows = self.pairs()
        return sum(2 + change for change in changes) + sum(map(means, windows)) + means(self.signal_window)

    @override
    def warmup(self) -> int:
        return max(change + window - 1 for change, window in zip(*self.pairs(), strict=True))


@dataclass(frozen=True, repr=False)
class FOSC(Indicator):
    """Forecast oscillator: how far the price is from what the bars before foretold, in percent of the price.

    Parameters
    ----------
    window
        Bars of the least-squares line, 2 or more; its next point is the forecast. The first value is on bar `window`;
        a NaN is felt only while it is among the prices used.

    Examples
    --------
    >>> import numpy as np
    >>> FOSC(2)(np.array([1.0, 2.0, 4.0]))
    array([nan, nan, 25.])
    """

    window: int = parameter(5, low=2, meaning="bars of the line")

    group = "momentum"
    kernel = "momentum:fosc"
    source = "Chande; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "FOSC")

    @override
    def state_size(self) -> int:
        return 9 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class CRSI(Indicator):
    """Connors RSI: the mean of an RSI, the RSI of the runs of rises, and the rank of today's change, 0 to 100.

    Parameters
    ----------
    window, streak
        Bars of the RSI of the price and of the RSI of the length of the run that each bar ends (falls are negative).
    ranked
        Changes among which today's is ranked: the percentage of them that are smaller. The first value is on bar
        ``ranked + 1`` with the defaults. NaN where one of the three is not known; a NaN gives NaN on its bar, which is
        otherwise left out.
    """

    window: int = parameter(3, meaning="bars of the RSI of the price")
    streak: int = parameter(2, meaning="bars of the RSI of the runs")
    ranked: int = parameter(100, meaning="changes ranked")

    group = "momentum"
    kernel = "momentum:crsi"
    source = "Connors and Alvarez 2012, An Introduction to ConnorsRSI"
    oracle = Oracle("TA-Lib", "RSI", "its RSI, RSI of the streaks and PERCENTRANK of ROC(1), averaged")
    per_bar = "O(ranked): all changes are compared with today's"
    recursive = True

    @override
    def state_size(self) -> int:
        return 11 + self.ranked + 3 * CHUNK

    @override
    def warmup(self) -> int:
        return max(self.window, self.streak, self.ranked + 1)
