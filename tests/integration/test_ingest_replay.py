"""Whole days, one after the other, against the replay server: the lake and the manifests equal a naive twin's."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from stockstream import sessions
from stockstream.lake import Lake
from tests.reference.ingest_twin import Outcome, Twin
from tests.replay.books import Recorded, Vintages
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


def replay(server: ReplayServer, lake: Path, twin: Twin, instants: list[datetime], *, every: int = 1) -> list[Outcome]:
    """Run at each instant; compare the manifest with the twin after each, and the lake after every so many."""
    outcomes: list[Outcome] = []
    knew: dict[datetime, dict] = {}
    server.book = twin.book
    with environment(settings_for(server, batch_size="20")):
        for now in instants:
            answer = run_at(server, lake, {"symbols": twin.symbols}, now)
            outcome = twin.run(now)
            assert answer.get("new_session", True) is (outcome is not None)
            if outcome is not None:
                outcomes.append(copy.deepcopy(outcome))
                compare_manifest(lake, twin, outcome)
                if len(outcomes) % every == 0:
                    compare_lake(lake, twin)
                    knew[now] = dict(twin.rows)
    compare_lake(lake, twin)
    for now in list(knew)[:: max(len(knew) // 8, 1)]:
        compare_as_of(lake, now, knew[now])
    return outcomes


def compare_manifest(lake: Path, twin: Twin, outcome: Outcome) -> None:
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


def compare_lake(lake: Path, twin: Twin) -> None:
    place = Lake(lake)
    stored = place.sql(f"SELECT {', '.join(COLUMNS)} FROM raw_prices {LATEST}").fetchall()
    assert {(symbol, day): tuple(values) for symbol, day, *values in stored} == twin.rows
    paid = place.sql("SELECT symbol, ex_date, 'dividend', dividend FROM dividends").fetchall()
    split = place.sql("SELECT symbol, ex_date, 'split', split FROM splits").fetchall()
    assert {(symbol, day, kind): value for symbol, day, kind, value in [*paid, *split]} == twin.events


def compare_as_of(lake: Path, now: datetime, knew: dict) -> None:
    """Ask the finished lake what it knew at an instant.

    Only bars that later answers took back may be missing, and bars that were hidden as those of another unit.
    """
    place = Lake(lake)
    rows = place.sql(f"SELECT {', '.join(COLUMNS)} FROM prices", as_of=now).fetchall()
    answered = {(symbol, day): tuple(values) for symbol, day, *values in rows}
    withdrawn = place.sql("SELECT symbol, date FROM withdrawn WHERE tombstone IS NOT NULL", as_of=now).fetchall()
    hidden = {(s, d) for s, d, *_ in place.sql("FROM verdicts WHERE hides", as_of=now).fetchall()}
    gone = knew.keys() - answered.keys()
    assert gone <= {*withdrawn, *hidden}
    told = {key: row for key, row in knew.items() if key not in gone and key not in hidden}
    assert told == {key: row for key, row in answered.items() if key in told}
    assert answered.keys() <= knew.keys()
    closes = {key: row[3] for key, row in knew.items()}
    for key in hidden & answered.keys():
        assert not is_in_another_unit(closes, key, answered[key][3])
    lone = {key for key, close in closes.items() if is_lone(closes, key, close)}
    assert lone <= {*hidden, *withdrawn}


def around(closes: dict, key: tuple[str, date], first: int, last: int) -> list[float]:
    """Return the closes of so many days before (negative) to after a bar, itself left out."""
    symbol, day = key
    keys = ((symbol, day + timedelta(days=shift)) for shift in range(first, last + 1) if shift)
    return [closes[one] for one in keys if one in closes]


def is_in_another_unit(closes: dict, key: tuple[str, date], close: float) -> bool:
    return not 0.2 < close / median(around(closes, key, -21, 21)) < 5


def is_lone(closes: dict, key: tuple[str, date], close: float) -> bool:
    """Whether a close is 50 times those of the week before and of the week after, or a 50th of them."""
    before, after = around(closes, key, -7, -1), around(closes, key, 1, 7)
    if len(before) < 3 or len(after) < 3:
        return False
    apart = [close / other for other in (*before, *after)]
    return min(apart) > 50 or max(apart) < 0.02


SOME = ["AXE", "TRL", "ABP", "MQG", "ADD", "14D", "PRN", "BRL"]


def test_downloads_of_2021_in_order(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Vintages(market_data, SOME)
    outcomes = replay(server, tmp_path / "lake", Twin(book, sorted(book.symbols)), list(book.instants)[15:26])
    assert len(outcomes) >= 8
    assert ("AXE", "unit_error") in hidden_by(tmp_path / "lake")
    assert any(entry.revised for outcome in outcomes for entry in outcome.entries.values())
    assert any(outcome.queue for outcome in outcomes)


def hidden_by(lake: Path) -> set[tuple[str, str]]:
    return set(Lake(lake).sql("SELECT DISTINCT symbol, reason FROM verdicts WHERE hides").fetchall())


@pytest.mark.slow
def test_all_downloads_of_2021_in_order(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Vintages(market_data)
    outcomes = replay(server, tmp_path / "lake", Twin(book, sorted(book.symbols)), list(book.instants), every=6)
    assert len(outcomes) >= 45


#: All symbols of the recorded years with a split in the year replayed, and some with dividends only.
EVENTFUL = [
    *("1AD", "5EA", "88E", "ADD", "AEL", "AII", "AMA", "AMD", "AMU", "AOH", "AZI", "AZY", "QBE", "SUN"),
    *("14D", "AGL", "ALD", "ALL", "AMC", "AMP", "ANN", "ANZ", "APA", "ARB", "ASX", "BHP", "CBA", "AUB"),
]


def test_a_gap_is_given_up_after_a_year(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Recorded(market_data, ["AOH", "AEL", "BHP"])  # the first never answers as an Australian share
    days = sessions.sessions(date(2024, 12, 16), date(2025, 12, 19))
    mornings = [datetime.combine(day + timedelta(days=1), time(6), SYDNEY).astimezone(UTC) for day in days]
    outcomes = replay(server, tmp_path / "lake", Twin(book, sorted(book.symbols)), [*mornings[:3], *mornings[-5:]])
    assert [min(outcome.queue["AOH"]) for outcome in outcomes][-2:] == ["2024-12-18", "2025-12-15"]


@pytest.mark.slow
def test_a_year_day_by_day(server: ReplayServer, market_data: Path, tmp_path: Path) -> None:
    book = Recorded(market_data, EVENTFUL)
    days = sessions.sessions(date(2024, 12, 16), date(2025, 12, 19))
    mornings = [datetime.combine(day + timedelta(days=1), time(6), SYDNEY).astimezone(UTC) for day in days]
    twin = Twin(book, sorted(book.symbols))
    outcomes = replay(server, tmp_path / "lake", twin, mornings, every=15)
    assert len(outcomes) == len(days)
    split = {symbol for symbol, _, kind in twin.events if kind == "split"}
    assert len(split) >= 10
    revised = {symbol for outcome in outcomes for symbol, entry in outcome.entries.items() if entry.revised}
    assert split - {"QBE", "AZI", "AOH"} <= revised  # the splits that those two recorded are not in their prices
