"""Where results go: batches are filled in any order and leave in theirs, to memory, to a file, or to the best few."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.research.question import COUNTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.engine import Settings
    from stockstream.research.grid import Failures

#: Rows of a group in a Parquet file.
ROW_GROUP: Final = 131_072


@dataclass(eq=False)
class Batch:
    """Combinations that are planned together, and their results.

    Attributes
    ----------
    first
        Number of the first combination among all.
    table
        The combinations.
    values
        ``(S, M, n)``: the results; S is 1 where all symbols share an account.
    done
        ``(S, n)``: which of them are there.
    refused
        ``(n,)``: combinations that cannot run.
    settings, which
        Distinct settings (None: they cannot be), and ``(n,)``: which of them each combination has.
    open
        Jobs that have not answered.
    sealed
        No more jobs will come.
    """

    first: int
    table: pl.DataFrame
    values: NDArray[np.float64]
    done: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    settings: list[Settings | None] = field(default_factory=list)
    which: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    open: int = 0
    sealed: bool = False

    @classmethod
    def of(cls, first: int, table: pl.DataFrame, symbols: int, metrics: int) -> Batch:
        """Make room for the results."""
        count = table.height
        values = np.empty((symbols, metrics, count))
        return cls(first, table, values, np.zeros((symbols, count), dtype=bool), np.zeros(count, dtype=bool))


class Outlet(Protocol):
    """Takes the rows of one symbol of one batch."""

    def take(self, symbol: int, rows: pl.DataFrame) -> None:
        """Take rows."""

    def close(self) -> None:
        """Hear that no more come."""


@dataclass
class Keep:
    """All rows, symbol by symbol."""

    parts: list[tuple[int, int, pl.DataFrame]] = field(default_factory=list)

    def take(self, symbol: int, rows: pl.DataFrame) -> None:
        """Keep rows."""
        self.parts.append((symbol, len(self.parts), rows))

    def close(self) -> None:
        """Put the symbols in order."""
        self.parts.sort(key=lambda part: part[:2])

    @property
    def frames(self) -> list[pl.DataFrame]:
        """The rows."""
        return [rows for _, _, rows in self.parts]


@dataclass
class Ratios:
    """Moments of the yearly Sharpe ratios of all runs, whether or not their rows are kept."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def take(self, symbol: int, rows: pl.DataFrame) -> None:
        """Join the moments of more rows with those so far; runs without a ratio do not count."""
        if "sharpe" not in rows.columns:
            return
        values = rows.get_column("sharpe").to_numpy()
        values = values[np.isfinite(values)]
        if not len(values):
            return
        mean, both = float(values.mean()), self.count + len(values)
        apart = mean - self.mean
        self.squares += float(((values - mean) ** 2).sum()) + apart**2 * self.count * len(values) / both
        self.mean += apart * len(values) / both
        self.count = both

    def close(self) -> None:
        """Nothing is left to do."""

    @property
    def variance(self) -> float:
        """With ddof 1; NaN of fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else float("nan")


@dataclass
class Best:
    """The best rows by a metric."""

    count: int
    metric: str
    largest: bool
    held: pl.DataFrame | None = None

    @classmethod
    def of(cls, count: int, metric: str, names: Sequence[str]) -> Best:
        """Read ``"sharpe"``, or ``"-volatility"`` where the smallest is best."""
        name = metric.removeprefix("-")
        if name not in names:
            message = f"top_by ranks by a metric of the sweep: {', '.join(names)}; found {name!r}."
            raise UnknownNameError(message + did_you_mean(name, names))
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            message = f"expected top_k to be a whole number of at least 1; found {count!r}"
            raise ParameterError(message)
        return cls(count, name, largest=name == metric)

    def take(self, symbol: int, rows: pl.DataFrame) -> None:
        """Keep what is among the best; NaN never is before a number."""
        best = ranked(rows, self.metric, largest=self.largest, most=self.count)
        if self.held is not None:
            best = ranked(self.held.vstack(best), self.metric, largest=self.largest, most=self.count)
        self.held = best

    def close(self) -> None:
        """Nothing is left to do."""

    @property
    def frames(self) -> list[pl.DataFrame]:
        """The rows, best first."""
        return [] if self.held is None else [self.held]


def why_nothing_ran(failures: pl.DataFrame) -> str:
    """Say why a sweep has no rows."""
    if failures.height == 0:
        return "no combination was run"
    return f"every combination failed, the first with {failures['reason'][0]}"


def ranked(frame: pl.DataFrame, metric: str, *, largest: bool, most: int | None = None) -> pl.DataFrame:
    """Return rows best first, those without a value last, `most` of them at most; only what is returned is copied."""
    import polars as pl

    key = pl.col(metric).fill_nan(None)
    order = pl.arg_sort_by(key, descending=largest, nulls_last=True, maintain_order=True)
    return frame.select(pl.all().gather(order if most is None else order.head(most)))


class ParquetFile:
    """Rows as a Parquet file that appears under its name when it is complete."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._writer: Any = None
        if self.path.suffix.casefold() != ".parquet" or self.path.is_dir():
            message = f"expected out='….parquet', the name of a file; found {str(path)!r}"
            raise ParameterError(message)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()
        except OSError as error:
            message = f"cannot write {self.path}: {error.strerror}. Choose a folder that can be written to."
            raise ParameterError(message) from error

    def take(self, symbol: int, rows: pl.DataFrame) -> None:
        """Write rows as a row group."""
        import pyarrow.parquet as pq

        table = rows.to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._part, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """Finish the file and put it in place; nothing is put there when no row came."""
        if self._writer is None:
            self._part.unlink(missing_ok=True)
            return
        self._writer.close()
        self._part.replace(self.path)

    def abandon(self) -> None:
        """Remove what was written so far."""
        if self._writer is not None:
            self._writer.close()
        self._part.unlink(missing_ok=True)


def _whole(values: NDArray[np.float64], done: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Turn counts into whole numbers where they stand: kept rows share the memory of their batch."""
    values[~done] = 0.0
    whole = values.view(np.int64)
    whole[:] = values
    return whole


@dataclass
class Collector:
    """Fills batches and hands them on, in order."""

    symbols: Sequence[str]
    metrics: Sequence[str]
    failures: Failures
    outlets: Sequence[Outlet]
    rows: int = 0
    refused: int = 0
    _open: deque[Batch] = field(default_factory=deque)
    _seen: Batch | None = None

    @property
    def held(self) -> int:
        """Batches that have not left."""
        return len(self._open)

    def begin(self, batch: Batch) -> None:
        """Hear of a new batch."""
        self._seen = batch
        self._open.append(batch)

    def empty(self) -> pl.DataFrame:
        """Return the rows of a sweep of which nothing ran."""
        if self._seen is None:
            message = "expected at least one batch of combinations; found none"
            raise ParameterError(message)
        return self._rows(self._seen, 0).clear()

    def put(self, batch: Batch, symbol: int, places: NDArray[np.int64], values: NDArray[np.float64] | None) -> None:
        """Take ``(M, n)`` results, None where they have been written into the batch."""
        if values is not None:
            batch.values[symbol, :, places] = values.T
        batch.done[symbol, places] = True

    def refuse(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        """Count combinations that cannot run, once whatever the number of symbols."""
        for place, reason in reasons.items():
            if not batch.refused[place]:
                batch.refused[place] = True
                self.refused += 1
                self.failures.add(batch.table.row(place, named=True), reason)

    def hand_on(self, *, everything: bool = False) -> None:
        """Give the batches that are complete to the outlets; `everything`: also what is incomplete."""
        while self._open and (everything or (self._open[0].sealed and self._open[0].open == 0)):
            batch = self._open.popleft()
            batch.done[:, batch.refused] = False
            self._give(batch)

    def _give(self, batch: Batch) -> None:
        for symbol in range(batch.done.shape[0]):
            rows = self._rows(batch, symbol)
            self.rows += rows.height
            if rows.height:
                for outlet in self.outlets:
                    outlet.take(symbol, rows)

    def _rows(self, batch: Batch, symbol: int) -> pl.DataFrame:
        import polars as pl

        done = batch.done[symbol]
        columns = batch.table.get_columns()
        if self.symbols:
            columns.insert(0, pl.Series("symbol", [self.symbols[symbol]]).new_from_index(0, batch.table.height))
        for name, values in zip(self.metrics, batch.values[symbol], strict=True):
            columns.append(pl.Series(name, _whole(values, done) if name in COUNTS else values))
        frame = pl.DataFrame(columns)
        return frame if done.all() else frame.filter(pl.Series(done))
