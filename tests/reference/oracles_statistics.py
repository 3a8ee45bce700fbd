"""What other libraries say of statistics and prices: class name -> function(indicator, open, …) -> {output: array}."""

import pandas as pd
import pandas_ta_classic as classic
import talib


def zscore(i, open_, high, low, close, volume):
    sample = classic.zscore(pd.Series(close), length=i.window).to_numpy(dtype=float)
    return {"zscore": sample if i.ddof == 1 else sample * (i.window / (i.window - 1)) ** 0.5}


ORACLES = {
    "MAX": lambda i, o, h, lo, c, v: {"max": talib.MAX(c, i.window)},
    "MIN": lambda i, o, h, lo, c, v: {"min": talib.MIN(c, i.window)},
    "STDDEV": lambda i, o, h, lo, c, v: {"stddev": talib.STDDEV(c, i.window)},
    "ZSCORE": zscore,
    "PERCENTRANK": lambda i, o, h, lo, c, v: {"percentrank": talib.PERCENTRANK(c, i.window)},
    "CORREL": lambda i, o, h, lo, c, v: {"correl": talib.CORREL(c, v, i.window)},
    "BETA": lambda i, o, h, lo, c, v: {"beta": talib.BETA(v, c, i.window)},
    "TYPPRICE": lambda i, o, h, lo, c, v: {"typprice": talib.TYPPRICE(h, lo, c)},
    "MEDPRICE": lambda i, o, h, lo, c, v: {"medprice": talib.MEDPRICE(h, lo)},
    "WCLPRICE": lambda i, o, h, lo, c, v: {"wclprice": talib.WCLPRICE(h, lo, c)},
    "AVGPRICE": lambda i, o, h, lo, c, v: {"avgprice": talib.AVGPRICE(o, h, lo, c)},
}
