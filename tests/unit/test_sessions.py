"""Sessions by the calendar: early closes, holidays, and the last session to have closed in both seasons."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from stockstream import sessions
from stockstream.errors import ParameterError

SYDNEY = ZoneInfo("Australia/Sydney")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 10, 5, 6, tzinfo=SYDNEY), date(2026, 10, 2)),  # Monday, daylight saving began the day before
        (datetime(2026, 12, 29, 6, tzinfo=SYDNEY), date(2026, 12, 24)),  # Christmas, its substitute, a weekend
        (datetime(2026, 7, 1, 6, tzinfo=SYDNEY), date(2026, 6, 30)),  # winter
        (datetime(2026, 1, 27, 6, tzinfo=SYDNEY), date(2026, 1, 23)),  # Australia Day on a Monday
        (datetime(2026, 7, 1, 15, 59, tzinfo=SYDNEY), date(2026, 6, 30)),
        (datetime(2026, 7, 1, 16, 0, tzinfo=SYDNEY), date(2026, 7, 1)),
        (datetime(2026, 12, 24, 14, 10, tzinfo=SYDNEY), date(2026, 12, 24)),  # early close
    ],
)
def test_last_closed_session(now: datetime, expected: date) -> None:
    assert sessions.last_closed(now) == expected


def test_a_session_settles_two_hours_after_its_close() -> None:
    now = datetime(2026, 7, 1, 17, 59, tzinfo=SYDNEY)
    assert sessions.last_closed(now, settled_after=sessions.SETTLED_AFTER) == date(2026, 6, 30)
    assert sessions.last_closed(now + timedelta(minutes=1), settled_after=sessions.SETTLED_AFTER) == date(2026, 7, 1)


def test_published_closures_of_the_coming_year() -> None:
    closures = [
        (2026, 12, 25),
        (2026, 12, 28),
        (2027, 1, 1),
        (2027, 1, 26),
        (2027, 3, 26),
        (2027, 3, 29),
        (2027, 6, 14),
    ]
    assert not [day for day in (date(*parts) for parts in closures) if sessions.is_session(day)]


def test_closing_instants_follow_daylight_saving() -> None:
    assert sessions.closes_at(date(2026, 7, 1)) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert sessions.closes_at(date(2026, 11, 2)) == datetime(2026, 11, 2, 5, tzinfo=UTC)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"found 'XASC'.*Did you mean '"):
        sessions.sessions(date(2024, 1, 1), date(2024, 1, 5), "XASC")
    with pytest.raises(ParameterError, match="does not trade"):
        sessions.closes_at(date(2026, 12, 25))
    with pytest.raises(ParameterError, match="time zone"):
        sessions.last_closed(datetime(2026, 7, 1, 6))
