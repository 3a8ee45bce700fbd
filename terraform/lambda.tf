locals {
  packages = coalesce(var.packages_folder, "${path.module}/../dist/lambdas")
  lake     = "s3://${join("/", compact([local.bucket_name, var.lake_prefix]))}"

  functions = {
    for key, name in { for key, name in local.names : key => name if key != "pipeline" } : key => {
      name        = name
      package     = "${local.packages}/${key}.zip"
      memory      = var.functions[key].memory
      timeout     = var.functions[key].timeout
      concurrency = var.functions[key].concurrency
    }
  }
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name                  = each.value.name
  description                    = "stockstream: ${replace(each.key, "_", " ")}"
  role                           = aws_iam_role.function[each.key].arn
  runtime                        = var.python_runtime
  architectures                  = [var.architecture]
  handler                        = "lambdas.${each.key}.handler.handler"
  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.concurrency
  s3_bucket                      = aws_s3_object.package[each.key].bucket
  s3_key                         = aws_s3_object.package[each.key].key
  source_code_hash               = filebase64sha256(each.value.package)

  environment {
    variables = merge(
      {
        STOCKSTREAM_LAKE                    = local.lake
        STOCKSTREAM_SECONDS_BETWEEN_SYMBOLS = tostring(var.seconds_between_symbols)
        STOCKSTREAM_COVERAGE_THRESHOLD      = tostring(var.coverage_threshold)
        ENVIRONMENT                         = var.environment
        LOG_LEVEL                           = var.log_level
        POWERTOOLS_SERVICE_NAME             = each.value.name
        POWERTOOLS_METRICS_NAMESPACE        = local.metrics_namespace
        HOME                                = "/tmp" # the only folder a function may write to; clients keep caches in their home
      },
      each.key == "run_reporter" ? { NOTIFICATION_TOPIC_ARN = aws_sns_topic.alerts.arn } : {},
      each.key == "compactor" ? { STOCKSTREAM_ATHENA_TABLE = "${aws_glue_catalog_database.lake.name}.${aws_glue_catalog_table.compacted.name}" } : {},
      var.function_environment,
    )
  }

  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${each.value.name}"
  retention_in_days = var.log_retention_days
}
