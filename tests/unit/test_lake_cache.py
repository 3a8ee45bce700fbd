"""Copies of a bucket's files: fetched once, never more than the bound, never taken from a reader."""

import os
import threading
import time

import pytest

from stockstream.lake.cache import FileCache
from stockstream.lake.location import Stored

HOURS = 3600.0


def stored(number, size=100, stamp="v1"):
    return Stored(f"raw-data/2024-01-05-batch-{number}.parquet", size, stamp)


class Bucket:
    """Objects whose content tells their name and version; remembers what was fetched."""

    def __init__(self):
        self.fetched = []

    def content(self, file):
        return f"{file.name} {file.stamp}".encode().ljust(file.size, b".")

    def fetch(self, file, path):
        self.fetched.append(file)
        with path.open("r+b") as claim:
            claim.write(self.content(file))
        return True


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def cache(tmp_path):
    return FileCache(tmp_path / "cache", max_bytes=1_000, max_file_bytes=400)


def used(cache):
    return sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())


def unread(path, hours):
    past = time.time() - hours * HOURS
    os.utime(path, (past, past))


def test_a_file_is_fetched_once_and_its_copy_is_true(cache, bucket):
    files = [stored(1), stored(2)]
    first, second = (cache.copies("s3://b", files, bucket.fetch) for _ in range(2))
    assert first == second
    assert sorted(bucket.fetched) == files
    assert {file: path.read_bytes() for file, path in first.items()} == {f: bucket.content(f) for f in files}
    assert [path.name for path in first.values()] == ["2024-01-05-batch-1.parquet", "2024-01-05-batch-2.parquet"]


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("s3://other", stored(1)),
        ("s3://b", stored(1, stamp="v2")),
        ("s3://b", stored(1, size=101)),
        ("s3://b", stored(2)),
    ],
)
def test_another_file_version_or_bucket_has_another_copy(cache, bucket, address, file):
    old = cache.copies("s3://b", [stored(1)], bucket.fetch)
    new = cache.copies(address, [file], bucket.fetch)
    assert set(old.values()).isdisjoint(new.values())
    assert len(bucket.fetched) == 2


def test_the_bound_holds_and_the_longest_unread_goes_first(cache, bucket):
    first = cache.copies("s3://b", [stored(n) for n in range(10)], bucket.fetch)
    assert used(cache) == 1_000
    for hours, path in zip(range(20, 10, -1), first.values(), strict=True):
        unread(path, hours)
    cache.copies("s3://b", [stored(0)], bucket.fetch)  # read again: now the last to go
    cache.copies("s3://b", [stored(n) for n in (10, 11, 12)], bucket.fetch)
    left = [file for file, path in first.items() if path.exists()]
    assert left == [stored(n) for n in (0, 4, 5, 6, 7, 8, 9)]
    assert used(cache) == 1_000


def test_what_is_being_read_is_not_taken_away(cache, bucket):
    first = cache.copies("s3://b", [stored(n) for n in range(10)], bucket.fetch)
    assert cache.copies("s3://b", [stored(10)], bucket.fetch) == {}
    assert all(path.exists() for path in first.values())
    more = cache.copies("s3://c", [stored(n) for n in range(30)], bucket.fetch)
    assert more == {}
    assert used(cache) == 1_000


def test_more_than_fits_is_kept_as_far_as_it_fits(cache, bucket):
    kept = cache.copies("s3://b", [stored(n) for n in range(30)], bucket.fetch)
    assert len(kept) == 10
    assert used(cache) == 1_000
    assert len(bucket.fetched) == 10


def test_large_files_are_not_copied(cache, bucket):
    assert cache.copies("s3://b", [stored(1, size=401)], bucket.fetch) == {}
    assert bucket.fetched == []


def test_a_copy_that_was_cut_short_is_fetched_again(cache, bucket):
    path = cache.copies("s3://b", [stored(1)], bucket.fetch)[stored(1)]
    path.write_bytes(b"half")
    again = cache.copies("s3://b", [stored(1)], bucket.fetch)[stored(1)]
    assert again.read_bytes() == bucket.content(stored(1))


def test_another_version_by_now_is_no_copy(cache):
    assert cache.copies("s3://b", [stored(1)], lambda file, path: False) == {}
    assert used(cache) == 0


def test_a_failing_fetch_leaves_nothing_behind(cache, bucket):
    def fail(file, path):
        path.write_bytes(b"half")
        message = "gone"
        raise ConnectionResetError(message) if file == stored(1) else RuntimeError(message)

    assert cache.copies("s3://b", [stored(1)], fail) == {}
    with pytest.raises(RuntimeError):
        cache.copies("s3://b", [stored(2), stored(3)], fail)
    assert used(cache) == 0


def test_reading_a_copy_does_not_make_it_another_file(cache, bucket):
    path = cache.copies("s3://b", [stored(1)], bucket.fetch)[stored(1)]
    unread(path, 100)
    before = path.stat()
    cache.copies("s3://b", [stored(1)], bucket.fetch)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_atime > before.st_atime


def test_what_is_kept_is_found_by_what_it_is_made_of(cache):
    assert cache.kept("a", "digest") is None
    assert cache.keep("a", "digest", b"x" * 600)
    assert cache.kept("a", "digest").read_bytes() == b"x" * 600
    assert cache.kept("b", "digest") is None
    assert not cache.keep("b", "digest", b"y" * 600)  # the first was read within the hour
    unread(cache.kept("a", "digest"), 2)
    assert cache.keep("b", "digest", b"y" * 600)
    assert cache.kept("a", "digest") is None
    assert not cache.keep("c", "digest", b"z" * 1_001)
    assert used(cache) == 600


def test_nothing_is_kept_where_nobody_may_write(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert not FileCache(tmp_path / "file" / "cache").keep("a", "digest", b"x")
    assert FileCache(tmp_path / "file" / "cache").kept("a", "digest") is None


def test_a_folder_that_cannot_be_made_means_no_copies(tmp_path, bucket):
    (tmp_path / "file").write_text("in the way")
    assert FileCache(tmp_path / "file" / "cache").copies("s3://b", [stored(1)], bucket.fetch) == {}
    assert bucket.fetched == []


def test_other_files_in_the_folder_are_left_alone(cache, bucket):
    cache.folder.mkdir()
    own = cache.folder / "notes.txt"
    own.write_text("x" * 5_000)
    unread(own, 100)
    assert len(cache.copies("s3://b", [stored(n) for n in range(20)], bucket.fetch)) == 10
    assert own.exists()


def test_many_readers_at_once_keep_the_bound_and_get_true_copies(cache, bucket):
    wrong, peak = [], []

    def read(turn):
        for step in range(6):
            files = [stored(n) for n in range(turn + step, turn + step + 8)]
            for file, path in cache.copies("s3://b", files, bucket.fetch).items():
                if path.read_bytes() != bucket.content(file):
                    wrong.append(file)
            peak.append(sum(path.stat().st_size for path in cache.folder.glob("*/*")))

    threads = [threading.Thread(target=read, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert max(peak) <= 1_000
