"""What a source of prices, a source of companies and a step of the pipeline must offer, and what they answer.

A third-party package offers one under the entry-point groups of `stockstream.plugins`, as the built-in ones do. An
entry point names a *factory*: a class or function that takes its options as keyword arguments and returns the source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

#: Columns of an answer with prices, in this order, all of one length, sorted by date, each date once.
ANSWER_COLUMNS: Final = ("date", "open", "high", "low", "close", "volume", "adjusted_close")


class Outcome(StrEnum):
    """What became of the question for one symbol."""

    ok = "ok"
    not_found = "not_found"  # the source knows no such symbol: on one answer never taken for a delisting
    no_data = "no_data"  # it knows the symbol, and has no bars in the range
    rate_limited = "rate_limited"
    timeout = "timeout"
    malformed = "malformed"  # what came is not the format: broken JSON, a page instead of data
    wrong_listing = "wrong_listing"  # another exchange or currency answered under this symbol
    not_tried = "not_tried"  # the deadline came first
    error = "error"  # anything else; the message says what


@dataclass(frozen=True, kw_only=True)
class Event:
    """A dividend (cash per share) or a split (new / old shares) on its ex-date."""

    ex_date: date
    kind: Literal["dividend", "split"]
    value: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is doubtful about an answer, as a second source or a check of its rows says it: for the run's manifest.

    Attributes
    ----------
    symbol
        The symbol.
    kind
        ``close_differs``, ``row_missing`` (the second has a traded day that the first lacks), ``filled_in``,
        ``not_filled_in`` (the closes of the two do not agree well enough), ``second_source_failed``; of one source,
        ``event_currency`` (a dividend in another currency than the prices, left out); else the code of a check.
    days
        How many days it is about.
    first_day
        The first of them, None when it is about no day.
    message
        In words, with both sources' names.
    """

    symbol: str
    kind: str
    days: int
    first_day: date | None
    message: str

    def as_json(self) -> dict[str, Any]:
        """Return it as receipts and manifests hold it, under its symbol."""
        day = self.first_day.isoformat() if self.first_day else None
        return {"kind": self.kind, "days": self.days, "first_day": day, "message": self.message}


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a price source answered for one symbol.

    Attributes
    ----------
    symbol
        As asked for: the exchange's code, without the suffix of any source.
    outcome
        Only ``ok`` carries columns.
    fetched_at
        The instant of the answer, with a time zone: all its rows share it.
    message
        Why there are no prices; empty when there are.
    columns
        The columns of `ANSWER_COLUMNS` as arrays of shape (n,): ``date`` as ``datetime64[D]`` in the exchange's own
        time zone, the others float64, NaN where the source has none. Prices as served: nothing is repaired.
    events
        Dividends and splits in the range, in order of date.
    currency, timezone
        As the source says; None when it does not.
    duplicates
        Dates for which the source gave several rows; the columns hold its last.
    unsettled
        Bars left out because their session had not settled.
    findings
        What a second source says of it.
    """

    symbol: str
    outcome: Outcome
    fetched_at: datetime
    message: str = ""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    events: tuple[Event, ...] = ()
    currency: str | None = None
    timezone: str | None = None
    duplicates: tuple[date, ...] = ()
    unsettled: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are prices."""
        return self.outcome is Outcome.ok


class Pace(Protocol):
    """How fast one batch may ask; batches that run at once share what lies behind it."""

    def wait(self, deadline: float | None = None) -> bool:
        """Wait for the next turn; False, at once, when it would come after the deadline (`time.monotonic` seconds)."""

    def served(self) -> None:
        """Report an answer: the pace may recover."""

    def refused(self) -> None:
        """Report a refusal for asking too often: every batch slows down."""


@runtime_checkable
class PriceSource(Protocol):
    """A source of daily bars."""

    def fetch(
        self,
        symbols: Sequence[str],
        start: date | None,
        end: date | None = None,
        *,
        pace: Pace | None = None,
        deadline: float | None = None,
    ) -> Iterable[Answer]:
        """Answer for every symbol, in order, one `Answer` each; a symbol that fails never stops the others.

        Parameters
        ----------
        symbols
            Codes of the exchange.
        start, end
            First and last session, both included. None: from the first day there is, to the last that has settled.
        pace
            Asked before each symbol and told of refusals; None asks at once.
        deadline
            Seconds of `time.monotonic` after which no further symbol is tried: the rest is ``not_tried``.
        """


@dataclass(frozen=True, kw_only=True)
class SymbolRow:
    """One company of a list.

    Attributes
    ----------
    symbol, name, sector
        As listed, spaces around them removed; the symbol is a text, whatever it looks like (360, INF, NAN).
    market_cap
        In whole units of the exchange's currency; None where the list has no number.
    market_cap_text
        What the list says instead or besides, such as SUSPENDED.
    listing_date
        The first day of trading, when the list has one.
    """

    symbol: str
    name: str = ""
    sector: str = ""
    market_cap: int | None = None
    market_cap_text: str = ""
    listing_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class SymbolList:
    """What a symbol source answered: the companies, and the answer itself, byte for byte."""

    rows: tuple[SymbolRow, ...]
    raw: bytes


@runtime_checkable
class SymbolSource(Protocol):
    """A source of listed companies."""

    def fetch(self) -> SymbolList:
        """Return the companies listed now.

        Raises
        ------
        stockstream.errors.SourceError
            There is no answer, or it is not a list of companies. Nothing is half-read.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """What a pipeline step makes of rows.

    Attributes
    ----------
    rows
        As many as were given, in the same order.
    reasons
        For each row a reason code, empty to keep it: the others go to quarantine instead of the lake.
    hidden
        For each row a reason code, empty to show it: the others are stored, with a verdict that hides them from readers
        and that a person may withdraw. None: no row is hidden.
    explanations
        For each row a sentence on its reason; None leaves it to the reason.
    findings
        What is doubtful besides, for the run's manifest.
    """

    rows: Mapping[str, NDArray[Any]]
    reasons: NDArray[Any]
    hidden: NDArray[Any] | None = None
    explanations: NDArray[Any] | None = None
    findings: tuple[Finding, ...] = ()


@runtime_checkable
class PipelineStep(Protocol):
    """A check or a transform of the rows that one batch is about to store."""

    def __call__(self, rows: Mapping[str, NDArray[Any]]) -> Checked:
        """Return as many rows in the same order, and what is to become of each.

        `rows` has the lake's columns as arrays of one length. The arrays must not be changed in place.
        """
