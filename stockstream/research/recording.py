"""What a sweep leaves in the ledger of trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stockstream.backtesting.strategy import constructor_parameters
from stockstream.research import distinct
from stockstream.research.fingerprints import hash_of, rule_of
from stockstream.research.trials import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stockstream.research.grid import Combinations
    from stockstream.research.results import Sweep

#: Combinations hashed at once.
AT_ONCE = 1_000_000


def entry_of(swept: Sweep, combinations: Combinations) -> Entry:
    """Return what is recorded of a sweep: all combinations of its grid, and the moments of its Sharpe ratios."""
    first, last = (str(day) for day in swept.bars.dates[[0, -1]])
    count, mean, variance = _moments(swept)
    return Entry(
        strategy=swept.strategy.__name__,
        family=_family(swept),
        symbols=swept.bars.symbols,
        shared=swept.portfolio == "shared",
        first=first,
        last=last,
        combinations=combinations.count,
        ratios=count,
        mean=mean,
        variance=variance,
        sketch=distinct.smallest(_hashed(swept.strategy, combinations)),
    )


def _family(swept: Sweep) -> str:
    """Return a hash of the rule, the settings and the days, which identical runs share."""
    days = swept.bars.dates.astype("datetime64[D]").astype(np.int64).tobytes()
    return hash_of(rule_of(swept.strategy).encode(), repr((swept.settings, swept.portfolio)).encode(), days)


def _hashed(strategy: type, combinations: Combinations) -> Iterator[NDArray[np.uint64]]:
    """Hash all combinations, those parameters included that were left at their defaults."""
    given = constructor_parameters(strategy)
    defaults = {
        name: float(value)
        for name, value in given.items()
        if name not in combinations.names and isinstance(value, int | float)
    }
    for batch in combinations.batches(AT_ONCE):
        columns = {name: batch.get_column(name).to_numpy().astype(np.float64) for name in batch.columns}
        columns |= {name: np.full(batch.height, value) for name, value in defaults.items()}
        yield distinct.hashes(columns, batch.height)


def _moments(swept: Sweep) -> tuple[int, float, float]:
    """Return count, mean and variance of the Sharpe ratios of one period; none where not all rows are kept."""
    whole = swept.frame.height == swept.runs or swept.out is not None
    if "sharpe" not in swept.metrics or not whole:
        return 0, math.nan, math.nan
    ratios = sharpes(swept)
    if len(ratios) < 2:  # noqa: PLR2004 a variance needs two
        return 0, math.nan, math.nan
    return len(ratios), float(ratios.mean()), float(ratios.var(ddof=1))


def sharpes(swept: Sweep) -> NDArray[np.float64]:
    """Return the Sharpe ratios of one period of all rows that have one."""
    frame = swept.frame if swept.out is None else swept.rows.select("sharpe").collect()
    values = frame.get_column("sharpe").to_numpy() / math.sqrt(swept.settings.periods_per_year)
    kept: NDArray[np.float64] = values[np.isfinite(values)]
    return kept
