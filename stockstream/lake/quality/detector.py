"""What a check of the data is, and what it finds: declared once, for the judge, the page and the documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

type Severity = Literal["info", "warning", "error"]

#: The gravest last.
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error")

#: The symbol of a finding about a whole session of the source.
EVERYTHING: Final = "*"


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One check.

    Attributes
    ----------
    code
        The reason code of its findings.
    title
        What is wrong, in a few words.
    severity
        ``"error"``: the row or event cannot be true. ``"warning"``: it may be true, look at it. ``"info"``: it is true
        as far as anyone can tell, and good to know. A finding may have another one, when its SQL says so.
    hides
        Whether a verdict hides the row from readers, unless the SQL says otherwise of a finding. Only what is certain.
    meaning
        What it means and how it is recognised.
    explanation
        The sentence of a finding: a format of its figures.
    remedy
        What to do about it.
    sql
        One SELECT over the tables of `stockstream.lake.quality.tables`: symbol and date, optionally last_date, rows,
        fetch_timestamp (the version judged) or versions (a list of them), severity, hides; other columns are figures.
    needs
        Tables without which it does not run: ``calendar``, ``elsewhere``, ``second_source``, ``ticks``.
    """

    code: str
    title: str
    severity: Severity
    meaning: str
    explanation: str
    remedy: str
    sql: str
    hides: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found: the rows of a symbol from `date` to `last_date`, and what is wrong with them.

    Attributes
    ----------
    symbol
        The symbol, `EVERYTHING` for a whole session.
    date, last_date, rows
        First and last date, and the number of rows between them that it is about.
    versions
        The versions judged, by their fetch_timestamp; empty: those whose prices are the latest.
    reason, severity, hides
        As declared by its `Detector`, unless this finding differs.
    explanation
        A sentence with the figures in it.
    figures
        The numbers it rests on.
    """

    symbol: str
    date: datetime.date
    last_date: datetime.date
    rows: int
    reason: str
    severity: Severity
    hides: bool
    explanation: str
    versions: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


#: Columns of a detector's answer that are fields of a finding.
FIELDS: Final = frozenset({"symbol", "date", "last_date", "rows", "fetch_timestamp", "versions", "severity", "hides"})


def finding(detector: Detector, row: Mapping[str, Any]) -> Finding:
    """Make a finding out of one row of a detector's answer.

    Examples
    --------
    >>> from datetime import date
    >>> check = Detector(code="tall", title="", severity="info", meaning="", remedy="", sql="",
    ...                  explanation="{symbol} closed at {close:.2f}.")
    >>> finding(check, {"symbol": "BHP", "date": date(2024, 1, 2), "close": 50.5}).explanation
    'BHP closed at 50.50.'
    """
    figures = {name: value for name, value in row.items() if name not in FIELDS}
    day = row["date"]
    last = row.get("last_date") or day
    rows = int(row.get("rows") or 1)
    words = {**row, "last_date": last, "rows": rows}
    return Finding(
        symbol=row["symbol"],
        date=day,
        last_date=last,
        rows=rows,
        versions=_versions(row),
        reason=detector.code,
        severity=row.get("severity") or detector.severity,
        hides=detector.hides if row.get("hides") is None else bool(row["hides"]),
        explanation=detector.explanation.format(**words),
        figures=figures,
    )


def _versions(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row.get("fetch_timestamp") is not None:
        return (row["fetch_timestamp"],)
    return tuple(row.get("versions") or ())
