"""What other libraries say of volume and money flow: class name -> function(indicator, open, …) -> {output: array}."""

import numpy as np
import talib
import tulipy


def _from_the_end(values, length):
    """Put NaN in the place of the bars that a library leaves out at the start."""
    return np.concatenate([np.full(length - len(values), np.nan), values])


def _tulipy(function, *arguments):
    arrays = [np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    return _from_the_end(function(*arrays), len(arrays[0]))


def vwap(i, open_, high, low, close, volume):
    out = talib.VWAP(high, low, close, volume)
    return {"vwap": np.where(np.cumsum(volume) > 0, out, np.nan)}


ORACLES = {
    "OBV": lambda i, o, h, lo, c, v: {"obv": talib.OBV(c, v) - v[0]},
    "VWAP": vwap,
    "AD": lambda i, o, h, lo, c, v: {"ad": talib.AD(h, lo, c, v)},
    "ADOSC": lambda i, o, h, lo, c, v: {"adosc": talib.ADOSC(h, lo, c, v, i.fast, i.slow)},
    "CMF": lambda i, o, h, lo, c, v: {"cmf": talib.CMF(h, lo, c, v, i.window)},
    "MFI": lambda i, o, h, lo, c, v: {"mfi": talib.MFI(h, lo, c, v, i.window)},
    "EFI": lambda i, o, h, lo, c, v: {"efi": talib.EFI(c, v, i.window)},
    "NVI": lambda i, o, h, lo, c, v: {"nvi": talib.NVI(c, v)},
    "PVI": lambda i, o, h, lo, c, v: {"pvi": talib.PVI(c, v)},
    "PVT": lambda i, o, h, lo, c, v: {"pvt": talib.PVT(c, v)},
    "PVO": lambda i, o, h, lo, c, v: {"pvo": talib.PVO(v, i.fast, i.slow, 1)},
    "EMV": lambda i, o, h, lo, c, v: {"emv": _tulipy(tulipy.emv, h, lo, v)},
    "KVO": lambda i, o, h, lo, c, v: {"kvo": _tulipy(tulipy.kvo, h, lo, c, v, i.fast, i.slow)},
    "MARKETFI": lambda i, o, h, lo, c, v: {"marketfi": np.where(v > 0, talib.MARKETFI(h, lo, v), np.nan)},
    "WAD": lambda i, o, h, lo, c, v: {"wad": talib.WAD(h, lo, c)},
}
