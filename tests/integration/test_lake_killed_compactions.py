"""Compactions killed at random moments: every answer stays, the next compaction succeeds, nothing useless counts."""

import datetime as dt
import json
import random
import shutil
import time
from pathlib import Path

import pytest

from stockstream.lake import Lake
from tests import killed_compactions
from tests.killed_compactions import FIRST, instant, write
from tests.killed_writers import writers

NOW = {"grace": dt.timedelta(0), "keep": 0}
EVERYTHING = (
    "SELECT (SELECT list(p ORDER BY p) FROM prices_adjusted AS p), (SELECT list(DISTINCT r ORDER BY r) FROM raw_prices "
    "AS r), (SELECT list(d ORDER BY d) FROM dividends AS d), (SELECT list(w ORDER BY w) FROM withdrawn AS w)"
)


def told(lake, count):
    """Return what a lake says as of an early answer, one in the middle, and now."""
    moments = [instant(1), instant(count // 2), None]
    return [lake.sql(EVERYTHING, as_of=moment).fetchall() for moment in moments] + [repr(lake.bars().close.tolist())]


class Twins:
    """Lakes of the first so many answers, of which nothing was ever compacted, and what they say."""

    def __init__(self, folder):
        self.lake, self.count, self.known = Lake(folder), 0, {}

    def told(self, count):
        while self.count < count:
            write(self.lake, self.count)
            self.count += 1
            self.known[self.count] = told(self.lake, self.count) if self.count >= FIRST else None
        return self.known[count]


def kill_compactions(tmp_path, parent, *, kills, longest, chance):
    """Kill compactions of new lakes at random moments; return how many were killed in the midst of one."""
    twins, start, torn = Twins(tmp_path / "twin"), Lake(tmp_path / "start"), 0
    for number in range(FIRST):
        write(start, number)
    for attempt in range(kills):
        folder = Path(shutil.copytree(tmp_path / "start", tmp_path / f"{attempt}"))
        child = parent.start(str(folder), first=str(FIRST + 1))
        time.sleep(chance.uniform(0.0, longest))
        stored = int(parent.kill(child, said=FIRST + 1))
        manifest = folder / "curated" / "manifest.json"
        named = set(json.loads(manifest.read_text())["parts"].values()) if manifest.exists() else set()
        found = {str(path.relative_to(folder)) for path in folder.glob("curated/**/*.parquet")}
        assert named <= found
        torn += found != named or not manifest.exists()
        lake = Lake(folder, strict=True)
        # Whether the answer after the last one that was said is stored is not known.
        count = stored + (lake.sql("SELECT max(fetch_timestamp) FROM raw_prices").fetchone()[0] > stamp(stored - 1))
        assert told(lake, count) == twins.told(count)
        lake.compact(expire=True, **NOW)
        assert told(Lake(folder, strict=True), count) == twins.told(count)
        assert len(list(folder.glob("curated/**/*.parquet"))) == 5
        assert not list(folder.glob("raw-*/*.parquet"))
        shutil.rmtree(folder)
    return torn


def stamp(number):
    return instant(number).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def compactors():
    with writers(script=killed_compactions.__file__) as parent:
        yield parent


def test_a_killed_compaction_changes_no_answer(tmp_path, compactors):
    kill_compactions(tmp_path, compactors, kills=2, longest=1.5, chance=random.Random(3))


@pytest.mark.slow
def test_many_killed_compactions_change_no_answer(tmp_path, compactors):
    assert kill_compactions(tmp_path, compactors, kills=60, longest=1.5, chance=random.Random(4)) > 0
