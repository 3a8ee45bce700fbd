"""The deepest drawdowns of a run, each from its peak to its recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result


class Drawdown(NamedTuple):
    """One stretch below an earlier high.

    Attributes
    ----------
    peak, bottom, recovery
        Days. The peak is the last day at the high, None when that was the initial cash; recovery is None while it
        lasts.
    depth
        Fraction at the bottom, below 0; not below -1.
    bars
        Bars below the high.
    """

    peak: np.datetime64 | None
    bottom: np.datetime64
    recovery: np.datetime64 | None
    depth: float
    bars: int


def deepest(result: Result, limit: int) -> list[Drawdown]:
    """Return the deepest drawdowns, the deepest first."""
    dates = result.bars.dates
    path = np.concatenate([[result.settings.cash], result.account.equity])
    depth = np.maximum(path / np.maximum.accumulate(path) - 1.0, -1.0)
    under = np.concatenate([depth < 0.0, [False]])
    starts = np.flatnonzero(under[1:] & ~under[:-1]) + 1
    ends = np.flatnonzero(under[:-1] & ~under[1:]) + 1
    found = []
    for start, end in zip(starts, ends, strict=True):
        bottom = start + int(depth[start:end].argmin())
        peak = dates[start - 2] if start > 1 else None
        recovery = dates[end - 1] if end < len(path) else None
        found.append(Drawdown(peak, dates[bottom - 1], recovery, float(depth[bottom]), int(end - start)))
    return sorted(found, key=lambda one: one.depth)[:limit]
