"""What a run is measured against: a symbol, buy and hold of all of them, or levels from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.bars import Bars

type Series = NDArray[np.float64]


def benchmark_levels(benchmark: Any, bars: Bars) -> Series | None:
    """Return levels (T,): a symbol's closes, buy and hold of all symbols, or what was given."""
    if benchmark is None:
        return None
    if isinstance(benchmark, str) and benchmark == "universe":
        filled = np.stack([_carried(row) for row in bars.close if not np.isnan(row).all()])
        level: Series = np.mean(filled / filled[:, :1], axis=0)
        return level
    if isinstance(benchmark, str):
        closes = bars.close[bars.row(benchmark)]
        if np.isnan(closes).all():
            message = (
                f"expected a benchmark with prices; {benchmark} has no bar between {bars.dates[0]} and {bars.dates[-1]}"
            )
            raise DataError(message)
        return _carried(closes)
    if hasattr(benchmark, "columns"):
        return _aligned(benchmark, bars)
    levels = np.asarray(benchmark, dtype=np.float64)
    if levels.shape != bars.dates.shape or not np.isfinite(levels).all():
        message = (
            f"expected a benchmark with one finite level per session, {len(bars.dates)}; found shape {levels.shape}"
        )
        raise DataError(message)
    return levels


def _aligned(frame: Any, bars: Bars) -> Series:
    """Return the closes of a frame on the sessions of the bars, carried over days it does not have."""
    import polars as pl

    if not isinstance(frame, pl.DataFrame) or not {"date", "close"} <= set(frame.columns):
        message = "expected a Polars frame with the columns date and close as benchmark"
        raise DataError(message)
    known = frame.select(pl.col("date").cast(pl.Date), pl.col("close").cast(pl.Float64)).sort("date")
    sessions = pl.DataFrame({"date": bars.dates}).with_columns(pl.col("date").cast(pl.Date))
    joined = sessions.join_asof(known, on="date").get_column("close")
    if joined.null_count():
        message = f"the benchmark starts after the bars: expected a close on or before {bars.dates[0]}"
        raise DataError(message)
    return joined.to_numpy()


def _carried(row: Series) -> Series:
    """Return closes with the days without a bar filled by the last known one, and the start by the first."""
    known = np.flatnonzero(~np.isnan(row))
    place = np.maximum(np.searchsorted(known, np.arange(len(row)), side="right") - 1, 0)
    carried: Series = row[known[place]]
    return carried
