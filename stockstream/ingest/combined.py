"""Two price sources as one: the second checks the first, or fills in what the first lacks.

Whatever the second one changes or doubts is a finding of the answer, so that a run's manifest holds it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from stockstream.errors import ParameterError, counted
from stockstream.ingest.sources import ANSWER_COLUMNS, Answer, Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from stockstream.ingest.sources import Pace, PriceSource

#: Two series are on one basis when the closes of at least so many common days agree.
LEAST_COMMON: Final = 5


class Combined:
    """A price source made of two.

    Parameters
    ----------
    first, second
        Name and source. Symbols are asked of the first one; what comes of it is held against the second one.
    use
        ``cross_check``: the answer is the first one's, and differences are findings. ``fill_in``: days that only the
        second one has are added, provided that the closes of the two agree on the days both have; a symbol for which
        the first has no prices is taken from the second. Rows that were filled in have no adjusted close, which
        belongs to one source's history.
    tolerance
        Relative difference from which on two closes differ, such as 0.005.

    Raises
    ------
    ParameterError
        `use` or `tolerance` cannot be.
    """

    def __init__(
        self,
        first: tuple[str, PriceSource],
        second: tuple[str, PriceSource],
        *,
        use: Literal["cross_check", "fill_in"],
        tolerance: float = 0.005,
    ) -> None:
        if use not in {"cross_check", "fill_in"} or not 0 < tolerance < 1:
            message = f"expected cross_check or fill_in and 0 < tolerance < 1; found {use!r} and {tolerance}"
            raise ParameterError(message)
        self._first_name, self._first = first
        self._second_name, self._second = second
        self._use, self._tolerance = use, tolerance

    def fetch(
        self,
        symbols: Sequence[str],
        start: date | None,
        end: date | None = None,
        *,
        pace: Pace | None = None,
        deadline: float | None = None,
    ) -> Iterator[Answer]:
        """Answer for every symbol, in order; see `stockstream.ingest.sources.PriceSource`.

        The second source is asked between two symbols of the first, whose pace is thus the pace of both.
        """
        for answer in self._first.fetch(symbols, start, end, pace=pace, deadline=deadline):
            if answer.outcome is Outcome.not_tried:
                yield answer
                continue
            yield self._joined(answer, self._ask_second(answer, start, end, deadline))

    def _ask_second(self, answer: Answer, start: date | None, end: date | None, deadline: float | None) -> Answer:
        """Return the second one's answer; whatever goes wrong with it must not cost the first one's."""
        try:
            other = next(iter(self._second.fetch([answer.symbol], start, end, deadline=deadline)), None)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        else:
            if other is not None:
                return other
            reason = "no answer"
        return Answer(symbol=answer.symbol, outcome=Outcome.error, fetched_at=answer.fetched_at, message=reason)

    def _joined(self, answer: Answer, other: Answer) -> Answer:
        if not other.ok:
            return self._with(answer, "second_source_failed", [], f"{self._second_name}: {other.message}")
        if not answer.ok:
            return self._replaced(answer, other) if self._use == "fill_in" else answer
        return self._filled(answer, other) if self._use == "fill_in" else self._checked(answer, other)

    def _checked(self, answer: Answer, other: Answer) -> Answer:
        differ = self._differing(answer, other)
        if len(differ):
            answer = self._with(answer, "close_differs", differ, self._example(answer, other, differ))
        traded = other.columns["volume"] > 0
        missing = np.setdiff1d(other.columns["date"][traded], answer.columns["date"])
        if len(missing):
            message = f"{self._second_name} has {counted(len(missing), 'traded day')} that {self._first_name} lacks"
            answer = self._with(answer, "row_missing", missing, message)
        return answer

    def _filled(self, answer: Answer, other: Answer) -> Answer:
        missing = np.setdiff1d(other.columns["date"], answer.columns["date"])
        if not len(missing):
            return answer
        lacking = f"{counted(len(missing), 'day')} that {self._first_name} lacks"
        differ = self._differing(answer, other)
        common = np.intersect1d(answer.columns["date"], other.columns["date"])
        if len(differ) or len(common) < LEAST_COMMON:
            shared = counted(len(common), "common day")
            why = f"their closes differ on {len(differ):,} of {shared}" if len(differ) else f"they have only {shared}"
            message = f"not taken from {self._second_name}: {lacking}, because {why}"
            return self._with(answer, "not_filled_in", missing, message)
        added = np.isin(other.columns["date"], missing)
        columns = {
            name: np.concatenate([answer.columns[name], _added(other.columns, name, added)]) for name in ANSWER_COLUMNS
        }
        order = np.argsort(columns["date"], kind="stable")
        filled = replace(answer, columns={name: values[order] for name, values in columns.items()})
        message = f"taken from {self._second_name}: {lacking}"
        return self._with(filled, "filled_in", missing, message)

    def _replaced(self, answer: Answer, other: Answer) -> Answer:
        days = other.columns["date"]
        taken = f"all from {self._second_name}, {counted(len(days), 'day')}"
        message = f"{taken}: {self._first_name} answered {answer.outcome} ({answer.message})"
        return self._with(other, "filled_in", days, message)

    def _differing(self, answer: Answer, other: Answer) -> NDArray[Any]:
        """Return the days on which both have a close and the two differ."""
        days, mine, theirs = np.intersect1d(answer.columns["date"], other.columns["date"], return_indices=True)
        one, two = answer.columns["close"][mine], other.columns["close"][theirs]
        differ: NDArray[Any] = days[np.abs(one - two) > self._tolerance * np.abs(one)]
        return differ

    def _example(self, answer: Answer, other: Answer, days: NDArray[Any]) -> str:
        closes = [float(a.columns["close"][a.columns["date"] == days[0]][0]) for a in (answer, other)]
        return (
            f"closes differ by more than {self._tolerance:.2%} on {counted(len(days), 'day')}; "
            f"on {days[0]} {self._first_name} has {closes[0]:g}, {self._second_name} {closes[1]:g}"
        )

    def _with(self, answer: Answer, kind: str, days: Sequence[Any] | NDArray[Any], message: str) -> Answer:
        first: date | None = days[0].astype(object) if len(days) else None
        finding = Finding(symbol=answer.symbol, kind=kind, days=len(days), first_day=first, message=message)
        return replace(answer, findings=(*answer.findings, finding))


def _added(columns: Mapping[str, NDArray[Any]], name: str, added: NDArray[Any]) -> NDArray[Any]:
    return np.full(int(added.sum()), np.nan) if name == "adjusted_close" else columns[name][added]
