"""Trading sessions of an exchange: which days it trades, when a session closes, which was the last to close.

A thin border around `exchange_calendars` (extra ``ingest``), so that the rest of the library speaks of plain dates.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from stockstream.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

#: The first session a calendar knows: Australian share prices have been recorded daily since well after it.
FIRST_DAY: Final = date(1990, 1, 1)

#: A bar is final only some time after the close: Yahoo revised 13 % of closes fetched within two hours of it.
SETTLED_AFTER: Final = timedelta(hours=2)


@cache
def _calendar(exchange: str) -> ExchangeCalendar:
    import exchange_calendars

    names = exchange_calendars.get_calendar_names()
    if exchange not in names:
        message = f"expected the code of an exchange such as XASX or XNYS; found {exchange!r}."
        raise ParameterError(message + did_you_mean(exchange, names))
    return exchange_calendars.get_calendar(exchange, start=FIRST_DAY.isoformat())


def timezone(exchange: str = "XASX") -> ZoneInfo:
    """Return the exchange's time zone.

    Examples
    --------
    >>> timezone("XASX").key
    'Australia/Sydney'
    """
    return ZoneInfo(str(_calendar(exchange).tz))


def horizon(exchange: str = "XASX") -> tuple[date, date]:
    """Return the first and the last session that the calendar knows."""
    calendar = _calendar(exchange)
    return calendar.first_session.date(), calendar.last_session.date()


def sessions(start: date, end: date, exchange: str = "XASX") -> list[date]:
    """Return the sessions from one day to another, both included, as far as the calendar reaches.

    Examples
    --------
    >>> [day.isoformat() for day in sessions(date(2026, 12, 23), date(2026, 12, 30))]
    ['2026-12-23', '2026-12-24', '2026-12-29', '2026-12-30']
    """
    return list(_between(start, end, exchange))


@lru_cache(maxsize=256)
def _between(start: date, end: date, exchange: str) -> tuple[date, ...]:
    first, last = horizon(exchange)
    start, end = max(start, first), min(end, last)
    if start > end:
        return ()
    return tuple(day.date() for day in _calendar(exchange).sessions_in_range(start.isoformat(), end.isoformat()))


def is_session(day: date, exchange: str = "XASX") -> bool:
    """Whether the exchange trades on a day."""
    return bool(sessions(day, day, exchange))


def _check_session(session: date, exchange: str) -> None:
    if not is_session(session, exchange):
        message = f"expected a session of {exchange}; found {session}, on which it does not trade"
        raise ParameterError(message)


def closes_at(session: date, exchange: str = "XASX") -> datetime:
    """Return the instant, in UTC, at which a session closes; early closes are known.

    Examples
    --------
    >>> closes_at(date(2026, 12, 24)).isoformat()  # 14:10 in Sydney
    '2026-12-24T03:10:00+00:00'
    """
    _check_session(session, exchange)
    close: datetime = _calendar(exchange).session_close(session.isoformat()).to_pydatetime()
    return close.astimezone(UTC)


def opens_at(session: date, exchange: str = "XASX") -> datetime:
    """Return the instant, in UTC, at which a session opens.

    Examples
    --------
    >>> opens_at(date(2026, 1, 5)).isoformat()  # 10:00 in Sydney, in summer the UTC date before
    '2026-01-04T23:00:00+00:00'
    """
    _check_session(session, exchange)
    opening: datetime = _calendar(exchange).session_open(session.isoformat()).to_pydatetime()
    return opening.astimezone(UTC)


def last_closed(now: datetime, exchange: str = "XASX", settled_after: timedelta = timedelta()) -> date:
    """Return the latest session whose close lies at least `settled_after` before an instant.

    Examples
    --------
    >>> last_closed(datetime(2026, 10, 4, 19, tzinfo=UTC)).isoformat()  # Monday 06:00 in Sydney, a holiday in Sydney
    '2026-10-02'
    """
    if now.tzinfo is None:
        message = f"expected an instant with a time zone; found {now.isoformat()}. Add tzinfo=UTC."
        raise ParameterError(message)
    today = now.astimezone(timezone(exchange)).date()
    days = sessions(today - timedelta(days=30), today, exchange)
    for session in reversed(days):
        if closes_at(session, exchange) + settled_after <= now:
            return session
    message = f"the calendar of {exchange} knows no session in the 30 days before {now.isoformat()}"
    raise ParameterError(message)
