"""The daily run into a bucket of a real S3 server, and into one that it may not write to."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from stockstream.errors import LakeError
from stockstream.ingest.run import Wanted, run_day
from stockstream.lake import Lake
from tests.object_store import ObjectStore
from tests.replay.books import Generated
from tests.replay.running import environment, settings_for
from tests.replay.server import ReplayServer

FIRST, SECOND = datetime(2026, 5, 13, 20, tzinfo=UTC), datetime(2026, 5, 14, 20, tzinfo=UTC)
SYMBOLS = [f"B{number}" for number in range(5)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    book = Generated(SYMBOLS, date(2025, 6, 2), date(2026, 6, 30))
    with ReplayServer(tmp_path_factory.mktemp("replay"), book, SECOND) as running:
        yield running


def run_at(server: ReplayServer, lake: str, now: datetime) -> dict:
    server.now = now
    return run_day(Wanted(lake=lake, market={"symbols": SYMBOLS}, now=now), sleep=lambda seconds: None)


def test_two_days_in_a_bucket_answer_as_in_a_folder(server: ReplayServer, store: ObjectStore, tmp_path: Path) -> None:
    places = [f"s3://{store.new_bucket()}/asx", str(tmp_path / "lake")]
    with environment({**settings_for(server, batch_size="2"), **store.environment()}):
        for place in places:
            for now in (FIRST, SECOND, SECOND):
                done = run_at(server, place, now)
            assert done["new_session"] is False
        views = ("prices", "raw_prices", "dividends")
        answers = [[Lake(place).sql(f"FROM {view} ORDER BY ALL").fetchall() for view in views] for place in places]
    assert answers[0] == answers[1]
    assert len({row[0] for row in answers[0][0]}) == len(SYMBOLS)


def test_a_bucket_that_may_not_be_written_is_said_and_nothing_is_asked(
    server: ReplayServer, store: ObjectStore
) -> None:
    lake = f"s3://{store.new_bucket()}/asx"
    reader = store.reader()
    server.asked.clear()
    credentials = {
        **store.environment(),
        "AWS_ACCESS_KEY_ID": reader.access_key_id,
        "AWS_SECRET_ACCESS_KEY": reader.secret_access_key,
    }
    with environment({**settings_for(server), **credentials}), pytest.raises(LakeError, match=r"(?i)denied|may not"):
        run_at(server, lake, FIRST)
    assert not server.charts()
