"""What an indicator declares, and the three things one declaration can do.

One frozen dataclass per indicator: its fields are its parameters (with ranges), its class attributes say what it reads,
what it gives, which kernel computes it and where the definition comes from. From the declaration come the call on
arrays, the columns on frames, the expression in rules, the streaming form, the tables of the documentation and the
parity test against the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from stockstream.bars import Bars
from stockstream.errors import DataError, ParameterError, counted, did_you_mean
from stockstream.indicators.calling import Series, answers, checked_inputs, readonly, record, run_kernel
from stockstream.indicators.declaration import (
    LARGEST_WINDOW,
    Oracle,
    Range,
    check_ascending,
    choice,
    field_names,
    parameter,
    ranges_of,
    refuse_undecorated,
)
from stockstream.indicators.expression import Column, Expression, Parameter, as_expression, scalar
from stockstream.indicators.grids import grid_rows
from stockstream.schema import PRICES

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike

    from stockstream.indicators.stream import Stream

__all__ = ["LARGEST_WINDOW", "Indicator", "Oracle", "Output", "Range", "Series", "choice", "parameter"]


#: One piece: a single series of bars.
_ALL: Final = (slice(None),)


@dataclass(frozen=True)
class Indicator(Expression):
    """An indicator as data: on arrays, on frames, in rules and bar by bar.

    To add one of your own, decorate a function with `stockstream.indicator`, or subclass this and write either
    ``compute(*inputs)`` (arrays in, one array per output out) or ``calculate(df)`` (a Polars frame of one symbol's own
    bars in, the frame with new columns out).

    Attributes
    ----------
    group, inputs, outputs
        Family; names of the columns it reads; names of what it gives.
    kernel
        ``"module:function"`` in ``stockstream_kernels``.
    grid_kernel
        The same for many values in one call; without it a grid is a loop over single calls.
    grid_parameters
        How many of the first parameters, all of them whole numbers, it takes many values of. Where they are several,
        the length of the state does not depend on them.
    ascending
        Parameters of which each must be smaller than the next.
    source, oracle
        Where the definition comes from, and what the tests compare with.
    per_bar
        Cost of one update of the streaming form: "O(1)", or what it is instead and why.
    recursive
        True when the state never forgets: NaN gives NaN on its bar and the state is carried over it.
    """

    of: Expression | None = field(default=None, kw_only=True)

    group: ClassVar[str] = "custom"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[str, ...]] = ()
    kernel: ClassVar[str] = ""
    grid_kernel: ClassVar[str] = ""
    grid_parameters: ClassVar[int] = 1
    ascending: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""
    oracle: ClassVar[Oracle | None] = None
    per_bar: ClassVar[str] = "O(1)"
    recursive: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        taken = set(vars(cls).get("__annotations__", {})) & {*vars(cls).get("outputs", ()), *dir(Expression)}
        if taken:
            message = (
                f"{cls.__name__}: the parameter {min(taken)!r} is also an output or a method of expressions; rename it"
            )
            raise TypeError(message)
        cls.outputs = cls.__dict__.get("outputs") or getattr(cls, "outputs", ()) or (cls.__name__.lower(),)

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make an instance, of a class that was declared in full."""
        refuse_undecorated(cls)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        owner, open_, grid = type(self).__name__, False, False
        for name, allowed in ranges_of(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, Expression):
                open_ = True
                continue
            if _is_grid(value):
                grid = True
                checked: Any = tuple(allowed.checked(owner, name, item) for item in value)
                if not checked:
                    message = f"{owner}: expected at least one value for {name}; found an empty sequence"
                    raise ParameterError(message)
            else:
                checked = allowed.checked(owner, name, value)
            object.__setattr__(self, name, checked)
        if self.of is not None:
            if sum(name in PRICES for name in self.inputs) != 1:
                message = (
                    f"{type(self).__name__} reads {', '.join(self.inputs)}; of= replaces a single price series only"
                )
                raise ParameterError(message)
            object.__setattr__(self, "of", as_expression(self.of))
        if not (open_ or grid or (self._reads_expressions() and self.parameters())):
            self.check()

    def _reads_expressions(self) -> bool:
        """Whether anything but columns may stand behind its inputs; those hold no parameters."""
        return self.of is not None or type(self).input_expressions is not Indicator.input_expressions

    def check(self) -> None:
        """Refuse combinations of parameters that are each in range but make no sense together."""
        if self.ascending:
            check_ascending(type(self).__name__, self.ascending, self.values)

    # ---- what is declared -------------------------------------------------------------------------------------

    @classmethod
    def ranges(cls) -> dict[str, Range]:
        """Name of every parameter and what it may be, in order."""
        return dict(ranges_of(cls))

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name and default of every parameter, in order."""
        return {f.name: f.default for f in fields(cls) if "range" in f.metadata}

    @classmethod
    def meaning(cls) -> str:
        """One line on what it says."""
        return (cls.__doc__ or "").strip().splitlines()[0] if cls.__doc__ else ""

    @property
    def values(self) -> dict[str, Any]:
        """Name and value of every parameter."""
        return {name: getattr(self, name) for name in ranges_of(type(self))}

    @property
    def is_grid(self) -> bool:
        """True when a parameter holds several values."""
        return any(isinstance(value, tuple) for value in self.values.values())

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions it reads, one per input, and the parameters that are not numbers yet."""
        unknown = tuple(value for value in self.values.values() if isinstance(value, Expression))
        return (*self.input_expressions(), *unknown)

    def input_expressions(self) -> tuple[Expression, ...]:
        """Return the expression behind each input: the column of its name, or `of` in the place of the price."""
        return tuple(self.of if self.of is not None and name in PRICES else Column(name) for name in self.inputs)

    def bind(self, values: Mapping[str, Any]) -> Indicator:
        """Put numbers in the place of parameters; whole ones where the declaration says so."""
        changes: dict[str, Any] = {}
        for name, allowed in ranges_of(type(self)).items():
            value = getattr(self, name)
            if not isinstance(value, Expression):
                continue
            if isinstance(value, Parameter) and value.name in values:
                number = values[value.name]
            else:
                bound = value.bind(values)
                number = bound if bound.parameters() else scalar(bound)
            whole = allowed.kind == "int" and isinstance(number, float) and number.is_integer()
            changes[name] = int(number) if whole else number
        for name in field_names(type(self)):
            expression = getattr(self, name)
            if name not in changes and isinstance(expression, Expression):
                changes[name] = expression.bind(values)
        return replace(self, **changes) if changes else self

    def binds_to(self, values: Mapping[str, Any], other: object) -> bool:
        """Whether the other is of the same kind, with these numbers in the place of parameters."""
        if type(other) is not type(self):
            return False
        ranges = ranges_of(type(self))
        for name in field_names(type(self)):
            own, built = getattr(self, name), getattr(other, name)
            if not isinstance(own, Expression):
                if own != built:
                    return False
            elif isinstance(own, Parameter) and own.name in values and name in ranges:
                if values[own.name] != built:
                    return False
            elif name in ranges:
                bound = own.bind(values)
                if (bound if bound.parameters() else scalar(bound)) != built:
                    return False
            elif not own.binds_to(values, built):
                return False
        return True

    def state_size(self) -> int:
        """Length of the kernel's state."""
        return 8

    def warmup(self) -> int:
        """Index of the first bar with a value, for input that is finite from the first bar on."""
        return 0

    def arguments(self) -> tuple[Any, ...]:
        """Return what the kernel takes between inputs and state; switches become whole numbers by their place."""
        ranges = ranges_of(type(self))
        return tuple(
            ranges[name].choices.index(value) if ranges[name].kind == "choice" else value
            for name, value in self.values.items()
        )

    # ---- names ------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        shown = [
            repr(value) if name not in self._switches() else f"{name}={value!r}"
            for name, value in self.values.items()
            if name not in self._switches() or value != self.defaults()[name]
        ]
        shown += [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if self._is_input(f.name) and getattr(self, f.name) is not None
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def _switches(cls) -> frozenset[str]:
        return frozenset(name for name, allowed in cls.ranges().items() if allowed.kind == "choice")

    @classmethod
    def _is_input(cls, name: str) -> bool:
        return name not in cls.ranges()

    def _repr_html_(self) -> str:
        from html import escape

        rows = {"says": type(self).meaning(), "reads": ", ".join(self.inputs), "gives": ", ".join(self.outputs)}
        cells = "".join(
            f"<tr><td>{name}</td><td style='text-align:left'>{escape(text)}</td></tr>" for name, text in rows.items()
        )
        return f"<div><code>{escape(repr(self))}</code><table>{cells}</table></div>"

    def column_names(self) -> tuple[str, ...]:
        """Names of the columns on a frame.

        A single number is always part of the name (``rsi_14``); several only when one of them is not the default
        (``macd``, ``macd_5_35_5``); a switch only when it is not the default (``ema_20_first``).
        """
        numbers = [name for name in self.ranges() if name not in self._switches()]
        values, defaults = self.values, self.defaults()
        parts = []
        if len(numbers) == 1 or any(values[name] != defaults[name] for name in numbers):
            parts += [f"{values[name]:g}" if isinstance(values[name], float) else str(values[name]) for name in numbers]
        parts += [str(values[name]) for name in sorted(self._switches()) if values[name] != defaults[name]]
        if self.of is not None:
            inner = self.of.column_names()[0] if isinstance(self.of, Indicator | Output) else repr(self.of)
            parts.append(f"of_{inner}")
        return tuple("_".join([name, *parts]) for name in (self.columns or self.outputs))

    def __getattr__(self, name: str) -> Output:
        """Return one output of several as an expression, such as ``BBANDS(20, 2).upper``."""
        if name.startswith("_") or name not in type(self).outputs:
            owner, outputs = type(self).__name__, type(self).outputs
            message = f"{owner} has no output or attribute {name!r}; outputs: {', '.join(outputs)}."
            message += did_you_mean(name, outputs)
            raise AttributeError(message)
        return Output(self, name)

    def to_dict(self) -> Any:
        """Return ``{"indicator": name, parameter: value, …}``."""
        data: dict[str, Any] = {"indicator": type(self).__name__}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and (self._is_input(f.name) or value != f.default):
                data[f.name] = value.to_dict() if isinstance(value, Expression) else value
        return data

    # ---- computing --------------------------------------------------------------------------------------------

    def compute(self, *inputs: Series) -> Any:
        """Return one array per output for one symbol's own bars.

        Parameters
        ----------
        *inputs
            Read-only C-contiguous float64, all of one length T; at least one bar.

        Returns
        -------
        tuple of ndarray
            One of shape ``(T,)`` per output, NaN where there is no value. In an indicator of your own also one array
            alone, or a mapping from output to array.
        """
        results = tuple(np.empty(len(inputs[0])) for _ in self.outputs)
        self.write(inputs, results, _ALL)
        return results

    @property
    def is_compiled(self) -> bool:
        """True when a kernel computes it, False when a function of the user's does."""
        return (type(self).compute, type(self).calculate) == (Indicator.compute, Indicator.calculate)

    def write(self, series: Sequence[Series], results: Sequence[Series], pieces: Sequence[slice]) -> None:
        """Compute each piece of flat columns on its own, and write into the same piece of the results.

        Raises
        ------
        ParameterError
            Nothing says how to compute it.
        DataError
            A function of the user's gave something other than one array of numbers a bar per output.
        """
        if self.is_compiled:
            if not self.kernel:
                message = f"{type(self).__name__} declares no kernel: write compute(*inputs) or calculate(df)"
                raise ParameterError(message)
            run_kernel(self, series, results, pieces)
            return
        by_frame = type(self).compute is Indicator.compute
        for piece in pieces:
            own = [readonly(values[piece]) for values in series]
            bars = len(own[0])
            if bars:
                given = self._compute_by_frame(own) if by_frame else self.compute(*own)
                for result, values in zip(results, answers(self, given, bars), strict=True):
                    result[piece] = values

    def _compute_by_frame(self, inputs: Sequence[Series]) -> tuple[Series, ...]:
        import polars as pl

        frame = pl.DataFrame(dict(zip(self.inputs, inputs, strict=True)))
        answer = self.calculate(frame)
        missing = [name for name in self.column_names() if name not in answer.columns]
        if missing or answer.height != frame.height:
            message = (
                f"{type(self).__name__}.calculate: expected {counted(frame.height, 'row')} with "
                f"{', '.join(self.column_names())}; found {counted(answer.height, 'row')} with {answer.columns}"
            )
            raise DataError(message)
        return tuple(
            answer.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy() for name in self.column_names()
        )

    def __call__(self, *inputs: ArrayLike | Bars) -> Any:
        """Compute on arrays.

        Parameters
        ----------
        *inputs
            One array of shape ``(T,)`` per name in `inputs`, or one `Bars`.

        Returns
        -------
        ndarray or namedtuple of ndarray
            ``(T,)`` per output, NaN during warm-up; ``(S, T)`` for `Bars`; with a grid of parameters one row more in
            front for each combination, in the order of `itertools.product`.

        Raises
        ------
        DataError
            Arrays of different length, not one-dimensional, or not numbers.
        """
        if len(inputs) == 1 and isinstance(inputs[0], Bars):
            return self._over_bars(inputs[0])
        arrays = self._checked(inputs)
        if not self.is_grid:
            single = tuple(np.empty(len(arrays[0])) for _ in self.outputs)
            self.write(arrays, single, _ALL)
            return self._pack(*single)
        return self._pack(*grid_rows(self, arrays))

    def _checked(self, inputs: Sequence[Any]) -> list[Series]:
        if self.of is not None:
            name = type(self).__name__
            message = f"{self!r} reads {self.of!r}: call it on Bars, use it in a rule, or call {name} on the array"
            raise ParameterError(message)
        return checked_inputs(type(self).__name__, self.inputs, inputs)

    def _over_bars(self, bars: Bars) -> Any:
        from stockstream.indicators.evaluate import Table, evaluate

        table = Table.from_bars(bars)
        return self._pack(*(table.scatter(evaluate(Output(self, name), table)) for name in self.outputs))

    def _pack(self, *results: Series) -> Any:
        return results[0] if len(self.outputs) == 1 else record(type(self).__name__, self.outputs)(*results)

    def calculate(self, df: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with this indicator's column(s), per symbol.

        Parameters
        ----------
        df
            The columns it reads, sorted by date within each symbol; without a ``symbol`` column it is one symbol.
        """
        from stockstream.indicators.frames import with_indicators

        return with_indicators(df, [self])

    def stream(self) -> Stream:
        """Return the bar-by-bar form: ``.update(bar)`` gives the same bits as the array form."""
        from stockstream.indicators.stream import Stream

        return Stream(self)


@dataclass(frozen=True)
class Output(Expression):
    """One output of an indicator that has several, or the only one."""

    indicator: Indicator
    name: str

    @property
    def children(self) -> tuple[Expression, ...]:
        """The indicator."""
        return (self.indicator,)

    def bind(self, values: Mapping[str, Any]) -> Output:
        """Put numbers in the place of parameters."""
        return Output(self.indicator.bind(values), self.name)

    def binds_to(self, values: Mapping[str, Any], other: object) -> bool:
        """Whether the other is the same output of what the indicator binds to."""
        return type(other) is Output and self.name == other.name and self.indicator.binds_to(values, other.indicator)

    def column_names(self) -> tuple[str, ...]:
        """Name of the output's column on a frame."""
        return (self.indicator.column_names()[self.indicator.outputs.index(self.name)],)

    def __repr__(self) -> str:
        return f"{self.indicator!r}.{self.name}"

    def to_dict(self) -> Any:
        """Return the indicator's form with ``"output": name``."""
        return {**self.indicator.to_dict(), "output": self.name}


def _is_grid(value: Any) -> bool:
    return not isinstance(value, int | float | str) and isinstance(value, Sequence | np.ndarray)
