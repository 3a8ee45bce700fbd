"""How fast a day is fetched: the real client of Yahoo against the replay server, which never waits.

`python benchmarks/ingest_speed.py [SYMBOLS]` prints what the run took beside what bounds it: the seconds that the
server took to answer over the workers, and the seconds of processor time that the client needed over the cores. Symbols
beyond real data are not needed for this: all are generated, 40 bars each.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from pathlib import Path

NOW = datetime(2026, 5, 14, 20, tzinfo=UTC)
LIMIT = 1.5
MEGABYTES_A_WORKER = 400


def codes(count: int) -> list[str]:
    return [f"G{number:04d}" for number in range(count)]


def serve(pipe: Connection, folder: Path, symbols: list[str]) -> None:
    """Run the replay server until told to stop; answer with the seconds it took to answer, and its processor time."""
    from tests.replay.books import Generated
    from tests.replay.server import ReplayServer

    book = Generated(symbols, date(2026, 1, 2), date(2026, 6, 30))
    for symbol in symbols:
        book.series(symbol, NOW)
    with ReplayServer(folder, book, NOW) as server:
        pipe.send((str(server.certificate), server.address))
        before = time.process_time()
        pipe.recv()
        pipe.send((sum(one.seconds for one in server.asked), len(server.asked), time.process_time() - before))


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(symbols: list[str], folder: Path) -> dict[str, float]:
    """Fetch all symbols into an empty lake in worker processes, and return the figures."""
    from stockstream.ingest.run import Wanted, run_day

    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, folder / "tls", symbols))
    server.start()
    certificate, address = ours.recv()
    os.environ.update(
        STOCKSTREAM_CA_BUNDLE=certificate, STOCKSTREAM_PROXY=address, STOCKSTREAM_SECONDS_BETWEEN_SYMBOLS="0"
    )
    os.chdir(folder)
    children, own, began = children_seconds(), time.process_time(), time.perf_counter()
    wanted = Wanted(lake=str(folder / "lake"), market={"symbols": symbols}, now=NOW)
    answer = run_day(wanted, processes=True)
    wall = time.perf_counter() - began
    end_forkserver()
    client = time.process_time() - own + children_seconds() - children
    ours.send("stop")
    waited, requests, server_seconds = ours.recv()
    server.join()
    assert answer["received"] == len(symbols), answer
    workers, cores = 10, os.cpu_count() or 1
    bound = max(waited / workers, client / cores)
    return {
        "symbols": len(symbols),
        "requests": requests,
        "wall s": wall,
        "server wait / workers s": waited / workers,
        "client processor time / cores s": client / cores,
        "bound s": bound,
        "wall / bound": wall / bound,
        "server's own processor time s": server_seconds,
        "largest worker MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "load average": os.getloadavg()[0],
    }


def end_forkserver() -> None:
    """End the process that workers are copied from, so that its time and theirs are known."""
    from multiprocessing import forkserver

    forkserver._forkserver._stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbols", type=int, nargs="?", default=1900)
    with tempfile.TemporaryDirectory() as place:
        figures = measure(codes(parser.parse_args().symbols), Path(place))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=1))
    assert figures["wall / bound"] <= LIMIT, "slower than its bound allows"
    assert figures["largest worker MB"] <= MEGABYTES_A_WORKER, "a worker takes too much memory"
