# The definition is the one that ships with the library and that `stockstream ingest` runs on a laptop.

locals {
  inline = jsondecode(templatefile("${path.module}/../stockstream/ingest/state_machine.asl.json", {
    symbol_updater_arn = aws_lambda_function.this["symbol_updater"].arn
    stock_fetcher_arn  = aws_lambda_function.this["stock_data_fetcher"].arn
    run_reporter_arn   = aws_lambda_function.this["run_reporter"].arn
  }))

  processor = local.inline.States.FetchInParallel.ItemProcessor
  fetch     = local.processor.States.FetchStockData

  inline_map = merge(local.inline.States.FetchInParallel, {
    MaxConcurrency = var.max_concurrency
    ItemProcessor = merge(local.processor, {
      States = merge(local.processor.States, {
        FetchStockData = merge(local.fetch, {
          TimeoutSeconds = var.functions.stock_data_fetcher.timeout
          Retry = [
            for retry in local.fetch.Retry :
            contains(retry.ErrorEquals, "BatchIncompleteError") ? merge(retry, { IntervalSeconds = var.seconds_before_retry }) : retry
          ]
        })
      })
    })
  })

  # For tens of thousands of symbols: each batch is an execution of its own, listed in the file that the updater wrote,
  # so that neither the history nor the payload of one execution grows with the market.
  distributed_map = merge(
    { for name, value in local.inline_map : name => value if name != "ItemsPath" },
    {
      ItemReader = {
        Resource     = "arn:${local.partition}:states:::s3:getObject"
        ReaderConfig = { InputType = "JSON" }
        Parameters   = { Bucket = local.bucket_name, "Key.$" = var.lake_prefix == "" ? "$.batches_file" : "States.Format('${var.lake_prefix}/{}', $.batches_file)" }
      }
      ItemSelector = { "number.$" = "$$.Map.Item.Value.number", "run.$" = "$.run" }
      ItemProcessor = merge(local.inline_map.ItemProcessor, {
        ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" }

        # What hundreds of failed batches have to say would not fit into a payload; their names and errors do.
        States = merge(local.inline_map.ItemProcessor.States, {
          BatchFailed = merge(local.processor.States.BatchFailed, {
            Parameters = { for name, path in local.processor.States.BatchFailed.Parameters : name => path if name != "cause.$" }
          })
        })
      })
    },
  )

  # Through JSON, because the two maps differ in type and a condition takes one type only.
  definition = merge(local.inline, {
    States = merge(local.inline.States, {
      FetchInParallel = jsondecode(var.map_mode == "distributed" ? jsonencode(local.distributed_map) : jsonencode(local.inline_map))
    })
  })
}

resource "aws_sfn_state_machine" "pipeline" {
  name       = local.names.pipeline
  role_arn   = aws_iam_role.pipeline.arn
  definition = jsonencode(local.definition)

  logging_configuration {
    level                  = "ALL"
    include_execution_data = true # references and counts only: no prices, no secrets
    log_destination        = "${aws_cloudwatch_log_group.pipeline.arn}:*"
  }

  depends_on = [aws_iam_role_policy.pipeline]
}

resource "aws_cloudwatch_log_group" "pipeline" {
  name              = "/aws/vendedlogs/states/${local.names.pipeline}"
  retention_in_days = var.log_retention_days
}
