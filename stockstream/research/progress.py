"""A progress bar on standard error, quiet when that is not a terminal."""

from __future__ import annotations


class Bar:
    """A function of (done, total) that draws a Rich progress bar with rate and time left."""

    def __init__(self, noun: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(noun, total=None, rate="")
        self._progress.start()

    def __call__(self, done: int, total: int) -> None:
        """Show how far things are."""
        elapsed = self._progress.tasks[0].elapsed or 0.0
        rate = f"{done / elapsed:,.0f}/s" if elapsed > 0 else ""
        self._progress.update(self._task, completed=done, total=total, rate=rate)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
