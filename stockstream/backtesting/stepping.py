"""Rules bar by bar: what lets a `RuleStrategy` be called like any other strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stockstream.backtesting.actions import Action
from stockstream.backtesting.decisions import rules_of
from stockstream.backtesting.rules import LEVELS
from stockstream.errors import ParameterError
from stockstream.indicators.evaluate import TRUE
from stockstream.indicators.expression import Expression, Number
from stockstream.indicators.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.backtesting.strategy import RuleStrategy

BITS: Final = {"enter_long": 1, "exit_long": 2, "enter_short": 4, "exit_short": 8}


class Stepper:
    """The rules of one strategy on one symbol, fed bar by bar."""

    def __init__(self, strategy: RuleStrategy) -> None:
        parts = rules_of(strategy).expressions
        if "rank" in parts:
            message = "rules with rank need all symbols of a day: run them with backtest(...), which evaluates panels"
            raise ParameterError(message)
        self.conditions = {bit: Stream(parts[name]) for name, bit in BITS.items() if name in parts}
        self.distances = {name: _fixed_or_stream(parts[name]) for name in LEVELS if name in parts}
        most = parts.get("max_bars")
        self.max_bars = int(most.value) if isinstance(most, Number) else 0

    def step(self, data: Mapping[str, float]) -> Action | None:
        """Take one bar and return the action of its signals."""
        code = sum(bit for bit, stream in self.conditions.items() if stream.update(data) == TRUE)
        levels = {n: d if isinstance(d, float) else d.update(data) for n, d in self.distances.items()}
        if code == 0:
            return None
        kinds = {isinstance(distance, float) for distance in self.distances.values()}
        if len(kinds) > 1:
            message = "bar by bar, stop_loss, take_profit and trailing_stop must be all fractions or all expressions"
            raise ParameterError(message)
        known: dict[str, Any] = {name: value for name, value in levels.items() if value == value}  # noqa: PLR0124 NaN
        return Action(
            kind="signal",
            code=code,
            max_bars=self.max_bars,
            distances="fraction" if kinds == {True} else "money",
            **known,
        )


def _fixed_or_stream(part: Expression) -> float | Stream:
    return part.value if isinstance(part, Number) else Stream(part)


def step_rules(strategy: RuleStrategy, symbol: str, data: Mapping[str, float]) -> Action | None:
    """Step a strategy's rules on a symbol's bar; the state of the rules lives with the strategy."""
    steppers: dict[str, Stepper] = strategy.__dict__.setdefault("_steppers", {})
    if symbol not in steppers:
        steppers[symbol] = Stepper(strategy)
    return steppers[symbol].step(data)
