"""The command `walk-forward`: parameters chosen on the past, traded on what follows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.options import Adjust, EndDate, LakePath, StartDate, StrategyName, Symbols, read_bars
from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    heading,
    print_frame,
    say,
    say_words,
    working,
    write_frame,
)
from stockstream.cli.strategies import find_strategy
from stockstream.cli.sweeps import Where, parse_where, read_grid
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
from stockstream.errors import counted

if TYPE_CHECKING:
    import polars as pl

    from stockstream.research.walk import WalkForward

EXAMPLES: Final = """
Examples:
  stockstream walk-forward --strategy MovingAverageCrossover --symbols BHP \\
    --param fast_period=5:45:5 --param slow_period=50:200:10

  stockstream walk-forward --strategy mine.py:Breakout --param days=10:100:10 \\
    --train 756 --test 63 --anchored --commission 0.001

  stockstream walk-forward --strategy RSIMeanReversion \\
    --param oversold=20,25,30 --format csv --output windows.csv
"""

WINDOWS: Final = "How it walks"

Parameters = Annotated[
    list[str],
    typer.Option(
        "--param",
        metavar="NAME=VALUES",
        help="What can be chosen: a list 10,20,50 or a range FIRST:LAST:STEP, last one included; repeat.",
    ),
]

Train = Annotated[
    int, typer.Option(min=1, metavar="N", help="Sessions to choose on; 504 are two years.", rich_help_panel=WINDOWS)
]
Test = Annotated[
    int, typer.Option(min=1, metavar="N", help="Sessions after them to trade the choice.", rich_help_panel=WINDOWS)
]
Anchored = Annotated[
    bool,
    typer.Option("--anchored", help="Train on everything from the first session on.", rich_help_panel=WINDOWS),
]
Purge = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Sessions left out between training and test.", rich_help_panel=WINDOWS),
]
Embargo = Annotated[
    int, typer.Option(min=0, metavar="N", help="Sessions left out after each test.", rich_help_panel=WINDOWS)
]
Select = Annotated[
    str, typer.Option(metavar="KIND", help="What chooses: sharpe or mean_return.", rich_help_panel=WINDOWS)
]


def walk_forward(
    strategy: StrategyName,
    param: Parameters,
    where: Where = None,
    train: Train = 504,
    test: Test = 126,
    anchored: Anchored = False,
    purge: Purge = 0,
    embargo: Embargo = 0,
    select: Select = "sharpe",
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
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Choose parameters on a window of the past, trade them on what follows, move on.

    Several symbols share one account. With --format or --output: one row a window.
    """
    form, path = choose_format(form, output)
    terms = read_terms(initial_capital, commission, slippage, broker, sizing, fill, setting)
    cls = find_strategy(strategy)
    grid = read_grid(param, cls)
    condition = None if where is None else parse_where(where, list(grid))
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    with working("Walking forward …"):
        import stockstream as ss

        windows: dict[str, Any] = {"train": train, "test": test, "anchored": anchored, "purge": purge}
        walked = ss.walk_forward(cls, bars, grid, select=select, where=condition, embargo=embargo, **windows, **terms)
    if path is not None or form is not Format.table:
        write_frame(walked.windows, form, path)
    else:
        print_walk(walked)


def print_walk(walked: WalkForward) -> None:
    """Print the windows, what became of the parameters, and the sentence."""
    swept = walked.sweep
    windows, tried = counted(walked.windows.height, "window"), counted(swept.combinations, "combination")
    heading(f"{windows}, each with the best of {tried} on its past")
    names = {"test_start": "from", "test_end": "to", "in_sample": "training", "out_of_sample": "test"}
    chosen = ["test_start", "test_end", *swept.parameters, "in_sample", "out_of_sample", "trades"]
    names = {name: short for name, short in names.items() if short not in swept.parameters}
    frame = walked.windows.select(chosen).rename(names)
    ratios = dict.fromkeys(frame.columns[-3:-1], "{:.2f}")
    print_frame(frame, most_rows=frame.height, formats=_absent(frame) | ratios)
    say("Training and test: Sharpe ratio a year of the choice, in its window and after it", style="dim")
    heading("What was chosen")
    print_frame(walked.stability, formats=_absent(walked.stability) | {"changed": "{:.0%}"})
    heading("Out of sample")
    figures = walked.metrics
    efficiency = f"{walked.efficiency:.2f}" if math.isfinite(walked.efficiency) else "n/a"
    say(f"Return {figures.total_return:+.1%}, drawdown {figures.max_drawdown:.1%}, efficiency {efficiency}")
    say_words(f"\n{walked.sentence}")


def _absent(frame: pl.DataFrame) -> dict[str, str]:
    """Return the formats of numbers that some windows lack, or all: a choice where nothing traded."""
    numbers = [column for column in frame if column.dtype.is_numeric() or column.null_count() == len(column)]
    return {column.name: "{:g}" for column in numbers if column.null_count()}
