"""How fast a lake is read: compacted, beside one ideal file read by hand, and as raw batches.

``python -m benchmarks.lake_speed [--symbols 2000] [--days 2520] [--overlap 10]``. Every comparison is checked for
equality first, then run in turns; the best of the turns counts, in seconds of the process and of the clock. The last
year of runs stays in five raw batches a day until the last compaction.
"""

import argparse
import datetime as dt
import resource
import shutil
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from stockstream.bars import Bars
from stockstream.lake import Lake
from stockstream.schema import ROW_TYPES

COLUMNS = list(ROW_TYPES)
RUNS_A_COMPACTION = 252


def generate(root, symbols, days, overlap, batches):
    """Write the batches of daily runs that overlap, with 1 % of their rows revised by the run after; compact yearly."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(
        """CREATE TABLE truth AS
        SELECT 'S' || lpad(s::VARCHAR, 4, '0') AS symbol, s, d,
            DATE '2014-01-01' + CAST(d // 5 * 7 + d % 5 AS INTEGER) AS date,
            20 + s % 50 + round(5 * sin(d / 50.0 + s), 2) AS close, (s * 7919 + d * 104729) % 100 AS lot
        FROM range(?) AS a(s), range(?) AS b(d) ORDER BY d""",
        [symbols, days],
    )
    lake = Lake(root)
    raw = Path(root) / "raw-data"
    raw.mkdir(parents=True, exist_ok=True)
    for day in range(days):
        session = dt.date(2014, 1, 1) + dt.timedelta(day // 5 * 7 + day % 5)
        stamp = f"{session + dt.timedelta(1)}T06:00:00.000000Z"
        files = batches if day >= days - RUNS_A_COMPACTION else 1
        for batch in range(files):
            query = f"""
            SELECT symbol, date, price AS open, price + 0.5 AS high, price - 0.5 AS low, price AS close,
                (100000 + lot)::BIGINT AS volume, price AS adjusted_close, '{stamp}' AS fetch_timestamp
            FROM (SELECT *, CASE WHEN lot = 7 AND d = {day} THEN close + 0.01 ELSE close END AS price FROM truth
                WHERE d BETWEEN {day - overlap + 1} AND {day} AND s % {files} = {batch})
            ORDER BY symbol, date"""
            path = raw / f"{session}-batch-{batch + 1}.parquet"
            connection.sql(query).write_parquet(str(path), compression="zstd")
        if (days - day - 1) % RUNS_A_COMPACTION == 0 and day + 1 < days:
            lake.compact(expire=True, grace=dt.timedelta(0), keep=0)
    return lake


def best(functions, turns):
    """Run functions in turns; return name -> (processor seconds, clock seconds) of the best turn."""
    times = {name: [] for name in functions}
    for _ in range(turns):
        for name, function in functions.items():
            clock, process = time.perf_counter(), time.process_time()
            function()
            times[name].append((time.process_time() - process, time.perf_counter() - clock))
    return {name: min(found) for name, found in times.items()}


def show(title, times, bound):
    (first, ours), (second, theirs) = times.items()
    print(
        f"{title}: {first} {ours[0]:.3f} s ({ours[1]:.3f} by the clock), {second} {theirs[0]:.3f} s "
        f"({theirs[1]:.3f}); ratio {ours[0] / theirs[0]:.2f} ({ours[1] / theirs[1]:.2f}), at most {bound}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--days", type=int, default=2520)
    parser.add_argument("--overlap", type=int, default=10)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", help="keep the lake there")
    arguments = parser.parse_args()
    folder = arguments.folder or tempfile.mkdtemp()
    try:
        measure(folder, arguments)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def measure(folder, arguments):
    start = time.perf_counter()
    lake = generate(f"{folder}/lake", arguments.symbols, arguments.days, arguments.overlap, arguments.batches)
    batches = len(lake.location.batches("raw-data"))
    seconds = time.perf_counter() - start
    print(f"{arguments.symbols} symbols x {arguments.days} days in {seconds:.0f} s; {batches} raw batches")
    raw = lake.load_all_data()
    best_raw = best({"raw": lake.load_all_data}, max(arguments.turns // 2, 1))
    start = time.perf_counter()
    print(lake.compact(expire=True, grace=dt.timedelta(0), keep=0), f"{time.perf_counter() - start:.1f} s")
    assert lake.load_all_data().equals(raw)
    ideal = f"{folder}/ideal.parquet"
    raw.write_parquet(ideal, compression="zstd", row_group_size=122_880)
    best_raw |= best({"compacted": lake.load_all_data}, arguments.turns)
    show(f"all rows of {batches} raw batches", best_raw, 5)
    names = raw["symbol"].unique().sort().gather_every(max(arguments.symbols // 10, 1)).to_list()[:10]
    few = {
        "lake.load_symbols": lambda: lake.load_symbols(names),
        "pl.scan_parquet": lambda: pl.scan_parquet(ideal).filter(pl.col("symbol").is_in(names)).collect(),
    }
    assert few["lake.load_symbols"]().equals(few["pl.scan_parquet"]())
    show("ten symbols", best(few, arguments.turns), 1.5)
    everything = {"lake.bars": lake.bars, "by hand": lambda: Bars.from_polars(pl.read_parquet(ideal))}
    one, other = (read() for read in everything.values())
    np.testing.assert_array_equal(one.close, other.close)
    show("all bars", best(everything, max(arguments.turns // 2, 1)), 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak of the whole run {peak / 1e6:.0f} MB; the panels of bars are {5 * one.close.nbytes / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
