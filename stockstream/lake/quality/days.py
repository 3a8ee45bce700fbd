"""Checks of dates against the sessions of the exchange."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

DETECTORS: Final = (
    Detector(
        code="day_shift",
        title="Dates one day early",
        severity="error",
        needs=("calendar",),
        meaning=(
            "Week after week there are bars on Sundays and none on Fridays: the dates are those of another time zone "
            "(UTC, during daylight saving), and every bar lies a day early."
        ),
        explanation=(
            "{symbol} has bars on Sundays and none on Fridays in {weeks} weeks from {date} to {last_date}: {rows} "
            "bars lie a day early."
        ),
        remedy="Import them again with dates in the time zone of the exchange.",
        sql="SELECT * FROM quality.shifted",
    ),
    Detector(
        code="other_listing",
        title="The bars of another listing",
        severity="error",
        hides=True,
        needs=("calendar", "elsewhere"),
        meaning=(
            "The dates fit the sessions of another exchange far better: the source answered with a listing of the same "
            "name elsewhere, in another currency."
        ),
        explanation=(
            "The {rows} bars of {symbol} keep the sessions of {exchange} with {there} exceptions, ours with {here}: "
            "they are another listing's."
        ),
        remedy="Leave the symbol out. If all symbols are told so, name their exchange with --exchange or exchange=.",
        sql="SELECT * FROM quality.foreign_listings",
    ),
    Detector(
        code="not_a_session",
        title="A bar on a day without trading",
        severity="error",
        needs=("calendar",),
        meaning="The exchange was closed. A bar without volume is a carried price; one with volume belongs elsewhere.",
        explanation="{symbol} has a bar on {date}, when the exchange was closed (volume {volume:,}).",
        remedy="Hide it.",
        sql="""
            SELECT b.symbol, b.date, b.close, coalesce(b.volume, 0) AS volume, coalesce(b.volume, 0) = 0 AS hides
            FROM quality.bars AS b
            WHERE b.closed
                AND NOT EXISTS (SELECT 1 FROM quality.shifted AS f
                    WHERE f.symbol = b.symbol AND b.date BETWEEN f.date AND f.last_date)
                AND b.symbol NOT IN (SELECT symbol FROM quality.foreign_listings)
        """,
    ),
    Detector(
        code="source_gap",
        title="A session that the source lost",
        severity="warning",
        needs=("calendar",),
        meaning="A session on which most symbols that have bars around it have none.",
        explanation="On {date} {present} symbols have a bar, where {usual:.0f} are usual: the source lost the session.",
        remedy="Fetch the session again, or take it from another source.",
        sql="SELECT '*' AS symbol, session AS date, present, usual FROM quality.lost",
    ),
    Detector(
        code="missing_session",
        title="Sessions without a bar",
        severity="warning",
        needs=("calendar",),
        meaning=(
            "The symbol has bars before and after, and none on these sessions. A pause longer than 10 sessions, a "
            "suspension, is only a note; a symbol that often has no row for a day without a trade gets one note in all."
        ),
        explanation="{symbol} lacks bars between {last_before} and {next}; sessions without one: {missing}.",
        remedy="Fetch the days again; the daily run does so by itself.",
        sql="""
            WITH gaps AS (
                SELECT symbol, date, p_date, s, p_s, s - p_s - 1 AS missing FROM (
                    SELECT symbol, date, s, lag(s) OVER w AS p_s, lag(date) OVER w AS p_date
                    FROM quality.bars WHERE s IS NOT NULL WINDOW w AS (PARTITION BY symbol ORDER BY date)
                ) WHERE s > p_s + 1 AND date - p_date <= 180
            ), habits AS (
                SELECT b.symbol, count(*) FILTER (WHERE b.volume = 0) AS carried,
                    max(b.s) - min(b.s) + 1 - count(b.s) AS lacking,
                    count(b.s) AS present
                FROM quality.bars AS b GROUP BY b.symbol
            ), told AS (
                SELECT g.symbol, c.session AS date, e.session AS last_date, g.missing, g.p_date, g.date AS next,
                    h.lacking <= greatest(3, 0.01 * h.present) OR h.lacking <= h.carried AS regular
                FROM gaps AS g JOIN habits AS h ON g.symbol = h.symbol
                JOIN quality.calendar AS c ON c.s = g.p_s + 1 JOIN quality.calendar AS e ON e.s = g.s - 1
                WHERE NOT EXISTS (SELECT 1 FROM quality.shifted AS f
                        WHERE f.symbol = g.symbol AND g.date BETWEEN f.date - 7 AND f.last_date + 7)
                    AND g.symbol NOT IN (SELECT symbol FROM quality.foreign_listings)
            )
            SELECT symbol, date, last_date, missing AS rows, missing, p_date AS last_before, next,
                CASE WHEN missing > 10 THEN 'info' END AS severity
            FROM told WHERE regular
            UNION ALL
            SELECT symbol, min(date), max(last_date), sum(missing)::BIGINT, sum(missing)::BIGINT, min(p_date),
                max(next), 'info'
            FROM told WHERE NOT regular GROUP BY symbol
        """,
    ),
    Detector(
        code="provisional",
        title="A bar fetched before its session was settled",
        severity="info",
        needs=("calendar",),
        meaning="Yahoo revised 13 % of the closes fetched within two hours of the close; later ones hardly.",
        explanation=(
            "The bar of {symbol} on {date} is from {fetch_timestamp:.16}, before {settled_at:.16}: it may change."
        ),
        remedy="The next run fetches it again.",
        sql="""
            SELECT b.symbol, b.date, b.fetch_timestamp, s.settled_at
            FROM quality.bars AS b JOIN quality.settled AS s ON b.date = s.session
            WHERE b.fetch_timestamp < s.settled_at
        """,
    ),
)
