"""Parameter sweeps: every combination of a grid on every symbol, as a frame of metrics.

Each distinct indicator series is computed once and shared; the runs go through the session steps of the backtest, on a
pool of threads or wherever an executor takes them, without ever holding more than a few equity paths per thread.
"""

from __future__ import annotations

import functools
import time
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.benchmark import benchmark_levels
from stockstream.backtesting.engine import settings_of
from stockstream.backtesting.strategy import RuleStrategy, SignalStrategy, Strategy, TargetStrategy
from stockstream.bars import Bars
from stockstream.errors import DataError, ParameterError
from stockstream.indicators.calling import collector_paused
from stockstream.research.budget import limits_of
from stockstream.research.checkpoint import Checkpoint, identity
from stockstream.research.collect import Best, Collector, Keep, ParquetFile, Ratios
from stockstream.research.crew import Crew, threads
from stockstream.research.grid import Grid, combinations
from stockstream.research.jobs import Package
from stockstream.research.plan import Plan
from stockstream.research.progress import Bar
from stockstream.research.question import BLOCK_SUMS, DEFAULT_METRICS, Question
from stockstream.research.recording import entry_of, sketch_of
from stockstream.research.results import Path, Sweep
from stockstream.research.trials import record_or_warn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path as FilePath

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.research.collect import Outlet
    from stockstream.research.crew import Hands
    from stockstream.research.jobs import Answer, Job
    from stockstream.research.question import Reduction

__all__ = ["DEFAULT_METRICS", "Path", "Sweep", "sweep"]

#: Rows that stay in memory when all are written to a file.
KEPT_ROWS: Final = 100

PORTFOLIOS: Final = ("each", "shared")

#: Bar-runs below which no garbage is collected on the way: looking for it took up to a fifth of a call of 20,000 pairs.
SHORT: Final = 1_000_000_000


def sweep(  # noqa: PLR0913 one argument per thing that can be chosen
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Grid,
    *,
    where: pl.Expr | None = None,
    sample: int | None = None,
    seed: int = 0,
    metrics: Sequence[str] = DEFAULT_METRICS,
    reduce: Mapping[str, Reduction] | None = None,
    benchmark: Any = None,
    blocks: int | Sequence[int] = 0,
    portfolio: str = "each",
    max_bytes: float | None = None,
    out: str | FilePath | None = None,
    top_k: int | None = None,
    top_by: str | None = None,
    checkpoint: str | FilePath | None = None,
    executor: Hands | None = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], None] = True,
    record: bool = True,
    **settings: Any,
) -> Sweep:
    """Run a strategy of rules with every combination of a grid.

    Parameters
    ----------
    strategy
        A `RuleStrategy` class; its constructor takes the parameters.
    bars
        The symbols; each is run alone, with its own cash, unless the portfolio is shared.
    grid
        Name -> values, such as ``{"fast_period": range(5, 60)}``, or a list of combinations. Names with a dot are
        settings: ``"costs.commission"``, ``"costs.slippage"``, ``"sizing.amount"``, ``"settings.leverage"`` and others.
    where
        Polars expression over the parameters that a combination must satisfy.
    sample, seed
        Run so many of the combinations, drawn at random without repetition; a seed always draws the same.
    metrics
        Which measures to keep: any field of `Metrics`, ``final_equity`` or ``ambiguous_bars``.
    reduce
        Name -> function of equity paths ``(runs, T)``, in money at each close, and the dates ``(T,)`` that gives one
        number a run, ``(runs,)``; it becomes a column beside the metrics. Called from several threads.
    benchmark
        As of `backtest`; a symbol or ``"universe"`` is taken from all bars.
    blocks
        Cut the sessions into so many contiguous blocks and keep, for each run and block, how many returns there are,
        their sum and the sum of their squares, as `Sweep.block_sums`: what Sharpe ratios of any union of blocks need.
        A list gives the first session of each block, from 0 on, and the number of sessions.
    portfolio
        ``"each"``: one row per symbol and combination. ``"shared"``: one row per combination, all symbols on one
        account. A rank sees all symbols in both.
    max_bytes
        Bound of the bytes by which the sweep makes this process grow; None for a quarter of what is free: rows that are
        kept, batches of combinations with their results until these are written, series, equity paths, the tapes of
        symbols, results that wait for the checkpoint, and what allocators keep of what was given back. Not in it: the
        bars; what a process takes once, on its first sweep, for kernels, libraries and threads (about 12 MB beside
        their code); what a reduction takes, and other processes of an executor; making a list or sample of
        combinations, which then count at 8 bytes a number.
    out
        A ``.parquet`` file for all rows; the frame then holds the best ones only.
    top_k, top_by
        Keep only so many rows in memory, the best by a metric (default the first of ``sharpe`` and the metrics); a
        minus before it looks for the smallest. With `out` 100 unless said otherwise.
    checkpoint
        A folder that remembers what is done: the same sweep with the same folder goes on where it was.
    executor
        An executor of `concurrent.futures`, such as ``ProcessPoolExecutor()`` or that of a Dask client, or a function
        that makes one (a pool whose worker died is then replaced); None for threads.
    workers
        Threads; None for one per core.
    progress
        True shows a bar, False nothing; a function is called with runs done and runs in all.
    record
        Count the combinations in the ledger of trials (`Sweep.ledger`).
    **settings
        Options of `stockstream.backtest`: cash, costs, sizing, fill, …

    Returns
    -------
    Sweep
        Every row equals ``backtest(strategy(**parameters), bars.select([symbol]))``, or, shared,
        ``backtest(strategy(**parameters), bars)``. Ctrl-C returns what is done.

    Raises
    ------
    ParameterError, UnknownNameError
        A grid, metric or option that makes no sense, a sweep that does not fit its memory, or a checkpoint of another
        sweep, before anything runs; a reduction that raises.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> from stockstream.backtesting.strategies import MovingAverageCrossover
    >>> close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 300)), axis=1))
    >>> dates = np.arange("2024-01-01", "2024-10-27", dtype="datetime64[D]")
    >>> prices = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=dates, **prices)
    >>> grid = {"fast_period": [5, 10], "slow_period": [20, 30]}
    >>> found = ss.sweep(MovingAverageCrossover, bars, grid, progress=False)
    >>> found.frame.shape[0]
    4
    """
    _check(strategy, bars, portfolio)
    chosen = settings_of(**settings)
    levels = None if benchmark is None else benchmark_levels(benchmark, bars)
    question = Question.of(metrics, reduce, levels, *_blocks(blocks, len(bars.dates)))
    found = combinations(strategy, grid, where, sample=sample, seed=seed)
    shared = portfolio == "shared"
    hands = threads(workers)
    outlets = _outlets(question, out, top_k, top_by)
    rows_each = 1 if shared else len(bars.symbols)
    limits = limits_of(max_bytes, question, found, rows_each, hands=hands, keeps=isinstance(outlets[0], Keep))
    memory, ratios = None, Ratios()
    if checkpoint is not None:
        memory = Checkpoint.open(
            checkpoint, identity(strategy, bars, found, chosen, portfolio, question), limits.waiting
        )
    package = Package(bars, question, strategy if shared else None)
    short = not question.paths and found.count * rows_each * len(bars.dates) < SHORT
    with collector_paused() if short else nullcontext(), Crew(package, hands, executor) as crew:
        sketch = crew.aside(functools.partial(sketch_of, strategy, found, limits.batch)) if record else None
        columns = (*question.names, *question.sums)
        collector = Collector(() if shared else bars.symbols, columns, found.failures, [*outlets, ratios])
        plan = Plan.of(strategy, chosen, found, limits, collector, crew, checkpoint=memory, shared=shared)
        swept = Running(plan, _reporter(progress=progress)).finish(outlets, ratios, portfolio)
    if sketch is not None:
        record_or_warn(swept.ledger, entry_of(swept, found, sketch()))
    return swept


def nothing(done: int, total: int) -> None:
    """Report no progress."""


@dataclass(eq=False)
class Running:
    """A sweep on its way; `progress` hears how many runs are done, of how many."""

    plan: Plan
    progress: Callable[[int, int], None] = nothing
    done: int = 0
    shortened: int = 0

    def finish(self, outlets: Sequence[Outlet], ratios: Ratios, portfolio: str) -> Sweep:
        """Run everything and return what was found."""
        started = time.perf_counter()
        complete = self.through(outlets)
        plan, collector = self.plan, self.plan.collector
        frame = _frame(outlets, collector)
        sums = _sums(frame, plan.question)
        frame = frame.drop(plan.question.sums) if plan.question.sums else frame
        compiled = plan.compiled
        seconds = max(time.perf_counter() - started - compiled, 1e-9)
        return Sweep(
            frame=frame,
            parameters=plan.combinations.names,
            metrics=plan.question.names,
            strategy=plan.strategy,
            bars=plan.bars,
            settings=plan.settings,
            seconds=seconds,
            compile_seconds=compiled,
            path=Path(self.done - self.shortened, self.shortened, "; ".join(plan.ways) or "nothing ran"),
            failures=collector.failures.frame(),
            runs=collector.rows,
            out=next((outlet.path for outlet in outlets if isinstance(outlet, ParquetFile)), None),
            portfolio=portfolio,
            complete=complete,
            benchmark=plan.question.benchmark,
            options=plan.options,
            blocks=plan.question.blocks,
            borders=plan.question.borders(len(plan.bars.dates)),
            held_sums=sums,
            grid=plan.combinations,
            ratios=ratios,
            rules=plan.symbolic,
        )

    def through(self, outlets: Sequence[Outlet] = ()) -> bool:
        """Run everything; False when Ctrl-C ended it. What is written is finished, or removed where the sweep fails."""
        try:
            complete = self.plan.crew.run(self.plan.jobs(), self._take)
            self.plan.collector.hand_on(everything=True)
            for outlet in outlets:
                outlet.close()
        except BaseException:
            for outlet in outlets:
                if isinstance(outlet, ParquetFile):
                    outlet.abandon()
            raise
        finally:
            if self.plan.checkpoint is not None:
                self.plan.checkpoint.flush()
            if isinstance(self.progress, Bar):
                self.progress.close()
        return complete

    def _take(self, job: Job, answer: Answer) -> None:
        plan, batch = self.plan, job.batch
        batch.open -= 1
        if answer.error and len(job.places) > 1:
            raise ParameterError(answer.error)
        refused = {0: answer.error} if answer.error else answer.refused
        plan.collector.refuse(batch, {int(job.places[row]): reason for row, reason in refused.items()})
        if not answer.error:
            places, values = job.places, answer.values
            if refused:
                ran = np.setdiff1d(np.arange(len(places)), np.fromiter(refused, dtype=np.int64))
                places, values = places[ran], None if values is None else values[:, ran]
            plan.collector.put(batch, job.symbol, places, values)
            if plan.checkpoint is not None:
                kept = batch.values[job.symbol][:, places] if values is None else values
                plan.checkpoint.add(job.symbol, batch.first + places, kept)
            self.done += len(places)
            self.shortened += answer.shortened
        plan.collector.hand_on()
        total = plan.rows_each * (plan.combinations.count - plan.collector.refused)
        self.progress(min(self.done + plan.recalled, total), total)


def _frame(outlets: Sequence[Outlet], collector: Collector) -> pl.DataFrame:
    import polars as pl

    frames = [frame for outlet in outlets if isinstance(outlet, Keep | Best) for frame in outlet.frames]
    return pl.concat(frames) if frames else collector.empty()


def _sums(frame: pl.DataFrame, question: Question) -> NDArray[np.float64]:
    """Take ``(rows, blocks, 3)`` out of a frame."""
    sums = np.empty((frame.height, len(question.sums)))
    for place, name in enumerate(question.sums):
        sums[:, place] = frame.get_column(name).to_numpy()
    return sums.reshape(frame.height, question.blocks, len(BLOCK_SUMS))


def _blocks(blocks: Any, sessions: int) -> tuple[int, tuple[int, ...]]:
    if not isinstance(blocks, int):
        edges = tuple(int(edge) for edge in blocks)
        if edges[:1] != (0,) or edges[-1] != sessions or any(b <= a for a, b in pairwise(edges)):
            message = f"expected blocks to rise from 0 to the {sessions:,} sessions; found {list(edges[:6])} …"
            raise ParameterError(message)
        return len(edges) - 1, edges
    if isinstance(blocks, bool) or not isinstance(blocks, int) or not 0 <= blocks <= sessions:
        message = f"expected blocks to be a whole number of at most the {sessions:,} sessions; found {blocks!r}"
        raise ParameterError(message)
    return blocks, ()


def _outlets(
    question: Question, out: str | FilePath | None, top_k: int | None, top_by: str | None
) -> list[Keep | Best | ParquetFile]:
    if out is None and top_k is None:
        if top_by is not None:
            message = f"expected top_k= beside top_by={top_by!r}: without it all rows are kept"
            raise ParameterError(message)
        return [Keep()]
    metric = top_by or ("sharpe" if "sharpe" in question.names else question.names[0])
    best = Best.of(KEPT_ROWS if top_k is None else top_k, metric, question.names)
    return [best] if out is None else [best, ParquetFile(out)]


def _check(strategy: Any, bars: Any, portfolio: str) -> None:
    if not (isinstance(strategy, type) and issubclass(strategy, RuleStrategy)):
        raise ParameterError(_no_rules(strategy))
    if not isinstance(bars, Bars):
        message = (
            f"expected Bars; found {type(bars).__name__}. Build them with lake.bars(...) or ss.Bars.from_polars(...)"
        )
        raise DataError(message)
    if portfolio not in PORTFOLIOS:
        message = f"expected portfolio='each' or portfolio='shared'; found {portfolio!r}"
        raise ParameterError(message)


def _no_rules(strategy: Any) -> str:
    wanted = "expected a RuleStrategy class, such as MovingAverageCrossover without parentheses"
    kind = strategy if isinstance(strategy, type) else type(strategy)
    if issubclass(kind, RuleStrategy):
        return f"{wanted}; found an instance. Pass {kind.__name__} itself, and as the grid what varies."
    if not issubclass(kind, Strategy | SignalStrategy | TargetStrategy):
        return f"{wanted}; found {strategy!r}"
    gives = "target weights" if issubclass(kind, TargetStrategy) else "its own decisions"
    return (
        f"{wanted}; found {kind.__name__}, which gives {gives} and no rules. Only rules are run in many combinations "
        "at once, as sweep and walk_forward do, and judge with a choice. Run each combination with ss.backtest, or "
        "judge one: with a single value for each parameter."
    )


def _reporter(*, progress: bool | Callable[[int, int], None]) -> Callable[[int, int], None]:
    if callable(progress):
        return progress
    return Bar("runs") if progress else nothing
