"""From the record of a run to its `Metrics`, and the same over rolling windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stockstream.backtesting.measures import DEFINITIONS, Definition, Metrics
from stockstream.errors import DataError, ParameterError

if TYPE_CHECKING:
    from stockstream_kernels.relative_performance import Relative
    from stockstream_kernels.trade_performance import TradeRatios

__all__ = ["DEFINITIONS", "Definition", "Metrics", "Rolling", "Totals", "metrics", "rolling"]

type Series = NDArray[np.float64]

#: Returns that a rolling window holds at least: a deviation needs two.
SHORTEST_WINDOW: Final = 2


@dataclass(frozen=True)
class Totals:
    """What a run paid and traded, in money.

    Attributes
    ----------
    fees, slippage, borrow
        Costs paid, positive.
    interest
        Interest received, negative when paid.
    traded
        Notional bought and sold, both sides.
    """

    fees: float = 0.0
    slippage: float = 0.0
    borrow: float = 0.0
    interest: float = 0.0
    traded: float = 0.0


class Rolling(NamedTuple):
    """Measures of the last `window` returns: arrays (T,), NaN before the first full window."""

    total_return: Series
    volatility: Series
    sharpe: Series
    sortino: Series
    max_drawdown: Series
    beta: Series


def metrics(
    equity: ArrayLike,
    cash: float,
    trades: NDArray[Any],
    *,
    exposure: ArrayLike,
    totals: Totals | None = None,
    benchmark: ArrayLike | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> Metrics:
    """Measure a run.

    Parameters
    ----------
    equity : (T,)
        Equity at the close of each bar, in money. After the first bar at zero or below, the run has ended: what follows
        is not looked at.
    cash
        Initial cash, the equity before the first bar.
    trades
        Records of `stockstream_kernels.ledger.TRADE` in the order of their exits. Trades without an exit are open and
        left out.
    exposure : (T,)
        True on bars with a position.
    totals
        Costs and traded notional.
    benchmark : (T,)
        Prices or index levels on the same bars, without gaps. None leaves the comparisons NaN.
    periods_per_year
        252 for daily bars of stocks.
    risk_free
        Return of a riskless year; a period earns ``(1 + risk_free) ** (1 / periods_per_year) - 1``.

    Raises
    ------
    DataError
        Equity, benchmark or exposure of the wrong shape, or with values that are not finite.
    ParameterError
        Initial cash or periods a year not above 0, risk-free rate not above -1.

    Examples
    --------
    >>> import numpy as np
    >>> from stockstream_kernels.ledger import TRADE
    >>> run = metrics([101.0, 99.0, 102.0], 100.0, np.zeros(0, TRADE), exposure=[True, True, True])
    >>> run.total_return, run.max_drawdown, run.trades
    (0.02, -0.0198, 0)
    """
    from stockstream_kernels.performance import (
        living_bars,
        mean_equity,
        path_drawdowns,
        path_ratios,
        path_shape,
        path_sums,
        path_tails,
    )

    path, cash, hurdle = _path(equity, cash, periods_per_year, risk_free)
    totals = totals if totals is not None else Totals()
    held = np.asarray(exposure, dtype=bool)
    if held.shape != path.shape:
        message = f"Expected exposure of shape {path.shape}, one value a bar like equity; found {held.shape}."
        raise DataError(message)
    level = None if benchmark is None else _levels(benchmark, path.shape)
    path = path[: living_bars(path)]
    sums = path_sums(path, cash, hurdle)
    average = mean_equity(path)
    turnover = totals.traded / average * periods_per_year / len(path) if average > 0.0 else math.nan
    values = {
        **path_ratios(sums, periods_per_year, hurdle)._asdict(),
        **path_shape(path, cash, sums.mean, hurdle)._asdict(),
        **path_tails(path, cash, np.empty(len(path)))._asdict(),
        **path_drawdowns(path, cash)._asdict(),
        **_trade_measures(trades)._asdict(),
        **_relative(path, level, periods_per_year, hurdle)._asdict(),
        "exposure": held.mean(),
        "turnover": turnover,
        "fees": totals.fees,
        "slippage": totals.slippage,
        "borrow": totals.borrow,
        "interest": totals.interest,
    }
    # Uncompiled kernels and accounts hold NumPy scalars; a JSON writer wants Python's.
    return Metrics(**{name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()})


def rolling(
    equity: ArrayLike,
    window: int,
    *,
    cash: float,
    benchmark: ArrayLike | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> Rolling:
    """Measure the last `window` returns at every bar, by the definitions of `metrics`.

    Parameters
    ----------
    equity, cash, benchmark, periods_per_year, risk_free
        As in `metrics`.
    window
        Returns in a window, at least 2. The first values stand on bar ``window - 1``, beta on bar `window` since the
        benchmark has no return on the first bar. NaN after the equity has reached zero.

    Raises
    ------
    DataError, ParameterError
        As `metrics`, and for a window below 2.

    Examples
    --------
    >>> rolling([101.0, 99.0, 102.0, 104.0], 2, cash=100.0).total_return.round(4)
    array([    nan, -0.01  ,  0.0099,  0.0505])
    """
    from stockstream_kernels.performance import living_bars, rolling_measures
    from stockstream_kernels.relative_performance import rolling_beta

    if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < SHORTEST_WINDOW:
        message = f"Expected window to be a whole number of returns, at least {SHORTEST_WINDOW}; found {window!r}."
        raise ParameterError(message)
    path, cash, hurdle = _path(equity, cash, periods_per_year, risk_free)
    level = None if benchmark is None else _levels(benchmark, path.shape)
    alive = living_bars(path)
    table = np.full((len(path), 5), np.nan)
    rolling_measures(path[:alive], cash, window, periods_per_year, hurdle, table[:alive])
    beta = np.full(len(path), np.nan)
    if level is not None:
        rolling_beta(path[:alive], level[:alive], window, beta[:alive])
    columns = np.ascontiguousarray(table.T)
    return Rolling(columns[0], columns[1], columns[2], columns[3], columns[4], beta)


def _path(equity: ArrayLike, cash: float, periods_per_year: float, risk_free: float) -> tuple[Series, float, float]:
    """Return equity as the kernels want it, cash as a float, and the risk-free return of a period; or raise."""
    path = np.ascontiguousarray(equity, dtype=np.float64)
    if path.ndim != 1 or len(path) == 0:
        message = f"Expected equity of shape (T,) with at least one bar; found {path.shape}."
        raise DataError(message)
    if not np.isfinite(path).all():
        bar = int(np.flatnonzero(~np.isfinite(path))[0])
        message = f"Expected finite equity; found {path[bar]} on bar {bar}. Mark positions at their last known close."
        raise DataError(message)
    for name, value, least in (
        ("cash", cash, 0),
        ("periods_per_year", periods_per_year, 0),
        ("risk_free", risk_free, -1),
    ):
        if not (math.isfinite(value) and value > least):
            message = f"Expected {name} to be a finite number above {least}; found {value!r}."
            raise ParameterError(message)
    return path, float(cash), math.expm1(math.log1p(risk_free) / periods_per_year)


def _levels(benchmark: ArrayLike, shape: tuple[int, ...]) -> Series:
    """Return the benchmark as the kernels want it, or raise."""
    level = np.ascontiguousarray(benchmark, dtype=np.float64)
    if level.shape != shape:
        message = f"Expected a benchmark of shape {shape}, one price a bar like equity; found {level.shape}."
        raise DataError(message)
    wrong = ~(np.isfinite(level) & (level > 0.0))
    if wrong.any():
        bar = int(np.flatnonzero(wrong)[0])
        message = (
            f"Expected benchmark prices above 0 on every bar; found {level[bar]} on bar {bar}. "
            "Carry the last known price over gaps, or start the run where the benchmark starts."
        )
        raise DataError(message)
    return level


def _trade_measures(trades: NDArray[Any]) -> TradeRatios:
    """Measure the closed trades."""
    from stockstream_kernels.ledger import NEVER
    from stockstream_kernels.trade_performance import trade_measures

    closed = trades[trades["exit"] != NEVER]
    pnl = np.ascontiguousarray(closed["pnl"])
    spent = np.abs(closed["quantity"]) * closed["entry_price"]
    return trade_measures(pnl, pnl / spent, closed["bars_held"].astype(np.float64))


def _relative(path: Series, level: Series | None, periods_per_year: float, hurdle: float) -> Relative:
    """Compare with the benchmark, all NaN without one."""
    from stockstream_kernels.relative_performance import Relative, path_relative

    if level is None:
        return Relative(*[math.nan] * len(Relative._fields))
    return path_relative(path, level[: len(path)], periods_per_year, hurdle)
