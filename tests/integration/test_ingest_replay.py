"""Whole days, one after the other, against the replay server: the lake and the manifests equal a naive twin's."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stockstream.lake import Lake
from tests.reference.ingest_twin import Outcome, Twin
from tests.replay.books import Vintages
from tests.replay.running import environment, run_at, settings_for
from tests.replay.server import ReplayServer

SYDNEY = ZoneInfo("Australia/Sydney")
COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close")
LATEST = "QUALIFY row_number() OVER (PARTITION BY symbol, date ORDER BY fetch_timestamp DESC) = 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    folder = tmp_path_factory.mktemp("replay")
    with ReplayServer(folder, None, datetime(2021, 1, 1, tzinfo=UTC)) as running:  # type: ignore[arg-type]
        yield running


def replay(server: ReplayServer, lake: Path, twin: Twin, instants: list[datetime]) -> list[Outcome]:
    """Run at each instant, and compare manifest and lake with the twin after each run."""
    outcomes: list[Outcome] = []
    server.book = twin.book
    with environment(settings_for(server, batch_size="20")):
        for now in instants:
            answer = run_at(server, lake, {"symbols": twin.symbols}, now)
            outcome = twin.run(now)
            assert answer.get("new_session", True) is (outcome is not None)
            if outcome is not None:
                outcomes.append(copy.deepcopy(outcome))
                compare(lake, twin, outcome)
    return outcomes


def compare(lake: Path, twin: Twin, outcome: Outcome) -> None:
    manifest = json.loads((lake / "runs" / f"{outcome.session}.json").read_text())
    count, entries = len(outcome.received), outcome.entries
    assert manifest["received"] == count
    assert manifest["coverage"] == round(count / len(twin.symbols), 6)
    assert {reason: set(found) for reason, found in manifest["failures"].items()} == outcome.failures
    revised = {symbol: entry.revised for symbol, entry in entries.items() if entry.revised}
    assert {symbol: found["rows"] for symbol, found in manifest["revisions"].items()} == revised
    assert set(manifest["asked_whole"]) == {s for s, entry in entries.items() if entry.whole and not entry.failure}
    assert manifest["backfill_queue"] == outcome.queue
    assert sum(manifest["quarantined"].values()) == sum(entry.quarantined for entry in entries.values())
    enough = count >= twin.threshold * len(twin.symbols)
    assert manifest["state"] == ("complete" if enough else "partial" if count else "failed")
    place = Lake(lake)
    stored = place.sql(f"SELECT {', '.join(COLUMNS)} FROM raw_prices {LATEST}").fetchall()
    assert {(symbol, day): tuple(values) for symbol, day, *values in stored} == twin.rows
    paid = place.sql("SELECT symbol, ex_date, 'dividend', dividend FROM dividends").fetchall()
    split = place.sql("SELECT symbol, ex_date, 'split', split FROM splits").fetchall()
    assert {(symbol, day, kind): value for symbol, day, kind, value in [*paid, *split]} == twin.events


SOME = ["AXE", "TRL", "ABP", "MQG", "ADD", "14D", "PRN", "BRL"]


def test_downloads_of_2021_in_order(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Vintages(market_data, SOME)
    outcomes = replay(server, tmp_path / "lake", Twin(book, sorted(book.symbols)), list(book.instants)[14:30])
    assert len(outcomes) >= 10
    assert any(entry.revised for outcome in outcomes for entry in outcome.entries.values())
    assert any(outcome.queue for outcome in outcomes)


@pytest.mark.slow
def test_all_downloads_of_2021_in_order(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Vintages(market_data)
    outcomes = replay(server, tmp_path / "lake", Twin(book, sorted(book.symbols)), list(book.instants))
    assert len(outcomes) >= 45
