"""Moving averages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, choice, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import MOVED, PART


@dataclass(frozen=True, repr=False)
class SMA(Indicator):
    """Simple moving average: the mean of the last `window` values.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window. Equal
        values give that value exactly.

    Examples
    --------
    >>> import numpy as np
    >>> SMA(2)(np.array([1.0, 2.0, 4.0]))
    array([nan, 1.5, 3. ])
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    kernel = "rolling:sma"
    grid_kernel = "grids:sma"
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "SMA")

    @override
    def state_size(self) -> int:
        return 6 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class EMA(Indicator):
    """Exponential moving average: weight 2 / (window + 1) on the newest value.

    Parameters
    ----------
    window
        Bars, 1 or more.
    seed
        ``"sma"``: starts with the mean of the first `window` values, on bar ``window - 1``. ``"first"``: starts with
        the first value, on bar 0. NaN gives NaN on its bar and the average is carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> EMA(3)(np.array([1.0, 2.0, 3.0, 6.0]))
    array([nan, nan, 2., 4.])
    """

    window: int = parameter(20, meaning="bars; the newest weighs 2 / (window + 1)")
    seed: str = choice("sma", "first", meaning="how the recursion starts")

    group = "trend"
    kernel = "smoothing:ema"
    grid_kernel = "grids:ema"
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "EMA")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window - 1 if self.seed == "sma" else 0


@dataclass(frozen=True, repr=False)
class RMA(Indicator):
    """Wilder's average, also called smoothed: weight 1 / window on the newest value.

    Parameters
    ----------
    window
        Bars, 1 or more. It starts with the mean of the first `window` values, on bar ``window - 1``. NaN gives NaN on
        its bar and the average is carried over it.

    Examples
    --------
    >>> import numpy as np
    >>> RMA(2)(np.array([1.0, 3.0, 6.0]))
    array([nan, 2., 4.])
    """

    window: int = parameter(14, meaning="bars; the newest weighs 1 / window")

    group = "trend"
    kernel = "smoothing:rma"
    grid_kernel = "grids:rma"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "RMA")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class WMA(Indicator):
    """Weighted moving average: weights 1, 2, … window from the oldest value to the newest.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window. Equal
        values give that value exactly.

    Examples
    --------
    >>> import numpy as np
    >>> WMA(2)(np.array([1.0, 4.0, 1.0]))
    array([nan, 3., 2.])
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    kernel = "weighted:wma"
    grid_kernel = "grids:wma"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "WMA")

    @override
    def state_size(self) -> int:
        return 6 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class DEMA(Indicator):
    """Double exponential average: twice the average less the average of the average, which lags less.

    Parameters
    ----------
    window
        Bars, 1 or more. Each stage starts with the mean of its first `window` values; the first value is on bar
        ``2 * (window - 1)``. NaN gives NaN on its bar and the average is carried over it.
    """

    window: int = parameter(20, meaning="bars of each exponential average")

    group = "trend"
    kernel = "averages:dema"
    source = "Mulloy 1994, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("TA-Lib", "DEMA")
    recursive = True

    @override
    def warmup(self) -> int:
        return 2 * (self.window - 1)


@dataclass(frozen=True, repr=False)
class TEMA(Indicator):
    """Triple exponential average: three times the average less three times its average, plus the average of that.

    Parameters
    ----------
    window
        Bars, 1 or more. Each stage starts with the mean of its first `window` values; the first value is on bar
        ``3 * (window - 1)``. NaN gives NaN on its bar and the average is carried over it.
    """

    window: int = parameter(20, meaning="bars of each exponential average")

    group = "trend"
    kernel = "averages:tema"
    source = "Mulloy 1994, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("TA-Lib", "TEMA")
    recursive = True

    @override
    def state_size(self) -> int:
        return 9

    @override
    def warmup(self) -> int:
        return 3 * (self.window - 1)


@dataclass(frozen=True, repr=False)
class T3(Indicator):
    """Tillson's average: a double exponential average of adjustable strength, applied three times.

    Parameters
    ----------
    window
        Bars of each of the six exponential averages, 1 or more. The first value is on bar ``6 * (window - 1)``. NaN
        gives NaN on its bar and the average is carried over it.
    factor
        Strength, 0 (an average of averages of averages) to 1 (a double exponential average, three times).
    """

    window: int = parameter(5, meaning="bars of each exponential average")
    factor: float = parameter(0.7, low=0, high=1, meaning="strength of the correction for lag")

    group = "trend"
    kernel = "averages:t3"
    source = "Tillson 1998, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("TA-Lib", "T3")
    recursive = True

    @override
    def state_size(self) -> int:
        return 18

    @override
    def warmup(self) -> int:
        return 6 * (self.window - 1)


@dataclass(frozen=True, repr=False)
class TRIMA(Indicator):
    """Triangular average: a mean of means, which weighs the middle of the window most.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> TRIMA(3)(np.array([1.0, 2.0, 7.0]))
    array([nan, nan, 3.])
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    kernel = "weighted:trima"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "TRIMA")

    @override
    def state_size(self) -> int:
        return 19 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class HMA(Indicator):
    """Hull's average: twice the weighted mean of half the window less that of the whole, smoothed over its root.

    Parameters
    ----------
    window
        Bars, 1 or more; half and root are rounded down. The first value is on bar ``window + root - 2``; a NaN is felt
        only while it is in the window.
    """

    window: int = parameter(20, meaning="bars of the longest weighted mean")

    group = "trend"
    kernel = "weighted:hma"
    source = "Hull 2005, alanhull.com/hull-moving-average"
    oracle = Oracle("TA-Lib", "HMA")

    @override
    def state_size(self) -> int:
        return 18 + 2 * (max(self.window // 2, 1) + self.window + math.isqrt(self.window))

    @override
    def warmup(self) -> int:
        return self.window + math.isqrt(self.window) - 2


@dataclass(frozen=True, repr=False)
class ZLEMA(Indicator):
    """Zero-lag exponential average: that of the price plus its change over the lag of the average.

    Parameters
    ----------
    window
        Bars, 1 or more; the lag is (window - 1) // 2 bars. The first value is on bar ``window - 1`` plus the lag. NaN
        gives NaN on its bar and the average is carried over it.
    """

    window: int = parameter(20, meaning="bars of the exponential average")

    group = "trend"
    kernel = "averages:zlema"
    source = "Ehlers and Way 2010, Zero Lag (well, almost)"
    oracle = Oracle("TA-Lib", "ZLEMA")
    per_bar = MOVED
    recursive = True

    @override
    def state_size(self) -> int:
        return 6 + (self.window - 1) // 2 + PART

    @override
    def warmup(self) -> int:
        return self.window - 1 + (self.window - 1) // 2


@dataclass(frozen=True, repr=False)
class VWMA(Indicator):
    """Volume-weighted average: the mean of the last `window` values, each weighted by its volume.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window. NaN
        while nothing was traded in the window.

    Examples
    --------
    >>> import numpy as np
    >>> VWMA(2)(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 0.0]))
    array([ nan, 1.75, 2.  ])
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    inputs = ("close", "volume")
    kernel = "weighted:vwma"
    source = "definition"
    oracle = Oracle("TA-Lib", "VWMA")

    @override
    def state_size(self) -> int:
        return 7 + 4 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class ALMA(Indicator):
    """Arnaud Legoux average: Gaussian weights about a place near the newest value.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window.
    offset
        Centre of the weights, 0 at the oldest value, 1 at the newest.
    sigma
        Window over the standard deviation of the weights, 0.1 or more: larger is sharper.
    """

    window: int = parameter(9, meaning="bars averaged")
    offset: float = parameter(0.85, low=0, high=1, meaning="centre of the weights: 0 the oldest bar, 1 the newest")
    sigma: float = parameter(6.0, low=0.1, high=1000, meaning="window over the weights' standard deviation")

    group = "trend"
    kernel = "weighted:alma"
    source = "Legoux and Kouzis-Loukas 2009"
    oracle = Oracle("talipp", "ALMA")
    per_bar = "O(window): Gaussian weights have no recursion"

    @override
    def state_size(self) -> int:
        return 1 + self.window

    @override
    def warmup(self) -> int:
        return self.window - 1
