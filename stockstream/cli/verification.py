"""The command `verify`: whether a saved run still gives what it gave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from stockstream.cli.application import FOUND
from stockstream.cli.options import LakePath
from stockstream.cli.output import say_words, working

EXAMPLES: Final = r"""
Examples:
  stockstream verify runs/turtle
  stockstream verify runs/turtle --lake s3://bucket

Exit codes:
  0  every figure is the same to the last bit
  4  something differs; the first cause is named
"""

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="What result.save or sweep.save wrote. Its strategy is run: trust it.")
]


def verify(folder: Folder, lake: LakePath = None) -> None:
    """Make a saved run again and compare it to the last bit."""
    with working("Running again …"):
        from stockstream.lake import Lake
        from stockstream.research.verify import verify as run_again

        found = run_again(folder, lake=None if lake is None else Lake(lake))
    for line in repr(found).splitlines():
        say_words(line)
    if not found.same:
        raise typer.Exit(FOUND)
