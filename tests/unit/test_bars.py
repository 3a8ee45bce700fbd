"""The border of the library: what comes in as bars is what the kernels read, or is refused with a reason."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import stockstream as ss
from stockstream.errors import DataError, ParameterError, StockstreamError, UnknownNameError

DATES = np.arange("2024-01-02", "2024-01-07", dtype="datetime64[D]")
CLOSE = np.array([[10.0, 11.0, 12.0, 11.0, 13.0], [5.0, np.nan, 6.0, 6.5, 7.0]])


def arrays(**replaced):
    """Return what two symbols on five sessions are made of; the second has no bar on the second."""
    panels = {"open": CLOSE, "high": CLOSE + 1, "low": CLOSE - 1, "close": CLOSE, "volume": CLOSE * 100}
    return {"symbols": ["BHP", "CBA"], "dates": DATES, **panels} | replaced


def bars(**replaced):
    return ss.Bars.from_arrays(**arrays(**replaced))


def frame(**columns):
    """Return the same as a long frame, in no order."""
    return bars().to_polars().sample(fraction=1.0, shuffle=True, seed=1).with_columns(**columns)


def changed(place, value, name="close"):
    panel = arrays()[name].copy()
    panel[place] = value
    return {name: panel}


def test_arrays_become_panels_that_nobody_can_change():
    made = bars()
    assert made.shape == (2, 5)
    assert made.close.tolist()[0] == CLOSE[0].tolist()
    assert made.present.tolist() == [[True] * 5, [True, False, True, True, True]]
    for panel in (made.open, made.close, made.volume, made.dates):
        assert panel.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            panel[0] = panel[-1]


def test_the_arrays_of_the_caller_stay_theirs():
    given_arrays = arrays()
    made = ss.Bars.from_arrays(**given_arrays)
    given_arrays["volume"][:] = -1
    assert (made.volume[made.present] > 0).all()


def test_one_symbol_may_come_as_one_row():
    row = CLOSE[0]
    made = ss.Bars.from_arrays(
        symbols="BHP", dates=DATES.astype(str), open=row, high=row, low=row, close=row, volume=row
    )
    assert made.shape == (1, 5)
    assert made.dates.tolist() == DATES.tolist()


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        (changed((0, 1), 0.0), "BHP on 2024-01-03 has a price that is not positive"),
        (changed((0, 1), -3.0), "BHP on 2024-01-03 has a price that is not positive"),
        (changed((0, 1), np.inf), "an infinite price or volume"),
        (changed((1, 1), 4.0), "CBA on 2024-01-03 has a bar with some of its four prices missing"),
        (changed((0, 1), np.nan, "open"), "some of its four prices missing"),
        (changed((0, 4), 1.0, "high"), "BHP on 2024-01-06 has high below low"),
        (changed((1, 0), -1.0, "volume"), "CBA on 2024-01-02 has a negative volume"),
        (changed((1, 0), np.inf, "volume"), "an infinite price or volume"),
        ({"close": CLOSE[:, :4]}, r"expected close of shape \(2, 5\).*found \(2, 4\)"),
        ({"close": [["a"] * 5] * 2}, "expected numbers for close"),
        ({"dates": DATES[::-1]}, "2024-01-05 comes before 2024-01-06"),
        ({"dates": DATES[[0, 1, 1, 2, 3]]}, "2024-01-03 comes twice"),
        ({"dates": [*DATES[:4].astype(str), "soon"]}, "expected dates like 2024-01-31; found"),
        ({"dates": [20240102, 20240103, 20240104, 20240105, 20240106]}, "expected dates like .* found 20240102"),
        ({"dates": DATES.astype("datetime64[s]") + np.timedelta64(10, "h")}, "the instant 2024-01-02T10:00:00"),
        ({"dates": [datetime.datetime(2024, 1, day, 23) for day in range(2, 7)]}, "the instant 2024-01-02T23:00"),
        ({"dates": np.array([*DATES[:4], np.datetime64("NaT", "D")])}, "1 missing"),
        ({"dates": DATES[:0]}, "expected a list of T >= 1 dates"),
        ({"symbols": ["BHP", "BHP"]}, "'BHP' is given 2 times"),
        ({"symbols": ["BHP", " "]}, "each a non-empty text"),
        ({"symbols": ["BHP", 7]}, "each a non-empty text"),
        ({"symbols": []}, "at least one symbol"),
        ({"split": np.where(CLOSE > 0, 0.0, np.nan)}, "expected finite split values above 0"),
        ({"dividend": -CLOSE}, "expected finite dividend values above 0"),
        ({"price_factor": CLOSE * np.inf}, "expected finite price_factor values above 0"),
        ({"dividends": CLOSE}, "unknown panel 'dividends'"),
        ({"delisted": {"BHP": "soon"}}, "expected a date like 2024-01-31; found 'soon'"),
        ({"delisted": {"BHP": 20240102}}, "expected a date like 2024-01-31; found 20240102"),
    ],
)
def test_what_no_market_printed_is_refused(replaced, said):
    with pytest.raises(StockstreamError, match=said):
        bars(**replaced)


def test_closes_a_little_outside_the_range_are_real():
    made = bars(**changed((0, 0), 11.5))
    assert made.close[0, 0] == 11.5


def test_dates_of_any_kind_are_days():
    midnights = [datetime.datetime(2024, 1, day) for day in range(2, 7)]
    for dates in (midnights, [stamp.date() for stamp in midnights], DATES.astype(str), DATES.astype("datetime64[ns]")):
        assert bars(dates=dates).dates.tolist() == DATES.tolist()


# ---- frames --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=40, unique=True),
    st.randoms(use_true_random=False),
)
def test_a_frame_in_any_order_comes_back_in_order(cells, random):
    rows = [
        {"symbol": f"S{symbol}", "date": datetime.date(2024, 1, 1 + day), **dict.fromkeys(ss.schema.OHLCV, 1.0 + day)}
        for symbol, day in cells
    ]
    ordered = pl.DataFrame(rows).sort("symbol", "date")
    random.shuffle(rows)
    made = ss.Bars.from_polars(pl.DataFrame(rows))
    assert_frame_equal(made.to_polars(), ordered)
    assert_frame_equal(ss.Bars.from_arrow(made.to_arrow()).to_polars(), ordered)
    assert_frame_equal(ss.Bars.from_pandas(made.to_pandas()).to_polars(), ordered)
    assert made.present.sum() == len(cells)


def test_optional_panels_travel_along():
    made = bars(dividend=np.where(DATES[2] == DATES, 0.5, np.nan) * [[1.0], [np.nan]], price_factor=CLOSE / CLOSE)
    again = ss.Bars.from_polars(made.to_polars())
    np.testing.assert_array_equal(again.dividend, made.dividend)
    np.testing.assert_array_equal(again.price_factor, made.price_factor)
    assert again.split is None


@pytest.mark.parametrize(
    ("given_frame", "said"),
    [
        (frame().drop("open", "volume"), "open, volume missing from"),
        (frame().clear(), "the frame is empty"),
        (frame(close=pl.lit("high")), "expected numbers in column 'close'; found String"),
        (frame(symbol=pl.lit(None, pl.String)), "expected a symbol in every row; 9 of 9 have none"),
        (frame(date=pl.lit("31/01/2024")), "expected dates like 2024-01-31; found '31/01/2024'"),
        (frame(date=pl.lit(20240131)), "expected a date in every row of 'date'; found type Int"),
        (frame(date=pl.lit(None, pl.Date)), "9 missing"),
        (frame(date=pl.col("date").cast(pl.Datetime) + pl.duration(hours=10)), "a UTC date is a day early"),
        (pl.concat([frame(), frame().filter(symbol="CBA")]), "CBA has several for 2024-01-02, 4 rows too many"),
    ],
)
def test_a_frame_that_is_wrong_is_refused(given_frame, said):
    with pytest.raises(DataError, match=said):
        ss.Bars.from_polars(given_frame)


def test_the_session_is_the_day_at_the_exchange():
    there = pl.col("date").cast(pl.Datetime).dt.replace_time_zone("Australia/Sydney")
    assert ss.Bars.from_polars(frame(date=there)).dates.tolist() == DATES.tolist()
    index = pd.DatetimeIndex(DATES).tz_localize("Australia/Sydney")
    one = pd.DataFrame({name.title(): CLOSE[0] for name in ss.schema.OHLCV}, index=index)
    assert ss.Bars.from_pandas(one, symbol="BHP").dates.tolist() == DATES.tolist()
    with pytest.raises(DataError, match="a UTC date is a day early"):
        ss.Bars.from_pandas(one.tz_convert("UTC"), symbol="BHP")


def test_pandas_says_which_symbol():
    one = pd.DataFrame({name.title(): CLOSE[0] for name in ss.schema.OHLCV}, index=DATES)
    with pytest.raises(DataError, match="expected a 'symbol' column"):
        ss.Bars.from_pandas(one)
    with pytest.raises(DataError, match="'close' is there twice"):
        ss.Bars.from_pandas(one.assign(close=1.0), symbol="BHP")
    long = bars().to_pandas()
    long.loc[3, "symbol"] = None
    with pytest.raises(DataError, match="expected a symbol in every row; 1 of 9 have none"):
        ss.Bars.from_pandas(long)


# ---- parts ---------------------------------------------------------------------------------------------------------


def test_parts_line_up():
    made = bars(delisted={"CBA": "2024-01-05"})
    assert made["CBA"].dates.tolist() == DATES.tolist()
    assert made.select(["CBA", "BHP"]).close.tolist()[1] == CLOSE[0].tolist()
    assert made.select(("BHP", "CBA")) is made
    assert made.between("2024-01-03", datetime.date(2024, 1, 5)).dates.tolist() == DATES[1:4].tolist()
    assert made.between(None, None) is made
    assert list(made) == ["BHP", "CBA"]
    assert "CBA" in made
    assert len(made) == 5


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (lambda made: made["BHB"], UnknownNameError, "no bars for symbol 'BHB'; these bars hold BHP, CBA.*'BHP'"),
        (lambda made: made.select([]), ParameterError, "at least one symbol, each once"),
        (lambda made: made.select(["BHP", "BHP"]), ParameterError, "at least one symbol, each once"),
        (lambda made: made.between("2025-01-01", None), DataError, "no sessions between 2025-01-01 and None"),
        (lambda made: made.between("2024-01-05", "2024-01-03"), DataError, "the order of the two dates"),
        (lambda made: made.between("now and then", None), ParameterError, "expected a date like 2024-01-31"),
        (lambda made: made.between(20240103, None), ParameterError, "found 20240103"),
    ],
)
def test_parts_that_are_not_there(asked, kind, said):
    with pytest.raises(kind, match=said):
        asked(bars())


def test_a_notebook_shows_names_as_text():
    shown = bars(symbols=["<b>", "CBA"])._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
