"""The ledger of trials, and the verdict that rests on it: what counts, once, across processes, until it is cleared."""

import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover, RSIMeanReversion
from stockstream.errors import DataError, ParameterError, StockstreamError
from stockstream.research import distinct
from stockstream.research.overfitting import deflated_sharpe, sharpe_sample
from stockstream.research.sampled import sampled_returns
from stockstream.research.trials import Entry, Trials, beside, ledger_path
from tests.laws.test_sweep_laws import long_panel

GRID = {"fast_period": [3, 5, 8], "slow_period": [15, 25]}
ENTRY = Entry("S", "f", ("A",), False, "2020-01-01", "2020-12-31", 10, 10, 0.01, 0.0004, np.arange(10, dtype=np.uint64))


@pytest.fixture(scope="module")
def bars():
    return long_panel(2, 400)


def trials(bars, **options):
    swept = ss.sweep(MovingAverageCrossover, bars, options.pop("grid", GRID), progress=False, **options)
    first, last = (str(day) for day in bars.dates[[0, -1]])
    return swept.ledger.tried(bars.symbols, first, last)


def test_every_combination_counts_once(bars):
    one = bars.select([bars.symbols[0]])
    assert trials(one).trials == 6
    assert trials(one).trials == 6  # the same again
    assert trials(one, grid=GRID | {"fast_period": [5, 3]}).trials == 6  # part of it, in another order
    assert trials(one, grid=GRID | {"slow_period": [25, 40]}).trials == 9  # three are new
    assert trials(one, costs=ss.Costs(commission=0.001)).trials == 15  # other costs
    assert trials(one, record=False).sweeps == 4
    frame = ss.sweep(MovingAverageCrossover, one, GRID, progress=False).ledger.frame()
    assert frame["times_run"].to_list() == [3, 1, 1, 1]


def test_a_default_that_is_named_is_the_same_trial(bars):
    one = bars.select([bars.symbols[0]])
    assert trials(one, grid={"fast_period": [5, 8]}).trials == 2
    assert trials(one, grid={"fast_period": [5.0, 8.0], "slow_period": [50]}).trials == 2


def test_listings_and_dates_must_overlap(bars):
    first, second = bars.symbols
    early, late = bars.between(None, bars.dates[199]), bars.between(bars.dates[200], None)
    assert trials(early.select([first])).trials == 6
    assert trials(late.select([first])).trials == 6  # other days
    assert trials(bars.select([second])).trials == 6  # another listing
    assert trials(bars.select([first])).trials == 18  # all three slices of this listing
    assert trials(bars).trials == 6 * 3 + 6  # what the first listing was run with on these days is identical


def test_a_shared_account_is_one_trial_for_all_its_symbols(bars):
    assert trials(bars, portfolio="shared").trials == 6


def test_moments_are_those_of_all_ratios(bars):
    one = bars.select([bars.symbols[0]])
    found = [ss.sweep(MovingAverageCrossover, one, GRID, progress=False)]
    found += [ss.sweep(RSIMeanReversion, one, {"oversold": [20, 30, 40]}, progress=False)]
    ratios = pl.concat([swept.frame["sharpe"] for swept in found]).to_numpy() / 252**0.5
    tried = found[0].ledger.tried(one.symbols, *(str(day) for day in one.dates[[0, -1]]))
    assert tried.variance == pytest.approx(ratios[np.isfinite(ratios)].var(ddof=1), rel=1e-12)


def test_ratios_of_few_days_count_by_their_standard_errors(tmp_path):
    """By luck alone a ratio of 25 days scatters five times as far as one of 625; both are as far from 0 in errors."""
    draw, ledger = np.random.default_rng(5), Trials(tmp_path / "t.sqlite")
    ends = {"2020-01-25": 25, "2021-09-16": 625}
    for number, (last, days) in enumerate(ends.items()):
        luck = draw.normal(0.0, 0.01, (2_000, days))
        ratios = luck.mean(axis=1) / luck.std(axis=1, ddof=1)
        moments = {"ratios": 2_000, "mean": ratios.mean(), "variance": ratios.var(ddof=1)}
        sketch = np.array([number], dtype=np.uint64)
        ledger.record(replace(ENTRY, first="2020-01-01", last=last, combinations=2_000, sketch=sketch, **moments))
    for last, days in ends.items():
        assert ledger.tried(("A",), "2020-01-01", last).variance == pytest.approx(1 / days, rel=0.06)


def test_what_is_remembered_of_sweeps_changes_no_count(tmp_path):
    """Sweeps of one rule on listings that overlap, some of them from another process; unions against plain sets."""
    draw, ledger, sets = np.random.default_rng(2), Trials(tmp_path / "t.sqlite"), {"A": set(), "B": set()}
    for turn in range(40):
        hashed = np.unique(draw.integers(0, 1_500, draw.integers(1, 200), dtype=np.uint64))
        symbols = [("A",), ("B",), ("A", "B")][turn % 3]
        for symbol in symbols:
            sets[symbol] |= set(hashed.tolist())
        entry = replace(ENTRY, symbols=symbols, combinations=len(hashed) + turn, sketch=hashed)
        if turn % 10 == 5:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                pool.submit(ledger.record, entry).result()
        else:
            ledger.record(entry)
        for asked in ("A",), ("A", "B"):
            counted = ledger.tried(asked, ENTRY.first, ENTRY.last).trials
            assert counted == sum(len(sets[symbol]) for symbol in asked)
    ledger.clear("a test")
    ledger.record(ENTRY)
    assert ledger.tried(("A", "B"), ENTRY.first, ENTRY.last).trials == 10


def test_clearing_is_recorded(tmp_path):
    ledger = Trials(tmp_path / "t.sqlite")
    ledger.record(ENTRY)
    with pytest.raises(ParameterError, match="reason"):
        ledger.clear("  ")
    assert ledger.tried(("A",), "2020-06-01", "2020-06-01").trials == 10
    assert ledger.clear("a test") == 1
    assert ledger.tried(("A",), "2020-06-01", "2020-06-01").trials == 0
    ledger.record(ENTRY)
    assert ledger.frame()["cleared"].to_list() == ["a test", None]


def write_many(path, writer, count):
    ledger = Trials(path)
    for number in range(count):
        sketch = np.array([writer * 1000 + number], dtype=np.uint64)
        ledger.record(replace(ENTRY, combinations=1, sketch=sketch))
    return count


def test_processes_write_at_once_and_lose_nothing(tmp_path):
    path = tmp_path / "t.sqlite"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(write_many, [path] * 4, range(4), [25] * 4))
    assert Trials(path).tried(("A",), ENTRY.first, ENTRY.last) == pytest.approx((sum(done), 100, 0.0004), rel=0.1)


def test_a_ledger_that_cannot_be_written_costs_no_results(tmp_path, monkeypatch, bars):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    with pytest.warns(UserWarning, match="not counted"):
        assert ss.sweep(MovingAverageCrossover, bars, GRID, progress=False).runs == 12
    (tmp_path / "bad.sqlite").write_text("this is no database, and is long enough to be looked at" * 9)
    with pytest.raises(StockstreamError, match="cannot be read"):
        Trials(tmp_path / "bad.sqlite").frame()


def test_a_ledger_lies_beside_a_local_lake(tmp_path, monkeypatch, bars):
    lake = replace(bars, provenance={"lake": str(tmp_path / "lake")})
    assert ledger_path(lake) == tmp_path / "lake.trials.sqlite" == beside(tmp_path / "lake")
    bucket = replace(bars, provenance={"lake": "s3://prices/lake"})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert ledger_path(bucket) == ledger_path(bars) == tmp_path / "state" / "stockstream" / "trials.sqlite"


@pytest.mark.parametrize(("one", "other"), [(100, 0), (5_000, 0), (60_000, 30_000)])
def test_sizes_of_unions(one, other):
    values = np.arange(one + other, dtype=np.float64)
    parts = [distinct.hashes({"a": part}, len(part)) for part in (values[:one], values[one // 2 :])]
    found = distinct.size(distinct.smallest([distinct.smallest([part]) for part in parts]))
    exact = one + other
    assert found == exact if exact < distinct.KEPT else abs(found / exact - 1) < 4 * 0.0221


@pytest.mark.parametrize("counts", [(10, 0, 3), (3_000, 10, 500_000), (60_000, 60_000, 2_500), (2_048, 2_048)])
def test_a_union_of_known_sets_is_that_of_all_hashes(counts):
    draw = np.random.default_rng(0)
    sets = [draw.integers(0, 200_000, count).astype(np.float64) for count in counts]
    hashed = [distinct.hashes({"a": values}, len(values)) for values in sets]
    expected = np.unique(np.concatenate(hashed))[: distinct.KEPT]
    assert distinct.union([distinct.smallest([part]) for part in hashed]).tolist() == expected.tolist()
    assert distinct.smallest(hashed).tolist() == expected.tolist()


# ---- verdicts ----------------------------------------------------------------------------------------------------


def test_a_verdict_counts_all_that_was_tried(bars):
    one = bars.select([bars.symbols[0]])
    swept = ss.sweep(MovingAverageCrossover, one, GRID, blocks=16, progress=False)
    before = swept.verdict()
    wide = {"fast_period": range(2, 12), "slow_period": range(13, 33)}
    ss.sweep(MovingAverageCrossover, one, wide, progress=False)
    after = swept.verdict()
    assert (before.tried.trials, after.tried.trials) == (6, 200)  # the six are among them
    assert after.effective < after.tried.trials
    assert after.overfitting.runs == 6
    returns = swept.result(before.row).equity["return"].to_numpy()
    assert before.sample.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert before.row["sharpe"] == pytest.approx(before.sample.sharpe * 252**0.5, rel=1e-9)
    assert "Deflated Sharpe ratio, all trials" in repr(after)


@pytest.mark.parametrize("robust", [False, True])
def test_every_best_says_what_it_proves(bars, robust):
    one = bars.select([bars.symbols[0]])
    swept = ss.sweep(MovingAverageCrossover, one, GRID, progress=False)
    best, verdict = swept.best("sharpe", robust=robust), swept.verdict()
    assert best["trials"] == 6
    assert best["trials_effective"] == verdict.effective < 6
    if not robust:
        assert best["deflated_sharpe"] == verdict.deflated.probability
        assert best["deflated_sharpe_effective"] == verdict.deflated_effective.probability
    other = swept.best("total_return", largest=False)
    returns = swept.result(other).equity["return"].to_numpy()
    ratios = swept.frame["sharpe"].to_numpy() / 252**0.5
    expected = deflated_sharpe(sharpe_sample(returns), 6, ratios.var(ddof=1)).probability
    assert other["deflated_sharpe"] == pytest.approx(expected, rel=1e-9)
    assert f"deflated {swept.best()['deflated_sharpe']:.1%} after 6 trials" in repr(swept)
    ss.sweep(MovingAverageCrossover, one, GRID | {"fast_period": range(2, 12)}, progress=False)
    assert swept.best("sharpe")["trials"] == 20
    assert swept.best("sharpe")["deflated_sharpe"] < verdict.deflated.probability


@pytest.mark.parametrize("record", [False, True])
def test_what_was_not_kept_is_deflated_all_the_same(bars, tmp_path, record):
    one = bars.select([bars.symbols[0]])
    grid = {"fast_period": range(2, 12), "slow_period": range(13, 33)}
    options = {"progress": False, "record": record}
    whole, *parts = (
        ss.sweep(MovingAverageCrossover, one, grid, **options, **more).best("sharpe")
        for more in ({}, {"top_k": 3}, {"out": tmp_path / "rows.parquet"})
    )
    for part in parts:
        assert part["trials"] == 200
        assert part.pop("symbol") == one.symbols[0]
        assert part == pytest.approx({name: whole[name] for name in part}, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("grid", "options", "best", "reason"),
    [
        (GRID, {}, {"by": "combination"}, "no account"),
        (GRID, {"metrics": ["trades"]}, {"metric": "trades", "by": "symbol"}, "without Sharpe ratios"),
        ({"fast_period": [5]}, {"portfolio": "shared"}, {}, "nothing was chosen"),
    ],
)
def test_what_cannot_be_deflated_says_why(bars, grid, options, best, reason):
    swept = ss.sweep(MovingAverageCrossover, bars, grid, progress=False, **options)
    row = swept.best(**best)
    assert row["deflated_sharpe"] is row["trials_effective"] is None
    assert reason in row["not_deflated"]


def test_a_figure_of_the_users_own_keeps_its_name(bars):
    own = {"trials": lambda equity, dates: np.full(len(equity), 7.0)}
    swept = ss.sweep(MovingAverageCrossover, bars.select([bars.symbols[0]]), GRID, reduce=own, progress=False)
    assert swept.best()["trials"] == 7.0


@pytest.mark.slow
@pytest.mark.compiled
def test_the_deflated_ratio_costs_less_than_a_tenth_of_a_large_sweep():
    one, grid = long_panel(1, 2_520), {"fast_period": range(2, 202), "slow_period": range(203, 703)}
    shares = []
    for _ in range(5):
        begun = time.process_time()
        swept = ss.sweep(MovingAverageCrossover, one, grid, progress=False)
        took = time.process_time() - begun
        begun = time.process_time()
        swept.best()  # looking for the best included, and everything that is measured once a sweep
        shares.append((time.process_time() - begun) / took)
    assert min(shares) < 0.1


def test_words_do_not_claim_more_than_figures(bars):
    verdict = ss.sweep(MovingAverageCrossover, bars.select([bars.symbols[0]]), GRID, progress=False).verdict()
    good = replace(verdict, sample=verdict.sample._replace(sharpe=0.1))
    likely, open_, luck = (replace(good, deflated=good.deflated._replace(probability=p)) for p in (0.97, 0.6, 0.2))
    assert "nor about the future" in likely.sentence
    assert open_.sentence.startswith("Not proven")
    assert luck.sentence.startswith("Luck explains it")
    assert "nothing to prove" in replace(verdict, sample=verdict.sample._replace(sharpe=-0.1)).sentence


def test_sampled_returns_are_those_of_the_backtests(bars):
    swept = ss.sweep(MovingAverageCrossover, bars, GRID, progress=False)
    symbol = bars.symbols[1]
    rows = swept.frame.filter(pl.col("symbol") == symbol).to_dicts()
    runs = [swept.result(row).equity["return"].to_numpy() for row in rows]
    assert sampled_returns(swept, symbol=symbol) == pytest.approx(np.array(runs), abs=1e-15)
    assert sampled_returns(swept, 3, symbol=symbol, chosen=rows[-1])[0] == pytest.approx(runs[-1], abs=1e-15)
    with pytest.raises(ParameterError, match="which one"):
        sampled_returns(swept)
    with pytest.raises(ParameterError, match="held in memory"):
        sampled_returns(swept, 5_001, symbol=symbol)


def test_what_has_no_verdict_is_explained(bars):
    one = bars.select([bars.symbols[0]])
    with pytest.raises(ParameterError, match="nothing was chosen"):
        ss.sweep(MovingAverageCrossover, one, {"fast_period": [5]}, progress=False).verdict()
    with pytest.raises(ParameterError, match="metrics"):
        ss.sweep(MovingAverageCrossover, one, GRID, metrics=["trades"], progress=False).verdict()
    short = one.between(None, one.dates[15])
    with pytest.raises((DataError, ParameterError)):
        ss.sweep(MovingAverageCrossover, short, {"fast_period": [2, 3], "slow_period": [5]}, progress=False).verdict()


def test_the_command_lists_and_clears(tmp_path):
    Trials(beside(tmp_path / "lake")).record(ENTRY)
    run = [sys.executable, "-m", "stockstream", "trials"]
    root = str(Path(ss.__file__).parents[1])
    env = {"PYTHONPATH": f"{root}:{root}/kernels", "PATH": "", "COLUMNS": "200"}

    def command(*words):
        return subprocess.run([*run, *words], env=env, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    for width in ("80", "200"):
        env["COLUMNS"] = width
        shown = command("list", "--lake", "lake")
        assert max(map(len, shown.splitlines()[:-1])) <= int(width)
        for told in (ENTRY.strategy, *ENTRY.symbols, f"{ENTRY.first} to {ENTRY.last}", f"{ENTRY.combinations:,}"):
            assert told in shown
        assert {f"{ENTRY.mean:.3f}", f"{ENTRY.variance**0.5:.3f}"} <= set(shown.split())
        assert "more columns" not in shown
    assert "1 sweep cleared, counted no longer" in command("clear", "--lake", "lake", "--reason", "it was a test")
    assert "it was a test" in command("list", "--lake", "lake", "--format", "csv")
    for width in ("80", "200"):
        env["COLUMNS"] = width
        assert "it was a test" in command("list", "--lake", "lake")
    (tmp_path / "data" / "lake").mkdir(parents=True)
    Trials(beside(tmp_path / "data" / "lake")).record(ENTRY)
    assert "1 sweep in data/lake.trials.sqlite" in command("list").replace(str(tmp_path.resolve()) + "/", "")


def test_a_set_is_counted_although_it_was_met_in_many_parts():
    parts = [np.sort(np.random.default_rng(0).integers(0, 2**64, 3_000, dtype=np.uint64))[: distinct.KEPT]] * 100
    assert distinct.smallest(parts).tolist() == sorted(set(parts[0].tolist()))
    doubled = np.repeat(np.arange(100, dtype=np.uint64), 200)
    assert distinct.smallest([doubled]).tolist() == list(range(100))


def test_a_ledger_that_was_removed_is_begun_anew(tmp_path):
    ledger = Trials(tmp_path / "t.sqlite")
    ledger.record(ENTRY)
    for file in tmp_path.iterdir():
        file.unlink()
    ledger.record(ENTRY)
    assert ledger.frame()["times_run"].to_list() == [1]


def recorded_in_a_child(path):
    Trials(path).record(replace(ENTRY, family="child"))


def test_a_forked_process_opens_the_ledger_itself(tmp_path):
    ledger = Trials(tmp_path / "t.sqlite")
    ledger.record(ENTRY)
    child = get_context("fork").Process(target=recorded_in_a_child, args=(ledger.path,))
    child.start()
    child.join(30)
    ledger.record(replace(ENTRY, family="parent"))
    assert child.exitcode == 0
    assert ledger.frame().height == 3
