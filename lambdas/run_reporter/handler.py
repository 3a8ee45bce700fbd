"""stock-run-reporter: the manifest of a run, its coverage as a metric, and a word to people when it fell short."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser

from lambdas.events import Report
from stockstream.ingest.steps import report_run

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

TOPIC: Final = "NOTIFICATION_TOPIC_ARN"

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=Report)
def handler(event: Report, context: LambdaContext) -> dict[str, Any]:
    """Return the state of the run and its counts."""
    answer = report_run(event.plain())
    logger.info("run reported", **answer)
    metrics.add_metric("Coverage", MetricUnit.NoUnit, answer["coverage"] or 0.0)
    metrics.add_metric("FailedSymbols", MetricUnit.Count, answer["symbols"] - answer["received"])
    if answer["state"] != "complete" and TOPIC in os.environ:
        # Says that something happened and where to look: messages leave the account, so they carry no data.
        boto3.client("sns").publish(
            TopicArn=os.environ[TOPIC],
            Subject=f"stockstream: the run of {answer['session']} is {answer['state']}",
            Message=f"Look at {answer['manifest']} in the lake; docs/operations.md says what to do.",
        )
    return answer
