"""A write is whole or nothing: writers killed at random moments, a full disk, several writers at once."""

import os
import random
import subprocess
import sys
import time

import polars as pl
import pytest

from stockstream.lake import Lake
from stockstream.lake.location import RAW_DATA, RAW_EVENTS
from tests.killed_writers import DAYS, SESSION, STATE, batch, state, writers


def check_every_file(lake):
    """Read whatever is there, as a reader beside the writer does; return how many batches of prices there were."""
    events = lake.location.batch_files(RAW_EVENTS)
    prices = lake.location.batches(RAW_DATA)
    options = lake.location.storage_options()
    for path in prices:
        frame = pl.read_parquet(path, glob=False, storage_options=options if "://" in path else None)
        assert frame.height == len(DAYS)
        assert frame["close"].n_unique() == 1
    text = lake.location.read_bytes(STATE)
    assert text is None or text == state(int(text.split()[0]))
    return len(prices), len(events)


def kill_writers(place, make_lake, parent, *, kills, longest, chance):
    """Kill writers of new lakes at random moments, reading all the while; return in which states they were left."""
    found = {"old": 0, "new": 0}
    for attempt in range(kills):
        lake = make_lake(f"{place}/{attempt}")
        writer = parent.start(f"{place}/{attempt}")
        end = time.monotonic() + chance.uniform(0.0, longest)
        while time.monotonic() < end:
            check_every_file(lake)
        said = parent.kill(writer)
        stored, events = check_every_file(lake)
        assert stored in {said, said + 1}
        assert events in {stored, stored + 1}  # events come first: prices never lack their dividends
        found["old" if stored == said else "new"] += 1
        assert lake.load_all_data()["close"].unique().to_list() == [float(stored)]
        assert lake.location.read_bytes(STATE) in {state(said), state(said + 1)}
        if attempt % 5 == 0:
            assert lake.write_rows(batch(99), session=SESSION).file == f"raw-data/{SESSION}-batch-{stored + 1}.parquet"
            lake.location.update(STATE, lambda before: state(99))
            assert lake.load_all_data()["close"].unique().to_list() == [99.0]
            assert lake.location.read_bytes(STATE) == state(99)
    return found


@pytest.fixture(scope="module")
def local_writers():
    with writers() as parent:
        yield parent


@pytest.fixture(scope="module")
def bucket_writers(store):
    with writers(store.environment()) as parent:
        yield parent


def test_a_killed_writer_leaves_the_old_or_the_new_state_in_a_folder(tmp_path, local_writers):
    kill_writers(tmp_path, Lake, local_writers, kills=30, longest=0.1, chance=random.Random(7))


def test_a_killed_writer_leaves_the_old_or_the_new_state_in_a_bucket(store, bucket_writers):
    place = f"s3://{store.new_bucket()}"
    kill_writers(
        place, lambda at: Lake(at, store.options()), bucket_writers, kills=6, longest=0.15, chance=random.Random(8)
    )


@pytest.mark.slow
def test_many_killed_writers_in_a_folder(tmp_path, local_writers):
    found = kill_writers(tmp_path, Lake, local_writers, kills=200, longest=0.08, chance=random.Random(9))
    assert min(found.values()) > 0


@pytest.mark.slow
def test_many_killed_writers_in_a_bucket(store, bucket_writers):
    place = f"s3://{store.new_bucket()}"
    found = kill_writers(
        place, lambda at: Lake(at, store.options()), bucket_writers, kills=200, longest=0.2, chance=random.Random(10)
    )
    assert min(found.values()) > 0


FULL_DISK = """
import os, resource, subprocess, sys
from pathlib import Path
from stockstream.errors import LakeError
from stockstream.lake import Lake
from tests.killed_writers import batch

folder = Path(sys.argv[1])
mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
mounted = subprocess.run(mount, capture_output=True).returncode == 0
lake = Lake(folder / "lake")
lake.write_rows(batch(1), session="2024-01-01")
before = sorted(path.name for path in folder.rglob("*.parquet"))
if mounted:
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    ballast.write_bytes(b"x" * max(free.f_bavail * free.f_frsize - 4096, 0))
else:  # nobody may mount here: a limit on the size of files fails as early
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
refused = 0
for number in range(2, 5):
    try:
        lake.write_rows(batch(number), session="2024-01-01")
    except LakeError as error:
        assert str(folder) in str(error) and "Nothing was stored" in str(error), error
        refused += 1
assert sorted(path.name for path in folder.rglob("*.parquet")) == before, before
assert not list(folder.rglob(".*.tmp"))
assert lake.bars("A").close[0, -1] == 1.0
if mounted:
    ballast.unlink()
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
lake.write_rows(batch(9), session="2024-01-01")
print("disk" if mounted else "limit", refused, lake.bars("A").close[0, -1])
"""


def test_a_full_disk_leaves_the_old_state(tmp_path, repository):
    """On a real full disk where a namespace of one's own may mount one, else under a limit on the size of files."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), *sys.path])}
    own = ["unshare", "--map-root-user", "--mount"]
    possible = subprocess.run([*own, "true"], capture_output=True, check=False).returncode == 0
    done = subprocess.run(
        [*own, *command] if possible else command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout in {"disk 3 9.0\n", "limit 3 9.0\n"}
