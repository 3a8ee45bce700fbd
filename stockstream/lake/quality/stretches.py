"""Checks of stretches in which nothing happens, and of what comes after them."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

DETECTORS: Final = (
    Detector(
        code="no_trade",
        title="Days without a trade",
        severity="info",
        meaning="Volume 0: the share did not trade, or was halted, and the source carries the last price on.",
        explanation="{symbol} did not trade on {rows} bars from {date} to {last_date}; the price stands at {close:g}.",
        remedy="Nothing: a backtest fills no order on such a day.",
        sql="""
            SELECT symbol, min(date) AS date, max(date) AS last_date, count(*) AS rows, max_by(close, date) AS close
            FROM (
                SELECT *, k - row_number() OVER (PARTITION BY symbol ORDER BY date) AS stretch
                FROM quality.bars WHERE volume = 0
            ) GROUP BY symbol, stretch
        """,
    ),
    Detector(
        code="stale",
        title="The same bar again and again",
        severity="warning",
        meaning=(
            "Open, high, low, close and a volume above 0 are those of the day before, for 3 days or more: the source "
            "copied a bar. Only a note when all trades of the day were at one price: that may be chance in a quiet "
            "share."
        ),
        explanation=(
            "{symbol} repeats one bar ({close:g}, volume {volume:,}) on {rows} days from {date} to {last_date}."
        ),
        remedy="Fetch the days again.",
        sql="""
            SELECT symbol, min(p_date) AS date, max(date) AS last_date, count(*) + 1 AS rows, any_value(close) AS close,
                any_value(volume) AS volume, CASE WHEN any_value(high = low) THEN 'info' END AS severity
            FROM (
                SELECT *, k - row_number() OVER (PARTITION BY symbol ORDER BY date) AS stretch FROM quality.bars
                WHERE volume > 0 AND volume = p_volume AND close = p_close AND open = p_open AND high = p_high AND low =
                    p_low
            ) GROUP BY symbol, stretch HAVING count(*) >= 2
        """,
    ),
    Detector(
        code="code_reused",
        title="Perhaps another company under the same code",
        severity="warning",
        meaning=(
            "No bar for half a year and then another price level, or none for two years: exchanges give the codes of "
            "companies that left to others."
        ),
        explanation=(
            "{symbol} has no bar between {last_before} and {date} ({days} days); the close went from {p_close:g} to "
            "{close:g}."
        ),
        remedy="Look the code up and give both companies their lines in symbols/listings.csv.",
        sql="""
            SELECT symbol, date, p_date AS last_before, date - p_date AS days, p_close, close FROM quality.bars
            WHERE date - p_date > 730 OR (date - p_date > 180 AND abs(ln(close / p_close)) > ln(1.25))
        """,
    ),
)
