"""Model-based search: a study of Optuna asks for combinations, sweeps answer them in batches.

Needs the extra ``optuna`` (``pip install "stockstream[optuna]"``). Every choice of what to try next is Optuna's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.research.collect import Ratios
from stockstream.research.grid import combinations
from stockstream.research.question import DEFAULT_METRICS
from stockstream.research.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    import polars as pl

    from stockstream.backtesting.result import Result
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.results import Sweep

#: Ends of a range.
ENDS: Final = 2

type Space = Mapping[str, range | tuple[float, float] | Sequence[float]]


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """What a search found.

    Attributes
    ----------
    study
        The study, with every trial; it can be searched on and saved by its storage.
    trials
        One row per combination that ran: the parameters, and the metrics as means over the symbols.
    metric
        What was searched for.
    sweep
        The last batch, with the combinations, the runs and the ratios of all: what a choice among them is judged by.
    """

    study: optuna.Study
    trials: pl.DataFrame
    metric: str
    sweep: Sweep

    @property
    def best(self) -> dict[str, Any]:
        """Parameters and metrics of the best combination, and what its Sharpe ratio proves after all that was tried.

        As of `Sweep.best`: ``deflated_sharpe`` after so many ``trials``, ``deflated_sharpe_effective`` after the
        ``trials_effective`` that they are worth. A mean over several symbols is no account, so all are None then.
        """
        from stockstream.research.deflation import with_deflation

        return with_deflation(self.sweep, self._best())

    def _best(self) -> dict[str, Any]:
        return self._ranked().row(0, named=True)

    def _ranked(self) -> pl.DataFrame:
        largest = self.study.direction.name == "MAXIMIZE"
        return self.trials.sort(self.metric, descending=largest, nulls_last=True, maintain_order=True)

    def result(self, symbol: str | None = None) -> Result:
        """Run the backtest of the best combination."""
        return self.sweep.result(self._best() | ({} if symbol is None else {"symbol": symbol}))

    def __repr__(self) -> str:
        from stockstream.research.deflation import said_of

        best = self.best
        chosen = ", ".join(f"{name} {best[name]:.6g}" for name in self.sweep.parameters)
        said = said_of(best)
        return (
            f"Search of {counted(self.trials.height, 'combination')} by {self.metric}: best {best[self.metric]:.4g} "
            f"with {chosen}; {said or best.get('not_deflated', 'no Sharpe ratio')}"
        )

    def _repr_html_(self) -> str:
        from stockstream.research.results import table_html

        return table_html(repr(self), f"the first five by {self.metric}", self._ranked().head(5))


def search(  # noqa: PLR0913 one argument per thing that can be chosen
    strategy: type[RuleStrategy],
    bars: Bars,
    space: Space,
    *,
    metric: str = "sharpe",
    largest: bool = True,
    trials: int = 200,
    batch: int = 20,
    study: optuna.Study | None = None,
    seed: int = 0,
    **options: Any,
) -> Search:
    """Search for a good combination with far fewer runs than a grid has.

    Parameters
    ----------
    strategy, bars
        As of `sweep`.
    space
        Name -> what may be tried: a ``range`` of whole numbers, two floats for anything between them (ends included),
        or a list of values. Names with a dot are settings, as in `sweep`.
    metric, largest
        What is searched for: the mean over the symbols, or the figure of the account with ``portfolio="shared"``.
        Combinations without a value (no trade) or that cannot run are told to the study as failed.
    trials
        Combinations to try.
    batch
        How many are asked for before any is answered, and then run as one sweep.
    study
        A study of your own, with its sampler and storage; default a new one with a TPE sampler of that seed.
    seed
        Of the default sampler: the same search finds the same.
    **options
        Options of `sweep` and of `backtest`: metrics, portfolio, costs, sizing, …

    Raises
    ------
    ParameterError, UnknownNameError
        A space, metric or option that makes no sense.
    StockstreamError
        Optuna is not installed.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> from stockstream.backtesting.strategies import MovingAverageCrossover
    >>> close = 10 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 300)), axis=1))
    >>> dates = np.arange("2024-01-01", "2024-10-27", dtype="datetime64[D]")
    >>> prices = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=dates, **prices)
    >>> found = search(MovingAverageCrossover, bars, {"fast_period": range(2, 20), "slow_period": range(20, 60)},
    ...                trials=40)
    >>> found.trials.height
    40
    """
    optuna = _optuna()
    for name, value in (("trials", trials), ("batch", batch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            message = f"expected {name} to be a whole number of at least 1; found {value!r}"
            raise ParameterError(message)
    if not space:
        message = "expected at least one parameter to search over; found an empty space"
        raise ParameterError(message)
    distributions = {name: _distribution(optuna, name, values) for name, values in space.items()}
    if study is None:
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(direction="maximize" if largest else "minimize", sampler=sampler)
    options = {"progress": False, "metrics": tuple(dict.fromkeys([metric, *DEFAULT_METRICS])), **options}
    rounds, ratios = [], Ratios()
    while trials > 0:
        asked = [study.ask(distributions) for _ in range(min(batch, trials))]
        swept, frame = _answered(strategy, bars, asked, metric, options)
        ratios.take(0, swept.frame)
        rounds.append(frame)
        _tell(optuna, study, asked, frame, metric)
        trials -= len(asked)
    import polars as pl

    ran = pl.concat(rounds).unique(list(space), maintain_order=True)
    return Search(study, ran, metric, _judged_by_all(swept, ran, ratios))


def _judged_by_all(last: Sweep, ran: pl.DataFrame, ratios: Ratios) -> Sweep:
    """Return the last batch with what a choice is judged by, of everything that ran."""
    if not ran.height:
        return last
    return replace(
        last,
        grid=combinations(last.strategy, ran.select(last.parameters).to_dicts()),
        runs=ran.height * (1 if last.portfolio == "shared" else len(last.bars.symbols)),
        ratios=ratios,
        correlations={},
    )


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        message = 'model-based search needs the package optuna; type `pip install "stockstream[optuna]"`'
        raise StockstreamError(message) from error
    return optuna


def _distribution(optuna: Any, name: str, values: Any) -> Any:
    if isinstance(values, range) and len(values) > 0 and values.step > 0:
        return optuna.distributions.IntDistribution(values[0], values[-1], step=values.step)
    ends = isinstance(values, tuple) and len(values) == ENDS
    if ends and all(_finite(value) for value in values) and values[0] < values[1]:
        return optuna.distributions.FloatDistribution(float(values[0]), float(values[1]))
    if isinstance(values, list) and values and all(_finite(value) for value in values):
        return optuna.distributions.CategoricalDistribution(values)
    message = (
        f"expected for {name!r} a range of whole numbers, a tuple of two floats (low, high), or a list of numbers; "
        f"found {values!r}"
    )
    raise ParameterError(message)


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _answered(
    strategy: type[RuleStrategy], bars: Bars, asked: Sequence[Any], metric: str, options: Mapping[str, Any]
) -> tuple[Sweep, pl.DataFrame]:
    """Run what was asked for as one sweep; one row per distinct combination that ran."""
    import polars as pl
    from polars import selectors

    rows = [dict(row) for row in dict.fromkeys(tuple(trial.params.items()) for trial in asked)]
    swept = sweep(strategy, bars, rows, **options)
    frame = swept.frame.with_columns(selectors.float().fill_nan(None))
    if metric not in swept.metrics:
        message = f"expected the metric {metric!r} among metrics=; found {', '.join(swept.metrics)}"
        raise ParameterError(message)
    return swept, frame.group_by(swept.parameters, maintain_order=True).agg(pl.col(swept.metrics).mean())


def _tell(optuna: Any, study: Any, asked: Sequence[Any], frame: pl.DataFrame, metric: str) -> None:
    found = {tuple(row[name] for name in asked[0].params): row[metric] for row in frame.iter_rows(named=True)}
    for trial in asked:
        value = found.get(tuple(trial.params.values()))
        if value is None or not math.isfinite(value):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
