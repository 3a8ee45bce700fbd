"""The report as people meet it: in a browser, with mouse, keyboard and finger, in every light."""

import os
import shutil
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

import stockstream as ss
from stockstream.indicators import RSI, SMA
from stockstream.reports import take_picture, write_image
from tests.unit.test_reports import walk

pytestmark = pytest.mark.compiled

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = ("file:", "data:", "blob:")
NAME = '<b>Wide</b> & "quoted" é'


#: Every visible text with less contrast to what is behind it than WCAG 2 AA asks for.
CONTRAST = """() => {
  const parse = (colour) => { const m = colour.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    const over = (under, [r, g, b, a]) => [r, g, b].map((v, i) => a * v + (1 - a) * under[i]);
    return layers.reverse().reduce(over, [255, 255, 255]);
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.offsetParent || element.closest("svg, script, .skip, .unseen, .tip")) continue;
    const style = getComputedStyle(element), below = ground(element);
    const ink = parse(style.color), mixed = ink.slice(0, 3).map((v, i) => ink[3] * v + (1 - ink[3]) * below[i]);
    const [hi, lo] = [light(mixed), light(below)].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (hi + 0.05) / (lo + 0.05);
    const name = `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`;
    if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${name}`);
  }
  return [...new Set(faint)].slice(0, 20);
}"""


class Crossing(ss.RuleStrategy):
    """Averages and an oscillator, with levels."""

    def rules(self):
        up = SMA(5).crosses_above(SMA(20)) & (RSI(14) < 80)
        return ss.Rules(enter_long=up, exit_long=SMA(5).crosses_below(SMA(20)), stop_loss=0.05, take_profit=0.1)


@pytest.fixture(scope="module")
def browser():
    """Give a browser; on a developer's machine it may be missing, in CI it may not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "no Chromium on the path: apt-get install chromium"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    bars = walk(["AAA", "BBB", NAME], 900, seed=2, currency="AUD", provenance={"adjust": "total"})
    costs = ss.Costs(commission=0.001, slippage=0.0005)
    sizing = ss.Sizing.weight(0.3)
    result = ss.backtest(Crossing(), bars, sizing=sizing, costs=costs, benchmark="universe", keep_levels=True)
    return result, result.report(tmp_path_factory.mktemp("browser") / "report.html")


@pytest.fixture
def opened(browser, report):
    """Give a function that opens the report; nothing may be said on the console, and nothing asked of the network."""
    complaints, pages = [], []

    def open_page(width=1200, scheme="light", **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(LOCAL) else complaints.append(request.url))
        page.goto(report[1].as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def drawn(page, panel):
    """Wait until a figure is drawn."""
    page.wait_for_selector(f"{panel} .chart .main-svg", timeout=20_000)


def test_tabs_show_one_figure_at_a_time(opened):
    page = opened()
    for group in ("Risk and behaviour", "Figures of the trades"):
        tabs = page.locator(f"[role=tablist][aria-label='{group}'] [role=tab]")
        assert tabs.count() >= 2
        for place in range(tabs.count()):
            tabs.nth(place).click()
            panel = "#" + tabs.nth(place).get_attribute("aria-controls")
            drawn(page, panel)
            others = [page.locator("#" + tabs.nth(n).get_attribute("aria-controls")) for n in range(tabs.count())]
            assert [other.is_visible() for other in others] == [n == place for n in range(tabs.count())]
            assert tabs.nth(place).get_attribute("aria-selected") == "true"
            assert page.locator(f"{panel} figcaption").inner_text()


def test_tabs_answer_to_the_keyboard(opened):
    page = opened()
    page.locator("#tab-drawdown").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-rolling-sharpe"
    drawn(page, "#panel-rolling-sharpe")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.id") == "tab-years"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-drawdown"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") != "tab"


def test_everything_that_can_be_used_is_reached_by_the_tab_key(opened):
    page = opened()
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')]
            .filter((e) => e.offsetParent && e.tabIndex >= 0).length"""
    )
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const all = [...document.querySelectorAll('*')]; const e = document.activeElement;
                return e === document.body ? -1 : all.indexOf(e); }"""
        )
        reached.add(place)
    assert len(reached - {-1}) >= wanted


def test_the_table_of_trades_is_searched(opened, report):
    page, result = opened(), report[0]
    rows = page.locator(".trades tbody tr")
    assert rows.count() == result.trades.height
    page.fill("#filter", "bbb stop loss")
    stopped = (result.trades["symbol"] == "BBB") & (result.trades["exit_reason"] == "stop loss")
    expected = int(stopped.sum())
    assert expected > 0
    assert page.locator(".trades tbody tr:visible").count() == expected
    assert page.locator("#matches").inner_text() == f"{expected} of {result.trades.height}"
    page.fill("#filter", "<b>wide</b> &")
    assert page.locator(".trades tbody tr:visible").count() == (result.trades["symbol"] == NAME).sum() > 0
    page.fill("#filter", "")
    assert page.locator(".trades tbody tr:visible").count() == result.trades.height


def test_the_scale_of_the_equity_is_switched(opened):
    page = opened()
    drawn(page, "#equity")
    axis = "document.querySelector('.chart[data-figure=equity]')._fullLayout.yaxis.type"
    assert page.evaluate(axis) == "linear"
    page.click("[data-log=equity]")
    page.wait_for_function(f"{axis} === 'log'")
    assert page.get_attribute("[data-log=equity]", "aria-pressed") == "true"
    page.click("[data-log=equity]")
    page.wait_for_function(f"{axis} === 'linear'")


def test_another_symbol_is_chosen(opened):
    page = opened()
    page.select_option("#symbol", label=page.locator("#symbol option").nth(1).inner_text())
    page.wait_for_function("document.querySelector('#price').dataset.figure === 'price-1'")
    chosen = page.locator("#symbol option").nth(1).get_attribute("data-name")
    assert chosen in page.get_attribute("#price", "aria-label")
    assert page.locator("#prices figcaption:visible").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_a_page_fits_its_window_and_can_be_read(scheme, width, opened):
    page = opened(width, scheme)
    drawn(page, "#equity")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faint = page.evaluate(CONTRAST)
    assert faint == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = np.mean([int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(",")])
    assert (brightness < 60) == (scheme == "dark")
    inside = page.evaluate("getComputedStyle(document.querySelector('.chart .gtitle, .chart .xtick text')).fill")
    assert inside == page.evaluate("getComputedStyle(document.body).color")


def test_numbers_are_painted_before_the_figures(opened):
    page = opened()
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 2000.0
    assert page.locator("#numbers dd").first.is_visible()


def test_without_a_script_the_numbers_stand(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report[1].as_uri())
    assert page.locator("#numbers .card").count() == 9
    assert page.locator(".trades tbody tr").count() == report[0].trades.height
    assert page.locator(".panel figcaption:visible").count() == 8
    assert page.locator("[role=tablist]:visible, .search:visible, .switch:visible").count() == 0
    context.close()


def test_a_print_shows_the_findings_and_no_controls(opened):
    page = opened()
    page.emulate_media(media="print")
    page.wait_for_function("document.querySelector('header details').open")
    assert page.locator("nav:visible, select:visible, [role=tab]:visible, .search:visible").count() == 0
    assert page.locator("header details li").first.is_visible()


def test_hints_appear_on_focus(opened):
    page = opened()
    page.locator("#numbers .hint").first.focus()
    assert page.locator("#numbers .tip").first.is_visible()
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    assert not page.locator("#numbers .tip").first.is_visible()


def test_figures_become_pictures(browser, report, tmp_path):
    figure = report[0].plot("drawdown")
    png = write_image(figure, tmp_path / "new" / "drawdown.png", width=640, height=360).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (640, 360)
    root = ElementTree.parse(write_image(figure, tmp_path / "drawdown.svg")).getroot()
    assert root.tag.endswith("svg")
    assert "Underwater" in "".join(root.itertext())
    page = take_picture(report[1], tmp_path / "page.png", width=500, height=400).read_bytes()
    assert struct.unpack(">II", page[16:24]) == (500, 400)
