"""What a place does for a lake, alike in a folder and in a bucket of a real S3 server."""

import datetime as dt
import pickle
import subprocess
import sys
import threading

import duckdb
import polars as pl
import pytest

from stockstream.errors import LakeError
from stockstream.lake import check
from stockstream.lake.bucket import Bucket
from stockstream.lake.bucket_access import BucketOptions
from stockstream.lake.location import Location, bucket_location, locate
from stockstream.lake.rows import connect

DAY = dt.date(2024, 1, 31)


@pytest.fixture(scope="module")
def bucket_name(store):
    return store.new_bucket()


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path) -> Location:
    if request.param == "folder":
        return locate(tmp_path / "a lake")
    store, name = request.getfixturevalue("store"), request.getfixturevalue("bucket_name")
    return locate(f"s3://{name}/{tmp_path.name}/it's [a] lake", store.options())


def names(place, folder):
    return [file.name for file in place.files(folder)]


def test_a_file_is_created_once_and_read_back(place):
    assert place.read("runs/a.json") is None
    assert place.create("runs/a.json", b"first")
    assert not place.create("runs/a.json", b"second")
    assert place.read_bytes("runs/a.json") == b"first"
    assert place.read_text("runs/b.json") is None


def test_text_is_read_without_its_mark_and_named_when_it_is_none(place):
    place.create("symbols/a.csv", "\ufeffsymbol\r\nBHP\r\n".encode())
    assert place.read_text("symbols/a.csv") == "symbol\nBHP\n"
    place.create("symbols/b.csv", b"symbol\nBHP\xff")
    with pytest.raises(LakeError, match=r"symbols/b.csv, line 2: expected UTF-8 text; found the byte 0xff"):
        place.read_text("symbols/b.csv")


def test_a_listing_is_one_folder_deep_sorted_and_without_writers_files(place):
    for name in ("runs/b.json", "runs/a.json", "runs/deep/c.json", "runs/.hidden", "runs-b/d.json"):
        place.create(name, name.encode())
    found = place.files("runs")
    assert [(file.name, file.size) for file in found] == [("runs/a.json", 11), ("runs/b.json", 11)]
    assert names(place, "runs/deep") == ["runs/deep/c.json"]
    assert [file.name for file in place.files("runs", "b")] == ["runs/b.json"]
    assert place.files("none") == []


def test_a_stamp_changes_with_the_content(place):
    place.create("runs/a.json", b"first")
    before = place.files("runs")
    assert place.files("runs") == before
    place.replace("runs/a.json", b"other", place.read("runs/a.json").version)
    assert place.files("runs")[0].stamp != before[0].stamp


def test_a_replacement_needs_the_version_that_was_read(place):
    place.create("runs/a.json", b"first")
    version = place.read("runs/a.json").version
    assert place.replace("runs/a.json", b"second", version)
    assert not place.replace("runs/a.json", b"third", version)
    assert place.read_bytes("runs/a.json") == b"second"
    place.delete("runs/a.json")
    place.delete("runs/a.json")
    assert not place.replace("runs/a.json", b"fourth", version)
    assert place.read("runs/a.json") is None


def test_no_update_is_lost_among_many(place):
    def add():
        for _ in range(3):
            place.update("runs/count", lambda data: str(int(data or b"0") + 1).encode())

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.read_bytes("runs/count") == b"12"


def test_sixteen_writers_get_sixteen_numbers_and_one_wins_each_name(place):
    published, won = [], []
    barrier = threading.Barrier(16)

    def write(number):
        barrier.wait()
        content = str(number).encode()
        published.append(place.publish("raw-data", DAY, lambda path: _fill(path, content)))
        if place.create("runs/first.json", content):
            won.append(content)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = [f"raw-data/2024-01-31-batch-{number}.parquet" for number in range(1, 17)]
    assert sorted(published) == sorted(wanted)
    assert [file.name for file in place.batch_files("raw-data")] == wanted
    assert {place.read_bytes(name) for name in wanted} == {str(number).encode() for number in range(16)}
    assert len(won) == 1
    assert place.read_bytes("runs/first.json") == won[0]


def _fill(path, content):
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)


def test_batches_are_in_the_order_of_sessions_and_numbers(place):
    for name in ("2024-01-31-batch-2", "2024-01-31-batch-10", "2023-12-29-batch-1"):
        place.create(f"raw-data/{name}.parquet", b"")
    place.create("raw-data/notes.txt", b"")
    found = [path.rpartition("/")[2].removesuffix(".parquet") for path in place.batches("raw-data")]
    assert found == ["2023-12-29-batch-1", "2024-01-31-batch-2", "2024-01-31-batch-10"]
    assert len(place.batches("raw-data", DAY)) == 2
    assert place.publish("raw-data", DAY, lambda path: _fill(path, b"")) == "raw-data/2024-01-31-batch-11.parquet"


def test_duckdb_and_polars_read_where_the_files_lie(place):
    from stockstream.lake.location import literal

    name = place.publish("raw-data", DAY, lambda path: duckdb.sql("SELECT 42 AS answer").write_parquet(path))
    assert place.batches("raw-data")[0].endswith("/2024-01-31-batch-1.parquet")
    connection = connect()
    place.prepare(connection)
    for path in (place.batches("raw-data")[0], place.url(name)):  # a copy on this machine may stand for the file
        assert connection.read_parquet([literal(path)]).fetchall() == [(42,)]
        options = place.storage_options() if "://" in path else None
        assert pl.read_parquet(path, storage_options=options, glob=False).item() == 42


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "runs//a", "runs/./a", "runs/..", "", "C:/a", "a\\b", "a\0"])
def test_names_cannot_lead_out_of_the_lake(place, name):
    for act in (place.read, place.url, place.files, lambda name: place.create(name, b"")):
        with pytest.raises(LakeError, match="expected a name inside the lake"):
            act(name)


def test_a_filler_that_fails_leaves_nothing(place):
    def fail(path):
        _fill(path, b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(LakeError, match=r"No space left on device.*Nothing was stored"):
        place.publish("raw-data", DAY, fail)
    assert place.files("raw-data") == []


def test_a_place_is_checked_for_what_writers_need(place):
    place.publish("raw-data", DAY, lambda path: _fill(path, b"abc"))
    found = check(place, write=True)
    assert (found.batches, found.bytes, found.writable) == (1, 3, True)
    assert place.files("checks") == []
    assert check(place).writable is None


def test_a_server_that_ignores_conditions_is_refused(store, bucket_name, monkeypatch):
    place = locate(f"s3://{bucket_name}/ignored", store.options())
    monkeypatch.setattr(place, "_put", lambda name, content, condition: Bucket._put(place, name, content, {}))
    with pytest.raises(LakeError, match="ignores the conditions If-None-Match and If-Match"):
        check(place, write=True)


def test_a_place_that_cannot_be_used_is_said_to_be_so(store, bucket_name):
    with pytest.raises(LakeError, match="access was denied"):
        check(locate(f"s3://{bucket_name}", store.reader()), write=True)
    with pytest.raises(LakeError, match="there is no such bucket"):
        check(locate("s3://no-such-lake", store.options()))


def test_a_bucket_is_its_address_and_travels_without_its_connections(store):
    place = Bucket("b", "/p/q/", store.options())
    again = pickle.loads(pickle.dumps(place))
    assert again == place
    assert (str(again), again.url("runs/a")) == ("s3://b/p/q", "s3://b/p/q/runs/a")
    assert len({place, again, Bucket("b", "p")}) == 2
    assert "secret" not in repr(place)


def test_places_come_by_bucket_and_prefix():
    assert str(bucket_location("prices", "asx/daily/")) == "s3://prices/asx/daily"
    assert str(bucket_location("s3://prices/", "asx")) == "s3://prices/asx"
    assert str(bucket_location("./prices", "asx")) == "prices/asx"
    with pytest.raises(LakeError, match="together"):
        BucketOptions(access_key_id="only")


def test_aws_is_reached_by_its_own_names_and_another_server_by_path():
    keys = {"access_key_id": "k", "secret_access_key": "s", "session_token": "it's a token"}
    aws = Bucket("prices.asx", "", BucketOptions(region="ap-southeast-2", **keys))
    assert aws.storage_options() == {
        "aws_region": "ap-southeast-2",
        "aws_access_key_id": "k",
        "aws_secret_access_key": "s",
        "aws_session_token": "it's a token",
    }
    told = secret_of(aws)
    assert "region=ap-southeast-2" in told
    assert "use_ssl=true" in told
    assert "url_style=path" in told  # no certificate covers dots before the host's name
    assert "endpoint" not in told
    assert "url_style=path" not in secret_of(Bucket("prices", "", BucketOptions(region="ap-southeast-2", **keys)))
    other = Bucket("prices", "", BucketOptions(endpoint_url="https://objects.example:9000/s3/", region="here", **keys))
    assert "endpoint=objects.example:9000/s3;" in secret_of(other)
    assert other.storage_options()["aws_endpoint_url"] == "https://objects.example:9000/s3/"


def secret_of(place):
    connection = connect()
    place.prepare(connection)
    return connection.execute("SELECT secret_string FROM duckdb_secrets()").fetchone()[0]


WITHOUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from stockstream.errors import LakeError
from stockstream.lake import BucketOptions, Lake
from stockstream.lake.rows import connect
options = BucketOptions(endpoint_url="http://127.0.0.1:9", region="x", access_key_id="a", secret_access_key="b")
lake = Lake("s3://b", options)
try:
    lake.symbols() if "boto3" in sys.argv[1] else lake.location.prepare(connect())
except LakeError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("absent", "package"), [("boto3,botocore", "botocore"), ("duckdb_extension_httpfs", "duckdb_extension_httpfs")]
)
def test_a_missing_package_says_what_to_install(absent, package):
    done = subprocess.run([sys.executable, "-c", WITHOUT, absent], capture_output=True, text=True, check=True)
    assert f"needs the package {package}: pip install 'stockstream[aws]'" in done.stdout
