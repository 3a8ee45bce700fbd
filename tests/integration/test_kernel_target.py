"""The target that kernels are compiled for: the same bits as by Numba's own, beside functions of the user's."""

import os
import subprocess
import sys

import numba
import pytest
from stockstream_kernels import _compile
from stockstream_kernels._compile import EXAMINED, target

from stockstream.cli import doctor

pytestmark = pytest.mark.compiled

BITS = """
import sys
import numba

numba.__version__ = sys.argv[1] or numba.__version__

import numpy as np
from stockstream.indicators import catalogue
from stockstream_kernels._compile import target

generator = np.random.default_rng(5)
series = 50.0 * np.exp(np.cumsum(generator.normal(0.0, 0.02, (5, 400)), axis=1))
series[:, 200] = np.nan
for name in ["AROON", "CDLDOJI", "KAMA"]:
    cls = catalogue.find(name)
    results = cls()(*series[: len(cls.inputs)])
    print(name, np.ascontiguousarray(results).tobytes().hex())
print(target(), file=sys.stderr)
"""

#: Functions of the user's for what the target of the kernels does not know, and one that calls a kernel.
BESIDE = """
import numba
import numpy as np
from stockstream.indicators import MOM

close = np.arange(8.0)
expected = MOM(3)(close)

from stockstream_kernels import momentum

@numba.njit
def texts(count):
    words = {"one": count}
    for word in ["a", "bb"]:
        words[word] = len(word) + count
    return words["bb"], str(count), {1, 2, count}

@numba.njit
def typed(count):
    values = numba.typed.List()
    for i in range(count):
        values.append(i * 1.5)
    return sum(values)

@numba.njit
def drawn(seed):
    np.random.seed(seed)
    return np.random.normal(0.0, 1.0, 3)

@numba.njit
def algebra(matrix):
    return np.linalg.inv(matrix) @ matrix, np.convolve(matrix[0], matrix[1]), np.sort(matrix[1])

@numba.njit
def days(start, end):
    return end - start

@numba.njit
def moved(values):
    state, out = np.zeros(64), np.empty(len(values))
    momentum.mom(values, 3, state, out)
    return out

assert texts(3) == (5, "3", {1, 2, 3})
assert typed(3) == 4.5
np.testing.assert_array_equal(drawn(1), drawn.py_func(1))
matrix = np.array([[1.0, 2.0], [4.0, 3.0]])
for one, other in zip(algebra(matrix), algebra.py_func(matrix), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-15)
assert days(np.datetime64("2020-01-01"), np.datetime64("2020-01-05")) == np.timedelta64(4, "D")
np.testing.assert_array_equal(moved(close), expected)
"""
BESIDE_CLASSES_AND_THREADS = """
import numba
import numpy as np
from numba.experimental import jitclass
from stockstream.indicators import MOM

MOM(3)(np.arange(8.0))

@jitclass([("width", numba.float64)])
class Box:
    def __init__(self, width):
        self.width = width

    def twice(self):
        return self.width * 2

@numba.njit(parallel=True)
def total(values):
    found = 0.0
    for i in numba.prange(len(values)):
        found += values[i] * 2
    return found

assert Box(2.5).twice() == 5.0
assert total(np.arange(10.0)) == 90.0
"""


def run(code, cache, *arguments):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


#: What kernels are compiled for with the installed Numba; `stockstream doctor` says when it was not tried yet.
TARGET = "stockstream_kernels" if numba.__version__ in EXAMINED else "cpu"


def test_a_version_of_numba_that_nobody_has_tried_is_compiled_for_its_own_target(monkeypatch):
    assert target.__wrapped__() == TARGET
    monkeypatch.setattr(numba, "__version__", "0.99.0")
    assert target.__wrapped__() == "cpu"


@pytest.mark.parametrize(("chosen", "advice"), [("cpu", True), ("stockstream_kernels", False)])
def test_the_doctor_says_that_nobody_has_tried_it(monkeypatch, chosen, advice):
    monkeypatch.setattr(_compile, "target", lambda: chosen)
    assert (f"not tried with Numba {numba.__version__}" in doctor._kernels().advice) is advice


def test_both_targets_and_what_is_kept_on_disk_give_the_same_bits(tmp_path):
    own = run(BITS, tmp_path / "own", "")
    assert own.stderr.strip() == TARGET
    other = run(BITS, tmp_path / "other", "0.99.0")
    assert other.stderr.strip() == "cpu"
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "own").rglob("*.nbc")}
    again = run(BITS, tmp_path / "own", "")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "own").rglob("*.nbc")} == files
    assert own.stdout == other.stdout == again.stdout


def test_functions_of_the_users_compile_beside_kernels_and_call_them(tmp_path):
    run(BESIDE, tmp_path)


@pytest.mark.slow
def test_classes_and_threads_of_the_users_compile_beside_kernels(tmp_path):
    run(BESIDE_CLASSES_AND_THREADS, tmp_path)
