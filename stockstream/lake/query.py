"""SQL over a lake: DuckDB reads the Parquet batches where they lie.

`bind` makes the views; `run` runs one query of a user over them in a connection that can read these files and nothing
else, and that can write nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.adjust import ADJUSTMENT_VIEWS
from stockstream.lake.forbidden import refuse_forbidden
from stockstream.lake.location import literal
from stockstream.lake.rows import connect, first_line
from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from stockstream.lake.listings import Listings

VIEWS: Final = ("prices", "prices_adjusted", "raw_prices", "symbols", "dividends", "splits", "raw_events")

_EVENT_TYPES: Final = {
    "symbol": "VARCHAR",
    "ex_date": "DATE",
    "kind": "VARCHAR",
    "value": "DOUBLE",
    "fetch_timestamp": "VARCHAR",
}

#: The latest version of each bar. Versions of one instant are told apart by their content, so that the answer does not
#: depend on the names or the order of files.
_LATEST: Final = f"""
SELECT {", ".join(ROW_TYPES)} FROM raw_prices
QUALIFY row_number() OVER (
    PARTITION BY {", ".join(KEY)}
    ORDER BY fetch_timestamp DESC,
        {", ".join(f"{name} DESC NULLS LAST" for name in ROW_TYPES if name not in (*KEY, "fetch_timestamp"))}
) = 1
"""

_EVENTS: Final = """
CREATE SCHEMA derived;  -- not shown beside the views that questions are asked of

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
    events: Sequence[str]

    @property
    def all(self) -> list[str]:
        """Every file."""
        return [*self.prices, *self.events]


def read_parquet(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> duckdb.DuckDBPyRelation:
    """Return the rows of some files, whatever characters are in their names."""
    return connection.read_parquet([literal(path) for path in files])


def bind(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    *,
    symbols: Iterable[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    stored: bool = False,
    listings: Listings | None = None,
) -> None:
    """Make the views of a lake in a connection.

    Parameters
    ----------
    connection
        Fresh, from `stockstream.lake.rows.connect`.
    files
        What the views read.
    symbols, start, end
        Only these rows exist for the views; the filters reach the row groups of the files.
    stored
        Read the latest versions once, into memory, instead of at each mention of ``prices``.
    listings
        Split reused codes: rows and events of an earlier listing are under its name. None leaves codes as stored.
    """
    import duckdb

    column, constant = duckdb.ColumnExpression, duckdb.ConstantExpression
    relation = read_parquet(connection, files.prices)
    names = None if symbols is None else list(symbols)
    codes = names if names is None or listings is None else listings.codes(names)
    if codes is not None:
        relation = relation.filter(column("symbol").isin(*(constant(code) for code in codes)))
    if start is not None:
        relation = relation.filter(column("date") >= constant(start))
    if end is not None:
        relation = relation.filter(column("date") <= constant(end))
    spans = [] if listings is None else listings.spans(codes)
    if spans:
        connection.execute("CREATE TEMP TABLE spans (symbol VARCHAR, first DATE, last DATE, called VARCHAR)")
        connection.executemany("INSERT INTO spans VALUES (?, ?, ?, ?)", spans)
        relation = _split(connection, relation, "date")
        if names is not None:
            relation = relation.filter(column("symbol").isin(*(constant(name) for name in names)))
    relation.create_view("raw_prices")
    if files.events:
        events = read_parquet(connection, files.events)
        (_split(connection, events, "ex_date") if spans else events).create_view("raw_events")
    else:
        columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in _EVENT_TYPES.items())
        connection.execute(f"CREATE VIEW raw_events AS SELECT {columns} WHERE false")
    connection.execute(f"CREATE {'TEMP TABLE' if stored else 'VIEW'} prices AS {_LATEST}")
    connection.execute(_EVENTS + _SYMBOLS + ADJUSTMENT_VIEWS)


def _split(connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, day: str) -> duckdb.DuckDBPyRelation:
    """Call the rows of earlier listings by their names; needs the table ``spans``."""
    rows.create_view(f"by_code_{day}")
    return connection.sql(
        f"SELECT r.* REPLACE (coalesce(s.called, r.symbol) AS symbol) FROM by_code_{day} AS r "
        f"LEFT JOIN spans AS s ON r.symbol = s.symbol AND r.{day} BETWEEN s.first AND s.last"
    )


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
) -> duckdb.DuckDBPyRelation:
    """Run one SELECT of a user over the views; see `stockstream.lake.Lake.sql`.

    `prepare` makes the connection able to read the files; see `stockstream.lake.location.Location.prepare`.
    """
    import duckdb

    connection = connect()
    try:
        prepare(connection)
        bind(connection, files)
        lock(connection, files)
        statement = _one_select(connection, query)
        relation = connection.sql(
            statement, params=dict(params) if isinstance(params, Mapping) else params and list(params)
        )
        if relation is None:
            message = _refusal("that answers rows")
            raise LakeError(message)
        relation.execute()  # now, so that a query which fails half-way fails here
    except duckdb.Error as error:
        message = f"{first_line(error).rstrip('.!')}. The lake has the views {', '.join(VIEWS)}; see DESCRIBE prices."
        raise LakeError(message) from error
    return relation


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
