"""How much memory a sweep may take, and what that means for how much is done at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockstream.errors import ParameterError, counted

if TYPE_CHECKING:
    from stockstream.research.grid import Combinations
    from stockstream.research.question import Question

#: Combinations planned at once at most: their numbers, places and results are then some twenty megabytes.
LARGEST_BATCH: Final = 100_000

#: Shares of the budget: results that are kept, and of the rest what is planned and what series take, what the equity
#: paths of all threads take, and what waits for a checkpoint. The last share is left to the allocators, which keep
#: some of what was given back.
KEPT, PLANNED, SERIES, PATHS, WAITING = 0.6, 0.4, 0.4, 0.1, 0.05

#: Bytes per combination while it is planned: codes, places, orders of sorting.
PLANNING: Final = 96

#: Bytes per combination of an open batch beside its parameters and results: its place, settings and series.
JOBS: Final = 32

#: Tapes of symbols that are kept for later pieces: their share, and the most bytes, since large pieces are few.
TAPES: Final = 0.1
LARGEST_TAPES: Final = 16_000_000

#: Batches that are there at once at least: one is written while the next one runs.
OPEN: Final = 2

FALLBACK: Final = 2 << 30


@dataclass(frozen=True)
class Budget:
    """What fits.

    Attributes
    ----------
    max_bytes
        The bound.
    batch
        Combinations planned at once.
    open
        Batches that may be there at once, from being planned until they are written.
    series
        Bytes that the series of one symbol may take.
    paths
        Bytes that the equity paths of one job may take.
    tapes
        Bytes that tapes may take that are kept.
    waiting
        Numbers that may wait to be written to a checkpoint.
    """

    max_bytes: int
    batch: int
    open: int
    series: int
    paths: int
    tapes: int
    waiting: int


def limits_of(
    max_bytes: float | None, question: Question, found: Combinations, rows_each: int, *, hands: int, keeps: bool
) -> Budget:
    """Return how much memory may be taken, and how many combinations are planned at once."""
    metrics, parameters = question.width, len(found.names)
    return budget(
        max_bytes,
        runs=rows_each * found.count,
        keeps=keeps,
        row_bytes=8 * (metrics + parameters) + 16,
        batch_bytes=JOBS + 20 * parameters + rows_each * (1 if keeps else 8 * metrics + 1),
        listed=found.kept_bytes,
        hands=hands,
    )


def budget(
    max_bytes: float | None,
    *,
    runs: int,
    keeps: bool,
    row_bytes: int,
    batch_bytes: int,
    listed: int,
    hands: int,
) -> Budget:
    """Divide the memory.

    Parameters
    ----------
    max_bytes
        The bound; None for a quarter of the free memory.
    runs
        Rows of the result.
    keeps
        Whether all of them stay in memory.
    row_bytes
        Bytes of one of them.
    batch_bytes
        Bytes per combination of a batch until it is written.
    listed
        Bytes of the combinations that are listed as a whole.
    hands
        Threads: twice as many jobs, each with the series of a symbol, are under way.

    Raises
    ------
    ParameterError
        The results, or the smallest batch, do not fit.
    """
    limit = free_bytes() // 4 if max_bytes is None else _checked(max_bytes)
    kept = runs * row_bytes if keeps else 0
    if kept > KEPT * limit:
        message = (
            f"the {counted(runs, 'row')} of this sweep take {in_words(kept)}, more than fits max_bytes={limit:,} "
            f"({in_words(limit)}): write them with out='rows.parquet', keep the best with top_k=, choose fewer "
            "metrics, or raise max_bytes"
        )
        raise ParameterError(message)
    rest = limit - kept - listed
    each = PLANNING + OPEN * batch_bytes + row_bytes  # rows are made of a batch, symbol by symbol, when it is done
    batch = min(LARGEST_BATCH, int(PLANNED * rest / each))
    if batch < 1:
        message = (
            f"one combination takes {in_words(each)} until it is written, more than max_bytes={limit:,} allows: "
            "raise max_bytes, or sweep fewer symbols or metrics"
        )
        raise ParameterError(message)
    return Budget(
        limit,
        batch,
        open=max(OPEN, OPEN * int(PLANNED * rest / (each * batch))),
        series=int(SERIES * rest / (2 * hands + 3)),  # 3: what it takes to compute one more
        paths=int(PATHS * rest / hands),
        tapes=min(LARGEST_TAPES, int(TAPES * rest)),
        waiting=int(WAITING * rest / 16),  # what waits is there twice when it is written
    )


def _checked(max_bytes: float) -> int:
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int | float) or not max_bytes >= 1:
        message = f"expected max_bytes to be a number of bytes, such as 2e9; found {max_bytes!r}"
        raise ParameterError(message)
    return int(max_bytes)


def free_bytes() -> int:
    """Return the memory that can be had without swapping: of the machine, or of the container when that is less."""
    return min(_machine(), _container())


def _machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows
        return FALLBACK


def _container() -> int:
    groups = Path("/sys/fs/cgroup")
    try:
        most, now = ((groups / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        return max(int(most) - int(now), 1)
    except (OSError, ValueError):  # no limit: the file says "max"
        return 1 << 62


def in_words(count: float) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> in_words(1_500_000), in_words(12)
    ('1.5 MB', '12 bytes')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
