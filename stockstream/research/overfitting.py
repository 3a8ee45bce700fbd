"""How much a Sharpe ratio proves: alone, and as the best of many.

All Sharpe ratios here are of one period, mean over standard deviation (ddof 1) of the returns of the bars, and kurtosis
is not excess: a normal distribution has 3. Formulas of Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier"
(2012) and "The Deflated Sharpe Ratio" (2014), with the standard error at the estimate and n - 1; the authors' revision
of 2025, which takes it under the null, is not used.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.errors import DataError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Euler's constant, of the expected largest of many normal numbers.
EULER: Final = 0.5772156649015329

#: Returns below which skewness and kurtosis say nothing about a Sharpe ratio.
FEWEST_RETURNS: Final = 20

_NORMAL: Final = NormalDist()


class SharpeSample(NamedTuple):
    """A Sharpe ratio and what its error depends on.

    Attributes
    ----------
    sharpe
        Of one period.
    observations
        Returns it was measured on.
    skewness, kurtosis
        Of the returns; 0 and 3 when they are normal.
    """

    sharpe: float
    observations: int
    skewness: float = 0.0
    kurtosis: float = 3.0


class Deflated(NamedTuple):
    """A Sharpe ratio against what the best of many worthless trials reaches.

    Attributes
    ----------
    probability
        The deflated Sharpe ratio: that the true ratio is above the threshold.
    threshold
        Expected largest Sharpe ratio of one period of so many trials without any skill.
    trials
        How many; may be a fraction where they are an effective number.
    variance
        Of the trials' Sharpe ratios of one period.
    """

    probability: float
    threshold: float
    trials: float
    variance: float


def returns_of(values: ArrayLike, name: str = "returns", fewest: int = FEWEST_RETURNS) -> NDArray[np.float64]:
    """Return returns as an array ``(T,)``, or say why nothing can be computed from them.

    Raises
    ------
    DataError
        Another shape, values that are not finite, fewer than `fewest`, or all the same.
    """
    try:
        series = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"expected {name} as numbers of shape (T,); found what is none: {error}"
        raise DataError(message) from error
    if series.ndim != 1:
        message = f"expected {name} of shape (T,); found {series.shape}"
        raise DataError(message)
    if not np.isfinite(series).all():
        message = (
            f"expected finite {name}; found {int((~np.isfinite(series)).sum())} that are not. Leave them out first"
        )
        raise DataError(message)
    if len(series) < fewest:
        message = f"expected at least {fewest} {name} to say anything; found {len(series)}. Test on a longer period"
        raise DataError(message)
    if np.ptp(series) == 0.0:
        message = (
            f"expected {name} that vary; all {len(series):,} are {series[0]:g}: without trades there is no Sharpe ratio"
        )
        raise DataError(message)
    return series


def sharpe_sample(returns: ArrayLike) -> SharpeSample:
    """Measure the Sharpe ratio of one period and the shape of the returns.

    Parameters
    ----------
    returns : (T,)
        Finite returns above the riskless one, at least 20.

    Raises
    ------
    DataError
        Too few returns, constant ones, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> sample = sharpe_sample(np.random.default_rng(0).normal(0.001, 0.01, 1000))
    >>> round(sample.sharpe, 3), sample.observations
    (0.053, 1000)
    """
    series = returns_of(returns)
    around = series - series.mean()
    squares = around * around
    second = float(squares.mean())
    skewness, kurtosis = float((squares * around).mean()) / second**1.5, float((squares * squares).mean()) / second**2
    return SharpeSample(float(series.mean() / series.std(ddof=1)), len(series), skewness, kurtosis)


def sharpe_deviation(sample: SharpeSample) -> float:
    """Return the standard error of a Sharpe ratio of one period.

    Raises
    ------
    ParameterError
        Fewer than two observations, or moments that no distribution has.

    Examples
    --------
    >>> round(sharpe_deviation(SharpeSample(0.7079, 134, -0.2250, 2.9570)), 4)
    0.1028
    """
    observations = sample.observations
    if not observations >= 2:  # noqa: PLR2004 a deviation needs two
        message = f"expected at least 2 observations; found {observations}"
        raise ParameterError(message)
    spread = _spread(sample)
    return math.sqrt(spread / (observations - 1))


def _spread(sample: SharpeSample) -> float:
    sharpe, _, skewness, kurtosis = sample
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not spread > 0.0 or not math.isfinite(spread):
        message = (
            f"no returns have a Sharpe ratio of {sharpe:g} a period with skewness {skewness:g} and kurtosis "
            f"{kurtosis:g} (kurtosis is not excess: 3 for a normal distribution)"
        )
        raise ParameterError(message)
    return spread


def probabilistic_sharpe(sample: SharpeSample, threshold: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio is above a threshold of one period: PSR.

    Examples
    --------
    >>> round(probabilistic_sharpe(SharpeSample(0.458, 24, -2.448, 10.164)), 3)
    0.913
    """
    return _NORMAL.cdf((sample.sharpe - threshold) / sharpe_deviation(sample))


def minimum_track_record(sample: SharpeSample, threshold: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many returns are needed until a Sharpe ratio is above a threshold with some confidence.

    Infinite where the ratio is not above the threshold: no length proves that. In periods; divide by periods a year.

    Examples
    --------
    >>> round(minimum_track_record(SharpeSample(0.7079, 134, -0.2250, 2.9570)) / 12, 4)
    0.7152
    """
    if not 0.5 <= confidence < 1.0:  # noqa: PLR2004
        message = f"expected a confidence from 0.5 to below 1; found {confidence!r}"
        raise ParameterError(message)
    if sample.sharpe <= threshold:
        return math.inf
    return 1.0 + _spread(sample) * (_NORMAL.inv_cdf(confidence) / (sample.sharpe - threshold)) ** 2


def expected_maximum(trials: float) -> float:
    """Return the expected largest of so many independent standard normal numbers, 0 for one of them.

    The authors' approximation, 2.3 % too high for ten trials and 0.4 % for a thousand, which errs towards doubt. It has
    no value at one trial, where the answer is 0; between one and two it is a straight line.

    Examples
    --------
    >>> round(expected_maximum(10), 2), round(expected_maximum(100), 10)
    (1.57, 2.5306028932)
    """
    if not trials >= 1 or not math.isfinite(trials):
        message = f"expected at least one trial; found {trials!r}"
        raise ParameterError(message)
    if trials < 2:  # noqa: PLR2004 the formula is not defined at one
        return (trials - 1.0) * expected_maximum(2.0)
    within = (1.0 - EULER) * -_NORMAL.inv_cdf(1.0 / trials)  # the upper tail from the lower one keeps its digits
    return within + EULER * -_NORMAL.inv_cdf(1.0 / (trials * math.e))


def deflated_sharpe(sample: SharpeSample, trials: float, variance: float) -> Deflated:
    """Return the probability that a Sharpe ratio, the best of many, is above what luck reaches in so many trials: DSR.

    Parameters
    ----------
    sample
        The chosen one.
    trials
        How many were tried in all, the chosen one included, at least 1; not only those of the last run.
    variance
        Of the Sharpe ratios of one period of all trials.

    Raises
    ------
    ParameterError
        No trials, or a variance that is negative or, of several trials, missing.

    Examples
    --------
    >>> chosen = SharpeSample(2.5 / 250**0.5, 1250, -3, 10)
    >>> round(deflated_sharpe(chosen, 100, 0.5 / 250).probability, 4)
    0.9004
    """
    if not (math.isfinite(variance) and variance >= 0.0):
        message = (
            f"expected the variance of the trials' Sharpe ratios; found {variance!r}. It takes at least two trials "
            "with a value: of one combination there is nothing to deflate, use the probabilistic Sharpe ratio"
        )
        raise ParameterError(message)
    threshold = math.sqrt(variance) * expected_maximum(trials)
    return Deflated(probabilistic_sharpe(sample, threshold), threshold, float(trials), variance)


def minimum_backtest_length(trials: float, sharpe: float) -> float:
    """Return the years below which the best of so many worthless trials is expected to reach a yearly Sharpe ratio.

    Examples
    --------
    >>> round(minimum_backtest_length(45, 1.0), 3)
    4.998
    """
    if not sharpe > 0.0:
        message = f"expected a yearly Sharpe ratio above 0; found {sharpe!r}"
        raise ParameterError(message)
    return (expected_maximum(trials) / sharpe) ** 2


def effective_trials(correlation: float, trials: float) -> float:
    """Return how many independent trials so many correlated ones are worth: ``ρ + (1 - ρ) N``.

    `correlation` is the average of all pairs, as of `average_correlation`; a negative one counts as none.

    Examples
    --------
    >>> effective_trials(0.9, 101)
    11.0
    """
    if not -1.0 <= correlation <= 1.0:
        message = f"expected a correlation from -1 to 1; found {correlation!r}"
        raise ParameterError(message)
    held = max(correlation, 0.0)
    return held + (1.0 - held) * trials


def average_correlation(returns: NDArray[Any]) -> float:
    """Return the average correlation of all pairs of rows ``(N, T)``, without those that never vary; NaN of one row.

    Examples
    --------
    >>> average_correlation(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]))
    1.0
    """
    around = returns - returns.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("nt,nt->n", around, around))
    around, norms = around[norms > 0.0], norms[norms > 0.0]
    rows = len(around)
    if rows < 2:  # noqa: PLR2004 a pair
        return math.nan
    total = (1.0 / norms) @ around
    return float(np.clip((total @ total - rows) / (rows * (rows - 1)), -1.0, 1.0))
