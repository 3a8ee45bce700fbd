# One role per function, with what its code calls and nothing else. The end-to-end test compares these policies with the
# calls that a run really makes, both ways.

data "aws_iam_policy_document" "assume" {
  for_each = toset(["lambda", "states", "scheduler"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    # Only this account's resources may act through the service.
    dynamic "condition" {
      for_each = each.key == "lambda" ? [] : [local.account]

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

locals {
  objects = "${aws_s3_bucket.lake.arn}/${var.lake_prefix == "" ? "" : "${var.lake_prefix}/"}"

  # Folders of the lake that each function lists, reads, adds to and deletes from. What is read may be listed too:
  # without that S3 answers 403 for an object that is not there yet, and a first run would take it for a refusal.
  folders = {
    symbol_updater = {
      list   = ["raw-data"]
      read   = ["symbols", "runs"]
      write  = ["symbols"]
      delete = []
    }
    stock_data_fetcher = {
      list   = []
      read   = ["symbols", "raw-data", "raw-events", "quarantine", "runs"]
      write  = ["raw-data", "raw-events", "quarantine", "runs"]
      delete = []
    }
    run_reporter = {
      list   = []
      read   = ["symbols", "runs", "raw-data", "raw-events", "quarantine", "curated"]
      write  = ["runs", "quarantine"]
      delete = []
    }
    compactor = {
      list   = []
      read   = ["raw-data", "raw-events", "quarantine", "curated"]
      write  = ["curated"]
      delete = concat(["curated"], var.expire_raw_batches ? ["raw-data", "raw-events"] : [])
    }
  }
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  statement {
    sid       = "ListLake"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    # Without its own condition this would list packages and query results too.
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for folder in concat(local.folders[each.key].list, local.folders[each.key].read) : "${var.lake_prefix == "" ? "" : "${var.lake_prefix}/"}${folder}/*"]
    }
  }

  statement {
    sid       = "ReadLake"
    actions   = ["s3:GetObject"]
    resources = [for folder in local.folders[each.key].read : "${local.objects}${folder}/*"]
  }

  statement {
    sid       = "AddToLake"
    actions   = ["s3:PutObject"]
    resources = [for folder in local.folders[each.key].write : "${local.objects}${folder}/*"]
  }

  dynamic "statement" {
    for_each = length(local.folders[each.key].delete) > 0 ? [local.folders[each.key].delete] : []

    content {
      sid       = "DeleteFromLake"
      actions   = ["s3:DeleteObject"]
      resources = [for folder in statement.value : "${local.objects}${folder}/*"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "run_reporter" ? [aws_sns_topic.alerts.arn] : []

    content {
      sid       = "TellPeople"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }

  # An action on a table asks for its database and the catalogue too.
  dynamic "statement" {
    for_each = each.key == "compactor" ? [aws_glue_catalog_table.compacted] : []

    content {
      sid     = "ShowCompactions"
      actions = ["glue:GetTable", "glue:UpdateTable"]
      resources = [
        "arn:${local.partition}:glue:${var.aws_region}:${local.account}:catalog",
        "arn:${local.partition}:glue:${var.aws_region}:${local.account}:database/${statement.value.database_name}",
        "arn:${local.partition}:glue:${var.aws_region}:${local.account}:table/${statement.value.database_name}/${statement.value.name}",
      ]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"] # streams have names made at run time
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name               = each.value.name
  description        = "Role of the function ${each.value.name}."
  assume_role_policy = data.aws_iam_policy_document.assume["lambda"].json
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "lake-and-logs"
  role   = aws_iam_role.function[each.key].id
  policy = data.aws_iam_policy_document.function[each.key].json
}

# --- the state machine ------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "pipeline" {
  statement {
    sid       = "CallFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = [for key in ["symbol_updater", "stock_data_fetcher", "run_reporter"] : aws_lambda_function.this[key].arn]
  }

  dynamic "statement" {
    for_each = var.map_mode == "distributed" ? [1] : []

    content {
      sid       = "ReadBatches"
      actions   = ["s3:GetObject"]
      resources = ["${local.objects}symbols/*"]
    }
  }

  # A distributed map runs each batch as an execution of this same state machine. Named, not referred to: the state
  # machine needs this role first.
  dynamic "statement" {
    for_each = var.map_mode == "distributed" ? [1] : []

    content {
      sid       = "StartBatches"
      actions   = ["states:StartExecution"]
      resources = ["arn:${local.partition}:states:${var.aws_region}:${local.account}:stateMachine:${local.names.pipeline}"]
    }
  }

  dynamic "statement" {
    for_each = var.map_mode == "distributed" ? [1] : []

    content {
      sid       = "WatchBatches"
      actions   = ["states:DescribeExecution", "states:StopExecution"]
      resources = ["arn:${local.partition}:states:${var.aws_region}:${local.account}:execution:${local.names.pipeline}:*"]
    }
  }

  # Delivery of logs knows no resource of its own: the service documents these actions with "*" only.
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role" "pipeline" {
  name               = local.names.pipeline
  description        = "Role of the state machine."
  assume_role_policy = data.aws_iam_policy_document.assume["states"].json
}

resource "aws_iam_role_policy" "pipeline" {
  name   = "functions-and-logs"
  role   = aws_iam_role.pipeline.id
  policy = data.aws_iam_policy_document.pipeline.json
}

# --- the schedules ----------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "StartPipeline"
    actions   = ["states:StartExecution"]
    resources = [aws_sfn_state_machine.pipeline.arn]
  }

  statement {
    sid       = "StartCompaction"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.this["compactor"].arn]
  }

  statement {
    sid       = "KeepUndelivered"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${local.names.pipeline}-scheduler"
  description        = "Role of the schedules."
  assume_role_policy = data.aws_iam_policy_document.assume["scheduler"].json
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "start"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}
