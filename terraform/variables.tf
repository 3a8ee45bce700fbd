variable "aws_region" {
  description = "Region of everything that is deployed."
  type        = string
  default     = "ap-southeast-2"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "Expected the code of a region, such as ap-southeast-2."
  }
}

variable "environment" {
  description = "Name of the deployment, in tags, the default bucket's name and the logs."
  type        = string
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.environment))
    error_message = "Expected up to 16 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "name_suffix" {
  description = "Appended to the names of functions and of the state machine, for a second deployment in one account and region."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(-[a-z0-9-]{1,20})?$", var.name_suffix))
    error_message = "Expected nothing, or a hyphen and up to 20 lower-case letters, digits and hyphens."
  }
}

variable "bucket_name" {
  description = "Name of the lake's bucket; null makes one from the environment and the account's number."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Expected 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that holds data."
  type        = bool
  default     = false
}

variable "lake_prefix" {
  description = "Where the lake begins inside the bucket: empty for its root, or a path without slashes at its ends."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.lake_prefix))
    error_message = "Expected nothing or a path such as lake or market/asx, without a slash at either end."
  }
}

variable "architecture" {
  description = "Processors of the functions: x86_64 or arm64; the packages must be built for the same (make package-lambdas ARCH=…)."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "Expected x86_64 or arm64."
  }
}

variable "python_runtime" {
  description = "Runtime of the functions; the packages hold compiled code for one version (make package-lambdas PY=…)."
  type        = string
  default     = "python3.12"

  validation {
    condition     = can(regex("^python3[.]1[2-9]$", var.python_runtime))
    error_message = "Expected python3.12 or newer."
  }
}

variable "packages_folder" {
  description = "Folder with the zip packages; null takes dist/lambdas beside the terraform folder."
  type        = string
  default     = null
}

variable "functions" {
  description = "Memory in MB, time limit in seconds and reserved concurrency (-1: none) of each function."
  type = object({
    symbol_updater     = optional(object({ memory = optional(number, 256), timeout = optional(number, 300), concurrency = optional(number, -1) }), {})
    stock_data_fetcher = optional(object({ memory = optional(number, 512), timeout = optional(number, 900), concurrency = optional(number, -1) }), {})
    run_reporter       = optional(object({ memory = optional(number, 512), timeout = optional(number, 300), concurrency = optional(number, -1) }), {})
    compactor          = optional(object({ memory = optional(number, 2048), timeout = optional(number, 900), concurrency = optional(number, -1) }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for function in values(var.functions) : function.memory >= 128 && function.memory <= 10240])
    error_message = "Expected a memory from 128 to 10240 MB."
  }

  validation {
    condition     = alltrue([for function in values(var.functions) : function.timeout >= 1 && function.timeout <= 900])
    error_message = "Expected a time limit from 1 to 900 seconds."
  }

  validation {
    condition     = alltrue([for function in values(var.functions) : function.concurrency >= -1 && floor(function.concurrency) == function.concurrency])
    error_message = "Expected a whole number of concurrent executions, or -1 for no reservation."
  }
}

variable "map_mode" {
  description = "How batches are mapped: inline for a market of up to some thousands of symbols, distributed for tens of thousands."
  type        = string
  default     = "inline"

  validation {
    condition     = contains(["inline", "distributed"], var.map_mode)
    error_message = "Expected inline or distributed."
  }
}

variable "max_concurrency" {
  description = "Batches fetched at once. They share the source's patience, so more is not faster for long."
  type        = number
  default     = 10

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 40 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "Expected a whole number from 1 to 40."
  }
}

variable "seconds_between_symbols" {
  description = "Pause between two symbols of one batch; the functions slow down further by themselves when the source asks for it."
  type        = number
  default     = 2

  validation {
    condition     = var.seconds_between_symbols >= 0 && var.seconds_between_symbols <= 60
    error_message = "Expected 0 to 60 seconds."
  }
}

variable "seconds_before_retry" {
  description = "Pause before a batch comes back that the source refused or that ran out of time; it doubles from try to try."
  type        = number
  default     = 60

  validation {
    condition     = var.seconds_before_retry >= 1 && var.seconds_before_retry <= 900 && floor(var.seconds_before_retry) == var.seconds_before_retry
    error_message = "Expected a whole number of seconds from 1 to 900."
  }
}

variable "coverage_threshold" {
  description = "Share of the expected symbols that a run must bring; below it the alarm goes off."
  type        = number
  default     = 0.95

  validation {
    condition     = var.coverage_threshold > 0 && var.coverage_threshold <= 1
    error_message = "Expected a share above 0 and up to 1."
  }
}

variable "function_environment" {
  description = "Further settings of the functions (names in docs/configuration.md). Never put a secret here: it would be kept in Terraform's state."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.function_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Expected names of environment variables in capitals."
  }
}

variable "schedule_expression" {
  description = "When the pipeline runs, in the time zone below. The default is the morning after each ASX session."
  type        = string
  default     = "cron(0 6 ? * TUE-SAT *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.schedule_expression))
    error_message = "Expected cron(…) or rate(…)."
  }
}

variable "compaction_schedule_expression" {
  description = "When the lake is compacted, in the time zone below."
  type        = string
  default     = "cron(0 9 ? * SUN *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.compaction_schedule_expression))
    error_message = "Expected cron(…) or rate(…)."
  }
}

variable "schedule_timezone" {
  description = "Time zone of the schedules; daylight saving is followed."
  type        = string
  default     = "Australia/Sydney"

  validation {
    condition     = can(regex("^[A-Za-z_]+(/[A-Za-z_+-]+)*$", var.schedule_timezone))
    error_message = "Expected a name such as Australia/Sydney."
  }
}

variable "schedule_enabled" {
  description = "Whether the schedules fire. A new deployment can be tried by hand first."
  type        = bool
  default     = true
}

variable "notification_emails" {
  description = "Addresses that are told of failed runs and alarms. Each receives a message to confirm."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", address))])
    error_message = "Expected e-mail addresses."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Expected a number of days that CloudWatch Logs offers, such as 14, 30 or 365."
  }
}

variable "log_level" {
  description = "Least severity that the functions log."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "Expected DEBUG, INFO, WARNING or ERROR."
  }
}

variable "expire_raw_batches" {
  description = "Whether compaction deletes small batches after their rows were verified in large files. Versions keep them for 90 days more."
  type        = bool
  default     = false
}
