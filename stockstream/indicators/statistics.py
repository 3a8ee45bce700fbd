"""Statistics of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stockstream.indicators.indicator import Indicator, Oracle, parameter


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

    def arguments(self) -> tuple[Any, ...]:
        """Window and sign."""
        return (self.window, 1.0)

    def state_size(self) -> int:
        """Length of the kernel's state."""
        return 4 + 2 * self.window

    def warmup(self) -> int:
        """Index of the first value."""
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

    def arguments(self) -> tuple[Any, ...]:
        """Window and sign."""
        return (self.window, -1.0)

    def state_size(self) -> int:
        """Length of the kernel's state."""
        return 4 + 2 * self.window

    def warmup(self) -> int:
        """Index of the first value."""
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

    def arguments(self) -> tuple[Any, ...]:
        """Window, ddof and whether the root is taken."""
        return (self.window, self.ddof, True)

    def state_size(self) -> int:
        """Length of the kernel's state."""
        return 10 + 3 * self.window

    def warmup(self) -> int:
        """Index of the first value."""
        return self.window - 1
