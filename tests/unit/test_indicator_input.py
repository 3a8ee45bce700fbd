"""What indicators refuse: the error names the argument, the value and what is allowed, whichever the indicator."""

import re

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import stockstream as ss
from stockstream.errors import DataError, ParameterError, UnknownNameError
from stockstream.indicators import BBANDS, MACD, OBV, RSI, SMA, VWAP, catalogue, frames
from stockstream.indicators.declaration import LARGEST_WINDOW

CLASSES = catalogue.builtin()
BAD_WINDOWS = (0, -1, LARGEST_WINDOW + 1, 2.5, 20.0, True, float("nan"), float("inf"), "20", None, np.float64(3))
BAD_NUMBERS = (float("nan"), float("inf"), "2", None, True, -1e12)
CLOSE = np.linspace(10, 20, 30)


def declared(kind):
    return [(cls, name) for cls in CLASSES.values() for name, allowed in cls.ranges().items() if allowed.kind == kind]


def refuses(cls, name, value):
    allowed = cls.ranges()[name]
    words = f"{cls.__name__}: expected {name} to be {allowed}; found {value!r}"
    with pytest.raises(ParameterError, match=re.escape(words)):
        cls(**{name: value})


@pytest.mark.parametrize(("cls", "name"), declared("int"), ids=str)
def test_windows_out_of_range_are_refused(cls, name):
    for value in BAD_WINDOWS:
        if value == 0 and cls.ranges()[name].low == 0 and not isinstance(value, bool):
            continue
        found = value.item() if isinstance(value, np.generic) else value
        refuses(cls, name, found)
        with pytest.raises(ParameterError, match=re.escape(f"found {found!r}")):
            cls(**{name: [cls.defaults()[name], value]})
    refuses(cls, name, int(cls.ranges()[name].low) - 1)
    refuses(cls, name, int(cls.ranges()[name].high) + 1)


@pytest.mark.parametrize(("cls", "name"), declared("float"), ids=str)
def test_numbers_out_of_range_are_refused(cls, name):
    for value in BAD_NUMBERS:
        refuses(cls, name, value)


@pytest.mark.parametrize(("cls", "name"), declared("choice"), ids=str)
def test_switches_that_do_not_exist_are_refused(cls, name):
    for value in ("no such", 0, None, "SMA"):
        refuses(cls, name, value)


@pytest.mark.parametrize(("cls", "name"), declared("int"), ids=str)
def test_whole_numbers_of_numpy_are_taken(cls, name):
    default = cls.defaults()[name]
    built = cls(**{name: np.int64(default)})
    assert built == cls()
    assert type(getattr(built, name)) is int


def test_parameters_that_do_not_exist_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'windw'"):
        SMA(windw=3)
    with pytest.raises(ParameterError, match="SMA: expected at least one value for window; found an empty sequence"):
        SMA([])


# ---- arrays ------------------------------------------------------------------------------------------------------

BAD_ARRAYS = {
    "text": (np.full(30, "x"), "expected numbers for {name}; found an array of <U1"),
    "objects": (np.array([None] * 30), "expected numbers for {name}; found an array of object"),
    "truth values": (CLOSE > 15, "expected numbers for {name}; found an array of bool"),
    "complex": (CLOSE * 1j, "expected numbers for {name}; found an array of complex128"),
    "times": (CLOSE.astype("datetime64[s]"), "expected numbers for {name}; found an array of datetime64[s]"),
    "a panel": (np.ones((2, 30)), "expected {name} of shape (T,), one symbol's bars in order; found (2, 30)"),
    "one number": (np.float64(3), "expected {name} of shape (T,), one symbol's bars in order; found ()"),
}


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_arrays_of_something_else_are_refused(cls, what):
    values, words = BAD_ARRAYS[what]
    for place, name in enumerate(cls.inputs):
        inputs = [CLOSE] * len(cls.inputs)
        inputs[place] = values
        with pytest.raises(DataError, match=re.escape(words.format(name=name))):
            cls()(*inputs)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_too_many_few_or_unequal_arrays_are_refused(cls):
    names, count = ", ".join(cls.inputs), len(cls.inputs)
    for given in {0, count - 1, count + 1} - {count}:
        with pytest.raises(DataError, match=re.escape(f"({names}); found {given}")):
            cls()(*[CLOSE] * given)
    if count > 1:
        with pytest.raises(
            DataError, match=rf"{cls.__name__} expects arrays of one length; found .*{cls.inputs[-1]} 29"
        ):
            cls()(*[CLOSE] * (count - 1), CLOSE[1:])


def test_an_indicator_on_another_is_not_called_with_arrays():
    with pytest.raises(ParameterError, match="call it on Bars, use it in a rule, or call SMA on the array"):
        SMA(3, of=RSI(14))(CLOSE)
    with pytest.raises(ParameterError, match=r"VWAP reads high, low, close, volume; of= replaces a single price"):
        VWAP(of=RSI(14))


# ---- frames ------------------------------------------------------------------------------------------------------

DAYS = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 30), eager=True)
FRAME = pl.DataFrame({"symbol": ["A"] * 15 + ["B"] * 15, "date": DAYS, "close": CLOSE, "volume": CLOSE})


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME.rename({"close": "Close"}), "expected a column 'close'; the frame has symbol, date, Close, volume."),
        (FRAME.rename({"volume": "volum"}), "expected a column 'volume'; .* Did you mean 'volum'"),
    ],
)
def test_missing_columns_are_named(frame, words):
    with pytest.raises(UnknownNameError, match=words):
        OBV().calculate(frame)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME.with_columns(pl.col("close").cast(pl.String)), "expected numbers in column 'close'; found String"),
        (FRAME.with_columns(pl.col("close") > 1), "expected numbers in column 'close'; found Boolean"),
        (FRAME.reverse(), "expected increasing dates within each symbol; sort the frame by symbol and date"),
        (FRAME[[0, 0, 1]], "expected increasing dates within each symbol; .* drop duplicates"),
        (
            FRAME.sort("volume").gather_every(2).vstack(FRAME[[1]]),
            "expected each symbol's rows together; sort the frame",
        ),
        (FRAME.drop("symbol").reverse(), "expected increasing dates"),
    ],
)
def test_frames_out_of_order_or_of_text_are_refused(frame, words):
    with pytest.raises(DataError, match=words):
        ss.with_indicators(frame, [SMA(3), OBV()])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME.lazy(), "found polars.*LazyFrame; call .collect\\(\\) first"),
        ({"close": [1.0]}, "expected a Polars DataFrame; found builtins.dict; convert it"),
        (FRAME.with_columns(pl.col("date").cast(pl.String)), "expected a date in column 'date' .*; found String"),
        (FRAME.with_columns(pl.lit(None, dtype=pl.Date).alias("date")), "column 'date' .*; found 30 null"),
    ],
)
def test_other_frames_and_other_dates_are_refused(frame, words):
    with pytest.raises(DataError, match=words):
        ss.with_indicators(frame, [SMA(3)])


@pytest.mark.parametrize("given", ["RSI", SMA(3), [SMA(3), "RSI"], [SMA]])
def test_something_else_than_a_list_of_indicators_is_refused(given):
    with pytest.raises(ParameterError, match=r"expected a list of indicators such as \[RSI\(14\), .*; found"):
        ss.with_indicators(FRAME, given)


def test_columns_are_read_where_they_lie_unless_they_hold_nulls_or_are_of_several_chunks():
    table, _ = frames._table(FRAME, [OBV()])
    assert np.shares_memory(table.columns["close"], FRAME["close"].to_numpy())
    counts = FRAME.with_columns(pl.col("volume").round())
    expected = ss.with_indicators(counts, [OBV(), RSI(5)])[:, -2:]
    for frame in (
        pl.concat([counts.head(10), counts.tail(20)], rechunk=False),
        counts.with_columns(pl.col("volume").cast(pl.Int64)),
    ):
        assert_frame_equal(ss.with_indicators(frame, [OBV(), RSI(5)])[:, -2:], expected)
    absent = FRAME.drop("symbol", "date").with_columns(pl.when(pl.int_range(30) != 7).then("close"))
    added = ss.with_indicators(absent, [SMA(3)])["sma_3"]
    np.testing.assert_array_equal(added.gather(range(8, 30)), SMA(3)(absent["close"].drop_nulls())[7:])
    assert added[7] is None


def test_frames_without_rows_or_bars_get_empty_columns():
    empty = FRAME.head(0)
    assert ss.with_indicators(empty, [SMA(3), MACD()]).columns[-4:] == ["sma_3", "macd", "macd_signal", "macd_hist"]
    blank = FRAME.with_columns(pl.lit(None, dtype=pl.Float64).alias("close"))
    assert SMA(3).calculate(blank)["sma_3"].null_count() == 30


# ---- rules -------------------------------------------------------------------------------------------------------


def test_several_outputs_are_chosen_from():
    with pytest.raises(
        AttributeError, match=r"BBANDS has no output or attribute 'uper'; outputs: .* Did you mean 'upper'"
    ):
        _ = BBANDS().uper
    with pytest.raises(UnknownNameError, match="unknown indicator 'SMMA'"):
        catalogue.find("SMMA")


@pytest.mark.parametrize(
    "use",
    [
        lambda grid: grid.stream(),
        lambda grid: grid.calculate(pl.DataFrame({"close": np.arange(5.0)})),
        lambda grid: ss.with_indicators(pl.DataFrame({"close": np.arange(5.0)}), [SMA(2), grid]),
    ],
)
def test_grids_are_refused_where_one_value_is_meant(use):
    with pytest.raises(
        ParameterError, match=r"SMA\(\(2, 3\)\) holds several values of window; .* one indicator for each"
    ):
        use(SMA([2, 3]))


def test_a_stream_names_what_is_no_number():
    with pytest.raises(DataError, match="expected a number for close in the bar; found 'x'"):
        RSI(14).stream().update("x")
