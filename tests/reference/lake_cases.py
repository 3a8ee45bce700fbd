"""Random lakes: answers about a few bars that overlap, lack bars, change scale, and verdicts on them."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
from hypothesis import strategies as st

from stockstream.lake import Lake, cache, gathered, remembered, tables

MONDAY = dt.date(2024, 1, 1)
CONTENT = ("open", "high", "low", "close", "volume", "adjusted_close")
COLUMNS = ("symbol", "date", *CONTENT)


def stamp(hour):
    """Return an instant some hours after the ninth of the days, in whose midst provisional rows are."""
    moment = dt.datetime(2024, 1, 9, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def bar(symbol, day, price, volume, fetched):
    prices = dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), float(price))
    return {"symbol": symbol, "date": MONDAY + dt.timedelta(day), **prices, "volume": volume, "fetched": stamp(fetched)}


@st.composite
def snapshots(draw):
    """Draw answers about one symbol: windows of days with holes, fetched hours apart, prices from few."""
    symbol, fetched = draw(st.sampled_from("AB")), draw(st.integers(0, 9))
    first = draw(st.integers(0, 9))
    days = [day for day in range(first, first + draw(st.integers(1, 6))) if draw(st.integers(0, 3))]
    volume = st.none() | st.integers(0, 1)
    return [bar(symbol, day, draw(st.integers(1, 2)), draw(volume), fetched) for day in days]


@st.composite
def verdict(draw):
    return {
        "symbol": draw(st.sampled_from("AB")),
        "date": MONDAY + dt.timedelta(draw(st.integers(0, 12))),
        "fetched": draw(st.none() | st.integers(0, 9).map(stamp)),
        "hides": draw(st.sampled_from([True, True, False, None])),
        "decided_at": stamp(draw(st.integers(0, 12))),
    }


def file_by_file(patch):
    """Let batches be read one after the other, as those of a large lake are."""
    patch.setattr(gathered, "_AT_ONCE", 1)
    patch.setattr(gathered, "_session", lambda path: path)


def read_before(patch, lake, read):
    """Let a process read and end, which leaves what it was told of the batches on the disk for the next reading."""
    folder = Path(str(lake.location)) / "kept"
    patch.setattr(remembered, "LEAST_FILES", 1)
    patch.setattr(tables, "_ROWS_A_PIECE", 0)  # newer rows laid in by pieces, as among those of a large lake
    patch.setattr(cache, "default_folder", lambda: folder)
    remembered.forget()
    read()
    remembered.forget()


def filled(folder, answers, verdicts):
    lake = Lake(folder)
    for rows in answers:
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        lake.write_rows(columns | {"fetch_timestamp": [row["fetched"] for row in rows]}, session=MONDAY)
    for number, each in enumerate(verdicts, start=1):
        write_verdict(lake, number, each)
    return lake


def write_verdict(lake, number, each):
    folder = Path(str(lake.location)) / "quarantine"
    folder.mkdir(exist_ok=True)
    values = [each[name] for name in ("symbol", "date", "fetched", "hides", "decided_at")]
    names = "?::VARCHAR AS symbol, ?::DATE AS date, ?::VARCHAR AS fetch_timestamp, ?::BOOLEAN AS hides"
    query = f"SELECT {names}, ?::VARCHAR AS decided_at, 'test' AS reason"
    duckdb.sql(query, params=values).write_parquet(str(folder / f"2024-01-01-batch-{number}.parquet"))


DAYS = [dt.date(2024, 1, 1) + dt.timedelta(day) for day in range(40)]
PATH = [round(2 + 0.5 * np.sin(day / 3), 3) for day in range(40)]


def daily(number):
    return (dt.datetime(2024, 3, 1, tzinfo=dt.UTC) + dt.timedelta(number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def answer(number, days, scale=1.0, changed=(), volume=100, **more):
    """Return one answer: the path on a scale, on some days another price."""
    prices = {day: PATH[day] * scale for day in days} | {day: price for day, price in changed if day in days}
    flat = {name: list(prices.values()) for name in ("open", "high", "low", "close")}
    return {
        "symbol": ["A"] * len(prices), "date": [DAYS[day] for day in prices], **flat, "volume": [volume] * len(prices),
        "fetch_timestamp": [daily(number)] * len(prices), **more,
    }  # fmt: skip


@st.composite
def histories(draw):
    """Draw successive answers: windows that move on, with holes and corrections, now and then on another scale."""
    answers, scale, first = [], 1.0, 0
    for number in range(draw(st.integers(2, 6))):
        scale = draw(st.sampled_from([scale, scale, 1.0, 10.0, 0.05, 1.0168]))
        size = draw(st.sampled_from([3, 12, 14, 16]))
        days = [day for day in range(first, min(first + size, 40)) if draw(st.integers(0, 15))]
        if days:
            changed = draw(st.lists(st.tuples(st.sampled_from(days), st.just(7.0)), max_size=2))
            answers.append(answer(number, days, scale, changed))
        first = min(max(first + draw(st.sampled_from([0, 1, 3, -4])), 0), 30)
    return answers
