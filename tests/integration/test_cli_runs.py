"""The installed command, as people start it: a process of its own, a terminal's width, real prices."""

import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.cli.demonstration import LARGEST_ADJUSTMENTS, fill, run_backtest, run_sweep

Command = Callable[..., subprocess.CompletedProcess[str]]

#: The command of the project's first description, word for word.
FIRST_COMMAND = """backtest \
  --strategy MovingAverageCrossover \
  --start-date 2020-01-01 \
  --end-date 2023-12-31 \
  --symbols BHP,CBA \
  --initial-capital 100000"""

HELP_SECONDS = 0.5  # of processor time, so that a busy machine does not count
ESCAPE = "\x1b"


@pytest.fixture
def command(repository: Path, tmp_path: Path) -> Command:
    """Give a function that runs the command in an empty folder, 80 columns wide."""
    search_path = os.pathsep.join([str(repository), str(repository / "kernels")])

    def start(arguments: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stockstream", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": search_path, "COLUMNS": "80"} | variables,
            capture_output=True,
            check=False,
            text=True,
        )

    return start


@pytest.fixture(scope="module")
def demo_lake(tmp_path_factory: pytest.TempPathFactory) -> ss.Lake:
    """Fill a lake with the prices of the demonstration."""
    lake, _ = fill(str(tmp_path_factory.mktemp("demo") / "lake"))
    return lake


def test_the_first_command_runs_word_for_word(command: Command, market_data: Path, tmp_path: Path) -> None:
    prices = market_data / "prices" / "asx_yahoo_long_2010_2024.parquet"
    stored = command(["import", str(prices)])
    assert stored.returncode == 0, stored.stderr
    assert "18,950 rows of 5 symbols, 2010-01-04 to 2024-12-27" in stored.stdout

    ran = command(shlex.split(FIRST_COMMAND))
    assert (ran.returncode, ran.stderr) == (0, "")
    bars = ss.Lake(tmp_path / "data" / "lake").bars(["BHP", "CBA"], "2020-01-01", "2023-12-31")
    result = ss.backtest(MovingAverageCrossover(), bars, cash=100_000)
    assert f"final equity {result.account.equity[-1]:,.2f}" in " ".join(ran.stdout.split())
    assert f"{result.metrics.sharpe:.2f}" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert ESCAPE not in ran.stdout


def test_the_demonstration_and_everything_it_says_to_type_next(command: Command, tmp_path: Path) -> None:
    shown = command(["demo"])
    assert (shown.returncode, shown.stderr.strip()) == (0, "")
    assert ESCAPE not in shown.stdout
    assert re.search(r"[\d,.]+ million bar-runs a second", shown.stdout)
    body, _, hints = shown.stdout.partition("Type next\n")
    assert max(map(len, body.splitlines())) <= 80
    pages = re.findall(r"^  (\S+\.html)$", body, re.MULTILINE)
    assert len(pages) == 2
    assert all("<html" in (tmp_path / page).read_text()[:500] for page in pages)

    typed = [shlex.split(line)[3:] for line in hints.replace("\\\n", " ").splitlines() if line.strip()]
    assert {arguments[0] for arguments in typed} == {"query", "backtest", "sweep", "import", "--help"}
    for arguments in typed:
        ran = command(arguments)
        assert ran.returncode == 0, (arguments, ran.stderr)
    assert (tmp_path / "reports" / "rsi.html").is_file()
    assert ss.Lake(tmp_path / "data" / "mine").symbols() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")

    files = sorted(path for path in (tmp_path / "data" / "demo").rglob("*") if path.is_file())
    fill(str(tmp_path / "data" / "demo"))
    assert sorted(path for path in (tmp_path / "data" / "demo").rglob("*") if path.is_file()) == files


def test_splits_of_the_sample_prices_are_adjusted(demo_lake: ss.Lake) -> None:
    bars = demo_lake.bars()
    for symbol, day, traded in (("AAPL", "2005-02-28", -0.496), ("MSFT", "2003-02-18", -0.483)):
        place = int(np.searchsorted(bars.dates, np.datetime64(day)))
        adjusted = bars.close[bars.row(symbol), place] / bars.close[bars.row(symbol), place - 1] - 1
        assert -0.05 < adjusted < 0.05
        row = demo_lake.sql(LARGEST_ADJUSTMENTS).pl().filter(symbol=symbol).filter(date=np.datetime64(day).item())
        assert row["day as traded %"].item() == pytest.approx(100 * traded, abs=0.1)
        assert row["day adjusted %"].item() == pytest.approx(100 * adjusted, abs=0.06)


def test_the_demonstration_sweeps_ten_thousand_combinations_of_real_runs(demo_lake: ss.Lake) -> None:
    bars = demo_lake.bars()
    swept = run_sweep(bars, progress=False)
    assert swept.frame.height == 11_830 * 5
    assert swept.bar_runs == 11_830 * 5 * len(bars.dates)
    one = swept.frame.filter(symbol="IBM", fast_period=20, slow_period=50)
    alone = ss.backtest(
        MovingAverageCrossover(20, 50), bars.select(["IBM"]), costs=ss.Costs(commission=0.001, slippage=0.0005)
    )
    assert one["sharpe"].item() == pytest.approx(alone.metrics.sharpe, rel=1e-9)
    assert one["total_return"].item() == pytest.approx(alone.metrics.total_return, rel=1e-9)
    assert run_backtest(bars).trades.height > 100


def test_help_is_quick_and_loads_nothing_heavy(command: Command, tmp_path: Path) -> None:
    code = (
        "import sys; from stockstream.cli import app; "
        "heavy = {'numba', 'numpy', 'polars', 'pandas', 'duckdb', 'pyarrow', 'plotly'} & set(sys.modules); "
        "print(heavy or 'light')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "light\n"

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert command(["--help"]).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < HELP_SECONDS


def test_a_refusal_goes_to_stderr_as_one_line(command: Command, tmp_path: Path) -> None:
    refused = command(shlex.split(FIRST_COMMAND))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: there is no lake at data/lake")
    assert refused.stderr.count("\n") == 1
    assert "Traceback" in command(["--debug", *shlex.split(FIRST_COMMAND)]).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_without_unicode_is_served(command: Command, tmp_path: Path) -> None:
    fill(str(tmp_path / "lake"))
    shown = command(["query", "FROM symbols", "--lake", "lake"], PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "AAPL" in shown.stdout
