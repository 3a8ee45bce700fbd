"""Moving averages and trend."""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.indicators.indicator import Indicator, Oracle, choice, parameter


@dataclass(frozen=True, repr=False)
class SMA(Indicator):
    """Simple moving average: the mean of the last `window` values.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> SMA(2)(np.array([1.0, 2.0, 4.0]))
    array([nan, 1.5, 3. ])
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    kernel = "rolling:sma"
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("talib", "SMA")

    def state_size(self) -> int:
        """Length of the kernel's state."""
        return 6 + 2 * self.window

    def warmup(self) -> int:
        """Index of the first value."""
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
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("talib", "EMA")
    recursive = True

    def warmup(self) -> int:
        """Index of the first value."""
        return self.window - 1 if self.seed == "sma" else 0
