"""The lake on real market data, against Polars and pandas code that shares nothing with it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from stockstream.errors import DataError
from stockstream.lake import Lake, sample_rows

YAHOO = {"asx_yahoo_2024_2026": 788, "asx_yahoo_long_2010_2024": 151, "asx_yahoo_2015_2019": 681}
COLUMNS = ["symbol", "date", "open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def prices(market_data):
    return market_data / "prices"


@pytest.fixture(scope="module")
def yahoo(prices, tmp_path_factory):
    """Give a function that imports a file once and returns the lake, what was said, and the file as Polars reads it."""
    done = {}

    def imported(name):
        if name not in done:
            lake = Lake(tmp_path_factory.mktemp(name))
            written = lake.import_file(prices / f"{name}.parquet")
            done[name] = lake, written, pl.read_parquet(prices / f"{name}.parquet")
        return done[name]

    return imported


@pytest.mark.parametrize("name", YAHOO)
def test_what_is_read_is_what_the_file_holds(yahoo, name):
    lake, written, source = yahoo(name)
    bars = source.drop_nulls("close").sort("symbol", "date")
    assert lake.load_all_data().select([*COLUMNS, "adjusted_close"]).equals(bars.select([*COLUMNS, "adjusted_close"]))
    assert written.rows == bars.height
    assert written.days_without_bar == source.height - bars.height == (3 if name == "asx_yahoo_2024_2026" else 0)
    events = [
        source.filter(pl.col(kind).is_not_null()).height for kind in ("dividend", "split") if kind in source.columns
    ]
    assert written.events == sum(events) == YAHOO[name]
    assert set(written.extra_columns) == set(source.columns) - {*COLUMNS, "adjusted_close", "dividend", "split"}


@pytest.mark.parametrize("name", YAHOO)
def test_adjustment_by_recorded_dividends_equals_the_adjusted_close_of_the_source(yahoo, name):
    lake, _, source = yahoo(name)
    bars = lake.bars()
    wide = source.drop_nulls("close").to_pandas().pivot_table(index="symbol", columns="date", values="adjusted_close")
    assert list(wide.index) == list(bars.symbols)
    theirs = wide.to_numpy() / wide.ffill(axis=1).to_numpy()[:, -1:]
    ours = bars.close / pd.DataFrame(bars.close).ffill(axis=1).to_numpy()[:, -1:]
    # Recorded dividends are rounded; a forgotten one would be off by its yield, which is a thousand times as much.
    np.testing.assert_allclose(ours, theirs, rtol=3e-5)
    with_dividends = set(source.filter(pl.col("dividend").is_not_null())["symbol"])
    by_events = set(bars.provenance["adjustment"].get("recorded dividends", ()))
    assert by_events == with_dividends


def test_the_view_and_the_bars_say_the_same(yahoo):
    lake, *_ = yahoo("asx_yahoo_2024_2026")
    view = lake.sql("SELECT symbol, date, open, high, low, close FROM prices_adjusted ORDER BY symbol, date").pl()
    bars = lake.bars().to_polars().select("symbol", "date", "open", "high", "low", "close")
    assert view.equals(bars.with_columns(pl.col("date").cast(pl.Date)))


def test_undone_splits_show_the_jump_that_the_market_saw(yahoo):
    lake, _, source = yahoo("asx_yahoo_2024_2026")
    raw, stored = lake.bars(adjust="none"), lake.bars(adjust="splits")
    seen = 0
    events = source.filter((pl.col("split") != 1) & pl.col("close").is_not_null())
    for symbol, day, ratio in events.select("symbol", "date", "split").iter_rows():
        own = stored.present[stored.row(symbol)]
        at = int(np.searchsorted(stored.dates[own], np.datetime64(day)))
        if at == 0:
            continue
        closes = [bars.close[bars.row(symbol)][own] for bars in (raw, stored)]
        moves = [close[at] / close[at - 1] for close in closes]
        assert moves[0] == pytest.approx(moves[1] / ratio, rel=1e-12)
        seen += 1
    assert seen >= 18
    assert np.count_nonzero(~np.isnan(raw.split)) == source.filter(pl.col("split") != 1).height


def test_a_range_of_two_banks_and_miners(yahoo):
    lake, _, source = yahoo("asx_yahoo_long_2010_2024")
    bars = lake.bars(["BHP", "CBA"], "2020-01-01", "2023-12-31", currency="AUD")
    frame = source.to_pandas()
    frame = frame[frame["date"].astype("datetime64[s]").between("2020-01-01", "2023-12-31")]
    for symbol in ("BHP", "CBA"):
        own = frame[frame["symbol"] == symbol].sort_values("date")
        present = bars.present[bars.row(symbol)]
        np.testing.assert_array_equal(bars.dates[present], own["date"].to_numpy().astype("datetime64[D]"))
        ours = np.diff(np.log(bars.close[bars.row(symbol)][present]))
        np.testing.assert_allclose(ours, np.diff(np.log(own["adjusted_close"].to_numpy())), atol=2e-6)


def test_the_whole_market_is_refused_for_its_bad_rows_or_stored_without_them(prices, tmp_path):
    path = prices / "asx_raw_market_2023_2024.parquet"
    lake = Lake(tmp_path / "lake")
    with pytest.raises(DataError, match=r"5GOV on 2023-10-04 has a price that is not positive .* 329 such rows"):
        lake.import_file(path)
    assert not (tmp_path / "lake").exists()
    written = lake.import_file(path, quarantine=True)
    source = pl.read_parquet(path)
    good = source.filter(pl.min_horizontal("open", "high", "low", "close") > 0).sort("symbol", "date")
    assert (written.rows, written.quarantined) == (good.height, 329)
    assert lake.load_all_data().select(COLUMNS).equals(good)
    bars = lake.bars()
    assert bars.shape == (good["symbol"].n_unique(), good["date"].n_unique())
    volume = good.to_pandas().pivot_table(index="symbol", columns="date", values="volume").to_numpy()
    np.testing.assert_array_equal(bars.volume, volume)
    assert {"INF", "NAN", "360"} & set(source["symbol"]) <= set(lake.symbols())


def test_the_sample_prices_equal_the_reference_copy_and_its_adjusted_close(prices, tmp_path):
    lake = Lake(tmp_path)
    lake.write_rows(sample_rows())
    source = pl.read_parquet(prices / "us_bokeh_2000_2013.parquet").sort("symbol", "date")
    assert lake.load_all_data().select([*COLUMNS, "adjusted_close"]).equals(source.select([*COLUMNS, "adjusted_close"]))
    wide = source.to_pandas().pivot_table(index="symbol", columns="date", values="adjusted_close")
    np.testing.assert_allclose(lake.bars().close, wide.to_numpy(), rtol=1e-12)
