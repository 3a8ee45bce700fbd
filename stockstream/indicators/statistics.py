"""Statistics of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.errors import ParameterError
from stockstream.indicators.indicator import Indicator, Oracle, parameter


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
    source = "definition"
    oracle = Oracle("talib", "MAX")

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
    source = "definition"
    oracle = Oracle("talib", "MIN")

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
    source = "definition"
    oracle = Oracle("talib", "STDDEV")

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
