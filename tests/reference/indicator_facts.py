"""What a declaration cannot say of its outputs: how they scale, where they lie, in which order.

One row per indicator. A row that is missing or wrong fails a test that says what was found instead.
"""

import math

from stockstream.indicators.pattern_rules import patterns

#: (degree in the price, degree in the volume): what an output is multiplied by when its inputs are.
PRICE, RATIO, VOLUME, SQUARE = (1, 0), (0, 0), (0, 1), (2, 0)
#: No such law: the output is not a power of its inputs' scale.
NONE = (None, 0)

SCALES = {
    **dict.fromkeys(("SMA", "EMA", "RMA", "WMA", "DEMA", "TEMA", "T3", "TRIMA", "HMA", "ZLEMA", "VWMA"), (PRICE,)),
    **dict.fromkeys(("ALMA", "KAMA", "VIDYA", "MCGINLEY", "HT_TRENDLINE", "SAR", "DPO", "MAX", "MIN"), (PRICE,)),
    **dict.fromkeys(("MOM", "APO", "AO", "QSTICK", "TR", "ATR", "STDDEV", "VWAP", "WAD"), (PRICE,)),
    **dict.fromkeys(("TYPPRICE", "MEDPRICE", "WCLPRICE", "AVGPRICE"), (PRICE,)),
    **dict.fromkeys(("RSI", "ROC", "CMO", "ER", "COPPOCK", "FOSC", "CRSI", "TRIX", "TSI", "WILLR", "CCI"), (RATIO,)),
    **dict.fromkeys(("ULTOSC", "BOP", "STC", "AROONOSC", "DX", "ADX", "ADXR", "MASS", "VHF", "NATR"), (RATIO,)),
    **dict.fromkeys(("ULCER", "CHAIKIN_VOL", "RVI", "CHOP", "NVI", "PVI", "CMF", "MFI", "PVO", "ZSCORE"), (RATIO,)),
    **dict.fromkeys(("PERCENTRANK", "CORREL", "BETA"), (RATIO,)),
    **dict.fromkeys(patterns(), (RATIO,)),
    **dict.fromkeys(("OBV", "AD", "PVT", "ADOSC", "KVO"), (VOLUME,)),
    **dict.fromkeys(("MAMA", "ERI", "CHANDELIER"), (PRICE, PRICE)),
    **dict.fromkeys(("KELTNER", "DONCHIAN", "ACCBANDS", "MACD"), (PRICE, PRICE, PRICE)),
    **dict.fromkeys(("ICHIMOKU", "HA"), (PRICE, PRICE, PRICE, PRICE)),
    **dict.fromkeys(("AROON", "DI", "VORTEX", "KST", "STOCH", "STOCHF", "STOCHRSI", "SMI", "FISHER"), (RATIO, RATIO)),
    **dict.fromkeys(("PPO", "KDJ"), (RATIO, RATIO, RATIO)),
    "LINEARREG": (PRICE, PRICE, PRICE, NONE, PRICE),  # an angle
    "SUPERTREND": (PRICE, RATIO),
    "BBANDS": (PRICE, PRICE, PRICE, RATIO, RATIO),
    "VAR": (SQUARE,),
    "EFI": ((1, 1),),
    "EMV": ((2, -1),),
    "MARKETFI": ((1, -1),),
}

PERCENT, SIGNED, SHARE, POSITIVE = (0, 100), (-100, 100), (0, 1), (0, math.inf)

#: Lowest and highest value of every output.
BOUNDS = {
    **dict.fromkeys(("RSI", "CRSI", "MFI", "ULTOSC", "STC", "PERCENTRANK", "DX", "ADX", "ADXR", "RVI"), PERCENT),
    **dict.fromkeys(("STOCH", "STOCHF", "STOCHRSI", "AROON", "DI"), PERCENT),
    **dict.fromkeys(("CMO", "AROONOSC", "TSI", "SMI"), SIGNED),
    **dict.fromkeys(("ER", "VHF"), SHARE),
    **dict.fromkeys(("BOP", "CMF", "CORREL", "SUPERTREND.direction"), (-1, 1)),
    **dict.fromkeys(("TR", "ATR", "NATR", "VAR", "STDDEV", "ULCER", "MASS", "VORTEX", "CHOP", "MARKETFI"), POSITIVE),
    **dict.fromkeys(patterns(), (-200, 200)),
    "WILLR": (-100, 0),
    "KDJ.k": PERCENT,
    "KDJ.d": PERCENT,
    "LINEARREG.angle": (-90, 90),
    "BBANDS.width": POSITIVE,
}

#: Outputs from the lowest to the highest on every bar; words in brackets are inputs.
ORDERED = {
    "BBANDS": ("lower", "middle", "upper"),
    "KELTNER": ("lower", "middle", "upper"),
    "DONCHIAN": ("lower", "[low]", "[high]", "upper"),
    "ACCBANDS": ("lower", "middle", "upper"),
    "HA": ("low", "open", "high"),
    "MAX": ("[close]", "max"),
    "MIN": ("min", "[close]"),
    "TYPPRICE": ("[low]", "typprice", "[high]"),
    "MEDPRICE": ("[low]", "medprice", "[high]"),
    "WCLPRICE": ("[low]", "wclprice", "[high]"),
    "AVGPRICE": ("[low]", "avgprice", "[high]"),
}

#: Averages that weigh nothing negatively: inside the range of the last `window` closes.
WITHIN_WINDOW = ("SMA", "WMA", "TRIMA", "ALMA", "VWMA")
#: … and those that never forget: inside the range of all closes so far.
WITHIN_HISTORY = ("EMA", "RMA", "KAMA", "VIDYA")
