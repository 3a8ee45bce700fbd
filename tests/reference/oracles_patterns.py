"""What TA-Lib says of candlestick patterns: class name -> function(indicator, open, …) -> {output: array}."""

import numpy as np
import talib
from talib import abstract


def pattern(i, open_, high, low, close, volume):
    """Give TA-Lib's whole numbers, NaN on the bars that it says it needs."""
    name = type(i).__name__
    found = getattr(talib, name)(open_, high, low, close, **i.values).astype(float)
    found[: abstract.Function(name).lookback] = np.nan
    return {name.lower(): found}


ORACLES = dict.fromkeys(talib.get_function_groups()["Pattern Recognition"], pattern)
