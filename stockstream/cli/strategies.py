"""Finding strategies: those of the library, those of installed packages, and those in a file of the user's."""

from __future__ import annotations

import inspect
import sys
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockstream import plugins
from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    print_table,
    stdout,
    write_rows,
)
from stockstream.cli.parameters import kinds_of, split_assignments, typed, typed_values
from stockstream.errors import ParameterError, StockstreamError, StrategyError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

    from stockstream.backtesting.configured import Configured
    from stockstream.backtesting.strategy import AnyStrategy
    from stockstream.cli.parameters import Value

#: How the modules of files named on the command line are called.
USERS_MODULE: Final = "stockstream_strategy_"

EXAMPLES: Final = """
Example:
  stockstream strategies
  stockstream strategies --format json
  stockstream backtest --strategy RSIMeanReversion --param oversold=25
"""


@dataclass(frozen=True)
class Offer:
    """A strategy that can be named on the command line: its class, and where it comes from."""

    cls: type
    origin: str


def find_strategy(name: str) -> type:
    """Return the class of a strategy.

    Parameters
    ----------
    name
        A class of the library, a name in the entry-point group ``stockstream.strategies``, or
        ``path/to/file.py:ClassName``.

    Raises
    ------
    UnknownNameError
        There is no such strategy or file.
    StrategyError
        The file cannot be imported.
    PluginError
        The package cannot be imported.
    ParameterError
        What was found is not a strategy.
    """
    path, colon, class_name = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _strategy_in_file(Path(path).expanduser(), class_name)
    if name.endswith(".py"):
        classes = ", ".join(_strategies_of(load_file(Path(name).expanduser()))) or "the class"
        message = f"expected {name}:ClassName; found no class name. Choose of {classes}."
        raise ParameterError(message)
    built_in = built_in_strategies()
    if name in built_in:
        return built_in[name]
    registered = {plugin.name for plugin in plugins.discover(plugins.STRATEGIES)}
    if name in registered:
        found = plugins.load(plugins.STRATEGIES, name, check_registered)
        if isinstance(found, type):
            return found
    offered = {name: offer.cls for name, offer in offers().items()}
    if name in offered:
        return offered[name]
    known = [*offered]
    message = (
        f"unknown strategy {name!r}; expected {', '.join(known)}, or path/to/file.py:ClassName."
        f"{did_you_mean(name, known)}"
    )
    raise UnknownNameError(message)


def make_strategy(name: str, parameters: list[str]) -> AnyStrategy:
    """Return the strategy of that name with ``NAME=VALUE`` parameters.

    Raises
    ------
    StockstreamError
        As for `find_strategy`; also a parameter that is unknown, missing or of the wrong type, and a constructor that
        refuses it.
    """
    cls = find_strategy(name)
    values = typed_values("--param", parameters, cls)
    try:
        strategy: AnyStrategy = cls(**values)
    except StockstreamError:
        raise
    except Exception as error:
        message = f"{cls.__name__} refused its parameters: {_said(error)}"
        raise StrategyError(message) from error
    return strategy


def make_configured(file: Path, name: str, parameters: list[str]) -> Configured:
    """Return the strategy that a file has under a name; ``NAME=VALUE`` parameters take the place of the file's.

    Raises
    ------
    StockstreamError
        As for `stockstream.backtesting.configured.configured_strategy` and `find_strategy`.
    """
    from stockstream.backtesting.configured import configured_strategy

    def given(cls: type | None) -> dict[str, Value]:
        kinds = {} if cls is None else kinds_of(cls)
        texts = split_assignments("--param", parameters)
        return {name: typed(f"--param {name}", text, kinds.get(name, ())) for name, text in texts.items()}

    return configured_strategy(file, name, find=find_strategy, overrides=given)


def built_in_strategies() -> dict[str, type]:
    """Return the strategies of the library by class name."""
    from stockstream.backtesting import strategies as library

    return _strategies_of(library)


def offers() -> dict[str, Offer]:
    """Return all strategies that have a name; one that cannot be imported is left out with a warning.

    A package registers a class, or a module with classes of strategies, in the entry-point group
    ``stockstream.strategies``.
    """
    found = {name: Offer(cls, plugins.OWN) for name, cls in built_in_strategies().items()}
    for plugin, registered in plugins.load_all(plugins.STRATEGIES, check_registered).items():
        members = _strategies_of(registered) if inspect.ismodule(registered) else {plugin.name: registered}
        for name, cls in members.items():
            found.setdefault(name, Offer(cls, plugin.distribution))
    return found


def check_registered(registered: object) -> None:
    """Refuse what is neither a strategy nor a module of strategies.

    Raises
    ------
    ParameterError
        It is something else.
    """
    if not (inspect.ismodule(registered) and _strategies_of(registered)):
        _checked(registered, "the entry point")


def is_strategy(candidate: object) -> bool:
    """Return whether something is a class that a backtest can run."""
    from stockstream.backtesting.strategy import SignalStrategy, Strategy, TargetStrategy

    return (
        isinstance(candidate, type)
        and issubclass(candidate, Strategy | SignalStrategy | TargetStrategy)
        and not inspect.isabstract(candidate)
    )


def _strategies_of(module: ModuleType) -> dict[str, type]:
    """Return the strategies defined in a module, without those it imports."""
    return {
        name: value
        for name, value in vars(module).items()
        if is_strategy(value) and value.__module__ == module.__name__
    }


def _strategy_in_file(path: Path, class_name: str) -> type:
    module = load_file(path)
    own = _strategies_of(module)
    found = getattr(module, class_name, None)
    if found is None:
        has = f"it has {', '.join(own)}" if own else "it has none"
        message = f"{path} has no strategy {class_name!r}; {has}.{did_you_mean(class_name, own)}"
        raise UnknownNameError(message)
    return _checked(found, f"{path}:{class_name}")


def _checked(found: object, what: str) -> type:
    if not is_strategy(found):
        unwritten = sorted(getattr(found, "__abstractmethods__", ()))
        why = f"it does not define {', '.join(unwritten)}" if unwritten else "it is something else"
        message = (
            f"expected a strategy at {what}; {why}. Derive it from ss.RuleStrategy, ss.Strategy or ss.TargetStrategy."
        )
        raise ParameterError(message)
    return typing.cast("type", found)


def load_file(path: Path) -> ModuleType:
    """Import a file of the user's; its neighbours can be imported from it.

    Raises
    ------
    UnknownNameError, ParameterError, StrategyError
        There is no such file, it is not Python, or it failed.
    """
    if not path.is_file():
        message = f"there is no file {path} to read a strategy from"
        raise UnknownNameError(message)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # its neighbours can be imported, as when Python runs the file
    try:
        module = plugins.module_of_file(path, f"{USERS_MODULE}{path.stem}")
    except SyntaxError as error:
        message = f"{path} is not valid Python: {error.msg} in line {error.lineno}"
        raise StrategyError(message) from error
    except StockstreamError:
        raise
    except Exception as error:
        message = (
            f"{path} failed while it was imported: {_said(error)}. Type the command with --debug for the traceback."
        )
        raise StrategyError(message) from error
    if module is None:
        message = f"expected a Python file; found {path}"
        raise ParameterError(message)
    return module


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def strategies(form: FormatOption = None, output: OutputOption = None) -> None:
    """List the strategies that can be named, with their parameters and defaults."""
    form, path = choose_format(form, output)
    rows = [
        [name, _signature(offer.cls), _summary(offer.cls), offer.origin] for name, offer in sorted(offers().items())
    ]
    columns = ["strategy", "parameters", "what it does", "from"]
    if form is not Format.table:
        plain = [[name, parameters.replace("\n", ", "), *rest] for name, parameters, *rest in rows]
        write_rows([dict(zip(columns, row, strict=True)) for row in plain], columns, form, path)
        return
    print_table(columns, rows, wrap=["what it does"])
    stdout().print("\nYour own: --strategy path/to/file.py:ClassName", highlight=False)


def _signature(cls: type) -> str:
    from stockstream.backtesting.strategy import constructor_parameters

    empty = inspect.Parameter.empty
    return "\n".join(
        name if default is empty else f"{name}={default}" for name, default in constructor_parameters(cls).items()
    )


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
