"""Momentum against naive twins, other libraries and laws."""

import numpy as np
import polars as pl
import pytest
from stockstream_kernels import averages, ladders, tiles

from stockstream import indicators
from stockstream.errors import ParameterError
from stockstream.indicators import (
    AO,
    APO,
    BOP,
    CCI,
    CMO,
    COPPOCK,
    CRSI,
    ER,
    ERI,
    FISHER,
    FOSC,
    KDJ,
    KST,
    MACD,
    MOM,
    PPO,
    QSTICK,
    ROC,
    RSI,
    SMI,
    STC,
    STOCH,
    STOCHF,
    STOCHRSI,
    TRIX,
    TSI,
    ULTOSC,
    WILLR,
)
from stockstream.indicators import ladders as lengths
from tests.reference import agreement
from tests.reference.oracles_momentum import ORACLES, SECOND, WHOLE
from tests.reference.sample_series import hostile, random_walk
from tests.reference.twins_momentum import TWINS

DEFAULTS = [getattr(indicators, name)() for name in TWINS]
OTHERS = [
    RSI(1),
    RSI(5),
    MOM(1),
    MOM(7),
    ROC(1),
    CMO(1),
    CMO(7),
    CMO(5, smoothing="wilder"),
    ER(1),
    ER(33),
    COPPOCK(1, 1, 1),
    COPPOCK(7, 20, 3),
    KST(1, 2, 3, 4, 5, 1, 2, 3, 4),
    FOSC(2),
    FOSC(14),
    CRSI(2, 3, 20),
    CRSI(30, 2, 5),
    MACD(5, 35, 5),
    MACD(5, 8, 4, align="talib"),
    MACD(align="talib"),
    MACD(1, 2, 1),
    PPO(3, 10, 16),
    APO(1, 2),
    APO(3, 10),
    TRIX(1),
    TRIX(5),
    TSI(1, 1),
    TSI(7, 3),
    ERI(1),
    STOCH(5, 3, 2),
    STOCH(1, 1, 1),
    STOCH(21, 8, 5),
    STOCHF(5, 4),
    STOCHRSI(3, 6, 1, 2),
    KDJ(5, 2, 4),
    WILLR(1),
    WILLR(17),
    CCI(2),
    CCI(7),
    ULTOSC(1, 2, 3),
    ULTOSC(3, 5, 17),
    AO(1, 2),
    AO(6, 19),
    QSTICK(1),
    QSTICK(15),
    SMI(5, 3, 3, 2),
    FISHER(2),
    FISHER(16),
    STC(5, 3, 10),
    STC(4, 5, 12, 2),
]
EVERY = DEFAULTS + OTHERS
SERIES = hostile()

#: Largest and smallest value that an indicator of this name can have.
BOUNDS = {
    "RSI": (0, 100),
    "CMO": (-100, 100),
    "ER": (0, 1),
    "CRSI": (0, 100),
    "TSI": (-100, 100),
    "STOCH": (0, 100),
    "STOCHF": (0, 100),
    "STOCHRSI": (0, 100),
    "WILLR": (-100, 0),
    "ULTOSC": (0, 100),
    "BOP": (-1, 1),
    "SMI": (-100, 100),
    "STC": (0, 100),
}


@pytest.mark.parametrize("indicator", EVERY, ids=repr)
@pytest.mark.parametrize("name", SERIES)
def test_equals_its_naive_twin(indicator, name):
    agreement.agrees_with_twin(indicator, TWINS[type(indicator).__name__], SERIES[name])


#: Windows of one bar, which other libraries refuse.
SHORTEST = {AO(1, 2), ER(1), WILLR(1), RSI(1), CMO(1), FOSC(2), MACD(1, 2, 1), APO(1, 2), TRIX(1), TSI(1, 1), ERI(1)}


@pytest.mark.parametrize("indicator", [i for i in EVERY if i not in SHORTEST], ids=repr)
@pytest.mark.parametrize("name", ["random walk", "leading NaN"])
def test_equals_another_library(indicator, name):
    agreement.agrees_with_oracle(indicator, ORACLES[type(indicator).__name__], SERIES[name])


def real(market_data, symbol):
    frame = pl.read_parquet(market_data / "prices" / "asx_yahoo_long_2010_2024.parquet")
    frame = frame.filter(pl.col("symbol") == symbol).sort("date").drop_nulls("close")
    return {name: frame[name].cast(pl.Float64).to_numpy() for name in SERIES["gaps"]}


@pytest.mark.parametrize("indicator", [*DEFAULTS, MACD(align="talib"), CMO(smoothing="wilder")], ids=repr)
@pytest.mark.parametrize("symbol", ["BHP", "CBA", "NAB"])
def test_equals_another_library_on_real_prices(indicator, symbol, market_data):
    agreement.agrees_with_oracle(indicator, ORACLES[type(indicator).__name__], real(market_data, symbol))


@pytest.mark.parametrize("name", WHOLE)
def test_equals_talibs_own_function_where_that_has_a_value(name):
    indicator, walk = getattr(indicators, name)(), random_walk(500)
    theirs = WHOLE[name](indicator, walk["high"], walk["low"], walk["close"])
    ours = list(agreement.outputs(indicator, walk).values())
    for found, expected in zip(ours[: len(theirs)], theirs, strict=True):
        known = ~np.isnan(expected)
        assert known.sum() > 400
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("source", SECOND)
def test_equals_a_second_library(source):
    indicator, (theirs, first) = getattr(indicators, source.split(",")[0])(), SECOND[source]
    walk = random_walk(500, seed=3)
    for found, expected in zip(agreement.outputs(indicator, walk).values(), theirs(walk), strict=True):
        known = ~np.isnan(expected[first:]) & ~np.isnan(found[first:])
        assert known.sum() > 300
        np.testing.assert_allclose(found[first:][known], expected[first:][known], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("indicator", EVERY, ids=repr)
def test_chunks_and_stream_give_the_same_bits(indicator):
    agreement.same_bits_in_chunks(indicator, SERIES["gaps"])
    agreement.same_bits_in_chunks(indicator, random_walk(9000), sizes=(4095, 1, 4097))
    agreement.same_bits_in_stream(indicator, SERIES["gaps in the close"])


@pytest.mark.parametrize("indicator", [WILLR(3000), STOCH(2500, 400, 300), ER(2999), AO(1000, 2100)], ids=repr)
def test_long_windows_move_their_past_in_chunks(indicator):
    walk = random_walk(9000, step=0.005)
    agreement.agrees_with_oracle(indicator, ORACLES[type(indicator).__name__], walk)
    agreement.same_bits_in_chunks(indicator, walk, sizes=(700, 1, 3001))


@pytest.mark.parametrize("indicator", EVERY, ids=repr)
def test_first_value_is_where_it_is_declared(indicator):
    agreement.warms_up_as_declared(indicator, random_walk(300, seed=11))


@pytest.mark.parametrize("indicator", [i for i in EVERY if type(i).__name__ in BOUNDS], ids=repr)
@pytest.mark.parametrize("name", ["random walk", "constant for a while", "rising"])
def test_stays_in_its_bounds(indicator, name):
    rising = 10 * 1.01 ** np.arange(300.0)
    up = {"open": rising * 0.999, "high": rising, "low": rising * 0.998, "close": rising}
    low, high = BOUNDS[type(indicator).__name__]
    for found in agreement.outputs(indicator, up if name == "rising" else SERIES[name]).values():
        known = found[~np.isnan(found)]
        assert len(known) > 50 or name != "random walk"
        assert (known >= low - 1e-9 * (high - low)).all()
        assert (known <= high + 1e-9 * (high - low)).all()


@pytest.mark.parametrize("indicator", DEFAULTS, ids=repr)
def test_a_price_that_never_moves_gives_zero_or_nothing(indicator):
    """Differences are exactly 0; shares of nothing are NaN, never a number that a rule would act on."""
    ratios = {"RSI", "CMO", "ER", "CRSI", "TSI", "STOCH", "STOCHF", "STOCHRSI", "KDJ", "WILLR", "CCI", "ULTOSC"}
    ratios |= {"BOP", "SMI", "FISHER", "STC"}
    still = dict.fromkeys(("open", "high", "low", "close"), np.full(300, 0.1))
    for found in agreement.outputs(indicator, still).values():
        if type(indicator).__name__ in ratios:
            assert np.isnan(found).all()
        else:
            assert (found[~np.isnan(found)] == 0).all()
            assert not np.isnan(found[-1])


def test_stochastic_rsi_of_a_price_that_stops_moving_is_not_made_of_rounding():
    walk = random_walk(100)["close"]
    stopped = np.concatenate([walk, np.full(60, walk[-1])])
    assert np.isnan(STOCHRSI()(stopped).k[100 + 16 :]).all()


def test_awesome_oscillator_of_a_price_that_stops_moving_is_zero():
    walk = random_walk(100)["close"]
    stopped = np.concatenate([walk, np.full(60, 0.1)])
    assert (AO()(stopped, stopped)[100 + 33 :] == 0).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: MACD(26, 12),
        lambda: PPO(12, 12),
        lambda: APO(5, 4),
        lambda: AO(34, 5),
        lambda: STC(10, 50, 23),
        lambda: ULTOSC(7, 7, 28),
        lambda: ULTOSC(7, 28, 14),
    ],
)
def test_windows_in_the_wrong_order_are_refused(build):
    with pytest.raises(ParameterError, match=r"expected .* to be smaller than"):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: FOSC(1),
        lambda: CCI(1),
        lambda: MOM(0),
        lambda: ROC(2.5),
        lambda: CMO(smoothing="plain"),
        lambda: KDJ(9, 0),
        lambda: QSTICK(-1),
        lambda: COPPOCK(10, 11, 0),
        lambda: BOP(3),
    ],
)
def test_windows_out_of_range_are_refused(build):
    with pytest.raises((ParameterError, TypeError), match=r"expected .* (a whole number|one of)|positional"):
        build()


def test_tiles_in_the_state_are_as_long_as_the_kernels_take_them_to_be():
    declared = (lengths.TILE, lengths.WIDE, lengths.PART, lengths.STRETCH, lengths.CHUNK)
    assert declared == (tiles.TILE, tiles.WIDE, averages.PART, ladders.STRETCH, ladders.CHUNK)


@pytest.mark.parametrize("window", [1, 2, 3, 14, 16, 255, 256, 257, 2047, 2048, 2049, 100_000])
def test_declared_lengths_of_state_are_those_of_the_kernels(window):
    rungs, chunk, length = getattr(ladders.shape, "py_func", ladders.shape)(window)
    assert lengths.room(window) == chunk
    assert 2 ** (rungs - 1) <= window < 2**rungs
    assert lengths.ladder(window) == length == 2**rungs - 1 + rungs * chunk


def test_columns_on_frames_have_the_common_names():
    walk = pl.DataFrame(random_walk(60))
    frame = indicators.with_indicators(walk, [MACD(), STOCH(), RSI(), WILLR(9), ERI(), KST(), SMI(), COPPOCK(), CRSI()])
    added = frame.columns[len(walk.columns) :]
    assert added[:6] == ["macd", "macd_signal", "macd_hist", "stoch_k", "stoch_d", "rsi_14"]
    assert added[6:] == [
        "willr_9",
        "eri_bull_13",
        "eri_bear_13",
        "kst",
        "kst_signal",
        "smi",
        "smi_signal",
        "coppock",
        "crsi",
    ]
