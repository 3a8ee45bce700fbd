"""Verdicts: what a check decided about which version of which row, and when. Needs NumPy and DuckDB only.

A verdict is a row in ``quarantine/``: the row judged, a reason, a severity, whether it hides the row from readers, a
sentence, and the time of the decision. A later verdict on the same version decides again. Readers as of before it see
the row still; nothing is changed or removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from stockstream.lake.location import QUARANTINE
from stockstream.lake.quality.tables import insert
from stockstream.lake.write import publish, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from stockstream.lake.location import Location
    from stockstream.lake.quality.detector import Finding

_JUDGED: Final = """
CREATE OR REPLACE TABLE quality.judged (symbol VARCHAR, first VARCHAR, last VARCHAR, version VARCHAR, reason VARCHAR,
    severity VARCHAR, explanation VARCHAR)
"""

#: A finding about the latest prices is about every version that has them, and about no version with others.
_VERDICTS: Final = """
CREATE OR REPLACE TABLE quality.verdicts AS
SELECT DISTINCT v.symbol, v.date, v.open, v.high, v.low, v.close, v.volume, v.adjusted_close,
    NULL::DOUBLE AS dividend, NULL::DOUBLE AS split, v.fetch_timestamp, j.reason, j.severity,
    $hides::BOOLEAN AS hides, j.explanation, $decided_at::VARCHAR AS decided_at
FROM quality.judged AS j
JOIN quality.versions AS v ON v.symbol = j.symbol AND v.date BETWEEN j.first::DATE AND j.last::DATE
LEFT JOIN quality.bars AS b ON v.symbol = b.symbol AND v.date = b.date
WHERE j.version = v.fetch_timestamp
    OR (j.version = '' AND NOT v.hidden AND v.open = b.open AND v.high = b.high AND v.low = b.low AND v.close = b.close)
"""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What one call decided.

    Attributes
    ----------
    file
        Name of the new file inside the lake; None when there was nothing to decide.
    rows, symbols
        How many versions of rows were judged, and of how many symbols.
    """

    file: str | None = None
    rows: int = 0
    symbols: int = 0


def write_verdicts(
    location: Location,
    connection: duckdb.DuckDBPyConnection,
    findings: Sequence[Finding],
    *,
    hides: bool = True,
    decided_at: datetime | None = None,
    codes: Mapping[str, str] | None = None,
) -> Verdicts:
    """Store a verdict on every version of every row that some findings are about.

    Parameters
    ----------
    location
        Where the lake lives.
    connection
        On which `stockstream.lake.quality.judge.judge_rows` has judged the rows.
    findings
        Those to decide on, usually the ones that hide.
    hides
        True hides the rows; False withdraws an earlier verdict.
    decided_at
        The time of the decision; None: now.
    codes
        The codes of symbols that are called by their listing: rows are stored under codes.
    """
    if not findings:
        return Verdicts()
    pairs = [(found, version) for found in findings for version in (found.versions or ("",))]
    columns: dict[str, list[Any]] = {
        "symbol": [found.symbol for found, _ in pairs],
        "first": [found.date.isoformat() for found, _ in pairs],
        "last": [found.last_date.isoformat() for found, _ in pairs],
        "version": [version for _, version in pairs],
        "reason": [found.reason for found, _ in pairs],
        "severity": [found.severity for found, _ in pairs],
        "explanation": [found.explanation for found, _ in pairs],
    }
    connection.execute(_JUDGED)
    insert(connection, "judged", columns)
    moment = decided_at or datetime.now(UTC)
    connection.execute(_VERDICTS, {"hides": hides, "decided_at": timestamp(moment)})
    counted = connection.execute("SELECT count(*), count(DISTINCT symbol) FROM quality.verdicts").fetchone()
    if counted is None or not counted[0]:
        return Verdicts()
    for name, code in (codes or {}).items():
        connection.execute("UPDATE quality.verdicts SET symbol = ? WHERE symbol = ?", [code, name])
    query = "SELECT * FROM quality.verdicts ORDER BY symbol, date, fetch_timestamp, reason"
    file = publish(connection, location, QUARANTINE, moment.astimezone(UTC).date(), query)
    return Verdicts(file=file, rows=counted[0], symbols=counted[1])


_CORRECTED: Final = """
SELECT symbol, date, open, high, low, close, volume, adjusted_close, dividend, split, fetch_timestamp,
    'correction' AS reason, 'info' AS severity, false AS hides, $words::VARCHAR AS explanation,
    $decided_at::VARCHAR AS decided_at
FROM judged ORDER BY symbol, date
"""


def record_correction(
    location: Location, connection: duckdb.DuckDBPyConnection, *, words: str, decided_at: datetime
) -> Verdicts:
    """Store who corrected which rows, and why; they are in the table ``judged`` of a connection.

    The record hides nothing: it names the version that the correction is.
    """
    counted = connection.execute("SELECT count(*), count(DISTINCT symbol) FROM judged").fetchone() or (0, 0)
    params = {"words": words, "decided_at": timestamp(decided_at)}
    file = publish(connection, location, QUARANTINE, decided_at.date(), _CORRECTED, params)
    return Verdicts(file=file, rows=counted[0], symbols=counted[1])
