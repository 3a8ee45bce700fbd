"""Momentum as the difference of exponential averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, choice, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import CHUNK


@dataclass(frozen=True, repr=False)
class MACD(Indicator):
    """Moving average convergence/divergence: a fast average less a slow one, with its own average as signal.

    Parameters
    ----------
    fast, slow, signal_window
        Bars of the three exponential averages, 1 or more, `fast` smaller than `slow`. All outputs are in units of the
        price. The line is there from bar ``slow - 1`` on, signal and histogram from bar ``slow + signal_window - 2``.
        NaN gives NaN on its bar and the averages are carried over it.
    align
        ``"own"``: each average starts with the mean of its own first window. ``"talib"``: the fast one's first window
        ends on the slow one's first bar, and all three outputs start together.

    Examples
    --------
    >>> import numpy as np
    >>> MACD(1, 3, 1)(np.array([1.0, 2.0, 3.0, 6.0])).macd
    array([nan, nan, 1., 2.])
    """

    fast: int = parameter(12, meaning="bars of the fast average")
    slow: int = parameter(26, meaning="bars of the slow average")
    signal_window: int = parameter(9, meaning="bars of the signal's average")
    align: str = choice("own", "talib", meaning="where the fast average starts")

    group = "momentum"
    outputs = ("macd", "signal", "hist")
    columns = ("macd", "macd_signal", "macd_hist")
    kernel = "convergence:macd"
    grid_kernel, grid_parameters = "grids:macd", 3
    ascending = ("fast", "slow")
    source = "Appel 1979; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "EMA", 'differences; align="talib" is its MACD')
    recursive = True

    @override
    def state_size(self) -> int:
        return 16

    @override
    def warmup(self) -> int:
        return self.slow - 1 + (self.signal_window - 1 if self.align == "talib" else 0)


@dataclass(frozen=True, repr=False)
class PPO(Indicator):
    """Percentage price oscillator: the MACD in percent of the slow average.

    Parameters
    ----------
    fast, slow, signal_window
        Bars of the three exponential averages, 1 or more, `fast` smaller than `slow`. The line is there from bar ``slow
        - 1`` on, signal and histogram from bar ``slow + signal_window - 2``. NaN gives NaN on its bar and the averages
        are carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> PPO(1, 3, 1)(np.array([1.0, 2.0, 3.0, 6.0])).ppo
    array([nan, nan, 50., 50.])
    """

    fast: int = parameter(12, meaning="bars of the fast average")
    slow: int = parameter(26, meaning="bars of the slow average")
    signal_window: int = parameter(9, meaning="bars of the signal's average")

    group = "momentum"
    outputs = ("ppo", "signal", "hist")
    columns = ("ppo", "ppo_signal", "ppo_hist")
    kernel = "convergence:ppo"
    ascending = ("fast", "slow")
    source = "Appel; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "PPO", "matype=1; signal by EMA")
    recursive = True

    @override
    def state_size(self) -> int:
        return 12

    @override
    def warmup(self) -> int:
        return self.slow - 1


@dataclass(frozen=True, repr=False)
class APO(Indicator):
    """Absolute price oscillator: a fast exponential average less a slow one.

    Parameters
    ----------
    fast, slow
        Bars of the averages, 1 or more, `fast` smaller than `slow`. In units of the price, from bar ``slow - 1`` on.
        NaN gives NaN on its bar and the averages are carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> APO(1, 3)(np.array([1.0, 2.0, 3.0, 6.0]))
    array([nan, nan, 1., 2.])
    """

    fast: int = parameter(12, meaning="bars of the fast average")
    slow: int = parameter(26, meaning="bars of the slow average")

    group = "momentum"
    kernel = "convergence:apo"
    ascending = ("fast", "slow")
    source = "StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "APO", "matype=1")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.slow - 1


@dataclass(frozen=True, repr=False)
class TRIX(Indicator):
    """Triple exponential oscillator: the change, in percent, of a thrice averaged price.

    Parameters
    ----------
    window
        Bars of each of the three averages, 1 or more. The first value is on bar ``3 * window - 2``. NaN gives NaN on
        its bar and the averages are carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> TRIX(1)(np.array([1.0, 2.0, 3.0]))
    array([ nan, 100.,  50.])
    """

    window: int = parameter(15, meaning="bars of each average")

    group = "momentum"
    kernel = "convergence:trix"
    source = "Hutson 1983, Technical Analysis of Stocks and Commodities; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "TRIX")
    recursive = True

    @override
    def state_size(self) -> int:
        return 9 + CHUNK

    @override
    def warmup(self) -> int:
        return 3 * self.window - 2


@dataclass(frozen=True, repr=False)
class TSI(Indicator):
    """True strength index: the twice averaged change in percent of its twice averaged size, -100 to 100.

    Parameters
    ----------
    first, second
        Bars of the first and of the second exponential average, 1 or more. The first value is on bar
        ``first + second - 1``. NaN where the price has never moved; NaN gives NaN on its bar and the averages are
        carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> TSI(1, 1)(np.array([1.0, 2.0, 1.5, 1.5]))
    array([  nan,  100., -100.,   nan])
    """

    first: int = parameter(25, meaning="bars of the first average")
    second: int = parameter(13, meaning="bars of the average of the average")

    group = "momentum"
    kernel = "convergence:tsi"
    source = "Blau 1991, Technical Analysis of Stocks and Commodities"
    oracle = Oracle("TA-Lib", "TSI")
    recursive = True

    @override
    def state_size(self) -> int:
        return 10

    @override
    def warmup(self) -> int:
        return self.first + self.second - 1


@dataclass(frozen=True, repr=False)
class ERI(Indicator):
    """Elder ray: how far high and low stand from the exponential average of the close.

    Parameters
    ----------
    window
        Bars of the average, 1 or more. In units of the price, from bar ``window - 1`` on. A NaN in any of the three
        prices gives NaN on its bar and the average is carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> ERI(1)(np.array([3.0]), np.array([1.0]), np.array([2.0]))
    ERI(bull=array([1.]), bear=array([-1.]))
    """

    window: int = parameter(13, meaning="bars of the average")

    group = "momentum"
    inputs = ("high", "low", "close")
    outputs = ("bull", "bear")
    columns = ("eri_bull", "eri_bear")
    kernel = "convergence:eri"
    source = "Elder 1993, Trading for a Living"
    oracle = Oracle("TA-Lib", "ERI")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window - 1
