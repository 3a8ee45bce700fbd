"""Naive twins of the momentum indicators: (indicator, *inputs) -> one array per output."""

import numpy as np

from tests.reference.plain_windows import average, before, ema, over, skipping, wilder


def mean(values, window):
    return over(window, np.mean, values)


def settled(values, prices):
    """What rounding leaves of a difference that is zero."""
    return np.where(np.abs(values) < 1e-12 * np.abs(prices), 0.0, values)


def change(values, bars=1):
    return values - before(values, bars)


def rate(values, bars):
    return 100 * change(values, bars) / before(values, bars)


def place(high, low, close, window):
    def share(top, bottom, last):
        return 100 * (last[-1] - min(bottom)) / (max(top) - min(bottom))

    return over(window, share, high, low, close)


def strength(values, window):
    rise = wilder(np.maximum(change(values), 0), window)
    fall = wilder(np.maximum(-change(values), 0), window)
    return 100 * rise / (rise + fall)


@skipping
def rsi(i, close):
    return (strength(close, i.window),)


def mom(i, close):
    return (change(close, i.window),)


def roc(i, close):
    return (rate(close, i.window),)


@skipping
def cmo_wilder(i, close):
    return (2 * strength(close, i.window) - 100,)


def cmo(i, close):
    if i.smoothing == "wilder":
        return cmo_wilder(i, close)
    return (over(i.window, lambda cut: 100 * np.sum(cut) / np.sum(np.abs(cut)), change(close)),)


def er(i, close):
    return (over(i.window, lambda cut: abs(np.sum(cut)) / np.sum(np.abs(cut)), change(close)),)


def coppock(i, close):
    both = rate(close, i.first) + rate(close, i.second)
    return (over(i.window, lambda cut: np.average(cut, weights=np.arange(1, i.window + 1)), both),)


def kst(i, close):
    rates, windows = (i.first, i.second, i.third, i.fourth), (i.first_mean, i.second_mean, i.third_mean, i.fourth_mean)
    line = sum((k + 1) * mean(rate(close, rates[k]), windows[k]) for k in range(4))
    return line, mean(line, i.signal_window)


def fosc(i, close):
    def next_point(cut):
        if np.ptp(cut) == 0:
            return cut[-1]
        bars = np.arange(i.window)
        slope = np.sum((bars - bars.mean()) * (cut - cut.mean())) / np.sum((bars - bars.mean()) ** 2)
        return cut.mean() + slope * (i.window - bars.mean())

    return (100 * (close - before(over(i.window, next_point, close))) / close,)


@skipping
def crsi(i, close):
    streaks, ranks, returns = np.zeros(len(close)), np.full(len(close), np.nan), rate(close, 1)
    for t in range(1, len(close)):
        if close[t] > close[t - 1]:
            streaks[t] = max(streaks[t - 1], 0) + 1
        elif close[t] < close[t - 1]:
            streaks[t] = min(streaks[t - 1], 0) - 1
        if t > i.ranked:
            ranks[t] = 100 * sum(returns[k] < returns[t] for k in range(t - i.ranked, t)) / i.ranked
    return ((strength(close, i.window) + strength(streaks, i.streak) + ranks) / 3,)


def with_signal(line, window):
    signal = ema(line, window)
    return line, signal, line - signal


@skipping
def macd(i, close):
    late = i.slow - i.fast if i.align == "talib" else 0
    fast = np.concatenate([np.full(late, np.nan)[: len(close)], ema(close[late:], i.fast)])
    line, signal, hist = with_signal(settled(fast - ema(close, i.slow), close), i.signal_window)
    if i.align == "talib":
        line = np.where(np.isnan(signal), np.nan, line)
    return line, signal, hist


@skipping
def ppo(i, close):
    slow = ema(close, i.slow)
    return with_signal(100 * settled(ema(close, i.fast) - slow, close) / slow, i.signal_window)


@skipping
def apo(i, close):
    return (settled(ema(close, i.fast) - ema(close, i.slow), close),)


@skipping
def trix(i, close):
    thrice = ema(ema(ema(close, i.window), i.window), i.window)
    return (100 * settled(change(thrice), close) / before(thrice),)


@skipping
def tsi(i, close):
    twice = ema(ema(change(close), i.first), i.second)
    return (100 * twice / ema(ema(np.abs(change(close)), i.first), i.second),)


@skipping
def eri(i, high, low, close):
    middle = ema(close, i.window)
    return settled(high - middle, close), settled(low - middle, close)


def stoch(i, high, low, close):
    k = mean(place(high, low, close, i.window), i.smooth)
    return k, mean(k, i.signal_window)


def stochf(i, high, low, close):
    k = place(high, low, close, i.window)
    return k, mean(k, i.signal_window)


@skipping
def stochrsi(i, close):
    index = strength(close, i.rsi_window)
    for t in range(1, len(close)):
        if close[t] == close[t - 1] and not np.isnan(index[t - 1]):
            index[t] = index[t - 1]
    k = mean(place(index, index, index, i.window), i.smooth)
    return k, mean(k, i.signal_window)


@skipping
def kdj(i, high, low, close):
    k = wilder(place(high, low, close, i.window), i.smooth)
    d = wilder(k, i.signal_window)
    d = np.where(np.isnan(k), np.nan, d)
    return k, d, 3 * k - 2 * d


def willr(i, high, low, close):
    return (np.clip(place(high, low, close, i.window) - 100, -100, 0),)


def cci(i, high, low, close):
    def index(cut):
        distance = np.mean(np.abs(cut - np.mean(cut)))
        return (cut[-1] - np.mean(cut)) / (0.015 * distance) if np.ptp(cut) else np.nan

    return (over(i.window, index, (high + low + close) / 3),)


def ultosc(i, high, low, close):
    last = before(close)
    pressure, reach = close - np.minimum(low, last), np.maximum(high, last) - np.minimum(low, last)

    def share(window):
        return over(window, lambda above, below: sum(above) / sum(below), pressure, reach)

    return (100 * (4 * share(i.first) + 2 * share(i.second) + share(i.third)) / 7,)


def ao(i, high, low):
    median = (high + low) / 2
    still = over(i.slow, np.ptp, median) == 0
    return (np.where(still, 0.0, mean(median, i.fast) - mean(median, i.slow)),)


def bop(i, open_, high, low, close):
    return (np.where(high > low, (close - open_) / (high - low), np.nan),)


def qstick(i, open_, close):
    return (mean(close - open_, i.window),)


@skipping
def smi(i, high, low, close):
    top, bottom = over(i.window, max, high), over(i.window, min, low)
    above = ema(ema(close - (top + bottom) / 2, i.first), i.second)
    line = 100 * above / (ema(ema(top - bottom, i.first), i.second) / 2)
    return line, ema(line, i.signal_window)


@skipping
def fisher(i, high, low):
    median = (high + low) / 2
    shares = place(median, median, median, i.window) / 100
    line, signal, level, last = np.full(len(low), np.nan), np.full(len(low), np.nan), 0.0, 0.0
    for t, share in enumerate(shares):
        if not np.isnan(share):
            level = 0.66 * (share - 0.5) + 0.67 * level
            if abs(level) > 0.99:
                level = np.sign(level) * 0.999
            signal[t], last = last, np.arctanh(level) + last / 2
            line[t] = last
    return line, signal


@skipping
def stc(i, close):
    first = cycle(settled(ema(close, i.fast) - ema(close, i.slow), close), i.window, i.smooth)
    return (cycle(first, i.window, i.smooth, scaled=True),)


def cycle(values, window, smooth, scaled=False):
    """Average of the place in the range; where there is no range the last place is kept."""
    places, held = np.full(len(values), np.nan), np.nan
    for t in range(window - 1, len(values)):
        cut = values[t - window + 1 : t + 1]
        if not np.isnan(cut).any():
            if np.ptp(cut) > 1e-10 * max(abs(cut)):
                held = 100 * (cut[-1] - min(cut)) / np.ptp(cut)
            elif np.isnan(held) and scaled:
                held = cut[-1]
            places[t] = held
    return average(places, 2 / (smooth + 1), smooth)


TWINS = {
    "RSI": rsi,
    "MOM": mom,
    "ROC": roc,
    "CMO": cmo,
    "ER": er,
    "COPPOCK": coppock,
    "KST": kst,
    "FOSC": fosc,
    "CRSI": crsi,
    "MACD": macd,
    "PPO": ppo,
    "APO": apo,
    "TRIX": trix,
    "TSI": tsi,
    "ERI": eri,
    "STOCH": stoch,
    "STOCHF": stochf,
    "STOCHRSI": stochrsi,
    "KDJ": kdj,
    "WILLR": willr,
    "CCI": cci,
    "ULTOSC": ultosc,
    "AO": ao,
    "BOP": bop,
    "QSTICK": qstick,
    "SMI": smi,
    "FISHER": fisher,
    "STC": stc,
}
