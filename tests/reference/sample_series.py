"""Series that indicators are tried on: a random walk and everything that goes wrong with real ones."""

import numpy as np

COLUMNS = ("open", "high", "low", "close", "volume")


def random_walk(bars=300, seed=7, step=0.02):
    """Return open, high, low, close, volume by name; one price in ten does not change, so that ties occur."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, step, bars) * (rng.random(bars) > 0.1)))
    open_ = close * np.exp(rng.normal(0, step / 3, bars))
    high = np.maximum(open_, close) * np.exp(abs(rng.normal(0, step / 4, bars)))
    low = np.minimum(open_, close) * np.exp(-abs(rng.normal(0, step / 4, bars)))
    volume = rng.integers(1, 1_000_000, bars).astype(float)
    return dict(zip(COLUMNS, (open_, high, low, close, volume), strict=True))


def without(series, bars, names=COLUMNS):
    """Return the series with NaN on some bars of some columns."""
    changed = {name: values.copy() for name, values in series.items()}
    for name in names:
        changed[name][bars] = np.nan
    return changed


def hostile():
    """Return the series by what is wrong with them."""
    walk = random_walk()
    flat = {**dict.fromkeys(COLUMNS, np.full(120, 12.34)), "volume": np.full(120, 1000.0)}
    stops = {name: np.where(np.arange(300) // 60 % 2 == 1, values[60], values) for name, values in walk.items()}
    return {
        "random walk": walk,
        "leading NaN": without(walk, slice(0, 17)),
        "gaps": without(walk, [40, 41, 90, 150, 151, 152, 230]),
        "gaps in the close": without(walk, [0, 45, 130], ["close"]),
        "gaps in high and volume": without(walk, [33, 135], ["high", "volume"]),
        "constant": flat,
        "constant for a while": stops,
        "no volume": {**walk, "volume": np.zeros(300)},
        "volume now and then": {**walk, "volume": np.where(np.arange(300) % 5 < 3, 0, walk["volume"])},
        "volume late": {**walk, "volume": np.where(np.arange(300) < 70, 0, walk["volume"])},
        "all NaN": without(walk, slice(None)),
        "three bars": random_walk(3),
        "one bar": random_walk(1),
        "no bars": random_walk(0),
    }
