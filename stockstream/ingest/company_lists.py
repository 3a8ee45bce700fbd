"""The daily lists of companies in a lake: written once, read back, and what they say together.

``symbols/YYYY-MM-DD-symbols.csv`` has four columns and never changes. What a list says besides stands in
``symbols/YYYY-MM-DD-details.json``: listing dates, the texts in place of market values, the codes that were left out,
and where the list came from. The details are written first: the list is there when its CSV is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stockstream.errors import LakeError
from stockstream.ingest.listing_history import rebuild, text_of
from stockstream.ingest.sources import SymbolRow
from stockstream.lake.listings import LISTINGS, read_listings
from stockstream.lake.location import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.lake.listings import Listing
    from stockstream.lake.location import Location

HEADER: Final = ("symbol", "name", "sector", "market_cap")


@dataclass(frozen=True, kw_only=True)
class DayList:
    """The companies of one day.

    Attributes
    ----------
    day
        The day it stands for.
    rows
        The companies, by symbol.
    source
        Name of the symbol source; empty when it is not known.
    fetched_at
        Instant of the answer, ISO 8601.
    temporary
        Codes left out because they exist for a time only -> the company's own.
    left_out
        Further codes that were left out.
    """

    day: date
    rows: tuple[SymbolRow, ...]
    source: str = ""
    fetched_at: str = ""
    temporary: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    left_out: tuple[str, ...] = ()

    @property
    def symbols(self) -> frozenset[str]:
        """The codes."""
        return frozenset(row.symbol for row in self.rows)


class Changes(NamedTuple):
    """What differs between two lists: codes that came and went, and code -> (old name, new name)."""

    additions: tuple[str, ...]
    removals: tuple[str, ...]
    renamed: Mapping[str, tuple[str, str]]


def changes(before: DayList, after: DayList) -> Changes:
    """Return what differs between two lists."""
    names = {row.symbol: row.name for row in before.rows}
    renamed = {r.symbol: (names[r.symbol], r.name) for r in after.rows if names.get(r.symbol, r.name) != r.name}
    return Changes(
        tuple(sorted(after.symbols - before.symbols)), tuple(sorted(before.symbols - after.symbols)), renamed
    )


def list_name(day: date) -> str:
    """Return the name of a day's list inside the lake."""
    return f"{SYMBOLS}/{day.isoformat()}-symbols.csv"


def details_name(day: date) -> str:
    """Return the name of the file with what a day's list says besides."""
    return f"{SYMBOLS}/{day.isoformat()}-details.json"


def store(location: Location, companies: DayList) -> bool:
    """Store a day's list; False when there is one already, which stays as it is.

    Raises
    ------
    LakeError
        The lake cannot be written.
    """
    text = _csv_text(companies)
    details = {
        "source": companies.source,
        "fetched_at": companies.fetched_at,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "companies": len(companies.rows),
        "listing_dates": {row.symbol: row.listing_date.isoformat() for row in companies.rows if row.listing_date},
        "market_cap_texts": {row.symbol: row.market_cap_text for row in companies.rows if row.market_cap_text},
        "temporary_codes": dict(companies.temporary),
        "left_out": list(companies.left_out),
    }
    if location.read(list_name(companies.day)) is not None:
        return False
    location.update(details_name(companies.day), lambda _: json.dumps(details, indent=1).encode())
    return location.create(list_name(companies.day), text.encode())


def _csv_text(companies: DayList) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in companies.rows:
        writer.writerow([row.symbol, row.name, row.sector, "" if row.market_cap is None else row.market_cap])
    return text.getvalue()


def read(location: Location, day: date) -> DayList | None:
    """Return a day's list, None when there is none.

    Raises
    ------
    LakeError
        A line of it cannot be read.
    """
    text = location.read_text(list_name(day))
    if text is None:
        return None
    details = _details(location, day, text)
    dates, texts = details.get("listing_dates", {}), details.get("market_cap_texts", {})
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        header = next(reader, [])
        if tuple(header) != HEADER:
            _refuse(location, day, 1, f"expected the columns {','.join(HEADER)}; found {','.join(header)[:80]}")
        for cells in reader:
            if len(cells) != len(HEADER) or not cells[0]:
                _refuse(location, day, reader.line_num, f"expected a code and three more fields; found {cells}")
            if cells[3] and not cells[3].isdecimal():
                _refuse(location, day, reader.line_num, f"expected market_cap as a whole number; found {cells[3]!r}")
            listed = dates.get(cells[0])
            rows.append(
                SymbolRow(
                    symbol=cells[0],
                    name=cells[1],
                    sector=cells[2],
                    market_cap=int(cells[3]) if cells[3] else None,
                    market_cap_text=texts.get(cells[0], ""),
                    listing_date=date.fromisoformat(listed) if listed else None,
                )
            )
    except csv.Error as error:
        _refuse(location, day, reader.line_num, f"expected comma-separated fields; found {error}")
    return DayList(
        day=day,
        rows=tuple(rows),
        source=details.get("source", ""),
        fetched_at=details.get("fetched_at", ""),
        temporary=details.get("temporary_codes", {}),
        left_out=tuple(details.get("left_out", ())),
    )


def _details(location: Location, day: date, text: str) -> dict[str, Any]:
    """Return what stands beside a list; nothing when it belongs to another writer's list, or to none."""
    written = location.read_text(details_name(day))
    if written is None:
        return {}
    try:
        details = json.loads(written)
    except json.JSONDecodeError as error:
        message = f"{location.url(details_name(day))}: expected JSON; found {error}. Restore it, or remove it."
        raise LakeError(message) from error
    fits = isinstance(details, dict) and details.get("sha256") == hashlib.sha256(text.encode()).hexdigest()
    return details if fits else {}


def _refuse(location: Location, day: date, line: int, problem: str) -> None:
    message = f"{location.url(list_name(day))}, line {line}: {problem}. Correct the line, or remove the file."
    raise LakeError(message)


def latest(location: Location, on_or_before: date | None = None, source: str | None = None) -> DayList | None:
    """Return the latest list, None when there is none.

    Parameters
    ----------
    location
        Where the lake is.
    on_or_before
        Only lists of this day or earlier.
    source
        Only lists of this symbol source; looked for among the last ten.
    """
    days = sorted((day for day in location.list_days() if on_or_before is None or day <= on_or_before), reverse=True)
    for day in days[:1] if source is None else days[:10]:
        found = read(location, day)
        if found is not None and source in {None, found.source}:
            return found
    return None


def update_listings(location: Location, *, anew: bool = False) -> list[Listing]:
    """Bring ``symbols/listings.csv`` up to the lists that are there, and return what it says.

    Lists later than those it was made of are added, which gives what making it anew gives. Without any list the file
    stays as it is.

    Parameters
    ----------
    location
        Where the lake is.
    anew
        Read all lists again: needed after one was added for an earlier day, or corrected by hand. Removing the file
        does the same.
    """
    days = sorted(location.list_days())
    if not days:
        return list(read_listings(location).lines)
    known = [] if anew else list(read_listings(location).lines)
    seen = max((line.last_seen for line in known), default=date.min)
    later = [day for day in days if day > seen]
    if seen not in days:
        listings = rebuild({day: _rows(location, day) for day in days})
    else:
        listings = rebuild({day: _rows(location, day) for day in later}, known)
    text = text_of(listings).encode()
    location.update(LISTINGS, lambda before: text if before != text else before)
    return listings


def _rows(location: Location, day: date) -> tuple[SymbolRow, ...]:
    found = read(location, day)
    return found.rows if found is not None else ()
