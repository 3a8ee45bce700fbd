"""What the pipeline costs a month on AWS, from stated prices and measured durations. ``python -m docs.cloud_cost``.

Prices are list prices of the region ap-southeast-2 in US dollars, without the free tier of new accounts; CloudWatch's
permanent allowance (ten alarms, ten metrics, three dashboards, 5 GB of logs) is shown apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: US dollars. Lambda: per GB-second and per request; Step Functions: per transition; S3: per GB-month, PUT, GET.
PRICES: Final = {
    "lambda_gb_second": 0.0000166667,
    "lambda_request": 0.20e-6,
    "transition": 0.025e-3,
    "s3_gb_month": 0.025,
    "s3_put": 0.0055e-3,
    "s3_get": 0.00044e-3,
    "alarm": 0.10,
    "metric": 0.30,
    "dashboard": 3.00,
    "log_gb": 0.67,
}
ALLOWANCE: Final = {"alarm": 10, "metric": 10, "dashboard": 3, "log_gb": 5}

RUNS_A_MONTH: Final = 5 * 52 / 12
ALARMS: Final = (
    16  # 2 a function, 3 of the state machine, silence, coverage, slow fetcher, undelivered; see monitoring.tf
)
METRICS: Final = 2  # Coverage and FailedSymbols; every further one costs 30 cents a month
GIB_A_YEAR: Final = 2.0  # raw batches of 1,900 symbols with their overlaps, see docs/lake-at-scale.md


@dataclass(frozen=True)
class Day:
    """A day of the whole market: seconds of each function's invocation, and counts.

    ``fetch_seconds`` is 100 symbols with two seconds between them and what a request to the source takes; the others
    were measured on the loopback cloud with a full market, cold starts included.
    """

    batches: int = 19
    fetch_seconds: float = 100 * (2 + 0.8)
    update_seconds: float = 10.0
    report_seconds: float = 15.0
    compact_seconds_a_week: float = 120.0
    transitions: int = 8 + 19 * 2
    puts: int = 19 * 3 + 6
    gets: int = 19 * 120
    log_megabytes: float = 1.0


def costs(day: Day = Day()) -> dict[str, float]:
    """Return US dollars a month by part, without CloudWatch's allowance."""
    gb_seconds = (
        RUNS_A_MONTH * (day.batches * day.fetch_seconds * 0.5 + day.update_seconds * 0.25 + day.report_seconds * 0.5)
        + (52 / 12) * day.compact_seconds_a_week * 2.0
    )
    return {
        "functions": gb_seconds * PRICES["lambda_gb_second"]
        + RUNS_A_MONTH * (day.batches + 2) * PRICES["lambda_request"],
        "state machine": RUNS_A_MONTH * day.transitions * PRICES["transition"],
        "storage, first year's mean": GIB_A_YEAR / 2 * PRICES["s3_gb_month"],
        "requests": RUNS_A_MONTH * (day.puts * PRICES["s3_put"] + day.gets * PRICES["s3_get"]),
        "alarms": ALARMS * PRICES["alarm"],
        "metrics": METRICS * PRICES["metric"],
        "dashboard": PRICES["dashboard"],
        "logs": RUNS_A_MONTH * day.log_megabytes / 1024 * PRICES["log_gb"],
    }


def allowed(by_part: dict[str, float]) -> dict[str, float]:
    """Return the same with CloudWatch's permanent allowance taken off, for an account that uses it for nothing else."""
    return {
        **by_part,
        "alarms": max(ALARMS - ALLOWANCE["alarm"], 0) * PRICES["alarm"],
        "metrics": max(METRICS - ALLOWANCE["metric"], 0) * PRICES["metric"],
        "dashboard": 0.0,
        "logs": 0.0,
    }


def table() -> str:
    """Return the table of docs/operations.md."""
    whole, reduced = costs(), allowed(costs())
    lines = ["| part | list price, $ a month | with CloudWatch's allowance, $ a month |", "|---|---|---|"]
    lines += [f"| {part} | {whole[part]:.2f} | {reduced[part]:.2f} |" for part in whole]
    lines.append(f"| **together** | **{sum(whole.values()):.2f}** | **{sum(reduced.values()):.2f}** |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
