"""Rules: when to enter and leave, as expressions, with the levels attached to a position."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from stockstream.backtesting.actions import refuse_out_of_reach
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.expression import Expression, Number, as_expression, from_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

CONDITIONS = ("enter_long", "exit_long", "enter_short", "exit_short")
LEVELS = ("stop_loss", "take_profit", "trailing_stop")
PARTS = (*CONDITIONS, *LEVELS, "max_bars", "rank")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a strategy does on each bar, as data.

    Attributes
    ----------
    enter_long, exit_long, enter_short, exit_short
        Conditions, decided at the close of each bar. Unknown is not a signal.
    stop_loss, take_profit, trailing_stop
        Distance from the fill price: a number is a fraction of it, an expression a distance in money (such as
        ``2 * ATR(14)``), taken on the bar of the decision.
    max_bars
        Leave after that many of the symbol's own bars.
    rank
        Where cash is short, the symbol with the highest value is served first.

    Examples
    --------
    >>> from stockstream.indicators import RSI
    >>> Rules(enter_long=RSI(14) < 30, exit_long=RSI(14) > 70)
    Rules(enter_long=(RSI(14) < 30), exit_long=(RSI(14) > 70))
    """

    enter_long: Expression | None = None
    exit_long: Expression | None = None
    enter_short: Expression | None = None
    exit_short: Expression | None = None
    stop_loss: Expression | float | None = None
    take_profit: Expression | float | None = None
    trailing_stop: Expression | float | None = None
    max_bars: Expression | int | None = None
    rank: Expression | None = None

    def __post_init__(self) -> None:
        for name in CONDITIONS:
            rule = getattr(self, name)
            if rule is not None and (not isinstance(rule, Expression) or rule.gives != "condition"):
                message = f"expected a condition for {name}, such as RSI(14) < 30; found {rule!r}"
                raise ParameterError(message)
        for name in PARTS[len(CONDITIONS) :]:
            value = getattr(self, name)
            if value is None:
                continue
            expression = as_expression(value)
            if expression.gives != "number":
                message = f"expected a number or a numeric expression for {name}; found {value!r}"
                raise ParameterError(message)
            if isinstance(expression, Number) and not expression.value > 0.0:
                message = f"expected {name} above 0; found {value!r}"
                raise ParameterError(message)
            if name == "max_bars" and isinstance(expression, Number) and expression.value % 1.0 != 0.0:
                message = f"expected max_bars to be a whole number; found {value!r}"
                raise ParameterError(message)
            object.__setattr__(self, name, expression)
        if self.enter_long is None and self.enter_short is None:
            message = "expected enter_long or enter_short: without an entry there is nothing to do"
            raise ParameterError(message)
        levels = {name: getattr(self, name) for name in LEVELS}
        fractions = {name: level.value for name, level in levels.items() if isinstance(level, Number)}
        refuse_out_of_reach(fractions, long=self.enter_long is not None, short=True)

    @property
    def expressions(self) -> dict[str, Expression]:
        """The parts that are given, by name."""
        return {name: part for name in PARTS if (part := getattr(self, name)) is not None}

    def parameters(self) -> frozenset[str]:
        """Names of the parameters that still stand in place of numbers."""
        return frozenset().union(*(part.parameters() for part in self.expressions.values()))

    def bind(self, values: Mapping[str, Any]) -> Rules:
        """Put numbers in the place of parameters."""
        return replace(self, **{name: part.bind(values) for name, part in self.expressions.items()})

    def binds_to(self, values: Mapping[str, Any], other: Rules) -> bool:
        """Whether ``bind(values)`` would equal other rules, which stand already."""
        own, built = self.expressions, other.expressions
        return own.keys() == built.keys() and all(part.binds_to(values, built[name]) for name, part in own.items())

    def __repr__(self) -> str:
        return f"Rules({', '.join(f'{name}={part!r}' for name, part in self.expressions.items())})"

    def _repr_html_(self) -> str:
        from html import escape

        rows = (
            f"<tr><td>{name}</td><td style='text-align:left'><code>{escape(repr(part))}</code></td></tr>"
            for name, part in self.expressions.items()
        )
        return f"<div><strong>Rules</strong><table>{''.join(rows)}</table></div>"

    def to_dict(self) -> dict[str, Any]:
        """Return a form that JSON and YAML can hold."""
        return {name: part.to_dict() for name, part in self.expressions.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild rules from `to_dict`.

        Raises
        ------
        UnknownNameError
            A rule, operation or indicator that does not exist.
        """
        for name in data:
            if name not in PARTS:
                message = f"unknown rule {name!r}; expected {', '.join(PARTS)}.{did_you_mean(name, PARTS)}"
                raise UnknownNameError(message)
        return cls(**{name: from_dict(value) for name, value in data.items()})

    def to_json(self) -> str:
        """Return the rules as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild rules from `to_json`."""
        return cls.from_dict(json.loads(text))
