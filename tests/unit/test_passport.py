"""A saved run can be made again; what changed is named, and nothing is called the same that is not."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import stockstream as ss
from stockstream.backtesting.strategies import CrossSectionalMomentum, MovingAverageCrossover
from stockstream.cli import app
from stockstream.errors import ParameterError
from stockstream.indicators import SMA
from stockstream.research import fingerprints
from stockstream.research import verify as verify_module
from tests.unit.test_audit import panel

BARS = panel(2, 260, gaps=0.02)
COSTS = ss.Costs(commission=0.001, slippage=0.0005)

MINE = """
import stockstream as ss

class Mine(ss.RuleStrategy):
    def __init__(self, days=5):
        self.days = days

    def rules(self):
        return ss.Rules(enter_long=ss.close > ss.close.shift(self.days), max_bars={bars})
"""


class Buying(ss.Strategy):
    """Buys now and then, by events."""

    def __init__(self, every=20):
        self.every = every
        self.seen = 0

    def on_data(self, date, symbol, data, portfolio):
        self.seen += 1
        return ss.Action.buy(value=500.0, stop_loss=0.1) if self.seen % self.every == 0 else None


def signals():
    rise = BARS.close > np.roll(BARS.close, 1, axis=1)
    return ss.SignalStrategy(enter_long=rise, exit_long=~rise, stop_loss=0.05, take_profit=BARS.close * 0.1, max_bars=7)


def change(bars, symbol, session, factor=1.5):
    panels = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name in ("open", "high", "low", "close"):
        panels[name][symbol, session] *= factor
    return ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, **panels)


@pytest.mark.parametrize(
    "strategy",
    [MovingAverageCrossover(5, 20), CrossSectionalMomentum(60, 10, 1), Buying(15), signals()],
    ids=lambda strategy: strategy.name,
)
def test_a_run_made_again_is_the_same_to_the_last_bit(tmp_path, strategy):
    result = ss.backtest(
        strategy, BARS, costs=COSTS, benchmark="universe", sizing=ss.Sizing.weight(0.5), fill="close", max_positions=1
    )
    assert len(result.fills) > 2
    found = ss.verify(result.save(tmp_path / "run"))
    if isinstance(strategy, Buying):  # it has counted before: the passport begins with its parameters
        assert not ss.verify(tmp_path / "run", strategy=strategy).same
    else:
        assert ss.verify(tmp_path / "run", strategy=strategy).same
    assert found.same, found
    assert not found.changes
    assert "same to the last bit" in repr(found)
    assert "same to the last bit" in found._repr_html_()


def test_revised_rows_are_named(tmp_path):
    folder = ss.backtest(MovingAverageCrossover(5, 20), BARS).save(tmp_path / "run")
    session = int(np.flatnonzero(BARS.present[0])[100])
    found = ss.verify(folder, bars=change(BARS, 0, session))
    assert not found.same
    assert found.cause == f"the data was revised, 1 row: S0 {BARS.dates[session]} changed"
    assert found.difference
    last = int(np.flatnonzero(BARS.present[1])[-1])
    shorter = change(BARS, 1, last, np.nan)
    assert f"S1 {BARS.dates[last]} is gone" in ss.verify(folder, bars=shorter).changes[0]


def test_a_revision_that_changes_no_figure_is_said_and_is_no_difference(tmp_path):
    never = ss.Rules(enter_long=ss.close > 1e9)
    from stockstream.backtesting.configured import ConfiguredRules

    folder = ss.backtest(ConfiguredRules("never", never, {}), BARS).save(tmp_path / "run")
    found = ss.verify(folder, bars=change(BARS, 0, 50))
    assert found.same
    assert "the data was revised" in found.verdict


def test_changed_code_is_named(tmp_path, monkeypatch):
    from stockstream.cli.strategies import find_strategy

    file = tmp_path / "mine.py"
    file.write_text(MINE.format(bars=3))
    folder = ss.backtest(find_strategy(f"{file}:Mine")(4), BARS).save(tmp_path / "run")
    assert ss.verify(folder).same
    file.write_text(MINE.format(bars=4))
    found = ss.verify(folder)
    assert not found.same
    assert found.cause == "the code of Mine changed"
    assert found.difference.startswith(("exit_date", "created", "kind", "symbol", "date", "fill_date", "cause"))


def test_rules_whose_code_is_gone_run_as_written_down(tmp_path):
    class Local(ss.RuleStrategy):
        def rules(self):
            return ss.Rules(enter_long=ss.close > SMA(10), exit_long=ss.close < SMA(10))

    found = ss.verify(ss.backtest(Local(), BARS).save(tmp_path / "run"))
    assert found.same
    assert "run as written down" in found.verdict


def test_changed_versions_are_named_where_nothing_else_changed(tmp_path, monkeypatch):
    folder = ss.backtest(MovingAverageCrossover(5, 20), BARS).save(tmp_path / "run")
    now = {**fingerprints.versions(), "numpy": "99.0"}
    monkeypatch.setattr(verify_module, "versions", lambda: now)
    assert ss.verify(folder).same
    assert any("numpy" in change for change in ss.verify(folder).changes)
    original = verify_module.backtest
    monkeypatch.setattr(verify_module, "backtest", lambda *a, **k: original(*a, **{**k, "cash": 99_999.0}))
    found = ss.verify(folder)
    assert not found.same
    assert "numpy" in found.cause


@pytest.mark.parametrize("name", ["passport.json", "equity.parquet", "data.parquet"])
def test_a_file_that_was_touched_is_named(tmp_path, name):
    folder = ss.backtest(MovingAverageCrossover(5, 20), BARS).save(tmp_path / "run")
    file = folder / name
    if name.endswith("json"):
        passport = json.loads(file.read_text())
        passport["settings"]["cash"] = 1.0
        file.write_text(json.dumps(passport))
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    found = ss.verify(folder)
    assert not found.same
    assert name in found.cause
    if not name.endswith("json"):
        file.unlink()
        assert "missing" in ss.verify(folder).cause


def test_a_lake_is_read_again_as_of_the_same_moment(tmp_path):
    from tests.unit.test_audit import fetched

    truth = panel(2, 200)
    lake = ss.Lake(tmp_path / "lake")
    fetched(lake, truth, str(truth.dates[150]))
    as_known, today = (lake.bars(adjust="none", as_of=day) for day in (f"{truth.dates[151]}T00:00:00Z", None))
    old = ss.backtest(MovingAverageCrossover(5, 20), as_known).save(tmp_path / "old")
    new = ss.backtest(MovingAverageCrossover(5, 20), today).save(tmp_path / "new")
    assert not (old / "bars.parquet").exists()
    assert ss.verify(old).same
    assert ss.verify(new).same
    fetched(lake, truth, str(truth.dates[160]), ("S0", str(truth.dates[100]), 1.2))
    assert ss.verify(old).same
    revised = ss.verify(new)
    assert not revised.same
    assert f"S0 {truth.dates[100]} changed" in revised.cause


def test_a_sweep_is_made_again(tmp_path):
    swept = ss.sweep(
        MovingAverageCrossover,
        BARS,
        {"fast_period": [3, 5, 8], "slow_period": [13, 21], "costs.commission": [0.0, 0.001]},
        metrics=["sharpe", "total_return", "trades"],
        progress=False,
    )
    folder = swept.save(tmp_path / "sweep")
    assert pl.read_parquet(folder / "rows.parquet").equals(swept.frame)
    found = ss.verify(folder)
    assert found.same, found
    changed = ss.verify(folder, bars=change(BARS, 0, int(np.flatnonzero(BARS.present[0])[50])))
    assert not changed.same
    assert "rows of" not in changed.cause
    assert "of rows" in changed.difference


def test_a_folder_is_never_written_over(tmp_path):
    result = ss.backtest(MovingAverageCrossover(5, 20), BARS)
    result.save(tmp_path / "run")
    with pytest.raises(ParameterError, match="empty folder"):
        result.save(tmp_path / "run")
    with pytest.raises(ParameterError, match="expected a folder written by"):
        ss.verify(tmp_path)
    (tmp_path / "passport.json").write_text("[]")
    with pytest.raises(ParameterError, match="format"):
        ss.verify(tmp_path)


def test_what_cannot_be_written_down_is_refused(tmp_path):
    class Odd(Buying):
        def __init__(self, every):
            super().__init__(20)
            self.kind = every

        @property
        def parameters(self):
            return {"every": self.kind}

    with pytest.raises(ParameterError, match="written down"):
        ss.backtest(Odd(np.float64), BARS.between(None, str(BARS.dates[0]))).save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_ends_with_four_on_a_difference(tmp_path):
    folder = ss.backtest(MovingAverageCrossover(5, 20), BARS).save(tmp_path / "run")
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 0, done.output
    assert "same to the last bit" in done.output
    shutil.copy(folder / "fills.parquet", folder / "trades.parquet")
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 4
    assert "trades.parquet was changed" in done.output
    assert CliRunner().invoke(app, ["verify", str(Path("nowhere"))]).exit_code == 2


def test_what_is_no_passport_is_said_with_what_was_found_and_what_to_do(tmp_path):
    folder = ss.backtest(MovingAverageCrossover(5, 20), BARS).save(tmp_path / "runs" / "one")
    (tmp_path / "empty").mkdir()
    for given, said in (
        (tmp_path / "nowhere", r"there is no folder .*nowhere\. Check the path"),
        (tmp_path / "runs", r"has no passport\.json, but one in it has\. Give that folder"),
        (tmp_path / "empty", r"has no passport\.json; it holds nothing\. Give the folder that was saved"),
        (folder / "passport.json", r"passport\.json is a file\. Give the folder it is in"),
    ):
        with pytest.raises(ParameterError, match=said) as raised:
            ss.verify(given)
        assert "expected a folder written by result.save(...)" in str(raised.value)
        assert "Errno" not in str(raised.value)
    text = (folder / "passport.json").read_text()
    (folder / "passport.json").write_text(text[: len(text) // 2])
    with pytest.raises(ParameterError, match=r"passport\.json is no JSON .* Save the run again"):
        ss.verify(folder)
    (folder / "passport.json").write_text(text)
    (folder / "trades.parquet").unlink()
    assert ss.verify(folder).cause == "trades.parquet is missing"
    (folder / "equity.parquet").unlink()
    files = len(json.loads(text)["files"])
    assert ss.verify(folder).cause == f"2 of its {files} files are missing (trades.parquet, equity.parquet)"
