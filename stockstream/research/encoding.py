"""Parameters and options as JSON and back, to the last bit; nothing else than values and a few known classes."""

from __future__ import annotations

import importlib
import math
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.costs import Commission, Costs, Slippage, Tier, Venue
from stockstream.backtesting.sizing import Sizing
from stockstream.errors import ParameterError
from stockstream.indicators.expression import Expression, from_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def encoded(value: Any) -> Any:
    """Return a form that JSON holds without loss.

    Raises
    ------
    ParameterError
        A value of a kind that cannot be written down.

    Examples
    --------
    >>> encoded([0.1, float("inf"), (1, 2)])
    [0.1, {'number': 'inf'}, {'tuple': [1, 2]}]
    >>> decoded(encoded(Sizing.risk(0.01))) == Sizing.risk(0.01)
    True
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list):
        return [encoded(item) for item in value]
    for kind, (cls, write, _) in KINDS.items():
        if isinstance(value, cls):
            return {kind: write(value)}
    message = (
        f"expected values that can be written down (numbers, texts, dates, lists, rules); found {value!r}. Keep such "
        "things out of the strategy's parameters"
    )
    raise ParameterError(message)


def decoded(value: Any) -> Any:
    """Return what `encoded` was given.

    Raises
    ------
    ParameterError
        Something of no known kind.
    """
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    (kind,) = value if len(value) == 1 else ("",)
    if kind not in KINDS:
        message = f"expected one of {', '.join(KINDS)}; found {value!r}"
        raise ParameterError(message)
    return KINDS[kind][2](value[kind])


def _decoded_items(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: decoded(item) for name, item in held.items()}


def _encoded_fields(value: Any) -> dict[str, Any]:
    return {f.name: encoded(getattr(value, f.name)) for f in fields(value)}


def _made(cls: type) -> tuple[type, Callable[[Any], Any], Callable[[Any], Any]]:
    return cls, _encoded_fields, lambda held: cls(**_decoded_items(held))


#: Name in the JSON -> class, how it is written, how it is read. Nothing else is ever made from a file.
KINDS: Final[dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "number": (float, str, float),
    "tuple": (tuple, lambda value: [encoded(item) for item in value], lambda held: tuple(map(decoded, held))),
    "range": (range, lambda value: [value.start, value.stop, value.step], lambda held: range(*held)),
    "date": (date, date.isoformat, date.fromisoformat),
    "expression": (Expression, lambda value: value.to_dict(), from_dict),
    "mapping": (dict, lambda value: {str(name): encoded(item) for name, item in value.items()}, _decoded_items),
    **{cls.__name__: _made(cls) for cls in (Commission, Costs, Slippage, Tier, Venue, Sizing)},
}


def found_class(module: str, name: str) -> Any:
    """Return a class of an importable module, or None."""
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found
