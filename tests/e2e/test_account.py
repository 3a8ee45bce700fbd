"""`pytest tests/integration --aws`, with a cloud on loopback in the place of an account."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.deployment import REPOSITORY, Cloud
from tests.replay.books import Generated
from tests.replay.server import ReplayServer

SYMBOLS = ("BHP", "CBA", "WES")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, packages: Path, runtime: Path) -> Iterator[Cloud]:
    cloud = Cloud(folder=tmp_path_factory.mktemp("account"), packages=packages, runtime=runtime)
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()


@pytest.mark.slow
def test_the_checks_of_a_real_account_pass_on_loopback(
    account: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    now = datetime.now(UTC)
    book = Generated(SYMBOLS, (now - timedelta(days=120)).date(), now.date())
    with ReplayServer(tmp_path_factory.mktemp("source"), book, now) as source:
        settings = {
            "STOCKSTREAM_CA_BUNDLE": str(source.certificate),
            "STOCKSTREAM_PROXY": source.address,
            "STOCKSTREAM_ATTEMPTS": "1",
        }
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "tests/integration",
                "--aws",
                "--aws-settings",
                json.dumps(settings),
            ],
            cwd=REPOSITORY,
            env={**os.environ, **account.aws},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "12 passed" in done.stdout
    assert "skipped" not in done.stdout
    assert not any(account.names().values())
