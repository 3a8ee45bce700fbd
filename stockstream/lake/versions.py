"""Which version of each bar counts, and when a bar is gone: written once, in SQL.

Every row ever answered is a version. A *snapshot* is all rows of a symbol that share a fetch_timestamp: one answer of
the source, which covers the dates from its first to its last row. Of the versions of a (symbol, date) the latest one
counts that was final and is not hidden by a verdict.

Absence deletes nothing by itself. A bar that later snapshots cover and lack is *withdrawn*; the fifth such snapshot, or
the first for a Saturday or Sunday, is its tombstone and hides it, until an answer holds it again. Rows far apart, such
as two corrections, say nothing about the days between: only a *dense* snapshot counts, which holds at least half of the
weekdays from its first to its last row (five of fourteen days). Holidays cannot be told from the files, so a bar on one
is hidden by a verdict of the quality checks, which know a calendar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stockstream.schema import CONTENT, ROW_TYPES

if TYPE_CHECKING:
    from stockstream.lake.as_of import Reading

#: A source forgets bars for a day or a week and brings them back; after this many answers without it, a bar is gone.
ABSENCES: Final = 5


#: What a version is ranked by: its instant, then its content, a missing value least; so that files and their order
#: decide nothing. DuckDB ranks NULL in a struct above all values, hence the stand-ins, which no stored row can hold.
_RANK: Final = (
    "struct_pack(fetch_timestamp, open, high, low, close, volume := coalesce(volume, -1), "
    "adjusted_close := coalesce(adjusted_close, '-infinity'))"
)

VERDICT_TYPES: Final = {
    "symbol": "VARCHAR",
    "date": "DATE",
    "fetch_timestamp": "VARCHAR",
    "reason": "VARCHAR",
    "severity": "VARCHAR",
    "hides": "BOOLEAN",
    "explanation": "VARCHAR",
    "decided_at": "VARCHAR",
}

#: Verdicts on one version, or on all of a bar: the last decides, and of two of one instant the one that hides. A
#: rejected row was answered but never stored: it keeps its bar from being withdrawn.
_VERDICTS: Final = """
CREATE VIEW derived.hidden AS
SELECT symbol, date, fetch_timestamp FROM verdicts WHERE hides IS NOT NULL
GROUP BY symbol, date, fetch_timestamp HAVING max(struct_pack(decided_at, hides)).hides;

CREATE VIEW derived.rejected AS
SELECT symbol, date, fetch_timestamp FROM verdicts
WHERE hides IS NULL AND regexp_full_match(fetch_timestamp, '\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z');
"""

_JUDGED: Final = f"""
CREATE VIEW derived.versions AS
SELECT r.*, $counts AND h.symbol IS NULL AND a.symbol IS NULL AS counts, true AS stored
FROM (SELECT *, NOT $unsettled AS settled FROM derived.rows) AS r
LEFT JOIN (SELECT * FROM derived.hidden WHERE fetch_timestamp IS NOT NULL) AS h
    ON r.symbol = h.symbol AND r.date = h.date AND r.fetch_timestamp = h.fetch_timestamp
LEFT JOIN (SELECT * FROM derived.hidden WHERE fetch_timestamp IS NULL) AS a ON r.symbol = a.symbol AND r.date = a.date
UNION ALL
SELECT symbol, date, {", ".join(f"NULL::{ROW_TYPES[name]}" for name in CONTENT)}, fetch_timestamp,
    true AS complete, true, false, false
FROM derived.rejected;
"""

_UNJUDGED: Final = """
CREATE VIEW derived.versions AS
SELECT r.*, $counts AS counts, true AS stored FROM (SELECT *, NOT $unsettled AS settled FROM derived.rows) AS r;
"""

_WINNERS: Final = f"""
CREATE VIEW derived.winners AS
SELECT symbol, date, max({_RANK}) FILTER (counts) AS best, max(fetch_timestamp) AS seen
FROM derived.versions GROUP BY symbol, date;
"""

_SNAPSHOTS: Final = """
CREATE VIEW derived.snapshots AS
SELECT *, 14 * bars >= 5 * (last_date - first_date + 1) AS dense,
    row_number() OVER (PARTITION BY symbol ORDER BY fetch_timestamp) AS position
FROM (
    SELECT symbol, fetch_timestamp, min(first_date) AS first_date, max(last_date) AS last_date, max(bars) AS bars
    FROM (
        SELECT symbol, fetch_timestamp, min(date) FILTER (stored) AS first_date,
            max(date) FILTER (stored) AS last_date, count(DISTINCT date) FILTER (stored) AS bars
        FROM derived.versions WHERE complete GROUP BY symbol, fetch_timestamp
        UNION ALL SELECT symbol, fetch_timestamp, first_date, last_date, bars FROM derived.known_snapshots
    )
    GROUP BY symbol, fetch_timestamp
);
"""

#: Most bars lie outside of everything that was answered after them: two bounds tell them without a join of all to all.
_WITHDRAWN: Final = f"""
CREATE VIEW derived.withdrawn AS
WITH bounded AS (
    SELECT *, min(first_date) FILTER (dense) OVER later AS floor_after,
        max(last_date) FILTER (dense) OVER later AS ceiling_after
    FROM derived.snapshots
    WINDOW later AS (PARTITION BY symbol ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
suspects AS (
    SELECT w.symbol, w.date, w.seen, s.position
    FROM derived.winners AS w JOIN bounded AS s ON w.symbol = s.symbol AND w.seen = s.fetch_timestamp
    WHERE w.date BETWEEN s.floor_after AND s.ceiling_after
)
SELECT w.symbol, w.date, w.seen AS last_seen, count(*) AS absences,
    min(s.fetch_timestamp, {ABSENCES})[CASE WHEN isodow(w.date) >= 6 THEN 1 ELSE {ABSENCES} END] AS tombstone
FROM suspects AS w
JOIN derived.snapshots AS s
    ON w.symbol = s.symbol AND s.position > w.position AND s.dense AND w.date BETWEEN s.first_date AND s.last_date
GROUP BY w.symbol, w.date, w.seen;

CREATE VIEW withdrawn AS SELECT symbol, date, last_seen, absences, tombstone FROM derived.withdrawn;
"""

_CONTENT: Final = ", ".join(
    {"volume": "nullif(w.best.volume, -1)", "adjusted_close": "nullif(w.best.adjusted_close, '-infinity')"}.get(
        name, f"w.best.{name}"
    )
    + f" AS {name}"
    for name in CONTENT
)

#: A LEFT JOIN, because DuckDB passes a filter on one symbol on to both of its sides, which it does not in an ANTI JOIN.
_PRICES: Final = f"""
SELECT w.symbol, w.date, {_CONTENT}, w.best.fetch_timestamp AS fetch_timestamp
FROM derived.winners AS w
LEFT JOIN (SELECT symbol, date, tombstone FROM derived.withdrawn WHERE tombstone IS NOT NULL) AS gone
    ON w.symbol = gone.symbol AND w.date = gone.date
WHERE w.best IS NOT NULL AND gone.tombstone IS NULL
"""


def version_views(reading: Reading, *, judged: bool, stored: bool) -> str:
    """Return the statements that make the views from ``derived.rows`` (and ``verdicts``) up to ``withdrawn``.

    Parameters
    ----------
    reading
        What counts.
    judged
        Whether there is anything in ``verdicts``.
    stored
        Whether to keep the snapshots in a table, for those who read them often.
    """
    counts = "true" if reading.provisional else "r.settled"
    versions = (_VERDICTS + _JUDGED) if judged else _UNJUDGED
    views = versions.replace("$unsettled", reading.is_provisional()).replace("$counts", counts)
    snapshots = _SNAPSHOTS.replace("CREATE VIEW", "CREATE TABLE") if stored else _SNAPSHOTS
    return views + _WINNERS + snapshots + _WITHDRAWN


def prices_query() -> str:
    """Return the query of the rows that count, over the views of `version_views`."""
    return _PRICES
