"""Statistics of windows and price transforms against naive twins and other libraries."""

import numpy as np
import polars as pl
import pytest

from stockstream.bars import Bars
from stockstream.errors import ParameterError
from stockstream.indicators import (
    AVGPRICE,
    BETA,
    CORREL,
    MAX,
    MEDPRICE,
    MIN,
    PERCENTRANK,
    SMA,
    STDDEV,
    TYPPRICE,
    WCLPRICE,
    ZSCORE,
    with_indicators,
)
from stockstream.indicators.expression import Column, from_dict
from tests.reference import agreement
from tests.reference.oracles_statistics import ORACLES
from tests.reference.sample_series import hostile, random_walk
from tests.reference.twins_statistics import TWINS

DEFAULTS = [
    MAX(),
    MIN(),
    STDDEV(),
    ZSCORE(),
    PERCENTRANK(),
    CORREL(),
    BETA(),
    TYPPRICE(),
    MEDPRICE(),
    WCLPRICE(),
    AVGPRICE(),
]
OTHERS = [
    MAX(1),
    MIN(7),
    STDDEV(1),
    STDDEV(5, 1),
    ZSCORE(5, 1),
    ZSCORE(2),
    PERCENTRANK(1),
    PERCENTRANK(12),
    CORREL(2),
    CORREL(9),
    BETA(2),
    BETA(9),
]
SERIES = hostile()


def shown(indicator):
    return repr(indicator)


@pytest.mark.parametrize("indicator", DEFAULTS + OTHERS, ids=shown)
@pytest.mark.parametrize("name", SERIES)
def test_equals_its_naive_twin(indicator, name):
    agreement.agrees_with_twin(indicator, TWINS[type(indicator).__name__], SERIES[name])


@pytest.mark.parametrize("indicator", DEFAULTS, ids=shown)
@pytest.mark.parametrize("name", ["random walk", "leading NaN"])
def test_equals_another_library(indicator, name):
    agreement.agrees_with_oracle(indicator, ORACLES[type(indicator).__name__], SERIES[name])


@pytest.mark.parametrize("indicator", DEFAULTS, ids=shown)
@pytest.mark.parametrize("symbol", ["BHP", "CBA", "NAB"])
def test_equals_another_library_on_real_prices(indicator, symbol, market_data):
    frame = pl.read_parquet(market_data / "prices" / "asx_yahoo_long_2010_2024.parquet")
    frame = frame.filter(pl.col("symbol") == symbol).sort("date").drop_nulls("close")
    series = {name: frame[name].cast(pl.Float64).to_numpy() for name in SERIES["gaps"]}
    agreement.agrees_with_oracle(indicator, ORACLES[type(indicator).__name__], series)


@pytest.mark.parametrize("indicator", DEFAULTS + OTHERS, ids=shown)
def test_chunks_and_stream_give_the_same_bits(indicator):
    agreement.same_bits_in_chunks(indicator, SERIES["gaps"])
    agreement.same_bits_in_chunks(indicator, random_walk(9000), sizes=(4095, 1, 4097))
    agreement.same_bits_in_stream(indicator, SERIES["gaps in the close"])


@pytest.mark.parametrize("indicator", DEFAULTS + OTHERS, ids=shown)
def test_first_value_is_where_it_is_declared(indicator):
    agreement.warms_up_as_declared(indicator, random_walk(300, seed=11))


ACHELIS = {
    "p. 191": (MEDPRICE(), ([16.1875, 15.75, 15.6875], [15.3125, 15.1875, 15.5]), [15.75, 15.4688, 15.5938]),
    "p. 345": (TYPPRICE(), ([10.125, 10.875], [8.375, 10], [10.125, 10.0]), [9.5417, 10.2917]),
    "p. 364": (WCLPRICE(), ([39.75, 39.625, 38.75], [38.25, 37.875, 36.5], [39, 38, 38.75]), [39, 38.375, 38.1875]),
    "p. 309": (
        STDDEV(5),
        ([21.4375, 21.6875, 22.125, 21.5625, 21.8125, 21.4375, 21.5, 21.1875, 20.6875, 20.9375],),
        [np.nan] * 4 + [0.2358, 0.2358, 0.2531, 0.2016, 0.3758, 0.3052],
    ),
}


@pytest.mark.parametrize("page", ACHELIS)
def test_equals_published_numbers(page):
    indicator, inputs, printed = ACHELIS[page]
    np.testing.assert_allclose(indicator(*inputs), printed, atol=6e-5, rtol=0)


def test_levels_cost_no_digits():
    """Anchored sums: a level of a million leaves variances of 1e-6 exact to nine digits."""
    wiggle = np.random.default_rng(3).normal(0, 1e-3, 400)
    level = 1e6 + wiggle
    other = 1e6 + 2 * np.round(wiggle, 4)
    for indicator in (STDDEV(20), ZSCORE(20), CORREL(20)):
        inputs = (level, other)[: len(indicator.inputs)]
        exact = TWINS[type(indicator).__name__](indicator, *(values - 1e6 for values in inputs))[0]
        np.testing.assert_allclose(indicator(*inputs), exact, rtol=1e-9)


def test_a_series_is_correlated_with_itself_and_against_its_mirror():
    walk = random_walk(200)["close"]
    same, mirror = CORREL(10)(walk, walk)[9:], CORREL(10)(walk, -walk)[9:]
    moves = STDDEV(10)(walk)[9:] > 0
    np.testing.assert_allclose(same[moves], 1, rtol=1e-12)
    np.testing.assert_allclose(mirror[moves], -1, rtol=1e-12)
    assert (abs(same[moves]) <= 1).all()


def test_beta_of_a_leveraged_series_is_its_leverage():
    market = random_walk(200)["close"]
    returns = np.diff(market) / market[:-1]
    stock = 30 * np.cumprod(np.concatenate([[1], 1 + 1.5 * returns]))
    found = BETA(20)(stock, market)[20:]
    np.testing.assert_allclose(found, 1.5, rtol=1e-9)


class TestPairs:
    bars = Bars.from_arrays(
        symbols=["BHP"],
        dates=np.arange("2024-01-01", "2024-10-27", dtype="M8[D]"),
        **{name: values[None] for name, values in random_walk(300).items()},
    )
    close, volume, high = bars.close[0], bars.volume[0], bars.high[0]

    def test_reads_close_and_volume_when_nothing_is_said(self):
        np.testing.assert_array_equal(CORREL(9)(self.bars)[0], CORREL(9)(self.close, self.volume))

    def test_takes_any_two_expressions(self):
        found = BETA(9, of=Column("high"), other=SMA(5))(self.bars)[0]
        np.testing.assert_array_equal(found, BETA(9)(self.high, SMA(5)(self.close)))

    def test_names_and_survives_a_round_trip(self):
        pair = CORREL(9, of=Column("high"), other=SMA(5))
        assert repr(pair) == "CORREL(9, of=high, other=SMA(5))"
        assert from_dict(pair.to_dict()) == pair
        assert pair.column_names() == ("correl_9_of_high_with_sma_5",)
        frame = pl.DataFrame({"high": self.high, "close": self.close})
        np.testing.assert_array_equal(
            with_indicators(frame, [pair])[pair.column_names()[0]].fill_null(np.nan), pair(self.bars)[0]
        )

    def test_streams_the_same_bits(self):
        pair = CORREL(9, other=Column("high"))
        stream = pair.stream()
        found = [stream.update({"close": c, "high": h}) for c, h in zip(self.close, self.high, strict=True)]
        np.testing.assert_array_equal(found, pair(self.bars)[0])

    def test_refuses_arrays_once_its_series_are_chosen(self):
        with pytest.raises(ParameterError, match="call CORREL on two arrays"):
            CORREL(9, other=Column("high"))(self.close, self.volume)


@pytest.mark.parametrize(
    "build", [lambda: ZSCORE(1, 1), lambda: STDDEV(1, 1), lambda: CORREL(1), lambda: BETA(1), lambda: PERCENTRANK(0)]
)
def test_windows_too_short_to_mean_anything_are_refused(build):
    with pytest.raises(ParameterError, match="expected window to be"):
        build()
