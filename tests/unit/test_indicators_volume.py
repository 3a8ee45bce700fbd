"""Volume and money flow against naive twins, other libraries and published tables."""

import datetime

import numpy as np
import pandas as pd
import pandas_ta_classic as classic
import polars as pl
import pytest

from stockstream.bars import Bars
from stockstream.errors import DataError
from stockstream.indicators import (
    AD,
    ADOSC,
    CMF,
    EFI,
    EMV,
    KVO,
    MARKETFI,
    MFI,
    NVI,
    OBV,
    PVI,
    PVO,
    PVT,
    VWAP,
    WAD,
    with_indicators,
)
from tests.reference import agreement
from tests.reference.oracles_volume import ORACLES
from tests.reference.sample_series import hostile, random_walk
from tests.reference.twins_volume import TWINS

DEFAULTS = [
    OBV(),
    VWAP(),
    AD(),
    ADOSC(),
    CMF(),
    MFI(),
    EFI(),
    NVI(),
    PVI(),
    PVT(),
    PVO(),
    EMV(),
    KVO(),
    MARKETFI(),
    WAD(),
]
OTHERS = [ADOSC(5, 2), CMF(1), CMF(7), MFI(1), MFI(6), EFI(1), EFI(3), PVO(3, 3), PVO(9, 4), KVO(2, 5)]
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


#: Achelis, Technical Analysis from A to Z: highs, lows, closes, volumes of pages 50 and 99.
PAGE_50 = (
    [8.625, 8.875, 9.375, 10.125, 9.375, 10.125, 10.0, 9.75, 9.5, 9.625, 10.0, 9.75, 9.125, 9.25],
    [8.25, 8.375, 8.375, 8.75, 8.75, 9.25, 9.125, 9.375, 9, 8.875, 9.375, 8.75, 8.75, 9.125],
    [8.625, 8.375, 9.375, 8.75, 9.375, 9.875, 9.375, 9.625, 9.125, 9.25, 9.75, 8.875, 8.875, 9.125],
    [19194, 10768, 20032, 55218, 13172, 22245, 15987, 9646, 10848, 14470, 14973, 15799, 16860, 6568],
)
PAGE_170 = (
    [181.5, 182.375, 185.5, 186.5, 199.625, 199.5, 202.375, 203, 198.875],
    [176.875, 178.625, 181.312, 183, 181.875, 192.25, 193.25, 192.25, 190.25],
    [178, 180.625, 182.125, 183.438, 197.188, 194.562, 197.688, 193.125, 196.938],
    [40530, 45506, 57101, 48758, 98656, 74405, 67085, 39736, 44768],
)
#: Indicator, inputs, bar of the first number, numbers, largest difference that the book's rounding explains.
PUBLISHED = {
    "Achelis p. 50": (AD(), PAGE_50, 0, [19194, 8426, 28458, -26760, -13588, -4054.429, -10906, -7690.666], 1e-3),
    "Achelis p. 99": (ADOSC(), PAGE_50, 9, [-7539.927, -5614.803, -8087.032, -10151.396, -12162.872], 1e-3),
    "Achelis p. 132": (
        EMV(),
        (
            [23.75, 23.75, 23.75, 25.0625, 26.25, 26.875, 27, 26.875, 28],
            [23, 23.1875, 23.25, 23.5, 25, 25.8125, 25.875, 25.75, 26.3125],
            [125733, 83819, 111390, 211366, 240664, 219933, 155943, 138913, 226220],
        ),
        1,
        [0.0063, 0.0014, 0.0578, 0.0698, 0.0347, 0.0068, -0.0101, 0.0629],
        6e-5,
    ),
    "Achelis p. 170": (
        KVO(),
        PAGE_170,
        1,
        [0, 30592.025, 76513.51, 69705.806, 155965.363, 222414.181, 183932.556, 117664.482],
        1e-2,
    ),
    "Achelis p. 216": (
        NVI(),
        (
            [6.5313, 6.5625, 6.4688, 6.4375, 6.2188, 6.25, 6.125, 6.1563],
            [10500, 6492, 6540, 8924, 5416, 4588, 16236, 2864],
        ),
        0,
        [1000, 1004.776997, 1004.776997, 1004.776997, 970.6418934, 975.5116475, 975.5116475, 980.4967111],
        1e-6,
    ),
    "Achelis p. 231": (
        OBV(),
        (
            [20.5625, 20.375, 20.0625, 19.5, 19.8125, 19.8125, 20.0625, 20.0625, 20.375, 20.75],
            [27802, 16178, 22766, 46074, 22904, 20428, 29260, 30652, 38332, 40054],
        ),
        0,
        [0, -16178, -38944, -85018, -62114, -62114, -32854, -32854, 5478, 45532],
        0,
    ),
    "Achelis p. 368": (
        WAD(),
        (
            [21.5, 21.625, 21.125, 22.438, 23.5, 23.25, 25, 25.625],
            [20.75, 21, 20.5, 20.875, 22.438, 22.438, 22.875, 23.75],
            [21.25, 21.031, 20.875, 22, 22.5, 23, 24.563, 25.375],
        ),
        1,
        [-0.594, -0.844, 0.281, 0.781, 1.343, 3.031, 4.656],
        1.5e-3,
    ),
    "Achelis, companion spreadsheet": (
        MFI(),
        (
            [
                6.1094,
                6.4063,
                6.4375,
                6.4844,
                6.4219,
                6.4688,
                6.3438,
                6.2188,
                6.1406,
                6.2031,
                6.2109,
                6.3281,
                6.6094,
                6.5625,
                6.5625,
                6.57813,
                6.53125,
            ],
            [
                5.9531,
                6.0938,
                6.2188,
                6.3125,
                6.2969,
                6.375,
                6.1953,
                6.1016,
                6,
                6.0938,
                6.0938,
                6.2188,
                6.3594,
                6.4688,
                6.4531,
                6.375,
                6.42188,
            ],
            [
                6.0625,
                6.3359,
                6.3438,
                6.3281,
                6.375,
                6.4063,
                6.2188,
                6.125,
                6.1172,
                6.0938,
                6.1875,
                6.3281,
                6.5313,
                6.5156,
                6.4688,
                6.48438,
                6.48438,
            ],
            [
                340384,
                691088,
                536624,
                470944,
                356992,
                399920,
                589984,
                259152,
                379152,
                269856,
                195152,
                390208,
                557168,
                267728,
                318816,
                262352,
                261008,
            ],
        ),
        14,
        [66.77737978, 59.03448482, 54.37481709],
        1e-6,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_equals_published_numbers(name):
    indicator, inputs, first, printed, rounding = PUBLISHED[name]
    found = indicator(*inputs)[first : first + len(printed)]
    np.testing.assert_allclose(found, printed, atol=rounding, rtol=0)


def test_without_volume_there_is_no_average_price():
    price = np.array([10.0, 11.0, 12.0, 13.0])
    found = VWAP()(price, price, price, np.array([0.0, 0.0, 5.0, 5.0]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 12.0, 12.5])


def test_equal_typical_prices_are_a_tie_whatever_their_rounding():
    """Two real bars of NAB: both sums are 91.741684, the quotients differ in the last bit."""
    high, low = np.array([30.0, 30.669348, 30.859604]), np.array([29.0, 30.402988, 30.44104])
    close = np.array([29.5, 30.669348, 30.44104])
    typical = (high + low + close) / 3
    assert typical[1] != typical[2]
    found = MFI(1)(high, low, close, np.full(3, 100.0))
    np.testing.assert_array_equal(found, [np.nan, 100.0, np.nan])


@pytest.mark.parametrize("indicator", [CMF(3), MFI(3), MARKETFI(), EMV(), VWAP(), PVO(2, 3)], ids=shown)
def test_a_suspended_stock_has_no_value(indicator):
    """Never a 0 that a rule could take for a signal."""
    walk = {**random_walk(40), "volume": np.zeros(40)}
    assert np.isnan(indicator(*(walk[name] for name in indicator.inputs))).all()


class TestAnchors:
    dates = np.arange("2024-01-03", "2024-05-01", dtype="M8[D]")
    dates = dates[np.is_busday(dates)]
    walk = random_walk(len(dates))
    arrays = (walk["high"], walk["low"], walk["close"], walk["volume"])

    @pytest.mark.parametrize("anchor", ["none", "day", "session", "week"])
    def test_equals_its_naive_twin(self, anchor):
        indicator = VWAP(anchor=anchor)
        found = indicator(*self.arrays, *([self.dates] if anchor != "none" else []))
        (expected,) = TWINS["VWAP"](indicator, *self.arrays, self.dates.astype(float))
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    def test_weeks_equal_another_library(self):
        frame = pd.DataFrame(dict(zip(("high", "low", "close", "volume"), self.arrays, strict=True)), self.dates)
        theirs = classic.vwap(**frame, anchor="W")
        np.testing.assert_allclose(VWAP(anchor="week")(*self.arrays, self.dates), theirs, rtol=1e-12)

    def test_a_day_alone_is_its_typical_price(self):
        high, low, close, _ = self.arrays
        np.testing.assert_array_equal(VWAP(anchor="day")(*self.arrays, self.dates), (high + low + close) / 3)

    def test_bars_frames_streams_and_chunks_agree_with_arrays(self):
        indicator = VWAP(anchor="week")
        expected = indicator(*self.arrays, self.dates)
        frame = pl.DataFrame({"date": self.dates, **self.walk})
        bars = Bars.from_arrays(
            symbols=["BHP"], dates=self.dates, **{name: values[None] for name, values in self.walk.items()}
        )
        np.testing.assert_array_equal(indicator(bars)[0], expected)
        np.testing.assert_array_equal(with_indicators(frame, [indicator])["vwap_week"], expected)
        stream = indicator.stream()
        rows = list(frame.iter_rows(named=True))
        assert isinstance(rows[0]["date"], datetime.date)
        np.testing.assert_array_equal([stream.update(row) for row in rows], expected)
        agreement.same_bits_in_chunks(indicator, {**self.walk, "date": self.dates.astype(float)})

    def test_asks_for_dates(self):
        with pytest.raises(DataError, match=r"expects 5 arrays .*date.*found 4"):
            VWAP(anchor="week")(*self.arrays)
