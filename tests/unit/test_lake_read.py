"""Reading a lake: the latest version of each row, by frame or as bars, and clear words where there is nothing."""

import datetime as dt
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from stockstream import lake as lake_module
from stockstream.errors import LakeError, ParameterError, UnknownNameError
from stockstream.lake import Lake
from stockstream.lake.query import bind
from stockstream.lake.rows import connect

JANUARY = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)]


def rows(symbol, dates, closes, **more):
    closes = [float(close) for close in closes]
    flat = dict.fromkeys(("open", "high", "low", "close"), closes)
    return {"symbol": [symbol] * len(dates), "date": dates, **flat, "volume": [100] * len(dates), **more}


def moment(hour):
    return dt.datetime(2024, 2, 1, hour, tzinfo=dt.UTC)


@pytest.fixture
def lake(tmp_path):
    """Three batches: A and B, then a late correction of A, then a stale answer about A and a first one about C."""
    lake = Lake(tmp_path / "lake")
    lake.write_rows(rows("A", JANUARY, [1, 2, 3, 4, 5]), fetched_at=moment(1))
    lake.write_rows(rows("B", JANUARY[1:3], [20, 30]), fetched_at=moment(1), session="2024-01-04")
    lake.write_rows(rows("A", JANUARY[2:4], [3.5, 4]), fetched_at=moment(3), session="2024-01-05")
    lake.write_rows(rows("A", JANUARY[1:3], [9, 9]), fetched_at=moment(0), session="2024-01-05")
    return lake


def closes(frame):
    return {(symbol, day.day): close for symbol, day, close in frame.select("symbol", "date", "close").iter_rows()}


def test_the_latest_version_of_each_row_counts(lake):
    expected = {("A", 2): 1, ("A", 3): 2, ("A", 4): 3.5, ("A", 5): 4, ("A", 8): 5, ("B", 3): 20, ("B", 4): 30}
    frame = lake.load_all_data()
    assert closes(frame) == expected
    assert frame.equals(frame.sort("symbol", "date"))
    assert closes(lake.sql("FROM prices").pl()) == expected
    assert lake.sql("SELECT count(*) FROM raw_prices").fetchone() == (11,)


def test_versions_of_one_instant_are_chosen_by_content_alike_in_both_engines(tmp_path):
    answers = set()
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        lake = Lake(tmp_path / str(order))
        versions = [rows("A", JANUARY[:1], [10], volume=[volume]) for volume in (None, 5, 3)]
        for index in order:
            lake.write_rows(versions[index], fetched_at=moment(1))
        answers |= {lake.load_all_data()["volume"][0], lake.sql("SELECT volume FROM prices").fetchone()[0]}
    assert answers == {5}


def test_ranges_symbols_and_sessions(lake):
    ranged = lake.load_date_range("2024-01-03", dt.date(2024, 1, 4))
    assert closes(ranged) == {("A", 3): 2, ("A", 4): 3.5, ("B", 3): 20, ("B", 4): 30}
    assert closes(lake.load_symbols(["B"])) == {("B", 3): 20, ("B", 4): 30}
    assert closes(lake.merge_daily_batches("2024-01-05")) == {("A", 3): 9, ("A", 4): 3.5, ("A", 5): 4}
    assert lake.symbols() == ("A", "B")


def test_the_module_functions_take_bucket_and_prefix(lake):
    bucket, prefix = str(lake.location.root.parent), lake.location.root.name
    assert lake_module.load_all_data(bucket, prefix).equals(lake.load_all_data())
    assert lake_module.load_date_range(JANUARY[0], JANUARY[1], bucket, prefix).height == 3
    assert lake_module.load_symbols(["B"], bucket=bucket, prefix=f"/{prefix}/").height == 2
    assert lake_module.merge_daily_batches(dt.date(2024, 1, 4), bucket, prefix).height == 2
    with pytest.raises(
        LakeError, match=r"cannot list s3://prices/lake/raw-data: no AWS credentials were found\. Set AWS"
    ):
        lake_module.load_all_data("prices", "lake")


def test_the_place_comes_from_the_environment(lake, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("S3_BUCKET_NAME", raising=False)
    assert str(Lake().location) == "data/lake"
    monkeypatch.setenv("S3_BUCKET_NAME", "./lake")
    assert Lake().symbols() == ("A", "B")
    assert lake_module.load_all_data().height == 7
    monkeypatch.setenv("S3_BUCKET_NAME", "some-bucket")
    assert str(Lake().location) == "s3://some-bucket"
    assert str(Lake.in_bucket(prefix="/asx/").location) == "s3://some-bucket/asx"
    assert str(Lake("s3://b/p/").location) == "s3://b/p"
    with pytest.raises(LakeError, match=r"expected a folder, such as data/lake, or s3://bucket/prefix.*gs://b/p"):
        Lake("gs://b/p")
    with pytest.raises(LakeError, match="no bucket's name"):
        Lake("s3://")
    with pytest.raises(LakeError, match="empty path"):
        Lake(" ")


def test_filters_reach_the_files(lake):
    wanted = (pl.col("symbol") == "A") & (pl.col("date") >= JANUARY[2])
    plan = lake.scan().filter(wanted).explain()
    scan = plan[plan.index("Parquet SCAN") :]
    assert 'col("symbol")' in scan
    assert 'col("date")' in scan
    assert "FILTER" not in plan[: plan.index("Parquet SCAN")]
    connection = connect()
    bind(connection, lake._files(), symbols=["A", "B"], start=JANUARY[2])
    plan = connection.sql("EXPLAIN FROM prices").fetchall()[0][1]
    scan = plan[plan.index("PARQUET_SCAN") :]
    assert "symbol IN ('A', 'B')" in " ".join(scan.replace("│", " ").split())
    assert "date>='2024-01-04'" in scan


def test_a_filter_on_another_column_applies_to_the_winners(lake):
    assert closes(lake.scan().filter(pl.col("close") < 3.4).collect()) == {("A", 2): 1, ("A", 3): 2}


def test_bars_are_panels_with_gaps(lake):
    bars = lake.bars(currency="AUD")
    assert bars.symbols == ("A", "B")
    assert bars.dates.tolist() == JANUARY
    nan = np.nan
    np.testing.assert_array_equal(bars.close, [[1, 2, 3.5, 4, 5], [nan, 20, 30, nan, nan]])
    np.testing.assert_array_equal(bars.volume[1], [nan, 100, 100, nan, nan])
    assert bars.currency == "AUD"
    assert bars.provenance["lake"] == str(lake.location)
    assert bars.provenance["files"] == 4


def test_bars_of_some_symbols_in_their_order_and_of_a_range(lake):
    assert lake.bars(["B", "A"]).symbols == ("B", "A")
    bars = lake.bars("A", "2024-01-03", JANUARY[3])
    assert bars.dates.tolist() == JANUARY[1:4]
    np.testing.assert_array_equal(bars.close, [[2, 3.5, 4]])


@pytest.mark.parametrize("read", ["bars", "load_all_data", "symbols"])
def test_a_missing_lake_says_what_to_type(tmp_path, read):
    with pytest.raises(LakeError, match=r"there is no lake at .*nowhere.*stockstream import FILE.*stockstream demo"):
        getattr(Lake(tmp_path / "nowhere"), read)()
    assert not (tmp_path / "nowhere").exists()


def test_unknown_symbols_get_a_suggestion(tmp_path):
    lake = Lake(tmp_path)
    lake.write_rows(rows("BHP", JANUARY, [1, 2, 3, 4, 5]))
    for read in (lake.bars, lake.load_symbols):
        with pytest.raises(UnknownNameError, match=r"no symbol 'BPH'; it holds BHP\. Did you mean 'BHP'\?"):
            read(["BHP", "BPH"])


def test_empty_and_crossed_ranges_say_so(lake):
    with pytest.raises(
        LakeError, match=r"no prices between 2030-01-01 and the end; .* runs from 2024-01-02 to 2024-01-08"
    ):
        lake.bars(start="2030-01-01")
    with pytest.raises(LakeError, match="B: no prices between 2024-01-08 and 2024-01-09"):
        lake.bars(["A", "B"], "2024-01-08", "2024-01-09")
    with pytest.raises(LakeError, match="no prices between 1999-01-01 and 1999-12-31"):
        lake.load_date_range("1999-01-01", "1999-12-31")
    with pytest.raises(LakeError, match="no batches of session 2024-01-02"):
        lake.merge_daily_batches("2024-01-02")
    for read in (lake.load_date_range, lambda start, end: lake.bars("A", start, end)):
        with pytest.raises(ParameterError, match=r"found 2024-02-01 after 2024-01-01. Swap the two dates"):
            read("2024-02-01", "2024-01-01")
    with pytest.raises(ParameterError, match="expected a date like 2024-01-31; found 'yesterday'"):
        lake.bars(start="yesterday")
    with pytest.raises(ParameterError, match="at least one symbol, each once"):
        lake.bars(["A", "A"])
    with pytest.raises(ParameterError, match="at least one symbol, each once"):
        lake.load_symbols([])
    with pytest.raises(ParameterError, match=r"found 'totl'. Did you mean 'total'"):
        lake.bars(adjust="totl")


def test_other_files_are_not_looked_at(lake):
    for name in ("notes.txt", ".2024-01-09-abc.tmp", "2024-01-09-batch-1.parquet.tmp", "x-batch-1.parquet"):
        (lake.location.root / "raw-data" / name).write_text("something else")
    assert lake.load_all_data().height == 7


def test_importing_the_lake_loads_nothing_heavy():
    heavy = "{'polars', 'duckdb', 'pyarrow', 'numba', 'pandas'}"
    code = f"import sys, stockstream.lake as l; dir(l); l.Lake; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="no attribute 'Sea'"):
        lake_module.Sea  # noqa: B018 the access is the test


def test_module_functions_read_as_of_an_instant_too(tmp_path):
    flat = {name: [1.0] for name in ("open", "high", "low")}
    for close, fetched in ((1.0, "2024-02-01T00:00:00.000000Z"), (2.0, "2024-02-02T00:00:00.000000Z")):
        row = {"symbol": ["A"], "date": ["2024-01-02"], **flat, "close": [close], "volume": [1]}
        Lake(tmp_path).write_rows(row | {"high": [close]} | {"fetch_timestamp": [fetched]})
    place = str(tmp_path)
    for load in (
        lambda **how: lake_module.load_all_data(place, **how),
        lambda **how: lake_module.load_symbols(["A"], place, **how),
        lambda **how: lake_module.load_date_range("2024-01-01", "2024-01-31", place, **how),
    ):
        assert load()["close"].to_list() == [2.0]
        assert load(as_of="2024-02-01T12:00:00Z")["close"].to_list() == [1.0]
