"""The command `sweep`: a strategy with every combination of parameters, on each symbol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.backtests import Broker, CommissionRate, Fill, SlippageRate, parse_costs
from stockstream.cli.options import (
    OUTPUT,
    Adjust,
    Capital,
    EndDate,
    LakePath,
    StartDate,
    StrategyName,
    Symbols,
    check_capital,
    made_room,
    output_file,
    read_bars,
    split_list,
)
from stockstream.cli.output import Format, choose_format, heading, print_frame, say, working, write_frame
from stockstream.cli.parameters import typed_grid
from stockstream.cli.strategies import find_strategy
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from stockstream.research.sweep import Sweep

EXAMPLES: Final = """
Examples:
  stockstream sweep --strategy MovingAverageCrossover --symbols BHP,CBA \\
    --param fast_period=5:60:5 --param slow_period=20:200:10 \\
    --where "fast_period < slow_period"

  stockstream sweep --strategy RSIMeanReversion --param oversold=20,25,30 \\
    --param overbought=60:80:5 --metric sortino --by symbol --top 3

  stockstream sweep --strategy mine.py:Breakout --param days=10:100:10 \\
    --output breakout.parquet
"""

#: Shown beside the metric that ranks.
_SHOWN: Final = ("total_return", "annual_return", "sharpe", "max_drawdown")

#: A heatmap has two sides.
_SIDES: Final = 2


def sweep(
    strategy: StrategyName,
    param: Annotated[
        list[str],
        typer.Option(
            "--param",
            metavar="NAME=VALUES",
            help="A list 10,20,50 or a range FIRST:LAST:STEP, last one included; repeat for more.",
        ),
    ],
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help='Only these combinations: "fast_period < slow_period".')
    ] = None,
    lake: LakePath = None,
    symbols: Symbols = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    adjust: Adjust = "total",
    initial_capital: Capital = 100_000.0,
    commission: CommissionRate = None,
    slippage: SlippageRate = None,
    broker: Broker = None,
    fill: Fill = "next_open",
    metric: Annotated[str, typer.Option(metavar="NAME", help="What ranks.", rich_help_panel=OUTPUT)] = "sharpe",
    by: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Rank each combination (mean of symbols), or each symbol's own.",
            rich_help_panel=OUTPUT,
        ),
    ] = "combination",
    top: Annotated[int, typer.Option(min=1, help="How many to list.", rich_help_panel=OUTPUT)] = 10,
    heatmap: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Draw the metric over two parameters.", rich_help_panel=OUTPUT),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="The two parameters; the first two when left out.", rich_help_panel=OUTPUT),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="All rows instead of the best.", show_default=False, rich_help_panel=OUTPUT),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All rows as .csv, .json or .parquet.", rich_help_panel=OUTPUT)
    ] = None,
) -> None:
    """Run a strategy with every combination of parameters, on each symbol by itself."""
    if by not in ("combination", "symbol"):
        message = (
            f"expected --by combination or --by symbol; found {by!r}.{did_you_mean(by, ('combination', 'symbol'))}"
        )
        raise ParameterError(message)
    check_capital(initial_capital)
    form, path = choose_format(form, output)
    page = None if heatmap is None else output_file("--heatmap", heatmap, ".html", ".htm")
    costs = parse_costs(commission, slippage, broker)
    cls = find_strategy(strategy)
    grid = typed_grid("--param", param, cls)
    sides = choose_axes(axes, list(grid)) if page is not None or axes is not None else ()
    condition = None if where is None else parse_where(where, list(grid))
    check_metric(metric)
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)

    import stockstream as ss

    metrics = list(dict.fromkeys([metric, *_SHOWN]))
    swept = ss.sweep(cls, bars, grid, where=condition, metrics=metrics, costs=costs, cash=initial_capital, fill=fill)
    if path is not None or form is not Format.table:
        write_frame(swept.frame, form, path)
    else:
        print_sweep(swept, list(grid), metric, by=by, top=top)
    if page is not None:
        from stockstream.reports import write_figure

        say(f"\nHeatmap: {write_figure(swept.heatmap(*sides, metric), made_room(page))}")


def check_metric(name: str) -> None:
    """Refuse a metric that a sweep cannot compute."""
    from stockstream.backtesting.metrics import Metrics

    known = list(Metrics.__dataclass_fields__)
    if name not in known:
        message = f"unknown metric {name!r}; expected one such as {', '.join(_SHOWN)}.{did_you_mean(name, known)}"
        raise UnknownNameError(message)


def choose_axes(text: str | None, varied: Sequence[str]) -> tuple[str, ...]:
    """Return the two parameters of a heatmap."""
    names = list(varied)[:_SIDES] if text is None else split_list("--axes", text)
    _check_varied("--axes", names, varied)
    if len(set(names)) != _SIDES:
        message = f"expected two parameters for --heatmap; found {', '.join(names)}. Vary two with --param."
        raise ParameterError(message)
    return tuple(names)


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


def print_sweep(swept: Sweep, parameters: Sequence[str], metric: str, *, by: str, top: int) -> None:
    """Print the best of a sweep and how fast it was."""
    frame = swept.frame
    kept = [name for name in dict.fromkeys([metric, *_SHOWN]) if name in frame.columns]
    best = ranked(frame, parameters, metric, kept, by=by, top=top)
    several = by == "combination" and frame["symbol"].n_unique() > 1
    what = "of each symbol" if by == "symbol" else "combinations" + (" (mean of the symbols)" if several else "")
    heading(f"Best {what} by {metric}")
    print_frame(best, most_rows=max(best.height, 1))
    say(speed(swept), style="dim")


def speed(swept: Sweep) -> str:
    """Return how many runs there were, over how many bars, and how fast."""
    return (
        f"{swept.frame.height:,} runs in {swept.seconds:.2f} s: {swept.bar_runs / 1e6:,.0f} million bar-runs, "
        f"{swept.speed / 1e6:,.0f} million a second"
    )


def ranked(
    frame: pl.DataFrame, parameters: Sequence[str], metric: str, kept: Sequence[str], *, by: str, top: int
) -> pl.DataFrame:
    """Return the best rows first: of each combination over all symbols, or of each symbol.

    A combination whose metric is unknown (no trade) on some symbol is ranked by the others; on none, it comes last.
    """
    import polars as pl

    known = frame.with_columns(pl.col(kept).fill_nan(None))
    if by == "symbol":
        order = known.sort(metric, descending=True, nulls_last=True, maintain_order=True)
        return (
            order.group_by("symbol", maintain_order=True)
            .head(top)
            .select("symbol", *parameters, *kept)
            .sort("symbol", maintain_order=True)
        )
    means = known.group_by(parameters, maintain_order=True).agg(pl.col(kept).mean())
    return (
        means.sort(metric, descending=True, nulls_last=True, maintain_order=True).head(top).select(*parameters, *kept)
    )
