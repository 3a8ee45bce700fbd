"""What other libraries say of momentum: class name -> function(indicator, open, …) -> {output: array}.

Where TA-Lib hides the first bars of an output until another is there, or has no function of the name, the output is put
together from its functions; `WHOLE` holds its own functions, to be met wherever they have a value.
"""

import numpy as np
import pandas as pd
import pandas_ta_classic as classic
import talib
import tulipy
from talipp.indicators import KST, STC, StochRSI
from talipp.ma import MAType


def padded(values, bars):
    """Tulip leaves the warm-up out."""
    return np.concatenate([np.full(bars - len(values), np.nan), values])


def one(name, function, *columns):
    """Build an oracle of one output from a function of price columns and the indicator's numbers."""

    def oracle(i, o, h, lo, c, v):
        series = {"open": o, "high": h, "low": lo, "close": c}
        numbers = [value for value in i.values.values() if not isinstance(value, str)]
        return {name: function(*(series[column] for column in columns), *numbers)}

    return oracle


def rate(values, bars=1):
    return talib.ROC(values, bars)


def fast_k(high, low, close, window):
    return talib.STOCHF(high, low, close, window, 1, 0)[0]


def kst(i, o, h, lo, c, v):
    settings = (i.first, i.first_mean, i.second, i.second_mean, i.third, i.third_mean, i.fourth, i.fourth_mean)
    found = list(KST(*settings, i.signal_window, input_values=list(c)))
    return {
        name: np.array([np.nan if x is None or getattr(x, name) is None else getattr(x, name) for x in found])
        for name in i.outputs
    }


def crsi(i, o, h, lo, c, v):
    sign = np.sign(np.diff(c, prepend=c[0]))
    runs = pd.Series(sign).groupby((pd.Series(sign).diff() != 0).cumsum()).cumsum().to_numpy()
    rank = talib.PERCENTRANK(rate(c), i.ranked)
    return {"crsi": (talib.RSI(c, i.window) + talib.RSI(runs, i.streak) + rank) / 3}


def macd(i, o, h, lo, c, v):
    if i.align == "talib":
        return dict(zip(i.outputs, talib.MACD(c, i.fast, i.slow, i.signal_window), strict=True))
    return with_signal(i, talib.EMA(c, i.fast) - talib.EMA(c, i.slow))


def with_signal(i, line):
    signal = talib.EMA(line, i.signal_window)
    return {i.outputs[0]: line, "signal": signal, "hist": line - signal}


def ppo(i, o, h, lo, c, v):
    return with_signal(i, talib.PPO(c, i.fast, i.slow, 1))


def stoch(i, o, h, lo, c, v):
    k = talib.SMA(fast_k(h, lo, c, i.window), i.smooth)
    return {"k": k, "d": talib.SMA(k, i.signal_window)}


def stochf(i, o, h, lo, c, v):
    k = fast_k(h, lo, c, i.window)
    return {"k": k, "d": talib.SMA(k, i.signal_window)}


def stochrsi(i, o, h, lo, c, v):
    k = talib.SMA(talib.STOCHRSI(c, i.rsi_window, i.window, 1, 0)[0], i.smooth)
    return {"k": k, "d": talib.SMA(k, i.signal_window)}


def kdj(i, o, h, lo, c, v):
    k = talib.RMA(fast_k(h, lo, c, i.window), i.smooth)
    d = talib.RMA(k, i.signal_window)
    return {"k": k, "d": d, "j": 3 * k - 2 * d}


def smi(i, o, h, lo, c, v):
    top, bottom = talib.MAX(h, i.window), talib.MIN(lo, i.window)
    above = talib.EMA(talib.EMA(c - (top + bottom) / 2, i.first), i.second)
    line = 200 * above / talib.EMA(talib.EMA(top - bottom, i.first), i.second)
    return {"smi": line, "signal": talib.EMA(line, i.signal_window)}


def fisher(i, o, h, lo, c, v):
    line, signal = tulipy.fisher(h, lo, i.window)
    return {"fisher": padded(line, len(c)), "signal": padded(signal, len(c))}


def stc(i, o, h, lo, c, v):
    values = pd.Series(talib.EMA(c, i.fast) - talib.EMA(c, i.slow))
    for stage in (1, 2):
        window = values.rolling(i.window)
        top, bottom = window.max(), window.min()
        moved = top - bottom > 1e-10 * np.maximum(abs(top), abs(bottom))
        places = (100 * (values - bottom) / (top - bottom)).where(moved).ffill()
        places = places.fillna(values.where(bottom.notna())) if stage == 2 else places
        values = pd.Series(talib.EMA(places.to_numpy(), i.smooth) if i.smooth > 1 else places)
    return {"stc": values.to_numpy()}


ORACLES = {
    "RSI": one("rsi", talib.RSI, "close"),
    "MOM": one("mom", talib.MOM, "close"),
    "ROC": one("roc", talib.ROC, "close"),
    "CMO": lambda i, o, h, lo, c, v: {"cmo": (talib.CMOU if i.smoothing == "none" else talib.CMO)(c, i.window)},
    "ER": one("er", talib.ER, "close"),
    "COPPOCK": one("coppock", talib.COPPOCK, "close"),
    "KST": kst,
    "FOSC": one("fosc", talib.FOSC, "close"),
    "CRSI": crsi,
    "MACD": macd,
    "PPO": ppo,
    "APO": one("apo", lambda c, fast, slow: talib.APO(c, fast, slow, 1), "close"),
    "TRIX": one("trix", talib.TRIX, "close"),
    "TSI": one("tsi", talib.TSI, "close"),
    "ERI": lambda i, o, h, lo, c, v: dict(zip(i.outputs, talib.ERI(h, lo, c, i.window), strict=True)),
    "STOCH": stoch,
    "STOCHF": stochf,
    "STOCHRSI": stochrsi,
    "KDJ": kdj,
    "WILLR": one("willr", talib.WILLR, "high", "low", "close"),
    "CCI": one("cci", talib.CCI, "high", "low", "close"),
    "ULTOSC": one("ultosc", talib.ULTOSC, "high", "low", "close"),
    "AO": one("ao", talib.AO, "high", "low"),
    "BOP": one("bop", talib.BOP, "open", "high", "low", "close"),
    "QSTICK": one("qstick", talib.QSTICK, "open", "close"),
    "SMI": smi,
    "FISHER": fisher,
    "STC": stc,
}

#: TA-Lib's own functions of the indicators above that are put together.
WHOLE = {
    "STOCH": lambda i, h, lo, c: talib.STOCH(h, lo, c, i.window, i.smooth, 0, i.signal_window, 0),
    "STOCHF": lambda i, h, lo, c: talib.STOCHF(h, lo, c, i.window, i.signal_window, 0),
    "KDJ": lambda i, h, lo, c: talib.KDJ(h, lo, c, i.window, i.smooth, 13, i.signal_window, 13),
    "SMI": lambda i, h, lo, c: talib.SMI(h, lo, c, i.window, i.second, i.first, i.signal_window),
    "STOCHRSI": lambda i, h, lo, c: talib.STOCHRSI(c, i.rsi_window, i.window, i.smooth, 0)[1:],
}


def classic_of(function, *columns, scale=1.0, outputs=None, **settings):
    """Columns of pandas-ta-classic, all or the first so many, computed without TA-Lib."""

    def source(series):
        answer = function(*(pd.Series(series[name]) for name in columns), **settings)
        return [scale * column.to_numpy(dtype=float) for _, column in pd.DataFrame(answer).items()][:outputs]

    return source


def tulip_of(function, *columns):
    return lambda series: [padded(function(*(series[name] for name in columns)), len(series["close"]))]


def talipp_stochrsi(series):
    found = list(StochRSI(14, 14, 3, 3, input_values=list(series["close"])))
    return [np.array([getattr(x, name, None) for x in found], dtype=float) for name in ("k", "d")]


def talipp_stc(series):
    return [
        np.array(list(STC(23, 50, 10, 3, input_values=list(series["close"]), stoch_ma_type=MAType.EMA)), dtype=float)
    ]


#: Second sources, default settings: class name -> (function of the series -> one array per output, first bar to meet).
SECOND = {
    "RSI": (classic_of(classic.rsi, "close", talib=False), 0),
    "MACD": (lambda s: [classic_of(classic.macd, "close", talib=False)(s)[k] for k in (0, 2, 1)], 0),
    "STOCHRSI": (classic_of(classic.stochrsi, "close", talib=False), 0),
    "STOCHRSI, talipp": (talipp_stochrsi, 0),
    "CMO": (tulip_of(lambda c: tulipy.cmo(c, 14), "close"), 0),
    "CCI": (tulip_of(lambda h, lo, c: tulipy.cci(h, lo, c, 20), "high", "low", "close"), 0),
    "WILLR": (tulip_of(lambda h, lo, c: tulipy.willr(h, lo, c, 14), "high", "low", "close"), 0),
    "ULTOSC": (tulip_of(lambda h, lo, c: tulipy.ultosc(h, lo, c, 7, 14, 28), "high", "low", "close"), 0),
    "AO": (tulip_of(tulipy.ao, "high", "low"), 0),
    "BOP": (tulip_of(tulipy.bop, "open", "high", "low", "close"), 0),
    "QSTICK": (tulip_of(lambda o, c: tulipy.qstick(o, c, 10), "open", "close"), 0),
    "FOSC": (tulip_of(lambda c: tulipy.fosc(c, 5), "close"), 0),
    "MOM": (tulip_of(lambda c: tulipy.mom(c, 10), "close"), 0),
    "ROC": (classic_of(classic.roc, "close", length=12, talib=False), 0),
    "TRIX": (classic_of(classic.trix, "close", length=15, outputs=1), 0),
    "TSI": (classic_of(classic.tsi, "close", outputs=1), 0),
    "COPPOCK": (classic_of(classic.coppock, "close"), 0),
    "ER": (classic_of(classic.er, "close"), 0),
    "ERI": (classic_of(classic.eri, "high", "low", "close"), 0),
    "KST": (classic_of(classic.kst, "close", scale=0.01), 0),
    "STC": (talipp_stc, 150),
}
