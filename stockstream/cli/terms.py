"""Flags that say how a strategy trades: costs, sizes, fills and the other options of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.options import check_capital
from stockstream.cli.parameters import split_assignments, typed_values
from stockstream.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from stockstream.backtesting.costs import Costs
    from stockstream.backtesting.sizing import Sizing

TERMS: Final = "How it trades"

#: Options of a backtest that have a flag of their own, and that flag.
_OWN_FLAGS: Final = {
    "cash": "--initial-capital",
    "costs": "--commission, --slippage or --broker",
    "sizing": "--sizing",
    "fill": "--fill",
}

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
Capital = Annotated[
    float, typer.Option(metavar="MONEY", help="Cash at the start.", show_default="100000", rich_help_panel=TERMS)
]


def read_terms(
    capital: float,
    commission: float | None,
    slippage: float | None,
    broker: str | None,
    sizing: str,
    fill: str,
    settings: list[str],
) -> dict[str, Any]:
    """Return the options of `stockstream.backtest` that the flags ask for."""
    return {
        "cash": check_capital(capital),
        "costs": parse_costs(commission, slippage, broker),
        "sizing": parse_sizing(sizing),
        "fill": fill,
        **parse_settings(settings),
    }


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
    for name in split_assignments("--setting", items):
        if name in _OWN_FLAGS:
            message = f"expected {_OWN_FLAGS[name]} for {name}; found --setting {name}"
            raise ParameterError(message)
    if not items:
        return {}
    from stockstream.backtesting.engine import Settings

    return typed_values("--setting", items, Settings)
