"""Direction of the price: lines through it, stops that follow it, and where its extremes lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import DOUBLING, STRETCH, WIDE, ladder
from stockstream.indicators.volatility import room


@dataclass(frozen=True, repr=False)
class LINEARREG(Indicator):
    """Straight line of least squares through the last `window` values.

    Outputs: `value` on the newest bar, `slope` in price a bar, `intercept` on the oldest bar of the window, `angle` of
    the slope in degrees, `forecast` one bar ahead (TSF elsewhere).

    Parameters
    ----------
    window
        Bars, 2 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window. Equal
        values give that value, slope and angle 0, exactly.

    Examples
    --------
    >>> import numpy as np
    >>> LINEARREG(3)(np.array([1.0, 2.0, 3.0, 4.0])).forecast
    array([nan, nan, 4., 5.])
    """

    window: int = parameter(14, low=2, meaning="bars the line goes through")

    group = "trend"
    outputs = ("value", "slope", "intercept", "angle", "forecast")
    columns = ("linearreg", "linearreg_slope", "linearreg_intercept", "linearreg_angle", "linearreg_forecast")
    kernel = "regression:linear_regression"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "LINEARREG", "and LINEARREG_SLOPE, LINEARREG_INTERCEPT, LINEARREG_ANGLE, TSF")

    @override
    def state_size(self) -> int:
        return 7 + 3 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class SAR(Indicator):
    """Parabolic stop and reverse: a stop that speeds up towards the price with every new extreme.

    Parameters
    ----------
    acceleration
        Fraction of the way to the extreme by which the stop moves a bar; grows by itself at each new extreme.
    maximum
        Largest such fraction.

    Notes
    -----
    In the price's unit; below the price while long, above it while short. The first value is on bar 1, where the first
    side is long unless the second bar falls further than it rises. A bar with a NaN gives NaN and is otherwise not
    counted.
    """

    acceleration: float = parameter(0.02, low=0, high=10, meaning="fraction a bar, and its growth at each new extreme")
    maximum: float = parameter(0.2, low=0, high=10, meaning="largest fraction a bar")

    group = "trend"
    inputs = ("high", "low")
    kernel = "trend:sar"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "SAR")
    recursive = True

    @override
    def warmup(self) -> int:
        return 1


@dataclass(frozen=True, repr=False)
class SUPERTREND(Indicator):
    """Supertrend: a band of average true ranges that only moves towards the price until the close crosses it.

    Outputs: `line`, the band in force; `direction`, 1 while it lies below the price, -1 above.

    Parameters
    ----------
    window
        Bars of the average true range, 1 or more. The first value is on bar `window`, with direction 1.
    multiplier
        Distance of the bands from the middle of the bar, in average true ranges.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted.
    """

    window: int = parameter(10, meaning="bars of the average true range")
    multiplier: float = parameter(3.0, low=0, high=1000, meaning="average true ranges between middle and band")

    group = "trend"
    inputs = ("high", "low", "close")
    outputs = ("line", "direction")
    columns = ("supertrend", "supertrend_direction")
    kernel = "trend:supertrend"
    source = "Seban, Tout le monde mérite d'être riche"
    oracle = Oracle("TA-Lib", "SUPERTREND")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class ICHIMOKU(Indicator):
    """Ichimoku: the middles of three ranges, and a cloud of two spans drawn from `medium` bars ago.

    Outputs: `tenkan`, `kijun`: middle of the range of `short` and of `medium` bars; `span_a`: middle of the two,
    `medium` bars ago; `span_b`: middle of the range of `long` bars, `medium` bars ago. The lagging span, which is the
    close of a later bar, is not offered.

    Parameters
    ----------
    short, medium, long
        Bars, 1 or more. `tenkan` starts on bar ``short - 1``, `kijun` on ``medium - 1``, the spans `medium` bars after
        their ranges are full; a NaN is felt only while it is in a range.
    """

    short: int = parameter(9, meaning="bars of the turning line")
    medium: int = parameter(26, meaning="bars of the base line, and by which the cloud is moved on")
    long: int = parameter(52, meaning="bars of the second span")

    group = "trend"
    inputs = ("high", "low")
    outputs = ("tenkan", "kijun", "span_a", "span_b")
    columns = ("ichimoku_tenkan", "ichimoku_kijun", "ichimoku_span_a", "ichimoku_span_b")
    kernel = "trend:ichimoku"
    source = "Hosoda 1969"
    oracle = Oracle("pandas-ta-classic", "ichimoku", "without the lagging span")

    @override
    def state_size(self) -> int:
        windows = (self.short, self.medium, self.long)
        return 2 + 2 * self.medium + sum(room(window) for window in windows) + WIDE

    @override
    def warmup(self) -> int:
        return min(self.short, self.medium, self.long + self.medium) - 1


@dataclass(frozen=True, repr=False)
class AROON(Indicator):
    """Aroon: how recent the low and the high of the last `window` + 1 bars are, 100 on this bar, 0 `window` bars ago.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; a NaN is felt only while it is in the window. Of equal
        extremes the latest counts, so that a price that does not move gives 100 for both.

    Examples
    --------
    >>> import numpy as np
    >>> AROON(2)(np.array([1.0, 3.0, 2.0]), np.array([1.0, 2.0, 1.5])).up
    array([nan, nan, 50.])
    """

    window: int = parameter(14, meaning="bars looked back")

    group = "trend"
    inputs = ("high", "low")
    outputs = ("down", "up")
    columns = ("aroon_down", "aroon_up")
    kernel = "trend:aroon"
    source = "Chande 1995; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "AROON")

    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return 2 + 4 * ladder(self.window + 1)

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class AROONOSC(Indicator):
    """Aroon oscillator: Aroon up less Aroon down, -100 to 100.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; a NaN is felt only while it is in the window.
    """

    window: int = parameter(14, meaning="bars looked back")

    group = "trend"
    inputs = ("high", "low")
    kernel = "trend:aroon_oscillator"
    source = "Chande 1995; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "AROONOSC")

    per_bar = DOUBLING

    @override
    def state_size(self) -> int:
        return 2 + 4 * ladder(self.window + 1) + STRETCH

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class HA(Indicator):
    """Heikin-Ashi: averaged candles, whose close is the bar's mean and whose open is the middle of the candle before.

    Notes
    -----
    In the price's unit, from the first bar on, whose open is the middle of its own open and close. A bar with a NaN
    gives NaN and is otherwise not counted.
    """

    group = "trend"
    inputs = ("open", "high", "low", "close")
    outputs = ("open", "high", "low", "close")
    columns = ("ha_open", "ha_high", "ha_low", "ha_close")
    kernel = "trend:heikin_ashi"
    source = "Valcu 2004, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("TA-Lib", "HA")
    recursive = True
