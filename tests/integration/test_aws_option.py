"""The option --aws: without it the tests of an account are left out, with it and without credentials nothing starts."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = "tests/integration/test_aws.py"


def pytest_with(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", *words]
    nowhere = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    environment = {**kept, **nowhere, **variables}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_without_the_option_they_are_deselected_and_not_skipped() -> None:
    done = pytest_with(FILE)
    assert "12 deselected" in done.stdout
    assert "skipped" not in done.stdout


def test_without_credentials_it_says_what_is_missing_and_stops() -> None:
    done = pytest_with(FILE, "--aws")
    assert done.returncode == 4  # a wrong command line
    assert "--aws deploys to an AWS account, and found no credentials" in done.stderr
    assert "AWS_PROFILE" in done.stderr


def test_with_credentials_it_selects_nothing_else() -> None:
    other = "tests/integration/test_ingest_csv.py"
    done = pytest_with(FILE, other, "--aws", AWS_ACCESS_KEY_ID="someone", AWS_SECRET_ACCESS_KEY="secret")
    assert done.returncode == 0, done.stdout
    assert "12/" in done.stdout
    assert f"{FILE}::test_destroy_leaves_nothing" in done.stdout
    assert f"{other}::" not in done.stdout
