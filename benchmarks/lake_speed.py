"""How fast a lake is read, beside files read by hand and ArcticDB: ``python -m benchmarks.lake_speed``.

Every way to read runs in processes of its own, in turns with what it is compared with, and nothing counts before both
were found to hold the same prices. Writes ``benchmarks/results/lake.json`` and ``docs/lake-speed.md``; ``--page``
writes the page anew from the file, ``--symbols`` and ``--days`` make a smaller lake and write neither.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import polars as pl

from benchmarks import lake_case
from benchmarks.lake_cases import FEW, NAMES
from benchmarks.lake_page import page
from benchmarks.sweep_speed import ROOT, machine
from stockstream.lake import Lake

RESULTS = ROOT / "benchmarks" / "results" / "lake.json"
PAGE = ROOT / "docs" / "lake-speed.md"

#: The interpreter that has ArcticDB, made when it is missing.
ARCTIC = ROOT / ".venv-arctic"

#: Sessions whose runs stay in raw batches.
YEAR = 252

#: Processes of each way; the best of their first readings and of their later ones count.
ROUNDS = 2


class Way(NamedTuple):
    """A way to read a place: a key of `benchmarks.lake_cases.WAYS`, and a name in the folder of the lakes."""

    way: str
    place: str


#: Name -> what is measured, what it is compared with, readings a process.
COMPARED = {
    "few": (Way("load_symbols", "compacted"), Way("scan_filter", "ideal.parquet"), 20),
    "few_prices": (Way("few_prices", "compacted"), Way("scan_filter", "ideal.parquet"), 20),
    "bars": (Way("bars", "compacted"), Way("panels_by_hand", "ideal.parquet"), 4),
    "frame": (Way("bars", "compacted"), Way("read_parquet", "ideal.parquet"), 4),
    "rows": (Way("load_all_data", "compacted"), Way("read_parquet", "ideal.parquet"), 4),
    "year_bars": (Way("bars", "year"), Way("bars", "compacted"), 3),
    "year_rows": (Way("load_all_data", "year"), Way("load_all_data", "compacted"), 3),
    "raw_rows": (Way("load_all_data", "raw"), Way("load_all_data", "raw_compacted"), 3),
    "market_few": (Way("load_symbols", "market/lake"), Way("scan_filter", "market/ideal.parquet"), 20),
    "market_bars": (Way("bars", "market/lake"), Way("panels_by_hand", "market/ideal.parquet"), 4),
}


def market_file():
    """Return the path of the real market file, None where it is not."""
    folder = Path(os.environ.get("STOCKSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "prices" / "asx_raw_market_2023_2024.parquet"
    return path if path.exists() else None


def build(folder, size):
    """Write all lakes and files of a run; return seconds by step."""
    seconds = {}

    def step(name, begun):
        seconds[name] = time.perf_counter() - begun
        print(f"{name}: {seconds[name]:.1f} s", flush=True)

    begun = time.perf_counter()
    lake_case.check(lake_case.Size(12, 40))
    step("the formula equals the library's own compaction", begun)
    begun = time.perf_counter()
    connection = lake_case.connect(size)
    before = size.days - YEAR
    lake_case.write_compacted(connection, f"{folder}/compacted", size, size.days)
    lake_case.write_compacted(connection, f"{folder}/year", size, before)
    lake_case.write_batches(connection, f"{folder}/year", size, before)
    Path(f"{folder}/raw").mkdir()
    Path(f"{folder}/raw/raw-data").symlink_to(f"{folder}/year/raw-data")
    first = before - size.overlap + 1
    lake_case.write_part(connection, f"{folder}/compacted", f"{folder}/raw_compacted", size.days, first)
    connection.close()
    ideal(f"{folder}/compacted", f"{folder}/ideal.parquet")
    symbols = [f"S{number:04d}" for number in range(0, size.symbols, max(size.symbols // FEW, 1))][:FEW]
    Path(f"{folder}/{NAMES}").write_text(json.dumps(symbols))
    step("lakes made", begun)
    path = market_file()
    if path is not None:
        begun = time.perf_counter()
        raw = Lake(f"{folder}/market/raw")
        raw.import_file(path, quarantine=True)
        lake_case.write_one_answer(raw, f"{folder}/market/lake")
        lake = Lake(f"{folder}/market/lake")
        if not lake.load_all_data().equals(raw.load_all_data()):
            raise SystemExit("the compacted market is not the one that was imported")
        ideal(f"{folder}/market/lake", f"{folder}/market/ideal.parquet")
        held = lake.symbols()
        Path(f"{folder}/market/{NAMES}").write_text(json.dumps(held[:: max(len(held) // FEW, 1)][:FEW]))
        step("the real market imported, and laid out as compacted", begun)
    return seconds


def ideal(lake, path):
    """Write the rows of a compacted lake to one file, sorted, by the writer whose files are read fastest."""
    (latest,) = Path(lake).glob("curated/latest/**/*.parquet")
    rows = duckdb.read_parquet(str(latest)).select(
        "symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp"
    )
    rows.order("symbol, date").write_parquet(path, compression="zstd", row_group_size=122_880)


def read(folder, way, turns, kept):
    """Read in a new process, which finds in a folder what those before it kept; return what it took."""
    command = [sys.executable, "-m", "benchmarks.lake_cases", way.way, f"{folder}/{way.place}", str(turns)]
    environment = {**os.environ, "XDG_CACHE_HOME": kept}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{way.way} of {way.place} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder, ours, theirs, turns):
    """Return both ways' figures, found equal first; the first process of each round finds that nobody read before."""
    found = {"cold": [], "theirs": [], "ours": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as kept:
            for name, way in (("cold", ours), ("theirs", theirs), ("ours", ours)):
                found[name].append(read(folder, way, turns, kept))
    rounds = [each for part in found.values() for each in part]
    if len({each["digest"] for each in rounds}) != 1:
        raise SystemExit(f"{ours} and {theirs} do not hold the same prices")
    cold = found.pop("cold")
    pair = {
        name: {
            "way": f"{way.way} of {way.place}",
            "first": best(rounds, "first"),
            "again": best(rounds, "again"),
            "peak": min(each["peak"] for each in rounds),
            "size": rounds[0]["size"],
        }
        for (name, rounds), way in zip(found.items(), (theirs, ours), strict=True)
    }
    pair["ours"] |= {"cold": best(cold, "first"), "peak": min(each["peak"] for each in cold)}
    return pair


def best(rounds, reading):
    """Return the least seconds of the processor and of the clock."""
    return [min(column) for column in zip(*(each[reading] for each in rounds), strict=True)]


def arctic_python():
    """Return the interpreter that has ArcticDB, made now if it is not there."""
    python = ARCTIC / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv")
        make = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        subprocess.run([*make, str(ARCTIC)], check=True, capture_output=True)
        install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        subprocess.run([*install, "--quiet", "arcticdb>=6,<7"], check=True, capture_output=True, timeout=300)
    return python


def arctic(folder):
    """Return what ArcticDB takes for the same symbols, or why that is not known."""
    try:
        python = arctic_python()
    except (OSError, subprocess.SubprocessError) as error:
        return {"missing": f"ArcticDB could not be installed ({type(error).__name__})"}
    lake = Lake(f"{folder}/compacted")
    bars = lake.bars()
    panels = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    np.savez(
        f"{folder}/arctic.npz",
        symbols=np.array(bars.symbols),
        dates=bars.dates,
        **panels,
    )
    wanted = json.loads(Path(f"{folder}/{NAMES}").read_text())
    expected = np.array([bars[name].close[0] for name in wanted])
    instants = pl.col("fetch_timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns")
    rows = lake.load_symbols(wanted).with_columns(instants, pl.col("date").cast(pl.Datetime("ns")))
    np.savez(f"{folder}/arctic-rows.npz", **{name: rows.get_column(name).to_numpy() for name in rows.columns[1:]})
    command = [str(python), str(ROOT / "benchmarks" / "lake_arctic.py"), folder, json.dumps(wanted)]

    def asked(case):
        done = subprocess.run([*command, case], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise SystemExit(f"ArcticDB, {case}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
        return json.loads(done.stdout.splitlines()[-1])

    found = {"versions": asked("store")}
    if not np.array_equal(np.load(f"{folder}/arctic-few.npy"), expected):
        raise SystemExit("ArcticDB does not hold the same prices")
    for case in ("few", "few_whole", "all"):
        rounds = [asked(case) for _ in range(ROUNDS)]
        found[case] = {reading: best(rounds, reading) for reading in ("first", "again")}
    return found


def measured(folder, size):
    """Build everything and return all figures."""
    on = {name: value for name, value in machine().items() if name != "numba"} | {"duckdb": version("duckdb")}
    found = {"machine": on, "size": size._asdict() | {"year": YEAR}, "built": build(folder, size), "compared": {}}
    found["batches"] = len(list(Path(f"{folder}/year/raw-data").iterdir()))
    for name, (ours, theirs, turns) in COMPARED.items():
        if name.startswith("market") and market_file() is None:
            found["compared"][name] = {"missing": "no real market data"}
            continue
        pair = found["compared"][name] = compare(folder, ours, theirs, turns)
        print(name, *(f"{who} {row['first'][0]:.3f} {row['again'][0]:.3f}" for who, row in pair.items()), flush=True)
    command = [sys.executable, "-m", "benchmarks.lake_floor", f"{folder}/raw/raw-data"]
    found["floor"] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    print(json.dumps(found["floor"]), flush=True)
    found["arctic"] = arctic(folder)
    print(json.dumps(found["arctic"]), flush=True)
    return found


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--days", type=int, default=2520)
    parser.add_argument("--page", action="store_true", help="write the page anew from the file")
    arguments = parser.parse_args()
    whole = (arguments.symbols, arguments.days) == (2000, 2520)
    if not arguments.page:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = measured(folder, lake_case.Size(arguments.symbols, arguments.days))
        found["seconds"] = time.perf_counter() - begun
        print(f"{found['seconds']:.0f} s in all")
        if not whole:
            print(page(found))
            return
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
