"""A daily run from files: prices by two folders of CSV files, and what the second says of the first."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import stockstream as ss
from stockstream import sessions
from stockstream.ingest.run import Wanted, run_day

NOW = datetime(2024, 6, 14, 20, 0, tzinfo=UTC)  # Saturday 06:00 in Sydney
LAST = date(2024, 6, 14)
HEADER = "date,open,high,low,close,volume,adjusted_close\n"


def price(day: date) -> float:
    return 10.0 + day.toordinal() % 7


def write(folder: str, symbol: str, days: list[date], scale: float = 1.0) -> None:
    Path(folder).mkdir(exist_ok=True)
    lines = []
    for day in days:
        close = scale * price(day)
        lines.append(f"{day},{close},{close},{close},{close},1000,{close}\n")
    (Path(folder) / f"{symbol}.csv").write_text(HEADER + "".join(lines))


@pytest.mark.parametrize("use", ["cross_check", "fill_in"])
def test_a_second_source_checks_or_completes_the_first_and_the_manifest_says_so(
    use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_SECONDS_BETWEEN_SYMBOLS", "0")
    days = sessions.sessions(LAST - timedelta(days=40), LAST)
    write("first", "AAA", days[:-1])
    write("first", "BBB", days)
    write("first", "DDD", days)
    write("second", "AAA", days)
    write("second", "BBB", days, 1.5)
    write("second", "CCC", days)
    market = {
        "symbols": ["AAA", "BBB", "CCC", "DDD"],
        "price_source": {"name": "csv_folder", "path": "first"},
        "second_price_source": {"source": {"name": "csv_folder", "path": "second"}, "use": use},
    }
    run_day(Wanted(lake="lake", market=market, now=NOW), sleep=lambda _: None)
    manifest = json.loads(Path("lake/runs/2024-06-14.json").read_text())
    kinds = {symbol: [finding["kind"] for finding in found] for symbol, found in manifest["findings"].items()}
    bars = ss.Lake("lake").bars()
    closes = {symbol: int((bars[symbol].close == bars[symbol].close).sum()) for symbol in bars.symbols}
    if use == "fill_in":
        assert kinds == {"AAA": ["filled_in"], "CCC": ["filled_in"], "DDD": ["second_source_failed"]}
        assert manifest["received"] == 4
        assert closes == dict.fromkeys(("AAA", "BBB", "CCC", "DDD"), len(days))
    else:
        assert kinds == {"AAA": ["row_missing"], "BBB": ["close_differs"], "DDD": ["second_source_failed"]}
        assert manifest["received"] == 2
        assert closes == {"AAA": len(days) - 1, "BBB": len(days), "DDD": len(days)}
    assert bars["BBB"].close[0].tolist() == [price(day) for day in days], "the first source's prices stand"
