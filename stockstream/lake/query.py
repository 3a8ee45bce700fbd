"""SQL over a lake: DuckDB reads the Parquet batches where they lie.

`bind` makes the views; `run` runs one query of a user over them in a connection that can read these files and nothing
else, and that can write nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.adjust import ADJUSTMENT, UNASKED
from stockstream.lake.as_of import Reading
from stockstream.lake.explain import Explanation, explain
from stockstream.lake.forbidden import refuse_forbidden
from stockstream.lake.location import literal
from stockstream.lake.rows import connect, first_line
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

    @property
    def all(self) -> list[str]:
        """Every file."""
        return [*self.prices, *self.events, *self.verdicts]


def read_parquet(
    connection: duckdb.DuckDBPyConnection, files: Iterable[str], *, alike: bool = True
) -> duckdb.DuckDBPyRelation:
    """Return the rows of some files, whatever characters are in their names."""
    return connection.read_parquet([literal(path) for path in files], union_by_name=not alike)


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
    sources = _Sources(connection, reading.until, names, listings)
    connection.execute("CREATE SCHEMA derived")  # not shown beside the views that questions are asked of
    sources.create("raw_prices", files.prices, "date")
    sources.create("raw_events", files.events, "ex_date", EVENT_TYPES)
    sources.create("verdicts", files.verdicts, "date", VERDICT_TYPES)
    connection.execute(version_views(reading, judged=bool(files.verdicts), stored=adjusted))
    relation = connection.sql(prices_query())
    if start is not None:
        relation = relation.filter(_column("date") >= _constant(start))
    if end is not None:
        relation = relation.filter(_column("date") <= _constant(end))
    if adjusted:
        relation.create("prices")
    else:
        relation.create_view("prices")
    connection.execute(_EVENTS + _SYMBOLS + (ADJUSTMENT if adjusted else UNASKED))


class _Sources:
    """Views of files, of which every row is filtered by instant and symbol, and called by its listing."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        until: str | None,
        names: Sequence[str] | None,
        listings: Listings | None,
    ) -> None:
        self._connection, self._until, self._names = connection, until, names
        self._codes = names if names is None or listings is None else listings.codes(names)
        spans = [] if listings is None else listings.spans(self._codes)
        self._split = bool(spans)
        if spans:
            connection.execute("CREATE TEMP TABLE spans (symbol VARCHAR, first DATE, last DATE, called VARCHAR)")
            connection.executemany("INSERT INTO spans VALUES (?, ?, ?, ?)", spans)

    def create(self, view: str, files: Sequence[str], day: str, types: Mapping[str, str] | None = None) -> None:
        """Make a view of some files; with `types`, of these columns, which files may lack."""
        if not files:
            columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in (types or ROW_TYPES).items())
            self._connection.execute(f"CREATE VIEW {view} AS SELECT {columns} WHERE false")
            return
        rows = read_parquet(self._connection, files, alike=types is None)
        if types is not None:
            rows = rows.select(*(self._typed(name, kind, rows.columns) for name, kind in types.items()))
        if self._codes is not None:
            rows = rows.filter(_column("symbol").isin(*map(_constant, self._codes)))
        if self._until is not None:
            known = "decided_at" if "decided_at" in (types or ()) else "fetch_timestamp"
            rows = rows.filter(_column(known) <= _constant(self._until))
        if self._split:
            rows = _split(self._connection, rows, day, f"by_code_{view}")
            if self._names is not None:
                rows = rows.filter(_column("symbol").isin(*map(_constant, self._names)))
        rows.create_view(view)

    @staticmethod
    def _typed(name: str, kind: str, held: Sequence[str]) -> duckdb.Expression:
        value = _column(name) if name in held else _constant(None)
        return value.cast(kind).alias(name)


def _column(name: str) -> duckdb.Expression:
    import duckdb

    return duckdb.ColumnExpression(name)


def _constant(value: str | date | None) -> duckdb.Expression:
    import duckdb

    return duckdb.ConstantExpression(value)


def _split(
    connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, day: str, view: str
) -> duckdb.DuckDBPyRelation:
    """Call the rows of earlier listings by their names; needs the table ``spans``."""
    rows.create_view(view)
    return connection.sql(
        f"SELECT r.* REPLACE (coalesce(s.called, r.symbol) AS symbol) FROM {view} AS r "
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
    reading: Reading | None = None,
) -> duckdb.DuckDBPyRelation:
    """Run one SELECT of a user over the views; see `stockstream.lake.Lake.sql`.

    `prepare` makes the connection able to read the files; see `stockstream.lake.location.Location.prepare`.
    """
    with _asked(query, files, prepare, reading) as connection:
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
    with _asked(query, files, prepare, reading) as connection:
        _one_select(connection, query)
        # What prices_adjusted is made of was read for all symbols before the query runs.
        before = ("FROM raw_prices", "FROM raw_events") if _names_adjusted(query) else ()
        return explain(connection, files, (query, *before), _values(params))


@contextmanager
def _asked(
    query: str, files: Files, prepare: Callable[[duckdb.DuckDBPyConnection], None], reading: Reading | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked connection with the views, in which a user's query may run."""
    import duckdb

    connection = connect()
    try:
        prepare(connection)
        bind(connection, files, reading, adjusted=_names_adjusted(query))
        lock(connection, files)
        yield connection
    except duckdb.Error as error:
        message = f"{first_line(error).rstrip('.!')}. The lake has the views {', '.join(VIEWS)}; see DESCRIBE prices."
        raise LakeError(message) from error


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
