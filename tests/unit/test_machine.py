"""The interpreter of the state machine: what it does with each feature, and that it refuses all others."""

import copy
import threading
from typing import Any

import pytest

from stockstream.errors import ParameterError
from stockstream.ingest.machine import ExecutionFailedError, Machine, definition


class BatchIncompleteError(Exception):
    """As the fetcher raises it."""


class Work:
    """The three tasks, with batches that fail as told."""

    def __init__(self, batches: list[int], failures: dict[int, list[Exception]] | None = None, state: str = "complete"):
        self.batches, self.failures, self.state = batches, failures or {}, state
        self.calls: list[Any] = []
        self.lock = threading.Lock()

    def update(self, value: Any, seconds: float | None) -> Any:
        assert seconds == 300
        return {"new_session": bool(self.batches), "batches": self.batches, "run": {"lake": value["lake"]}}

    def fetch(self, value: Any, seconds: float | None) -> Any:
        assert seconds == 900
        with self.lock:
            self.calls.append(value)
            failures = self.failures.get(value["number"], [])
            if failures:
                raise failures.pop(0)
        return {"number": value["number"], "ok": 100}

    def report(self, value: Any, seconds: float | None) -> Any:
        self.reported = value
        return {"state": self.state}

    def run(self, **options: Any) -> Any:
        tasks = {"symbol_updater_arn": self.update, "stock_fetcher_arn": self.fetch, "run_reporter_arn": self.report}
        self.waits: list[float] = []
        machine = Machine(
            states=definition(), tasks=tasks, sleep=self.waits.append, jitter=lambda most: most, **options
        )
        return machine.run({"lake": "x"})


def test_every_batch_is_fetched_with_the_run_beside_its_number() -> None:
    work = Work([1, 2, 3])
    assert work.run() == {"state": "complete"}
    assert sorted(call["number"] for call in work.calls) == [1, 2, 3]
    assert all(call["run"] == {"lake": "x"} for call in work.calls)
    assert work.reported == {"run": {"lake": "x"}, "results": [{"number": n, "ok": 100} for n in (1, 2, 3)]}


def test_without_a_new_session_nothing_is_fetched() -> None:
    work = Work([])
    assert work.run()["new_session"] is False
    assert not work.calls


def test_an_incomplete_batch_is_tried_again_after_growing_waits() -> None:
    work = Work([1, 2], {2: [BatchIncompleteError("9 left"), BatchIncompleteError("1 left")]})
    work.run(workers=1)
    assert [call["number"] for call in work.calls] == [1, 2, 2, 2]
    assert work.waits == [60, 120]


def test_a_batch_that_fails_for_good_stops_no_other() -> None:
    seen: list[tuple[str, str]] = []
    work = Work([1, 2, 3], {2: [BatchIncompleteError("429")] * 9, 3: [MemoryError("full")]})
    work.run(workers=1, observer=lambda word, facts: seen.append((word, facts.get("error", ""))))
    assert work.reported["results"] == [
        {"number": 1, "ok": 100},
        {"number": 2, "error": "BatchIncompleteError", "cause": "429"},
        {"number": 3, "error": "MemoryError", "cause": "full"},
    ]
    assert [call["number"] for call in work.calls] == [1, 2, 2, 2, 2, 3]
    assert work.waits == [60, 120, 240]
    assert seen.count(("retry", "BatchIncompleteError")) == 3
    assert seen.count(("failed", "MemoryError")) == 1


def test_a_failed_run_is_a_failed_execution() -> None:
    with pytest.raises(ExecutionFailedError, match="RunFailed: No prices were stored"):
        Work([1], state="failed").run()


def test_an_error_that_nothing_catches_ends_the_execution_by_its_name() -> None:
    work = Work([1])
    work.report = lambda value, seconds: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ExecutionFailedError) as caught:
        work.run()
    assert caught.value.error == "ZeroDivisionError"


def test_at_most_so_many_batches_at_once() -> None:
    for workers, limit in ((3, 3), (99, 10)):
        inside, most, gate = 0, 0, threading.Barrier(limit)

        class Counting(Work):
            def fetch(self, value: Any, seconds: float | None) -> Any:
                nonlocal inside, most
                with self.lock:
                    inside += 1
                    most = max(most, inside)
                gate.wait(10)  # noqa: B023 all of a round are inside at once
                with self.lock:
                    inside -= 1
                gate.wait(10)  # noqa: B023
                return super().fetch(value, seconds)

        Counting(list(range(limit * 2))).run(workers=workers)
        assert most == limit


def edited(path: list[str], value: Any) -> dict[str, Any]:
    machine = copy.deepcopy(definition())
    place = machine
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return machine


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["States", "RunDone", "Type"], "Wait", "the type 'Wait' of state RunDone"),
        (["States", "RunReporter", "OutputPath"], "$.x", "OutputPath in state RunReporter"),
        (["States", "RunReporter", "Next"], "Nowhere", "the way from RunReporter to Nowhere"),
        (["States", "RunReporter", "End"], True, "without exactly one of Next and End"),
        (["States", "RunReporter", "Parameters", "x.$"], "States.Format('a')", "States.Format"),
        (["States", "RunReporter", "ResultPath"], "$.a.b", r"the ResultPath '\$.a.b'"),
        (["States", "RunReporter", "Resource"], "${other_arn}", "other_arn"),
        (["States", "FetchInParallel", "ToleratedFailurePercentage"], 5, "ToleratedFailurePercentage in state"),
        (["States", "FetchInParallel", "ItemProcessor", "ProcessorConfig"], {"Mode": "DISTRIBUTED"}, "only INLINE"),
        (["QueryLanguage"], "JSONata", "QueryLanguage in a state machine"),
    ],
)
def test_what_is_not_understood_is_refused_before_anything_runs(path: list[str], value: Any, words: str) -> None:
    tasks = dict.fromkeys(("symbol_updater_arn", "stock_fetcher_arn", "run_reporter_arn"), lambda value, seconds: value)
    Machine(states=definition(), tasks=tasks)
    with pytest.raises(ParameterError, match=words):
        Machine(states=edited(path, value), tasks=tasks)
