"""The quality checks in the daily run, against the replay server: what is refused, hidden, said, and left alone."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from stockstream import plugins, sessions
from stockstream.ingest.quality_step import QualityChecks
from stockstream.ingest.steps import report_run
from stockstream.lake import Lake
from tests.replay.books import Edited, Generated, Series, in_cents
from tests.replay.running import environment, run_at, settings_for
from tests.replay.server import ReplayServer

SYMBOLS = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]
MARKET = {"symbols": SYMBOLS}
ODD = "2026-05-13"
#: 06:00 in Sydney after the sessions of 12, 13, 14 and 15 May.
BEFORE, SEEN, BACK, LATER = (datetime(2026, 5, day, 20, tzinfo=UTC) for day in (12, 13, 14, 15))


def book(**edits: Callable[[Series], Series]) -> Edited:
    return Edited(Generated(SYMBOLS, date(2026, 1, 2), date(2026, 6, 30)), edits)


def day_early(series: Series) -> Series:
    return Series(series.days - np.timedelta64(1, "D"), series.values, series.dividends)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    with ReplayServer(tmp_path_factory.mktemp("replay"), book(), SEEN) as server:
        yield server


@pytest.fixture
def server(running: ReplayServer) -> Iterator[ReplayServer]:
    with environment(settings_for(running, batch_size="3")):
        yield running


def manifest(lake: Path, session: str) -> dict[str, Any]:
    return json.loads((lake / "runs" / f"{session}.json").read_text())


def bytes_of(lake: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for path in lake.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def close_of(lake: Path, symbol: str, day: str, as_of: datetime | None = None) -> float | None:
    query = "SELECT close FROM prices WHERE symbol = ? AND date = ?::DATE"
    found = Lake(lake).sql(query, [symbol, day], as_of=as_of).fetchone()
    return found[0] if found else None


def served(server: ReplayServer, symbol: str, day: str, now: datetime) -> float:
    series = server.book.series(symbol, now)
    assert series is not None
    return float(series.values["close"][series.days == np.datetime64(day)][0])


def test_the_checks_are_a_plugin_like_any_other() -> None:
    found = {plugin.name: plugin for plugin in plugins.discover(plugins.PIPELINE_STEPS)}
    assert found["quality"].distribution == "stockstream"
    assert found["quality"].load() is QualityChecks


def test_a_day_in_cents_is_hidden_with_its_reason_once_prices_are_back(server: ReplayServer, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    server.book = book(AAA=in_cents(ODD))
    run_at(server, lake, MARKET, BEFORE)
    run_at(server, lake, MARKET, SEEN)
    first = manifest(lake, ODD)
    # On its own day nobody can tell it from news: stored, shown, and said.
    assert "large_jump" in {one["kind"] for one in first["findings"]["AAA"]}
    assert first["findings_by_kind"]["large_jump"] == 1
    assert first["hidden"] == {}
    wrong = served(server, "AAA", ODD, SEEN)
    assert close_of(lake, "AAA", ODD) == wrong

    done = run_at(server, lake, MARKET, BACK)
    second = manifest(lake, "2026-05-14")
    assert (done["state"], done["received"]) == ("complete", len(SYMBOLS))
    assert second["hidden"] == {"unit_error": {"AAA": 1}}
    assert second["quarantined"] == {}
    assert close_of(lake, "AAA", ODD) is None
    assert close_of(lake, "AAA", ODD, SEEN) == wrong
    verdicts = Lake(lake).sql("SELECT * EXCLUDE explanation FROM verdicts ORDER BY fetch_timestamp").fetchall()
    stamps = [f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in (SEEN, BACK)]
    assert verdicts == [
        ("AAA", date.fromisoformat(ODD), stamp, "unit_error", "error", True, stamps[1]) for stamp in stamps
    ]
    stored = Lake(lake).sql("SELECT close FROM raw_prices WHERE symbol = 'AAA' AND date = ?::DATE", [ODD]).fetchall()
    assert stored == [(wrong,), (wrong,)]  # what the source answered stays
    # Every other bar is the source's.
    shown = Lake(lake).sql("SELECT date, close FROM prices WHERE symbol = 'AAA'").fetchall()
    whole = server.book.series("AAA", BACK)
    assert whole is not None
    known = dict(zip(whole.days.tolist(), whole.values["close"].tolist(), strict=True))
    expected = set(sessions.sessions(min(day for day, _ in shown), date(2026, 5, 14)))
    assert {day for day, _ in shown} == expected - {date.fromisoformat(ODD)}
    assert all(known[day] == close for day, close in shown)


def test_running_again_changes_nothing(server: ReplayServer, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    server.book = book(AAA=in_cents(ODD))
    for now in (SEEN, BACK):
        run_at(server, lake, MARKET, now)
    before = bytes_of(lake)
    assert run_at(server, lake, MARKET, BACK)["new_session"] is False
    assert bytes_of(lake) == before
    # The reporter alone, as when its answer was lost.
    run = {"lake": str(lake), "market": MARKET, "session": "2026-05-14", "now": BACK.isoformat()}
    report_run({"run": run, "results": []})
    assert bytes_of(lake) == before


def test_a_verdict_that_a_person_withdraws_stays_withdrawn(server: ReplayServer, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    server.book = book(AAA=in_cents(ODD))
    for now in (BEFORE, SEEN, BACK):
        run_at(server, lake, MARKET, now)
    place = Lake(lake)
    decided = datetime(2026, 5, 15, 1, tzinfo=UTC)
    place.quarantine(place.sql("SELECT * FROM verdicts").pl(), hides=False, decided_at=decided)
    assert close_of(lake, "AAA", ODD) == served(server, "AAA", ODD, BACK)
    run_at(server, lake, MARKET, LATER)
    assert close_of(lake, "AAA", ODD) == served(server, "AAA", ODD, BACK)


def test_a_day_that_was_in_cents_and_is_repaired_is_shown_and_its_first_version_hidden(
    server: ReplayServer, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    server.book = book(AAA=in_cents(ODD))
    run_at(server, lake, MARKET, BEFORE)
    run_at(server, lake, MARKET, SEEN)
    wrong = served(server, "AAA", ODD, SEEN)
    server.book = book()
    run_at(server, lake, MARKET, BACK)
    assert close_of(lake, "AAA", ODD) == pytest.approx(wrong / 100)
    assert manifest(lake, "2026-05-14")["hidden"] == {"unit_error_repaired": {"AAA": 1}}
    assert close_of(lake, "AAA", ODD, BACK) == pytest.approx(wrong / 100)


def test_an_answer_dated_a_day_early_is_not_stored(server: ReplayServer, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    server.book = book(BBB=day_early)
    done = run_at(server, lake, MARKET, BACK)
    told = manifest(lake, "2026-05-14")
    whole = server.book.series("BBB", BACK)
    assert whole is not None
    asked = (whole.days >= np.datetime64("2026-03-30")) & (whole.days <= np.datetime64("2026-05-14"))
    assert told["quarantined"] == {"day_shift": asked.sum()}
    assert done["received"] == len(SYMBOLS) - 1  # none of its days is the session
    assert Lake(lake).sql("SELECT count(*) FROM raw_prices WHERE symbol = 'BBB'").fetchone() == (0,)
    kept = duckdb.read_parquet(str(lake / "quarantine" / "*.parquet")).fetchall()
    assert {(row[0], row[11], row[13]) for row in kept} == {("BBB", "day_shift", None)}
    assert all("lie a day early" in row[14] for row in kept)
    prices = {day: close for _, day, _, _, _, close, *_ in kept}
    assert prices == dict(zip(whole.days[asked].tolist(), whole.values["close"][asked].tolist(), strict=True))
    before = bytes_of(lake)
    run_at(server, lake, MARKET, BACK)
    again = bytes_of(lake)
    assert {name: content for name, content in again.items() if name in before and "runs/" not in name} == {
        name: content for name, content in before.items() if "runs/" not in name
    }


def test_a_day_at_the_edge_of_the_weeks_asked_for_stays_hidden(server: ReplayServer, tmp_path: Path) -> None:
    """There it has no day before it that would tell its unit, but earlier answers have told."""
    lake, edge = tmp_path / "lake", "2026-03-31"
    server.book = book(**dict.fromkeys(SYMBOLS, in_cents(edge)))
    run_at(server, lake, MARKET, BACK)
    assert manifest(lake, "2026-05-14")["hidden"] == {"unit_error": dict.fromkeys(SYMBOLS, 1)}
    run_at(server, lake, MARKET, LATER)
    assert set(manifest(lake, "2026-05-15")["asked_whole"]) < set(SYMBOLS)
    for symbol in SYMBOLS:
        assert close_of(lake, symbol, edge) is None


def test_of_two_real_years_only_the_known_foreign_listing_is_refused_and_nothing_is_hidden(market_data: Path) -> None:
    found = duckdb.sql(
        "SELECT symbol, date, open, high, low, close, volume::DOUBLE AS volume, adjusted_close, dividend, split, "
        "'2026-02-01T00:00:00.000000Z' AS fetch_timestamp FROM "
        f"read_parquet('{market_data / 'prices' / 'asx_yahoo_2024_2026.parquet'}') ORDER BY symbol, date"
    ).fetchnumpy()
    rows = {
        name: np.ma.filled(column.astype(float), np.nan) if column.dtype.kind == "f" else np.ma.getdata(column)
        for name, column in found.items()
    }
    checked = QualityChecks()({**rows, "date": rows["date"].astype("datetime64[D]")})
    assert len(checked.reasons) > 160_000
    # AOH has the sessions of New York in this set, as its README says.
    refused = checked.reasons != ""
    assert set(rows["symbol"][refused]) == {"AOH"}
    assert set(checked.reasons[refused]) == {"other_listing"}
    assert not (checked.hidden != "").any()
    assert {"QBE", "AZI"} <= {one.symbol for one in checked.findings if one.kind == "split_ignored"}
