"""The tables that all checks read, made once for each judgement, in the schema ``quality`` of a connection.

- ``versions``: every row given; ``usable`` when its prices are numbers above 0 and no verdict hides it;
- ``bars``: the latest usable version of each symbol and date, with its neighbours: ``p_`` is the bar before, ``k`` the
  number of the bar within the symbol, ``s`` that of the session in the calendar; ``closed``: the calendar knows that
  there was none;
- ``dividends``, ``splits``: symbol, ex_date, value, and ``applied``, the date of the first bar on or after it;
- ``ticks`` (for an exchange whose price steps are known): whether each close lies on a step, as stored and as traded;
- ``calendar`` (with exchange_calendars): session, ``s``; ``horizon``: the days it knows; ``settled`` (session,
  settled_at): when its bars are final;
- ``elsewhere``: the sessions of other exchanges, filled when a symbol does not fit this one;
- ``second_source`` (when given): closes as traded, from elsewhere, beside the stored ones.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from stockstream.lake.quality.derived import derive

if TYPE_CHECKING:
    import duckdb

#: Other exchanges that a symbol may have been taken from: the busiest of each part of the world.
ELSEWHERE: Final = ("XNYS", "XLON", "XTSE", "XFRA")

#: So many bars of a symbol on days without a session make the calendars of other exchanges worth loading.
_MISPLACED: Final = 3

#: Smallest steps of the price by exchange: from this price on, this step.
STEPS: Final = {"XASX": ((0.0, 0.001), (0.1, 0.005), (2.0, 0.01))}

_VERSIONS: Final = """
CREATE OR REPLACE TABLE quality.versions AS
SELECT symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp,
    {hidden} AS hidden, NOT hidden AND coalesce(open > 0 AND high > 0 AND low > 0 AND close > 0
        AND isfinite(open) AND isfinite(high) AND isfinite(low) AND isfinite(close), false) AS usable
FROM {rows}
WHERE date IS NOT NULL AND symbol IS NOT NULL
"""

#: The order of versions is that of the views of a lake: the latest, and of one instant the larger content.
_BARS: Final = """
CREATE OR REPLACE TABLE quality.bars AS
SELECT *, row_number() OVER w AS k, lag(date) OVER w AS p_date, lag(open) OVER w AS p_open, lag(high) OVER w AS p_high,
    lag(low) OVER w AS p_low, lag(close) OVER w AS p_close, lag(volume) OVER w AS p_volume,
    lag(adjusted_close) OVER w AS p_adjusted_close, lag(fetch_timestamp) OVER w AS p_fetch_timestamp,
    lag(s) OVER w AS p_s, count(*) OVER (PARTITION BY symbol) AS bars
FROM (
    SELECT v.*, c.s, coalesce(c.s IS NULL AND v.date BETWEEN (SELECT first FROM quality.horizon)
        AND (SELECT last FROM quality.horizon), false) AS closed
    FROM (
        SELECT * EXCLUDE (usable, hidden) FROM quality.versions WHERE usable
        QUALIFY row_number() OVER (PARTITION BY symbol, date ORDER BY fetch_timestamp DESC, open DESC, high DESC,
            low DESC, close DESC, volume DESC NULLS LAST, adjusted_close DESC NULLS LAST) = 1
    ) AS v LEFT JOIN quality.calendar AS c ON v.date = c.session
)
WINDOW w AS (PARTITION BY symbol ORDER BY date)
"""

_EVENTS: Final = """
CREATE OR REPLACE TABLE quality.{kind}s AS
SELECT DISTINCT e.symbol, e.ex_date, e.{kind}, b.date AS applied, b.k
FROM {source} AS e ASOF LEFT JOIN quality.bars AS b ON e.symbol = b.symbol AND e.ex_date <= b.date
WHERE e.{kind} IS NOT NULL
"""

#: A stored close is on the basis of all later splits: as traded it was the product of their ratios times as much.
_TICKS: Final = """
CREATE OR REPLACE TABLE quality.ticks AS
WITH ratios AS (
    SELECT symbol, ex_date,
        product(split) OVER (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING) AS ratio
    FROM quality.splits
), traded AS (
    SELECT b.symbol, b.date, b.k, b.close, b.close * coalesce(r.ratio, 1) AS as_traded
    FROM quality.bars AS b ASOF LEFT JOIN ratios AS r ON b.symbol = r.symbol AND b.date < r.ex_date
    WHERE b.volume > 0
)
SELECT symbol, date, k, close, as_traded, on_step(close) AS stored_on_step, on_step(as_traded) AS traded_on_step
FROM traded
"""

_SECOND: Final = """
CREATE OR REPLACE TABLE quality.second_source AS
WITH ratios AS (
    SELECT symbol, ex_date,
        product(split) OVER (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING) AS ratio
    FROM quality.splits
)
SELECT b.symbol, b.date, b.close, r.close AS second, ln(r.close / b.close) AS apart, coalesce(t.ratio, 1) AS ratio,
    row_number() OVER (PARTITION BY b.symbol ORDER BY b.date) AS i
FROM quality.bars AS b
JOIN {source} AS r ON b.symbol = r.symbol AND b.date = r.date
ASOF LEFT JOIN ratios AS t ON b.symbol = t.symbol AND b.date < t.ex_date
WHERE r.close > 0 AND b.volume > 0
"""


def prepare(
    connection: duckdb.DuckDBPyConnection,
    *,
    rows: str,
    dividends: str | None,
    splits: str | None,
    second_source: str | None,
    exchange: str,
) -> frozenset[str]:
    """Make the tables and return which of the optional ones there are.

    Parameters
    ----------
    connection
        Holds the tables or views named by the next four arguments, which are names of this library's own.
    rows
        All versions of all rows, with the columns of a lake, and perhaps ``hidden``: by an earlier verdict.
    dividends, splits
        symbol, ex_date and dividend or split; None: there are no events.
    second_source
        symbol, date, close as traded; None: there is none.
    exchange
        Code of the exchange whose sessions and price steps count; empty: none.
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS quality")
    held = {column[0] for column in connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()}
    connection.execute(_VERSIONS.format(rows=rows, hidden="hidden" if "hidden" in held else "false"))
    have = set()
    if _calendar(connection, exchange):
        have |= {"calendar", "elsewhere"}
    connection.execute(_BARS)
    for kind, source in (("dividend", dividends), ("split", splits)):
        nothing = f"(SELECT NULL::VARCHAR AS symbol, NULL::DATE AS ex_date, NULL::DOUBLE AS {kind} WHERE false)"
        connection.execute(_EVENTS.format(kind=kind, source=source or nothing))
    if "calendar" in have:
        _elsewhere(connection, exchange)
    if exchange in STEPS:
        connection.execute(_on_step(STEPS[exchange]))
        connection.execute(_TICKS)
        have.add("ticks")
    if second_source is not None:
        connection.execute(_SECOND.format(source=second_source))
        have.add("second_source")
    derive(connection)
    return frozenset(have)


def _on_step(steps: tuple[tuple[float, float], ...]) -> str:
    """Return the macro that says whether a price is a whole number of steps, rounding of the source aside."""
    cases = " ".join(f"WHEN price >= {floor} THEN {step}" for floor, step in reversed(steps) if floor)
    step = f"(CASE {cases} ELSE {steps[0][1]} END)"
    near = f"abs(price / {step} - round(price / {step})) < 0.02 + 2e-7 * price / {step}"
    return f"CREATE OR REPLACE MACRO on_step(price) AS price > 0.5 * {steps[0][1]} AND {near}"


def _calendar(connection: duckdb.DuckDBPyConnection, exchange: str) -> bool:
    """Make the tables of sessions, empty without the library that knows them."""
    connection.execute("CREATE OR REPLACE TABLE quality.calendar (session DATE, s INTEGER)")
    connection.execute("CREATE OR REPLACE TABLE quality.horizon (first DATE, last DATE)")
    connection.execute("CREATE OR REPLACE TABLE quality.settled (session DATE, settled_at VARCHAR)")
    connection.execute("CREATE OR REPLACE TABLE quality.elsewhere (exchange VARCHAR, session DATE)")
    if not exchange or find_spec("exchange_calendars") is None:
        return False
    from stockstream.sessions import SETTLED_AFTER, closes_at, horizon, sessions

    first, last = connection.execute("SELECT min(date), max(date) FROM quality.versions").fetchone() or (None, None)
    if first is None:
        return True
    known = horizon(exchange)
    insert(connection, "horizon", {"first": [known[0]], "last": [known[1]]})
    days = sessions(first, last, exchange)
    insert(connection, "calendar", {"session": days, "s": list(range(len(days)))})
    early = connection.execute(
        "SELECT DISTINCT date FROM quality.versions JOIN quality.calendar ON date = session "
        "WHERE left(fetch_timestamp, 10) <= (date + 1)::VARCHAR ORDER BY date"
    ).fetchall()
    settled = [(closes_at(day, exchange) + SETTLED_AFTER).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for (day,) in early]
    insert(connection, "settled", {"session": [day for (day,) in early], "settled_at": settled})
    return True


def _elsewhere(connection: duckdb.DuckDBPyConnection, exchange: str) -> None:
    """Load the sessions of other exchanges when a symbol does not keep those of this one: a calendar takes a second."""
    from stockstream.sessions import sessions

    odd = connection.execute(
        "SELECT min(first), max(last) FROM (SELECT min(date) AS first, max(date) AS last FROM quality.bars "
        "GROUP BY symbol HAVING count(*) FILTER (WHERE closed AND dayofweek(date) BETWEEN 1 AND 5) >= $least)",
        {"least": _MISPLACED},
    ).fetchone()
    if odd is None or odd[0] is None:
        return
    for code in (name for name in ELSEWHERE if name != exchange):
        days = sessions(odd[0], odd[1], code)
        insert(connection, "elsewhere", {"exchange": [code] * len(days), "session": days})


def insert(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, list[Any]]) -> None:
    """Insert columns into a table of the schema ``quality`` at once: row by row a calendar takes a second."""
    if not next(iter(columns.values())):
        return
    arrays = {name: _array(values) for name, values in columns.items()}
    connection.register("quality_rows", arrays)
    names = ", ".join(columns)
    connection.execute(f"INSERT INTO quality.{table} ({names}) SELECT {names} FROM quality_rows")
    connection.unregister("quality_rows")


def _array(values: list[Any]) -> Any:
    import numpy as np

    if isinstance(values[0], int):
        return np.array(values, dtype=np.int32)
    if isinstance(values[0], str):
        return np.array(values, dtype=object)
    return np.array(values, dtype="datetime64[us]")
