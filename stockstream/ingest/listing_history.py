"""Which companies were listed when: `symbols/listings.csv`, made from the daily lists and nothing else.

A code that returns belongs to the same company when both lists give one listing date, to another company when they give
two. Where a list has no dates, a long absence means another company.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from stockstream.lake.listings import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stockstream.ingest.sources import SymbolRow

#: A code without a listing date that was away for longer belongs to another company when it returns. On the ASX's lists
#: of three years companies were away for up to 116 days, and codes went to others after 591 days at the earliest.
LONG_ABSENCE: Final = timedelta(days=365)

HEADER: Final = ("listing_id", "symbol", "name", "listing_date", "first_seen", "last_seen")


def extend(listings: Sequence[Listing], day: date, rows: Iterable[SymbolRow]) -> list[Listing]:
    """Return the listings as they stand after one more list; ids that are there already never change.

    Parameters
    ----------
    listings
        As they stood after the list before.
    day
        The day of the list, later than all before it.
    rows
        The companies on it.

    Examples
    --------
    >>> from stockstream.ingest.sources import SymbolRow
    >>> first = extend([], date(2024, 7, 1), [SymbolRow(symbol="ALU", listing_date=date(1999, 8, 4))])
    >>> both = extend(first, date(2026, 8, 3), [SymbolRow(symbol="ALU", listing_date=date(2026, 7, 31))])
    >>> [(line.listing_id, line.first_seen.isoformat(), line.last_seen.isoformat()) for line in both]
    [('ALU.1', '2024-07-01', '2024-07-01'), ('ALU.2', '2026-08-03', '2026-08-03')]
    """
    return rebuild({day: rows}, listings)


def rebuild(lists: Mapping[date, Iterable[SymbolRow]], listings: Sequence[Listing] = ()) -> list[Listing]:
    """Return the listings that some daily lists amount to, after those that are known already.

    Parameters
    ----------
    lists
        Day -> companies, in any order.
    listings
        As they stood before the first of these days.
    """
    known = sorted(listings, key=_order)
    places: dict[str, list[int]] = {}
    for place, old in enumerate(known):
        places.setdefault(old.symbol, []).append(place)
    previous = max((old.last_seen for old in known), default=None)
    for day in sorted(lists):
        for row in lists[day]:
            of_code = places.setdefault(row.symbol, [])
            line = known[of_code[-1]] if of_code else None
            if line is not None and _same_company(line, row, day, was_there=line.last_seen == previous):
                listed = row.listing_date or line.listing_date
                known[of_code[-1]] = line._replace(name=row.name or line.name, listing_date=listed, last_seen=day)
            else:
                of_code.append(len(known))
                own = f"{row.symbol}.{len(of_code)}"
                known.append(Listing(own, row.symbol, row.name, row.listing_date, day, day, 0))
        previous = day
    return sorted(known, key=_order)


def _order(line: Listing) -> tuple[str, date]:
    return line.symbol, line.first_seen


def _same_company(line: Listing, row: SymbolRow, day: date, *, was_there: bool) -> bool:
    if line.listing_date is None or row.listing_date is None:
        return day - line.last_seen <= LONG_ABSENCE
    if line.listing_date == row.listing_date:
        return True
    return was_there and line.name == row.name != ""  # the list has corrected the date


def text_of(listings: Iterable[Listing]) -> str:
    """Return the listings as `symbols/listings.csv` holds them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for line in listings:
        listed = line.listing_date.isoformat() if line.listing_date else ""
        seen = (line.first_seen.isoformat(), line.last_seen.isoformat())
        writer.writerow([line.listing_id, line.symbol, line.name, listed, *seen])
    return text.getvalue()
