locals {
  metrics_namespace = "stockstream"

  # What goes off, and what it means. Every one is described with its remedy in docs/operations.md.
  lambda_alarms = {
    for pair in setproduct(keys(local.functions), ["Errors", "Throttles"]) :
    "${pair[0]}-${lower(pair[1])}" => { function = local.functions[pair[0]].name, metric = pair[1] }
  }

  alarm_actions = [aws_sns_topic.alerts.arn]
}

# Messages say that something happened and where to look; they carry no data. CloudWatch cannot publish to a topic that
# is encrypted with AWS' own key, and a key of one's own costs more a month than this pipeline.
resource "aws_sns_topic" "alerts" {
  name         = "${local.names.pipeline}-alerts"
  display_name = "stockstream"
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.notification_emails

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each = local.lambda_alarms

  alarm_name          = "${local.names.pipeline}-${each.key}"
  alarm_description   = "${each.value.function}: ${lower(each.value.metric)} within five minutes."
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = each.value.function }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "pipeline" {
  for_each = toset(["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])

  alarm_name          = "${local.names.pipeline}-${lower(each.key)}"
  alarm_description   = "The pipeline did not reach its end (${each.key})."
  namespace           = "AWS/States"
  metric_name         = each.key
  dimensions          = { StateMachineArn = aws_sfn_state_machine.pipeline.arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

# Silence, which no other alarm would notice. The schedule fires from Tuesday to Saturday whether the exchange was open or
# not, so no success within three days means that something is broken.
resource "aws_cloudwatch_metric_alarm" "silence" {
  alarm_name          = "${local.names.pipeline}-silence"
  alarm_description   = "The pipeline has not succeeded for three days."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsSucceeded"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.pipeline.arn }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 3
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  actions_enabled     = var.schedule_enabled
}

resource "aws_cloudwatch_metric_alarm" "coverage" {
  alarm_name          = "${local.names.pipeline}-coverage"
  alarm_description   = "A run brought fewer than ${var.coverage_threshold * 100} % of the expected symbols."
  namespace           = local.metrics_namespace
  metric_name         = "Coverage"
  dimensions          = { service = local.names.run_reporter }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.coverage_threshold
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "slow_fetcher" {
  alarm_name          = "${local.names.pipeline}-slow-fetcher"
  alarm_description   = "A batch took over 90 % of its time limit: the source is slow, or the batches are too large."
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  dimensions          = { FunctionName = local.names.stock_data_fetcher }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.functions.stock_data_fetcher.timeout * 900 # 90 % of it, in milliseconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  alarm_name          = "${local.names.pipeline}-undelivered"
  alarm_description   = "A scheduled start could not be delivered; its event is in the queue."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.undelivered.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_dashboard" "pipeline" {
  dashboard_name = local.names.pipeline

  dashboard_body = jsonencode({
    widgets = [
      for place, widget in [
        {
          title   = "Runs"
          metrics = [for name in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", name, "StateMachineArn", aws_sfn_state_machine.pipeline.arn]]
          stat    = "Sum"
        },
        {
          title   = "Coverage of the last runs"
          metrics = [[local.metrics_namespace, "Coverage", "service", local.names.run_reporter]]
          stat    = "Minimum"
        },
        {
          title   = "Duration of the functions (ms)"
          metrics = [for function in values(local.functions) : ["AWS/Lambda", "Duration", "FunctionName", function.name]]
          stat    = "Maximum"
        },
        {
          title   = "Errors and throttles"
          metrics = [for pair in values(local.lambda_alarms) : ["AWS/Lambda", pair.metric, "FunctionName", pair.function]]
          stat    = "Sum"
        },
        {
          title   = "Symbols that failed"
          metrics = [[local.metrics_namespace, "FailedSymbols", "service", local.names.run_reporter]]
          stat    = "Sum"
        },
        {
          title   = "Starts not delivered"
          metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.undelivered.name]]
          stat    = "Maximum"
        },
        ] : {
        type   = "metric"
        x      = (place % 2) * 12
        y      = floor(place / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.aws_region
          metrics = widget.metrics
          stat    = widget.stat
          period  = 3600
          view    = "timeSeries"
        }
      }
    ]
  })
}
