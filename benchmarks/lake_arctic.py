"""The same symbols read by ArcticDB from LMDB: ``python benchmarks/lake_arctic.py FOLDER NAMES``.

Runs under an interpreter of its own, because ArcticDB needs an older pandas than this project; knows nothing of
stockstream. Prints one line of JSON; writes what it read of the few symbols to ``FOLDER/arctic-few.npy``.
"""

import json
import resource
import sys
import time
from importlib.metadata import version

import arcticdb
import numpy as np
import pandas as pd

COLUMNS = ("open", "high", "low", "close", "volume")


def main():
    """Store one table a symbol, and read some and all of them."""
    folder, wanted = sys.argv[1], json.loads(sys.argv[2])
    with np.load(f"{folder}/arctic.npz") as archive:
        stored = {name: archive[name] for name in archive.files}  # each look-up in an archive reads it anew
    symbols, dates = stored["symbols"].tolist(), pd.DatetimeIndex(stored["dates"].astype("datetime64[ns]"))
    library = arcticdb.Arctic(f"lmdb://{folder}/arctic?map_size=4GB").get_library("prices", create_if_missing=True)
    for first in range(0, len(symbols), 200):
        part = range(first, min(first + 200, len(symbols)))
        library.write_batch(
            [
                arcticdb.WritePayload(symbols[row], pd.DataFrame({n: stored[n][row] for n in COLUMNS}, index=dates))
                for row in part
            ]
        )
    with np.load(f"{folder}/arctic-rows.npz") as archive:
        rows = pd.DataFrame({name: archive[name] for name in archive.files}).set_index("date")
    whole = arcticdb.Arctic(f"lmdb://{folder}/arctic-rows?map_size=1GB").get_library("rows", create_if_missing=True)
    parts = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows.index.asi8) < 0) + 1)
    whole.write_batch([arcticdb.WritePayload(name, rows.iloc[part]) for name, part in zip(wanted, parts, strict=True)])
    answer = {"versions": {name: version(name) for name in ("arcticdb", "pandas", "numpy")}}
    cases = (("few", library, wanted, 20), ("few_whole", whole, wanted, 20), ("all", library, symbols, 3))
    for case, held, names, turns in cases:
        times = []
        for _ in range(turns):
            clock, process = time.perf_counter(), time.process_time()
            frames = [item.data for item in held.read_batch(names)]
            times.append((time.process_time() - process, time.perf_counter() - clock))
        if case == "few":
            np.save(f"{folder}/arctic-few.npy", np.array([frame["close"].to_numpy() for frame in frames]))
        if case == "few_whole" and not pd.concat(frames).equals(rows):
            raise SystemExit("what was stored is not what is read")
        answer[case] = {"first": times[0], "again": [min(column) for column in zip(*times[1:], strict=True)]}
    answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
