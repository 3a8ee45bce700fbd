"""Statistics of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.errors import ParameterError
from stockstream.indicators.indicator import Indicator, Oracle, parameter
from stockstream.indicators.ladders import MOVED
from stockstream.indicators.pairs import PairIndicator


def refuse_no_freedom(owner: str, window: int, ddof: int) -> None:
    """Raise ParameterError for a deviation of one value about itself."""
    if window <= ddof:
        message = f"{owner}: expected window to be more than ddof={ddof}; found {window}"
        raise ParameterError(message)


@dataclass(frozen=True, repr=False)
class MAX(Indicator):
    """Largest value of the last `window` bars.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window.
    """

    window: int = parameter(20, meaning="bars looked at")

    group = "statistics"
    kernel = "rolling:extreme"
    grid_kernel = "grids:extreme"
    source = "definition"
    oracle = Oracle("TA-Lib", "MAX")

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, 1.0)

    @override
    def state_size(self) -> int:
        return 4 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class MIN(Indicator):
    """Smallest value of the last `window` bars.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window.
    """

    window: int = parameter(20, meaning="bars looked at")

    group = "statistics"
    kernel = "rolling:extreme"
    grid_kernel = "grids:extreme"
    source = "definition"
    oracle = Oracle("TA-Lib", "MIN")

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, -1.0)

    @override
    def state_size(self) -> int:
        return 4 + 2 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class STDDEV(Indicator):
    """Standard deviation of the last `window` values.

    Parameters
    ----------
    window
        Bars, 1 or more (more than `ddof`). The first value is on bar ``window - 1``; equal values give exactly 0.
    ddof
        0 divides by the window (population), 1 by one less (sample).
    """

    window: int = parameter(20, meaning="bars looked at")
    ddof: int = parameter(0, low=0, high=1, meaning="0 population, 1 sample")

    group = "statistics"
    kernel = "rolling:variance"
    grid_kernel = "grids:variance"
    source = "definition"
    oracle = Oracle("TA-Lib", "STDDEV")

    @override
    def check(self) -> None:
        refuse_no_freedom("STDDEV", self.window, self.ddof)

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (self.window, self.ddof, True)

    @override
    def state_size(self) -> int:
        return 10 + 3 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class ZSCORE(Indicator):
    """Z-score: how many standard deviations the value is above the mean of the window.

    Parameters
    ----------
    window
        Bars, 1 or more (more than `ddof`). The first value is on bar ``window - 1``; a NaN is felt only while it is in
        the window; equal values give NaN.
    ddof
        0 divides by the window (population), 1 by one less (sample).

    Examples
    --------
    >>> import numpy as np
    >>> ZSCORE(2)(np.array([1.0, 3.0, 3.0]))
    array([nan,  1., nan])
    """

    window: int = parameter(30, meaning="bars looked at")
    ddof: int = parameter(0, low=0, high=1, meaning="0 population, 1 sample")

    group = "statistics"
    kernel = "statistics:zscore"
    source = "definition"
    oracle = Oracle("pandas-ta-classic", "zscore", "ddof 1; rescaled for ddof 0")
    per_bar = MOVED

    @override
    def check(self) -> None:
        refuse_no_freedom("ZSCORE", self.window, self.ddof)

    @override
    def state_size(self) -> int:
        return 7 + 3 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class PERCENTRANK(Indicator):
    """Percent rank: the percentage of the `window` values before this one that are smaller, 0 to 100.

    Parameters
    ----------
    window
        Bars, 1 or more, this one not among them. The first value is on bar `window`; a NaN is felt on its bar and while
        it is in the window. Equal values are not smaller: a constant gives 0.

    Examples
    --------
    >>> import numpy as np
    >>> PERCENTRANK(2)(np.array([1.0, 3.0, 2.0, 4.0]))
    array([ nan,  nan,  50., 100.])
    """

    window: int = parameter(100, meaning="bars compared with")

    group = "statistics"
    kernel = "statistics:percent_rank"
    source = "definition"
    oracle = Oracle("TA-Lib", "PERCENTRANK")
    per_bar = "O(window): each value of the window is compared, eight to an instruction"

    @override
    def state_size(self) -> int:
        return 1 + self.window

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class CORREL(PairIndicator):
    """Correlation: Pearson's coefficient of two series over the last `window` bars, -1 to 1.

    Parameters
    ----------
    window
        Bars, 2 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window; NaN
        where one of the two does not move.
    of, other
        The two series, expressions; close and volume when not given. ``CORREL(30)(x, y)`` takes any two arrays.

    Examples
    --------
    >>> import numpy as np
    >>> CORREL(3)(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 2.0]))
    array([nan, nan,  1.,  0.])
    """

    window: int = parameter(30, low=2, meaning="bars looked at")

    group = "statistics"
    inputs = ("close", "volume")
    outputs = ("correl",)
    kernel = "statistics:correl"
    source = "definition"
    oracle = Oracle("TA-Lib", "CORREL")
    per_bar = MOVED

    @override
    def state_size(self) -> int:
        return 14 + 7 * self.window

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class BETA(PairIndicator):
    """Beta: the slope of the returns of one series on those of another, such as a stock's on the market's.

    Parameters
    ----------
    window
        Returns, 2 or more. The first value is on bar `window`; a NaN is felt only while it is in the window or on the
        bar before it; NaN where the other series does not move.
    of, other
        The series that reacts and the one it reacts to, expressions; close and volume when not given.
        ``BETA(20)(stock, market)`` takes any two arrays; TA-Lib's takes them the other way round.

    Examples
    --------
    >>> import numpy as np
    >>> BETA(2)(np.array([100.0, 120.0, 108.0]), np.array([10.0, 11.0, 10.45]))
    array([nan, nan,  2.])
    """

    window: int = parameter(20, low=2, meaning="returns looked at")

    group = "statistics"
    inputs = ("close", "volume")
    outputs = ("beta",)
    kernel = "statistics:beta"
    source = "definition"
    oracle = Oracle("TA-Lib", "BETA", "arguments the other way round")
    per_bar = MOVED

    @override
    def state_size(self) -> int:
        return 3 + 14 + 7 * self.window

    @override
    def warmup(self) -> int:
        return self.window
