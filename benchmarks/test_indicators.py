"""Indicators beside TA-Lib, in one run: equal first, then timed in turns; the floors are asserted."""

import numpy as np
import pytest

from benchmarks import indicator_twins
from benchmarks.indicator_twins import TWINS

#: Least ratio of TA-Lib's time to ours: of the geometric mean, and of any function.
MEAN, EACH = 1.3, 0.8
each_twin = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)


@pytest.fixture(scope="module")
def series():
    """Give one long series."""
    return indicator_twins.made_up(indicator_twins.BARS)


@pytest.fixture(scope="module")
def halves():
    """Give a panel in two halves."""
    return indicator_twins.panel()


@pytest.fixture(scope="module")
def ratios():
    """Hold what each race gave: data -> function -> ratio."""
    return {}


@each_twin
def test_long_series(benchmark, ratios, series, twin):
    assert not indicator_twins.disagreement(twin, series)
    inputs = [series[name] for name in twin.indicator.inputs]
    benchmark.pedantic(twin.indicator, args=inputs, rounds=3, warmup_rounds=1)
    record(benchmark, ratios.setdefault("long", {}), twin, indicator_twins.race_long(twin, series))


@each_twin
@pytest.mark.parametrize("threads", [1, 2])
def test_panel(benchmark, ratios, halves, twin, threads):
    benchmark.pedantic(lambda: [twin.indicator(part) for part in halves], rounds=2, warmup_rounds=1)
    raced = indicator_twins.race_panel(twin, halves, threads)
    record(benchmark, ratios.setdefault(f"panel, {threads} threads", {}), twin, raced)


def record(benchmark, ratios, twin, raced):
    ours, theirs = raced
    benchmark.extra_info["ratio to TA-Lib"] = ratios[twin.name] = theirs / ours
    assert theirs / ours >= EACH, f"{twin.name}: {1e3 * ours:.2f} ms, TA-Lib {1e3 * theirs:.2f} ms"


@pytest.mark.parametrize("data", ["long", "panel, 1 threads", "panel, 2 threads"])
def test_geometric_mean(benchmark, ratios, data):
    found = list(ratios[data].values())
    assert len(found) == len(TWINS)
    mean = benchmark.pedantic(lambda: float(np.exp(np.mean(np.log(found)))), rounds=1)
    benchmark.extra_info["geometric mean"] = mean
    assert mean >= MEAN
