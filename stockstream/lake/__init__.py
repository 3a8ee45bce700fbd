"""The lake of daily prices: immutable Parquet files, read by SQL, by frame or as bars.

Names are resolved on first use, so that a writer in the cloud loads neither Polars nor PyArrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.lake.athena import athena_sql
    from stockstream.lake.bucket_access import BucketOptions
    from stockstream.lake.catalogue import show_compaction
    from stockstream.lake.explain import Explanation
    from stockstream.lake.lake import Lake
    from stockstream.lake.loaders import load_all_data, load_date_range, load_symbols, merge_daily_batches
    from stockstream.lake.place_check import PlaceCheck, check
    from stockstream.lake.samples import sample_rows
    from stockstream.lake.soundness import Problem
    from stockstream.lake.write import Written

__all__ = [
    "BucketOptions",
    "Explanation",
    "Lake",
    "PlaceCheck",
    "Problem",
    "Written",
    "athena_sql",
    "check",
    "load_all_data",
    "load_date_range",
    "load_symbols",
    "merge_daily_batches",
    "sample_rows",
    "show_compaction",
]

_HOMES = {
    "BucketOptions": "bucket_access",
    "Explanation": "explain",
    "Lake": "lake",
    "PlaceCheck": "place_check",
    "Problem": "soundness",
    "athena_sql": "athena",
    "check": "place_check",
    "Written": "write",
    "load_all_data": "loaders",
    "load_date_range": "loaders",
    "load_symbols": "loaders",
    "merge_daily_batches": "loaders",
    "sample_rows": "samples",
    "show_compaction": "catalogue",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
