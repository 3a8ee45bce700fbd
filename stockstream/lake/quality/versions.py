"""Checks between answers of different time: histories rescaled, scaled back, replaced, filled in."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

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
        sql="""
            SELECT * EXCLUDE (first, last, spread, uniform) FROM quality.changes WHERE uniform AND back * 2 < changed
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
        sql="""
            SELECT * EXCLUDE (first, last, spread, uniform) FROM quality.changes WHERE uniform AND back * 2 >= changed
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
        sql="""
            SELECT * EXCLUDE (first, last, spread, uniform), exp(spread) - 1 AS apart FROM quality.changes
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
                WHERE usable AND symbol IN (SELECT symbol FROM quality.answered_again)
                GROUP BY symbol, fetch_timestamp
            ), reach AS (
                SELECT symbol, fetch_timestamp, min(oldest) OVER w AS oldest, max(latest) OVER w AS latest FROM answers
                WINDOW w AS (PARTITION BY symbol ORDER BY fetch_timestamp)
            ), farthest AS (
                SELECT symbol, latest, min(fetch_timestamp) AS fetch_timestamp, min(oldest) AS oldest
                FROM reach GROUP BY symbol, latest
            ), first_seen AS (
                SELECT symbol, date, min(fetch_timestamp) AS seen
                    FROM quality.versions WHERE (usable OR hidden)
                    AND symbol IN (SELECT symbol FROM quality.answered_again) GROUP BY symbol, date
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
