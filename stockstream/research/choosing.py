"""Which combination is best on which sessions: one sweep for all windows.

The sweep runs every combination once over all sessions and keeps sums of its returns between the borders of windows; a
ratio of any combination on any window is read from those sums. A strategy of rules is causal, so its returns up to a
border are what a sweep that ended there would give.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.errors import ParameterError, did_you_mean
from stockstream.research.collect import why_nothing_ran
from stockstream.research.question import hurdle_of
from stockstream.research.splitters import runs_of
from stockstream.research.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.grid import Grid
    from stockstream.research.results import Sweep

#: What can select on a training window: the ratio of mean and deviation of returns, or the mean.
SELECTORS: Final = ("sharpe", "mean_return")

#: Sessions of training below which a choice is noise.
FEWEST_TRAINED: Final = 20


class Choice(NamedTuple):
    """What was chosen on one training window.

    Attributes
    ----------
    row
        Of the sweep; -1 where no combination traded.
    sharpe
        Of one period, on the training window.
    mean
        Return of one period there.
    """

    row: int
    sharpe: float
    mean: float


def choose(
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Grid,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    select: str,
    options: dict[str, Any],
) -> tuple[Sweep, list[Choice]]:
    """Sweep all sessions once, and choose for every split ``(places to learn on, places to be judged on)``."""
    if select not in SELECTORS:
        message = f"expected select to be {' or '.join(SELECTORS)}; found {select!r}.{did_you_mean(select, SELECTORS)}"
        raise ParameterError(message)
    _check_grid(grid)
    fewest = min(len(learn) for learn, _ in splits)
    if fewest < FEWEST_TRAINED:
        message = (
            f"expected at least {FEWEST_TRAINED} sessions to choose on in every window; found {fewest}. Train longer"
        )
        raise ParameterError(message)
    learned = [runs_of(learn) for learn, _ in splits]
    edges = sorted({0, len(bars.dates), *(edge for runs in learned for run in runs for edge in run)})
    portfolio = "each" if len(bars.symbols) == 1 else "shared"
    swept = sweep(
        strategy, bars, grid, blocks=edges, portfolio=portfolio, metrics=["sharpe"], progress=False, **options
    )
    if swept.runs == 0:
        message = f"expected combinations to choose from: {why_nothing_ran(swept.failures)}"
        raise ParameterError(message)
    weights = np.zeros((len(splits), len(edges) - 1))
    place = {edge: number for number, edge in enumerate(edges)}
    for window, runs in enumerate(learned):
        for begin, end in runs:
            weights[window, place[begin] : place[end]] = 1.0
    sums = swept.block_sums
    number, total, square = (weights @ sums[:, :, part].T for part in range(3))
    return swept, _best(number, total, square, hurdle_of(swept.settings), select)


def _best(
    number: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    hurdle: float,
    select: str,
) -> list[Choice]:
    """Choose from sums ``(windows, runs)``; a run that never traded in a window is not chosen there."""
    mean = total / number
    traded = square > 0.0
    deviation = np.sqrt(np.maximum(square - total * mean, 0.0) / (number - 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (mean - hurdle) / deviation
    ranked = np.where(traded & np.isfinite(ratio), ratio if select == "sharpe" else mean, -np.inf)
    rows = ranked.argmax(axis=1)
    return [
        Choice(int(row), float(ratio[window, row]), float(mean[window, row]))
        if np.isfinite(ranked[window, row])
        else Choice(-1, math.nan, 0.0)
        for window, row in enumerate(rows)
    ]


def _check_grid(grid: Grid) -> None:
    names = grid if hasattr(grid, "keys") else itertools.chain.from_iterable(grid)
    for name in names:
        if "." in str(name):
            message = (
                f"expected parameters of the strategy in the grid; {name!r} is a setting: it is not chosen by the past"
            )
            raise ParameterError(message)


def values_of(swept: Sweep, choice: Choice) -> dict[str, Any]:
    """Return the parameters of a choice, None for each where nothing was chosen."""
    if choice.row < 0:
        return dict.fromkeys(swept.parameters)
    row = swept.frame.row(choice.row, named=True)
    return {name: row[name] for name in swept.parameters}
