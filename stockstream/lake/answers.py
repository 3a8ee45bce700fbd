"""Storing what a source answered: good rows, events, rows that were refused, and verdicts on rows that were not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import DataError
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS, Location
from stockstream.lake.rows import columns_of, connect, first_line, judge, register
from stockstream.lake.write import BAD_ROWS, EVENT_ROWS, PRICE_ROWS, all_or_none, publish, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

#: Rows that were judged before they came here. `hides` is NULL for those that are not stored: nothing is there to hide.
#: NaN is how arrays say NULL.
_JUDGED_ROWS: Final = """
SELECT symbol, date::DATE AS date, nullif(open, 'nan') AS open, nullif(high, 'nan') AS high, nullif(low, 'nan') AS low,
    nullif(close, 'nan') AS close, nullif(volume, 'nan')::DOUBLE AS volume,
    nullif(adjusted_close, 'nan') AS adjusted_close, nullif(nullif(dividend, 'nan'), 0) AS dividend,
    nullif(nullif(split, 'nan'), 0) AS split, fetch_timestamp,
    reason, 'error' AS severity, CASE WHEN stored THEN true END AS hides, explanation, $decided_at AS decided_at
FROM marked
"""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What was decided about rows before they are stored: three texts for each, of shape (n,), mostly empty.

    Attributes
    ----------
    refused
        A reason code for a row that is not stored.
    hidden
        A reason code for a row that is stored and hidden from readers by a verdict; a later verdict may withdraw it.
    explanations
        A sentence on either.
    """

    refused: NDArray[Any]
    hidden: NDArray[Any]
    explanations: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Landed:
    """What one answered batch stored.

    Attributes
    ----------
    files
        Names of the new files inside the lake.
    quarantined
        Symbol and reason code of every row that was not stored.
    hidden
        Symbol and reason code of every row that was, with a verdict that hides it.
    """

    files: tuple[str, ...]
    quarantined: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[str, str], ...] = ()


def write_answers(
    location: Location,
    rows: Mapping[str, NDArray[Any]],
    marks: Marks,
    *,
    session: date,
    numbers: Sequence[int],
    decided_at: datetime | None = None,
) -> Landed:
    """Store what a source answered: good rows and events, and bad rows in quarantine, none of them lost.

    Parameters
    ----------
    location
        The lake.
    rows
        The columns of a lake's rows with ``dividend`` and ``split``, arrays of shape (n,), n > 0. A row whose four
        prices are all NaN carries events of a day without a bar.
    marks
        What was decided about them already.
    session
        The session that names the files.
    numbers
        Numbers for the files: each takes the first that is free.
    decided_at
        When the verdicts were made; by default now.

    Raises
    ------
    DataError
        A column is missing or of the wrong type.
    LakeError
        The lake cannot be written. Files are written in the order quarantine, events, prices: no reader ever sees
        prices without their events and verdicts.
    """
    import duckdb

    kept = marks.refused == ""
    marked = ~kept | (marks.hidden != "")
    connection = connect()
    try:
        verdict = None
        if kept.any():
            register(connection, {name: column[kept] for name, column in rows.items()})
            verdict = judge(connection, fetched_at=timestamp(decided_at), textual=False, absence_allowed=True)
        queries = [BAD_ROWS] if verdict is not None and verdict.bad else []
        if marked.any():
            columns = {name: column[marked] for name, column in rows.items()}
            columns["reason"] = _chosen(marks.refused, marks.hidden)[marked]
            columns |= {"explanation": marks.explanations[marked], "stored": kept[marked]}
            connection.register("marked", columns_of(columns))
            queries.append(_JUDGED_ROWS)
        bad: list[tuple[str, str, bool | None]] = []
        if queries:
            query = (
                " UNION ALL ".join(f"SELECT * FROM ({query})" for query in queries)
                + " ORDER BY symbol, date, fetch_timestamp, reason"
            )
            stamp = {"decided_at": timestamp(decided_at)}
            bad = connection.sql(f"SELECT symbol, reason, hides FROM ({query})", params=stamp).fetchall()
        with all_or_none(location) as files:
            if queries:
                files.append(publish(connection, location, QUARANTINE, session, query, stamp, numbers))
            if verdict is not None and verdict.events:
                files.append(publish(connection, location, RAW_EVENTS, session, EVENT_ROWS, None, numbers))
            if verdict is not None and verdict.good:
                files.append(publish(connection, location, RAW_DATA, session, PRICE_ROWS, None, numbers))
    except duckdb.Error as error:
        message = f"cannot read the rows given: {first_line(error)}. Nothing was written."
        raise DataError(message) from error
    finally:
        connection.close()
    return Landed(
        files=tuple(files),
        quarantined=tuple((symbol, reason) for symbol, reason, hides in bad if not hides),
        hidden=tuple((symbol, reason) for symbol, reason, hides in bad if hides),
    )


def _chosen(refused: NDArray[Any], hidden: NDArray[Any]) -> NDArray[Any]:
    """Return the reason of each row: that for which it is not stored, before that for which it is hidden."""
    import numpy as np

    return np.where(refused == "", hidden, refused)
