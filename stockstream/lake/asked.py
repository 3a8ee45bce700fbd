"""Which symbols a query asks about, so that the views are made of these alone.

DuckDB says so itself: over tables with the columns of the views, the plan of the query shows which filters reach each
of them, and its parser takes the filters apart. No text of SQL is read here. Where one table is reached by no filter
that names its symbols, in every branch of an OR, all symbols are asked for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from stockstream.lake.explain import filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

#: Least and greatest values by type: from the contents of the tables nothing can be concluded.
_ENDS: Final = {
    "VARCHAR": ("''", "chr(1114111)"),
    "DATE": ("DATE '0001-01-01'", "DATE '9999-12-31'"),
    "BOOLEAN": ("false", "true"),
}
#: Optimizers that answer from what tables hold, read a table again by the numbers of its rows, or add filters whose
#: values are found as the query runs.
_UNWANTED: Final = "statistics_propagation,late_materialization,top_n,join_filter_pushdown"
_OPTIONAL: Final = re.compile(r"('(?:[^']|'')*')|\boptional: ")  # a constant, or the mark of a filter


def stand_in(connection: duckdb.DuckDBPyConnection, views: Sequence[str]) -> None:
    """Replace the views of a lake by tables with their columns, in a connection made for the purpose."""
    connection.execute("CREATE SCHEMA asked")
    for view in views:
        columns = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall()]
        rows = (
            ", ".join(f"({_ENDS.get(kind, ('-1', '1'))[end]})::{kind} AS {name}" for name, kind in columns)
            for end in (0, 1)
        )
        connection.execute(f"CREATE TABLE asked.{view} AS SELECT {' UNION ALL SELECT '.join(rows)}")
    connection.execute("SET schema = 'asked'")
    connection.execute(f"SET disabled_optimizers = '{_UNWANTED}'")


def symbols_asked(connection: duckdb.DuckDBPyConnection, query: str, values: Any) -> list[str] | None:
    """Return the symbols that one SELECT over the tables of `stand_in` asks about, None for all."""
    answer = connection.execute(f"EXPLAIN (FORMAT json) {query}", values)
    found: set[str] = set()
    scans = list(_scans(json.loads(answer.fetchall()[0][1])))
    for texts in scans:
        wanted = _named_by_all(_named(condition) for condition in _parsed(connection, texts))
        if wanted is None:
            return None
        found |= wanted
    return sorted(found) if scans else None


def _scans(nodes: Sequence[Any]) -> Iterator[list[str]]:
    """Yield the filters of each scan of a table in some nodes of a plan."""
    for node in nodes:
        told = node.get("extra_info", {})
        if "Table" in told:
            yield filters(told)
        yield from _scans(node.get("children", []))


def _parsed(connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> Iterator[Any]:
    """Yield the filters of a scan as trees of expressions; those that are no SQL are left out.

    A plan shows ``(a OR b) AND c`` without brackets. Read with them where SQL puts them it says no more than is meant,
    because no NOT stands outside of a bracket.
    """
    for text in texts:
        select = "SELECT " + _OPTIONAL.sub(r"\1", text)
        answer = connection.execute("SELECT json_serialize_sql($select)", {"select": select}).fetchone()
        tree: dict[str, Any] = json.loads(answer[0]) if answer else {"error": True}
        if not tree["error"]:
            yield tree["statements"][0]["node"]["select_list"][0]


def _named(condition: Any) -> set[str] | None:
    """Return the symbols of which one must be a row's for a condition to hold, None where it may hold for any."""
    kind = condition["type"]
    if kind == "CONJUNCTION_AND":
        return _named_by_all(map(_named, condition["children"]))
    if kind == "CONJUNCTION_OR":
        branches = [_named(each) for each in condition["children"]]
        known = [each for each in branches if each is not None]
        return set().union(*known) if len(known) == len(branches) else None
    if kind == "COMPARE_IN":
        column, *values = condition["children"]
    elif kind == "COMPARE_EQUAL":
        column, *values = sorted((condition["left"], condition["right"]), key=lambda side: side["type"] != "COLUMN_REF")
    else:
        return None
    texts = [each.get("value", {}).get("value") for each in values if each["type"] == "VALUE_CONSTANT"]
    whole = column.get("column_names") == ["symbol"] and len(texts) == len(values)
    return set(texts) if whole and all(isinstance(each, str) for each in texts) else None


def _named_by_all(named: Iterable[set[str] | None]) -> set[str] | None:
    """Return the symbols that each of some conditions leaves; where none is left, those of one."""
    found: set[str] | None = None
    for each in named:
        if each is not None:
            found = each if found is None else found & each or found
    return found
