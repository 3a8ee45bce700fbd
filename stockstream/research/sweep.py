"""Parameter sweeps: every combination of a grid on every symbol, as a frame of metrics.

Each distinct indicator series is computed once and shared; the runs go through the session steps of the backtest, on a
pool of threads, without ever holding more than one equity path per thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from stockstream.backtesting.engine import Run, Settings, settings_of
from stockstream.backtesting.decisions import NONE, SIGNAL_LIFE, SIZE_KINDS, sizes
from stockstream.backtesting.rules import Rules
from stockstream.backtesting.strategy import RuleStrategy
from stockstream.bars import Bars
from stockstream.errors import ParameterError, StockstreamError, UnknownNameError, did_you_mean
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.expression import Expression, Number, Parameter
from stockstream.research.grid import Grid, combinations
from stockstream.research.programs import DEPTH, CompiledRules, compile_rules, numbers_of, rows_of
from stockstream_kernels import expressions as machine
from stockstream_kernels import portfolio
from stockstream_kernels import sweep as kernels
from stockstream_kernels.trade_performance import TRADE_SUMS_SIZE

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

#: Combinations that one task of a thread runs: long enough to make its overhead nothing, short enough for progress.
CHUNK: Final = 256

DEFAULT_METRICS: Final = kernels.MEASURES[:15]


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
            message = f"with {len(self.bars.symbols)} symbols say what the best is of: by='symbol' or by='combination'; found {by!r}"
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
                message = f"unknown parameter {name!r}; the sweep varies {', '.join(self.parameters)}.{did_you_mean(name, self.parameters)}"
                raise UnknownNameError(message)
        return heatmap(self.frame, x, y, metric)

    def _check_metric(self, metric: str) -> None:
        if metric not in self.metrics:
            message = f"the sweep has no metric {metric!r}; it has {', '.join(self.metrics)}.{did_you_mean(metric, self.metrics)}"
            raise UnknownNameError(message)

    def __repr__(self) -> str:
        combos = self.frame.height // len(self.bars.symbols)
        return (
            f"Sweep of {self.strategy.__name__}: {combos:,} combinations x {len(self.bars.symbols)} symbols x "
            f"{len(self.bars.dates):,} sessions in {self.seconds:.2f} s, {self.speed / 1e6:,.0f} million bar-runs a second"
        )


def sweep(  # noqa: PLR0913 the options of a run and of a sweep
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
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=dates, open=close, high=close, low=close, close=close, volume=close)
    >>> found = ss.sweep(MovingAverageCrossover, bars, {"fast_period": [5, 10], "slow_period": [20, 30]}, progress=False)
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
        message = f"a sweep has no metric {unknown[0]!r}; expected {', '.join(kernels.MEASURES)}.{did_you_mean(unknown[0], kernels.MEASURES)}"
        raise UnknownNameError(message)
    chosen = settings_of(**settings)
    started = time.perf_counter()
    table = combinations(strategy, grid, where)
    plan = _Plan.of(strategy, bars, table, chosen)
    results = plan.run(_reporter(progress), workers or os.cpu_count() or 1)
    frame = _frame(bars, table, results, metrics, plan.ran)
    seconds = time.perf_counter() - started
    return Sweep(frame, tuple(table.columns), tuple(metrics), strategy, bars, chosen, seconds, plan.failures)


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

    @classmethod
    def of(cls, strategy: type[RuleStrategy], bars: Bars, table: pl.DataFrame, settings: Settings) -> _Plan:
        import polars as pl

        columns = {name: table.get_column(name).to_numpy() for name in table.columns}
        symbolic = _symbolic(strategy, table.columns)
        failures: list[dict[str, Any]] = []
        if symbolic is not None:
            groups = [_group(symbolic, columns, np.arange(table.height))]
        else:
            groups = list(_one_by_one(strategy, table, failures))
        ran = np.zeros(table.height, dtype=bool)
        for group in groups:
            ran[group.places] = True
        return cls(bars, settings, groups, table.height, pl.DataFrame(failures), ran)

    def run(self, report: Callable[[int, int], None], workers: int) -> NDArray[np.float64]:
        """Run everything; returns ``(S, C, M)``."""
        symbols = len(self.bars.symbols)
        results = np.full((symbols, self.count, len(kernels.MEASURES)), np.nan)
        total, done = symbols * int(self.ran.sum()), 0
        whole = Table.from_bars(self.bars)
        with ThreadPoolExecutor(workers) as pool:
            for row in range(symbols):
                one = self.bars.select([self.bars.symbols[row]])
                for group in self.groups:
                    series = _series(group.rows, whole, row)
                    tasks = [
                        pool.submit(
                            _chunk, group, one, self.settings, series, slice(a, min(a + CHUNK, len(group.places)))
                        )
                        for a in range(0, len(group.places), CHUNK)
                    ]
                    for task in as_completed(tasks):
                        part, values = task.result()
                        results[row, group.places[part]] = values
                        done += len(values)
                        report(done, total)
        return results


def _symbolic(strategy: type[RuleStrategy], names: Sequence[str]) -> CompiledRules | None:
    """Rules with parameters in the place of numbers; None where the strategy needs the numbers themselves."""
    try:
        rules = strategy(**{name: Parameter(name) for name in names}).rules()
        return compile_rules(rules) if _max_bars(rules) else None
    except (TypeError, ValueError, AttributeError, StockstreamError):
        # it compares, rounds or counts with its parameters: every combination is then built by itself
        return None


def _max_bars(rules: Rules) -> bool:
    return rules.max_bars is None or isinstance(rules.max_bars, Number)


def _group(compiled: CompiledRules, columns: dict[str, NDArray[Any]], places: NDArray[np.int64]) -> _Group:
    rows, slots = rows_of(compiled, columns, len(places))
    return _Group(compiled, rows, slots, numbers_of(compiled, columns, len(places)), places)


def _one_by_one(strategy: type[RuleStrategy], table: pl.DataFrame, failures: list[dict[str, Any]]) -> Iterator[_Group]:
    for place, values in enumerate(table.iter_rows(named=True)):
        try:
            compiled = compile_rules(strategy(**values).rules())
            yield _group(compiled, {}, np.array([place]))
        except Exception as error:  # the strategy's own code may raise anything; it is named and counted
            failures.append({**values, "reason": f"{type(error).__name__}: {error}"})


def _series(rows: Sequence[Expression], whole: Table, symbol: int) -> NDArray[np.float64]:
    """Return ``(R, N)``: every distinct series on one symbol's own bars."""
    own = slice(int(whole.offsets[symbol]), int(whole.offsets[symbol + 1]))
    columns = {name: values[own] for name, values in whole.columns.items()}
    bars = own.stop - own.start
    table = Table(columns, np.array([0, bars]), whole.session[own], whole.sessions)
    series = np.empty((max(len(rows), 1), bars))
    for place, expression in enumerate(rows):
        ranked = any(getattr(node, "name", "").startswith("rank") for node in expression.walk())
        series[place] = evaluate(expression, whole)[own] if ranked else evaluate(expression, table)
    return series


def _chunk(
    group: _Group, one: Bars, settings: Settings, series: NDArray[np.float64], part: slice
) -> tuple[slice, NDArray[np.float64]]:
    """Run a chunk of combinations on one symbol, in the calling thread, without the GIL."""
    run = Run.start(one, settings, quiet=True)
    compiled = group.compiled
    slots, values = group.slots[part], group.values[part]
    session = np.flatnonzero(one.present[0])
    out = np.empty((len(slots), len(kernels.MEASURES)))
    scratch = kernels.Scratch(
        np.empty((DEPTH + 1, machine.BLOCK)),
        np.empty((DEPTH + 2, machine.BLOCK), dtype=np.int8),
        np.zeros(compiled.crosses),
        np.zeros(len(session) if len(session) < len(one.dates) else 0, dtype=np.uint8),
        np.zeros(TRADE_SUMS_SIZE),
    )
    hurdle = (1.0 + settings.risk_free) ** (1.0 / settings.periods_per_year) - 1.0
    kernels.sweep_runs(
        kernels.Programs(*compiled.programs),
        series,
        slots,
        values,
        np.array(compiled.levels, dtype=np.int32),
        session,
        run.book,
        run.market,
        run.terms,
        run.record,
        _signals(compiled, one, settings),
        scratch,
        np.array([settings.cash, settings.periods_per_year, hurdle]),
        out,
    )
    return part, out


def _signals(compiled: CompiledRules, one: Bars, settings: Settings) -> portfolio.Signals:
    """One run's signals, to be filled in by the kernel."""
    empty = np.empty(0, dtype=np.int64)
    most = compiled.rules.max_bars
    return portfolio.Signals(
        np.zeros(one.shape, dtype=np.uint8),
        empty,
        empty,
        NONE,
        SIZE_KINDS[settings.sizing.kind],
        sizes(settings.sizing, one),
        _level(compiled.levels[0]),
        _level(compiled.levels[1]),
        _level(compiled.levels[2]),
        7,
        int(most.value) if isinstance(most, Number) else 0,
        SIGNAL_LIFE,
    )


def _level(place: int) -> NDArray[np.float64]:
    return np.zeros((1, 1)) if place >= 0 else np.empty((0, 0))


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


def _reporter(progress: bool | Callable[[int, int], None]) -> Callable[[int, int], None]:  # noqa: FBT001 True, False or a function
    if callable(progress):
        return progress
    if not progress:
        return lambda done, total: None
    from stockstream.research.progress import bar

    return bar("runs")
