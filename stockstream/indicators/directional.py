"""Strength of a trend: directional movement, and how far the price travels against how far it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from stockstream.indicators.declaration import Oracle, choice, parameter
from stockstream.indicators.indicator import Indicator
from stockstream.indicators.ladders import WIDE, means
from stockstream.indicators.volatility import room

SEED = "terms in the first sums"


@dataclass(frozen=True, repr=False)
class DI(Indicator):
    """Directional indicators: the share of the true range by which highs rise, and by which lows fall.

    Outputs: `plus` and `minus`, 0 to 100; NaN while nothing has moved.

    Parameters
    ----------
    window
        Bars of Wilder's fading sums, 2 or more. The first value is on bar `window`.
    seed
        Terms the sums start with: ``"talib"`` one less than the window, ``"wilder"`` the window (StockCharts). They
        differ by up to 0.6 at first and agree after about 13 windows.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted.
    """

    window: int = parameter(14, low=2, meaning="bars of the sums")
    seed: str = choice("talib", "wilder", meaning=SEED)

    group = "trend"
    inputs = ("high", "low", "close")
    outputs = ("plus", "minus")
    columns = ("di_plus", "di_minus")
    kernel = "directional:di"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "PLUS_DI", "and MINUS_DI")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class DX(Indicator):
    """Directional movement index: the difference of the directional indicators over their sum, 0 to 100.

    Parameters
    ----------
    window
        Bars of Wilder's fading sums, 2 or more. The first value is on bar `window`. NaN while there is no direction.
    seed
        Terms the sums start with: ``"talib"`` one less than the window, ``"wilder"`` the window.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted.
    """

    window: int = parameter(14, low=2, meaning="bars of the sums")
    seed: str = choice("talib", "wilder", meaning=SEED)

    group = "trend"
    inputs = ("high", "low", "close")
    kernel = "directional:dx"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "DX")
    recursive = True

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class ADX(Indicator):
    """Average directional index: how strong a trend is, whichever way, 0 to 100.

    Parameters
    ----------
    window
        Bars, 2 or more: of Wilder's fading sums and of the average of DX. The first value is on bar ``2 * window - 1``.
        NaN while there is no direction.
    seed
        Terms the sums start with: ``"talib"`` one less than the window, ``"wilder"`` the window (StockCharts). They
        differ by up to 0.8 at first and agree after about 13 windows.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted.
    """

    window: int = parameter(14, low=2, meaning="bars of the sums and of the average")
    seed: str = choice("talib", "wilder", meaning=SEED)

    group = "trend"
    inputs = ("high", "low", "close")
    kernel = "directional:adx"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "ADX")
    recursive = True

    @override
    def state_size(self) -> int:
        return 12

    @override
    def warmup(self) -> int:
        return 2 * self.window - 1


@dataclass(frozen=True, repr=False)
class ADXR(Indicator):
    """Average directional index rating: the mean of ADX and its value of ``window - 1`` bars ago.

    Parameters
    ----------
    window
        Bars, 2 or more. The first value is on bar ``3 * window - 2``.
    seed
        Terms the sums start with: ``"talib"`` one less than the window, ``"wilder"`` the window.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted.
    """

    window: int = parameter(14, low=2, meaning="bars of the sums, of the average and of the lag")
    seed: str = choice("talib", "wilder", meaning=SEED)

    group = "trend"
    inputs = ("high", "low", "close")
    kernel = "directional:adxr"
    source = "Wilder 1978, New Concepts in Technical Trading Systems"
    oracle = Oracle("TA-Lib", "ADXR")
    recursive = True

    @override
    def state_size(self) -> int:
        return 12 + self.window

    @override
    def warmup(self) -> int:
        return 3 * self.window - 2


@dataclass(frozen=True, repr=False)
class VORTEX(Indicator):
    """Vortex: distances from lows to the next highs, and from highs to the next lows, over the true range.

    Outputs: `plus` and `minus`, fractions of the summed true range; NaN while nothing moves.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; a NaN is felt only while it, or the bar after it, is in the
        window.
    """

    window: int = parameter(14, meaning="bars summed")

    group = "trend"
    inputs = ("high", "low", "close")
    outputs = ("plus", "minus")
    columns = ("vortex_plus", "vortex_minus")
    kernel = "movement:vortex"
    source = "Botes and Siepman 2010, Technical Analysis of Stocks & Commodities"
    oracle = Oracle("TA-Lib", "VORTEX")

    @override
    def state_size(self) -> int:
        return 11 + 6 * self.window

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class MASS(Indicator):
    """Mass index: the ranges of bars against their own average, summed; it swells before reversals.

    Parameters
    ----------
    smoothing
        Bars of the exponential average of the range, and of the average of that, 1 or more.
    window
        Ratios summed, 1 or more. The first value is on bar ``2 * (smoothing - 1) + window - 1``.

    Notes
    -----
    A bar with a NaN gives NaN and is otherwise not counted. NaN while no bar has a range.
    """

    smoothing: int = parameter(9, meaning="bars of both averages of the range")
    window: int = parameter(25, meaning="ratios summed")

    group = "trend"
    inputs = ("high", "low")
    kernel = "movement:mass"
    source = "Dorsey 1992; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "MASSI")
    recursive = True

    @override
    def state_size(self) -> int:
        return 9 + 2 * self.window

    @override
    def warmup(self) -> int:
        return 2 * (self.smoothing - 1) + self.window - 1


@dataclass(frozen=True, repr=False)
class VHF(Indicator):
    """Vertical horizontal filter: the range of `window` values over the sum of their changes; high in a trend.

    Parameters
    ----------
    window
        Bars, 1 or more. The first value is on bar `window`; a NaN is felt only while it, or the bar after it, is in the
        window. NaN while nothing moves.
    """

    window: int = parameter(28, meaning="bars looked at")

    group = "trend"
    kernel = "movement:vhf"
    source = "White 1991, Futures; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "VHF")

    @override
    def state_size(self) -> int:
        return 2 + room(self.window) + means(self.window) + 2 * WIDE

    @override
    def warmup(self) -> int:
        return self.window


@dataclass(frozen=True, repr=False)
class DPO(Indicator):
    """Detrended price oscillator: the price of half a window ago less the mean; it looks at no later bar.

    Parameters
    ----------
    window
        Bars of the mean, 1 or more; the price is that of window // 2 + 1 bars ago. The first value is on bar ``window -
        1``, or on bar ``window // 2 + 1`` if that is later. In units of the price; a NaN is felt only while it is in
        the window.
    """

    window: int = parameter(20, meaning="bars averaged")

    group = "trend"
    kernel = "weighted:dpo"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "DPO")

    @override
    def state_size(self) -> int:
        return 9 + self.window // 2 + 2 * self.window

    @override
    def warmup(self) -> int:
        return max(self.window - 1, self.window // 2 + 1)
