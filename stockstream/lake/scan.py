"""Polars over a lake: the same latest versions as the SQL view `prices`, as a lazy frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stockstream.schema import KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_CONTENT: Final = tuple(name for name in ROW_TYPES if name not in (*KEY, "fetch_timestamp"))


def latest(files: Sequence[str]) -> pl.LazyFrame:
    """Return the latest version of each (symbol, date), sorted by both.

    Filters on symbol and date reach the row groups of the files, because both are what versions are grouped by; a
    filter on another column applies to the winners.

    Parameters
    ----------
    files
        Paths of batch files, at least one.
    """
    import polars as pl

    rows = pl.scan_parquet(list(files), glob=False)
    # Nulls sort first, so among versions of one instant a known value wins, as in SQL with NULLS LAST.
    ordered = rows.sort([*KEY, "fetch_timestamp", *_CONTENT])
    return ordered.group_by(list(KEY), maintain_order=True).last().select(list(ROW_TYPES))
