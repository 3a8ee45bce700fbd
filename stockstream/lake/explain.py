"""What an answer costs: the files, row groups and bytes that a query must read, of all that there are.

DuckDB's plan says which columns each scan reads and which filters it is given; the statistics in the files' footers say
which row groups can hold such rows. Nothing else is read of these files. A filter that is no comparison of a symbol or
date with constants counts as none, as does one in brackets, by which DuckDB skips no row groups: the figures are upper
bounds. Symbols that a Bloom filter excludes still count.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stockstream.errors import counted
from stockstream.lake.location import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb

    from stockstream.lake.query import Files

_COMPARISON: Final = re.compile(r"(symbol|date)\s*(=|>=|<=|>|<)\s*'((?:[^']|'')*)'(?:::DATE)?")
_MEMBERSHIP: Final = re.compile(r"(symbol|date) IN \((.*)\)")
_CONSTANT: Final = re.compile(r"'((?:[^']|'')*)'(?:::DATE)?")
_WORD: Final = re.compile(r"\w+")
_TOKEN: Final = re.compile(r"'(?:[^']|'')*'|[()]| AND | OR ")

_CHUNKS: Final = """
SELECT file_name, row_group_id, path_in_schema, total_compressed_size, row_group_num_rows,
    stats_min_value, stats_max_value
FROM parquet_metadata($files)
"""

#: Operator -> whether a value between a least and a most one can stand to a constant so.
_MEETS: Final[dict[str, Callable[[str, str, str], bool]]] = {
    "=": lambda least, most, value: least <= value <= most,
    ">": lambda least, most, value: most > value,
    ">=": lambda least, most, value: most >= value,
    "<": lambda least, most, value: least < value,
    "<=": lambda least, most, value: least <= value,
}


class _Condition(NamedTuple):
    """A column that must stand so to one of some values."""

    column: str
    operator: str
    values: tuple[str, ...]


#: A filter of a plan: the conditions of one of its branches are all met.
type _Filter = list[list[_Condition]]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a query must read of a lake, and what the lake holds.

    Attributes
    ----------
    files, row_groups, rows, bytes
        What is read. Bytes are those of the columns that are read, as compressed in the files, each counted once
        however often the query needs it; footers are not counted.
    all_files, all_row_groups, all_rows, all_bytes
        What is there.
    """

    files: int
    all_files: int
    row_groups: int
    all_row_groups: int
    rows: int
    all_rows: int
    bytes: int
    all_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.files:,} of {counted(self.all_files, 'file')}, "
            f"{self.row_groups:,} of {counted(self.all_row_groups, 'row group')}, "
            f"{self.bytes:,} of {self.all_bytes:,} bytes"
        )


class _Group:
    """A row group: its columns' sizes, and the range of its symbols and dates."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.sizes: dict[str, int] = {}
        self.ranges: dict[str, tuple[str, str]] = {}

    def may_hold(self, filters: Sequence[_Filter]) -> bool:
        """Whether rows that pass all filters can be in it."""
        return all(any(all(map(self._may_meet, branch)) for branch in branches) for branches in filters)

    def _may_meet(self, condition: _Condition) -> bool:
        if condition.column not in self.ranges:
            return True
        least, most = self.ranges[condition.column]
        meets = _MEETS[condition.operator]
        return any(meets(least, most, value) for value in condition.values)


def explain(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    statements: Sequence[str],
    params: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Explanation:
    """Say what some SELECTs read together; see `stockstream.lake.Lake.explain`.

    Parameters
    ----------
    connection
        With the views that the statement asks.
    files
        What the views read.
    statements
        SELECTs, checked.
    params
        Values of the placeholders of the first.
    """
    plans: list[Any] = []
    for number, statement in enumerate(statements):
        answer = connection.execute(f"EXPLAIN (FORMAT json) {statement}", None if number else params)
        plans += json.loads(answer.fetchall()[0][1])
    groups = _groups(connection, files)
    parts = {} if files.curated is None else files.curated.parts
    compacted = {kind: [parts[part] for part in names if part in parts] for kind, names in _COMPACTED.items()}
    kinds = {
        "prices": [*files.prices, *compacted["prices"]],
        "events": [*files.events, *compacted["events"]],
        "verdicts": files.verdicts,
        "history": compacted["history"],
        "snapshots": compacted["snapshots"],
    }
    owner = {path: kind for kind, paths in kinds.items() for path in paths}
    read: set[tuple[str, int, str]] = set()
    for kind, columns, wanted in _scans(plans):
        for (path, number), group in groups.items():
            if owner[path] == kind and group.may_hold(wanted):
                read |= {(path, number, column) for column in columns if column in group.sizes}
    touched = {(path, number) for path, number, _ in read}
    return Explanation(
        files=len({path for path, _ in touched}),
        all_files=len(files.all),
        row_groups=len(touched),
        all_row_groups=len(groups),
        rows=sum(groups[key].rows for key in touched),
        all_rows=sum(group.rows for group in groups.values()),
        bytes=sum(groups[path, number].sizes[column] for path, number, column in read),
        all_bytes=sum(size for group in groups.values() for size in group.sizes.values()),
    )


def _groups(connection: duckdb.DuckDBPyConnection, files: Files) -> dict[tuple[str, int], _Group]:
    paths = {literal(path): path for path in files.all}
    found: dict[tuple[str, int], _Group] = {}
    for name, number, column, size, rows, least, most in connection.execute(_CHUNKS, {"files": list(paths)}).fetchall():
        group = found.setdefault((name, number), _Group(rows))
        group.sizes[column] = size
        if column in {"symbol", "date"} and least is not None and most is not None:
            group.ranges[column] = least, most
    return found


def _scans(nodes: Sequence[Any]) -> Iterator[tuple[str, set[str], list[_Filter]]]:
    """Yield of each scan of files in some nodes of plans: what it scans, its columns, its filters."""
    for node in nodes:
        told = node.get("extra_info", {})
        if "PARQUET" in str(told.get("Function", "")):
            texts = filters(told)
            words = {word for text in texts for word in _WORD.findall(_CONSTANT.sub("", text))}
            columns = {*_listed(told.get("Projections")), *words}
            yield _kind(columns), columns or {"symbol"}, [_branches(text) for text in texts]
        yield from _scans(node.get("children", []))


#: Kind of scan -> the parts of a compaction that it reads.
_COMPACTED: Final = {
    "prices": ("latest",),
    "events": ("events", "dividends"),
    "history": ("history",),
    "snapshots": ("snapshots",),
}


def _kind(columns: set[str]) -> str:
    if columns & {"last_seen", "tie"}:
        return "history"
    if columns & {"first_date", "last_date", "bars", "patch", "link_from", "ratio"}:
        return "snapshots"
    if columns & {"ex_date", "kind", "value"}:
        return "events"
    return "verdicts" if columns & {"reason", "hides", "decided_at", "severity", "explanation"} else "prices"


def filters(told: Mapping[str, Any]) -> list[str]:
    """Return the filters of a scan that a plan tells of, none where a constant runs over lines: lines are its texts."""
    texts = _listed(told.get("Filters"))
    return [] if any(text.count("'") % 2 for text in texts) else texts


def _listed(value: object) -> list[str]:
    """Return what a plan tells in one text or in several."""
    texts = value if isinstance(value, list) else [value]
    return [str(text) for text in texts if text]


def _branches(text: str) -> _Filter:
    """Return what a filter of a plan demands of symbol and date.

    Where it shows ``(a OR b) AND c`` without brackets, read as SQL reads it, it says no more than is meant.
    """
    branches: _Filter = [[]]
    depth = begin = 0
    for token in _TOKEN.finditer(f"{text} OR "):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth == 0 and token[0] in {" AND ", " OR "}:
            branches[-1] += _conditions(text[begin : token.start()].removeprefix("optional: "))
            begin = token.end()
            if token[0] == " OR ":
                branches.append([])
    return branches[:-1]


def _conditions(text: str) -> Iterator[_Condition]:
    """Yield the condition that a part of a filter is, if it is one on symbol or date."""
    member, comparison = _MEMBERSHIP.fullmatch(text), _COMPARISON.fullmatch(text)
    if member:
        yield _Condition(member[1], "=", tuple(_plain(value) for value in _CONSTANT.findall(member[2])))
    if comparison:
        yield _Condition(comparison[1], comparison[2], (_plain(comparison[3]),))


def _plain(text: str) -> str:
    return text.replace("''", "'")
