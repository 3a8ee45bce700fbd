"""The steps of the daily run, one by one and repeated, against the replay server."""

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stockstream import plugins, sessions
from stockstream.errors import BatchIncompleteError, LakeError, ParameterError, PluginError, SettingsError
from stockstream.ingest import steps
from stockstream.ingest.fetching import ROLLING_SESSIONS, Wish
from stockstream.ingest.landing import land
from stockstream.ingest.quality_step import QualityChecks
from stockstream.ingest.sources import Answer, Checked, Event, Outcome
from stockstream.lake import Lake
from stockstream.lake.folder import LocalFolder
from tests.replay.books import VALUES, Edited, Generated, Series
from tests.replay.running import environment, run_at, settings_for
from tests.replay.server import DIRECTORY_PATH, ReplayServer

NOW = datetime(2026, 5, 14, 20, tzinfo=UTC)
NEXT = datetime(2026, 5, 17, 20, tzinfo=UTC)  # Monday 06:00: the session is Friday's
SYMBOLS = ["AAA", "BBB", "CCC", "DDD", "EEE"]
MARKET = {"symbols": SYMBOLS}


def edited() -> Edited:
    return Edited(Generated([*SYMBOLS, "FFF", "360"], date(2025, 6, 2), date(2026, 6, 30)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    with ReplayServer(tmp_path_factory.mktemp("replay"), edited(), NOW) as server:
        yield server


@pytest.fixture
def server(running: ReplayServer) -> Iterator[ReplayServer]:
    running.book, running.now = edited(), NOW
    with environment(settings_for(running, batch_size="2")):
        yield running
    running.behave()
    running.pages.clear()
    running.asked.clear()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def manifest(lake: Path, session: str = "2026-05-14") -> dict[str, Any]:
    return json.loads((lake / "runs" / f"{session}.json").read_text())


def asked(server: ReplayServer) -> list[str | None]:
    found = sorted(str(one.symbol) for one in server.charts())
    server.asked.clear()
    return found


def without(*days: str):
    """Return an edit that leaves some days out."""

    def edit(series: Series) -> Series:
        kept = ~np.isin(series.days, np.array(days, dtype="datetime64[D]"))
        return Series(series.days[kept], {n: v[kept] for n, v in series.values.items()}, series.dividends)

    return edit


def changed(factor: float, until: str):
    """Return an edit that rescales the prices before a day."""

    def edit(series: Series) -> Series:
        scale = np.where(series.days < np.datetime64(until), factor, 1.0)
        values = {n: v if n == "volume" else v * scale for n, v in series.values.items()}
        return Series(series.days, values, series.dividends)

    return edit


# The session


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2026-07-14T20:00", "2026-07-14"),  # 06:00 on a Wednesday in winter
        ("2026-01-13T19:00", "2026-01-13"),  # 06:00 in summer
        ("2026-01-13T20:00", "2026-01-13"),
        ("2026-10-03T20:00", "2026-10-02"),  # Sunday, hours after the clocks went forward
        ("2026-10-05T19:00", "2026-10-05"),  # Labour Day in Sydney is a session
        ("2026-04-04T19:00", "2026-04-02"),  # the clocks went back on Easter Sunday
        ("2026-04-07T20:00", "2026-04-07"),  # the first session after Easter Monday
        ("2026-04-06T20:00", "2026-04-02"),  # 06:00 on that day
        ("2026-06-08T20:00", "2026-06-05"),  # King's Birthday, a Monday without a session
        ("2026-11-03T19:00", "2026-11-03"),  # Melbourne Cup Day is a session
        ("2026-01-26T19:00", "2026-01-23"),  # Australia Day, a Monday
        ("2026-12-24T05:09", "2026-12-23"),  # a minute before the early close has settled
        ("2026-12-24T05:10", "2026-12-24"),
        ("2026-12-28T19:00", "2026-12-24"),  # over Christmas
        ("2026-05-14T07:59", "2026-05-13"),  # not settled
        ("2026-05-14T08:00", "2026-05-14"),
        ("2026-05-16T20:00", "2026-05-15"),  # a Sunday
    ],
)
def test_the_session_of_an_instant(server: ReplayServer, lake: Path, now: str, session: str) -> None:
    event = {"lake": str(lake), "market": MARKET, "now": f"{now}:00+00:00"}
    assert steps.update_symbols(event)["session"] == session


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"session": "2026-05-15"}, "that has settled, 2026-05-14 at the latest; found 2026-05-15"),
        ({"session": "2026-04-03"}, "found 2026-04-03, on which it does not trade"),
        ({"session": "14.5.2026"}, "expected a date like 2024-01-31"),
        ({"now": "2026-05-14T20:00:00"}, "with a time zone for now"),
        ({"backfill": "ever"}, "expected a date like 2024-01-31; found 'ever'"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(
    server: ReplayServer, lake: Path, event: dict[str, str], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        steps.update_symbols({"lake": str(lake), "market": MARKET, "now": NOW.isoformat(), **event})
    assert not lake.exists()


def test_a_configuration_with_a_mistake_is_refused_before_anything_is_asked(server: ReplayServer, lake: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean 'symbols'"):
        run_at(server, lake, {"symbol": ["AAA"]}, NOW)
    assert not lake.exists()
    assert not server.asked


# A run


def test_a_day_and_what_is_left_of_it(server: ReplayServer, lake: Path) -> None:
    done = run_at(server, lake, {"symbols": [*SYMBOLS, "NOPE"]}, NOW)
    assert (done["state"], done["received"], done["symbols"]) == ("partial", 5, 6)
    assert done["outcomes"] == {"not_found": 1, "ok": 5}
    told = manifest(lake)
    assert told["failures"] == {"not_found": {"NOPE": "No data found, symbol may be delisted"}}
    assert told["backfill_queue"] == {"NOPE": ["2026-05-14"]}
    assert told["files"] == [f"raw-data/2026-05-14-batch-{n}.parquet" for n in (1, 2, 3)] or told["files"]
    assert sorted(path.name for path in (lake / "raw-data").iterdir()) == [
        f"2026-05-14-batch-{number}.parquet" for number in (1, 2, 3)
    ]
    prices = Lake(lake).sql("SELECT DISTINCT symbol FROM prices ORDER BY 1").fetchall()
    assert prices == [(symbol,) for symbol in SYMBOLS]
    stamps = Lake(lake).sql("SELECT DISTINCT fetch_timestamp FROM raw_prices").fetchall()
    assert stamps == [("2026-05-14T20:00:00.000000Z",)]


def test_running_again_asks_for_nothing(server: ReplayServer, lake: Path) -> None:
    run_at(server, lake, MARKET, NOW)
    assert asked(server) == SYMBOLS
    files = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    done = run_at(server, lake, MARKET, NOW + timedelta(hours=1))
    assert done == {
        "new_session": False,
        "session": "2026-05-14",
        "reason": "the session of 2026-05-14 is complete already",
    }
    assert asked(server) == []
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == files


def test_what_a_source_refused_is_asked_for_again_and_nothing_else(server: ReplayServer, lake: Path) -> None:
    server.misbehave("429", "CCC", times=4)  # each try of yfinance is two requests
    waits: list[str] = []
    done = run_at(server, lake, MARKET, NOW)
    assert done["state"] == "complete"
    assert asked(server) == ["AAA", "BBB", "CCC", "CCC", "CCC", "CCC", "CCC", "DDD", "EEE"]
    assert not waits


def test_a_source_that_refuses_for_good_leaves_a_partial_run_that_can_be_completed(
    server: ReplayServer, lake: Path
) -> None:
    server.misbehave("429", "CCC", "DDD")
    done = run_at(server, lake, MARKET, NOW)
    assert (done["state"], done["received"], done["failed_batches"]) == ("partial", 3, 1)
    told = manifest(lake)
    assert list(told["failures"]) == ["rate_limited"]
    assert told["failed_batches"] == {
        "2": "BatchIncompleteError: batch 2 of 2026-05-14: 2 of 2 symbols still to be asked for"
    }
    server.behave()
    asked(server)
    assert run_at(server, lake, MARKET, NOW + timedelta(hours=1))["state"] == "complete"
    assert asked(server) == ["CCC", "DDD"]
    assert manifest(lake)["failures"] == {}


def test_a_source_that_answers_nothing_is_a_failed_run(server: ReplayServer, lake: Path) -> None:
    server.misbehave("down")
    done = run_at(server, lake, MARKET, NOW)
    assert (done["state"], done["outcomes"]) == ("failed", {"malformed": 5})
    assert not (lake / "raw-data").exists()


def test_a_deadline_leaves_the_rest_to_the_next_call(server: ReplayServer, lake: Path) -> None:
    run = steps.update_symbols({"lake": str(lake), "market": MARKET, "now": NOW.isoformat()})["run"]
    with pytest.raises(BatchIncompleteError, match="2 of 2 symbols still to be asked for"):
        steps.fetch_batch({"run": run, "number": 1}, deadline=0.0)
    assert asked(server) == []
    assert steps.fetch_batch({"run": run, "number": 1})["outcomes"] == {"ok": 2}


def test_new_symbols_join_a_session_that_is_complete(server: ReplayServer, lake: Path) -> None:
    run_at(server, lake, MARKET, NOW)
    asked(server)
    done = run_at(server, lake, {"symbols": ["AAA", "FFF", "360"]}, NOW)
    assert (done["state"], done["symbols"]) == ("complete", 7)
    assert asked(server) == ["360", "FFF"]


def test_backfill_asks_once_for_the_days_before(server: ReplayServer, lake: Path) -> None:
    run_at(server, lake, MARKET, NOW)
    asked(server)
    done = run_at(server, lake, MARKET, NOW, backfill=date(2025, 9, 1))
    assert done["state"] == "complete"
    assert asked(server) == SYMBOLS
    first = Lake(lake).sql("SELECT min(date) FROM prices").fetchone()
    assert first == (date(2025, 9, 1),)
    assert run_at(server, lake, MARKET, NOW, backfill=date(2025, 10, 1)).get("new_session") is False


# What changes from day to day


def test_a_changed_history_is_fetched_whole_in_the_same_run(server: ReplayServer, lake: Path) -> None:
    run_at(server, lake, MARKET, NOW, backfill=None)
    asked(server)
    server.book.edits["CCC"] = changed(0.1, "2026-05-15")
    run_at(server, lake, MARKET, NEXT)
    told = manifest(lake, "2026-05-15")
    assert list(told["revisions"]) == ["CCC"]
    overlap = sessions.sessions(date(2026, 3, 31), date(2026, 5, 14))
    assert told["revisions"]["CCC"] == {
        "rows": len(overlap),
        "first": "2026-03-31",
        "last": "2026-05-14",
        "ratio": pytest.approx(0.1, rel=1e-3),
    }
    assert "CCC" in told["asked_whole"]
    first = Lake(lake).sql("SELECT min(date) FROM prices WHERE symbol = 'CCC'").fetchone()
    assert first == (date(2025, 6, 2),)


def test_a_change_that_cannot_be_fetched_whole_is_due_on_the_next_run(server: ReplayServer, lake: Path) -> None:
    turn = Wish(session=date(2026, 5, 15)).turn
    symbol = next(symbol for symbol in SYMBOLS if zlib.crc32(symbol.encode()) % ROLLING_SESSIONS != turn)
    run_at(server, lake, {"symbols": [symbol]}, NOW)
    calls = iter(range(99))

    def refusing(series: Series) -> Series:
        return changed(0.1, "2026-05-15")(series) if next(calls) == 0 else None  # type: ignore[return-value]

    server.book.edits[symbol] = refusing
    run_at(server, lake, {"symbols": [symbol]}, NEXT)
    told = manifest(lake, "2026-05-15")
    assert (told["whole_due"], told["asked_whole"]) == ([symbol], [])
    server.book.edits[symbol] = changed(0.1, "2026-05-15")
    run_at(server, lake, {"symbols": [symbol]}, NEXT + timedelta(hours=1))
    told = manifest(lake, "2026-05-15")
    assert (told["whole_due"], told["asked_whole"]) == ([], [symbol])


def test_a_missing_session_waits_in_the_queue_until_it_comes(server: ReplayServer, lake: Path) -> None:
    server.book.edits["BBB"] = without("2026-05-13", "2026-05-14")
    assert run_at(server, lake, MARKET, NOW)["state"] == "partial"
    told = manifest(lake)
    assert told["backfill_queue"] == {"BBB": ["2026-05-13", "2026-05-14"]}
    assert told["without_session"] == ["BBB"]
    server.book.edits["BBB"] = without("2026-05-13")
    run_at(server, lake, MARKET, NEXT)
    assert manifest(lake, "2026-05-15")["backfill_queue"] == {"BBB": ["2026-05-13"]}
    server.book.edits.clear()
    run_at(server, lake, MARKET, NEXT + timedelta(days=1))
    assert manifest(lake, "2026-05-18")["backfill_queue"] == {}


def test_a_gap_older_than_the_overlap_is_still_asked_for(server: ReplayServer, lake: Path) -> None:
    market = {"symbols": ["CCC"]}
    server.book.edits["CCC"] = without("2026-05-13")
    run_at(server, lake, market, NOW)
    server.book.edits["CCC"] = without(
        "2026-05-13", *(str(day) for day in sessions.sessions(date(2026, 5, 15), date(2026, 7, 3)))
    )
    for day in ("2026-06-20", "2026-06-23"):
        run_at(server, lake, market, datetime.fromisoformat(f"{day}T20:00+00:00"))
    assert "2026-05-13" in manifest(lake, "2026-06-23")["backfill_queue"]["CCC"]
    server.book.edits.clear()
    run_at(server, lake, market, datetime(2026, 6, 24, 20, tzinfo=UTC))
    assert manifest(lake, "2026-06-24")["backfill_queue"] == {}


def test_every_symbol_is_asked_for_whole_once_in_five_sessions(server: ReplayServer, lake: Path) -> None:
    run_at(server, lake, MARKET, NOW)
    seen: list[str] = []
    for session in sessions.sessions(date(2026, 5, 15), date(2026, 5, 21)):
        run_at(server, lake, MARKET, datetime(session.year, session.month, session.day, 20, tzinfo=UTC))
        seen += manifest(lake, session.isoformat())["asked_whole"]
    assert sorted(seen) == SYMBOLS


# What is bad


def test_bad_rows_go_to_quarantine_with_their_reason(server: ReplayServer, lake: Path) -> None:
    def spoiled(series: Series) -> Series:
        values = {name: values.copy() for name, values in series.values.items()}
        values["close"][-2] = -1.0
        values["high"][-3] = values["low"][-3] / 2
        return Series(series.days, values, series.dividends)

    server.book.edits["AAA"] = spoiled
    run_at(server, lake, MARKET, NOW)
    assert manifest(lake)["quarantined"] == {"high_below_low": 1, "price_not_positive": 1}
    rows = Lake(lake).sql("SELECT count(*) FROM prices WHERE symbol = 'AAA'").fetchone()
    assert rows == (len(sessions.sessions(date(2026, 3, 30), date(2026, 5, 14))) - 2,)
    assert len(list((lake / "quarantine").iterdir())) == 1


def test_events_of_a_day_without_a_bar_are_kept(server: ReplayServer, lake: Path) -> None:
    def paid(series: Series) -> Series:
        gone = without("2026-05-12")(series)
        return Series(gone.days, gone.values, [(date(2026, 5, 12), 0.25)], [(date(2026, 5, 11), 2.0)])

    server.book.edits["AAA"] = paid
    run_at(server, lake, MARKET, NOW)
    assert Lake(lake).sql("SELECT symbol, ex_date, dividend FROM dividends").fetchall() == [
        ("AAA", date(2026, 5, 12), 0.25)
    ]
    assert Lake(lake).sql("SELECT symbol, ex_date, split FROM splits").fetchall() == [("AAA", date(2026, 5, 11), 2.0)]


def test_a_step_of_the_pipeline_refuses_rows_or_everything(
    server: ReplayServer, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_volume(rows):
        return Checked(rows=rows, reasons=np.where(rows["symbol"] == "BBB", "not_today", ""))

    monkeypatch.setattr(plugins, "load_all", lambda group, check=None: {"x": lambda: refuse_volume})
    run_at(server, lake, MARKET, NOW)
    count = len(sessions.sessions(date(2026, 3, 30), date(2026, 5, 14)))
    assert manifest(lake)["quarantined"] == {"not_today": count}
    monkeypatch.setattr(
        plugins,
        "load_all",
        lambda group, check=None: {"x": lambda: lambda rows: Checked(rows={}, reasons=np.array([]))},
    )
    run = steps.update_symbols({"lake": str(lake) + "2", "market": MARKET, "now": NOW.isoformat()})["run"]
    with pytest.raises(PluginError, match="must return as many"):
        steps.fetch_batch({"run": run, "number": 1})


def test_a_lake_that_cannot_be_written_is_said_and_loses_nothing(
    server: ReplayServer, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LocalFolder.place

    def full(self, names, fill):
        names = list(names)
        if any("raw-data" in name for name in names[:1]) and "batch-2" in names[0]:
            message = "cannot write to the lake: No space left on device. Nothing was stored."
            raise LakeError(message)
        return place(self, names, fill)

    monkeypatch.setattr(LocalFolder, "place", full)
    done = run_at(server, lake, MARKET, NOW)
    assert (done["state"], done["received"]) == ("partial", 3)
    assert "No space left on device" in manifest(lake)["failed_batches"]["2"]
    monkeypatch.setattr(LocalFolder, "place", place)
    assert run_at(server, lake, MARKET, NOW)["state"] == "complete"
    assert not list(lake.rglob("*.tmp"))


def test_a_lake_that_is_a_file_is_refused(server: ReplayServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeError, match="file"):
        run_at(server, tmp_path / "file", MARKET, NOW)


# The list of companies


HEADER = '"ASX code","Company name","GICs industry group","Listing date","Market Cap"\n'


def listed(*symbols: str) -> bytes:
    return (HEADER + "\n".join(f'"{s}","{s} LIMITED","Materials","01/01/2020",1000' for s in symbols)).encode()


def test_the_companies_come_from_the_list_of_the_exchange(server: ReplayServer, lake: Path) -> None:
    server.pages[DIRECTORY_PATH] = listed(*SYMBOLS)
    assert run_at(server, lake, {}, NOW)["symbols"] == 5
    text = (lake / "symbols" / "2026-05-14-symbols.csv").read_text()
    assert text.splitlines()[0] == "symbol,name,sector,market_cap"
    server.pages[DIRECTORY_PATH] = b"Bad Gateway"
    done = run_at(server, lake, {}, NEXT)
    assert (done["state"], done["symbols"], done["session"]) == ("complete", 5, "2026-05-15")


def test_without_any_list_nothing_is_written(server: ReplayServer, lake: Path) -> None:
    server.pages[DIRECTORY_PATH] = HEADER.encode()
    with pytest.raises(Exception, match="no list of companies"):
        run_at(server, lake, {}, NOW)
    assert not list(lake.rglob("*.parquet"))
    assert not (lake / "runs").exists()


# Its bounds


def test_a_batch_is_checked_and_written_within_a_second(lake: Path) -> None:
    days = np.array(sessions.sessions(date(2026, 3, 18), date(2026, 5, 14)), dtype="datetime64[D]")[-40:]
    columns = {"date": days, **{name: np.linspace(5.0, 6.0, 40) for name in VALUES}, "volume": np.full(40, 1e6)}
    paid = (Event(ex_date=date(2026, 5, 4), kind="dividend", value=0.1),)
    answers = [
        Answer(symbol=f"W{n:03}", outcome=Outcome.ok, fetched_at=NOW, columns=columns, events=paid) for n in range(100)
    ]
    place = LocalFolder(lake)
    taken = []
    for number in (1, 2, 3):
        began = time.process_time()
        landed = land(place, answers, Wish(session=date(2026, 5, 14)), [QualityChecks()], [number])
        taken.append(time.process_time() - began)
        name = f"2026-05-14-batch-{number}.parquet"
        assert landed.files == [f"raw-events/{name}", f"raw-data/{name}"]
    assert Lake(lake).sql("SELECT count(*) FROM prices").fetchone() == (4000,)
    assert min(taken) < 1.0


def test_the_steps_are_imported_in_time_and_without_what_they_may_not_need() -> None:
    code = (
        "import time, sys; began = time.process_time(); import stockstream.ingest.steps; "
        "print(time.process_time() - began, *{'pandas', 'yfinance', 'polars', 'numba'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "kernels")])}
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, env=env, capture_output=True, text=True, check=True) for _ in range(3)]
    assert all(len(one.stdout.split()) == 1 for one in runs), runs[0].stdout
    assert min(float(one.stdout) for one in runs) < 1.5
