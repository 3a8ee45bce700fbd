"""From the answers of a batch to files in the lake: one table, checked row by row, good rows and bad rows apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import PluginError, counted
from stockstream.ingest.sources import ANSWER_COLUMNS, Answer, Event, Finding
from stockstream.lake.answers import Marks, write_answers
from stockstream.lake.write import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stockstream.ingest.fetching import Wish
    from stockstream.ingest.sources import Checked, PipelineStep
    from stockstream.lake.location import Location

_VALUES: Final = ANSWER_COLUMNS[1:]

#: What is said of a row when a step gives a reason and no sentence.
_SAID: Final = "a step of the pipeline decided so"

#: The columns that a step sees, in this order.
COLUMNS: Final = ("symbol", *ANSWER_COLUMNS, "fetch_timestamp", "dividend", "split")


@dataclass(frozen=True, kw_only=True)
class Landing:
    """What was stored, and what the steps found.

    Attributes
    ----------
    files
        Names of the new files.
    quarantined, hidden
        Symbol -> reason code -> rows that were not stored, and rows that were, with a verdict that hides them.
    findings
        Symbol -> what is doubtful besides.
    """

    files: list[str] = field(default_factory=list)
    quarantined: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hidden: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    findings: Mapping[str, list[Finding]] = field(default_factory=dict)


def land(
    location: Location, answers: Sequence[Answer], wish: Wish, steps: Sequence[PipelineStep], numbers: Sequence[int]
) -> Landing:
    """Store the rows and events of answers that have some.

    Raises
    ------
    PluginError
        A step returned something else than as many rows with a reason each. Nothing is stored.
    LakeError
        The lake cannot be written.
    """
    rows = table([answer for answer in answers if answer.ok])
    count = len(rows["symbol"])
    if not count:
        return Landing()
    nothing = np.full(count, "", dtype=object)
    marks = Marks(refused=nothing, hidden=nothing, explanations=nothing)
    findings: dict[str, list[Finding]] = {}
    for step in steps:
        checked = _checked(step, rows)
        rows, marks = {name: checked.rows[name] for name in COLUMNS}, _marked(marks, checked)
        for finding in checked.findings:
            findings.setdefault(finding.symbol, []).append(finding)
    landed = write_answers(location, rows, marks, session=wish.session, numbers=numbers, decided_at=wish.now)
    return Landing(
        files=list(landed.files),
        quarantined=_counted(landed.quarantined),
        hidden=_counted(landed.hidden),
        findings=findings,
    )


def _counted(pairs: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for symbol, reason in pairs:
        counts.setdefault(symbol, Counter())[reason] += 1
    return counts


def table(answers: Sequence[Answer]) -> dict[str, NDArray[Any]]:
    """Return answers as one table; events of a day without a bar are a row without prices.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> bars = {"date": np.array(["2024-01-02"], dtype="datetime64[D]"), **dict.fromkeys(_VALUES, np.array([5.0]))}
    >>> paid = Event(ex_date=date(2024, 1, 3), kind="dividend", value=0.5)
    >>> rows = table([Answer(symbol="BHP", outcome="ok", fetched_at=datetime(2024, 1, 4, tzinfo=UTC), columns=bars,
    ...                      events=(paid,))])
    >>> rows["symbol"].tolist(), rows["close"].tolist(), rows["dividend"].tolist()
    (['BHP', 'BHP'], [5.0, nan], [nan, 0.5])
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    for answer in answers:
        for name, column in _rows(answer).items():
            parts[name].append(column)
    return {name: np.concatenate(columns) if columns else np.empty(0) for name, columns in parts.items()}


def _rows(answer: Answer) -> dict[str, NDArray[Any]]:
    days = answer.columns["date"]
    events = {kind: _events(answer.events, kind) for kind in ("dividend", "split")}
    alone = sorted({day for found in events.values() for day in found} - set(days.tolist()))
    every = np.concatenate([days, np.array(alone, dtype="datetime64[D]")])
    nothing = np.full(len(alone), np.nan)
    columns: dict[str, NDArray[Any]] = {
        "symbol": np.full(len(every), answer.symbol, dtype=object),
        "date": every,
        "fetch_timestamp": np.full(len(every), timestamp(answer.fetched_at), dtype=object),
    }
    columns |= {name: np.concatenate([answer.columns[name].astype(np.float64), nothing]) for name in _VALUES}
    for kind, found in events.items():
        columns[kind] = np.array([found.get(day, np.nan) for day in every.tolist()], dtype=np.float64)
    return columns


def _events(events: Sequence[Event], kind: str) -> dict[Any, float]:
    """Return date -> value: two dividends of a day add up, two splits multiply."""
    found: dict[Any, float] = {}
    for event in events:
        if event.kind == kind:
            before = found.get(event.ex_date)
            joined = (
                event.value if before is None else before + event.value if kind == "dividend" else before * event.value
            )
            found[event.ex_date] = joined
    return found


def _checked(step: PipelineStep, rows: Mapping[str, NDArray[Any]]) -> Checked:
    """Return what a step makes of rows, every column as long as before."""
    checked = step(rows)
    count = len(rows["symbol"])
    columns = {name: checked.rows.get(name, ()) for name in COLUMNS} | {"reasons": checked.reasons}
    columns |= {
        name: column
        for name, column in (("hidden", checked.hidden), ("explanations", checked.explanations))
        if column is not None
    }
    wrong = {name: np.shape(column) for name, column in columns.items() if np.shape(column) != (count,)}
    if wrong:
        name, shape = next(iter(wrong.items()))
        message = (
            f"the pipeline step {step!r} was given {counted(count, 'row')} and must return as many, with a reason "
            f"each; found {shape} for {name}. Nothing was stored."
        )
        raise PluginError(message)
    return checked


def _marked(marks: Marks, checked: Checked) -> Marks:
    """Add the marks of one step: where an earlier step decided, that stands."""
    undecided = (marks.refused == "") & (marks.hidden == "")
    nothing = np.full(len(undecided), "", dtype=object)
    refused = np.where(undecided, checked.reasons, "").astype(object)
    hidden = nothing if checked.hidden is None else np.where(undecided & (refused == ""), checked.hidden, "")
    new = (refused != "") | (hidden != "")
    said = _SAID if checked.explanations is None else checked.explanations
    return Marks(
        refused=np.where(marks.refused == "", refused, marks.refused),
        hidden=np.where(marks.hidden == "", hidden, marks.hidden),
        explanations=np.where(new, said, marks.explanations).astype(object),
    )
