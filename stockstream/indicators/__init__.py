"""Technical indicators: declarations over compiled kernels, usable on arrays, on frames and in rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockstream.indicators.adaptive import HT_TRENDLINE, KAMA, MAMA, MCGINLEY, VIDYA
from stockstream.indicators.averages import ALMA, DEMA, EMA, HMA, RMA, SMA, T3, TEMA, TRIMA, VWMA, WMA, ZLEMA
from stockstream.indicators.bands import ACCBANDS, BBANDS, CHANDELIER, DONCHIAN, KELTNER
from stockstream.indicators.convergence import APO, ERI, MACD, PPO, TRIX, TSI
from stockstream.indicators.directional import ADX, ADXR, DI, DPO, DX, MASS, VHF, VORTEX
from stockstream.indicators.frames import with_indicators
from stockstream.indicators.indicator import Indicator, Oracle, Output, Range, choice, parameter
from stockstream.indicators.momentum import CMO, COPPOCK, CRSI, ER, FOSC, KST, MOM, ROC, RSI
from stockstream.indicators.money_flow import ADOSC, CMF, EFI, EMV, KVO, MARKETFI, MFI, PVO
from stockstream.indicators.oscillators import AO, BOP, CCI, FISHER, QSTICK, SMI, STC, ULTOSC
from stockstream.indicators.prices import AVGPRICE, MEDPRICE, TYPPRICE, WCLPRICE
from stockstream.indicators.statistics import BETA, CORREL, MAX, MIN, PERCENTRANK, STDDEV, ZSCORE
from stockstream.indicators.stochastics import KDJ, STOCH, STOCHF, STOCHRSI, WILLR
from stockstream.indicators.trend import AROON, AROONOSC, HA, ICHIMOKU, LINEARREG, SAR, SUPERTREND
from stockstream.indicators.volatility import ATR, CHAIKIN_VOL, CHOP, NATR, RVI, TR, ULCER, VAR
from stockstream.indicators.volume import AD, NVI, OBV, PVI, PVT, VWAP, WAD

__all__ = [
    "ACCBANDS",
    "AD",
    "ADOSC",
    "ADX",
    "ADXR",
    "ALMA",
    "AO",
    "APO",
    "AROON",
    "AROONOSC",
    "ATR",
    "AVGPRICE",
    "BBANDS",
    "BETA",
    "BOP",
    "CCI",
    "CHAIKIN_VOL",
    "CHANDELIER",
    "CHOP",
    "CMF",
    "CMO",
    "COPPOCK",
    "CORREL",
    "CRSI",
    "DEMA",
    "DI",
    "DONCHIAN",
    "DPO",
    "DX",
    "EFI",
    "EMA",
    "EMV",
    "ER",
    "ERI",
    "FISHER",
    "FOSC",
    "HA",
    "HMA",
    "HT_TRENDLINE",
    "ICHIMOKU",
    "KAMA",
    "KDJ",
    "KELTNER",
    "KST",
    "KVO",
    "LINEARREG",
    "MACD",
    "MAMA",
    "MARKETFI",
    "MASS",
    "MAX",
    "MCGINLEY",
    "MEDPRICE",
    "MFI",
    "MIN",
    "MOM",
    "NATR",
    "NVI",
    "OBV",
    "PERCENTRANK",
    "PPO",
    "PVI",
    "PVO",
    "PVT",
    "QSTICK",
    "RMA",
    "ROC",
    "RSI",
    "RVI",
    "SAR",
    "SMA",
    "SMI",
    "STC",
    "STDDEV",
    "STOCH",
    "STOCHF",
    "STOCHRSI",
    "SUPERTREND",
    "T3",
    "TEMA",
    "TR",
    "TRIMA",
    "TRIX",
    "TSI",
    "TYPPRICE",
    "ULCER",
    "ULTOSC",
    "VAR",
    "VHF",
    "VIDYA",
    "VORTEX",
    "VWAP",
    "VWMA",
    "WAD",
    "WCLPRICE",
    "WILLR",
    "WMA",
    "ZLEMA",
    "ZSCORE",
    "Indicator",
    "Oracle",
    "Output",
    "Range",
    "choice",
    "parameter",
    "with_indicators",
]

if not TYPE_CHECKING:  # a type checker would take any name; it finds these in stockstream.indicators.patterns

    def __getattr__(name: str) -> Any:
        """Return a candlestick pattern, whose classes are made from a table."""
        from stockstream.indicators.pattern_rules import patterns

        if name not in patterns():
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from stockstream.indicators.patterns import DECLARED

        return DECLARED[name]
