"""Ranges of price: how far it moves, whichever way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.indicators.indicator import Indicator, Oracle, choice, parameter
from stockstream.indicators.ladders import WIDE
from stockstream.indicators.statistics import refuse_no_freedom

FIRST_RANGE = "whether the first bar's range counts"


def room(window: int) -> int:
    """Length of state that the kernels set aside for one step over a window."""
    return 16 + 4 * window


@dataclass(frozen=True, repr=False)
class TR(Indicator):
    """True range: the largest of the day's range and the gaps from yesterday's close to the high and the low.

    Parameters
    ----------
    first_tr
        ``"skip"``: NaN on the first bar, which has no close before it. ``"range"``: its high less its low.

    Notes
    -----
    In the price's unit. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> TR()(np.array([2.0, 3.0]), np.array([1.0, 2.5]), np.array([2.0, 2.5]))
    array([nan, 1.])
    """

    first_tr: str = choice("skip", "range", meaning=FIRST_RANGE)

    group = "volatility"
    inputs = ("high", "low", "close")
    kernel = "volatility:tr"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "TRANGE")
    recursive = True

    @override
    def warmup(self) -> int:
        return 1 if self.first_tr == "skip" else 0


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

    Notes
    -----
    In the price's unit. A bar with a NaN gives NaN and is skipped. A price that does not move gives 0.

    Examples
    --------
    >>> import numpy as np
    >>> ATR(2)(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    array([nan, nan, 2.])
    """

    window: int = parameter(14, meaning="bars averaged")
    first_tr: str = choice("skip", "range", meaning=FIRST_RANGE)

    group = "volatility"
    inputs = ("high", "low", "close")
    kernel = "volatility:atr"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "ATR")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window if self.first_tr == "skip" else self.window - 1


@dataclass(frozen=True, repr=False)
class NATR(Indicator):
    """Normalised average true range: the average true range in percent of the close.

    Parameters
    ----------
    window, first_tr
        Those of `ATR`.

    Notes
    -----
    A bar with a NaN gives NaN and is skipped.
    """

    window: int = parameter(14, meaning="bars averaged")
    first_tr: str = choice("skip", "range", meaning=FIRST_RANGE)

    group = "volatility"
    inputs = ("high", "low", "close")
    kernel = "volatility:natr"
    source = "Forman 2006, Cross-Market Evaluations With Normalized Average True Range"
    oracle = Oracle("TA-Lib", "NATR")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window if self.first_tr == "skip" else self.window - 1


@dataclass(frozen=True, repr=False)
class VAR(Indicator):
    """Variance of the last `window` values.

    Parameters
    ----------
    window
        Bars, 1 or more (more than `ddof`). The first value is on bar ``window - 1``; a NaN is felt only while it is in
        the window; equal values give exactly 0.
    ddof
        0 divides by the window (population), 1 by one less (sample).

    Examples
    --------
    >>> import numpy as np
    >>> VAR(2)(np.array([1.0, 3.0, 3.0]))
    array([nan, 1., 0.])
    """

    window: int = parameter(20, meaning="bars looked at")
    ddof: int = parameter(0, low=0, high=1, meaning="0 population, 1 sample")

    group = "volatility"
    kernel = "rolling:variance"
    grid_kernel = "grids:variance"
    source = "definition"
    oracle = Oracle("TA-Lib", "VAR")

    @override
    def check(self) -> None:
        refuse_no_freedom("VAR", self.window, self.ddof)

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, self.ddof, False)

    @override
    def state_size(self) -> int:
        return room(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class ULCER(Indicator):
    """Ulcer index: the root mean square of the falls from the highest price of the window.

    Parameters
    ----------
    window
        Bars, 1 or more, both for the highest price and for the mean. In percent; 0 while prices only rise. The first
        value is on bar ``2 * window - 2``; a NaN is felt only in the bars from which that value is made.

    Examples
    --------
    >>> import numpy as np
    >>> ULCER(2)(np.array([10.0, 10.0, 9.0, 9.0])).round(3)
    array([  nan,   nan, 7.071, 7.071])
    """

    window: int = parameter(14, meaning="bars looked at")

    group = "volatility"
    kernel = "volatility:ulcer"
    source = "Martin and McCann 1989; StockCharts ChartSchool"
    oracle = Oracle("pandas-ta-classic", "ui")

    @override
    def state_size(self) -> int:
        return 2 * room(self.window)

    @override
    def warmup(self) -> int:
        return 2 * self.window - 2


@dataclass(frozen=True, repr=False)
class CHAIKIN_VOL(Indicator):
    """Chaikin volatility: how the averaged range of high and low has changed.

    Parameters
    ----------
    window
        Bars of the exponential average, 1 or more.
    lag
        Bars back to the average compared with, 1 or more. In percent. The first value is on bar
        ``window + lag - 1``; a bar with a NaN gives NaN and is skipped; NaN where there was no range at all.
    """

    window: int = parameter(10, meaning="bars averaged")
    lag: int = parameter(10, meaning="bars back")

    group = "volatility"
    inputs = ("high", "low")
    columns = ("chaikin_volatility",)
    kernel = "volatility:chaikin_volatility"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "CVI")
    recursive = True

    @override
    def state_size(self) -> int:
        return 7 + 2 * WIDE + self.lag

    @override
    def warmup(self) -> int:
        return self.window + self.lag - 1


@dataclass(frozen=True, repr=False)
class RVI(Indicator):
    """Relative volatility index: the share of rising days in the standard deviation, 0 to 100.

    Parameters
    ----------
    window
        Bars of Wilder's average, 1 or more.
    deviation_window
        Bars of the standard deviation, 1 or more. The first value is on bar
        ``max(1, deviation_window - 1) + window - 1``; a bar with a NaN gives NaN and is skipped; NaN where the price
        has never moved.

    Notes
    -----
    A day without a change counts on neither side.
    """

    window: int = parameter(14, meaning="bars averaged")
    deviation_window: int = parameter(10, meaning="bars of the standard deviation")

    group = "volatility"
    kernel = "volatility:rvi"
    source = "Dorsey 1993, The Relative Volatility Index"
    oracle = Oracle("TA-Lib", "RVI")
    recursive = True

    @override
    def state_size(self) -> int:
        return 18 + 7 + 3 * self.deviation_window

    @override
    def warmup(self) -> int:
        return max(1, self.deviation_window - 1) + self.window - 1


@dataclass(frozen=True, repr=False)
class CHOP(Indicator):
    """Choppiness index: whether the bars go sideways (towards 100) or one way (towards 0).

    Parameters
    ----------
    window
        Bars, 2 or more. The first value is on bar `window`; a NaN is felt only while it is in the window or on the bar
        before it; NaN where the whole window has no range.
    """

    window: int = parameter(14, low=2, meaning="bars looked at")

    group = "volatility"
    inputs = ("high", "low", "close")
    kernel = "volatility:chop"
    source = "Dreiss; StockCharts ChartSchool"
    oracle = Oracle("pandas-ta-classic", "chop")

    @override
    def state_size(self) -> int:
        return 2 + 2 * room(self.window)

    @override
    def warmup(self) -> int:
        return self.window
