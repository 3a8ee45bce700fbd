"""The command `config`: the settings in force, and where each came from."""

from __future__ import annotations

from typing import Final

from stockstream.cli.output import Format, FormatOption, OutputOption, choose_format, print_table, say, write_rows

EXAMPLES: Final = """
Example:
  stockstream config
  stockstream config --format json
  STOCKSTREAM_WORKERS=4 stockstream config
"""


def config(form: FormatOption = None, output: OutputOption = None) -> None:
    """Show the settings in force, and where each came from: the environment, the file .env, or its default.

    Secrets are masked. A name that begins with STOCKSTREAM_ and is no setting is refused.
    """
    from stockstream.settings import Effective, effective

    form, path = choose_format(form, output)
    found = effective()
    if form is not Format.table:
        write_rows([setting._asdict() for setting in found], Effective._fields, form, path)
        return
    rows = [[setting.name, setting.value or "not set", setting.origin] for setting in found]
    print_table(["setting", "value", "from"], rows, wrap=["value"])
    say("\n--format json says what each one means")
