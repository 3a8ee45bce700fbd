"""Batches read slice by slice, and what is remembered of them."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from stockstream.lake import Lake, gathered, merged, overlaid, remembered
from stockstream.lake.as_of import Reading
from stockstream.lake.gathered import Gatherer, newest_first
from stockstream.schema import ROW_TYPES

FIRST = dt.date(2024, 1, 1)


def answer(symbol, day, days=10, price=5.0):
    """Return what a run on a day answers about the days before."""
    dates = [FIRST + dt.timedelta(day + number) for number in range(days)]
    prices = dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), [price + day / 100] * days)
    stamp = f"{dates[-1] + dt.timedelta(1)}T09:00:00.000000Z"
    return {"symbol": [symbol] * days, "date": dates, **prices, "volume": [7] * days, "fetch_timestamp": [stamp] * days}


def filled(folder, runs=12):
    lake = Lake(folder)
    for day in range(runs):
        for symbol in "BA":
            rows = answer(symbol, day)
            lake.write_rows(rows, session=rows["date"][-1])
    return lake


def frame(rows):
    return pl.DataFrame(rows).select(list(ROW_TYPES))


def test_rows_that_newer_answers_replace_are_not_held():
    gatherer = Gatherer(Reading(), closes=True)
    for day in range(29, -1, -1):
        gatherer.add(frame(answer("A", day)))
    rows = gatherer.rows()
    assert len(rows.closes.close) == rows.runs.bars.sum() == 300
    assert rows.values.height == len(rows.code) == rows.counts.sum() == 39  # one row of each day
    assert rows.stamps == sorted(rows.stamps)
    assert (np.diff(rows.stamp) >= 0).all()  # in the order of the files
    assert rows.runs.first.tolist() == [(FIRST - dt.date(1970, 1, 1)).days + day for day in range(30)]
    assert (rows.runs.last - rows.runs.first == 9).all()
    assert rows.runs.ordered.all()


def test_rows_that_do_not_count_yet_are_held_beside_those_that_do():
    gatherer = Gatherer(Reading(), closes=False)
    early = answer("A", 1)
    early["fetch_timestamp"] = [f"{early['date'][-1]}T03:00:00.000000Z"] * 10  # before the last session had closed
    gatherer.add(frame(answer("A", 2)))
    gatherer.add(frame(early))
    rows = gatherer.rows()
    assert rows.counts.tolist() == [True, False, *[True] * 10]
    assert [FIRST + dt.timedelta(1), FIRST + dt.timedelta(10)] == [
        dt.date(1970, 1, 1) + dt.timedelta(int(number)) for number in rows.number[:2]
    ]


def test_an_answer_is_known_by_its_dates_and_whether_they_are_in_order():
    rows = answer("A", 0, days=3)
    rows["date"] = [rows["date"][place] for place in (1, 0, 2)]
    gatherer = Gatherer(Reading(), closes=False)
    gatherer.add(pl.concat([frame(rows), frame(answer("B", 0, days=3))]))
    found = gatherer.rows().runs
    assert found.ordered.tolist() == [False, True]
    assert found.bars.tolist() == [3, 3]


def test_late_answers_and_symbols_in_any_order_are_kept():
    gatherer = Gatherer(Reading(), closes=False)
    gatherer.add(frame(answer("C", 3)))
    gatherer.add(frame(answer("A", 8)))  # later than what was read before it
    gatherer.add(frame(answer("A", 5)))
    gatherer.add(frame(answer("C", 2)))
    rows = gatherer.rows()
    assert rows.names == ["A", "C"]
    assert rows.closes is None
    held = list(zip(rows.code.tolist(), rows.stamp.tolist(), strict=True))
    assert held.count((1, 0)) == 1  # of what C said first
    assert len(held) == 31


def test_files_are_read_by_sessions_the_last_first(tmp_path, monkeypatch):
    paths = []
    for session in ("2024-01-02", "2024-01-03", "2024-01-04"):
        for number in (1, 2):
            path = tmp_path / f"{session}-batch-{number}.parquet"
            path.write_bytes(b"x" * 100)
            paths.append(str(path))
    monkeypatch.setattr(gathered, "_AT_ONCE", 400)
    assert list(newest_first(paths)) == [paths[2:], paths[:2]]
    monkeypatch.setattr(gathered, "_AT_ONCE", 1)
    assert list(newest_first(paths)) == [paths[4:], paths[2:4], paths[:2]]


@pytest.mark.parametrize("how", [{}, {"provisional": True}, {"as_of": "2024-01-11"}])
def test_nothing_but_a_compaction_is_read_without_batches(tmp_path, how):
    lake = filled(tmp_path, runs=3)
    expected = lake.load_all_data(**how)
    lake.compact(expire=True, grace=dt.timedelta(0), keep=0)
    assert not list((tmp_path / "raw-data").iterdir())
    assert lake.load_all_data(**how).equals(expected)
    assert list(newest_first([])) == []


@pytest.mark.parametrize("read", [Lake.load_all_data, lambda lake: lake.bars().close.tobytes()])
def test_batches_are_decoded_once_until_there_are_others(tmp_path, monkeypatch, read):
    lake = filled(tmp_path)
    asked = []
    for module in (merged, overlaid):
        found = module.answers
        monkeypatch.setattr(
            module, "answers", lambda *args, found=found, **more: asked.append(1) or found(*args, **more)
        )
    first = read(lake)
    again = read(Lake(tmp_path))
    assert len(asked) == 1
    assert first.equals(again) if isinstance(first, pl.DataFrame) else first == again
    rows = answer("A", 12, price=6.0)
    lake.write_rows(rows, session=rows["date"][-1])
    changed = read(lake)
    assert len(asked) == 2
    remembered.forget()
    told = read(lake)
    assert len(asked) == 3
    assert changed.equals(told) if isinstance(changed, pl.DataFrame) else changed == told


def test_a_file_of_the_same_name_and_size_is_another_file(tmp_path):
    lake = filled(tmp_path, runs=1)
    before = lake.load_all_data()
    other = Lake(tmp_path / "other")
    for symbol in "BA":
        rows = answer(symbol, 0, price=9.0)
        other.write_rows(rows, session=rows["date"][-1])
    for path in (tmp_path / "other" / "raw-data").iterdir():
        path.replace(tmp_path / "raw-data" / path.name)
    after = lake.load_all_data()
    assert before["close"].unique().to_list() == [5.0]
    assert after["close"].unique().to_list() == [9.0]


def test_only_so_many_bytes_are_remembered(tmp_path, monkeypatch):
    remembered.forget()
    lake = filled(tmp_path)
    lake.load_all_data()
    ((_, kept),) = remembered._kept.items()
    assert kept.size() > 21 * 6 * 8
    monkeypatch.setattr(remembered, "MOST", 3 * kept.size())
    for day in range(12, 18):
        rows = answer("A", day)
        lake.write_rows(rows, session=rows["date"][-1])
        lake.load_all_data()
    assert sum(each.size() for each in remembered._kept.values()) <= 3 * kept.size()
    assert 1 <= len(remembered._kept) <= 3
    monkeypatch.setattr(remembered, "MOST", 0)
    lake.load_all_data(provisional=True)
    assert not remembered._kept


def test_a_reader_cannot_change_what_is_remembered(tmp_path):
    lake = filled(tmp_path)
    before = lake.load_all_data()
    asked, kept = list(remembered._kept.items())[-1]
    taken = remembered.remembered(lake.location, [path for path, *_ in asked[1]], asked[0], lambda: None)
    taken.odd[:] = True
    assert not kept.odd.any()
    assert lake.load_all_data().equals(before)
