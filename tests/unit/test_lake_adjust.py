"""Adjustment for dividends and splits: by hand, by a naive twin, and what is refused."""

import datetime as dt

import numpy as np
import pytest

from stockstream.errors import DataError, LakeError
from stockstream.lake import Lake, sample_rows

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
EARLY, LATE = (dt.datetime(2024, 3, day, tzinfo=dt.UTC) for day in (1, 2))


def table(symbol, closes, days=DAYS, **more):
    closes = [float(close) for close in closes]
    prices = {"open": closes, "high": [c + 1 for c in closes], "low": [c - 1 for c in closes], "close": closes}
    return {"symbol": [symbol] * len(days), "date": days, **prices, "volume": [1000] * len(days), **more}


def on(day, value, days=DAYS):
    return [value if d == day else None for d in days]


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.fixture
def eventful(lake):
    """A dividend of 1 before a 2:1 split; closes are on the basis after the split, as sources serve them."""
    closes = [10, 10, 9, 9, 9, 9]
    lake.write_rows(table("A", closes, dividend=on(DAYS[2], 1.0), split=on(DAYS[4], 2.0)))
    return lake


def test_total_takes_dividends_out_of_all_four_prices(eventful):
    bars = eventful.bars(adjust="total")
    np.testing.assert_allclose(bars.close[0], [9, 9, 9, 9, 9, 9], rtol=1e-15)
    np.testing.assert_allclose(bars.high[0], [9.9, 9.9, 10, 10, 10, 10], rtol=1e-15)
    np.testing.assert_allclose(bars.low[0], [8.1, 8.1, 8, 8, 8, 8], rtol=1e-15)
    np.testing.assert_array_equal(bars.open, bars.close)
    np.testing.assert_array_equal(bars.volume[0], [1000] * 6)
    np.testing.assert_allclose(bars.price_factor[0], [0.45, 0.45, 0.5, 0.5, 1, 1], rtol=1e-15)
    np.testing.assert_array_equal(bars.volume_factor[0], [2, 2, 2, 2, 1, 1])
    assert bars.dividend is None
    assert bars.split is None
    assert bars.provenance["adjustment"] == {"recorded dividends": ("A",)}


def test_splits_leaves_the_dividends_to_be_paid(eventful):
    bars = eventful.bars(adjust="splits")
    np.testing.assert_array_equal(bars.close[0], [10, 10, 9, 9, 9, 9])
    np.testing.assert_array_equal(bars.dividend[0], [np.nan, np.nan, 1, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(bars.price_factor[0], [0.5, 0.5, 0.5, 0.5, 1, 1])
    assert bars.split is None


def test_none_undoes_the_splits(eventful):
    bars = eventful.bars(adjust="none")
    np.testing.assert_array_equal(bars.close[0], [20, 20, 18, 18, 9, 9])
    np.testing.assert_array_equal(bars.volume[0], [500] * 4 + [1000] * 2)
    np.testing.assert_array_equal(bars.dividend[0], [np.nan, np.nan, 2, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(bars.split[0], [np.nan] * 4 + [2, np.nan])
    np.testing.assert_array_equal(bars.price_factor[0], np.ones(6))
    np.testing.assert_array_equal(bars.volume_factor[0], np.ones(6))
    assert list(bars.provenance["adjustment"]) == ["approximate: recorded splits undone"]


@pytest.mark.parametrize("adjust", ["total", "splits", "none"])
@pytest.mark.parametrize(("first", "last"), [(0, 2), (1, 4), (2, 2), (3, 5)])
def test_a_range_is_a_cut_of_the_whole(eventful, adjust, first, last):
    whole = eventful.bars(adjust=adjust).between(DAYS[first], DAYS[last])
    part = eventful.bars("A", DAYS[first], DAYS[last], adjust=adjust)
    for name in ("dates", "open", "close", "volume", "price_factor", "volume_factor"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
    for name in ("dividend", "split"):
        one, other = (getattr(bars, name) for bars in (part, whole))
        assert (one is None) == (other is None or bool(np.isnan(other).all()))
        if one is not None:
            np.testing.assert_array_equal(one, other)


def test_events_on_days_without_a_bar_meet_the_next_bar(lake):
    days = [DAYS[0], DAYS[1], DAYS[3], DAYS[4]]
    lake.write_rows(table("A", [10, 10, 8, 8], days=days))
    gap = table("A", [10], days=[DAYS[2]], dividend=[2.0])
    lake.write_rows(gap | {"symbol": ["B"]})  # another symbol trades on that day
    path = lake.location.root.parent / "events.csv"
    path.write_text(
        "symbol,date,open,high,low,close,volume,dividend,split\n"
        "A,2024-01-01,,,,,,7,\nA,2024-01-04,,,,,,2,0.5\nA,2024-01-08,8,9,7,8,1000,,\n"
    )
    lake.import_file(path)
    np.testing.assert_allclose(lake.bars("A").close[0], [8, 8, 8, 8])
    raw = lake.bars("A", adjust="none")
    np.testing.assert_array_equal(raw.dividend[0], [np.nan, np.nan, 2, np.nan])
    np.testing.assert_array_equal(raw.split[0], [np.nan, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(raw.close[0], [5, 5, 8, 8])


def test_a_corrected_event_replaces_the_first_answer(lake):
    lake.write_rows(table("A", [10] * 6, dividend=on(DAYS[2], 5.0)), fetched_at=EARLY)
    lake.write_rows(table("A", [10] * 6, dividend=on(DAYS[2], 1.0)), fetched_at=LATE)
    np.testing.assert_allclose(lake.bars("A").close[0], [9, 9, 10, 10, 10, 10])


def test_an_adjusted_close_of_one_fetch_is_used_where_no_dividends_are_recorded(lake):
    lake.write_rows(table("A", [10, 10, 5, 5, 5, 5], adjusted_close=[4, 4, 4, 4, 4, 5]))
    bars = lake.bars("A")
    np.testing.assert_allclose(bars.close[0], [4, 4, 4, 4, 4, 5])
    np.testing.assert_allclose(bars.high[0], [4.4, 4.4, 4.8, 4.8, 4.8, 6])
    np.testing.assert_allclose(bars.price_factor[0], [0.4, 0.4, 0.8, 0.8, 0.8, 1])
    np.testing.assert_array_equal(bars.volume[0], [1000] * 6)
    assert bars.provenance["adjustment"] == {"adjusted_close of the source": ("A",)}
    np.testing.assert_array_equal(lake.bars("A", adjust="none").close[0], [10, 10, 5, 5, 5, 5])
    with pytest.raises(LakeError, match=r'the splits of A are not recorded.*Use adjust="total"'):
        lake.bars("A", adjust="splits")


def test_nothing_to_adjust_by_is_said(lake):
    lake.write_rows(table("A", [10, 10, 5, 5, 5, 5]))
    bars = lake.bars("A")
    np.testing.assert_array_equal(bars.close[0], [10, 10, 5, 5, 5, 5])
    (words,) = bars.provenance["adjustment"]
    assert words.startswith("nothing to adjust by")


def test_adjusted_closes_of_several_fetches_are_refused(lake):
    days = [dt.date(2024, 1, day) for day in range(1, 13)]
    lake.write_rows(table("A", [10] * 10, days=days[:10], adjusted_close=[8] * 10), fetched_at=EARLY)
    lake.write_rows(table("A", [10] * 10, days=days[2:], adjusted_close=[9] * 10), fetched_at=LATE)
    with pytest.raises(LakeError, match="adjusted closes of A come from several fetches"):
        lake.bars("A")
    assert lake.sql("SELECT count(*), count(close) FROM prices_adjusted").fetchone() == (12, 0)
    np.testing.assert_array_equal(lake.bars("A", adjust="none").close[0], [10] * 12)
    assert lake.bars("A", start=days[2]).close.tolist() == [[9] * 10]


def test_a_dividend_not_below_the_close_before_is_refused(lake):
    lake.write_rows(table("A", [10] * 6, dividend=on(DAYS[3], 10.0)))
    lake.write_rows(table("B", [10] * 6, dividend=on(DAYS[3], 1.0)))
    with pytest.raises(DataError, match="A has a dividend after 2024-01-04 that is not below the close before it"):
        lake.bars()
    assert lake.bars("B").close[0, 0] == 9
    assert lake.bars("A", adjust="splits").dividend[0, 3] == 10
    known = lake.sql(
        "SELECT date FROM prices_adjusted WHERE symbol = 'A' AND close IS NOT NULL ORDER BY date"
    ).fetchall()
    assert [day for (day,) in known] == DAYS[3:]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("demo"))
    lake.write_rows(sample_rows())
    return lake


@pytest.mark.parametrize(("symbol", "day"), [("AAPL", "2005-02-28"), ("MSFT", "2003-02-18")])
def test_a_split_of_the_sample_prices_is_no_loss(demo, symbol, day):
    def move(bars):
        at = int(np.searchsorted(bars.dates, np.datetime64(day)))
        assert bars.dates[at] == np.datetime64(day)
        return bars.close[0, at] / bars.close[0, at - 1] - 1

    assert move(demo.bars(symbol, adjust="none")) < -0.45
    assert abs(move(demo.bars(symbol))) < 0.05
    query = "SELECT close / lag(close) OVER (ORDER BY date) - 1 AS move, date FROM prices_adjusted WHERE symbol = ?"
    moves = {str(date): change for change, date in demo.sql(query, [symbol]).fetchall()}
    assert moves[day] == pytest.approx(move(demo.bars(symbol)), abs=1e-12)


def test_the_sample_prices_are_complete(demo):
    assert demo.symbols() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    bars = demo.bars(currency="USD")
    assert bars.shape == (5, 3270)
    assert int(bars.present.sum()) == 12_154


def test_a_missing_sample_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("stockstream.lake.samples.find_spec", lambda name: None)
    with pytest.raises(LakeError, match=r"pip install stockstream\[demo\]"):
        sample_rows()
