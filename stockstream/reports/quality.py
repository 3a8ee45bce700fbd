"""The page of a quality check: what was found, by reason and row by row, with pictures of the worst symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

import stockstream
from stockstream.errors import counted
from stockstream.lake.quality.judge import DETECTORS
from stockstream.lake.quality.result import NOUNS
from stockstream.reports.page import write_page

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from stockstream.lake.quality.result import Quality

#: Rows of the table of findings; the gravest come first.
MOST: Final = 3000

#: A picture: its width and height in units of its own.
WIDTH, HEIGHT = 220, 48


class Picture(NamedTuple):
    """The closes around the first grave finding of a symbol, as points of a line, and where the finding is."""

    symbol: str
    points: str
    mark: tuple[str, str] | None
    words: str
    errors: int
    warnings: int


def write_quality(quality: Quality, path: str | Path, *, title: str = "Quality of the prices") -> Path:
    """Write the findings of a quality check as one HTML page that opens without a network, and return its path.

    Parameters
    ----------
    quality
        What `stockstream.lake.Lake.quality` answered.
    path
        The file; its folder is made, and a file of that name is replaced.
    title
        Heading.

    Raises
    ------
    ParameterError
        The path cannot be written.
    StockstreamError
        Jinja2 is not installed.
    """
    shown = quality.findings.head(MOST)
    context = {
        "title": title,
        "headline": quality.headline,
        "lead": _lead(quality),
        "cards": [(name, quality.count(name), nouns[quality.count(name) != 1]) for name, nouns in NOUNS.items()],
        "reasons": _reasons(quality),
        "pictures": _pictures(quality),
        "rows": [_row(row) for row in shown.iter_rows(named=True)],
        "left_out": quality.findings.height - shown.height,
        "origin": _origin(quality),
        "version": stockstream.__version__,
    }
    return write_page("quality.html", path, figures={}, **context)


def _lead(quality: Quality) -> str:
    if quality.findings.is_empty():
        return "Nothing was found."
    hiding = quality.findings.filter(quality.findings["hides"])
    rows = int(hiding["rows"].sum())
    verdict = (
        f"A verdict on the certain ones would hide {counted(rows, 'row')} from readers."
        if rows
        else "None of them is certain enough to hide a row."
    )
    return f"{verdict} Nothing was changed: the rows are as the source answered them."


def _reasons(quality: Quality) -> list[dict[str, str]]:
    shown = []
    for row in quality.summary.iter_rows(named=True):
        detector = DETECTORS.get(row["reason"])
        shown.append(
            {
                "code": row["reason"],
                "severity": row["severity"],
                "title": row["title"],
                "meaning": detector.meaning if detector else "The row was refused when it was imported.",
                "remedy": detector.remedy if detector else "Correct it and import it again.",
                "findings": f"{row['findings']:,}",
                "rows": f"{row['rows']:,}",
                "symbols": f"{row['symbols']:,}",
            }
        )
    return shown


def _row(row: dict[str, Any]) -> dict[str, str]:
    day, last = str(row["date"]), str(row["last_date"])
    return {
        "symbol": "all" if row["symbol"] == "*" else row["symbol"],
        "date": day if day == last else f"{day} – {last}",
        "rows": f"{row['rows']:,}",
        "severity": row["severity"],
        "reason": row["reason"],
        "hides": "hides" if row["hides"] else "",
        "explanation": row["explanation"],
    }


def _origin(quality: Quality) -> list[tuple[str, str]]:
    pairs = [(name.capitalize(), value) for name, value in quality.origin.items()]
    pairs.append(
        ("Looked at", f"{counted(quality.rows, 'version')} of rows, {quality.first_date} to {quality.last_date}")
    )
    pairs.append(("Hidden by earlier verdicts", f"{counted(quality.hidden, 'version')} of rows"))
    for reason in dict.fromkeys(quality.skipped.values()):
        codes = ", ".join(code for code, why in quality.skipped.items() if why == reason)
        pairs.append(("Not checked", f"{codes}: {reason}"))
    return pairs


def _pictures(quality: Quality) -> list[Picture]:
    if quality.closes is None or quality.closes.is_empty():
        return []
    grave = quality.findings.filter(quality.findings["severity"] != "info")
    drawn = [
        _picture(own, grave.filter(grave["symbol"] == own["symbol"][0]))
        for own in quality.closes.partition_by("symbol")
    ]
    return sorted(drawn, key=lambda picture: (-picture.errors, -picture.warnings, picture.symbol))


def _picture(closes: pl.DataFrame, findings: pl.DataFrame) -> Picture:
    """Draw closes on a logarithmic scale, on which a factor is a step of its own size wherever it happens."""
    values = np.log(closes["close"].to_numpy())
    low, high = float(values.min()), float(values.max())
    across = np.linspace(2, WIDTH - 2, len(values)) if len(values) > 1 else np.array([WIDTH / 2])
    up = HEIGHT - 3 - (values - low) / (high - low) * (HEIGHT - 6) if high > low else np.full(len(values), HEIGHT / 2)
    first = findings.row(0, named=True) if findings.height else None
    mark = None
    if first is not None:
        place = min(int(np.searchsorted(closes["date"].to_numpy(), np.datetime64(first["date"]))), len(values) - 1)
        mark = (f"{across[place]:.1f}", f"{up[place]:.1f}")
    errors = findings.filter(findings["severity"] == "error").height
    return Picture(
        symbol=closes["symbol"][0],
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True)),
        mark=mark,
        words=first["explanation"] if first else "",
        errors=errors,
        warnings=findings.height - errors,
    )
