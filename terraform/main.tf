terraform {
  required_version = ">= 1.5.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = {
      Project     = "stockstream"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition

  # A bucket's name is unique in the world: the account's number makes the default one so.
  bucket_name = coalesce(var.bucket_name, "stock-stream-data-${var.environment}-${local.account}")

  # The names of functions and of the state machine are unique in an account and region only.
  names = {
    symbol_updater     = "asx-symbol-updater${var.name_suffix}"
    stock_data_fetcher = "stock-data-fetcher${var.name_suffix}"
    run_reporter       = "stock-run-reporter${var.name_suffix}"
    compactor          = "stock-lake-compactor${var.name_suffix}"
    pipeline           = "stock-data-pipeline${var.name_suffix}"
  }
}
