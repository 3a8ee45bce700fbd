"""The table of candlestick patterns as rules: both sides of each, and a comparison at a time."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stockstream.indicators.pattern_table import PATTERNS, SETTINGS

#: Relation -> the one that holds when both sides change places, or signs.
TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: What becomes of a measure when prices are turned upside down.
MIRRORED: Final = {"h": "l", "l": "h", "top": "bottom", "bottom": "top", "upper": "lower", "lower": "upper"}
PRICES: Final = frozenset({"o", "h", "l", "c", "top", "bottom"})
NAMES: Final = {"o": "open", "h": "high", "l": "low", "c": "close"}
SIGNS: Final = {"+": 1, "-": -1}


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
