"""The daily run on this machine: the state machine that AWS runs, with its batches in parallel."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import StockstreamError
from stockstream.ingest import steps
from stockstream.ingest.budget import Budget
from stockstream.ingest.crew import Crew
from stockstream.ingest.machine import ExecutionFailedError, Machine, Observer, definition

if TYPE_CHECKING:
    from datetime import date, datetime

    from stockstream.settings import Settings


#: A batch's event and deadline, to what came of it.
type Fetch = Callable[[Any, float | None], Any]


def _ignore(_word: str, _facts: Mapping[str, Any]) -> None:
    """Observe nothing."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to run; every field may be left out.

    Attributes
    ----------
    lake
        A folder or ``s3://bucket/prefix``; by default that of the settings.
    market
        The keys of ``config/symbols.json``.
    session
        The session to fetch; by default the last that has settled.
    now
        The instant that everything is stamped with, and by which a session has settled; by default the clock's.
    backfill
        The first day wanted, when more than the weeks before the session is.
    """

    lake: str | None = None
    market: Mapping[str, Any] = field(default_factory=dict)
    session: date | None = None
    now: datetime | None = None
    backfill: date | None = None

    def event(self) -> dict[str, Any]:
        """Return it as the first step takes it."""
        return {
            "lake": self.lake,
            "market": dict(self.market),
            "session": self.session.isoformat() if self.session else None,
            "now": self.now.isoformat() if self.now else None,
            "backfill": self.backfill.isoformat() if self.backfill else None,
        }


#: What a run answers when no batch stored anything: the manifest says why.
FAILED: Final = "RunFailed"


def run_day(
    wanted: Wanted | None = None,
    *,
    processes: bool = False,
    observer: Observer = _ignore,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Run one session: list of companies, batches, manifest.

    Safe to be run again at any time: it does what is missing, and nothing when nothing is.

    Parameters
    ----------
    wanted
        What to run.
    processes
        Whether batches run in processes of their own, side by side on all cores; in threads otherwise.
    observer
        Told of states, batches and retries as they come; see `stockstream.ingest.machine.Machine`. Its first word is
        ``start``, with the ``budget`` that counts the symbols asked for.
    sleep
        For tests: how the waits between the retries of a batch are waited.

    Returns
    -------
    dict
        What `stockstream.ingest.steps.report_run` returns; or, when there is no new session, ``new_session`` (False),
        ``session`` and ``reason``.

    Raises
    ------
    StockstreamError
        The list of companies cannot be had, or the lake or the configuration cannot be used.
    """
    from stockstream.settings import load

    settings = load()
    with ExitStack() as stack:
        fetch: Fetch
        if processes:
            crew = stack.enter_context(Crew(settings.workers, _limits(settings)))
            budget, fetch = crew.budget, crew.fetch
        else:
            budget = Budget(**_limits(settings))
            fetch = _in_this_process(budget)
        observer("start", {"budget": budget})
        return _execute(wanted or Wanted(), fetch, settings.workers, observer, sleep)


def _execute(
    wanted: Wanted, fetch: Fetch, workers: int, observer: Observer, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """Execute the state machine, and return what its reporter said even when that is why it failed."""
    reported: dict[str, Any] = {}

    def update(event: Any, _seconds: float | None) -> Any:
        return steps.update_symbols(event)

    def fetch_within(event: Any, seconds: float | None) -> Any:
        return fetch(event, None if seconds is None else time.monotonic() + seconds)

    def report(event: Any, _seconds: float | None) -> Any:
        reported.update(steps.report_run(event))
        return reported

    tasks = {"symbol_updater_arn": update, "stock_fetcher_arn": fetch_within, "run_reporter_arn": report}
    machine = Machine(states=definition(), tasks=tasks, workers=workers, observer=observer, sleep=sleep)
    try:
        result: dict[str, Any] = machine.run(wanted.event())
    except ExecutionFailedError as error:
        if error.error == FAILED:
            return reported
        if isinstance(error.__cause__, StockstreamError):
            raise error.__cause__ from None
        raise
    return result


def _in_this_process(budget: Budget) -> Fetch:
    def fetch(event: Any, deadline: float | None) -> Any:
        return steps.fetch_batch(event, pace=budget.pace(event["number"]), deadline=deadline)

    return fetch


def _limits(settings: Settings) -> dict[str, Any]:
    """Return the limits of the budget: all batches together ask as often as that many do, each at its delay."""
    delay, workers = settings.seconds_between_symbols, settings.workers
    return {"delay": delay, "per_second": workers / delay if delay else float("inf"), "burst": workers}
