"""From the table of candlestick patterns to the programs that the kernel runs."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stockstream.indicators.pattern_table import PATTERNS, SETTINGS, Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Relation -> the one that holds when both sides change places, or signs.
TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: What becomes of a measure when prices are turned upside down.
MIRRORED: Final = {"h": "l", "l": "h", "top": "bottom", "bottom": "top", "upper": "lower", "lower": "upper"}
PRICES: Final = frozenset({"o", "h", "l", "c", "top", "bottom"})
NAMES: Final = {"o": "open", "h": "high", "l": "low", "c": "close"}
#: Relations in the kernel's order.
RELATIONS: Final = (">", ">=", "<", "<=")
SIGNS: Final = {"+": 1, "-": -1}
#: The setting that is the measure itself, and the factor that only the call knows.
AS_IT_IS: Final = Setting("body", 0, 1.0)
UNKNOWN: Final = float("nan")


class Term(NamedTuple):
    """A measure of a bar, or what is usual before it, with its sign."""

    name: str
    ago: int
    sign: int = 1


class Condition(NamedTuple):
    """Left stands in the relation to the sum of the others."""

    left: Term
    relation: str
    right: tuple[Term, ...]

    def mirrored(self) -> Condition:
        """Return the same condition on prices turned upside down: sizes stay, prices change their order."""
        prices = self.left.name in PRICES
        first, *others = (term._replace(name=MIRRORED.get(term.name, term.name)) for term in self.right)
        turned = tuple(term._replace(sign=-term.sign) if prices else term for term in others)
        left = self.left._replace(name=MIRRORED.get(self.left.name, self.left.name))
        return Condition(left, TURNED[self.relation] if prices else self.relation, (first, *turned))


class Rule(NamedTuple):
    """The value of a pattern where all of some conditions hold."""

    value: int
    conditions: tuple[Condition, ...]


@dataclass
class Pattern:
    """A row of the table; `penetration` is a default, `share` a constant."""

    name: str
    meaning: str
    rules: list[Rule] = field(default_factory=list)
    candles: int = 0
    penetration: float | None = None
    share: float = 0.0
    later: int = 0
    confirmed: bool = False

    def terms(self) -> list[Term]:
        """Return every term of every condition."""
        return [term for rule in self.rules for left, _, right in rule.conditions for term in (left, *right)]

    def averages(self) -> list[Term]:
        """Return the terms that are not measures of a bar, each once."""
        return list(dict.fromkeys(t._replace(sign=1) for t in self.terms() if t.name in SETTINGS or t.name == "part"))

    @property
    def first(self) -> int:
        """Bar on which the rules are first asked."""
        periods = [SETTINGS[term.name].period for term in self.averages() if term.name in SETTINGS]
        return max(periods, default=0) + self.candles - 1 + self.later


@functools.cache
def patterns() -> dict[str, Pattern]:
    """Return the rows of the table by name."""
    found: dict[str, Pattern] = {}
    text = re.sub(r"\n {8,}", " ", PATTERNS.strip())
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if not line.startswith(" "):
            pattern = found[word] = Pattern(word, rest)
        elif word == "confirmed":
            pattern.confirmed = True
        elif word in {"penetration", "share"}:
            setattr(pattern, word, float(rest))
        elif word == "later":
            pattern.later = int(rest)
        else:
            colours, _, conditions = rest.partition(" ")
            pattern.candles = len(colours)
            pattern.rules += _rules(word, colours, conditions)
    return found


def _rules(value: str, colours: str, text: str) -> list[Rule]:
    """Return a rule for each alternative and, after ``±``, for each side."""
    common, *alternatives = text.split(" / ")
    rules = []
    for alternative in alternatives or [""]:
        conditions = [condition for chain in f"{common} {alternative}".split() for condition in _conditions(chain)]
        number = int(value.lstrip("±"))
        rules.append(Rule(number, (*_colours(colours, white="+"), *conditions)))
        if value.startswith("±"):
            mirrored = (condition.mirrored() for condition in conditions)
            rules.append(Rule(-number, (*_colours(colours, white="-"), *mirrored)))
    return rules


def _colours(colours: str, *, white: str) -> list[Condition]:
    newest = len(colours) - 1
    return [
        Condition(Term("c", newest - place), ">=" if colour == white else "<", (Term("o", newest - place),))
        for place, colour in enumerate(colours)
        if colour != "."
    ]


def _conditions(chain: str) -> list[Condition]:
    """Return the comparisons of ``a<b<=c+d``, each with a single term on its left."""
    sides, relations = re.split(r"<=|>=|<|>", chain), re.findall(r"<=|>=|<|>", chain)
    conditions = []
    for one, relation, other in zip(sides, relations, sides[1:], strict=False):
        left, right = _terms(one), _terms(other)
        if len(left) > 1:
            conditions.append(Condition(right[0], TURNED[relation], left))
        else:
            conditions.append(Condition(left[0], relation, right))
    return conditions


def _terms(side: str) -> tuple[Term, ...]:
    found = re.findall(r"([+-]?)([a-z]+)(\d)", side)
    return tuple(Term(name, int(ago), SIGNS[sign or "+"]) for sign, name, ago in found)


@functools.cache
def program(name: str) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Return a pattern's program, the factors of its averages (NaN: the penetration), and the length of its state."""
    from stockstream_kernels.patterns import CONFIRM, LINE, MEASURES, state_size

    pattern, averages, lines = patterns()[name], _averages(patterns()[name]), []
    rows = {(measure, ago): 16 * place + ago for place, measure in enumerate(MEASURES) for ago in range(5)}
    distinct = list(dict.fromkeys(average for average in averages.values() if average[0] != AS_IT_IS))
    for term, (setting, ago) in averages.items():
        at = 16 * (len(MEASURES) + distinct.index((setting, ago))) if setting != AS_IT_IS else rows[AS_IT_IS[0], ago]
        rows[term.name, term.ago] = at
    for setting, ago in distinct:
        lines.append([MEASURES.index(setting.measure), ago, setting.period])
    for rule in pattern.rules:
        for place, (left, relation, right) in enumerate(rule.conditions, start=1):
            line = [rule.value if place == len(rule.conditions) else 0, RELATIONS.index(relation)]
            line += [rows[NAMES.get(term.name, term.name), term.ago] for term in (left, right[0])]
            for term in right[1:]:
                line += [rows[NAMES.get(term.name, term.name), term.ago], term.sign]
            lines.append(line)
    warmup = pattern.first + (CONFIRM if pattern.confirmed else 0)
    lines.insert(0, [len(distinct), len(lines) - len(distinct), pattern.first, warmup, int(pattern.confirmed)])
    factors = np.array([setting.factor for setting, _ in distinct], dtype=np.float64)
    padded = [line + [0] * (LINE - len(line)) for line in lines]
    return np.array(padded, dtype=np.int64).ravel(), factors, state_size(len(distinct))


def _averages(pattern: Pattern) -> dict[Term, tuple[Setting, int]]:
    """Return what each term that is not a measure is made from: settings that are alike are computed once."""
    part = Setting("body", 0, UNKNOWN if pattern.penetration is not None else pattern.share)
    return {term: (SETTINGS.get(term.name, part), term.ago) for term in pattern.averages()}
