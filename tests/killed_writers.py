"""Writers of a lake that are killed at random moments, and the process that makes them quickly.

Run as a script it imports everything once, then forks a writer for each line it is given: a lake's place.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

DAYS = [date(2000, 1, 1) + timedelta(n) for n in range(400)]
SESSION = "2024-01-01"
STATE = "runs/2024-01-01.json"
#: Long enough that half of it would be seen.
PADDING = "x" * 20_000


def batch(number: int) -> dict[str, list]:
    """Return the rows of a writer's n-th batch: its number is every price."""
    column = [float(number)] * len(DAYS)
    prices = dict.fromkeys(("open", "high", "low", "close"), column)
    return {
        "symbol": ["A"] * len(DAYS),
        "date": DAYS,
        **prices,
        "volume": [number] * len(DAYS),
        "dividend": [None] * (len(DAYS) - 1) + [0.5],
    }


def state(number: int) -> bytes:
    """Return the content of the small file after the n-th batch."""
    return f"{number} {PADDING} {number}".encode()


def write_for_ever(place: str) -> None:
    """Write batch after batch, and say after each one which."""
    from stockstream.lake import Lake

    lake = Lake(place)
    for number in range(1, 100_000):
        lake.write_rows(batch(number), session=SESSION)
        lake.location.update(STATE, lambda before, number=number: state(number))
        os.write(1, f"{number}\n".encode())


def main() -> None:
    """Fork a writer for each place on standard input, and wait for its end."""
    import boto3  # noqa: F401

    import stockstream.lake.bucket  # noqa: F401
    from stockstream.lake import Lake

    with tempfile.TemporaryDirectory() as folder:  # whatever is loaded at a first write is loaded once
        Lake(folder).write_rows(batch(1))
    fork_for_each_line(write_for_ever)


def fork_for_each_line(work: Callable[[str], None]) -> None:
    """Fork a process that works on each place on standard input, say its number, and wait for its end."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                work(line.strip())
            finally:
                os._exit(1)
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"end\n")


class Writers:
    """The parent of writers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def start(self, place: str, first: str = "1") -> int:
        """Start a writer, wait until it says its first number, and return its process id."""
        self.process.stdin.write(f"{place}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline().split()[1])
        assert self.process.stdout.readline() == f"{first}\n"
        return pid

    def kill(self, pid: int, said: int = 1) -> int:
        """Kill a writer and return the number of the last batch it said it had written, at least the first."""
        os.kill(pid, signal.SIGKILL)
        while (line := self.process.stdout.readline()) != "end\n":
            said = int(line)
        return said


@contextlib.contextmanager
def writers(environment: dict[str, str] | None = None, script: str = __file__) -> Iterator[Writers]:
    """Start the parent of writers, or of what else a script makes, and end it."""
    process = subprocess.Popen(
        [sys.executable, str(Path(script))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Writers(process)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
