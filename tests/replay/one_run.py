"""One daily run in a process of its own, to be killed.

The arguments are lake, instant, symbols with commas, and `processes` when batches run in processes of their own.
"""

import sys
from datetime import datetime
from pathlib import Path

if __name__ == "__main__":
    from stockstream.ingest.run import Wanted, run_day

    lake, now, symbols, *others = sys.argv[1:]
    Path(lake).parent.joinpath("started").touch()
    wanted = Wanted(lake=lake, market={"symbols": symbols.split(",")}, now=datetime.fromisoformat(now))
    run_day(wanted, processes=bool(others))
