"""The page on data quality: made from the declarations of the checks, and from counting what they find."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from stockstream.lake.quality import days, events, jumps, scales, single_rows, stretches, versions
from stockstream.lake.quality.judge import DETECTORS
from tests.reference.corruptions import LENGTH, measure

if TYPE_CHECKING:
    from stockstream.lake.quality.detector import Detector
    from tests.reference.corruptions import Recall

TEMPLATE = Path(__file__).resolve().parent / "data-quality.template.txt"

THEMES = {
    "Single rows": single_rows,
    "Jumps": jumps,
    "Dividends and splits": events,
    "Scales": scales,
    "Days": days,
    "Stretches": stretches,
    "Answers of different time": versions,
}


def quality_page() -> str:
    """Return the page."""
    checks: list[str] = []
    for title, module in THEMES.items():
        checks += [f"### {title}", "", "| reason | severity | what it means | what to do |", "|---|---|---|---|"]
        checks += [*map(_row, module.DETECTORS), ""]
    recalls, (alarms, clean, _) = measure()
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        count=len(DETECTORS),
        checks="\n".join(checks).rstrip(),
        length=LENGTH,
        clean=clean,
        alarms=alarms or "none",
        recalls="\n".join(map(_recall, recalls)),
    )


def _recall(recall: Recall) -> str:
    reasons = ", ".join(f"`{reason}`" for reason in recall.reasons)
    return f"| {recall.fault} | {reasons} | {recall.found} of {recall.trials} |"


def _row(detector: Detector) -> str:
    kind = detector.severity + (", hides" if detector.hides else "")
    cells = (f"`{detector.code}`", kind, f"**{detector.title}.** {detector.meaning}", detector.remedy)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
