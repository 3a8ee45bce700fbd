"""Indicators of two series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, override

from stockstream.errors import ParameterError
from stockstream.indicators.expression import Column, Expression, as_expression
from stockstream.indicators.indicator import Indicator, Series

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, repr=False)
class PairIndicator(Indicator):
    """An indicator of two series: `of` takes the place of the first, `other` that of the second."""

    other: Expression | None = field(default=None, kw_only=True)

    @override
    def __post_init__(self) -> None:
        if self.other is not None:
            object.__setattr__(self, "other", as_expression(self.other))
        super().__post_init__()

    @override
    def input_expressions(self) -> tuple[Expression, ...]:
        given = (self.of, self.other)
        return tuple(
            Column(name) if chosen is None else chosen for name, chosen in zip(self.inputs, given, strict=True)
        )

    @override
    def column_names(self) -> tuple[str, ...]:
        names = super().column_names()
        if self.other is None:
            return names
        shown = self.other.column_names()[0] if isinstance(self.other, Indicator) else repr(self.other)
        return tuple(f"{name}_with_{shown}" for name in names)

    @override
    def _checked(self, inputs: Sequence[Any]) -> list[Series]:
        if self.other is not None:
            name = type(self).__name__
            message = f"{self!r} reads {self.other!r}: call it on Bars, use it in a rule, or call {name} on two arrays"
            raise ParameterError(message)
        return super()._checked(inputs)
