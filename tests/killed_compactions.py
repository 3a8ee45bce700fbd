"""A process that compacts a lake over and over until it is killed; run as a script, it forks one for each line.

A line is a lake's place. What a compactor did is said after each compaction.
"""

import datetime as dt
import os

from tests.killed_writers import fork_for_each_line

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(18)]
FIRST = 6


def instant(number: int) -> dt.datetime:
    """Return when the n-th answer was fetched."""
    return dt.datetime(2024, 2, 1, tzinfo=dt.UTC) + dt.timedelta(hours=number)


def answer(number: int) -> dict[str, list]:
    """Return the n-th answer: a window that moves, a day that is missing from some, a last price that is revised."""
    days = [day for day in DAYS[number % 3 : number % 3 + 15] if number % 4 or day != DAYS[9]]
    closes = [10.0 + (number if day == DAYS[14] else 0) for day in days]
    return {
        "symbol": ["A"] * len(days),
        "date": days,
        **dict.fromkeys(("open", "high", "low", "close"), closes),
        "volume": [100] * len(days),
        "dividend": [0.5 if number == 1 and place == 3 else None for place in range(len(days))],
    }


def write(lake, number: int) -> None:
    """Store the n-th answer under a session of its own."""
    session = dt.date(2024, 2, 1) + dt.timedelta(number)
    lake.write_rows(answer(number), session=session, fetched_at=instant(number))


def compact_for_ever(place: str) -> None:
    """Write an answer, compact and expire, again and again, and say after each step how many answers are stored."""
    from stockstream.lake import Lake

    lake = Lake(place)
    for number in range(FIRST, 100_000):
        write(lake, number)
        os.write(1, f"{number + 1}\n".encode())
        lake.compact(expire=True, grace=dt.timedelta(0), keep=number % 2)


def main() -> None:
    """Fork a compactor for each place on standard input, and wait for its end."""
    import duckdb  # noqa: F401 what a first compaction loads is loaded once; no thread may run before a fork
    import numpy as np  # noqa: F401

    import stockstream.lake.compact
    import stockstream.lake.lake  # noqa: F401

    fork_for_each_line(compact_for_ever)


if __name__ == "__main__":
    main()
