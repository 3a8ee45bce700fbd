"""Every Python block of every document runs, and what a page shows as printed is what is printed."""

import re
from pathlib import Path

import pytest

from docs import generate

pytestmark = pytest.mark.compiled  # backtests and sweeps, each bar in Python otherwise

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"^```(?:python|py)\b", re.MULTILINE)

#: Documents whose blocks are run by a test of their own -> that test.
ELSEWHERE = {
    "README.md": "integration/test_readme.py",
    "docs/lake.md": "unit/test_indicator_parity.py",  # generated from its own blocks
    "docs/look-ahead.md": "integration/test_research_pages.py",
    "docs/passport.md": "integration/test_research_pages.py",
    "docs/stress.md": "integration/test_research_pages.py",
    "docs/own-indicator.md": "unit/test_own_indicators.py",
    "docs/plugins.md": "distribution/test_plugins_page.py",
    "docs/sweeps.md": "integration/test_sweep_page.py",
}
#: Documents whose blocks are run below, with what they need first.
FRAGMENTS = {
    "docs/indicators.md": "",
    "docs/review.md": "",
    "docs/ingest.md": """
from stockstream.ingest import run
def answer(wanted):  # the page asks Yahoo for the whole market
    assert isinstance(wanted, run.Wanted)
    return {"state": "complete", "coverage": 1.0}
monkeypatch.setattr(run, "run_day", answer)
""",
    "docs/lake-at-scale.md": "",
    "docs/data-quality.md": """
from datetime import date
from stockstream import Lake
days = [date(2024, 1, day) for day in (2, 3, 4, 5)]
rows = {"symbol": ["BHP"] * 4 + ["CBA"] * 4, "date": days * 2, "volume": [1000] * 8}
rows |= {name: [50.0] * 8 for name in ("open", "high", "low", "close")}
Lake("data/lake").write_rows(rows)
""",
    "kernels/README.md": (
        "import numpy as np\nfrom stockstream_kernels._compile import kernel\ntype Series = np.ndarray\n"
    ),
}
SKIPPED_FOLDERS = {".venv", ".cache", ".git", "dist", "build", "node_modules", ".terraform"}


def documents() -> list[str]:
    """Give all documents with Python in them."""
    paths = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*.md"))
    return sorted(
        str(path)
        for path in paths
        if not SKIPPED_FOLDERS & set(path.parts) and PYTHON.search((REPOSITORY / path).read_text(encoding="utf-8"))
    )


def test_no_python_is_left_unrun() -> None:
    run = {*ELSEWHERE, *FRAGMENTS, *(f"docs/{name}" for name in generate.RUN)}
    assert set(documents()) <= run
    for document, test in ELSEWHERE.items():
        name = "PAGES" if test.endswith("parity.py") else Path(document).stem
        assert name in (REPOSITORY / "tests" / test).read_text(encoding="utf-8"), document


@pytest.mark.parametrize("name", generate.RUN)
def test_a_page_prints_what_it_shows(name: str) -> None:
    assert (REPOSITORY / "docs" / name).read_text(encoding="utf-8") == generate.run_page(name), "type `make docs`"


@pytest.mark.parametrize("document", FRAGMENTS)
def test_a_fragment_runs(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"__name__": "page", "monkeypatch": monkeypatch}
    exec(FRAGMENTS[document], names)
    blocks = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, document, "exec"), names)
