"""Technical indicators: declarations over compiled kernels, usable on arrays, on frames and in rules."""

from __future__ import annotations

from stockstream.indicators.bands import ACCBANDS, BBANDS, CHANDELIER, DONCHIAN, KELTNER
from stockstream.indicators.convergence import APO, ERI, MACD, PPO, TRIX, TSI
from stockstream.indicators.frames import with_indicators
from stockstream.indicators.indicator import Indicator, Oracle, Output, choice, parameter
from stockstream.indicators.momentum import CMO, COPPOCK, CRSI, ER, FOSC, KST, MOM, ROC, RSI
from stockstream.indicators.money_flow import ADOSC, CMF, EFI, EMV, KVO, MARKETFI, MFI, PVO
from stockstream.indicators.oscillators import AO, BOP, CCI, FISHER, QSTICK, SMI, STC, ULTOSC
from stockstream.indicators.prices import AVGPRICE, MEDPRICE, TYPPRICE, WCLPRICE
from stockstream.indicators.statistics import BETA, CORREL, MAX, MIN, PERCENTRANK, STDDEV, ZSCORE
from stockstream.indicators.stochastics import KDJ, STOCH, STOCHF, STOCHRSI, WILLR
from stockstream.indicators.trend import EMA, SMA
from stockstream.indicators.volatility import ATR, CHAIKIN_VOL, CHOP, NATR, RVI, TR, ULCER, VAR
from stockstream.indicators.volume import AD, NVI, OBV, PVI, PVT, VWAP, WAD

__all__ = [
    "ACCBANDS",
    "AD",
    "ADOSC",
    "AO",
    "APO",
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
    "DONCHIAN",
    "EFI",
    "EMA",
    "EMV",
    "ER",
    "ERI",
    "FISHER",
    "FOSC",
    "KDJ",
    "KELTNER",
    "KST",
    "KVO",
    "MACD",
    "MARKETFI",
    "MAX",
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
    "ROC",
    "RSI",
    "RVI",
    "SMA",
    "SMI",
    "STC",
    "STDDEV",
    "STOCH",
    "STOCHF",
    "STOCHRSI",
    "TR",
    "TRIX",
    "TSI",
    "TYPPRICE",
    "ULCER",
    "ULTOSC",
    "VAR",
    "VWAP",
    "WAD",
    "WCLPRICE",
    "WILLR",
    "ZSCORE",
    "Indicator",
    "Oracle",
    "Output",
    "choice",
    "parameter",
    "with_indicators",
]
