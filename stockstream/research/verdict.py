"""The best of a sweep against what luck gives, in figures and in one sentence that claims no more than they do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.research.collect import why_nothing_ran
from stockstream.research.deflation import deflation
from stockstream.research.overfitting import (
    Deflated,
    SharpeSample,
    minimum_backtest_length,
    minimum_track_record,
    probabilistic_sharpe,
)
from stockstream.research.question import hurdle_of
from stockstream.research.selection import BLOCKS, FEWEST_IN_BLOCK, Overfitting, overfitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.research.results import Sweep
    from stockstream.research.trials import Tried

#: Deflated Sharpe ratios from which the words change.
LIKELY: Final = 0.95
OPEN: Final = 0.5

#: Probability of backtest overfitting above which choosing among the runs is called no better than luck.
TOO_MUCH: Final = 0.3


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Verdict:
    """What the best row of a sweep proves.

    Attributes
    ----------
    row
        The best row by Sharpe ratio.
    sample
        Its Sharpe ratio of one period, how many returns, their skewness and kurtosis.
    probabilistic
        Probability that its true ratio is above 0, were it the only trial.
    track_record
        Years until that is 95 %; infinite where the ratio is not above 0.
    tried
        What was tried on overlapping listings and dates, this sweep included.
    correlation
        Average of the pairs among 24 runs of the sweep at most; NaN of a single run.
    effective
        Independent trials that `tried.trials` are worth at that correlation.
    deflated, deflated_effective
        The deflated Sharpe ratio with all trials, and with the effective number of them.
    backtest_years
        Length below which the best of so many worthless trials is expected to reach this ratio; NaN of a ratio below 0.
    years
        Length of the backtest.
    overfitting
        The probability of backtest overfitting; None where `missing` says why.
    """

    row: Mapping[str, Any]
    sample: SharpeSample
    probabilistic: float
    track_record: float
    tried: Tried
    correlation: float
    effective: float
    deflated: Deflated
    deflated_effective: Deflated
    backtest_years: float
    years: float
    overfitting: Overfitting | None
    missing: str = field(default="")

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        if self.sample.sharpe <= 0.0:
            return "The best run did not earn more than cash: there is nothing to prove."
        carried = self.overfitting is None or self.overfitting.probability <= TOO_MUCH
        return against_luck(self.deflated.probability, self.tried.trials, carried=carried)

    def lines(self) -> list[tuple[str, str]]:
        """Return (what, figure) for tables."""
        year = math.sqrt(self.sample.observations / self.years)
        pbo = self.missing if self.overfitting is None else f"{self.overfitting.probability:.1%}"
        sweeps = "sweep" if self.tried.sweeps == 1 else "sweeps"
        record = "no length" if math.isinf(self.track_record) else f"{self.track_record:,.1f} years"
        return [
            ("Sharpe ratio of the best", f"{self.sample.sharpe * year:.2f} a year, over {self.years:.1f} years"),
            ("Probability that it is above 0, as a single trial", f"{self.probabilistic:.1%}"),
            ("Record needed for 95 %, as a single trial", record),
            ("Trials on these listings and dates", f"{self.tried.trials:,.0f} in {self.tried.sweeps:,} {sweeps}"),
            ("Independent trials that they are worth", f"{self.effective:,.0f}, correlation {self.correlation:.2f}"),
            ("Ratio that luck reaches in all of them", f"{self.deflated.threshold * year:.2f} a year"),
            ("Deflated Sharpe ratio, all trials", f"{self.deflated.probability:.1%}"),
            ("Deflated Sharpe ratio, effective trials", f"{self.deflated_effective.probability:.1%}"),
            ("Probability of backtest overfitting", pbo),
        ]

    def __repr__(self) -> str:
        width = max(len(what) for what, _ in self.lines())
        return "\n".join([*(f"{what:<{width}}  {figure}" for what, figure in self.lines()), "", self.sentence])


def against_luck(chance: float, trials: float, *, carried: bool = True) -> str:
    """Say what a deflated Sharpe ratio says; `carried`: the choice among the runs carried over to other sessions.

    Examples
    --------
    >>> against_luck(0.2, 600).partition(":")[0], against_luck(0.6, 600).partition(":")[0]
    ('Luck explains it', 'Not proven')
    """
    luck = f"the best of {counted(trials, 'trial')} without any skill"
    if chance >= LIKELY:
        said = f"With a probability of {chance:.1%} the Sharpe ratio is above what {luck} is expected to reach"
        if not carried:
            return f"{said}, but the choice among the runs did not carry over to other sessions."
        return f"{said}; that says nothing about trials that were not counted, nor about the future."
    if chance >= OPEN:
        return f"Not proven: a probability of {chance:.1%} to be above what {luck} should reach is not enough."
    return f"Luck explains it: {luck} would be expected to have a higher Sharpe ratio than this."


def verdict_of(swept: Sweep) -> Verdict:
    """Judge the best row of a sweep by its Sharpe ratio.

    Raises
    ------
    ParameterError
        A sweep without Sharpe ratios, with a single combination, or with none that could be run.
    DataError
        Too few sessions, or a best run without returns.
    """
    if "sharpe" not in swept.metrics:
        message = "a verdict needs Sharpe ratios: sweep with metrics=[..., 'sharpe']"
        raise ParameterError(message)
    if swept.runs == 0:
        message = f"a verdict needs runs: {why_nothing_ran(swept.failures)}"
        raise ParameterError(message)
    if swept.runs < 2:  # noqa: PLR2004 nothing was chosen
        message = "one combination was run: nothing was chosen, so nothing is deflated. Use probabilistic_sharpe"
        raise ParameterError(message)
    alone = swept.portfolio == "each" and len(swept.bars.symbols) > 1
    best = swept.best("sharpe", by="symbol" if alone else None)
    found, periods = deflation(swept, best), swept.settings.periods_per_year
    sample, tried = found.sample, found.tried
    pbo, missing = _overfitting(swept, hurdle_of(swept.settings))
    sharpe = sample.sharpe * math.sqrt(periods)
    return Verdict(
        row=best,
        sample=sample,
        probabilistic=probabilistic_sharpe(sample),
        track_record=minimum_track_record(sample) / periods,
        tried=tried,
        correlation=found.correlation,
        effective=found.effective,
        deflated=found.all_trials,
        deflated_effective=found.independent,
        backtest_years=minimum_backtest_length(tried.trials, sharpe) if sharpe > 0.0 else math.nan,
        years=sample.observations / periods,
        overfitting=pbo,
        missing=missing,
    )


def _overfitting(swept: Sweep, hurdle: float) -> tuple[Overfitting | None, str]:
    if not swept.blocks:
        found, fewest = len(swept.bars.dates), BLOCKS * FEWEST_IN_BLOCK
        if found < fewest:
            return None, f"not measured: it takes at least {fewest} sessions; found {found}"
        return None, f"not measured: sweep with blocks={BLOCKS}"
    try:
        return overfitting(swept.block_sums, hurdle=hurdle), ""
    except StockstreamError as error:
        return None, f"not measured: {error}"
