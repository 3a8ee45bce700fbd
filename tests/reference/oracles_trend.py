"""What other libraries say of averages and trends: class name -> function(indicator, open, …) -> {output: array}."""

import numpy as np
import pandas as pd
import talib
import talipp.indicators
import tulipy
from pandas_ta_classic.overlap.ichimoku import ichimoku as pandas_ta_ichimoku


def _talipp(indicator):
    return np.array([np.nan if value is None else value for value in indicator.output_values])


def vidya(i, open_, high, low, close, volume):
    """tulipy's recursion on tulipy's deviations, each window about its own mean.

    Its vidya takes variances as differences of squares, which a price level robs of digits: 6e-8 on real prices.
    """
    short, long = (_local_deviations(close, window) for window in (i.fast, i.slow))
    out = np.full(len(close), np.nan)
    start = i.slow - 2
    out[start] = close[start]
    for t in range(start + 1, len(close)):
        ratio = short[t] / long[t] if long[t] > 0 else 0.0
        out[t] = out[t - 1] + i.alpha * ratio * (close[t] - out[t - 1])
    return {"vidya": out}


def _local_deviations(close, window):
    found = [
        tulipy.stddev(cut - cut.mean(), window)[0] for cut in np.lib.stride_tricks.sliding_window_view(close, window)
    ]
    return np.concatenate([np.full(window - 1, np.nan), found])


def kama(i, open_, high, low, close, volume):
    assert (i.fast, i.slow) == (2, 30), "TA-Lib has no other"
    return {"kama": talib.KAMA(close, i.window)}


def linearreg(i, open_, high, low, close, volume):
    functions = {
        "value": talib.LINEARREG,
        "slope": talib.LINEARREG_SLOPE,
        "intercept": talib.LINEARREG_INTERCEPT,
        "angle": talib.LINEARREG_ANGLE,
        "forecast": talib.TSF,
    }
    return {name: function(close, i.window) for name, function in functions.items()}


def supertrend(i, open_, high, low, close, volume):
    line, direction = talib.SUPERTREND(high, low, close, i.window, i.multiplier)
    return {"line": line, "direction": np.where(np.isnan(line), np.nan, direction)}


def ichimoku(i, open_, high, low, close, volume):
    frame = pandas_ta_ichimoku(
        pd.Series(high),
        pd.Series(low),
        pd.Series(close),
        i.short,
        i.medium,
        i.long,
        include_chikou=False,
        as_dataframe=True,
    )
    names = {"tenkan": "ITS", "kijun": "IKS", "span_a": "ISA", "span_b": "ISB"}
    columns = {column.split("_")[0]: column for column in frame.columns}
    return {name: frame[columns[short]].to_numpy() for name, short in names.items()}


def _pair(names, arrays):
    return dict(zip(names, arrays, strict=True))


ORACLES = {
    "SMA": lambda i, o, h, lo, c, v: {"sma": talib.SMA(c, i.window)},
    "EMA": lambda i, o, h, lo, c, v: {"ema": talib.EMA(c, i.window)},
    "RMA": lambda i, o, h, lo, c, v: {"rma": talib.RMA(c, i.window)},
    "WMA": lambda i, o, h, lo, c, v: {"wma": talib.WMA(c, i.window)},
    "DEMA": lambda i, o, h, lo, c, v: {"dema": talib.DEMA(c, i.window)},
    "TEMA": lambda i, o, h, lo, c, v: {"tema": talib.TEMA(c, i.window)},
    "T3": lambda i, o, h, lo, c, v: {"t3": talib.T3(c, i.window, i.factor)},
    "TRIMA": lambda i, o, h, lo, c, v: {"trima": talib.TRIMA(c, i.window)},
    "HMA": lambda i, o, h, lo, c, v: {"hma": talib.HMA(c, i.window)},
    "ZLEMA": lambda i, o, h, lo, c, v: {"zlema": talib.ZLEMA(c, i.window)},
    "VWMA": lambda i, o, h, lo, c, v: {"vwma": talib.VWMA(c, v, i.window)},
    "ALMA": lambda i, o, h, lo, c, v: {
        "alma": _talipp(talipp.indicators.ALMA(i.window, i.offset, i.sigma, list(c))),
    },
    "KAMA": kama,
    "VIDYA": vidya,
    "MCGINLEY": lambda i, o, h, lo, c, v: {
        "mcginley": _talipp(talipp.indicators.McGinleyDynamic(i.window, list(c))),
    },
    "MAMA": lambda i, o, h, lo, c, v: _pair(("mama", "fama"), talib.MAMA(c, i.fast, i.slow)),
    "HT_TRENDLINE": lambda i, o, h, lo, c, v: {"ht_trendline": talib.HT_TRENDLINE(c)},
    "LINEARREG": linearreg,
    "SAR": lambda i, o, h, lo, c, v: {"sar": talib.SAR(h, lo, i.acceleration, i.maximum)},
    "SUPERTREND": supertrend,
    "ICHIMOKU": ichimoku,
    "AROON": lambda i, o, h, lo, c, v: _pair(("down", "up"), talib.AROON(h, lo, i.window)),
    "AROONOSC": lambda i, o, h, lo, c, v: {"aroonosc": talib.AROONOSC(h, lo, i.window)},
    "HA": lambda i, o, h, lo, c, v: _pair(("open", "high", "low", "close"), talib.HA(o, h, lo, c)),
    "DI": lambda i, o, h, lo, c, v: {
        "plus": talib.PLUS_DI(h, lo, c, i.window),
        "minus": talib.MINUS_DI(h, lo, c, i.window),
    },
    "DX": lambda i, o, h, lo, c, v: {"dx": talib.DX(h, lo, c, i.window)},
    "ADX": lambda i, o, h, lo, c, v: {"adx": talib.ADX(h, lo, c, i.window)},
    "ADXR": lambda i, o, h, lo, c, v: {"adxr": talib.ADXR(h, lo, c, i.window)},
    "VORTEX": lambda i, o, h, lo, c, v: _pair(("plus", "minus"), talib.VORTEX(h, lo, c, i.window)),
    "MASS": lambda i, o, h, lo, c, v: {"mass": talib.MASSI(h, lo, i.smoothing, i.window)},
    "VHF": lambda i, o, h, lo, c, v: {"vhf": talib.VHF(c, i.window)},
    "DPO": lambda i, o, h, lo, c, v: {"dpo": talib.DPO(c, i.window)},
}
