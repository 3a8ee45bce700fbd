"""Returns of some combinations of a sweep, drawn without looking at how they did."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stockstream.research.results import Sweep

#: Combinations whose whole returns are looked at, at most: their table of ten years of days takes 100 MB.
MOST: Final = 5_000

#: Bar-runs that take less time than starting threads for them.
SHORT: Final = 200_000


def sampled_returns(
    swept: Sweep, most: int = MOST, *, seed: int = 0, symbol: str | None = None, chosen: dict[str, Any] | None = None
) -> NDArray[np.float64]:
    """Return ``(N, T)``: returns of combinations drawn at random without repetition, `chosen` first when it is given.

    Parameters
    ----------
    swept
        A sweep; its grid gives the combinations, and their metrics are not looked at.
    most
        How many at most, up to 5,000.
    seed
        The same draws the same.
    symbol
        With several symbols that were run each by itself: which one.
    chosen
        A row that must be among them.

    Raises
    ------
    ParameterError
        More than 5,000, or several symbols and none named.
    DataError
        None of those that were drawn can run.
    """
    if not 1 <= most <= MOST:
        message = f"expected 1 to {MOST:,} combinations; found {most:,}: their returns are held in memory"
        raise ParameterError(message)
    rows = swept.grid.drawn(most, seed).to_dicts()
    if chosen is not None:
        first = {name: chosen[name] for name in swept.parameters}
        rows = [first, *(row for row in rows if row != first)][:most]
    return returns_of_rows(swept, rows, symbol)


def returns_of_rows(swept: Sweep, rows: Sequence[Mapping[str, Any]], symbol: str | None) -> NDArray[np.float64]:
    """Return ``(N, T)``: returns of some combinations of a sweep, in their order, without those that cannot run.

    Raises
    ------
    ParameterError
        Several symbols that were run each by itself, and none named.
    DataError
        None of them can run.
    """
    from stockstream.research.sweep import sweep

    alone = swept.portfolio == "each" and len(swept.bars.symbols) > 1
    if alone and symbol is None:
        message = f"with symbols that were run each by itself, say which one: symbol='{swept.bars.symbols[0]}'"
        raise ParameterError(message)
    collected = _Collected(swept.settings.cash)
    settings = {name: getattr(swept.settings, name) for name in swept.settings.__dataclass_fields__}
    bars = swept.bars.select([symbol]) if alone and symbol is not None else swept.bars
    again = sweep(
        swept.strategy, bars, rows, portfolio=swept.portfolio, metrics=[], reduce={"place": collected.take},
        progress=False, record=False, workers=1 if len(rows) * len(bars.dates) < SHORT else None, **settings,
    )  # fmt: skip
    if not collected.parts:
        message = f"none of the {len(rows):,} combinations that were drawn could run"
        raise DataError(message)
    returns: NDArray[np.float64] = np.concatenate(collected.parts)[again.frame["place"].to_numpy().astype(np.int64)]
    return returns


class _Collected:
    """Keeps returns of the paths that a sweep hands to a reduction; each gets a number, by which they are found."""

    def __init__(self, cash: float) -> None:
        self.cash, self.lock, self.count = cash, threading.Lock(), 0
        self.parts: list[NDArray[np.float64]] = []

    def take(self, paths: NDArray[np.float64], dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
        before = np.concatenate([np.full((len(paths), 1), self.cash), paths[:, :-1]], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = np.where(before > 0.0, paths / before - 1.0, 0.0)
        with self.lock:
            numbers = np.arange(self.count, self.count + len(paths))
            self.count += len(paths)
            self.parts.append(returns)
        return numbers.astype(np.float64)
