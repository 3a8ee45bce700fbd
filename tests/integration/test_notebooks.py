"""The notebooks run as they stand; each ends with assertions of its own."""

import io
import re
import runpy
from contextlib import redirect_stdout
from pathlib import Path

import pytest

pytestmark = pytest.mark.compiled  # sweeps, each bar in Python otherwise

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.py"))


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first_hour", "honest_research", "operating_the_pipeline"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^# %%$", text, re.MULTILINE)) >= 6
    assert len(re.findall(r"^assert ", text, re.MULTILINE)) >= 2
    with redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(path), run_name="notebook")
    assert printed.getvalue()


def test_they_convert() -> None:
    import jupytext

    for path in NOTEBOOKS:
        cells = jupytext.read(path)["cells"]
        assert {cell["cell_type"] for cell in cells} == {"markdown", "code"}
        assert cells[0]["source"].startswith("# ")
