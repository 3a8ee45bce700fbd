"""Performance of one run against a benchmark: paths as in `performance`, benchmark prices (T,) above zero."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel
from stockstream_kernels.performance import ROUNDING, path_sums

type Series = NDArray[np.float64]


class Relative(NamedTuple):
    """Measures against a benchmark."""

    alpha: float
    beta: float
    correlation: float
    information_ratio: float
    tracking_error: float
    benchmark_return: float
    up_capture: float
    down_capture: float


@kernel
def geometric_mean(logs: float, count: int) -> float:
    """Return the mean return whose compounding gives the sum of logarithms; NaN without periods."""
    return np.expm1(logs / count) if count > 0 else np.nan


@kernel
def capture(equity: Series, benchmark: Series, sign: float) -> float:
    """Return the ratio of geometric mean returns over the bars on which the benchmark moved in a direction."""
    own, other, count = 0.0, 0.0, 0
    for t in range(1, len(equity)):
        move = benchmark[t] / benchmark[t - 1]
        if sign * (move - 1.0) > 0.0:
            growth = equity[t] / equity[t - 1]
            own += np.log(growth) if growth > 0.0 else -np.inf
            other += np.log(move)
            count += 1
    return geometric_mean(own, count) / geometric_mean(other, count) if count > 0 else np.nan


@kernel
def relative_returns(equity: Series, benchmark: Series, own: float, other: float) -> tuple[float, float, float, float]:
    """Return the squares, the products and the squares of differences about the means of both, summed."""
    square_own = square_other = products = square_active = 0.0
    for t in range(1, len(equity)):
        first = equity[t] / equity[t - 1] - 1.0 - own
        second = benchmark[t] / benchmark[t - 1] - 1.0 - other
        square_own += first * first
        square_other += second * second
        products += first * second
        square_active += (first - second) * (first - second)
    return square_own, square_other, products, square_active


@kernel
def path_relative(equity: Series, benchmark: Series, periods_per_year: float, hurdle: float) -> Relative:
    """Compare the returns of a path with those of benchmark prices (T,) from the second bar on.

    Nothing is known of the benchmark before its first price, so the first bar is left out of both.
    """
    count = len(equity) - 1
    if count < 2:
        return Relative(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    own = path_sums(equity[1:], equity[0], hurdle)
    other = path_sums(benchmark[1:], benchmark[0], hurdle)
    square_own, square_other, products, square_active = relative_returns(equity, benchmark, own.mean, other.mean)
    moving = own.highest - own.lowest > ROUNDING
    alpha = beta = correlation = information = np.nan
    if other.highest - other.lowest > ROUNDING:
        beta = products / square_other if moving else 0.0
        alpha = (own.mean - hurdle - beta * (other.mean - hurdle)) * periods_per_year
        if moving:
            correlation = max(min(products / np.sqrt(square_own * square_other), 1.0), -1.0)
    deviation = np.sqrt(square_active / (count - 1))
    if deviation > ROUNDING:
        information = (own.mean - other.mean) / deviation * np.sqrt(periods_per_year)
    return Relative(
        alpha,
        beta,
        correlation,
        information,
        deviation * np.sqrt(periods_per_year),
        other.growth - 1.0,
        capture(equity, benchmark, 1.0),
        capture(equity, benchmark, -1.0),
    )


@kernel
def rolling_beta(equity: Series, benchmark: Series, window: int, out: Series) -> None:
    """Write (T,): beta of the last `window` returns, from bar `window` on."""
    out[:] = np.nan
    for t in range(window, len(equity)):
        begin = t - window
        out[t] = path_relative(equity[begin : t + 1], benchmark[begin : t + 1], 1.0, 0.0).beta
