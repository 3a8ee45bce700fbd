"""Listings: which company a code belonged to on which day, and which have ended."""

import datetime as dt
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stockstream as ss
from stockstream.errors import LakeError, UnknownNameError
from stockstream.indicators import SMA
from stockstream.lake import Lake
from stockstream.lake.listings import LISTINGS, Listing, Listings

HEADER = "listing_id,symbol,name,listing_date,first_seen,last_seen"
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(20)]
NEWEST = DAYS[-1]


def day(number):
    return DAYS[number].isoformat()


def rows(symbol, closes, days=DAYS):
    """Return the rows of a symbol; None is a day without a bar."""
    kept = [(d, float(c)) for d, c in zip(days, closes, strict=True) if c is not None]
    closes = [close for _, close in kept]
    return {
        "symbol": [symbol] * len(kept), "date": [d for d, _ in kept], "volume": [1000] * len(kept),
        "open": closes, "high": closes, "low": closes, "close": closes,
    }  # fmt: skip


def put(lake, *lines, lists=DAYS, header=HEADER):
    folder = Path(str(lake.location)) / "symbols"
    folder.mkdir(exist_ok=True)
    (folder / "listings.csv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    for listed in lists:
        (folder / f"{listed}-symbols.csv").write_text("symbol,name,sector,market_cap\n", encoding="utf-8")


def bought_at_first(bars):
    """Decide on the first session to buy ten shares of the first symbol, and hold them."""
    buys = np.zeros(bars.shape, dtype=bool)
    buys[0, 0] = True
    hold = ss.SignalStrategy(enter_long=buys)
    return ss.backtest(hold, bars, cash=1000, delist_loss=0.25, sizing=ss.Sizing.shares(10))


@pytest.fixture
def lake(tmp_path):
    """A and B on 20 days; C is one company at 1 for 8 days, then another at 100 from the 13th."""
    lake = Lake(tmp_path)
    lake.write_rows(rows("A", [10] * 10 + [None] * 10))
    lake.write_rows(rows("B", range(20, 40)))
    lake.write_rows(rows("C", [1] * 8 + [None] * 4 + [100] * 8))
    return lake


A = f"A.1,A,Alpha,,{day(0)},{day(9)}"
B = f"B.1,B,Beta,1990-01-31,{day(0)},{day(19)}"
C = (f"C.1,C,Old,1980-01-31,{day(0)},{day(7)}", f"C.2,C,New,,{day(12)},{day(19)}")


# ---- without the file --------------------------------------------------------------------------------------------


def test_without_the_file_nothing_is_inferred(lake):
    put(lake, A)
    (Path(str(lake.location)) / LISTINGS).unlink()
    bars = lake.bars()
    assert bars.symbols == ("A", "B", "C")
    assert bars.delisted == {}
    assert "listings" not in bars.provenance
    assert bars["C"].close[0][[0, 19]].tolist() == [1.0, 100.0]
    frame = lake.listings()
    assert frame.height == 0
    assert frame.columns == [*HEADER.split(","), "bars_symbol", "delisted"]


def test_the_end_of_the_prices_is_no_delisting(lake):
    put(lake, A.replace(day(9), day(19)), B)
    assert lake.bars().delisted == {}


# ---- what has ended ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("absences", "ended"), [(4, False), (5, True)])
def test_a_listing_has_ended_after_five_lists_without_it(lake, absences, ended):
    last = 19 - absences
    put(lake, A.replace(day(9), day(last)), B)
    assert lake.bars("A").delisted == ({"A": DAYS[last]} if ended else {})


def test_lists_are_counted_and_not_days(lake):
    put(lake, A, B, lists=[*DAYS[:10], *DAYS[16:]])
    assert lake.bars().delisted == {}
    put(lake, A, B, lists=[DAYS[15]])
    assert lake.bars().delisted == {"A": DAYS[9]}


def test_the_dates_in_the_file_are_lists_too(lake):
    others = [f"X{n}.1,X{n},Other,,{day(0)},{day(n)}" for n in range(10, 14)]
    put(lake, A, B, *others, lists=[])
    assert lake.bars().delisted == {"A": DAYS[9]}
    put(lake, A, B, *others[:-1], lists=[])
    assert lake.bars().delisted == {}


def test_a_range_knows_no_delisting_after_it(lake):
    put(lake, A, B)
    assert lake.bars(end=day(8)).delisted == {}
    assert lake.bars(end=day(9)).delisted == {"A": DAYS[9]}
    assert lake.bars("B").delisted == {}


def test_a_delisted_holding_is_sold_on_the_session_after_at_its_mark_less_the_loss(lake):
    put(lake, A, B)

    result = bought_at_first(lake.bars(["A", "B"]))
    sold = result.fills.filter(pl.col("symbol") == "A").row(-1, named=True)
    assert (sold["date"], sold["side"], sold["quantity"], sold["price"]) == (DAYS[10], "sell", 10.0, 7.5)
    assert result.trades.filter(pl.col("symbol") == "A")["exit_reason"].to_list() == ["delisted"]
    (Path(str(lake.location)) / LISTINGS).unlink()
    assert bought_at_first(lake.bars(["A", "B"])).trades.filter(pl.col("symbol") == "A")["open"].to_list() == [True]


# ---- reused codes ------------------------------------------------------------------------------------------------


def test_a_reused_code_is_two_series(lake):
    put(lake, A, B, *C)
    bars = lake.bars()
    assert bars.symbols == ("A", "B", "C", "C.1")
    assert bars.provenance["listings"] == LISTINGS
    old, new = bars["C.1"].close[0], bars["C"].close[0]
    assert old[:8].tolist() == [1.0] * 8
    assert np.isnan(old[8:]).all()
    assert np.isnan(new[:12]).all()
    assert new[12:].tolist() == [100.0] * 8
    assert bars.delisted == {"A": DAYS[9], "C.1": DAYS[7]}


def test_the_code_is_its_latest_company_and_an_earlier_one_comes_by_name(lake):
    put(lake, A, B, *C)
    assert lake.bars("C").close.tolist() == [[100.0] * 8]
    assert lake.bars("C").delisted == {}
    assert lake.bars("C.1").close.tolist() == [[1.0] * 8]
    both = lake.bars(["C.1", "B", "C"])
    assert both.symbols == ("C.1", "B", "C")
    np.testing.assert_array_equal(both.present.sum(axis=1), [8, 20, 8])


def test_a_name_without_rows_is_told_apart_from_no_name(lake):
    put(lake, A, B, *C, f"D.1,D,Gone,,{day(0)},{day(1)}", f"D.2,D,Here,,{day(5)},{day(19)}")
    with pytest.raises(UnknownNameError, match=r"no symbol 'C\.2'; it holds A, B, C"):
        lake.bars("C.2")
    with pytest.raises(LakeError, match=r"D\.1: no prices between"):
        lake.bars("D.1")
    with pytest.raises(LakeError, match=r"C: no prices between the beginning and 2024-01-05"):
        lake.bars("C", end=day(4))


def test_dividends_and_splits_go_with_their_company(tmp_path):
    lake = Lake(tmp_path)
    table = rows("C", [10] * 8 + [None] * 4 + [100] * 8)
    days = table["date"]
    table["dividend"] = [1.0 if d == DAYS[6] else None for d in days]
    table["split"] = [2.0 if d == DAYS[15] else None for d in days]
    lake.write_rows(table)
    together = lake.bars("C")
    put(lake, *C)
    assert together.price_factor[0][0] == pytest.approx(0.45)
    old, new = lake.bars("C.1"), lake.bars("C")
    np.testing.assert_allclose(old.close[0], [9.0] * 6 + [10.0] * 2, rtol=1e-15)
    np.testing.assert_allclose(old.price_factor[0], [0.9] * 6 + [1.0] * 2, rtol=1e-15)
    np.testing.assert_allclose(new.price_factor[0], [0.5] * 3 + [1.0] * 5, rtol=1e-15)
    np.testing.assert_array_equal(lake.bars("C.1", adjust="none").dividend[0], [np.nan] * 6 + [1.0, np.nan])


def test_an_average_never_reaches_into_the_company_before(lake):
    put(lake, A, B, *C)
    bars = lake.bars()
    c = SMA(5)(bars)[bars.row("C")]
    assert c[16:].tolist() == [100.0] * 4
    assert np.isnan(c[:16]).all()


def test_a_holding_does_not_become_one_of_the_next_company(lake):
    put(lake, A, B, *C)
    trades = bought_at_first(lake.bars(["C.1", "C", "B"])).trades
    assert trades.select("symbol", "exit_date", "exit_price", "exit_reason").rows() == [
        ("C.1", DAYS[8], 0.75, "delisted")
    ]


def test_the_frame_says_what_bars_call_a_listing_and_when_it_ended(lake):
    put(lake, B, *C, A)
    assert lake.listings().select("listing_id", "bars_symbol", "listing_date", "delisted").rows() == [
        ("A.1", "A", None, DAYS[9]),
        ("B.1", "B", dt.date(1990, 1, 31), None),
        ("C.1", "C.1", dt.date(1980, 1, 31), DAYS[7]),
        ("C.2", "C", None, None),
    ]


@pytest.mark.parametrize(
    ("listed", "last"),
    [
        (None, 9),  # nearer to the 8th (seen) than to the 13th (first seen): the 9th and 10th
        (DAYS[10], 8),  # listed on the 11th, two lists before the first that has it
        (dt.date(1971, 1, 1), 9),  # a company that took the code over keeps its own old listing date
        (DAYS[15], 9),  # seen before it was listed
    ],
)
def test_rows_between_two_listings_belong_to_the_nearer(listed, last):
    old = Listing("C.1", "C", "", None, DAYS[0], DAYS[7], 2)
    new = Listing("C.2", "C", "", listed, DAYS[12], DAYS[19], 3)
    first, second = Listings([new, old]).spans()
    assert (first.called, first.last, second.called, second.first) == ("C.1", DAYS[last], "C", DAYS[last + 1])
    assert (first.first, second.last) == (dt.date.min, dt.date.max)


@given(st.lists(st.integers(0, 400), min_size=4, max_size=10, unique=True))
def test_every_day_of_a_code_has_one_company_and_seen_days_their_own(numbers):
    edges = [DAYS[0] + dt.timedelta(days=n) for n in sorted(numbers[: len(numbers) // 2 * 2])]
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    listings = Listings([Listing(f"C.{n}", "C", "", None, *pair, n) for n, pair in enumerate(pairs, 1)])
    spans = listings.spans()
    for before, after in pairwise(spans):
        assert after.first - before.last == dt.timedelta(days=1)
    for (first, last), span in zip(pairs, spans, strict=True):
        assert span.first <= first <= last <= span.last
    for number in range(-5, 406):
        at = DAYS[0] + dt.timedelta(days=number)
        (owner,) = (n for n, span in enumerate(spans) if span.first <= at <= span.last)
        away = [max(first - at, at - last, dt.timedelta()) for first, last in pairs]
        assert away[owner] == min(away)


# ---- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "number", "problem"),
    [
        ([A, "B.1,B,Beta"], 3, "expected 6 fields; found 3"),
        ([A.replace(day(9), "soon")], 2, "expected last_seen as a date like 2024-01-31; found 'soon'"),
        ([A.replace(day(9), "")], 2, "expected last_seen as a date"),
        ([B.replace("1990-01-31", "31/01/1990")], 2, "expected listing_date as a date"),
        ([f"A.1,A,,,{day(3)},{day(2)}"], 2, "expected first_seen on or before last_seen"),
        ([f",A,,,{day(0)},{day(2)}"], 2, "expected a listing_id"),
        ([f"A.1, A,,,{day(0)},{day(2)}"], 2, "expected a symbol without spaces around it; found ' A'"),
        ([A, A.replace("A.1,A", "A.1,Q")], 3, "each listing_id once; found 'A.1' on line 2 too"),
        ([C[1], C[0].replace(day(7), day(12))], 2, "expected C.2 to be first seen after 2024-01-13"),
        ([B, C[0].replace("C.1", "B"), C[1]], 3, "expected a listing_id that is no code, such as C.1"),
        ([A, f'B.1,B,"Beta,,{day(0)},{day(2)}'], 3, "expected comma-separated fields"),
    ],
)
def test_a_malformed_line_is_named_with_what_to_do(lake, lines, number, problem):
    put(lake, *lines)
    for read in (lake.bars, lake.listings):
        with pytest.raises(LakeError) as caught:
            read()
        message = str(caught.value)
        assert f"{Path(str(lake.location)) / LISTINGS}, line {number}: " in message
        assert problem in message
        assert "Correct the line, or remove the file" in message


def test_a_missing_column_is_named(lake):
    put(lake, A, header=HEADER.replace(",name", ""))
    with pytest.raises(LakeError, match=r"line 1: expected the columns .*; name missing"):
        lake.bars()


def test_bytes_that_are_no_text_are_named(lake):
    put(lake, A)
    file = Path(str(lake.location)) / LISTINGS
    file.write_bytes(file.read_bytes() + b"B.1,B,Caf\xe9,,,\n")
    with pytest.raises(LakeError, match=r"line 3: expected UTF-8 text; found the byte 0xe9"):
        lake.bars()


# ---- real codes --------------------------------------------------------------------------------------------------


def test_real_codes_that_were_reused_are_two_companies_each(tmp_path, market_data):
    """WDS was Westfield and is Woodside, ALD was Allied Gold or Allied and is Ampol, NEM was and is a gold miner."""
    frame = pl.read_parquet(market_data / "prices" / "asx_raw_top_2005_2024.parquet")
    codes = frame.filter(pl.col("symbol").is_in(["WDS", "ALD", "NEM", "BHP"])).select(*rows("", [], []))
    lake = Lake(tmp_path)
    lake.write_rows(codes)
    whole = lake.bars(["WDS", "ALD", "NEM"])
    lines = ["BHP.1,BHP,BHP,,2005-01-04,2024-05-31"]
    returned = {"WDS": "2022-05-25", "ALD": "2020-05-19"}
    days = {name: codes.filter(pl.col("symbol") == name)["date"].sort() for name in ("WDS", "ALD", "NEM")}
    for name, dates in days.items():
        gap = dates.diff().dt.total_days().arg_max()
        last, first = dates[gap - 1], dates[gap]
        assert (first - last).days > 1000
        assert first.isoformat() == returned.get(name, first.isoformat())
        lines += [f"{name}.1,{name},,,2005-01-04,{last}", f"{name}.2,{name},,,{first},2024-05-31"]
    put(lake, *lines, lists=[])
    bars = lake.bars()
    assert bars.symbols == ("ALD", "ALD.1", "BHP", "NEM", "NEM.1", "WDS", "WDS.1")
    assert sorted(bars.delisted) == ["ALD.1", "NEM.1", "WDS.1"]
    for name, dates in days.items():
        old, new = bars[f"{name}.1"], bars[name]
        assert not (old.present & new.present).any()
        assert int(old.present.sum() + new.present.sum()) == len(dates) == int(whole[name].present.sum())
        assert old.dates[old.present[0]][-1].item() == bars.delisted[f"{name}.1"]
        assert new.dates[new.present[0]][0] > old.dates[old.present[0]][-1]
