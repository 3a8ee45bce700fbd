"""The package of docs/plugins.md: built, installed and run as the page says."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from tests.distribution.test_plugins import install, run

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)

USE = """
import json
from datetime import date
from pathlib import Path

import numpy as np

from stockstream import plugins
from stockstream.ingest.configured import price_source
from stockstream.ingest.market import load_market, market_from
from stockstream.ingest.sources import PipelineStep, PriceSource
from stockstream.settings import load

warehouse = {"name": "warehouse", "path": "house.db"}
alone = price_source(market_from({"price_source": warehouse}), load())
assert isinstance(alone, PriceSource)
for answer in alone.fetch(["BHP", "XYZ"], date(2024, 1, 3)):
    print(answer.symbol, answer.outcome, answer.columns["close"].tolist() if answer.ok else answer.message)
both = price_source(load_market("symbols.json"), load())
print(type(both).__name__)
step = plugins.load(plugins.PIPELINE_STEPS, "no_stray_prices")()
assert isinstance(step, PipelineStep)
rows = {"open": np.array([10.0, 10.0, np.nan]), "close": np.array([10.5, 31.0, np.nan])}
print(step(rows).reasons.tolist())
"""


@pytest.fixture(scope="module")
def page(repository: Path) -> dict[str, str]:
    """Give the files that the page shows."""
    return dict(FILE.findall((repository / "docs" / "plugins.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def site(page: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the page's package."""
    target = tmp_path_factory.mktemp("site")
    install(
        {name: text for name, text in page.items() if name != "symbols.json"}, tmp_path_factory.mktemp("own"), target
    )
    return target


def test_the_package_does_what_the_page_says(page: dict[str, str], site: Path, repository: Path) -> None:
    assert set(page) == {
        "pyproject.toml", "own_desk/prices.py", "own_desk/companies.py", "own_desk/steps.py", "symbols.json",
    }  # fmt: skip
    with sqlite3.connect("house.db") as database:
        database.execute("CREATE TABLE bars (symbol, date, open, high, low, close, volume)")
        bars = [("BHP", f"2024-01-0{day}", 10, 11, 9, 10 + day, 100) for day in (2, 3, 4)]
        database.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?)", bars)
    database.close()
    Path("symbols.json").write_text(page["symbols.json"])
    Path("watchlist.txt").write_text("BHP BHP GROUP LIMITED\n360 LIFE360 INC.\n")

    listed = json.loads(run(site, repository, "-m", "stockstream", "plugins", "--format", "json").stdout)
    own = {row["name"]: (row["distribution"], row["version"], row["state"]) for row in listed}
    for name in ("warehouse", "watchlist", "no_stray_prices"):
        assert own[name] == ("own-desk", "0.1.0", "ok")

    done = run(site, repository, "-c", USE)
    assert done.stdout.splitlines() == [
        "BHP ok [13.0, 14.0]",
        "XYZ no_data the table has no rows",
        "Combined",
        "['', 'stray_price', '']",
    ], done.stderr

    command = ("-m", "stockstream", "symbols", "update", "--config", "symbols.json", "--date", "2024-01-05")
    updated = run(site, repository, *command)
    assert "2024-01-05: 2 companies from watchlist, fetched now" in updated.stdout, updated.stderr
    text = Path("data/lake/symbols/2024-01-05-symbols.csv").read_text()
    assert text == "symbol,name,sector,market_cap\n360,LIFE360 INC.,,\nBHP,BHP GROUP LIMITED,,\n"

    Path("watchlist.txt").unlink()
    kept = run(site, repository, *command[:-1], "2024-01-08")
    assert kept.returncode == 3
    assert "cannot read the watch list watchlist.txt" in kept.stdout
