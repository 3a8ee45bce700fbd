"""The border of the lake: whatever rows come in are typed and judged here, once, by DuckDB.

Needs NumPy and DuckDB only: the function that fetches prices in the cloud has neither Polars nor PyArrow.
Every SQL text here is made of this library's own names; what a user passes is registered, never written into it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import DataError
from stockstream.schema import EVENT_COLUMNS, PRICES, REQUIRED_COLUMNS, ROW_TYPES

if TYPE_CHECKING:
    from datetime import date

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

_NUMBERS: Final = (*PRICES, "volume", "adjusted_close", *EVENT_COLUMNS)
_INTEGERS: Final = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
_STAMPS: Final = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_STAMP_PATTERN: Final = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z"

#: What text files write where there is no number. Symbols are never read this way: NA and NAN are companies.
_MISSING_TEXT: Final = "('', 'null', 'nan', 'na', 'n/a', 'none')"

#: Reason code -> (SQL condition, words). The first that holds is the verdict on a row.
PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "bad_symbol": (
        "coalesce(symbol, '') = '' OR symbol <> trim(symbol)",
        "a symbol that is empty or has spaces around it",
    ),
    "bad_date": ("date IS NULL", "a date that is missing or not like 2024-01-31 without a clock time"),
    "bad_timestamp": (
        f"NOT regexp_full_match(fetch_timestamp, '{_STAMP_PATTERN}')",
        "a fetch_timestamp that is not like 2024-01-31T05:30:00.000000Z",
    ),
    "not_a_number": ("unreadable IS NOT NULL", "a text where a number is expected"),
    "bad_event": (
        "dividend < 0 OR split < 0 OR isinf(dividend) OR isinf(split)",
        "a dividend or split that is negative or infinite",
    ),
    "no_prices": ("absent AND NOT absence_allowed", "no prices (null or NaN)"),
    "missing_price": ("NOT absent AND half", "some of its four prices missing (null or NaN)"),
    "infinite": (
        "isinf(open) OR isinf(high) OR isinf(low) OR isinf(close) OR isinf(adjusted_close)",
        "an infinite price",
    ),
    "price_not_positive": (
        "open <= 0 OR high <= 0 OR low <= 0 OR close <= 0 OR (NOT absent AND adjusted_close <= 0)",
        "a price that is not positive",
    ),
    "high_below_low": ("high < low", "high below low"),
    "bad_volume": (
        "traded < 0 OR isinf(traded) OR traded <> trunc(traded) OR traded >= 9.2e18",
        "a volume that is not a whole number of at least 0",
    ),
    "duplicate": ("copies > 1", "more than one row"),
}

_JUDGED: Final = f"""
CREATE TEMP TABLE judged AS
SELECT *, CASE {" ".join(f"WHEN {condition} THEN '{code}'" for code, (condition, _) in PROBLEMS.items())} END AS problem
FROM (
    SELECT *, $absence_allowed AS absence_allowed, count(*) OVER (PARTITION BY symbol, date, fetch_timestamp) AS copies,
        open IS NULL AND high IS NULL AND low IS NULL AND close IS NULL AS absent,
        open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL AS half
    FROM typed
)
"""


type Column = Sequence[Any] | NDArray[Any]
type Rows = Mapping[str, Column] | pl.DataFrame | pd.DataFrame | pa.Table


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict on a set of rows, which sit in the table ``judged`` of a connection."""

    rows: int
    good: int
    absent: int
    bad: int
    symbols: int
    first: date | None
    last: date | None
    events: int
    extra_columns: tuple[str, ...]


def connect() -> duckdb.DuckDBPyConnection:
    """Open a private in-memory DuckDB that installs nothing and sees no variables of the caller."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_progress_bar = false")
    # A connection lives for one reading of files that never change, and views mention them several times.
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET enable_http_metadata_cache = true")
    connection.execute("SET validate_external_file_cache = 'NO_VALIDATION'")
    return connection


def first_line(error: Exception) -> str:
    """Return the first line of what an engine says, without the bytes of a damaged file that may be in it."""
    line = str(error).strip().split("\n", 1)[0]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def register(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Make rows readable as ``source``: a mapping of columns, or a Polars, pandas or Arrow table.

    Raises
    ------
    DataError
        It is none of these, or the columns differ in length.
    """
    import duckdb

    if isinstance(rows, Mapping):
        table: object = columns_of(rows)
    else:
        table = rows
    try:
        connection.register("source", table)
    except (duckdb.Error, ValueError, TypeError) as error:
        message = (
            f"expected rows as a Polars, pandas or Arrow table or a mapping of columns; found {type(rows).__name__} "
            f"({first_line(error)})"
        )
        raise DataError(message) from error


def columns_of(rows: Mapping[str, Column]) -> dict[str, NDArray[Any]]:
    """Return columns as arrays that DuckDB can register.

    Raises
    ------
    DataError
        A column is missing or not flat, they differ in length, or there are no rows.
    """
    require_columns([str(name) for name in rows])  # before DuckDB, which cannot register a table without columns
    columns = {str(name): _column(str(name), values) for name, values in rows.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        message = f"expected columns of one length; found {', '.join(f'{n} {k}' for n, k in lengths.items())}"
        raise DataError(message)
    if 0 in lengths.values():  # an empty list has no type to judge
        message = "expected at least one row of prices; found none"
        raise DataError(message)
    return columns


def _column(name: str, values: Column) -> NDArray[Any]:
    array = values if isinstance(values, np.ndarray) else _array(name, list(values))
    if array.ndim != 1:
        message = f"expected a flat list for column {name!r}; found shape {array.shape}"
        raise DataError(message)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")  # DuckDB knows no datetime64[D]
    return array.astype(object) if array.dtype.kind in "UT" else array


def _array(name: str, values: list[Any]) -> NDArray[Any]:
    """Keep texts and dates as objects; a None among numbers becomes NaN."""
    if name not in _NUMBERS or any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    if any(value is None for value in values):
        return np.array(values, dtype=np.float64)
    return np.array(values)


def require_columns(names: Collection[str]) -> None:
    """Refuse names, in any case, among which a column of prices is missing."""
    have = {name.casefold() for name in names}
    missing = [name for name in REQUIRED_COLUMNS if name not in have]
    if missing:
        message = (
            f"expected the columns {', '.join(REQUIRED_COLUMNS)}; {', '.join(missing)} missing, "
            f"found {', '.join(names) or 'none'}. Rename the columns."
        )
        raise DataError(message)


def judge(connection: duckdb.DuckDBPyConnection, *, fetched_at: str, textual: bool, absence_allowed: bool) -> Judged:
    """Type and judge the rows of ``source`` into the table ``judged``.

    Parameters
    ----------
    connection
        Holds the table or view ``source``.
    fetched_at
        The fetch_timestamp of rows that bring none.
    textual
        Numbers and dates are texts, as in a CSV file; otherwise a text column of numbers is refused.
    absence_allowed
        Whether a row without any price is a day without a bar (else it is a problem).

    Raises
    ------
    DataError
        A column is missing, or is of a type that cannot be what its name says.
    """
    types = {str(name).casefold(): str(kind) for name, kind, *_ in connection.execute("DESCRIBE source").fetchall()}
    require_columns(types)
    if not textual:
        _check_types(types)
    connection.execute(_typed_sql(types, textual=textual), {"fetched_at": fetched_at})
    connection.execute(_JUDGED, {"absence_allowed": absence_allowed})
    known = {*ROW_TYPES, *EVENT_COLUMNS}
    counts = connection.execute(
        "SELECT count(*), count(*) FILTER (problem IS NULL AND NOT absent), "
        "count(*) FILTER (problem IS NULL AND absent), "
        "count(problem), count(DISTINCT symbol) FILTER (problem IS NULL AND NOT absent), "
        "min(date) FILTER (problem IS NULL AND NOT absent), max(date) FILTER (problem IS NULL AND NOT absent), "
        "count(*) FILTER (problem IS NULL AND dividend > 0) + count(*) FILTER (problem IS NULL AND split <> 1) "
        "FROM judged"
    ).fetchone()
    names = ("rows", "good", "absent", "bad", "symbols", "first", "last", "events")
    extra = tuple(name for name in types if name not in known)
    return Judged(**dict(zip(names, counts or (), strict=True)), extra_columns=extra)


def _check_types(types: Mapping[str, str]) -> None:
    for name in _NUMBERS:
        kind = types.get(name, "DOUBLE").partition("(")[0]
        if kind not in _INTEGERS | {"DOUBLE", "FLOAT", "DECIMAL", "HUGEINT", '"NULL"', "NULL"}:
            message = f"expected numbers in column {name!r}; found {types[name]}"
            raise DataError(message)
    if types["date"] not in _STAMPS | {"DATE", "VARCHAR"}:
        message = (
            f"expected session dates in column 'date'; found {types['date']}. "
            "Take the date in the exchange's own time zone."
        )
        raise DataError(message)
    for name in ("symbol", "fetch_timestamp"):
        if not types.get(name, "VARCHAR").startswith(("VARCHAR", "ENUM")):
            message = f"expected texts in column {name!r}; found {types[name]}"
            raise DataError(message)


def _typed_sql(types: Mapping[str, str], *, textual: bool) -> str:
    """Build the statement that types ``source``; only names of the schema enter it."""
    integral = types["volume"] in _INTEGERS
    numbers = {name: _number(name, textual=textual) if name in types else "NULL::DOUBLE" for name in _NUMBERS}
    volume = '"volume"::BIGINT' if integral else f"TRY_CAST({numbers['volume']} AS BIGINT)"
    unreadable = " ".join(f"WHEN {_unreadable(name)} THEN '{name}'" for name in _NUMBERS if name in types)
    stamp = 'coalesce("fetch_timestamp"::VARCHAR, $fetched_at)' if "fetch_timestamp" in types else "$fetched_at"
    return f"""
        CREATE TEMP TABLE typed AS
        SELECT "symbol"::VARCHAR AS symbol, {_date(types["date"])} AS date,
            {", ".join(f"{numbers[name]} AS {name}" for name in PRICES)},
            {volume} AS volume, {numbers["volume"]} AS traded,
            coalesce({numbers["adjusted_close"]}, {numbers["close"]}) AS adjusted_close,
            {stamp} AS fetch_timestamp,
            nullif({numbers["dividend"]}, 0) AS dividend, nullif({numbers["split"]}, 0) AS split,
            {f"CASE {unreadable} END" if textual else "NULL::VARCHAR"} AS unreadable
        FROM source
    """


def _number(name: str, *, textual: bool) -> str:
    value = f'CASE WHEN {_is_missing(name)} THEN NULL ELSE "{name}" END' if textual else f'"{name}"'
    return f"nullif(TRY_CAST({value} AS DOUBLE), 'nan'::DOUBLE)"


def _is_missing(name: str) -> str:
    return f"coalesce(lower(trim(\"{name}\")), '') IN {_MISSING_TEXT}"


def _unreadable(name: str) -> str:
    return f'NOT ({_is_missing(name)}) AND TRY_CAST("{name}" AS DOUBLE) IS NULL'


def _date(kind: str) -> str:
    if kind == "DATE":
        return '"date"'
    if kind in _STAMPS:
        return 'CASE WHEN "date"::TIMESTAMP = date_trunc(\'day\', "date"::TIMESTAMP) THEN "date"::DATE END'
    midnight = r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?"
    return f'CASE WHEN regexp_full_match("date", \'{midnight}\') THEN TRY_CAST(left("date", 10) AS DATE) END'


def problem_words() -> str:
    """Return the SQL of a sentence that says what is wrong with a judged row."""
    cases = " ".join(f"WHEN '{code}' THEN '{words.replace("'", "''")}'" for code, (_, words) in PROBLEMS.items())
    return f"concat('not stored: the row has ', CASE problem {cases} END)"


def describe_problem(connection: duckdb.DuckDBPyConnection) -> str:
    """Say what is wrong with the first bad row, and how many rows are bad."""
    row = connection.execute(
        "SELECT symbol, date, open, high, low, close, traded, problem, unreadable, "
        "count(*) OVER (PARTITION BY problem), count(*) OVER () "
        "FROM judged WHERE problem IS NOT NULL ORDER BY symbol, date LIMIT 1"
    ).fetchone()
    if row is None:
        return ""
    symbol, day, *values, problem, unreadable, same, bad = row
    words = PROBLEMS[problem][1] + (f" (column {unreadable})" if unreadable else "")
    found = ", ".join(
        f"{name} {'none' if value is None else format(value, 'g')}"
        for name, value in zip((*PRICES, "volume"), values, strict=True)
    )
    others = f", {bad} bad rows in all" if bad != same else ""
    rows = "row" if same == 1 else "rows"
    return f"{symbol or 'a row'} on {day or 'an unknown date'} has {words} ({found}); {same} such {rows}{others}"
