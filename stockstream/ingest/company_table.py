"""From a table of texts to companies: columns by their names, cells that are not numbers, dates in two forms.

Used by every list of companies, whatever its format; whoever reads the format hands over header and rows.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from stockstream.errors import SourceError, did_you_mean
from stockstream.ingest.sources import SymbolRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The columns a list may have; only the first one is needed.
COLUMNS: Final = ("symbol", "name", "sector", "market_cap", "listing_date")

#: What lists write where they know nothing.
NOTHING: Final = frozenset({"", "-", "--", "n/a", "na", "none", "null"})

_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.&-]{0,11}")
_WHOLE_NUMBER: Final = re.compile(r"\d{1,3}(,\d{3}){1,5}|\d{1,18}", re.ASCII)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ].*)?", re.ASCII)


class Line(NamedTuple):
    """The cells of one row, and where it stands, for messages."""

    place: str
    cells: Sequence[str]


def companies(header: Sequence[str], lines: Iterable[Line], columns: Mapping[str, Sequence[str]]) -> list[SymbolRow]:
    """Return the companies of a table.

    Parameters
    ----------
    header
        The table's own names of its columns; they may stand in any order, and more may be there.
    lines
        The rows below it.
    columns
        Name in `COLUMNS` -> names that the header may have for it, in any case; one that the header lacks is empty,
        but for the symbol.

    Raises
    ------
    SourceError
        The symbol's column is missing, there is no row, or a row cannot be what it should be: then nothing of the table
        is believed.

    Examples
    --------
    >>> columns = {"symbol": ["code"], "market_cap": ["cap"]}
    >>> table = companies(["Code", "Cap"], [Line("line 2", ["360", "SUSPENDED"])], columns)
    >>> table[0].symbol, table[0].market_cap, table[0].market_cap_text
    ('360', None, 'SUSPENDED')
    """
    places = _places(header, columns)
    rows: list[SymbolRow] = []
    seen: dict[str, str] = {}
    for line in lines:
        if len(line.cells) != len(header):
            message = f"{line.place}: expected {len(header)} fields; found {len(line.cells)}"
            raise SourceError(message)
        row = _row(line.place, {column: tidy(line.cells[place]) for column, place in places.items()})
        if row.symbol in seen:
            message = f"{line.place}: expected each code once; found {row.symbol} on {seen[row.symbol]} too"
            raise SourceError(message)
        seen[row.symbol] = line.place
        rows.append(row)
    if not rows:
        message = "expected companies; found a header without rows"
        raise SourceError(message)
    return rows


def is_header(cells: Sequence[str], columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether a row of cells names the column of the symbols."""
    folded = {tidy(cell).casefold() for cell in cells}
    return any(name.casefold() in folded for name in columns["symbol"])


def _places(header: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    folded = [tidy(name).casefold() for name in header]
    places = {}
    for column, names in columns.items():
        found = [place for place, name in enumerate(folded) if name in {other.casefold() for other in names}]
        if len(found) > 1:
            message = f"expected one column {header[found[0]]!r}; found {len(found)}"
            raise SourceError(message)
        if found:
            places[column] = found[0]
    if "symbol" not in places:
        wanted = columns["symbol"][0]
        message = (
            f"expected a column {wanted!r}; found {', '.join(map(repr, header))[:200]}.{did_you_mean(wanted, header)}"
        )
        raise SourceError(message)
    return places


def _row(place: str, cells: Mapping[str, str]) -> SymbolRow:
    symbol = cells["symbol"]
    if not _SYMBOL.fullmatch(symbol):
        message = f"{place}: expected a code in capital letters and digits; found {symbol[:40]!r}"
        raise SourceError(message)
    market_cap, text = market_cap_of(cells.get("market_cap", ""))
    return SymbolRow(
        symbol=symbol,
        name=cells.get("name", ""),
        sector=cells.get("sector", ""),
        market_cap=market_cap,
        market_cap_text=text,
        listing_date=_date(place, cells.get("listing_date", "")),
    )


def market_cap_of(text: str) -> tuple[int | None, str]:
    """Return a market capitalisation, and the text that stood there when it was no number above 0 of up to 18 digits.

    Examples
    --------
    >>> market_cap_of("1,234"), market_cap_of("SUSPENDED"), market_cap_of("0")
    ((1234, ''), (None, 'SUSPENDED'), (None, '0'))
    """
    if _WHOLE_NUMBER.fullmatch(text):
        number = int(text.replace(",", ""))
        if number > 0:
            return number, ""
    return None, text


def _date(place: str, text: str) -> date | None:
    if text.casefold() in NOTHING:
        return None
    try:
        if match := _DAY_FIRST.fullmatch(text):
            return date(int(match[3]), int(match[2]), int(match[1]))
        if match := _YEAR_FIRST.fullmatch(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        pass
    message = f"{place}: expected a date like 31/01/2024 or 2024-01-31; found {text[:40]!r}"
    raise SourceError(message)


def tidy(text: str) -> str:
    """Return a text without spaces around it, and with one space where there were several."""
    return " ".join(text.split())
