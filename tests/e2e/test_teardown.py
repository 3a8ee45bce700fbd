"""The distributed map runs the same batches; a day of the whole market; at the end, destroy leaves nothing.

Runs last, by its name.
"""

import json
import time
from datetime import UTC, date, timedelta

import pytest

from tests.e2e.conftest import NOW, QUICK, SYMBOLS, Deployed, directory
from tests.replay.books import Generated
from tests.replay.server import DIRECTORY_PATH

#: 1,900 symbols are 19 batches, fetched without pauses.
MARKET = (*SYMBOLS, *(f"M{number:04d}" for number in range(1900 - len(SYMBOLS))))
MINUTES = 10


def test_the_distributed_map_reads_its_batches_from_the_bucket(deployed: Deployed, settings: dict[str, str]) -> None:
    outputs = deployed.cloud.apply(**QUICK, function_environment=settings, map_mode="distributed")
    machine = deployed.cloud.client("stepfunctions").describe_state_machine(
        stateMachineArn=outputs["state_machine_arn"]
    )
    fetch = json.loads(machine["definition"])["States"]["FetchInParallel"]
    assert fetch["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert "ItemsPath" not in fetch
    next_day = NOW + timedelta(days=1)
    deployed.source.now = next_day
    run = deployed.run("distributed", {"now": next_day.astimezone(UTC).isoformat()})
    assert run["status"] == "SUCCEEDED", run
    answer = json.loads(run["output"])
    assert (answer["state"], answer["received"]) == ("complete", len(SYMBOLS))


@pytest.mark.slow
def test_a_day_of_the_whole_market(
    deployed: Deployed, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cloud = deployed.source, deployed.cloud
    monkeypatch.setattr(source, "book", Generated(MARKET, date(2026, 1, 2), date(2026, 7, 31)))
    monkeypatch.setitem(source.pages, DIRECTORY_PATH, directory(MARKET))
    source.now = NOW + timedelta(days=6)  # the next Wednesday
    cloud.apply(**QUICK, function_environment={**settings, "STOCKSTREAM_BATCH_SIZE": "100"})
    before, started = len(cloud.written("invocations.jsonl")), time.monotonic()
    run = deployed.run("market", {"now": source.now.astimezone(UTC).isoformat()}, seconds=MINUTES * 60)
    seconds = time.monotonic() - started
    answer = json.loads(run["output"])
    done = cloud.written("invocations.jsonl")[before:]
    fetches = [one for one in done if one["function"] == "stock-data-fetcher"]
    print(
        f"{seconds:.0f} s for {answer['received']} symbols in {len(fetches)} batches; a batch at most "
        f"{max(one['seconds'] for one in fetches):.0f} s, {max(one['cpu_seconds'] for one in fetches):.1f} s of "
        f"processor time and {max(one['peak_mib'] for one in fetches):.0f} MiB"
    )
    assert (answer["state"], answer["received"], len(fetches)) == ("complete", len(MARKET), 19)
    assert seconds < MINUTES * 60


def test_destroy_leaves_nothing(deployed: Deployed) -> None:
    deployed.cloud.destroy()
    left = deployed.cloud.names()
    assert left == {kind: [] for kind in left}
