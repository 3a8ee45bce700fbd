"""Checks of one row by itself."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

#: A close that a source rounded may leave the range by so much of itself; more is another number.
_ROUNDING: Final = 1e-4

_OUTSIDE: Final = """
SELECT symbol, date, open, high, low, close, greatest(low - least(open, close), greatest(open, close) - high) AS beyond
FROM quality.bars
WHERE high >= low AND greatest(low - least(open, close), greatest(open, close) - high) > 0
"""

DETECTORS: Final = (
    Detector(
        code="missing_price",
        title="A price is missing",
        severity="error",
        hides=True,
        meaning="One or all of the four prices are null: a day on which the source was unfinished or had no bar.",
        explanation="{symbol} has no {missing} on {date}.",
        remedy="Fetch the day again; until then it has no bar.",
        sql="""
            SELECT symbol, date, fetch_timestamp,
                concat_ws(', ', CASE WHEN open IS NULL OR isnan(open) THEN 'open' END,
                    CASE WHEN high IS NULL OR isnan(high) THEN 'high' END,
                    CASE WHEN low IS NULL OR isnan(low) THEN 'low' END,
                    CASE WHEN close IS NULL OR isnan(close) THEN 'close' END) AS missing
            FROM quality.versions
            WHERE NOT usable AND NOT hidden AND (open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL
                OR isnan(open) OR isnan(high) OR isnan(low) OR isnan(close))
        """,
    ),
    Detector(
        code="price_not_positive",
        title="A price is zero, negative or infinite",
        severity="error",
        hides=True,
        meaning="No share trades at nothing or less: the source wrote 0 where it knows no price.",
        explanation="{symbol} on {date}: open {open:g}, high {high:g}, low {low:g}, close {close:g}.",
        remedy="Fetch the day again, or correct it from another source.",
        sql="""
            SELECT symbol, date, fetch_timestamp, open, high, low, close FROM quality.versions
            WHERE NOT usable AND NOT hidden AND open IS NOT NULL
                AND high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL
                AND NOT (isnan(open) OR isnan(high) OR isnan(low) OR isnan(close))
        """,
    ),
    Detector(
        code="adjusted_close_not_positive",
        title="The adjusted close is zero or negative",
        severity="error",
        meaning="The source subtracted a dividend that is not below the price. The four prices are not touched by it.",
        explanation=(
            "The adjusted close of {symbol} is not positive up to {last_date} (days: {rows}); lowest {lowest:g}."
        ),
        remedy='Look for a wrong dividend after the last of these days; use adjust="splits" until it is corrected.',
        sql="""
            SELECT symbol, min(date) AS date, max(date) AS last_date, count(DISTINCT date) AS rows,
                min(adjusted_close) AS lowest, count(DISTINCT fetch_timestamp) AS fetches
            FROM quality.versions WHERE adjusted_close <= 0 AND NOT hidden GROUP BY symbol
        """,
    ),
    Detector(
        code="high_below_low",
        title="High below low",
        severity="error",
        hides=True,
        meaning="The highest price of a day cannot be below its lowest.",
        explanation="{symbol} on {date}: high {high:g} is below low {low:g}.",
        remedy="Fetch the day again, or correct it from another source.",
        sql="SELECT symbol, date, fetch_timestamp, high, low FROM quality.versions WHERE usable AND high < low",
    ),
    Detector(
        code="outside_range",
        title="Open or close outside the range of the day",
        severity="warning",
        meaning=(
            "Open and close are trades, and high and low are the extremes of all trades. A close from an auction or a "
            "trade reported late may lie a little outside in some sources; far outside, one of the numbers is wrong."
        ),
        explanation="{symbol} on {date}: open {open:g}, close {close:g}, range {low:g} to {high:g}.",
        remedy="Nothing, if the distance is a step or two; else compare with another source.",
        sql=f"""
            SELECT *, CASE WHEN beyond <= greatest(0.02 * close, 0.0011) THEN 'info' END AS severity
            FROM ({_OUTSIDE}) WHERE beyond > {_ROUNDING} * close
        """,
    ),
    Detector(
        code="range_rounded",
        title="Open or close outside the range by rounding",
        severity="info",
        meaning="The source rounds the four prices each for itself.",
        explanation="{symbol} on {date}: outside its range by {beyond:.2g}.",
        remedy="Nothing: no fill depends on it.",
        sql=f"SELECT symbol, date, beyond FROM ({_OUTSIDE}) WHERE beyond <= {_ROUNDING} * close",
    ),
    Detector(
        code="bad_volume",
        title="The volume is missing or negative",
        severity="warning",
        meaning="Without a volume nobody knows whether the price could have been traded.",
        explanation="{symbol} has no usable volume from {date} to {last_date} (days: {rows}).",
        remedy="An index has none; of a share, fetch the days again.",
        sql="""
            SELECT symbol, min(date) AS date, max(date) AS last_date, count(*) AS rows
            FROM quality.bars WHERE volume IS NULL OR volume < 0 GROUP BY symbol
        """,
    ),
    Detector(
        code="duplicate_row",
        title="Two rows for one day in one answer",
        severity="error",
        meaning="Yahoo serves two rows for today while a share goes ex dividend or splits. Only one can be right.",
        explanation="{symbol} has {copies} rows for {date} in one answer, with closes from {lowest} to {highest}.",
        remedy="Fetch the day again after the close; which of the two was right is not known before.",
        sql="""
            SELECT symbol, date, fetch_timestamp, count(*) AS copies,
                coalesce(min(close)::VARCHAR, 'none') AS lowest, coalesce(max(close)::VARCHAR, 'none') AS highest
            FROM quality.versions WHERE NOT hidden GROUP BY symbol, date, fetch_timestamp HAVING count(*) > 1
        """,
    ),
)
