"""The functions that stockstream and TA-Lib both have: one table behind the equality check, the timing and the page.

Each row calls TA-Lib as its users would, with its settings brought to ours: one call, or as many as it takes to get the
same outputs. Rows whose answers meet only after their different starts name the bar from which they are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import talib

import stockstream as ss
from stockstream import indicators as own
from stockstream.indicators import Indicator
from stockstream.indicators.catalogue import builtin

type Columns = dict[str, np.ndarray[Any, Any]]
type Theirs = Callable[[Columns], Any]

TOLERANCE = 1e-8
ROUNDS = 7
SYMBOLS, SESSIONS, BARS = 500, 2_520, 1_000_000


@dataclass(frozen=True)
class Twin:
    """An indicator, the TA-Lib call, which of our outputs it gives, and the first bar on which both must agree."""

    indicator: Indicator
    theirs: Theirs
    outputs: tuple[str, ...] = ()
    since: int = 0

    @property
    def name(self) -> str:
        """How the row is called."""
        return repr(self.indicator)


def call(function: Callable[..., Any], names: str, *settings: float) -> Theirs:
    """Return one call of TA-Lib: columns by their first letters, then the settings."""
    columns = [{"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}[letter] for letter in names]
    return lambda series: function(*(series[column] for column in columns), *settings)


def several(*calls: Theirs) -> Theirs:
    """Return the answers of several calls as one tuple."""
    return lambda series: tuple(one(series) for one in calls)


def with_signal(line: Theirs, window: int) -> Theirs:
    """Return a line, its exponential average and the difference."""

    def both(series: Columns) -> Any:
        values = line(series)
        signal = talib.EMA(values, window)
        return values, signal, values - signal

    return both


def with_places(bands: Theirs) -> Theirs:
    """Return bands, the price's place between them and their width."""

    def five(series: Columns) -> Any:
        upper, middle, lower = bands(series)
        return upper, middle, lower, (series["close"] - lower) / (upper - lower), (upper - lower) / middle

    return five


TWINS: Sequence[Twin] = (
    Twin(own.SMA(20), call(talib.SMA, "c", 20)),
    Twin(own.SMA(200), call(talib.SMA, "c", 200)),
    Twin(own.EMA(20), call(talib.EMA, "c", 20)),
    Twin(own.RMA(14), call(talib.RMA, "c", 14)),
    Twin(own.WMA(20), call(talib.WMA, "c", 20)),
    Twin(own.DEMA(20), call(talib.DEMA, "c", 20)),
    Twin(own.TEMA(20), call(talib.TEMA, "c", 20)),
    Twin(own.T3(5), call(talib.T3, "c", 5, 0.7)),
    Twin(own.TRIMA(20), call(talib.TRIMA, "c", 20)),
    Twin(own.HMA(20), call(talib.HMA, "c", 20)),
    Twin(own.ZLEMA(20), call(talib.ZLEMA, "c", 20)),
    Twin(own.VWMA(20), call(talib.VWMA, "cv", 20)),
    Twin(own.KAMA(10), call(talib.KAMA, "c", 10)),
    Twin(own.MAMA(), call(talib.MAMA, "c", 0.5, 0.05)),
    Twin(own.HT_TRENDLINE(), call(talib.HT_TRENDLINE, "c")),
    Twin(
        own.LINEARREG(14),
        several(
            call(talib.LINEARREG, "c", 14),
            call(talib.LINEARREG_SLOPE, "c", 14),
            call(talib.LINEARREG_INTERCEPT, "c", 14),
            call(talib.LINEARREG_ANGLE, "c", 14),
            call(talib.TSF, "c", 14),
        ),
    ),
    Twin(own.SAR(), call(talib.SAR, "hl", 0.02, 0.2)),
    Twin(own.SUPERTREND(10, 3.0), call(talib.SUPERTREND, "hlc", 10, 3.0)),
    Twin(own.AROON(14), call(talib.AROON, "hl", 14)),
    Twin(own.AROONOSC(14), call(talib.AROONOSC, "hl", 14)),
    Twin(own.HA(), call(talib.HA, "ohlc")),
    Twin(own.DI(14), several(call(talib.PLUS_DI, "hlc", 14), call(talib.MINUS_DI, "hlc", 14))),
    Twin(own.DX(14), call(talib.DX, "hlc", 14)),
    Twin(own.ADX(14), call(talib.ADX, "hlc", 14)),
    Twin(own.ADXR(14), call(talib.ADXR, "hlc", 14)),
    Twin(own.VORTEX(14), call(talib.VORTEX, "hlc", 14)),
    Twin(own.MASS(), call(talib.MASSI, "hl", 9, 25)),
    Twin(own.VHF(28), call(talib.VHF, "c", 28)),
    Twin(own.DPO(20), call(talib.DPO, "c", 20)),
    Twin(own.RSI(14), call(talib.RSI, "c", 14)),
    Twin(own.MOM(10), call(talib.MOM, "c", 10)),
    Twin(own.ROC(12), call(talib.ROC, "c", 12)),
    Twin(own.CMO(14), call(talib.CMOU, "c", 14)),
    Twin(own.CMO(14, smoothing="wilder"), call(talib.CMO, "c", 14)),
    Twin(own.ER(10), call(talib.ER, "c", 10)),
    Twin(own.COPPOCK(), call(talib.COPPOCK, "c", 10, 11, 14)),
    Twin(own.FOSC(5), call(talib.FOSC, "c", 5)),
    Twin(own.MACD(align="talib"), call(talib.MACD, "c", 12, 26, 9), since=33),
    Twin(own.PPO(), with_signal(call(talib.PPO, "c", 12, 26, 1), 9)),
    Twin(own.APO(), call(talib.APO, "c", 12, 26, 1)),
    Twin(own.TRIX(15), call(talib.TRIX, "c", 15)),
    Twin(own.TSI(), call(talib.TSI, "c", 25, 13)),
    Twin(own.ERI(13), call(talib.ERI, "hlc", 13)),
    Twin(own.STOCH(), call(talib.STOCH, "hlc", 14, 3, 0, 3, 0), since=17),
    Twin(own.STOCHF(), call(talib.STOCHF, "hlc", 14, 3, 0), since=15),
    Twin(own.KDJ(), call(talib.KDJ, "hlc", 9, 3, 13, 3, 13), since=12),
    Twin(own.WILLR(14), call(talib.WILLR, "hlc", 14)),
    Twin(own.CCI(20), call(talib.CCI, "hlc", 20)),
    Twin(own.ULTOSC(), call(talib.ULTOSC, "hlc", 7, 14, 28)),
    Twin(own.AO(), call(talib.AO, "hl", 5, 34)),
    Twin(own.BOP(), call(talib.BOP, "ohlc")),
    Twin(own.QSTICK(10), call(talib.QSTICK, "oc", 10)),
    Twin(own.SMI(), call(talib.SMI, "hlc", 13, 2, 25, 9), since=45),
    Twin(own.TR(), call(talib.TRANGE, "hlc")),
    Twin(own.ATR(14), call(talib.ATR, "hlc", 14)),
    Twin(own.NATR(14), call(talib.NATR, "hlc", 14)),
    Twin(own.VAR(20), call(talib.VAR, "c", 20)),
    Twin(own.CHAIKIN_VOL(), call(talib.CVI, "hl", 10, 10)),
    Twin(own.RVI(), call(talib.RVI, "c", 14, 10)),
    Twin(own.BBANDS(), with_places(call(talib.BBANDS, "c", 20, 2, 2))),
    Twin(own.KELTNER(price="typical"), call(talib.KC, "hlc"), since=500),
    Twin(own.DONCHIAN(20), call(talib.DONCHIAN, "hl", 20)),
    Twin(own.ACCBANDS(20), call(talib.ACCBANDS, "hlc", 20)),
    Twin(own.OBV(), call(talib.OBV, "cv"), outputs=("differences of obv",)),
    Twin(own.VWAP(), call(talib.VWAP, "hlcv")),
    Twin(own.AD(), call(talib.AD, "hlcv")),
    Twin(own.ADOSC(), call(talib.ADOSC, "hlcv", 3, 10)),
    Twin(own.CMF(20), call(talib.CMF, "hlcv", 20)),
    Twin(own.MFI(14), call(talib.MFI, "hlcv", 14)),
    Twin(own.EFI(13), call(talib.EFI, "cv", 13)),
    Twin(own.NVI(), call(talib.NVI, "cv")),
    Twin(own.PVI(), call(talib.PVI, "cv")),
    Twin(own.PVT(), call(talib.PVT, "cv")),
    Twin(own.PVO(), call(talib.PVO, "v", 12, 26, 1)),
    Twin(own.MARKETFI(), call(talib.MARKETFI, "hlv")),
    Twin(own.WAD(), call(talib.WAD, "hlc")),
    Twin(own.MAX(20), call(talib.MAX, "c", 20)),
    Twin(own.MIN(20), call(talib.MIN, "c", 20)),
    Twin(own.STDDEV(20), call(talib.STDDEV, "c", 20)),
    Twin(own.PERCENTRANK(100), call(talib.PERCENTRANK, "c", 100)),
    Twin(own.CORREL(30), call(talib.CORREL, "cv", 30)),
    Twin(own.BETA(20), call(talib.BETA, "vc", 20)),
    Twin(own.TYPPRICE(), call(talib.TYPPRICE, "hlc")),
    Twin(own.MEDPRICE(), call(talib.MEDPRICE, "hl")),
    Twin(own.WCLPRICE(), call(talib.WCLPRICE, "hlc")),
    Twin(own.AVGPRICE(), call(talib.AVGPRICE, "ohlc")),
)


def pattern_twins() -> list[Twin]:
    """Return the candlestick patterns, whose functions have the names of the classes."""
    classes = [cls for cls in builtin().values() if cls.group == "patterns"]
    return [Twin(cls(), call(getattr(talib, cls.__name__), "ohlc", *cls.defaults().values())) for cls in classes]


def made_up(shape: int | tuple[int, int], seed: int = 0) -> Columns:
    """Return columns of a market that swings about a level, so that a million bars do not run off to 0 or infinity."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    close = 50 * np.exp(0.01 * noise + 0.2 * np.sin(np.cumsum(0.02 * rng.standard_normal(shape), axis=-1)))
    open_ = close * np.exp(0.005 * rng.standard_normal(shape))
    high = np.maximum(open_, close) * (1 + 0.01 * rng.random(shape))
    low = np.minimum(open_, close) * (1 - 0.01 * rng.random(shape))
    volume = np.round(1e6 * np.exp(0.5 * rng.standard_normal(shape)))
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def disagreement(twin: Twin, series: Columns) -> str:
    """Return what differs between the two, or an empty text."""
    ours = twin.indicator(*(series[name] for name in twin.indicator.inputs))
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = twin.theirs(series)
    theirs = theirs if isinstance(theirs, tuple | list) else (theirs,)
    if twin.outputs == ("differences of obv",):  # a constant apart: TA-Lib starts at the first volume
        ours, theirs = (np.diff(ours[0]),), (np.diff(theirs[0]),)
    for name, *pair in zip(twin.outputs or twin.indicator.outputs, ours, theirs, strict=False):
        mine, other = (values[twin.since :] for values in pair)
        known = ~np.isnan(mine)
        scale = np.abs(other[known]).max(initial=0.0)
        error = np.abs(mine[known] - other[known]) / (np.abs(other[known]) + scale + (scale == 0))
        if not known.any() or np.isnan(error).any() or error.max() > TOLERANCE:
            return f"{twin.name}.{name}: {error.max(initial=np.nan):.2g} at bar {twin.since + int(np.argmax(error))}"
    return ""


def race(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the shortest seconds of both, measured in turns so that a busy moment hits both."""
    best = [np.inf, np.inf]
    for _ in range(rounds + 1):  # the first round compiles and warms up; it may well be the slowest, never the best
        for place, function in enumerate((ours, theirs)):
            start = time.perf_counter()
            function()
            best[place] = min(best[place], time.perf_counter() - start)
    return best[0], best[1]


def race_long(twin: Twin, series: Columns) -> tuple[float, float]:
    """Race on one long series, one thread."""
    inputs = [series[name] for name in twin.indicator.inputs]
    return race(lambda: twin.indicator(*inputs), lambda: twin.theirs(series))


def race_panel(twin: Twin, halves: Sequence[ss.Bars], threads: int) -> tuple[float, float]:
    """Race on a panel: ours takes the bars, theirs goes through the symbols and fills arrays of the same shape."""
    parts = list(halves)

    def spread(work: Callable[[ss.Bars], Any]) -> None:
        if threads == 1:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, parts))

    return race(lambda: spread(twin.indicator), lambda: spread(lambda part: loop(twin, part)))


def loop(twin: Twin, bars: ss.Bars) -> list[np.ndarray[Any, Any]]:
    """Go through the symbols of a panel with TA-Lib."""
    symbols = len(bars.symbols)
    count = len(twin.outputs or twin.indicator.outputs)
    results = [np.empty(bars.shape) for _ in range(count)]
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    for row in range(symbols):
        answer = twin.theirs({name: values[row] for name, values in columns.items()})
        for result, values in zip(results, answer if isinstance(answer, tuple | list) else (answer,), strict=False):
            result[row] = values
    return results


def panel(symbols: int = SYMBOLS, sessions: int = SESSIONS) -> list[ss.Bars]:
    """Return a panel in two halves of its symbols, one for each thread."""
    columns = made_up((symbols, sessions), seed=1)
    dates = np.busday_offset(np.datetime64("2010-01-04"), np.arange(sessions), roll="forward")
    names = [f"S{row:03d}" for row in range(symbols)]
    cuts = (slice(0, symbols // 2), slice(symbols // 2, symbols))
    return [
        ss.Bars.from_arrays(symbols=names[cut], dates=dates, **{name: v[cut] for name, v in columns.items()})
        for cut in cuts
    ]
