"""Tables that several checks share: jumps and what surrounds them, shifted dates, other listings, lost sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

#: Jumps worth a look (dividends added back), the splits nearby whose ratio could be theirs, the blocks of days between
#: a jump and its way back that are odd beside the days around, and the levels before and after.
_JUMPS: Final = """
CREATE OR REPLACE TABLE quality.jumps AS
SELECT b.symbol, b.date, b.k, b.p_date, b.close, b.p_close, b.volume, b.p_volume, b.fetch_timestamp,
    ln((b.close + coalesce(d.dividend, 0)) / b.p_close) AS jump,
    CASE WHEN b.close > b.p_close THEN ln(b.low / b.p_high) ELSE ln(b.high / b.p_low) END AS gap
FROM quality.bars AS b LEFT JOIN (
    SELECT symbol, applied, sum(dividend) AS dividend FROM quality.dividends GROUP BY symbol, applied
) AS d ON b.symbol = d.symbol AND b.date = d.applied
WHERE b.date - b.p_date <= 90 AND abs(ln((b.close + coalesce(d.dividend, 0)) / b.p_close)) > 0.4;

CREATE OR REPLACE TABLE quality.near_split AS
SELECT j.symbol, j.date, s.ex_date, s.split, abs(j.date - s.ex_date) AS days,
    abs(abs(j.jump) - abs(ln(s.split))) AS residual
FROM quality.jumps AS j JOIN quality.splits AS s ON j.symbol = s.symbol
WHERE s.split > 0 AND abs(ln(s.split)) > 0.4 AND abs(j.date - s.ex_date) <= 90;

CREATE OR REPLACE TABLE quality.back AS
SELECT j.*, b.date AS back_date, b.k AS back_k, b.p_date AS last_date, b.close AS back_close, b.jump AS back_jump
FROM quality.jumps AS j JOIN quality.jumps AS b ON j.symbol = b.symbol AND b.k > j.k AND b.date - j.p_date <= 16
WHERE sign(j.jump) <> sign(b.jump) AND abs(j.jump + b.jump) < greatest(0.25 * abs(j.jump), 0.2)
QUALIFY row_number() OVER (PARTITION BY j.symbol, j.k ORDER BY b.k) = 1;

CREATE OR REPLACE TABLE quality.odd AS
SELECT a.symbol, a.date, a.k, count(*) AS around, median(n.close) AS usual
FROM quality.back AS a JOIN quality.bars AS n ON a.symbol = n.symbol
    AND n.k BETWEEN a.k - 30 AND a.back_k + 29 AND NOT n.k BETWEEN a.k AND a.back_k - 1
GROUP BY a.symbol, a.date, a.k;

CREATE OR REPLACE TABLE quality.blocks AS
SELECT a.*, o.usual, o.around, a.back_k - a.k AS rows, exp(a.jump) AS times,
    (a.back_k - a.k) * 3 <= o.around AND a.back_k - a.k <= 5 AS sure
FROM quality.back AS a JOIN quality.odd AS o ON a.symbol = o.symbol AND a.k = o.k
WHERE abs(ln(a.close / o.usual)) > 0.5 * abs(a.jump);

CREATE OR REPLACE TABLE quality.lasting AS
SELECT j.symbol, j.k, ln(median(n.close) FILTER (WHERE n.k >= j.k)
    / median(n.close) FILTER (WHERE n.k < j.k)) AS level, count(*) FILTER (WHERE n.k >= j.k) AS later,
    median(n.volume) FILTER (WHERE n.k < j.k) AS usual_volume
FROM quality.jumps AS j JOIN quality.bars AS n ON j.symbol = n.symbol AND n.k BETWEEN j.k - 7 AND j.k + 6
GROUP BY j.symbol, j.k;
"""

#: Weeks of a symbol with a bar on the day before a session that is none itself (a Sunday), and none on the Friday: all
#: bars lie one day early. A stretch runs from its first such week to its last, weeks with holidays between included.
_SHIFTED: Final = """
CREATE OR REPLACE TABLE quality.shifted AS
WITH weeks AS (
    SELECT symbol, date_trunc('week', date + 1)::DATE AS week, count(*) AS bars,
        count(*) FILTER (WHERE closed AND next_is_session) AS eves,
        count(*) FILTER (WHERE dayofweek(date) = 5) AS fridays
    FROM (
        SELECT b.*, c.session IS NOT NULL AS next_is_session
        FROM quality.bars AS b LEFT JOIN quality.calendar AS c ON c.session = b.date + 1
    ) GROUP BY symbol, week
), early AS (
    SELECT symbol, week, week - lag(week) OVER (PARTITION BY symbol ORDER BY week) AS since
    FROM weeks WHERE eves > 0 AND fridays = 0
), numbered AS (
    SELECT *, count(*) FILTER (WHERE since > 28) OVER (PARTITION BY symbol ORDER BY week) AS stretch FROM early
), stretches AS (
    SELECT symbol, min(week) - 1 AS first, max(week) + 3 AS last, count(*) AS weeks
        FROM numbered GROUP BY symbol, stretch
), shifted AS (
    SELECT s.symbol, min(b.date) AS date, max(b.date) AS last_date, count(*) AS rows, any_value(s.weeks) AS weeks
    FROM stretches AS s JOIN quality.bars AS b ON s.symbol = b.symbol AND b.date BETWEEN s.first AND s.last
    GROUP BY s.symbol, s.first HAVING weeks >= 2
)
SELECT * FROM shifted;
"""

#: Symbols whose days are those of another exchange: sessions without a bar plus bars on days that are none, here and
#: there.
_LISTINGS: Final = """
CREATE OR REPLACE TABLE quality.foreign_listings AS
WITH spans AS (
    SELECT symbol, min(date) AS date, max(date) AS last_date, count(*) AS rows, count(*) FILTER (WHERE closed) AS odd
    FROM quality.bars GROUP BY symbol
    HAVING count(*) FILTER (WHERE closed AND dayofweek(date) BETWEEN 1 AND 5) >= 3
), here AS (
    SELECT p.symbol, p.odd + count(*) FILTER (WHERE b.date IS NULL) AS misfits
    FROM spans AS p JOIN quality.calendar AS c ON c.session BETWEEN p.date AND p.last_date
    LEFT JOIN quality.bars AS b ON p.symbol = b.symbol AND b.date = c.session
    GROUP BY p.symbol, p.odd
), there AS (
    SELECT p.symbol, e.exchange, p.rows - count(b.date) + count(*) FILTER (WHERE b.date IS NULL) AS misfits
    FROM spans AS p JOIN quality.elsewhere AS e ON e.session BETWEEN p.date AND p.last_date
    LEFT JOIN quality.bars AS b ON p.symbol = b.symbol AND b.date = e.session
    GROUP BY p.symbol, p.rows, e.exchange
), foreign_listings AS (
    SELECT p.symbol, p.date, p.last_date, p.rows, t.exchange, t.misfits AS there, h.misfits AS here
    FROM spans AS p JOIN here AS h ON p.symbol = h.symbol JOIN there AS t ON p.symbol = t.symbol
    WHERE t.misfits * 4 <= h.misfits
    QUALIFY row_number() OVER (PARTITION BY p.symbol ORDER BY t.misfits, t.exchange) = 1
)
SELECT * FROM foreign_listings;
"""

#: Sessions on which most symbols that had bars before and have bars later have none.
_LOST: Final = """
CREATE OR REPLACE TABLE quality.lost AS
WITH regular AS (
    SELECT symbol, s FROM quality.bars WHERE s IS NOT NULL AND symbol NOT IN (SELECT symbol FROM quality.shifted)
        AND symbol NOT IN (SELECT symbol FROM quality.foreign_listings)
), expected AS (SELECT symbol, min(s) AS first, max(s) AS last FROM regular GROUP BY symbol
), active AS (
    SELECT c.session, c.s, (SELECT count(*) FROM expected AS e WHERE c.s BETWEEN e.first AND e.last) AS symbols
    FROM quality.calendar AS c
), present AS (SELECT s, count(*) AS present FROM regular GROUP BY s
), counted AS (
    SELECT a.session, a.s, a.symbols, coalesce(p.present, 0) AS present,
        median(coalesce(p.present, 0)) OVER (ORDER BY a.s ROWS BETWEEN 10 PRECEDING AND 10 FOLLOWING) AS usual
    FROM active AS a LEFT JOIN present AS p ON a.s = p.s
), lost AS (
    SELECT * FROM counted WHERE symbols >= 3 AND usual >= 3 AND present < 0.5 * usual
)
SELECT * FROM lost;
"""


#: Symbols with answers of different time, and per answer of theirs how the closes of days that were known before
#: changed. A day that keeps its close is in ``overlap`` only; ``back`` counts days whose close is the one before the
#: last change again.
_CHANGES: Final = """
CREATE OR REPLACE TABLE quality.answered_again AS
SELECT symbol FROM quality.versions GROUP BY symbol HAVING min(fetch_timestamp) < max(fetch_timestamp);

CREATE OR REPLACE TABLE quality.changes AS
WITH steps AS (
    SELECT symbol, date, fetch_timestamp, close, lag(close) OVER w AS before FROM (
        SELECT symbol, date, fetch_timestamp, max(close) AS close FROM quality.versions
        WHERE usable AND symbol IN (SELECT symbol FROM quality.answered_again)
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
SELECT * FROM large;
"""


def derive(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the shared tables out of those of `stockstream.lake.quality.tables`."""
    for statements in (_JUMPS, _SHIFTED, _LISTINGS, _LOST, _CHANGES):
        connection.execute(statements)
