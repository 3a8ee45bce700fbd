"""Strategies by name from a YAML file: classes with parameters, or rules as data.

The file has one mapping, ``strategies``: name -> what it is. Each entry has either ``strategy`` (a class, with optional
``parameters``) or ``rules`` (what `Rules.to_dict` gives; ``{parameter: name}`` stands for an entry of ``parameters``),
and may have a ``description`` and a ``sizing`` such as ``{risk: 0.01}``. ``config/strategies.yaml`` is an example.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from stockstream.backtesting.rules import Rules
from stockstream.backtesting.sizing import KINDS, Sizing
from stockstream.backtesting.strategy import AnyStrategy, RuleStrategy, constructor_parameters
from stockstream.errors import SettingsError, StockstreamError, UnknownNameError, did_you_mean

type Overrides = Callable[[type | None], Mapping[str, Any]]

KEYS: Final = ("strategy", "rules", "parameters", "sizing", "description")


@dataclass(frozen=True)
class Configured:
    """A strategy of a file.

    Attributes
    ----------
    name, description
        As in the file.
    strategy
        Ready for `backtest`.
    sizing
        The size it is meant to be run with, or None.
    """

    name: str
    strategy: AnyStrategy
    sizing: Sizing | None = None
    description: str = ""


class ConfiguredRules(RuleStrategy):
    """Rules that came as data, under the name the file gives them.

    Parameters
    ----------
    title
        Name shown in results.
    fixed
        The rules, without parameters left in them.
    values
        The parameters that were put into them, for results to show.
    """

    def __init__(self, title: str, fixed: Rules, values: Mapping[str, Any]) -> None:
        self.title = title
        self.fixed = fixed
        self.values = dict(values)

    @property
    def name(self) -> str:
        """The name in the file."""
        return self.title

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters in the file."""
        return dict(self.values)

    def rules(self) -> Rules:
        """Return the rules of the file."""
        return self.fixed


def configured_names(path: str | Path) -> list[str]:
    """Return the names of the strategies in a file, in its order.

    Raises
    ------
    SettingsError
        The file cannot be read, or is not a mapping ``strategies``.
    """
    return list(_entries(Path(path)))


def configured_strategy(
    path: str | Path,
    name: str,
    *,
    find: Callable[[str], type] | None = None,
    overrides: Overrides | None = None,
) -> Configured:
    """Return one strategy of a file.

    Parameters
    ----------
    path
        A YAML file.
    name
        One of `configured_names`.
    find
        Returns the class of a name under ``strategy``; by default one of the library's.
    overrides
        Returns parameters that take the place of the file's, given the strategy's class, or None for rules.

    Raises
    ------
    SettingsError
        The file cannot be read, or the entry is not made as it should be; names the file and the entry.
    UnknownNameError
        No such entry.
    """
    entries = _entries(Path(path))
    if name not in entries:
        message = f"{path} has no strategy {name!r}; it has {', '.join(entries)}.{did_you_mean(name, entries)}"
        raise UnknownNameError(message)
    try:
        entry = _checked(entries[name])
        return Configured(
            name,
            _from_rules(name, entry, overrides)
            if "rules" in entry
            else _from_class(entry, find or library_strategy, overrides),
            _sizing(entry.get("sizing")),
            str(entry.get("description", "")),
        )
    except (StockstreamError, TypeError, ValueError) as error:
        message = f"{path}, strategy {name!r}: {error}"
        raise SettingsError(message) from error


def library_strategy(name: str) -> type:
    """Return a strategy class of the library by name."""
    from stockstream.backtesting import strategies as library

    known = [n for n, value in vars(library).items() if getattr(value, "__module__", "") == library.__name__]
    classes = {n: getattr(library, n) for n in known if inspect.isclass(getattr(library, n))}
    if name not in classes:
        message = f"unknown strategy {name!r}; expected {', '.join(classes)}.{did_you_mean(name, classes)}"
        raise UnknownNameError(message)
    found: type = classes[name]
    return found


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 PyYAML's
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key) if isinstance(key, str) else None
        return super().construct_mapping(node, deep)


def _entries(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a subclass of the safe one
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise SettingsError(message) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        message = f"{path} is not valid YAML: {getattr(error, 'problem', None) or error}{where}"
        raise SettingsError(message) from error
    entries = content.get("strategies") if isinstance(content, Mapping) else None
    if not isinstance(entries, Mapping) or not entries or list(content) != ["strategies"]:
        found = ", ".join(map(repr, content)) if isinstance(content, Mapping) else type(content).__name__
        message = f"expected one mapping `strategies` in {path}, name -> strategy; found {found}"
        raise SettingsError(message)
    return {str(name): entry for name, entry in entries.items()}


def _checked(entry: object) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or ("strategy" in entry) == ("rules" in entry):
        message = f"expected a mapping with either `strategy` or `rules`; found {entry!r}"
        raise SettingsError(message)
    for key in entry:
        if key not in KEYS:
            message = f"unknown key {key!r}; expected {', '.join(KEYS)}.{did_you_mean(str(key), KEYS)}"
            raise SettingsError(message)
    if not isinstance(entry.get("parameters", {}), Mapping):
        message = f"expected `parameters` to be a mapping, name: value; found {entry['parameters']!r}"
        raise SettingsError(message)
    return entry


def _from_class(entry: Mapping[str, Any], find: Callable[[str], type], overrides: Overrides | None) -> AnyStrategy:
    cls = find(str(entry["strategy"]))
    known = constructor_parameters(cls)
    values = {**entry.get("parameters", {}), **(overrides(cls) if overrides else {})}
    for name, value in values.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            message = f"{cls.__name__} has no parameter {name!r}; {has}.{did_you_mean(str(name), known)}"
            raise UnknownNameError(message)
        _check_type(cls, name, value, known[name])
    missing = [name for name, default in known.items() if default is inspect.Parameter.empty and name not in values]
    if missing:
        message = f"{cls.__name__} needs a value for {missing[0]} under `parameters`"
        raise SettingsError(message)
    strategy: AnyStrategy = cls(**values)
    if isinstance(strategy, RuleStrategy):
        strategy.rules()  # an impossible period is an error of the file, not of the run
    return strategy


def _check_type(cls: type, name: str, value: object, default: object) -> None:
    """Refuse a text where the default is a number, and the like; a default of None or none at all says nothing."""
    number = isinstance(default, int | float) and not isinstance(default, bool)
    good = (
        isinstance(value, int | float) and not isinstance(value, bool) if number else isinstance(value, type(default))
    )
    if default is not None and default is not inspect.Parameter.empty and not good:
        message = f"{cls.__name__}: expected {name} of the kind of {default!r}; found {value!r}"
        raise SettingsError(message)


def _from_rules(name: str, entry: Mapping[str, Any], overrides: Overrides | None) -> AnyStrategy:
    if not isinstance(entry["rules"], Mapping):
        message = f"expected `rules` to be a mapping such as enter_long: ...; found {entry['rules']!r}"
        raise SettingsError(message)
    rules = Rules.from_dict(entry["rules"])
    values = {**entry.get("parameters", {}), **(overrides(None) if overrides else {})}
    wanted = rules.parameters()
    if wanted != set(values):
        message = (
            f"the rules take the parameters {', '.join(sorted(wanted)) or 'none'}; "
            f"`parameters` gives {', '.join(sorted(map(str, values))) or 'none'}"
        )
        raise SettingsError(message)
    return ConfiguredRules(name, rules.bind(values), values)


def _sizing(given: object) -> Sizing | None:
    if given is None:
        return None
    if given == "all_cash":
        return Sizing.all_cash()
    kinds = [kind for kind in KINDS if kind != "all_cash"]
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in kinds:
        message = f"expected `sizing` as all_cash or one of {', '.join(kinds)} with an amount; found {given!r}"
        raise SettingsError(message)
    ((kind, amount),) = given.items()
    sizing: Sizing = getattr(Sizing, kind)(amount)
    return sizing
