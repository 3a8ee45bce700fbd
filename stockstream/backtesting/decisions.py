"""Decisions as panels: what rules, signal arrays and weights become before the kernel runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from stockstream_kernels import ledger, portfolio

from stockstream.backtesting.rules import LEVELS, Rules
from stockstream.backtesting.strategy import RuleStrategy, SignalStrategy, TargetStrategy
from stockstream.errors import DataError, ParameterError, counted
from stockstream.indicators.evaluate import Table, evaluate, is_true
from stockstream.indicators.expression import Expression, Number, close

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.backtesting.sizing import Sizing
    from stockstream.bars import Bars

BITS: Final = {"enter_long": 1, "exit_long": 2, "enter_short": 4, "exit_short": 8}
SIZE_KINDS: Final = {
    "all_cash": ledger.ALL_CASH,
    "shares": ledger.SHARES,
    "value": ledger.VALUE,
    "weight": ledger.WEIGHT,
    "risk": ledger.RISK,
    "volatility": ledger.WEIGHT,
}
NONE: Final = np.empty((0, 0))
SIGNAL_LIFE: Final = 5

type Panel = NDArray[np.float64]


def signal_panels(
    strategy: RuleStrategy | SignalStrategy, bars: Bars, sizing: Sizing, table: Table | None = None
) -> portfolio.Signals:
    """Return the decisions of a strategy of rules or arrays; what a table of the bars holds already is not computed."""
    if isinstance(strategy, SignalStrategy):
        return _from_arrays(strategy, bars, sizing)
    return _from_rules(rules_of(strategy), bars, sizing, Table.from_bars(bars) if table is None else table)


def rules_of(strategy: RuleStrategy) -> Rules:
    """Return what a strategy's `rules` returns, which must be rules."""
    rules = strategy.rules()
    if not isinstance(rules, Rules):
        message = f"expected {strategy.name}.rules() to return ss.Rules(...); found {rules!r}"
        raise ParameterError(message)
    return rules


def _from_rules(rules: Rules, bars: Bars, sizing: Sizing, table: Table) -> portfolio.Signals:
    unbound = sorted(rules.parameters())
    if unbound:
        message = f"the rules still hold the parameter {unbound[0]!r} in place of a number"
        raise ParameterError(message)
    parts = rules.expressions
    codes = np.zeros(bars.shape, dtype=np.uint8)
    for name, bit in BITS.items():
        if name in parts:
            codes[is_true(parts[name], table)] |= bit
    levels = {name: _level(parts.get(name), table) for name in LEVELS}
    relative = {name: isinstance(parts.get(name), Number) for name in LEVELS}
    rank = -table.scatter(evaluate(parts["rank"], table)) if "rank" in parts else NONE
    most = parts.get("max_bars")
    if most is not None and not isinstance(most, Number):
        message = f"expected a whole number of bars for max_bars; found {most!r}"
        raise ParameterError(message)
    return _signals(codes, bars, sizing, levels, relative, rank, int(most.value) if isinstance(most, Number) else 0)


def _level(part: Expression | None, table: Table) -> Panel:
    if part is None:
        return NONE
    if isinstance(part, Number):
        return np.array([[part.value]])
    return table.scatter(evaluate(part, table))


def _from_arrays(strategy: SignalStrategy, bars: Bars, sizing: Sizing) -> portfolio.Signals:
    codes = np.zeros(bars.shape, dtype=np.uint8)
    for name, bit in BITS.items():
        given = strategy.conditions[name]
        if given is not None:
            codes[_conditions(name, given, bars) & bars.present] |= bit
    levels, relative = {}, {}
    for name, given in strategy.levels.items():
        relative[name] = given is not None and np.ndim(given) == 0
        levels[name] = NONE if given is None else _distances(name, given, bars)
    rank = NONE if strategy.rank is None else -_shaped("rank", _numbers("rank", strategy.rank), bars)
    return _signals(codes, bars, sizing, levels, relative, rank, strategy.max_bars)


def _conditions(name: str, given: Any, bars: Bars) -> NDArray[np.bool_]:
    array = np.asarray(given)
    if array.dtype != np.bool_:
        message = f"expected booleans for {name}; found {array.dtype}. Compare first, for instance fast > slow."
        raise DataError(message)
    return _shaped(name, array, bars)


def _distances(name: str, given: Any, bars: Bars) -> Panel:
    values = _numbers(name, given)
    if bool((values <= 0).any()):
        message = f"expected {name} above 0; found {np.nanmin(values)}"
        raise ParameterError(message)
    return values.reshape(1, 1) if values.ndim == 0 else _shaped(name, values, bars)


def _numbers(name: str, given: Any) -> NDArray[np.float64]:
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"expected numbers for {name}; found {type(given).__name__}: {error}"
        raise DataError(message) from error


def _shaped(name: str, array: NDArray[Any], bars: Bars) -> NDArray[Any]:
    if array.ndim == 1 and bars.shape[0] == 1:
        array = array[None, :]
    if array.shape != bars.shape:
        message = f"expected {name} of shape {bars.shape} (symbols, sessions); found {array.shape}"
        raise DataError(message)
    return np.ascontiguousarray(array)


def _signals(
    codes: NDArray[np.uint8],
    bars: Bars,
    sizing: Sizing,
    levels: Mapping[str, Panel],
    relative: Mapping[str, bool],
    rank: Panel,
    max_bars: int,
) -> portfolio.Signals:
    if sizing.kind == "risk" and levels["stop_loss"].size == 0:
        message = "Sizing.risk needs a strategy with a stop_loss: the risk is the distance to it"
        raise ParameterError(message)
    starts, symbols = portfolio.index_codes(codes)
    return portfolio.Signals(
        codes,
        starts,
        symbols,
        np.ascontiguousarray(rank),
        SIZE_KINDS[sizing.kind],
        sizes(sizing, bars),
        np.ascontiguousarray(levels["stop_loss"]),
        np.ascontiguousarray(levels["take_profit"]),
        np.ascontiguousarray(levels["trailing_stop"]),
        sum(bit for bit, name in zip((1, 2, 4), LEVELS, strict=True) if relative[name]),
        max_bars,
        SIGNAL_LIFE,
    )


def sizes(sizing: Sizing, bars: Bars) -> Panel:
    """One number, or for volatility sizing the weight that each symbol's own volatility allows on each session."""
    if sizing.kind != "volatility":
        return np.array([[float(sizing.amount)]])
    table = Table.from_bars(bars)
    annual = (close / close.shift(1) - 1.0).std(sizing.window) * float(np.sqrt(252.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = sizing.amount / table.scatter(evaluate(annual, table))
    return np.ascontiguousarray(np.where(np.isfinite(weight), weight, np.nan))


def target_panel(strategy: TargetStrategy, bars: Bars, leverage: float) -> Panel:
    """Return the weights of a target strategy, on its rebalancing sessions only.

    Raises
    ------
    DataError
        Wrong shape, infinite weights, or a session on which the sum of |weights| exceeds the leverage.
    """
    if not 0.0 <= strategy.threshold < 1.0:
        message = f"expected threshold as a weight from 0 to below 1; found {strategy.threshold!r}"
        raise ParameterError(message)
    given = _numbers(f"{strategy.name}.targets(bars)", strategy.targets(bars))
    weights = _shaped("targets", given, bars).copy()
    gross = np.nansum(np.abs(weights), axis=0)
    beyond = np.flatnonzero(~(gross <= leverage * (1.0 + 1e-9)))
    if len(beyond):
        message = (
            f"weights on {bars.dates[beyond[0]]} add up to {gross[beyond[0]]:.6g}, beyond the leverage of {leverage:g} "
            f"({counted(len(beyond), 'such session')}): scale them, or pass leverage="
        )
        raise DataError(message)
    weights[:, ~_rebalancing(strategy.rebalance, bars.dates)] = np.nan
    return weights


def _rebalancing(schedule: str, dates: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    if schedule == "daily":
        return np.ones(len(dates), dtype=bool)
    if schedule == "weekly":
        period = (dates.astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday; weeks start on Monday
    elif schedule == "monthly":
        period = dates.astype("datetime64[M]").astype(np.int64)
    else:
        message = f"expected rebalance 'daily', 'weekly' or 'monthly'; found {schedule!r}"
        raise ParameterError(message)
    first: NDArray[np.bool_] = np.diff(period, prepend=period[0] - 1) != 0
    return first
