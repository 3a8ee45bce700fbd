"""Averages whose speed follows the price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import MOVED, WIDE


@dataclass(frozen=True, repr=False)
class KAMA(Indicator):
    """Kaufman's adaptive average: it keeps up with a price that goes straight and stays put in noise.

    Parameters
    ----------
    window
        Bars over which the net change is compared with the sum of changes, 1 or more. The first value is on bar
        `window`.
    fast, slow
        Bars of the exponential averages whose weights it moves between, 1 or more.

    Notes
    -----
    NaN gives NaN on its bar and is otherwise not counted. While the price does not move it is followed at full speed.
    """

    window: int = parameter(10, meaning="bars of the efficiency ratio")
    fast: int = parameter(2, meaning="bars of the fastest average")
    slow: int = parameter(30, meaning="bars of the slowest average")

    group = "trend"
    kernel = "adaptive:kama"
    ascending = ("fast", "slow")
    source = "Kaufman 1995, Smarter Trading; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "KAMA")
    per_bar = MOVED
    recursive = True

    @override
    def state_size(self) -> int:
        tile = self.window * ((511 + self.window) // self.window)  # whole windows
        return 14 + 3 * self.window + 3 * tile

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class VIDYA(Indicator):
    """Variable index dynamic average: it follows faster when the price has lately moved more than usual.

    Parameters
    ----------
    fast, slow
        Bars of the two standard deviations whose ratio scales the weight, `fast` smaller than `slow`, both 2 or more.
        It starts at the price on bar ``slow - 2``.
    alpha
        Weight when both deviations are equal, 0 to 1.

    Notes
    -----
    NaN gives NaN on its bar and is otherwise not counted. It does not move while the price of `slow` bars does not.
    """

    fast: int = parameter(2, low=2, meaning="bars of the recent deviation")
    slow: int = parameter(5, low=2, meaning="bars of the usual deviation")
    alpha: float = parameter(0.2, low=0, high=1, meaning="weight when both deviations are equal")

    group = "trend"
    kernel = "adaptive:vidya"
    ascending = ("fast", "slow")
    source = "Chande 1992, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("tulipy", "vidya", "on its stddev of centred windows")
    recursive = True

    @override
    def state_size(self) -> int:
        return 22 + 3 * (self.fast + self.slow) + 4 * WIDE

    @override
    def warmup(self) -> int:
        return self.slow - 2


@dataclass(frozen=True, repr=False)
class MCGINLEY(Indicator):
    """McGinley's dynamic average: it follows faster when the price is below it.

    Parameters
    ----------
    window
        Bars, 1 or more. It starts with the mean of the first `window` values, on bar ``window - 1``. NaN gives NaN on
        its bar and the average is carried over it.

    Notes
    -----
    A step never goes past the price. The formula alone would, after a fall to about half or less, and not come back.
    """

    window: int = parameter(14, meaning="bars; the slower the more")

    group = "trend"
    kernel = "averages:mcginley"
    source = "McGinley 1990, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("talipp", "McGinleyDynamic")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class MAMA(Indicator):
    """MESA adaptive average and the average that follows it: as fast as the phase of the dominant cycle advances.

    Parameters
    ----------
    fast, slow
        Largest and smallest weight of the newest value, 0.01 to 0.99, `slow` smaller than `fast`. The first values are
        on bar 32. NaN gives NaN on its bar and is otherwise not counted.
    """

    fast: float = parameter(0.5, low=0.01, high=0.99, meaning="largest weight of the newest value")
    slow: float = parameter(0.05, low=0.01, high=0.99, meaning="smallest weight of the newest value")

    group = "trend"
    outputs = ("mama", "fama")
    kernel = "adaptive:mama"
    ascending = ("slow", "fast")
    source = "Ehlers 2001, MESA Adaptive Moving Averages"
    oracle = Oracle("TA-Lib", "MAMA")
    recursive = True

    @override
    def state_size(self) -> int:
        return 52

    @override
    def warmup(self) -> int:
        return 32


@dataclass(frozen=True, repr=False)
class HT_TRENDLINE(Indicator):
    """Instantaneous trendline: the mean over the length of the dominant cycle, in which the cycle cancels.

    Notes
    -----
    The first value is on bar 63. NaN gives NaN on its bar and is otherwise not counted.
    """

    group = "trend"
    kernel = "adaptive:ht_trendline"
    source = "Ehlers 2001, Rocket Science for Traders"
    oracle = Oracle("TA-Lib", "HT_TRENDLINE")
    recursive = True

    @override
    def state_size(self) -> int:
        return 438

    @override
    def warmup(self) -> int:
        return 63
