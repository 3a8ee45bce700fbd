"""Polars over a lake: the same versions as the SQL view `prices`, as a lazy frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.schema import CONTENT, KEY, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


def row_schema() -> dict[str, type[pl.DataType]]:
    """Return the types of a row's columns: a file that is known to have them is not asked for them first."""
    import polars as pl

    types = {"VARCHAR": pl.String, "DATE": pl.Date, "DOUBLE": pl.Float64, "BIGINT": pl.Int64}
    return {name: types[kind] for name, kind in ROW_TYPES.items()}


def latest(
    files: Sequence[str],
    storage_options: dict[str, str] | None = None,
    *,
    until: str | None = None,
    excluded: pl.DataFrame | None = None,
    gone: pl.DataFrame | None = None,
) -> pl.LazyFrame:
    """Return the latest version of each (symbol, date), sorted by both.

    Filters on symbol and date reach the row groups of the files, because both are what versions are grouped by; a
    filter on another column applies to the winners.

    Parameters
    ----------
    files
        Paths or URLs of batch files, at least one.
    storage_options
        How to reach the URLs; see `stockstream.lake.location.Location.storage_options`.
    until
        Versions fetched after this instant do not exist.
    excluded
        Versions (symbol, date, fetch_timestamp) that do not compete: provisional or hidden ones.
    gone
        Keys (symbol, date) that a tombstone hides.
    """
    import polars as pl

    # One scan reads from one kind of place: files of a bucket may lie beside copies of others on this machine.
    places = [[path for path in files if ("://" in path) is remote] for remote in (False, True)]
    rows = pl.concat(
        pl.scan_parquet(paths, glob=False, storage_options=storage_options if "://" in paths[0] else None)
        for paths in places
        if paths
    )
    if until is not None:
        rows = rows.filter(pl.col("fetch_timestamp") <= until)
    if excluded is not None and excluded.height:
        rows = rows.join(excluded.lazy(), on=[*KEY, "fetch_timestamp"], how="anti")
    # Nulls sort first, so among versions of one instant a known value wins, as in SQL.
    ordered = rows.sort([*KEY, "fetch_timestamp", *CONTENT])
    winners = ordered.group_by(list(KEY), maintain_order=True).last().select(list(ROW_TYPES))
    if gone is not None and gone.height:
        winners = winners.join(gone.lazy(), on=list(KEY), how="anti", maintain_order="left")
    return winners
