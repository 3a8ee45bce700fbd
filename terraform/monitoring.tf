locals {
  metrics_namespace = "stockstream"

  # Whose metrics there are.
  sources = merge(
    { for key, function in local.functions : key => { namespace = "AWS/Lambda", dimensions = { FunctionName = function.name } } },
    {
      pipeline = { namespace = "AWS/States", dimensions = { StateMachineArn = aws_sfn_state_machine.pipeline.arn } }
      queue    = { namespace = "AWS/SQS", dimensions = { QueueName = aws_sqs_queue.undelivered.name } }
      runs     = { namespace = local.metrics_namespace, dimensions = { service = local.names.run_reporter } }
    },
  )

  # What goes off, and what it means: docs/operations.md says what to do. A sum above 0 within five minutes, unless an
  # alarm says otherwise.
  alarms = merge(
    {
      for pair in setproduct(keys(local.functions), ["Errors", "Throttles"]) : "${pair[0]}-${lower(pair[1])}" => {
        of     = local.sources[pair[0]]
        metric = pair[1]
        means  = "${local.functions[pair[0]].name}: ${lower(pair[1])} within five minutes."
      }
    },
    {
      for metric in ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] : lower(metric) => {
        of     = local.sources.pipeline
        metric = metric
        means  = "The pipeline did not reach its end (${metric})."
      }
    },
    {
      # Silence, which no other alarm would notice. The schedule fires from Tuesday to Saturday whether the exchange was
      # open or not, so no success within three days means that something is broken.
      silence = {
        of      = local.sources.pipeline
        metric  = "ExecutionsSucceeded"
        means   = "The pipeline has not succeeded for three days."
        seconds = 86400
        periods = 3
        below   = 1
        silence = "breaching"
        enabled = var.schedule_enabled
      }

      coverage = {
        of        = local.sources.runs
        metric    = "Coverage"
        means     = "A run brought fewer than ${var.coverage_threshold * 100} % of the expected symbols."
        statistic = "Minimum"
        below     = var.coverage_threshold
      }

      slow-fetcher = {
        of        = local.sources.stock_data_fetcher
        metric    = "Duration"
        means     = "A batch took over 90 % of its time limit: the source is slow, or the batches are too large."
        statistic = "Maximum"
        above     = var.functions.stock_data_fetcher.timeout * 900 # 90 % of it, in milliseconds
      }

      undelivered = {
        of        = local.sources.queue
        metric    = "ApproximateNumberOfMessagesVisible"
        means     = "A scheduled start could not be delivered; its event is in the queue."
        statistic = "Maximum"
      }
    },
  )
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

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.names.pipeline}-${each.key}"
  alarm_description   = each.value.means
  namespace           = each.value.of.namespace
  dimensions          = each.value.of.dimensions
  metric_name         = each.value.metric
  statistic           = try(each.value.statistic, "Sum")
  period              = try(each.value.seconds, 300)
  evaluation_periods  = try(each.value.periods, 1)
  comparison_operator = try(each.value.below, null) == null ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = try(each.value.below, each.value.above, 0)
  treat_missing_data  = try(each.value.silence, "notBreaching")
  actions_enabled     = try(each.value.enabled, true)
  alarm_actions       = [aws_sns_topic.alerts.arn]
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
          metrics = [for pair in setproduct(values(local.functions)[*].name, ["Errors", "Throttles"]) : ["AWS/Lambda", pair[1], "FunctionName", pair[0]]]
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
