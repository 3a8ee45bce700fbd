"""Which company a code belonged to, and when: `symbols/listings.csv`, and what it says about bars.

A code is reused when its company has gone. The file tells the listings of one code apart by the days on which lists of
companies held them; rows of prices carry the code alone, so each goes to the listing its date belongs to.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import polars as pl

    from stockstream.lake.location import Location

LISTINGS: Final = "symbols/listings.csv"

_COLUMNS: Final = ("listing_id", "symbol", "name", "listing_date", "first_seen", "last_seen")

#: Lists leave companies out and bring them back the next day, so fewer absences than this say nothing.
ABSENCES: Final = 5


class Listing(NamedTuple):
    """One company under one code: a line of the file."""

    listing_id: str
    symbol: str
    name: str
    listing_date: date | None
    first_seen: date
    last_seen: date
    line: int


class Span(NamedTuple):
    """The days, both included, on which rows of a reused code are those of one listing."""

    symbol: str
    first: date
    last: date
    called: str


class Listings:
    """What the lines of the file say together.

    Parameters
    ----------
    lines
        The listings, in any order.
    list_days
        Further days of which there is a list of companies.
    path
        The file, for messages.

    Raises
    ------
    LakeError
        An id occurs twice or is a code, or two listings of a code were seen on one day.
    """

    def __init__(self, lines: Sequence[Listing], list_days: Collection[date] = (), *, path: str = LISTINGS) -> None:
        self.lines = tuple(sorted(lines, key=lambda line: (line.symbol, line.first_seen, line.listing_id)))
        self._list_days = {*list_days, *(day for line in lines for day in (line.first_seen, line.last_seen))}
        by_symbol: dict[str, list[Listing]] = {}
        for line in self.lines:
            by_symbol.setdefault(line.symbol, []).append(line)
        self._reused = {symbol: found for symbol, found in by_symbol.items() if len(found) > 1}
        _check_ids(path, lines)
        self._check_earlier(path, by_symbol)
        self._earlier = {line.listing_id: symbol for symbol, found in self._reused.items() for line in found[:-1]}

    def _check_earlier(self, path: str, symbols: Collection[str]) -> None:
        for line, following in (pair for found in self._reused.values() for pair in pairwise(found)):
            if following.first_seen <= line.last_seen:
                problem = (
                    f"expected {following.listing_id} to be first seen after {line.last_seen}, when {line.listing_id} "
                    f"(line {line.line}) was last seen under the same code; found {following.first_seen}"
                )
                _refuse(path, following.line, problem)
            if line.listing_id in symbols:
                problem = (
                    f"expected a listing_id that is no code, such as {line.symbol}.1, because {line.symbol} became "
                    f"another company on line {following.line}; found {line.listing_id!r}"
                )
                _refuse(path, line.line, problem)

    def __bool__(self) -> bool:
        return bool(self.lines)

    def called(self, line: Listing) -> str:
        """Return what bars call a listing: its code, or its id when the code has gone to another company."""
        return line.listing_id if line.listing_id in self._earlier else line.symbol

    def is_earlier(self, name: str) -> bool:
        """Whether a name is that of a listing whose code has gone to another company."""
        return name in self._earlier

    def reused(self, names: Sequence[str] | None) -> dict[str, list[str]]:
        """Return code -> names of its listings, for codes of which the rows must be told apart by date.

        Parameters
        ----------
        names
            Only those among these names; None: all.
        """
        found = {code: [self.called(line) for line in lines] for code, lines in self._reused.items()}
        if names is None:
            return found
        wanted = {code: [name for name in called if name in names] for code, called in found.items()}
        return {code: called for code, called in wanted.items() if called}

    def codes(self, names: Sequence[str]) -> list[str]:
        """Return the codes under which the rows of some names are stored, each once."""
        return list(dict.fromkeys(self._earlier.get(name, name) for name in names))

    def delisted(self, names: Collection[str] | None = None, end: date | None = None) -> dict[str, date]:
        """Return name -> last day, for every listing that has ended.

        It has ended when its code has gone to another company, or when the last five lists or more are without it.

        Parameters
        ----------
        names
            Only these.
        end
            Only what had ended by this day.
        """
        days = sorted(self._list_days, reverse=True)
        known = days[ABSENCES] if len(days) > ABSENCES else date.min
        over = [line for line in self.lines if line.listing_id in self._earlier or line.last_seen <= known]
        ended = {self.called(line): line.last_seen for line in over if end is None or line.last_seen <= end}
        return ended if names is None else {name: ended[name] for name in names if name in ended}

    def spans(self, codes: Collection[str] | None = None) -> list[Span]:
        """Return whose the rows of each reused code are, day by day, without a gap."""
        return [
            span
            for code, found in self._reused.items()
            if codes is None or code in codes
            for span in self._split(found)
        ]

    def _split(self, found: Sequence[Listing]) -> list[Span]:
        ends = [_last_day(line, following) for line, following in pairwise(found)]
        starts = [date.min, *(end + timedelta(days=1) for end in ends)]
        return [
            Span(line.symbol, first, last, self.called(line))
            for line, first, last in zip(found, starts, [*ends, date.max], strict=True)
        ]

    def frame(self) -> pl.DataFrame:
        """Return the file's columns with ``bars_symbol`` and ``delisted``; see `stockstream.lake.Lake.listings`."""
        import polars as pl

        delisted = self.delisted()
        rows = [(*line[: len(_COLUMNS)], self.called(line), delisted.get(self.called(line))) for line in self.lines]
        names = (*_COLUMNS, "bars_symbol", "delisted")
        days = {"listing_date", "first_seen", "last_seen", "delisted"}
        return pl.DataFrame(rows, schema={name: pl.Date if name in days else pl.String for name in names}, orient="row")


def _last_day(line: Listing, following: Listing) -> date:
    """Return the last day of a listing: days between two listings belong to the nearer one, the middle to the earlier.

    The listing date of the later one counts only in between: a company that changes its code keeps its old date.
    """
    listed = following.listing_date
    start = listed if listed is not None and line.last_seen < listed < following.first_seen else following.first_seen
    return line.last_seen + (start - line.last_seen) // 2


def read_listings(location: Location) -> Listings:
    """Read the listings of a lake; none without the file, and then nothing is known of them.

    Raises
    ------
    LakeError
        A line cannot be read, or contradicts another.
    """
    text = location.read_text(LISTINGS)
    if text is None:
        return Listings(())
    path = location.url(LISTINGS)
    return Listings(_parse(path, text), location.list_days(), path=path)


def _parse(path: str, text: str) -> list[Listing]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Listing] = []
    try:
        header = next(reader, [])
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            _refuse(path, 1, f"expected the columns {','.join(_COLUMNS)}; {', '.join(missing)} missing")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                _refuse(path, reader.line_num, f"expected {len(header)} fields; found {len(fields)}")
            found.append(_listing(path, reader.line_num, dict(zip(header, fields, strict=True))))
    except csv.Error as error:
        _refuse(path, reader.line_num, f"expected comma-separated fields; found {error}")
    return found


def _listing(path: str, number: int, fields: Mapping[str, str]) -> Listing:
    for column in ("listing_id", "symbol"):
        if not fields[column] or fields[column] != fields[column].strip():
            _refuse(path, number, f"expected a {column} without spaces around it; found {fields[column]!r}")
    first, last = (_date(path, number, column, fields[column]) for column in ("first_seen", "last_seen"))
    if last < first:
        _refuse(path, number, f"expected first_seen on or before last_seen; found {first} after {last}")
    listed = _date(path, number, "listing_date", fields["listing_date"]) if fields["listing_date"] else None
    return Listing(fields["listing_id"], fields["symbol"], fields["name"], listed, first, last, number)


def _date(path: str, number: int, column: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        _refuse(path, number, f"expected {column} as a date like 2024-01-31; found {text!r}")


def _check_ids(path: str, lines: Sequence[Listing]) -> None:
    first: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: line.line):
        other = first.setdefault(line.listing_id, line.line)
        if other != line.line:
            _refuse(path, line.line, f"expected each listing_id once; found {line.listing_id!r} on line {other} too")


def _refuse(path: str, number: int, problem: str) -> NoReturn:
    message = (
        f"{path}, line {number}: {problem}. Correct the line, or remove the file: without it no code is split and "
        "nothing counts as delisted."
    )
    raise LakeError(message)
