"""Flags that several commands share, and how their texts are read."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.errors import ParameterError, SourceError

if TYPE_CHECKING:
    from stockstream.bars import Bars
    from stockstream.lake.adjust import Adjustment

MARKET: Final = "What to trade"
OUTPUT: Final = "What to show and keep"

LakePath = Annotated[
    str | None, typer.Option("--lake", metavar="FOLDER", help="Default: as `stockstream config` says, else data/lake.")
]
StrategyName = Annotated[
    str, typer.Option(metavar="NAME", help="One of `stockstream strategies`, or path/to/file.py:ClassName.")
]
Symbols = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Comma-separated; all of the lake when left out.", rich_help_panel=MARKET),
]
StartDate = Annotated[
    str | None, typer.Option(metavar="DATE", help="First day, like 2020-01-31.", rich_help_panel=MARKET)
]
EndDate = Annotated[str | None, typer.Option(metavar="DATE", help="Last day, included.", rich_help_panel=MARKET)]
Adjust = Annotated[
    str,
    typer.Option(
        metavar="KIND", help="Prices adjusted for: total (dividends and splits), splits, none.", rich_help_panel=MARKET
    ),
]


def read_bars(lake: str | None, symbols: str | None, start: str | None, end: str | None, adjust: str) -> Bars:
    """Return the bars that the flags ask for."""
    from stockstream.lake import Lake

    wanted = None if symbols is None else split_list("--symbols", symbols)
    kind: Adjustment = adjust  # type: ignore[assignment]  # checked by the lake, with a sentence of its own
    return Lake(lake).bars(wanted, start, end, adjust=kind)


def check_capital(capital: float) -> float:
    """Return the capital, if it is money to start with."""
    if not 0.0 < capital < float("inf"):
        message = f"expected --initial-capital above 0, such as 100000; found {capital:g}"
        raise ParameterError(message)
    return capital


def split_list(flag: str, text: str) -> list[str]:
    """Return the parts of a comma-separated list.

    Examples
    --------
    >>> split_list("--symbols", "BHP, CBA")
    ['BHP', 'CBA']
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        message = f"expected names with commas between them for {flag}, such as BHP,CBA; found {text!r}"
        raise ParameterError(message)
    return parts


def output_file(flag: str, path: Path, *endings: str) -> Path:
    """Return the path of a file to be written, checked before any work is done.

    Raises
    ------
    ParameterError
        The path is a folder, has another ending, or runs through a file.
    """
    path = path.expanduser()
    if path.is_dir():
        message = (
            f"expected a file for {flag}; {path} is a folder. Name a file in it, such as {path / ('out' + endings[0])}"
        )
        raise ParameterError(message)
    if path.suffix.casefold() not in endings:
        message = f"expected a file ending in {' or '.join(endings)} for {flag}; found {path}"
        raise ParameterError(message)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        message = f"cannot write {path} for {flag}: {folder} is not a folder that you may write to"
        raise ParameterError(message)
    return path


def page_file(flag: str, path: Path) -> Path:
    """Return the path of a page to be drawn, checked before any work is done.

    Raises
    ------
    ParameterError
        As for `output_file`; also when the plotting library is missing.
    """
    if find_spec("plotly") is None:
        message = f'{flag} needs a plotting library; type `pip install "stockstream[reports]"`'
        raise ParameterError(message)
    return output_file(flag, path, ".html", ".htm")


def need_ingest() -> None:
    """Refuse to fetch without the packages that fetching needs.

    Raises
    ------
    SourceError
        Some are missing.
    """
    packages = ("bs4", "exchange_calendars", "requests", "tenacity")
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        message = f'fetching needs {", ".join(missing)}; type `pip install "stockstream[ingest]"`'
        raise SourceError(message)


def made_room(path: Path) -> Path:
    """Make the folder of a file that is about to be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def program() -> str:
    """Return what to type to call this program again, from where the user stands."""
    started = Path(sys.argv[0])
    if started.name != "stockstream":
        return "python -m stockstream" if started.name == "__main__.py" else "stockstream"
    found = shutil.which("stockstream")
    if found is not None and Path(found).resolve() == started.resolve():
        return "stockstream"
    try:
        return str(started.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(started)
