"""A lake in a folder of this machine: hard links and renames, which are there or not there, even after a crash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockstream.errors import LakeError
from stockstream.lake.location import Content, Location, Stored, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import duckdb

    from stockstream.lake.cache import FileCache

#: Held while a file is compared and replaced. The system drops the lock of a process that dies.
_LOCK: Final = ".lock"


@dataclass(frozen=True)
class LocalFolder(Location):
    """A lake in a folder of this machine.

    Parameters
    ----------
    root
        The folder; it is made by the first write.
    """

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def files(self, folder: str, start: str = "") -> list[Stored]:
        """Return the files directly in a folder; see `Location.files`."""
        try:
            with os.scandir(self._text(folder)) as entries:
                found = [
                    Stored(f"{folder}/{entry.name}", *_size_and_stamp(entry.stat()))
                    for entry in entries
                    if entry.name.startswith(start) and not entry.name.startswith(".") and entry.is_file()
                ]
        except OSError as error:
            if self.root.exists() and not self.root.is_dir():
                message = f"expected a folder for the lake; {self.root} is a file"
                raise LakeError(message) from None
            if isinstance(error, FileNotFoundError):
                return []
            message = f"cannot read the lake at {self.root}: {error.strerror}. Check its permissions."
            raise LakeError(message) from error
        return sorted(found)

    def folders(self, folder: str) -> list[str]:
        """Return the folders directly in a folder; see `Location.folders`."""
        try:
            with os.scandir(self._text(folder)) as entries:
                names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            message = f"cannot read the lake at {self.root}: {error.strerror}. Check its permissions."
            raise LakeError(message) from error
        return sorted(f"{folder}/{name}" for name in names)

    def read(self, name: str) -> Content | None:
        """Return a file's content and version; see `Location.read`."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}. Check its permissions."
            raise LakeError(message) from error
        return Content(data, hashlib.sha256(data).hexdigest())

    def place(self, names: Iterable[str], fill: Callable[[str], None]) -> str | None:
        """Store one new file under the first free name; see `Location.place`.

        `fill` writes a temporary file beside the final one; it reaches the disk before a hard link gives it its name.
        A link fails when the name is taken, where a rename would overwrite. Whatever a killed writer leaves behind has
        a name that no reader looks at.
        """
        temporary: Path | None = None
        try:
            for name in names:
                path = self._path(name)
                if temporary is None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary = _temporary(path)
                    fill(str(temporary))
                    _reach_disk(temporary)
                try:
                    path.hardlink_to(temporary)
                except FileExistsError:  # another writer was faster
                    continue
                _reach_disk(path.parent)
                return name
        except OSError as error:
            raise self._write_failed(error) from error
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
        return None

    def replace(self, name: str, data: bytes, expected: str) -> bool:
        """Replace a file that has not changed since it was read; see `Location.replace`."""
        path = self._path(name)
        temporary = _temporary(path)
        try:
            with locked(self.root / _LOCK):
                current = self.read(name)
                if current is None or current.version != expected:
                    return False
                temporary.write_bytes(data)
                _reach_disk(temporary)
                temporary.replace(path)
                _reach_disk(path.parent)
        except OSError as error:
            raise self._write_failed(error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return True

    def delete(self, name: str) -> None:
        """Remove a file; see `Location.delete`."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            message = f"cannot remove {path}: {error.strerror or error}. Check its permissions."
            raise LakeError(message) from error

    def remove_empty(self, folder: str) -> None:
        """Remove a folder without files; one with anything in it stays."""
        with contextlib.suppress(OSError):
            self._path(folder).rmdir()

    def url(self, name: str) -> str:
        """Return the full path of a file."""
        return os.path.join(os.getcwd(), self._text(name))  # noqa: PTH109,PTH118 as below

    def storage_options(self) -> None:
        """Return None: paths need no options."""

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: DuckDB reads paths as it is."""

    def file_cache(self) -> FileCache | None:
        """Return the folder that the settings name; see `Location.file_cache`."""
        from stockstream.lake.cache import configured_cache

        return configured_cache()

    def _path(self, name: str) -> Path:
        return Path(self._text(name))

    def _text(self, name: str) -> str:
        """Return the path of a file as a text: objects for it took a tenth of the time of a small reading."""
        return os.path.join(self.root, check_name(name))  # noqa: PTH118

    def _write_failed(self, error: OSError) -> LakeError:
        return LakeError(f"cannot write to the lake at {self.root}: {error.strerror or error}. Nothing was stored.")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that a file stands for, alone among all threads and processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which drops the lock


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem}-{uuid.uuid4().hex}.tmp")


def _size_and_stamp(found: os.stat_result) -> tuple[int, str]:
    return found.st_size, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


def _reach_disk(path: Path) -> None:
    """Flush a file, or the entries of a directory, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a directory, and does not need to
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
