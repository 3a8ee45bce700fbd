"""Walk-forward: parameters chosen on a window of the past, traded on the sessions after it, again and again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.backtesting.engine import settings_of
from stockstream.backtesting.metrics import Totals, metrics
from stockstream.errors import StockstreamError, counted
from stockstream.research.choosing import Choice, choose, values_of
from stockstream.research.out_of_sample import FEWEST, Stretches
from stockstream.research.overfitting import probabilistic_sharpe, sharpe_sample
from stockstream.research.question import hurdle_of
from stockstream.research.splitters import WalkForwardSplit
from stockstream.research.verdict import LIKELY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from stockstream.backtesting.measures import Metrics
    from stockstream.backtesting.result import Result
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.grid import Grid
    from stockstream.research.results import Sweep


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class WalkForward:
    """Windows that follow each other, each with parameters chosen on its past only.

    Attributes
    ----------
    windows
        One row a window: ``train_start, train_end, test_start, test_end``, the parameters chosen (null where no
        combination traded in training: the account then stays in cash), yearly Sharpe ratio ``in_sample`` and
        ``out_of_sample``, ``trades``.
    equity
        The tests one after another on one account: ``date, equity, return, window``.
    metrics
        Of that account.
    efficiency
        Mean return of the tests over the mean return that the choices had in training; 1 would be perfect.
    sweep
        Every combination over all sessions, with sums between the borders of the windows.
    seconds
        Wall time.
    """

    windows: pl.DataFrame
    equity: pl.DataFrame
    metrics: Metrics
    efficiency: float
    sweep: Sweep = field(repr=False)
    seconds: float

    @property
    def stability(self) -> pl.DataFrame:
        """One row a parameter: how many values were chosen, the range, and the share of windows that changed it."""
        import polars as pl

        chosen = self.windows.select(self.sweep.parameters).drop_nulls()
        rows = []
        for name in self.sweep.parameters:
            values = chosen[name].to_numpy()
            changed = float((np.diff(values) != 0).mean()) if len(values) > 1 else math.nan
            ends = (float(values.min()), float(values.max())) if len(values) else (None, None)
            rows.append((name, len(np.unique(values)), *ends, changed))
        return pl.DataFrame(rows, schema=["parameter", "values", "lowest", "highest", "changed"], orient="row")

    @property
    def sentence(self) -> str:
        """What the walk shows, for people."""
        if self.sweep.combinations == 1:
            return f"{self._shown()} There was one combination, so nothing was chosen."
        return self._shown()

    def _shown(self) -> str:
        learned = self.windows["in_sample"].drop_nans().mean()
        if learned is None:
            return "Nothing can be said: no combination traded in training."
        promised = float(str(learned))
        got = f"Out of sample the Sharpe ratio is {self.metrics.sharpe:.2f} a year, where training had {promised:.2f}"
        try:
            chance = probabilistic_sharpe(
                sharpe_sample(self.equity["return"].to_numpy() - hurdle_of(self.sweep.settings))
            )
        except StockstreamError as error:
            return f"Nothing can be said: {error}."
        if not self.metrics.sharpe > 0.0:
            return f"{got}: what was chosen on the past did not earn more than cash on what followed."
        if chance < LIKELY:
            return f"{got}; not proven: a probability of {chance:.1%} to be above 0 is not enough."
        return (
            f"{got}; with a probability of {chance:.1%} it is above 0, if the rules, the grid and the windows were not "
            "chosen after looking at these sessions."
        )

    def __repr__(self) -> str:
        tried, made = self.sweep.combinations, self.windows.height
        many = f"{counted(made, 'window')}, {counted(tried, 'combination')} in each"
        what = f"Walk-forward of {self.sweep.strategy.__name__}: {many}"
        if not math.isfinite(self.efficiency):  # a ratio without trades is no number
            return f"{what}. {self.sentence}"
        return (
            f"{what}; out of sample {self.metrics.total_return:+.1%}, Sharpe ratio {self.metrics.sharpe:.2f}, "
            f"where the choices had {self.windows['in_sample'].to_numpy().mean():.2f} in training; "
            f"efficiency {self.efficiency:.2f}"
        )


def walk_forward(  # noqa: PLR0913 one argument per thing that can be chosen
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Grid,
    *,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    select: str = "sharpe",
    where: pl.Expr | None = None,
    workers: int | None = None,
    **settings: Any,
) -> WalkForward:
    """Choose parameters on a window of the past, trade them on the sessions after it, move on, and join the tests.

    Parameters
    ----------
    strategy, bars, grid, where, workers
        As of `stockstream.sweep`. Several symbols share an account. Settings cannot be in the grid.
    train, test, anchored, purge, embargo
        Sessions, as of `WalkForwardSplit`.
    select
        ``"sharpe"`` or ``"mean_return"``: what ranks on a training window; the first of equals is taken.
    **settings
        Options of `stockstream.backtest`.

    Returns
    -------
    WalkForward
        In a test rules know all bars before it (warm-up), the account starts flat, and is closed at its end with costs.

    Raises
    ------
    ParameterError
        Windows that do not fit the bars, a purge that leaves nothing to learn on, or settings in the grid.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> from stockstream.backtesting.strategies import MovingAverageCrossover
    >>> close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 300)), axis=1))
    >>> dates = np.arange("2024-01-01", "2024-10-27", dtype="datetime64[D]")
    >>> bars = ss.Bars.from_arrays(
    ...     symbols=["X"], dates=dates, **dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    ... )
    >>> found = walk_forward(
    ...     MovingAverageCrossover, bars, {"fast_period": [3, 5], "slow_period": [10, 20]}, train=100, test=50
    ... )
    >>> found.windows.height, found.equity.height
    (4, 200)
    """
    started = time.perf_counter()
    splitter = WalkForwardSplit(train=train, test=test, anchored=anchored, purge=purge, embargo=embargo)
    splits = list(splitter.split(bars.dates))
    if len(splits[-1][1]) < FEWEST:  # a rest that cannot be traded
        splits.pop()
    swept, choices = choose(strategy, bars, grid, splits, select, {"where": where, "workers": workers, **settings})
    blocks = Stretches(strategy, bars, swept, settings)
    cash = settings_of(**settings).cash
    results: list[Result | None] = []
    for (_, judged), choice in zip(splits, choices, strict=True):
        result = blocks.run(choice.row, int(judged[0]), int(judged[-1]) + 1, cash)
        cash = cash if result is None else float(result.account.equity[-1])
        results.append(result)
        if not cash > 0.0:
            break
    splits, choices = splits[: len(results)], choices[: len(results)]
    equity = _joined(bars, splits, results, settings_of(**settings).cash)
    learned = float(np.mean([choice.mean for choice in choices]))
    judged_mean = float(np.mean(equity["return"].to_numpy()))
    return WalkForward(
        windows=_windows(bars, splits, swept, choices, results),
        equity=equity,
        metrics=_metrics(equity, results, settings),
        efficiency=judged_mean / learned if learned > 0.0 else math.nan,
        sweep=swept,
        seconds=time.perf_counter() - started,
    )


def _joined(bars: Bars, splits: Sequence[Any], results: Sequence[Result | None], cash: float) -> pl.DataFrame:
    import polars as pl

    parts, last = [], cash
    for (_, judged), result in zip(splits, results, strict=True):
        parts.append(np.full(len(judged), last) if result is None else result.account.equity)
        last = float(parts[-1][-1])
    equity = np.concatenate(parts)
    before = np.concatenate([[cash], equity[:-1]])
    window = np.concatenate([np.full(len(judged), number) for number, (_, judged) in enumerate(splits)])
    dates = bars.dates[np.concatenate([judged for _, judged in splits])]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where(before > 0.0, equity / before - 1.0, 0.0)
    return pl.DataFrame({"date": dates, "equity": equity, "return": returns, "window": window})


def _windows(
    bars: Bars, splits: Sequence[Any], swept: Sweep, choices: Sequence[Choice], results: Sequence[Result | None]
) -> pl.DataFrame:
    import polars as pl

    year = math.sqrt(swept.settings.periods_per_year)
    rows = []
    for (learn, judged), choice, result in zip(splits, choices, results, strict=True):
        days = [bars.dates[place].item() for place in (learn[0], learn[-1], judged[0], judged[-1])]
        rows.append(
            {
                **dict(zip(("train_start", "train_end", "test_start", "test_end"), days, strict=True)),
                **values_of(swept, choice),
                "in_sample": choice.sharpe * year,
                "out_of_sample": math.nan if result is None else result.metrics.sharpe,
                "trades": 0 if result is None else result.metrics.trades,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _metrics(equity: pl.DataFrame, results: Sequence[Result | None], settings: dict[str, Any]) -> Metrics:
    chosen = settings_of(**settings)
    ran = [result for result in results if result is not None]
    held = [
        np.zeros(len(part), dtype=bool)
        if result is None
        else result.account.long_value + result.account.short_value > 0.0
        for result, part in zip(results, equity.partition_by("window", maintain_order=True), strict=True)
    ]
    names = ("fees", "slippage", "borrow", "interest", "traded")
    totals = Totals(**{name: sum(getattr(result.totals, name) for result in ran) for name in names})
    from stockstream_kernels.ledger import TRADE

    trades = np.concatenate([np.zeros(0, TRADE), *(result.ledgers["trades"] for result in ran)])
    return metrics(
        equity["equity"].to_numpy(),
        chosen.cash,
        trades,
        exposure=np.concatenate(held),
        totals=totals,
        periods_per_year=chosen.periods_per_year,
        risk_free=chosen.risk_free,
    )
