"""The command `sweep`: a strategy with every combination of parameters, on each symbol."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.options import (
    OUTPUT,
    Adjust,
    EndDate,
    LakePath,
    StartDate,
    StrategyName,
    Symbols,
    made_room,
    page_file,
    read_bars,
    split_list,
)
from stockstream.cli.output import Format, choose_format, heading, print_frame, say, say_words, working, write_frame
from stockstream.cli.parameters import option_grid, typed_grid
from stockstream.cli.proofs import print_verdict
from stockstream.cli.strategies import find_strategy
from stockstream.cli.terms import (
    Broker,
    Capital,
    CommissionRate,
    Fill,
    Setting,
    SizingText,
    SlippageRate,
    read_terms,
)
from stockstream.errors import ParameterError, StockstreamError, UnknownNameError, counted, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.sweep import Sweep

EXAMPLES: Final = """
Examples:
  stockstream sweep --strategy MovingAverageCrossover --symbols BHP,CBA \\
    --param fast_period=5:60:5 --param slow_period=20:200:10 \\
    --where "fast_period < slow_period"

  stockstream sweep --strategy RSIMeanReversion --param oversold=20,25,30 \\
    --param overbought=60:80:5 --metric sortino --by symbol --top 3

  stockstream sweep --strategy mine.py:Breakout --param days=10:100:10 \\
    --param costs.commission=0,0.0005,0.001 --output breakout.parquet

  stockstream sweep --strategy MovingAverageCrossover --sample 5000 \\
    --param fast_period=2:200 --param slow_period=5:500 \\
    --checkpoint kept --report sweep.html
"""

#: Shown beside the metric that ranks.
_SHOWN: Final = ("total_return", "sharpe", "max_drawdown", "trades")

_RANKED: Final = ("combination", "symbol")

#: A heatmap has two sides.
_SIDES: Final = 2


Grid = Annotated[
    list[str],
    typer.Option(
        "--param",
        metavar="NAME=VALUES",
        help="A list 10,20,50 or a range FIRST:LAST:STEP, last one included; repeat. "
        "Also settings: costs.slippage=0,0.001.",
    ),
]
Where = Annotated[
    str | None, typer.Option(metavar="CONDITION", help='Only these combinations: "fast_period < slow_period".')
]
Sample = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only so many combinations, drawn at random.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the drawing: the same seed draws the same.")]
Kept = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Remember what is done there; the same sweep goes on where it was."),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a page with the best and all views.", rich_help_panel=OUTPUT),
]
Metric = Annotated[str, typer.Option(metavar="NAME", help="What ranks.", rich_help_panel=OUTPUT)]
Smallest = Annotated[bool, typer.Option("--smallest", help="Best is smallest.", rich_help_panel=OUTPUT)]
By = Annotated[
    str,
    typer.Option(metavar="KIND", help="Rank combination (mean of the symbols), or symbol.", rich_help_panel=OUTPUT),
]
Top = Annotated[int, typer.Option(min=1, metavar="N", help="How many to list.", rich_help_panel=OUTPUT)]
Heatmap = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Draw the metric over two parameters.", rich_help_panel=OUTPUT),
]
Axes = Annotated[
    str | None, typer.Option(metavar="X,Y", help="Which two; the first two when left out.", rich_help_panel=OUTPUT)
]
RowFormat = Annotated[
    Format | None,
    typer.Option("--format", help="All rows instead of the best.", show_default=False, rich_help_panel=OUTPUT),
]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="All rows as .csv, .json or .parquet.", rich_help_panel=OUTPUT)
]


def sweep(
    strategy: StrategyName,
    param: Grid,
    where: Where = None,
    sample: Sample = None,
    seed: Seed = 0,
    checkpoint: Kept = None,
    lake: LakePath = None,
    symbols: Symbols = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    adjust: Adjust = "total",
    initial_capital: Capital = 100_000.0,
    commission: CommissionRate = None,
    slippage: SlippageRate = None,
    broker: Broker = None,
    sizing: SizingText = "all_cash",
    fill: Fill = "next_open",
    setting: Setting = [],  # noqa: B006 Typer reads it and never changes it
    metric: Metric = "sharpe",
    smallest: Smallest = False,
    by: By = "combination",
    top: Top = 10,
    heatmap: Heatmap = None,
    axes: Axes = None,
    report: Report = None,
    form: RowFormat = None,
    output: Output = None,
) -> None:
    """Run a strategy with every combination of parameters, on each symbol by itself."""
    if by not in _RANKED:
        message = f"expected --by combination or --by symbol; found {by!r}.{did_you_mean(by, _RANKED)}"
        raise ParameterError(message)
    form, path = choose_format(form, output)
    page = None if heatmap is None else page_file("--heatmap", heatmap)
    story = None if report is None else page_file("--report", report)
    terms = read_terms(initial_capital, commission, slippage, broker, sizing, fill, setting)
    cls = find_strategy(strategy)
    grid = read_grid(param, cls)
    sides = choose_axes(axes, list(grid)) if page is not None or axes is not None else None
    condition = None if where is None else parse_where(where, list(grid))
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    more = {"sample": sample, "seed": seed, "checkpoint": checkpoint}
    streamed = path if form is Format.parquet and path is not None else None
    swept = run_sweep(cls, bars, grid, condition, metric, terms, out=streamed and made_room(streamed), **more)
    if streamed is not None:
        say(f"{counted(swept.runs, 'row')} in {streamed}")
    elif path is not None or form is not Format.table:
        write_frame(swept.frame, form, path)
    else:
        print_sweep(swept, metric, by=by, top=top, largest=not smallest)
    if page is not None and sides is not None:
        from stockstream.reports import write_figure

        say(f"\nHeatmap: {write_figure(swept.heatmap(*sides, metric=metric), made_room(page))}")
    if story is not None:
        say(f"\nReport: {swept.report(made_room(story), metric=metric)}")


def read_grid(items: Sequence[str], cls: type[RuleStrategy]) -> dict[str, list[Any]]:
    """Return the values of parameters, and of settings, whose names have a dot."""
    settings = [item for item in items if "." in item.partition("=")[0]]
    grid: dict[str, list[Any]] = dict(typed_grid("--param", [item for item in items if item not in settings], cls))
    return grid | option_grid("--param", settings)


def run_sweep(
    cls: type[RuleStrategy],
    bars: Bars,
    grid: Mapping[str, Sequence[Any]],
    where: pl.Expr | None,
    metric: str,
    terms: Mapping[str, Any],
    **options: Any,
) -> Sweep:
    """Return the sweep with its usual metrics and the one that ranks; a warning says which combinations failed."""
    import stockstream as ss
    from stockstream.research.collect import why_nothing_ran
    from stockstream.research.selection import BLOCKS, FEWEST_IN_BLOCK
    from stockstream.research.sweep import DEFAULT_METRICS

    metrics = list(dict.fromkeys([metric, *DEFAULT_METRICS]))
    blocks = BLOCKS if len(bars.dates) >= BLOCKS * FEWEST_IN_BLOCK else 0
    swept = ss.sweep(cls, bars, grid, where=where, metrics=metrics, blocks=blocks, **terms, **options)
    if swept.complete and not swept.runs:
        message = f"there is nothing to show: {why_nothing_ran(swept.failures)}"
        raise ParameterError(message)
    if swept.failed:
        first = swept.failures.row(0, named=True)
        values = ", ".join(f"{name}={first[name]}" for name in swept.parameters if first[name] is not None)
        reason = first["reason"]
        warnings.warn(f"{counted(swept.failed, 'combination')} left out, such as {values}: {reason}", stacklevel=2)
    if not swept.complete:
        warnings.warn("the sweep was ended early: what follows is what was done", stacklevel=2)
    return swept


def choose_axes(text: str | None, varied: Sequence[str]) -> tuple[str, str]:
    """Return the two parameters of a heatmap."""
    names = list(varied)[:_SIDES] if text is None else split_list("--axes", text)
    _check_varied("--axes", names, varied)
    if len(names) != _SIDES or len(set(names)) != _SIDES:
        message = f"expected two parameters for --heatmap; found {', '.join(names)}. Vary two with --param."
        raise ParameterError(message)
    return names[0], names[1]


def parse_where(text: str, parameters: Sequence[str]) -> pl.Expr:
    """Return a condition over parameters, written as in SQL, as a Polars expression.

    Examples
    --------
    >>> str(parse_where("fast < slow", ["fast", "slow"]))
    '[(col("fast")) < (col("slow"))]'
    """
    import polars as pl

    try:
        condition = pl.sql_expr(text)
        names = condition.meta.root_names()
    except (pl.exceptions.PolarsError, ValueError) as error:
        said = str(error).splitlines()[0]
        message = f'expected a condition for --where, such as "fast_period < slow_period"; found {text!r} ({said})'
        raise ParameterError(message) from error
    _check_varied("--where", names, parameters)
    return condition


def _check_varied(flag: str, names: Sequence[str], varied: Sequence[str]) -> None:
    for name in names:
        if name not in varied:
            message = (
                f"{flag} names {name!r}, which the sweep does not vary; it varies {', '.join(varied)}."
                f"{did_you_mean(name, varied)}"
            )
            raise UnknownNameError(message)


def print_sweep(swept: Sweep, metric: str, *, by: str, top: int, largest: bool = True) -> None:
    """Print the best of a sweep and how fast it was."""
    from stockstream.backtesting.summary import HEADLINES
    from stockstream.research.deflation import said_of_best

    frame = swept.frame
    kept = [name for name in dict.fromkeys([metric, *_SHOWN]) if name in frame.columns]
    best = ranked(swept, kept, by=by, top=top, largest=largest)
    several = by == "combination" and len(swept.bars.symbols) > 1
    what = "of each symbol" if by == "symbol" else "combinations" + (" (mean of the symbols)" if several else "")
    heading(f"Best {what} by {metric}")
    formats = {name: form for _, name, form in HEADLINES}
    formats |= {"sharpe": "{:.3f}", "sortino": "{:.3f}", "trades": "{:,.1f}" if several else "{:,.0f}"}
    print_frame(best, most_rows=max(best.height, 1), formats=formats)
    runs = [(swept.combinations, "combination"), (len(swept.bars.symbols), "symbol"), (len(swept.bars.dates), "bar")]
    say(
        f"{' x '.join(counted(number, noun) for number, noun in runs)} = {swept.bar_runs / 1e6:,.1f} million bar-runs",
        style="dim",
    )
    say(f"in {swept.seconds:.2f} s: {swept.speed / 1e6:,.1f} million bar-runs a second", style="dim")
    if by == "symbol" or not several:
        print_verdict_of(swept)
    elif said := said_of_best(swept):
        say_words(f"{said[0].upper()}{said[1:]}.")


def print_verdict_of(swept: Sweep) -> None:
    """Say what the best Sharpe ratio proves after all that was tried, or why nothing can be said."""
    heading("What the best Sharpe ratio proves")
    try:
        verdict = swept.verdict()
    except StockstreamError as error:
        say_words(f"Nothing: {error}")
        return
    print_verdict(verdict.sentence, dict(verdict.lines()))


def ranked(swept: Sweep, kept: Sequence[str], *, by: str, top: int, largest: bool = True) -> pl.DataFrame:
    """Return the best rows first, by the first of the metrics kept: of each combination, or of each symbol.

    A combination whose metric is unknown on some symbol (no trade) is ranked by the others; on all, it comes last.
    """
    import polars as pl
    from polars import selectors

    names, order = list(swept.parameters), [pl.col(kept[0])]
    known = swept.frame.with_columns(selectors.float().fill_nan(None)).select("symbol", *names, *kept)
    if by == "symbol":
        best = known.sort(order, descending=largest, nulls_last=True, maintain_order=True)
        best = best.group_by("symbol", maintain_order=True).head(top)
        return best.sort("symbol", maintain_order=True)
    means = known.group_by(names, maintain_order=True).agg(pl.col(kept).mean())
    return means.sort(order, descending=largest, nulls_last=True, maintain_order=True).head(top)
