"""Compaction: many small batches become few large sorted files, and no answer is lost.

A row equal to the version before it, with no covering snapshot between that lacks it, joins that version's run. Runs,
the table of snapshots (with the links between their scales) and the distinct events are written to new files; one
replacement of the manifest makes them the lake's. Readers list the batches first and read the manifest then, so at any
moment a batch is in one of the two. Needs DuckDB only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict
from uuid import uuid4

from stockstream.errors import LakeError
from stockstream.lake.as_of import Reading
from stockstream.lake.curated import FORMAT, HISTORY, LATEST, MANIFEST, key, not_covered, read_manifest
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS
from stockstream.lake.parts import digest_of, lost_batches, stored_parts, what_to_do
from stockstream.lake.query import bind_for_compaction
from stockstream.lake.rows import first_line
from stockstream.lake.sources import read_parquet
from stockstream.lake.write import timestamp
from stockstream.schema import CONTENT, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import duckdb

    from stockstream.lake.contents import Contents
    from stockstream.lake.location import Location, Stored


class _Layout(TypedDict):
    """How a Parquet file is written."""

    compression: Literal["zstd", "lz4_raw", "uncompressed"]
    row_group_size: int


#: How long files that nobody needs any more stay for those who began to read before.
GRACE: Final = timedelta(days=1)

#: Sessions whose batches stay: the daily run compares what it fetches with those of the sessions before.
KEPT: Final = 20

_CONTENT: Final = ", ".join(CONTENT)
_PACKED: Final = f"struct_pack({_CONTENT})"

_RUNS: Final = f"""
CREATE TABLE derived.items AS
SELECT symbol, date, {_CONTENT}, first_seen, last_seen, tie FROM derived.known_runs
UNION ALL
SELECT symbol, date, {_CONTENT}, fetch_timestamp, fetch_timestamp, row_number() OVER (
    PARTITION BY symbol, date, fetch_timestamp
    ORDER BY {", ".join(f"{name} DESC NULLS LAST" for name in CONTENT)}
) > 1
FROM (SELECT DISTINCT symbol, date, {_CONTENT}, fetch_timestamp FROM derived.versions WHERE stored AND complete);

CREATE TABLE derived.placed AS
SELECT i.*, f.position AS first_position, l.position AS last_position,
    {_PACKED} IS NOT DISTINCT FROM lag({_PACKED}) OVER earlier AS alike, lag(l.position) OVER earlier AS before
FROM derived.items AS i
JOIN derived.snapshots AS f ON i.symbol = f.symbol AND i.first_seen = f.fetch_timestamp
JOIN derived.snapshots AS l ON i.symbol = l.symbol AND i.last_seen = l.fetch_timestamp
WHERE NOT tie
WINDOW earlier AS (PARTITION BY i.symbol, i.date ORDER BY i.first_seen);

CREATE TABLE derived.interrupted AS
SELECT DISTINCT g.symbol, g.date, g.first_seen
FROM (
    SELECT symbol, date, first_seen, unnest(range(before + 1, first_position)) AS position
    FROM derived.placed WHERE alike AND first_position > before + 1
) AS g
JOIN derived.snapshots AS s
    ON g.symbol = s.symbol AND g.position = s.position AND g.date BETWEEN s.first_date AND s.last_date;

CREATE TABLE derived.new_runs AS
SELECT symbol, date, {", ".join(f"any_value({name}) AS {name}" for name in CONTENT)},
    min(first_seen) AS first_seen, max(last_seen) AS last_seen, false AS tie
FROM (
    SELECT p.*, count(*) FILTER (before IS NULL OR NOT alike OR i.symbol IS NOT NULL)
        OVER (PARTITION BY p.symbol, p.date ORDER BY p.first_seen) AS run
    FROM derived.placed AS p
    LEFT JOIN derived.interrupted AS i ON p.symbol = i.symbol AND p.date = i.date AND p.first_seen = i.first_seen
)
GROUP BY symbol, date, run
UNION ALL SELECT symbol, date, {_CONTENT}, first_seen, last_seen, tie FROM derived.items WHERE tie;

CREATE TABLE derived.counting AS FROM derived.based;
"""

#: Conditions on one side of a join are written as keys of both: DuckDB would compare all rows with all otherwise.
_PARTS: Final = {
    "latest": f"""
SELECT b.symbol, b.date, {", ".join(f"b.{name}" for name in CONTENT)}, b.fetch_timestamp, r.first_seen, b.segment,
    b.price_basis, b.volume_basis
FROM derived.counting AS b
JOIN derived.new_runs AS r ON b.symbol = r.symbol AND b.date = r.date AND b.fetch_timestamp = r.last_seen AND NOT r.tie
ORDER BY b.symbol, b.date
""",
    "history": f"""
SELECT r.symbol, r.date, {", ".join(f"r.{name}" for name in CONTENT)}, r.first_seen, r.last_seen, r.tie
FROM derived.new_runs AS r
ANTI JOIN (SELECT symbol, date, fetch_timestamp, false AS tie FROM derived.counting) AS b
    ON b.symbol = r.symbol AND b.date = r.date AND b.fetch_timestamp = r.last_seen AND b.tie = r.tie
ORDER BY r.symbol, r.date, r.first_seen
""",
    "snapshots": """
SELECT s.symbol, s.fetch_timestamp, s.first_date, s.last_date, s.bars, t.patch, t.link_from, l.ratio
FROM derived.snapshots AS s
JOIN derived.steps AS t ON s.symbol = t.symbol AND s.fetch_timestamp = t.fetch_timestamp
LEFT JOIN (SELECT *, false AS patch FROM derived.links) AS l
    ON s.symbol = l.symbol AND t.step = l.step AND t.patch = l.patch
WHERE s.bars > 0 ORDER BY s.symbol, s.fetch_timestamp
""",
    "events": "SELECT DISTINCT * FROM raw_events ORDER BY symbol, ex_date, kind, fetch_timestamp, value",
    "dividends": "SELECT symbol, ex_date, segment, dividend FROM derived.based_dividends ORDER BY symbol, ex_date",
}


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What a compaction did.

    Attributes
    ----------
    batches
        Batch files that the new files stand for, those of earlier compactions included.
    added
        Batch files that were new to it; none: nothing was written.
    rows, bars
        Rows of the new files, and the bars among them that count now.
    expired
        Batch files deleted, because files that were verified long enough ago hold their rows.
    removed
        Files of earlier compactions deleted.
    """

    batches: int
    added: int
    rows: int
    bars: int
    expired: int = 0
    removed: int = 0


def compact(contents: Contents, *, expire: bool = False, grace: timedelta = GRACE, keep: int = KEPT) -> Compacted:
    """Compact a lake; see `stockstream.lake.Lake.compact`."""
    location = contents.location
    before = read_manifest(location)
    done = _write(contents, before)
    if done is None and before is None:
        message = f"there is nothing to compact in the lake at {location}"
        raise LakeError(message)
    expired, removed = _clean(contents, expire=expire, grace=grace, keep=keep)
    manifest = (read_manifest(location) or ({}, ""))[0]
    return Compacted(
        batches=len(manifest["raw"]) + expired,
        added=done or 0,
        rows=manifest["rows"],
        bars=manifest["bars"],
        expired=expired,
        removed=removed,
    )


def _write(contents: Contents, before: tuple[dict[str, Any], str] | None) -> int | None:
    """Write and publish new files; None when there is nothing new."""
    location = contents.location
    listed = contents.listed()
    files = contents.files(listed)
    if files.curated is not None and contents.parts_changed():  # batches go because these files hold their rows
        files = contents.files(listed)
    sound = {
        folder: [file for file in found if not contents.soundness.problems([file])] for folder, found in listed.items()
    }
    rebuilt = before is not None and files.curated is None
    if before is not None and rebuilt and lost_batches(before[0], listed) != 0:
        bad = contents.soundness.problems(stored_parts(location, contents.soundness, before[0]).values())
        raise LakeError(contents.soundness.refusal(bad, what_to_do(before[0], listed)))
    covered = before[0] if before and not rebuilt else {"raw": {}, "verdicts": {}}
    new = [
        *not_covered([*sound[RAW_DATA], *sound[RAW_EVENTS]], covered["raw"]),
        *not_covered(sound[QUARANTINE], covered["verdicts"]),
    ]
    if before is not None and not new:
        return None
    stamp = timestamp(None)
    # Folders of their own: whoever lists one, such as Athena, finds one compaction there, and never two.
    made = f"{stamp[:19].replace(':', '')}-{uuid4().hex[:8]}"
    names: dict[str, str] = {}
    digests: dict[str, str] = {}
    try:
        with contents.connection() as connection:
            bind_for_compaction(connection, files, Reading(exchange=contents.exchange))
            connection.execute(_RUNS)
            facts = _facts(connection)
            for part, query in _PARTS.items():
                names[part], digest = _store(connection, location, part, made, query)
                digests[names[part]] = digest
            _verify(connection, location, names)
    except BaseException:
        _delete(location, names.values())
        raise
    batches = [*sound[RAW_DATA], *sound[RAW_EVENTS]]
    since = {name: at for name, (_, at) in covered["raw"].items()}
    retired = dict(before[0].get("retired", {}), **dict.fromkeys(before[0]["parts"].values(), stamp)) if before else {}
    manifest = {
        "format": FORMAT,
        "made_at": stamp,
        "exchange": contents.exchange,
        "parts": names,
        "raw": {file.name: [key(file), since.get(file.name, stamp)] for file in batches},
        "verdicts": {file.name: [key(file), stamp] for file in sound[QUARANTINE]},
        "retired": retired,
        "digests": digests,
        "keys": {file.name: key(file) for file in _files_of(location, names.values())},
        "expired": before[0].get("expired") if before else 0,
        **facts,
    }
    if not _publish(location, manifest, None if before is None else before[1]):
        _delete(location, names.values())
        message = f"another compaction of the lake at {location} was faster; nothing was changed. Nothing needs doing."
        raise LakeError(message)
    return len(new)


def _files_of(location: Location, names: Collection[str]) -> list[Stored]:
    folders = sorted({name.rpartition("/")[0] for name in names})
    return [file for folder in folders for file in location.files(folder) if file.name in names]


def _facts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return what readers ask of a manifest before they open a file."""
    row = connection.execute(
        "SELECT (SELECT min(fetch_timestamp) FROM derived.snapshots), "
        "greatest((SELECT max(fetch_timestamp) FROM derived.snapshots), "
        "(SELECT max(fetch_timestamp) FROM raw_events), (SELECT max(decided_at) FROM verdicts)), "
        "(SELECT count(*) FROM derived.new_runs), (SELECT count(*) FROM derived.counting), "
        f"(SELECT count(*) FROM ({_PARTS['latest']}))"
    ).fetchone()
    first, through, rows, bars, latest = row or ()
    # A verdict may hide the last answer of a run: then the bar that counts is not the end of any, and is in no file.
    return {"first": first, "through": through, "rows": rows, "bars": bars, "complete": latest == bars}


def layout(part: str, *, remote: bool) -> _Layout:
    """Return how a part of a compaction is written.

    Readers of few symbols pay for whole row groups of the rows that count, so these are small, and on a disk they are
    not compressed: ten symbols take a quarter less time, for half as many bytes again. In a bucket bytes take the time.
    """
    if part != "latest":
        return {"compression": "zstd", "row_group_size": 122_880}
    return {"compression": "lz4_raw" if remote else "uncompressed", "row_group_size": 40_960}


def _store(
    connection: duckdb.DuckDBPyConnection, location: Location, part: str, made: str, query: str
) -> tuple[str, str]:
    """Write one of the new files; return its name and what its content is told by."""
    import duckdb

    digest = ""
    written = layout(part, remote="://" in location.url(LATEST))

    def fill(path: str) -> None:
        nonlocal digest
        try:
            connection.sql(query).write_parquet(path, **written, use_tmp_file=False)
        except duckdb.IOException as error:
            raise OSError(first_line(error)) from error
        digest = digest_of(path)

    name = f"{LATEST if part == 'latest' else HISTORY}/{made}/{part}.parquet"
    if location.place([name], fill) is None:
        message = f"cannot write {location.url(name)}: there is such a file already. Try again."
        raise LakeError(message)
    return name, digest


def _verify(connection: duckdb.DuckDBPyConnection, location: Location, names: Mapping[str, str]) -> None:
    """Read the new files back: every answer of every batch must be in them, and nothing else."""
    paths = {part: location.url(name) for part, name in names.items()}
    for part, path in paths.items():
        read_parquet(connection, [path]).create_view(f"written_{part}")
    difference = connection.execute(f"""
        WITH runs AS (
            SELECT symbol, date, {_CONTENT}, first_seen, fetch_timestamp AS last_seen, false AS tie FROM written_latest
            UNION ALL SELECT symbol, date, {_CONTENT}, first_seen, last_seen, tie FROM written_history
        ),
        said AS (
            SELECT DISTINCT {", ".join(ROW_TYPES)} FROM derived.versions WHERE stored AND complete
        )
        SELECT
            (SELECT count(*) FROM runs) - (SELECT count(*) FROM derived.new_runs),
            (SELECT count(*) FROM said),
            (SELECT count(*) FROM (
                SELECT DISTINCT v.* FROM said AS v JOIN runs AS r ON r.symbol = v.symbol AND r.date = v.date
                    AND v.fetch_timestamp BETWEEN r.first_seen AND r.last_seen
                    AND {" AND ".join(f"r.{name} IS NOT DISTINCT FROM v.{name}" for name in CONTENT)}
            )),
            (SELECT count(*) FROM written_snapshots) - (SELECT count(*) FROM derived.snapshots WHERE bars > 0)
    """).fetchone()
    if difference is None or difference[0] or difference[1] != difference[2] or difference[3]:
        message = (
            f"the compacted files of the lake at {location} do not hold what its batches do ({difference}); they were "
            "thrown away, and nothing was changed."
        )
        raise LakeError(message)


def _publish(location: Location, manifest: Mapping[str, Any], expected: str | None) -> bool:
    data = json.dumps(manifest, indent=1).encode()
    return location.create(MANIFEST, data) if expected is None else location.replace(MANIFEST, data, expected)


def _clean(contents: Contents, *, expire: bool, grace: timedelta, keep: int) -> tuple[int, int]:
    """Delete what has been of no use for longer than anyone reads: replaced files, and batches if asked."""
    location = contents.location
    found = read_manifest(location)
    if found is None:
        return 0, 0
    manifest, version = found
    limit = timestamp(datetime.now(UTC) - grace)
    old = [name for name, at in manifest["retired"].items() if at <= limit]
    known = {*manifest["parts"].values(), *manifest["retired"]}
    stray = [name for name in _written(location, before=limit) if name not in known]
    batches = [file for folder in (RAW_DATA, RAW_EVENTS) for file in location.batch_files(folder)] if expire else []
    sessions = sorted({_session(file.name) for file in batches})
    recent = set(sessions[-keep:] if keep else ())
    held = {file.name: key(file) for file in batches if _session(file.name) not in recent}
    expired = [name for name, (stamp, at) in manifest["raw"].items() if held.get(name) == stamp and at <= limit]
    _delete(location, [*old, *stray, *expired])
    if old or expired:
        manifest["retired"] = {name: at for name, at in manifest["retired"].items() if name not in old}
        manifest["expired"] = (manifest.get("expired") or 0) + len(expired)
        manifest["raw"] = {name: facts for name, facts in manifest["raw"].items() if name not in expired}
        _publish(location, manifest, version)  # if another compaction came between, the next one cleans up
    return len(expired), len(old) + len(stray)


def _written(location: Location, before: str) -> list[str]:
    """Return the files of all compactions that began before an instant: their files or folders begin with it."""
    folders = [inner for folder in (LATEST, HISTORY) for inner in (folder, *location.folders(folder))]
    names = [file.name for folder in folders for file in location.files(folder)]
    return [name for name in names if name.split("/")[2][:17] <= before[:19].replace(":", "")]


def _session(name: str) -> str:
    return name.rpartition("/")[2][:10]


def _delete(location: Location, names: Any) -> None:
    for name in names:
        with suppress(LakeError):
            location.delete(name)
            folder = name.rpartition("/")[0]
            if folder.count("/") > LATEST.count("/"):
                location.remove_empty(folder)
