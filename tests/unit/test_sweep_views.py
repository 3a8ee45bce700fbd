"""Views of a sweep: valid for Plotly, plateaus told from peaks, and a page of their own."""

import json

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

import stockstream as ss
from stockstream.errors import DataError, ParameterError, UnknownNameError
from stockstream.reports import parallel, relief, sensitivity
from stockstream.research.neighbours import medians_of, with_medians
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross

pytestmark = pytest.mark.compiled  # thousands of runs, each bar in Python otherwise

#: A peak at (30, 3) beside nothing, a plateau around (10, 1).
PLATEAU = pl.DataFrame(
    {
        "fast": [10, 10, 10, 20, 20, 20, 30, 30, 30],
        "slow": [1, 2, 3] * 3,
        "sharpe": [1.0, 1.1, -0.5, 0.9, 1.0, -0.9, -1.0, -0.8, 3.0],
    }
)


@pytest.fixture(scope="module")
def swept():
    grid = {"fast": range(3, 9), "slow": [9, 12, 15, 20], "costs.commission": [0.0, 0.002]}
    return ss.sweep(Cross, long_panel(2, 300), grid, progress=False)


@given(st.data())
def test_the_median_is_that_of_all_combinations_one_step_away(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    places = np.stack(np.meshgrid(*(np.arange(size) for size in sizes)), axis=-1).reshape(-1, len(sizes))
    places = places[random.random(len(places)) < 0.8]
    values = np.where(random.random(len(places)) < 0.2, np.nan, random.normal(size=len(places)))
    steps = [np.sort(random.normal(size=size)) for size in sizes]
    # a value that no combination has is no step: neighbours are counted among those that are there
    found = medians_of([steps[axis][places[:, axis]] for axis in range(len(sizes))], values) if len(places) else []
    ranks = np.stack([np.unique(axis, return_inverse=True)[1] for axis in places.T], axis=1) if len(places) else []
    for row in range(len(places)):
        near = np.abs(ranks - ranks[row]).max(axis=1) <= 1
        known = values[near & ~np.isnan(values)]
        expected = np.median(known) if len(known) else np.nan
        np.testing.assert_equal(found[row], expected)


def test_robust_is_the_plateau_and_not_the_peak():
    with_median = with_medians(PLATEAU, ["fast", "slow"], "sharpe")
    assert with_median.sort("sharpe").row(-1, named=True)["fast"] == 30
    assert with_median.sort("sharpe_median").row(-1, named=True)["fast"] == 10


def test_best_by_its_neighbourhood(swept):
    peak, robust = (swept.best("sharpe", by="symbol", robust=choice) for choice in (False, True))
    assert peak["sharpe"] >= robust["sharpe"]
    frame = with_medians(swept.frame, swept.parameters, "sharpe")
    assert robust["sharpe_median"] == frame["sharpe_median"].max()
    mean = swept.best("sharpe", by="combination", robust=True, largest=False)
    assert "symbol" not in mean
    assert mean["sharpe_median"] <= robust["sharpe_median"]


def test_too_many_parameters_have_no_neighbourhood():
    columns = [np.arange(2.0)] * 9
    with pytest.raises(ParameterError, match="at most 8 parameters"):
        medians_of(columns, np.zeros(2))
    with pytest.raises(ParameterError, match="not a random sample"):
        medians_of([np.arange(3000.0)] * 7, np.zeros(3000))


def test_the_surface_in_space():
    figure = relief(PLATEAU, "fast", "slow", "sharpe")
    assert figure.data[0].type == "surface"
    assert [list(row) for row in figure.data[0].z] == [[1.0, 0.9, -1.0], [1.1, 1.0, -0.8], [-0.5, -0.9, 3.0]]
    assert figure.data[0].cmid == 0.0
    assert figure.layout.scene.xaxis.title.text == "fast"


def test_parallel_coordinates_hold_every_parameter():
    figure = parallel(pl.concat([PLATEAU, PLATEAU]), ["fast", "slow"], "sharpe")
    assert [axis.label for axis in figure.data[0].dimensions] == ["fast", "slow", "Sharpe ratio"]
    assert len(figure.data[0].dimensions[0]["values"]) == 9
    assert figure.data[0].dimensions[2]["values"][-1] == 3.0  # the best is drawn last
    assert "9 of 9 combinations" in figure.layout.meta["description"]


def test_of_many_combinations_the_best_and_some_others_are_drawn():
    frame = pl.DataFrame({"days": range(9000), "sharpe": np.random.default_rng(0).normal(size=9000)})
    line = parallel(frame, ["days"], "sharpe")
    drawn = np.array(line.data[0].dimensions[1]["values"])
    assert 1900 < len(drawn) <= 2000
    best = np.sort(frame["sharpe"].to_numpy())[-1000:]
    assert np.allclose(np.sort(drawn)[-1000:], best, rtol=1e-6)
    assert drawn.min() < -2


def test_sensitivity_tells_a_plateau_from_a_peak():
    figure = sensitivity(PLATEAU, "fast", ["fast", "slow"], "sharpe")
    band, overall, around, through = figure.data
    assert list(through.x) == [10, 20, 30]
    assert list(through.y) == [-0.5, -0.9, 3.0]
    assert list(overall.y) == [1.0, 0.9, -0.8]
    medians = with_medians(PLATEAU, ["fast", "slow"], "sharpe").filter(pl.col("slow") == 3)["sharpe_median"]
    assert list(around.y) == pytest.approx(medians.to_list())
    assert len(band.x) == 6
    text = figure.layout.meta["description"]
    assert "The best is 3.000 at fast 30" in text
    assert "around fast 10, slow 1" in text


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: parallel(PLATEAU, ["fasst"], "sharpe"), UnknownNameError, "Did you mean 'fast'"),
        (lambda: parallel(PLATEAU, [], "sharpe"), ParameterError, "at least one parameter"),
        (lambda: sensitivity(PLATEAU, "slw", ["fast", "slow"], "sharpe"), UnknownNameError, "Did you mean 'slow'"),
        (
            lambda: sensitivity(PLATEAU.with_columns(sharpe=float("nan")), "fast", ["fast"], "sharpe"),
            DataError,
            "at least one finite",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, error, words):
    with pytest.raises(error, match=words):
        draw()


def test_a_sweep_draws_itself(swept):
    made = [
        swept.heatmap("fast", "slow"),
        swept.surface("fast", "slow", "total_return"),
        swept.parallel("sortino"),
        swept.sensitivity("slow"),
    ]
    assert all(isinstance(figure, go.Figure) for figure in made)
    with pytest.raises(UnknownNameError, match="Did you mean 'slow'"):
        swept.sensitivity("slw")
    with pytest.raises(UnknownNameError, match="Did you mean 'sharpe'"):
        swept.parallel("sharp")


def test_the_page_holds_the_best_the_views_and_what_was_left_out(tmp_path):
    bars = long_panel(2, 200)
    swept = ss.sweep(Cross, bars, {"fast": [0, 3, 5, 7], "slow": [9, 12, 15]}, progress=False)
    page = swept.report(tmp_path / "pages" / "sweep.html", metric="sharpe")
    soup = BeautifulSoup(page.read_text(), "html.parser")
    figures = json.loads(soup.find("script", id="figures").string)
    assert set(figures) == {"heatmap", "relief", "parallel", "along-0", "along-1"}
    assert {chart["data-figure"] for chart in soup.select(".chart")} == set(figures)
    best = swept.best("sharpe", by="combination")
    first = [cell.text for cell in soup.select("#best tbody tr")[0].find_all("td")]
    assert first[:3] == [str(best["fast"]), str(best["slow"]), f"{best['sharpe']:.3f}"]
    headings = [cell.text for cell in soup.select("#best thead th")]
    assert headings[:3] == ["fast", "slow", "Sharpe ratio"]
    assert len(first) == len(headings)
    assert len(soup.select("#best tbody tr")) == 9
    found = {finding.code: finding.text for finding in swept.review("sharpe")}
    shown = {note["data-check"]: note.text for note in soup.select("[data-check]")}
    assert found.keys() == shown.keys() >= {"combinations-failed"}
    assert all(text in shown[code] for code, text in found.items())
    assert "3 combinations could not run" in soup.select_one(".lead").text
    assert "expected window" in soup.select_one("#failures").text
    assert "http" not in " ".join(link.get("href", "") for link in soup.find_all("a"))


def test_a_page_of_one_parameter_has_no_surface(tmp_path):
    swept = ss.sweep(Cross, long_panel(1, 200), {"slow": [9, 12, 15]}, progress=False, top_k=2)
    soup = BeautifulSoup(swept.report(tmp_path / "one.html").read_text(), "html.parser")
    assert [chart["data-figure"] for chart in soup.select(".chart")] == ["along-0"]
