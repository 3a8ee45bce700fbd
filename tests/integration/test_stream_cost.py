"""What a declaration says of the cost of an update: where it says O(1), a window 4,000 times as long costs no more."""

import time

import pytest

from stockstream.indicators import catalogue

BAR = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0, "date": 1.0}
LONGER, LONGEST = 4_000, 400_000
#: Moving 10,000 values takes as long as the whole of a short update; what is noise stays below this.
AT_MOST = 3.0


def windows(cls):
    return [name for name, allowed in cls.ranges().items() if allowed.kind == "int" and name != "ddof"]


def shortest_update(indicator):
    stream, seconds = indicator.stream(), []
    stream.update(BAR)
    for _ in range(50):
        start = time.thread_time()
        stream.update(BAR)
        seconds.append(time.thread_time() - start)
    return min(seconds)


CONSTANT = [
    name
    for name, cls in catalogue.builtin().items()
    if cls.per_bar == "O(1)" and cls.group != "patterns" and windows(cls)
]


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", CONSTANT)
def test_an_update_declared_constant_does_not_grow_with_the_window(name):
    cls = catalogue.find(name)
    longer = {name: min(LONGER * cls.defaults()[name], LONGEST) for name in windows(cls)}
    assert shortest_update(cls(**longer)) < AT_MOST * shortest_update(cls())
