"""Whether the best of many beats a benchmark: White's Reality Check and Hansen's test of superior predictive ability.

Both ask how large the best mean return over the benchmark gets by resampling alone, when no run is better. The work is
done by `arch.bootstrap.SPA` (extra ``research``), whose argument `studentize` has no effect in version 8: the statistic
is the largest mean difference itself, not divided by its error. So its "upper" p-value is White's Reality Check (2000),
and its "consistent" one recentres as Hansen (2005) does, without his studentising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.errors import DataError, ParameterError, StockstreamError
from stockstream.research.overfitting import returns_of
from stockstream.research.sampled import MOST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Runs whose best block lengths are averaged.
MEASURED: Final = 20


class RealityCheck(NamedTuple):
    """P-values of "no run is better than the benchmark"; small ones speak against it.

    Attributes
    ----------
    white
        White's Reality Check: every run counts, bad ones make it milder.
    hansen
        Hansen's recentring: runs that are clearly worse than the benchmark are left out.
    block
        Mean length of the resampled blocks, in bars.
    runs, repetitions
        Compared, and resampled.
    """

    white: float
    hansen: float
    block: float
    runs: int
    repetitions: int


def reality_check(
    returns: ArrayLike,
    benchmark: ArrayLike | None = None,
    *,
    block: float | None = None,
    repetitions: int = 1_000,
    seed: int = 0,
) -> RealityCheck:
    """Test whether the best of many runs is better than a benchmark, the choice included.

    Parameters
    ----------
    returns : (N, T)
        Of at least two and at most 5,000 runs, drawn without looking at their performance: `sampled_returns`.
    benchmark : (T,)
        Returns to beat; None for cash, returns of zero.
    block
        Mean length of the blocks of the stationary bootstrap; None for the average of what Politis and White's rule
        gives for 20 of the runs.
    repetitions, seed
        Resamples, and what draws them. Time grows with N times the square of T: 200 runs of ten years take seconds,
        5,000 minutes.

    Raises
    ------
    DataError, ParameterError
        One run, more than 5,000, returns that are not finite, never vary or are too few.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(0, 0.01, (5, 200))
    >>> reality_check(noise, block=1, repetitions=200).white > 0.05
    True
    """
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or not 2 <= len(table) <= MOST:  # noqa: PLR2004
        message = f"expected returns of 2 to {MOST:,} runs, shape (runs, T); found {table.shape}"
        raise ParameterError(message)
    level = np.zeros(table.shape[1]) if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    if level.shape != table.shape[1:]:
        message = f"expected a benchmark of {table.shape[1]:,} returns; found shape {level.shape}"
        raise DataError(message)
    for name, values in (("returns", table), ("returns of the benchmark", level)):
        unknown = int((~np.isfinite(values)).sum())
        if unknown:
            message = f"expected finite {name}; found {unknown:,} that are not. Leave out those sessions of all runs"
            raise DataError(message)
    traded = table[np.ptp(table, axis=1) > 0.0]
    if len(traded) == 0:
        message = "expected runs that traded; the returns of all of them never vary"
        raise DataError(message)
    returns_of(traded[0])
    length = _length(traded, seed) if block is None else float(block)
    if not 1.0 <= length < table.shape[1]:
        message = f"expected blocks of 1 to {table.shape[1] - 1} bars; found {block!r}"
        raise ParameterError(message)
    spa = _arch().SPA(-level, -table.T, block_size=round(length), reps=repetitions, seed=np.random.default_rng(seed))
    spa.compute()
    values = spa.pvalues
    return RealityCheck(float(values["upper"]), float(values["consistent"]), round(length), len(table), repetitions)


def block_length(returns: ArrayLike) -> float:
    """Return the mean block length of a stationary bootstrap by Politis and White's rule, at least 1."""
    series = returns_of(returns)
    length = float(_arch().optimal_block_length(series)["stationary"].iloc[0])
    return float(np.clip(length if np.isfinite(length) else 1.0, 1.0, len(series) / 3))


def _length(traded: NDArray[np.float64], seed: int) -> float:
    drawn = np.random.default_rng(seed).permutation(len(traded))[:MEASURED]
    return float(np.mean([block_length(traded[row]) for row in drawn]))


def _arch() -> Any:
    """Return the module that resamples."""
    try:
        import arch.bootstrap
    except ModuleNotFoundError as error:
        message = 'resampling needs the package arch; type `pip install "stockstream[research]"`'
        raise StockstreamError(message) from error
    return arch.bootstrap
