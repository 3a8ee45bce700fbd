"""Checks between answers of different time: histories rescaled, scaled back, replaced, filled in."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

#: Per answer of a symbol: how the closes of days that were known before changed. A day that keeps its close is in
#: ``overlap`` only; ``back`` counts days whose close is the one before the last change again.
_CHANGES: Final = """
steps AS (
    SELECT symbol, date, fetch_timestamp, close, lag(close) OVER w AS before FROM (
        SELECT symbol, date, fetch_timestamp, max(close) AS close FROM quality.versions WHERE usable
        GROUP BY symbol, date, fetch_timestamp
    ) WINDOW w AS (PARTITION BY symbol, date ORDER BY fetch_timestamp)
), overlapping AS (
    SELECT symbol, fetch_timestamp, count(*) AS overlap FROM steps WHERE before IS NOT NULL
    GROUP BY symbol, fetch_timestamp
), changed AS (
    SELECT *, lag(before) OVER (PARTITION BY symbol, date ORDER BY fetch_timestamp) AS earlier
    FROM steps WHERE abs(close / before - 1) > 0.002
), answers AS (
    SELECT c.symbol, c.fetch_timestamp, min(c.date) AS first, max(c.date) AS last, count(*) AS changed,
        any_value(o.overlap) AS overlap, median(c.close / c.before) AS factor,
        ln(quantile_cont(c.close / c.before, 0.9) / quantile_cont(c.close / c.before, 0.1)) AS spread,
        count(*) FILTER (WHERE abs(c.close / c.earlier - 1) < 0.002) AS back
    FROM changed AS c JOIN overlapping AS o ON c.symbol = o.symbol AND c.fetch_timestamp = o.fetch_timestamp
    GROUP BY c.symbol, c.fetch_timestamp
), large AS (
    SELECT *, first AS date, last AS last_date, changed AS rows,
        spread < greatest(0.05, 0.02 * abs(ln(factor))) AS uniform
    FROM answers WHERE changed >= 5 AND changed >= 0.02 * overlap AND abs(ln(factor)) > 0.002
)
"""

DETECTORS: Final = (
    Detector(
        code="rescaled",
        title="History on another scale than before",
        severity="warning",
        meaning=(
            "An answer gives the closes of many known days times one factor: a split, a consolidation or a return of "
            "capital, which Yahoo puts into all prices before. Rows that were not fetched again are on the old scale."
        ),
        explanation=(
            "The answer of {fetch_timestamp:.10} gives {changed} of {overlap} known closes of {symbol} times "
            "{factor:.6g} ({date} to {last_date})."
        ),
        remedy="Fetch the whole history of the symbol again, so that all of it is on one scale.",
        sql=f"""
            WITH {_CHANGES}
            SELECT * EXCLUDE (first, last, spread, uniform) FROM large WHERE uniform AND back * 2 < changed
        """,
    ),
    Detector(
        code="flipped",
        title="History scaled back",
        severity="error",
        meaning=(
            "An answer takes a change of many days back: the closes are those from before the last change. The source "
            "wavers between two scales; neither is safe until it has stayed."
        ),
        explanation=(
            "The answer of {fetch_timestamp:.10} takes {symbol} back to earlier closes on {back} of {overlap} known "
            "days (times {factor:.6g})."
        ),
        remedy="Take no basis from this answer; wait for two that agree.",
        sql=f"""
            WITH {_CHANGES}
            SELECT * EXCLUDE (first, last, spread, uniform) FROM large WHERE uniform AND back * 2 >= changed
        """,
    ),
    Detector(
        code="two_series",
        title="Two series under one symbol",
        severity="error",
        meaning=(
            "An answer changes many known closes by no common factor, as no split does: the source answers with "
            "another series (an option, another class of shares, another listing) in turns."
        ),
        explanation=(
            "The answer of {fetch_timestamp:.10} changes {changed} of {overlap} known closes of {symbol} by factors "
            "around {factor:.4g} that differ by {apart:.1%}: it is another series."
        ),
        remedy="Find out which series is the symbol's, and leave the answers of the other out.",
        sql=f"""
            WITH {_CHANGES} SELECT * EXCLUDE (first, last, spread, uniform), exp(spread) - 1 AS apart FROM large
            WHERE NOT uniform AND changed >= 30 AND changed > 0.3 * overlap
        """,
    ),
    Detector(
        code="filled_later",
        title="A bar that came late",
        severity="info",
        meaning="An answer that already had a later day lacked this one; a later answer has it.",
        explanation=(
            "{symbol}: {rows} days between {date} and {last_date} were first served {fetch_timestamp:.10}; the answer "
            "of {lacking:.10} already had a later day."
        ),
        remedy="Nothing: it is there now. As of the days between it was not.",
        sql="""
            WITH answers AS (
                SELECT symbol, fetch_timestamp, max(date) AS latest, min(date) AS oldest FROM quality.versions
                WHERE usable GROUP BY symbol, fetch_timestamp
            ), reach AS (
                SELECT symbol, fetch_timestamp, min(oldest) OVER w AS oldest, max(latest) OVER w AS latest FROM answers
                WINDOW w AS (PARTITION BY symbol ORDER BY fetch_timestamp)
            ), farthest AS (
                SELECT symbol, latest, min(fetch_timestamp) AS fetch_timestamp, min(oldest) AS oldest
                FROM reach GROUP BY symbol, latest
            ), first_seen AS (
                SELECT symbol, date, min(fetch_timestamp) AS seen
                    FROM quality.versions WHERE usable OR hidden GROUP BY symbol, date
            ), late AS (
                SELECT f.symbol, f.date, f.seen, r.fetch_timestamp AS lacking
                FROM first_seen AS f ASOF JOIN farthest AS r ON f.symbol = r.symbol AND f.date < r.latest
                WHERE f.seen > r.fetch_timestamp AND f.date > r.oldest
            )
            SELECT symbol, min(date) AS date, max(date) AS last_date, count(*) AS rows, seen AS fetch_timestamp,
                min(lacking) AS lacking
            FROM late GROUP BY symbol, seen
        """,
    ),
)
