"""How long an import takes is a contract. By the clock on the wall, so nothing else may run beside it."""

from collections.abc import Callable

IMPORT_SECONDS = 0.1


def test_import_takes_less_than_a_tenth_of_a_second(fresh_python: Callable[[str], str]) -> None:
    clock = "from time import perf_counter; start = perf_counter(); import stockstream; print(perf_counter() - start)"
    assert min(float(fresh_python(clock)) for _ in range(5)) < IMPORT_SECONDS
