"""The pipeline in a real AWS account: deployed, run, read back, destroyed. `pytest tests/integration --aws`.

It costs some cents and takes about ten minutes. Everything it makes has a name of its own and is destroyed at the end,
also when a test fails; schedules are never switched on. The checks are those of tests/e2e, which run on loopback.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from tests.e2e.deployment import REPOSITORY, Account
from tests.e2e.pipeline import BAD_EVENTS, REFUSALS, open_lake, output

pytestmark = pytest.mark.aws

SYMBOLS = ["BHP", "CBA", "WES"]
EVENT = {"market": {"symbols": SYMBOLS}}


@dataclass
class Deployed:
    account: Account
    outputs: dict[str, Any]
    own: str  # part of the names of all that was made

    def keys(self) -> dict[str, str]:
        return self.account.keys(self.outputs["bucket_name"])

    def run(self, name: str) -> dict[str, Any]:
        return output(self.account.execute(self.outputs["state_machine_arn"], EVENT, name, seconds=900))


@pytest.fixture(scope="module")
def deployed(
    pytestconfig: pytest.Config, account_variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    subprocess.run([sys.executable, "-m", "lambdas.package"], cwd=REPOSITORY, check=True)
    folder, packages = tmp_path_factory.mktemp("account"), REPOSITORY / "dist" / "lambdas"
    account = Account(folder=folder, packages=packages, variables=account_variables)
    account.prepare()
    own = f"t{uuid.uuid4().hex[:8]}"
    try:
        outputs = account.apply(
            aws_region=account_variables["AWS_REGION"],
            bucket_name=f"stockstream-{own}",
            name_suffix=f"-{own}",
            schedule_enabled=False,
            function_environment=json.loads(pytestconfig.getoption("--aws-settings")),
        )
        yield Deployed(account, outputs, own)
    finally:
        account.destroy()


def test_a_second_plan_changes_nothing(deployed: Deployed) -> None:
    deployed.account.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color")


def test_a_run_fills_the_lake(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = deployed.run("first")
    assert (answer["state"], answer["received"]) == ("complete", len(SYMBOLS))
    lake = open_lake(deployed.account, deployed.outputs["lake"], monkeypatch)
    frame = lake.load_all_data()
    assert set(frame["symbol"].unique()) == set(SYMBOLS)
    assert frame["date"].max() == date.fromisoformat(answer["session"])
    counted = lake.sql("SELECT count(DISTINCT symbol) FROM prices WHERE close > 0 AND volume >= 0").fetchone()
    assert counted == (len(SYMBOLS),)
    assert lake.bars(SYMBOLS).close.shape[0] == len(SYMBOLS)


def test_a_complete_day_is_not_asked_for_again_and_nothing_changes(deployed: Deployed) -> None:
    before = deployed.keys()
    assert before
    assert deployed.run("second")["new_session"] is False
    assert deployed.keys() == before


@pytest.mark.parametrize("event", BAD_EVENTS)
def test_a_bad_event_is_refused_and_nothing_is_written(deployed: Deployed, event: object) -> None:
    before = deployed.keys()
    answer, failed = deployed.account.invoke(f"asx-symbol-updater-{deployed.own}", event)
    assert failed
    assert answer["errorType"] in REFUSALS
    assert deployed.keys() == before


def test_compaction_changes_no_answer(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_lake(deployed.account, deployed.outputs["lake"], monkeypatch).load_all_data()
    compacted, failed = deployed.account.invoke(f"stock-lake-compactor-{deployed.own}", {})
    assert not failed, compacted
    assert open_lake(deployed.account, deployed.outputs["lake"], monkeypatch).load_all_data().equals(before)


def test_destroy_leaves_nothing(deployed: Deployed) -> None:
    def ours() -> dict[str, list[str]]:
        found = deployed.account.names()
        return {kind: [name for name in names if deployed.own in name] for kind, names in found.items()}

    assert all(ours().values())
    deployed.account.destroy()
    assert not any(ours().values())
