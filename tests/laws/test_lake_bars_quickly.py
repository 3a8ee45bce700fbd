"""Bars read straight from a compaction are those of the views, bit for bit."""

import datetime as dt
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.bars import EXTRAS
from stockstream.errors import DataError, LakeError, UnknownNameError
from stockstream.lake import Lake, bars_reading, overlaid, present
from stockstream.schema import OHLCV
from tests.reference.lake_cases import (
    DAYS,
    MONDAY,
    PATH,
    daily,
    file_by_file,
    filled,
    histories,
    read_before,
    snapshots,
    verdict,
    write_verdict,
)  # fmt: skip

NOW = dt.timedelta(0)


@st.composite
def priced(draw, symbol):
    """Draw answers about one symbol: its dividends, splits and adjusted closes, corrections and another scale."""
    answers, scale = [], 1.0
    for number in range(draw(st.integers(1, 3))):
        scale = draw(st.sampled_from([scale, scale, scale, 0.5]))
        first, size = draw(st.integers(0, 3)), draw(st.integers(8, 16))
        days = [day for day in range(first, first + size) if draw(st.integers(0, 9))]
        closes = [PATH[day] * scale * draw(st.sampled_from([1.0, 1.0, 1.0, 1.01])) for day in days]
        paid = [draw(st.sampled_from([None] * 6 + [0.1, 0.37, 3.0])) for _ in days]
        split = [draw(st.sampled_from([None] * 9 + [2.0, 0.3])) for _ in days]
        part = draw(st.sampled_from([1.0, 1.0, 0.9]))
        source = [close * part if draw(st.integers(0, 9)) else None for close in closes]
        if not days:
            continue
        answers.append(
            {
                "symbol": [symbol] * len(days),
                "date": [DAYS[day] for day in days],
                "open": closes,
                "close": closes,
                "high": [close * 1.1 for close in closes],
                "low": [close / 1.1 for close in closes],
                "volume": [draw(st.sampled_from([None, 0, 7, 100])) for _ in days],
                "adjusted_close": source if draw(st.booleans()) else closes,
                "fetch_timestamp": [daily(number)] * len(days),
                "dividend": paid if draw(st.booleans()) else [None] * len(days),
                "split": split if draw(st.booleans()) else [None] * len(days),
            }
        )
    return answers


def told(lake, monkeypatch, *, quickly, kept=False, **how):
    """Return all of some bars as bytes, or the error instead of them; and whether the views were asked."""
    with monkeypatch.context() as patch:
        asked = []
        patch.setattr(overlaid, "MOST_ODD", 1.0)
        file_by_file(patch)
        found = bars_reading.bind
        patch.setattr(bars_reading, "bind", lambda *args, **more: asked.append(1) or found(*args, **more))
        if not quickly:
            patch.setattr(bars_reading, "present", lambda *_, **__: None)
        try:
            if kept:
                read_before(patch, lake, lambda: lake.bars(**how))
            bars = lake.bars(**how)
        except (DataError, LakeError, UnknownNameError) as error:
            return (type(error), str(error)), bool(asked)
    panels = {name: getattr(bars, name) for name in (*OHLCV, *EXTRAS)}
    data = {name: None if panel is None else panel.tobytes() for name, panel in panels.items()}
    return (bars.symbols, bars.dates.tobytes(), bars.provenance, data), bool(asked)


def same(lake, monkeypatch, *, kept=False, **how):
    quick, asked = told(lake, monkeypatch, quickly=True, kept=kept, **how)
    slow, asked_always = told(lake, monkeypatch, quickly=False, **how)
    assert asked_always
    assert quick == slow, how
    return not asked


READINGS = (
    {},
    {"adjust": "splits"},
    {"adjust": "none"},
    {"symbols": ["B", "A"]},
    {"symbols": ["C", "A"], "start": DAYS[3]},
    {"end": DAYS[9]},
    {"start": DAYS[2], "end": DAYS[5]},
    {"symbols": ["A"], "as_of": daily(1)},
    {"symbols": ["A", "Z"]},
)


def events_and_scales(answers, readings):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lake = Lake(folder)
        for each in answers:
            lake.write_rows(each, session="2024-03-01")
        if answers:
            lake.compact(expire=True, grace=NOW, keep=0)
            for how in readings:
                same(lake, patch, **how)


PRICED = st.tuples(priced("A"), priced("B"), priced("C")).map(lambda parts: [each for part in parts for each in part])


@settings(max_examples=3)
@given(PRICED, st.lists(st.sampled_from(READINGS), min_size=2, max_size=2, unique_by=str))
def test_events_scales_and_adjusted_closes(answers, readings):
    events_and_scales(answers, [{}, *readings])


@pytest.mark.slow
@settings(max_examples=60)
@given(PRICED)
def test_events_scales_and_adjusted_closes_at_length(answers):
    events_and_scales(answers, READINGS)


def withdrawn_and_judged(answers, verdicts):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lake = filled(folder, answers, verdicts)
        lake.compact(expire=True, grace=NOW, keep=0)
        for how in ({}, {"symbols": ["A"], "start": MONDAY + dt.timedelta(3)}):
            same(lake, patch, **how)


JUDGED = (st.lists(snapshots().filter(len), min_size=2, max_size=9), st.lists(verdict(), max_size=3))


@settings(max_examples=2)
@given(*JUDGED)
def test_withdrawn_bars_and_verdicts(answers, verdicts):
    withdrawn_and_judged(answers, verdicts)


@pytest.mark.slow
@settings(max_examples=60)
@given(*JUDGED)
def test_withdrawn_bars_and_verdicts_at_length(answers, verdicts):
    withdrawn_and_judged(answers, verdicts)


def renamed(answers, symbol):
    return [each | {"symbol": [symbol] * len(each["symbol"])} for each in answers]


def batches_over_a_compaction(parts, moment, verdicts, readings):
    """Compare readings of answers in the order of their instants, of which the first few are compacted."""
    answers = sorted((each for part in parts for each in part), key=lambda each: each["fetch_timestamp"][0])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lake = Lake(folder)
        for number, each in enumerate(answers):
            lake.write_rows(each, session="2024-03-01")
            if number < len(verdicts):
                write_verdict(lake, number + 1, verdicts[number])
            # Answers of one instant go together: one after a compaction that knows others of it is late.
            following = answers[number + 1]["fetch_timestamp"][0] if number + 1 < len(answers) else None
            if number >= moment > 0 and following != each["fetch_timestamp"][0]:
                moment = 0
                lake.compact(expire=True, grace=NOW, keep=0)
        for how in readings if answers else ():
            same(lake, patch, kept=True, **how)


HISTORIES = st.tuples(*(histories().map(lambda part, name=name: renamed(part, name)) for name in "AB"), priced("C"))


@settings(max_examples=4)
@given(HISTORIES, st.integers(0, 6), st.lists(verdict(), max_size=1), st.sampled_from(READINGS))
def test_batches_over_a_compaction(parts, moment, verdicts, reading):
    batches_over_a_compaction(parts, moment, verdicts, [{}, reading])


#: Each reading is made twice, and a fifth of a second long: four of them an example leave time for many lakes.
@pytest.mark.slow
@settings(max_examples=60)
@given(
    HISTORIES,
    st.integers(0, 6),
    st.lists(verdict(), max_size=1),
    st.lists(st.sampled_from(READINGS[1:]), min_size=3, max_size=3, unique_by=str),
)
def test_batches_over_a_compaction_at_length(parts, moment, verdicts, readings):
    batches_over_a_compaction(parts, moment, verdicts, [{}, *readings])


def window(symbol, number, first, last, scale=1.0, **changed):
    days = range(first, last + 1)
    closes = [changed.get(f"d{day}", PATH[day] * scale) for day in days]
    return {
        "symbol": [symbol] * len(days), "date": [DAYS[day] for day in days],
        **dict.fromkeys(("open", "high", "low", "close"), closes),
        "volume": [7] * len(days), "fetch_timestamp": [daily(number)] * len(days),
    }  # fmt: skip


def test_only_symbols_out_of_the_ordinary_are_asked_of_the_views(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    asked = []
    found = present.bind
    monkeypatch.setattr(present, "bind", lambda *args, **more: asked.append(more["symbols"]) or found(*args, **more))

    def ordinary(*names):
        asked.clear()
        assert same(lake, monkeypatch)
        assert asked == ([list(names)] if names else [])

    for number in range(3):
        for symbol in "ABCDEF":
            lake.write_rows(window(symbol, number, number, number + 15), session="2024-03-01")
    ordinary()
    lake.write_rows(window("A", 3, 3, 18, scale=0.5), session="2024-03-01")  # on another scale
    lake.write_rows(window("B", 3, 3, 18, d8=7.0), session="2024-03-01")  # one close of a link is revised
    lake.write_rows(window("C", 3, 3, 18, d17=7.0), session="2024-03-01")  # one that no link is judged by
    ordinary("A", "B")
    lake.compact(expire=True, grace=NOW, keep=0)
    lake.write_rows(window("D", 4, 3, 19), session="2024-03-01")
    ordinary()
    lake.write_rows(window("E", 5, 5, 20, scale=2.0), session="2024-03-01")
    lake.write_rows(window("A", 5, 4, 20, scale=0.5), session="2024-03-01")  # as before, but was not always
    lake.write_rows(window("G", 5, 4, 20), session="2024-03-01")  # new
    ordinary("A", "E")
    lake.write_rows(window("D", 6, 4, 20) | {"dividend": [0.1, *[None] * 16]}, session="2024-03-01")
    ordinary("A", "D", "E")
    lake.write_rows(window("F", 6, 16, 31), session="2024-03-01")  # too few common bars for a link
    assert told(lake, monkeypatch, quickly=True)[0] == told(lake, monkeypatch, quickly=False)[0]
    with pytest.raises(LakeError, match="basis of F is unknown"):
        lake.bars()


def test_of_a_lake_with_a_reused_code_that_code_alone_is_asked_of_the_views(tmp_path, monkeypatch):
    lake, asked = Lake(tmp_path), []
    found = present.bind
    monkeypatch.setattr(present, "bind", lambda *args, **more: asked.append(more["symbols"]) or found(*args, **more))
    (tmp_path / "symbols").mkdir()
    (tmp_path / "symbols" / "listings.csv").write_text(
        "listing_id,symbol,name,listing_date,first_seen,last_seen\n"
        f"C.1,C,Old,,{DAYS[0]},{DAYS[11]}\nC.2,C,New,,{DAYS[13]},{DAYS[30]}\nA.1,A,One,,{DAYS[0]},{DAYS[30]}\n"
    )
    for number in range(2):
        for symbol in "ABCD":
            lake.write_rows(
                window(symbol, number, number, number + 20)
                | {"dividend": [0.1 if symbol == "C" else None] + [None] * 20},
                session="2024-03-01",
            )
    for step in range(3):
        if step == 1:
            lake.compact(expire=True, grace=NOW, keep=0)
        if step == 2:
            lake.write_rows(window("A", 3, 3, 22), session="2024-03-01")
        for how in (
            {},
            {"symbols": ["C.1", "A", "B"]},
            {"symbols": ["C", "D", "A"], "end": DAYS[15]},
            {"as_of": daily(0)},
        ):
            asked.clear()
            quickly = same(lake, monkeypatch, **how)
            names = [name for name in ("C", "C.1") if name in how.get("symbols", ("C", "C.1"))]
            if "as_of" not in how:
                assert quickly
                assert asked == [names]
    assert lake.bars().symbols == ("A", "B", "C", "C.1", "D")
    for how in (
        {"symbols": ["C"]},
        {"symbols": ["C.1", "Z"]},
        {"start": DAYS[12]},
        {"symbols": ["C.1"], "start": DAYS[12]},
    ):
        same(lake, monkeypatch, **how)


def test_ordinary_lakes_do_not_ask_the_views(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    closes = np.array(PATH)
    for symbol in "AB":
        lake.write_rows(
            {
                "symbol": [symbol] * 40, "date": DAYS, "open": closes, "high": closes + 1, "low": closes - 1,
                "close": closes, "volume": [5] * 40, "fetch_timestamp": [daily(0)] * 40,
                "dividend": [0.1 if symbol == "A" and day in {4, 20, 31} else None for day in range(40)],
            }
        )  # fmt: skip
    lake.compact()
    for how in ({}, {"symbols": ["A"]}, {"end": DAYS[10]}, {"symbols": ["B"], "start": DAYS[5]}):
        assert same(lake, monkeypatch, **how), how
    assert not same(lake, monkeypatch, adjust="splits")
