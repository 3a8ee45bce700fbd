"""Every indicator by name: the built-in ones and those that other packages register."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.expression import Expression, from_dict
from stockstream.indicators.indicator import Indicator, Output

#: Packages offer indicators in this entry-point group.
GROUP: Final = "stockstream.indicators"

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


@functools.cache
def offered() -> dict[str, type[Indicator]]:
    """Return the indicators of installed packages by name; looked up once, when first asked for.

    A package registers its class, or the function it has decorated with `stockstream.indicator`, in the entry-point
    group `GROUP`. One that cannot be imported, is something else or has the name of a built-in one is left out with a
    warning that names it.
    """
    found: dict[str, type[Indicator]] = {}
    for point in entry_points(group=GROUP):
        try:
            cls = _loaded(point)
        except Exception as error:  # whatever a package raises, the others must work
            package = f" of {point.dist.name}" if point.dist is not None else ""
            said = " ".join(f"{type(error).__name__}: {error}".split())
            message = f"the indicator {point.name!r}{package} ({point.value}) is left out: {said}"
            warnings.warn(message, stacklevel=2)
        else:
            found[point.name] = cls
    return found


def _loaded(point: EntryPoint) -> type[Indicator]:
    if point.name.casefold() in map(str.casefold, builtin()):
        message = "there is a built-in indicator of that name"
        raise ParameterError(message)
    cls = point.load()
    if not (isinstance(cls, type) and issubclass(cls, Indicator)):
        message = f"expected a class of indicators; found {cls!r}"
        raise ParameterError(message)
    return cls


def all_indicators() -> dict[str, type[Indicator]]:
    """Return every indicator by name: the built-in ones, then those of installed packages."""
    return {**builtin(), **offered()}


def find(name: str) -> type[Indicator]:
    """Return an indicator's class by name, in any case.

    Raises
    ------
    UnknownNameError
        There is none; the message names the closest.
    """
    cls = builtin().get(name.upper())
    if cls is not None:  # without a look at what is installed
        return cls
    known = all_indicators()
    folded = {known_name.casefold(): known_name for known_name in known}
    if name.casefold() in folded:
        return known[folded[name.casefold()]]
    message = f"unknown indicator {name!r}.{did_you_mean(name, known)} `stockstream indicators` lists all {len(known)}."
    raise UnknownNameError(message)


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
