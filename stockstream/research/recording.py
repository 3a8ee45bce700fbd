"""What a sweep leaves in the ledger of trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.backtesting.strategy import constructor_parameters
from stockstream.research import distinct
from stockstream.research.collect import Ratios
from stockstream.research.fingerprints import hash_of, rule_of
from stockstream.research.trials import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stockstream.research.grid import Combinations
    from stockstream.research.results import Sweep

#: Combinations hashed at once at most.
AT_ONCE: Final = 100_000


def entry_of(swept: Sweep, combinations: Combinations, sketch: distinct.Hashes) -> Entry:
    """Return what is recorded of a sweep: all combinations of its grid, and the moments of its Sharpe ratios."""
    first, last = (str(day) for day in swept.bars.dates[[0, -1]])
    ratios = swept.ratios if swept.ratios is not None and swept.ratios.count > 1 else Ratios()
    year = swept.settings.periods_per_year
    return Entry(
        strategy=swept.strategy.__name__,
        family=_family(swept),
        symbols=swept.bars.symbols,
        shared=swept.portfolio == "shared",
        first=first,
        last=last,
        combinations=combinations.count,
        ratios=ratios.count,
        mean=ratios.mean / math.sqrt(year),
        variance=ratios.variance / year,
        sketch=sketch,
    )


def sketch_of(strategy: type, combinations: Combinations, at_once: int = AT_ONCE) -> distinct.Hashes:
    """Return the smallest hashes of all combinations of a strategy, so many of them looked at together."""
    return distinct.smallest(_hashed(strategy, combinations, min(at_once, AT_ONCE)))


def _family(swept: Sweep) -> str:
    """Return a hash of the rule, the settings and the days, which identical runs share."""
    days = swept.bars.dates.astype("datetime64[D]").astype(np.int64).tobytes()
    return hash_of(rule_of(swept.strategy).encode(), repr((swept.settings, swept.portfolio)).encode(), days)


def _hashed(strategy: type, combinations: Combinations, at_once: int) -> Iterator[NDArray[np.uint64]]:
    """Hash all combinations, those parameters included that were left at their defaults."""
    given = constructor_parameters(strategy)
    defaults = {
        name: float(value)
        for name, value in given.items()
        if name not in combinations.names and isinstance(value, int | float)
    }
    if combinations.is_product and combinations.count <= at_once:
        ones = {name: np.array([value]) for name, value in defaults.items()}
        yield distinct.product_hashes({**combinations.axes, **ones})
        return
    for batch in combinations.batches(at_once):
        columns = {name: batch.get_column(name).to_numpy().astype(np.float64) for name in batch.columns}
        columns |= {name: np.full(batch.height, value) for name, value in defaults.items()}
        yield distinct.hashes(columns, batch.height)
