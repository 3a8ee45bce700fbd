"""What a lake of the world's stocks would cost: bytes a row and CPU measured on real prices, the rest computed.

Run with ``python -m docs.lake_at_scale FOLDER``, FOLDER holding real daily prices: it prints the tables of
``docs/lake-at-scale.md``.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stockstream.lake import Lake
from stockstream.lake.write import ROW_GROUP_SIZE

SYMBOLS, YEARS, SESSIONS = 60_000, 30, 252
BATCH = 100
OVERLAP = 30  # sessions in the 45 days that each run asks for again
CURATED_FILE = 128 << 20

#: List prices of AWS in Sydney in US dollars; look them up before relying on them.
GB_MONTH, PUT, GET, ATHENA_TB = 0.025, 0.0055 / 1000, 0.00044 / 1000, 5.0

#: Assumed, not measured: seconds to the first byte of an object, bytes a second altogether, requests at once.
FIRST_BYTE, BANDWIDTH, AT_ONCE = 0.03, 100e6, 16


@dataclass(frozen=True)
class Measured:
    """What was measured: bytes a row in files of each kind, CPU seconds a row of reading."""

    batch_row: float
    curated_row: float
    batch_file: float
    read_row: float


def measure(folder: Path) -> Measured:
    """Write real prices as batches of a run and as one large file, and read the large one."""
    market = pl.read_parquet(folder / "asx_yahoo_2024_2026.parquet").select(
        "symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close"
    )
    market = market.filter(pl.min_horizontal("open", "high", "low", "close") > 0).drop_nulls()
    stamp = dt.datetime(2025, 1, 6, 8, tzinfo=dt.UTC)
    with tempfile.TemporaryDirectory() as place:
        small, large = Lake(Path(place) / "small"), Lake(Path(place) / "large")
        days = market.get_column("date").unique().sort()
        names = market.get_column("symbol").unique().sort()[:BATCH].to_list()
        rows = 0
        for end in range(60, 460, 80):
            asked = pl.col("symbol").is_in(names) & pl.col("date").is_between(days[end - OVERLAP], days[end])
            rows += small.write_rows(market.filter(asked), fetched_at=stamp).rows
        large.write_rows(market, fetched_at=stamp)
        batches = small.location.batch_files("raw-data")
        whole = large.location.batch_files("raw-data")[0]
        cpu = time.process_time()
        pl.read_parquet(large.location.url(whole.name))
        cpu = time.process_time() - cpu
        size = sum(file.size for file in batches)
        return Measured(size / rows, whole.size / market.height, size / len(batches), cpu / market.height)


def money(dollars: float) -> str:
    """Return dollars and cents."""
    return f"${dollars:,.2f}"


def report(found: Measured) -> None:
    """Print the tables."""
    rows = SYMBOLS * YEARS * SESSIONS
    curated = rows * found.curated_row
    files = -(-int(curated) // CURATED_FILE)
    daily_files = -(-SYMBOLS // BATCH)
    daily = SYMBOLS * (OVERLAP + 1) * found.batch_row
    print("| measured on real prices | |\n|---|---:|")
    print(f"| bytes a row, batches of a daily run ({BATCH} symbols, {OVERLAP + 1} sessions) | {found.batch_row:.1f} |")
    print(f"| bytes a row, one large sorted file | {found.curated_row:.1f} |")
    print(f"| CPU time to read a million rows of it whole | {found.read_row * 1e9:.0f} ms |\n")
    print("| computed | rows | files | bytes |\n|---|---:|---:|---:|")
    print(f"| history, compacted | {rows / 1e6:,.0f} million | {files:,} | {curated / 1e9:,.1f} GB |")
    print(f"| one day's run | {SYMBOLS * (OVERLAP + 1) / 1e6:,.2f} million | {daily_files:,} | {daily / 1e6:,.0f} MB |")
    yearly = SESSIONS * daily
    print(f"| a year of runs, not compacted | {SYMBOLS * (OVERLAP + 1) * SESSIONS / 1e6:,.0f} million | "
          f"{daily_files * SESSIONS:,} | {yearly / 1e9:,.1f} GB |\n")  # fmt: skip
    print("| estimated | requests | bytes | seconds | dollars |\n|---|---:|---:|---:|---:|")
    print(f"| storing the history, a month | | {curated / 1e9:,.1f} GB | | {money(curated / 1e9 * GB_MONTH)} |")
    print(f"| writing a day's run | {daily_files:,} PUT | {daily / 1e6:,.0f} MB | | ${daily_files * PUT:.4f} |")
    group = ROW_GROUP_SIZE * found.curated_row
    groups = 2  # a symbol's 7,560 rows lie in one row group or across two
    for label, count, size in (
        ("10 symbols of the compacted history", 10 * groups + 2 * files, 10 * groups * group),
        ("all of the compacted history", 5 * files, curated),
        ("a year of runs, not compacted, cold", daily_files * SESSIONS, yearly),
    ):
        seconds = -(-count // AT_ONCE) * FIRST_BYTE + size / BANDWIDTH
        print(f"| reading {label} | {count:,} GET | {size / 1e6:,.0f} MB | {seconds:,.1f} | ${count * GET:.4f} |")
    lists = -(-daily_files * SESSIONS // 1000)
    print(f"| listing a year of runs | {lists:,} LIST | | {lists * FIRST_BYTE:,.1f} | ${lists * PUT:.4f} |")
    columns = 0.25
    print(f"| one Athena query over three of nine columns of all | | {curated * columns / 1e9:,.1f} GB | | "
          f"{money(curated * columns / 1e12 * ATHENA_TB)} |")  # fmt: skip


if __name__ == "__main__":
    report(measure(Path(sys.argv[1])))
