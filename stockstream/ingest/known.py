"""What a lake holds of some symbols already, and whether a new answer says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import LakeError
from stockstream.lake.location import RAW_DATA
from stockstream.lake.rows import connect, first_line
from stockstream.lake.sources import read_parquet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from numpy.typing import NDArray

    from stockstream.lake.location import Location

#: Each run asks for weeks again, so the files of so many sessions hold the overlap of every symbol that still answers.
SESSIONS_READ: Final = 5

_COMPARED: Final = ("open", "high", "low", "close", "volume")

#: Yahoo computes in single precision: what differs by less is the same price.
SAME: Final = 1e-6

_LATEST: Final = """
SELECT v.symbol, v.date, v.open, v.high, v.low, v.close, v.volume::DOUBLE AS volume
FROM versions AS v
JOIN (SELECT unnest($symbols::VARCHAR[]) AS symbol, unnest($days::DATE[]) AS day) AS since
    ON v.symbol = since.symbol AND v.date >= since.day
WHERE v.date >= $first
QUALIFY row_number() OVER (
    PARTITION BY v.symbol, v.date
    ORDER BY v.fetch_timestamp DESC, v.open DESC, v.high DESC, v.low DESC, v.close DESC, v.volume DESC
) = 1
ORDER BY v.symbol, v.date
"""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """How an answer differs from what was stored of the same days."""

    rows: int
    first: date
    last: date
    ratio: float

    def as_json(self) -> dict[str, Any]:
        """Return it for a receipt: `ratio` is the median of new / old close over the changed days."""
        return {
            "rows": self.rows,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "ratio": self.ratio,
        }


class Known:
    """The latest stored bars of some symbols from a day on.

    Parameters
    ----------
    columns
        Symbol -> column -> array, sorted by date.
    """

    def __init__(self, columns: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        self._columns = columns

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._columns

    def dates(self, symbol: str) -> NDArray[np.datetime64]:
        """Return the days of which there is a bar, sorted."""
        found = self._columns.get(symbol)
        return np.empty(0, "datetime64[D]") if found is None else found["date"]

    def revision(self, symbol: str, answer: Mapping[str, NDArray[Any]]) -> Revision | None:
        """Return how an answer differs on days that both have; None when it does not."""
        stored = self._columns.get(symbol)
        if stored is None:
            return None
        days, new, old = np.intersect1d(answer["date"], stored["date"], assume_unique=True, return_indices=True)
        different = np.zeros(len(days), dtype=bool)
        for name in _COMPARED:
            now, before = answer[name][new], stored[name][old]
            different |= ~np.isclose(now, before, rtol=SAME, atol=0, equal_nan=True)
        if not different.any():
            return None
        changed = days[different]
        ratios = answer["close"][new][different] / stored["close"][old][different]
        return Revision(
            rows=int(different.sum()),
            first=changed[0].item(),
            last=changed[-1].item(),
            ratio=round(float(np.median(ratios)), 6),
        )


def read_known(location: Location, since: Mapping[str, date], session: date) -> Known:
    """Read what the files of the latest sessions before one hold of some symbols, of each from a day of its own on.

    Files of the session itself do not count: a run that is repeated decides as the first one did.

    Raises
    ------
    LakeError
        The lake cannot be read.
    """
    import duckdb

    batches = location.batch_files(RAW_DATA)
    names = [file.name.rpartition("/")[2][:10] for file in batches]
    recent = set(sorted({name for name in names if name < session.isoformat()})[-SESSIONS_READ:])
    files = location.readable([file for file, name in zip(batches, names, strict=True) if name in recent])
    if not files:
        return Known({})
    connection = connect()
    try:
        location.prepare(connection)
        read_parquet(connection, files).create_view("versions")
        given = {"symbols": list(since), "days": list(since.values()), "first": min(since.values())}
        found = connection.execute(_LATEST, given).fetchnumpy()
    except duckdb.Error as error:
        message = f"cannot read the lake at {location}: {first_line(error)}"
        raise LakeError(message) from error
    finally:
        connection.close()
    return Known(_by_symbol({name: np.ma.getdata(column) for name, column in found.items()}))


def _by_symbol(columns: dict[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    names = columns.pop("symbol")
    columns["date"] = columns["date"].astype("datetime64[D]")
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else np.empty(0, int)
    parts = [np.split(column, starts[1:]) for column in columns.values()]
    return {
        str(names[start]): {name: part[place] for name, part in zip(columns, parts, strict=True)}
        for place, start in enumerate(starts)
    }
