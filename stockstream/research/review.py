"""The automatic review of a sweep: whether its best combination is a plateau, an edge, or a stroke of luck."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from stockstream.backtesting.measures import DEFINITIONS
from stockstream.backtesting.review.check import Check, Figures, Review, declare

if TYPE_CHECKING:
    import polars as pl

    from stockstream.research.results import Sweep

#: Fewest values of a parameter of which one can be said to lie within the others.
VALUES: Final = 3


@dataclass(frozen=True, eq=False)
class SweepFacts:
    """A sweep as the checks see it: one row per combination, the mean over its symbols."""

    sweep: Sweep
    metric: str

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Parameters and the metric of every combination that has a value."""
        import polars as pl

        value = pl.col(self.metric).cast(pl.Float64)
        means = self.sweep.rows.group_by(self.sweep.parameters, maintain_order=True).agg(value.fill_nan(None).mean())
        return means.filter(pl.col(self.metric).is_finite()).collect()

    @cached_property
    def best(self) -> dict[str, Any]:
        """The row with the largest value."""
        return self.frame.sort(self.metric, descending=True, maintain_order=True).row(0, named=True)

    def written(self, value: float) -> str:
        """Write a value of the metric."""
        return DEFINITIONS[self.metric].format(value) if self.metric in DEFINITIONS else f"{value:.4g}"


@declare(
    "grid-edge",
    "The best lies on the edge of the grid",
    when="a parameter of the best combination has its least or greatest value, of at least {values} values",
    says="The best {metric} stands at {places}. Beyond it nothing was tried, so the best may lie outside.",
    remedy="Widen the grid there until the best is inside, or ask why it wants to leave.",
    values=VALUES,
)
def grid_edge(run: SweepFacts, values: float) -> Figures | None:
    """Ask whether the best is where the grid ends."""
    places = []
    for name in run.sweep.parameters:
        column = run.frame[name]
        if not column.dtype.is_numeric() or column.n_unique() < values:
            continue
        best = run.best[name]
        if best in (column.min(), column.max()):
            places.append(f"{name} = {best}, the {'least' if best == column.min() else 'greatest'} value")
    return {"metric": run.metric, "places": " and ".join(places)} if places else None


@declare(
    "lonely-peak",
    "The best stands alone",
    when="the median of the best combination's neighbours (every parameter one step away) is at most {share:.0%} of it",
    says="The best {metric} is {best}; the median of its neighbourhood is {around}.",
    remedy="Prefer a plateau: sweep.best(..., robust=True) ranks by the neighbourhood.",
    grave=True,
    share=0.5,
)
def lonely_peak(run: SweepFacts, share: float) -> Figures | None:
    """Ask whether the neighbours do as well."""
    from stockstream.errors import ParameterError
    from stockstream.research.neighbours import with_medians

    best = run.best[run.metric]
    if run.frame.height < VALUES or not best > 0.0:
        return None
    try:
        medians = with_medians(run.frame, run.sweep.parameters, run.metric)
    except ParameterError:  # a random sample has no neighbours
        return None
    top = medians.sort(run.metric, descending=True, maintain_order=True).row(0, named=True)
    around = top[f"{run.metric}_median"]
    if around is None or around > share * best:
        return None
    return {"metric": run.metric, "best": run.written(best), "around": run.written(around)}


@declare(
    "most-lose",
    "Most combinations lose",
    when="of at least {least} combinations with a value, less than {share:.0%} are above 0, the best among them",
    says="Of {combinations:,} combinations {above:,} have a {metric} above 0 ({share:.0%}).",
    remedy="An edge that needs the right parameters is likelier to be chance than an edge that needs none.",
    least=10,
    share=0.5,
)
def most_lose(run: SweepFacts, least: float, share: float) -> Figures | None:
    """Ask what a combination taken blindly does."""
    values = run.frame[run.metric].to_numpy()
    above = int((values > 0.0).sum())
    if len(values) < least or not above or above >= share * len(values):
        return None
    return {"combinations": len(values), "above": above, "share": above / len(values), "metric": run.metric}


@declare(
    "combinations-failed",
    "Combinations that could not run",
    when="any combination failed",
    says="{failed:,} combinations could not run; the first reason: {reason}",
    remedy="See sweep.failures; leave them out with where=, so that the grid says what was tried.",
)
def combinations_failed(run: SweepFacts) -> Figures | None:
    """Ask whether all of the grid was tried."""
    return {"failed": run.sweep.failed, "reason": run.sweep.failures["reason"][0]} if run.sweep.failed else None


CHECKS: Final[tuple[Check, ...]] = (grid_edge, lonely_peak, most_lose, combinations_failed)


def review(sweep: Sweep, metric: str) -> Review:
    """Make every check of a sweep; see `Sweep.review`."""
    facts = SweepFacts(sweep, metric)
    if facts.frame.is_empty():
        return Review.of((combinations_failed,), facts)
    return Review.of(CHECKS, facts)
