"""What kernels use in place of Python: arrays for the time of a call, stretches of others, one of two numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest
from stockstream_kernels._compile import allocating, kernel, pick, scratch, smaller, view

ROOM = 8


@kernel
def reversed_tiles(values, out):
    """Write each tile of `values` backwards, by way of two arrays on the stack."""
    for start in range(0, len(values), ROOM):
        count = smaller(ROOM, len(values) - start)
        own, source = view(out, start, count), view(values, start, count)
        one, two = scratch(ROOM, count), scratch(ROOM, count)
        for k in range(count):
            one[k] = source[k]
            two[k] = -1.0
        for k in range(len(one)):
            own[k] = one[len(one) - 1 - k]


@allocating
def doubled(values):
    found = np.empty(len(values))
    for k in range(len(values)):
        found[k] = 2.0 * values[k]
    return found


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 50])
def test_views_and_scratch_are_arrays_of_their_length(length):
    values, out = np.arange(float(length)), np.full(length, np.nan)
    reversed_tiles(values, out)
    expected = [one for start in range(0, length, ROOM) for one in values[start : start + ROOM][::-1]]
    assert out.tolist() == expected


def test_a_kernel_that_allocates_gives_its_array_away():
    results = [doubled(np.full(10_000, float(k))) for k in range(20)]
    assert [result.sum() for result in results] == [20_000.0 * k for k in range(20)]


@kernel
def larger_of_each(first, second, out):
    for k in range(len(out)):
        out[k] = pick(first[k] > second[k], first[k], second[k])


def test_the_first_of_two_numbers_is_picked_where_the_condition_holds():
    first, second = np.array([1.0, 3.0, np.nan, 2.0, -0.0]), np.array([2.0, -np.inf, 5.0, np.nan, 0.0])
    out = np.zeros(5)
    larger_of_each(first, second, out)
    np.testing.assert_array_equal(out, np.where(first > second, first, second))


#: A view that goes past the end, in a process of its own: whether subscripts are checked is settled on loading.
PAST_THE_END = """
import sys
import numpy as np
from stockstream_kernels._compile import kernel, view

@kernel
def last_of(values, count):
    return view(values, 1, count)[count - 1]

print(last_of(np.arange(3.0), int(sys.argv[1])))
"""


@pytest.mark.compiled
@pytest.mark.parametrize(("count", "output", "error"), [(2, "2.0\n", ""), (3, "", "IndexError")])
def test_a_view_past_the_end_is_found_where_subscripts_are_checked(count, output, error):
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    command = [sys.executable, "-c", PAST_THE_END, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == output
    assert error in done.stderr


@pytest.mark.compiled
def test_only_a_constant_has_room_on_the_stack():
    from numba import TypingError

    @kernel
    def variable(values):
        scratch(len(values), len(values))[0] = 1.0

    with pytest.raises(TypingError, match="scratch"):
        variable(np.zeros(3))
