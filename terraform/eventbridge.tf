# EventBridge Scheduler, not a rule: rules know UTC only, and 06:00 in Sydney moves by an hour twice a year.

resource "aws_scheduler_schedule" "daily" {
  name        = "${local.names.pipeline}-daily"
  description = "Runs the pipeline on the morning after each session."
  state       = var.schedule_enabled ? "ENABLED" : "DISABLED"

  schedule_expression          = var.schedule_expression
  schedule_expression_timezone = var.schedule_timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.pipeline.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ scheduled_time = "<aws.scheduler.scheduled-time>" })

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 5
    }

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_scheduler_schedule" "compaction" {
  name        = "${local.names.compactor}-weekly"
  description = "Merges small batches into few large files."
  state       = var.schedule_enabled ? "ENABLED" : "DISABLED"

  schedule_expression          = var.compaction_schedule_expression
  schedule_expression_timezone = var.schedule_timezone

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 30
  }

  target {
    arn      = aws_lambda_function.this["compactor"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ expire = var.expire_raw_batches })

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 2
    }

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

# Starts that could not be delivered, for a person to look at.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${local.names.pipeline}-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}
