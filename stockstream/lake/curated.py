"""Reading a compacted lake: what the manifest names, and how runs stand for the answers they were made of.

A *run* is one content of a bar over successive snapshots that cover its date: `first_seen` to `last_seen`, every
covering snapshot between them included. Runs and the table of snapshots together are every answer there was, so any of
them can be taken apart again. Reading does so only where it must: for the instant at which a run is cut, for bars with
verdicts on single answers, and for symbols of which an answer came in later than newer ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.manifest import fault
from stockstream.lake.rows import first_line
from stockstream.schema import CONTENT, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.lake.location import Location, Stored

MANIFEST: Final = "curated/manifest.json"
LATEST: Final = "curated/latest"
HISTORY: Final = "curated/history"

#: What a manifest of this library says; a newer one may mean what this reader does not know.
FORMAT: Final = 1

_REMEDY: Final = (
    "Restore it from a copy of the lake. If no batches were ever expired, remove it instead: they hold all there is."
)

#: What stands for the last compaction where there was none, or one of before they had folders of their own.
NO_GENERATION: Final = "none"

SNAPSHOT_TYPES: Final = {
    "symbol": "VARCHAR",
    "fetch_timestamp": "VARCHAR",
    "first_date": "DATE",
    "last_date": "DATE",
    "bars": "BIGINT",
    "patch": "BOOLEAN",
    "link_from": "VARCHAR",
    "ratio": "DOUBLE",
}

RUN_TYPES: Final = {
    **{name: kind for name, kind in ROW_TYPES.items() if name != "fetch_timestamp"},
    "first_seen": "VARCHAR",
    "last_seen": "VARCHAR",
    "tie": "BOOLEAN",
}

LATEST_TYPES: Final = {
    **ROW_TYPES,
    "first_seen": "VARCHAR",
    "segment": "BIGINT",
    "price_basis": "DOUBLE",
    "volume_basis": "DOUBLE",
}

DIVIDEND_TYPES: Final = {"symbol": "VARCHAR", "ex_date": "DATE", "segment": "BIGINT", "dividend": "DOUBLE"}


@dataclass(frozen=True, kw_only=True)
class Curated:
    """The files of a compaction.

    Attributes
    ----------
    parts
        Kind of file -> its path: ``latest``, ``history``, ``snapshots``, ``events``, ``dividends``.
    first, through
        The first and the last instant of an answer, event or verdict in them.
    whole
        Nothing was written since that is not in them, and ``latest`` is all there is to read of the present.
    based
        ``latest`` was all there was to read when they were written, and no verdict of then is gone.
    """

    parts: Mapping[str, str]
    first: str
    through: str
    whole: bool
    based: bool


def key(file: Stored) -> str:
    """Tell a file from a later one of the same name."""
    return f"{file.size}:{file.stamp}"


def generation(manifest: Mapping[str, Any]) -> str:
    """Return the name of the folders that hold the files of a compaction, inside `LATEST` and `HISTORY`.

    Examples
    --------
    >>> generation({"parts": {"latest": "curated/latest/2024-01-31T053000-1a2b3c4d/latest.parquet"}})
    '2024-01-31T053000-1a2b3c4d'
    """
    folder = str(manifest["parts"]["latest"]).rpartition("/")[0]
    return folder.removeprefix(f"{LATEST}/") if folder != LATEST else NO_GENERATION


def read_manifest(location: Location) -> tuple[dict[str, Any], str] | None:
    """Return the manifest of the last compaction and its version, None when there was none.

    Raises
    ------
    LakeError
        It cannot be read, or comes from a newer release.
    """
    content = location.read(MANIFEST)
    if content is None:
        return None
    where = location.url(MANIFEST)
    try:
        manifest = json.loads(content.data)
        found = manifest["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        found = f"no JSON ({first_line(error)})" if isinstance(error, ValueError) else "no format in it"
        message = f"cannot read {where}: expected the manifest of a compaction; found {found}. {_REMEDY}"
        raise LakeError(message) from error
    if found != FORMAT:
        message = f"{where} has format {found}; this release reads {FORMAT}. Update stockstream."
        raise LakeError(message)
    if wrong := fault(manifest):
        message = f"cannot read {where}: expected the manifest of a compaction; found {wrong}. {_REMEDY}"
        raise LakeError(message)
    return manifest, content.version


def not_covered(files: Sequence[Stored], covered: Mapping[str, Any]) -> list[Stored]:
    """Return the files that a manifest does not name, or names as other than they are."""
    return [file for file in files if covered.get(file.name, [""])[0] != key(file)]


_RUN_COLUMNS: Final = ", ".join(f"r.{name}" for name in ("symbol", "date", *CONTENT))

#: Over the files' views and verdicts: every row that versions are told by. `complete` rows are all that their snapshot
#: said of the symbol; other rows stand for answers that are not spelled out.
CURATED_ROWS: Final = f"""
CREATE VIEW derived.runs AS
SELECT symbol, date, {", ".join(CONTENT)}, first_seen, fetch_timestamp AS last_seen, false AS tie
FROM derived.curated_latest
UNION ALL SELECT symbol, date, {", ".join(CONTENT)}, first_seen, last_seen, tie FROM derived.curated_history;

CREATE TABLE derived.apart AS
SELECT t.symbol FROM (SELECT symbol, min(fetch_timestamp) AS first FROM derived.tail_prices GROUP BY symbol) AS t
JOIN (SELECT symbol, max(fetch_timestamp) AS last FROM derived.curated_snapshots GROUP BY symbol) AS c
    ON t.symbol = c.symbol
WHERE t.first <= c.last
UNION SELECT symbol FROM derived.spans;

CREATE TABLE derived.struck AS SELECT DISTINCT symbol, date FROM verdicts WHERE hides IS NOT NULL;

CREATE VIEW derived.cut AS
SELECT r.*, a.symbol IS NOT NULL AS complete,
    a.symbol IS NOT NULL OR s.symbol IS NOT NULL OR r.last_seen > (SELECT until FROM derived.bound) AS taken_apart
FROM derived.runs AS r
LEFT JOIN derived.apart AS a ON r.symbol = a.symbol
LEFT JOIN derived.struck AS s ON r.symbol = s.symbol AND r.date = s.date;

CREATE VIEW derived.rows_by_code AS
SELECT {", ".join(ROW_TYPES)}, true AS complete FROM derived.tail_prices
UNION ALL
SELECT {_RUN_COLUMNS}, r.last_seen, false FROM derived.cut AS r WHERE NOT r.taken_apart
UNION ALL
SELECT {_RUN_COLUMNS}, s.fetch_timestamp, r.complete
FROM derived.cut AS r
JOIN derived.curated_snapshots AS s ON r.symbol = s.symbol AND r.date BETWEEN s.first_date AND s.last_date
    AND s.fetch_timestamp BETWEEN r.first_seen AND r.last_seen
WHERE r.taken_apart;

CREATE VIEW derived.raw_by_code AS
SELECT {", ".join(ROW_TYPES)} FROM derived.tail_prices
UNION ALL
SELECT {_RUN_COLUMNS}, s.fetch_timestamp
FROM derived.runs AS r
JOIN derived.curated_snapshots AS s ON r.symbol = s.symbol AND r.date BETWEEN s.first_date AND s.last_date
    AND s.fetch_timestamp BETWEEN r.first_seen AND r.last_seen;

CREATE VIEW derived.known_snapshots AS
SELECT s.* FROM derived.curated_snapshots AS s ANTI JOIN derived.apart AS a ON s.symbol = a.symbol;

CREATE VIEW derived.known_runs AS
SELECT r.* FROM derived.runs AS r ANTI JOIN derived.apart AS a ON r.symbol = a.symbol;
"""

#: The same names where nothing was compacted.
NOTHING_CURATED: Final = f"""
CREATE VIEW derived.known_snapshots AS
SELECT {", ".join(f"NULL::{kind} AS {name}" for name, kind in SNAPSHOT_TYPES.items())} WHERE false;

CREATE VIEW derived.known_runs AS
SELECT {", ".join(f"NULL::{kind} AS {name}" for name, kind in RUN_TYPES.items())} WHERE false;
"""
