"""What a query must read of a lake: files and row groups whose statistics exclude its rows are left alone."""

import datetime as dt

import numpy as np
import pyarrow.parquet as pq
import pytest

from stockstream.errors import LakeError
from stockstream.lake import Lake
from stockstream.lake.write import ROW_GROUP_SIZE

JUNE_30 = dt.date(2005, 6, 30)
DAYS = [dt.date(2000, 1, 3) + dt.timedelta(days=n) for n in range(2000)]


def rows(symbols, days):
    count = len(symbols) * len(days)
    level = 10.0 + np.arange(count) % 7
    return {
        "symbol": np.repeat(np.array(symbols, dtype=object), len(days)),
        "date": np.tile(np.array(days, dtype="datetime64[D]"), len(symbols)),
        **dict.fromkeys(("open", "high", "low", "close"), level),
        "volume": np.arange(count),
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Give a lake of one large file of sixty symbols and three small ones of a week of all of them."""
    lake = Lake(tmp_path_factory.mktemp("explain") / "lake")
    symbols = [f"S{number:02}" for number in range(60)]
    lake.write_rows(rows(symbols, DAYS), fetched_at=dt.datetime(2006, 1, 1, tzinfo=dt.UTC))
    for week in range(3):
        days = [DAYS[-1] + dt.timedelta(days=7 * week + n) for n in range(1, 8)]
        lake.write_rows(rows(symbols, days), fetched_at=dt.datetime(2006, 1, 2 + week, tzinfo=dt.UTC))
    return lake


def groups(lake):
    """Return (first symbol, last symbol, first date, last date, bytes) of every row group, as PyArrow reads them."""
    found = []
    for path in lake.location.batches("raw-data"):
        metadata = pq.ParquetFile(path).metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            symbol, date = (group.column(place).statistics for place in (0, 1))
            size = sum(group.column(place).total_compressed_size for place in range(group.num_columns))
            found.append((symbol.min, symbol.max, date.min, date.max, size))
    return found


def test_all_is_all(lake):
    told = lake.explain("SELECT * FROM raw_prices")
    assert (told.files, told.all_files) == (4, 4)
    assert told.row_groups == told.all_row_groups == len(groups(lake)) == -(-60 * 2000 // ROW_GROUP_SIZE) + 3
    assert told.rows == told.all_rows == 60 * 2000 + 3 * 60 * 7
    assert told.bytes == told.all_bytes == sum(group[-1] for group in groups(lake))
    assert str(told).startswith("4 of 4 files, 7 of 7 row groups, ")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("symbol = 'S07'", lambda s0, s1, d0, d1: s0 <= "S07" <= s1),
        ("symbol IN ('S01', 'S59')", lambda s0, s1, d0, d1: s0 <= "S01" <= s1 or s0 <= "S59" <= s1),
        ("symbol BETWEEN 'S20' AND 'S30'", lambda s0, s1, d0, d1: s0 <= "S30" and s1 >= "S20"),
        ("date > '2005-07-02'", lambda s0, s1, d0, d1: d1 > dt.date(2005, 7, 2)),
        ("symbol < 'S02' AND date = '2005-06-30'", lambda s0, s1, d0, d1: s0 < "S02" and d0 <= JUNE_30 <= d1),
        ("symbol = 'it''s' AND close > 1", lambda s0, s1, d0, d1: False),
    ],
)  # fmt: skip
def test_filters_leave_only_the_row_groups_that_can_hold_such_rows(lake, condition, holds):
    told = lake.explain(f"SELECT * FROM raw_prices WHERE {condition}")
    wanted = [group for group in groups(lake) if holds(*group[:4])]
    assert told.row_groups == len(wanted) < told.all_row_groups
    assert told.bytes == sum(group[-1] for group in wanted)


def test_values_of_parameters_and_columns_count_too(lake):
    whole = lake.explain("SELECT * FROM raw_prices WHERE symbol = $name", {"name": "S07"})
    narrow = lake.explain("SELECT max(close) FROM raw_prices WHERE symbol = ?", ["S07"])
    assert narrow.row_groups == whole.row_groups == lake.explain("FROM raw_prices WHERE symbol = 'S07'").row_groups
    assert narrow.bytes < whole.bytes / 2


def test_a_date_beyond_the_large_file_needs_the_small_ones_alone(lake):
    told = lake.explain("SELECT * FROM raw_prices WHERE date > '2005-07-02'")
    assert (told.files, told.rows) == (2, 2 * 60 * 7)


def test_the_prices_of_few_symbols_need_a_part_of_the_bytes(lake):
    everything = lake.explain("SELECT * FROM prices")
    few = lake.explain("SELECT * FROM prices WHERE symbol = 'S07'")
    keys = lake.explain("SELECT symbol, date, fetch_timestamp FROM raw_prices")
    raw = lake.explain("SELECT * FROM raw_prices WHERE symbol = 'S07'")
    assert raw.bytes <= few.bytes <= raw.bytes + keys.bytes < everything.bytes
    assert everything.bytes <= everything.all_bytes


def test_adjusted_prices_are_made_of_all_rows(lake):
    told = lake.explain("SELECT max(close) FROM prices_adjusted WHERE symbol = 'S07'")
    assert told.bytes == told.all_bytes


def test_what_cannot_be_asked_cannot_be_explained(lake):
    for query in ("DROP VIEW prices", "SELECT 1; SELECT 2", "FROM duckdb_secrets()", "SELECT nothing FROM prices"):
        with pytest.raises(LakeError):
            lake.explain(query)
