output "bucket_name" {
  description = "The lake's bucket; give it to the library as S3_BUCKET_NAME."
  value       = aws_s3_bucket.lake.id
}

output "lake" {
  description = "Address of the lake, as ss.Lake(…) takes it."
  value       = local.lake
}

output "lambda_function_arns" {
  description = "ARN of each function."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "log_group_names" {
  description = "Log group of each function and of the state machine."
  value = merge(
    { for name, group in aws_cloudwatch_log_group.function : name => group.name },
    { pipeline = aws_cloudwatch_log_group.pipeline.name },
  )
}

output "schedule_arns" {
  description = "ARN of each schedule: of the daily run and of the compaction."
  value       = { daily = aws_scheduler_schedule.daily.arn, compaction = aws_scheduler_schedule.compaction.arn }
}

output "state_machine_arn" {
  description = "ARN of the pipeline, to start it by hand."
  value       = aws_sfn_state_machine.pipeline.arn
}

output "notification_topic_arn" {
  description = "Topic of failed runs and alarms; further subscribers can be added to it."
  value       = aws_sns_topic.alerts.arn
}

output "athena_workgroup" {
  description = "Workgroup in which the lake can be queried."
  value       = aws_athena_workgroup.lake.name
}

output "athena_compacted_table" {
  description = "Table of what was compacted; the compactor tells it which files to read."
  value       = "${aws_glue_catalog_database.lake.name}.${aws_glue_catalog_table.compacted.name}"
}

output "dashboard_name" {
  description = "CloudWatch dashboard of the pipeline."
  value       = aws_cloudwatch_dashboard.pipeline.dashboard_name
}
