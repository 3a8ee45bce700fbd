"""The command `judge`: every tool against self-deception on one strategy, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.options import Adjust, EndDate, LakePath, StartDate, StrategyName, Symbols, read_bars
from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    heading,
    print_figures,
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

if TYPE_CHECKING:
    from stockstream.research.judgement import Judgement

EXAMPLES: Final = """
Examples:
  stockstream judge --strategy MovingAverageCrossover --symbols BHP \\
    --param fast_period=5:45:2 --param slow_period=50:200:5 --commission 0.001

  stockstream judge --strategy RSIMeanReversion --param oversold=20,25,30 \\
    --cross-validate --stress --format json

  stockstream judge --strategy mine.py:Breakout --param days=55
"""

TOOLS: Final = "Which tools"

Parameters = Annotated[
    list[str],
    typer.Option(
        "--param",
        metavar="NAME=VALUES",
        help="What was tried: a list 10,20,50 or a range FIRST:LAST:STEP; repeat. One value each judges one run.",
    ),
]
Resamples = Annotated[
    int, typer.Option(min=20, metavar="N", help="For intervals and reality check.", rich_help_panel=TOOLS)
]
Sampled = Annotated[
    int,
    typer.Option(
        min=2, max=5000, metavar="N", help="Combinations that the reality check compares.", rich_help_panel=TOOLS
    ),
]
Crossed = Annotated[
    bool,
    typer.Option("--cross-validate", help="Many paths: combinatorial purged cross-validation.", rich_help_panel=TOOLS),
]
Purge = Annotated[
    int, typer.Option(min=0, metavar="N", help="Its sessions left out before a test.", rich_help_panel=TOOLS)
]
Embargo = Annotated[
    int, typer.Option(min=0, metavar="N", help="Its sessions left out after a test.", rich_help_panel=TOOLS)
]
Stressed = Annotated[
    bool, typer.Option("--stress", help="Run the best again under worse assumptions.", rich_help_panel=TOOLS)
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of everything that is drawn.", rich_help_panel=TOOLS)]


def judge(
    strategy: StrategyName,
    param: Parameters = [],  # noqa: B006 Typer reads it and never changes it
    where: Where = None,
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
    setting: Setting = [],  # noqa: B006
    resamples: Resamples = 500,
    sampled: Sampled = 100,
    cross_validate: Crossed = False,
    purge: Purge = 5,
    embargo: Embargo = 20,
    stress: Stressed = False,
    seed: Seed = 0,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say what the best of a grid, or one run, proves.

    Deflated Sharpe ratio after all trials that were counted, probability of backtest overfitting, reality check
    against cash and against holding, intervals, and drawdowns of other orders of the trades. Several symbols share
    one account.
    """
    form, path = choose_format(form, output)
    terms = read_terms(initial_capital, commission, slippage, broker, sizing, fill, setting)
    cls = find_strategy(strategy)
    grid = read_grid(param, cls) if param else {}
    condition = None if where is None else parse_where(where, list(grid))
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    with working("Judging …"):
        from stockstream.research.judgement import Tools, judged

        tools = Tools(
            resamples=resamples,
            sampled=sampled,
            cross_validate=cross_validate,
            purge=purge,
            embargo=embargo,
            stress=stress,
            seed=seed,
        )
        found = judged(cls, bars, grid, where=condition, tools=tools, **terms)
    if path is not None or form is not Format.table:
        write_frame(found.frame, form, path)
    else:
        print_judgement(found)


def print_judgement(found: Judgement) -> None:
    """Print the figures tool by tool, and the sentences."""
    heading(found.title)
    for tool in found.frame["tool"].unique(maintain_order=True):
        part = found.frame.filter(found.frame["tool"] == tool)
        heading(tool)
        print_figures(part.select("figure", "text").rows())
    heading("In words")
    for sentence in found.sentences:
        say_words(sentence)
