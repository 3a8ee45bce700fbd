"""What changed between two instants, and which results stand on it."""

import datetime as dt

import pytest

from stockstream.errors import ParameterError
from stockstream.lake import Lake
from tests.reference.lake_cases import answer, daily


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    lake.write_rows(answer(0, range(20)), session="2024-03-01")
    return lake


def test_changes_are_new_changed_and_hidden_bars(lake):
    lake.write_rows(answer(1, range(8, 22), changed=[(10, 9.5)]), session="2024-03-01")
    frame = lake.changes(daily(0))
    found = {
        day: (change, old, new)
        for day, change, old, new in frame.select("date", "change", "old_close", "new_close").iter_rows()
    }
    assert set(found) == {dt.date(2024, 1, 11), dt.date(2024, 1, 21), dt.date(2024, 1, 22)}
    assert found[dt.date(2024, 1, 11)][0] == "changed"
    assert found[dt.date(2024, 1, 11)][2] == 9.5
    assert found[dt.date(2024, 1, 21)][:2] == ("new", None)
    assert lake.changes(daily(0), daily(0)).height == 0
    assert lake.changes(daily(0), end="2024-01-11", start="2024-01-11", symbols="A").height == 1
    back = lake.changes(daily(1), daily(0)).filter(change="gone")
    assert back.height == 2


def test_a_result_is_affected_by_revisions_of_its_own_bars_only(lake):
    bars = lake.bars("A", end="2024-01-05")
    assert lake.affected(bars).height == 0
    lake.write_rows(answer(1, range(8, 22), changed=[(10, 9.5)]), session="2024-03-01")
    assert lake.affected(bars).height == 0
    lake.write_rows(answer(2, [1], changed=[(1, 7.0)]), session="2024-03-01")
    assert lake.affected(bars)["date"].to_list() == [dt.date(2024, 1, 2)]
    passport = {"through": daily(0), "symbols": ["A"], "start": "2024-01-01", "end": "2024-01-20"}
    assert lake.affected(passport).height == 2
    lake.compact()
    assert lake.affected(passport).height == 2


def test_what_was_not_read_from_a_lake_is_refused(lake):
    with pytest.raises(ParameterError, match="expected bars, a result of a backtest or its passport; found int"):
        lake.affected(5)
    with pytest.raises(ParameterError, match="expected prices that were read from a lake"):
        lake.affected({"symbols": ["A"]})
