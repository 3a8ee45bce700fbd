"""Naive twins of the statistics and price transforms: (indicator, *inputs) -> one array per output."""

import numpy as np

from tests.reference.plain_windows import before, over


def largest(indicator, close):
    return (over(indicator.window, max, close),)


def smallest(indicator, close):
    return (over(indicator.window, min, close),)


def stddev(indicator, close):
    return (over(indicator.window, lambda cut: np.std(cut, ddof=indicator.ddof) if np.ptp(cut) else 0.0, close),)


def zscore(indicator, close):
    def score(cut):
        return (cut[-1] - np.mean(cut)) / np.std(cut, ddof=indicator.ddof) if np.ptp(cut) else np.nan

    return (over(indicator.window, score, close),)


def percent_rank(indicator, close):
    return (over(indicator.window + 1, lambda cut: 100 * np.mean(cut[:-1] < cut[-1]), close),)


def correl(indicator, first, second):
    def pearson(x, y):
        return np.corrcoef(x, y)[0, 1] if np.ptp(x) and np.ptp(y) else np.nan

    return (over(indicator.window, pearson, first, second),)


def beta(indicator, first, second):
    def slope(x, y):
        return np.cov(x, y)[0, 1] / np.var(y, ddof=1) if np.ptp(y) else np.nan

    with np.errstate(all="ignore"):
        returns = [(values - before(values)) / before(values) for values in (first, second)]
        return (over(indicator.window, slope, *(np.where(np.isinf(r), np.nan, r) for r in returns)),)


TWINS = {
    "MAX": largest,
    "MIN": smallest,
    "STDDEV": stddev,
    "ZSCORE": zscore,
    "PERCENTRANK": percent_rank,
    "CORREL": correl,
    "BETA": beta,
    "TYPPRICE": lambda _, high, low, close: ((high + low + close) / 3,),
    "MEDPRICE": lambda _, high, low: ((high + low) / 2,),
    "WCLPRICE": lambda _, high, low, close: ((high + low + 2 * close) / 4,),
    "AVGPRICE": lambda _, open_, high, low, close: ((open_ + high + low + close) / 4,),
}
