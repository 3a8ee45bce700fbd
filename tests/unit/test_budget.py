"""The shared budget of requests, on a clock that only its own waits move."""

import threading
import time
from random import Random

import pytest

from stockstream.errors import ParameterError
from stockstream.ingest.budget import MOST_EXTRA, Budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def turns(pace, clock: Clock, count: int) -> list[float]:
    found = []
    for _ in range(count):
        assert pace.wait()
        found.append(clock.now - 1000)
    return found


def test_one_batch_keeps_the_delay(clock: Clock) -> None:
    pace = Budget(delay=2, clock=clock, sleep=clock.sleep).pace()
    assert turns(pace, clock, 4) == [0, 2, 4, 6]


def test_time_spent_on_an_answer_counts_as_waiting(clock: Clock) -> None:
    pace = Budget(delay=2, clock=clock, sleep=clock.sleep).pace()
    assert pace.wait()
    clock.now += 1.5
    assert turns(pace, clock, 1) == [2]
    clock.now += 5
    assert turns(pace, clock, 1) == [7]


def test_all_batches_together_stay_under_the_rate(clock: Clock) -> None:
    budget = Budget(delay=0, per_second=5, burst=3, clock=clock, sleep=clock.sleep)
    paces = [budget.pace() for _ in range(10)]
    found = [turns(pace, clock, 1)[0] for pace in paces * 3]
    assert found[:3] == pytest.approx([0, 0, 0], abs=1e-9)  # the burst
    assert found[3:] == pytest.approx([0.2 * n for n in range(1, 28)])


def test_the_rate_holds_for_any_window_of_real_threads() -> None:
    budget = Budget(delay=0, per_second=200, burst=5)
    found: list[float] = []

    def ask() -> None:
        pace = budget.pace()
        for _ in range(10):
            assert pace.wait()
            found.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert max(found) - min(found) >= (60 - 5 - 1) / 200


def test_a_refusal_slows_every_batch_and_answers_let_it_recover(clock: Clock) -> None:
    budget = Budget(delay=2, per_second=100, clock=clock, sleep=clock.sleep, random=Random(1))
    one, other = budget.pace(), budget.pace()
    turns(one, clock, 1), turns(other, clock, 1)
    one.refused()
    before = clock.now
    assert other.wait()
    assert 2.75 <= clock.now - before <= 3.25  # 2 and about 1
    clock.now += 5
    one.refused()
    assert budget.extra == 2
    for _ in range(60):
        other.served()
    assert budget.extra == 0
    before = clock.now
    assert turns(other, clock, 2)[1] - (before - 1000) == 2


def test_one_burst_of_refusals_counts_once_and_the_extra_has_a_limit(clock: Clock) -> None:
    budget = Budget(clock=clock, sleep=clock.sleep)
    for _ in range(10):
        budget.refused()
    assert budget.extra == 1
    for _ in range(20):
        clock.now += 2
        budget.refused()
    assert budget.extra == MOST_EXTRA


def test_a_turn_after_the_deadline_is_refused_at_once_and_costs_nothing(clock: Clock) -> None:
    budget = Budget(delay=2, clock=clock, sleep=clock.sleep)
    pace = budget.pace()
    assert pace.wait(deadline=1001)
    assert not pace.wait(deadline=1001)
    assert clock.now == 1000
    assert pace.wait(deadline=1002)


@pytest.mark.parametrize("bad", [{"delay": -1}, {"per_second": 0}, {"burst": 0}, {"delay": float("nan")}])
def test_values_out_of_range_are_refused(bad: dict) -> None:
    with pytest.raises(ParameterError, match="expected a delay of at least 0"):
        Budget(**bad)
