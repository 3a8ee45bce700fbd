"""How the scales of successive answers hang together: written once, in SQL.

A source rescales the whole history of a symbol when a split or a capital return happens, and sometimes scales it back.
Rows of older answers, which nothing newer replaced, stay on the old scale. Successive snapshots of a symbol are
*linked* by g, the median of new / old close over the final bars that both hold, and a close is carried from one to the
other by it. A link is accepted only where it is uniform:

- at least five common bars, the last three sessions of the older snapshot apart, which are corrected most; traded ones,
  unless those are fewer than five;
- the three bars at either end of the common ones agree with g within the rounding of both closes to a tick: where only
  the bars before an event were rescaled, the two ends differ;
- so do nine in ten of all of them: single rows are corrected all the time.

A snapshot of fewer than five bars that were all known before is a *patch*: corrections on the scale that was there.
Snapshots without an accepted link between them start a new *segment*: how their scales compare is not known.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from stockstream.lake.as_of import Reading

#: Fewer common bars than this say nothing about a scale.
_LEAST_COMMON: Final = 5

_TICK: Final = "CASE WHEN {0} < 0.1 THEN 0.001 WHEN {0} < 2 THEN 0.005 ELSE 0.01 END"

#: Only symbols of which several answers are read need links.
MIXED: Final = "SELECT symbol FROM prices GROUP BY symbol HAVING min(fetch_timestamp) < max(fetch_timestamp)"

#: The step of a snapshot counts those that are no patches; a patch stands on the step before it.
_STEPS: Final = f"""
CREATE VIEW derived.patches AS
WITH small AS (
    SELECT s.symbol, s.fetch_timestamp FROM derived.snapshots AS s SEMI JOIN derived.mixed ON s.symbol = mixed.symbol
    WHERE s.bars < {_LEAST_COMMON}
),
known AS (
    SELECT symbol, date, min(fetch_timestamp) AS known
    FROM (
        SELECT symbol, date, fetch_timestamp FROM derived.versions WHERE stored AND complete
        UNION ALL SELECT symbol, date, first_seen FROM derived.known_runs
    )
    WHERE symbol IN (SELECT symbol FROM small) GROUP BY symbol, date
)
SELECT v.symbol, v.fetch_timestamp
FROM derived.versions AS v
SEMI JOIN small ON v.symbol = small.symbol AND v.fetch_timestamp = small.fetch_timestamp
JOIN known AS k ON v.symbol = k.symbol AND v.date = k.date
WHERE v.stored AND v.complete
GROUP BY v.symbol, v.fetch_timestamp HAVING bool_and(k.known < v.fetch_timestamp)
UNION SELECT symbol, fetch_timestamp FROM derived.known_snapshots WHERE patch;

CREATE VIEW derived.steps AS
SELECT *, CASE WHEN NOT patch THEN max(fetch_timestamp) FILTER (NOT patch) OVER (
        PARTITION BY symbol ORDER BY fetch_timestamp ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) END AS link_from
FROM (
    SELECT s.symbol, s.fetch_timestamp, s.first_date, s.last_date, p.symbol IS NOT NULL AS patch,
        count(*) FILTER (p.symbol IS NULL) OVER (PARTITION BY s.symbol ORDER BY s.fetch_timestamp) AS step
    FROM (SELECT * FROM derived.snapshots WHERE bars > 0) AS s
    SEMI JOIN derived.mixed ON s.symbol = mixed.symbol
    LEFT JOIN derived.patches AS p ON s.symbol = p.symbol AND s.fetch_timestamp = p.fetch_timestamp
);

CREATE VIEW derived.known_links AS
SELECT s.symbol, s.step, k.ratio
FROM derived.steps AS s
JOIN derived.known_snapshots AS k ON s.symbol = k.symbol AND s.fetch_timestamp = k.fetch_timestamp
    AND s.link_from = k.link_from;
"""

#: Links that a compaction has not derived: from all that their two snapshots answered.
_LINKS: Final = f"""
CREATE VIEW derived.links AS
WITH unknown AS MATERIALIZED (
    SELECT s.symbol, s.step FROM derived.steps AS s
    ANTI JOIN derived.known_links AS k ON s.symbol = k.symbol AND s.step = k.step
    WHERE s.link_from IS NOT NULL
),
needed AS MATERIALIZED (
    SELECT s.* FROM derived.steps AS s
    SEMI JOIN (SELECT symbol, step FROM unknown UNION SELECT symbol, step - 1 FROM unknown) AS u
        ON s.symbol = u.symbol AND s.step = u.step
    WHERE NOT s.patch
),
answers AS MATERIALIZED (
    SELECT DISTINCT symbol, date, step, close, coalesce(volume, 0) > 0 AS traded
    FROM (
        SELECT v.symbol, v.date, n.step, v.close, v.volume, v.fetch_timestamp
        FROM derived.versions AS v
        JOIN needed AS n ON v.symbol = n.symbol AND v.fetch_timestamp = n.fetch_timestamp
        WHERE v.stored AND v.complete
        UNION ALL
        SELECT r.symbol, r.date, n.step, r.close, r.volume, n.fetch_timestamp
        FROM derived.known_runs AS r
        JOIN needed AS n ON r.symbol = n.symbol AND n.fetch_timestamp BETWEEN r.first_seen AND r.last_seen
            AND r.date BETWEEN n.first_date AND n.last_date
    )
    WHERE NOT $unsettled
),
common AS (
    SELECT n.symbol, n.step, n.date, n.close AS new, o.close AS old, n.traded AND o.traded AS traded
    FROM answers AS n
    JOIN answers AS o ON n.symbol = o.symbol AND n.date = o.date AND n.step = o.step + 1
    JOIN (SELECT symbol, step, max(date, 4)[4] AS until FROM answers GROUP BY symbol, step) AS u
        ON o.symbol = u.symbol AND o.step = u.step AND o.date <= u.until
),
evidence AS (
    SELECT * FROM common
    QUALIFY traded OR count(*) FILTER (traded) OVER (PARTITION BY symbol, step) < {_LEAST_COMMON}
),
medians AS (SELECT symbol, step, median(new / old) AS ratio FROM evidence GROUP BY symbol, step),
agreement AS (
    SELECT e.symbol, e.step, m.ratio,
        abs(new - ratio * old) <= ({_TICK.format("new")} + ratio * {_TICK.format("old")}) / 2 + 1e-5 * new AS agrees,
        row_number() OVER (PARTITION BY e.symbol, e.step ORDER BY date) AS place,
        count(*) OVER (PARTITION BY e.symbol, e.step) AS bars
    FROM evidence AS e JOIN medians AS m ON e.symbol = m.symbol AND e.step = m.step
)
SELECT symbol, step, CASE WHEN abs(any_value(ratio) - 1) <= 1e-5 THEN 1.0 ELSE any_value(ratio) END AS ratio
FROM agreement SEMI JOIN unknown ON agreement.symbol = unknown.symbol AND agreement.step = unknown.step
GROUP BY symbol, step
HAVING count(*) >= {_LEAST_COMMON} AND count(*) FILTER (NOT agrees) * 10 <= count(*)
    AND bool_and(agrees OR (place > 3 AND place <= bars - 3))
UNION ALL SELECT symbol, step, ratio FROM derived.known_links;
"""

#: Conditions on one side of a join are written as keys of both: DuckDB would compare all rows with all otherwise.
#: A link that the ratio of a recorded split explains moves volumes the other way; any other leaves them alone.
_SCALES: Final = """
CREATE VIEW derived.scales AS
WITH linked AS (
    SELECT s.symbol, s.fetch_timestamp, s.step, s.patch, l.ratio,
        EXISTS (
            FROM splits AS e
            WHERE e.symbol = s.symbol AND abs(l.ratio - 1) > 0.001 AND abs(abs(ln(e.split)) - abs(ln(l.ratio))) < 0.005
        ) AS split
    FROM derived.steps AS s
    LEFT JOIN (SELECT *, false AS patch FROM derived.links) AS l
        ON s.symbol = l.symbol AND s.step = l.step AND s.patch = l.patch
)
SELECT symbol, fetch_timestamp, step,
    count(*) FILTER (NOT patch AND ratio IS NULL) OVER earlier AS segment,
    product(coalesce(ratio, 1.0)) OVER earlier AS scale,
    product(CASE WHEN split THEN 1 / ratio ELSE 1.0 END) OVER earlier AS volume_scale
FROM linked WINDOW earlier AS (PARTITION BY symbol ORDER BY fetch_timestamp);
"""

#: One row per price row: what carries it to the basis of the last snapshot of its segment.
_BASED: Final = """
CREATE VIEW derived.based AS
SELECT p.*, coalesce(s.segment, 0) AS segment, coalesce(e.scale / s.scale, 1.0) AS price_basis,
    coalesce(e.volume_scale / s.volume_scale, 1.0) AS volume_basis
FROM prices AS p
LEFT JOIN derived.scales AS s ON p.symbol = s.symbol AND p.fetch_timestamp = s.fetch_timestamp
LEFT JOIN derived.segment_ends AS e ON s.symbol = e.symbol AND s.segment = e.segment;

CREATE VIEW derived.based_dividends AS
SELECT d.symbol, d.ex_date, coalesce(s.segment, 0) AS segment, d.dividend * coalesce(e.scale / s.scale, 1.0) AS dividend
FROM dividends AS d
ASOF LEFT JOIN derived.scales AS s ON d.symbol = s.symbol AND d.fetch_timestamp >= s.fetch_timestamp
LEFT JOIN derived.segment_ends AS e ON s.symbol = e.symbol AND s.segment = e.segment;
"""

_ENDS: Final = """
CREATE VIEW derived.segment_ends AS
SELECT symbol, segment, arg_max(scale, fetch_timestamp) AS scale, arg_max(volume_scale, fetch_timestamp) AS volume_scale
FROM derived.scales GROUP BY symbol, segment;
"""

_MIXED: Final = """
WITH parts AS (
    SELECT symbol, segment, min(fetch_timestamp) AS first, max(fetch_timestamp) AS last, max(date) AS until
    FROM derived.based WHERE date <= $until GROUP BY symbol, segment
    QUALIFY count(*) OVER (PARTITION BY symbol) > 1
)
SELECT symbol, arg_max(last, segment, 2)[2], arg_max(first, segment), arg_max(until, segment, 2)[2],
    count(*) OVER ()
FROM parts GROUP BY symbol ORDER BY symbol LIMIT 1
"""


#: Over `prices`, `dividends`, `splits` and the views of `stockstream.lake.versions`. Tables, because each is mentioned
#: by several that follow, and views within views would be computed, and even bound, over and over.
_BASIS: Final = (_STEPS + _LINKS + _SCALES + _ENDS).replace("CREATE VIEW", "CREATE TABLE") + _BASED


def basis_statements(reading: Reading, mixed: str = MIXED) -> str:
    """Return the statements up to ``derived.based_dividends``, for the symbols that a query names."""
    return f"CREATE TABLE derived.mixed AS {mixed};" + _BASIS.replace("$unsettled", reading.is_provisional())


def check_one_basis(connection: duckdb.DuckDBPyConnection, until: date) -> None:
    """Refuse symbols whose rows up to a day are on scales that no accepted links connect.

    Raises
    ------
    LakeError
        Names the first such symbol, the two answers, and what to do.
    """
    found = connection.execute(_MIXED, {"until": until}).fetchone()
    if found is None:
        return
    symbol, older, newer, day, count = found
    others = f"; {count} symbols are mixed so" if count > 1 else ""
    message = (
        f"the basis of {symbol} is unknown: no accepted link connects the rows fetched {older[:19]} and those fetched "
        f"{newer[:19]}, of which both remain{others}. A link needs five common bars on one ratio. Fetch or import the "
        f"whole history again in one answer, or read from {day + timedelta(days=1)} on (start=), or leave it out."
    )
    raise LakeError(message)
