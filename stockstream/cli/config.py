"""The command `config`: the settings in force, and where each came from."""

from __future__ import annotations

import csv
import io
import sys
from typing import Annotated, Final

import typer

from stockstream.cli.output import Format, print_json, print_table, say
from stockstream.errors import ParameterError

EXAMPLES: Final = """
Example:
  stockstream config
  stockstream config --format json
  STOCKSTREAM_WORKERS=4 stockstream config
"""


def config(
    form: Annotated[Format, typer.Option("--format", help="table, json or csv.", show_default=False)] = Format.table,
) -> None:
    """Show the settings in force, and where each came from: the environment, the file .env, or its default.

    Secrets are masked. A name that begins with STOCKSTREAM_ and is no setting is refused.
    """
    from stockstream.settings import Effective, effective

    if form is Format.parquet:
        message = "expected --format table, json or csv; found parquet"
        raise ParameterError(message)
    found = effective()
    if form is Format.json:
        print_json([setting._asdict() for setting in found])
    elif form is Format.csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([Effective._fields, *found])
        sys.stdout.write(text.getvalue())
    else:
        rows = [[setting.name, setting.value or "not set", setting.origin] for setting in found]
        print_table(["setting", "value", "from"], rows, wrap=["value"])
        say("\n--format json says what each one means")
