"""Every tool against self-deception on one strategy: figures of each, and sentences that claim no more than they do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.benchmark import benchmark_levels
from stockstream.backtesting.engine import backtest
from stockstream.backtesting.measures import DEFINITIONS
from stockstream.errors import StockstreamError, counted
from stockstream.research.cross_validation import cross_validate
from stockstream.research.evidence import evidence_of
from stockstream.research.reality import reality_check
from stockstream.research.resampling import intervals
from stockstream.research.sampled import sampled_returns
from stockstream.research.selection import BLOCKS, FEWEST_IN_BLOCK
from stockstream.research.sweep import sweep
from stockstream.research.verdict import verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from stockstream.backtesting.result import Result
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.results import Sweep

#: A p-value from which "no combination is better" is not rejected.
REJECTED: Final = 0.05

#: Measures whose intervals are given.
MEASURES: Final = ("annual_return", "volatility", "sharpe", "max_drawdown", "win_rate", "profit_factor")


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a strategy proves.

    Attributes
    ----------
    title
        What was judged.
    frame
        One row a figure: ``tool, figure, value, low, high`` (null where there is no number) and ``text``.
    sentences
        For people, the verdict first.
    """

    title: str
    frame: pl.DataFrame
    sentences: tuple[str, ...]


@dataclass(eq=False)
class _Written:
    """Rows and sentences so far."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def add(self, tool: str, figure: str, text: str, *numbers: float) -> None:
        """Add a figure, with its value and perhaps an interval."""
        known = [float(number) if math.isfinite(number) else None for number in numbers]
        self.rows.append((tool, figure, *known, *[None] * (3 - len(known)), text))

    def attempt(self, tool: str, make: Callable[[], None], *, spoken: bool = False) -> None:
        """Use a tool; where it has nothing to say, that stands in its place, and, `spoken`, among the sentences."""
        try:
            make()
        except StockstreamError as error:
            self.add(tool, "not measured", str(error))
            if spoken:
                self.sentences.append(f"Nothing can be said of the Sharpe ratio: {str(error).rstrip('.')}.")

    def frame(self) -> pl.DataFrame:
        """Return the rows."""
        import polars as pl

        kinds = dict.fromkeys(("value", "low", "high"), pl.Float64)
        return pl.DataFrame(
            self.rows, schema={"tool": pl.String, "figure": pl.String, **kinds, "text": pl.String}, orient="row"
        )


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Which tools are used, and how.

    Attributes
    ----------
    resamples, seed
        For intervals and the reality check.
    sampled
        Combinations that the reality check compares.
    cross_validate, purge, embargo
        Combinatorial purged cross-validation, and the sessions it leaves out around a test.
    stress
        Run the best again with its assumptions made worse.
    """

    resamples: int = 500
    sampled: int = 100
    cross_validate: bool = False
    purge: int = 5
    embargo: int = 20
    stress: bool = False
    seed: int = 0


def judged(
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Mapping[str, Sequence[Any]],
    *,
    where: pl.Expr | None = None,
    tools: Tools | None = None,
    **settings: Any,
) -> Judgement:
    """Use every tool on the best combination of a grid, or on the one run of a grid without a choice.

    Parameters
    ----------
    strategy, bars, grid, where, **settings
        As of `sweep`; several symbols share an account. An empty grid runs the strategy as it is.
    tools
        Which, and how; None for the usual ones.

    Returns
    -------
    Judgement
        Where a tool has nothing to say, the reason stands in its place.

    Raises
    ------
    ParameterError, UnknownNameError
        A grid or a setting that makes no sense.
    """
    written, chosen = _Written(), Tools() if tools is None else tools
    swept = _swept(strategy, bars, grid, where, settings) if _choices(grid) > 1 else None
    if swept is not None and swept.runs == 0:
        swept.best("sharpe")  # says why
    if swept is None or swept.runs < 2:  # noqa: PLR2004 nothing was chosen
        given = {name: values[0] for name, values in grid.items()} if swept is None else _only(swept)
        result = backtest(strategy(**given), bars, **settings)
        written.attempt("Sharpe ratio", lambda: _alone(written, result), spoken=True)
        title = f"{result.strategy}, one run"
    else:
        choice = swept
        result = choice.result(choice.best("sharpe"))
        written.attempt("Sharpe ratio of the best", lambda: _chosen(written, choice), spoken=True)
        written.attempt("Reality check against cash", lambda: _real(written, choice, "cash", chosen))
        written.attempt("Reality check against holding", lambda: _real(written, choice, "holding", chosen))
        if chosen.cross_validate:
            written.attempt("Cross-validation", lambda: _crossed(written, choice, grid, where, chosen))
        written.attempt("Orders of the trades", lambda: _orders(written, result))
        title = f"{result.strategy}, the best of {counted(choice.combinations, 'combination')}"
    written.attempt("Intervals", lambda: _intervals(written, result, chosen))
    if chosen.stress:
        written.attempt("Stress test", lambda: _stressed(written, result, chosen.seed))
    parameters = ", ".join(f"{name}={value}" for name, value in result.parameters.items())
    return Judgement(f"{title}: {parameters}" if parameters else title, written.frame(), tuple(written.sentences))


def _choices(grid: Mapping[str, Sequence[Any]]) -> int:
    return math.prod(len(values) for values in grid.values())


def _swept(
    strategy: type[RuleStrategy],
    bars: Bars,
    grid: Mapping[str, Sequence[Any]],
    where: pl.Expr | None,
    settings: Mapping[str, Any],
) -> Sweep:
    portfolio = "each" if len(bars.symbols) == 1 else "shared"
    blocks = BLOCKS if len(bars.dates) >= BLOCKS * FEWEST_IN_BLOCK else 0
    options = {"blocks": blocks, "portfolio": portfolio, "progress": False, **settings}
    return sweep(strategy, bars, grid, where=where, **options)


def _only(swept: Sweep) -> dict[str, Any]:
    row = swept.frame.row(0, named=True)
    return {name: row[name] for name in swept.parameters}


# ---- tools -------------------------------------------------------------------------------------------------------


def _alone(written: _Written, result: Result) -> None:
    found = evidence_of(result)
    for what, figure in found.lines():
        written.add("Sharpe ratio", what, figure)
    written.sentences.append(found.sentence)


def _chosen(written: _Written, swept: Sweep) -> None:
    found, year = verdict_of(swept), math.sqrt(swept.settings.periods_per_year)
    pbo = math.nan if found.overfitting is None else found.overfitting.probability
    numbers = (
        found.sample.sharpe * year,
        found.probabilistic,
        found.track_record,
        found.tried.trials,
        found.effective,
        found.deflated.threshold * year,
        found.deflated.probability,
        found.deflated_effective.probability,
        pbo,
    )
    for (what, figure), number in zip(found.lines(), numbers, strict=True):
        written.add("Sharpe ratio of the best", what, figure, number)
    written.sentences.append(found.sentence)
    if found.overfitting is not None:
        written.sentences.append(
            f"Choosing on half of the sessions, the choice was below the middle on the other half in {pbo:.0%} of the "
            "splits; choosing among worthless runs gives 50%."
        )


def _real(written: _Written, swept: Sweep, against: str, tools: Tools) -> None:
    returns = sampled_returns(swept, tools.sampled, seed=tools.seed)
    benchmark = None if against == "cash" else _held(swept.bars)
    found = reality_check(returns, benchmark, repetitions=tools.resamples, seed=tools.seed)
    tool = f"Reality check against {against}"
    written.add(tool, "Combinations drawn, whatever they did", f"{found.runs:,}", found.runs)
    written.add(tool, "p-value, White", f"{found.white:.3f}", found.white)
    written.add(tool, "p-value, Hansen", f"{found.hansen:.3f}", found.hansen)
    than = "cash" if against == "cash" else "buying and holding all symbols in equal parts"
    chance = f"(p = {found.hansen:.2f})"
    if found.hansen < REJECTED:
        said = f"On these sessions one of the combinations drawn is better than {than} {chance}."
    else:
        said = f"No combination drawn is shown to be better than {than} {chance}."
    written.sentences.append(said)


def _held(bars: Bars) -> Any:
    """Return ``(T,)``: the returns of buying and holding all symbols in equal parts, without costs."""
    levels = np.asarray(benchmark_levels("universe", bars), dtype=np.float64)
    return np.diff(levels, prepend=levels[0]) / np.concatenate([levels[:1], levels[:-1]])


def _crossed(
    written: _Written, swept: Sweep, grid: Mapping[str, Sequence[Any]], where: pl.Expr | None, tools: Tools
) -> None:
    tool = "Cross-validation"
    options = {name: getattr(swept.settings, name) for name in swept.settings.__dataclass_fields__}
    options |= {"purge": tools.purge, "embargo": tools.embargo, "where": where}
    found = cross_validate(swept.strategy, swept.bars, grid, **options)
    low, middle, high = np.nanquantile(found.sharpe, (0.05, 0.5, 0.95))
    below = float((found.sharpe < 0.0).mean())
    text = f"{middle:.2f}, nine in ten between {low:.2f} and {high:.2f}"
    written.add(tool, "Paths, and the splits they are made of", f"{len(found.sharpe)} of {found.splits.height}")
    written.add(tool, "Sharpe ratio of the middle path", text, middle, low, high)
    written.add(tool, "Paths below 0", f"{below:.0%}", below)


def _intervals(written: _Written, result: Result, tools: Tools) -> None:
    found = intervals(result, repetitions=tools.resamples, seed=tools.seed)
    tool = f"Nine in ten of {tools.resamples:,} resamples"
    for name, *numbers in found.frame.rows():
        if name in MEASURES:
            value, low, high = (DEFINITIONS[name].format(number) for number in numbers)
            text = "no value" if math.isnan(numbers[0]) else f"{value}, between {low} and {high}"
            written.add(tool, DEFINITIONS[name].label, text, *numbers)


def _orders(written: _Written, result: Result) -> None:
    for what, figure in evidence_of(result).order_lines():
        written.add("Orders of the trades", what, figure)


def _stressed(written: _Written, result: Result, seed: int) -> None:
    found = result.stress(seed=seed)
    for row in found.frame.to_dicts():
        known = row["profitable"] is not None
        text = f"return {row['total_return']:+.1%}, Sharpe ratio {row['sharpe']:.2f}" if known else row["note"]
        written.add("Stress test", row["change"], text, row["total_return"] if known else math.nan)
    written.sentences.append(found.verdict)
