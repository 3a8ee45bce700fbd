"""The program of a candlestick pattern, as the kernel reads it: rows, conditions that are written once, and rules."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from stockstream_kernels import patterns as kernel
from stockstream_kernels._candles import PAST

from stockstream.indicators.pattern_rules import NAMES, TURNED, Condition, Pattern, Term, patterns
from stockstream.indicators.pattern_table import SETTINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sum(NamedTuple):
    """A running sum of a measure over the bars before a bar so many ago."""

    measure: str
    period: int
    ago: int


class Average(NamedTuple):
    """A running sum, divided by its period and times a factor."""

    sum: Sum
    factor: float


class Part(NamedTuple):
    """A row of so many bars ago, and its factor: a number, or so many times the penetration."""

    row: str | Average
    ago: int
    factor: float = 1.0
    shares: int = 0


class Question(NamedTuple):
    """Whether one side is above another; a side is a part or a sum of parts."""

    one: tuple[Part, ...]
    other: tuple[Part, ...]


class Program(NamedTuple):
    """What the kernel is given: the program, its factors, how often each holds the penetration, the state's length."""

    lines: NDArray[np.int64]
    factors: NDArray[np.float64]
    shares: NDArray[np.float64]
    size: int
    warmup: int


#: A part that adds nothing, and the row of a side that is a sum.
NOTHING: Final = Part("nothing", 0, 0.0)


class Assembly:
    """A pattern on its way to a program: its questions, each once, and its rules, which are lists of them."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.questions: list[Question] = []
        self.rules: list[int] = []
        self.count = 0
        asked = [[self._asked(condition) for condition in rule.conditions] for rule in pattern.rules]
        common = [one for one in asked[0] if all(one in others for others in asked)]
        if len(asked) > 1 and common:
            self._add(0, 0, common)
        for rule, own in zip(pattern.rules, asked, strict=True):
            self._add(rule.value, 0, own if len(asked) == 1 else [one for one in own if one not in common])
        if pattern.confirmed:
            self._confirm()

    def _confirm(self) -> None:
        """Double a value where one of the next closes leaves the range of the bar before the pattern."""
        for value in dict.fromkeys(rule.value for rule in self.pattern.rules):
            for age in range(1, kernel.CONFIRM + 1):
                passed = Condition(Term("c", 0), ">", (Term("h", age + 1),))
                self._add(2 * value, age, [self._asked(passed if value > 0 else passed.mirrored())])

    def _add(self, value: int, age: int, asked: list[int]) -> None:
        self.rules += [value, age, len(asked), *asked]
        self.count += 1

    def _asked(self, condition: Condition) -> int:
        """Return two times the number of the question, plus 1 where the answer must be no."""
        left, relation, right = condition
        if (left.name, right[0].name) == ("c", "o") and left.ago == right[0].ago and relation in {">=", "<"}:
            return 2 * left.ago + (relation == "<")
        sides = (self._part(left),), tuple(self._part(term) for term in right)
        negated = relation.endswith("=")
        upwards = (TURNED[relation] if negated else relation).startswith(">")
        question = Question(*(sides if upwards else sides[::-1]))
        if question not in self.questions:
            self.questions.append(question)
        return 2 * (kernel.LOOK_BACK + 1 + self.questions.index(question)) + negated

    def _part(self, term: Term) -> Part:
        name, ago, sign = term
        if name == "part" and self.pattern.penetration is not None:
            return Part("body", ago, 0.0, sign)
        if name == "part":
            return Part("body", ago, sign * self.pattern.share)
        if name not in SETTINGS:
            return Part(NAMES.get(name, name), ago, sign)
        measure, period, factor = SETTINGS[name]
        if period == 0:
            return Part(measure, ago, sign * factor)
        return Part(Average(Sum(measure, period, ago), factor), 0, sign)

    def program(self) -> Program:
        """Give every row its place and write it all down."""
        parts = [part for question in self.questions for side in question for part in side]
        averages = list(dict.fromkeys(part.row for part in parts if isinstance(part.row, Average)))
        sums = list(dict.fromkeys(average.sum for average in averages))
        used = {part.row for part in parts} | {one.measure for one in sums}
        measures = [measure for measure in kernel.MEASURES if measure in used]
        rows = [*measures, NOTHING.row, *sums, *averages]
        places = {row: kernel.ROWS + kernel.WIDTH * k + PAST for k, row in enumerate(rows)}
        scratch = kernel.ROWS + kernel.WIDTH * len(rows)

        lines = [[places[one.measure] - one.ago, places[one], one.period] for one in sums]
        lines += [[places[average.sum], places[average], average.sum.period] for average in averages]
        factors = [factor for average in averages for factor in (*reciprocal(average.sum.period), average.factor)]
        shares = [0] * len(factors)
        for question in self.questions:
            added: list[Part] = []
            line = []
            for side in question:
                if len(side) == 1 and side[0][2:] == (1.0, 0):
                    line.append(places[side[0].row] - side[0].ago)
                else:
                    added = list(side if side[0][2:] == (1.0, 0) else (NOTHING, *side))
                    line.append(scratch)
            needed = {part.row for side in question for part in side}
            line += [sum(1 << k for k, average in enumerate(averages) if average in needed), len(added)]
            added += [NOTHING] * (3 - len(added))
            lines.append(line + [places[part.row] - part.ago for part in added])
            factors += [part.factor for part in added[1:]]
            shares += [part.shares for part in added[1:]]

        pattern = self.pattern
        warmup = pattern.first + (kernel.CONFIRM if pattern.confirmed else 0)
        header = [len(sums), len(averages), len(self.questions), self.count, pattern.first, warmup, scratch]
        header += [len(measures)] + [places.get(measure, 0) for measure in kernel.MEASURES]
        padded = [number for line in lines for number in line + [0] * (kernel.LINE - len(line))]
        size = scratch + kernel.WORDS + kernel.MOST_CONDITIONS
        whole = np.array(header + padded + self.rules, dtype=np.int64)
        return Program(whole, np.array(factors), np.array(shares, dtype=np.float64), size, warmup)


def reciprocal(period: int) -> tuple[float, float]:
    """Return 1 / period and what it is short of it."""
    numerator, denominator = (1 / period).as_integer_ratio()
    return 1 / period, (denominator - period * numerator) / (period * denominator)


@functools.cache
def program(name: str) -> Program:
    """Return the program of a pattern."""
    return Assembly(patterns()[name]).program()
