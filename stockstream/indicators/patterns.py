"""Candlestick patterns: an indicator for each row of the table.

Examples
--------
>>> import numpy as np
>>> from stockstream.indicators.patterns import CDLENGULFING
>>> opening, close = np.array([10.0, 10.0, 8.0]), np.array([10.0, 9.0, 11.0])
>>> CDLENGULFING()(opening, np.array([10.0, 10.0, 11.0]), np.array([9.0, 9.0, 8.0]), close)
array([ nan,  nan, 100.])
"""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.indicators.indicator import Indicator, Oracle, parameter
from stockstream.indicators.pattern_rules import Pattern, patterns

if TYPE_CHECKING:
    from stockstream.indicators.pattern_program import Program

VALUES: Final = """

    100 where the pattern says that prices will rise, -100 where it says that they will fall, 0 where it is not. NaN
    until the first value and as many bars after a bar with a NaN.
    """


def _program(self: Indicator) -> Program:
    from stockstream.indicators.pattern_program import program

    return program(type(self).__name__)


def _arguments(self: Indicator) -> tuple[Any, ...]:
    found = _program(self)
    return found.lines, found.factors + self.values.get("penetration", 0.0) * found.shares


def _declared(pattern: Pattern) -> type[Indicator]:
    """Return the class of a row."""
    meaning = "how much of the first tall body a close must take back, 1 for all of it"
    share = pattern.penetration
    fields = [] if share is None else [("penetration", float, parameter(share, low=0, high=10, meaning=meaning))]
    facts: dict[str, Any] = {
        "__doc__": f"{pattern.meaning}.{VALUES}",
        "group": "patterns",
        "inputs": ("open", "high", "low", "close"),
        "kernel": "patterns:pattern",
        "source": "TA-Lib's definition and default candle settings",
        "oracle": Oracle("TA-Lib", pattern.name),
        "arguments": _arguments,
        "state_size": lambda self: _program(self).size,
        "warmup": lambda self: _program(self).warmup,
    }
    return make_dataclass(
        pattern.name,
        fields,
        bases=(Indicator,),
        namespace=facts,
        module=__name__,
        frozen=True,
        repr=False,
    )


DECLARED: Final = {name: _declared(pattern) for name, pattern in patterns().items()}
globals().update(DECLARED)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Say to type checkers that the names of the table are there."""
