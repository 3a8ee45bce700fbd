"""Copies of a bucket's files on this machine: fetched once, read as long as there is room for them.

A file of a lake never changes under its name, and a copy is known by address, version and size: it cannot be stale. The
folder is shared by all processes of a user and never grows beyond its bound. What was read within the last hour is not
removed for what is new: the new is then read from the bucket.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from stockstream.lake.folder import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stockstream.lake.location import Stored

DEFAULT_BYTES: Final = 2 << 30

#: Files up to this size are copied whole, which takes one request; of larger ones only the parts in question are read.
DEFAULT_FILE_BYTES: Final = 32 << 20

_IN_USE: Final = 3600.0
_NAME: Final = re.compile(r"[0-9a-f]{40}(-[0-9a-f]{32}\.tmp)?")
_LOCK: Final = ".lock"
_THREADS: Final = 16


class _Claim(NamedTuple):
    file: Stored
    path: Path
    temporary: Path


@dataclass(frozen=True)
class FileCache:
    """A folder of copies.

    Parameters
    ----------
    folder
        Where they are; it is made when needed.
    max_bytes
        What all copies together never exceed.
    max_file_bytes
        The largest file of which a copy is made.
    """

    folder: Path
    max_bytes: int = DEFAULT_BYTES
    max_file_bytes: int = DEFAULT_FILE_BYTES

    def copies(
        self, address: str, files: Sequence[Stored], fetch: Callable[[Stored, Path], bool]
    ) -> dict[Stored, Path]:
        """Return the copies of files, those that are not there yet fetched as far as there is room.

        Parameters
        ----------
        address
            Of the bucket: tells files of one name apart.
        files
            What is wanted.
        fetch
            Writes a file's content over a claim of its size; False when the bucket holds another version by now, or
            none.
        """
        wanted = {file: self._path(address, file) for file in files if file.size <= self.max_file_bytes}
        found = {file: path for file, path in wanted.items() if _touch(path, file.size)}
        missing = [(file, path) for file, path in wanted.items() if file not in found]
        try:
            reserved = self._reserve(missing) if missing else []
        except OSError:  # nowhere to write, as in a function of the cloud: the bucket itself is read
            return found
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                fetched = pool.map(lambda claim: self._fill(claim, fetch), reserved)
                found |= {claim.file: claim.path for claim, done in zip(reserved, fetched, strict=True) if done}
        finally:
            for claim in reserved:
                claim.temporary.unlink(missing_ok=True)
        return found

    def _path(self, address: str, file: Stored) -> Path:
        identity = "\0".join((address, file.name, file.stamp, str(file.size)))
        return self.folder / hashlib.sha256(identity.encode()).hexdigest()[:40] / file.name.rpartition("/")[2]

    def _reserve(self, missing: Sequence[tuple[Stored, Path]]) -> list[_Claim]:
        """Make room, and claim it by empty files of the final size, which other processes see."""
        self.folder.mkdir(parents=True, exist_ok=True)
        reserved = []
        with locked(self.folder / _LOCK):
            room = self._make_room(sum(file.size for file, _ in missing))
            for file, path in missing:
                if file.size > room:
                    continue
                temporary = self.folder / f"{path.parent.name}-{uuid.uuid4().hex}.tmp"
                with temporary.open("wb") as claimed:
                    claimed.truncate(file.size)
                reserved.append(_Claim(file, path, temporary))
                room -= file.size
        return reserved

    def _fill(self, claim: _Claim, fetch: Callable[[Stored, Path], bool]) -> bool:
        try:
            if fetch(claim.file, claim.temporary) and claim.temporary.stat().st_size == claim.file.size:
                with locked(self.folder / _LOCK):  # or one who counts would miss it under both names
                    claim.path.parent.mkdir(exist_ok=True)
                    claim.temporary.replace(claim.path)
                return True
        except OSError:  # a full disk: the bucket itself is read
            pass
        return False

    def _make_room(self, needed: int) -> int:
        """Remove copies, the longest unread first, until so many bytes are free or the rest is in use.

        Returns the free bytes.
        """
        held = sorted(self._held())
        free = self.max_bytes - sum(size for _, size, _ in held)
        unused = time.time() - _IN_USE
        for read, size, path in held:
            if free >= needed or read > unused:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                free += size
                if path.parent != self.folder:
                    path.parent.rmdir()
        return free

    def _held(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each copy was read, its size and path; other files of the folder are none of ours."""
        with os.scandir(self.folder) as entries:
            ours = [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
        for path in ours:
            with contextlib.suppress(OSError):  # a claim just given up
                for each in [path] if path.suffix else path.iterdir():
                    found = each.stat()
                    yield found.st_mtime, found.st_size, each


def default_folder() -> Path | None:
    """Return the folder of copies inside the user's cache folder; None for a user without a home.

    A function of AWS has no home, and a folder for temporary files to itself.
    """
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if not named and os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        named = tempfile.gettempdir()
    with contextlib.suppress(RuntimeError):
        base = Path(named) if named else Path.home() / ".cache"
        return base / "stockstream" / "lake"
    return None


def _touch(path: Path, size: int) -> bool:
    """Whether there is a copy of this size; it counts as read now."""
    try:
        if path.stat().st_size != size:  # cut short by a crash of the machine
            return False
        os.utime(path)
    except OSError:
        return False
    return True
