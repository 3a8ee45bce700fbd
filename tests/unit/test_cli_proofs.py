"""The commands that say what a strategy proves: the same figures as the library, in words and in every format."""

import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.cli import app
from stockstream.errors import ParameterError
from stockstream.lake import Lake
from stockstream.research.judgement import Tools, judged
from stockstream.research.resampling import intervals

GRID = {"fast_period": [5, 10], "slow_period": [20, 30, 40]}
PARAMS = "--param fast_period=5,10 --param slow_period=20:40:10 --commission 0.001"
WALK, JUDGE = (f"{name} --strategy MovingAverageCrossover" for name in ("walk-forward", "judge"))
COSTS = ss.Costs(commission=0.001)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave sentences on one line."""
    monkeypatch.setenv("COLUMNS", "300")


def run(command: str, code: int = 0) -> Result:
    outcome = CliRunner().invoke(app, command.split())
    assert outcome.exit_code == code, outcome.output
    return outcome


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    draws = np.random.default_rng(3)
    parts = []
    for symbol in ("BHP", "CBA"):
        close = 50 * np.exp(np.cumsum(draws.normal(0.0005, 0.012, 400)))
        dates = pl.date_range(pl.date(2022, 1, 1), pl.date(2022, 1, 1) + pl.duration(days=399), eager=True)
        prices = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close}
        volume = np.full(400, 10_000)
        parts.append(pl.DataFrame({"symbol": [symbol] * 400, "date": dates, **prices, "volume": volume}))
    return pl.concat(parts)


@pytest.fixture
def bars(rows: pl.DataFrame) -> ss.Bars:
    Lake("data/lake").write_rows(rows)
    return Lake("data/lake").bars()


@pytest.mark.parametrize("symbols", ["BHP", "BHP,CBA"])
def test_walk_forward_is_that_of_the_library(bars: ss.Bars, symbols: str) -> None:
    own = bars.select(symbols.split(","))
    walked = ss.walk_forward(MovingAverageCrossover, own, GRID, train=120, test=60, purge=3, costs=COSTS)
    command = f"{WALK} {PARAMS} --symbols {symbols} --train 120 --test 60 --purge 3"
    text = run(command).stdout
    assert f"{walked.windows.height} windows, each with the best of 6 combinations" in text
    assert walked.sentence in text
    assert f"{walked.windows['in_sample'][0]:.2f}" in text
    listed = json.loads(run(f"{command} --format json").stdout)
    assert [row["fast_period"] for row in listed] == walked.windows["fast_period"].to_list()
    run(f"{command} --output windows.csv")
    assert pl.read_csv("windows.csv").height == walked.windows.height


def test_judge_uses_every_tool(bars: ss.Bars) -> None:
    command = f"{JUDGE} {PARAMS} --resamples 50 --cross-validate --stress"
    text = run(command).stdout
    for tool in ("Sharpe ratio of the best", "Reality check against holding", "Cross-validation", "Stress test"):
        assert f"\n{tool}\n" in text
    assert "the best of 6 combinations" in text
    found = pl.DataFrame(json.loads(run(f"{command} --format json").stdout))
    tools = Tools(resamples=50, cross_validate=True, stress=True)
    expected = judged(MovingAverageCrossover, bars, GRID, tools=tools, costs=COSTS)
    assert found["text"].to_list() == expected.frame["text"].to_list()
    assert all(sentence in text for sentence in expected.sentences)
    figures = dict(found.filter(pl.col("tool") == "Sharpe ratio of the best").select("figure", "value").rows())
    swept = ss.sweep(MovingAverageCrossover, bars, GRID, portfolio="shared", blocks=16, progress=False, costs=COSTS)
    verdict = swept.verdict()
    assert figures["Deflated Sharpe ratio, all trials"] == pytest.approx(verdict.deflated.probability)
    assert figures["Probability of backtest overfitting"] == pytest.approx(verdict.overfitting.probability)
    paths = found.filter(pl.col("figure") == "Sharpe ratio of the middle path").row(0, named=True)
    assert paths["low"] <= paths["value"] <= paths["high"]


def test_judge_of_one_run_is_its_verdict(bars: ss.Bars) -> None:
    one = ss.backtest(MovingAverageCrossover(5, 20), bars.select(["BHP"]), costs=COSTS)
    command = "judge --strategy MovingAverageCrossover --symbols BHP --commission 0.001 --resamples 50"
    text = run(f"{command} --param fast_period=5 --param slow_period=20").stdout
    assert one.verdict().sentence in text
    assert "Reality check" not in text
    found = pl.DataFrame(
        json.loads(run(f"{command} --param fast_period=5 --param slow_period=20 --format json").stdout)
    )
    row = found.filter(pl.col("figure") == "Sharpe ratio", pl.col("tool").str.contains("resamples")).row(0, named=True)
    expected = intervals(one, repetitions=50).frame.filter(pl.col("metric") == "sharpe").row(0)
    assert (row["value"], row["low"], row["high"]) == pytest.approx(expected[1:])
    assert "one run: fast_period=20, slow_period=50" in run(command).stdout  # as it is


def test_what_a_tool_cannot_say_stands_in_its_place(bars: ss.Bars) -> None:
    text = run(f"{JUDGE} --symbols BHP --end-date 2022-01-12 --param fast_period=2").stdout
    assert "expected at least 20 returns" in text
    assert "no run has a value of 'sharpe'" in run(f"{JUDGE} {PARAMS} --end-date 2022-01-12", code=2).stderr
    text = run(f"{JUDGE} --symbols BHP {PARAMS} --end-date 2022-04-30").stdout
    assert "not measured: expected at least 5 closed trades to reorder" in text


class Idle(ss.RuleStrategy):
    """Never trades."""

    def __init__(self, days: int = 5) -> None:
        self.days = days

    def rules(self) -> ss.Rules:
        return ss.Rules(enter_long=ss.close > 1e9)


class Broken(Idle):
    """Has no rules."""

    def rules(self) -> ss.Rules:
        message = "no rules today"
        raise RuntimeError(message)


def test_what_never_trades_ends_in_a_sentence_too(bars: ss.Bars) -> None:
    (said,) = judged(Idle, bars.select(["BHP"]), {}).sentences
    assert said.startswith("Nothing can be said of the Sharpe ratio: expected returns that vary; all 400 are 0")
    walked = ss.walk_forward(Idle, bars, {"days": [1, 2]}, train=120, test=60)
    assert walked.stability["lowest"].to_list() == [None]


def test_a_grid_that_fails_as_a_whole_says_why(bars: ss.Bars) -> None:
    with pytest.raises(ParameterError, match="every combination failed, the first with RuntimeError: no rules today"):
        judged(Broken, bars, {"days": [1, 2]})
    with pytest.raises(ParameterError, match="choose from: every combination failed, the first with RuntimeError"):
        ss.walk_forward(Broken, bars, {"days": [1, 2]}, train=120, test=60)
    swept = ss.sweep(Broken, bars.select(["BHP"]), {"days": [1, 2]}, progress=False)
    with pytest.raises(ParameterError, match="a verdict needs runs: every combination failed"):
        swept.verdict()


def test_a_window_without_a_choice_shows_none(bars: ss.Bars) -> None:
    Path("mine.py").write_text(
        "import stockstream as ss\n"
        "class Idle(ss.RuleStrategy):\n"
        "    def __init__(self, days: int = 5):\n        self.days = days\n"
        "    def rules(self):\n        return ss.Rules(enter_long=ss.close > 1e9)\n"
    )
    text = run("walk-forward --strategy mine.py:Idle --param days=1,2 --train 120 --test 60").stdout
    assert "Nothing can be said: no combination traded in training." in text
    assert not re.search(r"\b(nan|null|inf)\b", text)


def test_a_bar_too_few_for_a_tool_is_said_in_numbers(bars: ss.Bars) -> None:
    text = run(f"{JUDGE} --symbols BHP {PARAMS} --end-date 2022-03-10").stdout
    assert re.search(
        r"Probability of backtest overfitting +not measured: it takes at least 80 sessions; found 69", text
    )


def test_a_ledger_that_cannot_be_read_leaves_nothing_deflated_and_that_is_said(bars: ss.Bars) -> None:
    Path("data/lake.trials.sqlite").write_text("no database at all, whatever its name says")
    with pytest.warns(UserWarning, match="is not a database"):
        found = judged(MovingAverageCrossover, bars.select(["BHP"]), GRID, tools=Tools(resamples=20))
    assert re.search("^Nothing can be said of the Sharpe ratio: .* is not a database", found.sentences[0])


def test_a_backtest_says_what_it_proves(bars: ss.Bars) -> None:
    command = "backtest --strategy MovingAverageCrossover --symbols BHP --commission 0.001"
    result = ss.backtest(MovingAverageCrossover(), bars.select(["BHP"]), costs=COSTS)
    assert result.verdict().sentence in run(command).stdout
    short = run(f"{command} --intervals --end-date 2022-01-12")
    assert "no intervals: expected at least 20 returns" in short.stderr
    assert "Total return" in short.stdout
    text = run(f"{command} --intervals").stdout
    assert re.search(r"^Sharpe ratio +-?\d", text.split("How far the figures may be off")[1], re.MULTILINE)
    found = json.loads(run(f"{command} --intervals --stress --format json").stdout)
    assert found["verdict"]["sentence"] == result.verdict().sentence
    assert {row["metric"] for row in found["intervals"]} >= {"sharpe", "max_drawdown"}
    assert all(row["sharpe"] is None or math.isfinite(row["sharpe"]) for row in found["stress"])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("walk-forward --strategy MovingAverageCrossover", ["--param"]),
        (f"{WALK} {PARAMS} --train 5000", ["5,000 sessions", "400"]),
        (f"{WALK} {PARAMS} --train 10 --test 5", ["at least 20 sessions"]),
        (f"{WALK} {PARAMS} --train 60 --purge 60", ["purge"]),
        (f"{WALK} {PARAMS} --train 60 --select sharp", ["'sharpe'"]),
        (f"{WALK} {PARAMS} --test 0", ["--test"]),
        (f"{WALK} {PARAMS} --train 99 --param costs.slippage=0,0.1", ["is a setting: it is not chosen"]),
        (f"{WALK} {PARAMS} --format parquet", ["--output FILE"]),
        ("judge --strategy MovingAverageCrossovr", ["Did you mean 'MovingAverageCrossover'"]),
        (f"{JUDGE} {PARAMS} --resamples 1", ["--resamples"]),
        (f"{JUDGE} {PARAMS} --sampled 6000", ["--sampled"]),
        ("judge --strategy MovingAverageCrossover --param fast_perod=5", ["Did you mean 'fast_period'"]),
        (f"{JUDGE} {PARAMS} --where fast_period>99", ["removes all 6"]),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(bars: ss.Bars, command: str, words: list[str]) -> None:
    outcome = run(command, code=2)
    assert outcome.stdout == ""
    assert len(outcome.stderr.splitlines()) == 1
    assert all(word in outcome.stderr for word in words)
