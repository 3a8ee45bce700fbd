"""One daily run in a process of its own, to be killed: the arguments are lake, instant, symbols with commas."""

import sys
from datetime import datetime
from pathlib import Path

if __name__ == "__main__":
    from stockstream.ingest.run import Wanted, run_day

    lake, now, symbols = sys.argv[1:]
    Path(lake).parent.joinpath("started").touch()
    run_day(Wanted(lake=lake, market={"symbols": symbols.split(",")}, now=datetime.fromisoformat(now)))
