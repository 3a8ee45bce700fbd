"""The page about sweeps runs as it stands."""

import re

import pytest

pytestmark = pytest.mark.compiled  # thousands of runs, each bar in Python otherwise

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_examples_run_one_after_another(repository, tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna").logging.set_verbosity(30)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in BLOCK.findall((repository / "docs" / "sweeps.md").read_text()):
        exec(compile(block, "docs/sweeps.md", "exec"), names)
    assert names["swept"].runs == 2 * 15
    assert names["both"].combinations == 300
    assert names["large"].runs == 2 * 38 * 100
    assert "worst_year" in names["own"].frame.columns
    assert names["shared"].frame.height == 6
    assert "scored in O(trades)" in capsys.readouterr().out
