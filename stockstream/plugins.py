"""What installed packages add to stockstream: found by entry points, looked for once, imported when asked for.

The built-in sources, steps, indicators and strategies are registered in the same groups, in this project's own
``pyproject.toml``.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import warnings
from dataclasses import dataclass, field
from importlib.machinery import SOURCE_SUFFIXES, SourceFileLoader
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import PluginError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import CodeType, ModuleType

    #: Raises when an object is not what its group expects.
    type Check = Callable[[Any], None]

PRICE_SOURCES: Final = "stockstream.price_sources"
SYMBOL_SOURCES: Final = "stockstream.symbol_sources"
PIPELINE_STEPS: Final = "stockstream.pipeline_steps"
INDICATORS: Final = "stockstream.indicators"
STRATEGIES: Final = "stockstream.strategies"

#: Entry-point group -> what one of its members is called in messages.
GROUPS: Final[dict[str, str]] = {
    PRICE_SOURCES: "price source",
    SYMBOL_SOURCES: "symbol source",
    PIPELINE_STEPS: "pipeline step",
    INDICATORS: "indicator",
    STRATEGIES: "strategy",
}

#: The distribution whose names no other can take.
OWN: Final = "stockstream"


@dataclass(frozen=True)
class Plugin:
    """One entry point: its name, and where what it names comes from.

    Attributes
    ----------
    group, name
        The entry-point group, and the name within it.
    value
        What is imported: ``module:object``, or a module.
    distribution, version
        The installed package that registers it.
    shadowed_by
        The distribution that has the name already; empty for the one that is used.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    shadowed_by: str = ""
    _point: EntryPoint | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"the {GROUPS.get(self.group, 'plugin')} {self.name!r} of {self.distribution} ({self.value})"

    def load(self, check: Check | None = None) -> Any:
        """Import what is registered.

        Parameters
        ----------
        check
            Called with the object; raises when it is not what the group expects.

        Raises
        ------
        PluginError
            It cannot be imported, or the check refuses it.
        """
        try:
            found = self._point.load() if self._point is not None else None
            if check is not None:
                check(found)
        except Exception as error:  # whatever a package raises, the others must work
            message = f"{self} cannot be used: {_said(error)}"
            raise PluginError(message) from error
        return found


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@functools.cache
def discover(group: str) -> tuple[Plugin, ...]:
    """Return everything registered in a group, the built-in first; looked for once, nothing is imported.

    Of two packages with one name the built-in one is used, else the first by the package's name.

    Examples
    --------
    >>> [plugin.name for plugin in discover("stockstream.nothing")]
    []
    """
    from importlib.metadata import entry_points

    found: list[Plugin] = []
    first: dict[str, str] = {}
    for point in sorted(entry_points(group=group), key=_precedence):
        distribution, version = (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "")
        taken = first.setdefault(point.name, distribution)
        shadowed = "" if taken == distribution else taken
        found.append(Plugin(group, point.name, point.value, distribution, version, shadowed, point))
    return tuple(found)


def _precedence(point: EntryPoint) -> tuple[bool, str, str]:
    name = point.dist.name if point.dist is not None else ""
    return name != OWN, name, point.name


def load(group: str, name: str, check: Check | None = None) -> Any:
    """Import one plugin by name.

    Raises
    ------
    UnknownNameError
        Nothing of that name is installed.
    PluginError
        It is installed and broken.
    """
    usable = {plugin.name: plugin for plugin in discover(group) if not plugin.shadowed_by}
    if name not in usable:
        what, known = GROUPS.get(group, "plugin"), ", ".join(usable) or "none: install stockstream again"
        message = f"unknown {what} {name!r}; installed: {known}.{did_you_mean(name, usable)}"
        raise UnknownNameError(message)
    return usable[name].load(check)


def load_all(group: str, check: Check | None = None) -> dict[Plugin, Any]:
    """Import all plugins of a group; one that cannot be used is left out with a warning that names it."""
    loaded: dict[Plugin, Any] = {}
    for plugin in discover(group):
        if plugin.shadowed_by:
            warnings.warn(f"{plugin} is left out: {plugin.shadowed_by} has that name already", stacklevel=2)
            continue
        try:
            loaded[plugin] = plugin.load(check)
        except PluginError as error:
            cause = error.__cause__
            said = _said(cause) if isinstance(cause, Exception) else str(error)
            warnings.warn(f"{plugin} is left out: {said}", stacklevel=2)
    return loaded


def forget() -> None:
    """Look again when next asked: for a process that installs packages while it runs."""
    discover.cache_clear()


class _Source(SourceFileLoader):
    """Compiles a file as it is now: kept bytecode is known by whole seconds and size, which an edit may leave alike."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def module_of_file(path: Path, name: str) -> ModuleType | None:
    """Import a file of the user's under a name, anew and as it is now; None when it is not named as a Python file.

    Whatever it raises is raised.
    """
    if path.suffix not in SOURCE_SUFFIXES:
        return None
    loader = _Source(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module
