"""Who was listed on a day."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NoReturn

from stockstream.errors import LakeError
from stockstream.lake.as_of import Instant, day_of, instant
from stockstream.lake.listings import LISTINGS, read_listings

if TYPE_CHECKING:
    from datetime import date

    from stockstream.lake.location import Location


def listed(location: Location, as_of: Instant | None, exchange: str) -> tuple[str, ...]:
    """Return who was listed on a day; see `stockstream.lake.Lake.universe`.

    A company that single lists leave out is listed all the same: it is from the first list that holds it to the last.
    After the last list, whoever had not left by then still is.
    """
    days = sorted(location.list_days())
    listings = read_listings(location)
    known = sorted({*days, *(line.first_seen for line in listings.lines)})
    if not known:
        message = (
            f"the lake at {location} has no list of companies (neither {LISTINGS} nor symbols/DATE-symbols.csv), so "
            "who was listed is not known. Write one, or take lake.symbols()."
        )
        raise LakeError(message)
    day = day_of(instant(as_of, exchange), exchange) if as_of is not None else max(known)
    if day < known[0]:
        message = f"who was listed on {day} is not known: the first list of companies is of {known[0]}"
        raise LakeError(message)
    if not listings:
        return _read_list(location, max(each for each in days if each <= day))
    ended = listings.delisted()
    names = {
        listings.called(line)
        for line in listings.lines
        if line.first_seen <= day and (day <= line.last_seen or listings.called(line) not in ended)
    }
    return tuple(sorted(names))


def _read_list(location: Location, day: date) -> tuple[str, ...]:
    """Return the symbols of one day's list; a list that is cut short is no list of who was there."""
    name = f"symbols/{day}-symbols.csv"
    lines = csv.reader(io.StringIO(location.read_text(name) or "", newline=""), strict=True)
    found: set[str] = set()
    try:
        header = next(lines, [])
        if "symbol" not in header:
            _refuse(location, name, 1, "expected a column symbol")
        for fields in lines:
            if len(fields) not in {0, len(header)}:
                _refuse(location, name, lines.line_num, f"expected {len(header)} fields; found {len(fields)}")
            symbol = fields[header.index("symbol")] if fields else ""
            if symbol != symbol.strip() or not symbol.isprintable():
                _refuse(location, name, lines.line_num, f"expected a symbol; found {symbol!r}")
            found |= {symbol} if symbol else set()
    except csv.Error as error:
        _refuse(location, name, lines.line_num, f"expected comma-separated fields; found {error}")
    return tuple(sorted(found))


def _refuse(location: Location, name: str, line: int, problem: str) -> NoReturn:
    message = f"{location.url(name)}, line {line}: {problem}. Correct the file, or remove it."
    raise LakeError(message)
