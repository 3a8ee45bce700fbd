"""Instants, and who was listed at one."""

import datetime as dt
from pathlib import Path

import exchange_calendars
import pytest

from stockstream.errors import LakeError, ParameterError
from stockstream.lake import Lake
from stockstream.lake.as_of import EXCHANGES, instant

HEADER = "listing_id,symbol,name,listing_date,first_seen,last_seen"


@pytest.mark.filterwarnings("ignore")  # the calendar of Hong Kong uses what pandas and NumPy will remove
@pytest.mark.parametrize("code", EXCHANGES)
def test_the_exchanges_are_those_of_the_calendar_library(code):
    calendar = exchange_calendars.get_calendar(code)
    assert EXCHANGES[code] == (calendar.tz.key, calendar.close_times[-1][1])


@pytest.mark.parametrize(
    ("as_of", "exchange", "expected"),
    [
        (dt.date(2024, 7, 1), "XASX", "2024-07-01T13:59:59.999999Z"),  # winter: ten hours ahead
        ("2024-01-01", "XASX", "2024-01-01T12:59:59.999999Z"),
        ("2024-04-06", "XASX", "2024-04-06T12:59:59.999999Z"),
        ("2024-04-07", "XASX", "2024-04-07T13:59:59.999999Z"),  # the day on which summer time ends
        ("2024-01-01", "XNYS", "2024-01-02T04:59:59.999999Z"),
        ("2024-01-01T05:00:00+11:00", "XASX", "2023-12-31T18:00:00.000000Z"),
        (dt.datetime(2024, 1, 1, 5, tzinfo=dt.UTC), "XASX", "2024-01-01T05:00:00.000000Z"),
    ],
)
def test_instants(as_of, exchange, expected):
    assert instant(as_of, exchange) == expected


@pytest.mark.parametrize("as_of", ["2024-01-01T05:00:00", dt.datetime(2024, 1, 1), "yesterday", "2024-13-01", 5])
def test_what_is_no_instant_is_refused(as_of, tmp_path):
    with pytest.raises(ParameterError, match=r"expected as_of .*; found"):
        instant(as_of)


def test_an_unknown_exchange_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"found 'XASC'\. Did you mean 'XASX'\?"):
        Lake(tmp_path, exchange="XASC")


def put(lake, *lines, lists):
    folder = Path(str(lake.location)) / "symbols"
    folder.mkdir(exist_ok=True)
    if lines:
        (folder / "listings.csv").write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    for day, codes in lists.items():
        text = "symbol,name,sector,market_cap\n" + "".join(f"{code},Name,Sector,\n" for code in codes)
        (folder / f"2024-01-{day:02}-symbols.csv").write_text(text, encoding="utf-8")


def test_the_universe_of_a_day_knows_who_left_and_which_company_a_code_was(tmp_path):
    lake = Lake(tmp_path)
    put(
        lake,
        "A.1,A,Alpha,,2024-01-01,2024-01-30",
        "C.1,C,Old,,2024-01-01,2024-01-04",
        "C.2,C,New,,2024-01-12,2024-01-30",
        "D.1,D,Gone,,2024-01-01,2024-01-10",
        "E.1,E,Late,,2024-01-29,2024-01-29",  # the last list left it out: that says nothing yet
        lists={day: [] for day in range(1, 31)},
    )
    assert lake.universe("2024-01-01") == ("A", "C.1", "D")
    assert lake.universe("2024-01-08") == ("A", "D")
    assert lake.universe(dt.date(2024, 1, 12)) == ("A", "C")
    assert lake.universe("2024-01-11T20:00:00Z") == ("A", "C")  # the 12th in Sydney
    assert lake.universe() == lake.universe("2024-03-01") == ("A", "C", "E")
    with pytest.raises(LakeError, match="2023-12-31 is not known: the first list of companies is of 2024-01-01"):
        lake.universe("2023-12-31")


def test_without_listings_the_universe_is_the_last_list(tmp_path):
    lake = Lake(tmp_path)
    with pytest.raises(LakeError, match="has no list of companies"):
        lake.universe()
    put(lake, lists={2: ["B", "A", "INF"], 9: ["A"]})
    assert lake.universe("2024-01-08") == ("A", "B", "INF")
    assert lake.universe() == ("A",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: expected a column symbol"),
        (b"code,name\nA,x\n", "line 1: expected a column symbol"),
        (b"symbol,name,sector,market_cap\nA,x,y,1\nB,x", "line 3: expected 4 fields; found 2"),
        (
            b'symbol,name,sector,market_cap\nA,x,y,1\nB,"x',
            "line 3: expected comma-separated fields; found unexpected end",
        ),
        (b"symbol,name,sector,market_cap\n A ,x,y,1\n", "line 2: expected a symbol; found ' A '"),
        (b"symbol,name,sector,market_cap\nA\x00,x,y,1\n", r"line 2: expected a symbol; found 'A\\x00'"),
        (b"\xff\xfe\x00symbol", "line 1: expected UTF-8 text; found the byte 0xff"),
    ],
)
def test_a_list_that_is_cut_short_or_foreign_is_no_list(tmp_path, content, words):
    lake = Lake(tmp_path)
    put(lake, lists={2: ["A", "B"], 9: ["A"]})
    path = tmp_path / "symbols" / "2024-01-09-symbols.csv"
    path.write_bytes(content)
    with pytest.raises(LakeError, match=rf"{path}, {words}"):
        lake.universe()
    assert lake.universe("2024-01-08") == ("A", "B")  # the lists before it are not hidden


def test_a_reused_code_is_split_as_of_any_instant(tmp_path):
    lake = Lake(tmp_path)
    put(lake, "C.1,C,Old,,2024-01-01,2024-01-04", "C.2,C,New,,2024-01-12,2024-01-30", lists={})
    days = [dt.date(2024, 1, day) for day in (2, 3, 15, 16)]
    closes = [1.0, 1.0, 100.0, 100.0]
    flat = dict.fromkeys(("open", "high", "low", "close"), closes)
    for day in (17, 18):
        flat["close"] = flat["high"] = [close * (1 if day == 17 else 1.5) for close in closes]
        rows = {"symbol": ["C"] * 4, "date": days, "volume": [1] * 4, **flat}
        lake.write_rows(rows, fetched_at=dt.datetime(2024, 1, day, tzinfo=dt.UTC))
    assert lake.bars("C", as_of="2024-01-17").close.tolist() == [[100, 100]]
    assert lake.bars("C.1", as_of="2024-01-17").close.tolist() == [[1, 1]]
    assert lake.bars(["C.1", "C"]).select(["C.1"]).close[0][:2].tolist() == [1.5, 1.5]
