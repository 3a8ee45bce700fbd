"""Daily bars from Yahoo Finance, through the package yfinance (extra ``ingest``).

Yahoo's answers are passed on as served: what is wrong in them is for the lake to judge. What is decided here is whether
an answer is one: the right listing, in the right currency, of sessions that are over.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream import sessions
from stockstream.errors import ParameterError, SourceError
from stockstream.ingest.sources import Answer, Event, Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType
    from zoneinfo import ZoneInfo

    import pandas as pd
    from tenacity import RetryCallState

    from stockstream.ingest.sources import Pace

#: Outcomes that another try may change within the minute.
TRANSIENT: Final = frozenset({Outcome.rate_limited, Outcome.timeout, Outcome.malformed, Outcome.error})

#: Yahoo has no bars of Australian shares before 1988.
FIRST_DAY: Final = date(1970, 1, 1)

#: Shares of one exchange open one after the other: the ASX took ten minutes for it until 2025.
ONE_OPENING: Final = timedelta(minutes=15)

_COLUMNS: Final = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "adjusted_close": "Adj Close",
}


#: yfinance is set up once for the process; the folder that it caches in is the last one asked for.
_setting_up: Final = threading.Lock()
_caches: Final[list[str]] = []


def utc_now() -> datetime:
    """Return this instant."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Yahoo:
    """The price source ``yahoo``.

    Attributes
    ----------
    suffix
        What Yahoo appends to the exchange's codes.
    exchange
        Code of the trading calendar; its time zone is the one an answer must be in.
    currency
        The currency an answer must be in; an answer that names none is taken.
    unfinished
        Whether bars of a session that has not settled (closed two hours ago) are kept; left out and counted otherwise.
    timeout
        Seconds for one request.
    attempts, backoff
        Tries for a symbol whose answer is refused for haste, late, broken or cut off; in between come random waits
        that grow from `backoff` seconds to a minute.
    ca_bundle, proxy
        File of the certificates to trust, and proxy to go through; by default those of the system.
    cache
        Folder where yfinance keeps its cookie; by default its own.
    clock, sleep
        For tests: the present instant, and a wait.

    Raises
    ------
    ParameterError
        A number is out of range, or the exchange is unknown.
    """

    suffix: str = ".AX"
    exchange: str = "XASX"
    currency: str = "AUD"
    unfinished: bool = False
    timeout: float = 10.0
    attempts: int = 4
    backoff: float = 1.0
    ca_bundle: str | None = None
    proxy: str | None = None
    cache: str | None = None
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and self.attempts >= 1 and self.backoff >= 0):
            message = (
                "expected timeout > 0, attempts >= 1 and backoff >= 0; "
                f"found {self.timeout}, {self.attempts} and {self.backoff}"
            )
            raise ParameterError(message)
        self._zone = sessions.timezone(self.exchange)

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

        Raises
        ------
        SourceError
            The package yfinance is not installed.
        """
        client = self._client()
        out_of_time = False
        for symbol in symbols:
            out_of_time = out_of_time or not _may_go_on(pace, deadline)
            if out_of_time:
                yield self._failure(symbol, Outcome.not_tried, "the deadline came first")
            else:
                yield self._persist(client, symbol, (start or FIRST_DAY, end), pace, deadline)

    def _persist(
        self,
        client: ModuleType,
        symbol: str,
        days: tuple[date, date | None],
        pace: Pace | None,
        deadline: float | None,
    ) -> Answer:
        """Ask until the answer will not change by asking, the tries are used up, or the next would be too late."""
        import tenacity

        def too_late(state: RetryCallState) -> bool:
            return deadline is not None and time.monotonic() + state.upcoming_sleep > deadline

        def ask() -> Answer:
            answer = self._ask(client, symbol, *days)
            if pace is not None:
                pace.refused() if answer.outcome is Outcome.rate_limited else pace.served()
            return answer

        retrying = tenacity.Retrying(
            sleep=self.sleep,
            stop=lambda state: state.attempt_number >= self.attempts or too_late(state),
            wait=tenacity.wait_random_exponential(multiplier=self.backoff, max=60),
            retry=tenacity.retry_if_result(lambda answer: answer.outcome in TRANSIENT),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: Answer = retrying(ask)
        return answer

    def _ask(self, client: ModuleType, symbol: str, start: date, end: date | None) -> Answer:
        fetched_at = self.clock()
        settled = sessions.last_closed(fetched_at, self.exchange, sessions.SETTLED_AFTER)
        last = settled if not self.unfinished else fetched_at.astimezone(self._zone).date()
        last = last if end is None else min(last, end)
        # One day more than wanted, so that a bar still in the making is seen and counted.
        until = (last if end is None else end) + timedelta(days=2 if end is None else 1)
        try:
            frame, served = self._history(client, symbol, start, until)
            self._check_listing(served["meta"])
            if not self.unfinished:
                last = min(last, self._last_finished(served))
            return self._answer(symbol, fetched_at, frame, served, last)
        except Exception as error:
            outcome, message = classify(error)
            return self._failure(symbol, outcome, message, fetched_at)

    def _history(
        self, client: ModuleType, symbol: str, start: date, until: date
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return yfinance's frame, and the part of Yahoo's answer that it was made of."""
        from stockstream.ingest.recording import last_chart, session_through

        client.data.YfData.cache_get.cache_clear()  # a second try must not be answered with the first one's failure
        _silence()
        ticker = client.Ticker(symbol + self.suffix, session=session_through(self.ca_bundle, self.proxy))
        ticker._tz = self._zone.key  # else yfinance asks Yahoo for it first: twice the requests
        frame = ticker.history(
            start=start, end=until, interval="1d", auto_adjust=False, actions=True, timeout=self.timeout
        )
        served: dict[str, Any] = last_chart()["chart"]["result"][0]
        return frame, served

    def _check_listing(self, meta: dict[str, Any]) -> None:
        zone, currency = meta.get("exchangeTimezoneName"), meta.get("currency")
        if zone != self._zone.key:
            message = f"expected a listing in {self._zone.key}; Yahoo answered with one in {zone}"
            raise _WrongListingError(message)
        if currency is not None and currency != self.currency:
            message = f"expected prices in {self.currency}; Yahoo answered in {currency}"
            raise _WrongListingError(message)

    def _last_finished(self, served: dict[str, Any]) -> date:
        """Return the day of the last bar, or the day before when that bar was still in the making.

        A bar is stamped with its session's opening; the latest one with its last trade. A stamp in between is that of
        an old answer, served again after the session.
        """
        stamp = datetime.fromtimestamp(served["timestamp"][-1], UTC)
        day = stamp.astimezone(self._zone).date()
        if not sessions.is_session(day, self.exchange):
            return day
        opened = sessions.opens_at(day, self.exchange) + ONE_OPENING
        return day - timedelta(days=1) if opened < stamp < sessions.closes_at(day, self.exchange) else day

    def _answer(
        self, symbol: str, fetched_at: datetime, frame: pd.DataFrame, served: dict[str, Any], last: date
    ) -> Answer:
        index: Any = frame.index  # of days in the exchange's own time zone
        days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
        values = {name: frame[column].to_numpy(dtype=np.float64) for name, column in _COLUMNS.items()}
        priced = ~np.isnan(np.stack([values[name] for name in ("open", "high", "low", "close")])).all(axis=0)
        settled = days <= np.datetime64(last)
        kept = priced & settled
        if not kept.any():
            return self._failure(symbol, Outcome.no_data, "Yahoo has no bars in the range", fetched_at)
        events, findings = _events(symbol, served, self._zone, last)
        return Answer(
            symbol=symbol,
            outcome=Outcome.ok,
            fetched_at=fetched_at,
            columns={"date": days[kept], **{name: column[kept] for name, column in values.items()}},
            events=events,
            currency=served["meta"].get("currency"),
            timezone=served["meta"].get("exchangeTimezoneName"),
            duplicates=_dates_given_twice(served, self._zone, last),
            unsettled=int((priced & ~settled).sum()),
            findings=findings,
        )

    def _failure(self, symbol: str, outcome: Outcome, message: str, fetched_at: datetime | None = None) -> Answer:
        return Answer(symbol=symbol, outcome=outcome, message=message, fetched_at=fetched_at or self.clock())

    def _client(self) -> ModuleType:
        """Return yfinance, set up: errors as exceptions."""
        try:
            import yfinance
            import yfinance.data
        except ImportError as error:
            message = f'prices from Yahoo need the package yfinance; type `pip install "stockstream[ingest]"` ({error})'
            raise SourceError(message) from error
        with _setting_up:
            yfinance.config.debug.hide_exceptions = False  # hidden, a time-out is an empty answer
            logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # the answers say it
            if self.cache is not None and self.cache not in _caches:
                yfinance.set_tz_cache_location(self.cache)
                _caches[:] = [self.cache]
        client: ModuleType = yfinance
        return client


class _WrongListingError(Exception):
    """Another exchange's share answered."""


#: By name, because yfinance is imported where it is used; what it says is passed on.
_SAID_BY_NAME: Final = {
    "_WrongListingError": Outcome.wrong_listing,
    "YFRateLimitError": Outcome.rate_limited,
    "YFTzMissingError": Outcome.not_found,
    "YFDataException": Outcome.malformed,
}


def _silence() -> None:
    """Hide what yfinance turns on for itself and its authors; other threads may have put old filters back."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")


def _may_go_on(pace: Pace | None, deadline: float | None) -> bool:
    if pace is not None:
        return pace.wait(deadline)
    return deadline is None or time.monotonic() <= deadline


def _events(
    symbol: str, served: dict[str, Any], zone: ZoneInfo, last: date
) -> tuple[tuple[Event, ...], tuple[Finding, ...]]:
    """Return the events up to a day, by date, from what was served: yfinance moves those of days without a bar.

    An event in another currency than the prices is on no scale of theirs: it is left out, and a finding says so.
    """
    kept: list[Event] = []
    findings: list[Finding] = []
    groups, currency = served.get("events") or {}, served["meta"].get("currency")
    for one in (groups.get("dividends") or {}).values():
        day, other = datetime.fromtimestamp(one["date"], zone).date(), one.get("currency") or currency
        if other == currency:
            kept.append(Event(ex_date=day, kind="dividend", value=float(one["amount"])))
        elif day <= last:
            words = f"Yahoo gave a dividend of {one['amount']} {other} for prices in {currency}; it is not stored"
            findings.append(Finding(symbol=symbol, kind="event_currency", days=1, first_day=day, message=words))
    for one in (groups.get("splits") or {}).values():
        day = datetime.fromtimestamp(one["date"], zone).date()
        kept.append(Event(ex_date=day, kind="split", value=one["numerator"] / one["denominator"]))
    kept.sort(key=lambda event: (event.ex_date, event.kind))
    return tuple(event for event in kept if event.ex_date <= last), tuple(findings)


def _dates_given_twice(served: dict[str, Any], zone: ZoneInfo, last: date) -> tuple[date, ...]:
    """Return the dates with several priced rows: yfinance keeps one of them without a word."""
    closes = served["indicators"]["quote"][0]["close"]
    stamps = zip(served["timestamp"], closes, strict=True)
    days = sorted(datetime.fromtimestamp(stamp, zone).date() for stamp, close in stamps if close is not None)
    return tuple(sorted({day for day, after in pairwise(days) if day == after and day <= last}))


def classify(error: Exception) -> tuple[Outcome, str]:
    """Return what an exception out of yfinance or the network means, and in which words.

    Examples
    --------
    >>> classify(TimeoutError("10 s"))[0]
    <Outcome.timeout: 'timeout'>
    >>> classify(KeyError("timestamp"))
    (<Outcome.malformed: 'malformed'>, "KeyError: 'timestamp'")
    """
    text, name = " ".join(str(error).split())[:200], type(error).__name__
    if name in _SAID_BY_NAME:
        return _SAID_BY_NAME[name], text
    if name == "YFPricesMissingError":
        reason = str(getattr(error, "yahoo_reason", None) or "")
        return (Outcome.not_found if "may be delisted" in reason else Outcome.no_data), reason or text
    if isinstance(error, TimeoutError) or "Timeout" in name:
        outcome = Outcome.timeout
    elif isinstance(error, (ValueError, LookupError, TypeError, AttributeError)):
        outcome = Outcome.malformed
    else:
        outcome = Outcome.error
    return outcome, f"{name}: {text}"
