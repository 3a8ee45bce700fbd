"""Price transforms: one price that stands for the whole bar."""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.indicators.indicator import Indicator, Oracle


@dataclass(frozen=True, repr=False)
class TYPPRICE(Indicator):
    """Typical price: the mean of high, low and close.

    Examples
    --------
    >>> import numpy as np
    >>> TYPPRICE()(np.array([4.0]), np.array([2.0]), np.array([3.0]))
    array([3.])
    """

    group = "statistics"
    inputs = ("high", "low", "close")
    kernel = "prices:typical"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "TYPPRICE")


@dataclass(frozen=True, repr=False)
class MEDPRICE(Indicator):
    """Median price: the middle between high and low.

    Examples
    --------
    >>> import numpy as np
    >>> MEDPRICE()(np.array([4.0]), np.array([2.0]))
    array([3.])
    """

    group = "statistics"
    inputs = ("high", "low")
    kernel = "prices:median"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "MEDPRICE")


@dataclass(frozen=True, repr=False)
class WCLPRICE(Indicator):
    """Weighted close: the mean of high, low and close, which counts twice.

    Examples
    --------
    >>> import numpy as np
    >>> WCLPRICE()(np.array([4.0]), np.array([2.0]), np.array([4.0]))
    array([3.5])
    """

    group = "statistics"
    inputs = ("high", "low", "close")
    kernel = "prices:weighted"
    source = "Achelis, Technical Analysis from A to Z"
    oracle = Oracle("TA-Lib", "WCLPRICE")


@dataclass(frozen=True, repr=False)
class AVGPRICE(Indicator):
    """Average price: the mean of open, high, low and close.

    Examples
    --------
    >>> import numpy as np
    >>> AVGPRICE()(np.array([3.0]), np.array([4.0]), np.array([2.0]), np.array([4.0]))
    array([3.25])
    """

    group = "statistics"
    inputs = ("open", "high", "low", "close")
    kernel = "prices:average"
    source = "definition"
    oracle = Oracle("TA-Lib", "AVGPRICE")
