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

#: Bars of a word, of a vector, of the past that a row holds in front of its word, and of a piece of a running sum.
WORD: Final = 64
LANES: Final = 32
PAST: Final = 16
PART: Final = 16
#: Rows that `measure` can write.
MEASURED: Final = 12


def bars_of(
    open_: Series, high: Series, low: Series, close: Series, place: tuple[int, int], state: Series, to: int
) -> Any:
    """Return where each price of a word begins, for `measure`; of one that is not full after copying it to the state.

    The place is the first bar of the word, and how many it has.
    """
    start, count = place
    if count == WORD:
        return tuple(series[start : start + WORD] for series in (open_, high, low, close))
    for k, series in enumerate((open_, high, low, close)):
        state[to + k * WORD : to + k * WORD + count] = series[start : start + count]
    return tuple(state[to + k * WORD : to + (k + 1) * WORD] for k in range(4))


def measure(prices: Any, program: NDArray[np.int64], at: int, state: Series) -> tuple[np.uint64, np.uint64]:
    """Write what candles measure; return the word of bars that are finite and that of white ones.

    From `at` on the program says for each measure where it goes; those that say 0 are left out.
    """
    open_, high, low, close = (np.array(price) for price in prices)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    size, upper, lower = high - low, high - top, bottom - low
    measures = (open_, high, low, close, top, bottom, top - bottom, upper, lower, low + size / 2.0, size, upper + lower)
    for row, values in enumerate(measures):
        if program[at + row] != 0:
            state[program[at + row] : program[at + row] + WORD] = values
    total = (open_ + high) + (low + close)
    return _packed(total - total == 0.0), _packed(close >= open_)


def accumulate(state: Series, newest: int, period: int, to: int, total: float) -> float:
    """Write a running sum before each bar of a part of a word; return it after them."""
    for k in range(PART):
        state[to + k] = total
        total += state[newest + k] - state[newest + k - period]
    return total


def scale(state: Series, source: int, to: int, period: int, factors: Series, at: int) -> None:
    """Write a word divided by a period and multiplied by the third of three factors.

    The first two are 1 / period and what that is short of it. With both, one rounding gives the quotient to the last
    bit, unless it is so small that the product with the second loses digits (under 1e-290); dividing took four times
    as long.
    """
    state[to : to + WORD] = factors[at + 2] * (state[source : source + WORD] / period)


def combine(state: Series, to: int, terms: tuple[int, int, int], one: float, two: float) -> None:
    """Write the first of three terms plus `one` times the second plus `two` times the third."""
    first, second, third = (state[term : term + WORD] for term in terms)
    state[to : to + WORD] = first + one * second + two * third


def compare(state: Series, one: int, two: int) -> np.uint64:
    """Return the word of bars on which one term is above another."""
    return _packed(state[one : one + WORD] > state[two : two + WORD])


def clear(values: Series, at: int, count: int) -> None:
    """Write zeros from a place on."""
    values[at : at + count] = 0.0


def copy(source: Series, at: int, state: Series, to: int, count: int) -> None:
    """Copy numbers from one array to another."""
    state[to : to + count] = source[at : at + count]


def paint(out: Series, at: int, word: np.uint64, value: float) -> None:
    """Write a value on the bars of a word, of which all are there."""
    bits = np.unpackbits(np.array([word], dtype=np.uint64).view(np.uint8), bitorder="little")
    out[at : at + WORD][bits == 1] = value


def keep_past(state: Series, row: int, count: int) -> None:
    """Let a row begin `count` bars later: copy its new past, which may overlap with itself."""
    state[row - PAST : row] = state[row - PAST + count : row + count].copy()


def remember(state: Series, at: int, word: np.uint64) -> None:
    """Write a word in the place of a number."""
    state[at : at + 1].view(np.uint64)[0] = word


def recall(state: Series, at: int) -> np.uint64:
    """Return a word that was written in the place of a number."""
    word: np.uint64 = state[at : at + 1].view(np.uint64)[0]
    return word


def _packed(bits: NDArray[np.bool_]) -> np.uint64:
    return np.uint64(np.packbits(bits, bitorder="little").view(np.uint64)[0])


# ---- the same, compiled ------------------------------------------------------------------------------------------


class _Rows:
    """Vectors of an array in the code that is being built."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any, lanes: int = LANES) -> None:
        from llvmlite import ir

        self.ir, self.builder, self.lanes = ir, builder, lanes
        self.tools: Any = numba.core.cgutils
        self.data = context.make_array(kind)(context, builder, array).data
        self.whole, self.vector = ir.IntType(64), ir.VectorType(ir.DoubleType(), lanes)

    def place(self, at: Any, offset: int = 0) -> Any:
        return self.builder.gep(self.data, [self.builder.add(at, self.ir.Constant(at.type, offset))])

    def load(self, at: Any, offset: int) -> Any:
        loaded = self.builder.load(self.builder.bitcast(self.place(at, offset), self.vector.as_pointer()))
        loaded.align = 8
        return loaded

    def store(self, values: Any, at: Any, offset: int) -> None:
        self.builder.store(values, self.builder.bitcast(self.place(at, offset), self.vector.as_pointer())).align = 8

    def spread(self, number: Any) -> Any:
        empty = self.ir.Constant(self.vector, self.ir.Undefined)
        first = self.builder.insert_element(empty, number, self.ir.Constant(self.ir.IntType(32), 0))
        lanes = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, empty, lanes)

    def joined(self, word: Any, bits: Any, offset: int) -> Any:
        part = self.builder.zext(self.builder.bitcast(bits, self.ir.IntType(self.lanes)), self.whole)
        return self.builder.or_(word, self.builder.shl(part, self.ir.Constant(self.whole, offset)))

    def number(self, value: float) -> Any:
        return self.ir.Constant(self.vector, [value] * self.lanes)


def _bars_of(typing: Any, open_: Any, high: Any, low: Any, close: Any, place: Any, state: Any, to: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, count = (builder.extract_value(args[4], k) for k in range(2))
        rows = _Rows(context, builder, signature.args[5], args[5])
        own = [_Rows(context, builder, signature.args[k], args[k]).place(start) for k in range(4)]
        copied = [rows.place(args[6], k * WORD) for k in range(4)]
        full = builder.icmp_signed("==", count, rows.ir.Constant(count.type, WORD))
        with builder.if_then(builder.not_(full)):
            for target, source in zip(copied, own, strict=True):
                rows.tools.raw_memcpy(builder, target, source, count, 8)
        chosen = [builder.select(full, one, other) for one, other in zip(own, copied, strict=True)]
        places = [builder.ptrtoint(address, rows.whole) for address in chosen]
        return context.make_tuple(builder, signature.return_type, places)

    whole = numba.types.intp
    four: Any = numba.types.UniTuple(whole, 4)  # type: ignore[no-untyped-call]
    two: Any = numba.types.UniTuple(whole, 2)  # type: ignore[no-untyped-call]
    return four(open_, high, low, close, two, state, whole), code


def _shapes(builder: Any, rows: _Rows, rises: Any, open_: Any, high: Any, low: Any, close: Any) -> Any:
    """Return how each measure is computed: what nobody asks for costs nothing."""

    def top() -> Any:
        return builder.select(rises, close, open_)

    def bottom() -> Any:
        return builder.select(rises, open_, close)

    def upper() -> Any:
        return builder.fsub(high, top())

    def lower() -> Any:
        return builder.fsub(bottom(), low)

    def size() -> Any:
        return builder.fsub(high, low)

    prices = [lambda price=price: price for price in (open_, high, low, close)]
    return (
        *prices,
        top,
        bottom,
        lambda: builder.fsub(top(), bottom()),
        upper,
        lower,
        lambda: builder.fadd(low, builder.fmul(size(), rows.number(0.5))),
        size,
        lambda: builder.fadd(upper(), lower()),
    )


def _measure(typing: Any, prices: Any, program: Any, at: Any, state: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[3], args[3])
        places = _Rows(context, builder, signature.args[1], args[1])
        vectors = [builder.inttoptr(builder.extract_value(args[0], k), rows.vector.as_pointer()) for k in range(4)]
        to = [builder.load(places.place(args[2], row)) for row in range(MEASURED)]
        asked = [builder.icmp_signed("!=", place, rows.ir.Constant(place.type, 0)) for place in to]
        finite = white = rows.ir.Constant(rows.whole, 0)
        for part in range(WORD // LANES):
            own = rows.ir.Constant(rows.whole, part)
            loaded = [builder.load(builder.gep(vector, [own]), align=8) for vector in vectors]
            rises = builder.fcmp_ordered(">=", loaded[3], loaded[0])
            for row, shape in enumerate(_shapes(builder, rows, rises, *loaded)):
                with builder.if_then(asked[row]):
                    rows.store(shape(), to[row], part * LANES)
            total = builder.fadd(builder.fadd(*loaded[:2]), builder.fadd(*loaded[2:]))
            known = builder.fcmp_ordered("==", builder.fsub(total, total), rows.number(0.0))
            finite, white = rows.joined(finite, known, part * LANES), rows.joined(white, rises, part * LANES)
        return context.make_tuple(builder, signature.return_type, [finite, white])

    words: Any = numba.types.UniTuple(numba.types.uint64, 2)  # type: ignore[no-untyped-call]
    return words(prices, program, numba.types.intp, state), code


def _accumulate(typing: Any, state: Any, newest: Any, period: Any, to: Any, total: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        oldest, total = builder.sub(args[1], args[2]), args[4]
        for k in range(PART):
            builder.store(total, rows.place(args[3], k))
            new, old = (builder.load(rows.place(at, k)) for at in (args[1], oldest))
            total = builder.fadd(total, builder.fsub(new, old))
        return total

    whole, real = numba.types.intp, numba.types.float64
    return real(state, whole, whole, whole, real), code


def _scale(typing: Any, state: Any, source: Any, to: Any, period: Any, factors: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        given = _Rows(context, builder, signature.args[4], args[4])
        one, rest, factor = (rows.spread(builder.load(given.place(args[5], k))) for k in range(3))
        kind = rows.ir.FunctionType(rows.vector, [rows.vector] * 3)
        fma = rows.tools.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
        for offset in range(0, WORD, LANES):
            total = rows.load(args[1], offset)
            divided = builder.call(fma, [total, one, builder.fmul(total, rest)])
            rows.store(builder.fmul(factor, divided), args[2], offset)
        return context.get_dummy_value()

    whole = numba.types.intp
    return numba.types.void(state, whole, whole, whole, factors, whole), code


def _combine(typing: Any, state: Any, to: Any, terms: Any, one: Any, two: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        first, second, third = (builder.extract_value(args[2], k) for k in range(3))
        one, two = rows.spread(args[3]), rows.spread(args[4])
        for offset in range(0, WORD, LANES):
            values = builder.fadd(rows.load(first, offset), builder.fmul(one, rows.load(second, offset)))
            rows.store(builder.fadd(values, builder.fmul(two, rows.load(third, offset))), args[1], offset)
        return context.get_dummy_value()

    whole, real = numba.types.intp, numba.types.float64
    three: Any = numba.types.UniTuple(whole, 3)  # type: ignore[no-untyped-call]
    return numba.types.void(state, whole, three, real, real), code


def _compare(typing: Any, state: Any, one: Any, two: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        word = rows.ir.Constant(rows.whole, 0)
        for offset in range(0, WORD, LANES):
            above = builder.fcmp_ordered(">", rows.load(args[1], offset), rows.load(args[2], offset))
            word = rows.joined(word, above, offset)
        return word

    return numba.types.uint64(state, numba.types.intp, numba.types.intp), code


def _clear(typing: Any, values: Any, at: Any, count: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        size, word = (builder.mul(number, rows.ir.Constant(rows.whole, 8)) for number in (args[2], args[2].type(WORD)))
        with builder.if_else(builder.icmp_signed("==", size, word)) as (whole, part):
            with whole:
                rows.tools.memset(builder, rows.place(args[1]), word, 0)
            with part:
                rows.tools.memset(builder, rows.place(args[1]), size, 0)
        return context.get_dummy_value()

    return numba.types.void(values, numba.types.intp, numba.types.intp), code


def _copy(typing: Any, source: Any, at: Any, state: Any, to: Any, count: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = _Rows(context, builder, signature.args[0], args[0])
        rows = _Rows(context, builder, signature.args[2], args[2])
        rows.tools.raw_memcpy(builder, rows.place(args[3]), given.place(args[1]), args[4], 8)
        return context.get_dummy_value()

    whole = numba.types.intp
    return numba.types.void(source, whole, state, whole, whole), code


def _paint(typing: Any, out: Any, at: Any, word: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, lanes = _Rows(context, builder, signature.args[0], args[0]), LANES
        bits = rows.ir.VectorType(rows.ir.IntType(1), lanes)
        values = rows.spread(args[3])
        for offset in range(0, WORD, lanes):
            part = builder.lshr(args[2], rows.ir.Constant(rows.whole, offset))
            chosen = builder.bitcast(builder.trunc(part, rows.ir.IntType(lanes)), bits)
            rows.store(builder.select(chosen, values, rows.load(args[1], offset)), args[1], offset)
        return context.get_dummy_value()

    return numba.types.void(out, numba.types.intp, numba.types.uint64, numba.types.float64), code


def _keep_past(typing: Any, state: Any, row: Any, count: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0], PAST)
        rows.store(rows.load(builder.add(args[1], args[2]), -PAST), args[1], -PAST)
        return context.get_dummy_value()

    return numba.types.void(state, numba.types.intp, numba.types.intp), code


def _remember(typing: Any, state: Any, at: Any, word: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        builder.store(args[2], builder.bitcast(rows.place(args[1]), rows.whole.as_pointer()))
        return context.get_dummy_value()

    return numba.types.void(state, numba.types.intp, numba.types.uint64), code


def _recall(typing: Any, state: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[0], args[0])
        return builder.load(builder.bitcast(rows.place(args[1]), rows.whole.as_pointer()))

    return numba.types.uint64(state, numba.types.intp), code


if not getattr(numba.config, "DISABLE_JIT", 0):
    bars_of = numba.extending.intrinsic(_bars_of)  # type: ignore[assignment]
    measure = numba.extending.intrinsic(_measure)  # type: ignore[assignment]
    accumulate = numba.extending.intrinsic(_accumulate)  # type: ignore[assignment]
    scale = numba.extending.intrinsic(_scale)  # type: ignore[assignment]
    combine = numba.extending.intrinsic(_combine)  # type: ignore[assignment]
    compare = numba.extending.intrinsic(_compare)  # type: ignore[assignment]
    clear = numba.extending.intrinsic(_clear)  # type: ignore[assignment]
    copy = numba.extending.intrinsic(_copy)  # type: ignore[assignment]
    paint = numba.extending.intrinsic(_paint)  # type: ignore[assignment]
    keep_past = numba.extending.intrinsic(_keep_past)  # type: ignore[assignment]
    remember = numba.extending.intrinsic(_remember)  # type: ignore[assignment]
    recall = numba.extending.intrinsic(_recall)  # type: ignore[assignment]
