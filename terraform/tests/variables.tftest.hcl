# What a user may set is refused here, with a sentence, and not by AWS in the middle of a deployment.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  packages_folder = "./tests/packages"
}

run "defaults_are_those_of_the_description" {
  command = plan

  assert {
    condition     = aws_lambda_function.this["symbol_updater"].function_name == "asx-symbol-updater" && aws_lambda_function.this["symbol_updater"].memory_size == 256 && aws_lambda_function.this["symbol_updater"].timeout == 300
    error_message = "The updater has 256 MB and five minutes."
  }

  assert {
    condition     = aws_lambda_function.this["stock_data_fetcher"].function_name == "stock-data-fetcher" && aws_lambda_function.this["stock_data_fetcher"].memory_size == 512 && aws_lambda_function.this["stock_data_fetcher"].timeout == 900
    error_message = "The fetcher has 512 MB and fifteen minutes."
  }

  assert {
    condition     = aws_scheduler_schedule.daily.schedule_expression == "cron(0 6 ? * TUE-SAT *)" && aws_scheduler_schedule.daily.schedule_expression_timezone == "Australia/Sydney"
    error_message = "The run starts at 06:00 in Sydney, Tuesday to Saturday."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.lake.block_public_acls && aws_s3_bucket_public_access_block.lake.restrict_public_buckets
    error_message = "Nothing in the lake is public."
  }

  assert {
    condition = {
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      key => "${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods}x${alarm.period} ${alarm.treat_missing_data}"
      if !endswith(key, "-errors") && !endswith(key, "-throttles")
      } == {
      executionsfailed   = "ExecutionsFailed Sum GreaterThanThreshold 0 1x300 notBreaching"
      executionstimedout = "ExecutionsTimedOut Sum GreaterThanThreshold 0 1x300 notBreaching"
      executionsaborted  = "ExecutionsAborted Sum GreaterThanThreshold 0 1x300 notBreaching"
      silence            = "ExecutionsSucceeded Sum LessThanThreshold 1 3x86400 breaching"
      coverage           = "Coverage Minimum LessThanThreshold 0.95 1x300 notBreaching"
      slow-fetcher       = "Duration Maximum GreaterThanThreshold 810000 1x300 notBreaching"
      undelivered        = "ApproximateNumberOfMessagesVisible Maximum GreaterThanThreshold 0 1x300 notBreaching"
    }
    error_message = "An alarm watches something else than its name says."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 15 && alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.metric_name == (endswith(key, "-errors") ? "Errors" : "Throttles") && alarm.threshold == 0 && alarm.namespace == "AWS/Lambda" if endswith(key, "-errors") || endswith(key, "-throttles")])
    error_message = "Every function has an alarm for errors and one for throttles."
  }

  assert {
    condition     = aws_glue_catalog_table.compacted.parameters["storage.location.template"] == "s3://stock-stream-data-dev-123456789012/curated/$${part}/$${compaction}/" && aws_glue_catalog_table.compacted.parameters["projection.compaction.values"] == "none" && [for key in aws_glue_catalog_table.compacted.partition_keys : key.name] == ["part", "compaction"]
    error_message = "Athena reads the folders of one compaction, and of none before the first."
  }

  assert {
    condition     = { for key, function in aws_lambda_function.this : key => try(function.environment[0].variables.STOCKSTREAM_ATHENA_TABLE, null) if try(function.environment[0].variables.STOCKSTREAM_ATHENA_TABLE, null) != null } == { compactor = "stock_data_pipeline_lake.compacted" }
    error_message = "The compactor, and no other function, knows the table that it sets."
  }

  assert {
    condition     = { for key, policy in data.aws_iam_policy_document.function : key => [for one in policy.statement : one.resources if contains(one.actions, "glue:UpdateTable")] if length([for one in policy.statement : 1 if contains(one.actions, "glue:UpdateTable")]) > 0 } == { compactor = [toset([for name in ["catalog", "database/stock_data_pipeline_lake", "table/stock_data_pipeline_lake/compacted"] : "arn:aws:glue:ap-southeast-2:123456789012:${name}"])] }
    error_message = "The compactor, and no other function, may set that table, and no other table."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "Nobody is written to unless asked."
  }
}

run "settings_reach_their_place" {
  command = plan

  variables {
    functions           = { stock_data_fetcher = { memory = 1024, timeout = 600, concurrency = 5 } }
    name_suffix         = "-two"
    schedule_expression = "cron(30 18 ? * MON-FRI *)"
    schedule_enabled    = false
    notification_emails = ["quant@example.com"]
    lake_prefix         = "market/asx"
    log_retention_days  = 7
  }

  assert {
    condition     = aws_lambda_function.this["stock_data_fetcher"].memory_size == 1024 && aws_lambda_function.this["stock_data_fetcher"].reserved_concurrent_executions == 5
    error_message = "Memory and concurrency are variables."
  }

  assert {
    condition     = aws_lambda_function.this["symbol_updater"].function_name == "asx-symbol-updater-two" && aws_lambda_function.this["symbol_updater"].memory_size == 256
    error_message = "What is not named keeps its default."
  }

  assert {
    condition     = aws_scheduler_schedule.daily.state == "DISABLED" && aws_scheduler_schedule.daily.schedule_expression == "cron(30 18 ? * MON-FRI *)"
    error_message = "The schedule is a variable, and can rest."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 1
    error_message = "An address is subscribed."
  }

  assert {
    condition     = endswith(aws_lambda_function.this["run_reporter"].environment[0].variables.STOCKSTREAM_LAKE, "/market/asx") && endswith(aws_glue_catalog_table.compacted.parameters["storage.location.template"], "/market/asx/curated/$${part}/$${compaction}/")
    error_message = "The functions know the lake's prefix."
  }

  assert {
    condition     = aws_cloudwatch_log_group.function["compactor"].retention_in_days == 7
    error_message = "Logs are kept as long as asked."
  }
}

run "bad_values_are_refused" {
  command = plan

  variables {
    aws_region              = "Sydney"
    environment             = "Production!"
    bucket_name             = "UPPER_case"
    lake_prefix             = "/lake/"
    architecture            = "sparc"
    python_runtime          = "python3.9"
    map_mode                = "parallel"
    max_concurrency         = 0
    seconds_between_symbols = -1
    seconds_before_retry    = 0
    coverage_threshold      = 2
    schedule_expression     = "every morning"
    schedule_timezone       = "Sydney time"
    notification_emails     = ["nobody"]
    log_retention_days      = 31
    log_level               = "CHATTY"
    name_suffix             = "two"
    functions               = { compactor = { memory = 64, timeout = 1000, concurrency = -2 } }
    function_environment    = { "bad name" = "x" }
  }

  expect_failures = [
    var.aws_region, var.environment, var.bucket_name, var.lake_prefix, var.architecture, var.python_runtime, var.map_mode,
    var.max_concurrency, var.seconds_between_symbols, var.seconds_before_retry, var.coverage_threshold, var.schedule_expression,
    var.schedule_timezone, var.notification_emails, var.log_retention_days, var.log_level, var.name_suffix, var.functions,
    var.function_environment,
  ]
}
