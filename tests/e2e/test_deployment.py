"""One command deploys the pipeline, and its state machine runs the deployed packages; destroy leaves nothing.

The tests build on each other, in the order of this file: a deployment is slow, and lives as a real one does.
"""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import stockstream as ss
from tests.e2e.conftest import IN_CENTS, NOW, SESSION, SYMBOLS, Deployed
from tests.e2e.pipeline import BAD_EVENTS, REFUSALS, open_lake, output

#: Three of the ten: every refusal doubles the wait before the next symbol, and a test has no hour.
REFUSED = SYMBOLS[10:13]
EVENT = {"now": NOW.astimezone(UTC).isoformat()}


def lake_of(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> ss.Lake:
    return open_lake(deployed.cloud, deployed.outputs["lake"], monkeypatch)


def keys(deployed: Deployed, prefix: str = "") -> dict[str, str]:
    return deployed.cloud.keys(deployed.outputs["bucket_name"], prefix)


def test_a_second_plan_changes_nothing(deployed: Deployed) -> None:
    deployed.cloud.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color")


def test_the_schedule_starts_this_state_machine_in_sydneys_morning(deployed: Deployed) -> None:
    """Moto keeps schedules and never fires them: read back and evaluated here, and its input is what the test sends."""
    scheduler = deployed.cloud.client("scheduler")
    found = scheduler.get_schedule(Name="stock-data-pipeline-daily")
    assert found["Target"]["Arn"] == deployed.outputs["state_machine_arn"]
    assert found["ScheduleExpression"] == "cron(0 6 ? * TUE-SAT *)"
    assert found["ScheduleExpressionTimezone"] == "Australia/Sydney"
    assert set(json.loads(found["Target"]["Input"])) == {"scheduled_time"}
    summer, winter = (datetime(2026, month, 6, 6, tzinfo=ZoneInfo("Australia/Sydney")) for month in (1, 7))
    assert (summer.astimezone(UTC).hour, winter.astimezone(UTC).hour) == (19, 20)


def test_a_run_fills_the_lake_and_one_batch_that_fails_stops_no_other(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.source.misbehave("429", *REFUSED)  # of batch 2, for good
    answer = output(deployed.run("first", EVENT))
    deployed.source.behave()
    assert answer["state"] == "partial"
    assert answer["coverage"] == pytest.approx(32 / 35, abs=1e-6)
    assert answer["failed_batches"] == 1
    lake = lake_of(deployed, monkeypatch)
    manifest = json.loads(lake.location.read_text(f"runs/{SESSION}.json") or "")
    assert set(manifest["failures"]["rate_limited"]) == set(REFUSED)
    assert manifest["hidden"] == {"unit_error": {IN_CENTS: 1}}
    frame = lake.load_all_data()
    assert set(frame["symbol"].unique()) == set(SYMBOLS) - set(REFUSED)
    assert frame["date"].max() == SESSION


def test_the_next_run_of_the_day_asks_for_what_is_missing_only(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked = keys(deployed, "raw-data/"), len(deployed.source.charts())
    assert output(deployed.run("second", EVENT))["state"] == "complete"
    assert {one.symbol for one in deployed.source.charts()[asked:]} == set(REFUSED)
    after = keys(deployed, "raw-data/")
    assert after.items() >= before.items()
    lake = lake_of(deployed, monkeypatch)
    counted = lake.sql("SELECT symbol, count(*) FROM prices GROUP BY symbol ORDER BY symbol").fetchall()
    assert [symbol for symbol, _ in counted] == list(SYMBOLS)
    # The source's own history, without the wire and without our reader, is what the lake must say.
    served = deployed.source.book.series("S03", NOW)
    stored = lake.scan().filter(pl.col("symbol") == "S03").collect()
    known = dict(zip(served.days.tolist(), served.values["close"].tolist(), strict=True))
    assert stored["close"].to_list() == [known[day] for day in stored["date"]]
    assert lake.bars(["S03", "S12"]).close.shape[0] == 2


def test_a_complete_day_is_not_asked_for_again_and_nothing_changes(deployed: Deployed) -> None:
    before, asked = keys(deployed), len(deployed.source.charts())
    answer = output(deployed.run("third", EVENT))
    assert answer["new_session"] is False
    assert "complete already" in answer["reason"]
    assert len(deployed.source.charts()) == asked
    assert keys(deployed) == before


def test_what_went_wrong_is_told_without_any_data(deployed: Deployed) -> None:
    calls = [one for one in deployed.cloud.written("calls.jsonl") if one["action"] == "sns:Publish"]
    assert len(calls) == 1  # the partial run; the complete one is no news
    assert calls[0]["caller"] == "stock-run-reporter"


@pytest.mark.parametrize("event", BAD_EVENTS)
def test_a_bad_event_is_refused_and_nothing_is_written(deployed: Deployed, event: object) -> None:
    before = keys(deployed)
    answer, failed = deployed.cloud.invoke("asx-symbol-updater", event)
    assert failed
    assert answer["errorType"] in REFUSALS
    assert keys(deployed) == before


@pytest.mark.parametrize(
    "change",
    [{"number": 0}, {"number": "1"}, {"number": 99}, {"extra": 1}, {"symbols": ["S01"] * 101}, {"run": {}}],
)
def test_a_bad_batch_is_refused_and_nothing_is_written(deployed: Deployed, change: dict) -> None:
    before = keys(deployed)
    event = {"number": 1, "run": {"session": SESSION.isoformat()}, **change}
    answer, failed = deployed.cloud.invoke("stock-data-fetcher", event)
    assert failed
    assert answer["errorType"] in {"ValidationError", "LakeError"}
    assert keys(deployed) == before


def test_compaction_changes_no_answer(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_of(deployed, monkeypatch)
    before = lake.load_all_data()
    compacted, failed = deployed.cloud.invoke("stock-lake-compactor", {})
    assert not failed, compacted
    assert compacted["added"] > 0
    assert compacted["athena"] is None
    assert lake_of(deployed, monkeypatch).load_all_data().equals(before)


def table_of(deployed: Deployed) -> dict[str, Any]:
    """Return the table of what was compacted, without what the catalogue writes on it by itself."""
    database, name = deployed.outputs["athena_compacted_table"].split(".")
    found = deployed.cloud.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
    known = deployed.cloud.client("glue").meta.service_model.shape_for("TableInput").members
    return {key: value for key, value in found.items() if key in known}


def test_athena_reads_the_compaction_and_a_later_apply_leaves_it_so(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(deployed)
    shown = table["Parameters"]["projection.compaction.values"]
    template = table["Parameters"]["storage.location.template"]
    folders = [template.replace("${part}", part).replace("${compaction}", shown) for part in ("latest", "history")]
    bucket = f"s3://{deployed.outputs['bucket_name']}/"
    found = {key for folder in folders for key in keys(deployed, folder.removeprefix(bucket))}
    manifest = json.loads(lake_of(deployed, monkeypatch).location.read_text("curated/manifest.json") or "")
    assert found == set(manifest["parts"].values()) == keys(deployed, "curated/").keys() - {"curated/manifest.json"}
    deployed.cloud.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color")


def test_a_catalogue_that_refuses_stops_no_compaction_and_the_next_run_repairs_it(deployed: Deployed) -> None:
    glue, (database, _) = deployed.cloud.client("glue"), deployed.outputs["athena_compacted_table"].split(".")
    right = table_of(deployed)
    others = {name: value for name, value in right["Parameters"].items() if name != "projection.compaction.values"}
    before = keys(deployed)
    for parameters, trouble in ((others, "has none"), ({**others, "projection.compaction.values": "none"}, None)):
        glue.update_table(DatabaseName=database, TableInput={**right, "Parameters": parameters})
        compacted, failed = deployed.cloud.invoke("stock-lake-compactor", {"expire": True})
        assert not failed
        assert compacted["athena"] is None if trouble is None else trouble in compacted["athena"]
    assert table_of(deployed) == right
    assert keys(deployed) == before


def test_functions_stay_within_their_memory(deployed: Deployed) -> None:
    peaks: dict[str, float] = {}
    for run in deployed.cloud.written("invocations.jsonl"):
        peaks[run["function"]] = max(peaks.get(run["function"], 0.0), run["peak_mib"])
    limits = {
        function["FunctionName"]: function["MemorySize"]
        for function in deployed.cloud.client("lambda").list_functions()["Functions"]
    }
    print(peaks)
    assert peaks.keys() == limits.keys()
    assert all(peaks[name] < limit for name, limit in limits.items()), peaks
