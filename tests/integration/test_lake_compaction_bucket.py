"""Compaction of a lake in a bucket of a real S3 server: no answer changes, whatever happens beside it or to it."""

import datetime as dt
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from stockstream.errors import LakeError, LakeWarning
from stockstream.lake import Lake, compact
from tests.counting_proxy import counting_proxy

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(20)]
START = dt.datetime(2024, 1, 20, tzinfo=dt.UTC)
NOW = {"grace": dt.timedelta(0), "keep": 0}
EVERYTHING = (
    "SELECT (SELECT list(p ORDER BY p) FROM prices_adjusted AS p), "
    "(SELECT list(DISTINCT r ORDER BY r) FROM raw_prices AS r), "
    "(SELECT list(d ORDER BY d) FROM dividends AS d), (SELECT list(w ORDER BY w) FROM withdrawn AS w)"
)


def instant(number):
    return START + dt.timedelta(hours=number)


def write(lake, number):
    """Write the n-th answer: some days of two symbols, one of them revised each time, one without a day."""
    symbols, days = ("A", "B") if number % 2 else ("A", "C"), DAYS[number % 3 : number % 3 + 17]
    days = [day for day in days if day != DAYS[4] or number == 0]
    levels = [10.0 + (number if symbol == "A" and day == DAYS[16] else 0) for symbol in symbols for day in days]
    count = len(levels)
    lake.write_rows(
        {
            "symbol": [symbol for symbol in symbols for _ in days],
            "date": [*days, *days],
            **dict.fromkeys(("open", "high", "low", "close"), levels),
            "volume": [100] * count,
            "dividend": [0.5 if number == 1 and place == 5 else None for place in range(count)],
        },
        session="2024-01-20",
        fetched_at=instant(number),
    )


def answers(lake, instants=(2, None)):
    """Return all that a lake says as of some of its answers."""
    moments = [None if number is None else instant(number) for number in instants]
    told = [lake.sql(EVERYTHING, as_of=moment).fetchall() for moment in moments]
    return [*told, lake.load_all_data().rows(), repr(lake.bars().close.tolist())]


@pytest.fixture(scope="module")
def proxy(store):
    with counting_proxy(store.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Give the folder of a lake of five answers, for copies of it."""
    folder = tmp_path_factory.mktemp("written")
    for number in range(5):
        write(Lake(folder), number)
    return folder


@pytest.fixture
def lakes(store, proxy, tmp_path, written):
    """Give one lake four times: in a folder, in a bucket, the same through the proxy, and there without a cache."""
    bucket = store.new_bucket()
    place = f"s3://{bucket}/asx"
    options = [
        replace(store.options(), cache=tmp_path / "cache"),
        replace(store.options(proxy.endpoint), cache=tmp_path / "other"),
        replace(store.options(proxy.endpoint), cache_bytes=0),
    ]
    client = store.client()
    for path in filter(Path.is_file, written.rglob("*")):
        client.put_object(Bucket=bucket, Key=f"asx/{path.relative_to(written)}", Body=path.read_bytes())
    here, *there = Lake(shutil.copytree(written, tmp_path / "lake")), *(Lake(place, each) for each in options)
    proxy.requests.clear()
    yield here, *there
    proxy.remaining = proxy.cut_bodies = proxy.cut_answers = None
    proxy.lose_answers = 0


def names(lake, folder):
    """Return the objects under a folder of a lake."""
    location = lake.location
    found = location.client.list_objects_v2(Bucket=location.bucket, Prefix=f"{location.prefix}/{folder}")
    return sorted(item["Key"] for item in found.get("Contents", ()))


def test_every_answer_is_that_of_the_batches_and_expired_batches_are_not_missed(lakes):
    here, there, _, uncached = lakes
    expected = answers(here)
    assert there.compact().added == 6
    assert answers(there) == answers(uncached) == expected
    done = there.compact(expire=True, **NOW)
    assert (done.expired, names(there, "raw-")) == (6, [])
    assert answers(there) == expected
    for number in (5, 6):
        write(here, number)
        write(there, number)
    expected = answers(here)
    assert answers(there) == answers(uncached) == expected
    done = there.compact(expire=True, **NOW)
    assert (done.added, done.expired, done.removed) == (2, 2, 5)
    assert answers(there) == expected
    assert len(names(there, "curated/")) == 5 + 1


def test_a_reader_that_began_before_finishes_and_replaced_files_stay_a_day(lakes):
    here, there, _, uncached = lakes
    over_batches, told_before = uncached.scan(), here.load_all_data()
    there.compact(expire=True, keep=0)
    over_files = uncached.scan()
    write(there, 5)
    done = there.compact(expire=True, keep=0)
    assert (done.added, done.expired, done.removed) == (1, 0, 0)
    assert over_batches.collect().equals(told_before)
    assert over_files.collect().equals(told_before)
    assert len(names(there, "curated/")) == 2 * 5 + 1
    assert there.load_all_data()["fetch_timestamp"].max() == instant(5).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_what_is_written_meanwhile_is_read_beside_it_and_goes_into_the_next(lakes, monkeypatch):
    here, there, _, _ = lakes
    publish = compact._publish

    def written_meanwhile(*args):
        write(there, 5)
        return publish(*args)

    monkeypatch.setattr(compact, "_publish", written_meanwhile)
    assert there.compact().added == 6
    monkeypatch.undo()
    write(here, 5)
    expected = answers(here)
    assert answers(there) == expected
    assert there.compact(expire=True, **NOW).added == 1
    assert answers(there) == expected


def test_a_writer_and_a_reader_beside_compactions_lose_nothing_and_see_nothing_else(lakes):
    here, there, _, uncached = lakes
    seen, failures = [], []

    def reading():
        try:
            while not done.is_set():
                seen.append(uncached.sql("SELECT count(*) FROM raw_prices").fetchone()[0])
        except Exception as error:
            failures.append(error)

    def writing():
        for number in range(5, 11):
            write(there, number)

    done, writer, reader = threading.Event(), threading.Thread(target=writing), threading.Thread(target=reading)
    reader.start()
    writer.start()
    while writer.is_alive():
        there.compact(expire=True, keep=0)
    writer.join()
    done.set()
    reader.join()
    for number in range(5, 11):
        write(here, number)
    assert failures == []
    assert seen == sorted(seen)
    there.compact(expire=True, **NOW)
    assert answers(there, (2, 6, None)) == answers(here, (2, 6, None))


def test_of_two_compactions_at_once_one_wins_and_the_other_leaves_nothing(lakes, monkeypatch):
    here, there, _, uncached = lakes
    both, publish, outcomes = threading.Barrier(2), compact._publish, []

    def together(*args):
        both.wait(timeout=60)
        return publish(*args)

    def compacting(lake):
        try:
            outcomes.append(lake.compact().added)
        except LakeError as error:
            outcomes.append(str(error))

    monkeypatch.setattr(compact, "_publish", together)
    others = [threading.Thread(target=compacting, args=(lake,)) for lake in (there, uncached)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    told, added = sorted(outcomes, key=str, reverse=True)
    assert added == 6
    assert re.search(r"another compaction of the lake at s3://.* was faster; nothing was changed", told)
    assert len(names(there, "curated/")) == 5 + 1
    assert answers(there) == answers(here)


@pytest.mark.parametrize("after", [12, 20, None], ids=["writing", "verifying", "publishing"])
def test_a_network_that_is_cut_leaves_the_old_state(lakes, proxy, monkeypatch, after):
    here, there, through, _ = lakes
    expected, before, publish = answers(here), names(there, ""), compact._publish

    def cut(*args):
        proxy.remaining = 0
        return publish(*args)

    monkeypatch.setattr(compact, "_publish", cut)
    proxy.remaining = after
    with pytest.raises(LakeError, match=r"s3://.*no answer|cannot read the lake at s3://"):
        through.compact()
    assert proxy.remaining < 0
    proxy.remaining = None
    monkeypatch.undo()
    assert answers(there) == expected
    assert set(before) <= set(names(there, ""))
    assert names(there, "curated/manifest.json") == []
    assert through.compact(**NOW).added == 6
    assert len(names(there, "curated/")) == 5 + 1  # what was left behind is gone
    assert answers(there) == expected


def test_a_manifest_whose_answer_is_lost_is_published(lakes, proxy, monkeypatch):
    here, there, through, _ = lakes
    publish = compact._publish

    def losing(*args):
        proxy.lose_answers = 1
        return publish(*args)

    monkeypatch.setattr(compact, "_publish", losing)
    assert through.compact().added == 6
    assert proxy.lose_answers == 0
    assert answers(there) == answers(here)


def test_requests_are_counted_and_do_not_grow_with_what_was_compacted(lakes, proxy):
    _, there, through, _ = lakes
    through.compact()
    first = proxy.count()
    assert first["PUT"] == 5 + 1  # its files and the manifest
    assert first["GET"] + first["HEAD"] <= 6 + 26  # each batch once; listings, the manifest, files read back
    later = []
    for number in (5, 6, 7):
        write(there, number)
        through.compact()
        later.append(proxy.count())
    # What is covered is not read again; the folders of every compaction of the last day are listed.
    gets = [each.pop("GET") for each in later]
    assert max(gets[1] - gets[0], gets[2] - gets[1]) <= 2
    assert later[0] == later[1] == later[2]
    assert gets[0] <= first["GET"] + 12
    through.load_all_data()
    assert proxy.count() == {"GET": 11}  # five listings, the manifest, five files that no cache had yet
    through.compact(expire=True, **NOW)
    expired = proxy.count()
    assert expired["DELETE"] == 9 + 3 * 5  # batches of prices and events, files of three earlier compactions
    assert expired["GET"] <= 30
    assert expired["PUT"] == 1


@pytest.mark.parametrize("cached", [True, False])
def test_a_damaged_object_of_a_compaction_is_named_and_the_batches_are_read(lakes, cached):
    here, there, _, uncached = lakes
    there.compact()
    (key,) = (name for name in names(there, "curated/") if name.endswith("events.parquet"))
    location = there.location
    for body in (b"no parquet at all", location.client.get_object(Bucket=location.bucket, Key=key)["Body"].read()[:-9]):
        location.client.put_object(Bucket=location.bucket, Key=key, Body=body)
        with pytest.warns(LakeWarning, match=rf"s3://.*{key} is left out of the answer, and the compaction with it"):
            assert answers(there if cached else uncached) == answers(here)
    with pytest.warns(LakeWarning, match="is left out"):
        there.compact()
    assert answers(there if cached else uncached) == answers(here)
