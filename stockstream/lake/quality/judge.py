"""Every check over a set of rows. Needs NumPy and DuckDB only, as the daily run does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from stockstream.errors import UnknownNameError, did_you_mean
from stockstream.lake.quality import days, events, jumps, scales, single_rows, stretches, versions
from stockstream.lake.quality.detector import SEVERITIES, Detector, Finding, finding
from stockstream.lake.quality.tables import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

#: All checks, in the order of the documentation.
DETECTORS: Final[dict[str, Detector]] = {
    detector.code: detector
    for module in (single_rows, jumps, events, scales, days, stretches, versions)
    for detector in module.DETECTORS
}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the checks found.

    Attributes
    ----------
    findings
        The gravest first, then by symbol and date.
    skipped
        Checks that did not run, and what they lacked.
    rows, symbols
        How much was looked at.
    """

    findings: tuple[Finding, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    symbols: int = 0


_LACKING: Final = {
    "calendar": "the package exchange-calendars is not installed",
    "elsewhere": "the package exchange-calendars is not installed",
    "second_source": "no second source was given",
    "ticks": "the price steps of the exchange are not known",
}


def judge_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: str = "rows",
    *,
    dividends: str | None = None,
    splits: str | None = None,
    second_source: str | None = None,
    exchange: str = "XASX",
    only: Iterable[str] | None = None,
) -> Judgement:
    """Run the checks over the tables of a connection.

    Parameters
    ----------
    connection
        Holds the tables; gets a schema ``quality`` of its own.
    rows
        Name of a table or view with the columns of a lake (symbol, date, open, high, low, close, volume,
        adjusted_close, fetch_timestamp): all versions, also bad ones. Give the days around new rows too: a jump is seen
        by what comes before and after it.
    dividends, splits
        Names of tables with symbol, ex_date, and dividend or split.
    second_source
        Name of a table with symbol, date, and close as traded.
    exchange
        Whose sessions and price steps count.
    only
        Codes of the checks to run; None: all.

    Raises
    ------
    UnknownNameError
        A code of `only` does not exist.

    Examples
    --------
    >>> import duckdb
    >>> connection = duckdb.connect()
    >>> connection.execute('''CREATE TABLE rows AS SELECT 'BHP' AS symbol, DATE '2024-01-01' + i::INTEGER AS date,
    ...     50.0 AS open, 50.0 AS high, 50.0 AS low, CASE i WHEN 9 THEN 5000.0 ELSE 50.0 END AS close, 1 AS volume,
    ...     50.0 AS adjusted_close, '2024-03-01' AS fetch_timestamp FROM range(20) AS t(i)''').fetchone()
    (20,)
    >>> [(found.reason, str(found.date)) for found in judge_rows(connection, only=["unit_error"]).findings]
    [('unit_error', '2024-01-10')]
    """
    chosen = _chosen(only)
    have = prepare(
        connection, rows=rows, dividends=dividends, splits=splits, second_source=second_source, exchange=exchange
    )
    found: list[Finding] = []
    skipped: dict[str, str] = {}
    for detector in chosen:
        lacking = [name for name in detector.needs if name not in have]
        if lacking:
            skipped[detector.code] = _LACKING[lacking[0]]
            continue
        cursor = connection.execute(detector.sql)
        names = [column[0] for column in cursor.description or ()]
        found += [finding(detector, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    found.sort(key=lambda item: (-SEVERITIES.index(item.severity), item.symbol, item.date, item.reason))
    size = connection.execute("SELECT count(*), count(DISTINCT symbol) FROM quality.versions").fetchone() or (0, 0)
    return Judgement(findings=tuple(found), skipped=skipped, rows=size[0], symbols=size[1])


def _chosen(only: Iterable[str] | None) -> list[Detector]:
    if only is None:
        return list(DETECTORS.values())
    codes = [only] if isinstance(only, str) else list(only)
    for code in codes:
        if code not in DETECTORS:
            message = f"there is no check {code!r}; there are {', '.join(DETECTORS)}.{did_you_mean(code, DETECTORS)}"
            raise UnknownNameError(message)
    return [DETECTORS[code] for code in codes]
