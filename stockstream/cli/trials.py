"""The commands `trials list` and `trials clear`: what was tried on which prices, and the decision to forget it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.application import Command, Commands
from stockstream.cli.output import Format, FormatOption, OutputOption, choose_format, print_frame, say, write_frame

if TYPE_CHECKING:
    from stockstream.research.trials import Trials

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
        print_frame(frame, most_rows=frame.height)
    say(f"{frame.height:,} sweeps in {ledger.path}", style="dim")


@app.command("clear", cls=Command, epilog=CLEAR_EXAMPLES)
def clear_trials(
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; it is recorded.")],
    lake: Lake = None,
) -> None:
    """Stop counting what was tried so far. The list keeps it, with the reason."""
    ledger = _ledger(lake)
    say(f"{ledger.clear(reason):,} sweeps no longer count: {reason}")


def _ledger(lake: str | None) -> Trials:
    from stockstream.lake.location import locate
    from stockstream.research.trials import Trials, beside, default_path, ledger_of

    if lake is not None:
        return Trials(beside(Path(lake)))
    place = str(locate())
    return Trials(ledger_of(place) if Path(place).is_dir() else default_path())
