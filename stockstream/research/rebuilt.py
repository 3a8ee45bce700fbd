"""The same strategy once more: as it was made, a bar late, on fewer symbols, with other stops."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.configured import ConfiguredRules
from stockstream.backtesting.decisions import rules_of, target_panel
from stockstream.backtesting.rules import CONDITIONS, LEVELS, Rules
from stockstream.backtesting.strategy import RuleStrategy, SignalStrategy, Strategy, TargetStrategy
from stockstream.indicators.expression import Number

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.bars import Bars

#: A leverage that no weights of a finished run are beyond.
ANY: Final = 1e9


def fresh(result: Result) -> Any:
    """Return the strategy of a result as it was before it ran: made from its parameters, else copied."""
    source = result.source
    if isinstance(source, SignalStrategy | ConfiguredRules):
        return copy.deepcopy(source)
    try:
        return type(source)(**copy.deepcopy(dict(source.parameters)))
    except TypeError:  # its constructor takes what it does not keep
        return copy.deepcopy(source)


def delayed(strategy: Any, bars: Bars) -> Any:
    """Return a strategy that decides what the given one decides, one bar later.

    Rules and arrays of signals are late by one own bar or session, weights by one session, callbacks by one call for
    the symbol.
    """
    if isinstance(strategy, RuleStrategy):
        return ConfiguredRules(strategy.name, _late(rules_of(strategy)), strategy.parameters)
    if isinstance(strategy, SignalStrategy):
        return _signals(strategy, lambda array: _moved(array, bars))
    if isinstance(strategy, TargetStrategy):
        return _LateWeights(strategy)
    return _LateCalls(strategy)


def on_symbols(strategy: Any, keep: np.ndarray[Any, Any], bars: Bars) -> Any:
    """Return a strategy for some of the symbols: arrays lose rows, all else reads the bars it is given."""
    if not isinstance(strategy, SignalStrategy):
        return strategy
    return _signals(strategy, lambda array: np.asarray(array).reshape(bars.shape)[keep])


def with_stops(strategy: Any, bars: Bars, factor: float) -> Any:
    """Return a strategy whose stops and targets are at `factor` times their distance, or None when it has none."""
    if isinstance(strategy, RuleStrategy):
        rules = rules_of(strategy)
        levels = {name: getattr(rules, name) for name in LEVELS if getattr(rules, name) is not None}
        changed: dict[str, Any] = {
            name: level.value * factor if isinstance(level, Number) else level * factor
            for name, level in levels.items()
        }
        if not changed:
            return None
        return ConfiguredRules(strategy.name, replace(rules, **changed), strategy.parameters)
    if isinstance(strategy, SignalStrategy) and any(level is not None for level in strategy.levels.values()):
        return _signals(strategy, np.asarray, factor)
    return None


def _late(rules: Rules) -> Rules:
    parts = rules.expressions
    late = {name: parts[name].shift(1) for name in CONDITIONS if name in parts}
    late |= {name: parts[name].shift(1) for name in LEVELS if name in parts and not isinstance(parts[name], Number)}
    late |= {"rank": parts["rank"].shift(1)} if "rank" in parts else {}
    return replace(rules, **late)


def _signals(strategy: SignalStrategy, change: Any, factor: float = 1.0) -> SignalStrategy:
    conditions = {name: change(array) for name, array in strategy.conditions.items() if array is not None}
    levels = {
        name: level * factor if np.ndim(level) == 0 else change(level) * factor
        for name, level in strategy.levels.items()
        if level is not None
    }
    rank = None if strategy.rank is None else change(strategy.rank)
    return SignalStrategy(**conditions, **levels, rank=rank, max_bars=strategy.max_bars)


def _moved(array: Any, bars: Bars) -> Any:
    """Move values one session on; a distance keeps its first value, so that it stays above 0."""
    values = np.asarray(array).reshape(bars.shape)
    first = np.zeros_like(values[:, :1]) if values.dtype == np.bool_ else values[:, :1]
    return np.concatenate([first, values[:, :-1]], axis=1)


class _LateWeights(TargetStrategy):
    """Weights of the rebalancing sessions, each one session later."""

    def __init__(self, strategy: TargetStrategy) -> None:
        self.strategy, self.threshold, self.rebalance = strategy, strategy.threshold, "daily"

    def targets(self, bars: Bars) -> Any:
        """Return the weights of the session before."""
        weights = target_panel(self.strategy, bars, ANY)
        return np.concatenate([np.full((weights.shape[0], 1), np.nan), weights[:, :-1]], axis=1)


class _LateCalls(Strategy):
    """What the strategy answered on the symbol's bar before."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy, self.indicators = strategy, strategy.indicators
        self.waiting: dict[str, Any] = {}

    def on_data(self, date: Any, symbol: str, data: Any, portfolio: Any) -> Any:
        """Ask now, answer what was said before."""
        said = self.waiting.pop(symbol, None)
        self.waiting[symbol] = self.strategy.on_data(date, symbol, data, portfolio)
        return said

    def on_order_filled(self, order: Any, portfolio: Any) -> None:
        """Pass on a fill."""
        self.strategy.on_order_filled(order, portfolio)
