"""Every indicator by name: the built-in ones and those that other packages register."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any, Final

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.expression import Expression, from_dict
from stockstream.indicators.indicator import Indicator, Output

#: The families, in the order in which they are listed.
FAMILIES: Final = (
    "averages",
    "adaptive",
    "trend",
    "directional",
    "momentum",
    "convergence",
    "stochastics",
    "oscillators",
    "volatility",
    "bands",
    "volume",
    "money_flow",
    "statistics",
    "prices",
)


@functools.cache
def builtin() -> dict[str, type[Indicator]]:
    """Return the built-in indicators by name, family after family."""
    found: dict[str, type[Indicator]] = {}
    for family in FAMILIES:
        module = importlib.import_module(f"stockstream.indicators.{family}")
        declared = (
            value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Indicator)
        )
        found.update({cls.__name__: cls for cls in declared if cls.__module__ == module.__name__})
    return found


def find(name: str) -> type[Indicator]:
    """Return an indicator's class by name, in any case.

    Raises
    ------
    UnknownNameError
        There is none; the message names the closest.
    """
    known = builtin()
    cls = known.get(name.upper())
    if cls is None:
        message = (
            f"unknown indicator {name!r}.{did_you_mean(name, known)} `stockstream indicators` lists all {len(known)}."
        )
        raise UnknownNameError(message)
    return cls


def indicator_from_dict(data: Mapping[str, Any]) -> Expression:
    """Rebuild an indicator, or one of its outputs, from its dictionary."""
    values = dict(data)
    cls, output = find(str(values.pop("indicator"))), values.pop("output", None)
    allowed = {*cls.ranges(), *(name for name in cls.__dataclass_fields__ if name not in cls.ranges())}
    for name in values:
        if name not in allowed:
            message = (
                f"{cls.__name__} has no parameter {name!r}; expected {', '.join(allowed)}.{did_you_mean(name, allowed)}"
            )
            raise UnknownNameError(message)
    built = cls(**{name: from_dict(v) if isinstance(v, Mapping) else v for name, v in values.items()})
    if output is None:
        return built
    if output not in cls.outputs:
        message = f"{cls.__name__} has no output {output!r}; expected {', '.join(cls.outputs)}"
        raise ParameterError(message)
    return Output(built, str(output))
