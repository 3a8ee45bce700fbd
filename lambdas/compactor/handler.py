"""stock-lake-compactor: many small batches become few large files; no answer of the lake changes.

Athena is told which files to read. What goes wrong there is logged as an error and in the answer; the next run repairs
it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser

from lambdas.events import Compaction
from stockstream.lake import Lake
from stockstream.lake.catalogue import compact_and_show
from stockstream.settings import load

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=Compaction)
def handler(event: Compaction, context: LambdaContext) -> dict[str, Any]:
    """Return what was written and removed, counted, and why Athena does not show it if so."""
    compacted, trouble = compact_and_show(Lake(), load().athena_table, expire=event.expire)
    answer = {**dataclasses.asdict(compacted), "athena": trouble}
    logger.info("lake compacted", **answer)
    if trouble is not None:
        logger.error("Athena reads an earlier compaction", reason=trouble)
    return answer
