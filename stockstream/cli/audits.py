"""The command `audit`: whether a strategy looks ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from stockstream.cli.application import FOUND
from stockstream.cli.options import Adjust, EndDate, LakePath, StartDate, Symbols, read_bars
from stockstream.cli.output import say_words, working
from stockstream.cli.parameters import typed_values
from stockstream.cli.strategies import is_strategy, load_file, make_strategy
from stockstream.cli.terms import Fill, Setting, SizingText, read_terms
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

EXAMPLES: Final = r"""
Examples:
  stockstream audit mine.py:Breakout --symbols BHP,CBA
  stockstream audit RSIMeanReversion --param oversold=25
  stockstream audit signals.py:make_signals --start-date 2015-01-01

Exit codes:
  0  nothing was found
  4  the target looked ahead, or nothing can be said about it
"""

Target = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="One of `stockstream strategies`, or path/to/file.py:Name of a class or a function.",
    ),
]
Parameters = Annotated[
    list[str], typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the strategy; repeat for more.")
]
Cuts = Annotated[int, typer.Option(min=1, metavar="N", help="Sessions after which the future is altered.")]
Known = Annotated[
    str, typer.Option(metavar="WHEN", help="A function's value of a bar is known at its close, or at its open.")
]
AsKnown = Annotated[bool, typer.Option("--as-known", help="Read the bars again as the lake knew them at several days.")]


def audit(
    target: Target,
    param: Parameters = [],  # noqa: B006 Typer reads it and never changes it
    lake: LakePath = None,
    symbols: Symbols = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    adjust: Adjust = "total",
    sizing: SizingText = "all_cash",
    fill: Fill = "next_open",
    setting: Setting = [],  # noqa: B006
    cuts: Cuts = 16,
    known: Known = "close",
    as_known: AsKnown = True,
) -> None:
    """Look for look-ahead: alter the future and see what changes before it."""
    terms = read_terms(100_000.0, None, None, None, sizing, fill, setting)
    chosen = _target(target, param)
    with working("Reading prices …"):
        bars = read_bars(lake, symbols, start_date, end_date, adjust)
    with working("Altering the future …"):
        from stockstream.lake import Lake
        from stockstream.research.audit import audit as run_audit

        options: dict[str, Any] = {"known": known, "cuts": cuts, **terms}
        found = run_audit(chosen, bars, lake=Lake(lake) if as_known else None, **options)
    for line in repr(found).splitlines():
        say_words(line)
    if not found.clean:
        raise typer.Exit(FOUND)


def _target(name: str, parameters: list[str]) -> Any:
    """Return a strategy, or what else a file holds under a name: a function, an indicator or a rule."""
    path, colon, own = name.rpartition(":")
    if not (colon and path.endswith(".py")):
        return make_strategy(name, parameters)
    module = load_file(Path(path).expanduser())
    found = getattr(module, own, None)
    if found is None:
        offered = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        message = f"{path} has no {own!r}; it has {', '.join(offered) or 'nothing'}.{did_you_mean(own, offered)}"
        raise UnknownNameError(message)
    if is_strategy(found):
        return make_strategy(name, parameters)
    if isinstance(found, type):
        return found(**typed_values("--param", parameters, found))
    if parameters:
        message = f"expected no --param for {own}, which is not a class; found {parameters[0]}"
        raise ParameterError(message)
    return found
