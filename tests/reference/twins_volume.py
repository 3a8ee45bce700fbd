"""Naive twins of the volume and money flow indicators: (indicator, *inputs) -> one array per output."""

import numpy as np

from tests.reference.plain_windows import before, ema, over, skipping


def total(moves):
    """Return running sums from 0 on the first bar."""
    return np.cumsum(np.where(np.arange(len(moves)) == 0, 0.0, moves))


@skipping
def obv(indicator, close, volume):
    return (total(np.sign(close - before(close)) * volume),)


def vwap(indicator, high, low, close, volume, date=None):
    return (_vwap(indicator, high, low, close, volume, np.zeros(len(close)) if date is None else date)[0],)


@skipping
def _vwap(indicator, high, low, close, volume, date):
    price = (high + low + close) / 3
    days = date.astype("M8[D]")
    period = {"none": days[:1].repeat(len(days)), "week": (days - np.timedelta64(4, "D")).astype("M8[W]")}
    period = period.get(indicator.anchor, days)
    out = np.full(len(close), np.nan)
    for t in range(len(close)):
        since = [k for k in range(t + 1) if period[k] == period[t]]
        shares = sum(volume[k] for k in since)
        out[t] = sum(price[k] * volume[k] for k in since) / shares if shares > 0 else np.nan
    return (out,)


def flow(high, low, close, volume):
    return np.array(
        [
            ((c - lo) - (h - c)) / (h - lo) * v if h != lo else 0.0 * (h + lo + c + v)
            for h, lo, c, v in zip(high, low, close, volume, strict=True)
        ]
    )


@skipping
def ad(indicator, high, low, close, volume):
    return (np.cumsum(flow(high, low, close, volume)),)


@skipping
def adosc(indicator, high, low, close, volume):
    balance = np.cumsum(flow(high, low, close, volume))
    out = ema(balance, indicator.fast, "first") - ema(balance, indicator.slow, "first")
    out[: max(indicator.fast, indicator.slow) - 1] = np.nan
    return (out,)


def cmf(indicator, high, low, close, volume):
    def ratio(moved, traded):
        return sum(moved) / sum(traded) if sum(traded) > 0 else np.nan

    return (over(indicator.window, ratio, flow(high, low, close, volume), volume),)


def mfi(indicator, high, low, close, volume):
    price = (high + low + close) / 3
    change = np.where(np.isclose(price, before(price), rtol=1e-15, atol=0), 0, price - before(price))

    def index(move, money):
        rise, fall = sum(money[move > 0]), sum(money[move < 0])
        return 100 * rise / (rise + fall) if rise + fall > 0 else np.nan

    return (over(indicator.window, index, change, price * volume),)


@skipping
def efi(indicator, close, volume):
    return (ema((close - before(close)) * volume, indicator.window),)


def volume_index(close, volume, sign):
    out = np.full(len(close), 1000.0)
    for t in range(1, len(close)):
        follows = sign * (volume[t] - volume[t - 1]) > 0
        out[t] = out[t - 1] * (1 + (close[t] - close[t - 1]) / close[t - 1] if follows else 1)
    return (out,)


@skipping
def nvi(indicator, close, volume):
    return volume_index(close, volume, -1)


@skipping
def pvi(indicator, close, volume):
    return volume_index(close, volume, 1)


@skipping
def pvt(indicator, close, volume):
    return (total(volume * (close / before(close) - 1)),)


@skipping
def pvo(indicator, volume):
    fast, slow = ema(volume, indicator.fast), ema(volume, indicator.slow)
    return (100 * (fast - slow) / slow,)


@skipping
def emv(indicator, high, low, volume):
    middle = (high + low) / 2
    return (np.where(volume > 0, (middle - before(middle)) * (high - low) * 1e4 / volume, np.nan),)


@skipping
def kvo(indicator, high, low, close, volume):
    force, trend, ranges = np.full(len(close), np.nan), 0, 0.0
    for t in range(1, len(close)):
        now, then = (high[k] + low[k] + close[k] for k in (t, t - 1))
        if now != then and np.sign(now - then) != trend:
            trend, ranges = np.sign(now - then), high[t - 1] - low[t - 1]
        ranges += high[t] - low[t]
        if ranges > 0:
            share = (high[t] - low[t]) / ranges
            force[t] = volume[t] * abs(2 * share - 1) * 100 * (1 if trend > 0 else -1)
    return (ema(force, indicator.fast, "first") - ema(force, indicator.slow, "first"),)


def marketfi(indicator, high, low, volume):
    return (np.where(volume > 0, (high - low) / volume, np.nan),)


@skipping
def wad(indicator, high, low, close):
    last = before(close)
    rise, fall = close - np.minimum(low, last), close - np.maximum(high, last)
    return (total(np.where(close > last, rise, np.where(close < last, fall, 0))),)


TWINS = {
    "OBV": obv,
    "VWAP": vwap,
    "AD": ad,
    "ADOSC": adosc,
    "CMF": cmf,
    "MFI": mfi,
    "EFI": efi,
    "NVI": nvi,
    "PVI": pvi,
    "PVT": pvt,
    "PVO": pvo,
    "EMV": emv,
    "KVO": kvo,
    "MARKETFI": marketfi,
    "WAD": wad,
}
