"""Grids, lists and samples: what runs, what is refused, and what is only counted."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.errors import ParameterError, UnknownNameError
from stockstream.indicators import SMA
from stockstream.research.grid import combinations
from tests.laws.test_sweep_laws import long_panel

GRID = {"fast_period": [5, 10, 15], "slow_period": [20, 30]}
FAST, SLOW = pl.col("fast_period"), pl.col("slow_period")


def listed(found, size=4):
    return pl.concat(found.batches(size)).rows()


def sweep(strategy, grid, **options):
    return ss.sweep(strategy, long_panel(2, 80), grid, progress=False, **options)


@given(st.integers(1, 7))
def test_all_combinations_in_their_order_whatever_the_batch(size):
    found = combinations(MovingAverageCrossover, GRID)
    assert found.count == 6
    assert listed(found, size) == [(f, s) for f in (5, 10, 15) for s in (20, 30)]


def test_a_constraint_is_asked_batch_by_batch():
    found = combinations(MovingAverageCrossover, GRID, FAST * 2 < SLOW)
    assert found.count == 3
    assert listed(found, 1) == [(5, 20), (5, 30), (10, 30)]


def test_a_list_keeps_its_order():
    found = combinations(
        MovingAverageCrossover, [{"fast_period": 9, "slow_period": 20}, {"fast_period": 5, "slow_period": 7}]
    )
    assert listed(found) == [(9, 20), (5, 7)]


def test_ten_million_combinations_are_never_held():
    found = combinations(MovingAverageCrossover, {"fast_period": range(1, 4001), "slow_period": range(1, 2501)})
    assert found.count == 10_000_000
    first = next(found.batches(1000))
    assert first.height == 1000
    assert first.row(999) == (1, 1000)


def test_a_seed_draws_the_same_sample():
    grid = {"fast_period": range(1, 2000), "slow_period": range(1, 2000)}
    one, same, other = (
        listed(combinations(MovingAverageCrossover, grid, FAST < SLOW, sample=500, seed=seed), 500)
        for seed in (7, 7, 8)
    )
    assert one == same
    assert one != other
    assert len(set(one)) == 500
    assert all(fast < slow for fast, slow in one)


def test_a_sample_is_drawn_evenly():
    drawn = combinations(
        MovingAverageCrossover, {"fast_period": range(100), "slow_period": range(100)}, sample=4000, seed=1
    )
    fast = np.array(listed(drawn, 4000))[:, 0]
    assert np.bincount(fast // 10).min() > 340


def test_a_sample_of_everything_is_everything():
    found = combinations(MovingAverageCrossover, GRID, FAST > 5, sample=4)
    assert listed(found) == [(10, 20), (10, 30), (15, 20), (15, 30)]


@pytest.mark.parametrize(
    ("grid", "options", "words"),
    [
        ({}, {}, "empty grid"),
        ([], {}, "name the same parameters"),
        ([{"fast_period": 5}, {"slow_period": 5}], {}, "name the same parameters"),
        ({"fast_period": []}, {}, "at least one value"),
        ({"fast_period": [float("nan")]}, {}, "at least one finite number for 'fast_period'"),
        ({"fast_period": ["five"]}, {}, "expected finite numbers for 'fast_period'; found 'five'"),
        ({"fast_period": [True]}, {}, "expected finite numbers"),
        (GRID, {"where": FAST > 100}, "removes all 6 combinations"),
        (GRID, {"where": pl.col("fast") > 100}, "does not fit the parameters fast_period, slow_period"),
        (GRID, {"sample": 7}, "at most all there are, 6 combinations"),
        (GRID, {"sample": 0}, "at least one combination"),
        ({"costs.commission": [2.0]}, {"metrics": []}, "at least one metric"),
        (GRID, {"metrics": ["sharpe", "sharpe"]}, "each name once"),
        (GRID, {"reduce": {"sharpe": max}}, "names of your own"),
        (GRID, {"portfolio": "both"}, "portfolio='each'"),
        (GRID, {"top_by": "sharpe"}, "top_k="),
        (GRID, {"top_k": 0}, "top_k"),
        (GRID, {"max_bytes": 0}, "max_bytes"),
        (GRID, {"workers": 0}, "workers"),
        (GRID, {"out": "rows.csv"}, ".parquet"),
        (GRID, {"executor": 5}, "executor="),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(grid, options, words):
    with pytest.raises(ParameterError, match=words.replace("(", r"\(")):
        sweep(MovingAverageCrossover, grid, **options)


@pytest.mark.parametrize(
    ("grid", "options", "words"),
    [
        ({"fast_perod": [5]}, {}, "Did you mean 'fast_period'"),
        ([{"fast_perod": 5}], {}, "Did you mean 'fast_period'"),
        ({"costs.comission": [0.001]}, {}, "Did you mean 'costs.commission'"),
        (GRID, {"metrics": ["sharp"]}, "Did you mean 'sharpe'"),
        (GRID, {"top_k": 3, "top_by": "sharp"}, "Did you mean 'sharpe'"),
    ],
)
def test_unknown_names_are_named(grid, options, words):
    with pytest.raises(UnknownNameError, match=words):
        sweep(MovingAverageCrossover, grid, **options)


def test_values_that_cannot_be_are_counted_and_the_others_go_on():
    swept = sweep(MovingAverageCrossover, {"fast_period": [5, float("nan"), 10, 5], "slow_period": [20, float("inf")]})
    assert swept.combinations == 2
    assert swept.frame["fast_period"].to_list() == [5, 10, 5, 10]
    assert swept.failures.select("reason", "combinations").rows() == [
        ("fast_period=nan is not a finite number", 2),
        ("fast_period=5 is repeated", 2),
        ("slow_period=inf is not a finite number", 2),
    ]
    assert swept.failed + swept.combinations == 4 * 2


def test_repeated_combinations_of_a_list_are_counted():
    rows = [{"fast_period": 5}, {"fast_period": 5}, {"fast_period": float("nan")}, {"fast_period": 6}]
    swept = sweep(MovingAverageCrossover, rows)
    assert swept.frame["fast_period"].to_list() == [5, 6, 5, 6]
    assert swept.failures["reason"].to_list() == [
        "the combination is repeated",
        "fast_period=nan is not a finite number",
    ]


def test_numbers_that_an_indicator_refuses_are_counted():
    swept = sweep(MovingAverageCrossover, {"fast_period": [5, 0], "slow_period": [20, 30]})
    assert swept.combinations == 2
    assert swept.failed == 2
    assert swept.failures["fast_period"].to_list() == [0, 0]
    assert "SMA: expected window" in swept.failures["reason"][0]


class Stopped(ss.RuleStrategy):
    def __init__(self, days=5, stop=0.1):
        self.days = days
        self.stop = stop

    def rules(self):
        return ss.Rules(enter_long=ss.close > SMA(self.days), stop_loss=self.stop)


class Picky(Stopped):
    def rules(self):
        if self.days == 7:
            raise ValueError("seven")
        return super().rules()


class Branching(Stopped):
    """Needs its numbers: rules differ by their parity."""

    def rules(self):
        if int(self.days) % 2:
            return ss.Rules(enter_long=ss.close > SMA(self.days), stop_loss=self.stop)
        return ss.Rules(enter_long=ss.close < SMA(self.days), exit_long=ss.close > SMA(3), stop_loss=self.stop)


@pytest.mark.parametrize("portfolio", ["each", "shared"])
@pytest.mark.parametrize(
    ("strategy", "grid", "lost", "reason"),
    [
        (Stopped, {"days": [5, 6], "stop": [0.1, 0.0, -0.2]}, 4, "stop_loss above 0"),
        (Picky, {"days": [5, 6, 7]}, 1, "ValueError: seven"),
        (Stopped, {"days": [5], "costs.commission": [0.001, 1.5]}, 1, "commission rate"),
        (Stopped, {"days": [5], "sizing.amount": [1.0, -1.0]}, 1, "above 0"),
    ],
)
def test_rules_and_settings_that_fail_are_named_and_the_others_go_on(strategy, grid, lost, reason, portfolio):
    swept = sweep(strategy, grid, portfolio=portfolio)
    assert swept.failed == lost
    assert all(reason in text for text in swept.failures["reason"])
    whole = int(np.prod([len(values) for values in grid.values()]))
    assert swept.combinations == whole - lost
    assert swept.complete


def test_rules_that_need_their_numbers_are_built_one_by_one():
    swept = sweep(Branching, {"days": range(4, 10), "stop": [0.02, 0.1]})
    bars = long_panel(2, 80)
    for row in swept.frame.to_dicts():
        expected = ss.backtest(Branching(row["days"], row["stop"]), bars.select([row["symbol"]])).metrics
        assert row["total_return"] == pytest.approx(expected.total_return, abs=1e-12)
        assert row["trades"] == expected.trades


def test_when_everything_fails_the_frame_is_empty_and_says_why():
    swept = sweep(Picky, {"days": [7]})
    assert swept.frame.height == 0
    assert "sharpe" in swept.frame.columns
    assert swept.failures["reason"].to_list() == ["ValueError: seven"]


def test_many_failures_are_counted_and_not_all_kept():
    swept = sweep(Stopped, {"days": [5], "stop": [-0.001 * step for step in range(1, 1501)] + [0.1]})
    assert swept.failed == 1500
    assert swept.failures.height == 1001
    assert swept.failures["combinations"][-1] == 500
