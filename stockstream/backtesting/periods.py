"""Returns of calendar months and years."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def monthly_returns(result: Result) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Return the years Y, the returns of their months (Y, 12) and of the years (Y,), as fractions.

    A period runs from the last equity of the one before, the first from the initial cash; the first and the last are
    as long as the run makes them. NaN without a session, and once the equity has reached 0.
    """
    dates = result.bars.dates
    month_of, month_returns = _returns(result, "M")
    year_of, year_returns = _returns(result, "Y")
    first, last = int(dates[0].astype("datetime64[Y]").astype(int)), int(dates[-1].astype("datetime64[Y]").astype(int))
    table = np.full((last - first + 1, 12), np.nan)
    table.reshape(-1)[month_of - 12 * first] = month_returns
    years = np.full(len(table), np.nan)
    years[year_of - first] = year_returns
    return [1970 + year for year in range(first, last + 1)], table, years


def _returns(result: Result, unit: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the periods that have a session, as numbers since 1970, and what each returned."""
    equity = result.account.equity
    period = result.bars.dates.astype(f"datetime64[{unit}]").astype(np.int64)
    ends = np.append(np.flatnonzero(np.diff(period)), len(period) - 1)
    levels = np.concatenate([[result.settings.cash], equity[ends]])
    alive = np.minimum.accumulate(np.concatenate([[result.settings.cash], equity]))[np.append(0, ends[:-1] + 1)] > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = levels[1:] / levels[:-1] - 1.0
    return period[ends], np.where(alive, returns, np.nan)
