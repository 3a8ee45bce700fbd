"""What other libraries say of volatility and bands: class name -> function(indicator, open, …) -> {output: array}."""

import pandas as pd
import pandas_ta_classic as classic
import talib


def _classic(function, *series, **settings):
    answer = function(*map(pd.Series, series), talib=False, **settings)
    return answer.to_numpy(dtype=float)


def bbands(i, open_, high, low, close, volume):
    upper, middle, lower = talib.BBANDS(close, i.window, i.deviations, i.deviations)
    return {
        "upper": upper,
        "middle": middle,
        "lower": lower,
        "percent_b": (close - lower) / (upper - lower),
        "width": (upper - lower) / middle,
    }


def keltner(i, open_, high, low, close, volume):
    middle = talib.EMA(close if i.price == "close" else talib.TYPPRICE(high, low, close), i.window)
    reach = i.multiple * talib.ATR(high, low, close, i.range_window)
    return {"upper": middle + reach, "middle": middle + 0 * reach, "lower": middle - reach}


def donchian(i, open_, high, low, close, volume):
    return dict(zip(i.outputs, talib.DONCHIAN(high, low, i.window), strict=True))


def acceleration_bands(i, open_, high, low, close, volume):
    return dict(zip(i.outputs, talib.ACCBANDS(high, low, close, i.window), strict=True))


def chandelier(i, open_, high, low, close, volume):
    both = _classic(classic.ce, high, low, close, length=i.window, multiplier=i.multiple, mamode="rma")
    return {"long": both[:, 0], "short": both[:, 1]}


ORACLES = {
    "TR": lambda i, o, h, lo, c, v: {"tr": talib.TRANGE(h, lo, c)},
    "ATR": lambda i, o, h, lo, c, v: {"atr": talib.ATR(h, lo, c, i.window)},
    "NATR": lambda i, o, h, lo, c, v: {"natr": talib.NATR(h, lo, c, i.window)},
    "BBANDS": bbands,
    "KELTNER": keltner,
    "DONCHIAN": donchian,
    "VAR": lambda i, o, h, lo, c, v: {"var": talib.VAR(c, i.window)},
    "ULCER": lambda i, o, h, lo, c, v: {"ulcer": _classic(classic.ui, c, length=i.window)},
    "CHAIKIN_VOL": lambda i, o, h, lo, c, v: {"chaikin_vol": talib.CVI(h, lo, i.window, i.lag)},
    "RVI": lambda i, o, h, lo, c, v: {"rvi": talib.RVI(c, i.window, i.deviation_window)},
    "ACCBANDS": acceleration_bands,
    "CHOP": lambda i, o, h, lo, c, v: {"chop": _classic(classic.chop, h, lo, c, length=i.window)},
    "CHANDELIER": chandelier,
}
