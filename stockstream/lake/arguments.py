"""What callers of a lake may pass, checked once: symbols, days and ranges of days."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

type Day = date | str
type Range = tuple[date | None, date | None]


def wanted_symbols(symbols: str | Sequence[str]) -> list[str]:
    """Return one symbol or several as a list.

    Raises
    ------
    ParameterError
        There is none, one occurs twice, or one is no text.
    """
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        message = f"expected at least one symbol, each once; found {names!r}"
        raise ParameterError(message)
    return names


def day(value: Day) -> date:
    """Return a day given as date, moment or ISO text.

    Raises
    ------
    ParameterError
        It is none of these.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        message = f"expected a date like 2024-01-31; found {value!r}"
        raise ParameterError(message) from error


def day_range(start: Day | None, end: Day | None) -> Range:
    """Return two days in order; None is open.

    Raises
    ------
    ParameterError
        The start is after the end.
    """
    first, last = (None if value is None else day(value) for value in (start, end))
    if first is not None and last is not None and first > last:
        message = f"expected start on or before end; found {first} after {last}. Swap the two dates."
        raise ParameterError(message)
    return first, last
