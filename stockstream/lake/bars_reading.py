"""How bars are read: straight from the files of a compaction where these say all, else by the views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockstream.lake.adjust import Adjustment, adjusted_bars, bars_of
from stockstream.lake.present import present
from stockstream.lake.query import bind
from stockstream.lake.revisions import known_through

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from stockstream.bars import Bars
    from stockstream.lake.as_of import Reading
    from stockstream.lake.contents import Contents
    from stockstream.lake.listings import Listings
    from stockstream.lake.query import Files


def read_bars(
    contents: Contents,
    source: tuple[Files, Reading],
    *,
    symbols: Sequence[str] | None,
    days: tuple[date | None, date | None],
    adjust: Adjustment,
    listings: Listings,
    **facts: Any,
) -> Bars:
    """Return bars, sorted by symbol; see `stockstream.lake.Lake.bars`.

    Parameters
    ----------
    contents
        The lake.
    source
        Its files, and what counts.
    symbols, days, adjust
        What is wanted.
    listings
        Whose the rows of reused codes are.
    **facts
        ``currency`` and ``provenance``.
    """
    files, reading = source
    first, last = days
    eventful = contents.holds_events(files)
    if _has_polars() and (adjust == "total" or not eventful):
        found = present(contents, files, reading, eventful=eventful, symbols=symbols, days=days, listings=listings)
        if found is not None:
            facts["provenance"] = {**facts["provenance"], "through": found.through}
            return bars_of(found.rows, adjust=adjust, **facts)
    until = None if eventful else last
    with contents.connection() as connection:
        # Prices after the end are read only where the closes before later ex-dates are needed.
        bind(connection, files, reading, symbols=symbols, start=first, end=until, adjusted=True, listings=listings)
        contents.check_range(connection, symbols, days, listings, source)
        facts["provenance"] = {**facts["provenance"], "through": known_through(connection)}
        return adjusted_bars(connection, end=last, adjust=adjust, **facts)


def _has_polars() -> bool:
    """Whether there are frames, in which the latest rows are read: where the lake is only written there may be none."""
    try:
        import polars  # noqa: F401 only whether it is there
    except ModuleNotFoundError:
        return False
    return True
