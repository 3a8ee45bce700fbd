"""Prices from CSV files, and two price sources as one."""

import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stockstream.errors import ParameterError, SourceError
from stockstream.ingest.combined import Combined
from stockstream.ingest.csv_folder import CsvFolder
from stockstream.ingest.sources import ANSWER_COLUMNS, Answer, Event, Outcome, PriceSource

NOW = datetime(2024, 2, 1, tzinfo=UTC)
BHP = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits
2024-01-03 00:00:00+11:00,10,11,9,10.5,10.1,1000,0.0,0.0
2024-01-02,9,10,8,9.5,9.1,900,0.25,0
2024-01-04,,,,,,0,,
2024-01-05,11,12,10,11.5,11.1,1100,0,2.0
"""


def source(path: str | Path, **options: object) -> CsvFolder:
    return CsvFolder(path=path, clock=lambda: NOW, **options)  # type: ignore[arg-type]


def one(source: PriceSource, symbol: str = "BHP", start: date | None = None, end: date | None = None) -> Answer:
    (answer,) = source.fetch([symbol], start, end)
    return answer


@pytest.fixture
def folder() -> Path:
    path = Path("prices")
    path.mkdir()
    (path / "BHP.AX.csv").write_text(BHP)
    return path


def test_a_file_of_a_symbol_is_read_by_its_header(folder: Path) -> None:
    answer = one(source(folder, suffix=".AX"))
    assert answer.ok
    assert tuple(answer.columns) == ANSWER_COLUMNS
    assert answer.columns["date"].tolist() == [date(2024, 1, day) for day in (2, 3, 4, 5)]
    np.testing.assert_array_equal(answer.columns["close"], [9.5, 10.5, np.nan, 11.5])
    np.testing.assert_array_equal(answer.columns["adjusted_close"], [9.1, 10.1, np.nan, 11.1])
    np.testing.assert_array_equal(answer.columns["volume"], [900, 1000, 0, 1100])
    assert answer.events == (
        Event(ex_date=date(2024, 1, 2), kind="dividend", value=0.25),
        Event(ex_date=date(2024, 1, 5), kind="split", value=2.0),
    )
    assert (answer.fetched_at, answer.symbol, answer.duplicates) == (NOW, "BHP", ())


def test_only_the_range_is_answered(folder: Path) -> None:
    inside = one(source(folder, suffix=".AX"), start=date(2024, 1, 3), end=date(2024, 1, 4))
    assert inside.columns["date"].tolist() == [date(2024, 1, 3), date(2024, 1, 4)]
    assert inside.events == ()
    assert one(source(folder, suffix=".AX"), start=date(2025, 1, 1)).outcome is Outcome.no_data


def test_one_long_file_has_all_symbols() -> None:
    """Write it with Polars, with codes that look like numbers and like nothing."""
    days = [date(2024, 1, 2), date(2024, 1, 3)] * 3
    frame = pl.DataFrame({"symbol": ["360"] * 2 + ["NAN"] * 2 + ["INF"] * 2, "date": days, "volume": range(6)})
    prices = {name: [float(k + 1) for k in range(6)] for name in ("open", "high", "low", "close")}
    frame.with_columns(**{name: pl.Series(values) for name, values in prices.items()}).write_csv("all.csv")
    answers = list(source("all.csv").fetch(["INF", "XYZ", "360", "NAN"], None))
    assert [answer.outcome for answer in answers] == ["ok", "not_found", "ok", "ok"]
    assert [answer.columns["close"].tolist() for answer in answers if answer.ok] == [[5.0, 6.0], [1.0, 2.0], [3.0, 4.0]]
    assert np.isnan(answers[0].columns["adjusted_close"]).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected the columns date, open"),
        ("date,open,high,low,close\n", "volume missing"),
        ("date,open,high,low,close,volume\n02/01/2024,1,1,1,1,1\n", "line 2: expected a date like 2024-01-31"),
        ("date,open,high,low,close,volume\n2024-02-30,1,1,1,1,1\n", "found '2024-02-30'"),
        (
            "date,open,high,low,close,volume\n2024-01-02,1,1,1,one,1\n",
            "line 2: expected close as a number",
        ),
        ("date,open,high,low,close,volume\n2024-01-02,1,1\n", "line 2: expected 6 fields or more; found 3"),
        ('date,open,high,low,close,volume\n"2024-01-02,1', "unexpected end of data"),
    ],
)
def test_a_broken_file_fails_its_symbol_and_no_other(folder: Path, text: str, says: str) -> None:
    (folder / "BAD.csv").write_text(text)
    bad, good = source(folder, suffix=".AX").fetch(["BAD", "BHP"], None)
    assert bad.outcome is Outcome.malformed
    assert says in bad.message
    assert good.ok


def test_of_two_rows_for_a_date_the_last_one_counts_and_it_is_said(folder: Path) -> None:
    (folder / "TWO.csv").write_text(
        "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,1\n2024-01-03,2,2,2,2,2\n2024-01-02,3,3,3,3,3\n"
    )
    answer = one(source(folder), "TWO")
    assert answer.columns["close"].tolist() == [3.0, 2.0]
    assert answer.duplicates == (date(2024, 1, 2),)


def test_a_symbol_is_no_path_and_a_deadline_ends_the_batch(folder: Path) -> None:
    (Path.cwd() / "secret.csv").write_text(BHP)
    assert one(source(folder), "../secret").outcome is Outcome.not_found
    assert [a.outcome for a in source(folder).fetch(["A", "B"], None, deadline=time.monotonic() - 1)] == [
        "not_tried",
        "not_tried",
    ]
    with pytest.raises(SourceError, match="there is no file or folder nowhere"):
        source("nowhere")


# ---- two as one --------------------------------------------------------------------------------------------------

DAYS = [date(2024, 1, day) for day in range(2, 12)]


class Fixed:
    """A price source with closes by symbol and day."""

    def __init__(self, **closes: dict[date, float] | Outcome) -> None:
        self.closes = closes
        self.asked: list[str] = []

    def fetch(self, symbols, start, end=None, *, pace=None, deadline=None):
        for symbol in symbols:
            self.asked.append(symbol)
            closes = self.closes.get(symbol, Outcome.not_found)
            if isinstance(closes, Outcome):
                yield Answer(symbol=symbol, outcome=closes, fetched_at=NOW, message="said so")
                continue
            values = np.array(list(closes.values()), dtype=float)
            columns = {"date": np.array(list(closes), dtype="datetime64[D]")}
            columns |= {name: values.copy() for name in ANSWER_COLUMNS[1:]}
            yield Answer(symbol=symbol, outcome=Outcome.ok, fetched_at=NOW, columns=columns)


class Raising(Fixed):
    """A source that breaks the rule never to raise."""

    def fetch(self, symbols, start, end=None, *, pace=None, deadline=None):
        message = "no disk"
        raise OSError(message)


class Silent(Fixed):
    """A source that breaks the rule to answer for each symbol."""

    def fetch(self, symbols, start, end=None, *, pace=None, deadline=None):
        return []


def closes(days: list[date], scale: float = 1.0) -> dict[date, float]:
    return {day: scale * (10.0 + day.day) for day in days}


def joined(first: Fixed, second: Fixed, use: str, symbol: str = "BHP") -> Answer:
    return one(Combined(("main", first), ("other", second), use=use), symbol)  # type: ignore[arg-type]


def test_a_cross_check_changes_nothing_and_names_each_difference() -> None:
    second = closes(DAYS)
    second[DAYS[3]] *= 1.02
    second[DAYS[7]] *= 0.5
    del second[DAYS[9]]
    first = Fixed(BHP=closes(DAYS[1:]))
    answer = joined(first, Fixed(BHP=second), "cross_check")
    assert answer.columns["close"].tolist() == list(closes(DAYS[1:]).values())
    differs, missing = answer.findings
    assert (differs.kind, differs.days, differs.first_day) == ("close_differs", 2, DAYS[3])
    assert "on 2024-01-05 main has 15, other 15.3" in differs.message
    assert (missing.kind, missing.days, missing.first_day) == ("row_missing", 1, DAYS[0])
    assert missing.message == "other has 1 traded day that main lacks"
    assert joined(first, Fixed(BHP=closes(DAYS[1:], 1.004)), "cross_check").findings == ()


def test_filling_in_adds_what_is_missing_when_the_two_agree() -> None:
    first = Fixed(BHP=closes([day for day in DAYS if day not in (DAYS[2], DAYS[9])]))
    answer = joined(first, Fixed(BHP=closes(DAYS)), "fill_in")
    assert answer.columns["date"].tolist() == DAYS
    assert answer.columns["close"].tolist() == list(closes(DAYS).values())
    assert np.flatnonzero(np.isnan(answer.columns["adjusted_close"])).tolist() == [2, 9]
    (finding,) = answer.findings
    assert (finding.kind, finding.days, finding.first_day) == ("filled_in", 2, DAYS[2])
    assert finding.message == "taken from other: 2 days that main lacks"
    assert joined(Fixed(BHP=closes(DAYS)), Fixed(BHP=closes(DAYS[3:])), "fill_in").findings == ()


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (closes(DAYS, 0.5), "6 days that main lacks, because their closes differ on 4 of 4 common days"),
        (closes([*DAYS[:4], DAYS[9]]), "1 day that main lacks, because they have only 4 common days"),
        (closes([DAYS[0], DAYS[9]]), "1 day that main lacks, because they have only 1 common day"),
    ],
)
def test_nothing_is_filled_in_from_another_scale_or_without_enough_common_days(
    second: dict[date, float], why: str
) -> None:
    answer = joined(Fixed(BHP=closes(DAYS[:9][:4])), Fixed(BHP=second), "fill_in")
    assert answer.columns["date"].tolist() == DAYS[:4]
    assert [finding.kind for finding in answer.findings] == ["not_filled_in"]
    assert answer.findings[0].message == f"not taken from other: {why}"


def test_a_symbol_that_the_first_lacks_is_taken_from_the_second() -> None:
    answer = joined(Fixed(), Fixed(BHP=closes(DAYS)), "fill_in")
    assert answer.ok
    assert answer.findings[0].message == "all from other, 10 days: main answered not_found (said so)"
    assert joined(Fixed(), Fixed(BHP=closes(DAYS)), "cross_check").outcome is Outcome.not_found


def test_a_second_source_that_fails_is_a_finding_and_no_failure() -> None:
    answer = joined(Fixed(BHP=closes(DAYS)), Fixed(BHP=Outcome.timeout), "cross_check")
    assert answer.ok
    assert [(finding.kind, finding.message) for finding in answer.findings] == [
        ("second_source_failed", "other: said so")
    ]
    for broken, says in ((Raising(), "other: OSError: no disk"), (Silent(), "other: no answer")):
        answer = joined(Fixed(BHP=closes(DAYS)), broken, "fill_in")
        assert answer.ok
        assert [finding.message for finding in answer.findings] == [says]
    second = Fixed(BHP=closes(DAYS))
    assert joined(Fixed(BHP=Outcome.not_tried), second, "fill_in").outcome is Outcome.not_tried
    assert second.asked == [], "there is no time for the second one either"
    with pytest.raises(ParameterError, match="expected cross_check or fill_in"):
        joined(Fixed(), Fixed(), "check")
