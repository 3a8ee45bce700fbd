"""One deployment for all end-to-end tests: packages built once, applied once, destroyed at the end."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.deployment import REPOSITORY, Cloud, runtime_environment
from tests.replay.books import Edited, Generated, in_cents
from tests.replay.server import DIRECTORY_PATH, ReplayServer

collect_ignore = ["loopback_cloud.py"]  # a program of its own, with the extra `e2e`

SYDNEY = ZoneInfo("Australia/Sydney")
NOW = datetime(2026, 7, 2, 6, tzinfo=SYDNEY)  # a Thursday morning
SESSION = date(2026, 7, 1)
QUICK = {"seconds_between_symbols": 0, "seconds_before_retry": 1}
IN_CENTS = "S07"  # on one day: the checks of the run must see it
SYMBOLS = tuple(f"S{number:02d}" for number in range(35))


def directory(symbols: tuple[str, ...]) -> bytes:
    """Return a list of companies in the form of the exchange's directory."""
    lines = ['"ASX code","Company name","GICs industry group","Listing date","Market Cap"']
    lines += [f'"{symbol}","{symbol} LIMITED","Materials","01/07/2020",1000000' for symbol in symbols]
    return "\n".join(lines).encode()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return the folder of the packages, built from this checkout."""
    subprocess.run([sys.executable, "-m", "lambdas.package"], cwd=REPOSITORY, check=True)
    return REPOSITORY / "dist" / "lambdas"


@pytest.fixture(scope="session")
def runtime() -> Path:
    return runtime_environment(REPOSITORY / ".cache" / "lambda-runtime")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayServer]:
    book = Edited(Generated(SYMBOLS, date(2026, 1, 2), date(2026, 7, 31)), {IN_CENTS: in_cents("2026-06-25")})
    with ReplayServer(tmp_path_factory.mktemp("source"), book, NOW) as server:
        server.pages[DIRECTORY_PATH] = directory(SYMBOLS)
        yield server


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, packages: Path, runtime: Path) -> Iterator[Cloud]:
    started = Cloud(folder=tmp_path_factory.mktemp("cloud"), packages=packages, runtime=runtime)
    started.start()
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(started.folder / "functions", ignore_errors=True)


@dataclass
class Deployed:
    """The pipeline as deployed, and the source it asks."""

    cloud: Cloud
    source: ReplayServer
    outputs: dict[str, Any]
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, name: str, event: dict[str, Any], **options: Any) -> dict[str, Any]:
        self.runs[name] = self.cloud.execute(self.outputs["state_machine_arn"], event, name, **options)
        return self.runs[name]


@pytest.fixture(scope="session")
def settings(source: ReplayServer) -> dict[str, str]:
    """Return what leads the functions to the replay server, in batches small enough for a quick test."""
    return {
        "STOCKSTREAM_CA_BUNDLE": str(source.certificate),
        "STOCKSTREAM_PROXY": source.address,
        "STOCKSTREAM_ATTEMPTS": "1",
        "STOCKSTREAM_BATCH_SIZE": "10",
    }


@pytest.fixture(scope="session")
def deployed(cloud: Cloud, source: ReplayServer, settings: dict[str, str]) -> Deployed:
    outputs = cloud.apply(**QUICK, function_environment=settings, notification_emails=["quant@example.com"])
    return Deployed(cloud, source, outputs)
