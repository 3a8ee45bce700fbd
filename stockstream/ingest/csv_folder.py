"""Daily bars from CSV files: a file for each symbol, or one long file of all."""

from __future__ import annotations

import csv
import math
import re
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stockstream.errors import SourceError
from stockstream.ingest.sources import ANSWER_COLUMNS, Answer, Event, Outcome

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stockstream.ingest.sources import Pace

#: Column -> names that a header may have for it, without regard to case; the second ones are those of Yahoo's files.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "symbol": ("symbol", "ticker", "code"),
    "date": ("date",),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "adjusted_close": ("adjusted_close", "adj close"),
    "dividend": ("dividend", "dividends"),
    "split": ("split", "stock splits"),
}

_NEEDED: Final = ("date", "open", "high", "low", "close", "volume")
_NOTHING: Final = frozenset({"", "null", "nan", "na", "n/a", "none", "-"})
_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})([T ].*)?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|[+-]?inf", re.ASCII | re.IGNORECASE)


class _Row(NamedTuple):
    """One line of a file."""

    day: date
    numbers: tuple[float, ...]  # as ANSWER_COLUMNS without the date
    dividend: float
    split: float


class CsvFolder:
    """The price source ``csv_folder``.

    Parameters
    ----------
    path
        A folder with a file ``BHP.csv`` for each symbol, or one file with a column ``symbol``. The columns are ``date,
        open, high, low, close, volume`` and, if there, ``adjusted_close, dividend, split``; names as in Yahoo's files
        are taken too. Files are read when they are first asked for.
    suffix
        Left out of the files' names and symbols when they end in it, such as ``.AX``.
    clock
        For tests: the present instant.

    Raises
    ------
    SourceError
        There is no such file or folder.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        suffix: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._suffix, self._clock = Path(path).expanduser(), suffix, clock
        self._lock = threading.Lock()
        self._long: dict[str, list[_Row]] | None = None
        if not self._path.exists():
            message = f"csv_folder: there is no file or folder {self._path}"
            raise SourceError(message)

    def fetch(
        self,
        symbols: Sequence[str],
        start: date | None,
        end: date | None = None,
        *,
        pace: Pace | None = None,
        deadline: float | None = None,
    ) -> Iterator[Answer]:
        """Answer for every symbol, in order; see `stockstream.ingest.sources.PriceSource`."""
        for symbol in symbols:
            if deadline is not None and time.monotonic() > deadline:
                yield self._failure(symbol, Outcome.not_tried, "the deadline came first")
                continue
            try:
                rows = self._rows(symbol)
            except SourceError as error:
                yield self._failure(symbol, Outcome.malformed, str(error))
                continue
            if rows is None:
                yield self._failure(symbol, Outcome.not_found, f"{self._path} has no {symbol}")
                continue
            inside = [row for row in rows if (start or date.min) <= row.day <= (end or date.max)]
            if not inside:
                yield self._failure(symbol, Outcome.no_data, f"no rows from {start} to {end}")
                continue
            yield self._answer(symbol, inside)

    def _failure(self, symbol: str, outcome: Outcome, message: str) -> Answer:
        return Answer(symbol=symbol, outcome=outcome, fetched_at=self._clock(), message=message)

    def _answer(self, symbol: str, rows: Sequence[_Row]) -> Answer:
        last = {row.day: row for row in rows}  # of several rows for a date the last one stays
        days = sorted(last)
        numbers = np.array([last[day].numbers for day in days], dtype=np.float64)
        columns = {name: np.ascontiguousarray(numbers[:, place]) for place, name in enumerate(ANSWER_COLUMNS[1:])}
        events = []
        for day in days:
            row = last[day]
            events += [Event(ex_date=day, kind="dividend", value=row.dividend)] if row.dividend > 0 else []
            events += [Event(ex_date=day, kind="split", value=row.split)] if row.split > 0 else []
        counted = [row.day for row in rows]
        return Answer(
            symbol=symbol,
            outcome=Outcome.ok,
            fetched_at=self._clock(),
            columns={"date": np.array(days, dtype="datetime64[D]"), **columns},
            events=tuple(events),
            duplicates=tuple(day for day in days if counted.count(day) > 1) if len(days) < len(rows) else (),
        )

    def _rows(self, symbol: str) -> list[_Row] | None:
        if self._path.is_dir():
            files = {self._code(path.stem): path for path in self._path.glob("*.csv")}
            return _read(files[symbol], None)[""] if symbol in files else None
        with self._lock:
            if self._long is None:
                self._long = _read(self._path, self._code)
        return self._long.get(symbol)

    def _code(self, name: str) -> str:
        return name.removesuffix(self._suffix) if self._suffix else name


def _read(path: Path, code: Callable[[str], str] | None) -> dict[str, list[_Row]]:
    """Return the rows of a file by symbol; under "" when the file is one symbol's (`code` is None)."""
    found: dict[str, list[_Row]] = {} if code is not None else {"": []}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            places = _places(next(reader, []), with_symbol=code is not None)
            width = 1 + max(places.values())
            for cells in reader:
                if cells:
                    row = _row(reader.line_num, cells, places, width)
                    symbol = code(cells[places["symbol"]].strip()) if code is not None else ""
                    found.setdefault(symbol, []).append(row)
    except (SourceError, csv.Error) as error:
        message = f"{path}: {error}"
        raise SourceError(message) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {error}"
        raise SourceError(message) from error
    return found


def _places(header: Sequence[str], *, with_symbol: bool) -> dict[str, int]:
    folded = [name.strip().casefold() for name in header]
    places = {column: folded.index(name) for column, names in NAMES.items() for name in names if name in folded}
    missing = [column for column in (*_NEEDED, *(("symbol",) if with_symbol else ())) if column not in places]
    if missing:
        message = f"expected the columns {', '.join(_NEEDED)}; {', '.join(missing)} missing"
        raise SourceError(message)
    return places


def _row(line: int, cells: Sequence[str], places: Mapping[str, int], width: int) -> _Row:
    if len(cells) < width:
        message = f"line {line}: expected {width} fields or more; found {len(cells)}"
        raise SourceError(message)
    match = _DATE.fullmatch(cells[places["date"]].strip())
    try:
        day = date.fromisoformat(match[1]) if match else None
    except ValueError:
        day = None
    if day is None:
        message = f"line {line}: expected a date like 2024-01-31; found {cells[places['date']]!r}"
        raise SourceError(message)

    def number(column: str) -> float:
        text = cells[places[column]].strip() if column in places else ""
        if text.casefold() in _NOTHING:
            return math.nan
        if not _NUMBER.fullmatch(text):  # float() would take 1_000
            message = f"line {line}: expected {column} as a number; found {text[:40]!r}"
            raise SourceError(message)
        return float(text)

    return _Row(day, tuple(number(column) for column in ANSWER_COLUMNS[1:]), number("dividend"), number("split"))
