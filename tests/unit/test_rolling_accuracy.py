"""Rolling sums on long series that jump between 0.001 and 1,000,000, against exact arithmetic.

Prices are whole multiples of 2**-20, so that sums of windows are exact in 64-bit integers: prefix sums may wrap around,
differences of them do not. Deviations and weighted means are checked on sampled windows with `math.fsum`.
"""

import math

import numpy as np
import pytest

from stockstream.indicators import BBANDS, LINEARREG, MAX, MIN, SMA, STDDEV, VAR, VWMA, WMA

UNIT = 2.0**-20
TOLERANCE = 1e-9


def prices_of(bars, seed=1):
    """Give prices and them in units: quiet stretches at any level from 0.001 to 1,000,000, and wild ones across all."""
    rng = np.random.default_rng(seed)
    stretch = 500
    levels = 10 ** rng.uniform(-3, 6, bars // stretch)
    wild = rng.random(bars // stretch) < 0.3
    moves = 10 ** rng.uniform(-3, 6, (bars // stretch, stretch))
    quiet = levels[:, None] * (1 + 0.01 * rng.standard_normal((bars // stretch, stretch)))
    chosen = np.clip(np.where(wild[:, None], moves, quiet), 1e-3, 1e6).ravel()
    units = np.maximum(np.round(chosen / UNIT), 1).astype(np.int64)
    return units * UNIT, units


def window_sums(units, window):
    """Give exact sums of the windows that end on bar window - 1 and later."""
    prefix = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(units.astype(np.uint64))])
    return (prefix[window:] - prefix[:-window]).astype(np.int64)


def largest_error(found, exact):
    return float(np.max(np.abs(found - exact) / np.abs(exact)))


def sampled(bars, window, seed=2):
    rng = np.random.default_rng(seed)
    return np.unique(np.concatenate([rng.integers(window - 1, bars, 300), np.arange(bars - 20, bars)]))


def deviation(cut):
    mean = math.fsum(cut) / len(cut)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in cut) / len(cut))


def weighted(cut):
    return math.fsum((k + 1) * x for k, x in enumerate(cut)) / (len(cut) * (len(cut) + 1) / 2)


def line(cut):
    middle = (len(cut) - 1) / 2
    mean = math.fsum(cut) / len(cut)
    slope = math.fsum((k - middle) * (x - mean) for k, x in enumerate(cut))
    return mean + slope / math.fsum((k - middle) ** 2 for k in range(len(cut))) * middle


#: Indicator -> what one window gives.
SAMPLED = {
    STDDEV(20): deviation,
    STDDEV(250): deviation,
    VAR(20): lambda cut: deviation(cut) ** 2,
    WMA(50): weighted,
    WMA(251): weighted,
    LINEARREG(50).value: line,
    BBANDS(20).upper: lambda cut: math.fsum(cut) / len(cut) + 2 * deviation(cut),
    MAX(30): max,
    MIN(30): min,
}


def check(bars):
    prices, units = prices_of(bars)
    for window in (2, 20, 200, 5000):
        exact = window_sums(units, window) * UNIT / window
        found = SMA(window)(prices)[window - 1 :]
        assert largest_error(found, exact) < TOLERANCE, window
    for indicator, definition in SAMPLED.items():
        owner = getattr(indicator, "indicator", indicator)
        found = owner(prices)
        found = getattr(found, indicator.name) if indicator is not owner else found
        for bar in sampled(bars, owner.window):
            exact = definition(prices[bar - owner.window + 1 : bar + 1])
            largest = prices[bar - owner.window + 1 : bar + 1].max()
            signed = isinstance(owner, LINEARREG)  # it crosses zero: judged by the window's largest price
            assert abs(found[bar] - exact) <= TOLERANCE * (largest if signed else exact), (indicator, bar)


@pytest.mark.compiled
def test_rolling_sums_are_accurate_where_running_sums_are_not():
    check(400_000)
    prices, units = prices_of(400_000)
    exact = window_sums(units, 20) * UNIT / 20
    running = np.concatenate([[0.0], np.cumsum(prices)])
    assert largest_error((running[20:] - running[:-20]) / 20, exact) > 1e-6


@pytest.mark.slow
@pytest.mark.compiled
def test_rolling_sums_are_accurate_on_ten_million_bars():
    check(10_000_000)


@pytest.mark.compiled
@pytest.mark.parametrize("bars", [200_000])
def test_volumes_of_any_size_weigh_exactly(bars):
    prices, _ = prices_of(bars, seed=4)
    volume = 10.0 ** np.random.default_rng(5).integers(0, 10, bars)
    found = VWMA(20)(prices, volume)
    for bar in sampled(bars, 20):
        cut = slice(bar - 19, bar + 1)
        exact = math.fsum(prices[cut] * volume[cut]) / math.fsum(volume[cut])
        assert abs(found[bar] - exact) <= TOLERANCE * exact
