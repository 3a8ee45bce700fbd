"""The events that the functions take, typed: anything else is refused before something is read or written."""

from __future__ import annotations

from datetime import date  # noqa: TC003 pydantic reads the annotations
from typing import Annotated, Any

from aws_lambda_powertools.utilities.parser import BaseModel
from pydantic import AwareDatetime, Field

type BatchNumber = Annotated[int, Field(ge=1, le=100_000, strict=True)]

#: Longer than any error's name, shorter than anything that could carry data along.
type ErrorName = Annotated[str, Field(max_length=200)]


class Event(BaseModel, extra="forbid"):
    """An event whose keys are all known. None names a lake: that is the deployment's."""

    def plain(self) -> dict[str, Any]:
        """Return the event as the steps take it."""
        return self.model_dump(mode="json", exclude_none=True)


class Start(Event):
    """What the schedule sends, or a person who starts a run by hand; all of it may be left out.

    ``now`` is the instant to act at and to stamp answers with, for replays of the past; ``market`` holds the keys of
    ``config/symbols.json``; ``scheduled_time`` is what the schedule was for, and is logged only: a late run asks for
    what has settled by then.
    """

    scheduled_time: AwareDatetime | None = None
    session: date | None = None
    backfill: date | None = None
    now: AwareDatetime | None = None
    market: dict[str, Any] = Field(default_factory=dict)


class Run(Event):
    """What the updater hands to the other states."""

    lake: None = None
    market: dict[str, Any] = Field(default_factory=dict)
    session: date
    now: AwareDatetime | None = None
    backfill: date | None = None


class Fetch(Event):
    """One batch of a run."""

    run: Run
    number: BatchNumber


class BatchResult(Event):
    """What a batch returned, or its number, the name of its error and what that said."""

    number: BatchNumber
    symbols: Annotated[int, Field(ge=0, le=100)] | None = None
    outcomes: dict[ErrorName, int] | None = None
    error: ErrorName | None = None
    cause: Annotated[str, Field(max_length=32_768)] | None = None


class Report(Event):
    """A run and what its batches returned."""

    run: Run
    results: list[BatchResult] = Field(default_factory=list, max_length=100_000)


class Compaction(Event):
    """What to compact: everything there is."""

    expire: bool = False
