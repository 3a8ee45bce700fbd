"""What holds for listings made of any lists: the past never changes, and it does not matter how many came at once."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from stockstream.ingest.listing_history import extend, rebuild, text_of
from stockstream.ingest.sources import SymbolRow
from stockstream.lake.listings import Listings

CODES = ("AAA", "BBB", "360", "NAN")
DATES = (None, date(1999, 8, 4), date(2020, 1, 2))

rows = st.builds(
    SymbolRow,
    symbol=st.sampled_from(CODES),
    name=st.sampled_from(("One", "Two", "")),
    listing_date=st.sampled_from(DATES),
)
one_list = st.lists(rows, max_size=4, unique_by=lambda row: row.symbol)
gaps = st.sampled_from((1, 1, 1, 2, 30, 400))
histories = st.lists(st.tuples(gaps, one_list), min_size=1, max_size=12)


def dated(history: list[tuple[int, list[SymbolRow]]]) -> dict[date, list[SymbolRow]]:
    day, lists = date(2023, 1, 1), {}
    for gap, companies in history:
        day += timedelta(days=gap)
        lists[day] = companies
    return lists


@given(histories)
def test_one_list_after_another_gives_what_all_at_once_give(history: list[tuple[int, list[SymbolRow]]]) -> None:
    lists = dated(history)
    step: list = []
    for day, companies in lists.items():
        if companies:  # an empty list is never stored
            step = extend(step, day, companies)
    stored = {day: companies for day, companies in lists.items() if companies}
    assert text_of(step) == text_of(rebuild(stored))


@given(histories)
def test_later_lists_change_no_listing_but_its_end(history: list[tuple[int, list[SymbolRow]]]) -> None:
    lists = dated(history)
    days = sorted(lists)
    whole = {line.listing_id: line for line in rebuild(lists)}
    for stop in range(1, len(days)):
        for line in rebuild({day: lists[day] for day in days[:stop]}):
            later = whole[line.listing_id]
            assert (later.symbol, later.first_seen) == (line.symbol, line.first_seen)
            assert later.last_seen >= line.last_seen


@given(histories)
def test_every_company_of_every_list_is_in_one_listing_and_the_lake_reads_them(
    history: list[tuple[int, list[SymbolRow]]],
) -> None:
    lists = dated(history)
    lines = rebuild(lists)
    Listings(lines, lists)  # ids differ, and listings of one code never overlap
    for day, companies in lists.items():
        for row in companies:
            assert sum(line.symbol == row.symbol and line.first_seen <= day <= line.last_seen for line in lines) == 1
    seen = {(line.symbol, day) for line in lines for day in (line.first_seen, line.last_seen)}
    assert seen <= {(row.symbol, day) for day, companies in lists.items() for row in companies}
