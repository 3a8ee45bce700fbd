"""What windows and averages mean, bar by bar and in full each time: slow, obvious, sharing nothing with the library."""

import functools

import numpy as np


def over(window, function, *series):
    """Apply a function to the last `window` values of each series on every bar; NaN where one of them is NaN."""
    out = np.full(len(series[0]), np.nan)
    for t in range(window - 1, len(out)):
        cut = [values[t - window + 1 : t + 1] for values in series]
        if not np.isnan(cut).any():
            out[t] = function(*cut)
    return out


def before(values, bars=1):
    """Return the values of so many bars ago."""
    out = np.full(len(values), np.nan)
    out[bars:] = values[: max(len(values) - bars, 0)]
    return out


def average(values, weight, window):
    """Recursive average of what is not NaN, from the mean of the first `window` such values; 0 for the first value."""
    out, held, current = np.full(len(values), np.nan), [], np.nan
    for t, value in enumerate(values):
        if np.isnan(value):
            continue
        held.append(value)
        if len(held) <= max(window, 1):
            current = np.mean(held) if len(held) == max(window, 1) else np.nan
        else:
            current = current + weight * (value - current)
        out[t] = current
    return out


def ema(values, window, seed="sma"):
    """Exponential average."""
    return average(values, 2 / (window + 1), window if seed == "sma" else 1)


def wilder(values, window):
    """Wilder's average."""
    return average(values, 1 / window, window)


def skipping(function):
    """Leave out the bars on which an input is NaN, as though they were not there; NaN in their place."""

    @functools.wraps(function)
    def skipped(indicator, *inputs):
        known = ~np.isnan(inputs).any(axis=0)
        results = function(indicator, *(values[known] for values in inputs))
        outs = []
        for result in results:
            out = np.full(len(known), np.nan)
            out[known] = result
            outs.append(out)
        return tuple(outs)

    return skipped
