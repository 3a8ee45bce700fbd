"""The command `indicators`: all of them in a table, or everything that one declares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    print_table,
    say,
    stdout,
    write_rows,
)
from stockstream.errors import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from stockstream.indicators import Indicator

EXAMPLES: Final = """
Example:
  stockstream indicators
  stockstream indicators --group momentum
  stockstream indicators RSI
  stockstream indicators --format csv > indicators.csv
"""


def indicators(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Everything that one of them declares.")] = None,
    group: Annotated[str | None, typer.Option(metavar="NAME", help="Only this group, such as momentum.")] = None,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """List the indicators with their defaults and what they are compared with, or describe one."""
    from stockstream.indicators.catalogue import all_indicators, find

    form, path = choose_format(form, output)
    if name is not None:
        _describe(find(name), form, path)
        return
    known = all_indicators()
    groups = list(dict.fromkeys(cls.group for cls in known.values()))
    if group is not None and group.casefold() not in groups:
        message = f"unknown group {group!r}; expected one of {', '.join(groups)}.{did_you_mean(group, groups)}"
        raise UnknownNameError(message)
    rows = [
        [label, cls.group, _defaults(cls), _compared(cls)]
        for chosen in ([group.casefold()] if group is not None else groups)
        for label, cls in known.items()
        if cls.group == chosen
    ]
    columns = ["indicator", "group", "defaults", "compared with"]
    if form is not Format.table:
        write_rows([dict(zip(columns, row, strict=True)) for row in rows], columns, form, path)
        return
    for patterns in (False, True):  # whose long names would leave the others no room for their defaults
        part = [row for row in rows if (row[1] == "patterns") == patterns]
        if part:
            print_table(columns, part, wrap=["defaults"])
    stdout().print(f"\n{len(rows)} indicators; stockstream indicators NAME says all of one", highlight=False)


def _describe(cls: type[Indicator], form: Format, path: Path | None) -> None:
    indicator = cls()
    facts = {
        "group": cls.group,
        "reads": ", ".join(cls.inputs),
        "outputs": ", ".join(cls.outputs),
        "columns": ", ".join(indicator.column_names()),
        "first value": f"bar {indicator.warmup()}" if indicator.is_compiled else "not declared",
        "NaN": _nan_rule(indicator),
        "cost of a bar": cls.per_bar,
        "grid": "one call for all values" if cls.grid_kernel else "a call for each combination",
        "source": cls.source or "not declared",
        "compared with": _compared(cls, note=True),
    }
    if form is not Format.table:
        write_rows(
            [{"indicator": cls.__name__, "says": cls.meaning(), **facts}], ["indicator", "says", *facts], form, path
        )
        return
    print_table([cls.__name__, cls.meaning()], [[key, value] for key, value in facts.items()], wrap=[cls.meaning()])
    if cls.ranges():
        rows = [
            [name, str(cls.defaults()[name]), str(allowed), allowed.meaning] for name, allowed in cls.ranges().items()
        ]
        say()
        print_table(["parameter", "default", "may be", "is"], rows, wrap=["may be", "is"])


def _nan_rule(indicator: Indicator) -> str:
    if not indicator.is_compiled:
        return "as the function does"
    if indicator.recursive:
        return "a bar with a NaN gives NaN and is otherwise left out"
    return "felt only while it is in the window"


def _defaults(cls: type[Indicator]) -> str:
    """Return the numbers as they stand in a call, and the switches by name."""
    return ", ".join(
        f"{name}={value}" if isinstance(value, str) else f"{value:g}" for name, value in cls.defaults().items()
    )


def _compared(cls: type[Indicator], *, note: bool = False) -> str:
    if cls.oracle is None:
        return "nothing"
    if note:
        return str(cls.oracle)
    same_name = cls.oracle.function == cls.__name__
    return cls.oracle.library if same_name else f"{cls.oracle.library} {cls.oracle.function}"
