"""``NAME=VALUE`` on the command line: texts become the values a constructor expects."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

type Value = int | float | bool | str | None

#: FIRST:LAST:STEP.
FULL_RANGE: Final = 3

#: A grid longer than this in one direction is a slip of the finger.
LONGEST_RANGE: Final = 100_000

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_NOTHING: Final = frozenset({"none", "null"})
_WORDS: Final = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def split_assignments(flag: str, items: Iterable[str]) -> dict[str, str]:
    """Return name -> text of some ``NAME=VALUE``.

    Examples
    --------
    >>> split_assignments("--param", ["fast_period=20"])
    {'fast_period': '20'}
    """
    pairs: dict[str, str] = {}
    for item in items:
        name, equals, text = (part.strip() for part in item.partition("="))
        if not name or not equals or not text:
            message = f"expected {flag} NAME=VALUE, such as {flag} fast_period=20; found {item!r}"
            raise ParameterError(message)
        if name in pairs:
            message = f"expected each {flag} once; {name} is given twice. Keep one of them."
            raise ParameterError(message)
        pairs[name] = text
    return pairs


def typed_values(flag: str, items: Iterable[str], owner: Callable[..., Any]) -> dict[str, Value]:
    """Return the arguments for a constructor, each of the type its annotation or default asks for.

    Raises
    ------
    UnknownNameError
        The constructor has no such parameter.
    ParameterError
        A text is not of the type, or a parameter without default is missing.
    """
    known = kinds_of(owner)
    given = split_assignments(flag, items)
    check_names(flag, given, owner)
    return {name: typed(f"{flag} {name}", text, known[name]) for name, text in given.items()}


def typed_grid(flag: str, items: Iterable[str], owner: Callable[..., Any]) -> dict[str, list[Value]]:
    """Return the values of each parameter of a sweep: lists ``10,20,50``, ranges ``5:60:5`` (last one included).

    Raises
    ------
    UnknownNameError, ParameterError
        As for `typed_values`; also a range that goes nowhere.
    """
    known = kinds_of(owner)
    given = split_assignments(flag, items)
    check_names(flag, given, owner)
    return {
        name: [typed(f"{flag} {name}", part, known[name]) for part in _expanded(f"{flag} {name}", text)]
        for name, text in given.items()
    }


def option_grid(flag: str, items: Iterable[str]) -> dict[str, list[float]]:
    """Return the values of settings that a sweep varies, such as ``costs.commission=0,0.001``.

    Raises
    ------
    UnknownNameError, ParameterError
        As for `typed_grid`.
    """
    from stockstream.research.variants import OPTIONS

    given = split_assignments(flag, items)
    for name in given:
        if name not in OPTIONS:
            message = f"{flag} names {name!r}; a sweep varies the settings {', '.join(OPTIONS)}."
            raise UnknownNameError(message + did_you_mean(name, OPTIONS))
    return {
        name: [_float(f"{flag} {name}", part) for part in _expanded(f"{flag} {name}", text)]
        for name, text in given.items()
    }


def _float(what: str, text: str) -> float:
    value = typed(what, text, (float,))
    return float(value) if isinstance(value, int | float) else math.nan


def check_names(flag: str, given: Mapping[str, object], owner: Callable[..., Any]) -> None:
    """Refuse names that the constructor does not have, and a constructor that needs more."""
    known = kinds_of(owner)
    for name in given:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            message = f"{_name(owner)} has no {flag.lstrip('-')} {name!r}; {has}.{did_you_mean(name, known)}"
            raise UnknownNameError(message)
    missing = [name for name in required_of(owner) if name not in given]
    if missing:
        message = f"{_name(owner)} needs a value for {missing[0]}; add {flag} {missing[0]}=VALUE"
        raise ParameterError(message)


def kinds_of(owner: Callable[..., Any]) -> dict[str, tuple[type, ...]]:
    """Return parameter -> the types it takes, by annotation, else by default; empty when neither says."""
    hints = _hints(owner)
    return {
        parameter.name: _kinds(hints.get(parameter.name)) or _kinds_of_default(parameter.default)
        for parameter in _parameters(owner)
    }


def required_of(owner: Callable[..., Any]) -> list[str]:
    """Return the parameters without a default."""
    return [parameter.name for parameter in _parameters(owner) if parameter.default is inspect.Parameter.empty]


def typed(what: str, text: str, kinds: tuple[type, ...]) -> Value:
    """Return a text as the first of the types that it fits; any, when there are none.

    Examples
    --------
    >>> typed("--param period", "14", (int,)), typed("--param level", "14", (float,)), typed("--param x", "up", ())
    (14, 14.0, 'up')
    """
    for kind in kinds or (int, float, bool, type(None), str):
        value = _read(text, kind)
        if value is not ...:
            return typing.cast("Value", value)
    expected = " or ".join(_WORDS.get(kind, "none") for kind in kinds)
    message = f"expected {expected} for {what}; found {text!r}"
    raise ParameterError(message)


def _read(text: str, kind: type) -> object:
    folded = text.casefold()
    if kind is bool:
        return True if folded in _TRUE else False if folded in _FALSE else ...
    if kind is type(None):
        return None if folded in _NOTHING else ...
    try:
        return kind(text)
    except ValueError:
        return ...


def _expanded(what: str, text: str) -> list[str]:
    parts: list[str] = []
    for item in text.split(","):
        bounds = [part.strip() for part in item.split(":")]
        parts += bounds if len(bounds) == 1 else _range(what, item, bounds)
    if not all(parts):
        message = f"expected values like 10,20,50 or 5:60:5 for {what}; found {text!r}"
        raise ParameterError(message)
    return list(dict.fromkeys(parts))


def _range(what: str, text: str, bounds: list[str]) -> list[str]:
    """Return FIRST:LAST or FIRST:LAST:STEP as decimal texts, so that 0.1:0.3:0.1 ends at 0.3."""
    try:
        first, last, step = (Decimal(bound) for bound in (bounds if len(bounds) == FULL_RANGE else [*bounds, "1"]))
        forward = step > 0 and first <= last and (last - first).is_finite()
    except (InvalidOperation, ValueError):
        forward = False
    if not forward:
        message = f"expected FIRST:LAST:STEP with FIRST <= LAST and STEP > 0 for {what}, such as 5:60:5; found {text!r}"
        raise ParameterError(message)
    count = int((last - first) / step) + 1
    if count > LONGEST_RANGE:
        message = f"expected at most {LONGEST_RANGE:,} values for {what}; {text!r} makes {count:,}. Raise the step."
        raise ParameterError(message)
    return [_spelled(first + step * index) for index in range(count)]


def _spelled(value: Decimal) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _parameters(owner: Callable[..., Any]) -> list[inspect.Parameter]:
    if isinstance(owner, type) and owner.__init__ is object.__init__:  # type: ignore[misc]  # read, not called
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter for parameter in inspect.signature(owner).parameters.values() if parameter.kind in named]


def _hints(owner: Callable[..., Any]) -> dict[str, Any]:
    function = owner.__init__ if isinstance(owner, type) else owner  # type: ignore[misc]  # read, not called
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # an annotation that names something imported for type checkers only
        return {}


def _kinds(hint: object) -> tuple[type, ...]:
    if hint in (int, float, bool, str, type(None)):
        return (hint,)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        members = [kind for member in typing.get_args(hint) for kind in _kinds(member)]
        # The narrowest first: "20" for int | float is whole, and every text is a str.
        return tuple(sorted(members, key=(bool, type(None), int, float, str).index))
    if origin is typing.Literal:
        return tuple({type(value): None for value in typing.get_args(hint)})
    return ()


def _kinds_of_default(default: object) -> tuple[type, ...]:
    return (type(default),) if isinstance(default, bool | int | float | str) else ()


def _name(owner: Callable[..., Any]) -> str:
    return getattr(owner, "__name__", str(owner))
