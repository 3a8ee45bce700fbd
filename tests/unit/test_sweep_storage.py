"""Memory, files, checkpoints, interruption: a sweep stays inside its bound and loses nothing that was done."""

import os
import resource
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.errors import ParameterError
from stockstream.research.checkpoint import Checkpoint
from stockstream.research.collect import Collector
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross

pytestmark = pytest.mark.compiled  # thousands of runs, each bar in Python otherwise

GRID = {"fast": range(2, 12), "slow": range(12, 40, 2)}
BARS = long_panel(2, 300)


def sweep(strategy=Cross, grid=GRID, bars=BARS, **options):
    return ss.sweep(strategy, bars, grid, **{"progress": False, **options})


# ---- memory and files --------------------------------------------------------------------------------------------


def test_small_batches_and_pieces_give_the_same_rows(tmp_path):
    whole = sweep()
    swept = sweep(max_bytes=700_000, out=tmp_path / "rows.parquet", top_k=7)
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    assert swept.runs == rows.height == whole.frame.height
    keys = ["symbol", "fast", "slow"]
    assert_frame_equal(rows.sort(keys), whole.frame.sort(keys))
    assert_frame_equal(
        swept.frame, whole.frame.sort("sharpe", descending=True, maintain_order=True).head(7), check_row_order=False
    )
    assert not list(tmp_path.glob(".*"))
    assert swept.best("max_drawdown", by="symbol") == whole.best("max_drawdown", by="symbol")


def test_no_more_batches_are_there_than_fit(monkeypatch, tmp_path):
    begin, held = Collector.begin, []

    def noted(collector, batch):
        begin(collector, batch)
        held.append(collector.held)

    monkeypatch.setattr(Collector, "begin", noted)
    grid = {"fast": range(2, 52), "slow": range(52, 252)}
    swept = sweep(grid=grid, bars=long_panel(1, 30), max_bytes=1_500_000, out=tmp_path / "rows.parquet", workers=4)
    assert swept.runs == 10_000
    assert len(held) > 8
    assert max(held) == 2


def test_the_same_file_every_time(tmp_path):
    for name in ("one.parquet", "two.parquet"):
        sweep(out=tmp_path / name, max_bytes=2_000_000)
    assert_frame_equal(pl.read_parquet(tmp_path / "one.parquet"), pl.read_parquet(tmp_path / "two.parquet"))


def test_the_best_few_by_the_smallest_value():
    swept = sweep(top_k=3, top_by="-volatility")
    assert swept.frame["volatility"].to_list() == sweep().frame["volatility"].sort().head(3).to_list()
    assert swept.runs == 280


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_bytes": 40_000}, "the 280 rows of this sweep take 42.6 kB.*out='rows.parquet'"),
        ({"max_bytes": 1_000, "top_k": 1}, "one combination takes .* max_bytes=1,000"),
        ({"max_bytes": 100_000, "top_k": 1}, "the series of one combination take 14.4 kB"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(options, words):
    with pytest.raises(ParameterError, match=words):
        sweep(workers=2, **options)


MEASURED = """
import resource, sys
import numpy as np
import stockstream as ss
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross, lowest
bars = long_panel(1, 40)
out, folder, how = sys.argv[1:]
options = {"out": out, "progress": False, **({"reduce": {"lowest": lowest}} if how == "paths" else {})}
ss.sweep(Cross, bars, {"fast": [2, 3], "slow": [5, 6]}, **options)
import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
grid = {"fast": range(1, 501), "slow": range(1, 1001)}
options |= {"checkpoint": folder} if how == "checkpoint" else {}
swept = ss.sweep(Cross, bars, grid, max_bytes=60e6, **options)
print(swept.runs, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["scores", "paths", "checkpoint"])
def test_memory_stays_inside_its_bound(how, tmp_path, repository):
    path = f"{repository}:{repository / 'kernels'}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "rows.parquet"), str(tmp_path / "kept"), how],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
        env={**os.environ, "PYTHONPATH": path},
    )
    runs, grown = map(int, done.stdout.split())
    assert runs == 500_000  # whose rows are 76 MB
    assert grown < 60e6  # measured 36 MB, with paths 49, with a checkpoint 43; about 12 of them a first sweep's own


# ---- Ctrl-C ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_jobs(monkeypatch):
    monkeypatch.setattr("stockstream.research.plan.MIN_CHUNK", 5)
    monkeypatch.setattr("stockstream.research.plan.CHUNK_BARS", 300)
    monkeypatch.setattr("stockstream.research.plan.PATH_BARS", 600)


class Stop:
    """A progress function that presses Ctrl-C after some calls."""

    def __init__(self, calls):
        self.calls = calls

    def __call__(self, done, total):
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("portfolio", ["each", "shared"])
def test_ctrl_c_returns_what_is_done(small_jobs, portfolio, tmp_path):
    whole = sweep(portfolio=portfolio)
    assert whole.complete
    swept = sweep(portfolio=portfolio, progress=Stop(6))
    assert not swept.complete
    assert 6 <= swept.runs < whole.runs
    keys = [name for name in ("symbol", "fast", "slow") if name in whole.frame.columns]
    assert_frame_equal(swept.frame, whole.frame.join(swept.frame.select(keys), on=keys, how="semi"))
    assert "ended early" in repr(swept)
    out = tmp_path / "rows.parquet"
    ended = sweep(portfolio=portfolio, progress=Stop(6), out=out)
    assert pl.read_parquet(out).height == ended.runs


def test_an_error_leaves_no_half_file(small_jobs, tmp_path):
    def broken(done, total):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        sweep(out=tmp_path / "rows.parquet", progress=broken)
    assert not list(tmp_path.iterdir())


def test_progress_counts_up_to_all_runs(small_jobs):
    seen = []
    sweep(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (280, 280)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    sweep(MovingAverageCrossover, {"fast_period": [0, 5, 6]}, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4, 4)


def test_the_progress_bar_is_drawn_and_taken_away(capsys):
    sweep(progress=True)
    assert "Traceback" not in capsys.readouterr().err


# ---- checkpoints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("portfolio", ["each", "shared"])
def test_a_checkpoint_goes_on_where_it_was(small_jobs, tmp_path, portfolio, monkeypatch):
    monkeypatch.setattr("stockstream.research.checkpoint.SECONDS", 0.0)
    options = {"portfolio": portfolio, "checkpoint": tmp_path / "kept"}
    whole = sweep(portfolio=portfolio)
    ended = sweep(progress=Stop(6), **options)
    assert not ended.complete
    done = []
    swept = sweep(progress=lambda runs, total: done.append(runs), **options)
    assert swept.complete
    assert done[0] > ended.runs  # what was done counts from the start
    assert_frame_equal(swept.frame, whole.frame)
    again = []
    assert_frame_equal(sweep(progress=lambda runs, total: again.append(runs), **options).frame, whole.frame)
    assert not again


def test_a_checkpoint_fits_whatever_the_batches_are(tmp_path):
    whole = sweep()
    sweep(checkpoint=tmp_path, top_k=1, max_bytes=700_000)
    part = next(tmp_path.glob("part-*"))
    part.unlink()  # a part that was lost is done again
    assert_frame_equal(sweep(checkpoint=tmp_path).frame, whole.frame)


KILLED = """
import os, signal, sys
import stockstream.research.plan as plan, stockstream.research.checkpoint as checkpoint
from tests.unit.test_sweep_storage import sweep
plan.MIN_CHUNK, plan.CHUNK_BARS, checkpoint.SECONDS = 5, 300, 0.0
def kill(done, total):
    if done >= 60:
        os.kill(os.getpid(), signal.SIGKILL)
sweep(checkpoint=sys.argv[1], progress=kill)
"""


def test_a_killed_sweep_resumes(tmp_path, repository):
    path = f"{repository}:{repository / 'kernels'}"
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=repository, env=environment, check=False)
    assert done.returncode == -9
    counts = []
    swept = sweep(checkpoint=tmp_path, progress=lambda runs, total: counts.append(runs))
    assert_frame_equal(swept.frame, sweep().frame)
    assert swept.path.simulated + swept.path.shortened < 280


class CrossOfOthers(Cross):
    def __init__(self, fast=5, slow=21):
        super().__init__(fast, slow)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"strategy": CrossOfOthers}, "the strategy changed"),
        ({"grid": {**GRID, "fast": range(2, 11)}}, "the grid changed"),
        ({"where": pl.col("fast") < 6}, "the grid changed"),
        ({"sample": 9}, "the grid changed"),
        ({"bars": long_panel(2, 300, seed=1)}, "the bars changed"),
        ({"bars": long_panel(1, 300)}, "the bars changed"),
        ({"costs": ss.Costs(commission=0.001)}, "the settings changed"),
        ({"portfolio": "shared"}, "the settings changed"),
        ({"metrics": ["sharpe"]}, "the metrics changed"),
        ({"reduce": {"last": lambda equity, dates: equity[:, -1]}}, "the metrics changed"),
    ],
)
def test_a_checkpoint_of_another_sweep_is_refused(tmp_path, options, word):
    sweep(checkpoint=tmp_path)
    with pytest.raises(ParameterError, match=word):
        sweep(checkpoint=tmp_path, **options)


def test_a_folder_that_cannot_be_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="as a checkpoint"):
        sweep(checkpoint=tmp_path / "file")
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(ParameterError, match="as a checkpoint"):
        Checkpoint.open(tmp_path, {})


# ---- rows and their backtests ------------------------------------------------------------------------------------


def test_a_row_gives_its_backtest():
    swept = sweep(grid={**GRID, "costs.commission": [0.0, 0.002]}, benchmark="S1", metrics=["sharpe", "beta"])
    for row in (swept.frame.row(5, named=True), swept.best("beta", by="symbol")):
        result = swept.result(row)
        assert result.bars.symbols == (row["symbol"],)
        assert result.settings.costs.commission.rate == row["costs.commission"]
        assert result.metrics.beta == pytest.approx(row["beta"], abs=1e-12)
    ordered = swept.frame.sort("sharpe", descending=True)
    assert swept.result(rank=3).metrics.sharpe == pytest.approx(ordered["sharpe"][2])
    assert swept.result(rank=1, largest=False).metrics.sharpe == pytest.approx(ordered["sharpe"][-1])


@pytest.mark.parametrize("wrong", [{"row": {"fast": 5}}, {"row": {"fast": 5, "slow": 20}}, {"rank": 0}, {"rank": 281}])
def test_what_is_no_row_is_refused(wrong):
    with pytest.raises(ParameterError):
        sweep().result(**wrong)


def test_reductions_see_every_path_and_the_dates():
    def halfway(equity, dates):
        return equity[:, np.searchsorted(dates, BARS.dates[150])]

    swept = sweep(grid={"fast": [3, 5], "slow": [20]}, metrics=["final_equity"], reduce={"halfway": halfway})
    for row in swept.frame.to_dicts():
        equity = swept.result(row).equity["equity"]
        assert row["halfway"] == pytest.approx(equity[150], rel=1e-12)
        assert row["final_equity"] == pytest.approx(equity[-1], rel=1e-12)


def test_the_limit_of_memory_is_read():
    from stockstream.research.budget import free_bytes

    pages = resource.getpagesize()
    assert pages < free_bytes() < 1 << 50
