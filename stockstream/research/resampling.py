"""How much of a backtest's figures is chance: intervals by the stationary bootstrap, and drawdowns of other orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.measures import ACTIVITY, BENCHMARK, DEFINITIONS
from stockstream.backtesting.metrics import metrics
from stockstream.errors import DataError, ParameterError
from stockstream.research.overfitting import returns_of
from stockstream.research.reality import block_length

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result

#: Trades below which their order says nothing.
FEWEST_TRADES: Final = 5


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of the measures of a run.

    Attributes
    ----------
    frame
        One row a measure: ``metric, value, low, high``.
    block
        Mean length of the resampled blocks of returns, in bars.
    repetitions, confidence
        Resamples, and the share of them inside an interval.
    """

    frame: pl.DataFrame
    block: float
    repetitions: int
    confidence: float


def intervals(
    result: Result,
    *,
    block: float | None = None,
    repetitions: int = 1_000,
    confidence: float = 0.9,
    seed: int = 0,
) -> Intervals:
    """Return an interval for every measure of a run.

    Returns of bars are resampled in blocks (stationary bootstrap of Politis and Romano), together with what was held
    and with the benchmark's returns; closed trades one by one. The intervals are percentiles. Sums of money (fees,
    interest and the like) and turnover have none. They say how much the same strategy might have varied on days like
    these, not that it was chosen fairly, nor that days stay like these.

    Parameters
    ----------
    result
        A finished backtest of at least 20 bars.
    block
        Mean block length in bars; None for Politis and White's rule.
    repetitions, confidence, seed
        How many resamples, the share inside an interval, and what draws them.

    Raises
    ------
    DataError, ParameterError
        Too few bars, returns that never vary, a confidence outside 0 to 1.
    """
    import polars as pl

    if not 0.0 < confidence < 1.0 or repetitions < 2:  # noqa: PLR2004
        message = f"expected 0 < confidence < 1 and 2 repetitions or more; found {confidence!r} and {repetitions!r}"
        raise ParameterError(message)
    returns = returns_of(result.equity["return"].to_numpy())
    length = block_length(returns) if block is None else float(block)
    if not 1.0 <= length < len(returns):
        message = f"expected blocks of 1 to {len(returns) - 1} bars; found {block!r}"
        raise ParameterError(message)
    draws = np.random.default_rng(seed)
    rows = [_measured(result, returns, *_drawn(result, len(returns), length, draws)) for _ in range(repetitions)]
    names = [
        name
        for name, definition in DEFINITIONS.items()
        if definition.group != ACTIVITY and (definition.group != BENCHMARK or result.benchmark is not None)
    ]
    table = np.array([[row[name] for name in names] for row in rows])
    tail = (1.0 - confidence) / 2.0
    found = {}
    for place, name in enumerate(names):
        known = table[~np.isnan(table[:, place]), place]
        found[name] = np.quantile(known, (tail, 1 - tail), method="nearest") if len(known) else (np.nan, np.nan)
    given = result.metrics.to_dict()
    frame = pl.DataFrame(
        {
            "metric": names,
            "value": [float(given[name]) for name in names],
            "low": [float(found[name][0]) for name in names],
            "high": [float(found[name][1]) for name in names],
        }
    )
    return Intervals(frame, length, repetitions, confidence)


def _drawn(
    result: Result, bars: int, length: float, draws: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places of bars in blocks of geometric length that wrap around, and places of trades."""
    begins = draws.random(bars) < 1.0 / length
    begins[0] = True
    first = np.flatnonzero(begins)
    starts = draws.integers(0, bars, len(first))
    block = np.cumsum(begins) - 1
    places = (starts[block] + np.arange(bars) - first[block]) % bars
    closed = len(result.ledgers["trades"])
    return places, draws.integers(0, closed, closed) if closed else np.zeros(0, dtype=np.int64)


def _measured(
    result: Result, returns: NDArray[np.float64], places: NDArray[np.int64], trades: NDArray[np.int64]
) -> dict[str, Any]:
    settings, account = result.settings, result.account
    levels = None
    if result.benchmark is not None:
        changes = np.diff(result.benchmark, prepend=result.benchmark[0]) / np.roll(result.benchmark, 1)
        changes[0] = 0.0
        levels = np.cumprod(1.0 + changes[places])
    equity = settings.cash * np.cumprod(1.0 + returns[places])
    drawn = result.ledgers["trades"][trades]
    measured = metrics(
        equity,
        settings.cash,
        drawn,
        exposure=(account.long_value + account.short_value > 0.0)[places],
        benchmark=levels,
        periods_per_year=settings.periods_per_year,
        risk_free=settings.risk_free,
    )
    return measured.to_dict()


@dataclass(frozen=True, eq=False)
class TradeOrders:
    """Largest drawdowns of the same trades in other orders.

    Attributes
    ----------
    drawdowns : (repetitions,)
        Fractions below 0, of equity at the ends of trades; what happens inside a trade is not seen.
    observed
        The same of the order that happened.
    trades
        How many.
    """

    drawdowns: NDArray[np.float64]
    observed: float
    trades: int

    @property
    def worse(self) -> float:
        """Share of the orders with a deeper drawdown than the one that happened."""
        return float((self.drawdowns < self.observed).mean())

    def deeper(self, share: float) -> float:
        """Return the drawdown than which only such a share of the orders has a deeper one."""
        return float(np.quantile(self.drawdowns, share, method="nearest"))


def trade_orders(result: Result, *, repetitions: int = 1_000, seed: int = 0) -> TradeOrders:
    """Put the closed trades of a run into other orders, and measure the drawdowns.

    Every order ends with the same equity: nothing but drawdowns can be learned from it, and only as far as trades do
    not depend on those before them.

    Raises
    ------
    ParameterError
        Trades that overlap in time: their returns do not follow each other.
    DataError
        Fewer than five closed trades.
    """
    trades = result.ledgers["trades"]
    if len(trades) < FEWEST_TRADES:
        message = f"expected at least {FEWEST_TRADES} closed trades to reorder; found {len(trades)}"
        raise DataError(message)
    trades = trades[np.argsort(trades["entry"], kind="stable")]
    if bool((trades["entry"][1:] < trades["exit"][:-1]).any()):
        message = "trades overlap in time: put in another order they would not be the same trades"
        raise ParameterError(message)
    # equity when each trade began: the trades before it made it what it was
    before = result.settings.cash + np.concatenate([[0.0], np.cumsum(trades["pnl"])[:-1]])
    changes = trades["pnl"] / before
    draws = np.random.default_rng(seed)
    orders = draws.permuted(np.tile(changes, (repetitions, 1)), axis=1)
    return TradeOrders(_deepest(orders), float(_deepest(changes[None])[0]), len(trades))


def _deepest(changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(n,)``: largest drawdown of each row of returns of trades."""
    path = np.concatenate([np.ones((len(changes), 1)), np.cumprod(1.0 + changes, axis=1)], axis=1)
    deepest: NDArray[np.float64] = (path / np.maximum.accumulate(path, axis=1) - 1.0).min(axis=1)
    return deepest
