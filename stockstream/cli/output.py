"""What commands print: tables that fit the terminal, and formats that fit a pipe."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from stockstream.cli.options import made_room, output_file
from stockstream.errors import ParameterError, counted

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from stockstream.backtesting.result import Result

WIDEST_CELL: Final = 40
MOST_ROWS: Final = 40

#: From here on whole numbers get separators: a year does not, a volume does.
SEPARATED: Final = 100_000

_ENDINGS: Final = {".json": "json", ".csv": "csv", ".parquet": "parquet"}


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


#: The two flags of every command that prints rows; `choose_format` reads them.
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="table, json, csv or parquet.", show_default=False)
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write a .csv, .json or .parquet file instead.")
]


def stdout() -> Console:
    """Return the console that results go to; without colours when it is not a terminal."""
    from rich.console import Console

    return Console(highlight=False)


def working(words: str) -> AbstractContextManager[Any]:
    """Show on stderr, in a terminal only, what is being waited for."""
    from rich.console import Console

    return Console(stderr=True).status(words)


def say(text: str = "", style: str = "") -> None:
    """Print a line as it is; it may be longer than the terminal is wide (paths, commands)."""
    stdout().print(text, style=style or None, markup=False, soft_wrap=True)


def say_words(text: str) -> None:
    """Print a sentence, broken between words where the terminal ends."""
    stdout().print(text, markup=False)


def print_figures(pairs: Sequence[tuple[str, str]]) -> None:
    """Print what a figure is of, and the figure, which may take lines."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for what, figure in pairs:
        table.add_row(Text(_plain(what)), Text(_plain(figure)))
    stdout().print(table)


def heading(text: str) -> None:
    """Print the title of a part."""
    stdout().print(f"\n{text}", style="bold", markup=False)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = (), wrap: Sequence[str] = ()
) -> None:
    """Print texts in columns; those named in `numbers` are aligned to the right, those in `wrap` may take lines."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(Text(_plain(name)), justify=justify, no_wrap=name not in wrap, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    stdout().print(table)


def print_frame(
    frame: pl.DataFrame, *, most_rows: int = MOST_ROWS, formats: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Print a frame: as many columns as the terminal is wide, the first rows, and what was left out.

    `formats` are those of numbers in some columns; other columns have as many decimals as they need.
    """
    shown = frame.head(most_rows)
    cells = {name: column_texts(shown[name], formats.get(name)) for name in shown.columns}
    names: list[str] = []
    width = 0
    for name, texts in cells.items():
        width += max(map(len, [name, *texts])) + 2
        if names and width > stdout().width:
            break
        names.append(name)
    numbers = [name for name in names if frame.schema[name].is_numeric()]
    print_table(names, list(zip(*(cells[name] for name in names), strict=True)), numbers=numbers)
    left_out = [counted(frame.height - shown.height, "more row")] if frame.height > shown.height else []
    if len(names) < frame.width:
        hidden = frame.columns[len(names) :]
        left_out.append(f"{counted(len(hidden), 'more column')} ({', '.join(hidden)})")
    if left_out:
        stdout().print(f"… and {' and '.join(left_out)}: --format csv, json or parquet gives all", style="dim")


def column_texts(column: pl.Series, form: str | None = None) -> list[str]:
    """Return the cells of a column as texts, numbers in a format or with the decimals that all of them need."""
    values = column.to_list()
    if form is not None:
        return ["n/a" if value is None or math.isnan(value) else form.format(value) for value in values]
    if column.dtype.is_float():
        return _float_texts(values)
    if column.dtype.is_integer():
        separated = max((abs(value) for value in values if value is not None), default=0) >= SEPARATED
        return ["null" if value is None else f"{value:,}" if separated else str(value) for value in values]
    return [_shortened("null" if value is None else str(value)) for value in values]


def _float_texts(values: Sequence[float | None]) -> list[str]:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    largest = max(map(abs, finite), default=0.0)
    most = 2 if largest >= 1000 else 4 if largest >= 1 else 6  # noqa: PLR2004 about six digits in all
    full = [f"{value:.{most}f}" for value in finite]
    zeros = min((len(text) - len(text.rstrip("0")) for text in full), default=0)
    decimals = max(most - zeros, 0)
    return [
        "null" if value is None else f"{value:,.{decimals}f}" if math.isfinite(value) else str(value)
        for value in values
    ]


def _plain(text: str) -> str:
    """Return a text that cannot steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _shortened(text: str) -> str:
    text = _plain(" ".join(text.split()))
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 1] + "…"


def choose_format(chosen: Format | None, path: Path | None) -> tuple[Format, Path | None]:
    """Return the format and the checked path of an output; the ending of the file stands for its format.

    Raises
    ------
    ParameterError
        Format and file do not go together.
    """
    if path is None:
        if chosen is Format.parquet:
            message = "expected --output FILE with --format parquet: a Parquet file is not text"
            raise ParameterError(message)
        return chosen or Format.table, None
    endings = tuple(_ENDINGS) if chosen is None else tuple(e for e, name in _ENDINGS.items() if name == chosen)
    if not endings:
        message = "expected json, csv or parquet for a file; found --format table. Leave --format out."
        raise ParameterError(message)
    checked = output_file("--output", path, *endings)
    return Format(_ENDINGS[checked.suffix.casefold()]), checked


def write_frame(frame: pl.DataFrame, form: Format, path: Path | None) -> None:
    """Write rows in a format, to a file or to stdout."""
    if path is not None:
        made_room(path)
        if form is Format.parquet:
            frame.write_parquet(path)
        else:
            path.write_text(_text_of(frame, form), encoding="utf-8")
        say(f"{counted(frame.height, 'row')} in {path}")
    elif form is Format.table:
        print_frame(frame)
    else:
        sys.stdout.write(_text_of(frame, form))


def write_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Format, path: Path | None) -> None:
    """Write rows with the same columns in a format other than a table, to a file or to stdout."""
    import polars as pl

    write_frame(pl.DataFrame(list(rows), schema=list(columns), infer_schema_length=None), form, path)


def _text_of(frame: pl.DataFrame, form: Format) -> str:
    return frame.write_json() + "\n" if form is Format.json else frame.write_csv()


def print_result(result: Result, *, trades: int) -> None:
    """Print the figures of a backtest and its last trades."""
    from stockstream.backtesting.summary import footnote, headlines, title

    console = stdout()
    console.print(title(result), style="bold", markup=False)
    rows = headlines(result)
    half = (len(rows) + 1) // 2
    pairs = [
        [*left, *(rows[half + place] if half + place < len(rows) else ("", ""))]
        for place, left in enumerate(rows[:half])
    ]
    _print_pairs(pairs)
    console.print(footnote(result), style="dim", markup=False)
    if trades and result.trades.height:
        last = result.trades.tail(trades)
        heading(f"Last {last.height} of {counted(result.trades.height, 'trade')}")
        print_frame(_trade_texts(last))


def _print_pairs(pairs: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for place in range(4):
        table.add_column(justify="right" if place % 2 else "left", no_wrap=True)
    for pair in pairs:
        table.add_row(*pair)
    stdout().print(table)


def _trade_texts(trades: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return trades.select(
        "symbol",
        "side",
        pl.col("entry_date").alias("entry"),
        pl.col("exit_date").cast(pl.String).fill_null("open").alias("exit"),
        pl.col("bars_held").alias("bars"),
        pl.col("pnl").round(2).alias("profit"),
        (pl.col("return") * 100).round(1).alias("return %"),
        pl.col("exit_reason").fill_null("").alias("why"),
    )


def print_json(values: object) -> None:
    """Print a value as JSON; what is not a number in JSON is null."""
    sys.stdout.write(json.dumps(_finite(values), indent=2, default=str) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
