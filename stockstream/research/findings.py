"""What an audit answers: findings, the checks behind them, and what it could not see."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from stockstream.errors import counted

if TYPE_CHECKING:
    import datetime

#: What each detector does, for people.
DETECTORS = {
    "determinism": "the same bars twice give the same answer",
    "future removed": "bars after a cut are taken away",
    "future mirrored": "every move after a cut is turned upside down",
    "future scrambled": "sessions after a cut are shuffled, shocked and traded otherwise",
    "listings ended": "half of the symbols have no bar after a cut",
    "bar alone": "one bar closes elsewhere, and what was due at its open stays the same",
    "same-bar fill": "no decision is filled at the close it was made at",
    "as of": "the bars are read again as the lake knew them then",
    "follows its bars": "another history gives another answer",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which a target looked ahead.

    Attributes
    ----------
    detector
        Which check found it: a name of `DETECTORS`.
    answer
        What changed: a rule, an output, ``"orders"`` and so on.
    date, symbol
        The first value that changed; the symbol is empty where values have none.
    cut
        The last day that was left as it was.
    reach
        How far ahead it reads, in words; empty where that was not measured.
    source
        The line or the expression that let the future in; empty where there is none to name.
    before, after
        The value with the bars as they are, and with the altered ones.
    explanation
        One sentence.
    """

    detector: str
    answer: str = ""
    date: datetime.date | None = None
    symbol: str = ""
    cut: datetime.date | None = None
    reach: str = ""
    source: str = ""
    before: str = ""
    after: str = ""
    explanation: str

    def __str__(self) -> str:
        where = f" ({self.source})" if self.source else ""
        return f"[{self.detector}] {self.explanation}{where}"


@dataclass(frozen=True)
class Check:
    """One check that was made: its detector, how often, and whether it passed."""

    detector: str
    runs: int
    passed: bool
    note: str = ""

    @property
    def what(self) -> str:
        """What the check expects, in words."""
        return DETECTORS[self.detector]


#: Note of a check that said nothing.
UNABLE: Final = "could not be run"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The answer of an audit.

    Attributes
    ----------
    target, kind
        What was audited: its name, and ``"strategy"``, ``"indicator"`` or ``"function"``.
    symbols, sessions
        Size of the bars.
    outcome
        ``"clean"``: no check found anything. ``"looked ahead"``. ``"cannot tell"``: no check could say anything,
        because the answer is not repeatable or does not follow the bars.
    findings
        At most one for each detector.
    checks
        What was done.
    blind_spots
        What these checks cannot see, and checks that could not be made.
    seconds
        Wall time.
    """

    target: str
    kind: str
    symbols: int
    sessions: int
    outcome: Literal["clean", "looked ahead", "cannot tell"]
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    blind_spots: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def clean(self) -> bool:
        """True when no check found anything."""
        return self.outcome == "clean"

    @property
    def runs(self) -> int:
        """Runs on altered bars."""
        return sum(check.runs for check in self.checks)

    @property
    def verdict(self) -> str:
        """Say in one sentence what was found."""
        if self.outcome == "clean":
            runs = f"{counted(self.runs, 'run')} of {self.target} on altered bars"
            return f"No look-ahead found in {runs}; that is evidence, not proof."
        if self.outcome == "cannot tell":
            return f"Nothing can be said about {self.target}: {self.findings[0].explanation}"
        return f"{self.target} looked ahead: {self.findings[0].explanation}"

    def __repr__(self) -> str:
        lines = [self.verdict]
        lines += [f"  {finding}" for finding in self.findings]
        size = f"{counted(self.symbols, 'symbol')} x {counted(self.sessions, 'session')}"
        lines.append(f"Checked on {size} in {self.seconds:.2f} s:")
        for check in self.checks:
            note = f" ({check.note})" if check.note else ""
            if check.note == UNABLE:
                lines.append(f"  not run {check.detector}: {check.what}")
            else:
                lines.append(f"  {'passed' if check.passed else 'FAILED'}  {check.detector}: {check.what}{note}")
        lines.append("It cannot see:")
        lines += [f"  - {spot}" for spot in self.blind_spots]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        found = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in self.findings)
        rows = "".join(
            f"<tr><td>{'passed' if check.passed else '<strong>failed</strong>'}</td>"
            f"<td>{html.escape(check.detector)}</td><td>{html.escape(check.what)}</td>"
            f"<td>{check.runs}</td><td>{html.escape(check.note)}</td></tr>"
            for check in self.checks
        )
        blind = "".join(f"<li>{html.escape(spot)}</li>" for spot in self.blind_spots)
        return (
            f"<p><strong>{html.escape(self.verdict)}</strong></p>{f'<ul>{found}</ul>' if found else ''}"
            "<table><thead><tr><th></th><th>check</th><th>what it does</th><th>runs</th><th>note</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><details><summary>What it cannot see</summary><ul>{blind}</ul></details>"
        )
