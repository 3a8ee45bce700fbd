"""One way to read some prices, measured in a process of its own: ``python -m benchmarks.lake_cases WAY PLACE TURNS``.

Prints one line of JSON: seconds of the process and of the clock of the first reading and of the best later one, how
much memory the first took at most beyond what the process held, and how large its result is.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from stockstream.bars import Bars
from stockstream.lake import Lake
from stockstream.schema import OHLCV

#: How many symbols a small question asks for.
FEW = 10

#: Symbols of the small question.
NAMES = "names.json"


def names(place):
    """Return the symbols of the small question, which lie beside the lakes."""
    return json.loads((Path(place).parent / NAMES).read_text())


def panels_by_hand(path):
    """Return (S, T) panels of prices, volumes and two factors, as one would write it for one sorted file."""
    frame = pl.read_parquet(path, columns=["symbol", "date", *OHLCV])
    row = frame["symbol"].rle_id().to_numpy()
    days, column = np.unique(frame["date"].to_physical().to_numpy(), return_inverse=True)
    panels = []
    for name in OHLCV:
        panel = np.full((row[-1] + 1, len(days)), np.nan)
        panel[row, column] = frame[name].to_numpy()
        panels.append(panel)
    return [*panels, np.where(np.isnan(panels[3]), np.nan, 1.0)]


def few_by_hand(path):
    """Return the rows of ten symbols of one file."""
    return pl.scan_parquet(path).filter(pl.col("symbol").is_in(names(path))).collect()


def few_prices(place):
    """Return the prices and volumes of ten symbols, and no more of their rows."""
    rows = Lake(place).scan().filter(pl.col("symbol").is_in(names(place)))
    return rows.select("symbol", "date", *OHLCV).collect()


WAYS = {
    "load_symbols": lambda place: Lake(place).load_symbols(names(place)),
    "load_all_data": lambda place: Lake(place).load_all_data(),
    "bars": lambda place: Lake(place).bars(),
    "few_prices": few_prices,
    "scan_filter": few_by_hand,
    "read_parquet": pl.read_parquet,
    "panels_by_hand": panels_by_hand,
}


def size(result):
    """Return the bytes of a result; arrays that are one in memory count once."""
    if isinstance(result, pl.DataFrame):
        return result.estimated_size()
    if isinstance(result, Bars):
        arrays = [getattr(result, name) for name in (*OHLCV, "price_factor", "volume_factor")]
    else:
        arrays = result
    return sum({array.__array_interface__["data"][0]: array.nbytes for array in arrays}.values())


def digest(result):
    """Return a short text that is the same for the same prices, whatever they are in."""
    if isinstance(result, pl.DataFrame):
        ordered = result.sort("symbol", "date")
        values = [ordered[name].to_numpy() for name in ("open", "high", "low", "close", "volume")]
        values = [np.asarray(value, dtype=np.float64) for value in values]
    else:
        found = [getattr(result, name) for name in OHLCV] if isinstance(result, Bars) else result[: len(OHLCV)]
        there = ~np.isnan(found[3])
        values = [panel[there] for panel in found]
    return hashlib.blake2b(b"".join(np.ascontiguousarray(value).tobytes() for value in values)).hexdigest()[:16]


def peak():
    """Return the most memory that this process has held; getrusage would count that of the parent before it too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def measured(read, turns):
    """Return what a reading takes, the first time and at best."""
    before, times = peak(), []
    for turn in range(turns):
        clock, process = time.perf_counter(), time.process_time()
        result = read()
        times.append((time.process_time() - process, time.perf_counter() - clock))
        if turn == 0:
            facts = {"peak": peak() - before, "size": size(result), "digest": digest(result)}
        del result
    return {"first": times[0], "again": [min(column) for column in zip(*times[1:], strict=True)], **facts}


def main():
    """Load everything with a small question, then measure."""
    way, place, turns = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if not place.endswith(".parquet"):
        Lake(place).load_symbols(names(place)[:1])
        Lake(place).bars(names(place)[:1])
    else:
        pl.scan_parquet(place).filter(pl.col("symbol") == names(place)[0]).collect()
    print(json.dumps(measured(lambda: WAYS[way](place), turns)))


if __name__ == "__main__":
    main()
