"""What is kept on this machine: copies of a bucket's files, and what many files of a lake told.

A file of a lake never changes under its name, and a copy is known by address, version and size: it cannot be stale. The
folder is shared by all processes of a user and never grows beyond its bound. What was read within the last hour is not
removed for what is new: the new is then read from the bucket, or told again.
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

from stockstream.errors import SettingsError
from stockstream.lake.folder import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stockstream.lake.location import Stored

DEFAULT_BYTES: Final = 2 << 30

#: Files up to this size are copied whole, which takes one request; of larger ones only the parts in question are read.
DEFAULT_FILE_BYTES: Final = 32 << 20

_IN_USE: Final = 3600.0
_NAME: Final = re.compile(r"[0-9a-f]{40}(-[0-9a-f]{32}\.tmp)?")
_LOCK: Final = ".lock"
_THREADS: Final = 16


class _Claim(NamedTuple):
    size: int
    path: Path
    temporary: Path


@dataclass(frozen=True)
class FileCache:
    """A folder of files that can be had again.

    Parameters
    ----------
    folder
        Where they are; it is made when needed.
    max_bytes
        What all of them together never exceed.
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
        wanted = {file: self._path_of(address, file) for file in files if file.size <= self.max_file_bytes}
        found = {file: path for file, path in wanted.items() if _touch(path, file.size)}
        missing = {path: file for file, path in wanted.items() if file not in found}
        sizes = {path: file.size for path, file in missing.items()}
        stored = self._store(sizes, lambda path, temporary: fetch(missing[path], temporary))
        return found | {missing[path]: path for path in stored}

    def kept(self, identity: str, name: str) -> Path | None:
        """Return the file that `keep` stored, None where there is none."""
        path = self._path(identity, name)
        return path if _touch(path) else None

    def keep(self, identity: str, name: str, content: bytes) -> bool:
        """Store a file, whole or not at all, as far as there is room; return whether it is there.

        Parameters
        ----------
        identity
            What the content is made of: the same identity never stands for another content.
        name
            The file's own name, for people who look into the folder.
        content
            Its bytes.
        """

        def write(_: Path, temporary: Path) -> bool:
            temporary.write_bytes(content)
            return True

        return bool(self._store({self._path(identity, name): len(content)}, write))

    def _store(self, sizes: Mapping[Path, int], write: Callable[[Path, Path], bool]) -> list[Path]:
        """Write files, each over a claim of its size, as far as there is room; return those that are there whole."""
        if not sizes:
            return []
        try:
            reserved = self._reserve(sizes)
        except OSError:  # nowhere to write, as in a function of the cloud: the caller does without
            return []
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                filled = pool.map(lambda claim: self._fill(claim, write), reserved)
                return [claim.path for claim, whole in zip(reserved, filled, strict=True) if whole]
        finally:
            for claim in reserved:
                claim.temporary.unlink(missing_ok=True)

    def _path_of(self, address: str, file: Stored) -> Path:
        identity = "\0".join((address, file.name, file.stamp, str(file.size)))
        return self._path(identity, file.name.rpartition("/")[2])

    def _path(self, identity: str, name: str) -> Path:
        return self.folder / hashlib.sha256(identity.encode()).hexdigest()[:40] / name

    def _reserve(self, missing: Mapping[Path, int]) -> list[_Claim]:
        """Make room, and claim it by empty files of the final size, which other processes see."""
        self.folder.mkdir(parents=True, exist_ok=True)
        reserved = []
        with locked(self.folder / _LOCK):
            room = self._make_room(sum(missing.values()))
            for path, size in missing.items():
                if size > room:
                    continue
                temporary = self.folder / f"{path.parent.name}-{uuid.uuid4().hex}.tmp"
                with temporary.open("wb") as claimed:
                    claimed.truncate(size)
                reserved.append(_Claim(size, path, temporary))
                room -= size
        return reserved

    def _fill(self, claim: _Claim, write: Callable[[Path, Path], bool]) -> bool:
        try:
            if write(claim.path, claim.temporary) and claim.temporary.stat().st_size == claim.size:
                with locked(self.folder / _LOCK):  # or one who counts would miss it under both names
                    claim.path.parent.mkdir(exist_ok=True)
                    claim.temporary.replace(claim.path)
                return True
        except OSError:  # a full disk: the bucket itself is read
            pass
        return False

    def _make_room(self, needed: int) -> int:
        """Remove files, the longest unread first, until so many bytes are free or the rest is in use.

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
        """Yield when each file was read, its size and path; other files of the folder are none of ours."""
        with os.scandir(self.folder) as entries:
            ours = [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
        for path in ours:
            with contextlib.suppress(OSError):  # a claim just given up
                for each in [path] if path.suffix else path.iterdir():
                    found = each.stat()
                    yield found.st_atime, found.st_size, each


def configured_cache() -> FileCache | None:
    """Return what the settings say to keep on this machine; None when that is nothing.

    Where nothing sets any of it, the settings are not read: loading them takes longer than most readings.
    """
    names = ("STOCKSTREAM_CACHE_FOLDER", "STOCKSTREAM_CACHE_MEGABYTES")
    if not any(name in os.environ for name in names) and not Path(".env").exists():
        folder = default_folder()
        return None if folder is None else FileCache(folder)
    from stockstream.lake.bucket_access import configured_options

    try:
        return configured_options().file_cache()
    except SettingsError:  # a lake in a folder needs no settings: nothing is kept of it
        return None


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


def _touch(path: Path, size: int | None = None) -> bool:
    """Whether there is a file, of this size; it counts as read now."""
    try:
        found = path.stat()
        if size is not None and found.st_size != size:  # cut short by a crash of the machine
            return False
        os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
    except OSError:
        return False
    return True
