"""Compaction changes no answer: as of every instant, whatever was compacted, expired and written in between."""

import datetime as dt
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.errors import LakeError
from stockstream.lake import Lake, compact
from stockstream.lake.as_of import Reading
from stockstream.lake.athena import SHOWN
from stockstream.lake.curated import generation, read_manifest
from stockstream.lake.query import bind_for_compaction
from tests.reference.athena_reader import reader
from tests.reference.lake_cases import (
    COLUMNS,
    DAYS,
    MONDAY,
    PATH,
    answer,
    bar,
    daily,
    filled,
    histories,
    snapshots,
    stamp,
    verdict,
    write_verdict,
)  # fmt: skip

NOW = dt.timedelta(0)
VIEWS = ("prices", "prices_adjusted", "withdrawn", "symbols", "dividends", "splits")

#: All views in one question, each as a list of rows; a version that was written twice is one version.
EVERYTHING = "SELECT " + ", ".join(
    [*(f"(SELECT list(v) FROM {view} AS v)" for view in VIEWS), "(SELECT list(DISTINCT v) FROM raw_prices AS v)"]
)


def answers(lake, **how):
    """Return all that a lake says as of an instant."""
    (found,) = lake.sql(EVERYTHING, **how).fetchall()
    parts = [sorted(map(str, rows or ())) for rows in found]
    return [*parts, lake.load_all_data(**how).rows()]


def panels(lake):
    """Return what bars says now, errors included."""
    found = {}
    for symbol in lake.symbols():
        try:
            bars = lake.bars(symbol)
            found[symbol] = repr([bars.dates, bars.close.tolist(), bars.volume.tolist(), bars.price_factor])
        except LakeError as error:
            found[symbol] = str(error)
    return found


def put(lake, rows):
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    lake.write_rows(columns | {"fetch_timestamp": [row["fetched"] for row in rows]}, session=MONDAY)


def same(raw, compacted, instants):
    for number, until in enumerate(instants):
        how = {"as_of": until, "provisional": number % 2 == 1}
        assert answers(compacted, **how) == answers(raw, **how), how
    assert panels(compacted) == panels(raw)


SOME_ANSWERS = st.lists(snapshots().filter(len), min_size=2, max_size=9)
SOME_VERDICTS = st.lists(verdict(), max_size=3)
SOME_MOMENTS = st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True)  # numbers of answers to compact after


@settings(max_examples=4)
@given(SOME_ANSWERS, SOME_VERDICTS, SOME_MOMENTS)
def test_reading_a_compacted_lake_is_reading_its_batches(given_answers, verdicts, moments):
    with tempfile.TemporaryDirectory() as folder:
        raw = filled(f"{folder}/raw", given_answers, verdicts)
        lake = Lake(f"{folder}/compacted")
        for number, rows in enumerate(given_answers):
            put(lake, rows)
            for place, each in enumerate(verdicts):
                if place == number:
                    write_verdict(lake, place + 1, each)
            if number in moments:
                lake.compact(expire=True, grace=NOW, keep=0)
        for place in range(len(given_answers), len(verdicts)):
            write_verdict(lake, place + 1, verdicts[place])
        first = min(row["fetched"] for rows in given_answers for row in rows)
        same(raw, lake, [None, *[stamp(hour) for hour in (3, 6) if stamp(hour) >= first]])


@settings(max_examples=4)
@given(SOME_ANSWERS, SOME_VERDICTS, SOME_MOMENTS)
def test_athena_says_the_same_of_a_compacted_lake_and_of_its_batches(given_answers, verdicts, moments):
    with tempfile.TemporaryDirectory() as folder:
        raw = filled(f"{folder}/raw", given_answers, verdicts)
        lake = Lake(f"{folder}/compacted")
        shown = {}
        for number, rows in enumerate(given_answers):
            put(lake, rows)
            if number in moments:
                lake.compact(expire=True, grace=NOW, keep=0)
                shown = {SHOWN: generation(read_manifest(lake.location)[0])}
        for place, each in enumerate(verdicts):
            write_verdict(lake, place + 1, each)
        with reader(raw.location) as one, reader(lake.location, shown) as other:
            for view in ("prices", "symbols", "dividends", "splits"):
                query = f"FROM {view} ORDER BY ALL"
                assert other.execute(query).fetchall() == one.execute(query).fetchall()


@settings(max_examples=4)
@given(histories().filter(len), st.lists(st.integers(0, 5), min_size=1, max_size=2, unique=True))
def test_flips_and_links_survive(given_answers, moments):
    with tempfile.TemporaryDirectory() as folder:
        raw, lake = Lake(f"{folder}/raw"), Lake(f"{folder}/compacted")
        for number, each in enumerate(given_answers):
            for place in (raw, lake):
                place.write_rows(each, session="2024-03-01")
            if number in moments:
                lake.compact(expire=True, grace=NOW, keep=0)
        first = given_answers[0]["fetch_timestamp"][0]
        same(raw, lake, [None, *[daily(day) for day in (1, 3) if daily(day) >= first]])


def written(folder):
    """Return the files of all compactions, and refuse folders without any."""
    found = list(Path(folder).glob("curated/*/*/*"))
    assert {path.parent for path in found} == set(Path(folder).glob("curated/*/*"))
    return found


def batches(lake):
    return sorted(path.name for path in Path(str(lake.location)).glob("raw-*/*.parquet"))


def test_a_late_answer_splits_the_runs_it_falls_into(tmp_path):
    rows = [[bar("A", day, 1, 1, hour) for day in range(3)] for hour in (0, 4, 8)]
    late = [bar("A", day, 2, 1, 6) for day in range(2)]
    raw = filled(tmp_path / "raw", [*rows, late], [])
    lake = filled(tmp_path / "compacted", rows, [])
    lake.compact(expire=True, grace=NOW, keep=0)
    put(lake, late)
    instants = [None, *map(stamp, (0, 4, 6, 7))]
    same(raw, lake, instants)
    lake.compact(expire=True, grace=NOW, keep=0)
    assert batches(lake) == []
    same(raw, lake, instants)


def test_dividends_and_splits_are_compacted_too(tmp_path):
    cash, split = [None, None, 0.2, *[None] * 17], [None] * 18 + [10.0]
    parts = [answer(0, range(20), dividend=cash), answer(1, range(5, 24), 10.0, split=[*split])]
    raw, lake = Lake(tmp_path / "raw"), Lake(tmp_path / "compacted")
    for each in parts:
        for place in (raw, lake):
            place.write_rows(each, session="2024-03-01")
        lake.compact(expire=True, grace=NOW, keep=0)
        assert batches(lake) == []
        same(raw, lake, [None, daily(0)])
    for adjust, end in itertools.product(("total", "splits", "none"), (None, DAYS[1], DAYS[10])):
        one, other = (place.bars("A", adjust=adjust, end=end) for place in (raw, lake))
        for name in ("close", "volume", "price_factor", "volume_factor"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.dividend is None) == (other.dividend is None)
        if one.dividend is not None:
            np.testing.assert_array_equal(one.dividend, other.dividend)


def test_the_close_before_an_ex_date_after_the_end_decides_in_a_compacted_lake_too(tmp_path):
    cash = [*[None] * 15, 0.2, *[None] * 4]
    lake = Lake(tmp_path)
    lake.write_rows(answer(0, range(20), dividend=cash), session="2024-03-01")
    lake.compact(expire=True, grace=NOW, keep=0)
    factor = 1 - 0.2 / PATH[14]
    np.testing.assert_allclose(
        lake.bars("A", end=DAYS[5]).close[0], [PATH[day] * factor for day in range(6)], rtol=1e-15
    )


def test_equal_answers_collapse_and_what_is_done_is_not_done_again(tmp_path):
    lake = filled(tmp_path, [[bar("A", day, 1, 1, hour) for day in range(5)] for hour in range(10)], [])
    done = lake.compact()
    assert (done.batches, done.added, done.rows, done.bars, done.expired, done.removed) == (10, 10, 5, 5, 0, 0)
    assert len(batches(lake)) == 10  # kept, unless asked
    again = lake.compact()
    assert (again.added, again.rows, again.removed) == (0, 5, 0)
    put(lake, [bar("A", 9, 1, 1, 11)])
    assert lake.compact().rows == 6
    kept = lake.compact(expire=True)  # nothing is old enough yet
    assert (kept.expired, kept.removed) == (0, 0)
    assert lake.compact(expire=True, grace=dt.timedelta(0), keep=1).expired == 0  # all of them are of one session
    over = lake.compact(expire=True, grace=NOW, keep=0)
    assert (over.expired, over.removed) == (11, 0)
    assert batches(lake) == []
    assert len(written(tmp_path)) == 5


def test_a_batch_that_takes_the_name_of_an_expired_one_is_read(tmp_path):
    lake = filled(tmp_path, [[bar("A", 0, 1, 1, 0)]], [])
    lake.compact(expire=True, grace=NOW, keep=0)
    put(lake, [bar("A", 0, 5, 1, 3)])
    assert batches(lake) == ["2024-01-01-batch-1.parquet"]
    assert lake.load_all_data()["close"].to_list() == [5.0]


def test_a_killed_compaction_leaves_the_lake_as_it_was(tmp_path, monkeypatch):
    lake = filled(tmp_path, [[bar("A", 0, 1, 1, 0)]], [])
    before = answers(lake)
    for step in ("_verify", "_publish"):
        with monkeypatch.context() as patch:
            patch.setattr(f"stockstream.lake.compact.{step}", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                lake.compact()
        assert answers(lake) == before
        # Whether a manifest arrived whose writer was cut off is not known, so its files stay until the next compaction.
        assert len(written(tmp_path)) == (0 if step == "_verify" else 5)
    with monkeypatch.context() as patch:
        patch.setattr("stockstream.lake.compact._publish", lambda *_: False)
        with pytest.raises(LakeError, match=r"another compaction of the lake .* was faster"):
            lake.compact()
    assert len(written(tmp_path)) == 5
    lake.compact(grace=NOW)
    assert answers(lake) == before
    assert len(written(tmp_path)) == 5


def test_files_of_before_compactions_had_folders_of_their_own_are_read_replaced_and_removed(tmp_path):
    lake = filled(tmp_path, [[bar("A", 0, 1, 1, 0)], [bar("A", 0, 2, 1, 1)]], [])
    lake.compact(expire=True, grace=NOW, keep=0)
    before = answers(lake)
    manifest = json.loads((tmp_path / "curated" / "manifest.json").read_text())
    for part, name in manifest["parts"].items():
        folder, made, file = name.rsplit("/", 2)
        manifest["parts"][part] = f"{folder}/{made}-{file}"
        (tmp_path / name).rename(tmp_path / manifest["parts"][part])
    for empty in tmp_path.glob("curated/*/*/"):
        empty.rmdir()
    stray = tmp_path / "curated" / "history" / "2024-01-01T000000-0a1b2c3d-history.parquet"
    stray.write_bytes(b"of a compaction that was killed")
    (tmp_path / "curated" / "manifest.json").write_text(json.dumps(manifest))
    assert generation(manifest) == "none"
    assert answers(lake) == before
    put(lake, [bar("A", 1, 1, 1, 2)])
    lake.compact()
    assert len(list(tmp_path.glob("curated/*/*.parquet"))) == 5  # they stay for a day; the stray file is older
    put(lake, [bar("A", 2, 1, 1, 3)])
    lake.compact(grace=NOW)
    assert list(tmp_path.glob("curated/*/*.parquet")) == []
    assert len(written(tmp_path)) == 5
    assert lake.sql("SELECT close FROM prices ORDER BY date").fetchall()[0] == (2.0,)


def test_nothing_is_joined_by_comparing_all_rows_with_all(tmp_path):
    lake = Lake(tmp_path)
    for hour in (0, 3):
        put(lake, [bar("A", day, 1 + hour, 1, hour) for day in range(6)])
    contents = lake._contents
    with contents.connection() as connection:
        bind_for_compaction(connection, contents.files(), Reading())
        connection.execute(compact._RUNS)
        for part, query in compact._PARTS.items():
            plan = connection.sql(query).explain()
            assert "NL_JOIN" not in plan, part
            assert "NESTED_LOOP" not in plan, part


def test_files_that_do_not_hold_the_batches_are_thrown_away(tmp_path, monkeypatch):
    lake = filled(tmp_path, [[bar("A", 0, 1, 1, 0)], [bar("A", 0, 2, 1, 1)]], [])
    monkeypatch.setitem(compact._PARTS, "history", compact._PARTS["history"] + " LIMIT 0")
    with pytest.raises(LakeError, match="do not hold what its batches do"):
        lake.compact()
    assert written(tmp_path) == []
