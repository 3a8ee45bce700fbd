"""Whether a lake's place does what a lake needs of it: asked before a deployment relies on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.errors import LakeError
from stockstream.lake.location import RAW_DATA

if TYPE_CHECKING:
    from stockstream.lake.location import Location


@dataclass(frozen=True, kw_only=True)
class PlaceCheck:
    """What was found at a lake's place.

    Attributes
    ----------
    place
        Its folder or address.
    batches, bytes
        Files of prices there, and their size.
    writable
        Whether files can be written, and are never overwritten; None when that was not tried.
    """

    place: str
    batches: int
    bytes: int
    writable: bool | None = None


def check(location: Location, *, write: bool = False) -> PlaceCheck:
    """Look whether a place can be reached, and on request whether writers can rely on it.

    Parameters
    ----------
    location
        The place, `Lake.location`.
    write
        Also write a small file under ``checks/``, try to write it again, which must be refused, and remove it.

    Raises
    ------
    LakeError
        It cannot be reached, read or written, or a server ignores the conditions under which a lake writes; the
        message says what to do.

    Examples
    --------
    >>> import tempfile
    >>> from stockstream.lake.location import locate
    >>> check(locate(tempfile.mkdtemp()), write=True).writable
    True
    """
    files = location.batch_files(RAW_DATA)
    if write:
        _check_writing(location)
    return PlaceCheck(
        place=str(location),
        batches=len(files),
        bytes=sum(file.size for file in files),
        writable=True if write else None,
    )


def _check_writing(location: Location) -> None:
    name = f"checks/{uuid.uuid4().hex}"
    try:
        created = location.create(name, b"first")
        before = location.read(name)
        overwritten = location.create(name, b"second")
        replaced = before is not None and location.replace(name, b"third", before.version)
        replaced_twice = before is not None and location.replace(name, b"fourth", before.version)
        kept = location.read_bytes(name) == b"third"
    finally:
        location.delete(name)
    if overwritten or replaced_twice:
        message = (
            f"the server at {location} ignores the conditions If-None-Match and If-Match: two writers would overwrite "
            "each other's files. Use AWS or a server that honours them."
        )
        raise LakeError(message)
    if not (created and replaced and kept):
        message = f"{location} does not hold what was just written to it. Do not use it for a lake."
        raise LakeError(message)
