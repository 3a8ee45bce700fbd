"""The day's list of companies: asked of one source after another, judged, stored, and compared with the day before.

Lists come cut off, late and in two versions in turn, so a list is believed only when it is nearly as long as the last
good one, and a company counts as delisted only when five lists are without it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from stockstream.errors import SourceError
from stockstream.ingest.asx import without_temporary
from stockstream.ingest.company_lists import Changes, DayList, changes, latest, read, store, update_listings
from stockstream.lake.listings import ABSENCES, Listings
from stockstream.lake.location import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.ingest.sources import SymbolRow, SymbolSource
    from stockstream.lake.location import Location

#: A list with a smaller share of the last good one's companies is taken for a part: the partial answers of the
#: ASX's directory lacked 5 % to 39 %, while a usual day takes one company away.
SHORTEST: Final = 0.97

#: After so many days without a good list the share falls, by this much a day: the ASX lost 0.01 % of its companies a
#: day in three years, and a lake that slept for a year must not refuse every list for ever.
PATIENCE_DAYS: Final = 30
SHARE_A_DAY: Final = 0.0002

#: Funds and debt securities stand under no industry. The fallback list has many that the first one leaves out.
WITHOUT_INDUSTRY: Final = frozenset({"", "Not Applic"})

_log = logging.getLogger(__name__)


class Rejection(NamedTuple):
    """A list that was not believed, and why."""

    source: str
    reason: str
    at: str


@dataclass(frozen=True, kw_only=True)
class SymbolUpdate:
    """What became of a day's list.

    Attributes
    ----------
    day
        The day it was asked for.
    companies
        The list in force: that day's, or the last good one when `kept`.
    changes
        Against the list before it; empty for the first.
    before
        The day of that list.
    missing
        Companies that are not on the list, but were on one of the five before: still to be asked for.
    delisted
        Companies that this list is the fifth in a row to be without.
    rejected
        Lists that were not believed.
    fresh
        Whether the list was fetched now; False also when the day had one already.
    """

    day: date
    companies: DayList
    changes: Changes
    before: date | None
    missing: tuple[str, ...]
    delisted: tuple[str, ...]
    rejected: tuple[Rejection, ...]
    fresh: bool

    @property
    def kept(self) -> bool:
        """Whether the last good list stands in because no list of the day was good."""
        return bool(self.rejected) and not self.fresh and self.companies.day < self.day

    @property
    def symbols(self) -> tuple[str, ...]:
        """The codes to ask prices for: those on the list, and those missing from it."""
        return tuple(sorted({*self.companies.symbols, *self.missing}))


def update_symbols(
    location: Location,
    sources: Mapping[str, SymbolSource],
    day: date,
    *,
    now: datetime | None = None,
    every_days: int = 1,
    drop_temporary: bool = False,
    accept_shorter: bool = False,
) -> SymbolUpdate:
    """Store the day's list of companies in the lake, and tell what has changed.

    Safe to be run again: a day's list never changes once it is stored.

    Parameters
    ----------
    location
        Where the lake is.
    sources
        Name -> source, in the order in which they are asked until one gives a good list.
    day
        The day the list stands for; not before the last list.
    now
        The present instant; by default the clock's.
    every_days
        A list younger than so many days still serves, and nothing is asked.
    drop_temporary
        Whether the ASX's codes that exist for a time only are left out.
    accept_shorter
        Whether a list under 97 % of the last good one is believed.

    Raises
    ------
    SourceError
        No source gave a good list and there is no earlier one; or the day is before the last list.
    LakeError
        The lake cannot be read or written.
    """
    existing, last = read(location, day), latest(location)
    if existing is not None:
        return _told(location, day, existing, rejected=(), fresh=False)
    if last is not None and last.day > day:
        message = f"a list fetched now cannot stand for {day}: there is one of {last.day} already"
        raise SourceError(message)
    if last is not None and (day - last.day).days < every_days:
        return _told(location, day, last, rejected=(), fresh=False)
    rejected: list[Rejection] = []
    for place, (name, source) in enumerate(sources.items()):
        at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        try:
            found = _cleaned(source.fetch().rows, day, name, at, drop_temporary=drop_temporary)
            if place and last is not None:
                found = _without_strangers(found, last)
            if not accept_shorter:
                _check_length(found, latest(location, source=name) or last)
        except SourceError as error:
            rejected.append(Rejection(name, str(error), at))
            _log.warning("the list of %s is not believed: %s", name, error)
            continue
        fresh = store(location, found)
        _record(location, day, rejected)
        return _told(location, day, found if fresh else read(location, day) or found, rejected=rejected, fresh=fresh)
    _record(location, day, rejected)
    if last is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason, _ in rejected) or "no source is configured"
        message = f"no list of companies for {day}, and no earlier one to go on with: {reasons}"
        raise SourceError(message)
    return _told(location, day, last, rejected=rejected, fresh=False)


def _cleaned(rows: tuple[SymbolRow, ...], day: date, source: str, at: str, *, drop_temporary: bool) -> DayList:
    companies, temporary = without_temporary(rows) if drop_temporary else (list(rows), {})
    ordered = tuple(sorted(companies, key=lambda row: row.symbol))
    return DayList(day=day, rows=ordered, source=source, fetched_at=at, temporary=temporary)


def _without_strangers(found: DayList, last: DayList) -> DayList:
    """Leave out of a fallback's list what has no industry and was not there before."""
    strangers = {row.symbol for row in found.rows if row.sector in WITHOUT_INDUSTRY} - last.symbols
    rows = tuple(row for row in found.rows if row.symbol not in strangers)
    return replace(found, rows=rows, left_out=tuple(sorted(strangers)))


def _check_length(found: DayList, last: DayList | None) -> None:
    if last is None or not last.rows:
        return
    waited = max((found.day - last.day).days - PATIENCE_DAYS, 0)
    least = SHORTEST - SHARE_A_DAY * waited
    if len(found.rows) < least * len(last.rows):
        message = (
            f"expected at least {least:.1%} of the {len(last.rows):,} companies of {last.day}; "
            f"found {len(found.rows):,}, which is taken for a part of the list"
        )
        raise SourceError(message)


def _record(location: Location, day: date, rejected: list[Rejection]) -> None:
    """Add the lists that were not believed to the day's record of them."""
    if not rejected:
        return

    def added(before: bytes | None) -> bytes:
        entries = json.loads(before) if before else []
        return json.dumps([*entries, *(rejection._asdict() for rejection in rejected)], indent=1).encode()

    location.update(f"{SYMBOLS}/{day.isoformat()}-rejected.json", added)


def _told(
    location: Location, day: date, companies: DayList, *, rejected: tuple[Rejection, ...] | list[Rejection], fresh: bool
) -> SymbolUpdate:
    days = sorted(location.list_days())
    listings = Listings(update_listings(location), days)
    earlier = [other for other in days if other < companies.day]
    before = read(location, earlier[-1]) if earlier else None
    is_new = companies.day == day and before is not None
    different = changes(before, companies) if is_new and before is not None else Changes((), (), {})
    delisted = listings.delisted()
    there = {line.symbol for line in listings.lines if listings.called(line) not in delisted}
    edge = days[-1 - ABSENCES] if is_new and len(days) > ABSENCES else None
    gone = (name for name, end in delisted.items() if end == edge and not listings.is_earlier(name))
    update = SymbolUpdate(
        day=day,
        companies=companies,
        changes=different,
        before=before.day if is_new and before is not None else None,
        missing=tuple(sorted(there - companies.symbols)),
        delisted=tuple(sorted(gone)),
        rejected=tuple(rejected),
        fresh=fresh,
    )
    if fresh:
        _log.info(
            "%s: %d companies from %s, added %s, removed %s",
            day,
            len(companies.rows),
            companies.source,
            ", ".join(different.additions) or "none",
            ", ".join(different.removals) or "none",
        )
    return update
