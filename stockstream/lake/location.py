"""Where a lake lives, and the two things a lake needs from there: a listing, and a write that never overwrites.

Only local folders for now. A bucket will be a second class with the methods of `LocalFolder`: what a hard link does
here, a conditional put does there.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable

RAW_DATA: Final = "raw-data"
RAW_EVENTS: Final = "raw-events"
QUARANTINE: Final = "quarantine"

DEFAULT_LAKE: Final = "data/lake"
BUCKET_VARIABLE: Final = "S3_BUCKET_NAME"

_LIST_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-symbols\.csv")
_BATCH_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-batch-(\d+)\.parquet")


@dataclass(frozen=True)
class LocalFolder:
    """A lake in a folder of this machine."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def batches(self, folder: str, session: date | None = None) -> list[str]:
        """Return the full paths of the batch files in a folder of the lake, oldest session first.

        Parameters
        ----------
        folder
            `RAW_DATA`, `RAW_EVENTS` or `QUARANTINE`.
        session
            Only the files of this session.
        """
        if self.root.exists() and not self.root.is_dir():
            message = f"expected a folder for the lake; {self.root} is a file"
            raise LakeError(message)
        try:
            names = [entry.name for entry in os.scandir(self.root / folder)]
        except FileNotFoundError:
            return []
        except OSError as error:
            message = f"cannot read the lake at {self.root}: {error.strerror}. Check its permissions."
            raise LakeError(message) from error
        found = [match for name in names if (match := _BATCH_NAME.fullmatch(name))]
        if session is not None:
            found = [match for match in found if match[1] == session.isoformat()]
        found.sort(key=lambda match: (match[1], int(match[2])))
        directory = (self.root / folder).absolute()
        return [str(directory / match[0]) for match in found]

    def read_text(self, name: str) -> str | None:
        """Return the text of a file inside the lake, None when there is no such file."""
        path = self.root / name
        try:
            return path.read_text(encoding="utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}. Check its permissions."
            raise LakeError(message) from error
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            message = f"{path}, line {line}: expected UTF-8 text; found the byte {error.object[error.start]:#04x}."
            raise LakeError(message + " Write the file in UTF-8.") from error

    def list_days(self) -> set[date]:
        """Return the days of which the lake holds a list of companies."""
        matches = (_LIST_NAME.fullmatch(path.name) for path in (self.root / "symbols").glob("*-symbols.csv"))
        days: set[date] = set()
        for match in matches:
            if match:
                with contextlib.suppress(ValueError):  # a name such as 2024-02-30 is no day's list
                    days.add(date.fromisoformat(match[1]))
        return days

    def publish(self, folder: str, session: date, fill: Callable[[str], None]) -> str:
        """Write one new batch file, whole or not at all, and return its name inside the lake.

        `fill` writes a temporary file beside the final one; it reaches the disk before a hard link gives it the next
        free number. A link fails when the name is taken, where a rename would overwrite: two writers get two numbers.
        Whatever a killed writer leaves behind has a name that no reader looks at.

        Raises
        ------
        LakeError
            The folder cannot be written.
        """
        directory = self.root / folder
        temporary = directory / f".{session.isoformat()}-{uuid.uuid4().hex}.tmp"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            fill(str(temporary))
            _reach_disk(temporary)
            name = self._link_as_next(temporary, folder, session)
            _reach_disk(directory)
        except OSError as error:
            message = f"cannot write to the lake at {self.root}: {error.strerror or error}. Nothing was stored."
            raise LakeError(message) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return f"{folder}/{name}"

    def _link_as_next(self, temporary: Path, folder: str, session: date) -> str:
        numbers = [int(Path(path).stem.rpartition("-")[2]) for path in self.batches(folder, session)]
        number = max(numbers, default=0) + 1
        while True:
            name = f"{session.isoformat()}-batch-{number}.parquet"
            try:
                (self.root / folder / name).hardlink_to(temporary)
            except FileExistsError:  # another writer was faster
                number += 1
            else:
                return name


def _reach_disk(path: Path) -> None:
    """Flush a file, or the entries of a directory, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a directory, and does not need to
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def literal(path: str) -> str:
    """Spell a path so that DuckDB, which takes ``*``, ``?`` and ``[`` for wildcards, finds this file and no other.

    Examples
    --------
    >>> literal("data/prices[1].csv")
    'data/prices[[]1].csv'
    """
    return re.sub(r"([*?[])", r"[\1]", path)


def locate(path: str | os.PathLike[str] | None = None) -> LocalFolder:
    """Find the place of a lake.

    Parameters
    ----------
    path
        A folder, or ``s3://bucket/prefix``. None takes the environment variable ``S3_BUCKET_NAME`` and, without it,
        the folder ``data/lake``. The variable may hold a folder too: a bucket's name never contains a slash.

    Raises
    ------
    LakeError
        The place is a bucket: buckets are not supported yet.

    Examples
    --------
    >>> str(locate("data/lake"))
    'data/lake'
    """
    if path is None:
        return bucket_location(os.environ.get(BUCKET_VARIABLE, "").strip() or DEFAULT_LAKE)
    text = os.fspath(path)
    if not text.strip():
        message = "expected the folder of a lake; found an empty path"
        raise LakeError(message)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        message = f"lakes in a bucket ({text}) are not supported yet; give a local folder, such as {DEFAULT_LAKE}"
        raise LakeError(message)
    return LocalFolder(Path(text).expanduser())


def bucket_location(bucket: str | None = None, prefix: str = "") -> LocalFolder:
    """Find a lake by bucket and prefix; a `bucket` that contains a slash is a folder."""
    if bucket is None:
        place = locate(None)
        return LocalFolder(place.root / prefix) if prefix.strip("/") else place
    is_folder = "/" in bucket or os.sep in bucket
    return locate(
        "/".join([bucket if is_folder else f"s3://{bucket}", *([prefix.strip("/")] if prefix.strip("/") else [])])
    )
