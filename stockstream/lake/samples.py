"""Real prices to try things on: AAPL, FB, GOOG, IBM and MSFT from 2000 to 2013, out of the package bokeh-sampledata."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Column of a lake -> (column of the package's file, how to read it).
_COLUMNS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "symbol": ("Ticker", str),
    "date": ("Date", date.fromisoformat),
    "open": ("Open", float),
    "high": ("High", float),
    "low": ("Low", float),
    "close": ("Close", float),
    "volume": ("Volume", int),
    "adjusted_close": ("Adj Close", float),
}


def sample_rows() -> dict[str, list[Any]]:
    """Return the sample prices as columns that `Lake.write_rows` takes.

    Five US companies, 2000-03-01 to 2013-03-01, in USD (BSD-3-Clause). Closes are as traded; ``adjusted_close`` takes
    out splits and dividends, which are not recorded one by one.

    Raises
    ------
    LakeError
        The package bokeh-sampledata is not installed.
    """
    found = find_spec("bokeh_sampledata")  # located, not imported: its modules read every file of theirs
    folders = [] if found is None else list(found.submodule_search_locations or [])
    path = Path(folders[0]) / "_data" / "stocks.csv.gz" if folders else None
    if path is None or not path.is_file():
        message = "the sample prices come with the package bokeh-sampledata; type `pip install stockstream[demo]`"
        raise LakeError(message)
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            for name, (source, read) in _COLUMNS.items():
                columns[name].append(read(line[source]))
    return columns
