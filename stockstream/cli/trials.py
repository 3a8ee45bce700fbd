"""The commands `trials list` and `trials clear`: what was tried on which prices, and the decision to forget it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.application import Command, Commands
from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    print_table,
    say,
    say_words,
    stdout,
    write_frame,
)
from stockstream.errors import counted

if TYPE_CHECKING:
    import polars as pl

    from stockstream.research.trials import Trials

#: Columns of a terminal from which on a sweep takes one line.
WIDE: Final = 140

#: Letters of a list of symbols that is shown whole, and symbols that are named of a longer one.
MOST_LETTERS: Final = 28
NAMED: Final = 3

LIST_EXAMPLES: Final = """
Example:
  stockstream trials list
  stockstream trials list --lake data/lake --format json
"""

CLEAR_EXAMPLES: Final = """
Example:
  stockstream trials clear --lake data/lake \\
    --reason "prices were wrong until the refetch"
"""

Lake = Annotated[
    str | None,
    typer.Option(
        "--lake",
        metavar="FOLDER",
        help="The ledger beside this lake; default: that of the lake in use, else the user's own.",
    ),
]


app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="rich")


@app.command("list", cls=Command, epilog=LIST_EXAMPLES)
def list_trials(lake: Lake = None, form: FormatOption = None, output: OutputOption = None) -> None:
    """List every sweep that counts, and those that were cleared with the reason."""
    form, path = choose_format(form, output)
    ledger = _ledger(lake)
    frame = ledger.frame()
    if form is not Format.table:
        write_frame(frame, form, path)
        return
    if frame.height:
        print_sweeps(frame)
    say(f"{counted(frame.height, 'sweep')} in {ledger.path}", style="dim")


def print_sweeps(frame: pl.DataFrame) -> None:
    """Print a row for each sweep where the terminal is wide, some lines for each where it is not."""
    wide = stdout().width >= WIDE
    cleared = frame["cleared"].is_not_null().any()
    rows = []
    for row in frame.iter_rows(named=True):
        when = row["at"][:16].replace("T", " " if wide else "\n")
        symbols = row["symbols"] if len(row["symbols"]) <= MOST_LETTERS else _some(row["symbols"])
        what = [row["strategy"], symbols, f"{row['first']} to {row['last']}"]
        figures = [f"{row['combinations']:,}", f"{row['times_run']:,}", *_ratios(row["mean"], row["variance"])]
        ended = [row["cleared"] or ""] if cleared else []
        if wide:
            rows.append([when, *what, *figures, *ended])
        else:
            said = [f"cleared: {row['cleared']}"] if row["cleared"] else []
            rows.append([when, "\n".join([*what, *said]), *figures])
    names = ("strategy", "symbols", "sessions") if wide else ("strategy, symbols, sessions",)
    last = ["cleared"] if wide and cleared else []
    numbers = ["tried", "times", "mean", "spread"]
    print_table(["when (UTC)", *names, *numbers, *last], rows, numbers=numbers, wrap=[*names, "cleared"])
    say_words("tried: combinations. mean, spread: of their Sharpe ratios, of one bar. --format csv has all.")


def _some(symbols: str) -> str:
    names = symbols.split(", ")
    return f"{', '.join(names[:NAMED])}, … ({len(names):,})"


def _ratios(mean: float | None, variance: float | None) -> list[str]:
    if mean is None or variance is None:  # of one combination none is kept
        return ["", ""]
    return [f"{mean:.3f}", f"{math.sqrt(variance):.3f}"]


@app.command("clear", cls=Command, epilog=CLEAR_EXAMPLES)
def clear_trials(
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; it is recorded.")],
    lake: Lake = None,
) -> None:
    """Stop counting what was tried so far. The list keeps it, with the reason."""
    ledger = _ledger(lake)
    say(f"{counted(ledger.clear(reason), 'sweep')} cleared, counted no longer: {reason}")


def _ledger(lake: str | None) -> Trials:
    from stockstream.lake.location import locate
    from stockstream.research.trials import Trials, beside, default_path, ledger_of

    if lake is not None:
        return Trials(beside(Path(lake)))
    place = str(locate())
    return Trials(ledger_of(place) if Path(place).is_dir() else default_path())
