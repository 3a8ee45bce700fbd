"""What a notebook shows of every public object, figures of a result by name, and pictures of them."""

from html import escape

import plotly.graph_objects as go
import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.errors import ParameterError, StockstreamError, UnknownNameError
from stockstream.indicators import MACD, SMA
from stockstream.reports import pictures, tearsheet, write_image
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross
from tests.unit.test_reports import flips, walk

HOSTILE = "<script>alert('x')</script> & \"é\""


@pytest.fixture(scope="module")
def result():
    return flips(walk(["AAA", "BBB"], 200), 20)


def parsed(thing):
    """Return what a notebook shows, parsed; nothing in it may be a script."""
    page = BeautifulSoup(thing._repr_html_(), "html.parser")
    assert not page.find_all(["script", "b", "i"])
    return page


def test_bars_show_each_symbol_escaped():
    page = parsed(walk([HOSTILE, *(f"S{n}" for n in range(30))], 50))
    rows = page.select("tr")
    assert rows[1].td.get_text() == HOSTILE
    assert rows[1].find_all("td")[1].get_text() == "50"
    assert page.small.get_text() == f"and {31 - (len(rows) - 1)} more symbols"


def test_rules_and_expressions_show_themselves():
    rules = ss.Rules(enter_long=SMA(5) < SMA(20), stop_loss=0.05)
    texts = [code.get_text() for code in parsed(rules).select("code")]
    assert texts == [repr(part) for part in rules.expressions.values()]
    assert escape(repr(SMA(5) < 3)) in (SMA(5) < 3)._repr_html_()
    page = parsed(MACD())
    assert MACD.meaning() in page.get_text()
    assert ", ".join(MACD.outputs) in page.get_text()


def test_a_lake_shows_its_place(tmp_path):
    lake = ss.Lake(tmp_path / "a & b")
    assert parsed(lake).code.get_text() == repr(lake)


@pytest.mark.compiled
def test_a_sweep_shows_its_best_rows():
    swept = ss.sweep(Cross, long_panel(1, 200), {"fast": [3, 4, 5], "slow": [9, 12, 15]}, progress=False)
    page = parsed(swept)
    assert repr(swept) in page.get_text()
    headings, cells = ([cell.get_text() for cell in page.select(tag)] for tag in ("th", "td"))
    first = dict(zip(headings, cells, strict=False))
    best = swept.best("sharpe")
    assert (first["fast"], first["slow"]) == (str(best["fast"]), str(best["slow"]))
    assert first["sharpe"] == f"{best['sharpe']:.4g}"


def test_a_result_draws_every_figure_of_the_report(result):
    for name in (*tearsheet.FIGURES, "monthly"):
        figure = result.plot(name)
        assert isinstance(figure, go.Figure)
        assert figure.layout.title.text
    with pytest.raises(UnknownNameError, match="Did you mean 'equity'"):
        result.plot("equty")
    assert "AAA" in result.plot_trades("AAA").layout.title.text
    with pytest.raises(UnknownNameError):
        result.plot_trades("AAB")


def test_pictures_are_refused_with_words(result, tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match=r"ends in \.png or \.svg"):
        write_image(result.plot(), tmp_path / "figure.gif")
    with pytest.raises(ParameterError, match="expected an HTML file"):
        pictures.take_picture(tmp_path / "none.html", tmp_path / "none.png")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StockstreamError, match="apt-get install chromium"):
        write_image(result.plot(), tmp_path / "figure.png")
