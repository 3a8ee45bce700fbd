"""A lake in a bucket of a real S3 server: the same answers as in a folder, never stale, in few requests."""

import datetime as dt
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from stockstream.errors import LakeError
from stockstream.lake import Lake, merged, remembered
from tests.counting_proxy import counting_proxy

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(5)]
BATCHES = 12


def rows(symbol, days, level=10.0, **more):
    count = len(days)
    prices = {name: [level] * count for name in ("open", "high", "low", "close")}
    return {"symbol": [symbol] * count, "date": days, **prices, "volume": [100] * count, **more}


def fill(lake):
    """Write twelve batches of prices, two of them with events."""
    for number in range(BATCHES):
        event = {"dividend": [None] * 4 + [0.5]} if number < 2 else {}
        lake.write_rows(
            rows(f"S{number:02}", DAYS, 10.0 + number, **event),
            session="2024-01-05",
            fetched_at=dt.datetime(2024, 1, 5, 9, number, tzinfo=dt.UTC),
        )


@pytest.fixture(scope="module")
def proxy(store):
    with counting_proxy(store.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(store):
    name = store.new_bucket()
    fill(Lake(f"s3://{name}/asx", store.options()))
    return name


@pytest.fixture
def open_lake(store, proxy, bucket, tmp_path):
    """Give a function that opens the filled lake through the proxy, with a cache of its own or without one."""
    proxy.requests.clear()

    def open_(cache="cache", **options):
        chosen = {"cache": tmp_path / cache} if cache else {"cache_bytes": 0}
        return Lake(f"s3://{bucket}/asx", replace(store.options(proxy.endpoint), **chosen, **options))

    return open_


@pytest.mark.parametrize("cache", ["cache", None])
def test_every_reading_answers_as_in_a_folder(open_lake, tmp_path, cache):
    here, there = Lake(tmp_path / "lake"), open_lake(cache)
    fill(here)
    assert there.symbols() == here.symbols()
    assert there.load_all_data().equals(here.load_all_data())
    assert there.load_symbols(["S03"]).equals(here.load_symbols(["S03"]))
    assert there.load_date_range(DAYS[1], DAYS[2]).equals(here.load_date_range(DAYS[1], DAYS[2]))
    assert there.merge_daily_batches("2024-01-05").equals(here.merge_daily_batches("2024-01-05"))
    question = "SELECT * FROM prices_adjusted ORDER BY symbol, date"
    assert there.sql(question).fetchall() == here.sql(question).fetchall()
    assert there.bars("S00").close.tolist() == here.bars("S00").close.tolist()
    assert there.scan().collect().equals(here.scan().collect())


def test_a_bucket_is_named_by_the_environment_alone(store, bucket, tmp_path):
    script = f"""
from stockstream.lake import Lake, load_symbols
print(Lake().symbols()[0], load_symbols(["S03"], {bucket!r}, "asx").height)
"""
    environment = os.environ | store.environment() | {"STOCKSTREAM_LAKE": f"s3://{bucket}/asx"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("S00 5\n", "")


READINGS = {
    "everything": lambda lake: lake.load_all_data(),
    "some symbols": lambda lake: lake.load_symbols(["S03", "S04"]),
    "bars": lambda lake: lake.bars(["S03", "S04"]),
    "sql": lambda lake: lake.sql("SELECT max(close) FROM prices WHERE symbol = 'S03'"),
}

#: Listings of folders and looks at small files that may not be there.
OTHERS = 10


def counted(proxy):
    """Return the requests for files of the lake and all others since the last count."""
    files = sum(".parquet" in request.path for request in proxy.requests)
    others = len(proxy.requests) - files
    proxy.requests.clear()
    return files, others


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_a_cold_reading_gets_each_file_once_and_a_warm_one_none(open_lake, proxy, reading):
    lake = open_lake()
    reading(lake)
    files, others = counted(proxy)
    assert files == BATCHES + 2
    assert 1 <= others <= OTHERS
    reading(lake)
    assert counted(proxy) == (0, others)
    reading(open_lake())  # as another process would
    assert counted(proxy) == (0, others)


@pytest.mark.parametrize(("reading", "most"), [("everything", 8), ("bars", 5), ("sql", 5)])
def test_without_copies_a_reading_takes_few_requests_a_file(open_lake, proxy, reading, most):
    READINGS[reading](open_lake(None))  # a frame is read by two engines, each of which asks for size, footer, columns
    files, others = counted(proxy)
    assert BATCHES <= files <= most * (BATCHES + 2)
    assert others <= OTHERS


def test_an_answer_is_never_stale(store, proxy, tmp_path):
    place, copies = f"s3://{store.new_bucket()}", replace(store.options(proxy.endpoint), cache=tmp_path / "copies")
    lakes = [Lake(place, copies), Lake(place, replace(copies, endpoint_url=store.endpoint, cache_bytes=0))]
    for version in range(3):
        stamp = dt.datetime(2024, 2, version + 1, tzinfo=dt.UTC)
        lakes[version % 2].write_rows(rows("A", DAYS, 10.0 + version), session="2024-01-05", fetched_at=stamp)
        for reader in lakes:
            assert reader.load_symbols(["A"])["close"].unique().to_list() == [10.0 + version]
            answer = reader.sql("SELECT (SELECT max(close) FROM prices), count(*) FROM raw_prices").fetchone()
            assert answer == (10.0 + version, 5 * (version + 1))


def test_what_copies_told_is_kept_beside_them_for_the_next_process(open_lake, tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "LEAST_FILES", BATCHES)
    decoded = []
    answers = merged.answers
    monkeypatch.setattr(merged, "answers", lambda *args, **more: decoded.append(1) or answers(*args, **more))
    frames = []
    for expected in (1, 1, 2):
        remembered.forget()
        frames.append(open_lake().load_all_data())
        assert len(decoded) == expected
        if len(frames) == 2:
            for copy in (tmp_path / "cache").glob("*/2024-01-05-batch-1.parquet"):
                copy.unlink()  # as when there is no room: it is fetched again, another file to a digest
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_a_query_cannot_leave_the_lakes_files_or_learn_the_credentials(store, open_lake, bucket):
    store.client().put_object(Bucket=bucket, Key="asx/secret.txt", Body=b"x")
    lake, secret = open_lake(None), store.options().secret_access_key
    for query in (
        f"SELECT * FROM 's3://{bucket}/asx/secret.txt'",
        f"FROM read_csv('{store.endpoint}/{bucket}/asx/secret.txt')",
        f"FROM glob('s3://{bucket}/**')",
        f"COPY (SELECT 1) TO 's3://{bucket}/asx/raw-data/2024-01-05-batch-99.parquet'",
        "FROM duckdb_secrets()",
        "FROM read_text('/etc/hostname')",
    ):
        with pytest.raises(LakeError) as refusal:
            lake.sql(query)
        assert secret not in str(refusal.value)
    told = "SELECT sql FROM duckdb_views() UNION ALL SELECT value FROM duckdb_settings()"
    assert secret not in str(lake.sql(f"{told} UNION ALL SELECT value::VARCHAR FROM duckdb_variables()").fetchall())
    with pytest.raises(LakeError, match="Permission Error"):
        open_lake().sql(f"FROM read_text('s3://{bucket}/asx/secret.txt')")
    names = [item["Key"] for item in store.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(names) == BATCHES + 2 + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret_access_key": "another"}, r"cannot list s3://.*/asx/raw-\w+: the secret does not belong to"),
        ({"access_key_id": "nobody"}, r"cannot list s3://.*: the access key is not known there. Check AWS_ACCESS_KEY"),
        ({"endpoint_url": "http://127.0.0.1:9"}, r"cannot list s3://.*: no answer \(.*127.0.0.1:9.*Check the network"),
        ({"profile": "nobody"}, r"cannot reach s3://.*nobody.*Check AWS_PROFILE"),
        ({"access_key_id": None, "secret_access_key": None}, r"cannot list s3://.*no AWS credentials were found. Set"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_way_to_a_bucket_is_said(store, bucket, change, words):
    lake = Lake(f"s3://{bucket}/asx", replace(store.options(), **change))
    for act in (lake.load_all_data, lambda: lake.sql("FROM prices"), lake.bars, lambda: fill(lake)):
        with pytest.raises(LakeError, match=words):
            act()


def test_a_missing_bucket_and_an_empty_one_are_told_apart(store):
    with pytest.raises(LakeError, match=r"s3://no-such-lake/raw-data: there is no such bucket. Check its name"):
        Lake("s3://no-such-lake", store.options()).load_all_data()
    with pytest.raises(LakeError, match=r"cannot list s3://no-such-lake/raw-events: there is no such bucket"):
        fill(Lake("s3://no-such-lake", store.options()))
    with pytest.raises(LakeError, match=r"there is no lake at s3://.*: no price files in it"):
        Lake(f"s3://{store.new_bucket()}", store.options()).load_all_data()


def test_a_reader_is_told_that_it_may_not_write(store, bucket):
    lake = Lake(f"s3://{bucket}/asx", store.reader())
    assert lake.symbols()[0] == "S00"
    with pytest.raises(LakeError, match=r"cannot write s3://.*batch-13.parquet: access was denied.*Nothing was stored"):
        lake.write_rows(rows("T", DAYS), session="2024-01-05")


def test_a_cut_network_is_an_error_and_no_half_file(open_lake, proxy, tmp_path):
    whole = open_lake().load_all_data()
    proxy.cut_answers = 300
    try:
        with pytest.raises(LakeError, match=r"cannot read s3://.*2024-01-05-batch-\d+.parquet: no answer"):
            open_lake("other").load_all_data()
        with pytest.raises(LakeError, match=r"cannot read the lake at s3://|batch-\d+.parquet"):
            open_lake(None).sql("FROM prices")
    finally:
        proxy.cut_answers = None
    assert not list((tmp_path / "other").rglob("*.*t*"))
    assert open_lake("other").load_all_data().equals(whole)


def test_a_write_whose_answer_is_lost_is_stored_once(store, proxy):
    lake = Lake(f"s3://{store.new_bucket()}", store.options(proxy.endpoint))
    proxy.requests.clear()
    proxy.lose_answers = 1
    assert lake.write_rows(rows("A", DAYS), session="2024-01-05").file == "raw-data/2024-01-05-batch-1.parquet"
    assert len(lake.location.batch_files("raw-data")) == 1
    assert proxy.lose_answers == 0
    assert [request.method for request in proxy.requests].count("PUT") == 2
    assert lake.location.create("runs/a", b"1")
    proxy.lose_answers = 1
    assert lake.location.replace("runs/a", b"2", lake.location.read("runs/a").version)
    assert lake.location.read_bytes("runs/a") == b"2"


def test_a_write_that_is_cut_leaves_the_old_state(store, proxy):
    lake = Lake(f"s3://{store.new_bucket()}", store.options(proxy.endpoint))
    lake.write_rows(rows("A", DAYS), session="2024-01-05")
    before = lake.load_all_data()
    proxy.cut_bodies = 200
    try:
        with pytest.raises(LakeError, match=r"cannot write s3://.*batch-2.parquet: no answer .*Nothing was stored"):
            lake.write_rows(rows("A", DAYS, 11.0), session="2024-01-05")
    finally:
        proxy.cut_bodies = None
    assert lake.load_all_data().equals(before)
    assert lake.write_rows(rows("A", DAYS, 11.0), session="2024-01-05").file.endswith("batch-2.parquet")
    assert lake.load_all_data()["close"].unique().to_list() == [11.0]
