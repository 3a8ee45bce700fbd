"""Figures: valid for Plotly, the numbers of the run and of the sweep, and pages of their own."""

import json
import math

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.reports import figures, heatmap, write_figure

SWEEP = pl.DataFrame(
    {"fast": [5, 5, 10, 10, 20], "slow": [50, 20, 20, 50, 50], "sharpe": [0.1, 0.4, -0.2, 0.3, math.nan]}
)


@pytest.fixture(scope="module")
def result():
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.02, (2, 500)), axis=1))
    dates = np.datetime64("2020-01-01") + np.arange(500)
    bars = ss.Bars.from_arrays(
        symbols=["A<b>", "B"], dates=dates, open=close, high=close * 1.01, low=close * 0.99, close=close, volume=close
    )
    turns = np.broadcast_to(np.arange(500) % 20 == 0, (2, 500)).copy()
    strategy = ss.SignalStrategy(enter_long=turns, enter_short=np.roll(turns, 10, axis=1), stop_loss=0.05)
    return ss.backtest(strategy, bars, sizing=ss.Sizing.weight(0.3), benchmark="B")


def test_every_figure_of_a_run_is_one_that_plotly_accepts(result):
    made = [
        figures.equity(result),
        figures.drawdown(result),
        figures.monthly_returns(result),
        figures.prices(result, "A<b>"),
    ]
    assert all(isinstance(figure, go.Figure) for figure in made)
    assert [trace.name for trace in made[0].data] == ["Equity", "Benchmark"]
    assert made[3].layout.title.text == "A&lt;b&gt;: closes and trades"
    assert {"Entry long", "Entry short", "Stop"} <= {trace.name for trace in made[3].data}
    with pytest.raises(ss.StockstreamError, match="no bars for symbol"):
        figures.prices(result, "C")


def test_the_heatmap_lays_out_the_sweep():
    trace, ring = heatmap(SWEEP, "fast", "slow", "sharpe").data
    assert (list(trace.x), list(trace.y)) == ([5, 10, 20], [20, 50])
    assert [list(row) for row in trace.z] == [[0.4, -0.2, None], [0.1, 0.3, None]]
    assert (ring.x[0], ring.y[0]) == (5, 20)
    assert trace.zmid == 0.0


def test_the_heatmap_says_what_it_shows():
    text = heatmap(SWEEP, "fast", "slow", "sharpe").layout.meta["description"]
    assert "Sharpe ratio of 5 combinations of fast and slow" in text
    assert "the highest at fast 5, slow 20" in text
    twice = pl.concat([SWEEP, SWEEP.with_columns(pl.col("sharpe") + 1.0)])
    figure = heatmap(twice, "fast", "slow", "sharpe")
    assert figure.data[0].z[0][0] == pytest.approx(0.9)
    assert "the mean of up to 2 rows" in figure.layout.meta["description"]


def test_the_heatmap_leaves_gaps_for_what_is_not_finite():
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "x", "<y>"], "profit_factor": [math.inf, 2.0, None]})
    trace = heatmap(frame, "a", "b", "profit_factor").data[0]
    assert list(trace.y) == ["&lt;y&gt;", "x"]
    assert [list(row) for row in trace.z] == [[None, None, None], [None, 2.0, None]]
    empty = heatmap(frame.filter(pl.col("a") == 1), "a", "b", "profit_factor")
    assert "defined for none" in empty.layout.meta["description"]
    assert len(empty.data) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("fasst", "slow", "sharpe"), "Did you mean 'fast'"),
        (("fast", "fast", "sharpe"), "two different parameters"),
        (("fast", "sharpe", "name"), "expected numbers in the metric 'name'"),
    ],
)
def test_the_heatmap_refuses_what_is_no_surface(names, message):
    frame = SWEEP.with_columns(name=pl.lit("a"))
    with pytest.raises(ss.StockstreamError, match=message):
        heatmap(frame, *names)
    with pytest.raises(ss.StockstreamError, match="at least one row"):
        heatmap(frame.clear(), "fast", "slow", "sharpe")


def test_a_figure_becomes_a_page_of_its_own(tmp_path):
    path = write_figure(heatmap(SWEEP, "fast", "slow", "sharpe"), tmp_path / "heatmap.html")
    text = path.read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert path.stat().st_size < 6_000_000
    assert page.h1.get_text() == page.title.get_text() == "Sharpe ratio by fast and slow"
    assert page.figcaption.get_text().startswith("Sharpe ratio of 5 combinations")
    assert not [script for script in page.find_all("script") if script.get("src")]
    assert json.loads(page.find(id="figures").string)["figure"]["data"][0]["type"] == "heatmap"


def test_any_figure_and_title_are_escaped(tmp_path):
    figure = go.Figure(go.Scatter(y=np.arange(3.0), name="</script><script>alert(1)</script>"))
    text = write_figure(figure, tmp_path / "f.html", title="<b>&</b>").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert page.h1.get_text() == "<b>&</b>"
    assert "alert(1)</script>" not in text
    assert len(page.find_all("script")) == 3
