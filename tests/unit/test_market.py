"""The file config/symbols.json: every key acts or is refused, and sources are made as it says."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from stockstream import sessions
from stockstream.errors import PluginError, SettingsError, UnknownNameError
from stockstream.ingest.asx import AsxDirectory, AsxOfficial
from stockstream.ingest.combined import Combined
from stockstream.ingest.configured import price_source, symbol_sources
from stockstream.ingest.csv_folder import CsvFolder
from stockstream.ingest.html_table import HtmlTable
from stockstream.ingest.market import MARKETS, Market, load_market, market_from
from stockstream.settings import Settings

SETTINGS = Settings(_env_file=None)
SEED = {"symbols": ["BHP", "CBA", "NAB", "WBC", "ANZ"], "update_frequency": "daily", "market": "ASX"}


def written(data: Any) -> Path:
    path = Path("symbols.json")
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_the_file_of_the_repository_is_read(repository: Path) -> None:
    market = load_market(repository / "config" / "symbols.json")
    assert market == market_from(SEED)
    assert market.wanted(["XYZ"]) == ["ANZ", "BHP", "CBA", "NAB", "WBC"]
    assert (market.yahoo_suffix, market.calendar, market.money, market.every_days) == (".AX", "XASX", "AUD", 1)
    assert market.drop_temporary


def test_keys_act() -> None:
    market = load_market(
        written({"extra_symbols": ["VAS", "360"], "exclude": ["INF"], "update_frequency": "weekly", "suffix": ".XX"})
    )
    assert market.wanted(["NAN", "INF", "BHP"]) == ["360", "BHP", "NAN", "VAS"]
    assert (market.every_days, market.yahoo_suffix) == (7, ".XX")
    assert not load_market(written({"temporary_codes": "keep"})).drop_temporary
    nasdaq = load_market(written({"market": "NASDAQ", "symbols": ["AAPL", "AMZN"]}))
    assert (nasdaq.yahoo_suffix, nasdaq.calendar, nasdaq.money) == ("", "XNAS", "USD")
    assert not nasdaq.drop_temporary, "AMZN is no new share of AMZ"
    own = {"market": "mine", "symbols": ["A"], "suffix": ".M", "exchange": "XPAR", "currency": "EUR"}
    assert load_market(written(own)).calendar == "XPAR"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"symbol": ["BHP"]}, "unknown key 'symbol'; expected market, symbols"),
        ({"update_frequncy": "daily"}, "Did you mean 'update_frequency'?"),
        ({"update_frequency": "dayly"}, "Did you mean 'daily'?"),
        ({"market": "ASXX"}, "Did you mean 'ASX'?"),
        ({"market": "NYSE"}, "expected symbols, or symbol_sources that list the companies of NYSE"),
        ({"market": "NYSE", "symbols": ["A"], "temporary_codes": "drop"}, "only the ASX has such codes"),
        ({"symbols": ["BHP.AX"]}, "expected the exchange's own code, 'BHP'; found 'BHP.AX'"),
        ({"symbols": ["bhp"]}, "Did you mean 'BHP'?"),
        ({"symbols": [360]}, "symbols.0: expected a valid string; found 360"),
        ({"symbols": ["B HP"]}, "expected a code without spaces, such as BHP"),
        ({"symbols": []}, 'expected symbols to be "all" or a list of codes; found an empty list'),
        ({"symbols": ["BHP"], "extra_symbols": ["BHP"]}, "expected each code once; found BHP twice"),
        ({"extra_symbols": ["VAS"], "exclude": ["VAS"]}, "wanted or excluded; found VAS as both"),
        ({"second_price_source": {"source": "yahoo", "use": "check"}}, "second_price_source.use: expected"),
        ({"second_price_source": {"source": "yahoo", "use": "fill_in", "tolerence": 1}}, "Did you mean 'tolerance'?"),
        ([], "expected an object"),
        ('{"market": "ASX",}', "line 1: expected JSON"),
        ('{"market": "ASX", "market": "NZX"}', "expected each key once; found 'market' twice"),
    ],
)
def test_what_cannot_be_is_refused(data: Any, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_market(written(data))
    assert says in str(refused.value)
    assert str(refused.value).startswith("symbols.json")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cannot read nowhere\.json"):
        load_market("nowhere.json")


def test_sources_are_those_of_the_file_else_of_the_settings() -> None:
    made = symbol_sources(Market(), SETTINGS)
    assert [type(source) for source in made.values()] == [AsxDirectory, AsxOfficial]
    assert list(symbol_sources(Market(), SETTINGS.model_copy(update={"symbol_sources": ("asx_official",)}))) == [
        "asx_official"
    ]
    table = {"name": "html_table", "url": "http://example.com", "columns": {"symbol": "Ticker"}}
    market = market_from({"market": "NZX", "symbol_sources": [table]})
    (source,) = symbol_sources(market, SETTINGS).values()
    assert isinstance(source, HtmlTable)
    assert symbol_sources(market_from({"market": "NYSE", "symbols": ["A"]}), SETTINGS) == {}
    Path("prices").mkdir()
    folder = {"name": "csv_folder", "path": "prices"}
    assert isinstance(price_source(market_from({"price_source": folder}), SETTINGS), CsvFolder)
    both = {"price_source": folder, "second_price_source": {"source": folder, "use": "fill_in"}}
    assert isinstance(price_source(market_from(both), SETTINGS), Combined)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ({"price_source": "yaho"}, UnknownNameError, "unknown price source 'yaho'; installed: .*Did you mean 'yahoo'"),
        ({"price_source": "csv_folder"}, SettingsError, "'csv_folder' needs the options path"),
        ({"price_source": {"name": "csv_folder", "paths": "x"}}, SettingsError, "Did you mean 'path'"),
        ({"symbol_sources": ["asx_dirctory"]}, UnknownNameError, "Did you mean 'asx_directory'"),
        ({"symbol_sources": [{"name": "html_table", "url": 5, "columns": 7}]}, SettingsError, "cannot be made with"),
    ],
)
def test_a_source_that_is_not_there_or_refuses_is_named(data: Any, error: type[Exception], says: str) -> None:
    market = market_from(data)
    with pytest.raises(error, match=says):
        (symbol_sources if "symbol_sources" in data else price_source)(market, SETTINGS)


def test_a_plugin_that_is_no_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.plugins.load", lambda *_: lambda: 42)
    with pytest.raises(PluginError, match="the price source 'x' has no method fetch: found 42"):
        price_source(market_from({"price_source": "x"}), SETTINGS)
    with pytest.raises(PluginError, match="the symbol source 'x' has no method fetch"):
        symbol_sources(market_from({"symbol_sources": ["x"]}), SETTINGS)


def test_a_source_is_handed_the_market_and_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def factory(suffix: str, currency: str, timeout: float, proxy: str | None, extra: int = 0) -> CsvFolder:
        seen.update(suffix=suffix, currency=currency, timeout=timeout, proxy=proxy, extra=extra)
        Path("prices").mkdir()
        return CsvFolder(path="prices", clock=lambda: datetime(2024, 1, 1, tzinfo=UTC))

    monkeypatch.setattr("stockstream.plugins.load", lambda *_: factory)
    made = price_source(market_from({"price_source": {"name": "x", "extra": 3}}), SETTINGS)
    assert seen == {"suffix": ".AX", "currency": "AUD", "timeout": 30.0, "proxy": None, "extra": 3}
    assert [answer.outcome for answer in made.fetch(["BHP"], date(2024, 1, 1))] == ["not_found"]


def test_the_examples_of_the_page_are_markets(repository: Path) -> None:
    page = (repository / "docs" / "configuration.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        load_market(written(example))


@pytest.mark.parametrize("name", MARKETS)
def test_every_known_market_has_a_calendar(name: str) -> None:
    assert sessions.timezone(MARKETS[name][1]).key
