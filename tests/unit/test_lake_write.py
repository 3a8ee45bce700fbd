"""Writing into a lake: what is stored, what is refused, and that a write is whole or nothing."""

import datetime as dt
import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from stockstream.errors import DataError, LakeError, ParameterError
from stockstream.lake import Lake
from stockstream.lake.folder import LocalFolder
from stockstream.schema import ROW_TYPES

FETCHED = dt.datetime(2024, 1, 5, 6, 30, tzinfo=dt.UTC)


def rows(**changes):
    columns = {
        "symbol": ["BHP", "BHP", "CBA"],
        "date": [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 2)],
        "open": [50.0, 50.5, 110.0],
        "high": [51.0, 51.5, 112.0],
        "low": [49.0, 49.5, 109.0],
        "close": [50.5, 51.0, 111.0],
        "volume": [1_000, 2_000, 3_000],
        "adjusted_close": [48.0, 48.5, 108.0],
    }
    columns |= changes
    return {name: values for name, values in columns.items() if values is not None}


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def test_a_batch_is_typed_sorted_compressed_and_named_by_session(lake):
    shuffled = {name: values[::-1] for name, values in rows().items()}
    written = lake.write_rows(shuffled, session="2024-01-04", fetched_at=FETCHED)
    assert (written.file, written.rows, written.symbols) == ("raw-data/2024-01-04-batch-1.parquet", 3, 2)
    assert (written.first_date, written.last_date) == (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
    path = lake.location.root / written.file
    described = duckdb.sql("DESCRIBE SELECT * FROM read_parquet($path)", params={"path": str(path)}).fetchall()
    assert {name: kind for name, kind, *_ in described} == ROW_TYPES
    table = pq.read_table(path)
    assert list(zip(*(table.column(n).to_pylist() for n in ("symbol", "close")), strict=True)) == [
        ("BHP", 50.5),
        ("BHP", 51.0),
        ("CBA", 111.0),
    ]
    assert set(table.column("fetch_timestamp").to_pylist()) == {"2024-01-05T06:30:00.000000Z"}
    assert pq.ParquetFile(path).metadata.row_group(0).column(2).compression == "LZ4"


def test_the_session_defaults_to_the_last_date_and_numbers_never_repeat(lake):
    names = [lake.write_rows(rows()).file for _ in range(3)]
    assert names == [f"raw-data/2024-01-03-batch-{n}.parquet" for n in (1, 2, 3)]
    (lake.location.root / names[1]).unlink()
    assert lake.write_rows(rows()).file == "raw-data/2024-01-03-batch-4.parquet"


@pytest.mark.parametrize("kind", ["lists", "numpy", "polars", "pandas", "arrow", "categorical", "texts"])
def test_every_kind_of_table_is_stored_alike(lake, kind):
    given = rows()
    frame = pl.DataFrame(given)
    table = {
        "lists": lambda: given,
        "numpy": lambda: {
            n: np.array(v, dtype="datetime64[D]") if n == "date" else np.array(v) for n, v in given.items()
        },
        "polars": lambda: frame,
        "pandas": lambda: pd.DataFrame(given).assign(date=lambda f: pd.to_datetime(f["date"])),
        "arrow": frame.to_arrow,
        "categorical": lambda: frame.with_columns(
            pl.col("symbol").cast(pl.Categorical), pl.col("volume").cast(pl.Float32)
        ),
        "texts": lambda: given | {"date": [str(day) for day in given["date"]]},
    }[kind]()
    lake.write_rows(table, fetched_at=FETCHED)
    stored = lake.load_all_data().drop("fetch_timestamp")
    assert stored.equals(frame)


def test_a_missing_adjusted_close_is_the_close(lake):
    lake.write_rows(rows(adjusted_close=[None, 48.5, None]))
    assert lake.load_all_data()["adjusted_close"].to_list() == [50.5, 48.5, 111.0]


def test_own_fetch_timestamps_are_kept(lake):
    stamps = ["2023-01-01T00:00:00.000000Z", None, "2023-01-01T00:00:00.000001Z"]
    lake.write_rows(rows(fetch_timestamp=stamps), fetched_at=FETCHED)
    # Bars that were fetched before their day are provisional for ever.
    assert lake.load_all_data()["fetch_timestamp"].to_list() == ["2024-01-05T06:30:00.000000Z"]
    stored = lake.load_all_data(provisional=True)["fetch_timestamp"].to_list()
    assert stored == [stamps[0], "2024-01-05T06:30:00.000000Z", stamps[2]]


REFUSED = {
    "not positive": (
        rows(low=[49.0, 0.0, 109.0]),
        r"BHP on 2024-01-03 has a price that is not positive .*low 0,.* 1 such row",
    ),
    "negative": (rows(open=[50.0, 50.5, -1.0]), "CBA on 2024-01-02 has a price that is not positive"),
    "nan": (rows(close=[np.nan, 51.0, 111.0]), r"BHP on 2024-01-02 has some of its four prices missing .*close none"),
    "all missing": (
        rows(**{name: [None, 5.0, 5.0] for name in ("open", "high", "low", "close")}),
        "BHP on 2024-01-02 has no prices",
    ),
    "infinite": (rows(high=[np.inf, 51.5, np.inf]), "BHP on 2024-01-02 has an infinite price .* 2 such rows"),
    "high below low": (rows(high=[48.0, 51.5, 112.0]), r"BHP on 2024-01-02 has high below low .*high 48, low 49"),
    "duplicate": (rows(date=[dt.date(2024, 1, 2)] * 3), r"BHP on 2024-01-02 has more than one row .* 2 such rows"),
    "negative volume": (rows(volume=[1, 2, -3]), "CBA on 2024-01-02 has a volume that is not a whole number"),
    "fractional volume": (rows(volume=[1.0, 2.5, 3.0]), "BHP on 2024-01-03 has a volume that is not a whole number"),
    "adjusted close": (rows(adjusted_close=[1.0, 2.0, -3.0]), "CBA on 2024-01-02 has a price that is not positive"),
    "empty symbol": (rows(symbol=["BHP", "", "CBA"]), "a row on 2024-01-03 has a symbol that is empty"),
    "spaced symbol": (
        rows(symbol=["BHP", "BHP ", "CBA"]),
        "'?BHP '? on 2024-01-03 has a symbol that is empty or has spaces",
    ),
    "no date": (rows(date=[dt.date(2024, 1, 2), None, dt.date(2024, 1, 2)]), "BHP on an unknown date has a date"),
    "odd date": (rows(date=["2024-01-02", "03/01/2024", "2024-01-02"]), "BHP on an unknown date has a date"),
    "impossible date": (rows(date=["2024-01-02", "2024-02-30", "2024-01-02"]), "BHP on an unknown date has a date"),
    "clock time": (
        rows(date=np.array(["2024-01-02", "2024-01-02T23:00", "2024-01-02"], dtype="datetime64[s]")),
        "BHP on an unknown date has a date .* without a clock time",
    ),
    "timestamp": (
        rows(fetch_timestamp=["2024-01-02 05:00"] * 3),
        "BHP on 2024-01-02 has a fetch_timestamp that is not like",
    ),
    "dividend": (rows(dividend=[None, -0.5, None]), "BHP on 2024-01-03 has a dividend or split that is negative"),
    "two kinds": (rows(low=[0.0, 0.0, 109.0], volume=[1, 2, -3]), "2 such rows, 3 bad rows in all"),
    "text price": (rows(close=["50.5", "51", "111"]), "expected numbers in column 'close'; found VARCHAR"),
    "flag price": (rows(close=[True, True, False]), "expected numbers in column 'close'; found BOOLEAN"),
    "number symbol": (rows(symbol=[1, 2, 3]), "expected texts in column 'symbol'"),
    "missing column": (rows(high=None, volume=None), "high, volume missing, found symbol, date, open"),
    "lengths": (rows(volume=[1, 2]), "expected columns of one length; found .*volume 2"),
    "nothing": ({}, "found none"),
    "no rows": ({name: [] for name in rows()}, "at least one row of prices"),
    "not a table": ([1, 2], "expected rows as a Polars, pandas or Arrow table or a mapping of columns; found list"),
    "nested": (rows(close=np.ones((3, 2))), r"expected a flat list for column 'close'; found shape \(3, 2\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_rows_are_refused_whole(lake, case):
    given, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        lake.write_rows(given)
    assert not lake.location.root.exists()


def test_dates_with_a_time_zone_are_refused(lake):
    frame = pl.DataFrame(rows()).with_columns(pl.col("date").cast(pl.Datetime("us", "UTC")))
    with pytest.raises(DataError, match="expected session dates in column 'date'; found TIMESTAMP WITH TIME ZONE"):
        lake.write_rows(frame)


def test_bad_arguments_say_what_to_do(lake):
    with pytest.raises(ParameterError, match="expected a session date like 2024-01-31; found 'today'"):
        lake.write_rows(rows(), session="today")
    with pytest.raises(ParameterError, match="time zone for fetched_at"):
        lake.write_rows(rows(), fetched_at=dt.datetime(2024, 1, 1))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


HEADER = "symbol,date,open,high,low,close,volume"


def test_a_csv_keeps_symbols_that_look_like_other_things(lake, tmp_path):
    codes = ["INF", "NAN", "360", "TRUE", "NA", "NULL", "1E5", "007"]
    lines = [f"{code},2024-01-02,1,2,0.5,1.5,{n}" for n, code in enumerate(codes)]
    written = lake.import_file(write(tmp_path / "codes.csv", "\n".join([HEADER, *lines])))
    assert written.rows == len(codes)
    assert list(lake.symbols()) == sorted(codes)
    assert lake.bars("007").volume[0, 0] == 7


def test_a_csv_in_any_column_order_and_case_with_byte_order_mark(lake, tmp_path):
    text = '\ufeffClose,SYMBOL,Date,Open,High,Low,Volume,sector\r\n1.5,A1,2024-01-02,1,2,0.5,10,"Metals, ""rare"""\r\n'
    written = lake.import_file(write(tmp_path / "mixed.csv", text))
    assert written.extra_columns == ("sector",)
    assert lake.load_all_data().row(0)[:7] == ("A1", dt.date(2024, 1, 2), 1.0, 2.0, 0.5, 1.5, 10)


def test_days_without_a_bar_are_counted_and_their_events_kept(lake, tmp_path):
    text = "\n".join(
        [
            f"{HEADER},adjusted_close,dividend,split",
            "A,2024-01-02,10,10,10,10,5,9.5,,",
            "A,2024-01-03,,,,,0,,0.5,0.1",
            "A,2024-01-04,null,NaN,,null,,,0,1",
        ]
    )
    written = lake.import_file(write(tmp_path / "gaps.csv", text), fetched_at=FETCHED)
    assert (written.rows, written.days_without_bar, written.events) == (1, 2, 2)
    assert files(lake.location.root) == ["raw-data/2024-01-02-batch-1.parquet", "raw-events/2024-01-02-batch-1.parquet"]
    events = pl.read_parquet(lake.location.root / "raw-events" / "2024-01-02-batch-1.parquet")
    stamp = "2024-01-05T06:30:00.000000Z"
    assert events.columns == ["symbol", "ex_date", "kind", "value", "fetch_timestamp"]
    assert events.rows() == [
        ("A", dt.date(2024, 1, 3), "dividend", 0.5, stamp),
        ("A", dt.date(2024, 1, 3), "split", 0.1, stamp),
    ]


BAD_FILES = {
    "text.csv": (
        f"{HEADER}\nA,2024-01-02,1,2,0.5,abc,7\n",
        r"A on 2024-01-02 has a text where a number is expected \(column close\)",
    ),
    "short.csv": (f"{HEADER}\nA,2024-01-02,1,2,0.5\n", "CSV Error on Line: 2"),
    "long.csv": (f"{HEADER}\nA,2024-01-02,1,2,0.5,1,7,8,9\n", "CSV Error on Line: 2"),
    "columns.csv": (
        "symbol,date,price\nA,2024-01-02,1\n",
        "open, high, low, close, volume missing, found symbol, date, price",
    ),
    "twice.csv": (f"{HEADER},Close\nA,2024-01-02,1,2,0.5,1,7,8\n", "expected each column once .* found 'close'"),
    "empty.csv": ("", "missing, found none"),
    "headed.csv": (f"{HEADER}\n", "at least one row of prices"),
    "fake.parquet": ("not parquet at all", "cannot read .*fake.parquet"),
    "prices.xlsx": ("x", "expected a file ending in .csv, .csv.gz or .parquet; found prices.xlsx"),
    "fake.csv.gz": ("not gzip", "expected UTF-8 text with a header line"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_whole(lake, tmp_path, name):
    text, words = BAD_FILES[name]
    with pytest.raises(DataError, match=words):
        lake.import_file(write(tmp_path / name, text))
    assert not lake.location.root.exists()


def test_bytes_that_are_no_text_are_refused(lake, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(f"{HEADER}\nCAF\u00c9,2024-01-02,1,2,0.5,1,7\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.csv"):
        lake.import_file(path)


def test_a_missing_file_is_named(lake, tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*nowhere.csv"):
        lake.import_file(tmp_path / "nowhere.csv")


def test_names_with_wildcards_mean_themselves(tmp_path):
    lake = Lake(tmp_path / "la[k]e*?")
    path = write(tmp_path / "pri[c]es*.csv", f"{HEADER}\nA,2024-01-02,1,2,0.5,1,7\n")
    write(tmp_path / "prices.csv", f"{HEADER}\nB,2024-01-02,1,2,0.5,1,7\n")
    lake.import_file(path)
    assert lake.symbols() == ("A",)
    assert lake.load_all_data().height == 1


def test_quarantine_sets_bad_rows_aside_with_a_reason(lake, tmp_path):
    lines = ["A,2024-01-02,1,2,0.5,1,7", "A,2024-01-03,0,0,0,1,7", "B,2024-01-02,1,2,3,1,7", "C,2024-01-02,1,2,0.5,x,7"]
    written = lake.import_file(write(tmp_path / "bad.csv", "\n".join([HEADER, *lines])), quarantine=True)
    assert (written.rows, written.quarantined) == (1, 3)
    aside = pl.read_parquet(lake.location.root / "quarantine" / "2024-01-02-batch-1.parquet")
    assert aside.select("symbol", "reason").rows() == [
        ("A", "price_not_positive"),
        ("B", "high_below_low"),
        ("C", "not_a_number"),
    ]
    assert aside["decided_at"].str.len_chars().unique().to_list() == [27]


def test_importing_twice_changes_no_answer(lake, tmp_path):
    path = write(tmp_path / "a.csv", f"{HEADER},dividend\nA,2024-01-02,1,2,0.5,1,7,\nA,2024-01-03,1,2,0.5,1,7,0.1\n")
    lake.import_file(path)
    before = lake.load_all_data().drop("fetch_timestamp"), lake.bars().close
    lake.import_file(path)
    assert len(files(lake.location.root)) == 4
    assert lake.load_all_data().drop("fetch_timestamp").equals(before[0])
    np.testing.assert_array_equal(lake.bars().close, before[1])


def test_two_writers_never_overwrite_each_other(lake):
    def work(name):
        for day in range(1, 9):
            one = rows(symbol=[name] * 3, date=[dt.date(2024, month, day) for month in (1, 2, 3)])
            lake.write_rows(one, session="2024-05-01")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("A", "B", "C")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lake.location.batches("raw-data")) == 24
    assert lake.load_all_data().height == 3 * 8 * 3


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_failing_disk_leaves_the_old_state(lake, monkeypatch, step):
    lake.write_rows(rows())
    before = files(lake.location.root)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if step == "fsync" else (Path, "hardlink_to")), fail)
        with pytest.raises(LakeError, match=r"No space left on device. Nothing was stored"):
            lake.write_rows(rows())
    assert files(lake.location.root) == before


@pytest.mark.parametrize("removable", [True, False])
def test_events_and_refused_rows_are_taken_back_when_the_prices_cannot_be_stored(
    lake, tmp_path, monkeypatch, removable
):
    lake.write_rows(rows())
    before = files(lake.location.root)
    source = tmp_path / "more.csv"
    source.write_text(
        "symbol,date,open,high,low,close,volume,dividend\nBHP,2024-01-08,5,6,4,5,7,0.5\nBHP,2024-01-09,5,4,6,5,7,\n"
    )

    def place(self, names, fill, own=LocalFolder.place):
        names = list(itertools.islice(names, 3))
        if names[0].startswith("raw-data/"):
            message = "cannot write to the lake: No space left on device. Nothing was stored."
            raise LakeError(message)
        return own(self, names, fill)

    def refuse(*_):
        message = "no permission"
        raise LakeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "place", place)
        if not removable:
            patch.setattr(LocalFolder, "delete", refuse)
        with pytest.raises(LakeError, match="No space left") as caught:
            lake.import_file(source, quarantine=True)
    left = set(files(lake.location.root)) - set(before)
    expected = {"raw-events/2024-01-08-batch-1.parquet", "quarantine/2024-01-08-batch-1.parquet"}
    assert left == (set() if removable else expected)
    assert all((name in str(caught.value)) is not removable for name in expected)
    lake.import_file(source, quarantine=True)
    assert lake.sql("SELECT symbol, dividend FROM dividends").fetchall() == [("BHP", 0.5)]


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(LakeError, match=r"expected a folder for the lake; .*lake is a file"):
        Lake(tmp_path / "lake").write_rows(rows())
    with pytest.raises(LakeError, match="expected a folder for the lake"):
        Lake(tmp_path / "lake").load_all_data()


WITHOUT_FRAMES = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"polars", "pyarrow", "pandas", "numba"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import numpy as np
from stockstream.lake import Lake
from stockstream.lake.folder import LocalFolder
lake = Lake(sys.argv[1])
days = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
rows = {"symbol": ["A", "A"], "date": days, "volume": [7, None],
        **{name: np.array([1.5, 1.25]) for name in ("open", "high", "low", "close")}, "dividend": [None, 0.25]}
print(lake.write_rows(rows).rows, lake.import_file(sys.argv[2]).rows, lake.bars("A").close.tolist(), lake.symbols())
"""


def test_writing_needs_numpy_and_duckdb_only(tmp_path):
    path = write(tmp_path / "b.csv", f"{HEADER}\nB,2024-01-02,1,2,0.5,1,7\n")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FRAMES, str(tmp_path / "lake"), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == f"2 1 [[{1.5 * (1 - 0.25 / 1.5)}, 1.25]] ('A', 'B')"
