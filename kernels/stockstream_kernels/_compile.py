"""The decorators of kernels and of the steps that kernels are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from stockstream_kernels._numba import numba

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Versions of Numba that `_target` has been tried with, whose inside it inherits from.
EXAMINED: Final = frozenset({"0.68.1"})
#: Numbers between two arrays on the stack: a write to one must not look like a read of the other, 4096 bytes apart.
APART: Final = 8


def kernel[F: Callable[..., Any]](func: F) -> F:
    """Compile a function on first use, without the GIL, with IEEE division, cached on disk where possible.

    `fastmath` stays off (it makes ``isnan`` False) and signatures stay lazy (eager ones cost seconds at import).
    It creates no array, other than by `scratch`, and does not count references to its arguments, which the caller
    holds: counting is a tenth of the compile time and some of the time to run. `allocating` is for those that do.
    The plain Python function is ``func.py_func``; with ``NUMBA_DISABLE_JIT=1`` it is what runs.
    """
    return _compiled(func, _nrt=False, no_cfunc_wrapper=True)


def allocating[F: Callable[..., Any]](func: F) -> F:
    """Compile a kernel that creates arrays, returns one, or sorts one."""
    return _compiled(func, no_cfunc_wrapper=True)


def step[F: Callable[..., Any]](func: F) -> F:
    """Compile a function that only kernels call and that creates no array.

    Without reference counting of its arguments: a book of twenty arrays handed from step to step cost more in counting
    than in simulating (measured: the portfolio loop ran 8 times slower with it). Without the wrapper for calls from
    Python: unboxing those arrays was a third of the compile time. Tests call ``func.py_func``.
    """
    return _compiled(func, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def part[F: Callable[..., Any]](func: F) -> F:
    """Compile a step that is called from one place, once for every few bars, as a part of what calls it.

    A call hands over each array as seven numbers, by memory. For 64 candles that took a quarter of the whole time.
    """
    return _compiled(func, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def spliced[F: Callable[..., Any]](func: F) -> F:
    """Put the lines of a function in place of its call when a kernel is compiled: for a step that is made of steps.

    A step is optimised, with all that it calls, before the kernel is with all of that once more: two levels of steps
    took a quarter of a second longer to compile than one. A kernel should call it in one place alone.
    """
    return _compiled(func, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always")


def direct[F: Callable[..., Any]](func: F) -> F:
    """Return the one compiled form of a kernel that has been called once, to be called with the same types again.

    A kernel called from Python first looks at the type of every argument; for records that took 20 microseconds a call,
    five times the call itself (measured on the event loop). Plain Python, with the compiler off, is returned as it is.
    """
    signatures: Any = getattr(func, "nopython_signatures", ())
    if len(signatures) != 1:
        return func
    return cast("F", func.get_overload(signatures[0]))  # type: ignore[attr-defined]


@functools.cache
def target() -> str:
    """Return the name of what kernels are compiled for: with other versions Numba's own target, in more time."""
    if numba.__version__ not in EXAMINED:
        return "cpu"
    from stockstream_kernels._target import NAME

    return NAME


def _compiled[F: Callable[..., Any]](func: F, **options: Any) -> F:
    if getattr(numba.config, "DISABLE_JIT", 0):  # plain Python warns where compiled code divides by zero in silence
        return np.errstate(all="ignore")(func)
    if "_nrt" in options:  # it makes nothing, and holds nothing but numbers and what it was given
        options["_target"] = target()
    try:
        return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy", **options)(func))
    except RuntimeError:  # nowhere to write a cache, as on AWS Lambda or a read-only image
        return cast("F", numba.njit(nogil=True, error_model="numpy", **options)(func))


def truncated(number: Any) -> int:
    """Return a number without its fraction: `int`, which as a function of Numba's takes long to compile."""
    return int(number)


def smaller(one: Any, two: Any) -> Any:
    """Return the smaller of two whole numbers, both unsigned or both signed: `min`, for the same reason."""
    return min(one, two)


def pick(condition: Any, one: Any, two: Any) -> Any:
    """Return one of two numbers, both of which are computed.

    It stands for ``one if condition else two``, which makes four blocks of one and takes twice as long to compile.
    """
    return one if condition else two


def scratch(most: int, count: int) -> NDArray[np.float64]:
    """Return an array of `count` numbers that lives as long as the call and has no values yet.

    It lies on the stack, in a place of `most` numbers, a constant, and the same place each time that the line runs:
    `np.empty` takes a fifth of a second to compile.
    """
    return np.empty(most)[:count]


def view(values: NDArray[np.float64], start: int, count: int) -> NDArray[np.float64]:
    """Return `count` values from `start` on, all of which there are: a slice, without what looks at its ends."""
    return values[start : start + count]


def _truncated(typing: Any, number: Any) -> Any:
    whole = numba.types.int64

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[0], signature.args[0], whole)

    return whole(numba.types.unliteral(number)), code  # type: ignore[no-untyped-call]


def _smaller(typing: Any, one: Any, two: Any) -> Any:
    given = [numba.types.unliteral(kind) for kind in (one, two)]  # type: ignore[no-untyped-call]
    if not all(isinstance(kind, numba.types.Integer) for kind in given):
        return None  # to the compiler: there is none for numbers with a fraction
    unsigned = given == [numba.types.uint64] * 2
    whole = numba.types.uint64 if unsigned else numba.types.int64

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        compared = builder.icmp_unsigned if unsigned else builder.icmp_signed
        return builder.select(compared("<", args[0], args[1]), args[0], args[1])

    return whole(whole, whole), code


def _pick(typing: Any, condition: Any, one: Any, two: Any) -> Any:
    kind = typing.unify_types(*[numba.types.unliteral(given) for given in (one, two)])  # type: ignore[no-untyped-call]
    if not isinstance(kind, numba.types.Number) or condition != numba.types.boolean:
        return None  # to the compiler: there is none for anything but numbers

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(args[0], args[1], args[2])

    return kind(numba.types.boolean, kind, kind), code


def _view(context: Any, builder: Any, place: Any, count: Any) -> Any:
    """Return an array of numbers that lie at a place and are somebody else's."""
    made = context.make_array(numba.types.Array(numba.types.float64, 1, "C"))(context, builder)
    width = context.get_constant(numba.types.intp, 8)
    numba.np.arrayobj.populate_array(made, place, [count], [width], width, None)  # type: ignore[no-untyped-call]
    return made._getvalue()


def _scratch(typing: Any, most: Any, count: Any) -> Any:
    if not isinstance(most, numba.types.IntegerLiteral):
        return None  # to the compiler: only a constant has a place on the stack
    array = numba.types.Array(numba.types.float64, 1, "C")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = context.get_value_type(numba.types.float64)
        room = context.get_constant(numba.types.intp, most.literal_value + APART)
        place = numba.core.cgutils.alloca_once(builder, number, size=room)  # type: ignore[no-untyped-call]
        return _view(context, builder, place, args[1])

    return array(most, numba.types.intp), code


def _view_of(typing: Any, values: Any, start: Any, count: Any) -> Any:
    array, whole = numba.types.Array(numba.types.float64, 1, "C"), numba.types.intp
    if values != array:
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = context.make_array(array)(context, builder, args[0])
        count = args[2]
        if getattr(numba.config, "BOUNDSCHECK", None):  # where subscripts are checked, it ends where the values do
            left = builder.sub(given.nitems, args[1])
            count = builder.select(builder.icmp_signed("<", count, left), count, left)
        return _view(context, builder, builder.gep(given.data, [args[1]]), count)

    return array(array, whole, whole), code


if not getattr(numba.config, "DISABLE_JIT", 0):
    truncated = numba.extending.intrinsic(_truncated)  # type: ignore[assignment]
    smaller = numba.extending.intrinsic(_smaller)  # type: ignore[assignment]
    pick = numba.extending.intrinsic(_pick)  # type: ignore[assignment]
    view = numba.extending.intrinsic(_view_of)  # type: ignore[assignment]
    scratch = numba.extending.intrinsic(prefer_literal=True)(_scratch)  # type: ignore[assignment]
