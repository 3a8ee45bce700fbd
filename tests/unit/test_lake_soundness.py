"""A bad file among good ones: it is named, and hides nothing but itself."""

import datetime as dt
import warnings

import duckdb
import polars as pl
import pytest

from stockstream.errors import LakeError, LakeWarning
from stockstream.lake import Lake

DAYS = [dt.date(2024, 1, 2) + dt.timedelta(days=n) for n in range(4)]
FETCHED = dt.datetime(2024, 1, 8, 9, tzinfo=dt.UTC)


def rows(symbol, level=10.0, days=DAYS):
    prices = {name: [level] * len(days) for name in ("open", "high", "low", "close")}
    return {"symbol": [symbol] * len(days), "date": days, **prices, "volume": [7] * len(days)}


@pytest.fixture
def folder(tmp_path):
    """Give the folder of a lake of two files."""
    lake = Lake(tmp_path / "lake")
    for symbol in ("A", "B"):
        lake.write_rows(rows(symbol), session="2024-01-05", fetched_at=FETCHED)
    return lake.location.root


def text(path):
    path.write_text("no parquet at all, whatever its name says")


def empty(path):
    path.write_bytes(b"")


def cut(path):
    whole = (path.parent / "2024-01-05-batch-1.parquet").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def foreign(path):
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(path)


def future(path):
    pl.read_parquet(path.parent / "2024-01-05-batch-1.parquet").with_columns(currency=pl.lit("AUD")).write_parquet(path)


def other_types(path):
    frame = pl.read_parquet(path.parent / "2024-01-05-batch-1.parquet")
    frame.with_columns(pl.col("volume").cast(pl.String)).write_parquet(path)


def names_damaged(path):
    content = (path.parent / "2024-01-05-batch-1.parquet").read_bytes()
    at = content.index(b"adjusted_close")
    path.write_bytes(content[:at] + b"\xf6" + content[at + 1 :])


def undecodable(path):
    """Damage the data and leave the footer whole."""
    Lake(path.parent.parent).write_rows(
        rows("C", days=[dt.date(2000, 1, 1) + dt.timedelta(days=n) for n in range(3000)]),
        session="2024-01-09",
        fetched_at=FETCHED,
    )
    content = bytearray(path.read_bytes())
    for place in range(4, len(content) // 2):
        content[place] ^= 0x5A
    path.write_bytes(content)


FAULTS = {
    "text": (text, "is no whole Parquet file"),
    "empty": (empty, "is no whole Parquet file"),
    "cut": (cut, "is no whole Parquet file"),
    "foreign": (foreign, "lacks the columns symbol, date, .*; it holds a, b"),
    "future": (future, r"holds columns that this version of stockstream does not know \(currency\).*upgrade"),
    "types": (other_types, "holds volume as VARCHAR where BIGINT is expected"),
    "names": (names_damaged, r"cannot be read \(|lacks the columns adjusted_close"),
    "undecodable": (undecodable, r"cannot be decoded \("),
}

READINGS = {
    "load_all_data": lambda lake: set(lake.load_all_data()["symbol"]),
    "load_symbols": lambda lake: set(lake.load_symbols(["A", "B"])["symbol"]),
    "load_date_range": lambda lake: set(lake.load_date_range(DAYS[0], DAYS[-1])["symbol"]),
    "symbols": lambda lake: set(lake.symbols()),
    "bars": lambda lake: set(lake.bars().symbols),
    "sql": lambda lake: {row[0] for row in lake.sql("SELECT symbol FROM prices WHERE close > 0").fetchall()},
}


@pytest.mark.parametrize(("damage", "words"), FAULTS.values(), ids=FAULTS)
def test_a_bad_file_hides_only_itself(folder, damage, words):
    bad = folder / "raw-data" / "2024-01-09-batch-1.parquet"
    damage(bad)
    for read in ("load_all_data", "symbols"):  # one by each engine
        with pytest.warns(LakeWarning, match=rf"{bad} is left out of the answer: it {words}"):
            assert READINGS[read](Lake(folder)) == {"A", "B"}
    with pytest.raises(LakeError, match=rf"cannot read the lake at .*{bad.name} {words}"):
        Lake(folder, strict=True).symbols()
    with warnings.catch_warnings(action="ignore", category=LakeWarning):
        (problem,) = Lake(folder).problems()
    assert problem.file == str(bad)


@pytest.mark.parametrize("read", READINGS.values(), ids=READINGS)
def test_every_reading_passes_a_bad_file_over(folder, read):
    text(folder / "raw-data" / "2024-01-09-batch-1.parquet")
    with pytest.warns(LakeWarning, match="is left out of the answer"):
        assert read(Lake(folder)) == {"A", "B"}


@pytest.mark.parametrize("read", ["load_date_range", "bars", "sql"])
def test_data_that_cannot_be_decoded_are_found_by_reading(folder, read):
    undecodable(folder / "raw-data" / "2024-01-09-batch-1.parquet")
    lake = Lake(folder)
    assert READINGS["load_symbols"](lake) == {"A", "B"}  # whose statistics need nothing of the file
    with pytest.warns(LakeWarning, match="is left out of the answer"):
        assert READINGS[read](lake) == {"A", "B"}


@pytest.mark.parametrize("damage", [foreign, future, other_types])
def test_a_bad_file_that_comes_first_decides_nothing(folder, damage):
    bad = folder / "raw-data" / "2024-01-09-batch-1.parquet"
    damage(bad)
    bad.rename(bad.with_name("2020-01-09-batch-1.parquet"))
    with pytest.warns(LakeWarning, match="2020-01-09-batch-1"):
        assert Lake(folder).sql("SELECT DISTINCT symbol FROM raw_prices ORDER BY 1").fetchall() == [("A",), ("B",)]


def test_a_sound_lake_has_no_problems(folder):
    lake = Lake(folder, strict=True)
    assert lake.problems() == ()
    assert lake.symbols() == ("A", "B")


def test_a_restored_file_counts_again(folder):
    lake = Lake(folder)
    path = folder / "raw-data" / "2024-01-05-batch-2.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.warns(LakeWarning, match="batch-2"):
        assert lake.symbols() == ("A",)
    path.write_bytes(whole)
    assert lake.symbols() == ("A", "B")
    assert lake.problems() == ()


def test_bad_events_leave_prices_and_bad_prices_alone_are_an_error(folder):
    (folder / "raw-events").mkdir()
    (folder / "raw-events" / "2024-01-05-batch-1.parquet").write_text("x")
    with pytest.warns(LakeWarning, match=r"raw-events/2024-01-05-batch-1.parquet is left out"):
        assert Lake(folder).bars("A").close.tolist() == [[10.0] * 4]
    for path in (folder / "raw-data").iterdir():
        path.write_text("x")
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(LakeError, match=r"cannot read the lake at .*batch-1.parquet is no whole.*\(1 more such file\)"),
    ):
        Lake(folder).symbols()


def test_files_of_other_writers_with_the_right_columns_are_sound(folder):
    frame = pl.read_parquet(folder / "raw-data" / "2024-01-05-batch-1.parquet")
    frame.with_columns(symbol=pl.lit("P")).write_parquet(folder / "raw-data" / "2024-01-06-batch-1.parquet")
    duckdb.from_arrow(frame.with_columns(symbol=pl.lit("D")).to_arrow()).write_parquet(
        str(folder / "raw-data" / "2024-01-07-batch-1.parquet"), compression="uncompressed"
    )
    assert Lake(folder, strict=True).symbols() == ("A", "B", "D", "P")


def test_a_wrong_query_blames_no_file(folder, monkeypatch):
    monkeypatch.setattr(
        "stockstream.lake.soundness.Soundness.find_undecodable", lambda *_: pytest.fail("blamed a file")
    )
    for query in ("SELECT nothing FROM prices", "SELECT 1 +", "SELECT symbol::INT FROM prices", "FROM nowhere"):
        with pytest.raises(LakeError):
            Lake(folder).sql(query)
