"""As of when a lake is read: an instant, and which rows were final by then.

The time zone and the regular close of an exchange are written here. A calendar library knows them too, but loading it
takes longer than most reads, it is not installed everywhere, and one set of files must read alike on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from stockstream.errors import ParameterError, did_you_mean

type Instant = datetime | date | str

#: A bar is final this long after the close: Yahoo revised 13 % of closes fetched within two hours of it.
SETTLED_AFTER: Final = timedelta(hours=2)

_STAMP: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Exchange(NamedTuple):
    """Where and until when an exchange trades on a regular day."""

    zone: str
    close: time


EXCHANGES: Final[dict[str, Exchange]] = {
    "XASX": Exchange("Australia/Sydney", time(16)),
    "XFRA": Exchange("Europe/Berlin", time(17, 30)),
    "XHKG": Exchange("Asia/Hong_Kong", time(16)),
    "XLON": Exchange("Europe/London", time(16, 30)),
    "XNYS": Exchange("America/New_York", time(16)),
    "XNZE": Exchange("Pacific/Auckland", time(16, 45)),
    "XPAR": Exchange("Europe/Paris", time(17, 30)),
    "XTKS": Exchange("Asia/Tokyo", time(15, 30)),
    "XTSE": Exchange("America/Toronto", time(16)),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What counts in one reading of a lake.

    Attributes
    ----------
    exchange
        Code of the exchange whose bars the lake holds.
    until
        Answers and verdicts after this instant do not exist (text as in ``fetch_timestamp``); None is open.
    provisional
        Whether rows count that were fetched before their session had settled.
    """

    exchange: str = "XASX"
    until: str | None = None
    provisional: bool = False

    def is_provisional(self) -> str:
        """Return the SQL condition that a row (``date``, ``fetch_timestamp``) was fetched before its session settled.

        Early closes count as regular ones: their rows are final two hours later than they could be. No session is
        longer open than two days after its date, so most rows are told by the shorter comparison.
        """
        zone, close = EXCHANGES[self.exchange]
        settled = timedelta(hours=close.hour, minutes=close.minute) + SETTLED_AFTER
        instant = f"timezone('UTC', timezone('{zone}', date + INTERVAL {int(settled.total_seconds())} SECOND))"
        return (
            "CASE WHEN fetch_timestamp >= CAST(date + 2 AS VARCHAR) THEN false "
            f"ELSE fetch_timestamp < strftime({instant}, '{_STAMP}') END"
        )


def settled(day: int, exchange: str) -> str:
    """Return the instant, as the lake writes it, from which on the bar of a day (since 1970) is final.

    Examples
    --------
    >>> settled(19723, "XASX")  # 2024-01-01
    '2024-01-01T07:00:00.000000Z'
    """
    zone, close = EXCHANGES[exchange]
    midnight = datetime(1970, 1, 1) + timedelta(days=day)
    return (
        (midnight + timedelta(hours=close.hour, minutes=close.minute) + SETTLED_AFTER)
        .replace(tzinfo=ZoneInfo(zone))
        .astimezone(UTC)
        .strftime(_STAMP)
    )


def check_exchange(exchange: str) -> str:
    """Return the code of an exchange that readings know.

    Raises
    ------
    ParameterError
        It is none of `EXCHANGES`.
    """
    if exchange not in EXCHANGES:
        guess = did_you_mean(str(exchange), EXCHANGES)
        message = f"expected an exchange among {', '.join(EXCHANGES)}; found {exchange!r}.{guess}"
        raise ParameterError(message)
    return exchange


def instant(as_of: Instant, exchange: str = "XASX") -> str:
    """Return an instant as the lake writes it.

    Parameters
    ----------
    as_of
        A moment with a time zone, or a date, which means its end in the exchange's zone; either may be an ISO text.
    exchange
        Its code.

    Raises
    ------
    ParameterError
        A moment without a time zone, or something else.

    Examples
    --------
    >>> instant("2024-01-31")  # in Sydney, eleven hours ahead
    '2024-01-31T12:59:59.999999Z'
    >>> instant("2024-01-31T05:30:00Z")
    '2024-01-31T05:30:00.000000Z'
    """
    moment = _parse(as_of)
    if not isinstance(moment, datetime):
        zone = ZoneInfo(EXCHANGES[exchange].zone)
        midnight = datetime.combine(moment + timedelta(days=1), time(), zone)
        return (midnight.astimezone(UTC) - timedelta(microseconds=1)).strftime(_STAMP)
    if moment.tzinfo is None:
        message = f"expected as_of with a time zone; found {moment.isoformat()}. Add tzinfo=UTC, or give a date."
        raise ParameterError(message)
    return moment.astimezone(UTC).strftime(_STAMP)


def _parse(as_of: Instant) -> datetime | date:
    if isinstance(as_of, date):  # a datetime is a date too
        return as_of
    try:
        text = str(as_of)
        return date.fromisoformat(text) if "T" not in text and ":" not in text else datetime.fromisoformat(text)
    except ValueError as error:
        message = f"expected as_of like 2024-01-31 or 2024-01-31T05:30:00Z; found {as_of!r}"
        raise ParameterError(message) from error


def day_of(until: str, exchange: str) -> date:
    """Return the date at the exchange of an instant as the lake writes it."""
    return datetime.fromisoformat(until).astimezone(ZoneInfo(EXCHANGES[exchange].zone)).date()
