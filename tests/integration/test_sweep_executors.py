"""A sweep on threads, on worker processes and on a Dask cluster gives the same rows, whoever dies on the way."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

import stockstream as ss
from stockstream.errors import ParameterError
from stockstream.research.crew import RESTING, Reference, answer_away
from stockstream.research.jobs import Package
from stockstream.research.question import DEFAULT_METRICS
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross, KillsItsWorkerOnce, Ranked, lowest, packages_read

pytestmark = pytest.mark.compiled  # thousands of runs, each bar in Python otherwise

GRID = {"fast": range(2, 12), "slow": range(12, 40, 2)}
BARS = long_panel(3, 500)


def spawned():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def sweep(strategy=Cross, grid=GRID, bars=BARS, **options):
    return ss.sweep(strategy, bars, grid, progress=False, **options)


@pytest.mark.parametrize("portfolio", ["each", "shared"])
def test_the_users_threads(portfolio):
    with ThreadPoolExecutor(3) as pool:
        swept = sweep(executor=pool, portfolio=portfolio)
        assert pool.submit(int, 5).result() == 5  # it is the user's, and still open
    assert_frame_equal(swept.frame, sweep(portfolio=portfolio).frame)


FORKED = """
import os
from stockstream.research import crew
from tests.integration.test_sweep_executors import sweep

sweep(workers=2)
assert [count for count, _ in crew.RESTING] == [2]
child = os.fork()
if not child:
    os._exit(len(crew.RESTING))
assert os.waitpid(child, 0)[1] == 0
sweep(workers=3)
assert [count for count, _ in crew.RESTING] == [3]
"""


def test_threads_wait_for_the_next_sweep_but_not_in_a_fork_of_the_process():
    sweep(workers=2)
    resting = [pool for _, pool in RESTING]
    sweep(workers=2)
    assert [pool for _, pool in RESTING] == resting
    with pytest.raises(ParameterError):
        sweep(workers=2, reduce={"wrong": lambda equity, dates: equity})
    assert not RESTING  # what failed may not be over in all threads
    if hasattr(os, "fork"):
        done = subprocess.run(
            [sys.executable, "-c", FORKED], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_worker_processes_give_the_same_rows_and_get_the_bars_once():
    with spawned() as pool:
        swept = sweep(executor=pool, metrics=[*DEFAULT_METRICS, "var_95"], reduce={"lowest": lowest})
        ranked = sweep(Ranked, {"days": [5, 9, 14], "most": [1, 2]}, executor=pool)
        shared = sweep(executor=pool, portfolio="shared")
        reads = dict(pool.submit(packages_read).result() for _ in range(20))
    assert_frame_equal(swept.frame, sweep(metrics=[*DEFAULT_METRICS, "var_95"], reduce={"lowest": lowest}).frame)
    assert_frame_equal(ranked.frame, sweep(Ranked, {"days": [5, 9, 14], "most": [1, 2]}).frame)
    assert_frame_equal(shared.frame, sweep(portfolio="shared").frame)
    assert reads
    assert all(0 < count <= 3 for count in reads.values())  # three sweeps, each at most once a process


@pytest.mark.parametrize("factory", [True, False], ids=["a function makes pools", "a pool is given"])
def test_a_worker_that_dies_loses_nothing(factory, tmp_path):
    mark = tmp_path / "died"
    killer = {"final": KillsItsWorkerOnce(str(mark), os.getpid())}
    if factory:
        swept = sweep(executor=spawned, reduce=killer)
    else:
        with spawned() as pool, pytest.warns(UserWarning, match="the executor broke"):
            swept = sweep(executor=pool, reduce=killer)
    assert mark.exists()
    assert swept.complete
    expected = sweep(reduce={"final": lambda equity, dates: equity[:, -1]})
    assert_frame_equal(swept.frame, expected.frame)


def test_what_cannot_travel_is_refused():
    with spawned() as pool, pytest.raises(ParameterError, match="at the top of a module"):
        sweep(executor=pool, reduce={"final": lambda equity, dates: equity[:, -1]})


def test_a_worker_without_the_file_asks_for_the_package(tmp_path):
    package = Package(BARS, None, None)
    assert answer_away(Reference(str(tmp_path / "nowhere")), None) is None
    carried = Reference("", pickle.dumps(package)).package()
    assert carried.bars.symbols == BARS.symbols


class Elsewhere(ThreadPoolExecutor):
    """Threads that stand for workers of another machine: no file is there, and every job fails some times."""

    def __init__(self, failures=0):
        super().__init__(2)
        self.failures = failures
        self.packages = 0

    def submit(self, function, /, *arguments):
        source, work = arguments
        if not source.content:
            source = Reference("/nowhere/at/all")
        self.packages += bool(source.content)
        work = pickle.loads(pickle.dumps(work))
        if self.failures:
            self.failures -= 1
            return super().submit(partial(int, "lost"))
        return super().submit(function, source, work)


class _Executor:
    """Hides that the workers are threads."""

    def __init__(self, pool):
        self.pool = pool
        self.submit = pool.submit


@pytest.mark.parametrize("failures", [0, 3])
def test_workers_without_the_file_get_the_package_with_a_job(failures):
    with Elsewhere(failures) as pool:
        swept = sweep(executor=_Executor(pool))
    assert_frame_equal(swept.frame, sweep().frame)
    assert pool.packages > 0


def test_jobs_that_are_lost_again_and_again_are_done_here():
    with Elsewhere(10_000) as pool, pytest.warns(UserWarning, match="done here instead"):
        swept = sweep(executor=_Executor(pool), bars=long_panel(1, 60))
    assert_frame_equal(swept.frame, sweep(bars=long_panel(1, 60)).frame)


def test_a_reduction_that_raises_is_named_wherever_it_runs():
    with Elsewhere() as pool, pytest.raises(ParameterError, match="reduction 'short' raised"):
        sweep(executor=_Executor(pool), reduce={"short": _raising})
    with pytest.raises(ParameterError, match="one number a run from the reduction 'short'"):
        sweep(reduce={"short": lambda equity, dates: equity[:, 0][:1]})


def _raising(equity, dates):
    raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_dask_cluster_gives_the_same_rows(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        swept = sweep(executor=client.get_executor())
        mark = tmp_path / "died"
        killer = {"final": KillsItsWorkerOnce(str(mark), os.getpid())}
        survived = sweep(executor=client.get_executor(), reduce=killer)
    assert_frame_equal(swept.frame, sweep().frame)
    assert mark.exists()
    assert_frame_equal(survived.frame.drop("final"), swept.frame)


def test_a_dask_cluster_carries_the_bars_itself_once_for_each_worker():
    class Client:
        scattered = 0

        def scatter(self, package, *, broadcast, hash):
            assert broadcast
            self.scattered += 1
            return package

    class Pool(Elsewhere):
        def submit(self, function, /, package, work):
            assert isinstance(package, Package)
            return ThreadPoolExecutor.submit(self, function, package, work)

    with Pool() as pool:
        executor = _Executor(pool)
        executor._client = Client()
        swept = sweep(executor=executor)
    assert executor._client.scattered == 1
    assert_frame_equal(swept.frame, sweep().frame)
