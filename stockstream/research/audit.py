"""The future-scramble test: what changes when the future does has looked ahead."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from stockstream.backtesting.engine import settings_of
from stockstream.bars import Bars
from stockstream.errors import DataError, ParameterError, counted
from stockstream.research import alterations
from stockstream.research.answers import ShapeError, subject_of
from stockstream.research.cuts import at_open, cuts_of, due_at_open, week_and_month
from stockstream.research.differences import Difference, first_difference
from stockstream.research.findings import UNABLE, Audit, Check, Finding
from stockstream.research.restated import restatements
from stockstream.research.suspects import suspect_expression, suspect_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.lake import Lake
    from stockstream.research.answers import Answers, Subject

__all__ = ["Audit", "Finding", "audit"]

#: Sessions that a panel needs for a cut with something on both sides.
FEWEST: Final = 20

#: A target slower than this, in seconds, is cut less often, and its reach is not measured.
SLOW: Final = 0.25

BLIND: Final = (
    "data that the target reads from elsewhere than its bars: files, a database, variables filled beforehand",
    "parameters, rules and symbols that were chosen because of how these years turned out",
    "a choice between cuts: only some sessions are cut, so a leak that acts on rare days can be missed",
)
REVISED: Final = "values that were revised later, and splits and dividends behind adjusted prices"
NO_LAKE: Final = f"{REVISED}: pass lake= to read the bars as they were known"
NOTHING_EARLIER: Final = f"{REVISED}: the lake has no earlier answers about these bars that could be read"


def audit(
    target: Any,
    bars: Bars,
    *,
    lake: Lake | None = None,
    known: Literal["close", "open"] = "close",
    cuts: int = 16,
    seed: int = 0,
    **settings: Any,
) -> Audit:
    """Find out whether a strategy, an indicator or a function looks ahead.

    The target runs on the bars, then again and again on bars that are the same up to a cut and different after it. A
    value of a day up to the cut that changes was made from what came later.

    Parameters
    ----------
    target
        A strategy of any form but `SignalStrategy`, an indicator, a rule, or a function of bars that returns arrays
        ``(T,)`` or ``(S, T)``, a frame with dates, several of them by name, or a strategy. It is copied for each run.
    bars
        Prices to try it on; a few hundred sessions or more.
    lake
        Where the bars came from: they are read again as they were known at several cuts.
    known
        When a function's value of a bar is known: ``"close"`` allows bars up to and including this one, ``"open"``
        only earlier bars and this one's open, as a position held during the bar needs.
    cuts
        Sessions to cut at: inside weeks and months, at their ends, near the start, at gaps and where the target acts.
    seed
        Of the altered bars.
    **settings
        Options of `backtest`, such as ``fill=``, ``sizing=`` and ``costs=``.

    Returns
    -------
    Audit
        The verdict, the findings with their source, the checks made and what they cannot see.

    Raises
    ------
    ParameterError
        The target cannot be asked, or answers with something that has no date.
    DataError
        Too few sessions.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 300)), axis=1))
    >>> dates = np.arange("2023-01-01", "2023-10-28", dtype="datetime64[D]")
    >>> prices = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=dates, **prices)
    >>> def tomorrow(bars):
    ...     return np.roll(bars.close, -1, axis=1) > bars.close
    >>> found = ss.audit(tomorrow, bars)
    >>> found.outcome, found.findings[0].reach
    ('looked ahead', 'at least 1 session ahead')
    >>> ss.audit(ss.close > 1.0, bars).clean
    True
    """
    if not isinstance(bars, Bars):
        message = (
            f"expected Bars; found {type(bars).__name__}. Build them with lake.bars(...) or ss.Bars.from_polars(...)"
        )
        raise DataError(message)
    if len(bars.dates) < FEWEST:
        message = f"expected at least {FEWEST} sessions to cut; found {len(bars.dates)}"
        raise DataError(message)
    if known not in ("close", "open"):
        message = f"expected known='close' or known='open'; found {known!r}"
        raise ParameterError(message)
    if isinstance(cuts, bool) or not isinstance(cuts, int) or cuts < 1:
        message = f"expected cuts to be a whole number of at least 1; found {cuts!r}"
        raise ParameterError(message)
    chosen = settings_of(**settings)
    work = _Work(subject_of(target, chosen, bars), bars, np.random.default_rng(seed), known)
    started = time.perf_counter()
    if work.twice():
        if chosen.fill == "close" and work.subject.kind == "strategy":
            work.same_bar()
        work.futures(cuts)
        work.bars_alone()
        if lake is not None:
            work.as_of(lake)
        work.follows()
    blind = BLIND if lake is not None else (*BLIND, NO_LAKE)
    return work.audit(blind, time.perf_counter() - started)


@dataclass(eq=False)
class _Work:
    """One audit under way."""

    subject: Subject
    bars: Bars
    random: np.random.Generator
    known: str
    base: Answers = field(default_factory=dict)
    slow: bool = False
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known_leaks: dict[str, tuple[str, str]] = field(default_factory=dict)
    unsure: bool = False

    def audit(self, blind: tuple[str, ...], seconds: float) -> Audit:
        """Return what was found."""
        outcome: Literal["clean", "looked ahead", "cannot tell"] = "clean"
        if self.findings:
            outcome = "cannot tell" if self.unsure else "looked ahead"
        symbols, sessions = self.bars.shape
        return Audit(
            target=self.subject.name,
            kind=self.subject.kind,
            symbols=symbols,
            sessions=sessions,
            outcome=outcome,
            findings=tuple(self.findings),
            checks=tuple(self.checks),
            blind_spots=(*blind, *dict.fromkeys(self.notes)),
            seconds=seconds,
        )

    # ---- checks ----------------------------------------------------------------------------------------------

    def twice(self) -> bool:
        """Run on the same bars twice; nothing else can be said when that differs."""
        self.subject.answers(self.bars)  # compiles, and lets what remembers earlier runs remember one
        started = time.perf_counter()
        self.base = self.subject.answers(self.bars)
        self.slow = time.perf_counter() - started > SLOW
        again = self.subject.answers(self.bars)
        found = first_difference(self.base, again, self.bars.dates[-1], self.bars.symbols)
        self.checks.append(Check("determinism", 2, found is None))
        if found is None:
            return True
        self.unsure = True
        text = "the same bars give different answers: fix the seed, and keep nothing from run to run."
        self.findings.append(_finding("determinism", found, None, explanation=f"{_where(found)}: {text}"))
        return False

    def same_bar(self) -> None:
        """Name what an execution at the close of the decision is."""
        filled = len(self.base["fills"].values) if "fills" in self.base else 0
        self.checks.append(Check("same-bar fill", 0, not filled))
        if filled:
            day = self.base["fills"].dates[0]
            text = (
                f"{counted(filled, 'fill')} at the close that the decision was made from, the first on {day}: "
                "that close is known only when it is too late to trade at it."
            )
            self.findings.append(
                Finding(
                    detector="same-bar fill", answer="fills", date=day.item(), source='fill="close"', explanation=text
                )
            )

    def futures(self, count: int) -> None:
        """Alter what comes after each cut."""
        cuts = cuts_of(self.bars, self.base, max(count // 2, 6) if self.slow else count)
        random = self.random
        ways: dict[str, Callable[[Bars, int], Bars]] = {
            "future mirrored": alterations.mirrored,
            "future scrambled": lambda bars, cut: alterations.scrambled(bars, cut, random),
            "future removed": alterations.removed,
        }
        if len(self.bars.symbols) > 1:
            ways["listings ended"] = lambda bars, cut: alterations.delisted(bars, cut, random)
        for detector, alter in ways.items():
            some = cuts[:: max(len(cuts) // 4, 1)] if detector == "listings ended" else cuts
            self._future(detector, alter, some)

    def _future(self, detector: str, alter: Callable[[Bars, int], Bars], cuts: list[int]) -> None:
        runs, first, at = 0, None, 0
        for cut in cuts:
            altered = alter(self.bars, cut)
            asked = self._ask(detector, altered, cut)
            if asked is None:
                continue
            runs += 1
            found = asked
            if isinstance(asked, dict):
                found = first_difference(self.base, asked, self.bars.dates[cut], self.bars.symbols)
            if isinstance(found, Difference) and (first is None or found.date < first.date):
                first, at = found, cut
                if self.slow:
                    break
        self.checks.append(Check(detector, runs, first is None, "" if runs else UNABLE))
        if isinstance(first, Difference):
            self.findings.append(self._explained(detector, first, at, alter))

    def _ask(self, detector: str, altered: Bars, cut: int) -> Any:
        """Return answers; a difference where their shape says it; None where the target could not run."""
        try:
            return self.subject.answers(altered)
        except ShapeError as error:
            day = self.bars.dates[cut]
            return Difference("shape", day, "", counted(len(altered.dates), "session"), f"shape {error.found}")
        except Exception as error:
            text = " ".join(str(error).split())
            self.notes.append(
                f"'{detector}' at {self.bars.dates[cut]}: the target raised {type(error).__name__}: {text[:160]}"
            )
            return None

    def bars_alone(self) -> None:
        """Alter one bar after its open: what was due at that open must not change."""
        if self.known == "open" and self.subject.kind != "strategy":
            sessions = cuts_of(self.bars, self.base, 6)
        else:
            sessions = due_at_open(self.base, self.bars)
        runs, first = 0, None
        for session in sessions:
            altered = alterations.bar_alone(self.bars, session, volume=self.known == "open")
            asked = self._ask("bar alone", altered, session)
            if not isinstance(asked, dict):
                continue
            runs += 1
            one, two = (_due(answers, self.known, self.bars.dates[session]) for answers in (self.base, asked))
            found = first_difference(one, two, self.bars.dates[session], self.bars.symbols)
            if found is not None and (first is None or found.date < first[0].date):
                first = (found, session)
        if sessions:
            self.checks.append(Check("bar alone", runs, first is None))
        if first is not None:
            found, session = first
            text = (
                f"{_where(found)} changes with the close, high and low of {self.bars.dates[session]}, after its open."
            )
            source = self._source(found, alterations.bar_alone(self.bars, session, volume=True), session - 1)
            self.findings.append(_finding("bar alone", found, None, source=source, explanation=text))

    def as_of(self, lake: Lake) -> None:
        """Read the bars again as the lake knew them at several cuts."""
        runs, revised, first = 0, 0, None
        for known in restatements(lake, self.bars, self.notes):
            runs += 1
            if not known.revisions:
                continue
            revised += known.rows
            asked = self._ask("as of", known.bars, known.cut)
            if isinstance(asked, dict):
                until = self.bars.dates[known.cut]
                found = first_difference(self.base, asked, until, self.bars.symbols, known.tolerance)
                if found is not None and first is None:
                    first = (found, known)
        if not runs:
            self.notes.append(NOTHING_EARLIER)
        note = f"{counted(revised, 'row')} revised later" if revised else "no revised rows"
        self.checks.append(Check("as of", runs, first is None, note if runs else UNABLE))
        if first is not None:
            found, known = first
            revised_first = known.revisions.get(found.symbol) or next(iter(known.revisions.values()))
            text = (
                f"{_where(found)} is another with the bars as they were known on {known.day}: {revised_first}, "
                f"and {counted(known.rows, 'row')} in all changed after that day."
            )
            cut = self.bars.dates[known.cut].item()
            self.findings.append(_finding("as of", found, cut, explanation=text))

    def follows(self) -> None:
        """Try another history: an answer that stays the same is not made from the bars."""
        if self.findings:
            return
        asked = self._ask("follows its bars", alterations.other_history(self.bars, self.random), 0)
        if not isinstance(asked, dict):
            return
        same = first_difference(self.base, asked, self.bars.dates[-1], self.bars.symbols) is None
        silent = "fills" in self.base and not len(self.base["fills"].values) and not len(asked["fills"].values)
        if same and silent:
            self.notes.append("what it would do if it traded: it made no order on these bars, nor on others")
        self.checks.append(Check("follows its bars", 1, silent or not same))
        if same and not silent:
            self.unsure = True
            text = (
                "the answer is the same on another history: it is made from something else than the bars it is given."
            )
            self.findings.append(Finding(detector="follows its bars", explanation=text))

    # ---- explaining ------------------------------------------------------------------------------------------

    def _explained(self, detector: str, found: Difference, cut: int, alter: Callable[[Bars, int], Bars]) -> Finding:
        day = self.bars.dates[cut]
        if found.answer == "shape":
            text = f"bars up to {day} have {found.before}, and the answer has {found.after}: it reads other bars."
            return _finding(detector, found, day.item(), explanation=text)
        if found.answer not in self.known_leaks:
            reach = "" if self.slow else self._reach(found, cut, alter)
            self.known_leaks[found.answer] = (reach, self._source(found, alter(self.bars, cut), cut))
        reach, source = self.known_leaks[found.answer]
        what = f"{_where(found)} changes from {found.before} to {found.after} when only bars after {day} do"
        text = f"{what}: it reads {reach}." if reach else f"{what}."
        return _finding(detector, found, day.item(), reach=reach, source=source, explanation=text)

    def _source(self, found: Difference, other: Bars, cut: int) -> str:
        expression = self.base[found.answer].expression if found.answer in self.base else None
        if expression is not None:
            return suspect_expression(expression, self.bars, other, cut)
        return suspect_line(self.subject, self.bars, other, cut)

    def _reach(self, found: Difference, cut: int, alter: Callable[[Bars, int], Bars]) -> str:
        """Say how far ahead a value reads, by the latest cut that still changes it."""
        dates = self.bars.dates
        start = int(np.searchsorted(dates, found.date))
        low, high = max(cut, start), len(dates) - 2

        def changes(at: int) -> bool:
            asked = self._ask("reach", alter(self.bars, at), at)
            if not isinstance(asked, dict):
                return False
            one, two = ({found.answer: answers[found.answer]} for answers in (self.base, asked))
            seen = first_difference(one, two, found.date, self.bars.symbols)
            return seen is not None and seen.date <= found.date

        kept = list(self.notes)
        if low < high and changes(high):
            self.notes[:] = kept
            return "to the end of the data"
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if changes(middle) else (low, middle - 1)
        self.notes[:] = kept
        ahead = low + 1 - start
        period = week_and_month(dates, start, low + 1)
        return f"at least {ahead} session{'s' if ahead != 1 else ''} ahead{period}"


def _due(answers: Answers, known: str, day: np.datetime64) -> Answers:
    """Return what is due at the open of a day: fills there by decisions of earlier days, or all values."""
    if "fills" in answers:
        return {"fills": at_open(answers["fills"], day)}
    return answers if known == "open" else {}


def _where(found: Difference) -> str:
    symbol = f" of {found.symbol}" if found.symbol else ""
    return f"{found.answer}{symbol} on {found.date}"


def _finding(detector: str, found: Difference, cut: Any, **more: Any) -> Finding:
    return Finding(
        detector=detector,
        answer=found.answer,
        date=found.date.astype(object),
        symbol=found.symbol,
        cut=cut,
        before=found.before,
        after=found.after,
        **more,
    )
