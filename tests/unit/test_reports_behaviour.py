"""Figures of how a run behaved, its drawdowns and its costs: the same numbers as the result and as naive twins."""

import json

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.indicators import MACD, RSI, SMA
from stockstream.reports import behaviour, overlays, tables, tearsheet
from stockstream.reports.drawdowns import deepest
from tests.unit.test_reports import HOSTILE, flips, walk


class Rules(ss.RuleStrategy):
    """Averages on the prices, an oscillator below them."""

    def rules(self):
        up = SMA(5).crosses_above(SMA(20)) & (RSI(14) < 80)
        return ss.Rules(enter_long=up, exit_long=SMA(5).crosses_below(SMA(20)), stop_loss=0.05, trailing_stop=0.08)


@pytest.fixture(scope="module")
def result():
    bars = walk(["AAA", "BBB"], 700, seed=4, currency="AUD")
    costs = ss.Costs(commission=0.001, slippage=0.0005)
    return ss.backtest(Rules(), bars, sizing=ss.Sizing.weight(0.4), costs=costs, keep_levels=True)


def naive_drawdowns(cash, equity):
    """Walk along the equity, one stretch below the highest after the other."""
    found, high, stretch = [], cash, []
    for value in equity:
        if value >= high:
            if stretch:
                found.append((min(stretch) / high - 1.0, len(stretch)))
            high, stretch = value, []
        else:
            stretch.append(value)
    if stretch:
        found.append((min(stretch) / high - 1.0, len(stretch)))
    return sorted(found)


def test_drawdowns_are_those_of_a_walk_along_the_equity(result):
    found = deepest(result, 1000)
    expected = naive_drawdowns(100_000.0, result.account.equity)
    assert [one.depth for one in found] == pytest.approx([depth for depth, _ in expected])
    assert [one.bars for one in found] == [bars for _, bars in expected]
    assert found[0].depth == pytest.approx(result.metrics.max_drawdown)
    assert max(one.bars for one in found) == result.metrics.max_drawdown_bars
    for one in found:
        row = result.equity.filter(pl.col("date") == one.bottom)
        assert row["drawdown"][0] == pytest.approx(one.depth)
        if one.recovery is not None:
            assert result.equity.filter(pl.col("date") == one.recovery)["drawdown"][0] == 0.0
        if one.peak is not None:
            assert result.equity.filter(pl.col("date") == one.peak)["drawdown"][0] == 0.0
    assert len(tables.drawdowns(result)) == min(len(found), tables.DRAWDOWNS)


def test_every_figure_is_one_for_plotly_and_has_a_text(result):
    for draw in tearsheet.FIGURES.values():
        spec = draw(result)
        go.Figure(spec)
        assert len(spec["layout"]["meta"]["description"]) > 20


def test_rolling_figures_end_where_the_result_does(result):
    rolled = result.rolling(behaviour.window_of(result))
    for name, spec in (
        ("sharpe", behaviour.rolling_sharpe(result)),
        ("volatility", behaviour.rolling_volatility(result)),
    ):
        drawn = spec["data"][0]
        assert drawn["x"][-1] == str(result.bars.dates[-1])
        assert drawn["y"][-1] == pytest.approx(rolled[name][-1], rel=1e-6)


def test_exposure_and_turnover_add_up(result):
    line, bars = behaviour.exposure(result)["data"]
    by_hand = (
        result.fills.with_columns(month=pl.col("date").dt.truncate("1mo"), worth=pl.col("quantity") * pl.col("price"))
        .group_by("month")
        .agg(pl.col("worth").sum())
    )
    means = result.equity.group_by(pl.col("date").dt.truncate("1mo").alias("month")).agg(pl.col("equity").mean())
    shares = by_hand.join(means, on="month").with_columns(share=pl.col("worth") / pl.col("equity"))
    drawn = dict(zip(bars["x"], bars["y"], strict=True))
    assert {x: y for x, y in drawn.items() if y} == pytest.approx(
        {str(month)[:7] + "-15": share for month, share in shares.select("month", "share").rows()}, rel=1e-6
    )
    last = result.equity[-1]
    assert line["y"][-1] == pytest.approx(last["gross_exposure"][0] / last["equity"][0], abs=1e-6)


def test_histograms_count_everything(result):
    returns = result.equity["return"].to_numpy()
    assert sum(behaviour.distribution(result)["data"][0]["y"]) == (returns != 0.0).sum()
    assert sum(behaviour.holding(result)["data"][0]["y"]) == len(result.ledgers["trades"])
    points = behaviour.excursions(result)["data"]
    assert sum(len(trace["x"]) for trace in points) == len(result.ledgers["trades"])
    assert all(value <= 0.0 for trace in points for value in trace["x"])


def test_costs_paid_are_those_of_the_run(result):
    costs = dict(tables.costs_paid(result))
    assert costs["Commission"] == f"{result.metrics.fees:,.2f}"
    assert costs["Slippage"] == f"{result.fills['slippage'].sum():,.2f}"
    before = result.account.equity[-1] - 100_000.0 + result.metrics.fees + result.metrics.slippage
    assert costs["Result before costs and interest"] == f"{before:+,.2f}"


def test_indicators_that_are_prices_share_the_axis_of_the_prices(result):
    on_prices, below = overlays.indicators(result, "AAA")
    assert [trace["name"] for trace in on_prices] == ["SMA(5)", "SMA(20)"]
    assert [trace["name"] for trace in below] == ["RSI(14)"]
    bars = result.bars["AAA"]
    assert on_prices[1]["y"][-1] == pytest.approx(float(SMA(20)(bars)[0, -1]), rel=1e-6)
    assert below[0]["yaxis"] == "y2"
    assert overlays.follows_prices(MACD()) == [False] * 3


def test_kept_levels_are_drawn_as_they_were(result):
    stop = next(trace for trace in overlays.levels(result, "AAA") if trace["name"] == "Stop level")
    kept = {str(day): value for day, value in result.levels("AAA").select("date", "stop").rows()}
    assert any(value is None for value in stop["y"])
    for day, value in zip(stop["x"], stop["y"], strict=True):
        assert (value is None) == (kept[day] is None)
        assert value is None or value == pytest.approx(kept[day], rel=1e-6)
    plain = flips(walk(["AAA"], 60), 20, stop_loss=0.03)
    assert overlays.levels(plain, "AAA") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_symbols_are_escaped_in_new_figures(name):
    spec = behaviour.excursions(flips(walk([name, "B"], 200), 20))
    texts = " ".join(text for trace in spec["data"] for text in trace["text"])
    assert "<" not in texts


def edge_cases():
    """Give runs at the edges: what happened, and the run."""
    nothing = ss.SignalStrategy(enter_long=np.zeros(60, dtype=bool))
    yield "no trades", ss.backtest(nothing, walk(["X"], 60))
    yield "one bar", ss.backtest(ss.SignalStrategy(enter_long=[True]), walk(["X"], 1))
    yield "two bars", ss.backtest(ss.SignalStrategy(enter_long=[True, False]), walk(["X"], 2))
    close = np.array([[100.0, 100.0, 100.0, 400.0, 900.0, 900.0, 900.0]])
    dates = np.datetime64("2024-01-29") + np.arange(7)
    ruined = ss.Bars.from_arrays(
        symbols=["X"], dates=dates, open=close, high=close, low=close, close=close, volume=close * 1e6
    )
    short = ss.SignalStrategy(enter_short=np.arange(7) == 0)
    yield "ruin", ss.backtest(short, ruined, leverage=1.0, maintenance=0.0)
    frame = walk(["A", "B"], 200).to_polars()
    gaps = ss.Bars.from_polars(frame.filter((pl.col("symbol") == "A") | (pl.col("date").dt.month() != 3)))
    yield "gaps", flips(gaps, 10)
    flat = np.full((1, 40), 10.0)
    still = ss.Bars.from_arrays(
        symbols=["X"], dates=dates[0] + np.arange(40), open=flat, high=flat, low=flat, close=flat, volume=flat
    )
    yield "flat", flips(still, 10)


@pytest.mark.parametrize(("what", "run"), [pytest.param(what, run, id=what) for what, run in edge_cases()])
def test_a_page_at_the_edges_makes_sense(what, run, tmp_path):
    page = BeautifulSoup(run.report(tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser")

    def refuse(name):
        raise ValueError(name)

    figures = json.loads(page.find(id="figures").string, parse_constant=refuse)
    for spec in figures.values():
        go.Figure(spec)
        assert "nan" not in spec["layout"]["meta"]["description"].lower()
    text = page.get_text().lower()
    said = {
        "no trades": "no trades",
        "one bar": "one bar only",
        "ruin": "the account was ruined",
        "gaps": "of all symbols",
    }
    assert said.get(what, "automatic review") in text
    assert {chart["data-figure"] for chart in page.select(".chart")} <= set(figures)
    assert bool(page.select("[data-log]")) == (what != "ruin")
