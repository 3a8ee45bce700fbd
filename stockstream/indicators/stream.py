"""The streaming form: the same kernels, one bar at a time.

A kernel keeps what it needs between calls in its state, so that feeding it one bar a call gives the same bits as
feeding it the whole array. `Stream` does that for any expression: indicators on indicators, arithmetic, conditions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stockstream.errors import DataError, ParameterError
from stockstream.indicators.calling import as_input, find_kernel, record
from stockstream.indicators.evaluate import ELEMENTWISE, UNKNOWN, only_output
from stockstream.indicators.expression import Applied, Column, Expression, Number, scalar
from stockstream.indicators.grids import refuse_grid
from stockstream.indicators.indicator import Indicator, Output

type Bar = Mapping[str, float]
type Step = Callable[[Bar], np.ndarray[Any, Any]]


class Stream:
    """An expression that is fed bar by bar.

    Examples
    --------
    >>> from stockstream.indicators import SMA
    >>> stream = SMA(2).stream()
    >>> [stream.update(price) for price in (1.0, 2.0, 4.0)]
    [nan, 1.5, 3.0]
    """

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._memo: dict[Expression, Any] = {}
        self._steps: dict[Expression, Step] = {}
        self._names: tuple[str, ...] = ()
        outputs: list[Expression] = [expression]
        if isinstance(expression, Indicator) and len(expression.outputs) > 1:
            self._names = expression.outputs
            outputs = [Output(expression, name) for name in self._names]
        self._outputs = [self._step(output) for output in outputs]

    def update(self, bar: float | Bar) -> Any:
        """Take the next bar and return the value on it.

        Parameters
        ----------
        bar
            A mapping with the columns read (``open high low close volume``), or just the close.

        Returns
        -------
        float, int or namedtuple
            NaN while not known. Conditions give 0 False, 1 unknown, 2 True.
        """
        columns = bar if isinstance(bar, Mapping) else {"close": bar}
        self._memo.clear()
        values = [step(columns)[0].item() for step in self._outputs]
        return record(type(self.expression).__name__, self._names)(*values) if self._names else values[0]

    def _step(self, expression: Expression) -> Step:
        """One step per distinct expression: shared parts advance once a bar."""
        if expression not in self._steps:
            self._steps[expression] = self._remembered(expression, self._build(expression))
        return self._steps[expression]

    def _remembered(self, expression: Expression, step: Callable[[Bar], Any]) -> Callable[[Bar], Any]:
        def remembered(bar: Bar) -> Any:
            if expression not in self._memo:
                self._memo[expression] = step(bar)
            return self._memo[expression]

        return remembered

    def _build(self, expression: Expression) -> Callable[[Bar], Any]:
        if isinstance(expression, Number):
            constant = np.array([expression.value])
            return lambda bar: constant
        if isinstance(expression, Column):
            return lambda bar: _column(bar, expression.name)
        if isinstance(expression, Output):
            record, place = self._record_step(expression.indicator), expression.indicator.outputs.index(expression.name)
            return lambda bar: record(bar)[place]
        if isinstance(expression, Indicator):
            return self._step(Output(expression, expression.outputs[only_output(expression)]))
        if isinstance(expression, Applied):
            return self._applied(expression)
        message = f"{expression!r} has no value yet: bind its parameters first"
        raise ParameterError(message)

    def _record_step(self, indicator: Indicator) -> Callable[[Bar], Any]:
        if indicator not in self._steps:
            self._steps[indicator] = self._remembered(indicator, self._kernel_step(indicator))
        return self._steps[indicator]

    def _kernel_step(self, indicator: Indicator) -> Callable[[Bar], Any]:
        refuse_grid(indicator)
        inputs = [self._step(expression) for expression in indicator.input_expressions()]
        if not indicator.is_compiled:
            return _replayed(indicator, inputs)
        kernel, arguments = find_kernel(indicator.kernel), indicator.arguments()
        state, results = np.zeros(indicator.state_size()), tuple(np.empty(1) for _ in indicator.outputs)

        def step(bar: Bar) -> tuple[np.ndarray[Any, Any], ...]:
            kernel(*(as_input(read(bar)) for read in inputs), *arguments, state, *results)
            return tuple(result.copy() for result in results)

        return step

    def _applied(self, expression: Applied) -> Callable[[Bar], Any]:
        if expression.name.startswith("rank"):
            message = f"{expression!r} needs all symbols of a day; a stream sees one symbol"
            raise ParameterError(message)
        if expression.name == "shift":
            return _shift(self._step(expression.operands[0]), int(scalar(expression.operands[1])))
        operands = [self._step(operand) for operand in expression.operands]
        if expression.name.startswith("crosses"):
            return _crosses(operands if expression.name == "crosses_above" else operands[::-1])
        function = ELEMENTWISE[expression.name]
        return lambda bar: function(*(operand(bar) for operand in operands))


def _column(bar: Bar, name: str) -> np.ndarray[Any, Any]:
    if name not in bar:
        message = f"expected {name!r} in the bar; found {', '.join(bar)}"
        raise DataError(message)
    value: Any = bar[name]
    if name == "date" and not isinstance(value, int | float):
        value = np.datetime64(value, "D").astype(np.float64)
    try:
        return np.array([value], dtype=np.float64)
    except (TypeError, ValueError):
        message = f"expected a number for {name} in the bar; found {value!r}"
        raise DataError(message) from None


def _shift(read: Step, bars: int) -> Step:
    held: deque[np.ndarray[Any, Any]] = deque(maxlen=bars + 1)

    def step(bar: Bar) -> np.ndarray[Any, Any]:
        value = read(bar)
        held.append(value)
        unknown = np.full(1, np.nan) if value.dtype.kind == "f" else np.full(1, UNKNOWN, dtype=np.int8)
        return held[0] if len(held) > bars else unknown

    return step


def _crosses(operands: list[Step]) -> Step:
    from stockstream_kernels.expressions import crosses

    state, crossed = np.zeros(1), np.empty(1, dtype=np.int8)

    def step(bar: Bar) -> np.ndarray[Any, Any]:
        crosses(as_input(operands[0](bar)), as_input(operands[1](bar)), state, crossed)
        return crossed.copy()

    return step


def _replayed(indicator: Indicator, inputs: list[Step]) -> Callable[[Bar], Any]:
    """Compute all bars so far again with each one, O(T): indicators written as functions have no state."""
    history: list[list[float]] = [[] for _ in inputs]

    def step(bar: Bar) -> tuple[np.ndarray[Any, Any], ...]:
        for values, read in zip(history, inputs, strict=True):
            values.append(read(bar)[0].item())
        results = tuple(np.empty(len(history[0])) for _ in indicator.outputs)
        indicator.write([np.array(values) for values in history], results, (slice(None),))
        return tuple(result[-1:] for result in results)

    return step
