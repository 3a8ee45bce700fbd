"""Sixty-four candles at once: what they measure, and comparisons, in vectors that a compiler does not find by itself.

Written as loops over rows of one array none of this becomes vectors, and a pattern took five to ten times as long.
Places are subscripts of the state on the first bar of a word; without the compiler the plain functions run instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream_kernels._numba import numba

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.ledger import Series

#: Bars of a word, of a vector, and of the past that a row holds in front of its word.
WORD: Final = 64
LANES: Final = 32
PAST: Final = 16


def measure(state: Series, at: int, width: int) -> np.uint64:
    """Write the rows after the four of prices, `width` apart from `at` on; return the word of bars that are finite."""
    open_, high, low, close, top, bottom, body, upper, lower, middle, size, shadows = (
        state[at + row * width : at + row * width + WORD] for row in range(12)
    )
    top[:], bottom[:] = np.maximum(open_, close), np.minimum(open_, close)
    body[:], size[:] = abs(close - open_), high - low
    upper[:], lower[:] = high - top, bottom - low
    middle[:], shadows[:] = low + size / 2.0, upper + lower
    total = (open_ + high) + (low + close)
    return _packed(total - total == 0.0)


def scale(state: Series, at: int, divisor: float, factor: float) -> None:
    """Divide a word and multiply it."""
    state[at : at + WORD] = factor * (state[at : at + WORD] / divisor)


def compare(state: Series, terms: tuple[int, int, int, int], sign: float, last: float, relation: int) -> np.uint64:
    """Return the word of bars on which the first term stands in the relation (``> >= < <=``) to the other three."""
    value, bound, third, fourth = (state[term : term + WORD] for term in terms)
    bound = bound + sign * third + last * fourth
    above = value > bound if relation < 2 else value < bound
    return _packed(above | (value == bound) if relation % 2 else above)


def keep_past(state: Series, to: int, source: int) -> None:
    """Copy the past of a row, which may overlap with itself."""
    state[to : to + PAST] = state[source : source + PAST].copy()


def _packed(bits: NDArray[np.bool_]) -> np.uint64:
    return np.uint64(np.packbits(bits, bitorder="little").view(np.uint64)[0])


# ---- the same, compiled ------------------------------------------------------------------------------------------


class _Rows:
    """Vectors of a state array in the code that is being built."""

    def __init__(self, context: Any, builder: Any, kind: Any, state: Any, lanes: int = LANES) -> None:
        from llvmlite import ir

        self.ir, self.builder = ir, builder
        self.data = context.make_array(kind)(context, builder, state).data
        self.whole, self.vector = ir.IntType(64), ir.VectorType(ir.DoubleType(), lanes)

    def address(self, at: Any, offset: int) -> Any:
        place = self.builder.gep(self.data, [self.builder.add(at, self.ir.Constant(at.type, offset))])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def load(self, at: Any, offset: int) -> Any:
        loaded = self.builder.load(self.address(at, offset))
        loaded.align = 8
        return loaded

    def store(self, values: Any, at: Any, offset: int) -> None:
        self.builder.store(values, self.address(at, offset)).align = 8

    def spread(self, number: Any) -> Any:
        empty = self.ir.Constant(self.vector, self.ir.Undefined)
        first = self.builder.insert_element(empty, number, self.ir.Constant(self.ir.IntType(32), 0))
        lanes = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, empty, lanes)

    def joined(self, word: Any, bits: Any, offset: int) -> Any:
        part = self.builder.zext(self.builder.bitcast(bits, self.ir.IntType(LANES)), self.whole)
        return self.builder.or_(word, self.builder.shl(part, self.ir.Constant(self.whole, offset)))

    def number(self, value: float) -> Any:
        return self.ir.Constant(self.vector, [value] * LANES)


def _measure(typing: Any, state: Any, at: Any, width: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        place, word = [args[1]], rows.ir.Constant(rows.whole, 0)
        for _ in range(11):
            place.append(builder.add(place[-1], args[2]))
        for offset in range(0, WORD, LANES):
            open_, high, low, close = (rows.load(place[row], offset) for row in range(4))
            rises = builder.fcmp_ordered(">", close, open_)
            top, bottom = builder.select(rises, close, open_), builder.select(rises, open_, close)
            size, upper, lower = builder.fsub(high, low), builder.fsub(high, top), builder.fsub(bottom, low)
            middle = builder.fadd(low, builder.fmul(size, rows.number(0.5)))
            made = (top, bottom, builder.fsub(top, bottom), upper, lower, middle, size, builder.fadd(upper, lower))
            for row, values in enumerate(made, start=4):
                rows.store(values, place[row], offset)
            total = builder.fadd(builder.fadd(open_, high), builder.fadd(low, close))
            finite = builder.fcmp_ordered("==", builder.fsub(total, total), rows.number(0.0))
            word = rows.joined(word, finite, offset)
        return word

    return numba.types.uint64(state, numba.types.intp, numba.types.intp), code


def _scale(typing: Any, state: Any, at: Any, divisor: Any, factor: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        below, times = rows.spread(args[2]), rows.spread(args[3])
        for offset in range(0, WORD, LANES):
            rows.store(builder.fmul(times, builder.fdiv(rows.load(args[1], offset), below)), args[1], offset)
        return context.get_dummy_value()

    return numba.types.void(state, numba.types.intp, numba.types.float64, numba.types.float64), code


def _compare(typing: Any, state: Any, terms: Any, sign: Any, last: Any, relation: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        first, second, third, fourth = (builder.extract_value(args[1], k) for k in range(4))
        one, two = rows.spread(args[2]), rows.spread(args[3])
        above = below = same = rows.ir.Constant(rows.whole, 0)
        for offset in range(0, WORD, LANES):
            value = rows.load(first, offset)
            bound = builder.fadd(rows.load(second, offset), builder.fmul(one, rows.load(third, offset)))
            bound = builder.fadd(bound, builder.fmul(two, rows.load(fourth, offset)))
            above = rows.joined(above, builder.fcmp_ordered(">", value, bound), offset)
            below = rows.joined(below, builder.fcmp_ordered("<", value, bound), offset)
            same = rows.joined(same, builder.fcmp_ordered("==", value, bound), offset)
        zero, one_more, two_more = (rows.ir.Constant(args[4].type, number) for number in (0, 1, 2))
        upwards = builder.icmp_signed("<", args[4], two_more)
        loose = builder.icmp_signed("!=", builder.and_(args[4], one_more), zero)
        strict = builder.select(upwards, above, below)
        return builder.select(loose, builder.or_(strict, same), strict)

    whole, real = numba.types.intp, numba.types.float64
    four: Any = numba.types.UniTuple(whole, 4)  # type: ignore[no-untyped-call]
    return numba.types.uint64(state, four, real, real, whole), code


def _keep_past(typing: Any, state: Any, to: Any, source: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0], PAST)
        rows.store(rows.load(args[2], 0), args[1], 0)
        return context.get_dummy_value()

    return numba.types.void(state, numba.types.intp, numba.types.intp), code


if not getattr(numba.config, "DISABLE_JIT", 0):
    measure = numba.extending.intrinsic(_measure)  # type: ignore[assignment]
    scale = numba.extending.intrinsic(_scale)  # type: ignore[assignment]
    compare = numba.extending.intrinsic(_compare)  # type: ignore[assignment]
    keep_past = numba.extending.intrinsic(_keep_past)  # type: ignore[assignment]
