"""The files of a compaction: sound together, or left out together.

What a bar was is spread over them, so an answer from some of them would be wrong without a sign. Where one is damaged
the batches are read instead. That loses nothing unless batches were expired; then what only they said is missing, as
what is in any damaged file.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError, LakeWarning, counted
from stockstream.lake.curated import DIVIDEND_TYPES, LATEST_TYPES, RUN_TYPES, SNAPSHOT_TYPES, key
from stockstream.lake.location import RAW_DATA, RAW_EVENTS, Stored
from stockstream.lake.query import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.lake.location import Location
    from stockstream.lake.soundness import Soundness

_TYPES: Final = {
    "latest": LATEST_TYPES,
    "history": RUN_TYPES,
    "snapshots": SNAPSHOT_TYPES,
    "events": EVENT_TYPES,
    "dividends": DIVIDEND_TYPES,
}


def stored_parts(location: Location, soundness: Soundness, manifest: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the files that a manifest names, by kind; one that is missing is known to be bad from now on."""
    names: dict[str, str] = manifest["parts"]
    folders = sorted({name.rpartition("/")[0] for name in names.values()})
    there = {file.name: file for folder in folders for file in location.files(folder)}
    parts = {part: there.get(name, Stored(name, 0, "")) for part, name in names.items()}
    for file in parts.values():
        if file.name not in there:
            soundness.blame(file, "is missing, which the last compaction wrote")
    return parts


def sound_parts(
    location: Location, soundness: Soundness, manifest: Mapping[str, Any], listed: Mapping[str, list[Stored]]
) -> dict[str, Stored] | None:
    """Return the files of a compaction by kind, or None, with a warning, where one of them is not what it should be.

    Files whose names, sizes and stamps are those that were written need no look; of others, such as those of a copy of
    the lake, the content is compared once.

    Parameters
    ----------
    location
        Where the lake lives.
    soundness
        What is known of its files.
    manifest
        That of the compaction.
    listed
        The batch files that there are, by folder.

    Raises
    ------
    LakeError
        There is a bad file, and that is not to be passed over.
    """
    parts = stored_parts(location, soundness, manifest)
    written = manifest.get("keys", {})
    for part, file in parts.items():
        if written.get(file.name) == key(file):
            soundness.trust(file)
        else:
            soundness.examine([file], _TYPES[part], exact=True, remote=True)
            check_content(location, soundness, manifest, file)
    problems = soundness.problems(parts.values())
    if not problems:
        return parts
    remedy = what_to_do(manifest, listed)
    if soundness.strict:
        raise LakeError(soundness.refusal(problems, remedy))
    for problem in problems:
        message = f"{problem.file} is left out of the answer, and the compaction with it: it {problem.reason}. {remedy}"
        warnings.warn(message, LakeWarning, stacklevel=6)
    return None


def digest_of(path: str) -> str:
    """Return what the content of a file on this machine is told by."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_content(location: Location, soundness: Soundness, manifest: Mapping[str, Any], file: Stored) -> bool:
    """Read a file of a compaction whole, and return whether it was found not to be as it was written.

    What a compaction of an earlier release wrote is only decoded: its manifest has no digests.
    """
    if soundness.problems([file]):
        return False
    expected = manifest.get("digests", {}).get(file.name)
    if expected is None:
        return soundness.find_undecodable([file])
    (path,) = location.readable([file])
    remote = "://" in path
    found = hashlib.sha256(location.read_bytes(file.name) or b"").hexdigest() if remote else digest_of(path)
    changed = found != str(expected)
    if changed:
        soundness.blame(file, "holds other bytes than the last compaction wrote")
    return changed


def lost_batches(manifest: Mapping[str, Any], listed: Mapping[str, list[Stored]]) -> int | None:
    """Return how many batches that a compaction was made of are gone; None: it does not say whether any were expired.

    A copy of a lake has other stamps: names and sizes tell its batches.
    """
    there = {file.name: str(file.size) for folder in (RAW_DATA, RAW_EVENTS) for file in listed[folder]}
    gone = sum(there.get(name) != told.partition(":")[0] for name, (told, _) in manifest["raw"].items())
    expired: int | None = manifest.get("expired")
    return None if expired is None else expired + gone


def what_to_do(manifest: Mapping[str, Any], listed: Mapping[str, list[Stored]]) -> str:
    """Say what becomes of a lake of which a compaction is damaged."""
    lost = lost_batches(manifest, listed)
    if lost is None:
        return (
            "Restore it from a copy of the lake. If no batches were ever expired, remove curated/manifest.json "
            "instead, and compact again."
        )
    if lost:
        return (
            "Restore it from a copy of the lake: "
            f"{counted(lost, 'batch that it was made of is', 'batches that it was made of are')} gone, with what no "
            "other file says."
        )
    return "All batches that it was made of are there and are read instead: compact again (`stockstream compact`)."
