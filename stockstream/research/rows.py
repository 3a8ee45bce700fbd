"""The distinct series that combinations need, named one by one only where somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from stockstream.indicators.expression import Expression, Parameter
from stockstream.indicators.indicator import Indicator

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What stands for the parameter in a family.
OPEN: Final = Parameter("value")


@dataclass(frozen=True, eq=False)
class Family:
    """One indicator with many values of its only open parameter.

    Attributes
    ----------
    template
        The indicator, with OPEN in the place of the number.
    values
        ``(n,)``, increasing.
    first
        Row of the first of them; the others follow.
    """

    template: Indicator
    values: NDArray[Any]
    first: int

    def member(self, place: int) -> Indicator:
        """Return the indicator with one of the values."""
        return self.template.bind({OPEN.name: self.values[place].item()})


@dataclass(frozen=True, eq=False)
class Rows(Sequence[Expression]):
    """Series by number: those that have a name, then the families."""

    named: list[Expression]
    families: list[Family] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.named) + sum(len(family.values) for family in self.families)

    @overload
    def __getitem__(self, row: int) -> Expression: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Expression]: ...
    def __getitem__(self, row: int | slice) -> Expression | Sequence[Expression]:
        """Name a series."""
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        if row < len(self.named):
            return self.named[row]
        for family in self.families:
            if row < family.first + len(family.values):
                return family.member(row - family.first)
        raise IndexError(row)

    def kinds(self) -> Iterator[Expression]:
        """Give each named series and one of each family."""
        yield from self.named
        yield from (family.template for family in self.families)


def family_of(expression: Expression, name: str) -> Indicator | None:
    """Return the template of a slot that is an indicator of one open number and one output, None where it is not.

    Its numbers must be right if the least and the greatest are: no check of its own.
    """
    if not isinstance(expression, Indicator) or not expression.is_compiled or len(expression.outputs) != 1:
        return None
    open_ = [value for value in expression.values.values() if isinstance(value, Expression)]
    alone = len(open_) == 1 and isinstance(open_[0], Parameter) and open_[0].name == name
    if not alone or expression.of is not None or type(expression).check is not Indicator.check:
        return None
    return expression.bind({name: OPEN})


def fits(template: Indicator, values: NDArray[Any]) -> bool:
    """Whether the template takes the values, which are in order."""
    allowed = next(
        allowed for name, allowed in template.ranges().items() if isinstance(getattr(template, name), Parameter)
    )
    if allowed.kind == "choice" or (allowed.kind == "int" and (values != np.rint(values)).any()):
        return False
    return bool(len(values)) and bool(allowed.low <= values[0] <= values[-1] <= allowed.high)
