"""Whether the stored closes of a symbol are on one scale.

A source rescales the whole history of a symbol when a split or a capital return happens. Rows of an older fetch that
no newer fetch has replaced then stay on the old scale, and the join between them is a jump that no market made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    import duckdb

#: Rounding to a tick moves single closes by more than this, the median of several by less.
_TOLERANCE: Final = 0.002

#: Fewer common dates than this say nothing about a scale: single rows are corrected all the time.
_LEAST_COMMON: Final = 5

_FETCHES: Final = """
SELECT count(*) FROM (SELECT symbol FROM prices GROUP BY symbol HAVING min(fetch_timestamp) < max(fetch_timestamp))
"""

#: Per symbol and older fetch that still supplies rows: the median of newest / older close over the replaced rows.
_SCALES: Final = """
WITH still AS (SELECT DISTINCT symbol, fetch_timestamp FROM prices)
SELECT r.symbol, r.fetch_timestamp, median(p.close / r.close) AS scale
FROM raw_prices AS r
JOIN still AS s ON r.symbol = s.symbol AND r.fetch_timestamp = s.fetch_timestamp
JOIN prices AS p ON r.symbol = p.symbol AND r.date = p.date AND r.fetch_timestamp < p.fetch_timestamp
GROUP BY r.symbol, r.fetch_timestamp
HAVING count(*) >= $least AND abs(scale - 1) > $tolerance
ORDER BY r.symbol, r.fetch_timestamp
"""


def check_one_scale(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse symbols whose rows come from fetches on different scales.

    Fetches without common dates cannot be compared, and pass.

    Parameters
    ----------
    connection
        With the views ``prices`` and ``raw_prices`` of the rows in question.

    Raises
    ------
    LakeError
        A symbol mixes scales.
    """
    fetches = connection.execute(_FETCHES).fetchone()
    if fetches is None or not fetches[0]:
        return
    mixed = connection.execute(_SCALES, {"least": _LEAST_COMMON, "tolerance": _TOLERANCE}).fetchall()
    if not mixed:
        return
    symbol, fetched, scale = mixed[0]
    count = len({row[0] for row in mixed})
    others = f"; {count} symbols are mixed so" if count > 1 else ""
    message = (
        f"the prices of {symbol} are on two scales: where they overlap, later closes are {scale:.4g} times those "
        f"fetched {fetched[:19]}, of which rows remain{others}. Import the whole history again from one source."
    )
    raise LakeError(message)
