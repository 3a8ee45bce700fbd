"""What the checks of a lake found, as frames and as words."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import counted
from stockstream.lake.quality.detector import SEVERITIES, Detector, Finding
from stockstream.lake.quality.judge import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

#: Rows of the summary in a notebook or terminal.
_SHOWN: Final = 15

#: How counts of severities are called.
NOUNS: Final = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "info": ("note", "notes")}


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What the checks of a lake found.

    Attributes
    ----------
    findings
        One row per finding, the gravest first: symbol (``*``: a whole session), date, last_date, rows (between the two
        dates), reason, severity (error, warning, info), hides (whether a verdict hides the rows), explanation, figures
        (JSON), versions (the ``fetch_timestamp`` of those judged; empty: the latest), decided_at (null, or when the
        rows were set aside at the border).
    summary
        One row per reason and severity: title, findings, rows, symbols.
    rows, symbols, first_date, last_date
        How much was looked at: versions of rows, symbols, and their dates.
    hidden
        Versions of rows that earlier verdicts hide; they were not looked at again.
    skipped
        Checks that did not run, and what they lacked.
    origin
        Where the rows came from: the lake, the range, the exchange, the instant.
    closes
        Symbol, date and close around the first grave finding of the worst symbols, for pictures.
    """

    findings: pl.DataFrame
    summary: pl.DataFrame
    rows: int
    symbols: int
    first_date: Any = None
    last_date: Any = None
    hidden: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    closes: pl.DataFrame | None = None

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return self.findings.filter(self.findings["severity"] == severity).height

    @property
    def headline(self) -> str:
        """One sentence: what was looked at and how much was found."""
        counts = [(self.count(name), NOUNS[name]) for name in reversed(SEVERITIES)]
        words = ", ".join(f"{number:,} {noun[number != 1]}" for number, noun in counts)
        size = f"{counted(self.rows, 'row')} of {counted(self.symbols, 'symbol')}"
        return f"{words} in {size}"

    def __repr__(self) -> str:
        lines = [f"Quality: {self.headline}"]
        table = self.summary.head(_SHOWN)
        lines += [
            f"  {row['severity']:<8}{row['findings']:>7,}  {row['title']} ({row['reason']})"
            for row in table.iter_rows(named=True)
        ]
        if self.summary.height > table.height:
            lines.append(f"  … and {self.summary.height - table.height} more reasons in .summary")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        columns = ("severity", "reason", "title", "findings", "rows", "symbols")
        head = "".join(f"<th>{name}</th>" for name in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in columns) + "</tr>"
            for row in self.summary.head(_SHOWN).iter_rows(named=True)
        )
        return f"<p><b>{html.escape(self.headline)}</b></p><table><tr>{head}</tr>{body}</table>"

    def report(self, path: str | Path) -> Path:
        """Write a page with all findings that opens without a network, and return its path.

        Needs the extra ``reports``.
        """
        from stockstream.reports import write_quality

        written: Path = write_quality(self, path)
        return written


def detector_of(reason: str) -> Detector | None:
    """Return the check with a reason code; None for a reason of the border."""
    return DETECTORS.get(reason)


def findings_frame(findings: Sequence[Finding], decided: Mapping[int, str] | None = None) -> pl.DataFrame:
    """Return findings as a frame; `decided` gives decision times by place."""
    import polars as pl

    schema: dict[str, Any] = {
        "symbol": pl.String,
        "date": pl.Date,
        "last_date": pl.Date,
        "rows": pl.Int64,
        "reason": pl.String,
        "severity": pl.Enum(SEVERITIES),
        "hides": pl.Boolean,
        "explanation": pl.String,
        "figures": pl.String,
        "versions": pl.List(pl.String),
        "decided_at": pl.String,
    }
    rows = [
        (
            found.symbol,
            found.date,
            found.last_date,
            found.rows,
            found.reason,
            found.severity,
            found.hides,
            found.explanation,
            json.dumps(dict(found.figures), default=str),
            list(found.versions),
            (decided or {}).get(place),
        )
        for place, found in enumerate(findings)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def findings_of(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a frame with at least symbol and date; what is missing is told by its default.

    Also takes rows of verdicts, whose version is in ``fetch_timestamp``.
    """
    found = []
    for row in frame.iter_rows(named=True):
        versions = row.get("versions") or ([row["fetch_timestamp"]] if row.get("fetch_timestamp") else [])
        found.append(
            Finding(
                symbol=row["symbol"],
                date=row["date"],
                last_date=row.get("last_date") or row["date"],
                rows=row.get("rows") or 1,
                reason=row.get("reason") or "by_hand",
                severity=row.get("severity") or "error",
                hides=True if row.get("hides") is None else row["hides"],
                explanation=row.get("explanation") or "",
                versions=tuple(versions),
            )
        )
    return found


def summarise(findings: pl.DataFrame) -> pl.DataFrame:
    """Count findings by reason and severity, the gravest and most frequent first."""
    import polars as pl

    from stockstream.lake.rows import PROBLEMS

    titles = {code: words for code, (_, words) in PROBLEMS.items()}
    titles |= {code: detector.title for code, detector in DETECTORS.items()}
    counted = findings.group_by("severity", "reason").agg(
        pl.len().alias("findings"), pl.col("rows").sum(), pl.col("symbol").n_unique().alias("symbols")
    )
    return (
        counted.with_columns(pl.col("reason").replace_strict(titles, default="", return_dtype=pl.String).alias("title"))
        .sort(["severity", "findings", "reason"], descending=[True, True, False])
        .select("reason", "severity", "title", "findings", "rows", "symbols")
    )
