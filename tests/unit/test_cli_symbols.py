"""The commands on lists of companies."""

import csv
import io
import json
import re
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stockstream.cli import app
from stockstream.errors import SourceError
from stockstream.ingest.asx import AsxDirectory, AsxOfficial
from stockstream.ingest.sources import SymbolList, SymbolRow

COMPANIES = [
    SymbolRow(symbol=f"A{k:02}", name=f"COMPANY {k} LIMITED", sector="Materials", market_cap=1000 + k)
    for k in range(100)
]


def run(*arguments: str, code: int = 0) -> Result:
    outcome = CliRunner().invoke(app, list(arguments))
    assert outcome.exit_code == code, outcome.output
    return outcome


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[SymbolRow]:
    """Give the companies that the directory lists; without any it fails, as the official list always does."""
    rows = list(COMPANIES)

    def fetch(_: AsxDirectory) -> SymbolList:
        if not rows:
            message = "found 'Bad Gateway'"
            raise SourceError(message)
        return SymbolList(rows=tuple(rows), raw=b"")

    def fail(_: AsxOfficial) -> SymbolList:
        message = "answered 403 Forbidden"
        raise SourceError(message)

    monkeypatch.setattr(AsxDirectory, "fetch", fetch)
    monkeypatch.setattr(AsxOfficial, "fetch", fail)
    monkeypatch.setenv("COLUMNS", "80")
    return rows


def test_update_stores_a_list_and_says_what_changed(served: list[SymbolRow]) -> None:
    text = run("symbols", "update", "--date", "2024-01-02").stdout
    assert "2024-01-02: 100 companies from asx_directory, fetched now" in text
    assert "nothing to compare it with" in text
    assert Path("data/lake/symbols/2024-01-02-symbols.csv").is_file()
    served.append(SymbolRow(symbol="BHP", name="BHP GROUP"))
    served.append(SymbolRow(symbol="BHPN", name="BHP GROUP"))
    del served[0]
    text = run("symbols", "update", "--date", "2024-01-03").stdout
    assert "added since 2024-01-02: BHP\n" in text
    assert "removed since 2024-01-02: A00\n" in text
    assert "missing, still fetched: A00\n" in text
    assert "left out for a time only: BHPN\n" in text
    told = json.loads(run("symbols", "update", "--date", "2024-01-03", "--format", "json").stdout)
    assert told["fetched_now"] is False
    assert (told["additions"], told["removals"], told["temporary_codes"]) == (["BHP"], ["A00"], ["BHPN"])


def test_a_list_that_is_not_believed_is_exit_code_three(served: list[SymbolRow]) -> None:
    run("symbols", "update", "--date", "2024-01-02")
    del served[90:]
    text = run("symbols", "update", "--date", "2024-01-03", code=3).stdout
    assert "not believed: asx_directory: expected at least 97.0% of the 100 companies of 2024-01-02; found 90" in text
    assert "not believed: asx_official: answered 403 Forbidden" in text
    assert "2024-01-02: 100 companies from asx_directory, the last good list" in text
    run("symbols", "update", "--date", "2024-01-03", "--accept-shorter")
    served.clear()
    refused = run("symbols", "update", "--date", "2024-01-04", "--lake", "other", code=2)
    assert refused.stderr.count("\n") == 1
    assert "no list of companies for 2024-01-04, and no earlier one to go on with" in refused.stderr
    assert not Path("other/symbols/2024-01-04-symbols.csv").exists()


def test_five_lists_without_a_company_delist_it(served: list[SymbolRow]) -> None:
    run("symbols", "update", "--date", "2024-01-02")
    gone = served.pop(0)
    for day in range(3, 8):
        text = run("symbols", "update", "--date", f"2024-01-{day:02}").stdout
        assert ("missing, still fetched: A00" in text) == (day < 7)
    assert "delisted: five lists in a row are without: A00" in text
    served.insert(0, gone)
    text = run("symbols", "update", "--date", "2024-01-08").stdout
    assert "added since 2024-01-07: A00" in text
    lines = Path("data/lake/symbols/listings.csv").read_text().splitlines()
    assert "A00.1,A00,COMPANY 0 LIMITED,,2024-01-02,2024-01-08" in lines


def test_diff_compares_two_days(served: list[SymbolRow]) -> None:
    run("symbols", "diff", code=2)
    run("symbols", "update", "--date", "2024-01-02")
    refused = run("symbols", "diff", code=2)
    assert "expected two lists to compare" in refused.stderr
    served[5] = SymbolRow(symbol="A05", name="A LONG NEW NAME " * 6)
    served[7] = SymbolRow(symbol="NEW", name="NEWCOMER")
    run("symbols", "update", "--date", "2024-01-05")
    run("symbols", "update", "--date", "2024-01-09")
    assert "0 added, 0 removed, 0 renamed" in run("symbols", "diff").stdout
    text = run("symbols", "diff", "2024-01-03").stdout
    assert "2024-01-02 (100 companies) to 2024-01-09 (100): 1 added, 1 removed, 1 renamed" in text
    assert max(map(len, text.splitlines())) <= 80
    rows = list(csv.DictReader(io.StringIO(run("symbols", "diff", "2024-01-02", "--format", "csv").stdout)))
    assert [(row["change"], row["symbol"]) for row in rows] == [
        ("added", "NEW"),
        ("removed", "A07"),
        ("renamed", "A05"),
    ]
    assert json.loads(run("symbols", "diff", "2024-01-02", "2024-01-02", "--format", "json").stdout) == []


def test_list_shows_the_list_of_a_day(served: list[SymbolRow]) -> None:
    assert "has no list of companies; `stockstream symbols update`" in run("symbols", "list", code=2).stderr
    run("symbols", "update", "--date", "2024-01-02")
    rows = json.loads(run("symbols", "list", "2024-03-01", "--format", "json").stdout)
    assert len(rows) == 100
    assert rows[0] == {"symbol": "A00", "name": "COMPANY 0 LIMITED", "sector": "Materials", "market_cap": 1000}
    text = run("symbols", "list").stdout
    assert max(map(len, text.splitlines()[:40])) <= 80
    assert "2024-01-02: 100 companies from asx_directory" in text
    assert "has no list of companies of 2023-12-31 or earlier" in run("symbols", "list", "2023-12-31", code=2).stderr
    assert "expected DATE like 2024-01-31" in run("symbols", "list", "yesterday", code=2).stderr


def test_a_weekly_list_is_fetched_when_it_is_a_week_old(served: list[SymbolRow]) -> None:
    Path("weekly.json").write_text('{"update_frequency": "weekly"}')
    run("symbols", "update", "--config", "weekly.json", "--date", "2024-01-02")
    served.append(SymbolRow(symbol="BHP"))
    for day, companies in ((8, 100), (9, 101)):
        text = run("symbols", "update", "--config", "weekly.json", "--date", f"2024-01-{day:02}").stdout
        assert f"{companies} companies" in text
    assert sorted(path.name[:10] for path in Path("data/lake/symbols").glob("*-symbols.csv")) == [
        "2024-01-02", "2024-01-09",
    ]  # fmt: skip


def test_without_a_date_it_is_today_at_the_exchange(served: list[SymbolRow]) -> None:
    run("symbols", "update")
    (path,) = Path("data/lake/symbols").glob("*-symbols.csv")
    assert abs((date.fromisoformat(path.name[:10]) - date.today()).days) <= 1


def test_with_json_the_changes_are_logged_on_stderr(served: list[SymbolRow], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    run("symbols", "update", "--date", "2024-01-02", "--format", "json")
    served[0] = SymbolRow(symbol="NEW", name="NEWCOMER")
    logged = run("symbols", "update", "--date", "2024-01-03", "--format", "json").stderr
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO prod 2024-01-03: 100 companies from asx_directory, "
        r"added NEW, removed A00\n",
        logged,
    )
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    served.clear()
    assert run("symbols", "update", "--date", "2024-01-04", "--format", "json", code=3).stderr == ""
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    logged = run("symbols", "update", "--date", "2024-01-04", "--format", "json", code=3).stderr
    assert [line.split(" ", 3)[1:3] for line in logged.splitlines()] == [["WARNING", "prod"]] * 2


def test_listings_that_are_removed_are_made_anew(served: list[SymbolRow]) -> None:
    for day in (2, 3, 4):
        run("symbols", "update", "--date", f"2024-01-{day:02}")
    path = Path("data/lake/symbols/listings.csv")
    text = path.read_bytes()
    path.unlink()
    run("symbols", "update", "--date", "2024-01-04")
    assert path.read_bytes() == text


def test_without_the_packages_for_it_fetching_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.cli.options.find_spec", lambda name: None if name == "requests" else object())
    refused = run("symbols", "update", code=2).stderr
    assert refused == 'error: fetching needs requests; type `pip install "stockstream[ingest]"`\n'
