"""Commands on a lake: `import` fills it, `query` asks it, `compact` tidies it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.options import LakePath, program
from stockstream.cli.output import FormatOption, OutputOption, choose_format, say, working, write_frame
from stockstream.errors import counted

if TYPE_CHECKING:
    from stockstream.lake import Lake, Written

#: How many symbols are named after an import.
SAMPLE: Final = 8

IMPORT_EXAMPLES: Final = """
Examples:
  stockstream import prices.csv
  stockstream import bhp.parquet cba.parquet --lake data/asx
  stockstream import prices.csv --quarantine
"""

COMPACT_EXAMPLES: Final = """
Examples:
  stockstream compact
  stockstream compact --lake s3://bucket/prefix
  stockstream compact --expire
"""

QUERY_EXAMPLES: Final = """
Examples:
  stockstream query "SELECT * FROM symbols"
  stockstream query "FROM prices WHERE symbol = 'BHP'" --format csv
  stockstream query "DESCRIBE prices"
  stockstream query "FROM prices_adjusted" --output adjusted.parquet
"""


def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="CSV (.csv, .csv.gz) or Parquet files.", show_default=False)
    ],
    lake: LakePath = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set bad rows aside with a reason instead of refusing the file.")
    ] = False,
) -> None:
    """Store files of daily prices in a lake.

    A file has the columns symbol, date, open, high, low, close and volume, and may have adjusted_close, dividend (cash
    per share, on the ex-date), split (new / old shares) and fetch_timestamp. All rows are checked first: of several
    files either all are stored or none.
    """
    import tempfile

    from stockstream.lake import Lake

    place = Lake(lake)
    with working("Reading …"):
        if len(files) > 1:
            with tempfile.TemporaryDirectory() as folder:
                for path in files:
                    Lake(folder).import_file(path, quarantine=quarantine)
        written = [(path, place.import_file(path, quarantine=quarantine)) for path in files]
        held = place.symbols()
    for path, answer in written:
        say(_imported(path, answer, place))
    sample = ", ".join(held[:SAMPLE]) + (" …" if len(held) > SAMPLE else "")
    say(f"The lake at {place.location} holds {counted(len(held), 'symbol')}: {sample}")
    say(f'Next: {program()} query "SELECT * FROM symbols"{_lake_flag(lake)}')


def _imported(path: Path, answer: Written, lake: Lake) -> str:
    parts = [
        f"{path.name}: {counted(answer.rows, 'row')} of {counted(answer.symbols, 'symbol')}, "
        f"{answer.first_date} to {answer.last_date}"
    ]
    if answer.events:
        parts.append(counted(answer.events, "dividend or split", "dividends and splits"))
    if answer.days_without_bar:
        parts.append(f"{counted(answer.days_without_bar, 'day')} without a bar")
    if answer.quarantined:
        parts.append(f"{counted(answer.quarantined, 'bad row')} set aside in {lake.location}/quarantine")
    if answer.extra_columns:
        parts.append(f"columns not stored: {', '.join(answer.extra_columns)}")
    return "; ".join(parts)


def _lake_flag(lake: str | None) -> str:
    import shlex

    return f" --lake {shlex.quote(lake)}" if lake is not None else ""


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT in DuckDB's dialect.", show_default=False)],
    lake: LakePath = None,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Ask a lake in SQL.

    Views: prices (the latest version of each row), prices_adjusted (for splits and dividends), raw_prices (all
    versions), symbols, dividends, splits. A query can read the lake and nothing else, and write nothing.
    """
    from stockstream.lake import Lake

    form, path = choose_format(form, output)
    with working("Reading …"):
        frame = Lake(lake).sql(sql).pl()
    write_frame(frame, form, path)


def compact(
    lake: LakePath = None,
    expire: Annotated[
        bool, typer.Option("--expire", help="Delete batches whose rows were verified in compacted files a day ago.")
    ] = False,
) -> None:
    """Turn the many small batches of a lake into few large files.

    No answer changes, at no instant. Readers and writers may go on meanwhile. Replaced files are deleted a day later.
    """
    from stockstream.lake import Lake

    place = Lake(lake)
    with working("Compacting …"):
        done = place.compact(expire=expire)
    if done.added:
        files, rows = counted(done.batches, "batch", "batches"), counted(done.rows, "row")
        say(f"{files} of {place.location}: {rows} now, {done.bars:,} of them bars.")
    else:
        say(f"Nothing new since the last compaction of {place.location}.")
    if done.expired or done.removed:
        files, replaced = counted(done.expired, "batch", "batches"), counted(done.removed, "replaced file")
        say(f"Deleted: {files} and {replaced}.")
