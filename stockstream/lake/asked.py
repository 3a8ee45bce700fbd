"""Which symbols a query asks about, so that the views are made of these alone.

DuckDB says so itself: over tables with the columns of the views, the plan of the query shows which filters reach each
of them. No text of SQL is read here. Where one table is reached by no filter on its symbols, all symbols are asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from stockstream.lake.explain import listed, plan_conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

#: Least and greatest values by type: from the contents of the tables nothing can be concluded.
_ENDS: Final = {
    "VARCHAR": ("''", "chr(1114111)"),
    "DATE": ("DATE '0001-01-01'", "DATE '9999-12-31'"),
    "BOOLEAN": ("false", "true"),
}


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
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")  # it answers from what tables hold


def symbols_asked(connection: duckdb.DuckDBPyConnection, query: str, values: Any) -> list[str] | None:
    """Return the symbols that one SELECT over the tables of `stand_in` asks about, None for all."""
    answer = connection.execute(f"EXPLAIN (FORMAT json) {query}", values)
    found: set[str] = set()
    scans = list(_scans(json.loads(answer.fetchall()[0][1])))
    for filters in scans:
        wanted = [each.values for text in filters for each in plan_conditions(text) if each[:2] == ("symbol", "=")]
        if not wanted:
            return None
        found |= set(wanted[0])
    return sorted(found) if scans else None


def _scans(nodes: Sequence[Any]) -> Iterator[list[str]]:
    """Yield the filters of each scan of a table in some nodes of a plan."""
    for node in nodes:
        told = node.get("extra_info", {})
        if "Table" in told:
            yield listed(told.get("Filters"))
        yield from _scans(node.get("children", []))
