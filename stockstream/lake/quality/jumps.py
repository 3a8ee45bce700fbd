"""Checks of prices that jump: units, scales, splits that were applied at the wrong place."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

#: A third of the ratio may be the market's own move.
_LIKE: Final = "n.residual <= greatest(abs(ln(n.split)) / 3, 0.02)"

#: Ratios of splits and units that people choose.
_COMMON: Final = "(VALUES (2), (3), (4), (5), (8), (10), (15), (20), (25), (30), (40), (50), (100), (1000)) AS r(ratio)"

DETECTORS: Final = (
    Detector(
        code="unit_error",
        title="Prices in another unit for some days",
        severity="error",
        hides=True,
        meaning=(
            "The price jumps to more than 5 times or less than a fifth, without a split, and is back within 10 "
            "sessions: cents for dollars, usually 100 times. Rows are hidden when they are few beside those around."
        ),
        explanation=(
            "{symbol} closed at {close:g} on {date}, {times:.3g} times the {p_close:g} before, and at {back_close:g} "
            "on {back_date}: no split explains it (days: {rows})."
        ),
        remedy="Hide the days, fetch them again in a few weeks (Yahoo took four months once), or correct them.",
        sql="""
            SELECT b.symbol, b.date, b.last_date, b.rows, b.close, b.p_close, b.times, b.back_close, b.back_date,
                b.usual,
                b.sure AS hides
            FROM quality.blocks AS b
            WHERE abs(b.jump) > ln(5) AND NOT EXISTS (SELECT 1 FROM quality.near_split AS n
                WHERE n.symbol = b.symbol AND n.date = b.date AND n.residual < 0.15)
        """,
    ),
    Detector(
        code="unit_error_repaired",
        title="Prices that an earlier answer gave in another unit",
        severity="error",
        hides=True,
        meaning=(
            "Earlier answers gave more than 5 times or less than a fifth of what later answers give for the same day, "
            "while most other days stayed as they were. Only that version is hidden: readers as of then see the day "
            "without."
        ),
        explanation=(
            "{symbol} on {date} was {close:g} in the answers from {first_answer:.10} to {last_answer:.10} ({answers} "
            "in all), {times:.3g} times the {later:g} known now; {usual:g} is usual around it (days: {rows})."
        ),
        remedy="Nothing for today's readers. A backtest as of then would have traded on the wrong price.",
        sql="""
            WITH apart AS (
                SELECT v.symbol, v.date, v.fetch_timestamp, v.close, b.close AS later, b.fetch_timestamp AS known,
                    b.k, abs(ln(v.close / b.close)) AS size
                FROM quality.versions AS v JOIN quality.bars AS b ON v.symbol = b.symbol AND v.date = b.date
                WHERE v.usable AND v.fetch_timestamp < b.fetch_timestamp
            ), answers AS (
                SELECT symbol, fetch_timestamp, count(*) AS overlap, count(*) FILTER (WHERE size > ln(5)) AS wild
                FROM apart GROUP BY symbol, fetch_timestamp
            ), wild AS (
                SELECT a.* FROM apart AS a
                JOIN answers AS n ON a.symbol = n.symbol AND a.fetch_timestamp = n.fetch_timestamp
                WHERE a.size > ln(5) AND n.wild * 2 <= n.overlap
                    AND (n.wild <= 5 OR abs(a.size - ln(100)) < 0.05 OR abs(a.size - ln(1000)) < 0.05)
            ), usual AS (
                SELECT w.symbol, w.date, median(b.close) AS usual
                FROM (SELECT DISTINCT symbol, date FROM wild) AS w JOIN quality.bars AS b
                    ON w.symbol = b.symbol AND abs(b.date - w.date) BETWEEN 1 AND 30
                GROUP BY w.symbol, w.date
            ), odd_days AS (
                SELECT w.symbol, w.date, w.k, any_value(w.later) AS later, any_value(u.usual) AS usual,
                    arg_max(w.close, w.fetch_timestamp) AS close,
                    list(w.fetch_timestamp ORDER BY w.fetch_timestamp) AS versions
                FROM wild AS w JOIN usual AS u ON w.symbol = u.symbol AND w.date = u.date
                WHERE abs(ln(w.close / u.usual)) > 0.5 * w.size AND abs(ln(w.later / u.usual)) < 0.5 * w.size
                GROUP BY w.symbol, w.date, w.k
            ), numbered AS (
                SELECT *, k - row_number() OVER (PARTITION BY symbol, versions ORDER BY k) AS stretch FROM odd_days
            )
            SELECT symbol, versions, min(date) AS date, max(date) AS last_date, count(*) AS rows,
                len(versions) AS answers, versions[1] AS first_answer, versions[-1] AS last_answer,
                min_by(close, date) AS close, min_by(later, date) AS later, min_by(usual, date) AS usual,
                min_by(close / later, date) AS times
            FROM numbered GROUP BY symbol, versions, stretch
        """,
    ),
    Detector(
        code="split_misapplied",
        title="A split applied to some days only",
        severity="error",
        hides=True,
        meaning=(
            "A few days are off by the ratio of a recorded split nearby, those before and after are not: the source "
            "applied the split to the wrong days."
        ),
        explanation=(
            "{symbol} closed at {close:g} on {date}, {times:.4g} times the {p_close:g} before, and at {back_close:g} "
            "on {back_date}; the split of {ex_date} has the ratio {split:.6g}."
        ),
        remedy="Hide the days and fetch them again.",
        sql="""
            SELECT b.symbol, b.date, b.last_date, b.rows, b.close, b.p_close, b.times, b.back_close, b.back_date,
                n.ex_date, n.split, b.sure AS hides
            FROM quality.blocks AS b JOIN quality.near_split AS n ON n.symbol = b.symbol AND n.date = b.date
                AND n.residual < 0.15
            QUALIFY row_number() OVER (PARTITION BY b.symbol, b.date ORDER BY n.residual, n.days) = 1
        """,
    ),
    Detector(
        code="split_not_applied",
        title="Prices before a split are on another scale",
        severity="error",
        meaning=(
            "Stored prices are on the basis of all recorded splits, so a split leaves no jump. Here the price jumps by "
            "its ratio (in either direction) within two weeks of it, and stays."
        ),
        explanation=(
            "{symbol} went from {p_close:g} to {close:g} on {date} ({times:.4g} times) and stayed; the split of "
            "{ex_date} has the ratio {split:.6g}, which the prices before do not contain, or contain twice."
        ),
        remedy="Fetch the whole history again; until then leave out the days before.",
        sql=f"""
            SELECT j.symbol, j.date, j.p_close, j.close, exp(j.jump) AS times, n.ex_date, n.split
            FROM quality.jumps AS j JOIN quality.near_split AS n ON n.symbol = j.symbol AND n.date = j.date
                AND n.days <= 14 AND {_LIKE}
            JOIN quality.lasting AS l ON j.symbol = l.symbol AND j.k = l.k
            WHERE abs(j.gap) > 0.4 * abs(j.jump) AND sign(j.gap) = sign(j.jump)
                AND abs(l.level - j.jump) < 0.5 * abs(j.jump)
                AND NOT EXISTS (SELECT 1 FROM quality.back AS b WHERE b.symbol = j.symbol
                    AND j.date IN (b.date, b.back_date))
            QUALIFY row_number() OVER (PARTITION BY j.symbol, j.date ORDER BY n.residual, n.days) = 1
        """,
    ),
    Detector(
        code="split_not_recorded",
        title="A jump like a split, without one",
        severity="warning",
        meaning=(
            "All four prices jump by a ratio that splits and units have (2, 3, 4, 5, 10, … 1000) from one traded day "
            "to the next, stay there, and no split is recorded."
        ),
        explanation=(
            "{symbol} went from {p_close:g} to {close:g} on {date}, like {ratio:g} to 1, and stayed; no split is "
            "recorded."
        ),
        remedy="Look for a split, a consolidation or a change of currency or unit, and import it as an event.",
        sql=f"""
            SELECT j.symbol, j.date, j.p_close, j.close, exp(j.jump) AS times, r.ratio
            FROM quality.jumps AS j
            JOIN {_COMMON} ON abs(abs(j.jump) - ln(r.ratio)) < 0.05 + 0.02 * ln(r.ratio)
            JOIN quality.lasting AS l ON j.symbol = l.symbol AND j.k = l.k
            WHERE j.date - j.p_date <= 10 AND l.later >= 3 AND (least(j.close, j.p_close) > 0.02 OR abs(j.jump) > ln(5))
                AND abs(j.gap) > 0.8 * abs(j.jump) AND sign(j.gap) = sign(j.jump)
                AND abs(l.level - j.jump) < 0.15 + 0.05 * abs(j.jump)
                AND (abs(j.jump) > ln(90) OR j.p_volume > 0
                    AND j.volume <= 3 * l.usual_volume * CASE WHEN j.jump < 0 THEN r.ratio ELSE 1 END)
                AND NOT EXISTS (SELECT 1 FROM quality.back AS b WHERE b.symbol = j.symbol
                    AND j.date IN (b.date, b.back_date))
                AND NOT EXISTS (SELECT 1 FROM quality.near_split AS n
                    WHERE n.symbol = j.symbol AND n.date = j.date AND n.days <= 14 AND {_LIKE})
            QUALIFY row_number() OVER (PARTITION BY j.symbol, j.date
                ORDER BY abs(abs(j.jump) - ln(r.ratio))) = 1
        """,
    ),
    Detector(
        code="large_jump",
        title="A jump that nothing recorded explains",
        severity="info",
        meaning="The close is more than 5 times or less than a fifth of the one before, and stays: news, or a split.",
        explanation="{symbol} went from {p_close:g} to {close:g} on {date} ({times:.3g} times), and stayed.",
        remedy="Compare with announcements; small prices do move like that.",
        sql="""
            SELECT j.symbol, j.date, j.p_close, j.close, exp(j.jump) AS times FROM quality.jumps AS j
            WHERE abs(j.jump) > ln(5)
                AND NOT EXISTS (SELECT 1 FROM quality.back AS b WHERE b.symbol = j.symbol
                    AND j.date IN (b.date, b.back_date))
        """,
    ),
)
