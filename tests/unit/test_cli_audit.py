"""The command `audit`: what it prints and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import stockstream as ss
from stockstream.cli import app
from stockstream.research.tracing import FOLLOWS_LINES
from tests.unit.test_audit import panel

FILE = """
import numpy as np
import stockstream as ss


class Honest(ss.RuleStrategy):
    def __init__(self, days: int = 5) -> None:
        self.days = days

    def rules(self):
        return ss.Rules(enter_long=ss.close > ss.close.shift(self.days), max_bars=3)


def tomorrow(bars):
    ahead = np.roll(bars.close, -1, axis=1)
    return ss.SignalStrategy(enter_long=ahead > bars.close, exit_long=ahead < bars.close)


def fails(bars):
    return bars.close[99]
"""


@pytest.fixture(autouse=True)
def _lake_and_file() -> None:
    frame = panel(2, 120).to_pandas()
    frame["volume"] = frame["volume"].astype(np.int64)
    ss.Lake("data/lake").write_rows(frame)
    Path("mine.py").write_text(FILE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--cuts", "6", "--adjust", "none"])


def test_an_honest_strategy_passes() -> None:
    done = run("mine.py:Honest", "--param", "days=3")
    assert done.exit_code == 0, done.output
    assert "No look-ahead found" in done.output
    assert "Honest(days=3)" in done.output
    assert run("BuyAndHold").exit_code == 0


def test_a_leak_ends_with_four_and_its_line() -> None:
    done = run("mine.py:tomorrow")
    assert done.exit_code == 4
    assert "tomorrow looked ahead" in done.output
    line = "mine.py:15: ahead = np.roll(bars.close, -1, axis=1)" if FOLLOWS_LINES else ": def tomorrow("
    assert line in done.output


def test_a_close_fill_is_named() -> None:
    done = run("mine.py:Honest", "--fill", "close")
    assert done.exit_code == 4
    assert "same-bar fill" in done.output


def test_what_is_not_there_is_refused() -> None:
    for arguments, words in (
        (["mine.py:Honet"], "Did you mean 'Honest'"),
        (["nowhere.py:Honest"], "there is no file"),
        (["mine.py:tomorrow", "--param", "a=1"], "not a class"),
        (["mine.py:Honest", "--param", "dys=1"], "Did you mean 'days'"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, done.output
        assert words in " ".join(done.output.split())


def test_a_file_that_fails_is_named_with_its_line() -> None:
    done = run("mine.py:fails")
    assert done.exit_code == 2, done.output
    assert "mine.py failed in line 20: IndexError: index 99 is out of bounds" in " ".join(done.stderr.split())
    assert "--debug for the traceback" in " ".join(done.stderr.split())
    assert isinstance(CliRunner().invoke(app, ["audit", "mine.py:fails", "--debug"]).exception, IndexError)


def test_revisions_that_could_not_be_read_are_a_blind_spot() -> None:
    lake = ss.Lake("data/lake")
    (blind,) = [text for text in ss.audit(ss.close > 1.0, lake.bars(), lake=lake).blind_spots if "revised" in text]
    assert "the lake has no earlier answers" in blind


def test_its_help_fits_a_terminal() -> None:
    shown = CliRunner().invoke(app, ["audit", "--help"]).stdout
    assert "  stockstream audit" in shown[shown.index("Example") :]
    assert max(map(len, shown.splitlines())) <= 80


def test_a_backtest_is_stressed_and_kept() -> None:
    command = ["backtest", "--strategy", "mine.py:Honest", "--adjust", "none", "--stress"]
    done = CliRunner().invoke(app, [*command, "--save", "runs/honest", "--report", "page.html"])
    assert done.exit_code == 0, done.output
    assert "\nStress test\n" in done.output
    assert "decisions one bar late" in Path("page.html").read_text()
    assert CliRunner().invoke(app, ["verify", "runs/honest"]).exit_code == 0
    again = CliRunner().invoke(app, [*command, "--save", "runs/honest"])
    assert again.exit_code == 2
    shown = json.loads(CliRunner().invoke(app, [*command, "--format", "json"]).stdout)
    assert {"costs", "delay"} <= {row["test"] for row in shown["stress"]}
