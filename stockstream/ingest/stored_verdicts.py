"""After the batches: the checks over the latest answers about symbols with hidden or changed rows.

A price in another unit is told from a real one when prices are back, days after it was stored: then earlier versions
get a verdict too, and readers as of before see them still. The latest answers are judged; of all others only what
readers would fall back on where a version is hidden. Nothing is judged twice: a version with a verdict, also one that a
person withdrew, is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from stockstream.ingest.quality_step import LEFT_OUT, REFUSED, as_finding
from stockstream.lake.as_of import EXCHANGES, Reading
from stockstream.lake.contents import Contents
from stockstream.lake.location import QUARANTINE, RAW_DATA
from stockstream.lake.quality.detector import Finding as Judged
from stockstream.lake.quality.judge import DETECTORS, judge_rows
from stockstream.lake.quality.tables import prepare
from stockstream.lake.quality.verdicts import write_verdicts
from stockstream.lake.query import Files, bind
from stockstream.lake.sources import Sources
from stockstream.lake.versions import VERDICT_TYPES
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from stockstream.ingest.sources import Finding
    from stockstream.lake.location import Location
    from stockstream.lake.location import Stored as StoredFile

#: Answers of so many sessions are judged: a price in another unit is back within ten.
SESSIONS_READ: Final = 15

#: Days before the session that are judged, when none before is in doubt.
DAYS_JUDGED: Final = 105

#: Days around one that is in doubt: a jump is seen by what surrounds it.
MARGIN: Final = timedelta(days=60)

#: Symbols judged at once: what a small function has memory for.
SYMBOLS_AT_ONCE: Final = 50

CHECKS: Final = (
    *(code for code, check in DETECTORS.items() if check.hides and code not in LEFT_OUT | REFUSED),
    *("unit_error_repaired", "rescaled", "flipped", "two_series"),
)

_ROWS: Final = f"""
CREATE OR REPLACE TABLE rows AS
SELECT {", ".join(f"v.{name}" for name in ROW_TYPES)}, NOT v.counts OR d.symbol IS NOT NULL AS hidden
FROM derived.versions AS v LEFT JOIN (
    SELECT DISTINCT symbol, date, fetch_timestamp FROM verdicts WHERE hides IS NOT NULL
) AS d ON v.symbol = d.symbol AND v.date = d.date AND v.fetch_timestamp = d.fetch_timestamp
WHERE v.stored AND v.date >= $first AND v.fetch_timestamp >= $since
"""

#: What readers fall back on where a version is hidden: later versions than the last that fits the days around, and fit
#: neither. A version that a person has let pass fits.
_FALLBACK: Final = """
CREATE TABLE fallback AS
WITH decided AS (
    SELECT symbol, date, fetch_timestamp, max(struct_pack(decided_at, hides, reason, explanation)) AS last FROM verdicts
    WHERE hides IS NOT NULL GROUP BY symbol, date, fetch_timestamp
), struck AS (
    SELECT symbol, date, max_by(last.reason, fetch_timestamp) AS reason,
        max_by(last.explanation, fetch_timestamp) AS explanation
    FROM decided WHERE last.hides AND date >= $first GROUP BY symbol, date
), near AS (
    SELECT s.date AS struck, s.reason, s.explanation, v.* FROM struck AS s JOIN derived.versions AS v
        ON v.symbol = s.symbol AND v.date BETWEEN s.date - 30 AND s.date + 30
    WHERE v.stored AND v.counts
), around AS (
    SELECT n.symbol, n.struck, n.date, arg_max(n.close, n.fetch_timestamp) AS close
    FROM near AS n ANTI JOIN struck AS s ON n.symbol = s.symbol AND n.date = s.date GROUP BY ALL
), usual AS (
    SELECT symbol, struck, median(close) AS close FROM around GROUP BY symbol, struck HAVING count(*) >= 5
), own AS (
    SELECT n.* EXCLUDE (struck), d.symbol IS NOT NULL OR abs(ln(n.close / u.close)) <= ln(5) AS fits
    FROM near AS n JOIN usual AS u ON n.symbol = u.symbol AND n.struck = u.struck
    LEFT JOIN decided AS d ON n.symbol = d.symbol AND n.date = d.date AND n.fetch_timestamp = d.fetch_timestamp
    WHERE n.date = n.struck
)
SELECT * FROM own
QUALIFY NOT fits AND fetch_timestamp > coalesce(max(fetch_timestamp) FILTER (fits) OVER (PARTITION BY symbol, date), '')
"""

_HIDDEN: Final = """
SELECT symbol, reason, count(DISTINCT date), min(date) FROM (
    SELECT symbol, date, reason, max(struct_pack(decided_at, hides)) AS last FROM verdicts
    WHERE hides IS NOT NULL GROUP BY symbol, date, fetch_timestamp, reason
) WHERE last.hides GROUP BY symbol, reason ORDER BY symbol, min(date), reason
"""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is hidden and doubtful in the lake.

    Attributes
    ----------
    hidden
        Reason code -> symbol -> days of it that readers do not see.
    findings
        Symbol -> what the session's answer made doubtful.
    """

    hidden: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)


def judge_stored(
    location: Location, symbols: Iterable[str], session: date, *, exchange: str, decided_at: datetime | None = None
) -> Stored:
    """Judge what the lake holds of some symbols, and write verdicts on what is certainly wrong.

    Parameters
    ----------
    location
        The lake.
    symbols
        Those of which a row was hidden or has changed.
    session
        The session that has been stored.
    exchange
        Code of its exchange.
    decided_at
        The time of the verdicts; by default now.

    Raises
    ------
    LakeError
        The lake cannot be read or written.
    """
    contents = Contents(location, exchange if exchange in EXCHANGES else "XASX")
    listed, since = _recent(contents)
    doubted: dict[str, date] = {}
    for symbol, _, _, day in _hidden(contents, listed[QUARANTINE]):
        doubted[symbol] = min(day, doubted.get(symbol, day))
    names, usual = sorted(symbols), session - timedelta(days=DAYS_JUDGED)
    findings: dict[str, list[Finding]] = {}
    files = contents.files(listed) if names else Files(prices=())
    for first, some in _groups({name: min(usual, doubted.get(name, usual)) for name in names}):
        with contents.connection() as connection:
            bind(connection, files, Reading(exchange=contents.exchange, provisional=True), symbols=some)
            connection.execute(_ROWS, {"first": first, "since": since})
            judged = judge_rows(connection, dividends="dividends", splits="splits", exchange=exchange, only=CHECKS)
            certain = [one for one in judged.findings if one.hides]
            write_verdicts(location, connection, certain, decided_at=decided_at)
        for one in judged.findings:
            if not one.hides and max(one.versions, default="") >= session.isoformat():
                findings.setdefault(one.symbol, []).append(as_finding(one))
    # Also of symbols in which this run found nothing: at the first day of an answer a wrong price has no day before.
    struck = _hidden(contents, _recent(contents)[0][QUARANTINE])
    _hide_fallback(
        contents, sorted({row[0] for row in struck}), min((row[3] for row in struck), default=usual), decided_at
    )
    hidden: dict[str, dict[str, int]] = {}
    for symbol, reason, days, _ in _hidden(contents, _recent(contents)[0][QUARANTINE]):
        hidden.setdefault(reason, {})[symbol] = days
    return Stored(hidden=hidden, findings=findings)


def _hide_fallback(contents: Contents, symbols: Sequence[str], first: date, decided_at: datetime | None) -> None:
    """Write verdicts on what readers see instead of hidden versions, where it is in another unit too."""
    listed = contents.listed()
    verdicts = contents.location.readable(listed[QUARANTINE])  # not looked at one by one: there are many, and all ours
    files = replace(contents.files({**listed, QUARANTINE: []}), verdicts=verdicts) if symbols else Files(prices=())
    for start in range(0, len(symbols), SYMBOLS_AT_ONCE):
        some = symbols[start : start + SYMBOLS_AT_ONCE]
        with contents.connection() as connection:
            bind(connection, files, Reading(exchange=contents.exchange, provisional=True), symbols=some)
            connection.execute(_FALLBACK, {"first": first})
            query = "SELECT symbol, date, fetch_timestamp, reason, explanation FROM fallback"
            found = [_verdict(*row) for row in connection.execute(query).fetchall()]
            prepare(connection, rows="fallback", dividends=None, splits=None, second_source=None, exchange="")
            write_verdicts(contents.location, connection, found, decided_at=decided_at)


def _verdict(symbol: str, day: date, version: str, reason: str, words: str) -> Judged:
    return Judged(
        symbol=symbol,
        date=day,
        last_date=day,
        rows=1,
        reason=reason,
        severity="error",
        hides=True,
        explanation=words,
        versions=(version,),
    )


def _recent(contents: Contents) -> tuple[dict[str, list[StoredFile]], str]:
    """Return the batch files of the last sessions by folder, and the first of these sessions.

    A verdict lies under a day not before the answer that it is about, so verdicts on these answers are among them.
    """
    listed = contents.listed()
    since = min(sorted({_session(file.name) for file in listed[RAW_DATA]})[-SESSIONS_READ:], default="")
    return {folder: [file for file in files if _session(file.name) >= since] for folder, files in listed.items()}, since


def _session(name: str) -> str:
    return name.rpartition("/")[2][:10]


def _groups(since: Mapping[str, date]) -> Iterable[tuple[date, list[str]]]:
    """Give symbols in groups with the first day that is judged of each group, those in doubt for long first."""
    ordered = sorted(since, key=lambda name: (since[name], name))
    for start in range(0, len(ordered), SYMBOLS_AT_ONCE):
        some = ordered[start : start + SYMBOLS_AT_ONCE]
        yield since[some[0]] - MARGIN, some


def _hidden(contents: Contents, files: Sequence[StoredFile]) -> list[tuple[Any, ...]]:
    """Return symbol, reason, number of days and first day of what verdicts hide, in this order."""
    if not files:
        return []
    with contents.connection() as connection:
        connection.execute("CREATE SCHEMA derived")
        sources = Sources(connection, None, None, None)
        sources.create("verdicts", contents.location.readable(files), None, VERDICT_TYPES, known=None)
        return connection.execute(_HIDDEN).fetchall()
