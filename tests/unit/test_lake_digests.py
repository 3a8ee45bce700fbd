"""What many batches told is kept for the next process: found while nothing changed, told anew when anything did."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from stockstream.lake import Lake, cache, digests, merged, remembered
from stockstream.lake.cache import FileCache
from stockstream.lake.digests import digested
from stockstream.lake.tail import Counted
from stockstream.schema import ROW_TYPES

FIRST = dt.date(2024, 1, 1)


def told(**changes):
    """Return an answer with all that a row may hold: unknown prices, and some that are no number."""
    values = [1.0, None, float("nan")]
    columns = dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), values) | {
        "symbol": ["Ä", "Ä", "B"],
        "date": [FIRST, FIRST + dt.timedelta(1), FIRST],
        "volume": [2**62 + 1, None, 0],
        "fetch_timestamp": ["2024-01-03T00:00:00.000000Z", "2024-01-02T00:00:00.000000Z"] * 1
        + ["2024-01-03T00:00:00.000000Z"],
    }
    schema = dict.fromkeys(columns, pl.Float64) | {
        "symbol": pl.String, "date": pl.Date, "volume": pl.Int64, "fetch_timestamp": pl.String,
    }  # fmt: skip
    parts = {
        "names": ["Ä", "B"], "first": "2024-01-02T00:00:00.000000Z", "days": np.array([19723, 19724], dtype=np.int32),
        "held": np.array([[True, True], [True, False]]), "counts": np.array([[True, True], [True, False]]),
        "floor": np.array([1, -(2**40)]), "ceiling": np.array([3, 2**40]), "odd": np.array([True, False]),
        "rows": pl.DataFrame(columns, schema=schema).select(list(ROW_TYPES)),
        "code": np.array([0, 0, 1], dtype=np.int32),
    }  # fmt: skip
    return Counted(**parts | changes)


def alike(one, other):
    for name in ("days", "held", "counts", "floor", "ceiling", "odd", "code"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    assert (one.names, one.first, one.rows.schema) == (other.names, other.first, other.rows.schema)
    assert one.rows.equals(other.rows)


class Telling:
    """Tells one answer, and how often it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def __call__(self):
        self.asked += 1
        return self.answer


@pytest.fixture
def store(tmp_path):
    return FileCache(tmp_path / "kept")


def the_digest(store):
    (path,) = store.folder.glob("*/*.npz")
    return path


def nothing():
    pytest.fail("a digest that is there was told anew")


@pytest.mark.parametrize("rows", [3, 0])
def test_a_digest_holds_what_was_told_to_the_last_bit(store, rows):
    answer = told(rows=told().rows[:rows], code=told().code[:rows])
    alike(digested(store, "question", lambda: answer), answer)
    alike(digested(store, "question", nothing), answer)


def test_another_question_or_another_file_is_another_digest(store):
    telling = Telling(told())
    for made_of in ("a", "b", ("a", 1), ("a", 2), "a"):
        digested(store, made_of, telling)
    assert telling.asked == 4


def test_another_release_does_not_read_it(store, monkeypatch):
    telling = Telling(told())
    digested(store, "a", telling)
    monkeypatch.setattr(digests, "_code", lambda: "another")
    digested(store, "a", telling)
    assert telling.asked == 2
    monkeypatch.setattr(digests, "_code", lambda: None)  # in an archive, where there are no files of code to look at
    digested(store, "a", telling)
    assert telling.asked == 3
    assert len(list(store.folder.glob("*/*.npz"))) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: bytes(len(content)),
        lambda content: b"not an archive" + content[14:-30],
        lambda content: content.replace(b"Z\0\0\0", b"9\0\0\0"),
    ],
)
def test_a_damaged_digest_is_told_anew_and_replaced(store, damage):
    telling = Telling(told())
    digested(store, "a", telling)
    path = the_digest(store)
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    alike(digested(store, "a", telling), telling.answer)
    assert telling.asked == 2
    alike(digested(store, "a", nothing), telling.answer)


def test_every_single_byte_that_changes_is_seen_or_does_not_matter(store):
    digested(store, "a", told)
    path = the_digest(store)
    content = path.read_bytes()
    for place in range(0, len(content), 23):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        alike(digested(store, "a", told), told())


def test_what_cannot_be_told_and_what_is_too_large_is_not_kept(tmp_path):
    assert digested(FileCache(tmp_path / "none"), "a", lambda: None) is None
    alike(digested(None, "a", told), told())
    alike(digested(FileCache(tmp_path / "small", max_bytes=4_000), "a", told), told())
    assert not list(tmp_path.rglob("*.npz"))


def filled(folder):
    lake = Lake(folder)
    for day in range(10):
        dates = [FIRST + dt.timedelta(day + number) for number in range(8)]
        prices = dict.fromkeys(("open", "high", "low", "close"), [5.0 + day] * 8)
        stamp = f"{dates[-1] + dt.timedelta(1)}T09:00:00.000000Z"
        rows = {"symbol": ["A"] * 8, "date": dates, **prices, "volume": [7] * 8, "fetch_timestamp": [stamp] * 8}
        lake.write_rows(rows, session=dates[-1])
    return lake


def decoded(monkeypatch, read):
    """Return what a process that was told nothing reads, and whether it decoded batches."""
    asked = []
    with monkeypatch.context() as patch:
        answers = merged.answers
        patch.setattr(merged, "answers", lambda *args, **more: asked.append(1) or answers(*args, **more))
        remembered.forget()
        return read(), bool(asked)


def test_the_next_process_reads_no_batch_until_one_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "LEAST_FILES", 10)
    monkeypatch.setattr(cache, "default_folder", lambda: tmp_path / "kept")
    lake = filled(tmp_path / "lake")
    first, cold = decoded(monkeypatch, lake.load_all_data)
    again, warm = decoded(monkeypatch, lake.load_all_data)
    assert (cold, warm) == (True, False)
    assert first.equals(again)
    for how in ({"provisional": True}, {"as_of": "2024-01-12"}):
        assert decoded(monkeypatch, lambda how=how: lake.load_all_data(**how))[1]
    batch = tmp_path / "lake" / "raw-data" / "2024-01-15-batch-1.parquet"
    pl.read_parquet(batch).with_columns(close=pl.col("close") + 0.25).write_parquet(batch)
    changed, cold = decoded(monkeypatch, lake.load_all_data)
    assert cold
    assert changed.filter(pl.col("close") != pl.col("open")).height == 1


def test_of_few_batches_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "default_folder", lambda: tmp_path / "kept")
    lake = filled(tmp_path / "lake")
    lake.load_all_data()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ({"STOCKSTREAM_CACHE_FOLDER": "named"}, "named"),
        ({"STOCKSTREAM_CACHE_MEGABYTES": "0"}, None),
        ({"STOCKSTREAM_CACHE_MEGABYTES": "many"}, None),
        ({}, "default"),
    ],
)
def test_the_settings_say_where_and_whether(tmp_path, monkeypatch, setting, kept):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remembered, "LEAST_FILES", 10)
    monkeypatch.setattr(cache, "default_folder", lambda: tmp_path / "default")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    filled(tmp_path / "lake").load_all_data(provisional=True)
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.npz")} == ({kept} if kept else set())
