"""The distributed map runs the same batches; at the end, destroy leaves nothing. Runs last, by its name."""

import json
from datetime import UTC, timedelta

from tests.e2e.conftest import NOW, QUICK, SYMBOLS, Deployed


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


def test_destroy_leaves_nothing(deployed: Deployed) -> None:
    cloud = deployed.cloud
    cloud.terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    left = {
        "buckets": cloud.client("s3").list_buckets()["Buckets"],
        "functions": cloud.client("lambda").list_functions()["Functions"],
        "machines": cloud.client("stepfunctions").list_state_machines()["stateMachines"],
        "schedules": cloud.client("scheduler").list_schedules()["Schedules"],
        "queues": cloud.client("sqs").list_queues().get("QueueUrls", []),
        "topics": cloud.client("sns").list_topics()["Topics"],
        "alarms": cloud.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "roles": cloud.client("iam").list_roles()["Roles"],
        "tables": cloud.client("glue").get_databases()["DatabaseList"],
        "logs": cloud.client("logs").describe_log_groups()["logGroups"],
    }
    assert left == {name: [] for name in left}
