"""The real yfinance client against the replay server: what it makes of good answers and of every bad one."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from stockstream import sessions
from stockstream.errors import ParameterError
from stockstream.ingest.budget import Budget
from stockstream.ingest.sources import ANSWER_COLUMNS, Answer, Outcome, PriceSource
from stockstream.ingest.yahoo import Yahoo
from tests.replay import chart
from tests.replay.books import VALUES, Generated, Recorded, Series, Shelf, Vintages
from tests.replay.server import ReplayServer

NOW = datetime(2026, 5, 14, 20, tzinfo=UTC)  # Friday 06:00 in Sydney
SYMBOLS = [f"G{number:02d}" for number in range(20)]
BOOK = Generated(SYMBOLS, date(2025, 1, 2), date(2026, 5, 29))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    with ReplayServer(tmp_path_factory.mktemp("replay"), BOOK, NOW) as server:
        yield server


@pytest.fixture
def server(running: ReplayServer) -> Iterator[ReplayServer]:
    running.book, running.now = BOOK, NOW
    yield running
    running.behave()
    running.pages.clear()
    running.asked.clear()


def source(server: ReplayServer, **options) -> Yahoo:
    options = {"clock": lambda: server.now, "sleep": lambda seconds: None, **options}
    return Yahoo(ca_bundle=str(server.certificate), proxy=server.address, cache=str(server.folder / "cache"), **options)


def ask(server: ReplayServer, *symbols: str, start=date(2026, 3, 2), end=None, **options) -> list[Answer]:
    return list(source(server, **options).fetch(symbols, start, end))


def test_it_is_a_price_source(server: ReplayServer) -> None:
    assert isinstance(source(server), PriceSource)


def test_bars_are_those_of_the_source(server: ReplayServer) -> None:
    (answer,) = ask(server, "G03")
    whole = BOOK.series("G03", NOW)
    chosen = (whole.days >= np.datetime64("2026-03-02")) & (whole.days <= np.datetime64("2026-05-14"))
    assert answer.outcome is Outcome.ok
    assert tuple(answer.columns) == ANSWER_COLUMNS
    assert answer.columns["date"].dtype == np.dtype("datetime64[D]")
    np.testing.assert_array_equal(answer.columns["date"], whole.days[chosen])
    for name, values in whole.values.items():
        np.testing.assert_array_equal(answer.columns[name], values[chosen])
    assert (answer.symbol, answer.fetched_at, answer.currency, answer.timezone) == (
        "G03",
        NOW,
        "AUD",
        "Australia/Sydney",
    )
    assert (answer.unsettled, answer.duplicates, answer.message) == (0, (), "")


def test_one_request_a_symbol(server: ReplayServer) -> None:
    ask(server, *SYMBOLS[:5])
    assert [one.symbol for one in server.charts()] == SYMBOLS[:5]


def test_the_end_is_included_and_none_means_from_the_first_day(server: ReplayServer) -> None:
    (answer,) = ask(server, "G03", start=None, end=date(2026, 2, 27))
    assert answer.columns["date"][0] == np.datetime64("2025-01-02")
    assert answer.columns["date"][-1] == np.datetime64("2026-02-27")
    paid = [day for day, _ in BOOK.series("G03", NOW).dividends if day <= date(2026, 2, 27)]
    assert len(paid) >= 2
    assert [event.ex_date for event in answer.events] == paid
    assert {(event.kind, event.value) for event in answer.events} == {("dividend", 0.05)}


@pytest.mark.parametrize(
    ("now", "last", "unsettled"),
    [
        ("2026-05-14T20:00", "2026-05-14", 0),  # 06:00 in winter
        ("2026-02-12T19:00", "2026-02-12", 0),  # 06:00 in summer: the UTC date is the day before
        ("2026-05-14T02:00", "2026-05-13", 1),  # midday: the bar is live
        ("2026-05-14T07:59", "2026-05-13", 1),  # closed, not settled
        ("2026-05-14T08:00", "2026-05-14", 0),  # two hours after the close
        ("2026-05-10T20:00", "2026-05-08", 0),  # Monday morning
        ("2026-04-06T20:00", "2026-04-02", 0),  # Tuesday after Easter
        ("2025-12-24T05:09", "2025-12-23", 1),  # an early close at 14:10
        ("2025-12-24T05:10", "2025-12-24", 0),
    ],
)
def test_only_settled_sessions(server: ReplayServer, now: str, last: str, unsettled: int) -> None:
    server.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
    (answer,) = ask(server, "G01", start=date(2025, 12, 1))
    assert (str(answer.columns["date"][-1]), answer.unsettled) == (last, unsettled)
    (kept,) = ask(server, "G01", start=date(2025, 12, 1), unfinished=True)
    assert (len(kept.columns["date"]), kept.unsettled) == (len(answer.columns["date"]) + unsettled, 0)


@pytest.mark.parametrize(
    ("fault", "outcome", "words", "tries"),
    [
        ("429", "rate_limited", "Too Many Requests", 3),
        ("404", "not_found", "No data found, symbol may be delisted", 1),
        ("400", "no_data", "Data doesn't exist for startDate", 1),
        ("empty", "no_data", "no price data found", 1),
        ("500", "malformed", "JSONDecodeError", 3),
        ("down", "malformed", "CURRENTLY DOWN", 3),
        ("malformed", "malformed", "JSONDecodeError", 3),
        ("truncated", "error", "ConnectionError", 3),
        ("new_york", "wrong_listing", "expected a listing in Australia/Sydney; Yahoo answered with one in America", 1),
        ("usd", "wrong_listing", "expected prices in AUD; Yahoo answered in USD", 1),
    ],
)
def test_each_failure_is_named_and_stops_no_other_symbol(
    server: ReplayServer, fault: str, outcome: str, words: str, tries: int
) -> None:
    server.misbehave(fault, "G05")
    waits: list[float] = []
    answers = ask(server, "G04", "G05", "G06", attempts=3, sleep=waits.append)
    assert [answer.outcome for answer in answers] == ["ok", outcome, "ok"]
    assert words in answers[1].message
    assert not answers[1].columns
    assert len(waits) == tries - 1


def test_a_missing_currency_is_taken(server: ReplayServer) -> None:
    server.misbehave("no_currency", "G05")
    (answer,) = ask(server, "G05")
    assert (answer.outcome, answer.currency) == (Outcome.ok, None)


def test_a_symbol_that_the_source_does_not_know(server: ReplayServer) -> None:
    assert [answer.outcome for answer in ask(server, "NOPE", "G01")] == ["not_found", "ok"]


@pytest.mark.parametrize("fault", ["429", "500", "malformed", "truncated", "down"])
def test_what_passes_is_tried_again(server: ReplayServer, fault: str) -> None:
    # yfinance itself asks once more, with another cookie, when the status says that it was refused.
    server.misbehave(fault, "G05", times=4 if fault in ("429", "500") else 2)
    waits: list[float] = []
    (answer,) = ask(server, "G05", attempts=4, backoff=1.0, sleep=waits.append)
    assert answer.outcome is Outcome.ok
    assert len(waits) == 2
    assert all(0 <= wait <= 2**place for place, wait in enumerate(waits, start=1))


def test_a_server_that_hangs_is_a_timeout(server: ReplayServer) -> None:
    server.misbehave("hang", "G05")
    began = time.monotonic()
    answers = ask(server, "G05", "G06", timeout=0.3, attempts=1)
    assert [answer.outcome for answer in answers] == ["timeout", "ok"]
    assert time.monotonic() - began < 5


def test_a_slow_server_is_waited_for(server: ReplayServer) -> None:
    server.misbehave("slow", "G05", seconds=0.3)
    assert ask(server, "G05")[0].outcome is Outcome.ok


def test_a_server_that_is_not_there(server: ReplayServer) -> None:
    dead = Yahoo(proxy="http://127.0.0.1:9", cache=str(server.folder / "cache"), attempts=2, sleep=lambda seconds: None)
    answers = list(dead.fetch(["G01", "G02"], date(2026, 3, 2)))
    assert [answer.outcome for answer in answers] == ["error", "error"]
    assert "127.0.0.1" in answers[0].message


def test_an_untrusted_certificate_is_refused(server: ReplayServer) -> None:
    trusting = Yahoo(proxy=server.address, cache=str(server.folder / "cache"), attempts=1)
    (answer,) = trusting.fetch(["G01"], date(2026, 3, 2))
    assert (answer.outcome, "certificate" in answer.message.lower()) == (Outcome.error, True)


def test_the_deadline_ends_in_order(server: ReplayServer) -> None:
    ticks = iter(range(100))
    budget = Budget(delay=1, per_second=1000, clock=lambda: next(ticks) / 1e6, sleep=lambda seconds: None)
    answers = list(source(server).fetch(SYMBOLS[:4], date(2026, 3, 2), pace=budget.pace(), deadline=1.5))
    assert [answer.outcome for answer in answers] == ["ok", "ok", "not_tried", "not_tried"]
    assert [answer.symbol for answer in answers] == SYMBOLS[:4]
    past = list(source(server).fetch(SYMBOLS[:2], date(2026, 3, 2), deadline=time.monotonic() - 1))
    assert [answer.outcome for answer in past] == ["not_tried", "not_tried"]


def test_no_try_after_the_deadline(server: ReplayServer) -> None:
    server.misbehave("429", "G00")
    waits: list[float] = []
    patient = source(server, attempts=9, backoff=1e6, sleep=waits.append)
    (answer,) = patient.fetch(["G00"], date(2026, 3, 2), deadline=time.monotonic() + 0.05)
    assert answer.outcome is Outcome.rate_limited
    assert sum(waits) < 0.05


def test_refusals_slow_the_shared_budget(server: ReplayServer) -> None:
    server.misbehave("429", "G00")
    budget = Budget(delay=0, per_second=1e6)
    assert [a.outcome for a in source(server, attempts=1).fetch(["G00"], date(2026, 3, 2), pace=budget.pace())] == [
        "rate_limited"
    ]
    assert budget.extra == 1
    list(source(server, attempts=1).fetch(["G01"], date(2026, 3, 2), pace=Budget(delay=0, per_second=1e6).pace()))


def test_rows_of_one_date_are_recorded_and_null_rows_left_out(server: ReplayServer) -> None:
    days = np.array(["2026-05-11", "2026-05-12", "2026-05-13", "2026-05-14", "2026-05-14"], dtype="datetime64[D]")
    values = {
        name: np.array([1.0, np.nan, 1.2, 1.3, 1.4]) for name in ("open", "high", "low", "close", "adjusted_close")
    }
    values["volume"] = np.array([10, np.nan, 12, 13, 14.0])

    class One:
        def series(self, symbol: str, now: datetime) -> Series:
            return Series(days, values)

    server.book = One()
    (answer,) = ask(server, "DUP")
    assert [str(day) for day in answer.columns["date"]] == ["2026-05-11", "2026-05-13", "2026-05-14"]
    assert answer.columns["close"].tolist() == [1.0, 1.2, 1.4]  # the last as served
    assert answer.duplicates == (date(2026, 5, 14),)


@pytest.mark.parametrize("bad", [{"timeout": 0}, {"attempts": 0}, {"backoff": -1}, {"exchange": "XASK"}])
def test_options_out_of_range_are_refused(bad: dict) -> None:
    with pytest.raises(ParameterError, match="expected"):
        Yahoo(**bad)


# Real answers


def test_a_download_of_2021_comes_through_unchanged(server: ReplayServer, market_data: Path) -> None:
    book = Vintages(market_data)
    server.book, server.now = book, next(i for i in book.instants if i.date() == date(2021, 6, 10))  # 17:02 in Sydney
    answers = ask(server, *book.symbols, start=None)
    checked = 0
    for answer in answers:
        whole = book.series(answer.symbol, server.now)
        priced = ~np.isnan(whole.values["close"])
        priced[:-1] &= whole.days[:-1] != whole.days[1:]
        settled = whole.days <= np.datetime64("2021-06-09")
        kept = priced & settled
        assert answer.outcome is Outcome.ok
        np.testing.assert_array_equal(answer.columns["date"], whole.days[kept])
        for name in ("open", "high", "low", "close", "volume", "adjusted_close"):
            np.testing.assert_array_equal(answer.columns[name], whole.values[name][kept])
        assert answer.unsettled == (priced & ~settled).sum()
        checked += 1
    assert checked == 66


def test_events_and_wrong_listings_of_the_recorded_years(server: ReplayServer, market_data: Path) -> None:
    server.book, server.now = Shelf(Recorded(market_data)), datetime(2026, 1, 4, 20, tzinfo=UTC)
    bhp, sun, aoh = ask(server, "BHP", "SUN", "AOH", start=date(2024, 1, 2))
    assert aoh.outcome is Outcome.wrong_listing
    whole = server.book.series("BHP", server.now)
    assert [(event.ex_date, event.value) for event in bhp.events] == [*whole.dividends]
    assert len(bhp.events) >= 4
    assert [(event.ex_date, event.value) for event in sun.events if event.kind == "split"] == [
        (date(2025, 2, 17), 0.8511)
    ]


@pytest.mark.parametrize(("now", "unsettled"), [("2022-01-13T06:00", 1), ("2022-01-13T19:00", 0)])
def test_a_recorded_answer_with_a_late_stamp_and_a_change_of_clocks(
    server: ReplayServer, market_data: Path, now: str, unsettled: int
) -> None:
    body = (market_data / "yahoo_chart" / "ALL.AX_3mo_2022-01-13.json").read_bytes()
    server.pages["/v8/finance/chart/ALL.AX"] = body
    server.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
    (answer,) = ask(server, "ALL", start=date(2021, 10, 1))
    expected = sessions.sessions(date(2021, 10, 13), date(2022, 1, 13 - unsettled))
    assert answer.outcome is Outcome.ok
    assert answer.columns["date"].tolist() == expected
    assert answer.unsettled == unsettled


def test_a_live_bar_served_again_the_next_morning_is_not_taken(server: ReplayServer, market_data: Path) -> None:
    body = json.loads((market_data / "yahoo_chart" / "NAB.AX_5d_2017-09-08_live_bar.json").read_bytes())
    server.pages["/v8/finance/chart/NAB.AX"] = json.dumps(body).encode()
    server.now = datetime(2017, 9, 8, 20, tzinfo=UTC)  # the session is over; the bar is stamped 14:32
    (answer,) = ask(server, "NAB", start=date(2017, 9, 1))
    assert answer.columns["date"].tolist() == sessions.sessions(date(2017, 9, 4), date(2017, 9, 7))
    assert answer.unsettled == 1


@pytest.mark.parametrize("name", ["AAPL_2020-08-31_2020-11-07_split_dividend.json"])
def test_recorded_events_of_another_exchange(server: ReplayServer, market_data: Path, name: str) -> None:
    body = (market_data / "yahoo_chart" / name).read_bytes()
    server.pages["/v8/finance/chart/AAPL"] = body
    american = source(server, suffix="", exchange="XNYS", currency="USD")
    (answer,) = american.fetch(["AAPL"], date(2020, 8, 31), date(2020, 11, 7))
    events = json.loads(body)["chart"]["result"][0]["events"]
    assert sorted(event.kind for event in answer.events) == sorted(
        ["dividend"] * len(events.get("dividends", {})) + ["split"] * len(events.get("splits", {}))
    )
    assert {event.value for event in answer.events if event.kind == "dividend"} == {
        one["amount"] for one in events["dividends"].values()
    }
    (refused,) = source(server, suffix="").fetch(["AAPL"], date(2020, 8, 31), date(2020, 11, 7))
    assert refused.outcome is Outcome.wrong_listing


def test_events_keep_their_day_and_their_currency(server: ReplayServer) -> None:
    days = np.array(["2026-05-11", "2026-05-13", "2026-05-14"], dtype="datetime64[D]")
    values = {name: np.array([10.0, 11.0, 12.0]) for name in VALUES}
    body = json.loads(
        chart.body("EVT", Series(days, values, [(date(2026, 5, 12), 0.5)], [(date(2026, 5, 13), 0.1)]), NOW, 0, 2**40)
    )
    dividends = body["chart"]["result"][0]["events"]["dividends"]
    foreign = chart.open_instant(date(2026, 5, 14))
    dividends[str(foreign)] = {"amount": 0.3, "date": foreign, "currency": "USD"}
    server.pages["/v8/finance/chart/EVT.AX"] = json.dumps(body).encode()
    (answer,) = ask(server, "EVT")
    assert [(event.ex_date, event.kind, event.value) for event in answer.events] == [
        (date(2026, 5, 12), "dividend", 0.5),  # a day without a bar
        (date(2026, 5, 13), "split", 0.1),
    ]
    (finding,) = answer.findings
    assert (finding.kind, finding.first_day) == ("event_currency", date(2026, 5, 14))
