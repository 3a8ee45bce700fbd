"""The ASX's real lists: 8 copies of the directory, one of them cut off, 2 of the official list, 4 failures, 3 years."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stockstream.errors import SourceError
from stockstream.ingest.asx import parse
from stockstream.ingest.company_lists import DayList, changes, latest, list_name, read, update_listings
from stockstream.ingest.listing_history import extend, rebuild
from stockstream.ingest.sources import SymbolList, SymbolRow
from stockstream.ingest.symbol_update import SymbolUpdate, update_symbols
from stockstream.lake.listings import Listings, read_listings
from stockstream.lake.location import Location, locate


class Bodies:
    """A symbol source that serves files."""

    def __init__(self, *paths: Path) -> None:
        self.paths = list(paths)

    def fetch(self) -> SymbolList:
        body = self.paths.pop(0).read_bytes()
        return SymbolList(rows=tuple(parse(body)), raw=body)


@pytest.fixture
def lists(market_data: Path) -> Path:
    return market_data / "asx_list"


@pytest.fixture
def lake(tmp_path: Path) -> Location:
    return locate(tmp_path / "lake")


def told(lake: Location, day: date, directory: Path, official: Path | None = None, **options: Any) -> SymbolUpdate:
    sources = {"asx_directory": Bodies(directory)}
    if official is not None:
        sources["asx_official"] = Bodies(official)
    return update_symbols(lake, sources, day, drop_temporary=True, **options)


def test_every_copy_of_the_directory_is_read_whole(lists: Path) -> None:
    """Compare with Polars, which reads the files by rules of its own."""
    for path in sorted((lists / "markit_directory").glob("*.csv")):
        table = pl.read_csv(path, infer_schema=False).fill_null("")
        rows = parse(path.read_bytes())
        assert [row.symbol for row in rows] == table["ASX code"].to_list(), path
        assert [row.name for row in rows] == [" ".join(name.split()) for name in table["Company name"]]
        assert [row.sector for row in rows] == table["GICs industry group"].to_list()
        caps = [str(row.market_cap) if row.market_cap is not None else row.market_cap_text for row in rows]
        assert caps == table["Market Cap"].to_list()
        dates = table["Listing date"].str.to_date("%d/%m/%Y").to_list()
        assert [row.listing_date for row in rows] == dates
    first = parse((lists / "markit_directory" / "2023-08-11.csv").read_bytes())
    assert Counter(row.market_cap_text for row in first)["SUSPENDED"] == 83
    assert {"360", "INF", "NAN", "PRN"} <= {row.symbol for row in first}


def test_the_official_list_has_what_the_directory_leaves_out(lists: Path) -> None:
    official = parse((lists / "official" / "ASXListedCompanies_2026-04-01.csv").read_bytes())
    assert len(official) == 1978
    assert len(parse((lists / "official" / "ASXListedCompanies_2026-03-02.csv").read_bytes())) == 1977
    assert {len(row.symbol) for row in official} == {3}
    assert "VAS" not in {row.symbol for row in official}


def test_every_failure_is_refused(lists: Path) -> None:
    for path in (lists / "failures").iterdir():
        with pytest.raises(SourceError, match="expected"):
            parse(path.read_bytes())


def test_a_partial_list_is_not_believed_and_the_last_good_one_serves(lists: Path, lake: Location) -> None:
    directory = lists / "markit_directory"
    first = told(lake, date(2026, 5, 22), directory / "2026-05-22.csv")
    assert (first.fresh, first.kept, len(first.companies.rows), first.before) == (True, False, 1836, None)
    text = Path(lake.url(list_name(date(2026, 5, 22)))).read_text()
    assert text.startswith("symbol,name,sector,market_cap\n10X,EXULTANT MINING LIMITED,Materials,7480000\n14D,")
    table = pl.read_csv(lake.url(list_name(date(2026, 5, 22))), schema_overrides={"symbol": pl.String})
    assert table.height == 1836
    assert table["market_cap"].dtype == pl.Int64

    second = told(lake, date(2026, 5, 23), directory / "2026-05-23.csv", lists / "failures" / "header_only.csv")
    assert second.kept
    assert second.companies.day == date(2026, 5, 22)
    assert second.symbols == first.symbols
    assert "found 1,128, which is taken for a part" in second.rejected[0].reason
    assert "header without rows" in second.rejected[1].reason
    assert lake.read_text(list_name(date(2026, 5, 23))) is None
    record = lake.read_text("symbols/2026-05-23-rejected.json")
    assert record is not None
    assert "1,128" in record

    third = told(lake, date(2026, 5, 24), directory / "2026-05-24.csv")
    assert (third.before, third.kept) == (date(2026, 5, 22), False)
    before, after = ({r.symbol for r in parse((directory / f"2026-05-{d}.csv").read_bytes())} for d in (22, 24))
    assert set(third.changes.additions) == {code for code in after - before if len(code) == 3}
    assert set(third.changes.removals) == {code for code in before - after if len(code) == 3}
    assert set(third.missing) == set(third.changes.removals), "one absence is no delisting"
    assert third.delisted == ()
    assert set(third.symbols) == first.companies.symbols | third.companies.symbols

    again = told(lake, date(2026, 5, 24), directory / "2026-05-23.csv")
    assert not again.fresh
    assert not again.rejected
    assert again.companies == third.companies
    assert again.changes == third.changes
    with pytest.raises(SourceError, match="there is one of 2026-05-24 already"):
        told(lake, date(2026, 5, 20), directory / "2026-05-22.csv")


def test_a_partial_list_can_be_accepted_by_hand(lists: Path, lake: Location) -> None:
    directory = lists / "markit_directory"
    told(lake, date(2026, 5, 22), directory / "2026-05-22.csv")
    taken = told(lake, date(2026, 5, 23), directory / "2026-05-23.csv", accept_shorter=True)
    assert taken.fresh
    assert len(taken.missing) > 700


def test_the_fallback_serves_without_its_debt_trusts(lists: Path, lake: Location) -> None:
    directory = lists / "markit_directory"
    told(lake, date(2026, 3, 31), directory / "2026-05-22.csv")
    official = lists / "official" / "ASXListedCompanies_2026-04-01.csv"
    found = told(lake, date(2026, 4, 1), lists / "failures" / "bad_gateway.txt", official)
    assert (found.companies.source, found.fresh, found.kept) == ("asx_official", True, False)
    assert len(found.companies.left_out) > 100
    assert len(found.companies.rows) + len(found.companies.left_out) == 1978
    back = told(lake, date(2026, 4, 2), directory / "2026-05-24.csv")
    assert back.companies.source == "asx_directory"
    assert back.fresh, "it is compared with the last list of its own source, not with the longer one of the fallback"


def test_a_lake_that_slept_for_years_takes_a_shorter_list(lists: Path, lake: Location) -> None:
    directory = lists / "markit_directory"
    told(lake, date(2023, 8, 11), directory / "2023-08-11.csv")
    assert told(lake, date(2024, 7, 1), directory / "2024-07-01.csv").fresh
    assert told(lake, date(2026, 5, 22), directory / "2026-05-22.csv").fresh
    refused = told(lake, date(2026, 5, 23), directory / "2026-05-23.csv")
    assert refused.kept


def test_reused_codes_get_a_listing_of_their_own(lists: Path, lake: Location) -> None:
    days = ("2023-08-11", "2024-07-01", "2026-05-22", "2026-05-24", "2026-08-20", "2026-08-21", "2026-08-22")
    for day in days:
        told(lake, date.fromisoformat(day), lists / "markit_directory" / f"{day}.csv")
    found = read_listings(lake)
    by_code: dict[str, list[str]] = {}
    for line in found.lines:
        by_code.setdefault(line.symbol, []).append(line.name)
    assert by_code["ALU"] == ["ALTIUM LIMITED", "ALURION RESOURCES LIMITED"]
    assert by_code["VAL"] == ["VALOR RESOURCES LIMITED", "VALIANT GOLD LIMITED"]
    assert by_code["SGC"] == ["SACGASCO LIMITED", "SINCLAIR GOLD LTD"]
    assert by_code["PGL"] == ["PROSPA GROUP LIMITED.", "PILBARA GOLD LIMITED"]
    reused = {code for code, names in by_code.items() if len(names) > 1}
    assert by_code["BHP"] == ["BHP GROUP LIMITED"]
    pairs = {code: [line.listing_date for line in found.lines if line.symbol == code] for code in reused}
    assert all(len(set(dates)) == len(dates) for dates in pairs.values()), "a listing date of its own, each"
    assert update_listings(lake, anew=True) == [line._replace(line=0) for line in found.lines]
    before, after = read(lake, date(2026, 8, 20)), latest(lake)
    assert before is not None
    assert after is not None
    assert "ALU" not in changes(before, after).additions


# ---- three years -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def membership(market_data: Path) -> dict[date, list[SymbolRow]]:
    """Build the lists of all days: a code is away in one block, before its listing date when it was reused."""
    table = pl.read_parquet(market_data / "asx_list" / "asx_directory_membership_2023_2026.parquet")
    lists: dict[date, list[SymbolRow]] = {}
    for code, name, listed, first, last, away, earlier in table.select(
        "symbol", "name", "listing_date", "first_seen", "last_seen", "days_missing_between", "first_name"
    ).iter_rows():
        days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
        reused = listed is not None and listed > first and away > 300
        split = max((listed - first).days if reused else (len(days) + away) // 2, away + 1)
        row = SymbolRow(symbol=code, name=name, listing_date=listed)
        old = SymbolRow(symbol=code, name=earlier or name, listing_date=date(1999, 1, 1) if reused else listed)
        for place, day in enumerate(days):
            if place < split - away:
                lists.setdefault(day, []).append(old if away else row)
            elif place >= split:
                lists.setdefault(day, []).append(row)
    return lists


@pytest.mark.slow
def test_three_years_of_lists_give_the_listings_that_the_days_hold(membership: dict[date, list[SymbolRow]]) -> None:
    days = sorted(membership)
    assert (days[0], days[-1]) == (date(2023, 8, 11), date(2026, 8, 23))
    lines = rebuild(membership)
    listings = Listings(lines, days)
    first_and_last: dict[str, list[date]] = {}
    for day in days:
        for row in membership[day]:
            seen = first_and_last.setdefault(row.symbol, [day, day])
            seen[1] = day
    assert {line.symbol for line in lines} == set(first_and_last)
    reused = {line.symbol for line in lines if line.listing_id.endswith(".2")}
    assert {"ALU", "VAL"} <= reused
    assert not [line for line in lines if line.listing_id.endswith(".3")]
    for line in lines:
        if line.symbol not in reused:
            assert [line.first_seen, line.last_seen] == first_and_last[line.symbol]
            assert line.listing_id == f"{line.symbol}.1"
    delisted = listings.delisted()
    gone = {code for code, (_, last) in first_and_last.items() if last <= days[-6]}
    assert {name for name in delisted if "." not in name} == gone
    assert {name for name in delisted if "." in name} == {f"{code}.1" for code in reused}


@pytest.mark.slow
def test_flips_never_delist_and_never_split(membership: dict[date, list[SymbolRow]]) -> None:
    """Two caches answer in turn: every other list lacks forty companies, which stay the same listings."""
    days = sorted(membership)[:120]
    lines: list[Any] = []
    for place, day in enumerate(days):
        rows = membership[day]
        lines = extend(lines, day, rows[40:] if place % 2 else rows)
    assert Counter(line.listing_id.rpartition(".")[2] for line in lines) == {"1": len(lines)}
    flipping = {row.symbol for row in membership[days[0]][:40]}
    assert not flipping & set(Listings(lines, days).delisted()) - {
        line.symbol for line in lines if line.last_seen < days[-6]
    }


@pytest.mark.slow
def test_churn_is_that_of_the_parquet_file(membership: dict[date, list[SymbolRow]], market_data: Path) -> None:
    """Compare the additions and removals from day to day with first and last days counted by Polars."""
    table = pl.read_parquet(market_data / "asx_list" / "asx_directory_membership_2023_2026.parquet")
    steady = table.filter(pl.col("days_missing_between") == 0)
    codes = set(steady["symbol"])
    days = sorted(membership)
    lists = [
        DayList(day=day, rows=tuple(row for row in membership[day] if row.symbol in codes and len(row.symbol) == 3))
        for day in days
    ]
    came, went = Counter[date](), Counter[date]()
    for before, after in pairwise(lists):
        found = changes(before, after)
        came[after.day], went[after.day] = len(found.additions), len(found.removals)
    companies = steady.filter(pl.col("symbol").str.len_chars() == 3)
    first = Counter(companies["first_seen"].to_list())
    last = Counter(companies["last_seen"].to_list())
    assert came == {day: first[day] for day in days[1:]}
    assert went == {day: last[before] for before, day in pairwise(days)}
    assert sorted(came.values())[len(came) // 2] <= 1, "about one a day, as the source's churn is"
