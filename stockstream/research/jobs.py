"""What a thread or a worker process does in one go: some combinations, on one symbol or on one shared account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.engine import Run, Settings, simulate
from stockstream.backtesting.result import Result
from stockstream.errors import ParameterError, StockstreamError
from stockstream.research.desk import Desk, Shelf, panel_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.collect import Batch
    from stockstream.research.programs import CompiledRules
    from stockstream.research.question import Question
    from stockstream.research.rows import Rows

#: Bars whose runs one thread does in one go: long enough to make its overhead nothing, short enough for progress.
CHUNK_BARS: Final = 16_000_000
MIN_CHUNK: Final = 64

#: The same where every run leaves an equity path: 16 MB of them.
PATH_BARS: Final = 2_000_000


@dataclass(frozen=True, eq=False)
class Package:
    """What all jobs share; sent to each worker process once."""

    bars: Bars
    question: Question
    strategy: type[RuleStrategy] | None  # only where accounts are shared


@dataclass(frozen=True, eq=False)
class Answer:
    """What a job found.

    Attributes
    ----------
    values
        ``(M, n)``; None where they stand in the batch already.
    shortened
        Runs that went the short way.
    refused
        Row of the job -> why it cannot run.
    error
        Why the job as a whole failed, empty when it did not.
    """

    values: NDArray[np.float64] | None
    shortened: int = 0
    refused: Mapping[int, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, eq=False)
class SymbolWork:
    """Combinations on one symbol.

    Where the work is done in this process there are the `desk`, and `out (M, n)` with the `places (C,)` in it.
    """

    symbol: int
    compiled: CompiledRules
    rows: Rows
    slots: NDArray[np.int32]
    values: NDArray[np.float64]
    settings: Settings
    desk: Desk | None = None
    out: NDArray[np.float64] | None = None
    places: NDArray[np.int64] | None = None

    def __call__(self, package: Package) -> Answer:
        """Run them, in pieces whose equity paths fit the memory of a thread."""
        desk = self.desk
        if desk is None:
            bars = package.bars
            shelf = Shelf.of(self.rows, bars, self.symbol, panel_for(self.compiled, bars))
            desk = Desk.of(self.compiled, shelf, self.settings, package.question)
        count = len(self.slots)
        out = np.empty((package.question.width, count)) if self.out is None else self.out
        places = np.arange(count) if self.places is None else self.places
        size = max((PATH_BARS if package.question.paths else CHUNK_BARS) // len(package.bars.dates), 1)
        parts = [slice(first, first + size) for first in range(0, count, size)]
        shortened = sum(desk.run(self.slots[part], self.values[part], out, places[part]) for part in parts)
        return Answer(out if self.out is None else None, shortened)


@dataclass(frozen=True, eq=False)
class AccountWork:
    """Combinations on all symbols with one account each."""

    combinations: Sequence[Mapping[str, Any]]
    settings: Sequence[Settings]

    def __call__(self, package: Package) -> Answer:
        """Run them one by one, each as `backtest` does."""
        question, made = package.question, package.strategy
        if made is None:
            message = "expected the strategy in the package of a shared account"
            raise ParameterError(message)
        values = np.full((question.width, len(self.combinations)), np.nan)
        refused: dict[int, str] = {}
        for place, (parameters, settings) in enumerate(zip(self.combinations, self.settings, strict=True)):
            try:
                strategy = made(**parameters)
                strategy.rules()
            except Exception as error:  # the strategy's own code may raise anything; it is named and counted
                refused[place] = f"{type(error).__name__}: {error}"
                continue
            try:
                result = _account(strategy, package.bars, settings, question)
            except StockstreamError as error:
                refused[place] = str(error)
                continue
            values[:, place] = question.of_result(result)
        return Answer(values, 0, refused)


def _account(strategy: RuleStrategy, bars: Bars, settings: Settings, question: Question) -> Result:
    run = Run.start(bars, settings, quiet=True)
    simulate(run, strategy, "array")
    return Result.of(run, strategy, benchmark=question.benchmark)


type Work = SymbolWork | AccountWork


def answer(work: Work, package: Package) -> Answer:
    """Do the work; what goes wrong in it is an answer too, so that a lost worker can be told from a wrong rule."""
    try:
        return work(package)
    except StockstreamError as error:
        return Answer(np.empty((0, 0)), error=str(error))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return Answer(np.empty((0, 0)), error=f"{type(error).__name__}: {error}")


@dataclass(eq=False)
class Job:
    """Work, and where its results go."""

    batch: Batch
    symbol: int
    places: NDArray[np.int64]
    work: Work
    lost: int = 0  # times that whoever did it died
    carries: bool = False  # the package travels with it
