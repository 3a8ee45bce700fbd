"""Volume: whether it stands behind the move of the price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, override

from stockstream.indicators.indicator import Indicator, Oracle, choice


@dataclass(frozen=True, repr=False)
class OBV(Indicator):
    """On-balance volume: volume added on days of rise, taken away on days of fall.

    Notes
    -----
    In shares. Starts at 0 on the first bar; TA-Lib starts at that bar's volume, a constant apart. A bar with a NaN
    gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> OBV()(np.array([10.0, 11.0, 11.0, 9.0]), np.array([5.0, 7.0, 3.0, 2.0]))
    array([0., 7., 7., 5.])
    """

    group = "volume"
    inputs = ("close", "volume")
    kernel = "volume:obv"
    source = "Granville 1963; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "OBV", "less the first volume")
    recursive = True


@dataclass(frozen=True, repr=False)
class VWAP(Indicator):
    """Volume-weighted average price: the typical price, weighted by volume, since the anchor.

    Parameters
    ----------
    anchor
        Where the average starts anew: ``"none"`` never, so that it runs since the first bar; ``"day"`` and
        ``"session"`` on every date, which are the same thing for bars dated by their session (daily bars each stand
        alone); ``"week"`` on the first bar of each week, Monday to Sunday. All but ``"none"`` also read ``date``:
        arrays of datetime64, or of days since 1970-01-01.

    Notes
    -----
    NaN until there is volume since the anchor: a suspended stock has no average price. A bar with a NaN gives NaN and
    is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> price, volume = np.array([10.0, 10.0, 13.0]), np.array([0.0, 2.0, 1.0])
    >>> VWAP()(price, price, price, volume)
    array([nan, 10., 11.])
    >>> VWAP(anchor="week")(price, price, price, volume, np.array(["2024-01-04", "2024-01-05", "2024-01-08"], "M8[D]"))
    array([nan, 10., 13.])
    """

    anchor: str = choice("none", "day", "session", "week", meaning="where the average starts anew")

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "volume:vwap"
    source = "definition"
    oracle = Oracle("TA-Lib", "VWAP", "anchor none; from the first volume on")
    recursive = True

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor != "none":
            object.__setattr__(self, "inputs", (*type(self).inputs, "date"))
            object.__setattr__(self, "kernel", "volume:anchored_vwap")

    @override
    def arguments(self) -> tuple[Any, ...]:
        return () if self.anchor == "none" else super().arguments()


@dataclass(frozen=True, repr=False)
class AD(Indicator):
    """Accumulation/distribution: volume, weighted by where the close lies in the day's range, summed.

    Notes
    -----
    In shares. A bar without a range adds nothing. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> AD()(np.array([2.0, 2.0]), np.array([0.0, 0.0]), np.array([2.0, 0.5]), np.array([10.0, 20.0]))
    array([10.,  0.])
    """

    group = "volume"
    inputs = ("high", "low", "close", "volume")
    kernel = "volume:ad"
    source = "Chaikin; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "AD")
    recursive = True


@dataclass(frozen=True, repr=False)
class NVI(Indicator):
    """Negative volume index: follows the price on days whose volume fell, from 1000.

    Notes
    -----
    Starts at 1000 on the first bar. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> NVI()(np.array([10.0, 11.0, 12.0]), np.array([5.0, 4.0, 6.0]))
    array([1000., 1100., 1100.])
    """

    group = "volume"
    inputs = ("close", "volume")
    kernel = "volume:volume_index"
    source = "Dysart; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "NVI")
    recursive = True

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (-1.0,)


@dataclass(frozen=True, repr=False)
class PVI(Indicator):
    """Positive volume index: follows the price on days whose volume rose, from 1000.

    Notes
    -----
    Starts at 1000 on the first bar. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> PVI()(np.array([10.0, 11.0, 12.1]), np.array([5.0, 4.0, 6.0]))
    array([1000., 1000., 1100.])
    """

    group = "volume"
    inputs = ("close", "volume")
    kernel = "volume:volume_index"
    source = "Dysart; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "PVI")
    recursive = True

    @override
    def arguments(self) -> tuple[Any, ...]:
        return (1.0,)


@dataclass(frozen=True, repr=False)
class PVT(Indicator):
    """Price volume trend: volume times the relative change of the price, summed.

    Notes
    -----
    In shares; 0 on the first bar. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> PVT()(np.array([10.0, 11.0, 5.5]), np.array([1.0, 20.0, 10.0]))
    array([ 0.,  2., -3.])
    """

    group = "volume"
    inputs = ("close", "volume")
    kernel = "volume:pvt"
    source = "Achelis, Technical Analysis from A to Z; StockCharts ChartSchool"
    oracle = Oracle("TA-Lib", "PVT")
    recursive = True


@dataclass(frozen=True, repr=False)
class WAD(Indicator):
    """Williams' accumulation/distribution: how far closes stand from the true low on rises, the true high on falls.

    Notes
    -----
    In the price's unit; 0 on the first bar; reads no volume. A bar with a NaN gives NaN and is skipped.

    Examples
    --------
    >>> import numpy as np
    >>> WAD()(np.array([3.0, 5.0, 4.5]), np.array([1.0, 3.0, 3.0]), np.array([2.0, 4.0, 3.5]))
    array([0., 2., 1.])
    """

    group = "volume"
    inputs = ("high", "low", "close")
    kernel = "volume:wad"
    source = "Williams; Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "WAD")
    recursive = True
