"""stock-lake-compactor: many small batches become few large files; no answer of the lake changes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser

from lambdas.events import Compaction
from stockstream.lake import Lake

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=Compaction)
def handler(event: Compaction, context: LambdaContext) -> dict[str, Any]:
    """Return what was written and removed, counted."""
    compacted = dataclasses.asdict(Lake().compact(expire=event.expire))
    logger.info("lake compacted", **compacted)
    return compacted
