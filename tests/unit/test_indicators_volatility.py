"""Volatility and bands against naive twins, other libraries and published tables."""

import numpy as np
import polars as pl
import pytest
import talib

from stockstream.errors import ParameterError
from stockstream.indicators import (
    ACCBANDS,
    ATR,
    BBANDS,
    CHAIKIN_VOL,
    CHANDELIER,
    CHOP,
    DONCHIAN,
    KELTNER,
    NATR,
    RVI,
    TR,
    ULCER,
    VAR,
)
from tests.reference import agreement
from tests.reference.oracles_volatility import ORACLES
from tests.reference.sample_series import hostile, random_walk
from tests.reference.twins_volatility import TWINS

DEFAULTS = [
    TR(),
    ATR(),
    NATR(),
    BBANDS(),
    KELTNER(),
    DONCHIAN(),
    VAR(),
    ULCER(),
    CHAIKIN_VOL(),
    RVI(),
    ACCBANDS(),
    CHOP(),
    CHANDELIER(),
]
OTHERS = [
    TR(first_tr="range"),
    ATR(1),
    ATR(5, first_tr="range"),
    NATR(3),
    BBANDS(1),
    BBANDS(2, 1.5, 1),
    BBANDS(7, 0.0),
    KELTNER(3, 9, 1.5, price="typical"),
    DONCHIAN(1),
    DONCHIAN(7),
    VAR(5, 1),
    VAR(1),
    ULCER(1),
    ULCER(5),
    CHAIKIN_VOL(3, 1),
    RVI(3, 1),
    RVI(5, 4),
    ACCBANDS(3),
    CHOP(2),
    CHANDELIER(1, 0.5),
    CHANDELIER(6),
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


def test_average_true_range_of_stockcharts_starts_at_bar_13(market_data):
    """StockCharts ChartSchool, cs-atr: the first bar's range counts, published to four digits."""
    high = [48.70, 48.72, 48.90, 48.87, 48.82, 49.05, 49.20, 49.35, 49.92, 50.19, 50.12, 49.66, 49.88, 50.19]
    low = [47.79, 48.14, 48.39, 48.37, 48.24, 48.64, 48.94, 48.86, 49.50, 49.87, 49.20, 48.90, 49.43, 49.73]
    close = [48.16, 48.61, 48.75, 48.63, 48.74, 49.03, 49.07, 49.32, 49.91, 50.13, 49.53, 49.50, 49.75, 50.03]
    found = ATR(14, first_tr="range")(high, low, close)
    assert np.isnan(found[:13]).all()
    assert found[13] == pytest.approx(0.555, abs=5e-4)


def test_keltner_meets_talib_in_the_limit():
    """Its average true range starts ten bars later than ours; after that the recursion forgets."""
    walk = random_walk(600)
    ours = KELTNER(price="typical")(walk["high"], walk["low"], walk["close"])
    theirs = talib.KC(walk["high"], walk["low"], walk["close"])
    assert abs(ours.upper[19] - theirs[0][19]) > 1e-3
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine[400:], other[400:], rtol=1e-12)


def test_bollinger_bands_of_a_constant_are_the_price():
    bands = BBANDS(20)(np.full(40, 0.1))
    for band in (bands.upper, bands.middle, bands.lower):
        assert (band[19:] == 0.1).all()
    assert (bands.width[19:] == 0).all()
    assert np.isnan(bands.percent_b).all()


@pytest.mark.parametrize("build", [lambda: BBANDS(1, ddof=1), lambda: VAR(1, 1), lambda: CHOP(1), lambda: ULCER(0)])
def test_windows_too_short_to_mean_anything_are_refused(build):
    with pytest.raises(ParameterError, match="expected window to be"):
        build()
