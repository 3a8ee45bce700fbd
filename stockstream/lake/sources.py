"""Files of a lake as views: filtered by symbol and instant, and called by their listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.lake.location import literal
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import duckdb

    from stockstream.lake.listings import Listings


def read_parquet(
    connection: duckdb.DuckDBPyConnection, files: Iterable[str], *, alike: bool = True
) -> duckdb.DuckDBPyRelation:
    """Return the rows of some files, whatever characters are in their names."""
    return connection.read_parquet([literal(path) for path in files], union_by_name=not alike)


class Sources:
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
        self.split = bool(spans)
        connection.execute("CREATE TABLE derived.spans (symbol VARCHAR, first DATE, last DATE, called VARCHAR)")
        if spans:
            connection.executemany("INSERT INTO derived.spans VALUES (?, ?, ?, ?)", spans)

    def create(
        self,
        view: str,
        files: Sequence[str],
        day: str | None,
        types: Mapping[str, str] | None = None,
        *,
        known: str | None = "fetch_timestamp",
    ) -> None:
        """Make a view of some files.

        Parameters
        ----------
        view
            Its name.
        files
            May be none.
        day
            The column that tells the listing of a reused code; None leaves the codes.
        types
            The columns, which files may lack; None: those of prices, which they all have.
        known
            The column that says since when a row is known; None: no matter.
        """
        if not files:
            columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in (types or ROW_TYPES).items())
            self._connection.execute(f"CREATE VIEW {view} AS SELECT {columns} WHERE false")
            return
        rows = read_parquet(self._connection, files, alike=types is None)
        if types is not None:
            rows = rows.select(*(self._typed(name, kind, rows.columns) for name, kind in types.items()))
        if self._codes is not None:
            rows = rows.filter(_column("symbol").isin(*map(_constant, self._codes)))
        if self._until is not None and known is not None:
            rows = rows.filter(equal_or_before(known, self._until))
        if not self.split or day is None:
            self._name(view, rows)
            return
        self._name(f"derived.by_code_{view}", rows)
        self.create_split(view, f"derived.by_code_{view}", day)

    def create_split(self, view: str, source: str, day: str) -> None:
        """Make a view in which the rows of earlier listings are called by their names."""
        if not self.split:
            self._connection.execute(f"CREATE VIEW {view} AS FROM {source}")
            return
        rows = self._connection.sql(
            f"SELECT r.* REPLACE (coalesce(s.called, r.symbol) AS symbol) FROM {source} AS r "
            f"LEFT JOIN derived.spans AS s ON r.symbol = s.symbol AND r.{day} BETWEEN s.first AND s.last"
        )
        if self._names is not None:
            rows = rows.filter(_column("symbol").isin(*map(_constant, self._names)))
        self._name(view, rows)

    def store(self, table: str, rows: duckdb.DuckDBPyRelation) -> None:
        """Make a table of a relation."""
        schema, _, name = table.rpartition(".")
        self._connection.execute(f"SET schema = '{schema}'")
        rows.create(name)
        self._connection.execute("SET schema = 'main'")

    def _name(self, view: str, rows: duckdb.DuckDBPyRelation) -> None:
        """Make a view of a relation; a relation itself knows no schemas."""
        schema, _, name = view.rpartition(".")
        self._connection.execute(f"SET schema = '{schema or 'main'}'")
        rows.create_view(name)
        self._connection.execute("SET schema = 'main'")

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


def equal_or_after(column: str, value: str | date) -> duckdb.Expression:
    """Return the condition that a column is at least a value."""
    return _column(column) >= _constant(value)


def equal_or_before(column: str, value: str | date) -> duckdb.Expression:
    """Return the condition that a column is at most a value."""
    return _column(column) <= _constant(value)
