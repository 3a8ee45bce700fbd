"""Operations of rules that need memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel, step
from stockstream_kernels.ledger import codes

type Series = NDArray[np.float64]

FALSE: Final = 0
UNKNOWN: Final = 1
TRUE: Final = 2


@step
def cross_block(first: Series, second: Series, state: Series, out: NDArray[np.int8]) -> None:
    """Where `first` rises from below to above `second`.

    A tie keeps the side it was on before: a tie is not a cross and changes nothing. A bar that is not known makes
    itself and the next one unknown. State: ``[side]``, 0 not known, 1 above, -1 below, 2 tied ever since known.
    """
    side = state[0]
    for t in range(len(first)):
        one, two = first[t], second[t]
        if not (one == one and two == two):
            out[t] = UNKNOWN
            side = 0.0
            continue
        if side == 0.0:
            out[t] = UNKNOWN
        else:
            out[t] = TRUE if one > two and side == -1.0 else FALSE
        if one > two:
            side = 1.0
        elif one < two:
            side = -1.0
        elif side == 0.0:
            side = 2.0
    state[0] = side


@step
def cross_signs(first: Series, second: Series, side: Series, signs: NDArray[np.int8], out: NDArray[np.int8]) -> None:
    """`cross_block` for a block in the middle of a series: without a tie or an unknown bar it has no branches.

    Measured on moving averages: a third of the time of the bar-by-bar form, which takes over where there is either.
    """
    begin, known = 0, 0
    if side[0] == 0.0:  # the warm-up of a series, and the first bar after it
        while begin < len(first) and (np.isnan(first[begin]) or np.isnan(second[begin])):
            begin += 1
        begin = min(begin + 1, len(first))
        cross_block(first[:begin], second[:begin], side, out[:begin])
        if begin == len(first):
            return
        first, second, signs, out = first[begin:], second[begin:], signs[begin:], out[begin:]
    for i in range(len(first)):
        signs[i] = np.int8(first[i] > second[i]) - np.int8(first[i] < second[i])
    for i in range(len(first)):
        known += signs[i] * signs[i]
    if known != len(first) or side[0] * side[0] != 1.0:
        cross_block(first, second, side, out)
        return
    out[0] = TRUE * (signs[0] == 1 and side[0] == -1.0)
    for i in range(1, len(first)):
        out[i] = np.int8(signs[i] > signs[i - 1]) << 1
    side[0] = signs[len(first) - 1]


@kernel
def crosses(first: Series, second: Series, state: Series, out: NDArray[np.int8]) -> None:
    """Where `first` rises from below to above `second`, bar by bar; see `cross_block`."""
    cross_block(first, second, state, out)


# ---- programs: rules as instructions over blocks of bars ---------------------------------------------------------

#: Instructions. A program is rows of (instruction, argument); operands come from and go to two stacks, one of numbers
#: and one of truth values, each level of which holds a block of bars.
(
    LOAD_ROW,
    LOAD_TRUTH,
    LOAD_VALUE,
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    NEGATIVE,
    ABSOLUTE,
    MAXIMUM,
    MINIMUM,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    EQUAL,
    NOT_EQUAL,
    AND,
    OR,
    NOT,
    CROSSES_ABOVE,
    CROSSES_BELOW,
    CHOOSE_NUMBER,
    CHOOSE_TRUTH,
) = codes(24)

BLOCK: Final = 1024  # bars: the stacks of a rule of four operands stay in the first-level cache

type Truths = NDArray[np.int8]


# Loops of their own: inside the loop over instructions they are not made of vectors, and take ten times as long.


@step
def copy(values: Series, out: Series) -> None:
    """Copy numbers."""
    for i in range(len(out)):
        out[i] = values[i]


@step
def fill(value: float, out: Series) -> None:
    """Write one number everywhere."""
    for i in range(len(out)):
        out[i] = value


@step
def copy_truth(values: Series, out: Truths) -> None:
    """Copy truth values that stand among numbers."""
    for i in range(len(out)):
        out[i] = np.int8(values[i])


@step
def negate(truth: Truths) -> None:
    """Write ``truth = not truth``."""
    for i in range(len(truth)):
        truth[i] = 2 - truth[i]


@step
def arithmetic(code: int, one: Series, two: Series) -> None:
    """Write ``one = one (operation) two``."""
    if code == ADD:
        for i in range(len(one)):
            one[i] += two[i]
    elif code == SUBTRACT:
        for i in range(len(one)):
            one[i] -= two[i]
    elif code == MULTIPLY:
        for i in range(len(one)):
            one[i] *= two[i]
    elif code == DIVIDE:
        for i in range(len(one)):
            one[i] /= two[i]
    else:
        sign = 1.0 if code == MAXIMUM else -1.0
        for i in range(len(one)):
            a, b = sign * one[i], sign * two[i]
            one[i] = sign * (a if (a > b or a != a) else b)


@step
def compare(code: int, one: Series, two: Series, truth: Truths) -> None:
    """Write the truth of a comparison, UNKNOWN where an operand is NaN."""
    if code == LESS:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] < two[i]) << 1
    elif code == LESS_EQUAL:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] <= two[i]) << 1
    elif code == GREATER:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] > two[i]) << 1
    elif code == GREATER_EQUAL:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] >= two[i]) << 1
    elif code == EQUAL:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] == two[i]) << 1
    else:
        for i in range(len(one)):
            truth[i] = np.int8(one[i] != two[i]) << 1
    for i in range(len(one)):  # without a branch: with one it took longer than the comparison
        unknown = np.int8(one[i] != one[i]) | np.int8(two[i] != two[i])
        truth[i] = np.int8(truth[i] * (np.int8(1) - unknown)) + unknown


@step
def combine(code: int, one: Truths, two: Truths) -> None:
    """Write ``one = one (and, or) two``: Kleene's minimum and maximum."""
    for i in range(len(one)):
        one[i] = min(one[i], two[i]) if code == AND else max(one[i], two[i])


@step
def run_program(
    program: NDArray[np.int64],
    rows: Series,
    slots: NDArray[np.int32],
    values: Series,
    begin: int,
    count: int,
    numbers: Series,
    truths: Truths,
    sides: Series,
) -> None:
    """Run a program on bars begin … begin + count; the result is left on level 0 of its stack.

    ``rows (R, N)`` hold every distinct series, ``slots`` the rows of this run, ``values`` its numbers, ``sides`` the
    memory of its crosses between blocks.
    """
    top, truth, crossing = -1, -1, 0
    for at in range(len(program)):
        code, argument = program[at, 0], program[at, 1]
        if code == LOAD_ROW:
            top += 1
            copy(rows[slots[argument], begin : begin + count], numbers[top, :count])
        elif code == LOAD_VALUE:
            top += 1
            fill(values[argument], numbers[top, :count])
        elif code == LOAD_TRUTH:
            truth += 1
            copy_truth(rows[slots[argument], begin : begin + count], truths[truth, :count])
        elif code == NEGATIVE:
            for i in range(count):
                numbers[top, i] = -numbers[top, i]
        elif code == ABSOLUTE:
            for i in range(count):
                numbers[top, i] = abs(numbers[top, i])
        elif code <= MINIMUM:
            top -= 1
            arithmetic(code, numbers[top, :count], numbers[top + 1, :count])
        elif code <= NOT_EQUAL:
            top -= 2
            truth += 1
            compare(code, numbers[top + 1, :count], numbers[top + 2, :count], truths[truth, :count])
        elif code == CROSSES_ABOVE or code == CROSSES_BELOW:
            top -= 2
            truth += 1
            first, second = (top + 1, top + 2) if code == CROSSES_ABOVE else (top + 2, top + 1)
            side = sides[crossing : crossing + 1]
            cross_signs(
                numbers[first, :count], numbers[second, :count], side, truths[len(truths) - 1], truths[truth, :count]
            )
            crossing += 1
        elif code == NOT:
            negate(truths[truth, :count])
        elif code <= OR:
            truth -= 1
            combine(code, truths[truth, :count], truths[truth + 1, :count])
        elif code == CHOOSE_NUMBER:
            top -= 1
            for i in range(count):
                which = truths[truth, i]
                numbers[top, i] = (
                    numbers[top, i] if which == TRUE else numbers[top + 1, i] if which == FALSE else np.nan
                )
            truth -= 1
        else:
            truth -= 2
            for i in range(count):
                which = truths[truth, i]
                truths[truth, i] = (
                    truths[truth + 1, i] if which == TRUE else truths[truth + 2, i] if which == FALSE else UNKNOWN
                )
