"""The troubles of docs/operations.md, brought about on purpose: a function that hits its limits, and the way back.

Each takes a session before the others, with symbols of its own, so that the tests around it see nothing of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import NOW, Deployed
from tests.e2e.pipeline import output

FETCHER = "stock-data-fetcher"


@contextmanager
def limits(deployed: Deployed, **changed: Any) -> Iterator[None]:
    """Change the fetcher's configuration for a while, as an operator would by hand."""
    functions = deployed.cloud.client("lambda")
    before = functions.get_function_configuration(FunctionName=FETCHER)
    changed["Environment"] = {"Variables": {**before["Environment"]["Variables"], **changed.pop("settings", {})}}
    functions.update_function_configuration(FunctionName=FETCHER, **changed)
    try:
        yield
    finally:
        old = {name: before[name] for name in ("MemorySize", "Timeout")}
        variables = {"Variables": before["Environment"]["Variables"]}
        functions.update_function_configuration(FunctionName=FETCHER, Environment=variables, **old)


def event_of(deployed: Deployed, days_before: int, *symbols: str) -> dict[str, Any]:
    deployed.source.now = NOW - timedelta(days=days_before)
    return {"now": deployed.source.now.astimezone(UTC).isoformat(), "market": {"symbols": list(symbols)}}


def outcomes(deployed: Deployed) -> list[str]:
    return [run["outcome"] for run in deployed.cloud.written("invocations.jsonl") if run["function"] == FETCHER]


def test_a_function_without_memory_is_killed_and_its_batch_is_fetched_by_the_next_run(deployed: Deployed) -> None:
    event, lake = event_of(deployed, 1, "S01", "S02"), deployed.outputs["bucket_name"]
    with limits(deployed, MemorySize=128):
        run = deployed.run("without-memory", event)
    assert (run["status"], run["error"]) == ("FAILED", "RunFailed")
    assert outcomes(deployed)[-1] == "memory"
    manifest = deployed.cloud.client("s3").get_object(Bucket=lake, Key="runs/2026-06-30.json")["Body"].read()
    assert "Runtime.ExitError" in json.loads(manifest)["failed_batches"]["1"]
    assert not deployed.cloud.keys(lake, "raw-data/2026-06-30")
    assert output(deployed.run("with-memory", event))["state"] == "complete"


@pytest.mark.slow
def test_a_function_out_of_time_is_ended_and_its_batch_is_fetched_by_the_next_try(deployed: Deployed) -> None:
    """The fetcher stops half a minute before its limit: only a request that hangs for longer runs into it."""
    event = event_of(deployed, 2, "S03", "S04")
    started, failed = deployed.cloud.invoke("asx-symbol-updater", event)
    assert not failed
    batch = {"run": started["run"], "number": 1}
    deployed.source.misbehave("hang", "S03", times=1)
    with limits(deployed, Timeout=40, settings={"STOCKSTREAM_TIMEOUT_SECONDS": "60"}):
        answer, failed = deployed.cloud.invoke(FETCHER, batch)
    deployed.source.behave()
    assert failed
    assert answer["errorType"] == "Sandbox.Timedout"
    assert outcomes(deployed)[-1] == "timeout"
    answer, failed = deployed.cloud.invoke(FETCHER, batch)
    assert not failed
    assert answer["outcomes"] == {"ok": 2}


def test_an_error_by_which_a_function_ends_early_is_one_that_the_state_machine_knows(deployed: Deployed) -> None:
    states = deployed.cloud.client("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=deployed.outputs["state_machine_arn"])
    inside = json.loads(machine["definition"])["States"]["FetchInParallel"]["ItemProcessor"]["States"]
    fetch = inside["FetchStockData"]
    retried = {error for retry in fetch["Retry"] for error in retry["ErrorEquals"]}
    assert {"Sandbox.Timedout", "States.Timeout", "BatchIncompleteError", "LakeError"} <= retried
    assert "Runtime.ExitError" not in retried  # what does not fit does not fit the second time
    assert fetch["Catch"][0]["ErrorEquals"] == ["States.ALL"]
