"""What a sweep leaves behind: rows of metrics, the best of them, and every backtest behind a row on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stockstream.errors import ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.research.collect import ranked, why_nothing_ran

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    import numpy as np
    import plotly.graph_objects as go
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.engine import Settings
    from stockstream.backtesting.result import Result
    from stockstream.backtesting.review.check import Review
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.collect import Ratios
    from stockstream.research.grid import Combinations
    from stockstream.research.programs import CompiledRules
    from stockstream.research.trials import Trials
    from stockstream.research.verdict import Verdict


@dataclass(frozen=True)
class Path:
    """Which way the runs of a sweep went; both give the same figures."""

    simulated: int
    shortened: int
    why: str

    def __str__(self) -> str:
        return (
            f"{counted(self.shortened, 'run')} scored in O(trades), {self.simulated:,} simulated bar by bar: {self.why}"
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sweep:
    """Results of a sweep.

    Attributes
    ----------
    frame
        One row per (symbol, combination): ``symbol``, the parameters, the metrics. With ``portfolio="shared"`` one row
        per combination. With ``top_k=`` or ``out=`` only the best rows.
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
        Combinations that could not run: their parameters (null: any), the reason, and how many `combinations` it took.
    runs
        Rows of all results, wherever they are.
    out
        The file that holds all of them, when there is one.
    portfolio
        ``"each"`` or ``"shared"``.
    complete
        False when Ctrl-C ended the sweep: the rows are those that were done.
    benchmark
        Levels that runs were compared with.
    options
        Settings among the parameters.
    blocks
        Blocks of sessions that were asked for.
    borders
        ``(blocks + 1,)``: first session of each block, and the number of sessions.
    grid
        The combinations that were asked for.
    ratios
        Count, mean and variance of the Sharpe ratios of all runs, kept or not; None where they were not measured.
    rules
        The strategy's rules with parameters in the place of numbers; None where each combination has rules of its own.
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
    grid: Combinations = field(repr=False)
    runs: int
    out: FilePath | None = None
    portfolio: str = "each"
    complete: bool = True
    benchmark: Any = None
    options: tuple[str, ...] = ()
    blocks: int = 0
    borders: Any = field(default=None, repr=False)
    held_sums: Any = field(default=None, repr=False)
    ratios: Ratios | None = field(default=None, repr=False)
    correlations: dict[str | None, float] = field(default_factory=dict, repr=False)
    rules: CompiledRules | None = field(default=None, repr=False)

    @property
    def block_sums(self) -> NDArray[np.float64]:
        """``(rows, blocks, 3)``: for each row and block of sessions the count, sum and sum of squares of its returns.

        Row for row those of `frame`, or of the file when all rows are in one. The count is less than the sessions of a
        block only where an account was ruined. Mean and deviation over any union of blocks follow by adding them up.

        Raises
        ------
        ParameterError
            The sweep was run without `blocks`.
        """
        if not self.blocks:
            message = "the sweep kept no sums of blocks: run it with blocks=16"
            raise ParameterError(message)
        if self.out is None:
            sums: NDArray[np.float64] = self.held_sums
            return sums
        names = [f"block_{block}_{name}" for block in range(self.blocks) for name in ("count", "return", "square")]
        table = self.rows.select(names).collect().to_numpy()
        return table.reshape(len(table), self.blocks, 3)

    def verdict(self) -> Verdict:
        """Judge the best row by Sharpe ratio against all that was tried on these listings and dates.

        Run the sweep with ``blocks=16`` to have the probability of backtest overfitting too.
        """
        from stockstream.research.verdict import verdict_of

        return verdict_of(self)

    @property
    def ledger(self) -> Trials:
        """Where what was tried on these bars is counted."""
        from stockstream.research.trials import Trials, ledger_path

        return Trials(ledger_path(self.bars))

    @property
    def rows(self) -> pl.LazyFrame:
        """All rows, read from `out` when that is where they are."""
        import polars as pl

        return self.frame.lazy() if self.out is None else pl.scan_parquet(self.out)

    @property
    def combinations(self) -> int:
        """Combinations that ran."""
        return self.runs if self.portfolio == "shared" else self.runs // len(self.bars.symbols)

    @property
    def failed(self) -> int:
        """Combinations that could not run."""
        return int(self.failures["combinations"].sum())

    @property
    def bar_runs(self) -> int:
        """Runs times sessions, on a shared account times symbols."""
        return self.runs * len(self.bars.dates) * (len(self.bars.symbols) if self.portfolio == "shared" else 1)

    @property
    def speed(self) -> float:
        """Bar-runs a second."""
        return self.bar_runs / self.seconds

    def best(
        self, metric: str = "sharpe", *, by: str | None = None, largest: bool = True, robust: bool = False
    ) -> dict[str, Any]:
        """Return the row with the best value of a metric, and what its Sharpe ratio proves after all that was tried.

        Parameters
        ----------
        metric
            A column of the frame.
        by
            With several symbols: ``"symbol"`` for the best run of any symbol, ``"combination"`` for the parameters with
            the best mean over the symbols.
        largest
            False looks for the smallest.
        robust
            Rank by the median of the neighbourhood instead of the value itself: of all combinations whose parameters
            are at most one step of the grid away, the combination among them. The row has it as ``{metric}_median``.
            Neighbours without a value, or outside the grid, are left out of the median.

        Returns
        -------
        dict
            The row, with ``deflated_sharpe`` after so many ``trials`` on these listings and dates (`ledger`), and
            ``deflated_sharpe_effective`` after the ``trials_effective`` independent ones that they are worth. All are
            None where nothing can be said, such as of a mean over symbols; ``not_deflated`` then says why. That takes
            one backtest of the row, and, the first time, a sweep of 24 combinations at most.

        Raises
        ------
        ParameterError
            Several symbols and no `by`, or no run with a value.
        """
        from stockstream.research.deflation import with_deflation

        return with_deflation(self, self._best(metric, by=by, largest=largest, robust=robust))

    def _best(
        self, metric: str, *, by: str | None = None, largest: bool = True, robust: bool = False
    ) -> dict[str, Any]:
        import polars as pl

        self._check_metric(metric)
        symbols = 1 if self.portfolio == "shared" else len(self.bars.symbols)
        if by not in (None, "symbol", "combination") or (by is None and symbols > 1):
            held = counted(symbols, "symbol")
            message = f"with {held} say what the best is of: by='symbol' or by='combination'; found {by!r}"
            raise ParameterError(message)
        rows = self.rows
        if by == "combination":
            rows = rows.group_by(self.parameters, maintain_order=True).agg(pl.col(metric).fill_nan(None).mean())
        rows = rows.filter(pl.col(metric).is_not_nan() & pl.col(metric).is_not_null())
        if robust:
            from stockstream.research.neighbours import with_medians

            frame = with_medians(rows.collect(), self.parameters, metric)
            best = ranked(frame, f"{metric}_median", largest=largest).head(1)
        else:
            best = rows.sort(metric, descending=largest, maintain_order=True).head(1).collect()
        if best.height == 0:
            why = "none traded, or the bars are too few" if self.runs else why_nothing_ran(self.failures)
            message = f"no run has a value of {metric!r}: {why}"
            raise ParameterError(message)
        return best.row(0, named=True)

    def result(
        self, row: Mapping[str, Any] | None = None, *, rank: int = 1, metric: str = "sharpe", largest: bool = True
    ) -> Result:
        """Run the backtest behind a row.

        Parameters
        ----------
        row
            A row of the frame, or what `best` gave: the symbol and the parameters are read from it. None looks for one
            by rank.
        rank
            1 for the best row by `metric`, 2 for the next.
        metric, largest
            As of `best`.

        Raises
        ------
        ParameterError
            A row without a symbol where there are several, or a rank that does not exist.
        """
        from stockstream.backtesting.engine import backtest
        from stockstream.research.variants import with_options

        values = dict(row) if row is not None else self._at(rank, metric, largest=largest)
        missing = [name for name in self.parameters if name not in values]
        several = self.portfolio == "each" and len(self.bars.symbols) > 1
        if missing or (several and "symbol" not in values):
            wanted = missing[0] if missing else "symbol"
            message = f"expected a row of this sweep, with a value of {wanted!r}; found {values!r}"
            raise ParameterError(message)
        parameters = {name: values[name] for name in self.parameters if name not in self.options}
        settings = with_options(self.settings, {name: values[name] for name in self.options})
        bars = self.bars.select([values["symbol"]]) if several else self.bars
        chosen = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        return backtest(self.strategy(**parameters), bars, benchmark=self.benchmark, **chosen)

    def _at(self, rank: int, metric: str, *, largest: bool) -> dict[str, Any]:
        import polars as pl

        self._check_metric(metric)
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= self.runs:
            message = f"expected a rank from 1 to {self.runs:,}; found {rank!r}"
            raise ParameterError(message)
        order = pl.col(metric).fill_nan(None)
        rows = self.rows.sort(order, descending=largest, nulls_last=True, maintain_order=True)
        return rows.slice(rank - 1, 1).collect().row(0, named=True)

    def review(self, metric: str = "sharpe") -> Review:
        """Look at the best combination as a sceptical colleague would: at the edge of the grid, alone on a peak, lucky.

        The run behind it has a review of its own: ``sweep.result(row).review()``. docs/review.md lists all checks.
        """
        from stockstream.research.review import review

        self._check_metric(metric)
        return review(self, metric)

    def save(self, folder: str | FilePath, *, keep_bars: bool | None = None) -> FilePath:
        """Write a passport: the rows with all they rest on, so that `stockstream.verify` can make them again.

        Parameters
        ----------
        folder
            A new or empty folder.
        keep_bars
            Keep the prices themselves; by default only where they did not come from a lake.
        """
        from stockstream.research.passport import save_sweep

        return save_sweep(self, folder, keep_bars=keep_bars)

    # ---- views -----------------------------------------------------------------------------------------------

    def heatmap(self, x: str, y: str, metric: str = "sharpe") -> go.Figure:
        """Return a Plotly heatmap of a metric over two parameters, averaged over all else."""
        from stockstream.reports import heatmap

        return heatmap(self._columns(metric, x, y), x, y, metric)

    def surface(self, x: str, y: str, metric: str = "sharpe") -> go.Figure:
        """Return the same as a surface in three dimensions."""
        from stockstream.reports import relief

        return relief(self._columns(metric, x, y), x, y, metric)

    def parallel(self, metric: str = "sharpe") -> go.Figure:
        """Return parallel coordinates of all parameters, one line per combination, coloured by a metric."""
        from stockstream.reports import parallel

        return parallel(self._columns(metric, *self.parameters), self.parameters, metric)

    def sensitivity(self, parameter: str, metric: str = "sharpe") -> go.Figure:
        """Return a metric along one parameter through the best combination, with its neighbours and the median."""
        from stockstream.reports import sensitivity

        return sensitivity(self._columns(metric, *self.parameters), parameter, self.parameters, metric)

    def report(self, path: str | FilePath = "sweep.html", *, metric: str = "sharpe") -> FilePath:
        """Write one self-contained HTML page and return its path."""
        from stockstream.reports import write_sweep

        self._check_metric(metric)
        return write_sweep(self, path, metric)

    def _columns(self, metric: str, *parameters: str) -> pl.DataFrame:
        self._check_metric(metric)
        for name in parameters:
            if name not in self.parameters:
                message = (
                    f"unknown parameter {name!r}; the sweep varies {', '.join(self.parameters)}."
                    f"{did_you_mean(name, self.parameters)}"
                )
                raise UnknownNameError(message)
        return self.rows.select(*dict.fromkeys(parameters), metric).collect()

    def _check_metric(self, metric: str) -> None:
        if metric not in self.metrics:
            message = (
                f"the sweep has no metric {metric!r}; it has {', '.join(self.metrics)}."
                f"{did_you_mean(metric, self.metrics)}"
            )
            raise UnknownNameError(message)

    def __repr__(self) -> str:
        on = "one account of" if self.portfolio == "shared" else "x"
        from stockstream.research.deflation import said_of_best

        symbols, said = len(self.bars.symbols), said_of_best(self)
        ended = "" if self.complete else ", ended early"
        return (
            f"Sweep of {self.strategy.__name__}: {counted(self.combinations, 'combination')} {on} "
            f"{counted(symbols, 'symbol')} x {counted(len(self.bars.dates), 'session')} "
            f"in {self.seconds:.2f} s{ended}, {self.speed / 1e6:,.0f} million bar-runs a second"
            + (f"; {said}" if said else "")
        )

    def _repr_html_(self) -> str:
        metric = "sharpe" if "sharpe" in self.metrics else self.metrics[0]
        shown = ranked(self.frame, metric, largest=True).head(5)
        return table_html(repr(self), f"the first five by {metric}", shown)


def table_html(title: str, caption: str, rows: pl.DataFrame) -> str:
    """Return rows as a notebook shows them."""
    from html import escape

    head = "".join(f"<th>{escape(name)}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_short(value))}</td>" for value in row) + "</tr>" for row in rows.rows()
    )
    title = f"<strong>{escape(title)}</strong><br><small>{escape(caption)}</small>"
    return f"<div>{title}<table><tr>{head}</tr>{body}</table></div>"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
