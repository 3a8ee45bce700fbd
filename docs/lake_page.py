"""The walk-through of the lake: each block of the template is run in an empty folder, and its output put below."""

from __future__ import annotations

from pathlib import Path

from docs.pages import with_outputs

TEMPLATE = Path(__file__).resolve().parent / "lake.template.txt"


def lake_page() -> str:
    """Return the page: the template with the output of each block."""
    return with_outputs(TEMPLATE.read_text(encoding="utf-8"), "docs/lake.md")
