"""Expressions: what rules are written in, as data.

An expression is an immutable tree of columns, numbers, parameters, indicators and the operations of one table
(`OPERATIONS`). Every operation is causal, so that a rule cannot look ahead. Trees compare and hash by structure, print
as the Python that builds them, and are evaluated over whole panels (`evaluate`) or bar by bar (`stream`).

Conditions are three-valued. A comparison with NaN is *unknown*; ``& | ~`` and `when` follow Kleene's logic; unknown
becomes False only at the edge, when a rule becomes a signal.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, cast

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.schema import OHLCV

type Operand = Expression | float | int


@dataclass(frozen=True)
class Operation:
    """One row of the table of operations: how it prints and what it takes and gives."""

    template: str
    takes: str  # "number" or "condition", for all operands; "when" checks its own
    gives: str  # "number" or "condition"
    scalar: Callable[..., Any] | None = None


OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation("({0} + {1})", "number", "number", operator.add),
    "subtract": Operation("({0} - {1})", "number", "number", operator.sub),
    "multiply": Operation("({0} * {1})", "number", "number", operator.mul),
    "divide": Operation("({0} / {1})", "number", "number", operator.truediv),
    "negative": Operation("(-{0})", "number", "number", operator.neg),
    "absolute": Operation("abs({0})", "number", "number", abs),
    "maximum": Operation("maximum({0}, {1})", "number", "number", max),
    "minimum": Operation("minimum({0}, {1})", "number", "number", min),
    "less": Operation("({0} < {1})", "number", "condition"),
    "less_equal": Operation("({0} <= {1})", "number", "condition"),
    "greater": Operation("({0} > {1})", "number", "condition"),
    "greater_equal": Operation("({0} >= {1})", "number", "condition"),
    "equal": Operation("{0}.eq({1})", "number", "condition"),
    "not_equal": Operation("{0}.ne({1})", "number", "condition"),
    "and": Operation("({0} & {1})", "condition", "condition"),
    "or": Operation("({0} | {1})", "condition", "condition"),
    "not": Operation("(~{0})", "condition", "condition"),
    "crosses_above": Operation("{0}.crosses_above({1})", "number", "condition"),
    "crosses_below": Operation("{0}.crosses_below({1})", "number", "condition"),
    "rank": Operation("{0}.rank()", "number", "number"),
    "rank_descending": Operation("{0}.rank(descending=True)", "number", "number"),
    "shift": Operation("{0}.shift({1})", "any", "any"),
    "when": Operation("when({0}).then({1}).otherwise({2})", "any", "any"),
}


@dataclass(frozen=True)
class Expression:
    """Anything that has one value (a number or a truth value) per symbol and bar."""

    @property
    def gives(self) -> str:
        """Either "number" or "condition"."""
        return "number"

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions this one is computed from."""
        return ()

    def walk(self) -> Iterator[Expression]:
        """Yield this expression and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def parameters(self) -> frozenset[str]:
        """Names of the parameters that still stand in place of numbers."""
        return frozenset(node.name for node in self.walk() if isinstance(node, Parameter))

    def bind(self, values: Mapping[str, Any]) -> Expression:
        """Put numbers in the place of parameters."""
        return self

    def binds_to(self, values: Mapping[str, Any], other: object) -> bool:
        """Whether ``bind(values)`` would equal another expression, which stands already, without making it anew.

        A sweep asks this of a few combinations of each grid; making them took a twentieth of a call of 20,000 pairs.
        """
        return self == other

    def to_dict(self) -> Any:
        """Return a form that JSON and YAML can hold; `from_dict` reads it."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from html import escape

        return f"<code>{escape(repr(self))}</code>"

    def __add__(self, other: Operand) -> Expression:
        return _apply("add", self, other)

    def __radd__(self, other: Operand) -> Expression:
        return _apply("add", other, self)

    def __sub__(self, other: Operand) -> Expression:
        return _apply("subtract", self, other)

    def __rsub__(self, other: Operand) -> Expression:
        return _apply("subtract", other, self)

    def __mul__(self, other: Operand) -> Expression:
        return _apply("multiply", self, other)

    def __rmul__(self, other: Operand) -> Expression:
        return _apply("multiply", other, self)

    def __truediv__(self, other: Operand) -> Expression:
        return _apply("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Expression:
        return _apply("divide", other, self)

    def __neg__(self) -> Expression:
        return _apply("negative", self)

    def __abs__(self) -> Expression:
        return _apply("absolute", self)

    def __lt__(self, other: Operand) -> Expression:
        return _apply("less", self, other)

    def __le__(self, other: Operand) -> Expression:
        return _apply("less_equal", self, other)

    def __gt__(self, other: Operand) -> Expression:
        return _apply("greater", self, other)

    def __ge__(self, other: Operand) -> Expression:
        return _apply("greater_equal", self, other)

    def __and__(self, other: Expression) -> Expression:
        return _apply("and", self, other)

    def __rand__(self, other: Expression) -> Expression:
        return _apply("and", other, self)

    def __or__(self, other: Expression) -> Expression:
        return _apply("or", self, other)

    def __ror__(self, other: Expression) -> Expression:
        return _apply("or", other, self)

    def __invert__(self) -> Expression:
        return _apply("not", self)

    def __bool__(self) -> NoReturn:
        message = (
            f"{self!r} has one value per bar, not one truth value: combine rules with & | ~ instead of and/or/not, "
            "build equality with .eq(), and branch with ss.when(...).then(...).otherwise(...)"
        )
        raise TypeError(message)

    def eq(self, other: Operand) -> Expression:
        """Equal on the bar; ``==`` compares the expressions themselves."""
        return _apply("equal", self, other)

    def ne(self, other: Operand) -> Expression:
        """Different on the bar."""
        return _apply("not_equal", self, other)

    def shift(self, bars: Expression | int = 1) -> Expression:
        """Return the value of that many of the symbol's own bars ago, 0 or more."""
        if isinstance(bars, bool) or not isinstance(bars, int | Expression):
            message = f"expected a whole number of bars for shift; found {bars!r}"
            raise ParameterError(message)
        if isinstance(bars, int) and bars < 0:
            message = f"shift({bars}) would read bars that are still in the future; expected 0 or more bars back"
            raise ParameterError(message)
        return _apply("shift", self, bars)

    def change(self, bars: Expression | int = 1) -> Expression:
        """Difference to the value of that many of the symbol's own bars ago."""
        return self - self.shift(bars)

    def crosses_above(self, other: Operand) -> Expression:
        """Rise from below to above on this bar.

        Both this bar and the one before must be known. A tie is not a cross and changes nothing: below, equal, above
        crosses on the third bar; above, equal, above does not cross at all.
        """
        return _apply("crosses_above", self, other)

    def crosses_below(self, other: Operand) -> Expression:
        """Fall from above to below on this bar; see `crosses_above`."""
        return _apply("crosses_below", self, other)

    def rank(self, *, descending: bool = False) -> Expression:
        """Rank among the symbols with a known value that day.

        1 is the smallest (or largest), ties share the average.
        """
        return _apply("rank_descending" if descending else "rank", self)

    def max(self, window: Expression | int) -> Expression:
        """Largest of the last `window` own bars, this one included."""
        from stockstream.indicators.statistics import MAX

        return MAX(cast("int", window), of=self)

    def min(self, window: Expression | int) -> Expression:
        """Smallest of the last `window` own bars, this one included."""
        from stockstream.indicators.statistics import MIN

        return MIN(cast("int", window), of=self)

    def mean(self, window: Expression | int) -> Expression:
        """Mean of the last `window` own bars, this one included."""
        from stockstream.indicators.averages import SMA

        return SMA(cast("int", window), of=self)

    def std(self, window: Expression | int) -> Expression:
        """Return the population standard deviation of the last `window` own bars, this one included."""
        from stockstream.indicators.statistics import STDDEV

        return STDDEV(cast("int", window), of=self)


@dataclass(frozen=True)
class Column(Expression):
    """A column of the bars, such as ``ss.close``."""

    name: str

    def __repr__(self) -> str:
        return self.name

    def to_dict(self) -> Any:
        """Return ``{"column": name}``."""
        return {"column": self.name}


@dataclass(frozen=True)
class Number(Expression):
    """A constant."""

    value: float

    def __repr__(self) -> str:
        return f"{self.value:g}" if float(f"{self.value:g}") == self.value else repr(self.value)

    def to_dict(self) -> Any:
        """Return the number itself."""
        return self.value


@dataclass(frozen=True)
class Parameter(Expression):
    """A number that is not known yet: what a sweep puts in the place of a strategy's parameter."""

    name: str

    def __repr__(self) -> str:
        return self.name

    def bind(self, values: Mapping[str, Any]) -> Expression:
        """Return the number that goes by this name, or this parameter when there is none."""
        return as_expression(values[self.name]) if self.name in values else self

    def binds_to(self, values: Mapping[str, Any], other: object) -> bool:
        """Whether the number of this name is the other."""
        return self.bind(values) == other

    def to_dict(self) -> Any:
        """Return ``{"parameter": name}``."""
        return {"parameter": self.name}


@dataclass(frozen=True, eq=False)
class Unknown(Parameter):
    """A parameter while a strategy builds its rules: it refuses to be compared or looked up."""

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __hash__(self) -> int:
        message = f"{self!r} is not known yet: it cannot be looked up in a dictionary or a set"
        raise ParameterError(message)


def _same(one: Expression, other: object) -> bool:
    if not isinstance(other, Expression):
        if any(isinstance(node, Unknown) for node in one.walk()):
            message = f"{one!r} is not known yet: it cannot be compared with {other!r}"
            raise ParameterError(message)
        return False
    return type(one) is type(other) and vars(one) == vars(other)


@dataclass(frozen=True, eq=False)
class Applied(Expression):
    """An operation of the table applied to its operands."""

    name: str
    operands: tuple[Expression, ...]

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __hash__(self) -> int:
        return hash((self.name, self.operands))

    @property
    def gives(self) -> str:
        """Either "number" or "condition"."""
        declared = OPERATIONS[self.name].gives
        return declared if declared != "any" else self.operands[0 if self.name == "shift" else 1].gives

    @property
    def children(self) -> tuple[Expression, ...]:
        """The operands."""
        return self.operands

    def bind(self, values: Mapping[str, Any]) -> Expression:
        """Put numbers in the place of parameters, and check shifts again."""
        bound = tuple(operand.bind(values) for operand in self.operands)
        if all(new is old for new, old in zip(bound, self.operands, strict=True)):
            return self
        return (
            bound[0].shift(int(scalar(bound[1])))
            if self.name == "shift" and not bound[1].parameters()
            else replace(self, operands=bound)
        )

    def binds_to(self, values: Mapping[str, Any], other: object) -> bool:
        """Whether the operation is the same, and each operand binds to the other's."""
        if self.name == "shift":  # binding checks it, and leaves out one of 0
            return self.bind(values) == other
        return (
            type(other) is type(self)
            and self.name == other.name
            and len(self.operands) == len(other.operands)
            and all(own.binds_to(values, built) for own, built in zip(self.operands, other.operands, strict=True))
        )

    def __repr__(self) -> str:
        return OPERATIONS[self.name].template.format(*map(repr, self.operands))

    def to_dict(self) -> Any:
        """Return ``{operation: [operands]}``."""
        return {self.name: [operand.to_dict() for operand in self.operands]}


@dataclass(frozen=True)
class _Then:
    condition: Expression
    value: Expression

    def otherwise(self, value: Operand) -> Expression:
        """Close the choice with the value where the condition is False."""
        other = as_expression(value)
        if other.gives != self.value.gives:
            message = f"expected two numbers or two conditions; found {self.value!r} and {other!r}"
            raise ParameterError(message)
        return Applied("when", (self.condition, self.value, other))


@dataclass(frozen=True)
class _When:
    condition: Expression

    def then(self, value: Operand) -> _Then:
        """Give the value where the condition is True."""
        return _Then(self.condition, as_expression(value))


def when(condition: Expression) -> _When:
    """Choose by a condition: ``when(close > SMA(200)).then(0.02).otherwise(0.01)``; unknown stays unknown."""
    if as_expression(condition).gives != "condition":
        message = f"expected a condition in when(...); found the number {condition!r}"
        raise ParameterError(message)
    return _When(condition)


def as_expression(value: Any) -> Expression:
    """Return an expression for an operand: itself, or a constant."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isnan(value):
            message = "expected a number in a rule; found NaN"
            raise ParameterError(message)
        return Number(float(value))
    if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        return as_expression(value.item())
    message = (
        f"expected a column, an indicator or a number in a rule; found {type(value).__name__}. "
        "Arrays go into ss.SignalStrategy or ss.TargetStrategy."
    )
    raise ParameterError(message)


def scalar(expression: Expression) -> float:
    """Return the value of an expression of numbers only."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Applied):
        function = OPERATIONS[expression.name].scalar
        if function is not None:
            return float(function(*(scalar(operand) for operand in expression.operands)))
    message = f"expected a number that is the same on every bar; found {expression!r}"
    raise ParameterError(message)


def _apply(name: str, *operands: Any) -> Expression:
    expressions = tuple(as_expression(operand) for operand in operands)
    takes = OPERATIONS[name].takes
    for operand in expressions:
        if takes not in ("any", operand.gives):
            message = f"expected a {takes} in {OPERATIONS[name].template}; found the {operand.gives} {operand!r}"
            raise ParameterError(message)
    return Applied(name, expressions)


def from_dict(data: Any) -> Expression:
    """Rebuild an expression from what `Expression.to_dict` gave.

    Raises
    ------
    UnknownNameError
        An operation, column or indicator that does not exist.
    """
    if isinstance(data, int | float) and not isinstance(data, bool):
        return as_expression(data)
    if not isinstance(data, Mapping) or not data:
        message = f"expected a number or a mapping in a rule; found {data!r}"
        raise ParameterError(message)
    if "indicator" in data:
        from stockstream.indicators.catalogue import indicator_from_dict

        return indicator_from_dict(data)
    (name, value), *_ = data.items()
    if name == "column":
        return column(value)
    if name == "parameter":
        return Parameter(str(value))
    if name not in OPERATIONS:
        message = f"unknown operation {name!r}.{did_you_mean(str(name), OPERATIONS)}"
        raise UnknownNameError(message)
    count = OPERATIONS[name].template.count("{")
    if not isinstance(value, list | tuple) or len(value) != count:
        message = f"expected a list of {count} operand{'s' if count > 1 else ''} for {name!r}; found {value!r}"
        raise ParameterError(message)
    operands = [from_dict(item) for item in value]
    if name == "when":
        return when(operands[0]).then(operands[1]).otherwise(operands[2])
    return operands[0].shift(int(scalar(operands[1]))) if name == "shift" else _apply(str(name), *operands)


def column(name: str) -> Column:
    """Return a column of the bars by name."""
    if name not in OHLCV:
        message = f"unknown column {name!r}; expected one of {', '.join(OHLCV)}.{did_you_mean(name, OHLCV)}"
        raise UnknownNameError(message)
    return Column(name)


open_, high, low, close, volume = (Column(name) for name in OHLCV)

__all__ = [
    "OPERATIONS",
    "Applied",
    "Column",
    "Expression",
    "Number",
    "Parameter",
    "as_expression",
    "column",
    "from_dict",
    "scalar",
    "when",
]
