"""The rows that count as a table for bars: newer batches over the latest rows of a compaction, or batches alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream.lake.merged import MOST_ODD, judged_symbols, last_known_day, lies_over, overlay
from stockstream.lake.remembered import remembered
from stockstream.lake.sources import read_parquet
from stockstream.lake.tables import Merged, Table, table_of_file, within
from stockstream.lake.tail import Counted, answers
from stockstream.lake.unscaled import rescaled
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    import polars as pl

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.curated import Curated
    from stockstream.lake.query import Files

type Days = tuple[date | None, date | None]


class Overlaid(NamedTuple):
    """The rows of ordinary symbols on one basis, and the symbols that only the views can tell."""

    table: Table
    others: set[str]


def overlaid(
    contents: Contents,
    files: Files,
    reading: Reading,
    symbols: Sequence[str] | None,
    days: Days,
    *,
    without: Collection[str] = (),
) -> Overlaid | None:
    """Return the rows that count, or None where the views are to be asked for all of them.

    Parameters
    ----------
    contents
        The lake.
    files, reading
        What is read, and what counts.
    symbols, days
        Only these.
    without
        Symbols of which the views are to be asked.
    """
    curated = files.curated
    if not files.prices or any("://" in path for path in files.prices):
        return None
    if curated is not None and not lies_over(curated, None, reading):
        return None
    base = None if curated is None else table_of_file(contents, curated.parts["latest"], symbols)
    newer = _newer(contents, files, reading, symbols, base)
    if newer is None:
        return None
    others = judged_symbols(contents, files) | _eventful(contents, files) | set(without)
    newer.odd[np.isin(newer.names, sorted(others))] = True
    if curated is None or base is None:
        return _told(newer, others, set(newer.names), Table(contents, within(_on_basis(newer, None).lazy(), days)))
    replaced = overlay(base, newer, last_known_day(contents, curated))
    segment = base.read("segment")
    others |= set(np.array(base.names)[base.changes(segment)].tolist())
    newer.odd[np.isin(newer.names, sorted(others))] = True
    others |= _odd(newer)
    kept = np.repeat(~np.isin(base.names, sorted(others)), base.counts)
    kept[replaced] = False
    first, last = days
    if first is not None:
        kept &= base.days >= np.datetime64(first).astype(np.int64)
    if last is not None:
        kept &= base.days <= np.datetime64(last).astype(np.int64)
    segments = dict(zip(base.names, segment[base.begins].tolist(), strict=True))
    found = contents.collect(within(_on_basis(newer, segments).lazy(), days))
    return _told(newer, others, {*newer.names, *base.names}, Merged(contents, base, kept, found))


def _newer(
    contents: Contents, files: Files, reading: Reading, symbols: Sequence[str] | None, base: Table | None
) -> Counted | None:
    """Return the rows that count in the batches, symbols that are perhaps not on one scale marked as odd.

    They are read once as long as they, and the compaction below them, are the same.
    """
    ends = None if files.curated is None else _Ends(contents, files.curated, reading)

    def told() -> Counted | None:
        newer = answers(
            contents, files.prices, reading, symbols, closes=True, before=None if ends is None else ends.rows
        )
        if newer is None or (ends is not None and not ends.followed):
            return None
        known = np.isin(newer.names, [] if base is None else base.names)
        newer.odd |= rescaled(newer, known)
        if ends is not None:
            newer.odd |= known & ~np.isin(newer.names, sorted(ends.sound))
        return newer.counted()

    below = [] if files.curated is None else list(files.curated.parts.values())
    return remembered(contents.location, [*below, *files.prices], ("bars", reading, symbols and tuple(symbols)), told)


def _told(newer: Counted, others: set[str], held: set[str], table: Table) -> Overlaid | None:
    odd = (others | _odd(newer)) & held
    return None if len(odd) > MOST_ODD * len(held) else Overlaid(table, odd)


def _odd(newer: Counted) -> set[str]:
    return {name for name, odd in zip(newer.names, newer.odd, strict=True) if odd}


def _on_basis(newer: Counted, segments: dict[str, float] | None) -> pl.DataFrame:
    """Return the rows that count of ordinary symbols, in the segment of the older rows, whose basis is theirs."""
    import polars as pl

    rows = newer.counting()
    one = pl.lit(1.0)
    known = segments or {}
    runs = rows.get_column("symbol").rle().struct.unnest()
    own = np.repeat([known.get(name, 1.0) for name in runs.get_column("value")], runs.get_column("len").to_numpy())
    return rows.with_columns(segment=pl.Series(own), price_basis=one, volume_basis=one)


def _eventful(contents: Contents, files: Files) -> set[str]:
    """Return the symbols with dividends or splits in batches: what they do to older rows is not in these."""
    if not files.events:
        return set()
    with contents.connection() as connection:
        found = read_parquet(connection, files.events, alike=False).select("symbol").distinct().fetchall()
    return {name for (name,) in found}


class _Ends:
    """The last answers that a compaction knew, to which newer ones are linked.

    Attributes
    ----------
    curated
        The compaction.
    followed
        Whether the newer answers all came after it.
    sound
        Symbols whose last answer is known in full, and which had one scale until then.
    """

    def __init__(self, contents: Contents, curated: Curated, reading: Reading) -> None:
        self.curated = curated
        self.followed = False
        self.sound: set[str] = set()
        self._contents, self._reading = contents, reading

    def rows(self, names: Sequence[str], first: str) -> pl.DataFrame | None:
        """Return the last answer about each of some symbols, of which newer rows begin at an instant."""
        import polars as pl

        self.followed = lies_over(self.curated, first, self._reading)
        if not self.followed:
            return None
        parts = {part: pl.scan_parquet(path, glob=False) for part, path in self.curated.parts.items()}
        ratio = pl.col("ratio")
        last = (
            parts["snapshots"]
            .group_by("symbol")
            .agg(
                pl.col("fetch_timestamp", "bars").last(),  # a compaction sorts them
                one_scale=(~pl.col("patch") & (ratio.is_null() | (ratio == 1))).all(),
            )
            .filter(pl.col("symbol").is_in(names))
        )
        ends = self._contents.collect(last)
        if ends.height == 0:
            return None
        keys = ends.lazy().select("symbol", "fetch_timestamp")
        since = ends.get_column("fetch_timestamp").min()
        history = parts["history"].rename({"last_seen": "fetch_timestamp"})
        found = pl.concat(
            part.select(list(ROW_TYPES))
            .filter(pl.col("fetch_timestamp") >= since)
            .join(keys, on=["symbol", "fetch_timestamp"], how="semi")
            for part in (parts["latest"], history)
        )
        rows = self._contents.collect(found.sort("symbol", "date"))
        held = rows.group_by("symbol").len().join(ends, on="symbol")
        self.sound = set(held.filter((pl.col("len") == pl.col("bars")) & pl.col("one_scale")).get_column("symbol"))
        return rows
