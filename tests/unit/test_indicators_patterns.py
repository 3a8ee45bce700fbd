"""Candlestick patterns equal TA-Lib on every bar, on candles made to hold every pattern and near misses."""

import numba
import numpy as np
import polars as pl
import pytest
import talib
from stockstream_kernels._candles import scale

import stockstream.indicators
from stockstream.indicators import SMA, catalogue
from stockstream.indicators.expression import from_dict
from stockstream.indicators.pattern_program import Assembly, reciprocal
from stockstream.indicators.pattern_rules import patterns
from stockstream.indicators.pattern_table import SETTINGS
from stockstream.indicators.patterns import CDLENGULFING, CDLHARAMI, CDLMORNINGSTAR, DECLARED
from tests.reference import agreement, parity
from tests.reference.made_candles import every_pattern, tick_walk
from tests.reference.oracles_patterns import ORACLES

WALKS = {
    "whole ticks": tick_walk(6000, 1, [1, 2]),
    "whole ticks of many sizes": tick_walk(6000, 2, [1, 3, 10]),
    "cents": tick_walk(6000, 3, [1, 2, 6], tick=0.01),
}
each_pattern = pytest.mark.parametrize("name", DECLARED)


@pytest.fixture(scope="module")
def made():
    """Give a series with every rule of every pattern."""
    return every_pattern(patterns().values())


def equal(indicator, series):
    """Compare every bar; give what was found after the warm-up."""
    (found,), (wanted,) = (
        answer.values()
        for answer in (
            agreement.outputs(indicator, series),
            ORACLES[type(indicator).__name__](indicator, *columns(series)),
        )
    )
    np.testing.assert_array_equal(found, wanted, err_msg=repr(indicator))
    return found[indicator.warmup() :]


def columns(series):
    return (series[name] for name in ("open", "high", "low", "close", "volume"))


def test_all_of_the_oracle_are_there():
    assert set(DECLARED) == set(talib.get_function_groups()["Pattern Recognition"])
    assert len(DECLARED) == 61


@each_pattern
def test_equal_where_every_pattern_is_met_and_missed(name, made):
    found = equal(DECLARED[name](), made)
    values = {rule.value for rule in patterns()[name].rules}
    assert values <= set(found), f"{values} expected, {set(found)} found"


@each_pattern
def test_equal_on_walks_of_ticks(name):
    for series in WALKS.values():
        equal(DECLARED[name](), series)


@each_pattern
def test_equal_on_real_prices(name, market_data):
    frame = pl.read_parquet(market_data / "prices" / "asx_yahoo_long_2010_2024.parquet")
    for symbol in frame["symbol"].unique(maintain_order=True):
        equal(DECLARED[name](), parity.columns_of(frame, symbol))


@pytest.mark.parametrize("name", [name for name, pattern in patterns().items() if pattern.penetration is not None])
def test_equal_with_other_penetrations(name, made):
    found = [equal(DECLARED[name](share), made) for share in (0.0, 0.1, 0.45, 0.9, 1.5)]
    assert any((one != found[0]).any() for one in found[1:])


def test_a_false_break_is_doubled():
    for name in ("CDLHIKKAKE", "CDLHIKKAKEMOD"):
        found = np.concatenate([equal(DECLARED[name](), series) for series in WALKS.values()])
        assert {-200, -100, 0, 100, 200} == set(found)


@each_pattern
def test_a_bar_with_a_nan_begins_the_series_anew(name):
    series = {column: values[:150].copy() for column, values in WALKS["cents"].items()}
    for at, column in ((70, "high"), (90, "close"), (91, "open")):
        series[column][at] = np.nan
    indicator = DECLARED[name]()
    whole = agreement.outputs(indicator, series)[name.lower()]
    for first, stop in ((0, 70), (71, 90), (92, 150)):
        piece = {column: values[first:stop] for column, values in series.items()}
        np.testing.assert_array_equal(whole[first:stop], agreement.outputs(indicator, piece)[name.lower()])
    assert np.isnan(whole[[70, 90, 91]]).all()


def test_the_table_is_read_as_it_says():
    harami = patterns()["CDLHARAMI"]
    assert [rule.value for rule in harami.rules] == [80, -80, 100, -100]
    assert harami.candles == 2
    upright, mirrored = harami.rules[2:]
    assert [rule.conditions[0].relation for rule in (upright, mirrored)] == ["<", ">="]
    assert {(c.left.name, c.relation, c.right[0].name) for c in mirrored.conditions} >= {("bottom", ">", "bottom")}


def test_patterns_are_indicators_like_any_other():
    assert stockstream.indicators.CDLHARAMI is CDLHARAMI
    assert catalogue.find("cdlharami") is CDLHARAMI
    assert CDLMORNINGSTAR(0.5).column_names() == ("cdlmorningstar_0.5",)
    rule = (CDLENGULFING() > 0) & (SMA(20) > SMA(50))
    assert from_dict(rule.to_dict()) == rule
    with pytest.raises(AttributeError, match="CDLNOTHING"):
        _ = stockstream.indicators.CDLNOTHING


@numba.njit
def scaled(state, words, period, factors):
    for word in range(words):
        scale(state, 64 * word, 64 * word, period, factors, 0)


@pytest.mark.parametrize("period", sorted({setting.period for setting in SETTINGS.values()} - {0}))
def test_an_average_is_the_quotient_to_the_last_bit(period):
    """Multiplied twice instead of divided: also for sums whose quotients lie next to the middle of two numbers."""
    rng = np.random.default_rng(period)
    near = np.arange(2.0**52, 2.0**52 + 1000)
    random = (1 + rng.random(100_000)) * 2.0 ** rng.integers(-900, 1000, 100_000)
    sums = np.concatenate([random, near, near * period / 2, np.nextafter(near * period, 0), np.zeros(100)])
    sums = np.resize(sums, -(-len(sums) // 64) * 64)
    found = sums.copy()
    scaled(found, len(found) // 64, period, np.array([*reciprocal(period), 1.0]))
    np.testing.assert_array_equal(found, sums / period)


def test_conditions_are_asked_once_and_first_what_all_rules_share():
    assembly = Assembly(patterns()["CDLENGULFING"])
    assert len(assembly.questions) == 4
    assert assembly.rules[:2] == [80, 0]
    inside = Assembly(patterns()["CDL3INSIDE"])
    assert len(inside.questions) == 6
    assert inside.rules[:3] == [0, 0, 4]
