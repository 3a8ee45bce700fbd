"""One basis: answers on other scales are carried by accepted links, or refused, as a naive twin says."""

import datetime as dt
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings

from stockstream.errors import LakeError
from stockstream.lake import Lake
from tests.reference.lake_cases import PATH, answer, daily, histories
from tests.reference.lake_reading import as_of, bases


def filled(folder, answers):
    lake = Lake(folder)
    for each in answers:
        lake.write_rows(each, session="2024-03-01")
    return lake


def closes(lake, **how):
    return lake.bars("A", adjust="none", **how).close[0]


def test_a_consolidation_carries_older_rows_to_the_new_scale(tmp_path):
    lake = filled(tmp_path, [answer(0, range(20)), answer(1, range(5, 24), 10.0)])
    np.testing.assert_allclose(closes(lake), np.array(PATH[:24]) * 10, rtol=1e-12)
    np.testing.assert_allclose(closes(lake, as_of=daily(0)), PATH[:20], rtol=1e-12)
    served = [close for (close,) in lake.sql("SELECT close FROM prices ORDER BY date").fetchall()]
    np.testing.assert_allclose(served, [*PATH[:5], *(price * 10 for price in PATH[5:24])], rtol=1e-12)
    view = [close for (close,) in lake.sql("SELECT close FROM prices_adjusted ORDER BY date").fetchall()]
    np.testing.assert_allclose(view, np.array(PATH[:24]) * 10, rtol=1e-12)


def test_a_flip_there_and_back_changes_nothing(tmp_path):
    lake = filled(tmp_path, [answer(0, range(20)), answer(1, range(3, 22), 20.0), answer(2, range(6, 24))])
    np.testing.assert_allclose(closes(lake), PATH[:24], rtol=1e-12)
    np.testing.assert_allclose(closes(lake, as_of=daily(1)), np.array(PATH[:22]) * 20, rtol=1e-12)


def test_volumes_follow_the_links_that_a_split_explains(tmp_path):
    split = [None] * 18 + [0.1]
    lake = filled(tmp_path, [answer(0, range(20)), answer(1, range(5, 24), 10.0, volume=10, split=split)])
    bars = lake.bars("A", adjust="splits")
    np.testing.assert_allclose(bars.volume[0], [10] * 24, rtol=1e-12)
    np.testing.assert_allclose(bars.close[0], np.array(PATH[:24]) * 10, rtol=1e-12)
    np.testing.assert_allclose(bars.price_factor[0], [10.0] * 23 + [1.0], rtol=1e-12)
    np.testing.assert_allclose(bars.volume_factor[0], [0.1] * 23 + [1.0], rtol=1e-12)
    other = filled(tmp_path / "b", [answer(0, range(20)), answer(1, range(5, 24), 1.3)])
    np.testing.assert_allclose(other.bars("A", adjust="splits").volume[0], [100] * 24)


def test_dividends_of_older_answers_are_carried_too(tmp_path):
    cash = [None] * 2 + [0.2] + [None] * 17
    lake = filled(tmp_path, [answer(0, range(20), dividend=cash), answer(1, range(5, 24), 10.0)])
    bars = lake.bars("A", adjust="splits")
    assert bars.dividend[0, 2] == pytest.approx(2.0)
    total = lake.bars("A").close[0]
    assert total[1] == pytest.approx(PATH[1] * 10 * (1 - 0.2 / PATH[1]))


REFUSED = {
    "only bars before an event were rescaled": [answer(0, range(20)), answer(1, range(5, 24), changed=[(5, 30.0)])],
    "the two ends differ": [
        answer(0, range(20)),
        answer(1, range(2, 24), 10.0, changed=[(day, PATH[day]) for day in range(12, 24)]),
    ],
    "many differ": [answer(0, range(20)), answer(1, range(2, 24), changed=[(8, 9), (9, 9)])],
    "too few in common": [answer(0, range(12)), answer(1, range(5, 24))],
    "none in common": [answer(0, range(12)), answer(1, range(12, 24))],
}


@pytest.mark.parametrize("answers", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_linked_is_refused_and_says_what_to_do(tmp_path, answers):
    lake = filled(tmp_path, answers)
    with pytest.raises(LakeError, match=r"the basis of A is unknown: no accepted link .* 2024-03-01.* 2024-03-02") as e:
        closes(lake)
    first = dt.date.fromisoformat(str(e.value).partition("read from ")[2][:10])
    assert closes(lake, start=first).tolist() == list(answers[1]["close"])
    assert closes(lake, as_of=daily(0)).tolist() == list(answers[0]["close"])
    whole = answer(2, range(24))
    assert closes(filled(tmp_path, [whole])).tolist() == PATH[:24]
    lost = lake.sql("SELECT count(*) - count(close) FROM prices_adjusted", as_of=daily(1)).fetchone()
    assert lost == (len([day for day in answers[0]["date"] if day < answers[1]["date"][0]]),)


ACCEPTED = {
    "one in ten was corrected": [answer(0, range(20)), answer(1, range(4, 24), changed=[(8, 9)])],
    "the last three were corrected": [answer(0, range(20)), answer(1, range(4, 24), changed=[(18, 9), (19, 9)])],
    "corrections are patches": [answer(0, range(20)), answer(1, [3, 9], 5.0), answer(2, range(5, 24))],
    "untraded bars are better than none": [answer(0, range(20), volume=0), answer(1, range(5, 24), volume=0)],
}


@pytest.mark.parametrize("answers", ACCEPTED.values(), ids=ACCEPTED)
def test_corrections_do_not_break_a_link(tmp_path, answers):
    lake = filled(tmp_path, answers)
    expected = {}
    for each in answers:
        expected |= dict(zip(each["date"], each["close"], strict=True))
    assert closes(lake).tolist() == list(expected.values())


@settings(max_examples=12)
@given(histories().filter(len))
def test_one_basis_equals_the_naive_twin(answers):
    rows = [
        {"symbol": "A", "date": day, "fetched": fetched, "volume": 100, "adjusted_close": close}
        | dict.fromkeys(("open", "high", "low", "close"), close)
        for each in answers
        for day, fetched, close in zip(each["date"], each["fetch_timestamp"], each["close"], strict=True)
    ]
    winners = [row for _, row in sorted(as_of(rows).items())]
    basis = bases(rows, winners)
    last = max(segment for segment, _ in basis.values())
    expected = [row["close"] * basis[row["date"]][1] if basis[row["date"]][0] == last else None for row in winners]
    with tempfile.TemporaryDirectory() as folder:
        lake = filled(folder, answers)
        # adjusted_close equals close, so nothing but the basis stands between the two views
        found = [close for (close,) in lake.sql("SELECT close FROM prices_adjusted ORDER BY date").fetchall()]
        assert found == [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]
        if None in expected:
            with pytest.raises(LakeError, match="the basis of A is unknown"):
                closes(lake)
        else:
            np.testing.assert_allclose(closes(lake), expected, rtol=1e-9)
