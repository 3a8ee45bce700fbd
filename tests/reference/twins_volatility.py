"""Naive twins of the volatility and band indicators: (indicator, *inputs) -> one array per output."""

import numpy as np

from tests.reference.plain_windows import before, ema, over, skipping, wilder


def true_range(high, low, close, first="skip"):
    out = np.full(len(close), np.nan)
    for t in range(len(close)):
        if t > 0:
            out[t] = max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
            if np.isnan([high[t], low[t], close[t - 1]]).any():
                out[t] = np.nan
        elif first == "range":
            out[t] = high[t] - low[t]
    return out


@skipping
def tr(indicator, high, low, close):
    return (true_range(high, low, close, indicator.first_tr),)


@skipping
def atr(indicator, high, low, close):
    return (wilder(true_range(high, low, close, indicator.first_tr), indicator.window),)


@skipping
def natr(indicator, high, low, close):
    return (100 * wilder(true_range(high, low, close, indicator.first_tr), indicator.window) / close,)


def bbands(indicator, close):
    middle = over(indicator.window, np.mean, close)
    deviation = over(indicator.window, lambda cut: np.std(cut, ddof=indicator.ddof) if np.ptp(cut) else 0.0, close)
    middle = np.where(deviation == 0, close, middle)
    upper, lower = middle + indicator.deviations * deviation, middle - indicator.deviations * deviation
    return upper, middle, lower, (close - lower) / (upper - lower), (upper - lower) / middle


@skipping
def keltner(indicator, high, low, close):
    centre = close if indicator.price == "close" else (high + low + close) / 3
    middle = ema(centre, indicator.window)
    reach = indicator.multiple * wilder(true_range(high, low, close), indicator.range_window)
    return middle + reach, middle + 0 * reach, middle - reach


def donchian(indicator, high, low):
    upper = over(indicator.window, lambda top, bottom: max(top), high, low)
    lower = over(indicator.window, lambda top, bottom: min(bottom), high, low)
    return upper, (upper + lower) / 2, lower


def var(indicator, close):
    return (over(indicator.window, lambda cut: np.var(cut, ddof=indicator.ddof) if np.ptp(cut) else 0.0, close),)


def ulcer(indicator, close):
    top = over(indicator.window, max, close)
    return (np.sqrt(over(indicator.window, np.mean, (100 * (close - top) / top) ** 2)),)


@skipping
def chaikin_volatility(indicator, high, low):
    average = ema(high - low, indicator.window)
    then = before(average, indicator.lag)
    return (100 * (average - then) / then,)


@skipping
def rvi(indicator, close):
    swing = over(indicator.deviation_window, lambda cut: np.std(cut) if np.ptp(cut) else 0.0, close)
    change = close - before(close)
    swing = np.where(np.isnan(change), np.nan, swing)
    rise = wilder(np.where(np.isnan(swing) | (change > 0), swing, 0), indicator.window)
    fall = wilder(np.where(np.isnan(swing) | (change < 0), swing, 0), indicator.window)
    return (100 * rise / (rise + fall),)


def acceleration_bands(indicator, high, low, close):
    push = 4 * (high - low) / (high + low)
    window, rows = indicator.window, (high * (1 + push), close, low * (1 - push))
    return tuple(over(window, lambda cut, *_: np.mean(cut), row, high, low, close) for row in rows)


def chop(indicator, high, low, close):
    window = indicator.window
    ranges = true_range(high, low, close)

    def choppiness(reach, top, bottom):
        whole = max(top) - min(bottom)
        return 100 * np.log10(sum(reach) / whole) / np.log10(window) if whole > 0 else np.nan

    return (over(window, choppiness, ranges, high, low),)


@skipping
def chandelier(indicator, high, low, close):
    window = indicator.window
    reach = indicator.multiple * wilder(true_range(high, low, close), window)
    return over(window, max, high) - reach, over(window, min, low) + reach


TWINS = {
    "TR": tr,
    "ATR": atr,
    "NATR": natr,
    "BBANDS": bbands,
    "KELTNER": keltner,
    "DONCHIAN": donchian,
    "VAR": var,
    "ULCER": ulcer,
    "CHAIKIN_VOL": chaikin_volatility,
    "RVI": rvi,
    "ACCBANDS": acceleration_bands,
    "CHOP": chop,
    "CHANDELIER": chandelier,
}
