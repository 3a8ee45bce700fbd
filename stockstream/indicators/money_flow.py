"""Money flow: price and volume together, over windows and in exponential averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.indicator import Indicator, Oracle, parameter
from stockstream.indicators.ladders import TILE
from stockstream.indicators.volatility import room


@dataclass(frozen=True, repr=False)
class ADOSC(Indicator):
    """Chaikin oscillator: a fast less a slow exponential average of accumulation/distribution.

    Parameters
    ----------
    fast, slow
        Bars, 1 or more. In shares. Both averages start with the first value; the first result is on bar
        ``max(fast, slow) - 1``. A bar with a NaN gives NaN and is skipped.
    """

    fast: int = parameter(3, meaning="bars of the fast average")
    slow: int = parameter(10, meaning="bars of the slow average")

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "money_flow:adosc"
    source = "Chaikin; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "ADOSC")
    recursive = True

    @override
    def warmup(self) -> int:
        return max(self.fast, self.slow) - 1


@dataclass(frozen=True, repr=False)
class CMF(Indicator):
    """Chaikin money flow: the share of the volume that closed in the upper half of the range, -1 to 1.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar ``window - 1``; a NaN is felt only while it is in the window; NaN
        where the window has no volume. A bar without a range counts as closed in the middle.
    """

    window: int = parameter(20, meaning="bars summed")

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "money_flow:cmf"
    source = "Chaikin; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "CMF")

    @override
    def state_size(self) -> int:
        return 600 + room(self.window)

    @override
    def warmup(self) -> int:
        return self.window - 1


@dataclass(frozen=True, repr=False)
class MFI(Indicator):
    """Money flow index: the share of rising typical prices in the money traded, 0 to 100.

    Parameters
    ----------
    window
        Changes, 1 or more. The first value is on bar `window`; a NaN is felt only while it is in the window or on the
        bar before it; NaN where no money moved at a changed price. Prices that differ by rounding alone are equal.
    """

    window: int = parameter(14, meaning="changes summed")

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "money_flow:mfi"
    source = "Quong and Soudack 1989; Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "MFI")

    @override
    def state_size(self) -> int:
        return 2 + room(self.window)

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class EFI(Indicator):
    """Elder's force index: the exponential average of change times volume.

    Parameters
    ----------
    window
        Bars, 1 or more. In currency. The first value is on bar `window`; a bar with a NaN gives NaN and is skipped.
    """

    window: int = parameter(13, meaning="bars averaged")

    group = "volume"
    inputs = ("close", "volume")
    kernel = "money_flow:efi"
    source = "Elder 1993, Trading for a Living; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "EFI")
    recursive = True

    @override
    def state_size(self) -> int:
        return 7 + TILE

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class PVO(Indicator):
    """Percentage volume oscillator: a fast less a slow exponential average of the volume, in percent of the slow.

    Parameters
    ----------
    fast, slow
        Bars, 1 or more. The first value is on bar ``max(fast, slow) - 1``; a bar with a NaN gives NaN and is skipped;
        NaN while there has been no volume.
    """

    fast: int = parameter(12, meaning="bars of the fast average")
    slow: int = parameter(26, meaning="bars of the slow average")

    group = "volume"
    inputs = ("volume",)
    kernel = "money_flow:pvo"
    source = "StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "PVO", "matype 1")
    recursive = True

    @override
    def state_size(self) -> int:
        return 16

    @override
    def warmup(self) -> int:
        return max(self.fast, self.slow) - 1


@dataclass(frozen=True, repr=False)
class EMV(Indicator):
    """Ease of movement: how far the middle of the range moves for the volume it takes.

    Notes
    -----
    Move times range over volume, times 10,000. The first value is on bar 1; NaN without volume; a bar with a NaN gives
    NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> EMV()(np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([10.0, 10000.0]))
    array([nan, 3.])
    """

    group = "volume"
    inputs = ("high", "low", "volume")
    kernel = "money_flow:emv"
    source = "Arms; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("tulipy", "emv")
    recursive = True

    @override
    def warmup(self) -> int:
        return 1


@dataclass(frozen=True, repr=False)
class KVO(Indicator):
    """Klinger volume oscillator: a fast less a slow exponential average of the volume with or against the trend.

    Parameters
    ----------
    fast, slow
        Bars, 1 or more. In shares times 100. Both averages start with the first force, on bar 1. A bar with a NaN gives
        NaN and is skipped, and so is one on which the trend has had no range yet.
    """

    fast: int = parameter(34, meaning="bars of the fast average")
    slow: int = parameter(55, meaning="bars of the slow average")

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "money_flow:kvo"
    source = "Klinger 1997, Identifying Trends with Volume Analysis"
    oracle = Oracle("tulipy", "kvo")
    recursive = True

    @override
    def state_size(self) -> int:
        return 24

    @override
    def warmup(self) -> int:
        return 1


@dataclass(frozen=True, repr=False)
class MARKETFI(Indicator):
    """Market facilitation index: the day's range per share traded.

    Notes
    -----
    NaN without volume, or where an input is NaN; every bar stands alone.

    Examples
    --------
    >>> import numpy as np
    >>> MARKETFI()(np.array([3.0, 2.0]), np.array([1.0, 2.0]), np.array([4.0, 0.0]))
    array([0.5, nan])
    """

    group = "volume"
    inputs = ("high", "low", "volume")
    kernel = "money_flow:marketfi"
    source = "Williams 1995, Trading Chaos"
    oracle = Oracle("TA-Lib", "MARKETFI", "0 without volume")
