"""The distinct series that combinations need, named one by one only where somebody asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, overload

import numpy as np

from stockstream.indicators.expression import Expression, Parameter
from stockstream.indicators.grids import gridded, run_grid
from stockstream.indicators.indicator import Indicator, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray


def open_number(place: int) -> Parameter:
    """Return what stands for a parameter in a family."""
    return Parameter(f"value {place}")


@dataclass(frozen=True, eq=False)
class Family:
    """One indicator with many values of its open parameters.

    Attributes
    ----------
    template
        The indicator, with `open_number` in the place of numbers.
    values
        ``(n, P)``, in order.
    first
        Row of the first of them; the others follow, then those of the next output.
    outputs
        Those that are wanted, empty where the indicator has only one.
    """

    template: Indicator
    values: NDArray[np.float64]
    first: int
    outputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values) * max(len(self.outputs), 1)

    def row(self, output: str) -> int:
        """Return the first row of an output."""
        return self.first + len(self.values) * (self.outputs.index(output) if self.outputs else 0)

    @cached_property
    def ends(self) -> tuple[Indicator, Indicator]:
        """The indicator with the first and with the last set of the values."""
        return self.member(0), self.member(len(self.values) - 1)

    def member(self, place: int) -> Indicator:
        """Return the indicator with one set of the values."""
        return self.template.bind({open_number(k).name: value for k, value in enumerate(self.values[place].tolist())})

    def series(self, row: int) -> Expression:
        """Name one of its rows, counted from its first."""
        output, place = divmod(row, len(self.values))
        member = self.member(place)
        return Output(member, self.outputs[output]) if self.outputs else member

    def write(self, inputs: Sequence[NDArray[np.float64]], series: NDArray[np.float64], part: range) -> None:
        """Compute the rows of ``series (R, N)`` of some of its values."""
        template = self.template
        if not served_at_once(template):
            for place in part:
                self.member(place).write(inputs, [series[self.first + place]], [slice(None)])
            return
        own = slice(part.start, part.stop)
        blocks = {
            name: series[self.row(name) : self.row(name) + len(self.values)][own]
            for name in self.outputs or template.outputs
        }
        rows = [blocks[name] if name in blocks else np.empty((1, series.shape[1])) for name in template.outputs]
        columns = [column[own].astype(np.int64) for column in self.columns(gridded(template))]
        run_grid(template, columns, self.ends, inputs, rows)

    def columns(self, names: Sequence[str]) -> list[NDArray[np.float64]]:
        """Return the values of some parameters, ``(n,)`` each."""
        return columns_of(self.template, self.values, names)


@dataclass(frozen=True, eq=False)
class Rows(Sequence[Expression]):
    """Series by number: those that have a name, then the families."""

    named: list[Expression]
    families: list[Family] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.named) + sum(len(family) for family in self.families)

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
            if row < family.first + len(family):
                return family.series(row - family.first)
        raise IndexError(row)

    def first_of_families(self) -> Rows:
        """Return rows with the first values of each family only."""
        rows = Rows([])
        for family in self.families:
            rows.families.append(replace(family, values=family.values[:1], first=len(rows)))
        return rows


def columns_of(template: Indicator, values: NDArray[np.float64], names: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return the values of some parameters in sets ``(n, P)`` of the open ones, ``(n,)`` each."""
    opened = _opened(template)
    own = template.values
    return [
        values[:, opened.index(name)] if name in opened else np.full(len(values), float(own[name])) for name in names
    ]


def served_at_once(template: Indicator) -> bool:
    """Whether a kernel computes all values of the open parameters in one call."""
    return bool(template.grid_kernel) and set(_opened(template)) <= set(gridded(template))


def family_of(expression: Expression) -> tuple[Indicator, tuple[str, ...]] | None:
    """Return the template of an indicator of open numbers and what stands for them in turn, None where it is not one.

    One open number may be computed by a loop; several, or several outputs, only by one call. Which of its numbers make
    sense together must be in its declaration: no check of its own.
    """
    if not isinstance(expression, Indicator) or not expression.is_compiled or expression.of is not None:
        return None
    opened = [value for value in expression.values.values() if isinstance(value, Expression)]
    names = tuple(value.name for value in opened if isinstance(value, Parameter))
    if not names or len(names) < len(opened) or type(expression).check is not Indicator.check:
        return None
    places = {name: open_number(place) for place, name in enumerate(_opened(expression))}
    template = replace(expression, **places)
    simple = len(names) == 1 and len(expression.outputs) == 1
    return (template, names) if simple or served_at_once(template) else None


def fitting(template: Indicator, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return ``(n,)``: which sets of values ``(n, P)`` the template takes."""
    good = np.ones(len(values), dtype=bool)
    ranges = template.ranges()
    for place, name in enumerate(_opened(template)):
        allowed, column = ranges[name], values[:, place]
        good &= (allowed.kind != "choice") & (allowed.low <= column) & (column <= allowed.high)
        if allowed.kind == "int":
            good &= column == np.rint(column)
    for one, two in pairwise(columns_of(template, values, template.ascending)):
        good &= one < two
    return good


def _opened(indicator: Indicator) -> tuple[str, ...]:
    """Names of its parameters that are not numbers yet."""
    return tuple(name for name, value in indicator.values.items() if isinstance(value, Parameter))
