"""Writing into a lake: rows become immutable Parquet files, or nothing at all.

Needs NumPy and DuckDB only, as the function that fetches prices in the cloud does.
"""

from __future__ import annotations

import csv
import gzip
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import DataError, LakeError, ParameterError, counted
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS, Location, literal
from stockstream.lake.rows import (
    Judged,
    Rows,
    connect,
    describe_problem,
    first_line,
    judge,
    problem_words,
    register,
    require_columns,
)
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import duckdb

#: Small enough that one symbol's rows are found by the statistics of few groups, large enough to compress.
ROW_GROUP_SIZE: Final = 32_768

#: Thousands of batches are decoded at once, and Zstandard takes twice as long for a third fewer bytes.
COMPRESSION: Final = "lz4_raw"

PRICE_ROWS: Final = f"""
SELECT {", ".join(f"{name}::{kind} AS {name}" for name, kind in ROW_TYPES.items())}
FROM judged WHERE problem IS NULL AND NOT absent
ORDER BY symbol, date, fetch_timestamp
"""

EVENT_ROWS: Final = """
SELECT symbol, date AS ex_date, kind, value, fetch_timestamp
FROM (
    SELECT symbol, date, 'dividend' AS kind, dividend AS value, fetch_timestamp FROM judged
    WHERE problem IS NULL AND dividend > 0
    UNION ALL
    SELECT symbol, date, 'split', split, fetch_timestamp FROM judged
    WHERE problem IS NULL AND split <> 1
)
ORDER BY symbol, ex_date, kind, fetch_timestamp
"""

#: Rows refused at the border were never stored, so nothing hides them: `hides` is NULL.
BAD_ROWS: Final = f"""
SELECT symbol, date, open, high, low, close, traded AS volume, adjusted_close, dividend, split, fetch_timestamp,
    problem AS reason, 'error' AS severity, NULL::BOOLEAN AS hides, {problem_words()} AS explanation,
    $decided_at AS decided_at
FROM judged WHERE problem IS NOT NULL
ORDER BY symbol, date, fetch_timestamp
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What one write stored.

    Attributes
    ----------
    file
        Name of the new file of prices inside the lake.
    rows, symbols, first_date, last_date
        Extent of the stored prices.
    events
        Dividends and splits stored beside them.
    days_without_bar
        Rows whose four prices are missing: days on which the symbol has no bar; not stored.
    extra_columns
        Columns of the input that a lake does not hold; not stored.
    quarantined
        Bad rows set aside in the lake's quarantine with a reason code.
    """

    file: str
    rows: int
    symbols: int
    first_date: date
    last_date: date
    events: int = 0
    days_without_bar: int = 0
    extra_columns: tuple[str, ...] = ()
    quarantined: int = 0


def write_rows(
    location: Location, rows: Rows, *, session: date | str | None = None, fetched_at: datetime | None = None
) -> Written:
    """Store rows as the next batch of a session; see `stockstream.lake.Lake.write_rows`."""
    import duckdb

    connection = connect()
    try:
        register(connection, rows)
        stamp = timestamp(fetched_at)
        verdict = judge(connection, fetched_at=stamp, textual=False, absence_allowed=False)
        return _store(connection, location, verdict, session=session, decided_at=None, origin="this call")
    except duckdb.Error as error:
        message = f"cannot read the rows given: {first_line(error)}. Nothing was written."
        raise DataError(message) from error
    finally:
        connection.close()


def import_file(
    location: Location,
    path: str | os.PathLike[str],
    *,
    session: date | str | None = None,
    fetched_at: datetime | None = None,
    quarantine: bool = False,
) -> Written:
    """Store a CSV or Parquet file of rows; see `stockstream.lake.Lake.import_file`."""
    import duckdb

    source = Path(path).expanduser()
    if not source.is_file():
        message = f"expected a CSV or Parquet file of prices; there is no file {source}"
        raise DataError(message)
    connection = connect()
    try:
        textual = _open_source(connection, source)
        stamp = timestamp(fetched_at)
        verdict = judge(connection, fetched_at=stamp, textual=textual, absence_allowed=True)
        decided_at = timestamp(None) if quarantine else None
        return _store(connection, location, verdict, session=session, decided_at=decided_at, origin=str(source))
    except duckdb.Error as error:
        message = (
            f"cannot read {source}: {first_line(error)}. Expected a CSV or Parquet file with one row a symbol and date."
        )
        raise DataError(message) from error
    finally:
        connection.close()


def timestamp(moment: datetime | None) -> str:
    """Return a moment (None: now) as the lake writes it, so that the order of texts is the order of times.

    Examples
    --------
    >>> timestamp(datetime(2024, 1, 31, 5, 30, tzinfo=UTC))
    '2024-01-31T05:30:00.000000Z'
    """
    if moment is None:
        moment = datetime.now(UTC)
    if moment.tzinfo is None:
        message = f"expected a moment with a time zone for fetched_at; found {moment.isoformat()}. Add tzinfo=UTC."
        raise ParameterError(message)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _store(
    connection: duckdb.DuckDBPyConnection,
    location: Location,
    verdict: Judged,
    *,
    session: date | str | None,
    decided_at: str | None,
    origin: str,
) -> Written:
    """Publish what was judged: events first, so that no reader ever sees prices without their dividends."""
    if verdict.bad and decided_at is None:
        message = (
            f"{describe_problem(connection)} among the {counted(verdict.rows, 'row')} of {origin}. Nothing was "
            "written: correct or drop the bad rows, or set them aside with quarantine=True (--quarantine on the "
            "command line)."
        )
        raise DataError(message)
    if not verdict.good or verdict.first is None or verdict.last is None:
        message = (
            f"expected at least one row of prices in {origin}; found {counted(verdict.rows, 'row')}, none with prices"
        )
        raise DataError(message)
    day = _session(session, verdict.last)
    with all_or_none(location) as stored:
        if verdict.bad:
            stored.append(publish(connection, location, QUARANTINE, day, BAD_ROWS, {"decided_at": decided_at}))
        if verdict.events:
            stored.append(publish(connection, location, RAW_EVENTS, day, EVENT_ROWS))
        name = publish(connection, location, RAW_DATA, day, PRICE_ROWS)
    return Written(
        file=name,
        rows=verdict.good,
        symbols=verdict.symbols,
        first_date=verdict.first,
        last_date=verdict.last,
        events=verdict.events,
        days_without_bar=verdict.absent,
        extra_columns=verdict.extra_columns,
        quarantined=verdict.bad,
    )


@contextmanager
def all_or_none(location: Location) -> Iterator[list[str]]:
    """Give a list for the names of files that belong together; where the next one fails, those in it are removed.

    A writer that is killed between them leaves the first ones: what they say is true, and storing the rows once more
    completes them.

    Raises
    ------
    LakeError
        The next file could not be written; the message names those that could not be removed either.
    """
    stored: list[str] = []
    try:
        yield stored
    except BaseException as error:
        left = []
        for name in reversed(stored):
            try:
                location.delete(name)
            except LakeError:
                left.append(location.url(name))
        if left and isinstance(error, LakeError):
            message = f"{error} Written before and not removed again: {', '.join(left)}. Store the rows once more."
            raise LakeError(message) from error
        raise


def publish(
    connection: duckdb.DuckDBPyConnection,
    location: Location,
    folder: str,
    session: date,
    query: str,
    params: dict[str, Any] | None = None,
    numbers: Sequence[int] | None = None,
) -> str:
    """Write the rows of a query as the next batch file of a folder and a session, and return its name."""
    import duckdb

    def fill(temporary: str) -> None:
        relation = connection.sql(query, params=params) if params else connection.sql(query)
        try:
            relation.write_parquet(
                temporary, compression=COMPRESSION, row_group_size=ROW_GROUP_SIZE, use_tmp_file=False
            )
        except duckdb.IOException as error:  # a full disk, a folder that may not be written
            raise OSError(first_line(error)) from error

    return location.publish(folder, session, fill, numbers)


def _session(session: date | str | None, last: date) -> date:
    if session is None:
        return last
    if isinstance(session, datetime):
        session = session.date()
    if isinstance(session, date):
        return session
    try:
        return date.fromisoformat(session)
    except (ValueError, TypeError) as error:
        message = f"expected a session date like 2024-01-31; found {session!r}"
        raise ParameterError(message) from error


def _open_source(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Bind a file as ``source`` and return whether its values are texts."""
    name = path.name.casefold()
    if name.endswith((".parquet", ".pq")):
        connection.read_parquet(literal(str(path))).create_view("source")
        return False
    if name.endswith((".csv", ".csv.gz")):
        names = _header(path)
        require_columns(names)
        columns = dict.fromkeys(names, "VARCHAR")
        # Every column as text, nothing sniffed: a sniffer takes INF for a number, TRUE for a flag, and has been seen
        # to skip rows that do not fit its guess.
        relation = connection.read_csv(
            literal(str(path)),
            header=True,
            delimiter=",",
            quotechar='"',
            escapechar='"',
            columns=columns,
            auto_detect=False,
        )
        relation.create_view("source")
        return True
    message = f"expected a file ending in .csv, .csv.gz or .parquet; found {path.name}"
    raise DataError(message)


def _header(path: Path) -> list[str]:
    opener = gzip.open if path.name.casefold().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, gzip.BadGzipFile, csv.Error, EOFError) as error:
        message = f"expected UTF-8 text with a header line in {path}; found something else ({error})"
        raise DataError(message) from error
    folded = [name.casefold() for name in names]
    if len(set(folded)) != len(folded):
        twice = next(name for name in names if folded.count(name.casefold()) > 1)
        message = f"expected each column once in {path}; found {twice!r} several times"
        raise DataError(message)
    return names
