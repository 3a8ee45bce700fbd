"""The report of a run: self-contained, bounded, escaped, and the same numbers as the result."""

import json
import math
import re
import sys

import numpy as np
import polars as pl
import pytest
from bs4 import BeautifulSoup

import stockstream as ss
from stockstream.backtesting.measures import DEFINITIONS
from stockstream.backtesting.periods import monthly_returns
from stockstream.reports import charts, tables, tearsheet, write_report
from stockstream.reports.decimate import extremes

pytestmark = pytest.mark.filterwarnings("ignore:no volume for")

HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"quoted\" 'single' & <b>bold</b>",
    "Zürich–株式 \u2028 é",
    "${x}{{ y }}%{z}",
]
BOUND = 6_000_000


def walk(symbols, sessions, seed=0, start="2004-01-01", **facts):
    """Return bars of random walks."""
    draws = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(draws.normal(0.0, 0.02, (len(symbols), sessions)), axis=1))
    opens = close * np.exp(draws.normal(0.0, 0.004, close.shape))
    high, low = np.maximum(opens, close) * 1.01, np.minimum(opens, close) * 0.99
    dates = np.datetime64(start) + np.arange(sessions)
    return ss.Bars.from_arrays(
        symbols=symbols, dates=dates, open=opens, high=high, low=low, close=close, volume=close * 1e4, **facts
    )


def flips(bars, period, **options):
    """Trade every symbol in turns of `period` bars."""
    on = np.arange(len(bars)) % period == 0
    off = np.arange(len(bars)) % period == period // 2
    shape = bars.shape
    signals = ss.SignalStrategy(
        enter_long=np.broadcast_to(on, shape).copy(), exit_long=np.broadcast_to(off, shape).copy(), **options
    )
    return ss.backtest(signals, bars, sizing=ss.Sizing.weight(0.8 / shape[0]), costs=ss.Costs(commission=0.0005))


@pytest.fixture(scope="module")
def result():
    bars = walk(["AAA", "BBB", "CCC"], 900, currency="AUD", provenance={"lake": "data/lake", "as_of": "2024-05-06"})
    return flips(bars, 20, stop_loss=0.03, take_profit=0.05)


def page_of(result, folder, **options):
    """Return the page as text and parsed."""
    text = write_report(result, folder / "report.html", **options).read_text(encoding="utf-8")
    return text, BeautifulSoup(text, "html.parser")


def figures_of(page):
    """Return the figures in the page, by name; refuses NaN, which no browser reads."""

    def refuse(name):
        raise ValueError(name)

    return json.loads(page.find(id="figures").string, parse_constant=refuse)


def pairs_of(page, section):
    """Return the label and text pairs of a section."""
    return {div.dt.get_text(): div.dd.get_text() for div in page.select(f"#{section} .pairs > div")}


def test_a_result_writes_its_own_report(result, tmp_path):
    path = result.report(tmp_path / "new" / "folder" / "r.html")
    assert path == tmp_path / "new" / "folder" / "r.html"
    assert path.stat().st_size < BOUND
    assert [file.name for file in path.parent.iterdir()] == ["r.html"]


def test_the_page_loads_nothing_from_anywhere(result, tmp_path):
    text, page = page_of(result, tmp_path)
    assert not page.find_all(["iframe", "img", "object", "embed", "base"])
    assert [link["href"] for link in page.find_all("link")] == ["data:,"]
    assert not [script for script in page.find_all("script") if script.get("src")]
    assert all(a["href"].startswith("#") and page.find(id=a["href"][1:]) for a in page.find_all("a"))
    style = page.find("style").string
    assert "url(" not in style
    assert "@import" not in style
    assert text.count("plotly.js v") == 1


def test_numbers_and_tables_stand_before_any_script(result, tmp_path):
    text, page = page_of(result, tmp_path)
    first_script = text.index("<script")
    for last in ("</footer>", 'id="data"', "</table>"):
        assert text.rindex(last, 0, first_script) < first_script
    assert len(page.select("#trades tbody tr")) == result.trades.height


def test_headlines_and_measures_are_those_of_the_result(result, tmp_path):
    _, page = page_of(result, tmp_path)
    values = result.metrics.to_dict()
    cards = page.select("#numbers [data-measure]")
    assert [card["data-measure"] for card in cards] == list(values)[:9]
    for card in cards:
        assert card.get_text() == DEFINITIONS[card["data-measure"]].format(values[card["data-measure"]])
    hints = [DEFINITIONS[card["data-measure"]].text in card.parent.dt.get_text() for card in cards]
    assert all(hints)
    listed = {cell["data-measure"]: cell.find(string=True) for cell in page.select("#measures [data-measure]")}
    assert set(listed) == {definition.name for definition, _ in result.metrics.rows()}
    for name, text in listed.items():
        assert text == ("n/a" if math.isnan(values[name]) else DEFINITIONS[name].format(values[name]))


def test_what_is_undefined_says_why(tmp_path):
    bars = walk(["X"], 60)
    result = ss.backtest(ss.SignalStrategy(enter_long=np.zeros(60, dtype=bool)), bars)
    _, page = page_of(result, tmp_path)
    card = page.select_one('#numbers [data-measure="win_rate"]')
    assert card.find(string=True) == "n/a"
    assert card.select_one("[role=tooltip]").get_text() == "NaN without trades"
    assert "No trades" in page.select_one(".notice.grave").get_text()
    assert "There were none." in page.find(id="trades").get_text()
    assert page.select_one("#prices option")["value"] == "price-0"


def test_every_hint_and_label_points_at_something(result, tmp_path):
    _, page = page_of(result, tmp_path)
    names = [element["id"] for element in page.find_all(id=True)]
    assert len(names) == len(set(names))
    for attribute in ("aria-describedby", "aria-labelledby", "for"):
        assert all(page.find(id=element[attribute]) for element in page.find_all(attrs={attribute: True}))
    for chart in page.select(".chart"):
        assert chart["role"] == "img"
        assert len(chart["aria-label"]) > 40


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_everywhere(name, tmp_path):
    bars = walk([name, "B"], 120, currency="<i>AUD</i>", provenance={name: f"{name}</dd>"})
    result = flips(bars, 10)
    object.__setattr__(result, "strategy", name)
    object.__setattr__(result, "parameters", {"label": name})
    plain_page = page_of(flips(walk(["A", "B"], 120, provenance={"a": "b"}), 10), tmp_path)[1]
    text, page = page_of(result, tmp_path, title=f"Title {name}")
    assert [tag.name for tag in page.find_all("script")] == ["script"] * 4
    assert "alert(1)</script>" not in text
    assert len(page.find_all(True)) - len(plain_page.find_all(True)) <= 2  # the strategy's own name and parameters
    assert page.h1.get_text() == f"Title {name}"
    assert name in {row.get_text() for row in page.select("#trades tbody th")}
    assert name in page.select_one(".parameters").get_text()
    assert f"{name}</dd>" in pairs_of(page, "data").values()
    assert figures_of(page)["equity"]["layout"]["yaxis"]["title"]["text"] == "&lt;i&gt;AUD&lt;/i&gt;"


def test_figures_hold_the_run(result, tmp_path):
    _, page = page_of(result, tmp_path)
    figures = figures_of(page)
    assert set(figures) == {*tearsheet.FIGURES, "price-0", "price-1", "price-2"}
    equity = figures["equity"]["data"][0]
    assert equity["x"][-1] == str(result.bars.dates[-1])
    assert equity["y"][-1] == pytest.approx(result.account.equity[-1], rel=1e-6)
    assert min(figures["drawdown"]["data"][0]["y"]) == pytest.approx(result.metrics.max_drawdown, rel=1e-6)
    marks = [
        trace
        for name in figures
        if name.startswith("price")
        for trace in figures[name]["data"]
        if trace["mode"] == "markers"
    ]
    entered = sum(len(trace["x"]) for trace in marks if trace["name"].startswith("Entry"))
    left = {
        kind: sum(len(trace["x"]) for trace in marks if trace["name"] == kind) for kind in ("Exit", "Stop", "Target")
    }
    reasons = result.trades["exit_reason"]
    assert entered == result.trades.height
    assert left["Stop"] == (reasons == "stop loss").sum() > 0
    assert left["Target"] == (reasons == "take profit").sum() > 0
    assert sum(left.values()) == (~result.trades["open"]).sum()


def test_the_benchmark_starts_from_the_same_cash(tmp_path):
    bars = walk(["A", "B"], 300)
    result = ss.backtest(ss.SignalStrategy(enter_long=np.ones((2, 300), dtype=bool)), bars, benchmark="universe")
    _, page = page_of(result, tmp_path)
    line = figures_of(page)["equity"]["data"][1]
    assert line["y"][0] == 100_000.0
    assert line["y"][-1] == pytest.approx(100_000.0 * (1.0 + result.metrics.benchmark_return), rel=1e-6)
    assert "Benchmark" in [caption.get_text() for caption in page.select("#measures caption")]


def test_months_and_years_compound_to_the_run(result, tmp_path):
    years, months, totals = monthly_returns(result)
    assert np.prod(1.0 + np.nan_to_num(months), axis=1) == pytest.approx(1.0 + totals)
    assert np.prod(1.0 + totals) - 1.0 == pytest.approx(result.metrics.total_return)
    by_polars = (
        result.equity.group_by_dynamic("date", every="1mo")
        .agg(pl.col("equity").last())
        .with_columns(before=pl.col("equity").shift(1, fill_value=result.settings.cash))
    )
    expected = (by_polars["equity"] / by_polars["before"] - 1.0).to_numpy()
    assert months[~np.isnan(months)] == pytest.approx(expected)
    _, page = page_of(result, tmp_path)
    rows = page.select("#months tbody tr")
    assert [int(row.th.get_text()) for row in rows] == years
    assert float(rows[0].find_all("td")[0].get_text()) == pytest.approx(months[0, 0] * 100, abs=0.051)


def luminance(colour):
    """Return the relative luminance of a colour as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_and_lines_can_be_read_in_both_themes(theme, result, tmp_path):
    _, page = page_of(result, tmp_path)
    style = page.find("style").string
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    colours = light | dark if theme == "dark" else light
    for ink in ("ink", "muted", "link", "up", "down"):
        assert all(contrast(colours[ink], colours[ground]) >= 4.5 for ground in ("page", "panel"))
    assert all(contrast(colours["ink"], colours[ground]) >= 4.5 for ground in ("grave", "mild"))
    assert contrast(colours["tip-ink"], colours["tip"]) >= 4.5
    tints = dict(re.findall(r"--((?:up|down)-tint): ([\d ]+);", style))
    for tint in tints.values():  # a month of the full colour
        ground = [int(colours["panel"][place : place + 2], 16) for place in (1, 3, 5)]
        mixed = [round(0.46 * int(part) + 0.54 * below) for part, below in zip(tint.split(), ground, strict=True)]
        assert contrast(colours["ink"], "#" + "".join(f"{part:02x}" for part in mixed)) >= 4.5
    for colour in (charts.BLUE, charts.GREEN, charts.RED, charts.AMBER, charts.GREY, charts.VIOLET):
        assert contrast(colour, colours["panel"]) >= 3.0


@pytest.mark.parametrize("length", [1, 3, 50, 51, 1000, 10_007])
def test_thinning_keeps_ends_and_extremes_and_its_bound(length):
    series = np.random.default_rng(length).normal(size=length)
    series[length // 3] = np.nan
    kept = extremes(series, 50)
    assert len(kept) <= 50
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == length - 1
    if length > 1:
        assert np.nanmin(series[kept]) == np.nanmin(series)
        assert np.nanmax(series[kept]) == np.nanmax(series)


def test_thinning_survives_gaps_longer_than_a_bucket():
    series = np.full(5000, np.nan)
    series[[7, 4000]] = [3.0, -2.0]
    kept = extremes(series, 40)
    assert {7, 4000} <= set(kept.tolist())
    assert extremes(np.full(5000, np.nan), 40)[-1] == 4999


def test_a_large_run_stays_bounded_and_says_what_is_left_out(tmp_path):
    bars = walk([f"SYM{n:03d}" for n in range(200)], 20 * 252)
    result = flips(bars, 60)
    assert result.trades.height > 10_000
    text, page = page_of(result, tmp_path)
    assert len(text.encode()) < BOUND
    assert len(page.select("#trades tbody tr")) == tables.TRADES
    assert f"{result.trades.height - tables.TRADES:,} are left out" in page.find(id="trades").get_text()
    assert len(page.select("#prices option")) == tearsheet.CHARTED
    assert "10 of 200 symbols" in page.find(id="prices").get_text()
    assert f"largest gains and losses of {result.bars.shape[0]} traded symbols" in page.find(id="prices").get_text()
    largest = result.trades["pnl"].abs().max()
    assert f"{largest:,.2f}" in page.find(id="trades").get_text()
    assert "and 140 more" in pairs_of(page, "data")["Symbols"]


def test_one_chart_of_many_trades_marks_the_largest():
    bars = walk(["X"], 5000)
    result = flips(bars, 4)
    assert result.trades.height > 1000
    spec = charts.prices(result, "X", marked=100)
    entries = next(trace for trace in spec["data"] if trace["name"] == "Entry long")
    assert len(entries["x"]) == 100
    best = result.trades.sort("pnl")[-1]
    assert str(best["entry_date"][0]) in entries["x"]
    assert "Only the 100 largest" in spec["layout"]["meta"]["description"]


def test_symbols_to_chart_are_chosen_by_name(result, tmp_path):
    _, page = page_of(result, tmp_path, symbols=["CCC", "AAA"])
    assert [option["data-name"] for option in page.select("#prices option")] == ["CCC", "AAA"]
    with pytest.raises(ss.StockstreamError, match="Did you mean 'CCC'"):
        write_report(result, tmp_path / "none.html", symbols=["CCD"])
    with pytest.raises(ss.StockstreamError, match="1 to 10 symbols"):
        write_report(result, tmp_path / "none.html", symbols=[])
    assert not (tmp_path / "none.html").exists()


def test_one_bar(tmp_path):
    result = ss.backtest(ss.SignalStrategy(enter_long=[True]), walk(["X"], 1))
    _, page = page_of(result, tmp_path)
    assert "One bar only" in page.header.get_text()
    assert "none filled; most often: not filled before the end of the data" in page.header.get_text()
    assert page.select_one('#numbers [data-measure="sharpe"]').find(string=True) == "n/a"
    assert figures_of(page)["equity"]["data"][0]["mode"] == "lines+markers"


def test_ruin_and_negative_equity(tmp_path):
    close = np.array([[100.0, 100.0, 100.0, 400.0, 900.0, 900.0, 900.0]])
    dates = np.array(["2024-01-29", "2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-03-01", "2024-03-04"])
    bars = ss.Bars.from_arrays(
        symbols=["X"], dates=dates, open=close, high=close, low=close, close=close, volume=close * 1e6
    )
    enter = np.array([True, False, False, False, False, False, False])
    result = ss.backtest(ss.SignalStrategy(enter_short=enter), bars, leverage=1.0, maintenance=0.0)
    assert result.account.equity.min() <= 0.0
    _, page = page_of(result, tmp_path)
    assert "The account was ruined" in page.select_one(".notice.grave").get_text()
    assert "2024-02-01" in page.select_one(".notice.grave").get_text()
    years, months, totals = monthly_returns(result)
    assert (years, np.isnan(months[0, 2]), months[0, 1] <= -1.0, totals[0] <= -1.0) == ([2024], True, True, True)
    assert figures_of(page)["drawdown"]["data"][0]["y"][-1] <= -1.0


def test_fills_at_the_close_are_announced(tmp_path):
    enter = np.arange(60) % 10 == 0
    signals = ss.SignalStrategy(enter_long=enter, exit_long=np.roll(enter, 5))
    at_close = page_of(ss.backtest(signals, walk(["X"], 60), fill="close"), tmp_path)[1]
    assert at_close.select_one(".notice.grave strong").get_text() == "Fills at the close of the decision."
    assert pairs_of(at_close, "rules")["Fills"] == "at the close of the decision itself"
    at_open = page_of(ss.backtest(signals, walk(["X"], 60)), tmp_path)[1]
    assert not at_open.select("[data-check=close-fills]")
    assert "next open" in pairs_of(at_open, "rules")["Fills"]


def test_rules_costs_and_data_in_words(tmp_path):
    bars = walk(
        ["X"], 60, currency="AUD", provenance={"lake": "s3://b/c", "as_of": "2024-05-06"}, price_factor=np.ones((1, 60))
    )
    strategy = ss.SignalStrategy(enter_long=np.ones(60, dtype=bool))
    stopped = ss.SignalStrategy(enter_long=np.ones(60, dtype=bool), stop_loss=0.1)
    costs = ss.Costs.asx("commsec")
    _, page = page_of(ss.backtest(stopped, bars, costs=costs, sizing=ss.Sizing.risk(0.01), leverage=2.0), tmp_path)
    rules, data = pairs_of(page, "rules"), pairs_of(page, "data")
    assert rules["Initial cash"] == "100,000.00 AUD"
    assert rules["Commission"].startswith("up to 1,000: 5; up to 3,000: 10; up to 10,000: 19.95")
    assert rules["Commission"].endswith("above: 0.12 %")
    assert rules["Slippage"] == "1 price step, against the trader"
    assert rules["Exchange"] == "lots of 1 share; first parcel of at least 500; price steps of the exchange"
    assert "loses 1 % of the equity" in rules["Size of an entry"]
    assert "2 × the equity" in rules["Leverage"]
    assert (data["Lake"], data["As of"], data["Events and factors"]) == ("s3://b/c", "2024-05-06", "price factor")
    assert "No trading costs" not in page.header.get_text()
    free = page_of(ss.backtest(strategy, bars), tmp_path)[1]
    assert "No trading costs" in free.header.get_text()


def test_ambiguous_bars_are_counted(tmp_path):
    bars = walk(["X"], 400, seed=3)
    enter = np.arange(400) % 5 == 0
    result = ss.backtest(ss.SignalStrategy(enter_long=enter, stop_loss=0.004, take_profit=0.004), bars)
    assert result.ambiguous_bars > 0
    _, page = page_of(result, tmp_path)
    assert f"On {result.ambiguous_bars:,} bars" in page.header.get_text()
    assert f"{result.ambiguous_bars:,} ambiguous bars" in pairs_of(page, "rules")["Stop and target in one bar"]


def test_a_symbol_without_trades_or_with_gaps_is_drawn(tmp_path):
    bars = walk(["A", "B"], 80)
    late = pl.col("date") >= pl.col("date").min() + pl.duration(days=70)
    frame = bars.to_polars().filter((pl.col("symbol") == "A") | late)
    ragged = ss.Bars.from_polars(frame)
    enter = np.zeros((2, 80), dtype=bool)
    enter[0, 3] = True
    _, page = page_of(ss.backtest(ss.SignalStrategy(enter_long=enter), ragged), tmp_path)
    figures = figures_of(page)
    assert len(figures["price-1"]["data"]) == 1
    assert len(figures["price-1"]["data"][0]["x"]) == 10
    assert None not in figures["price-1"]["data"][0]["y"]


def test_the_trades_table_shows_the_ledger(result, tmp_path):
    _, page = page_of(result, tmp_path)
    first = [cell.get_text() for cell in page.select_one("#trades tbody tr").find_all(["th", "td"])]
    trade = result.trades.sort("entry_date", "symbol", maintain_order=True).row(0, named=True)
    assert first[:3] == [trade["symbol"], trade["side"], str(trade["entry_date"])]
    assert float(first[7].replace(",", "")) == pytest.approx(trade["pnl"], abs=0.005)
    assert float(first[8]) == pytest.approx(trade["return"] * 100, abs=0.005)
    by_symbol = {row.th.get_text(): row.find_all("td")[3].get_text() for row in page.select("#prices tbody tr")}
    sums = dict(result.trades.group_by("symbol").agg(pl.col("pnl").sum()).iter_rows())
    assert {name: float(text.replace(",", "")) for name, text in by_symbol.items()} == pytest.approx(sums, abs=0.005)


def test_the_same_run_writes_the_same_bytes(result, tmp_path):
    first = write_report(result, tmp_path / "a.html").read_bytes()
    assert first == write_report(result, tmp_path / "b.html").read_bytes()


def test_a_path_that_cannot_be_written(result, tmp_path):
    with pytest.raises(ss.StockstreamError, match="cannot write the page"):
        write_report(result, tmp_path)
    with pytest.raises(ss.StockstreamError, match="cannot write the page"):
        write_report(result, "")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ss.StockstreamError, match="cannot write the page"):
        write_report(result, tmp_path / "file" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("package", ["plotly", "jinja2"])
def test_without_the_extra_the_error_says_what_to_install(package, result, tmp_path, monkeypatch):
    from stockstream.reports import page

    page.environment.cache_clear()
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ss.StockstreamError, match=re.escape('pip install "stockstream[reports]"')):
        write_report(result, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
