"""asx-symbol-updater: which session is due, who is listed, and the batches of the session."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser

from lambdas.events import Start
from stockstream.ingest.batches import batches_name
from stockstream.ingest.steps import update_symbols

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=Start)
def handler(event: Start, context: LambdaContext) -> dict[str, Any]:
    """Return whether there is a new session, and the references that the next states need."""
    answer = update_symbols({name: value for name, value in event.plain().items() if name != "scheduled_time"})
    facts = {"new_session": answer["new_session"], "batches": len(answer.get("batches", ()))}
    logger.info("symbols updated", session=answer["session"], scheduled_time=event.scheduled_time, **facts)
    return {**answer, "batches_file": batches_name(date.fromisoformat(answer["session"]))}
