"""How a check is declared, what it finds, and the review that they make up."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from stockstream.errors import counted

type Figures = Mapping[str, Any]
type Finder = Callable[..., Figures | None]


@dataclass(frozen=True)
class Finding:
    """Something a reader must know before believing the figures.

    Attributes
    ----------
    code, title
        Of the check that found it.
    grave
        True when the figures may mean nothing at all; False when they must be read with care.
    text
        What was found, with its figures.
    remedy
        What to do about it.
    figures
        The figures by name.
    """

    code: str
    title: str
    grave: bool
    text: str
    remedy: str
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One declared check.

    Attributes
    ----------
    code, title
        Its name in code, such as ``"few-trades"``, and in words.
    condition
        When it triggers, with the names of `limits` in braces.
    explanation
        What is said then, with the names of the figures in braces.
    remedy
        What to do about it.
    find
        Returns the figures of the explanation, or None when all is well or the check does not apply.
    limits
        Its thresholds, by name.
    grave
        See `Finding`.
    """

    code: str
    title: str
    condition: str
    explanation: str
    remedy: str
    find: Finder
    limits: Mapping[str, float]
    grave: bool = False

    def __call__(self, facts: Any) -> Finding | None:
        """Look at a run."""
        figures = self.find(facts, **self.limits)
        if figures is None:
            return None
        text = _ONE.sub(_singular, self.explanation.format(**figures))
        return Finding(self.code, self.title, self.grave, text, self.remedy, figures)

    @property
    def rule(self) -> str:
        """The condition with its thresholds filled in."""
        return self.condition.format(**self.limits)


#: What explanations count, where it is one.
_ONE: Final = re.compile(r"(?<![\d.,])1 (bar|combination|fill|order|session|symbol|trade|year)s( were)?\b")


def _singular(found: re.Match[str]) -> str:
    return f"1 {found[1]}{' was' if found[2] else ''}"


def declare(
    code: str, title: str, *, when: str, says: str, remedy: str, grave: bool = False, **limits: float
) -> Callable[[Finder], Check]:
    """Declare a check over the function that looks for it."""
    return lambda find: Check(code, title, when, says, remedy, find, limits, grave)


@dataclass(frozen=True, repr=False)
class Review:
    """What a review found, grave findings first.

    Attributes
    ----------
    findings
        What was found.
    checks
        Every check that was made.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> close = np.linspace(10.0, 11.0, 60)
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=np.datetime64("2024-01-01") + np.arange(60), open=close,
    ...                            high=close, low=close, close=close, volume=close * 1e6)
    >>> review = ss.backtest(ss.SignalStrategy(enter_long=np.arange(60) == 5), bars).review()
    >>> "few-trades" in review, "ruin" in review
    (True, False)
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, checks: Sequence[Check], facts: Any) -> Review:
        """Make every check."""
        found = [finding for check in checks if (finding := check(facts)) is not None]
        return cls(tuple(sorted(found, key=lambda finding: not finding.grave)), tuple(checks))

    @property
    def grave(self) -> tuple[Finding, ...]:
        """The grave findings only."""
        return tuple(finding for finding in self.findings if finding.grave)

    @property
    def quiet(self) -> tuple[Check, ...]:
        """The checks that found nothing, or did not apply."""
        found = {finding.code for finding in self.findings}
        return tuple(check for check in self.checks if check.code not in found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __contains__(self, code: object) -> bool:
        return any(finding.code == code for finding in self.findings)

    def __getitem__(self, code: str) -> Finding:
        return next(finding for finding in self.findings if finding.code == code)

    @property
    def summary(self) -> str:
        """One line: how much was found by how many checks."""
        grave, mild = len(self.grave), len(self.findings) - len(self.grave)
        checks, quiet = counted(len(self.checks), "check"), len(self.quiet)
        return f"{checks}: {grave} grave, {mild} to read with care, {quiet} found nothing"

    def __repr__(self) -> str:
        lines = [f"Review of {self.summary}"]
        for finding in self.findings:
            mark = "!!" if finding.grave else " !"
            lines += [f"{mark} {finding.title} ({finding.code})", f"   {finding.text}", f"   {finding.remedy}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'grave' if finding.grave else 'care'}</td>"
            f"<td style='text-align:left'><strong>{html.escape(finding.title)}</strong></td>"
            f"<td style='text-align:left'>{html.escape(finding.text)} {html.escape(finding.remedy)}</td></tr>"
            for finding in self.findings
        )
        return f"<div><strong>Review of {html.escape(self.summary)}</strong><table>{rows}</table></div>"
