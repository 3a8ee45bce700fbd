"""A lake made for measuring: symbols x days, written by daily runs that overlap, 1 % of the rows revised by the next.

The years before the last one are written as the files a compaction leaves, by the formula that the runs follow, because
writing and compacting millions of batches' rows would take longer than all measurements; `check` compares a small lake
of this kind with one whose every batch was written and compacted by the library itself.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import duckdb

from stockstream.lake import Lake
from stockstream.lake.compact import layout
from stockstream.lake.curated import DIVIDEND_TYPES, RUN_TYPES, key
from stockstream.lake.query import EVENT_TYPES
from stockstream.lake.write import COMPRESSION, ROW_GROUP_SIZE

#: The first session; sessions are the weekdays from then on.
FIRST = dt.date(2014, 1, 6)

NOW = dt.timedelta(0)

#: A run that knows fewer sessions than this cannot be linked to the run before it.
_LINKED = 8


class Size(NamedTuple):
    """How large a lake is: sessions asked for by each run, and files of each raw run."""

    symbols: int
    days: int
    overlap: int = 10
    batches: int = 5


def session(day):
    """Return the date of a session by its number."""
    return FIRST + dt.timedelta(day // 5 * 7 + day % 5)


def stamp(day):
    """Return when the run of a session fetched."""
    return f"{session(day) + dt.timedelta(1)}T06:00:00.000000Z"


def connect(size):
    """Return a connection with the prices as they are known at last, one row per symbol and session."""
    connection = duckdb.connect(config={"threads": 2, "preserve_insertion_order": True})
    connection.execute("SET enable_progress_bar = false")
    connection.execute(
        """CREATE TABLE days AS SELECT d, DATE '2014-01-06' + CAST(d // 5 * 7 + d % 5 AS INTEGER) AS date,
            concat(date + 1, 'T06:00:00.000000Z') AS stamp FROM range(?) AS t(d)""",
        [size.days],
    )
    connection.execute(
        """CREATE TABLE truth AS
        SELECT 'S' || lpad(s::VARCHAR, 4, '0') AS symbol, s, d, date,
            round(20 + s % 50 + 5 * sin(d / 50.0 + s) + hash(s, d) % 400 / 100, 2) AS close,
            (s * 7919 + d * 104729) % 100 AS lot
        FROM range(?) AS a(s), days ORDER BY s, d""",
        [size.symbols],
    )
    return connection


_CONTENT = """{0} AS open, {0} + 0.5 AS high, {0} - 0.5 AS low, {0} AS close, (100000 + lot)::BIGINT AS volume,
    {0} AS adjusted_close"""


def write_batches(connection, root, size, first=0):
    """Write the batches of the runs from a session on."""
    raw = Path(root) / "raw-data"
    raw.mkdir(parents=True, exist_ok=True)
    for day in range(first, size.days):
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE run AS SELECT symbol, s, date, {_CONTENT.format("price")},
                '{stamp(day)}' AS fetch_timestamp
            FROM (SELECT *, CASE WHEN lot = 7 AND d = {day} THEN close + 0.01 ELSE close END AS price FROM truth
                WHERE d BETWEEN {day - size.overlap + 1} AND {day})"""
        )
        for batch in range(size.batches):
            path = raw / f"{session(day)}-batch-{batch + 1}.parquet"
            query = f"SELECT * EXCLUDE (s) FROM run WHERE s % {size.batches} = {batch} ORDER BY symbol, date"
            connection.sql(query).write_parquet(str(path), compression=COMPRESSION, row_group_size=ROW_GROUP_SIZE)


def write_compacted(connection, root, size, days):
    """Write the files that a compaction leaves after the runs of the first so many sessions."""
    last = days - 1
    known = f"""truth AS t JOIN days AS f ON f.d = t.d + (lot = 7)::INT
        JOIN days AS l ON l.d = least(t.d + {size.overlap - 1}, {last})"""
    first_answers = (
        f"SELECT symbol, t.date, {_CONTENT.format('(t.close + 0.01)')}, stamp AS first_seen, stamp AS fetch_timestamp"
    )
    unlinked = f"least({_LINKED}, {days})"
    parts = {
        "latest": f"""
            SELECT symbol, t.date, {_CONTENT.format("t.close")}, l.stamp AS fetch_timestamp, f.stamp AS first_seen,
                {unlinked}::BIGINT AS segment, 1.0::DOUBLE AS price_basis, 1.0::DOUBLE AS volume_basis
            FROM {known} WHERE t.d <= {last} AND NOT (lot = 7 AND t.d = {last})
            UNION ALL BY NAME
            {first_answers}, {unlinked}::BIGINT AS segment, 1.0::DOUBLE AS price_basis, 1.0::DOUBLE AS volume_basis
            FROM truth AS t JOIN days USING (d) WHERE lot = 7 AND t.d = {last} ORDER BY symbol, date""",
        "history": f"""
            SELECT * EXCLUDE (fetch_timestamp), fetch_timestamp AS last_seen, false AS tie
            FROM ({first_answers} FROM truth AS t JOIN days USING (d) WHERE lot = 7 AND t.d < {last})
            ORDER BY symbol, date, first_seen""",
        "snapshots": f"""
            SELECT 'S' || lpad(s::VARCHAR, 4, '0') AS symbol, n.stamp AS fetch_timestamp, o.date AS first_date,
                n.date AS last_date, least({size.overlap}, n.d + 1)::BIGINT AS bars, false AS patch,
                b.stamp AS link_from,
                CASE WHEN n.d >= {_LINKED} THEN 1.0::DOUBLE END AS ratio
            FROM range({size.symbols}) AS a(s), days AS n JOIN days AS o ON o.d = greatest(n.d - {size.overlap - 1}, 0)
            LEFT JOIN days AS b ON b.d = n.d - 1 WHERE n.d <= {last} ORDER BY s, n.d""",
        "events": f"SELECT {_nothing(EVENT_TYPES)} WHERE false",
        "dividends": f"SELECT {_nothing(DIVIDEND_TYPES)} WHERE false",
    }  # fmt: skip
    names = {}
    for part, query in parts.items():
        names[part] = f"curated/{'latest' if part == 'latest' else 'history'}/2014-01-01T000000-made-{part}.parquet"
        path = Path(root) / names[part]
        path.parent.mkdir(parents=True, exist_ok=True)
        connection.sql(query).write_parquet(str(path), **layout(part, remote=False))
    bars, revised = connection.execute(
        f"SELECT count(*), count(*) FILTER (lot = 7 AND d < {last}) FROM truth WHERE d <= {last}"
    ).fetchone()
    write_manifest(root, names, last, bars, revised)


def write_manifest(root, parts, last, bars, revised=0):
    """Make some files those of a compaction after the run of a session."""
    location = Lake(root).location
    folders = {name.rpartition("/")[0] for name in parts.values()}
    written = {file.name: key(file) for folder in folders for file in location.files(folder)}
    manifest = {
        "format": 1, "made_at": stamp(last), "exchange": "XASX", "parts": parts, "raw": {}, "verdicts": {},
        "retired": {}, "keys": {name: written[name] for name in parts.values()}, "first": stamp(0),
        "through": stamp(last), "rows": bars + revised, "bars": bars, "complete": True,
    }  # fmt: skip
    (Path(root) / "curated" / "manifest.json").write_text(json.dumps(manifest))


def write_part(connection, whole, root, days, first):
    """Write the files of a whole compaction again, without what lies before a session."""
    names = {}
    for path in Path(whole).glob("curated/**/*.parquet"):
        part = path.stem.rpartition("-")[2]
        names[part] = path.relative_to(whole).as_posix()
        rows = connection.read_parquet(str(path))
        if "date" in rows.columns:
            rows = rows.filter(f"date >= DATE '{session(first)}'").order("symbol, date")
        target = Path(root) / names[part]
        target.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(str(target), **layout(part, remote=False))
    write_manifest(root, names, days - 1, 0)


def _nothing(types):
    return ", ".join(f"NULL::{kind} AS {name}" for name, kind in types.items())


def write_one_answer(lake, root):
    """Write the rows of a lake that holds one answer as the files that a compaction of it leaves."""
    connection = duckdb.connect(config={"threads": 2})
    connection.register("rows", lake.load_all_data())
    queries = {
        "latest": "SELECT *, fetch_timestamp AS first_seen, 1::BIGINT AS segment, 1.0::DOUBLE AS price_basis, "
        "1.0::DOUBLE AS volume_basis FROM rows ORDER BY symbol, date",
        "history": f"SELECT {_nothing(RUN_TYPES)} WHERE false",
        "snapshots": "SELECT symbol, fetch_timestamp, min(date) AS first_date, max(date) AS last_date, "
        "count(*)::BIGINT AS bars, false AS patch, NULL::VARCHAR AS link_from, NULL::DOUBLE AS ratio "
        "FROM rows GROUP BY ALL ORDER BY symbol",
        "events": f"SELECT {_nothing(EVENT_TYPES)} WHERE false",
        "dividends": f"SELECT {_nothing(DIVIDEND_TYPES)} WHERE false",
    }
    names = {}
    for part, query in queries.items():
        names[part] = f"curated/{'latest' if part == 'latest' else 'history'}/2024-01-01T000000-made-{part}.parquet"
        path = Path(root) / names[part]
        path.parent.mkdir(parents=True, exist_ok=True)
        connection.sql(query).write_parquet(str(path), **layout(part, remote=False))
    write_manifest(root, names, 0, 0)


def check(size):
    """Refuse to measure when a lake made by the formula is not the lake that its batches become."""
    with tempfile.TemporaryDirectory() as folder:
        connection = connect(size)
        write_batches(connection, f"{folder}/runs", size)
        write_compacted(connection, f"{folder}/made", size, size.days)
        lake = Lake(f"{folder}/runs")
        lake.compact(expire=True, grace=NOW, keep=0)
        for part in ("latest", "history", "snapshots", "events", "dividends"):
            one, other = (
                [str(path) for path in Path(f"{folder}/{name}/curated").glob(f"**/*{part}.parquet")]
                for name in ("runs", "made")
            )
            types, made_types = (connection.read_parquet(paths).types for paths in (one, other))
            columns = connection.read_parquet(one).columns
            rows, made = (
                connection.read_parquet(paths).select(*columns).order("ALL").fetchall() for paths in (one, other)
            )
            if rows != made or sorted(map(str, types)) != sorted(map(str, made_types)):
                raise SystemExit(f"the made lake differs from the compacted one in {part}")
