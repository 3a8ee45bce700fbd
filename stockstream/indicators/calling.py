"""Between anybody's arrays and kernels: what goes in is checked and of one type, what comes out has the right shape."""

from __future__ import annotations

import functools
import gc
import importlib
import math
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from stockstream.errors import DataError, counted

if TYPE_CHECKING:
    from stockstream.indicators.indicator import Indicator

type Series = NDArray[np.float64]

#: Numbers in a line of the cache.
LINE: Final = 8


def readonly(values: Series) -> Series:
    """Return a read-only view, for functions of the user's."""
    view = values.view()
    view.flags.writeable = False
    return view


class _Memory:
    """The memory of a read-only array, described as one that may be written to."""

    def __init__(self, values: Series) -> None:
        self.owner = values
        self.__array_interface__ = {**values.__array_interface__, "data": (values.ctypes.data, False)}


def as_input(values: Series) -> Series:
    """Return an array on the same memory that says it may be written to.

    To the compiler a read-only array is a type of its own: a kernel, and all that it calls, would be compiled once for
    such inputs and again for its own intermediate results (Hull's average: 2.7 s, 1.6 for one type). Kernels never
    write to inputs, and a test holds them to it.
    """
    return values if values.flags.writeable else np.asarray(_Memory(values))


def checked_series(name: str, values: Any) -> Series:
    """Return one symbol's bars as a contiguous float64 array; dates become days since 1970-01-01.

    Raises
    ------
    DataError
        Not numbers, or not one-dimensional.
    """
    array = np.asarray(values)
    if name == "date" and array.dtype.kind == "M":
        array = array.astype("datetime64[D]").astype(np.float64)
    if array.dtype.kind not in "fiu":
        message = f"expected numbers for {name}; found an array of {array.dtype}"
        raise DataError(message)
    if array.ndim != 1:
        message = (
            f"expected {name} of shape (T,), one symbol's bars in order; found {array.shape}. "
            "Pass Bars for many symbols."
        )
        raise DataError(message)
    return np.ascontiguousarray(array, dtype=np.float64)


def checked_inputs(owner: str, names: Sequence[str], inputs: Sequence[Any]) -> list[Series]:
    """Return the arrays behind the inputs of those names, all of one length.

    Raises
    ------
    DataError
        Too many or too few arrays, different lengths, or an array that is not a series of numbers.
    """
    if len(inputs) != len(names):
        noun = "array" if len(names) == 1 else "arrays"
        message = f"{owner} expects {len(names)} {noun} ({', '.join(names)}); found {len(inputs)}"
        raise DataError(message)
    arrays = [checked_series(name, values) for name, values in zip(names, inputs, strict=True)]
    if len({len(values) for values in arrays}) > 1:
        found = ", ".join(f"{name} {len(values)}" for name, values in zip(names, arrays, strict=True))
        message = f"{owner} expects arrays of one length; found {found}"
        raise DataError(message)
    return arrays


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python from looking for garbage: the compiler makes a million objects and almost none; 8 % of first use."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@functools.cache
def find_kernel(path: str) -> Callable[..., None]:
    """Import a kernel by ``"module:function"``."""
    module, _, function = path.partition(":")
    with collector_paused():
        return cast("Callable[..., None]", getattr(importlib.import_module(f"stockstream_kernels.{module}"), function))


@functools.cache
def record(name: str, outputs: tuple[str, ...]) -> Any:
    """Return the namedtuple of several outputs."""
    return namedtuple(name, outputs)


#: Kernels that have been called in this process.
_compiled: set[str] = set()


def aligned(*shape: int) -> NDArray[np.float64]:
    """Return an array without values that begins with a line of the cache.

    A row of eight numbers is then fetched at once; vectors that lie across two lines take a tenth to a fifth longer.
    """
    count = math.prod(shape)
    memory = np.empty(count + LINE)
    first = -(memory.__array_interface__["data"][0] // memory.itemsize) % LINE
    return memory[first : first + count].reshape(shape)


def fresh_state(size: int) -> Series:
    """Return the zeros that a kernel begins with.

    Examples
    --------
    >>> fresh_state(3)
    array([0., 0., 0.])
    """
    state = aligned(size)
    state.fill(0.0)
    return state


def run_kernel(
    indicator: Indicator, series: Sequence[Series], results: Sequence[Series], pieces: Sequence[slice]
) -> None:
    """Run the kernel over each piece of flat columns, from fresh state, and write into the same piece of the results.

    One state serves all pieces: between symbols of a panel it is only zeroed, because allocating cost as much as
    computing 2,500 bars.
    """
    kernel, arguments = find_kernel(indicator.kernel), indicator.arguments()
    state = fresh_state(indicator.state_size())
    inputs = [as_input(values) for values in series]
    if indicator.kernel not in _compiled:
        _compiled.add(indicator.kernel)
        with collector_paused():
            run_kernel(indicator, series, results, pieces)
        return
    for piece in pieces:
        kernel(*[values[piece] for values in inputs], *arguments, state, *[result[piece] for result in results])
        state.fill(0.0)


def answers(indicator: Indicator, given: Any, bars: int) -> list[Series]:
    """Return what a function of the user's gave, as one array of ``(bars,)`` per output.

    Raises
    ------
    DataError
        Not one array of numbers of that length per output.
    """
    names = indicator.outputs
    if isinstance(given, Mapping):
        parts: Sequence[Any] = [given[name] for name in names if name in given]
    elif isinstance(given, tuple | list) and (len(names) > 1 or len(given) == 1):
        parts = given
    else:
        parts = [given]
    arrays = [np.asarray(part) for part in parts]
    right = all(array.shape == (bars,) and array.dtype.kind in "fiub" for array in arrays)
    if len(arrays) != len(names) or not right:
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays) or "nothing"
        message = (
            f"{indicator!r} should give {counted(len(names), 'array')} of numbers of shape ({bars},) for "
            f"{', '.join(names)}; found {found}"
        )
        raise DataError(message)
    return [array.astype(np.float64) for array in arrays]
