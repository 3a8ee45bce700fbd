"""The checks of a lake in a bucket: the same findings, and a verdict that readers of the bucket obey."""

from datetime import UTC, date, datetime

import polars as pl

from stockstream.lake import Lake
from stockstream.sessions import sessions


def test_a_bucket_is_judged_and_decided_on(store):
    lake = Lake(f"s3://{store.new_bucket()}/asx", store.options())
    days = sessions(date(2024, 1, 2), date(2024, 3, 28))
    prices = ["open", "high", "low", "close"]
    rows = pl.DataFrame({"symbol": "BHP", "date": days, "volume": range(1, len(days) + 1)}).with_columns(
        pl.lit(40.0 if name != "high" else 40.5).alias(name) for name in prices
    )
    wrong = pl.when(pl.col("date") == days[30]).then(pl.col(prices) * 100).otherwise(pl.col(prices))
    lake.write_rows(rows.with_columns(wrong), fetched_at=datetime(2024, 4, 1, tzinfo=UTC))
    quality = lake.quality()
    assert quality.findings.select("date", "reason", "hides").rows() == [(days[30], "unit_error", True)]
    written = lake.quarantine(quality, decided_at=datetime(2024, 4, 2, tzinfo=UTC))
    assert (written.file, written.rows) == ("quarantine/2024-04-02-batch-1.parquet", 1)
    assert lake.bars("BHP").close.max() < 50
    assert lake.sql("SELECT max(close) FROM prices", as_of="2024-04-01").fetchone() == (4000.0,)
