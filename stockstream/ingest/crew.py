"""Processes that fetch batches side by side: Python's one lock would let only one of them work at a time.

The budget is shared by all of them. A worker ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Final, Self

from stockstream.ingest.budget import Budget, Shared

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableSequence

#: Imported once, by the process that all workers are copies of.
_PRELOADED: Final = ("stockstream.ingest.steps", "stockstream.ingest.recording", "yfinance", "duckdb", "tenacity")

_mine: dict[str, Budget] = {}


class Crew:
    """Workers for batches; use it with ``with``.

    Parameters
    ----------
    workers
        Most batches at once, one process each; they start when they are needed.
    limits
        The arguments `delay`, `per_second` and `burst` of `stockstream.ingest.budget.Budget`.
    """

    def __init__(self, workers: int, limits: Mapping[str, Any]) -> None:
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if context.get_start_method() == "forkserver":
            context.set_forkserver_preload(list(_PRELOADED))
        shared = Shared.between_processes(context)
        self.budget = Budget(**limits, shared=shared)
        self._pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_begin, initargs=(dict(limits), shared.values)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def fetch(self, event: Any, deadline: float | None) -> Any:
        """Run `stockstream.ingest.steps.fetch_batch` in a worker; return what it returns, raise what it raises."""
        return self._pool.submit(_fetch, event, deadline).result()


def _begin(limits: dict[str, Any], values: MutableSequence[float]) -> None:
    """Set a worker up: the shared budget, and a thread that ends it with its parent."""
    shared = Shared(values=values, lock=values.get_lock())  # type: ignore[attr-defined]  # an array of multiprocessing
    _mine["budget"] = Budget(**limits, shared=shared)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)  # in the middle of anything: what a batch has not published is nothing


def _fetch(event: Any, deadline: float | None) -> Any:
    from stockstream.ingest import steps

    return steps.fetch_batch(event, pace=_mine["budget"].pace(event["number"]), deadline=deadline)
