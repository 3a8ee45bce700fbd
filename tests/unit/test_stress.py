"""Reruns under worse assumptions equal the backtests they stand for, and the verdict counts them."""

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.costs import ASX_TICKS
from stockstream.backtesting.strategies import BuyAndHold, CrossSectionalMomentum, DonchianBreakout
from stockstream.indicators import SMA
from stockstream.research.stress import doubled, jittered
from tests.unit.test_audit import panel

BARS = panel(3, 700)
COSTS = ss.Costs(commission=ss.Commission(rate=0.001, minimum=5.0), slippage=0.0005, borrow_rate=0.02)


class Above(ss.RuleStrategy):
    def __init__(self, days=10, stop=0.05):
        self.days, self.stop = days, stop

    def rules(self):
        mean = SMA(self.days)
        return ss.Rules(enter_long=ss.close > mean, exit_long=ss.close < mean, stop_loss=self.stop)


class ByEvents(ss.Strategy):
    """Buys after a rise and closes after a fall, by callbacks."""

    def __init__(self):
        self.last = {}

    def on_data(self, date, symbol, data, portfolio):
        before = self.last.get(symbol, np.inf)
        self.last[symbol] = data["close"]
        return ss.Action.buy(value=1000.0) if data["close"] > before else ss.Action.close()


def signals(shift=0):
    rise = BARS.close > np.concatenate([BARS.close[:, :1], BARS.close[:, :-1]], axis=1)
    moved = np.concatenate([np.zeros((3, shift), dtype=bool), rise[:, : rise.shape[1] - shift]], axis=1)
    fall = np.concatenate([np.zeros((3, shift), dtype=bool), ~rise[:, : rise.shape[1] - shift]], axis=1)
    return ss.SignalStrategy(enter_long=moved, exit_long=fall, stop_loss=0.1)


def row(found, change):
    (one,) = found.frame.filter(found.frame["change"] == change).to_dicts()
    return one


def same(one, result):
    assert one["total_return"] == result.metrics.total_return
    assert one["trades"] == result.metrics.trades
    np.testing.assert_equal(one["sharpe"], result.metrics.sharpe)


def test_each_rerun_is_the_backtest_it_stands_for():
    options = {"sizing": ss.Sizing.weight(0.3), "cash": 50_000.0}
    result = ss.backtest(Above(), BARS, costs=COSTS, **options)
    found = result.stress()
    same(row(found, "the run itself"), result)
    twice = ss.Costs(commission=ss.Commission(rate=0.002, minimum=10.0), slippage=0.001, borrow_rate=0.04)
    same(row(found, "all costs doubled"), ss.backtest(Above(), BARS, costs=twice, **options))
    without = ss.backtest(Above(), BARS.select(["S0", "S2"]), costs=COSTS, **options)
    same(row(found, "without S1"), without)
    nearer = ss.backtest(Above(stop=0.05 * 0.8), BARS, costs=COSTS, **options)
    same(row(found, "stops and targets 20% nearer"), nearer)
    assert found.frame.filter(found.frame["test"] == "jitter").height == 5
    assert found.frame["profitable"].null_count() == 0


def test_a_bar_late_is_every_decision_moved_by_one_bar():
    late = ss.backtest(signals(), BARS).stress()
    same(row(late, "decisions one bar late"), ss.backtest(signals(1), BARS))

    class Late(Above):
        def rules(self):
            mean = SMA(self.days)
            above, below = (ss.close > mean).shift(1), (ss.close < mean).shift(1)
            return ss.Rules(enter_long=above, exit_long=below, stop_loss=self.stop)

    same(row(ss.backtest(Above(), BARS).stress(), "decisions one bar late"), ss.backtest(Late(), BARS))


def test_a_year_left_out_is_a_path_without_its_returns():
    result = ss.backtest(Above(), BARS, costs=COSTS)
    found = result.stress()
    growth = (1.0 + result.equity["return"].to_numpy())[result.equity["date"].dt.year().to_numpy() != 2023]
    assert row(found, "without 2023")["total_return"] == pytest.approx(growth.prod() - 1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("strategy", "stops"),
    [
        (ByEvents(), False),
        (CrossSectionalMomentum(60, 10, 1), False),
        (DonchianBreakout(), True),
        (BuyAndHold(), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_form_of_strategy_can_be_stressed(strategy, stops):
    sizing = ss.Sizing.risk(0.01) if isinstance(strategy, DonchianBreakout) else None
    result = ss.backtest(strategy, BARS, costs=COSTS, sizing=sizing)
    found = result.stress()
    assert set(found.frame["test"]) >= {"costs", "delay", "jitter", "year"}
    assert ("stops" in set(found.frame["test"])) is stops
    assert found.frame["profitable"].null_count() == 0
    late, base = row(found, "decisions one bar late"), row(found, "the run itself")
    assert late["total_return"] != base["total_return"]


def test_the_same_seed_gives_the_same_test():
    result = ss.backtest(Above(), BARS)
    assert result.stress(seed=3).frame.equals(result.stress(seed=3).frame)
    assert not result.stress(seed=3).frame.equals(result.stress(seed=4).frame)


def test_the_verdict_counts_and_does_not_promise():
    loser = ss.backtest(Above(3), BARS, costs=ss.Costs(commission=0.02))
    assert loser.metrics.total_return < 0.0
    assert "makes no profit" in loser.stress().verdict
    for result in (loser, ss.backtest(BuyAndHold(), BARS.select(["S1"]))):
        found = result.stress()
        reruns = found.frame.slice(1)
        assert (
            f"of {reruns.height} changed runs" in found.verdict or f"all {reruns.height} changed runs" in found.verdict
        )
        assert "not whether it will go on" in found.verdict
        assert found.verdict in repr(found)
        assert "not whether it will go on" in found._repr_html_()
    assert any("one symbol" in note for note in found.notes)
    assert any("no costs to double" in note for note in found.notes)


def test_what_cannot_be_rerun_says_why():
    from stockstream.backtesting.strategies import PairsMeanReversion

    pair = BARS.select(["S0", "S1"])
    found = ss.backtest(PairsMeanReversion(window=20, entry=1.0), pair).stress()
    missing = found.frame.filter(found.frame["profitable"].is_null())
    assert missing.height == 2
    assert all("two" in note for note in missing["note"])


def test_jittered_prices_are_prices_a_tick_away():
    moved = jittered(BARS, ASX_TICKS, np.random.default_rng(0))
    ss.Bars.from_arrays(
        symbols=BARS.symbols,
        dates=BARS.dates,
        **{name: getattr(moved, name) for name in ("open", "high", "low", "close", "volume")},
    )
    steps = np.abs(moved.close - BARS.close)
    assert steps.max() == pytest.approx(0.01)
    assert 0.5 < (steps > 0).mean() < 0.8
    assert (moved.high >= np.maximum(moved.open, moved.close)).all()


def test_all_costs_are_doubled():
    costs = ss.Costs.asx("commsec")
    twice = doubled(costs)
    assert [tier.fixed for tier in twice.commission.tiers] == [2 * tier.fixed for tier in costs.commission.tiers]
    assert twice.slippage.ticks == 2 * costs.slippage.ticks
    assert twice.venue == costs.venue


def test_the_report_has_it_as_a_table(tmp_path):
    result = ss.backtest(BuyAndHold(), BARS.select(["S0", "S1"]), costs=COSTS)
    found = result.stress()
    assert "without S1" in set(found.frame["change"])
    text = result.report(tmp_path / "report.html", stress=found).read_text()
    assert found.verdict in text
    assert all(change in text for change in found.frame["change"])
    assert "Stress test" not in result.report(tmp_path / "plain.html").read_text()
