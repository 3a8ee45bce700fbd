"""Technical indicators: declarations over compiled kernels, usable on arrays, on frames and in rules."""

from __future__ import annotations

from stockstream.indicators.convergence import APO, ERI, MACD, PPO, TRIX, TSI
from stockstream.indicators.frames import with_indicators
from stockstream.indicators.indicator import Indicator, Oracle, Output, choice, parameter
from stockstream.indicators.momentum import RSI
from stockstream.indicators.statistics import MAX, MIN, STDDEV
from stockstream.indicators.trend import EMA, SMA
from stockstream.indicators.volatility import ATR, BBANDS
from stockstream.indicators.volume import OBV, VWAP

__all__ = [
    "APO",
    "ATR",
    "BBANDS",
    "EMA",
    "ERI",
    "MACD",
    "MAX",
    "MIN",
    "OBV",
    "PPO",
    "RSI",
    "SMA",
    "STDDEV",
    "TRIX",
    "TSI",
    "VWAP",
    "Indicator",
    "Oracle",
    "Output",
    "choice",
    "parameter",
    "with_indicators",
]
