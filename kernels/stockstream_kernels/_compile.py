"""The decorators of kernels and of the steps that kernels are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from stockstream_kernels._numba import numba


def kernel[F: Callable[..., Any]](func: F) -> F:
    """Compile a function on first use, without the GIL, with IEEE division, cached on disk where possible.

    `fastmath` stays off (it makes ``isnan`` False) and signatures stay lazy (eager ones cost seconds at import).
    The plain Python function is ``func.py_func``; with ``NUMBA_DISABLE_JIT=1`` it is what runs.
    """
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


def direct[F: Callable[..., Any]](func: F) -> F:
    """Return the one compiled form of a kernel that has been called once, to be called with the same types again.

    A kernel called from Python first looks at the type of every argument; for records that took 20 microseconds a call,
    five times the call itself (measured on the event loop). Plain Python, with the compiler off, is returned as it is.
    """
    signatures: Any = getattr(func, "nopython_signatures", ())
    if len(signatures) != 1:
        return func
    return cast("F", func.get_overload(signatures[0]))  # type: ignore[attr-defined]


def _compiled[F: Callable[..., Any]](func: F, **options: Any) -> F:
    if getattr(numba.config, "DISABLE_JIT", 0):  # plain Python warns where compiled code divides by zero in silence
        return np.errstate(all="ignore")(func)
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


if not getattr(numba.config, "DISABLE_JIT", 0):
    truncated = numba.extending.intrinsic(_truncated)  # type: ignore[assignment]
    smaller = numba.extending.intrinsic(_smaller)  # type: ignore[assignment]
