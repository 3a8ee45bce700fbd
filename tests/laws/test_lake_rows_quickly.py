"""Rows told from arrays are those of the views, whatever was answered, judged, compacted and written in between."""

import datetime as dt
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.errors import LakeError
from stockstream.lake import Lake, merged
from stockstream.lake.as_of import EXCHANGES, Reading, settled
from stockstream.lake.rows import connect
from tests.reference.lake_cases import (
    COLUMNS,
    DAYS,
    MONDAY,
    bar,
    file_by_file,
    read_before,
    snapshots,
    stamp,
    verdict,
    write_verdict,
)

NOW = dt.timedelta(0)


def put(lake, rows):
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    lake.write_rows(columns | {"fetch_timestamp": [row["fetched"] for row in rows]}, session=MONDAY)


def read(lake, patch, *, quickly, kept=False, **how):
    """Return all rows, and whether they were told from arrays; `kept`: as a process before this one left them."""
    told = []

    def rows(*args):
        found = counting_rows(*args) if quickly else None
        told.append(found is not None)
        return found

    counting_rows = merged.counting_rows
    with patch.context() as patched:
        patched.setattr(merged, "counting_rows", rows)
        patched.setattr(merged, "MOST_ODD", 1.0)
        file_by_file(patched)
        try:
            if kept:
                read_before(patched, lake, lambda: lake.load_all_data(**how))
            return lake.load_all_data(**how), any(told)
        except LakeError as error:
            return str(error), any(told)


def same(lake, patch, *, kept=False, **how):
    quick, told = read(lake, patch, quickly=True, kept=kept, **how)
    slow, _ = read(lake, patch, quickly=False, **how)
    if isinstance(quick, str) or isinstance(slow, str):
        assert quick == slow
    else:
        assert quick.schema == slow.schema
        assert quick.rows() == slow.rows(), how
    return told


def check(answers, verdicts, moments):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lake = Lake(folder)
        for number, rows in enumerate(answers):
            put(lake, rows)
            if number < len(verdicts):
                write_verdict(lake, number + 1, verdicts[number])
            if number in moments:
                lake.compact(expire=True, grace=NOW, keep=0)
        for how in ({}, {"provisional": True}, {"as_of": stamp(9)}, {"as_of": stamp(5)}):
            same(lake, patch, kept=True, **how)


@st.composite
def in_time(draw, answers):
    """Let answers come one after the other, most of them: as the daily run does."""
    late = draw(st.integers(0, 4)) == 0
    return answers if late else sorted(answers, key=lambda rows: rows[0]["fetched"])


ANSWERS = st.lists(snapshots().filter(len), min_size=2, max_size=9).flatmap(in_time)
VERDICTS = st.just([]) | st.lists(verdict(), max_size=2)
MOMENTS = st.just([]) | st.lists(st.integers(0, 6), min_size=1, max_size=2, unique=True)


@settings(max_examples=6)
@given(ANSWERS, VERDICTS, MOMENTS)
def test_rows_of_batches_and_of_a_compaction_with_batches(answers, verdicts, moments):
    check(answers, verdicts, moments)


@pytest.mark.slow
@settings(max_examples=150)
@given(ANSWERS, VERDICTS, MOMENTS)
def test_rows_of_batches_and_of_a_compaction_with_batches_at_length(answers, verdicts, moments):
    check(answers, verdicts, moments)


def days(first, last):
    return range(first, last + 1)


def test_what_is_ordinary_and_what_is_asked_of_the_views(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    for hour in (0, 3):
        for symbol in "ABCDE":
            put(lake, [bar(symbol, day, 1 + hour, 1, hour) for day in days(hour // 3, 4 + hour // 3)])
    asked = []
    found = merged.bind
    monkeypatch.setattr(merged, "bind", lambda *args, **more: asked.append(more["symbols"]) or found(*args, **more))
    assert same(lake, monkeypatch)
    assert asked == []
    put(lake, [bar("A", day, 9, 1, 4) for day in (1, 2, 4)])  # lacks a day that it covers
    put(lake, [bar("B", 2, 8, 1, 4)])
    put(lake, [bar("B", 2, 7, 1, 4)])  # two versions of one instant
    put(lake, [bar("C", 3, 8, 1, 2)])  # late
    write_verdict(lake, 1, {"symbol": "D", "date": DAYS[1], "fetched": None, "hides": True, "decided_at": stamp(5)})
    assert same(lake, monkeypatch)
    assert asked == [["A", "B", "D"]]
    lake.compact(expire=True, grace=NOW, keep=0)
    put(lake, [bar("E", day, 6, 1, 6) for day in days(3, 9)])  # the last ones are provisional
    asked.clear()
    assert same(lake, monkeypatch)
    assert asked == [["D"]]
    put(lake, [bar("C", day, 6, 1, 7) for day in (1, 4, 5)])
    asked.clear()
    assert same(lake, monkeypatch)
    assert asked == [["C", "D"]]
    put(lake, [bar("E", day, 5, 1, 1) for day in days(0, 3)])  # older than the compaction: the views tell all
    assert not same(lake, monkeypatch)


def test_a_bar_is_final_from_the_instant_that_the_views_say():
    connection = connect()
    for exchange in EXCHANGES:
        unsettled = Reading(exchange=exchange).is_provisional()
        for day in (dt.date(2024, 1, 1), dt.date(2024, 3, 31), dt.date(2024, 10, 6), dt.date(1969, 12, 30)):
            instant = settled((day - dt.date(1970, 1, 1)).days, exchange)
            before = (dt.datetime.fromisoformat(instant) - dt.timedelta(microseconds=1)).strftime(
                "%Y-%m-%dT%H:%M:%S.%fZ"
            )
            query = f"SELECT {unsettled} FROM (SELECT ?::DATE AS date, ? AS fetch_timestamp)"
            assert [connection.execute(query, [day, at]).fetchone()[0] for at in (before, instant)] == [True, False]


def test_sparse_batches_are_left_to_the_views(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    dates = [dt.date(2000, 1, 1) + dt.timedelta(number) for number in range(144)]
    flat = {name: [1.0] * 144 for name in ("open", "high", "low", "close")}
    symbols = [f"S{number}" for number in range(144)]
    lake.write_rows({"symbol": symbols, "date": dates, **flat, "volume": [1] * 144}, fetched_at=dt.datetime.now(dt.UTC))
    assert not same(lake, monkeypatch)
