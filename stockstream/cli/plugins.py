"""The command `plugins`: what is installed in each group, where it comes from, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream import plugins as registry
from stockstream.cli.output import Format, FormatOption, OutputOption, choose_format, print_table, say, write_rows
from stockstream.errors import ParameterError, PluginError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from stockstream.plugins import Plugin

EXAMPLES: Final = """
Example:
  stockstream plugins
  stockstream plugins --group price_sources
  stockstream plugins --format json
"""

_COLUMNS: Final = ("group", "name", "object", "distribution", "version", "state", "problem")


def plugins(
    group: Annotated[str | None, typer.Option(metavar="NAME", help="Only this group, such as price_sources.")] = None,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """List what is installed: sources, pipeline steps, indicators and strategies.

    Each is imported to see whether it works: ok, broken, or shadowed by another package with the same name.
    """
    groups = {name.removeprefix("stockstream."): name for name in registry.GROUPS}
    if group is not None and group not in groups:
        message = f"unknown group {group!r}; expected one of {', '.join(groups)}.{did_you_mean(group, groups)}"
        raise UnknownNameError(message)
    form, path = choose_format(form, output)
    wanted = groups if group is None else {group: groups[group]}
    rows = [
        dict(zip(_COLUMNS, (short, *_described(plugin)), strict=True))
        for short, name in wanted.items()
        for plugin in registry.discover(name)
    ]
    if form is Format.table:
        _print(rows)
    else:
        write_rows(rows, _COLUMNS, form, path)


def _described(plugin: Plugin) -> tuple[str, ...]:
    state, problem = "ok", ""
    if plugin.shadowed_by:
        state, problem = "shadowed", f"{plugin.shadowed_by} has that name already"
    else:
        try:
            plugin.load(_check(plugin.group))
        except PluginError as error:
            state, problem = "broken", str(error)
    return plugin.name, plugin.value, plugin.distribution, plugin.version, state, problem


def _check(group: str) -> registry.Check:
    """Return what a group expects of its members."""
    if group == registry.INDICATORS:
        from stockstream.indicators import catalogue

        return catalogue.check
    if group == registry.STRATEGIES:
        from stockstream.cli.strategies import check_registered

        return check_registered
    return check_factory


def check_factory(registered: object) -> None:
    """Refuse what cannot be called: sources and steps are registered as classes or functions that make one.

    Raises
    ------
    ParameterError
        It is something else.
    """
    if not callable(registered):
        message = f"expected a class or a function that returns a source or a step; found {registered!r}"
        raise ParameterError(message)


def _print(rows: list[dict[str, str]]) -> None:
    cells = [
        [row["group"], row["name"], row["object"], f"{row['distribution']} {row['version']}".strip(), row["state"]]
        for row in rows
    ]
    print_table(["group", "name", "object", "from", "state"], cells, wrap=["object", "from"])
    for row in rows:
        if row["problem"]:
            say(f"{row['state']}: {row['problem']}")
