"""Sixty-four bars as one word: comparisons that a compiler does not find by itself.

A comparison of vectors gives one bit a bar; kept as bits, 64 bars are one whole number, and the bars on which two
series change sides are the set bits of that number against itself shifted by one. Written as a loop the same comparison
fills a byte a bar. Without the compiler the plain functions below run instead.
"""

from __future__ import annotations

import sys
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream_kernels._numba import numba

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream_kernels.ledger import Series

    type Words = NDArray[np.uint64]

#: Bars of a word.
WORD: Final = 64
#: Bars that are compared by one instruction where vectors are widest.
BYTE: Final = 8
#: Series of each side that are compared at once, each with each: their bars are loaded once for all of them.
TOGETHER: Final = 4


def lowest_bit(word: np.uint64) -> int:
    """Return the place of the lowest set bit of a word that is not 0."""
    number = int(word)
    return (number & -number).bit_length() - 1


def mark_one(rows: Series, one: int, two: int, begin: int, masks: Words, run: int, word: int) -> None:
    """Write the word of bars ``begin … begin + 63`` on which row `one` is above row `two`, bar `begin` lowest."""
    above = rows[one, begin : begin + WORD] > rows[two, begin : begin + WORD]
    masks[run, word] = np.packbits(above, bitorder="little").view(np.uint64)[0]


def mark_tile(
    rows: Series, ones: tuple[int, ...], twos: tuple[int, ...], begin: int, masks: Words, run: int, word: int
) -> None:
    """Write the words of sixteen runs, from `run` on: four rows against the first of four others, and so on."""
    for place, (two, one) in enumerate(product(twos, ones)):
        mark_one(rows, one, two, begin, masks, run + place, word)


# ---- the same, compiled ------------------------------------------------------------------------------------------


def _above(context: Any, builder: Any, types: Any, args: Any, ones: Any, twos: Any) -> None:
    """Compare some rows with some others and store a word for each; arguments are those of `mark_one` and `mark_tile`.

    A word is stored byte by byte, as the comparisons come: joining them first took a quarter longer.
    """
    from llvmlite import ir

    rows = context.make_array(types[0])(context, builder, args[0])
    masks = context.make_array(types[4])(context, builder, args[4])
    vector, byte = ir.VectorType(ir.DoubleType(), BYTE), ir.IntType(BYTE)
    bars, words = builder.extract_value(rows.shape, 1), builder.extract_value(masks.shape, 1)
    whole = args[3].type

    def load(row: Any, first: int) -> Any:
        bar = builder.add(args[3], ir.Constant(whole, first))
        place = builder.gep(rows.data, [builder.add(builder.mul(row, bars), bar)])
        loaded = builder.load(builder.bitcast(place, vector.as_pointer()))
        loaded.align = 8
        return loaded

    places = []
    for k in range(len(ones) * len(twos)):
        run = builder.add(args[5], ir.Constant(whole, k))
        place = builder.gep(masks.data, [builder.add(builder.mul(run, words), args[6])])
        places.append(builder.bitcast(place, byte.as_pointer()))
    for first in range(0, WORD, BYTE):
        at = first if sys.byteorder == "little" else WORD - BYTE - first
        left, right = [load(row, first) for row in ones], [load(row, first) for row in twos]
        for place, (other, one) in zip(places, product(right, left), strict=True):
            above = builder.bitcast(builder.fcmp_ordered(">", one, other), byte)
            builder.store(above, builder.gep(place, [ir.Constant(whole, at // BYTE)]))


def _lowest_bit(typing: Any, word: Any) -> Any:
    from llvmlite import ir

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.int64(numba.types.uint64), code


def _mark_one(typing: Any, rows: Any, one: Any, two: Any, begin: Any, masks: Any, run: Any, word: Any) -> Any:
    whole = numba.types.intp

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _above(context, builder, signature.args, args, [args[1]], [args[2]])
        return context.get_dummy_value()

    return numba.types.void(rows, whole, whole, whole, masks, whole, whole), code


def _mark_tile(typing: Any, rows: Any, ones: Any, twos: Any, begin: Any, masks: Any, run: Any, word: Any) -> Any:
    whole = numba.types.intp

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sides = [[builder.extract_value(side, k) for k in range(TOGETHER)] for side in args[1:3]]
        _above(context, builder, signature.args, args, *sides)
        return context.get_dummy_value()

    rows_of_runs: Any = numba.types.UniTuple(whole, TOGETHER)  # type: ignore[no-untyped-call]
    return numba.types.void(rows, rows_of_runs, rows_of_runs, whole, masks, whole, whole), code


if not getattr(numba.config, "DISABLE_JIT", 0):
    lowest_bit = numba.extending.intrinsic(_lowest_bit)  # type: ignore[assignment]
    mark_one = numba.extending.intrinsic(_mark_one)  # type: ignore[assignment]
    mark_tile = numba.extending.intrinsic(_mark_tile)  # type: ignore[assignment]
