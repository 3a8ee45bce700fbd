"""The application: what all commands share, from the first flag to the exit code.

Exit codes: 0 done; 1 a defect of this program, with a traceback; 2 something in the request is wrong and nothing was
written, said in one sentence on stderr; 3 done in part; 4 an audit, a verification or a look at the installation that
found something; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, override

import typer
from typer.core import TyperCommand, TyperGroup

from stockstream.cli.strategies import USERS_MODULE
from stockstream.errors import StockstreamError

DONE: Final = 0
REFUSED: Final = 2
FOUND: Final = 4

#: Ways in which a file that the user named can be wrong. Other OSErrors are defects.
FILE_ERRORS: Final = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)

OWN_PACKAGES: Final = ("stockstream", "stockstream_kernels")

HELP: Final = """
Test trading strategies on daily prices: fill a lake, ask it in SQL, backtest, sweep.

A lake is a folder of Parquet files. Commands read the one named by --lake, else the one in the settings \
STOCKSTREAM_LAKE or S3_BUCKET_NAME (environment or .env), else data/lake.
"""

EPILOG: Final = """
First steps:
  stockstream demo
  stockstream import prices.csv
  stockstream query "SELECT * FROM symbols"
  stockstream backtest --strategy MovingAverageCrossover --symbols BHP,CBA

Exit codes:
  0    done
  1    a defect of the program, with a traceback
  2    the request cannot be served: one sentence on stderr, nothing written
  3    done in part: `ingest` lacks symbols, `symbols update` kept the last list,
       `quality --fail-on` found something
  4    `audit` found a look-ahead or cannot tell, `verify` a difference,
       `doctor` something broken
  130  interrupted
"""


class _Help:
    """Wraps paragraphs at the width of the terminal, and no example: one that is wrapped cannot be pasted."""

    epilog: str | None
    help: str | None

    def format_help(self, ctx: object, formatter: object) -> None:
        """Print the help page, then the examples."""
        epilog, self.epilog = self.epilog, None
        said, self.help = self.help, _unwrapped(self.help)
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]  # of the Typer class beside this one
        finally:
            self.epilog, self.help = epilog, said
        typer.echo("\n".join(f" {line}".rstrip() for line in (epilog or "").strip("\n").split("\n")))


def _unwrapped(text: str | None) -> str:
    """Put each paragraph on one line, for the terminal to wrap at its own width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))


class Command(_Help, TyperCommand):
    """A command whose help ends with examples."""


class Commands(_Help, TyperGroup):
    """The group of all commands; turns errors into one sentence and an exit code."""

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given
        given = [argument for argument in given if argument != "--debug"]
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets a question mark
                stream.reconfigure(errors="replace")
        with warnings.catch_warnings():
            warnings.showwarning = _each_once()
            try:
                code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
            except Exception as error:
                sentence = _sentence(error)
                if sentence is None:
                    sentence = _of_the_users_code(error)
                if debug or sentence is None:
                    raise
                if not sentence:
                    sys.exit(REFUSED)
                print_problem("error", sentence)
                code = REFUSED
        sys.exit(code if isinstance(code, int) else DONE)


def _sentence(error: Exception) -> str | None:
    """Return what to tell the user, or None for a defect of the program."""
    if isinstance(error, StockstreamError):
        return str(error)
    if isinstance(error, FILE_ERRORS):
        return f"{error.filename or 'file'}: {error.strerror or error}"
    if type(error).__name__ == "NoArgsIsHelpError":  # the help is on the screen already
        return ""
    if hasattr(error, "format_message"):  # Typer's own: a flag that is unknown, missing or malformed
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "stockstream"
        return f"{error.format_message().rstrip('.')}. Type `{command} --help` for the flags."
    return None


def _of_the_users_code(error: Exception) -> str | None:
    """Return what failed in a file that the command named; None where the program itself did."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(USERS_MODULE):
            place = f"{frame.f_code.co_filename} failed in line {line}"
        elif module.partition(".")[0] in OWN_PACKAGES:
            place = None
    if place is None:
        return None
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return f"{place}: {text.rstrip('.')}. Type the command with --debug for the traceback."


def _each_once() -> Callable[..., None]:
    """Return what shows warnings, each of them once: what reads a lake again, without a bad file, warns again."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            print_problem("warning", str(message))

    return show


def print_problem(kind: str, sentence: str) -> None:
    """Print one line on stderr."""
    from rich.console import Console
    from rich.text import Text

    style = "bold red" if kind == "error" else "yellow"
    line = Text.assemble((f"{kind}: ", style), " ".join(sentence.split()))
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


def common_options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Hold the options of all commands; `Commands.main` reads them."""


def version() -> None:
    """Print the version."""
    import stockstream

    typer.echo(f"stockstream {stockstream.__version__}")
