"""The command `backtest`: one strategy, one account, one result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.application import print_problem
from stockstream.cli.options import (
    MARKET,
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
)
from stockstream.cli.output import Format, heading, print_json, print_result, say, working
from stockstream.cli.proofs import print_intervals, print_stress, print_verdict, said_of
from stockstream.cli.strategies import make_configured, make_strategy
from stockstream.cli.terms import (
    TERMS,
    Broker,
    Capital,
    CommissionRate,
    Fill,
    Setting,
    SizingText,
    SlippageRate,
    read_terms,
)
from stockstream.errors import ParameterError, StockstreamError

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.research.resampling import Intervals
    from stockstream.research.stress import Stress

EXAMPLES: Final = r"""
Examples:
  stockstream backtest --strategy MovingAverageCrossover --symbols BHP,CBA \
    --start-date 2020-01-01 --end-date 2023-12-31 --initial-capital 100000

  stockstream backtest --strategy RSIMeanReversion --param oversold=25 \
    --commission 0.001 --slippage 0.0005 --sizing weight=0.2 --report rsi.html

  stockstream backtest --strategy mine.py:Breakout --setting leverage=2 \
    --stress --intervals --report breakout.html

  stockstream backtest --config config/strategies.yaml --strategy turtle
"""

Parameters = Annotated[
    list[str], typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the strategy; repeat for more.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.yaml", help="Take the strategy of that name, its parameters and its size from this file."
    ),
]
RunPath = Annotated[
    str, typer.Option(metavar="KIND", help="auto, array or event: the same fills.", rich_help_panel=TERMS)
]
Benchmark = Annotated[
    str | None,
    typer.Option(metavar="SYMBOL", help="Compare with a symbol of the run, or universe.", rich_help_panel=MARKET),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a self-contained page.", rich_help_panel=OUTPUT)
]
Save = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Keep the run so that `verify` can repeat it.", rich_help_panel=OUTPUT),
]
Stressed = Annotated[
    bool, typer.Option("--stress", help="Run again under worse assumptions, one at a time.", rich_help_panel=OUTPUT)
]
Resampled = Annotated[
    bool,
    typer.Option("--intervals", help="How far the figures may be off, by resampling.", rich_help_panel=OUTPUT),
]
Trades = Annotated[
    int, typer.Option(min=0, metavar="N", help="How many of the last trades to list.", rich_help_panel=OUTPUT)
]
ResultFormat = Annotated[
    Format, typer.Option("--format", metavar="KIND", help="table or json.", rich_help_panel=OUTPUT)
]


def backtest(
    strategy: StrategyName,
    param: Parameters = [],  # noqa: B006 Typer reads it and never changes it
    config: ConfigFile = None,
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
    path: RunPath = "auto",
    benchmark: Benchmark = None,
    report: Report = None,
    save: Save = None,
    stress: Stressed = False,
    intervals: Resampled = False,
    trades: Trades = 5,
    form: ResultFormat = Format.table,
) -> None:
    """Run a strategy over prices of a lake, with one account for all symbols."""
    if form not in (Format.table, Format.json):
        message = f"expected --format table or json for one result; found {form}"
        raise ParameterError(message)
    page = None if report is None else page_file("--report", report)
    terms = read_terms(initial_capital, commission, slippage, broker, sizing, fill, setting)
    if config is None:
        chosen = make_strategy(strategy, param)
    else:
        configured = make_configured(config, strategy, param)
        chosen = configured.strategy
        if configured.sizing is not None and sizing == "all_cash":
            terms["sizing"] = configured.sizing
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    with working("Running; the first run after an installation compiles for some seconds …"):
        import stockstream as ss

        options: dict[str, Any] = {"path": path, "benchmark": benchmark, **terms}
        result = ss.backtest(chosen, bars, **options)
    if save is not None:
        result.save(save)
    stressed, resampled = _asked(result, stress=stress, intervals=intervals)
    if page is not None:
        with working("Writing the report …"):
            page = result.report(made_room(page), stress=stressed or False, intervals=resampled or False)
    if form is Format.json:
        print_json(_values(result, stressed, resampled))
        return
    print_result(result, trades=trades)
    _print_proofs(result, stressed, resampled)
    if save is not None:
        say(f"\nSaved: {save}")
    if page is not None:
        say(f"\nReport: {page}")


def _asked(result: Result, *, stress: bool, intervals: bool) -> tuple[Stress | None, Intervals | None]:
    stressed, resampled = None, None
    if stress:
        with working("Running under worse assumptions …"):
            stressed = result.stress()
    if intervals:
        from stockstream.research.resampling import intervals as resample

        try:
            with working("Resampling …"):
                resampled = resample(result)
        except StockstreamError as error:  # the run itself is shown all the same
            print_problem("warning", f"no intervals: {error}")
    return stressed, resampled


def _values(result: Result, stressed: Stress | None, resampled: Intervals | None) -> dict[str, Any]:
    values = {**result.to_dict(), "verdict": said_of(result)}
    if stressed is not None:
        values["stress"] = stressed.frame.to_dicts()
    if resampled is not None:
        values["intervals"] = resampled.frame.to_dicts()
    return values


def _print_proofs(result: Result, stressed: Stress | None, resampled: Intervals | None) -> None:
    heading("What it proves")
    print_verdict(**said_of(result))
    if resampled is not None:
        print_intervals(resampled)
    if stressed is not None:
        print_stress(stressed)
