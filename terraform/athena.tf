# SQL over the same Parquet, for what outgrows one machine.

resource "aws_glue_catalog_database" "lake" {
  name        = replace("${local.names.pipeline}_lake", "-", "_")
  description = "The lake of daily share prices."
}

# The tables that the views of stockstream.lake.athena_sql stand on; a test holds the columns against the library's.
# Athena reads the footers of all files, and the groups of rows that a filter needs. Of what was compacted it reads the
# folders of one compaction, by projection; batches lie in one folder, which nothing can be projected into
# (docs/decisions/0020).
locals {
  prices = [
    ["symbol", "string"], ["date", "date"], ["open", "double"], ["high", "double"], ["low", "double"], ["close", "double"],
    ["volume", "bigint"], ["adjusted_close", "double"],
  ]

  tables = {
    raw_prices = {
      folder  = "raw-data"
      columns = concat(local.prices, [["fetch_timestamp", "string"]])
    }
    raw_events = {
      folder  = "raw-events"
      columns = [["symbol", "string"], ["ex_date", "date"], ["kind", "string"], ["value", "double"], ["fetch_timestamp", "string"]]
    }
    verdicts = {
      folder = "quarantine"
      columns = [
        ["symbol", "string"], ["date", "date"], ["fetch_timestamp", "string"], ["reason", "string"], ["severity", "string"],
        ["hides", "boolean"], ["explanation", "string"], ["decided_at", "string"],
      ]
    }
  }
}

resource "aws_glue_catalog_table" "lake" {
  for_each = local.tables

  name          = each.key
  database_name = aws_glue_catalog_database.lake.name
  table_type    = "EXTERNAL_TABLE"
  parameters    = { EXTERNAL = "TRUE", classification = "parquet" }

  storage_descriptor {
    location      = "${local.lake}/${each.value.folder}/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

# What was compacted: runs of equal answers, snapshots and events, told apart by the columns that they have. The
# compactor says which compaction is read, by the one parameter that is ignored here.
locals {
  compacted_types = concat(local.prices, [
    ["fetch_timestamp", "string"], ["first_seen", "string"], ["last_seen", "string"], ["first_date", "date"],
    ["last_date", "date"], ["bars", "bigint"], ["ex_date", "date"], ["kind", "string"], ["value", "double"],
  ])
}

resource "aws_glue_catalog_table" "compacted" {
  name          = "compacted"
  database_name = aws_glue_catalog_database.lake.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                       = "TRUE"
    classification                 = "parquet"
    "projection.enabled"           = "true"
    "projection.part.type"         = "enum"
    "projection.part.values"       = "latest,history"
    "projection.compaction.type"   = "enum"
    "projection.compaction.values" = "none"
    "storage.location.template"    = "${local.lake}/curated/$${part}/$${compaction}/"
  }

  partition_keys {
    name = "part"
    type = "string"
  }

  partition_keys {
    name = "compaction"
    type = "string"
  }

  storage_descriptor {
    location      = "${local.lake}/curated/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = local.compacted_types

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }

  lifecycle {
    ignore_changes = [parameters["projection.compaction.values"]]
  }
}

resource "aws_athena_workgroup" "lake" {
  name          = "${local.names.pipeline}-lake"
  description   = "Queries over the lake of daily share prices."
  force_destroy = true # a workgroup holds the history of queries, no data

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = 10737418240 # a query that scans over 10 GiB is a mistake, and is ended

    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.id}/athena-results/"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}
