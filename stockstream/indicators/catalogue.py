"""Every indicator by name: the built-in ones and those that other packages register."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from stockstream import plugins
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.expression import Expression, from_dict
from stockstream.indicators.indicator import Indicator, Output

#: The families, in the order in which they are listed: the modules that pyproject.toml registers. Named
#: here too, because a worker that rebuilds a rule should not first look through all that is installed.
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
    "patterns",
)


@functools.cache
def builtin() -> dict[str, type[Indicator]]:
    """Return the built-in indicators by name, family after family."""
    found: dict[str, type[Indicator]] = {}
    for family in FAMILIES:
        found.update(declared_in(importlib.import_module(f"stockstream.indicators.{family}")))
    return found


@functools.cache
def offered() -> dict[str, type[Indicator]]:
    """Return the indicators of installed packages by name; looked up once, when first asked for.

    A package registers a class, the function it has decorated with `stockstream.indicator`, or a module with classes of
    indicators, in the entry-point group ``stockstream.indicators``. One that cannot be imported, is something else or
    has the name of a built-in one is left out with a warning that names it.
    """
    found: dict[str, type[Indicator]] = {}
    for plugin, registered in plugins.load_all(plugins.INDICATORS, check).items():
        members = declared_in(registered) if isinstance(registered, ModuleType) else {plugin.name: registered}
        for name, cls in members.items():
            if builtin().get(name.upper()) not in {None, cls}:
                message = f"{plugin} is left out: there is a built-in indicator {name.upper()}"
                warnings.warn(message, stacklevel=2)
            else:
                found.setdefault(name, cls)
    return found


def check(registered: object) -> None:
    """Refuse what is neither a class of indicators nor a module of such classes.

    Raises
    ------
    ParameterError
        It is something else.
    """
    if isinstance(registered, ModuleType) and declared_in(registered):
        return
    if not (isinstance(registered, type) and issubclass(registered, Indicator)):
        message = f"expected a class of indicators, or a module that defines some; found {registered!r}"
        raise ParameterError(message)


def declared_in(module: ModuleType) -> dict[str, type[Indicator]]:
    """Return the indicators that a module itself defines, by class name."""
    return {
        cls.__name__: cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Indicator) and cls.__module__ == module.__name__
    }


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
