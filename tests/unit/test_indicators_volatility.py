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
    RVI(3, 2),
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


#: Published tables: indicator, inputs, output, decimals printed, values from the first bar that is printed.
ACHELIS_RANGES = (
    [12.3125, 12.25, 12.3125, 12.2812, 12.375, 12.375, 12.3125, 12.375, 12.5, 12.5938, 12.3438, 12.4062],
    [12.1875, 12.1562, 12.1875, 12.125, 12.125, 12.2812, 12.1875, 12.1875, 12.2812, 12.3125, 12.2812, 12.2812],
    [12.25, 12.1875, 12.25, 12.1875, 12.375, 12.3125, 12.2188, 12.3438, 12.5, 12.375, 12.3438, 12.3438],
)
STOCKCHARTS_QQQ = (
    [
        48.7,
        48.72,
        48.9,
        48.87,
        48.82,
        49.05,
        49.2,
        49.35,
        49.92,
        50.19,
        50.12,
        49.66,
        49.88,
        50.19,
        50.36,
        50.57,
        50.65,
        50.43,
        49.63,
        50.33,
        50.29,
        50.17,
        49.32,
    ],
    [
        47.79,
        48.14,
        48.39,
        48.37,
        48.24,
        48.635,
        48.94,
        48.86,
        49.5,
        49.87,
        49.2,
        48.9,
        49.43,
        49.725,
        49.26,
        50.09,
        50.3,
        49.21,
        48.98,
        49.61,
        49.2,
        49.43,
        48.08,
    ],
    [
        48.16,
        48.61,
        48.75,
        48.63,
        48.74,
        49.03,
        49.07,
        49.32,
        49.91,
        50.13,
        49.53,
        49.5,
        49.75,
        50.03,
        50.31,
        50.52,
        50.41,
        49.34,
        49.37,
        50.23,
        49.2375,
        49.93,
        48.43,
    ],
)
STOCKCHARTS_CLOSES = (
    [
        91.8021,
        92.6647,
        92.6843,
        92.3021,
        92.7725,
        92.5373,
        92.949,
        93.2039,
        91.0669,
        89.8318,
        89.7435,
        90.3994,
        90.7387,
        88.0177,
        88.0867,
        86.8439,
        90.7781,
        90.5416,
        91.3894,
        90.65,
    ],
)
PUBLISHED = {
    "Achelis p. 70, true range": (
        TR(first_tr="range"),
        ACHELIS_RANGES,
        0,
        [0.125, 0.0938, 0.125, 0.1562, 0.25, 0.0938, 0.125, 0.1875, 0.2188, 0.2813, 0.0938, 0.125],
    ),
    "Achelis p. 70, average true range": (
        ATR(4, first_tr="range"),
        ACHELIS_RANGES,
        3,
        [0.125, 0.1563, 0.1406, 0.1367, 0.1494, 0.1668, 0.1954, 0.17, 0.1587],
    ),
    "StockCharts cs-atr": (
        ATR(14, first_tr="range"),
        STOCKCHARTS_QQQ,
        13,
        [0.555, 0.5939, 0.5858, 0.5689, 0.6155, 0.6179, 0.6424, 0.6743, 0.6928, 0.7754],
    ),
    "Achelis p. 73, upper band": (
        BBANDS(5, 2.0),
        ([31.875, 32.125, 32.3125, 32.125, 31.875, 32.3125, 32.25, 32.4375, 32.8125, 32.375],),
        4,
        [32.3979, 32.4721, 32.5048, 32.5824, 32.9427, 32.8328],
    ),
    "StockCharts cs-bbands, last upper band": (BBANDS(), STOCKCHARTS_CLOSES, 19, [94.432224]),
    "Achelis p. 309, standard deviation squared": (
        VAR(5),
        ([21.4375, 21.6875, 22.125, 21.5625, 21.8125, 21.4375, 21.5],),
        4,
        [0.2358**2, 0.2358**2, 0.2531**2],
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_equals_published_numbers(name):
    indicator, inputs, first, printed = PUBLISHED[name]
    answer = indicator(*inputs)
    found = answer if len(indicator.outputs) == 1 else answer.upper
    assert np.isnan(found[:first]).all()
    np.testing.assert_allclose(found[first : first + len(printed)], printed, atol=6e-5, rtol=0)


def test_last_row_of_stockcharts_bollinger_bands():
    bands = BBANDS()(*STOCKCHARTS_CLOSES)
    found = [bands.middle[-1], (bands.upper[-1] - bands.middle[-1]) / 2, bands.upper[-1], bands.lower[-1]]
    np.testing.assert_allclose(found, [90.950180, 1.741022, 94.432224, 87.468136], atol=5e-7, rtol=0)


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
