"""Each role may do what its code did, and nothing else: the calls of the runs before, against the deployed policies.

Moto checks no permissions, so the comparison is made here, both ways. It runs after test_deployment.py, whose runs it
looks at.
"""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.e2e.conftest import Deployed

#: Granted and not seen in these runs, each with its reason.
UNSEEN = {
    ("*", "logs:CreateLogStream"): "the runtime writes logs, and here the runtime is the test's",
    ("*", "logs:PutLogEvents"): "as above",
    ("stock-data-fetcher", "s3:GetObject", "raw-data"): "compares with earlier sessions, and this was the lake's first",
    (
        "stock-data-fetcher",
        "s3:GetObject",
        "quarantine",
    ): "a put whose answer was lost is looked at before it is repeated",
    ("stock-data-fetcher", "s3:GetObject", "raw-events"): "as above",
    ("stock-data-fetcher", "s3:PutObject", "raw-events"): "the weeks of the first run may hold no dividend",
    ("stock-run-reporter", "s3:GetObject", "raw-events"): "as above",
    ("stock-run-reporter", "s3:PutObject", "quarantine"): "only versions of earlier sessions get a verdict from it",
    ("stock-lake-compactor", "s3:GetObject", "raw-events"): "as above",
    ("stock-lake-compactor", "s3:DeleteObject", "curated"): "replaced files are deleted a day after their replacement",
}


def policies(deployed: Deployed) -> dict[str, list[dict[str, Any]]]:
    iam = deployed.cloud.client("iam")
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"], (
            "a managed policy grants too much"
        )
        found[name] = [statement for document in documents for statement in document["Statement"]]
    return found


def listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def allows(statement: dict[str, Any], action: str, resource: str) -> bool:
    if action not in listed(statement["Action"]):
        return False
    bucket, _, prefix = resource.partition("?prefix=")
    if not any(fnmatchcase(bucket, pattern) for pattern in listed(statement["Resource"])):
        return False
    patterns = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
    return patterns is None or any(fnmatchcase(prefix, pattern) for pattern in listed(patterns))


def calls(deployed: Deployed) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for call in deployed.cloud.written("calls.jsonl"):
        found.setdefault(call["caller"], set()).add((call["action"], call["resource"]))
    return found


FUNCTIONS = ("asx-symbol-updater", "stock-data-fetcher", "stock-run-reporter", "stock-lake-compactor")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_that_was_done_is_missing(deployed: Deployed, function: str) -> None:
    statements, made = policies(deployed)[function], calls(deployed)[function]
    assert made, "the function was not run by the tests before"
    topic = deployed.outputs["notification_topic_arn"]
    refused = [
        (action, resource)
        for action, resource in made
        if not any(allows(one, action, topic if action == "sns:Publish" else resource) for one in statements)
    ]
    assert not refused


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_may_not_be_there_may_be_looked_for(deployed: Deployed, function: str) -> None:
    """S3 says 404 of a missing object to those who may list its folder, and 403 to everybody else; moto always 404."""
    statements = policies(deployed)[function]
    missed = {
        call["resource"]
        for call in deployed.cloud.written("calls.jsonl")
        if (call["caller"], call["action"], call["status"]) == (function, "s3:GetObject", 404)
    }
    assert missed or function == "stock-lake-compactor"
    bucket = f"arn:aws:s3:::{deployed.outputs['bucket_name']}"
    keys = [resource.removeprefix(f"{bucket}/") for resource in missed]
    refused = [
        key for key in keys if not any(allows(one, "s3:ListBucket", f"{bucket}?prefix={key}") for one in statements)
    ]
    assert not refused


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_granted_that_was_not_done_without_a_reason(deployed: Deployed, function: str) -> None:
    made = calls(deployed)[function]
    unused = []
    for statement in policies(deployed)[function]:
        for action in listed(statement["Action"]):
            assert "*" not in action
            for pattern in listed(statement["Resource"]):
                folder = pattern.split(":::")[-1].partition("/")[2].removesuffix("/*")
                reasons = {("*", action), (function, action, folder)} & UNSEEN.keys()
                one = {**statement, "Action": action, "Resource": pattern}
                seen = any(action == done and (action == "sns:Publish" or allows(one, done, to)) for done, to in made)
                if not seen and not reasons:
                    unused.append((action, pattern))
    assert not unused


def test_the_state_machine_may_call_its_functions_and_no_others(deployed: Deployed) -> None:
    states = deployed.cloud.client("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=deployed.outputs["state_machine_arn"])
    text = machine["definition"]
    used = {arn for arn in deployed.outputs["lambda_function_arns"].values() if arn in text}
    statements = policies(deployed)["stock-data-pipeline"]
    granted = {
        arn for one in statements if "lambda:InvokeFunction" in listed(one["Action"]) for arn in listed(one["Resource"])
    }
    assert granted == used
    assert len(used) == 3


def test_the_schedules_may_start_their_targets_and_nothing_else(deployed: Deployed) -> None:
    scheduler = deployed.cloud.client("scheduler")
    found = [scheduler.get_schedule(Name=one["Name"])["Target"] for one in scheduler.list_schedules()["Schedules"]]
    needed = {target["Arn"] for target in found} | {target["DeadLetterConfig"]["Arn"] for target in found}
    statements = policies(deployed)["stock-data-pipeline-scheduler"]
    assert {arn for one in statements for arn in listed(one["Resource"])} == needed


def test_wildcards_are_those_that_have_a_written_reason(deployed: Deployed) -> None:
    wide = {
        (role, action)
        for role, statements in policies(deployed).items()
        for one in statements
        if "*" in listed(one["Resource"])
        for action in listed(one["Action"])
    }
    assert {role for role, _ in wide} == {"stock-data-pipeline"}
    assert all(action.startswith("logs:") for _, action in wide)  # delivery of logs knows no resource; said in iam.tf


def test_the_bucket_refuses_plain_http_and_everyone_else(deployed: Deployed) -> None:
    s3, bucket = deployed.cloud.client("s3"), deployed.outputs["bucket_name"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    deny = policy if isinstance(policy, dict) else policy[0]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*") or deny["Principal"] == {
        "AWS": "*"
    }
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_no_secret_is_in_the_state_or_the_environment_of_a_function(deployed: Deployed) -> None:
    functions = deployed.cloud.client("lambda").list_functions()["Functions"]
    names = {name for function in functions for name in function["Environment"]["Variables"]}
    assert not [name for name in names if any(word in name for word in ("SECRET", "PASSWORD", "TOKEN", "KEY"))]
    state = (deployed.cloud.configuration / "terraform.tfstate").read_text()
    assert "AWS_SECRET_ACCESS_KEY" not in state
