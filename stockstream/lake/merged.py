"""The latest rows of a compaction with those of newer batches laid over them; or batches alone.

Only what is out of the ordinary is asked of the views, symbol by symbol; see `stockstream.lake.tail`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream.lake.query import bind
from stockstream.lake.remembered import remembered
from stockstream.lake.sources import read_parquet
from stockstream.lake.tail import Counted, answers
from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.curated import Curated
    from stockstream.lake.query import Files


#: The share of odd symbols above which the views are asked for all at once.
MOST_ODD = 0.5


class Base:
    """The latest rows of a compaction by symbol.

    Parameters
    ----------
    keys
        Their ``symbol`` and ``date``, sorted by both.

    Attributes
    ----------
    names
        Its symbols, sorted.
    begins, counts
        Where the rows of each symbol begin, and how many they are.
    days
        The date of each row, in days since 1970.
    """

    def __init__(self, keys: pl.DataFrame) -> None:
        runs = keys.get_column("symbol").rle().struct.unnest()
        self.names: list[str] = runs.get_column("value").to_list()
        self.counts: NDArray[np.int64] = runs.get_column("len").to_numpy().astype(np.int64)
        self.begins = np.cumsum(self.counts) - self.counts
        self.days: NDArray[np.int32] = keys.get_column("date").to_physical().to_numpy()


def overlay(base: Base, newer: Counted, final: int) -> NDArray[np.intp]:
    """Return the rows that newer versions replace, and mark symbols that need more than that as odd.

    Parameters
    ----------
    base
        The latest rows of a compaction.
    newer
        Answers after every one that the compaction knew.
    final
        The last day, since 1970, of which it knew anything.
    """
    places = {name: place for place, name in enumerate(newer.names)}
    code_of = np.array([places.get(name, -1) for name in base.names], dtype=np.int64)
    rows = np.flatnonzero(base.days >= newer.days[0])
    code = code_of[np.searchsorted(base.begins, rows, side="right") - 1]
    rows, code = rows[code >= 0], code[code >= 0]
    day = base.days[rows]
    place = np.minimum(np.searchsorted(newer.days, day), len(newer.days) - 1)
    held = (newer.days[place] == day) & newer.held[code, place]
    # Covered and lacking by a newer answer: older answers may have lacked it too, and the count of both decides.
    newer.odd[code[~held & (newer.floor[code] <= day) & (day <= newer.ceiling[code])]] = True
    known = np.zeros_like(newer.held)
    known[code[held], place[held]] = True
    # A bar of which the newer versions do not count yet, and the compaction may know one that was withdrawn.
    revived = newer.held & ~newer.counts & ~known & (newer.days <= final)
    newer.odd[revived.any(axis=1)] = True
    replaced: NDArray[np.intp] = rows[held & newer.counts[code, place]]
    return replaced


def counting_rows(
    contents: Contents, files: Files, reading: Reading, symbols: Sequence[str] | None = None
) -> pl.DataFrame | None:
    """Return the row that counts of every bar, sorted by symbol and date, or None where only the views can tell.

    Parameters
    ----------
    contents
        The lake.
    files, reading
        What is read, and what counts.
    symbols
        Only these.
    """
    import polars as pl

    newer = _newer(contents, files, reading, symbols) if files.prices else None
    if newer is None:
        return None
    judged = judged_symbols(contents, files)
    newer.odd[np.isin(newer.names, sorted(judged))] = True
    parts: list[_Part] = []
    held: set[str] = set()
    if files.curated is not None:
        if not lies_over(files.curated, newer.first, reading):
            return None
        latest = pl.scan_parquet(files.curated.parts["latest"], glob=False).select(list(ROW_TYPES))
        if symbols is not None:
            latest = latest.filter(pl.col("symbol").is_in(list(symbols)))
        rows = contents.collect(latest)
        base = Base(rows)
        replaced = overlay(base, newer, last_known_day(contents, files.curated))
        held = set(base.names)
        parts.append(_Part(*_without(rows, base, replaced)))
    others = {name for name, odd in zip(newer.names, newer.odd, strict=True) if odd} | (judged & held)
    if len(others) > MOST_ODD * max(len(newer.names), len(held)):
        return None
    parts.append(_Part.of(newer.counting()))
    if others:
        parts = [part.leaving_out(others) for part in parts]
        with contents.connection() as connection:
            bind(connection, files, reading, symbols=sorted(others))
            parts.append(_Part.of(connection.sql("FROM prices ORDER BY symbol, date").pl()))
    return _sorted(parts)


def _newer(contents: Contents, files: Files, reading: Reading, symbols: Sequence[str] | None) -> Counted | None:
    """Return the rows that count in the batches, which are read once as long as they are the same."""
    if not files.prices:
        return None

    def told() -> Counted | None:
        found = answers(contents, files.prices, reading, symbols)
        return None if found is None else found.counted()

    return remembered(contents.location, files.prices, ("rows", reading, symbols and tuple(symbols)), told)


def judged_symbols(contents: Contents, files: Files) -> set[str]:
    """Return the symbols on which there are verdicts."""
    if not files.verdicts:
        return set()
    with contents.connection() as connection:
        found = read_parquet(connection, files.verdicts, alike=False).select("symbol").distinct().fetchall()
    return {name for (name,) in found}


def lies_over(curated: Curated, first: str | None, reading: Reading) -> bool:
    """Whether answers from an instant on follow a compaction whose latest rows are what a reading asks of it.

    None stands for an instant after it.
    """
    known = reading.until is None or reading.until >= curated.through
    local = all("://" not in path for path in curated.parts.values())
    after = first is None or first > curated.through
    return local and curated.based and known and not reading.provisional and after


def last_known_day(contents: Contents, curated: Curated) -> int:
    """Return the last day, since 1970, that an answer in a compaction covers."""
    import polars as pl

    snapshots = pl.scan_parquet(curated.parts["snapshots"], glob=False)
    (day,) = contents.collect(snapshots.select(pl.col("last_date").max().to_physical())).row(0)
    return int(day)


class _Part(NamedTuple):
    """Rows sorted by symbol and date, and where those of each symbol are."""

    rows: pl.DataFrame
    spans: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Part:
        base = Base(rows)
        begins, ends = base.begins.tolist(), (base.begins + base.counts).tolist()
        return cls(rows, dict(zip(base.names, zip(begins, ends, strict=True), strict=True)))

    def leaving_out(self, names: set[str]) -> _Part:
        return _Part(self.rows, {name: span for name, span in self.spans.items() if name not in names})


def _without(
    rows: pl.DataFrame, base: Base, replaced: NDArray[np.intp]
) -> tuple[pl.DataFrame, dict[str, tuple[int, int]]]:
    """Return the rows of a base that were not replaced; without a copy where each symbol's last ones were."""
    import polars as pl

    lost = np.zeros(len(base.days), dtype=np.int64)
    lost[replaced] = 1
    ends = base.begins + base.counts - (np.add.reduceat(lost, base.begins) if len(lost) else 0)
    owner = np.searchsorted(base.begins, replaced, side="right") - 1
    if (replaced < ends[owner]).any():
        return _Part.of(rows.filter(pl.Series(lost == 0)))
    spans = zip(base.names, zip(base.begins.tolist(), ends.tolist(), strict=True), strict=True)
    return rows, {name: (begin, end) for name, (begin, end) in spans if begin < end}


def _sorted(parts: Sequence[_Part]) -> pl.DataFrame:
    """Return the rows of all parts by symbol and date, of which no two are of one bar."""
    import polars as pl

    slices: list[list[int]] = []  # part, begin, end
    days = [part.rows.get_column("date").to_physical().to_numpy() for part in parts]
    for name in sorted(set().union(*(part.spans for part in parts))):
        spans = [(number, *part.spans[name]) for number, part in enumerate(parts) if name in part.spans]
        ends = [(days[number][begin], days[number][end - 1]) for number, begin, end in spans]
        if any(one[1] >= other[0] for one, other in pairwise(ends)):  # they interleave, which is rare
            kept = [part.rows[begin:end] for part in parts for begin, end in part.spans.values()]
            return pl.concat(kept).sort(list(KEY))
        for number, begin, end in spans:
            if slices and slices[-1][0] == number and slices[-1][2] == begin:
                slices[-1][2] = end
            else:
                slices.append([number, begin, end])
    if not slices:
        return parts[0].rows.clear()
    schema = parts[0].rows.schema
    frames = [part.rows.match_to_schema(schema) for part in parts]
    return pl.concat([frames[number][begin:end] for number, begin, end in slices], rechunk=True)
