"""A row of a sweep against all that was tried: its Sharpe ratio, how many trials, and what luck reaches in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.research.overfitting import (
    Deflated,
    SharpeSample,
    average_correlation,
    deflated_sharpe,
    effective_trials,
    sharpe_sample,
)
from stockstream.research.question import hurdle_of
from stockstream.research.sampled import returns_of_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from stockstream.research.results import Sweep
    from stockstream.research.trials import Tried

#: Combinations whose average correlation is taken: 276 pairs give it to 0.02 to 0.04 (measured on three walks; 32
#: combinations to 0.015 to 0.04), which the count of trials, under
#: a logarithm, does not feel; more would be felt beside the fastest sweep of 100,000.
CORRELATED: Final = 24


class Deflation(NamedTuple):
    """What a row is measured against.

    Attributes
    ----------
    sample
        Sharpe ratio of one period of the row's run, how many returns, their skewness and kurtosis.
    tried
        What the ledger counts on overlapping listings and dates, at least this sweep; the variance is of one period.
    correlation
        Average of the pairs among 24 runs of the sweep at most; NaN where there is none.
    effective
        Independent trials that `tried.trials` are worth at that correlation.
    all_trials, independent
        The deflated Sharpe ratio with all trials, and with the effective number of them.
    """

    sample: SharpeSample
    tried: Tried
    correlation: float
    effective: float
    all_trials: Deflated
    independent: Deflated


def deflation(swept: Sweep, row: Mapping[str, Any]) -> Deflation:
    """Measure a row of a sweep against everything that was tried on its prices.

    Raises
    ------
    ParameterError
        A sweep without Sharpe ratios, a single trial, or a row that is a mean over accounts.
    DataError
        Too few returns, or a run without any trade.
    """
    alone = swept.portfolio == "each" and len(swept.bars.symbols) > 1
    if "sharpe" not in swept.metrics:
        message = "nothing is deflated without Sharpe ratios: sweep with metrics=[..., 'sharpe']"
        raise ParameterError(message)
    if alone and "symbol" not in row:
        message = (
            "a mean over accounts is no account, so it has no Sharpe ratio to deflate: sweep with portfolio='shared', "
            "or ask by='symbol'"
        )
        raise ParameterError(message)
    tried = _tried(swept)
    returns, correlation = _measured(swept, row, row["symbol"] if alone else None)
    sample = sharpe_sample(returns - hurdle_of(swept.settings))
    effective = effective_trials(correlation if math.isfinite(correlation) else 0.0, tried.trials)
    return Deflation(
        sample=sample,
        tried=tried,
        correlation=correlation,
        effective=effective,
        all_trials=deflated_sharpe(sample, tried.trials, tried.variance),
        independent=deflated_sharpe(sample, effective, tried.variance),
    )


def with_deflation(swept: Sweep, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what it proves: the deflated Sharpe ratio with all trials and with their effective number.

    ``deflated_sharpe``, ``trials``, ``deflated_sharpe_effective`` and ``trials_effective``; None where nothing can be
    said, and ``not_deflated`` then says why. A column of the sweep that has one of these names keeps its value.
    """
    names = ("deflated_sharpe", "trials", "deflated_sharpe_effective", "trials_effective")
    try:
        found = deflation(swept, row)
    except StockstreamError as error:
        return {**dict.fromkeys(names), "not_deflated": str(error), **row}
    figures = (found.all_trials.probability, found.tried.trials, found.independent.probability, found.effective)
    said = dict(zip(names, figures, strict=True))
    return {**row, **{name: value for name, value in said.items() if name not in row}}


def said_of_best(swept: Sweep) -> str:
    """Say in one line what the best Sharpe ratio of a sweep is worth, or nothing where nothing can be said."""
    alone = swept.portfolio == "each" and len(swept.bars.symbols) > 1
    try:
        row = swept.best("sharpe", by="symbol" if alone else None)
    except StockstreamError:
        return ""
    return said_of(row, row["symbol"] if alone else "")


def said_of(row: Mapping[str, Any], symbol: str = "") -> str:
    """Say the same of one row of `with_deflation`."""
    if row["deflated_sharpe"] is None or "not_deflated" in row:
        return ""
    of = f" ({symbol})" if symbol else ""
    raw, effective = counted(row["trials"], "trial"), counted(row["trials_effective"], "independent one")
    return (
        f"best Sharpe ratio {row['sharpe']:.2f}{of}, deflated {row['deflated_sharpe']:.1%} after {raw}, "
        f"{row['deflated_sharpe_effective']:.1%} after the {effective} that they are worth"
    )


def _tried(swept: Sweep) -> Tried:
    """Return what the ledger counts, at least this sweep, with the variance of the ratios of one period.

    Raises
    ------
    ParameterError
        Fewer than two trials in all: nothing was chosen.
    """
    first, last = (str(day) for day in swept.bars.dates[[0, -1]])
    tried = swept.ledger.tried(swept.bars.symbols, first, last)
    variance = tried.variance
    if not math.isfinite(variance) and swept.ratios is not None:
        variance = swept.ratios.variance / swept.settings.periods_per_year
    tried = tried._replace(trials=max(tried.trials, float(swept.runs)), sweeps=max(tried.sweeps, 1), variance=variance)
    if tried.trials < 2:  # noqa: PLR2004 nothing was chosen
        message = "one combination was run: nothing was chosen, so nothing is deflated. Use probabilistic_sharpe"
        raise ParameterError(message)
    return tried


def _measured(swept: Sweep, row: Mapping[str, Any], symbol: str | None) -> tuple[NDArray[np.float64], float]:
    """Return the returns of a row, and the average correlation of runs drawn without looking at how they did.

    The correlation is measured once for each sweep and symbol, in the same call as the first row.
    """
    own = {name: row[name] for name in swept.parameters}
    drawn: list[dict[str, Any]] = []
    if symbol not in swept.correlations:
        try:
            drawn = swept.grid.drawn(CORRELATED).to_dicts()
        except StockstreamError:  # a constraint so tight that nothing can be drawn: all trials count as independent
            swept.correlations[symbol] = math.nan
    returns = returns_of_rows(swept, [own, *(one for one in drawn if one != own)], symbol)
    if symbol not in swept.correlations:
        try:
            swept.correlations[symbol] = average_correlation(returns if own in drawn else returns[1:])
        except StockstreamError:  # none of them traded
            swept.correlations[symbol] = math.nan
    return returns[0], swept.correlations[symbol]
