"""Laws of the lake: reading depends on what was written, never on the order, the number or the names of the files."""

import datetime as dt
import shutil
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.lake import Lake
from tests.reference.lake_reading import adjusted, as_traded, latest

FIRST = dt.date(2024, 1, 1)
CONTENT = ("open", "high", "low", "close", "volume", "adjusted_close")

prices = st.floats(1.0, 100.0)


@st.composite
def versions(draw):
    """Draw one version of one bar."""
    low, high = sorted((draw(prices), draw(prices)))
    return {
        "symbol": draw(st.sampled_from(["A", "B", "TRUE"])),
        "date": FIRST + dt.timedelta(draw(st.integers(0, 3))),
        "open": draw(prices),
        "high": high,
        "low": low,
        "close": draw(prices),
        "volume": draw(st.none() | st.integers(0, 3)),
        "adjusted_close": draw(prices),
        "fetched": draw(st.integers(0, 2)),
    }


batches = st.lists(
    st.lists(versions(), min_size=1, max_size=6, unique_by=lambda row: (row["symbol"], row["date"], row["fetched"])),
    min_size=1,
    max_size=5,
)


def filled(folder, some):
    lake = Lake(folder)
    for batch in some:
        columns = {name: [row[name] for row in batch] for name in ("symbol", "date", *CONTENT)}
        stamps = [f"2024-02-01T0{row['fetched']}:00:00.000000Z" for row in batch]
        lake.write_rows(columns | {"fetch_timestamp": stamps}, session=FIRST)
    return lake


def answers(lake):
    rows = lake.load_all_data().select("symbol", "date", *CONTENT).rows()
    assert lake.sql(f"SELECT symbol, date, {', '.join(CONTENT)} FROM prices ORDER BY symbol, date").fetchall() == rows
    return rows


def order_and_duplication(written, chance):
    again = [*written, *chance.sample(written, chance.randint(0, len(written)))]
    chance.shuffle(again)
    folder = tempfile.mkdtemp()
    try:
        first = answers(filled(f"{folder}/a", written))
        assert answers(filled(f"{folder}/b", again)) == first
        winners = latest([row for batch in written for row in batch])
        assert first == [(*key, *(winners[key][name] for name in CONTENT)) for key in sorted(winners)]
    finally:
        shutil.rmtree(folder)


@settings(max_examples=8)
@given(batches, st.randoms(use_true_random=False))
def test_reading_is_independent_of_order_and_duplication(written, chance):
    order_and_duplication(written, chance)


@pytest.mark.slow
@settings(max_examples=100)
@given(batches, st.randoms(use_true_random=False))
def test_reading_is_independent_of_order_and_duplication_at_length(written, chance):
    order_and_duplication(written, chance)


PRICED = (
    st.lists(st.tuples(st.integers(1, 40), prices), min_size=2, max_size=12, unique_by=lambda bar: bar[0]),
    st.lists(st.tuples(st.integers(0, 42), st.floats(0.01, 0.9)), max_size=4, unique_by=lambda event: event[0]),
    st.lists(
        st.tuples(st.integers(0, 42), st.sampled_from([0.1, 0.5, 2.0, 7.0])), max_size=3, unique_by=lambda e: e[0]
    ),
)


def adjustment(bars, dividends, splits):
    bars = sorted(bars)
    days = sorted({day for day, _ in (*bars, *dividends, *splits)})
    close, cash, ratio = dict(bars), dict(dividends), dict(splits)
    column = [close.get(day) for day in days]
    text = ["symbol,date,open,high,low,close,volume,dividend,split"]
    for day, price in zip(days, column, strict=True):
        shown = "" if price is None else repr(price)
        events = f"{cash.get(day, '')},{ratio.get(day, '')}"
        text.append(f"X,{FIRST + dt.timedelta(day)},{shown},{shown},{shown},{shown},5,{events}")
    folder = tempfile.mkdtemp()
    try:
        with open(f"{folder}/x.csv", "w") as file:  # noqa: PTH123 a throw-away file
            file.write("\n".join(text))
        lake = Lake(f"{folder}/lake")
        lake.import_file(f"{folder}/x.csv")
        np.testing.assert_allclose(lake.bars("X").close[0], adjusted(bars, dividends), rtol=1e-12)
        np.testing.assert_allclose(lake.bars("X", adjust="none").close[0], as_traded(bars, splits), rtol=1e-12)
        query = "SELECT close FROM prices_adjusted ORDER BY date"
        view = [value for (value,) in lake.sql(query).fetchall()]
        np.testing.assert_array_equal(view, lake.bars("X").close[0])
    finally:
        shutil.rmtree(folder)


@settings(max_examples=12)
@given(*PRICED)
def test_adjustment_equals_the_naive_twin(bars, dividends, splits):
    adjustment(bars, dividends, splits)


@pytest.mark.slow
@settings(max_examples=150)
@given(*PRICED)
def test_adjustment_equals_the_naive_twin_at_length(bars, dividends, splits):
    adjustment(bars, dividends, splits)
