"""The ledger of trials: every combination that was ever tried on prices counts, in any process and on any day.

One row a sweep in a small SQLite database beside a local lake, else in the user's state folder: what was run, on which
listings and dates, how many combinations, the moments of their Sharpe ratios, and a sketch of the combinations, so that
an identical one (rule, parameters, settings, slice) counts once however often it is run. A trial counts for every later
run whose listings and dates overlap its own.

What it does not see: sweeps with ``record=False``, single backtests, other people's ledgers, and ideas that were looked
at on a chart. A setting in the grid (``costs.commission``) and the same setting given to the sweep are two rules. The
rule is the strategy's source: an edited comment makes another one. Both count too much rather than too little.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sqlite3
import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.errors import ParameterError, StockstreamError
from stockstream.research import distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.bars import Bars

#: Seconds that a writer waits for the others.
PATIENCE: Final = 30.0

#: Unions of sweeps that are remembered: sixteen kilobytes each.
REMEMBERED: Final = 1_024

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cleared (number INTEGER PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL, sweeps INTEGER);
CREATE TABLE IF NOT EXISTS sweeps (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, again INTEGER NOT NULL DEFAULT 0, strategy TEXT NOT NULL,
  family TEXT NOT NULL, symbols TEXT NOT NULL, shared INTEGER NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
  combinations INTEGER NOT NULL, ratios INTEGER NOT NULL, mean REAL, variance REAL, sketch BLOB NOT NULL,
  cleared INTEGER NOT NULL DEFAULT 0,
  UNIQUE (family, symbols, combinations, sketch, cleared)
);
"""

_INSERT: Final = """
INSERT INTO sweeps (at, strategy, family, symbols, shared, first, last, combinations, ratios, mean, variance, sketch)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET again = again + 1
"""


class Tried(NamedTuple):
    """What was tried on overlapping listings and dates.

    Attributes
    ----------
    trials
        Distinct runs; estimated to about 2 % where a rule was tried with thousands of combinations.
    sweeps
        That they come from.
    variance
        Of their Sharpe ratios of one period, on as many days as are asked about; NaN without any.
    """

    trials: float
    sweeps: int
    variance: float


@dataclass(frozen=True)
class Entry:
    """One sweep as the ledger keeps it.

    Attributes
    ----------
    family
        Hash of the rule, the settings and the slice's dates: only combinations of one family can be identical.
    ratios, mean, variance
        How many Sharpe ratios of one period there are, and their moments.
    sketch
        Smallest hashes of the combinations.
    """

    strategy: str
    family: str
    symbols: tuple[str, ...]
    shared: bool
    first: str
    last: str
    combinations: int
    ratios: int
    mean: float
    variance: float
    sketch: NDArray[np.uint64]

    def row(self) -> tuple[Any, ...]:
        """Return the columns of the table, without the time."""
        moments = [value if np.isfinite(value) else None for value in (self.mean, self.variance)]
        symbols = json.dumps(sorted(self.symbols))
        counts = (self.combinations, self.ratios, *moments, self.sketch.astype("<u8").tobytes())
        return (self.strategy, self.family, symbols, int(self.shared), self.first, self.last, *counts)


def ledger_path(bars: Bars) -> Path:
    """Return where trials on these bars are counted: beside their local lake, else in the user's state folder."""
    return ledger_of(str(bars.provenance.get("lake", "")))


def ledger_of(place: str) -> Path:
    """Return where trials on the bars of a lake are counted: beside it, where it is a folder that can be written to."""
    if place and "://" not in place and os.access(Path(place).resolve().parent, os.W_OK):
        return beside(Path(place))
    return default_path()


def beside(lake: Path) -> Path:
    """Return the ledger of a local lake: a file beside its folder.

    Examples
    --------
    >>> beside(Path("/data/lake")).name
    'lake.trials.sqlite'
    """
    place = lake.resolve()
    return place.with_name(f"{place.name}.trials.sqlite")


def default_path() -> Path:
    """Return the ledger of bars that come from no local lake."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if state else Path.home() / ".local" / "state"
    return folder / "stockstream" / "trials.sqlite"


class Trials:
    """A ledger of trials.

    Parameters
    ----------
    path
        The database; made when something is recorded first. Any number of processes may write at once.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Trials(Path(tempfile.mkdtemp()) / "trials.sqlite")
    >>> ledger.frame().height
    0
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, entry: Entry) -> None:
        """Add a sweep; one that is there already, combination for combination, only counts how often it was run."""
        with self._open() as connection:
            connection.execute(_INSERT, (_now(), *entry.row()))

    def tried(self, symbols: tuple[str, ...], first: str, last: str) -> Tried:
        """Count what was tried on any of these symbols on any day from first to last (ISO dates).

        The variance is that of ratios as far from 0, in standard errors, as those that were found, on as many days as
        are asked about: a ratio of three weeks says less than one of ten years, and scatters more by luck alone.
        """
        if not self.path.exists():
            return Tried(0.0, 0, float("nan"))
        with self._open() as connection:
            rows = connection.execute(
                "SELECT number, family, symbols, shared, first, last, ratios, mean, variance FROM sweeps "
                "WHERE cleared = 0 AND first <= ? AND last >= ? ORDER BY number",
                (last, first),
            ).fetchall()
            asked, asked_days, moments, sweeps = set(symbols), _days(first, last), [], 0
            common_of: dict[str, set[str]] = {}
            sets: dict[tuple[str, str], list[int]] = {}
            for number, family, listed, shared, begin, end, ratios, mean, variance in rows:
                if listed not in common_of:
                    common_of[listed] = asked & set(json.loads(listed))
                if not common_of[listed]:
                    continue
                sweeps += 1
                for symbol in [listed] if shared else common_of[listed]:
                    sets.setdefault((family, symbol), []).append(number)
                if ratios and mean is not None:
                    longer = _days(begin, end) / asked_days
                    moments.append((ratios, mean * longer**0.5, (variance or 0.0) * longer))
            total = sum(_OPEN.count(tuple(numbers)) for numbers in sets.values())
        return Tried(float(total), sweeps, _pooled(moments))

    def clear(self, reason: str) -> int:
        """Stop counting all that was tried so far, and record when and why; return how many sweeps that were.

        Raises
        ------
        ParameterError
            No reason.
        """
        if not reason.strip():
            message = "expected a reason for clearing the ledger of trials: it is recorded"
            raise ParameterError(message)
        with self._open() as connection:
            count = connection.execute("SELECT count(*) FROM sweeps WHERE cleared = 0").fetchone()[0]
            made = connection.execute(
                "INSERT INTO cleared (at, reason, sweeps) VALUES (?, ?, ?)", (_now(), reason.strip(), count)
            )
            connection.execute("UPDATE sweeps SET cleared = ? WHERE cleared = 0", (made.lastrowid,))
        return int(count)

    def frame(self) -> pl.DataFrame:
        """Return one row per sweep, oldest first, cleared ones too (``cleared`` is the reason)."""
        import polars as pl

        rows: list[Any] = []
        if self.path.exists():
            with self._open() as connection:
                rows = connection.execute(
                    "SELECT s.at, strategy, s.symbols, first, last, combinations, again + 1, mean, variance, reason "
                    "FROM sweeps s LEFT JOIN cleared c ON s.cleared = c.number ORDER BY s.number"
                ).fetchall()
        rows = [(*row[:2], ", ".join(json.loads(row[2])), *row[3:]) for row in rows]
        text, whole, real = pl.String, pl.Int64, pl.Float64
        kinds = {"at": text, "strategy": text, "symbols": text, "first": text, "last": text, "combinations": whole}
        return pl.DataFrame(
            rows, schema=kinds | {"times_run": whole, "mean": real, "variance": real, "cleared": text}, orient="row"
        )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside one transaction, which other threads and processes wait for."""
        with _OPEN.lock:
            try:
                connection = _OPEN.connection(self.path)
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                _OPEN.close()  # what was not committed is undone
                if not isinstance(error, OSError | sqlite3.Error):
                    raise
                message = f"the ledger of trials {self.path} cannot be read or written: {error}"
                raise StockstreamError(message) from error


class _Open:
    """The one ledger that this process holds open: opening and closing one takes longer than a sweep of thousands.

    What a sweep has left never changes, so unions are remembered by the numbers of their sweeps: the next sweep only
    adds its own combinations to what was counted before it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held: sqlite3.Connection | None = None
        self._file: tuple[Path, int, int] | None = None
        self._unions: dict[tuple[int, ...], distinct.Hashes] = {}
        self._of_parent: list[sqlite3.Connection] = []

    def connection(self, path: Path) -> sqlite3.Connection:
        """Return a connection to the file that stands at the path now."""
        if self._held is None or self._file != _file_at(path):
            self.close()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            self._held.execute("PRAGMA journal_mode = WAL")
            self._held.execute("PRAGMA synchronous = NORMAL")
            self._held.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self._file = _file_at(path)
        return self._held

    def count(self, numbers: tuple[int, ...]) -> float:
        """Count the different combinations of some sweeps of one rule, in order, of the ledger that is open."""
        if numbers not in self._unions:
            if len(self._unions) >= REMEMBERED:
                self._unions.clear()
            before = self._unions.get(numbers[:-1])
            parts = [self._sketch(number) for number in (numbers if before is None else numbers[-1:])]
            self._unions[numbers] = distinct.union(parts if before is None else [before, *parts])
        return distinct.size(self._unions[numbers])

    def _sketch(self, number: int) -> distinct.Hashes:
        if self._held is None:
            message = "expected an open ledger of trials; found none"
            raise StockstreamError(message)
        content = self._held.execute("SELECT sketch FROM sweeps WHERE number = ?", (number,)).fetchone()[0]
        return np.frombuffer(content, dtype="<u8")

    def close(self) -> None:
        """Let go of what is held."""
        if self._held is not None:
            self._held.close()
        self._held = self._file = None
        self._unions.clear()

    def forked(self) -> None:
        """Leave the parent's connection alone: using or closing it here would break its locks."""
        self._of_parent += [self._held] if self._held is not None else []
        self.lock, self._held, self._file = threading.Lock(), None, None
        self._unions = {}


def _file_at(path: Path) -> tuple[Path, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_dev, found.st_ino


_OPEN: Final = _Open()
atexit.register(_OPEN.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_OPEN.forked)


def record_or_warn(ledger: Trials, entry: Entry) -> None:
    """Record a sweep; where that fails, say so and go on: results are not lost to a full disk."""
    try:
        ledger.record(entry)
    except StockstreamError as error:
        warnings.warn(f"{error}. This sweep is not counted", stacklevel=3)


def _days(first: str, last: str) -> int:
    return (date.fromisoformat(last[:10]) - date.fromisoformat(first[:10])).days + 1


def _pooled(moments: list[tuple[int, float, float]]) -> float:
    """Return the variance (ddof 1) of all ratios together, from count, mean and variance (ddof 1) of each sweep."""
    count = sum(number for number, _, _ in moments)
    if count < 2:  # noqa: PLR2004 a variance needs two
        return float("nan")
    mean = sum(number * middle for number, middle, _ in moments) / count
    squares = sum((number - 1) * spread + number * (middle - mean) ** 2 for number, middle, spread in moments)
    return squares / (count - 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
