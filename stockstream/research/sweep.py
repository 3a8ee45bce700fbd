"""Parameter sweeps: every combination of a grid on every symbol, as a frame of metrics.

Each distinct indicator series is computed once and shared; the runs go through the session steps of the backtest, on a
pool of threads, without ever holding more than one equity path per thread.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import sweep as kernels

from stockstream.backtesting.engine import Settings, settings_of
from stockstream.backtesting.strategy import RuleStrategy
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.evaluate import Table
from stockstream.indicators.expression import Expression, Number, Parameter, Unknown
from stockstream.research.desk import Desk, short_way
from stockstream.research.grid import Grid, combinations
from stockstream.research.programs import CompiledRules, compile_rules, numbers_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import plotly.graph_objects as go
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.rules import Rules
    from stockstream.bars import Bars

#: Bar-runs that one task of a thread covers: long enough to make its overhead nothing, short enough for progress.
CHUNK_BARS: Final = 8_000_000
MIN_CHUNK: Final = 64

#: Combinations whose rules are also built from numbers, to see that parameters stand for them.
SAMPLED_RULES: Final = 64

#: Series that are kept near: 8 of 2,520 bars are 160 kB.
CACHED_SERIES: Final = 8

DEFAULT_METRICS: Final = kernels.MEASURES[:15]


@dataclass(frozen=True)
class Path:
    """Which way the runs of a sweep went; both give the same figures."""

    simulated: int
    shortened: int
    why: str

    def __str__(self) -> str:
        return f"{self.shortened:,} runs scored in O(trades), {self.simulated:,} simulated bar by bar: {self.why}"


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """Results of a sweep.

    Attributes
    ----------
    frame
        One row per (symbol, combination): ``symbol``, the parameters, the metrics.
    parameters, metrics
        Names of the columns of each kind.
    strategy, bars, settings
        What was run.
    seconds
        Wall time, indicators included.
    compile_seconds
        Time it took before that to load or compile the kernels.
    path
        How many runs were scored by the short way and how many were simulated bar by bar, and why.
    failures
        Combinations whose rules could not be built: their parameters and the reason.
    """

    frame: pl.DataFrame
    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    strategy: type[RuleStrategy]
    bars: Bars
    settings: Settings
    seconds: float
    compile_seconds: float
    path: Path
    failures: pl.DataFrame = field(repr=False)

    @property
    def bar_runs(self) -> int:
        """Runs times sessions."""
        return self.frame.height * len(self.bars.dates)

    @property
    def speed(self) -> float:
        """Bar-runs a second."""
        return self.bar_runs / self.seconds

    def best(self, metric: str = "sharpe", *, by: str | None = None, largest: bool = True) -> dict[str, Any]:
        """Return the row with the best value of a metric.

        Parameters
        ----------
        metric
            A column of the frame.
        by
            With several symbols: ``"symbol"`` for the best run of any symbol, ``"combination"`` for the parameters with
            the best mean over the symbols.
        largest
            False looks for the smallest.

        Raises
        ------
        ParameterError
            Several symbols and no `by`.
        """
        import polars as pl

        self._check_metric(metric)
        if by not in (None, "symbol", "combination") or (by is None and len(self.bars.symbols) > 1):
            message = (
                f"with {len(self.bars.symbols)} symbols say what the best is of: by='symbol' or by='combination'; "
                f"found {by!r}"
            )
            raise ParameterError(message)
        frame = self.frame
        if by == "combination":
            frame = frame.group_by(self.parameters, maintain_order=True).agg(pl.col(metric).fill_nan(None).mean())
        known = frame.filter(pl.col(metric).is_not_nan() & pl.col(metric).is_not_null())
        if known.height == 0:
            message = f"no run has a value of {metric!r}: none traded, or the bars are too few"
            raise ParameterError(message)
        return known.sort(metric, descending=largest, maintain_order=True).row(0, named=True)

    def heatmap(self, x: str, y: str, metric: str = "sharpe") -> go.Figure:
        """Return a Plotly heatmap of a metric over two parameters, averaged over all else."""
        from stockstream.reports import heatmap

        self._check_metric(metric)
        for name in (x, y):
            if name not in self.parameters:
                message = (
                    f"unknown parameter {name!r}; the sweep varies {', '.join(self.parameters)}."
                    f"{did_you_mean(name, self.parameters)}"
                )
                raise UnknownNameError(message)
        return heatmap(self.frame, x, y, metric)

    def _check_metric(self, metric: str) -> None:
        if metric not in self.metrics:
            message = (
                f"the sweep has no metric {metric!r}; it has {', '.join(self.metrics)}."
                f"{did_you_mean(metric, self.metrics)}"
            )
            raise UnknownNameError(message)

    def __repr__(self) -> str:
        combos = self.frame.height // len(self.bars.symbols)
        return (
            f"Sweep of {self.strategy.__name__}: {combos:,} combinations x {len(self.bars.symbols)} symbols x "
            f"{len(self.bars.dates):,} sessions in {self.seconds:.2f} s, "
            f"{self.speed / 1e6:,.0f} million bar-runs a second"
        )


def sweep(
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Grid,
    *,
    where: pl.Expr | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    progress: bool | Callable[[int, int], None] = True,
    workers: int | None = None,
    **settings: Any,
) -> Sweep:
    """Run a strategy of rules with every combination of a grid on every symbol by itself.

    Parameters
    ----------
    strategy
        A `RuleStrategy` class; its constructor takes the parameters.
    bars
        Each symbol is run alone, with its own cash.
    grid
        Name -> values, such as ``{"fast_period": range(5, 60)}``, or a list of combinations.
    where
        Polars expression over the parameters that a combination must satisfy.
    metrics
        Which of the sweep's measures to keep.
    progress
        True shows a bar, False nothing; a function is called with runs done and runs in all.
    workers
        Threads; None for one per core.
    **settings
        Options of `stockstream.backtest`: cash, costs, sizing, fill, …

    Returns
    -------
    Sweep
        Every row equals ``backtest(strategy(**parameters), bars.select([symbol]))``.

    Raises
    ------
    ParameterError, UnknownNameError
        A grid, metric or option that makes no sense, before anything runs.

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
    if not (isinstance(strategy, type) and issubclass(strategy, RuleStrategy)):
        message = (
            f"expected a RuleStrategy class, such as MovingAverageCrossover without parentheses; found {strategy!r}"
        )
        raise ParameterError(message)
    unknown = [name for name in metrics if name not in kernels.MEASURES]
    if unknown:
        message = (
            f"a sweep has no metric {unknown[0]!r}; expected {', '.join(kernels.MEASURES)}."
            f"{did_you_mean(unknown[0], kernels.MEASURES)}"
        )
        raise UnknownNameError(message)
    chosen = settings_of(**settings)
    table = combinations(strategy, grid, where)
    plan = _Plan.of(strategy, bars, table, chosen)
    compile_seconds = plan.warm_up()
    started = time.perf_counter()
    results = plan.run(_reporter(progress=progress), workers or os.cpu_count() or 1)
    frame = _frame(bars, table, results, metrics, plan.ran)
    seconds = time.perf_counter() - started
    path = Path(simulated=frame.height - plan.shortened, shortened=plan.shortened, why=plan.why)
    return Sweep(
        frame,
        tuple(table.columns),
        tuple(metrics),
        strategy,
        bars,
        chosen,
        seconds,
        compile_seconds,
        path,
        plan.failures,
    )


@dataclass(frozen=True)
class _Group:
    """Combinations that share one set of compiled rules."""

    compiled: CompiledRules
    rows: list[Expression]
    slots: NDArray[np.int32]
    values: NDArray[np.float64]
    places: NDArray[np.int64]  # of the combinations in the table


@dataclass
class _Plan:
    """What has to be run, and where the results go."""

    bars: Bars
    settings: Settings
    groups: list[_Group]
    count: int
    failures: pl.DataFrame
    ran: NDArray[np.bool_]
    shortened: int = 0

    @classmethod
    def of(cls, strategy: type[RuleStrategy], bars: Bars, table: pl.DataFrame, settings: Settings) -> _Plan:
        import polars as pl

        columns = {name: table.get_column(name).to_numpy() for name in table.columns}
        symbolic = _symbolic(strategy, table)
        failures: list[dict[str, Any]] = []
        if symbolic is not None:
            groups = [_group(symbolic, columns, np.arange(table.height))]
        else:
            groups = list(_one_by_one(strategy, table, failures))
        ran = np.zeros(table.height, dtype=bool)
        for group in groups:
            ran[group.places] = True
        return cls(bars, settings, groups, table.height, pl.DataFrame(failures), ran)

    @property
    def why(self) -> str:
        """Why the runs went the way they did."""
        return short_way(self.groups[0].compiled, self.settings, self.bars)[1] if self.groups else "nothing ran"

    def warm_up(self) -> float:
        """Run one combination, so that compiling does not count as running; returns the seconds."""
        started = time.perf_counter()
        if self.groups:
            group, first = self.groups[0], self.bars.select([self.bars.symbols[0]])
            rows, slots = (
                [group.rows[i] for i in group.slots[0]],
                np.arange(len(group.slots[0]), dtype=np.int32)[None, :],
            )
            desk = Desk.of(group.compiled, rows, Table.from_bars(first), first, 0, self.settings)
            desk.run(slots, group.values[:1], slice(0, 1))
        return time.perf_counter() - started

    def run(self, report: Callable[[int, int], None], workers: int) -> NDArray[np.float64]:
        """Run everything; returns ``(S, C, M)``."""
        symbols = len(self.bars.symbols)
        results = np.full((symbols, self.count, len(kernels.MEASURES)), np.nan)
        total, done = symbols * int(self.ran.sum()), 0
        whole = Table.from_bars(self.bars)
        with ThreadPoolExecutor(workers) as pool:
            for row in range(symbols):
                for group in self.groups:
                    desk = Desk.of(group.compiled, group.rows, whole, self.bars, row, self.settings)
                    size = max(MIN_CHUNK, CHUNK_BARS // len(self.bars.dates))
                    tasks = [
                        pool.submit(desk.run, group.slots, group.values, slice(a, min(a + size, len(group.places))))
                        for a in range(0, len(group.places), size)
                    ]
                    for task in as_completed(tasks):
                        part, values, shortened = task.result()
                        results[row, group.places[part]] = values
                        self.shortened += shortened
                        done += len(values)
                        report(done, total)
        return results


def _symbolic(strategy: type[RuleStrategy], table: pl.DataFrame) -> CompiledRules | None:
    """Rules with parameters in the place of numbers; None where the strategy needs the numbers themselves.

    A strategy that branches on its numbers in a way that does not fail without them is found by building some
    combinations in full and comparing.
    """
    try:
        unknown = strategy(**{name: Unknown(name) for name in table.columns}).rules()
        rules = unknown.bind({name: Parameter(name) for name in table.columns})
        if not _max_bars(rules):
            return None
        sampled = table.gather_every(max(table.height // SAMPLED_RULES, 1)) if table.height > SAMPLED_RULES else table
        for values in sampled.iter_rows(named=True):
            if rules.bind(values) != strategy(**values).rules():
                return None
        return compile_rules(rules)
    except Exception:  # the strategy's own code may raise anything on a number that is not there
        return None


def _max_bars(rules: Rules) -> bool:
    return rules.max_bars is None or isinstance(rules.max_bars, Number)


def _group(compiled: CompiledRules, columns: dict[str, NDArray[Any]], places: NDArray[np.int64]) -> _Group:
    rows, slots = rows_of(compiled, columns, len(places))
    order = _nearby(slots)
    values = numbers_of(compiled, columns, len(places))
    return _Group(compiled, rows, slots[order], values[order], places[order])


def _nearby(slots: NDArray[np.int32]) -> NDArray[np.int64]:
    """Order combinations so that neighbours share their series.

    A few series of the last slot stay in the second-level cache while all of the first slot pass by. In the order of
    the grid every run fetched 20 kB of series from further away: measured, four times the time of the comparison
    itself.
    """
    if slots.shape[1] == 1:
        return np.argsort(slots[:, 0], kind="stable")
    return np.lexsort((slots[:, -1], slots[:, 0], slots[:, -1] // CACHED_SERIES))


def _one_by_one(strategy: type[RuleStrategy], table: pl.DataFrame, failures: list[dict[str, Any]]) -> Iterator[_Group]:
    for place, values in enumerate(table.iter_rows(named=True)):
        try:
            compiled = compile_rules(strategy(**values).rules())
            yield _group(compiled, {}, np.array([place]))
        except Exception as error:  # the strategy's own code may raise anything; it is named and counted
            failures.append({**values, "reason": f"{type(error).__name__}: {error}"})


def _frame(
    bars: Bars, table: pl.DataFrame, results: NDArray[np.float64], metrics: Sequence[str], ran: NDArray[np.bool_]
) -> pl.DataFrame:
    import polars as pl

    kept = table.filter(pl.Series(ran))
    frames = []
    for row, symbol in enumerate(bars.symbols):
        measured = pl.DataFrame({name: results[row, ran, kernels.MEASURES.index(name)] for name in metrics})
        frames.append(pl.concat([kept.select(pl.lit(symbol).alias("symbol"), pl.all()), measured], how="horizontal"))
    frame = pl.concat(frames)
    return frame.with_columns(pl.col(name).cast(pl.Int64) for name in ("trades",) if name in metrics)


def _reporter(*, progress: bool | Callable[[int, int], None]) -> Callable[[int, int], None]:
    if callable(progress):
        return progress
    if not progress:
        return lambda done, total: None
    from stockstream.research.progress import bar

    return bar("runs")
