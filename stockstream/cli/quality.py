"""The command `quality`: what is wrong with the rows of a lake, said, written down, or decided on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.options import (
    MARKET,
    OUTPUT,
    EndDate,
    LakePath,
    StartDate,
    Symbols,
    made_room,
    output_file,
    split_list,
)
from stockstream.cli.output import Format, choose_format, heading, print_table, say, stdout, working, write_frame
from stockstream.errors import counted

if TYPE_CHECKING:
    import polars as pl

    from stockstream.lake.quality.result import Quality

EXAMPLES: Final = """
Examples:
  stockstream quality
  stockstream quality --symbols BHP,CBA --start-date 2024-01-01
  stockstream quality --report quality.html
  stockstream quality --format csv > findings.csv
  stockstream quality --quarantine
  stockstream quality --fail-on error    # exit code 3 when there is one

Exit codes:
  0  checked, whatever was found
  2  the request cannot be served
  3  with --fail-on: something of that severity, or graver, was found
"""

#: The exit code of `--fail-on`: neither a refusal nor a defect of the program.
FOUND: Final = 3

#: Findings listed below the summary.
_LISTED: Final = 20


def quality(
    lake: LakePath = None,
    symbols: Symbols = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="As the lake was known then: a date or a moment.", rich_help_panel=MARKET),
    ] = None,
    exchange: Annotated[
        str, typer.Option(metavar="CODE", help="Whose sessions and price steps count.", rich_help_panel=MARKET)
    ] = "XASX",
    second_source: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Prices as traded: symbol, date, close.", rich_help_panel=MARKET),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Only these checks, by code.", rich_help_panel=MARKET)
    ] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Hide the rows that are certainly wrong, by a verdict that says why.")
    ] = False,
    fail_on: Annotated[
        str | None, typer.Option(metavar="SEVERITY", help="Exit with 3 when there is an error (or warning).")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page.", rich_help_panel=OUTPUT)
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="All findings instead of the summary.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="All findings as .csv, .json or .parquet.", rich_help_panel=OUTPUT),
    ] = None,
) -> None:
    """Check the prices of a lake: units, splits, dividends, dates, gaps, scales that changed.

    Nothing is changed. With --quarantine the rows that are certainly wrong are hidden from readers from now on.
    """
    from stockstream.lake import Lake

    form, path = choose_format(form, output)
    page = None if report is None else output_file("--report", report, ".html", ".htm")
    grave = _severities(fail_on)
    place = Lake(lake, exchange=exchange)
    with working("Checking …"):
        found = place.quality(
            None if symbols is None else split_list("--symbols", symbols),
            start_date,
            end_date,
            as_of,
            second_source=second_source,
            only=None if only is None else split_list("--only", only),
        )
    if path is None and form is Format.table:
        print_quality(found)
    else:
        write_frame(_flat(found), form, path)
    if page is not None:
        say(f"\nReport: {found.report(made_room(page))}")
    if quarantine:
        decided = place.quarantine(found)
        say(f"\n{_decided(decided.rows, decided.symbols, decided.file)}")
    if any(found.count(severity) for severity in grave):
        raise typer.Exit(FOUND)


def _severities(fail_on: str | None) -> tuple[str, ...]:
    from stockstream.errors import ParameterError
    from stockstream.lake.quality.detector import SEVERITIES

    if fail_on is None:
        return ()
    if fail_on not in SEVERITIES:
        message = f"expected --fail-on error, warning or info; found {fail_on!r}"
        raise ParameterError(message)
    return SEVERITIES[SEVERITIES.index(fail_on) :]


def _flat(found: Quality) -> pl.DataFrame:
    """Return the findings without lists, which text files cannot hold."""
    import polars as pl

    return found.findings.with_columns(pl.col("versions").list.join(" "), pl.col("severity").cast(pl.String))


def _decided(rows: int, symbols: int, file: str | None) -> str:
    if file is None:
        return "Nothing is certain enough to be hidden."
    hidden = f"{counted(rows, 'version')} of rows of {counted(symbols, 'symbol')}"
    return f"Hidden from now on by the verdicts in {file}: {hidden}."


def print_quality(found: Quality) -> None:
    """Print the counts by reason, then the gravest findings in words."""
    say(found.headline, style="bold")
    columns = ["severity", "reason", "what", "findings", "rows", "symbols"]
    rows = [
        [row["severity"], row["reason"], row["title"], *(f"{row[name]:,}" for name in columns[3:])]
        for row in found.summary.iter_rows(named=True)
    ]
    if rows:
        print_table(columns, rows, numbers=columns[3:], wrap=["what"])
    grave = found.findings.filter(found.findings["severity"] != "info")
    if grave.height:
        heading(f"The gravest {min(_LISTED, grave.height)} of {grave.height:,} errors and warnings")
        shown = [
            [row["severity"], "all" if row["symbol"] == "*" else row["symbol"], str(row["date"]), row["explanation"]]
            for row in grave.head(_LISTED).iter_rows(named=True)
        ]
        print_table(["severity", "symbol", "date", "explanation"], shown, wrap=["explanation"])
    console = stdout()
    for reason in dict.fromkeys(found.skipped.values()):
        codes = ", ".join(code for code, why in found.skipped.items() if why == reason)
        console.print(f"Not checked: {codes} ({reason})", style="dim", markup=False)
    if found.findings.height > _LISTED:
        console.print("--report page.html shows everything, --format csv, json or parquet gives it", style="dim")
