"""The lake's reading functions by bucket and prefix, for scripts that have no `Lake` at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.lake.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import polars as pl

    from stockstream.lake.as_of import Instant


def load_all_data(bucket: str | None = None, prefix: str = "", *, as_of: Instant | None = None) -> pl.DataFrame:
    """Return the latest version of every row; see `Lake.load_all_data`.

    Parameters
    ----------
    bucket
        A bucket's name, or a folder (anything with a slash in it); None as in `Lake`.
    prefix
        Where the lake begins inside it.
    as_of
        What came later does not exist, as in `Lake`; None is now.
    """
    return Lake.in_bucket(bucket, prefix).load_all_data(as_of=as_of)


def load_date_range(
    start_date: date | str,
    end_date: date | str,
    bucket: str | None = None,
    prefix: str = "",
    *,
    as_of: Instant | None = None,
) -> pl.DataFrame:
    """Return the rows from one date to another, both included; see `Lake.load_date_range`."""
    return Lake.in_bucket(bucket, prefix).load_date_range(start_date, end_date, as_of=as_of)


def load_symbols(
    symbols: Sequence[str], bucket: str | None = None, prefix: str = "", *, as_of: Instant | None = None
) -> pl.DataFrame:
    """Return all rows of some symbols; see `Lake.load_symbols`."""
    return Lake.in_bucket(bucket, prefix).load_symbols(symbols, as_of=as_of)


def merge_daily_batches(
    date: date | str, bucket: str | None = None, prefix: str = "", *, as_of: Instant | None = None
) -> pl.DataFrame:
    """Return the rows that count among one session's batches; see `Lake.merge_daily_batches`."""
    return Lake.in_bucket(bucket, prefix).merge_daily_batches(date, as_of=as_of)
