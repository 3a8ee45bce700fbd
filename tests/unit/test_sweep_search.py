"""Model-based search: the study decides, sweeps answer, and every trial is a row of a sweep."""

import sys

import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.errors import ParameterError, StockstreamError
from stockstream.research.search import search
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross

pytestmark = pytest.mark.compiled  # thousands of runs, each bar in Python otherwise

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)

BARS = long_panel(2, 300)
SPACE = {"fast": range(2, 12), "slow": range(12, 40, 2), "costs.commission": (0.0, 0.002)}


def test_every_trial_is_the_mean_of_its_backtests():
    found = search(Cross, BARS, SPACE, trials=12, batch=5, metric="total_return")
    assert len(found.study.trials) == 12
    for trial in found.study.trials:
        rate = trial.params["costs.commission"]
        strategy = Cross(trial.params["fast"], trial.params["slow"])
        costs = ss.Costs(commission=rate)
        runs = [ss.backtest(strategy, BARS.select([name]), costs=costs) for name in BARS.symbols]
        expected = sum(run.metrics.total_return for run in runs) / 2
        assert trial.value == pytest.approx(expected, abs=1e-9)
    assert found.best["total_return"] == pytest.approx(found.study.best_value)
    result = found.result("S1")
    assert result.bars.symbols == ("S1",)
    assert result.parameters == {name: found.study.best_params[name] for name in ("fast", "slow")}


def test_a_seed_finds_the_same_and_more_trials_no_worse():
    grid = {"fast": range(2, 30), "slow": range(30, 120)}
    one, same = (search(Cross, BARS, grid, trials=30, batch=10, portfolio="shared") for _ in range(2))
    assert one.trials.rows() == same.trials.rows()
    longer = search(Cross, BARS, grid, trials=30, batch=10, portfolio="shared", study=one.study)
    assert len(one.study.trials) == 60
    assert longer.study.best_value >= max(trial.value for trial in same.study.trials if trial.value is not None)


def test_the_best_is_deflated_by_all_that_was_tried_and_not_by_the_last_batch():
    alone, space = BARS.select(["S0"]), {"fast": range(2, 30), "slow": range(30, 120)}
    found = search(Cross, alone, space, trials=40, batch=10, record=False)  # the ledger knows nothing of it
    tried = found.trials.select("fast", "slow").to_dicts()
    assert len(tried) > 30
    best, whole = found.best, ss.sweep(Cross, alone, tried, progress=False, record=False).best()
    names = ("deflated_sharpe", "trials", "deflated_sharpe_effective", "trials_effective")
    assert [best[name] for name in names] == pytest.approx([whole[name] for name in names], rel=1e-9)
    assert 1 <= best["trials_effective"] < best["trials"] == len(tried)
    assert search(Cross, alone, space, trials=40, batch=10).best["trials"] == len(tried)


def test_what_a_search_shows_has_both_counts_of_trials():
    found = search(Cross, BARS, SPACE, trials=12, batch=5, portfolio="shared")
    best, page = found.best, BeautifulSoup(found._repr_html_(), "html.parser")
    counts = f"after {best['trials']:,.0f} trials, {best['deflated_sharpe_effective']:.1%} after the "
    assert f"deflated {best['deflated_sharpe']:.1%} {counts}" in page.strong.get_text()
    assert page.strong.get_text() == repr(found)
    assert [cell.get_text() for cell in page.find_all("tr")[1].find_all("td")][:2] == [
        f"{best[name]:.4g}" for name in ("fast", "slow")
    ]
    apart = search(Cross, BARS, SPACE, trials=4, batch=2)
    assert "a mean over accounts is no account" in repr(apart)
    assert apart.best["deflated_sharpe"] is None


def test_smallest_and_lists_of_values():
    found = search(Cross, BARS, {"fast": [3, 5, 9]}, trials=20, batch=4, metric="turnover", largest=False)
    swept = ss.sweep(Cross, BARS, {"fast": [3, 5, 9]}, progress=False)
    assert found.best["fast"] == swept.best("turnover", by="combination", largest=False)["fast"]
    assert found.trials.height <= 3


def test_combinations_that_cannot_run_are_told_as_failed():
    found = search(Cross, BARS, {"fast": [0, 5]}, trials=12, batch=3)
    states = {trial.params["fast"]: trial.state.name for trial in found.study.trials}
    assert states == {0: "FAIL", 5: "COMPLETE"}


@pytest.mark.parametrize(
    ("space", "options", "words"),
    [
        ({}, {}, "empty space"),
        ({"fast": (5.0, 2.0)}, {}, "expected for 'fast' a range"),
        ({"fast": "abc"}, {}, "expected for 'fast' a range"),
        ({"fast": range(0)}, {}, "expected for 'fast' a range"),
        ({"fast": range(2, 5)}, {"trials": 0}, "expected trials"),
        ({"fast": range(2, 5)}, {"metrics": ["sortino"]}, "expected the metric 'sharpe' among"),
    ],
)
def test_what_makes_no_sense_is_refused(space, options, words):
    with pytest.raises(ParameterError, match=words):
        search(Cross, BARS, space, **options)


def test_without_optuna_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(StockstreamError, match=r"pip install \"stockstream\[optuna\]\""):
        search(Cross, BARS, SPACE)
