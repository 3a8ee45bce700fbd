"""What a single run proves: equal to the formulas on its own returns, worse with every trial that is counted."""

from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.backtesting.measures import DEFINITIONS
from stockstream.backtesting.strategies import BuyAndHold, MovingAverageCrossover
from stockstream.errors import DataError
from stockstream.research.overfitting import deflated_sharpe, probabilistic_sharpe, sharpe_sample
from stockstream.research.resampling import intervals
from stockstream.research.trials import Tried
from tests.laws.test_sweep_laws import long_panel


@pytest.fixture(scope="module")
def bars():
    panel = long_panel(2, 400)
    return panel.select([panel.symbols[0]])


@pytest.fixture
def run(bars):
    return ss.backtest(MovingAverageCrossover(5, 20), bars, costs=ss.Costs(commission=0.001))


def page_of(result, folder, **options):
    return BeautifulSoup(result.report(folder / "page.html", **options).read_text(encoding="utf-8"), "html.parser")


def test_a_run_is_judged_alone_until_trials_are_counted(run, bars):
    returns = run.equity["return"].to_numpy()
    sample = sharpe_sample(returns)
    alone = run.verdict()
    assert alone.deflated is None
    assert alone.probabilistic == pytest.approx(probabilistic_sharpe(sample), rel=1e-12)
    assert ("Trials counted on these listings and dates", "none") in alone.lines()
    grid = {"fast_period": [3, 5, 8], "slow_period": [15, 20, 25]}
    swept = ss.sweep(MovingAverageCrossover, bars, grid, progress=False)
    ratios = swept.frame["sharpe"].to_numpy() / 252**0.5
    counted = run.verdict()
    expected = deflated_sharpe(sample, 9, ratios.var(ddof=1))
    assert counted.deflated == pytest.approx(expected, rel=1e-9)
    assert counted.deflated.probability < alone.probabilistic
    assert ("Trials counted on these listings and dates", "9 in 1 sweep") in counted.lines()


def test_words_do_not_claim_more_than_figures(run):
    alone = replace(run.verdict(), sample=run.verdict().sample._replace(sharpe=0.1))
    assert "only if nothing else was tried" in replace(alone, probabilistic=0.97).sentence
    assert replace(alone, probabilistic=0.9).sentence.startswith("Not proven")
    assert "nothing to prove" in replace(alone, sample=alone.sample._replace(sharpe=-0.1)).sentence
    counted = deflated_sharpe(alone.sample, 600, 0.01)
    assert "the best of 600 trials" in replace(alone, deflated=counted, tried=Tried(600.0, 1, 0.01)).sentence


def test_orders_of_trades_are_measured_or_the_reason_is_given(run, bars):
    found = run.verdict()
    assert found.orders.trades == run.ledgers["trades"].size
    assert found.orders.deeper(0.05) <= np.median(found.orders.drawdowns)
    few = ss.backtest(BuyAndHold(), bars).verdict()
    assert few.orders is None
    assert "at least 5 closed trades" in dict(few.lines())["Drawdown of the same trades in other orders"]


def test_the_page_has_the_sentence_and_what_was_asked_for(run, tmp_path):
    plain = page_of(run, tmp_path)
    assert run.verdict().sentence in plain.find(id="proves").text
    assert "report(intervals=True)" in plain.find(id="proves").text
    assert plain.find(id="stress") is None
    full = page_of(run, tmp_path, stress=True, intervals=intervals(run, repetitions=50))
    section = full.find(id="proves")
    assert "report(" not in section.text
    rows = {row.th.text: [cell.text for cell in row.find_all("td")] for row in section.tbody.find_all("tr")}
    assert rows["Sharpe ratio"][0] == DEFINITIONS["sharpe"].format(run.metrics.sharpe)
    assert len(full.find(id="stress").tbody.find_all("tr")) == run.stress().frame.height


def test_a_run_that_proves_nothing_says_why(bars, tmp_path):
    idle = ss.backtest(ss.SignalStrategy(enter_long=np.zeros(400, dtype=bool)), bars)
    with pytest.raises(DataError, match="without trades there is no Sharpe ratio"):
        idle.verdict()
    section = page_of(idle, tmp_path, intervals=True, stress=True).find(id="proves")
    assert "Nothing can be said" in section.text
    assert "There are none" in section.text
    single = ss.backtest(MovingAverageCrossover(2, 3), bars.between(None, str(bars.dates[0])))
    assert "at least 20 returns" in page_of(single, tmp_path, intervals=True).find(id="proves").text
