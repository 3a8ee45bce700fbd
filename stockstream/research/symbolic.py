"""Rules with parameters in the place of numbers, and whether they are what a strategy builds from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockstream.indicators.expression import Number, Parameter, Unknown
from stockstream.research.programs import CompiledRules, compile_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.backtesting.rules import Rules
    from stockstream.backtesting.strategy import RuleStrategy


def symbolic_rules(
    strategy: type[RuleStrategy], names: Sequence[str], sampled: Sequence[dict[str, Any]]
) -> CompiledRules | None:
    """Rules with parameters in the place of numbers; None where the strategy needs the numbers themselves.

    A strategy that branches on its numbers in a way that does not fail without them is found by building some
    combinations in full and comparing.
    """
    try:
        unknown = strategy(**{name: Unknown(name) for name in names}).rules()
        rules = unknown.bind({name: Parameter(name) for name in names})
        if not (rules.max_bars is None or isinstance(rules.max_bars, Number)):
            return None
        if not all(_agree(strategy, rules, values) for values in sampled):
            return None
        return compile_rules(rules)
    except Exception:  # the strategy's own code may raise anything on a number that is not there
        return None


def _agree(strategy: type[RuleStrategy], rules: Rules, values: dict[str, Any]) -> bool:
    """Whether rules from numbers and rules with numbers put in are the same, or both refuse these numbers."""
    try:
        built = strategy(**values).rules()
    except Exception:  # as above
        return _refuse(rules, values)
    return rules.binds_to(values, built)


def _refuse(rules: Rules, values: dict[str, Any]) -> bool:
    try:
        rules.bind(values)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return True
    return False
