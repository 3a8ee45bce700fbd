"""The README does what it says: its Python runs, prints what it shows, and its commands work."""

import contextlib
import csv
import io
import math
import re
import shlex
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stockstream.cli import app
from stockstream.cli.demonstration import FAST, SLOW, fill


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    """Give the text of the README."""
    return (repository / "README.md").read_text()


def test_the_python_runs_and_prints_what_is_shown(readme: str) -> None:
    fill("data/demo")
    (shown,) = re.findall(r"^```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {"__name__": "readme"}
    printed = []
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(block, names)
        printed.append(output.getvalue())
    assert printed[0] == shown
    assert "exit signal of 2003-06-17: sell close): filled" in printed[1]
    assert Path("reports/crossover.html").is_file()


def test_the_commands_work(readme: str) -> None:
    (block,) = re.findall(r"^## On the command line\n\n```bash\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    with Path("prices.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["symbol", "date", "open", "high", "low", "close", "volume"])
        for symbol, phase in (("BHP", 0.0), ("CBA", 2.0)):
            for k in range(1500):
                price = 50 + 10 * math.sin(k / 20 + phase)
                day = date(2020, 1, 1) + timedelta(days=k)
                writer.writerow([symbol, day, price, price * 1.01, price * 0.99, price, 1000])
    Path("my_strategies.py").write_text(
        "import stockstream as ss\n"
        "class Breakout(ss.RuleStrategy):\n"
        "    def __init__(self, days: int = 20):\n        self.days = days\n"
        "    def rules(self):\n"
        "        return ss.Rules(enter_long=ss.close > ss.high.max(self.days).shift(1), stop_loss=0.05)\n"
    )
    lines = [line for line in block.replace("\\\n", " ").splitlines() if line]
    commands = [shlex.split(line, comments=True) for line in lines]
    assert {command[1] for command in commands} == {"import", "query", "backtest", "sweep", "strategies"}
    for program, *arguments in commands:
        assert program == "stockstream"
        outcome = CliRunner().invoke(app, arguments)
        assert outcome.exit_code == 0, outcome.output
    assert {path.name for path in Path("reports").iterdir()} == {"cross.html", "map.html"}


def test_the_number_of_combinations_is_the_demonstrations(readme: str) -> None:
    count = sum(fast < slow for fast in FAST for slow in SLOW)
    assert f"{count:,} combinations" in readme
    assert f"{count:,} combinations" in " ".join(CliRunner().invoke(app, ["demo", "--help"]).stdout.split())
