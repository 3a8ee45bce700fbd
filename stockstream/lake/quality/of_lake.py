"""The checks over a lake: which rows they see, what is known of them already, and what is decided."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import DataError, ParameterError
from stockstream.lake.as_of import Reading
from stockstream.lake.listings import read_listings
from stockstream.lake.location import literal
from stockstream.lake.quality.detector import EVERYTHING, SEVERITIES, Finding
from stockstream.lake.quality.judge import judge_rows
from stockstream.lake.quality.result import Quality, findings_frame, findings_of, summarise
from stockstream.lake.quality.tables import prepare
from stockstream.lake.quality.verdicts import Verdicts, record_correction, write_verdicts
from stockstream.lake.query import bind
from stockstream.lake.rows import connect, first_line, judge, register
from stockstream.lake.write import Written, timestamp, write_rows
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    import duckdb
    import polars as pl

    from stockstream.lake.location import Location
    from stockstream.lake.query import Files
    from stockstream.lake.rows import Rows

#: Days before and after a range that are read with it: a jump is seen by what surrounds it.
_MARGIN: Final = timedelta(days=60)

#: Symbols with a picture, and the bars on each side of the finding in it.
_PICTURES: Final = 12
_AROUND: Final = 90

#: Every version, provisional ones included, and whether a verdict hides it from readers.
_ROWS: Final = f"""
CREATE TABLE rows AS
SELECT {", ".join(ROW_TYPES)}, NOT counts AS hidden FROM derived.versions WHERE stored AND date BETWEEN $first AND $last
"""

#: Rows that were refused at the border.
_REFUSED: Final = """
SELECT symbol, date, reason, explanation, fetch_timestamp, max(decided_at) FROM verdicts
WHERE hides IS NULL AND symbol IS NOT NULL AND date BETWEEN $first AND $last
    AND ($all OR symbol IN (SELECT unnest($symbols)))
GROUP BY ALL ORDER BY ALL
"""

#: Versions that verdicts hide.
_HIDDEN: Final = "SELECT count(*) FROM derived.versions WHERE stored AND NOT counts"


def judge_lake(
    connection: duckdb.DuckDBPyConnection,
    source: tuple[Location, Files, Reading],
    *,
    symbols: Sequence[str] | None,
    days: tuple[date | None, date | None],
    second_source: str | os.PathLike[str] | Rows | None,
    only: Iterable[str] | None,
) -> Quality:
    """Run the checks over the rows of a lake; see `stockstream.lake.Lake.quality`."""
    from datetime import date

    location, files, reading = source
    first, last = days[0] or date.min, days[1] or date.max
    seen = replace(reading, provisional=True)
    bind(connection, files, seen, symbols=symbols, listings=read_listings(location))
    connection.execute(_ROWS, {"first": _shifted(first, -_MARGIN), "last": _shifted(last, _MARGIN)})
    judged = judge_rows(
        connection,
        dividends="dividends",
        splits="splits",
        second_source=_second(connection, second_source),
        exchange=reading.exchange,
        only=only,
    )
    found = [item for item in judged.findings if item.last_date >= first and item.date <= last]
    refused = connection.execute(
        _REFUSED,
        {"first": first, "last": last, "all": symbols is None, "symbols": list(symbols or ())},
    ).fetchall()
    aside = [_refusal(row) for row in refused]
    ordered = sorted(
        [*((item, None) for item in found), *aside],
        key=lambda pair: (-SEVERITIES.index(pair[0].severity), pair[0].symbol, pair[0].date, pair[0].reason),
    )
    frame = findings_frame(
        [item for item, _ in ordered], {place: time for place, (_, time) in enumerate(ordered) if time is not None}
    )
    size = connection.execute(
        "SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM rows WHERE NOT hidden"
    ).fetchone()
    rows, names, earliest, latest = size or (0, 0, None, None)
    hidden = connection.execute(_HIDDEN).fetchone() or (0,)
    return Quality(
        findings=frame,
        summary=summarise(frame),
        rows=rows,
        symbols=names,
        first_date=earliest,
        last_date=latest,
        hidden=hidden[0],
        skipped=judged.skipped,
        origin=_origin(source, symbols, days),
        closes=_closes(connection, [item for item, _ in ordered]),
    )


def _shifted(day: date, by: timedelta) -> date:
    try:
        return day + by
    except OverflowError:
        return day


def _second(connection: duckdb.DuckDBPyConnection, source: str | os.PathLike[str] | Rows | None) -> str | None:
    """Make the table of the second source, and return its name."""
    import duckdb

    if source is None:
        return None
    try:
        if isinstance(source, str | os.PathLike):
            path = Path(source).expanduser()
            if not path.is_file():
                message = f"expected a CSV or Parquet file for second_source; there is no file {path}"
                raise DataError(message)
            reader = connection.read_parquet if path.suffix == ".parquet" else connection.read_csv
            reader(literal(str(path))).create_view("second_given")
        else:
            connection.register("second_given", source)
        connection.execute(
            "CREATE TABLE second_rows AS "
            "SELECT symbol::VARCHAR AS symbol, date::DATE AS date, close::DOUBLE AS close FROM second_given"
        )
    except (duckdb.Error, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        message = f"expected symbol, date and close in second_source; {first_line(error)}"
        raise DataError(message) from error
    return "second_rows"


def _refusal(row: tuple[Any, ...]) -> tuple[Finding, str]:
    symbol, day, reason, words, version, decided_at = row
    found = Finding(
        symbol=symbol,
        date=day,
        last_date=day,
        rows=1,
        reason=reason,
        severity="error",
        hides=False,
        explanation=f"{symbol} on {day}: {words or 'set aside when it was imported'}.",
        versions=(version,) if version else (),
    )
    return found, decided_at


def _origin(
    source: tuple[Location, Files, Reading], symbols: Sequence[str] | None, days: tuple[date | None, date | None]
) -> dict[str, str]:
    location, files, reading = source
    return {
        "lake": str(location),
        "files": f"{len(files.all):,}",
        "exchange": reading.exchange,
        "as of": reading.until or "now",
        "symbols asked for": "all" if symbols is None else ", ".join(symbols),
        "days asked for": f"{days[0] or 'the first'} to {days[1] or 'the last'}",
    }


def _closes(connection: duckdb.DuckDBPyConnection, findings: Sequence[Finding]) -> pl.DataFrame:
    """Return closes around the first grave finding of the symbols with the most of them."""
    grave: dict[str, list[Finding]] = {}
    for found in findings:
        if found.severity != "info" and found.symbol != EVERYTHING:
            grave.setdefault(found.symbol, []).append(found)
    ranked = sorted(grave, key=lambda name: (-sum(f.severity == "error" for f in grave[name]), -len(grave[name]), name))
    chosen = [(name, min(grave[name], key=lambda f: -SEVERITIES.index(f.severity)).date) for name in ranked[:_PICTURES]]
    connection.execute("CREATE OR REPLACE TABLE quality.pictures (symbol VARCHAR, date DATE)")
    if chosen:
        connection.executemany("INSERT INTO quality.pictures VALUES (?, ?)", chosen)
    return connection.execute(
        f"""
        SELECT b.symbol, b.date, b.close FROM quality.bars AS b
        JOIN (
            SELECT p.symbol, min(c.k) AS k FROM quality.pictures AS p
            JOIN quality.bars AS c ON p.symbol = c.symbol AND c.date >= p.date GROUP BY p.symbol
        ) AS m ON b.symbol = m.symbol AND b.k BETWEEN m.k - {_AROUND} AND m.k + {_AROUND}
        ORDER BY b.symbol, b.date
        """
    ).pl()


def decide(
    connection: duckdb.DuckDBPyConnection,
    source: tuple[Location, Files],
    findings: Quality | pl.DataFrame,
    *,
    hides: bool,
    decided_at: datetime | None,
) -> Verdicts:
    """Write verdicts on findings; see `stockstream.lake.Lake.quarantine`."""
    frame = findings.findings if isinstance(findings, Quality) else findings
    missing = {"symbol", "date"} - set(frame.columns)
    if missing:
        message = f"expected findings with the columns symbol and date; {', '.join(sorted(missing))} missing"
        raise ParameterError(message)
    chosen = [found for found in findings_of(frame) if (found.hides or not hides) and found.symbol != EVERYTHING]
    if not chosen:
        return Verdicts()
    location, files = source
    listings = read_listings(location)
    names = sorted({found.symbol for found in chosen})
    bind(connection, files, Reading(provisional=True), symbols=names, listings=listings)
    # A finding about the latest prices means the latest that readers see; a withdrawn verdict names hidden versions.
    hidden = "NOT counts" if hides else "false"
    rows = f"(SELECT {', '.join(ROW_TYPES)}, {hidden} AS hidden FROM derived.versions WHERE stored)"
    prepare(connection, rows=rows, dividends=None, splits=None, second_source=None, exchange="")
    codes = {called: code for code, _, _, called in listings.spans(None)}
    return write_verdicts(location, connection, chosen, hides=hides, decided_at=decided_at, codes=codes)


def correct(
    location: Location, rows: Rows, *, by: str, why: str, session: date | str | None = None
) -> tuple[Written, Verdicts]:
    """Store a correction; see `stockstream.lake.Lake.correct`."""
    for name, value in (("by", by), ("why", why)):
        if not value.strip():
            message = f"expected {name} to say {'who corrects' if name == 'by' else 'why'}; found an empty text"
            raise ParameterError(message)
    moment = datetime.now(UTC)
    written = write_rows(location, rows, session=session, fetched_at=moment)
    connection = connect()
    try:
        register(connection, rows)
        judge(connection, fetched_at=timestamp(moment), textual=False, absence_allowed=False)
        record = record_correction(location, connection, words=f"corrected by {by}: {why}", decided_at=moment)
    finally:
        connection.close()
    return written, record
