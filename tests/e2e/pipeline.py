"""What is checked of a deployed pipeline, on loopback and in a real account alike."""

import json
from typing import Any, Final

import pytest

import stockstream as ss
from tests.e2e.deployment import Deployment

#: Events of the updater that are refused, and the errors that say so.
BAD_EVENTS: Final = (
    {"lake": "s3://another-bucket"},
    {"session": "../../etc"},
    {"session": "2026-07-04"},  # a Saturday
    {"now": "2026-07-02"},
    {"market": {"symbols": ["../../etc/passwd"]}},
    {"market": {"sybols": ["BHP"]}},
    [],
)
REFUSALS: Final = {"ValidationError", "ParameterError", "SettingsError"}


def open_lake(deployment: Deployment, address: str, monkeypatch: pytest.MonkeyPatch) -> ss.Lake:
    """Open the lake as its reader does, with the credentials of the one who deployed it."""
    for name, value in deployment.aws.items():
        monkeypatch.setenv(name, value)
    return ss.Lake(address)


def output(run: dict[str, Any]) -> dict[str, Any]:
    """Return what a run that succeeded answered."""
    assert run["status"] == "SUCCEEDED", run
    answer: dict[str, Any] = json.loads(run["output"])
    return answer
