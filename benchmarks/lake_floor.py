"""What reading many small files takes at least: ``python -m benchmarks.lake_floor FOLDER``.

Prints one line of JSON: seconds of the processor, the best of some readings each, and the rows of all files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

TURNS = 3


def read(path):
    """Return the bytes of a file, looked at as a reader looks at it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)


def best(work):
    """Return the seconds of the fastest turn."""
    times = []
    for _ in range(TURNS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def main():
    """Measure and print."""
    paths = sorted(str(path) for path in Path(sys.argv[1]).glob("*.parquet"))
    pl.read_parquet(paths[0])
    found = {
        "files": len(paths),
        "bytes": best(lambda: [len(read(path)) for path in paths]),
        "footers": best(lambda: [pq.read_metadata(path).num_rows for path in paths]),
        "decoded": best(lambda: pl.scan_parquet(paths, glob=False).collect()),
        "rows": pl.scan_parquet(paths, glob=False).select(pl.len()).collect().item(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
