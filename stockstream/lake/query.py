"""SQL over a lake: DuckDB reads the Parquet batches where they lie.

`bind` makes the views; `run` runs one query of a user over them in a connection that can read these files and nothing
else, and that can write nothing at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.adjust import ADJUSTMENT, UNASKED
from stockstream.lake.as_of import Reading
from stockstream.lake.asked import stand_in, symbols_asked
from stockstream.lake.curated import (
    CURATED_ROWS,
    DIVIDEND_TYPES,
    LATEST_TYPES,
    NOTHING_CURATED,
    RUN_TYPES,
    SNAPSHOT_TYPES,
    Curated,
)
from stockstream.lake.explain import Explanation, explain
from stockstream.lake.forbidden import refuse_forbidden
from stockstream.lake.links import basis_statements
from stockstream.lake.location import literal
from stockstream.lake.rows import connect, first_line
from stockstream.lake.sources import Sources, equal_or_after, equal_or_before
from stockstream.lake.versions import VERDICT_TYPES, prices_query, version_views
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from stockstream.lake.listings import Listings

VIEWS: Final = (
    "prices",
    "prices_adjusted",
    "raw_prices",
    "symbols",
    "dividends",
    "splits",
    "raw_events",
    "withdrawn",
    "verdicts",
)

EVENT_TYPES: Final = {
    "symbol": "VARCHAR",
    "ex_date": "DATE",
    "kind": "VARCHAR",
    "value": "DOUBLE",
    "fetch_timestamp": "VARCHAR",
}

_EVENTS: Final = """
CREATE VIEW derived.latest_events AS
SELECT symbol, ex_date, kind, value, fetch_timestamp FROM raw_events
QUALIFY row_number() OVER (PARTITION BY symbol, ex_date, kind ORDER BY fetch_timestamp DESC, value DESC) = 1;

CREATE VIEW dividends AS
SELECT symbol, ex_date, value AS dividend, fetch_timestamp FROM derived.latest_events WHERE kind = 'dividend';

CREATE VIEW splits AS
SELECT symbol, ex_date, value AS split, fetch_timestamp FROM derived.latest_events WHERE kind = 'split';
"""

_SYMBOLS: Final = """
CREATE VIEW symbols AS
SELECT symbol, min(date) AS first_date, max(date) AS last_date, count(*) AS bars FROM prices GROUP BY symbol;
"""


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a lake that one answer is made of, listed once."""

    prices: Sequence[str]
    events: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    curated: Curated | None = None

    @property
    def all(self) -> list[str]:
        """Every file."""
        return [*self.prices, *self.events, *self.verdicts, *(self.curated.parts.values() if self.curated else ())]

    def shortcut(self, reading: Reading) -> Curated | None:
        """Return the compaction whose latest rows are all that a reading asks for, if there is one."""
        if self.curated is None or not self.curated.whole or reading.provisional:
            return None
        return self.curated if reading.until is None or reading.until >= self.curated.through else None


def bind(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    reading: Reading | None = None,
    *,
    symbols: Iterable[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    adjusted: bool = False,
    listings: Listings | None = None,
) -> None:
    """Make the views of a lake in a connection.

    Parameters
    ----------
    connection
        Fresh, from `stockstream.lake.rows.connect`.
    files
        What the views read.
    reading
        Which rows count; by default every final one.
    symbols
        Only these exist for the views; the filter reaches the row groups of the files.
    start, end
        Only these dates exist in ``prices``. What was answered about others still tells what was withdrawn.
    adjusted
        Read the rows of ``prices`` once, into memory, and derive their basis and factors, for ``prices_adjusted`` and
        `stockstream.lake.adjust.adjusted_bars`.
    listings
        Split reused codes: rows and events of an earlier listing are under its name. None leaves codes as stored.
    """
    reading = reading or Reading()
    names = None if symbols is None else list(symbols)
    connection.execute("CREATE SCHEMA derived")  # not shown beside the views that questions are asked of
    sources = Sources(connection, reading.until, names, listings)
    _bind_sources(connection, sources, files, reading)
    connection.execute(version_views(reading, judged=bool(files.verdicts), stored=adjusted))
    shortcut = None if sources.split else files.shortcut(reading)
    if shortcut is not None:
        names_of_columns = LATEST_TYPES if adjusted else ROW_TYPES
        relation = connection.sql(f"SELECT {', '.join(names_of_columns)} FROM derived.curated_latest")
    else:
        relation = connection.sql(prices_query())
    if start is not None:
        relation = relation.filter(equal_or_after("date", start))
    if end is not None:
        relation = relation.filter(equal_or_before("date", end))
    if adjusted and shortcut is not None:
        sources.store("derived.present", relation)
        connection.execute(f"CREATE VIEW prices AS SELECT {', '.join(ROW_TYPES)} FROM derived.present")
    elif adjusted:
        relation.create("prices")
    else:
        relation.create_view("prices")
    connection.execute(_EVENTS + _SYMBOLS)
    if not adjusted:
        connection.execute(UNASKED)
    elif shortcut is not None:
        sources.create(
            "derived.curated_dividends", [shortcut.parts["dividends"]], "ex_date", DIVIDEND_TYPES, known=None
        )
        connection.execute(_CURATED_BASIS + ADJUSTMENT)
    else:
        connection.execute(basis_statements(reading) + ADJUSTMENT)


def bind_for_compaction(connection: duckdb.DuckDBPyConnection, files: Files, reading: Reading) -> None:
    """Make the views that a compaction reads: all answers, all links, no adjustment."""
    connection.execute("CREATE SCHEMA derived")
    _bind_sources(connection, Sources(connection, None, None, None), files, reading)
    connection.execute(version_views(reading, judged=bool(files.verdicts), stored=True))
    connection.sql(prices_query()).create("prices")
    everything = "SELECT DISTINCT symbol FROM derived.snapshots WHERE bars > 0"
    connection.execute(_EVENTS + basis_statements(reading, everything))


def bind_events(
    connection: duckdb.DuckDBPyConnection, files: Files, reading: Reading, symbols: Iterable[str] | None
) -> None:
    """Make the views of events and verdicts beside rows that are read otherwise."""
    connection.execute("CREATE SCHEMA derived")
    parts = {} if files.curated is None else files.curated.parts
    events, dividends = ([parts[part]] if parts else [] for part in ("events", "dividends"))
    sources = Sources(connection, reading.until, None if symbols is None else list(symbols), None)
    sources.create("verdicts", files.verdicts, None, VERDICT_TYPES, known="decided_at")
    sources.create("raw_events", [*files.events, *events], None, EVENT_TYPES)
    sources.create("derived.based_dividends", dividends, None, DIVIDEND_TYPES, known=None)
    connection.execute(_EVENTS)


_CURATED_BASIS: Final = """
CREATE VIEW derived.based AS FROM derived.present;
CREATE VIEW derived.based_dividends AS FROM derived.curated_dividends;
"""


def _bind_sources(connection: duckdb.DuckDBPyConnection, sources: Sources, files: Files, reading: Reading) -> None:
    """Make ``raw_prices``, ``raw_events``, ``verdicts`` and ``derived.rows`` of the files, compacted or not."""
    sources.create("verdicts", files.verdicts, "date", VERDICT_TYPES, known="decided_at")
    curated = files.curated
    if curated is None:
        sources.create("raw_prices", files.prices, "date")
        sources.create("raw_events", files.events, "ex_date", EVENT_TYPES)
        connection.execute("CREATE VIEW derived.rows AS SELECT *, true AS complete FROM raw_prices;" + NOTHING_CURATED)
        return
    sources.create("raw_events", [*files.events, curated.parts["events"]], "ex_date", EVENT_TYPES)
    connection.execute("CREATE TABLE derived.bound AS SELECT ?::VARCHAR AS until", [reading.until or "9999"])
    kinds = {
        "derived.tail_prices": (files.prices, ROW_TYPES, "fetch_timestamp"),
        "derived.curated_latest": ([curated.parts["latest"]], LATEST_TYPES, "first_seen"),
        "derived.curated_history": ([curated.parts["history"]], RUN_TYPES, "first_seen"),
        "derived.curated_snapshots": ([curated.parts["snapshots"]], SNAPSHOT_TYPES, "fetch_timestamp"),
    }
    for view, (paths, types, known) in kinds.items():
        sources.create(view, paths, None, types, known=known)
    connection.execute(CURATED_ROWS)
    sources.create_split("derived.rows", "derived.rows_by_code", "date")
    sources.create_split("raw_prices", "derived.raw_by_code", "date")


def lock(connection: duckdb.DuckDBPyConnection, files: Files) -> None:
    """Leave a connection nothing but the named files to read, and its settings as they are."""
    connection.execute("SET allowed_paths = $files", {"files": [*files.all, *map(literal, files.all)]})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def run(
    files: Files,
    query: str,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    prepare: Callable[[duckdb.DuckDBPyConnection], None],
    reading: Reading | None = None,
) -> duckdb.DuckDBPyRelation:
    """Run one SELECT of a user over the views; see `stockstream.lake.Lake.sql`.

    `prepare` makes the connection able to read the files; see `stockstream.lake.location.Location.prepare`.
    """
    with _asked(query, files, prepare, reading, params) as connection:
        statement = _one_select(connection, query)
        relation = connection.sql(statement, params=_values(params))
        if relation is None:
            message = _refusal("that answers rows")
            raise LakeError(message)
        relation.execute()  # now, so that a query which fails half-way fails here
    return relation


def cost(
    files: Files,
    query: str,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    prepare: Callable[[duckdb.DuckDBPyConnection], None],
    reading: Reading | None = None,
) -> Explanation:
    """Say what one SELECT of a user would read, as `run` would run it; see `stockstream.lake.Lake.explain`."""
    with _asked(query, files, prepare, reading, params) as connection:
        _one_select(connection, query)
        # What prices_adjusted is made of was read before the query runs.
        before = ("FROM raw_prices", "FROM raw_events") if _names_adjusted(query) else ()
        return explain(connection, files, (query, *before), _values(params))


@contextmanager
def _asked(
    query: str,
    files: Files,
    prepare: Callable[[duckdb.DuckDBPyConnection], None],
    reading: Reading | None,
    params: Sequence[Any] | Mapping[str, Any] | None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked connection with the views, in which a user's query may run."""
    import duckdb

    adjusted = _names_adjusted(query)
    try:
        symbols = _symbols_asked(query, params)
        connection = connect()
        prepare(connection)
        bind(connection, files, reading, symbols=symbols, adjusted=adjusted)
        lock(connection, files)
        yield connection
    except duckdb.Error as error:
        message = f"{first_line(error).rstrip('.!')}. The lake has the views {', '.join(VIEWS)}; see DESCRIBE prices."
        raise LakeError(message) from error


def _symbols_asked(query: str, params: Sequence[Any] | Mapping[str, Any] | None) -> list[str] | None:
    """Return the symbols that a query is about, where it is about some: the views are made of these alone.

    DuckDB passes one symbol on through the joins of the views, but not several, and prices_adjusted is made before the
    query runs. A query that cannot be planned is about all of them, and fails where it runs; so is one whose conditions
    lie hundreds deep.
    """
    import duckdb

    if "symbol" not in query.casefold():
        return None
    connection, alone = _stand_ins(os.getpid())
    try:
        with alone:
            _one_select(connection, query)
            return symbols_asked(connection, query, _values(params))
    except (duckdb.Error, RecursionError):
        return None


@cache
def _stand_ins(process: int) -> tuple[duckdb.DuckDBPyConnection, Lock]:
    """Return a connection in which queries are planned over tables in place of the views, and the lock of it.

    It takes 70 ms to make and a query 3 ms to plan, so it is kept; a process that forks off makes its own.
    """
    nothing = Files(prices=())
    connection = connect()
    bind(connection, nothing)
    stand_in(connection, VIEWS)
    lock(connection, nothing)
    return connection, Lock()


def _names_adjusted(query: str) -> bool:
    return "prices_adjusted" in query.casefold()


def _values(params: Sequence[Any] | Mapping[str, Any] | None) -> Any:
    return dict(params) if isinstance(params, Mapping) else params and list(params)


def _one_select(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """Return the query's one statement, a SELECT (or FROM, WITH, DESCRIBE, SUMMARIZE, SHOW).

    The files a query may read could also be written by COPY: only the kind of the statement keeps them safe.
    """
    import duckdb

    statements = connection.extract_statements(query)
    if len(statements) != 1:
        message = f"expected one SELECT; found {len(statements) or 'no'} statements. Run them one by one."
        raise LakeError(message)
    if statements[0].type != duckdb.StatementType.SELECT:
        raise LakeError(_refusal(f"and found {statements[0].type.name}"))
    refuse_forbidden(connection, query)
    return statements[0]


def _refusal(found: str) -> str:
    return (
        f"a lake answers questions and takes no orders: expected one SELECT {found}. "
        "To store rows, use `stockstream import FILE`."
    )
