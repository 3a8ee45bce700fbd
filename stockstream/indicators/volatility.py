"""Ranges and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.indicator import Indicator, Oracle, choice, parameter
from stockstream.indicators.statistics import refuse_no_freedom


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

    @override
    def warmup(self) -> int:
        return self.window if self.first_tr == "skip" else self.window - 1


@dataclass(frozen=True, repr=False)
class BBANDS(Indicator):
    """Bollinger bands: the mean of the last `window` values and `deviations` standard deviations around it.

    Parameters
    ----------
    window
        Bars, 1 or more (more than `ddof`). The first value is on bar ``window - 1``; a NaN is felt only while it is in
        the window. Equal values collapse the bands to the price exactly.
    deviations
        Standard deviations from the middle to each band.
    ddof
        0 divides by the window (population), 1 by one less (sample).

    Notes
    -----
    Outputs: ``upper, middle, lower`` in the price's unit; ``percent_b``, 0 on the lower band and 1 on the upper, NaN
    where they are one; ``width``, upper less lower over middle.

    Examples
    --------
    >>> import numpy as np
    >>> bands = BBANDS(2, 1.0)(np.array([1.0, 3.0, 7.0]))
    >>> bands.upper, bands.percent_b
    (array([nan, 3., 7.]), array([nan, 1., 1.]))
    """

    window: int = parameter(20, meaning="bars averaged")
    deviations: float = parameter(2.0, low=0, high=100, meaning="standard deviations to each band")
    ddof: int = parameter(0, low=0, high=1, meaning="0 population, 1 sample")

    group = "volatility"
    outputs = ("upper", "middle", "lower", "percent_b", "width")
    columns = tuple(f"bollinger_{name}" for name in outputs)
    kernel = "volatility:bollinger"
    source = "Bollinger; Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("talib", "BBANDS", "percent_b and width by definition")

    @override
    def check(self) -> None:
        refuse_no_freedom("BBANDS", self.window, self.ddof)

    @override
    def state_size(self) -> int:
        return 7 + 3 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1
