"""A damaged file of a compaction: it is named, the batches are read instead, and nothing is lost that was not lost."""

import datetime as dt
import json
import os
import shutil
import warnings

import duckdb
import polars as pl
import pytest

from stockstream.errors import LakeError, LakeWarning
from stockstream.lake import Lake
from stockstream.lake.location import RAW_DATA, RAW_EVENTS
from stockstream.lake.parts import what_to_do

DAYS = [dt.date(2024, 1, 2) + dt.timedelta(days=n) for n in range(4)]
EARLY = "2024-01-08T12:00:00Z"
NOW = {"grace": dt.timedelta(0), "keep": 0}
PARTS = ("latest", "history", "snapshots", "events", "dividends")


def rows(symbol, level=10.0, **more):
    prices = {name: [level] * len(DAYS) for name in ("open", "high", "low", "close")}
    return {"symbol": [symbol] * len(DAYS), "date": DAYS, **prices, "volume": [7] * len(DAYS), **more}


def write(lake, symbol, level, hour, session="2024-01-05", **more):
    moment = dt.datetime(2024, 1, 8, 9, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
    lake.write_rows(rows(symbol, level, **more), session=session, fetched_at=moment)


@pytest.fixture(scope="module")
def compacted(tmp_path_factory):
    """Give the folder of a compacted lake: two symbols, one of them revised, with dividends."""
    lake = Lake(tmp_path_factory.mktemp("compacted") / "lake")
    for hour, symbol in enumerate("AB"):
        write(lake, symbol, 10.0, hour, dividend=[None, None, 0.1, None])
    write(lake, "A", 11.0, 24)
    lake.compact()
    return lake.location.root


@pytest.fixture
def folder(compacted, tmp_path):
    """Give that lake in a folder of its own: links to its files, whose stamps are what the manifest says."""
    return shutil.copytree(compacted, tmp_path / "lake", copy_function=os.link)


def own(path):
    """Make a file one of this folder alone, which a test may damage."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def part_of(folder, part):
    (path,) = folder.glob(f"curated/*/**/*{part}.parquet")
    return own(path)


def text(path):
    path.write_text("no parquet at all, whatever its name says")


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(path)


def future(path):
    pl.read_parquet(path).with_columns(currency=pl.lit("AUD")).write_parquet(path)


def other_types(path):
    pl.read_parquet(path).with_columns(pl.col("symbol").cast(pl.Binary)).write_parquet(path)


def undecodable(path):
    content = bytearray(path.read_bytes())
    for place in range(4, len(content) // 4):
        content[place] ^= 0x5A
    path.write_bytes(content)


def other_bits(path):
    """Change one price, and nothing that a reader would stumble over."""
    frame = pl.read_parquet(path)
    frame.with_columns(pl.col(pl.Float64).first() + 1).write_parquet(path)


def missing(path):
    path.unlink()


FAULTS = {
    "text": (text, "is no whole Parquet file"),
    "empty": (empty, "is no whole Parquet file"),
    "cut": (cut, "is no whole Parquet file"),
    "foreign": (foreign, "lacks the columns symbol, .*; it holds a, b"),
    "future": (future, r"holds columns that this version of stockstream does not know \(currency\).*upgrade"),
    "types": (other_types, "holds symbol as BLOB where VARCHAR is expected"),
    "other bits": (other_bits, "holds other bytes than the last compaction wrote"),
    "missing": (missing, "is missing, which the last compaction wrote"),
    "undecodable": (undecodable, "holds other bytes than the last compaction wrote"),
}

#: Every way to ask, each of which needs some part of a compaction; together they need all.
QUESTION = (
    "SELECT (SELECT list(p ORDER BY p) FROM prices_adjusted AS p), "
    "(SELECT list(DISTINCT r ORDER BY r) FROM raw_prices AS r), "
    "(SELECT list(d ORDER BY d) FROM dividends AS d)"
)
READINGS = {
    "load_all_data": lambda lake: lake.load_all_data().rows(),
    "load_symbols": lambda lake: lake.load_symbols(["B", "A"]).rows(),
    "load_date_range": lambda lake: lake.load_date_range(DAYS[0], DAYS[1]).rows(),
    "bars": lambda lake: repr(lake.bars().close.tolist()),
    "bars as of": lambda lake: repr(lake.bars(as_of=EARLY).close.tolist()),
    "sql": lambda lake: lake.sql(QUESTION).fetchall(),
    "sql as of": lambda lake: lake.sql(QUESTION, as_of=EARLY).fetchall(),
    "scan": lambda lake: lake.scan(as_of=EARLY).collect().rows(),
    "changes": lambda lake: lake.changes(EARLY).rows(),
}


#: These need every part between them.
FEW = ("load_all_data", "bars", "sql as of")


def answers(lake):
    return {name: READINGS[name](lake) for name in FEW}


@pytest.mark.parametrize(
    ("part", "damage"), [*(("latest", name) for name in FAULTS), *((part, "undecodable") for part in PARTS[1:])]
)
def test_the_batches_are_read_instead_and_the_next_compaction_repairs_it(folder, part, damage):
    before, (spoil, words) = answers(Lake(folder)), FAULTS[damage]
    bad = part_of(folder, part)
    spoil(bad)
    told = rf"{bad} is left out of the answer, and the compaction with it: it {words}.*\. All batches .* are there"
    with pytest.warns(LakeWarning, match=told):
        assert answers(Lake(folder)) == before
    with warnings.catch_warnings(action="ignore", category=LakeWarning):
        assert [problem.file for problem in Lake(folder).problems()] == [str(bad)]
        assert Lake(folder).compact(**NOW).added == 5
    assert Lake(folder, strict=True).problems() == ()
    assert answers(Lake(folder)) == before


@pytest.mark.parametrize("part", ["latest", "events"])
@pytest.mark.parametrize("read", READINGS.values(), ids=READINGS)
def test_no_reading_takes_a_foreign_file_for_an_answer(folder, part, read):
    before = read(Lake(folder))
    foreign(part_of(folder, part))
    with pytest.warns(LakeWarning, match=f"{part}.parquet is left out of the answer"):
        assert read(Lake(folder)) == before


def test_strict_refuses_and_says_what_to_do(folder):
    bad = part_of(folder, "events")
    text(bad)
    lake = Lake(folder, strict=True)
    for act in (lake.load_all_data, lake.bars, lambda: lake.sql("FROM prices"), lambda: lake.explain("FROM prices")):
        with pytest.raises(LakeError, match=rf"cannot read the lake at .*{bad} is no whole .* compact again \(`stock"):
            act()


def test_one_lost_batch_is_spoken_of_in_the_singular():
    made_of = {"raw": {"raw-data/2024-01-05-batch-1.parquet": ("100:stamp", "2024-01-06")}, "expired": 0}
    assert ": 1 batch that it was made of is gone" in what_to_do(made_of, {RAW_DATA: [], RAW_EVENTS: []})
    assert ": 3 batches that it was made of are gone" in what_to_do(
        made_of | {"expired": 2}, {RAW_DATA: [], RAW_EVENTS: []}
    )


def test_what_only_a_damaged_compaction_held_is_missing_and_said_to_be(folder):
    lake = Lake(folder)
    lake.compact(expire=True, **NOW)
    write(lake, "C", 30.0, 48, session="2024-01-15")
    before, bad = answers(lake), part_of(folder, "history")
    whole = bad.read_bytes()
    cut(bad)
    lost = "Restore it from a copy of the lake: 5 batches that it was made of are gone, with what no other file says"
    with pytest.warns(LakeWarning, match=lost):
        assert Lake(folder).load_all_data()["symbol"].unique().to_list() == ["C"]
    with pytest.raises(LakeError, match=lost):
        Lake(folder, strict=True).bars()
    held = sorted(folder.rglob("*.parquet"))
    with pytest.warns(LakeWarning, match=lost), pytest.raises(LakeError, match=rf"{bad} is no whole .*{lost}"):
        Lake(folder).compact(expire=True, **NOW)
    assert sorted(folder.rglob("*.parquet")) == held
    bad.write_bytes(whole)
    assert answers(Lake(folder)) == before
    (folder / "raw-data" / "2024-01-15-batch-1.parquet").unlink()
    cut(bad)
    with warnings.catch_warnings(action="ignore"), pytest.raises(LakeError, match=rf"cannot read the lake .*{bad}"):
        Lake(folder).load_all_data()


def test_batches_are_not_expired_for_rows_that_can_no_longer_be_read(folder):
    before = answers(Lake(folder))
    undecodable(part_of(folder, "latest"))
    with pytest.warns(LakeWarning, match="is left out of the answer, and the compaction with it"):
        done = Lake(folder).compact(expire=True, **NOW)
    assert (done.added, done.expired) == (5, 5)  # from new files, which hold them
    assert answers(Lake(folder, strict=True)) == before


def test_files_that_cannot_be_decoded_are_found_by_reading_where_their_stamps_tell_nothing(folder):
    before, path = answers(Lake(folder)), own(folder / "curated" / "manifest.json")
    bad = part_of(folder, "latest")
    undecodable(bad)
    manifest, status = json.loads(path.read_text()), bad.stat()
    manifest["keys"] = {name: key for name, key in manifest["keys"].items() if "latest" not in name}
    del manifest["digests"]
    path.write_text(json.dumps(manifest))
    assert status.st_size == bad.stat().st_size
    with pytest.warns(LakeWarning, match=rf"{bad} is left out of the answer, .* cannot be decoded \([ -~]*\)"):
        assert answers(Lake(folder)) == before


def test_a_copy_of_a_lake_is_sound(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert answers(Lake(tmp_path / "copy", strict=True)) == answers(Lake(folder))


def test_a_manifest_of_before_does_not_say_whether_batches_were_expired(folder):
    before, path = answers(Lake(folder)), own(folder / "curated" / "manifest.json")
    manifest = json.loads(path.read_text())
    del manifest["keys"], manifest["expired"], manifest["digests"]
    path.write_text(json.dumps(manifest))
    assert answers(Lake(folder, strict=True)) == before
    text(part_of(folder, "latest"))
    with pytest.warns(LakeWarning, match="If no batches were ever expired, remove curated/manifest.json"):
        assert Lake(folder).load_all_data().rows() == before["load_all_data"]
    with warnings.catch_warnings(action="ignore"), pytest.raises(LakeError, match=r"remove curated/manifest\.json"):
        Lake(folder).compact()
    path.unlink()
    Lake(folder).compact()
    assert answers(Lake(folder, strict=True)) == before


def without(name):
    return lambda manifest: {key: value for key, value in manifest.items() if key != name}


MANIFESTS = {
    "garbage": (lambda _: b"\x00\xffPAR1", r"found no JSON \("),
    "empty": (lambda _: b"", r"found no JSON \(Expecting value"),
    "cut": (lambda manifest: json.dumps(manifest)[:300].encode(), r"found no JSON \("),
    "a list": (lambda _: b"[]", "found no format in it"),
    "another object": (lambda _: {"a": 1}, "found no format in it"),
    "from the future": (lambda manifest: manifest | {"format": 9}, "has format 9; this release reads 1. Update"),
    "without batches": (without("raw"), "found 'raw' as 'nothing'"),
    "without parts": (without("parts"), "found no 'latest' among its parts"),
    "batches as texts": (lambda manifest: manifest | {"raw": dict.fromkeys(manifest["raw"], "x")}, "found 'raw' as"),
    "others to delete": (lambda manifest: manifest | {"retired": {"raw-data/2024-01-05-batch-1.parquet": ""}}, "retir"),
    "parts elsewhere": (
        lambda manifest: manifest | {"parts": dict.fromkeys(PARTS, "curated/latest/../../x")},
        "found 'parts' as",
    ),
}


@pytest.mark.parametrize(("change", "words"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_none_is_named_and_removing_it_reads_the_batches(folder, change, words):
    path = own(folder / "curated" / "manifest.json")
    changed = change(json.loads(path.read_text()))
    path.write_bytes(changed if isinstance(changed, bytes) else json.dumps(changed).encode())
    lake = Lake(folder)
    for act in (lake.load_all_data, lake.bars, lake.symbols, lambda: lake.sql("FROM prices"), lake.compact):
        with pytest.raises(LakeError, match=rf"{path}.*{words}"):
            act()
    assert len(list(folder.glob("raw-*/*.parquet"))) == 5
    path.unlink()
    assert Lake(folder).load_all_data().height == 8


DECIDED = {"symbol": "A", "date": DAYS[0], "fetch_timestamp": None, "reason": "test", "hides": True}


def decide(folder, number, **columns):
    values = DECIDED | {"severity": "error", "explanation": "", "decided_at": "2024-01-20T00:00:00.000000Z"} | columns
    frame = pl.DataFrame([values], schema_overrides={"fetch_timestamp": pl.String})
    (folder / "quarantine").mkdir(exist_ok=True)
    path = folder / "quarantine" / f"2024-01-20-batch-{number}.parquet"
    frame.write_parquet(path)
    return path


VERDICTS = {
    "text": (text, "is no whole Parquet file"),
    "foreign": (foreign, "lacks the columns symbol, date, .*decided_at; it holds a, b"),
    "symbols alone": (lambda path: pl.DataFrame({"symbol": ["A"]}).write_parquet(path), "lacks the columns date, "),
    "dates as texts": (
        lambda path: decide(path.parent.parent, 2, date="yesterday"),
        "holds date as VARCHAR where DATE",
    ),
    "hides as text": (lambda path: decide(path.parent.parent, 2, hides="maybe"), "holds hides as VARCHAR where BOOL"),
}


@pytest.mark.parametrize(("spoil", "words"), VERDICTS.values(), ids=VERDICTS)
def test_a_bad_file_of_verdicts_withdraws_no_other_verdict(folder, spoil, words):
    decide(folder, 1)
    before = Lake(folder).load_all_data()
    bad = decide(folder, 2, symbol="B")
    assert (before.height, Lake(folder).load_all_data().height) == (7, 6)
    spoil(bad)
    with pytest.warns(LakeWarning, match=rf"{bad} is left out of the answer: it {words}"):
        assert Lake(folder).load_all_data().equals(before)
    with pytest.warns(LakeWarning, match=rf"{bad} is left out of the answer: it {words}"):
        assert Lake(folder).sql("SELECT count(*) FROM prices").fetchone() == (7,)
    with pytest.raises(LakeError, match=rf"{bad} {words}"):
        Lake(folder, strict=True).bars()


def test_a_compaction_beside_a_bad_file_of_verdicts_knows_the_others(folder):
    decide(folder, 1)
    before = answers(Lake(folder))
    text(decide(folder, 2, symbol="B"))
    with warnings.catch_warnings(action="ignore", category=LakeWarning):
        Lake(folder).compact()
        assert answers(Lake(folder)) == before


def test_events_from_the_future_are_not_taken_for_those_of_today(folder):
    path = folder / "raw-events" / "2024-01-20-batch-1.parquet"
    duckdb.sql(
        "SELECT 'A' AS symbol, DATE '2024-01-04' AS ex_date, 'dividend' AS kind, 5.0::DOUBLE AS value, "
        "'2024-01-20T00:00:00.000000Z' AS fetch_timestamp, 'USD' AS currency"
    ).write_parquet(str(path))
    with pytest.warns(LakeWarning, match=rf"{path} is left out of the answer: .*does not know \(currency\)"):
        assert Lake(folder).sql("SELECT max(dividend) FROM dividends").fetchone() == (0.1,)
