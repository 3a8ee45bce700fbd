"""The command `backtest`: one strategy, one account, one result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.options import (
    MARKET,
    OUTPUT,
    TERMS,
    Adjust,
    Capital,
    EndDate,
    LakePath,
    StartDate,
    StrategyName,
    Symbols,
    check_capital,
    output_file,
    read_bars,
)
from stockstream.cli.output import Format, print_json, print_result, say, working
from stockstream.cli.parameters import typed_values
from stockstream.cli.strategies import make_strategy
from stockstream.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from stockstream.backtesting.costs import Costs
    from stockstream.backtesting.sizing import Sizing

EXAMPLES: Final = r"""
Examples:
  stockstream backtest --strategy MovingAverageCrossover --symbols BHP,CBA \
    --start-date 2020-01-01 --end-date 2023-12-31 --initial-capital 100000

  stockstream backtest --strategy RSIMeanReversion --param oversold=25 \
    --commission 0.001 --slippage 0.0005 --sizing weight=0.2 --report rsi.html

  stockstream backtest --strategy mine.py:Breakout --setting leverage=2
"""

#: Options of a backtest that have a flag of their own, and that flag.
_OWN_FLAGS: Final = {
    "cash": "--initial-capital",
    "costs": "--commission, --slippage or --broker",
    "sizing": "--sizing",
    "fill": "--fill",
}

Parameters = Annotated[
    list[str], typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the strategy; repeat for more.")
]
CommissionRate = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Fraction of each trade's value; 0.001 is 0.1 %.", rich_help_panel=TERMS),
]
SlippageRate = Annotated[
    float | None, typer.Option(metavar="RATE", help="Fraction of the price, against you.", rich_help_panel=TERMS)
]
Broker = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="ASX rules and the fees of default, commsec or stake.", rich_help_panel=TERMS),
]
SizingText = Annotated[
    str,
    typer.Option(
        metavar="KIND=AMOUNT",
        help="all_cash, weight=0.1, value=5000, shares=100, risk=0.01, volatility=0.2.",
        rich_help_panel=TERMS,
    ),
]
Fill = Annotated[
    str, typer.Option(metavar="WHEN", help="next_open, or close (of the decision).", rich_help_panel=TERMS)
]
Setting = Annotated[
    list[str],
    typer.Option(
        "--setting",
        metavar="NAME=VALUE",
        rich_help_panel=TERMS,
        help="Any other option of a backtest: leverage, max_positions, intrabar, dividends, risk_free, …",
    ),
]


def backtest(
    strategy: StrategyName,
    param: Parameters = [],  # noqa: B006 Typer reads it and never changes it
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
    path: Annotated[
        str, typer.Option(metavar="KIND", help="auto, array or event: the same fills.", rich_help_panel=TERMS)
    ] = "auto",
    benchmark: Annotated[
        str | None,
        typer.Option(metavar="SYMBOL", help="Compare with a symbol of the run, or universe.", rich_help_panel=MARKET),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a self-contained page.", rich_help_panel=OUTPUT)
    ] = None,
    trades: Annotated[
        int, typer.Option(min=0, help="How many of the last trades to list.", rich_help_panel=OUTPUT)
    ] = 5,
    form: Annotated[Format, typer.Option("--format", help="table or json.", rich_help_panel=OUTPUT)] = Format.table,
) -> None:
    """Run a strategy over prices of a lake, with one account for all symbols."""
    if form not in (Format.table, Format.json):
        message = f"expected --format table or json for one result; found {form}"
        raise ParameterError(message)
    page = None if report is None else output_file("--report", report, ".html", ".htm")
    check_capital(initial_capital)
    # A wrong flag is said before anything heavy is loaded.
    size, costs, others = parse_sizing(sizing), parse_costs(commission, slippage, broker), parse_settings(setting)
    chosen = make_strategy(strategy, param)
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    with working("Running; the first run after an installation compiles for some seconds …"):
        import stockstream as ss

        options: dict[str, Any] = {"fill": fill, "path": path, "benchmark": benchmark, **others}
        result = ss.backtest(chosen, bars, cash=initial_capital, costs=costs, sizing=size, **options)
    if page is not None:
        with working("Writing the report …"):
            page.parent.mkdir(parents=True, exist_ok=True)
            page = result.report(page)
    if form is Format.json:
        print_json(result.to_dict())
        return
    print_result(result, trades=trades)
    if page is not None:
        say(f"\nReport: {page}")


def parse_costs(commission: float | None, slippage: float | None, broker: str | None) -> Costs:
    """Return the costs that the flags ask for."""
    from stockstream.backtesting.costs import Costs

    if broker is None:
        return Costs(commission=commission or 0.0, slippage=slippage or 0.0)
    if commission is not None or slippage is not None:
        message = "expected either --broker or --commission and --slippage; found both"
        raise ParameterError(message)
    return Costs.asx(broker)


def parse_sizing(text: str) -> Sizing:
    """Return the sizing that ``KIND`` or ``KIND=AMOUNT`` asks for.

    Examples
    --------
    >>> parse_sizing("weight=0.1")
    Sizing(kind='weight', amount=0.1, window=0, at='fill')
    """
    from stockstream.backtesting.sizing import KINDS, Sizing

    kind, _, amount = (part.strip() for part in text.partition("="))
    if kind not in KINDS:
        message = f"expected --sizing as one of {', '.join(KINDS)}; found {text!r}.{did_you_mean(kind, KINDS)}"
        raise ParameterError(message)
    if kind == "all_cash":
        if amount:
            message = (
                f"expected --sizing all_cash without an amount; found {text!r}. For a part of the equity use weight."
            )
            raise ParameterError(message)
        return Sizing.all_cash()
    try:
        number = float(amount)
    except ValueError as error:
        message = f"expected an amount, such as --sizing weight=0.1; found {text!r}"
        raise ParameterError(message) from error
    sizing: Sizing = getattr(Sizing, kind)(number)
    return sizing


def parse_settings(items: list[str]) -> dict[str, Any]:
    """Return the options of a backtest that have no flag of their own."""
    from stockstream.cli.parameters import split_assignments

    for name in split_assignments("--setting", items):
        if name in _OWN_FLAGS:
            message = f"expected {_OWN_FLAGS[name]} for {name}; found --setting {name}"
            raise ParameterError(message)
    if not items:
        return {}
    from stockstream.backtesting.engine import Settings

    return typed_values("--setting", items, Settings)
