"""The two public lists of the ASX's companies, and the codes on them that are no companies of their own."""

from __future__ import annotations

import csv
import io
import re
import time
from typing import TYPE_CHECKING, Final

from stockstream.errors import SourceError
from stockstream.ingest.company_table import Line, companies, is_header
from stockstream.ingest.sources import SymbolList, SymbolRow
from stockstream.ingest.web import Web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DIRECTORY_URL: Final = "https://asx.api.markitdigital.com/asx-research/1.0/companies/directory/file"
OFFICIAL_URL: Final = "https://www.asx.com.au/asx/research/ASXListedCompanies.csv"

#: Both lists have used these names, in different orders and cases.
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "symbol": ("ASX code",),
    "name": ("Company name",),
    "sector": ("GICS industry group",),
    "market_cap": ("Market Cap",),
    "listing_date": ("Listing date",),
}

#: The official list begins with a title and an empty line.
_LINES_BEFORE_HEADER: Final = 5

#: Three characters of the company, then why the code exists: after a consolidation (D), for new shares (N), for partly
#: paid ones (C), others for a time (E). LV, limited voting shares, is a class that stays.
_TEMPORARY: Final = re.compile(r"([A-Z0-9]{3})([DNCE][A-Z]?)")


class AsxDirectory:
    """The symbol source ``asx_directory``: the file of the company directory, with market values and listing dates.

    Parameters
    ----------
    url
        Where it is.
    timeout, attempts, ca_bundle, proxy, sleep
        As in `stockstream.ingest.web.Web`.
    """

    _url = DIRECTORY_URL

    def __init__(
        self,
        *,
        url: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = url or self._url
        self._web = Web(timeout=timeout, attempts=attempts, ca_bundle=ca_bundle, proxy=proxy, sleep=sleep)

    def fetch(self) -> SymbolList:
        """Return the companies listed now; see `stockstream.ingest.sources.SymbolSource`."""
        return self._web.read(self._address, lambda body: SymbolList(rows=tuple(parse(body)), raw=body))


class AsxOfficial(AsxDirectory):
    """The symbol source ``asx_official``: the list of the exchange's own site, without market values.

    It names some 130 debt trusts besides, which Yahoo does not know.
    """

    _url = OFFICIAL_URL


def parse(body: bytes) -> list[SymbolRow]:
    r"""Return the companies of a list as the server sent it.

    Raises
    ------
    SourceError
        It is something else, or cut off.

    Examples
    --------
    >>> parse(b'"ASX code","Company name"\n"360","LIFE360 INC."\n')[0].symbol
    '360'
    >>> parse(b"Bad Gateway")
    Traceback (most recent call last):
    stockstream.errors.SourceError: expected a list of companies; found 'Bad Gateway'
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"expected a list of companies in UTF-8; found the byte {body[error.start]:#04x} at {error.start}"
        raise SourceError(message) from error
    found = f"expected a list of companies; found {' '.join(text.split())[:100]!r}"
    if text.lstrip()[:1] in {"{", "[", "<"}:  # a report of an error, or a page
        raise SourceError(found)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [Line(f"line {reader.line_num}", cells) for cells in reader if cells]
    except csv.Error as error:
        message = f"line {reader.line_num}: expected comma-separated fields; found {error}"
        raise SourceError(message) from error
    for place, line in enumerate(lines[:_LINES_BEFORE_HEADER]):
        if is_header(line.cells, COLUMNS):
            return companies(line.cells, lines[place + 1 :], COLUMNS)
    raise SourceError(found)


def company_of(symbol: str) -> str | None:
    """Return the company's own code for a code that exists for a time only; None for any other.

    Examples
    --------
    >>> company_of("AJQDA"), company_of("NABN"), company_of("SGLLV"), company_of("BHP")
    ('AJQ', 'NAB', None, None)
    """
    match = _TEMPORARY.fullmatch(symbol)
    return match[1] if match else None


def without_temporary(rows: Sequence[SymbolRow]) -> tuple[list[SymbolRow], dict[str, str]]:
    """Leave out codes that exist for a time only.

    While shares settle after a consolidation the list has ``AJQDA`` in the place of ``AJQ``, for about a week: the
    company is then taken to be there under its own code, or it would seem to be delisted.

    Returns
    -------
    list of SymbolRow, dict
        The companies; and temporary code -> the company's own.
    """
    from dataclasses import replace

    own = {row.symbol for row in rows}
    temporary = {row.symbol: company for row in rows if (company := company_of(row.symbol)) is not None}
    kept = [row for row in rows if row.symbol not in temporary]
    for row in rows:
        company = temporary.get(row.symbol)
        if company is not None and company not in own:
            kept.append(replace(row, symbol=company))
            own.add(company)
    return sorted(kept, key=lambda row: row.symbol), temporary
