"""Rules with parameters become programs: which series each combination needs, and what is done with them.

A *slot* is a part of a rule that is computed once for each distinct set of the parameters it depends on (an indicator,
a column, a shifted or ranked value); its rows are shared by all combinations. What is left of the rule, arithmetic,
comparisons, crosses and logic, becomes instructions that the kernel runs block by block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from stockstream_kernels import expressions as machine

from stockstream.backtesting.rules import CONDITIONS, LEVELS, Rules
from stockstream.errors import ParameterError
from stockstream.indicators.expression import Applied, Expression, Number, Parameter
from stockstream.indicators.indicator import Output
from stockstream.research.rows import Family, Rows, family_of, fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.indicators.indicator import Indicator

#: Operation -> instruction; `when` becomes one of two, by what it gives.
INSTRUCTIONS: Final = {
    "add": machine.ADD,
    "subtract": machine.SUBTRACT,
    "multiply": machine.MULTIPLY,
    "divide": machine.DIVIDE,
    "negative": machine.NEGATIVE,
    "absolute": machine.ABSOLUTE,
    "maximum": machine.MAXIMUM,
    "minimum": machine.MINIMUM,
    "less": machine.LESS,
    "less_equal": machine.LESS_EQUAL,
    "greater": machine.GREATER,
    "greater_equal": machine.GREATER_EQUAL,
    "equal": machine.EQUAL,
    "not_equal": machine.NOT_EQUAL,
    "and": machine.AND,
    "or": machine.OR,
    "not": machine.NOT,
    "crosses_above": machine.CROSSES_ABOVE,
    "crosses_below": machine.CROSSES_BELOW,
}

#: Levels of each stack; a rule deeper than this is refused with a message.
DEPTH: Final = 12

#: Combinations that are neighbours in the plan: four series of the first slot with each one of the last, so that four
#: runs are compared with one series at once; and as many series of the last slot as stay in the second-level cache, 16.
#: Both as bits: NumPy's division of 20,000 numbers takes longer than sorting them.
CACHED_SERIES: Final = 2
CACHED_OTHERS: Final = 4

#: Numbers of 16 bits are sorted by their digits, five times faster.
RADIX: Final = 1 << 16

type Program = NDArray[np.int64]


@dataclass
class Compiler:
    """Collects the slots and numbers of a set of rules while compiling them."""

    slots: dict[Expression, int] = field(default_factory=dict)
    numbers: dict[Expression, int] = field(default_factory=dict)
    crosses: int = 0

    def program(self, rule: Expression | None) -> Program:
        """Return the instructions of one condition."""
        if rule is None:
            return np.empty((0, 2), dtype=np.int64)
        code: list[tuple[int, int]] = []
        before = self.crosses
        self._emit(rule, code)
        self.crosses = max(before, sum(c in (machine.CROSSES_ABOVE, machine.CROSSES_BELOW) for c, _ in code))
        if len(code) > 1 and _depth(code) > DEPTH:
            message = f"the rule {rule!r} nests more than {DEPTH} values at once; name a part of it as an indicator"
            raise ParameterError(message)
        return np.array(code, dtype=np.int64).reshape(-1, 2)

    def number(self, expression: Expression) -> int:
        """Place of a constant or parameter among the numbers of a combination."""
        return self.numbers.setdefault(expression, len(self.numbers))

    def _slot(self, expression: Expression) -> int:
        return self.slots.setdefault(expression, len(self.slots))

    def _emit(self, part: Expression, code: list[tuple[int, int]]) -> None:
        if isinstance(part, Number | Parameter):
            code.append((int(machine.LOAD_VALUE), self.number(part)))
        elif isinstance(part, Applied) and part.parameters() and (part.name in INSTRUCTIONS or part.name == "when"):
            for operand in part.operands:
                self._emit(operand, code)
            if part.name == "when":
                code.append((int(machine.CHOOSE_TRUTH if part.gives == "condition" else machine.CHOOSE_NUMBER), 0))
            else:
                code.append((int(INSTRUCTIONS[part.name]), 0))
        else:
            load = machine.LOAD_TRUTH if part.gives == "condition" else machine.LOAD_ROW
            code.append((int(load), self._slot(part)))


@dataclass(frozen=True)
class CompiledRules:
    """Rules ready for the kernel.

    Attributes
    ----------
    programs
        One per condition, in the order of CONDITIONS.
    slots
        Expressions whose rows the programs load, by place.
    numbers
        Constants and parameters, by place.
    levels
        Place of stop-loss, take-profit and trailing stop among the numbers, -1 where there is none.
    rules
        What was compiled.
    """

    programs: tuple[Program, ...]
    slots: tuple[Expression, ...]
    numbers: tuple[Expression, ...]
    levels: tuple[int, ...]
    crosses: int
    rules: Rules


def compile_rules(rules: Rules) -> CompiledRules:
    """Compile rules whose parameters may still be open.

    Raises
    ------
    ParameterError
        A level that is neither a number nor a parameter, or a rule nested too deeply.
    """
    compiler = Compiler()
    parts = rules.expressions
    programs = tuple(compiler.program(parts.get(name)) for name in CONDITIONS)
    levels = tuple(_level(parts.get(name), name, compiler) for name in LEVELS)
    return CompiledRules(
        programs, tuple(compiler.slots), tuple(compiler.numbers), levels, max(compiler.crosses, 1), rules
    )


def _level(part: Expression | None, name: str, compiler: Compiler) -> int:
    if part is None:
        return -1
    if isinstance(part, Number | Parameter):
        return compiler.number(part)
    message = f"{name} of a sweep must be a number or a parameter; found {part!r}"
    raise ParameterError(message)


def _depth(code: list[tuple[int, int]]) -> int:
    """Most values that stand on either stack at once: never more than the loads."""
    loads = (machine.LOAD_ROW, machine.LOAD_TRUTH, machine.LOAD_VALUE)
    height = most = 0
    for instruction, _ in code:
        height += (
            1 if instruction in loads else 0 if instruction in (machine.NEGATIVE, machine.ABSOLUTE, machine.NOT) else -1
        )
        most = max(most, height)
    return most


def numbers_of(compiled: CompiledRules, columns: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.float64]:
    """Return ``(C, V)``: the numbers of each combination."""
    values = np.empty((count, max(len(compiled.numbers), 1)))
    for place, expression in enumerate(compiled.numbers):
        values[:, place] = columns[expression.name] if isinstance(expression, Parameter) else expression.value  # type: ignore[attr-defined]
    return values


def refused_levels(compiled: CompiledRules, values: NDArray[np.float64]) -> dict[int, str]:
    """Name the combinations whose stop or target is not above 0."""
    refused: dict[int, str] = {}
    for name, place in zip(LEVELS, compiled.levels, strict=True):
        if place >= 0:
            wrong = np.flatnonzero(~(values[:, place] > 0.0))
            refused |= {int(row): f"expected {name} above 0; found {values[row, place]:g}" for row in wrong}
    return refused


@dataclass(frozen=True, eq=False)
class Needs:
    """Which series each combination needs, before any of them is named.

    Attributes
    ----------
    cells
        For each slot: the distinct sets of numbers it is needed with, as (names of parameters, ``(n, P)``).
    codes
        ``(C, K)``: which of them each combination needs.
    """

    cells: tuple[tuple[tuple[str, ...], NDArray[np.float64]], ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, compiled: CompiledRules, columns: Mapping[str, NDArray[Any]], count: int) -> Needs:
        """Find the distinct numbers of each slot."""
        codes = np.zeros((count, max(len(compiled.slots), 1)), dtype=np.int32)
        cells: list[tuple[tuple[str, ...], NDArray[np.float64]]] = []
        for place, expression in enumerate(compiled.slots):
            names = tuple(sorted(expression.parameters()))
            values, codes[:, place] = _distinct([np.asarray(columns[name]) for name in names], count)
            cells.append((names, values))
        return cls(tuple(cells), codes)

    def series(self, part: NDArray[np.int64]) -> int:
        """Count the series that some combinations need, those that slots share counted for each."""
        if len(part) == len(self.codes):
            return sum(len(values) for _, values in self.cells)
        return sum(_used(self.codes[part, place], len(values)).size for place, (_, values) in enumerate(self.cells))

    def bound(self, compiled: CompiledRules, part: NDArray[np.int64]) -> Bound:
        """Name the series that some combinations need; indicators of open numbers are named as families."""
        numbers = [np.zeros(len(values), dtype=np.int32) for _, values in self.cells]
        codes = [self.codes[part, place] for place in range(len(self.cells))]
        members: dict[tuple[Any, ...], list[Member]] = {}
        named: dict[Expression, int] = {}
        made: dict[tuple[Any, ...], Any] = {}  # outputs of one indicator share it
        reasons: dict[int, str] = {}
        everything = len(part) == len(self.codes)
        for place, (names, values) in enumerate(self.cells):
            needed = np.arange(len(values)) if everything else _used(codes[place], len(values))
            used = self._in_families(compiled.slots[place], place, needed, members)
            cells, slot = values.tolist(), compiled.slots[place]
            whole = slot.indicator if isinstance(slot, Output) else slot
            for code in used:
                try:
                    key = (whole, names, tuple(cells[code]))
                    bound: Any = made.get(key)
                    if bound is None:
                        bound = made[key] = whole.bind(dict(zip(names, cells[code], strict=True)))
                    series = Output(bound, slot.name) if isinstance(slot, Output) else bound
                    numbers[place][code] = named.setdefault(series, len(named))
                except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # a plugin's indicator may too
                    numbers[place][code] = -1 - len(reasons)
                    reasons[int(numbers[place][code])] = f"{type(error).__name__}: {error}"
        rows = Rows(list(named))
        for (template, *_), parts in members.items():
            family, which = _family(template, parts, len(rows))
            rows.families.append(family)
            for member, own in zip(parts, which, strict=True):
                numbers[member.place][member.codes] = family.row(member.output) + own
        slots = np.zeros((len(part), self.codes.shape[1]), dtype=np.int32)
        for place, of_codes in enumerate(numbers):
            slots[:, place] = of_codes[codes[place]]
        wrong = np.flatnonzero((slots < 0).any(axis=1)) if reasons else ()
        refused = {int(row): reasons[int(slots[row].min())] for row in wrong}
        return Bound(compiled, rows, slots, refused)

    def _in_families(
        self, slot: Expression, place: int, used: NDArray[np.int64], members: dict[tuple[Any, ...], list[Member]]
    ) -> NDArray[np.int64]:
        """Note what a family serves of the cells of a slot that are used; return the others."""
        whole, output = (slot.indicator, slot.name) if isinstance(slot, Output) else (slot, "")
        found = family_of(whole)
        if found is None or bool(output) != (len(found[0].outputs) > 1):
            return used
        template, opened = found
        names, values = self.cells[place]
        own = values[np.ix_(used, [names.index(name) for name in opened])]
        fits = fitting(template, own)
        if fits.any():
            key = (template, names if output else ())  # outputs of the same parameters are wanted with the same numbers
            members.setdefault(key, []).append(Member(place, output, used[fits], own[fits]))
        return used[~fits]


@dataclass(frozen=True, eq=False)
class Member:
    """What one slot needs of a family: its output, the codes of its cells, and their numbers ``(n, P)``."""

    place: int
    output: str
    codes: NDArray[np.int64]
    values: NDArray[np.float64]


def _family(template: Indicator, parts: list[Member], first: int) -> tuple[Family, list[NDArray[np.int32]]]:
    """Return the family that serves some slots, and for each of them the places of its numbers in it."""
    values = np.concatenate([part.values for part in parts])
    distinct, which = _distinct(list(values.T), len(values))
    outputs = tuple(dict.fromkeys(part.output for part in parts if part.output))
    ends = np.cumsum([len(part.values) for part in parts])
    return Family(template, distinct, first, outputs), np.split(which, ends[:-1])


@dataclass(frozen=True, eq=False)
class Bound:
    """The series of some combinations.

    Attributes
    ----------
    compiled
        Their rules.
    rows
        The distinct series.
    slots
        ``(C, K)``: which of them each combination uses.
    refused
        Row of `slots` -> why its numbers make no sense.
    """

    compiled: CompiledRules
    rows: Rows
    slots: NDArray[np.int32]
    refused: dict[int, str]


def _used(codes: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    present = np.zeros(size, dtype=bool)
    present[codes] = True
    return np.flatnonzero(present)


def nearby(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Order combinations so that neighbours share their series.

    A tile of a few series of the first and of the last slot stays in the first-level caches while all its pairs pass
    by. In the order of the grid every run fetched 20 kB of series from further away: measured, four times the time of
    the comparison itself.
    """
    first, last = codes[:, 0].astype(np.int64), codes[:, -1].astype(np.int64)
    if codes.shape[1] == 1:
        return np.argsort(first, kind="stable")
    wide = (int(first.max()) >> CACHED_SERIES) + 1
    tile = (last >> CACHED_OTHERS) * wide + (first >> CACHED_SERIES)
    inner = (last & ((1 << CACHED_OTHERS) - 1)) << CACHED_SERIES | first & ((1 << CACHED_SERIES) - 1)
    key = tile << (CACHED_OTHERS + CACHED_SERIES) | inner
    return np.argsort(key.astype(np.uint16) if key.max() < RADIX else key, kind="stable")


#: Whole numbers that lie so close together are told apart by a table instead of by sorting.
TABLE: Final = 1 << 20


def _distinct(columns: list[NDArray[Any]], count: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the distinct rows of some columns, and which of them each row is.

    Column by column, because sorting numbers is twenty times faster than sorting rows.
    """
    if not columns:
        return np.empty((1, 0)), np.zeros(count, dtype=np.int32)
    values, codes = _told_apart(columns[0])
    cells = values[:, None].astype(np.float64)
    for column in columns[1:]:
        others, which = _told_apart(column)
        pairs, codes = _told_apart(codes.astype(np.int64) * len(others) + which)
        before, now = np.divmod(pairs, len(others))
        cells = np.column_stack([cells[before], others[now]])
    return cells, codes


def _told_apart(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the distinct numbers of a column in order, and which of them each one is."""
    if column.dtype.kind == "i" and len(column):
        least = column.min()
        span = int(column.max()) - int(least) + 1
        if span <= max(TABLE, len(column)):
            offsets = column - least
            present = np.zeros(span, dtype=bool)
            present[offsets] = True
            places = np.cumsum(present, dtype=np.int32) - 1
            return np.flatnonzero(present) + least, places[offsets].astype(np.int32)
    values, codes = np.unique(column, return_inverse=True)
    return values, codes.ravel().astype(np.int32)
