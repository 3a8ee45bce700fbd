"""Checks of the scale of stored prices: against the steps in which an exchange trades, and against a second source."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

#: A single factor may be a rounded dividend; this much is a scale.
_APART: Final = 0.002

#: Before and after each day of the second source: the median distance of five days.
_LEVELS: Final = """
levels AS (
    SELECT *, median(apart) OVER (w ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING) AS before,
        median(apart) OVER (w ROWS BETWEEN CURRENT ROW AND 4 FOLLOWING) AS after,
        median(apart) OVER (w ROWS BETWEEN 1 FOLLOWING AND 5 FOLLOWING) AS later,
        median(apart) OVER (w ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING) AS long_before,
        median(apart) OVER (w ROWS BETWEEN CURRENT ROW AND 29 FOLLOWING) AS long_after,
        lag(apart) OVER w AS p_apart, lag(date) OVER w AS p_date, count(*) OVER (PARTITION BY symbol) AS days
    FROM quality.second_source WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
"""

DETECTORS: Final = (
    Detector(
        code="hidden_scale",
        title="Prices scaled by something not recorded",
        severity="warning",
        needs=("ticks",),
        meaning=(
            "With all recorded splits undone the closes must be whole steps of the price. For months they are not, and "
            "from some day on they are: the source scaled what lies before by a rights issue, a demerger, a return of "
            "capital, or a dividend that is missing or wrong. Returns are right; prices as traded are not known."
        ),
        explanation=(
            "{off:.0%} of the traded closes of {symbol} from {date} to {last_date} are no whole steps of the price, "
            "only {later_off:.0%} of those after: they are scaled by something that is not recorded."
        ),
        remedy=(
            "Ticks, lots and fees of these days are approximate. A second source of prices as traded gives the factor."
        ),
        sql="""
            WITH months AS (
                SELECT symbol, date_trunc('month', date) AS month, count(*) AS bars, max(date) AS last,
                    min(date) AS first, avg((NOT traded_on_step)::INTEGER) AS off,
                        avg((NOT stored_on_step)::INTEGER) AS bare
                FROM quality.ticks GROUP BY symbol, month HAVING count(DISTINCT close) >= 3 AND count(*) >= 5
            ), ends AS (
                SELECT symbol, max(month) FILTER (WHERE off > 0.6 AND bare > 0.6) AS last_off, max(month) AS last_month
                FROM months GROUP BY symbol
            ), spans AS (
                SELECT e.symbol, min(t.date) AS date, max(t.date) AS last_date
                FROM ends AS e JOIN quality.ticks AS t ON e.symbol = t.symbol
                WHERE NOT t.traded_on_step AND t.date < e.last_off + INTERVAL 1 MONTH
                GROUP BY e.symbol
            ), counted AS (
                SELECT s.symbol, s.date, s.last_date, count(*) FILTER (WHERE t.date <= s.last_date) AS rows,
                    avg((NOT traded_on_step)::INTEGER) FILTER (WHERE t.date <= s.last_date) AS off,
                    avg((NOT traded_on_step)::INTEGER) FILTER (WHERE t.date > s.last_date) AS later_off,
                    count(*) FILTER (WHERE t.date > s.last_date) AS later
                FROM spans AS s JOIN quality.ticks AS t ON s.symbol = t.symbol AND t.date >= s.date
                GROUP BY s.symbol, s.date, s.last_date
            )
            SELECT * EXCLUDE (later) FROM counted WHERE off > 0.6 AND rows >= 20 AND later >= 5 AND later_off < 0.2
        """,
    ),
    Detector(
        code="hidden_factor",
        title="A factor that a second source reveals",
        severity="warning",
        needs=("second_source",),
        meaning=(
            "The distance to prices as traded from a second source steps and stays, where no split is recorded: prices "
            "before contain a demerger, a rights issue or a return of capital."
        ),
        explanation=(
            "From {date} on the closes of {symbol} are {times:.5g} times as far from those as traded as before: what "
            "lies before is scaled, and no split is recorded."
        ),
        remedy="Record it as a split of that ratio if prices as traded matter to you.",
        sql=f"""
            WITH {_LEVELS}
            SELECT symbol, date, exp(before - after) AS times, close, second FROM levels AS l
            WHERE abs(before - after) > greatest(0.004,
                0.015 / second * CASE WHEN second < 0.1 THEN 0.1 WHEN second < 2 THEN 0.5
                    ELSE 1 END) AND abs(apart - p_apart) > 0.5 * abs(before - after)
                AND abs(apart - after) < 0.3 * abs(before - after) AND abs(p_apart - before) < 0.3 * abs(before - after)
                AND abs(later - after) < 0.1 * abs(before - after)
                AND abs(long_after - after) < 0.1 * abs(before - after)
                AND abs(long_before - before) < 0.1 * abs(before - after)
                AND NOT EXISTS (SELECT 1 FROM quality.splits AS s WHERE s.symbol = l.symbol
                    AND s.ex_date > l.p_date AND s.ex_date <= l.date AND abs(ln(s.split) - (before - after)) < {_APART})
        """,
    ),
    Detector(
        code="off_second_source",
        title="Another level than a second source",
        severity="error",
        needs=("second_source",),
        meaning=(
            "Multiplied by the splits recorded after it, a stored close must be the close as traded. On the last "
            "common days it is not: a split was recorded and not applied, applied and not recorded, or a dividend is "
            "wrong."
        ),
        explanation=(
            "Up to {last_date} the closes of {symbol} are {factor:.5g} times those as traded; recorded splits explain "
            "{explained:.5g}."
        ),
        remedy="Compare splits and dividends after that day with announcements.",
        sql=f"""
            WITH last_days AS (
                SELECT *, row_number() OVER (PARTITION BY symbol ORDER BY date DESC) AS r FROM quality.second_source
            )
            SELECT symbol, min(date) AS date, max(date) AS last_date, count(*) AS rows, exp(-median(apart)) AS factor,
                1 / max_by(ratio, date) AS explained
            FROM last_days WHERE r <= 60
            GROUP BY symbol
            HAVING count(*) >= 5 AND abs(median(apart) - ln(max_by(ratio, date))) > {_APART}
        """,
    ),
    Detector(
        code="sources_disagree",
        title="A day on which two sources disagree",
        severity="warning",
        needs=("second_source",),
        meaning="One day's distance to a second source is unlike that of the days around it.",
        explanation=(
            "{symbol} closed at {close:g} on {date}, {apart:+.2%} from the second source ({second:g}, same basis)."
        ),
        remedy="One of the two is wrong, or gives the close of another day.",
        sql=f"""
            WITH {_LEVELS}
            SELECT symbol, date, close, second * exp(-(before + later) / 2) AS second,
                exp((before + later) / 2 - apart) - 1 AS apart
            FROM levels
            WHERE days >= 11 AND abs(before - later) < {_APART} AND abs(apart - before) > {_APART}
                AND abs(second - exp(before) * close) > 0.6 * CASE WHEN second < 0.1 THEN 0.001 WHEN second < 2 THEN
                    0.005 ELSE 0.01 END
        """,
    ),
)
