"""As-of reading equals a naive twin in plain Python: every version, verdict and absence, as of every instant."""

import datetime as dt
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.errors import LakeError
from stockstream.lake import Lake
from tests.reference.lake_cases import (
    COLUMNS,
    CONTENT,
    MONDAY,
    bar,
    filled,
    snapshots,
    stamp,
    verdict,
    write_verdict,
)  # fmt: skip
from tests.reference.lake_reading import as_of


def rows_of(found):
    return [(*key, *(found[key][name] for name in (*CONTENT, "fetched"))) for key in sorted(found)]


def check(lake, rows, verdicts, until=None, provisional=False):
    expected = rows_of(as_of(rows, verdicts, until or "9999", provisional))
    names = (*COLUMNS, "fetch_timestamp")
    asked = {"as_of": until, "provisional": provisional}
    assert lake.load_all_data(**asked).select(names).rows() == expected
    query = f"SELECT {', '.join(names)} FROM prices ORDER BY symbol, date"
    assert lake.sql(query, **asked).fetchall() == expected
    assert lake.symbols(**asked) == tuple(sorted({row[0] for row in expected}))


def run(answers, verdicts, provisional=False):
    rows = [row for each in answers for row in each]
    with tempfile.TemporaryDirectory() as folder:
        lake = filled(folder, answers, verdicts)
        first = min(row["fetched"] for row in rows)
        for hour in (1, 4, 8):
            if stamp(hour) < first:
                with pytest.raises(LakeError, match="knew nothing: its first answer was fetched"):
                    lake.load_all_data(as_of=stamp(hour))
            else:
                check(lake, rows, verdicts, stamp(hour), provisional)
        check(lake, rows, verdicts, None, provisional)


answered = st.lists(snapshots().filter(len), min_size=1, max_size=14)


@settings(max_examples=5)
@given(answered, st.lists(verdict(), max_size=4), st.booleans())
def test_reading_as_of_equals_the_naive_twin(answers, verdicts, provisional):
    run(answers, verdicts, provisional)


@pytest.mark.slow
@settings(max_examples=80)
@given(answered, st.lists(verdict(), max_size=4), st.booleans())
def test_reading_as_of_equals_the_naive_twin_at_length(answers, verdicts, provisional):
    run(answers, verdicts, provisional)


SESSIONS = (MONDAY + dt.timedelta(14), MONDAY + dt.timedelta(15))


@settings(max_examples=8)
@given(
    st.lists(st.tuples(snapshots().filter(len), st.sampled_from(SESSIONS)), min_size=1, max_size=9),
    st.lists(verdict(), max_size=5),
    st.booleans(),
)
def test_a_merged_session_is_what_its_files_alone_said_less_what_is_hidden(answers, verdicts, provisional):
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for rows, session in answers:
            columns = {name: [row[name] for row in rows] for name in COLUMNS}
            lake.write_rows(columns | {"fetch_timestamp": [row["fetched"] for row in rows]}, session=session)
        for number, each in enumerate(verdicts, start=1):
            write_verdict(lake, number, each)
        for session in SESSIONS:
            own = [row for rows, its in answers if its == session for row in rows]
            if not own:
                with pytest.raises(LakeError, match=f"no batches of session {session}"):
                    lake.merge_daily_batches(session)
                continue
            for until in (None, stamp(4)):
                if until and min(row["fetched"] for row in own) > until:
                    with pytest.raises(LakeError, match=f"knew nothing of session {session}: its first answer"):
                        lake.merge_daily_batches(session, as_of=until)
                    continue
                found = lake.merge_daily_batches(session, as_of=until, provisional=provisional)
                expected = rows_of(as_of(own, verdicts, until or "9999", provisional))
                assert found.select(*COLUMNS, "fetch_timestamp").rows() == expected


def test_a_hidden_row_does_not_come_back_through_a_merge(tmp_path):
    answers = [[bar("A", 0, 1, 1, 0), bar("B", 0, 5, 1, 0)], [bar("A", 0, 2, 1, 1)], [bar("A", 1, 3, 1, 1)]]
    about = {"symbol": "A", "date": MONDAY, "fetched": stamp(1), "hides": True, "decided_at": stamp(3)}
    lake = filled(tmp_path, answers, [about, {**about, "symbol": "B", "fetched": None, "decided_at": stamp(5)}])
    closes = {
        hour: lake.merge_daily_batches(MONDAY, as_of=stamp(hour)).select("symbol", "close").rows() for hour in (2, 3, 5)
    }
    assert closes == {
        2: [("A", 2.0), ("A", 3.0), ("B", 5.0)],
        3: [("A", 1.0), ("A", 3.0), ("B", 5.0)],  # the version before the hidden one, of the same files
        5: [("A", 1.0), ("A", 3.0)],
    }
    assert lake.merge_daily_batches(MONDAY).equals(lake.load_all_data())
    lake.compact(expire=True, grace=dt.timedelta(0), keep=0)
    with pytest.raises(LakeError, match=rf"no batches of session {MONDAY}\. If a compaction expired them"):
        lake.merge_daily_batches(MONDAY)


def absent_from(number, day=2, more=()):
    """Return an answer of five days, then some that lack one of them."""
    full = [bar("A", each, 1, 1, 0) for each in (0, 1, 2, 3, 4, 5, 6)]
    lacking = [[bar("A", each, 1, 1, n + 1) for each in (0, 1, 2, 3, 4, 5, 6) if each != day] for n in range(number)]
    return [full, *lacking, *more]


@pytest.mark.parametrize(("number", "day", "kept"), [(4, 2, True), (5, 2, False), (1, 5, False), (0, 5, True)])
def test_a_bar_is_gone_after_five_answers_without_it_and_on_a_weekend_after_one(tmp_path, number, day, kept):
    lake = filled(tmp_path, absent_from(number, day), [])
    held = lake.load_all_data()["date"].to_list()
    assert (MONDAY + dt.timedelta(day) in held) == kept
    marked = lake.sql("FROM withdrawn").fetchall()
    tombstone = None if kept else stamp(5 if day == 2 else 1)
    expected = [("A", MONDAY + dt.timedelta(day), stamp(0), number, tombstone)] if number else []
    assert marked == expected
    if not kept:  # at every instant before the tombstone the bar is there
        before = lake.load_all_data(as_of=stamp(4 if day == 2 else 0))["date"].to_list()
        assert MONDAY + dt.timedelta(day) in before


def test_a_bar_that_an_answer_brings_back_is_there_again(tmp_path):
    back = [bar("A", 2, 7, 1, 8)]
    lake = filled(tmp_path, absent_from(5, more=[back]), [])
    assert lake.load_all_data().filter(date=MONDAY + dt.timedelta(2))["close"].to_list() == [7.0]


def test_corrections_far_apart_withdraw_nothing_between(tmp_path):
    corrections = [[bar("A", 0, 2, 1, n), bar("A", 6, 2, 1, n)] for n in range(1, 7)]
    run([absent_from(0)[0], *corrections], [])
    lake = filled(tmp_path, [absent_from(0)[0], *corrections], [])
    assert lake.load_all_data().height == 7
    assert lake.sql("SELECT count(*) FROM withdrawn").fetchone() == (0,)


def test_a_rejected_row_was_an_answer(tmp_path):
    rejected = {"symbol": "A", "date": MONDAY + dt.timedelta(2), "fetched": stamp(5), "hides": None}
    verdicts = [rejected | {"decided_at": stamp(5)}]
    lake = filled(tmp_path, absent_from(5), verdicts)
    assert lake.load_all_data().height == 7
    check(lake, [row for each in absent_from(5) for row in each], verdicts)


def test_a_verdict_hides_from_its_decision_until_it_is_withdrawn(tmp_path):
    answers = [[bar("A", 0, 1, 1, 0)], [bar("A", 0, 2, 1, 1)]]
    about = {"symbol": "A", "date": MONDAY, "fetched": stamp(1)}
    verdicts = [
        about | {"hides": True, "decided_at": stamp(3)},
        about | {"hides": False, "decided_at": stamp(6)},
        about | {"fetched": None, "hides": True, "decided_at": stamp(9)},
    ]
    lake = filled(tmp_path, answers, verdicts)
    closes = [lake.load_all_data(as_of=stamp(hour))["close"].to_list() for hour in (0, 1, 3, 6, 9)]
    assert closes == [[1], [2], [1], [2], []]


def test_a_bar_is_provisional_until_two_hours_after_the_close(tmp_path):
    lake = Lake(tmp_path)
    prices = {name: [1.0] for name in ("open", "high", "low", "close")}
    for hour, (summer, close) in {6: (True, 1.0), 7: (True, 2.0), 8: (False, 3.0)}.items():
        day = dt.date(2024, 1, 9) if summer else dt.date(2024, 7, 9)
        row = {"symbol": ["A"], "date": [day], "volume": [1]} | prices | {"high": [9.0], "close": [close]}
        lake.write_rows(row, fetched_at=dt.datetime(day.year, day.month, day.day, hour, tzinfo=dt.UTC))
    # 18:00 in Sydney is 07:00 UTC in summer and 08:00 in winter.
    assert lake.load_all_data()["close"].to_list() == [2.0, 3.0]
    assert lake.load_all_data(as_of="2024-01-09T06:30:00Z").height == 0
    assert lake.load_all_data(as_of="2024-01-09T06:30:00Z", provisional=True)["close"].to_list() == [1.0]
    assert lake.bars(as_of="2024-01-09").close.tolist() == [[2.0]]
    abroad = Lake(tmp_path, exchange="XNYS")
    assert abroad.load_all_data().height == 0
