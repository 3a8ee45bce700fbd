"""What rules, their expressions and benchmarks take, and what they say of anything else."""

import datetime as dt
import math
import re

import numpy as np
import polars as pl
import pytest

import stockstream as ss
from stockstream.backtesting.benchmark import benchmark_levels
from stockstream.errors import DataError, ParameterError, UnknownNameError
from stockstream.indicators import RSI, SMA

DAYS = [dt.date(2024, 1, day) for day in range(2, 10)]


@pytest.fixture(scope="module")
def bars() -> ss.Bars:
    level = [10.0, 11.0, 9.0, 12.0, 12.0, 8.0, 13.0, 14.0, 3.0, 4.0]
    frame = pl.DataFrame(
        {
            "symbol": ["A"] * len(DAYS) + ["B"] * 2,
            "date": DAYS + DAYS[3:5],
            **dict.fromkeys(("open", "high", "low", "close"), level),
            "volume": [100] * (len(DAYS) + 2),
        }
    )
    return ss.Bars.from_polars(frame)


REFUSED = [
    (lambda: ss.close.shift(-1), "shift(-1) would read bars that are still in the future; expected 0 or more"),
    (lambda: ss.close.shift(1.0), "expected a whole number of bars for shift; found 1.0"),
    (lambda: ss.close.shift(True), "expected a whole number of bars for shift; found True"),
    (lambda: ss.close.change(-2), "shift(-2) would read bars that are still in the future"),
    (lambda: ss.when(3.0), "expected a condition in when(...); found the number 3.0"),
    (lambda: ss.when(ss.close), "expected a condition in when(...); found the number close"),
    (
        lambda: ss.when(ss.close > 1).then(1.0).otherwise(ss.close > 2),
        "expected two numbers or two conditions; found 1 and (close > 2)",
    ),
    (lambda: ss.close - float("nan"), "expected a number in a rule; found NaN"),
    (lambda: ss.close + np.float64("nan"), "expected a number in a rule; found NaN"),
    (lambda: ss.close > np.zeros(3), "found ndarray. Arrays go into ss.SignalStrategy or ss.TargetStrategy."),
    (lambda: ss.close > "10", "expected a column, an indicator or a number in a rule; found str."),
    (lambda: ss.close > None, "expected a column, an indicator or a number in a rule; found NoneType."),
    (lambda: ss.close > True, "expected a column, an indicator or a number in a rule; found bool."),
    (lambda: ss.Rules(enter_long=RSI(14)), "expected a condition for enter_long, such as RSI(14) < 30; found RSI(14)"),
    (lambda: ss.Rules(enter_long=True), "expected a condition for enter_long, such as RSI(14) < 30; found True"),
    (lambda: ss.Rules(exit_long=RSI(14) > 70), "expected enter_long or enter_short: without an entry there is nothing"),
    (
        lambda: ss.Rules(enter_long=RSI(14) < 30, stop_loss=ss.close > 1),
        "expected a number or a numeric expression for stop_loss; found (close > 1)",
    ),
    (lambda: ss.Rules(enter_long=RSI(14) < 30, stop_loss=0.0), "expected stop_loss above 0; found 0.0"),
    (lambda: ss.Rules(enter_long=RSI(14) < 30, max_bars=2.5), "expected max_bars to be a whole number; found 2.5"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), REFUSED, ids=[words[:40] for _, words in REFUSED])
def test_what_cannot_be_a_rule_is_refused_where_it_is_written(make, words):
    with pytest.raises(ParameterError, match=re.escape(words)):
        make()


def test_rules_travel_as_json_and_read_as_they_were_written():
    rules = ss.Rules(
        enter_long=~(10 - ss.close < 0) & (1 / ss.close).shift(2).ne(0.5),
        exit_long=(-ss.close + 2).eq(abs(ss.volume)) | ss.close.min(3).crosses_below(ss.close.mean(4)),
        stop_loss=0.1,
        rank=2 * SMA(5) - 1,
    )
    again = ss.Rules.from_json(rules.to_json())
    assert again == rules
    assert hash(again) == hash(rules)
    assert repr(again) == repr(rules)
    assert again.to_dict() == rules.to_dict()
    with pytest.raises(UnknownNameError, match=r"unknown rule 'enter_lon'; expected enter_long.*Did you mean"):
        ss.Rules.from_dict({"enter_lon": {}})


def test_levels_from_elsewhere_are_carried_to_the_sessions(bars):
    weekly = pl.DataFrame({"date": [DAYS[2], dt.date(2023, 12, 29)], "close": [110, 100]})
    assert benchmark_levels(weekly, bars).tolist() == [100.0, 100.0] + [110.0] * 6
    assert benchmark_levels(list(range(8)), bars).tolist() == [float(level) for level in range(8)]
    assert benchmark_levels("A", bars).tolist() == bars.close[0].tolist()
    assert benchmark_levels("B", bars).tolist()[3:] == [3.0] + [4.0] * 4
    assert benchmark_levels(None, bars) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pl.DataFrame({"date": DAYS}), "expected a Polars frame with the columns date and close as benchmark"),
        (pl.DataFrame({"date": DAYS[1:], "close": [1.0] * 7}), "the benchmark starts after the bars: .* 2024-01-02"),
        ([1.0, 2.0], r"one finite level per session, 8; found shape \(2,\)"),
        ([math.nan] * 8, r"one finite level per session, 8; found shape \(8,\)"),
        ("C", "no bars for symbol 'C'"),
    ],
)
def test_a_benchmark_that_does_not_fit_is_refused(bars, given, words):
    with pytest.raises((DataError, UnknownNameError), match=words):
        benchmark_levels(given, bars)
