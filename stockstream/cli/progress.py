"""What a daily run shows while it works: a line for every batch at work, and one for all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Progress, TaskID

    from stockstream.ingest.budget import Budget

REFRESH_SECONDS: Final = 0.2


class BatchProgress:
    """The progress of a run on stderr, in a terminal only; use it with ``with``, and give `observe` to the run.

    Attributes
    ----------
    failures
        Batch -> error of those that gave up.
    """

    def __init__(self, *, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from stockstream.settings import load

        console = Console(stderr=True)
        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not shown or not console.is_terminal,
            transient=True,
        )
        self.failures: dict[int, str] = {}
        self._size = load().batch_size
        self._lock = threading.Lock()
        self._budget: Budget | None = None
        self._all: TaskID | None = None
        self._batches: dict[int, TaskID] = {}
        self._sizes: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True)

    def __enter__(self) -> Self:
        self._progress.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._progress.stop()

    def observe(self, word: str, facts: Mapping[str, Any]) -> None:
        """Take what the run tells; see `stockstream.ingest.run.run_day`."""
        with self._lock:
            if word == "start":
                self._budget = facts["budget"]
            elif word == "items":
                self._sizes = dict.fromkeys(range(1, facts["count"] + 1), self._size)
                self._all = self._progress.add_task("all batches", total=self._total(), state="")
            elif word == "state" and facts["name"] == "FetchStockData":
                self._begin(facts["item"]["Item"]["Value"])
            elif word == "retry" and "number" in facts["input"]:
                self._mark(facts["input"]["number"], f"again in {facts['wait']:.0f} s: {facts['error']}")
            elif word == "failed" and "number" in facts["input"]:
                self.failures[facts["input"]["number"]] = facts["cause"] or facts["error"]
            elif word == "item":
                self._end(facts["value"], facts["result"])

    def _total(self) -> int:
        return sum(self._sizes.values())

    def _begin(self, number: int) -> None:
        self._batches[number] = self._progress.add_task(f"batch {number}", total=self._size, state="")

    def _mark(self, number: int, state: str) -> None:
        if number in self._batches:
            self._progress.update(self._batches[number], state=state)

    def _end(self, number: int, result: Mapping[str, Any]) -> None:
        self._sizes[number] = result.get("symbols", self._sizes[number])
        if number in self._batches:
            self._progress.remove_task(self._batches.pop(number))

    def _refresh(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            with self._lock:
                if self._budget is None or self._all is None:
                    continue
                asked = {number: min(self._budget.asked(number), size) for number, size in self._sizes.items()}
                for number, task in self._batches.items():
                    self._progress.update(task, completed=asked[number])
                given_up = f"{len(self.failures)} failed" if self.failures else ""
                self._progress.update(self._all, completed=sum(asked.values()), total=self._total(), state=given_up)
                speed = self._progress.tasks[0].speed
                if speed:
                    state = f"{speed:.1f} symbols/s {given_up}".rstrip()
                    self._progress.update(self._all, state=state)
