"""Where an audit cuts the bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import ledger

from stockstream.research.answers import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.bars import Bars
    from stockstream.research.answers import Answers

#: Cuts near the start, where a value that is filled backwards shows.
EARLY: Final = (2, 9, 24)

#: Cuts with a bar missing, and sessions whose fills are looked at.
GAPS: Final = 2
FILLS: Final = 6

AT_OPEN: Final = (ledger.ENTRY, ledger.EXIT, ledger.REVERSAL, ledger.REBALANCE)


def cuts_of(bars: Bars, answers: Answers, count: int) -> list[int]:
    """Return sessions to cut after, increasing.

    Parameters
    ----------
    bars
        At least some sessions are left on both sides of each cut.
    answers
        Where these change, something was decided; some cuts are there.
    count
        How many at most.
    """
    sessions = len(bars.dates)
    early = [session for session in EARLY if session < sessions // 2]
    gaps = _spread(np.flatnonzero(~bars.present.all(axis=0)), GAPS)
    acting = _spread(_acting(answers, bars), max(count // 4, 2))
    calendar = _calendar(bars.dates, max(count - len(early) - len(gaps) - len(acting), 4))
    chosen = dict.fromkeys([*calendar, *acting, *early, *gaps])
    return sorted(cut for cut in list(chosen)[:count] if 1 <= cut <= sessions - 2)


def _calendar(dates: NDArray[np.datetime64], count: int) -> list[int]:
    """Return ends of weeks and months, and sessions inside them, in turn, from the first fifth of the sessions on."""
    months = _ends(dates.astype("datetime64[M]").astype(np.int64))
    weeks = _ends((dates.astype(np.int64) + 3) // 7)
    every = np.arange(len(dates))
    kinds = [
        np.flatnonzero(weeks == every),
        np.flatnonzero(months == every),
        np.flatnonzero((weeks - every >= 2) & (months != every)),  # noqa: PLR2004 with two sessions of the week to come
        np.flatnonzero(months - every >= 8),  # noqa: PLR2004 with a third of the month to come
    ]
    wanted = np.linspace(0.2 * len(dates), 0.97 * len(dates), count)
    chosen = []
    for number, place in enumerate(wanted):
        kind = kinds[number % len(kinds)]
        kind = kind if len(kind) else every
        chosen.append(int(kind[np.argmin(np.abs(kind - place))]))
    return chosen


def _ends(period: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the last session of each session's period."""
    return np.searchsorted(period, period, side="right") - 1


def _acting(answers: Answers, bars: Bars) -> NDArray[np.int64]:
    """Sessions on which an order is made, else on which a condition or a whole number changes."""
    if "orders" in answers:
        return np.unique(answers["orders"].values["created"])
    found = np.zeros(len(bars.dates), dtype=bool)
    for answer in answers.values():
        values = answer.values
        if answer.dates is bars.dates and values.dtype.kind in "biu":
            changed = np.diff(values.astype(np.int64), axis=-1, prepend=values[..., :1]) != 0
            found |= changed.reshape(-1, len(bars.dates)).any(axis=0)
    return np.flatnonzero(found)


def _spread(places: NDArray[np.int64], count: int) -> list[int]:
    if not len(places):
        return []
    wanted = np.linspace(0, len(places) - 1, min(count, len(places)))
    return [int(places[int(place)]) for place in np.unique(wanted.astype(int))]


def due_at_open(answers: Answers, bars: Bars) -> list[int]:
    """Return some sessions with fills at the open by decisions of earlier sessions."""
    if "fills" not in answers:
        return []
    rows = _opening(answers["fills"].values)
    sessions = np.unique(rows["session"])
    return _spread(sessions[sessions < len(bars.dates)], FILLS)


def at_open(fills: Answer, day: np.datetime64) -> Answer:
    """Return the fills at the open of one day by decisions of earlier ones."""
    rows = fills.values[fills.dates == day]
    rows = _opening(rows)
    return Answer(rows, np.full(len(rows), day))


def _opening(rows: NDArray[Any]) -> NDArray[Any]:
    market = (rows["kind"] == ledger.MARKET) & np.isin(rows["reason"], AT_OPEN)
    due: NDArray[Any] = rows[market & (rows["created"] < rows["session"])]
    return due


def week_and_month(dates: NDArray[np.datetime64], start: int, end: int) -> str:
    """Say that a session is the last of the week or the month of another, where it is."""
    day = f", to {dates[end]}"
    month, week = dates.astype("datetime64[M]").astype(np.int64), (dates.astype(np.int64) + 3) // 7
    if end - start < 2:  # noqa: PLR2004 one session ahead is the end of a period by chance
        return ""
    if _ends(week)[start] == end:
        return f"{day}, the end of its week"
    return f"{day}, the end of its month" if _ends(month)[start] == end else ""
