"""Combinatorial purged cross-validation of a choice of parameters: many paths instead of one."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.backtesting.engine import settings_of
from stockstream.errors import ParameterError, counted
from stockstream.research.choosing import choose, values_of
from stockstream.research.out_of_sample import Stretches
from stockstream.research.question import hurdle_of
from stockstream.research.splitters import CombinatorialSplit

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.grid import Grid
    from stockstream.research.results import Sweep


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CrossValidated:
    """Combinatorial purged cross-validation: whole paths made of tests, each of parameters chosen elsewhere.

    Unlike a walk-forward, training includes sessions after a test: it judges the choice, not a history that could have
    been lived.

    Attributes
    ----------
    paths
        ``(paths, T)``: returns of one period; each path goes through all sessions.
    sharpe
        ``(paths,)``: yearly Sharpe ratio of each.
    splits
        One row a split: its test groups, the parameters chosen, the yearly ratio in training.
    """

    paths: NDArray[np.float64] = field(repr=False)
    sharpe: NDArray[np.float64]
    splits: pl.DataFrame
    sweep: Sweep = field(repr=False)
    seconds: float

    def __repr__(self) -> str:
        low, middle, high = np.nanquantile(self.sharpe, (0.05, 0.5, 0.95))
        made = f"{counted(len(self.sharpe), 'path')} out of {counted(self.splits.height, 'split')}"
        return (
            f"{made}: Sharpe ratio {middle:.2f} in the middle, {low:.2f} to {high:.2f} for nine in ten; "
            f"{(self.sharpe < 0).mean():.0%} of the paths below 0"
        )


def cross_validate(  # noqa: PLR0913 as above
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Grid,
    *,
    groups: int = 10,
    test_groups: int = 2,
    purge: int = 0,
    embargo: int = 0,
    select: str = "sharpe",
    where: pl.Expr | None = None,
    workers: int | None = None,
    **settings: Any,
) -> CrossValidated:
    """Choose parameters on all sessions but some groups, trade them there, for every choice of groups.

    Parameters
    ----------
    groups, test_groups, purge, embargo
        As of `CombinatorialSplit`.
    strategy, bars, grid, select, where, workers, **settings
        As of `walk_forward`. Each group of a test starts flat, with the initial cash, and is closed at its end.

    Raises
    ------
    ParameterError
        One combination, groups that do not fit the bars, or gaps that leave nothing to learn on.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> from stockstream.backtesting.strategies import MovingAverageCrossover
    >>> close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 300)), axis=1))
    >>> dates = np.arange("2024-01-01", "2024-10-27", dtype="datetime64[D]")
    >>> bars = ss.Bars.from_arrays(
    ...     symbols=["X"], dates=dates, **dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    ... )
    >>> grid = {"fast_period": [3, 5], "slow_period": [10, 20]}
    >>> cross_validate(MovingAverageCrossover, bars, grid, groups=5, embargo=5).paths.shape
    (4, 300)
    """
    started = time.perf_counter()
    splitter = CombinatorialSplit(groups=groups, test_groups=test_groups, purge=purge, embargo=embargo)
    splits = list(splitter.split(bars.dates))
    swept, choices = choose(strategy, bars, grid, splits, select, {"where": where, "workers": workers, **settings})
    if swept.combinations == 1:
        message = (
            "expected at least two combinations to choose from; found 1: all paths would be the same. Look at its "
            "backtest, or add values to the grid"
        )
        raise ParameterError(message)
    blocks = Stretches(strategy, bars, swept, settings)
    chosen = settings_of(**settings)
    paths, filled = np.zeros((splitter.paths, len(bars.dates))), [0] * groups
    borders = splitter.borders(len(bars.dates))
    for tested, choice in zip(splitter.choices(), choices, strict=True):
        for group in tested:
            begin, end = int(borders[group]), int(borders[group + 1])
            paths[filled[group], begin:end] = blocks.returns(choice.row, begin, end, chosen.cash)
            filled[group] += 1
    excess = paths - hurdle_of(chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = excess.mean(axis=1) / excess.std(axis=1, ddof=1) * math.sqrt(chosen.periods_per_year)
    import polars as pl

    rows = [
        {
            "test": ", ".join(map(str, tested)),
            **values_of(swept, choice),
            "in_sample": choice.sharpe * math.sqrt(chosen.periods_per_year),
        }
        for tested, choice in zip(splitter.choices(), choices, strict=True)
    ]
    return CrossValidated(
        paths=paths,
        sharpe=sharpe,
        splits=pl.DataFrame(rows, infer_schema_length=None),
        sweep=swept,
        seconds=time.perf_counter() - started,
    )
