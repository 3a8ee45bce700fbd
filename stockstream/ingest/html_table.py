"""Lists of companies that are tables of web pages, for markets that publish no file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError, SourceError, did_you_mean
from stockstream.ingest.company_table import COLUMNS, Line, companies, is_header, tidy
from stockstream.ingest.sources import SymbolList, SymbolRow
from stockstream.ingest.web import Web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Notes of the page, not of the cell.
_LEFT_OUT: Final = ("sup", "script", "style")


class HtmlTable:
    """The symbol source ``html_table``: a table on a web page.

    Parameters
    ----------
    url
        Address of the page.
    columns
        Name in ``symbol, name, sector, market_cap, listing_date`` -> the table's own name of that column; the symbol's
        is needed.
    table
        CSS selector of the table, or of several: the first one with the symbol's column is taken.
    timeout, attempts, ca_bundle, proxy, sleep
        As in `stockstream.ingest.web.Web`.

    Raises
    ------
    ParameterError
        `columns` lacks the symbol or has a name that is none of the five.
    """

    def __init__(
        self,
        *,
        url: str,
        columns: Mapping[str, str],
        table: str = "table",
        timeout: float = 30.0,
        attempts: int = 4,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for name in columns:
            if name not in COLUMNS:
                message = f"html_table: expected columns of {', '.join(COLUMNS)}; found {name!r}."
                raise ParameterError(message + did_you_mean(name, COLUMNS))
        if "symbol" not in columns:
            message = 'html_table: expected the name of the column with the codes, such as {"symbol": "Ticker"}'
            raise ParameterError(message)
        self._url, self._table = url, table
        self._columns = {name: (tidy(theirs),) for name, theirs in columns.items()}
        self._web = Web(timeout=timeout, attempts=attempts, ca_bundle=ca_bundle, proxy=proxy, sleep=sleep)

    def fetch(self) -> SymbolList:
        """Return the companies listed now; see `stockstream.ingest.sources.SymbolSource`."""
        return self._web.read(self._url, lambda body: SymbolList(rows=tuple(self.parse(body)), raw=body))

    def parse(self, body: bytes) -> list[SymbolRow]:
        """Return the companies of a page.

        Raises
        ------
        SourceError
            It has no such table, or one with cells that cannot be what they should be.

        Examples
        --------
        >>> page = b"<table><tr><th>Ticker</th><th>Company</th></tr><tr><td>FPH</td><td>F &amp; P</td></tr></table>"
        >>> HtmlTable(url="-", columns={"symbol": "Ticker", "name": "Company"}).parse(page)[0].name
        'F & P'
        """
        from bs4 import BeautifulSoup

        page = BeautifulSoup(body, "html.parser")
        for table in page.select(self._table):
            lines = [
                Line(f"row {number}", _cells(row)) for number, row in enumerate(table.find_all("tr"), 1) if _cells(row)
            ]
            for place, line in enumerate(lines):
                if is_header(line.cells, self._columns):
                    return companies(line.cells, lines[place + 1 :], self._columns)
        title = tidy(page.title.get_text()) if page.title else tidy(page.get_text(" "))
        wanted = self._columns["symbol"][0]
        message = f"expected a table {self._table!r} with a column {wanted!r}; found none on the page {title[:80]!r}"
        raise SourceError(message)


def _cells(row: Any) -> list[str]:
    """Return the texts of a row; a cell that spans several columns fills them."""
    texts: list[str] = []
    for cell in row.find_all(["th", "td"], recursive=False):
        for note in cell.find_all(_LEFT_OUT):
            note.decompose()
        span = str(cell.get("colspan", "1"))
        texts += [tidy(cell.get_text(" "))] * (int(span) if span.isdecimal() else 1)
    return texts
