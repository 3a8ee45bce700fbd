"""Returns of some combinations of a sweep, drawn without looking at how they did."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import DataError, ParameterError, counted
from stockstream.research.collect import Collector
from stockstream.research.question import BLOCK_SUMS, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stockstream.research.collect import Batch
    from stockstream.research.results import Sweep

#: Combinations whose whole returns are looked at, at most: their table of ten years of days takes 100 MB.
MOST: Final = 5_000

#: Place of the sum of returns among what a block reports.
RETURN: Final = BLOCK_SUMS.index("return")

#: Bar-runs that take less time than starting threads for them.
SHORT: Final = 200_000

#: Bytes that such a short piece of work may take, without asking what is free.
FREE: Final = 4e9

#: Numbers that runs leave before they are picked over: 100 MB.
PLANNED: Final = 12_500_000


def sampled_returns(
    swept: Sweep, most: int = MOST, *, seed: int = 0, symbol: str | None = None, chosen: dict[str, Any] | None = None
) -> NDArray[np.float64]:
    """Return ``(N, T)``: returns of combinations drawn at random without repetition, `chosen` first when it is given.

    Parameters
    ----------
    swept
        A sweep; its grid gives the combinations, and their metrics are not looked at.
    most
        How many at most, up to 5,000.
    seed
        The same draws the same.
    symbol
        With several symbols that were run each by itself: which one.
    chosen
        A row that must be among them.

    Raises
    ------
    ParameterError
        More than 5,000, or several symbols and none named.
    DataError
        None of those that were drawn can run.
    """
    if not 1 <= most <= MOST:
        message = f"expected 1 to {MOST:,} combinations; found {most:,}: their returns are held in memory"
        raise ParameterError(message)
    rows = swept.grid.drawn(most, seed).to_dicts()
    if chosen is not None:
        first = {name: chosen[name] for name in swept.parameters}
        rows = [first, *(row for row in rows if row != first)][:most]
    return returns_of_rows(swept, rows, symbol)


def returns_of_rows(swept: Sweep, rows: Sequence[Mapping[str, Any]], symbol: str | None) -> NDArray[np.float64]:
    """Return ``(N, T)``: returns of some combinations of a sweep, in their order, without those that cannot run.

    Raises
    ------
    ParameterError
        Several symbols that were run each by itself, and none named.
    DataError
        None of them can run.
    """
    from stockstream.research.budget import limits_of
    from stockstream.research.crew import Alone, Crew, threads
    from stockstream.research.grid import combinations
    from stockstream.research.jobs import Package
    from stockstream.research.plan import Plan
    from stockstream.research.sweep import Running

    alone = swept.portfolio == "each" and len(swept.bars.symbols) > 1
    if alone and symbol is None:
        message = f"with symbols that were run each by itself, say which one: symbol='{swept.bars.symbols[0]}'"
        raise ParameterError(message)
    bars = swept.bars.select([symbol]) if alone and symbol is not None else swept.bars
    found, shared = combinations(swept.strategy, rows), swept.portfolio == "shared"
    question = EachReturn.of(["final_equity"], None, None, len(bars.dates))
    package = Package(bars, question, swept.strategy if shared else None)
    crew = Alone(package, 1, None) if len(rows) * len(bars.dates) < SHORT else Crew(package, threads(None), None)
    most = FREE if isinstance(crew, Alone) else None
    limits = limits_of(most, question, found, 1, hands=crew.workers, keeps=False)
    limits = replace(limits, batch=min(limits.batch, max(PLANNED // question.width, 1)))
    returns = Returns((), (), found.failures, ())
    with crew:
        plan = Plan.of(swept.strategy, swept.settings, found, limits, returns, crew, shared=shared)
        plan.symbolic = swept.rules
        Running(plan).through()
    if not any(len(part) for part in returns.parts):
        message = f"{counted(len(rows), 'combination')} drawn, of which none could run"
        raise DataError(message)
    return np.concatenate(returns.parts)


@dataclass
class Returns(Collector):
    """Keeps what `EachReturn` asks for: the returns ``(runs, T)`` of a batch, 0 after a run's ruin."""

    parts: list[NDArray[np.float64]] = field(default_factory=list)

    def _give(self, batch: Batch) -> None:
        self.parts.append(batch.values[0][1:, batch.done[0]].T)


class EachReturn(Question):
    """Asks for the sum of the returns of each block and not for the rest: with blocks of a session, for each return."""

    @property
    def width(self) -> int:
        """Columns: the metrics, and one for each block."""
        return len(self.names) + self.blocks

    @property
    def columns(self) -> NDArray[np.int64]:
        """Place of each column in a row of the kernels."""
        every = super().columns
        metrics = len(self.metrics)
        return np.concatenate([every[:metrics], every[metrics + RETURN :: len(BLOCK_SUMS)]])

    def summed(self, paths: NDArray[np.float64], cash: float) -> NDArray[np.float64]:
        """Return ``(blocks, runs)``."""
        return super().summed(paths, cash)[RETURN :: len(BLOCK_SUMS)]
