"""Bands and channels around the price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.indicator import Indicator, Oracle, choice, parameter
from stockstream.indicators.statistics import refuse_no_freedom
from stockstream.indicators.volatility import room


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
    columns = ("bollinger_upper", "bollinger_middle", "bollinger_lower", "bollinger_percent_b", "bollinger_width")
    kernel = "bands:bollinger"
    source = "Bollinger; Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "BBANDS", "percent_b and width by definition")

    @override
    def check(self) -> None:
        refuse_no_freedom("BBANDS", self.window, self.ddof)

    @override
    def state_size(self) -> int:
        return 7 + 3 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class KELTNER(Indicator):
    """Keltner channel: an exponential average of the price and `multiple` average true ranges around it.

    Parameters
    ----------
    window
        Bars of the exponential average, 1 or more.
    range_window
        Bars of the average true range, 1 or more. The first value is on bar ``max(window - 1, range_window)``; a bar
        with a NaN gives NaN and is skipped.
    multiple
        Average true ranges from the middle to each band.
    price
        What is averaged: ``"close"``, or ``"typical"``, the mean of high, low and close.

    Notes
    -----
    Each average starts on its own bars. TA-Lib's KC starts the average true range later, so that both begin together:
    up to a few percent of a range apart at the start, the same in the limit.
    """

    window: int = parameter(20, meaning="bars of the exponential average")
    range_window: int = parameter(10, meaning="bars of the average true range")
    multiple: float = parameter(2.0, low=0, high=100, meaning="average true ranges to each band")
    price: str = choice("close", "typical", meaning="the price that is averaged")

    group = "volatility"
    inputs = ("high", "low", "close")
    outputs = ("upper", "middle", "lower")
    columns = ("keltner_upper", "keltner_middle", "keltner_lower")
    kernel = "bands:keltner"
    source = "Keltner 1960; Raschke; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "EMA and ATR", "each from its own start; KC in the limit")
    recursive = True

    @override
    def state_size(self) -> int:
        return 16

    @override
    def warmup(self) -> int:
        return max(self.window - 1, self.range_window)


@dataclass(frozen=True, repr=False)
class DONCHIAN(Indicator):
    """Donchian channel: the highest high and the lowest low of the last `window` bars, and their mean.

    Parameters
    ----------
    window
        Bars, 1 or more, this one included: for a breakout compare the close with ``DONCHIAN(20).upper.shift(1)``. The
        first value is on bar ``window - 1``; a NaN is felt only while it is in the window.

    Examples
    --------
    >>> import numpy as np
    >>> DONCHIAN(2)(np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0])).middle
    array([nan, 3. , 3.5])
    """

    window: int = parameter(20, meaning="bars looked at")

    group = "volatility"
    inputs = ("high", "low")
    outputs = ("upper", "middle", "lower")
    columns = ("donchian_upper", "donchian_middle", "donchian_lower")
    kernel = "bands:donchian"
    source = "Donchian; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "DONCHIAN")

    @override
    def state_size(self) -> int:
        return room(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class ACCBANDS(Indicator):
    """Acceleration bands: means of high and low pushed apart by the day's relative range, and the mean close.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window. Without
        a range the bands collapse to the price.
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "volatility"
    inputs = ("high", "low", "close")
    outputs = ("upper", "middle", "lower")
    columns = ("accbands_upper", "accbands_middle", "accbands_lower")
    kernel = "bands:acceleration_bands"
    source = "Headley 2002, Big Trends in Trading"
    oracle = Oracle("TA-Lib", "ACCBANDS")

    @override
    def state_size(self) -> int:
        return 2 * room(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class CHANDELIER(Indicator):
    """Chandelier exit: trailing stops, so many average true ranges from the extremes of the window.

    Parameters
    ----------
    window
        Bars, 1 or more, both for the extremes and for the average true range. The first value is on bar `window`; a bar
        with a NaN gives NaN and is skipped.
    multiple
        Average true ranges between the extreme and the stop.

    Notes
    -----
    Outputs: ``long``, below the highest high; ``short``, above the lowest low.
    """

    window: int = parameter(22, meaning="bars looked at")
    multiple: float = parameter(3.0, low=0, high=100, meaning="average true ranges to the stop")

    group = "volatility"
    inputs = ("high", "low", "close")
    outputs = ("long", "short")
    columns = ("chandelier_long", "chandelier_short")
    kernel = "bands:chandelier"
    source = "Le Beau; StockCharts ChartSchool"
    oracle = Oracle("pandas-ta-classic", "ce")
    recursive = True

    @override
    def state_size(self) -> int:
        return 8 + room(self.window)

    @override
    def warmup(self) -> int:
        return self.window
