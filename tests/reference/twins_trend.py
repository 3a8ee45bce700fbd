"""Naive twins of the averages and trend indicators: (indicator, *inputs) -> one array per output."""

import math

import numpy as np

from tests.reference.plain_windows import before, ema, over, skipping, wilder
from tests.reference.twins_volatility import true_range


def mean_of(cut):
    """Mean; of equal values that value, whatever their sum rounds to."""
    return cut[0] + np.mean(cut - cut[0])


def weighted(cut):
    return mean_of(np.repeat(cut, np.arange(1, len(cut) + 1)))


def sma(i, close):
    return (over(i.window, mean_of, close),)


def wma(i, close):
    return (over(i.window, weighted, close),)


def trima(i, close):
    means = over(i.window // 2 + 1, mean_of, close)
    return (over((i.window + 1) // 2, mean_of, means),)


def hma(i, close):
    half, whole = over(max(i.window // 2, 1), weighted, close), over(i.window, weighted, close)
    return (over(int(i.window**0.5), weighted, 2 * half - whole),)


def vwma(i, close, volume):
    def mean(price, traded):
        return sum(price * traded) / sum(traded) if sum(traded) > 0 else np.nan

    return (over(i.window, mean, close, volume),)


def alma(i, close):
    places = np.arange(i.window) - i.offset * (i.window - 1)
    weights = np.exp(-(places**2) / (2 * (i.window / i.sigma) ** 2))
    return (over(i.window, lambda cut: sum(cut * weights) / sum(weights), close),)


def dpo(i, close):
    return (before(close, i.window // 2 + 1) - over(i.window, mean_of, close),)


def linearreg(i, close):
    def line(take):
        def fitted(cut):
            slope, start = np.polyfit(np.arange(len(cut)), cut - cut[0], 1)
            return take(slope, start + cut[0])

        return over(i.window, fitted, close)

    return (
        line(lambda slope, start: start + slope * (i.window - 1)),
        line(lambda slope, start: slope),
        line(lambda slope, start: start),
        line(lambda slope, start: math.degrees(math.atan(slope))),
        line(lambda slope, start: start + slope * i.window),
    )


@skipping
def exponential(i, close):
    return (ema(close, i.window, i.seed),)


@skipping
def rma(i, close):
    return (wilder(close, i.window),)


@skipping
def dema(i, close):
    one = ema(close, i.window)
    return (2 * one - ema(one, i.window),)


@skipping
def tema(i, close):
    one = ema(close, i.window)
    two = ema(one, i.window)
    return (3 * one - 3 * two + ema(two, i.window),)


@skipping
def t3(i, close):
    stages = [close]
    for _ in range(6):
        stages.append(ema(stages[-1], i.window))
    v = i.factor
    return (
        (1 + v) ** 3 * stages[3] - 3 * v * (1 + v) ** 2 * stages[4] + 3 * v**2 * (1 + v) * stages[5] - v**3 * stages[6],
    )


@skipping
def zlema(i, close):
    return (ema(2 * close - before(close, (i.window - 1) // 2), i.window),)


@skipping
def mcginley(i, close):
    out = np.full(len(close), np.nan)
    for t in range(i.window - 1, len(close)):
        old = out[t - 1]
        step = (close[t] - old) / max(i.window * (close[t] / old) ** 4, 1)
        out[t] = mean_of(close[: i.window]) if t == i.window - 1 else old + step
    return (out,)


@skipping
def kama(i, close):
    out = np.full(len(close), np.nan)
    for t in range(i.window, len(close)):
        path = sum(abs(np.diff(close[t - i.window : t + 1])))
        efficiency = abs(close[t] - close[t - i.window]) / path if path > 0 else 1
        weight = (efficiency * (2 / (i.fast + 1) - 2 / (i.slow + 1)) + 2 / (i.slow + 1)) ** 2
        old = close[t - 1] if t == i.window else out[t - 1]
        out[t] = old + weight * (close[t] - old)
    return (out,)


@skipping
def vidya(i, close):
    def deviation(cut):
        return np.std(cut) if np.ptp(cut) else 0.0

    out = np.full(len(close), np.nan)
    for t in range(i.slow - 2, len(close)):
        if t == i.slow - 2:
            out[t] = close[t]
            continue
        long = deviation(close[t - i.slow + 1 : t + 1])
        ratio = deviation(close[t - i.fast + 1 : t + 1]) / long if long else 0.0
        out[t] = out[t - 1] + i.alpha * ratio * (close[t] - out[t - 1])
    return (out,)


def cycle(close, start):
    """Ehlers' homodyne discriminator from bar `start` on: smoothed period, in-phase and quadrature parts."""
    bars = len(close)
    names = ("smooth", "detrended", "i1", "q1", "i2", "q2", "re", "im", "period", "lasting")
    line = {name: np.zeros(bars + 7) for name in names}  # seven zeros in front stand for the bars before

    def hilbert(name, t, gain):
        x = line[name]
        return gain * (0.0962 * (x[t] - x[t - 6]) + 0.5769 * (x[t - 2] - x[t - 4]))

    for t in range(start + 7, bars + 7):
        gain = 0.075 * line["period"][t - 1] + 0.54
        line["smooth"][t] = np.dot(close[t - 10 : t - 6], [0.1, 0.2, 0.3, 0.4])
        line["detrended"][t] = hilbert("smooth", t, gain)
        line["q1"][t] = hilbert("detrended", t, gain)
        line["i1"][t] = line["detrended"][t - 3]
        line["i2"][t] = 0.2 * (line["i1"][t] - hilbert("q1", t, gain)) + 0.8 * line["i2"][t - 1]
        line["q2"][t] = 0.2 * (line["q1"][t] + hilbert("i1", t, gain)) + 0.8 * line["q2"][t - 1]
        now, last = complex(line["i2"][t], line["q2"][t]), complex(line["i2"][t - 1], line["q2"][t - 1])
        turn = now.conjugate() * last
        line["re"][t] = 0.2 * turn.real + 0.8 * line["re"][t - 1]
        line["im"][t] = 0.2 * turn.imag + 0.8 * line["im"][t - 1]
        period = old = line["period"][t - 1]
        if line["im"][t] and line["re"][t]:
            period = 360 / math.degrees(math.atan(line["im"][t] / line["re"][t]))
        period = np.clip(np.clip(period, 0.67 * old, 1.5 * old), 6, 50)
        line["period"][t] = 0.2 * period + 0.8 * old
        line["lasting"][t] = 0.33 * line["period"][t] + 0.67 * line["lasting"][t - 1]
    return line["lasting"][7:], line["i1"][7:], line["q1"][7:]


@skipping
def mama(i, close):
    _, in_phase, shifted = cycle(close, 12)
    mother, following, phase, outs = 0.0, 0.0, 0.0, np.full((2, len(close)), np.nan)
    for t in range(12, len(close)):
        angle = math.degrees(math.atan(shifted[t] / in_phase[t])) if in_phase[t] else 0.0
        weight = max(i.fast / max(phase - angle, 1), i.slow)
        phase = angle
        mother += weight * (close[t] - mother)
        following += 0.5 * weight * (mother - following)
        if t >= 32:
            outs[:, t] = mother, following
    return tuple(outs)


@skipping
def ht_trendline(i, close):
    lasting = cycle(close, 37)[0]
    means = np.zeros(len(close))
    for t in range(37, len(close)):
        length = int(lasting[t] + 0.5)
        means[t] = mean_of(close[t - length + 1 : t + 1]) if length else 0.0
    out = 0.4 * means + 0.3 * before(means, 1) + 0.2 * before(means, 2) + 0.1 * before(means, 3)
    out[:63] = np.nan
    return (out,)


@skipping
def sar(i, high, low):
    """In the words of the book: a stop moves towards the trade's extreme and never into the last two bars."""
    out = np.full(len(high), np.nan)
    first = min(i.acceleration, i.maximum)
    for t in range(1, len(high)):
        if t == 1:
            long = not (low[0] - low[1] > max(high[1] - high[0], 0))
            stop, extreme, speed = (low[0], high[1], first) if long else (high[0], low[1], first)
        recent = slice(max(t - 1, 1), t + 1)
        if (long and low[t] <= stop) or (not long and high[t] >= stop):
            stop = max(extreme, *high[recent]) if long else min(extreme, *low[recent])
            out[t] = stop
            long, speed = not long, first
            extreme = high[t] if long else low[t]
        else:
            out[t] = stop
            if (long and high[t] > extreme) or (not long and low[t] < extreme):
                extreme, speed = high[t] if long else low[t], min(speed + first, i.maximum)
        stop += speed * (extreme - stop)
        stop = min(stop, *low[recent]) if long else max(stop, *high[recent])
    return (out,)


@skipping
def supertrend(i, high, low, close):
    average = wilder(true_range(high, low, close), i.window)
    line, direction = np.full(len(close), np.nan), np.full(len(close), np.nan)
    upper = lower = side = None
    for t in range(i.window, len(close)):
        top = (high[t] + low[t]) / 2 + i.multiplier * average[t]
        bottom = (high[t] + low[t]) / 2 - i.multiplier * average[t]
        if side is None:
            upper, lower, side = top, bottom, 1
        else:
            upper = top if close[t - 1] > upper else min(top, upper)
            lower = bottom if close[t - 1] < lower else max(bottom, lower)
            if side == 1 and close[t] < lower:
                side = -1
            elif side == -1 and close[t] > upper:
                side = 1
        line[t], direction[t] = lower if side == 1 else upper, side
    return line, direction


def ichimoku(i, high, low):
    def middle(window):
        return over(window, lambda top, bottom: (max(top) + min(bottom)) / 2, high, low)

    tenkan, kijun, wide = middle(i.short), middle(i.medium), middle(i.long)
    return tenkan, kijun, before((tenkan + kijun) / 2, i.medium), before(wide, i.medium)


def aroon(i, high, low):
    def down(top, bottom):
        return 100 * (i.window - np.argmin(bottom[::-1])) / i.window

    def up(top, bottom):
        return 100 * (i.window - np.argmax(top[::-1])) / i.window

    return over(i.window + 1, down, high, low), over(i.window + 1, up, high, low)


def aroonosc(i, high, low):
    down, up = aroon(i, high, low)
    return (up - down,)


@skipping
def heikin_ashi(i, open_, high, low, close):
    mean, start = (open_ + high + low + close) / 4, np.zeros(len(close))
    for t in range(len(close)):
        start[t] = (start[t - 1] + mean[t - 1]) / 2 if t else (open_[0] + close[0]) / 2
    return start, np.maximum(high, np.maximum(start, mean)), np.minimum(low, np.minimum(start, mean)), mean


def fading(values, window, terms):
    """Wilder's sum from the second bar on: `terms` values as they are, then each takes 1 / window away."""
    out, total = np.full(len(values), np.nan), 0.0
    for t in range(1, len(values)):
        total = total + values[t] if t <= terms else total - total / window + values[t]
        out[t] = total if t >= window else np.nan
    return out


@skipping
def directional(i, high, low, close):
    up, down = high - before(high), before(low) - low
    terms = i.window if i.seed == "wilder" else i.window - 1
    reach = fading(true_range(high, low, close), i.window, terms)
    rise = fading(np.where((up > down) & (up > 0), up, 0.0), i.window, terms)
    fall = fading(np.where((down > up) & (down > 0), down, 0.0), i.window, terms)
    return 100 * rise / reach, 100 * fall / reach


def movement_index(i, high, low, close):
    plus, minus = directional(i, high, low, close)
    return (100 * abs(plus - minus) / (plus + minus),)


@skipping
def average_index(i, high, low, close):
    return (wilder(movement_index(i, high, low, close)[0], i.window),)


@skipping
def rating(i, high, low, close):
    index = average_index(i, high, low, close)[0]
    known = index[~np.isnan(index)]
    out = np.full(len(index), np.nan)
    out[~np.isnan(index)] = (known + before(known, i.window - 1)) / 2
    return (out,)


def vortex(i, high, low, close):
    def ratio(move, reach):
        return sum(move) / sum(reach)

    reach = true_range(high, low, close)
    up, down = abs(high - before(low)), abs(low - before(high))
    return over(i.window, ratio, up, reach), over(i.window, ratio, down, reach)


@skipping
def mass(i, high, low):
    once = ema(high - low, i.smoothing)
    return (over(i.window, sum, once / ema(once, i.smoothing)),)


def vhf(i, close):
    path = over(i.window, sum, abs(close - before(close)))
    return (over(i.window, np.ptp, close) / path,)


TWINS = {
    "SMA": sma,
    "EMA": exponential,
    "RMA": rma,
    "WMA": wma,
    "DEMA": dema,
    "TEMA": tema,
    "T3": t3,
    "TRIMA": trima,
    "HMA": hma,
    "ZLEMA": zlema,
    "VWMA": vwma,
    "ALMA": alma,
    "KAMA": kama,
    "VIDYA": vidya,
    "MCGINLEY": mcginley,
    "MAMA": mama,
    "HT_TRENDLINE": ht_trendline,
    "LINEARREG": linearreg,
    "SAR": sar,
    "SUPERTREND": supertrend,
    "ICHIMOKU": ichimoku,
    "AROON": aroon,
    "AROONOSC": aroonosc,
    "HA": heikin_ashi,
    "DI": directional,
    "DX": movement_index,
    "ADX": average_index,
    "ADXR": rating,
    "VORTEX": vortex,
    "MASS": mass,
    "VHF": vhf,
    "DPO": dpo,
}
