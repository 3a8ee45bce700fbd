"""Daily runs against the replay server, as tests make them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from stockstream.ingest.run import Wanted, run_day
from tests.replay.server import ReplayServer


def settings_for(server: ReplayServer, **others: str) -> dict[str, str]:
    """Return the environment that leads a run to the replay server, without any wait."""
    named = {
        "CA_BUNDLE": str(server.certificate),
        "PROXY": server.address,
        "SECONDS_BETWEEN_SYMBOLS": "0",
        "ATTEMPTS": "1",
        "WORKERS": "2",
        **{name.upper(): value for name, value in others.items()},
    }
    return {f"STOCKSTREAM_{name}": value for name, value in named.items()}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_at(server: ReplayServer, lake: Path, market: Mapping[str, Any], now: datetime, **wanted: Any) -> dict[str, Any]:
    """Run the day as it was at an instant."""
    server.now = now
    return run_day(Wanted(lake=str(lake), market=market, now=now, **wanted), sleep=lambda seconds: None)
