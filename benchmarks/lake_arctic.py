"""The same symbols read by ArcticDB from LMDB: ``python benchmarks/lake_arctic.py FOLDER NAMES CASE``.

Runs under an interpreter of its own, because ArcticDB needs an older pandas than this project; knows nothing of
stockstream. The case ``store`` writes the tables and ``FOLDER/arctic-few.npy``, the closes of the few symbols as they
are read back, and prints versions. Every other case is one way to read, in a process of its own, after one symbol was
read: it prints seconds of the process and of the clock, the first time and at best.
"""

import json
import sys
import time
from importlib.metadata import version

import arcticdb
import numpy as np
import pandas as pd

COLUMNS = ("open", "high", "low", "close", "volume")


def libraries(folder):
    """Return the tables of prices and volumes, and those of all that a row holds."""
    prices = arcticdb.Arctic(f"lmdb://{folder}/arctic?map_size=4GB").get_library("prices", create_if_missing=True)
    rows = arcticdb.Arctic(f"lmdb://{folder}/arctic-rows?map_size=1GB").get_library("rows", create_if_missing=True)
    return prices, rows


def store(folder, wanted):
    """Store one table a symbol, and look at what comes back."""
    with np.load(f"{folder}/arctic.npz") as archive:
        stored = {name: archive[name] for name in archive.files}  # each look-up in an archive reads it anew
    symbols, dates = stored["symbols"].tolist(), pd.DatetimeIndex(stored["dates"].astype("datetime64[ns]"))
    prices, whole = libraries(folder)
    for first in range(0, len(symbols), 200):
        part = range(first, min(first + 200, len(symbols)))
        prices.write_batch(
            [
                arcticdb.WritePayload(symbols[row], pd.DataFrame({n: stored[n][row] for n in COLUMNS}, index=dates))
                for row in part
            ]
        )
    with np.load(f"{folder}/arctic-rows.npz") as archive:
        rows = pd.DataFrame({name: archive[name] for name in archive.files}).set_index("date")
    parts = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows.index.asi8) < 0) + 1)
    whole.write_batch([arcticdb.WritePayload(name, rows.iloc[part]) for name, part in zip(wanted, parts, strict=True)])
    few = [item.data for item in prices.read_batch(wanted)]
    np.save(f"{folder}/arctic-few.npy", np.array([frame["close"].to_numpy() for frame in few]))
    if not pd.concat(item.data for item in whole.read_batch(wanted)).equals(rows):
        raise SystemExit("what was stored is not what is read")
    return {name: version(name) for name in ("arcticdb", "pandas", "numpy")}


def measured(folder, wanted, case):
    """Return what one way to read takes."""
    prices, rows = libraries(folder)
    held = rows if case == "few_whole" else prices
    names, turns = (held.list_symbols(), 3) if case == "all" else (wanted, 20)
    held.read_batch(names[:1])
    times = []
    for _ in range(turns):
        clock, process = time.perf_counter(), time.process_time()
        frames = [item.data for item in held.read_batch(names)]
        times.append((time.process_time() - process, time.perf_counter() - clock))
        assert len(frames) == len(names)
    return {"first": times[0], "again": [min(column) for column in zip(*times[1:], strict=True)]}


def main():
    """Do what the case says, and print it."""
    folder, wanted, case = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    print(json.dumps(store(folder, wanted) if case == "store" else measured(folder, wanted, case)))


if __name__ == "__main__":
    main()
