"""stock-data-fetcher: one batch of up to 100 symbols, from the source into the lake."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser

from lambdas.events import Fetch
from stockstream.ingest.steps import fetch_batch

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Left of the time limit to check and store what has come, seconds.
RESERVE: Final = 30.0

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=Fetch)
def handler(event: Fetch, context: LambdaContext) -> dict[str, Any]:
    """Return what became of the batch, counted; symbols that time ran out for raise, so that the batch comes back."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    logger.append_keys(session=event.run.session.isoformat(), batch=event.number)
    answer = fetch_batch(event.plain(), deadline=deadline)
    logger.info("batch stored", outcomes=answer["outcomes"])
    return answer
