"""The lake's tables and views for Athena, where one machine is not enough.

The views are one text for both engines, but for the rule by which a row is provisional. What they leave out is said in
`athena_sql`. Nothing here talks to Athena.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stockstream.errors import ParameterError
from stockstream.lake.as_of import EXCHANGES, SETTLED_AFTER, Reading, check_exchange
from stockstream.lake.curated import HISTORY, LATEST, NO_GENERATION
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS
from stockstream.lake.query import EVENT_TYPES
from stockstream.lake.versions import VERDICT_TYPES
from stockstream.schema import CONTENT, KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Final = {"VARCHAR": "string", "DATE": "date", "DOUBLE": "double", "BIGINT": "bigint", "BOOLEAN": "boolean"}

TABLES: Final[dict[str, tuple[str, Mapping[str, str]]]] = {
    "raw_prices": (RAW_DATA, ROW_TYPES),
    "raw_events": (RAW_EVENTS, EVENT_TYPES),
    "verdicts": (QUARANTINE, VERDICT_TYPES),
}

#: The table of what was compacted, and its columns: of runs, snapshots and events, each of which has some of them.
COMPACTED: Final = "compacted"
COMPACTED_TYPES: Final = {
    **ROW_TYPES,
    "first_seen": "VARCHAR",
    "last_seen": "VARCHAR",
    "first_date": "DATE",
    "last_date": "DATE",
    "bars": "BIGINT",
    **EVENT_TYPES,
}

#: The parameter of that table that names the compaction to read.
SHOWN: Final = "projection.compaction.values"

_COLUMNS: Final = ", ".join(ROW_TYPES)

#: Every answer for each bar. A run stands for all answers from its first to its last; it is taken apart where a verdict
#: strikes single answers. Rows that are in a batch and compacted too are alike, and no question here counts them.
_VERSIONS: Final = f"""
SELECT {_COLUMNS} FROM raw_prices
UNION ALL
SELECT symbol, date, {", ".join(CONTENT)}, coalesce(last_seen, fetch_timestamp) AS fetch_timestamp
FROM compacted WHERE date IS NOT NULL
UNION ALL
SELECT r.symbol, r.date, {", ".join(f"r.{name}" for name in CONTENT)}, s.fetch_timestamp
FROM compacted AS r
JOIN (SELECT DISTINCT symbol, date FROM verdicts WHERE hides AND fetch_timestamp IS NOT NULL) AS struck
    ON r.symbol = struck.symbol AND r.date = struck.date
JOIN (SELECT * FROM compacted WHERE part = 'history' AND bars IS NOT NULL) AS s
    ON r.symbol = s.symbol AND r.date BETWEEN s.first_date AND s.last_date
    AND s.fetch_timestamp BETWEEN r.first_seen AND coalesce(r.last_seen, r.fetch_timestamp)
"""

_HIDDEN: Final = """
SELECT symbol, date, fetch_timestamp FROM verdicts WHERE hides IS NOT NULL
GROUP BY symbol, date, fetch_timestamp HAVING max_by(hides, concat(decided_at, CAST(hides AS varchar)))
"""

_PRICES: Final = f"""
SELECT {_COLUMNS} FROM (
    SELECT {", ".join(f"r.{name}" for name in ROW_TYPES)}, row_number() OVER (
        PARTITION BY {", ".join(f"r.{name}" for name in KEY)}
        ORDER BY r.fetch_timestamp DESC, {", ".join(f"r.{name} DESC NULLS LAST" for name in CONTENT)}
    ) AS version
    FROM (SELECT * FROM versions WHERE NOT ($provisional)) AS r
    LEFT JOIN hidden AS h ON r.symbol = h.symbol AND r.date = h.date AND r.fetch_timestamp = h.fetch_timestamp
    LEFT JOIN (SELECT symbol, date FROM hidden WHERE fetch_timestamp IS NULL) AS a
        ON r.symbol = a.symbol AND r.date = a.date
    WHERE h.symbol IS NULL AND a.symbol IS NULL
) AS ranked WHERE version = 1
"""

_EVENTS: Final = """
SELECT symbol, ex_date, value AS $kind, fetch_timestamp FROM (
    SELECT symbol, ex_date, value, fetch_timestamp,
        row_number() OVER (PARTITION BY symbol, ex_date ORDER BY fetch_timestamp DESC, value DESC) AS version
    FROM (
        SELECT symbol, ex_date, kind, value, fetch_timestamp FROM raw_events
        UNION ALL SELECT symbol, ex_date, kind, value, fetch_timestamp FROM compacted WHERE part = 'history'
    ) AS known WHERE kind = '$kind'
) AS ranked WHERE version = 1
"""

_SYMBOLS: Final = """
SELECT symbol, min(date) AS first_date, max(date) AS last_date, count(*) AS bars FROM prices GROUP BY symbol
"""


def views(provisional: str) -> dict[str, str]:
    """Return view -> query, in the order in which they are made, over the tables of `TABLES` and `COMPACTED`.

    Parameters
    ----------
    provisional
        The condition that a row was fetched before its session had settled, in the engine's dialect.
    """
    return {
        "hidden": _HIDDEN,
        "versions": _VERSIONS,
        "prices": _PRICES.replace("$provisional", provisional),
        "symbols": _SYMBOLS,
        "dividends": _EVENTS.replace("$kind", "dividend"),
        "splits": _EVENTS.replace("$kind", "split"),
    }


def duckdb_views(exchange: str = "XASX") -> dict[str, str]:
    """Return the same views for DuckDB, by which the text is tested."""
    return views(Reading(exchange=check_exchange(exchange)).is_provisional())


def athena_sql(lake: str, database: str = "stockstream", exchange: str = "XASX") -> list[str]:
    """Return the statements that make a lake askable in Athena, to be run one after the other.

    They make the tables ``raw_prices``, ``raw_events``, ``verdicts`` and ``compacted`` over the lake's files and the
    views ``versions``, ``prices``, ``symbols``, ``dividends`` and ``splits``. ``prices`` holds the latest settled
    version that no verdict hides; unlike `Lake.sql` it knows no ``as_of`` and does not see that a source has withdrawn
    a bar. Prices of answers on different scales are not linked there, so there is no ``prices_adjusted``: adjust with
    `Lake.bars`.

    ``compacted`` shows no compaction until `show_compaction` says which, and again after each one: the compactor of the
    pipeline does so by itself.

    Parameters
    ----------
    lake
        The lake's address, ``s3://bucket/prefix``.
    database
        Name of a database of the Glue catalogue.
    exchange
        Code of the exchange that the bars are of.

    Raises
    ------
    ParameterError
        The address or the name holds characters that have no place there.

    Examples
    --------
    >>> print(athena_sql("s3://prices/asx")[1].splitlines()[0])
    CREATE EXTERNAL TABLE IF NOT EXISTS `stockstream`.`raw_prices` (
    """
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9!_.*()-]+)*/?", lake):
        message = f"expected the address of a lake in a bucket, such as s3://bucket/prefix; found {lake!r}"
        raise ParameterError(message)
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", database):
        message = f"expected a database's name of small letters, digits and underscores; found {database!r}"
        raise ParameterError(message)
    made = [f"CREATE DATABASE IF NOT EXISTS `{database}`"]
    for table, (folder, types) in TABLES.items():
        made.append(
            f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{table}` (\n{_spelled(types)}\n)\n"
            f"STORED AS PARQUET\nLOCATION '{lake.rstrip('/')}/{folder}/'"
        )
    made.append(_compacted(f"`{database}`.`{COMPACTED}`", lake.rstrip("/")))
    for view, query in views(_athena_provisional(exchange)).items():
        names = "|".join((*TABLES, COMPACTED, "hidden", "versions", "prices"))
        inside = re.sub(rf"(?<=FROM |JOIN )({names})\b", rf'"{database}".\1', query)
        made.append(f'CREATE OR REPLACE VIEW "{database}".{view} AS{inside.rstrip()}')
    return made


def projection(lake: str) -> dict[str, str]:
    """Return the parameters of ``compacted`` by which Athena computes its folders, and lists no others."""
    return {
        "projection.enabled": "true",
        "projection.part.type": "enum",
        "projection.part.values": ",".join(folder.rpartition("/")[2] for folder in (LATEST, HISTORY)),
        "projection.compaction.type": "enum",
        SHOWN: NO_GENERATION,
        "storage.location.template": f"{lake}/{LATEST.rpartition('/')[0]}/${{part}}/${{compaction}}/",
    }


def _compacted(table: str, lake: str) -> str:
    parameters = ",\n".join(f"    '{name}' = '{value}'" for name, value in projection(lake).items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {table} (\n{_spelled(COMPACTED_TYPES)}\n)\n"
        "PARTITIONED BY (`part` string, `compaction` string)\n"
        f"STORED AS PARQUET\nLOCATION '{lake}/{LATEST.rpartition('/')[0]}/'\nTBLPROPERTIES (\n{parameters}\n)"
    )


def _spelled(types: Mapping[str, str]) -> str:
    return ",\n".join(f"    `{name}` {_TYPES[kind]}" for name, kind in types.items())


def _athena_provisional(exchange: str) -> str:
    zone, close = EXCHANGES[check_exchange(exchange)]
    seconds = close.hour * 3600 + close.minute * 60 + int(SETTLED_AFTER.total_seconds())
    settled = f"with_timezone(date_add('second', {seconds}, CAST(date AS timestamp)), '{zone}')"
    return f"fetch_timestamp < date_format(at_timezone({settled}, 'UTC'), '%Y-%m-%dT%H:%i:%s.%fZ')"
