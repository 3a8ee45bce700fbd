"""What the pipeline's commands log: lines on stderr, for cron and for machines that collect them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, override

if TYPE_CHECKING:
    from stockstream.settings import Settings


class _Line(logging.Formatter):
    """Instant in UTC, level, name of the deployment, message."""

    def __init__(self, environment: str) -> None:
        super().__init__()
        self._environment = environment

    @override
    def format(self, record: logging.LogRecord) -> str:
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = " ".join(record.getMessage().split())
        return f"{at} {record.levelname} {self._environment} {message}"


def start_logging(settings: Settings) -> None:
    """Write what the library logs from the level of the settings on to stderr; again: with these settings instead."""
    logger = logging.getLogger("stockstream")
    for old in [handler for handler in logger.handlers if isinstance(handler.formatter, _Line)]:
        logger.removeHandler(old)
    handler = logging.StreamHandler()
    handler.setFormatter(_Line(settings.environment))
    logger.addHandler(handler)
    logger.setLevel(settings.log_level)


def stay_silent() -> None:
    """Write nothing of what the library logs: for commands that say it in their own words."""
    logger = logging.getLogger("stockstream")
    logger.handlers = [logging.NullHandler()]
