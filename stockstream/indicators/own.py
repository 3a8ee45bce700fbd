"""Indicators of your own: a function of arrays becomes a declaration like the built-in ones."""

from __future__ import annotations

import inspect
import typing
from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError
from stockstream.indicators.declaration import Range, choice, parameter
from stockstream.indicators.expression import Expression
from stockstream.indicators.indicator import Indicator
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: What a function may read, by the names of its arguments.
READABLE: Final = (*OHLCV, "date")

#: Real parameters without a range of their own.
LARGEST: Final = 1e15


def indicator(
    function: Callable[..., Any] | None = None,
    /,
    *,
    outputs: Sequence[str] = (),
    group: str = "custom",
    source: str = "",
) -> Any:
    """Make an indicator of a function, for use on arrays, on frames, in rules and bar by bar.

    Parameters
    ----------
    function
        Arguments without a default are the columns it reads (``open high low close volume date``); arguments with a
        default are parameters: ``window: int = 10`` is a whole number from 1 up, ``factor: float = 2.0`` any number,
        ``kind: Literal["a", "b"] = "a"`` one of these, and ``Annotated[int, Range("int", low=2, high=100)]`` what the
        range says. The first line of the docstring is its meaning. It is called with read-only arrays ``(T,)`` of one
        symbol's own bars, oldest first, and returns an array ``(T,)``, or one per output: a tuple or a mapping. Look
        only back: value t may depend on bars up to t.
    outputs
        Names of the outputs, when there are several.
    group, source
        Family, and where the definition comes from.

    Returns
    -------
    type
        A subclass of `Indicator` with the function's name. Its stream computes all bars again on each update, O(T).

    Raises
    ------
    ParameterError
        An argument that is neither a column nor a parameter with a default of a type that can be checked.

    Examples
    --------
    >>> import numpy as np
    >>> import stockstream as ss
    >>> @ss.indicator
    ... def gap(open, close, bars: int = 1):
    ...     "Gap: the open over the close of so many bars ago."
    ...     before = np.full(len(close), np.nan)
    ...     before[bars:] = close[:-bars]
    ...     return open / before - 1
    >>> gap()(np.array([10.0, 11.0]), np.array([10.0, 12.0]))
    array([nan, 0.1])
    >>> (gap(2) > 0.05) & (ss.close > 1)
    ((gap(2) > 0.05) & (close > 1))
    """

    def declare(function: Callable[..., Any]) -> type[Indicator]:
        return _declared(function, tuple(outputs), group, source)

    return declare if function is None else declare(function)


def _declared(function: Callable[..., Any], outputs: tuple[str, ...], group: str, source: str) -> type[Indicator]:
    name = function.__name__
    hints = _hints(function)
    arguments = inspect.signature(function).parameters.values()
    inputs = tuple(argument.name for argument in arguments if argument.default is argument.empty)
    _check_inputs(name, inputs, arguments)
    parameters = [
        (argument.name, Any, _field(name, argument, hints.get(argument.name)))
        for argument in arguments
        if argument.default is not argument.empty
    ]

    def compute(self: Indicator, *series: Any) -> Any:
        return function(**dict(zip(self.inputs, series, strict=True)), **self.values)

    namespace = {
        "__doc__": inspect.getdoc(function) or f"{name}, a function of {', '.join(inputs)}.",
        "__qualname__": function.__qualname__,
        "compute": compute,
        "inputs": inputs,
        "outputs": outputs or (name,),
        "columns": tuple(f"{name}_{output}" for output in outputs),
        "group": group,
        "source": source,
        "per_bar": "O(T): a function has no state, so each update computes all bars again",
    }
    return make_dataclass(
        name, parameters, bases=(Indicator,), namespace=namespace, frozen=True, repr=False, module=function.__module__
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:  # an annotation that names something imported for type checkers only: the defaults say the types
        return {}


def _check_inputs(name: str, inputs: Sequence[str], arguments: Iterable[inspect.Parameter]) -> None:
    for argument in arguments:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            message = f"indicator {name}: expected columns and parameters by name; found {argument}"
            raise ParameterError(message)
    wrong = [argument for argument in inputs if argument not in READABLE]
    if wrong:
        message = (
            f"indicator {name}: expected arguments without a default to be columns ({', '.join(READABLE)}); found "
            f"{wrong[0]!r}. Give a parameter a default, such as {wrong[0]}: int = 14."
        )
        raise ParameterError(message)
    if not inputs:
        message = f"indicator {name}: expected at least one column to read, such as def {name}(close, …)"
        raise ParameterError(message)
    for argument in arguments:
        if argument.name not in inputs and (hasattr(Indicator, argument.name) or argument.name == "of"):
            message = f"indicator {name}: the parameter {argument.name!r} has the name of a part of every indicator"
            raise ParameterError(message)


def _field(owner: str, argument: inspect.Parameter, hint: Any) -> Any:
    """Return the dataclass field of a parameter; its type is said by the annotation, else by the default."""
    default = argument.default
    given = next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Range)), None)
    if given is not None and given.kind != "choice":
        field = parameter(float(default) if given.kind == "float" else default, low=given.low, high=given.high)
    elif typing.get_origin(hint) is typing.Literal and all(isinstance(item, str) for item in typing.get_args(hint)):
        field = choice(default, *(item for item in typing.get_args(hint) if item != default))
    elif hint is float or (hint is None and type(default) is float):
        field = parameter(float(default), low=-LARGEST, high=LARGEST)
    elif hint is int or (hint is None and type(default) is int):
        field = parameter(default)
    else:
        message = (
            f"indicator {owner}: expected {argument.name} to be annotated with int, float or Literal of texts; "
            f"found {argument}"
        )
        raise ParameterError(message)
    if not isinstance(default, Expression):
        field.metadata["range"].checked(owner, argument.name, default)
    return field
