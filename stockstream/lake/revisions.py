"""What a lake says differently later: bars that appeared, changed or went between two instants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError
from stockstream.lake.query import bind
from stockstream.schema import CONTENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import duckdb
    import polars as pl

    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.listings import Listings
    from stockstream.lake.query import Files

_COMPARED: Final = f"""
SELECT coalesce(n.symbol, o.symbol) AS symbol, coalesce(n.date, o.date) AS date,
    CASE WHEN o.symbol IS NULL THEN 'new' WHEN n.symbol IS NULL THEN 'gone' ELSE 'changed' END AS change,
    {", ".join(f"o.{name} AS old_{name}, n.{name} AS new_{name}" for name in CONTENT)},
    o.fetch_timestamp AS old_fetch_timestamp, n.fetch_timestamp AS fetch_timestamp
FROM older AS o FULL JOIN newer AS n ON o.symbol = n.symbol AND o.date = n.date
WHERE o.symbol IS NULL OR n.symbol IS NULL OR {" OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in CONTENT)}
ORDER BY 1, 2
"""


def compare(
    contents: Contents,
    files: Files,
    readings: tuple[Reading, Reading],
    *,
    symbols: Sequence[str] | None,
    days: tuple[date | None, date | None],
    listings: Listings,
) -> pl.DataFrame:
    """Return the bars that two readings of the same files tell differently; see `stockstream.lake.Lake.changes`."""
    import polars as pl

    first, last = days
    found: list[Any] = []
    for reading in readings:
        with contents.connection() as connection:
            bind(connection, files, reading, symbols=symbols, start=first, end=last, listings=listings)
            found.append(connection.sql("FROM prices").to_arrow_table())
    with contents.connection() as connection:
        connection.register("older", found[0])
        connection.register("newer", found[1])
        frame = connection.sql(_COMPARED).pl()
    return frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)


def known_through(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the instant of the last answer or verdict that the rows of ``prices`` rest on."""
    query = "SELECT greatest((SELECT max(fetch_timestamp) FROM prices), (SELECT max(decided_at) FROM verdicts))"
    (through,) = connection.execute(query).fetchone() or ("",)
    return str(through)


def slice_of(result: object) -> tuple[str, list[str], date, date]:
    """Return the slice of a lake that a result was made of: what it knew, its symbols, its first and last day.

    Parameters
    ----------
    result
        Bars of a lake, a result that has ``bars``, or a mapping with ``through`` or ``as_of``, ``symbols``, ``start``
        and ``end``, such as a run's passport.

    Raises
    ------
    ParameterError
        It does not say when its prices were read.
    """
    from collections.abc import Mapping

    from stockstream.lake.arguments import day

    if isinstance(result, Mapping):
        facts: Mapping[str, Any] = result
    else:
        bars: Any = getattr(result, "bars", result)
        if not all(hasattr(bars, name) for name in ("provenance", "symbols", "dates")):
            message = f"expected bars, a result of a backtest or its passport; found {type(result).__name__}"
            raise ParameterError(message)
        facts = {**bars.provenance, "symbols": bars.symbols, "start": str(bars.dates[0]), "end": str(bars.dates[-1])}
    through = facts.get("as_of") or facts.get("through")
    if through is None or not {"symbols", "start", "end"} <= set(facts):
        message = "expected prices that were read from a lake, with as_of or through in their provenance; found none"
        raise ParameterError(message)
    return through, list(facts["symbols"]), day(facts["start"]), day(facts["end"])
