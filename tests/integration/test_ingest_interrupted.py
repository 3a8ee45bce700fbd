"""A run that is cut off anywhere: the next one ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from stockstream.lake import Lake
from stockstream.lake.folder import LocalFolder
from tests.replay.books import Generated
from tests.replay.running import environment, run_at, settings_for
from tests.replay.server import ReplayServer

FIRST, SECOND = datetime(2026, 5, 13, 20, tzinfo=UTC), datetime(2026, 5, 14, 20, tzinfo=UTC)
SYMBOLS = [f"K{number:02d}" for number in range(8)]
MARKET = {"symbols": SYMBOLS}
BATCH = "4"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    book = Generated(SYMBOLS, date(2025, 6, 2), date(2026, 6, 30))
    with ReplayServer(tmp_path_factory.mktemp("replay"), book, SECOND) as running:
        yield running


@pytest.fixture(scope="module")
def day_before(server: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a lake with the session before."""
    lake = tmp_path_factory.mktemp("before") / "lake"
    with environment(settings_for(server, batch_size=BATCH, workers="1")):
        run_at(server, lake, MARKET, FIRST)
    return lake


class Held(NamedTuple):
    """What a lake answers, and its files."""

    answers: list[Any]
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def whole(server: ReplayServer, day_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Give what a lake with both sessions holds, filled without being disturbed."""
    lake = tmp_path_factory.mktemp("whole") / "lake"
    shutil.copytree(day_before, lake)
    with environment(settings_for(server, batch_size=BATCH, workers="1")):
        run_at(server, lake, MARKET, SECOND)
    return Held(answers(lake), stored(lake))


def answers(lake: Path) -> list[Any]:
    place = Lake(lake)
    queries = (
        "FROM prices ORDER BY ALL",
        "FROM dividends ORDER BY ALL",
        "SELECT DISTINCT * FROM raw_prices ORDER BY ALL",
    )
    return [place.sql(query).fetchall() for query in queries]


def stored(lake: Path) -> dict[str, bytes]:
    return {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*") if path.is_file()}


def check_like(lake: Path, whole: Held) -> None:
    """Every answer is the same; every file is the same, but for batches whose receipt was cut off."""
    assert answers(lake) == whole.answers
    found, expected = stored(lake), whole.files
    leftovers = {name for name in found if Path(name).name.startswith(".")}
    more = found.keys() - expected.keys() - leftovers
    assert all(name.startswith(("raw-data/", "raw-events/")) for name in more)
    assert expected.keys() <= found.keys()
    again = {name for name in expected if found[name] != expected[name]}
    # A batch that had stored its prices and not its receipt stores them once more, under a number of its own.
    assert all(name.startswith("runs/") for name in again)
    assert not again or more
    assert all(found[name] in expected.values() for name in more)


class KilledError(BaseException):
    """As abrupt as a signal: nothing in the library catches it."""


def run_until_killed(server: ReplayServer, lake: Path, point: int) -> bool:
    """Run until the lake is asked for the point-th time to store a file; return whether it came to that."""
    originals = {name: getattr(LocalFolder, name) for name in ("place", "replace")}
    left = [point]

    def dying(name: str):
        def call(self, *args, **options):
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return originals[name](self, *args, **options)

        return call

    with pytest.MonkeyPatch.context() as patched:
        for name in originals:
            patched.setattr(LocalFolder, name, dying(name))
        try:
            run_at(server, lake, MARKET, SECOND)
        except KilledError:
            return True
    return False


def test_cut_off_between_any_two_files(server: ReplayServer, whole: Held, day_before: Path, tmp_path: Path) -> None:
    with environment(settings_for(server, batch_size=BATCH, workers="1")):
        for point in range(1, 99):
            lake = tmp_path / str(point)
            shutil.copytree(day_before, lake)
            killed = run_until_killed(server, lake, point)
            run_at(server, lake, MARKET, SECOND)
            check_like(lake, whole)
            if not killed:
                break
    assert point > 1 + 2 * 2 + 1  # the batches; prices and receipt of each of two; the manifest


def start(server: ReplayServer, lake: Path, delay: str, *others: str) -> subprocess.Popen[bytes]:
    """Start a run of the second session in a process of its own."""
    server.now = SECOND
    settings = settings_for(server, batch_size=BATCH, workers="2", seconds_between_symbols=delay)
    command = [sys.executable, "-m", "tests.replay.one_run", str(lake), SECOND.isoformat(), ",".join(SYMBOLS), *others]
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join([str(root), str(root / "kernels")])}
    return subprocess.Popen(command, env=env, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_and_go_on(
    server: ReplayServer, whole: Held, day_before: Path, folder: Path, random: Random, longest: float
) -> bool:
    """Kill one run after a random time, run again, compare; return whether the kill came in time."""
    lake = folder / "lake"
    shutil.copytree(day_before, lake)
    process = start(server, lake, "0.05")
    deadline = time.monotonic() + 60
    while not (folder / "started").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    try:
        process.wait(random.uniform(0.05, longest))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    with environment(settings_for(server, batch_size=BATCH, workers="1")):
        run_at(server, lake, MARKET, SECOND)
    check_like(lake, whole)
    return killed


def test_killed_three_times(server: ReplayServer, whole: Held, day_before: Path, tmp_path: Path) -> None:
    random = Random(20260514)
    killed = [kill_and_go_on(server, whole, day_before, _folder(tmp_path, n), random, 2.0) for n in range(3)]
    assert any(killed)


@pytest.mark.slow
def test_killed_fifty_times(server: ReplayServer, whole: Held, day_before: Path, tmp_path: Path) -> None:
    random = Random(20260515)
    killed = [kill_and_go_on(server, whole, day_before, _folder(tmp_path, n), random, 3.0) for n in range(50)]
    assert sum(killed) >= 20


def _folder(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / str(number)
    folder.mkdir()
    return folder


def test_workers_end_with_the_process_that_started_them(server: ReplayServer, day_before: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(day_before, lake)
    server.asked.clear()
    process = start(server, lake, "1.0", "processes")
    deadline = time.monotonic() + 120
    while not server.charts() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)
    asked = len(server.charts())
    assert 0 < asked < len(SYMBOLS)
    time.sleep(2.5)  # a worker would ask for two more symbols meanwhile
    assert len(server.charts()) == asked
