"""Where a lake lives, and all that a lake needs from there.

A lake is files that never change and a few small ones that are replaced as a whole. `Location` is what a place must do
for it: list, read, create without overwriting, replace what has not changed meanwhile. The two places are a folder of
this machine (`stockstream.lake.folder`) and a bucket (`stockstream.lake.bucket`); nothing else in the lake knows which.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from abc import ABC, abstractmethod
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import duckdb

    from stockstream.lake.bucket_access import BucketOptions
    from stockstream.lake.cache import FileCache

RAW_DATA: Final = "raw-data"
RAW_EVENTS: Final = "raw-events"
QUARANTINE: Final = "quarantine"
SYMBOLS: Final = "symbols"

DEFAULT_LAKE: Final = "data/lake"

_LIST_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-symbols\.csv")
_BATCH_NAME: Final = re.compile(r"(?:.*/)?(\d{4}-\d{2}-\d{2})-batch-(\d+)\.parquet")

#: How often a small file is read, changed and offered again before others who change it are too many.
_ATTEMPTS: Final = 50


class Stored(NamedTuple):
    """A file of a lake: its name inside the lake, its size in bytes, and a stamp that changes when its content does."""

    name: str
    size: int
    stamp: str


class Content(NamedTuple):
    """What a file held when it was read, and the version that `Location.replace` expects to find still there."""

    data: bytes
    version: str


class Location(ABC):
    """A place for a lake. Names are those inside the lake, with slashes: ``raw-data/2024-01-31-batch-1.parquet``.

    Every method raises `LakeError` when the place cannot be reached, may not be read or may not be written; the message
    names the file and what to do.
    """

    @abstractmethod
    def files(self, folder: str, start: str = "") -> list[Stored]:
        """Return the files directly in a folder whose own names begin with `start`, sorted by name.

        A folder that does not exist is empty. Names that begin with a dot belong to writers, and are left out.
        """

    @abstractmethod
    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted; those that begin with a dot are left out."""

    @abstractmethod
    def read(self, name: str) -> Content | None:
        """Return a file's content and version, None when there is no such file."""

    @abstractmethod
    def place(self, names: Iterable[str], fill: Callable[[str], None]) -> str | None:
        """Store one new file, whole or not at all, under the first of some names that is free.

        Parameters
        ----------
        names
            Tried in order; the name of an existing file is never taken.
        fill
            Writes the file to the path of this machine that it is given. Called once.

        Returns
        -------
        str or None
            The name taken, None when there is a file under each of them.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes, expected: str) -> bool:
        """Replace a file's content, provided that it still is the version that was read.

        Parameters
        ----------
        name
            The file.
        data
            Its new content. Readers find the old or the new, never a part.
        expected
            `Content.version` as `read` returned it.

        Returns
        -------
        bool
            False when the file is another version by now, or is gone; nothing was changed.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is removed already."""

    @abstractmethod
    def remove_empty(self, folder: str) -> None:
        """Remove a folder without files, where an empty folder is a thing that stays."""

    @abstractmethod
    def url(self, name: str) -> str:
        """Return where a file is, for messages and for DuckDB and Polars."""

    def readable(self, files: Sequence[Stored]) -> list[str]:
        """Return paths or URLs of some files, in their order, for DuckDB (after `prepare`) and Polars."""
        return [self.url(file.name) for file in files]

    @abstractmethod
    def storage_options(self) -> dict[str, str] | None:
        """Return what Polars must be told to read the URLs of this place."""

    @abstractmethod
    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make a DuckDB connection able to read the URLs of this place."""

    @abstractmethod
    def file_cache(self) -> FileCache | None:
        """Return what is kept on this machine of this place, None when nothing is to be."""

    def batch_files(self, folder: str, session: date | None = None) -> list[Stored]:
        """Return the batch files of a folder of the lake, oldest session first.

        Parameters
        ----------
        folder
            `RAW_DATA`, `RAW_EVENTS` or `QUARANTINE`.
        session
            Only the files of this session.
        """
        files = self.files(folder, "" if session is None else f"{session.isoformat()}-batch-")
        found = [(match[1], int(match[2]), file) for file in files if (match := _BATCH_NAME.fullmatch(file.name))]
        return [file for *_, file in sorted(found)]

    def batches(self, folder: str, session: date | None = None) -> list[str]:
        """Return paths or URLs of the batch files of a folder, oldest session first; see `batch_files`."""
        return self.readable(self.batch_files(folder, session))

    def publish(
        self, folder: str, session: date, fill: Callable[[str], None], numbers: Iterable[int] | None = None
    ) -> str:
        """Write one new batch file, whole or not at all, and return its name inside the lake.

        It takes the first free of some numbers (None: of those after the highest), so two writers get two numbers.
        """
        if numbers is None:
            taken = [batch_number(file.name) for file in self.batch_files(folder, session)]
            numbers = itertools.count(max(taken, default=0) + 1)
        names = (f"{folder}/{session.isoformat()}-batch-{number}.parquet" for number in numbers)
        name = self.place(names, fill)
        if name is None:
            message = f"no free number for a batch of {session} in {self.url(folder)}"
            raise LakeError(message)
        return name

    def create(self, name: str, data: bytes) -> bool:
        """Store a new file, whole or not at all; False when there is one of this name already."""
        return self.place([name], lambda path: _write(path, data)) is not None

    def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Change a small file in one step, however many change it at once, and return its new content.

        Parameters
        ----------
        name
            The file.
        change
            Gets the content (None: there is no such file) and returns the new one. Called again with the newer content
            when another writer was faster, so it must have no effect of its own.
        """
        for _ in range(_ATTEMPTS):
            before = self.read(name)
            data = change(None if before is None else before.data)
            done = self.create(name, data) if before is None else self.replace(name, data, before.version)
            if done:
                return data
        message = f"cannot change {self.url(name)}: others changed it {_ATTEMPTS} times meanwhile. Try again."
        raise LakeError(message)

    def read_bytes(self, name: str) -> bytes | None:
        """Return the bytes of a file, None when there is no such file."""
        content = self.read(name)
        return None if content is None else content.data

    def read_text(self, name: str) -> str | None:
        """Return the text of a file, None when there is no such file; a byte order mark is left out."""
        content = self.read_bytes(name)
        if content is None:
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            message = f"{self.url(name)}, line {line}: expected UTF-8 text; found the byte {content[error.start]:#04x}."
            raise LakeError(message + " Write the file in UTF-8.") from error
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def list_days(self) -> set[date]:
        """Return the days of which the lake holds a list of companies."""
        days: set[date] = set()
        for file in self.files(SYMBOLS):
            match = _LIST_NAME.fullmatch(file.name.rpartition("/")[2])
            if match:
                with contextlib.suppress(ValueError):  # a name such as 2024-02-30 is no day's list
                    days.add(date.fromisoformat(match[1]))
        return days


def _write(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


def batch_number(name: str) -> int:
    """Return the number of a batch file.

    Examples
    --------
    >>> batch_number("raw-data/2024-01-31-batch-12.parquet")
    12
    """
    match = _BATCH_NAME.fullmatch(name)
    if match is None:
        message = f"expected the name of a batch file, such as 2024-01-31-batch-1.parquet; found {name}"
        raise LakeError(message)
    return int(match[2])


def check_name(name: str) -> str:
    """Return a name inside a lake; refuse one that leads out of it.

    Examples
    --------
    >>> check_name("runs/2024-01-31.json")
    'runs/2024-01-31.json'
    """
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in name or "\0" in name or ":" in parts[0]:
        message = f"expected a name inside the lake, such as runs/2024-01-31.json; found {name!r}"
        raise LakeError(message)
    return name


def literal(path: str) -> str:
    """Spell a path so that DuckDB, which takes ``*``, ``?`` and ``[`` for wildcards, finds this file and no other.

    Examples
    --------
    >>> literal("data/prices[1].csv")
    'data/prices[[]1].csv'
    """
    return re.sub(r"([*?[])", r"[\1]", path)


def locate(path: str | os.PathLike[str] | None = None, options: BucketOptions | None = None) -> Location:
    """Find the place of a lake.

    Parameters
    ----------
    path
        A folder, or ``s3://bucket/prefix``. None takes the setting ``STOCKSTREAM_LAKE``, else ``S3_BUCKET_NAME``, else
        the folder ``data/lake``. ``S3_BUCKET_NAME`` may hold a folder too: a bucket's name never contains a slash.
    options
        How to reach a bucket; None takes everything from the settings.

    Raises
    ------
    LakeError
        The path is empty, or names a kind of place that is not known.

    Examples
    --------
    >>> str(locate("data/lake"))
    'data/lake'
    >>> str(locate("s3://prices/asx"))
    's3://prices/asx'
    """
    if path is None:
        return bucket_location(options=options)
    text = os.fspath(path)
    if not text.strip():
        message = "expected the folder of a lake; found an empty path"
        raise LakeError(message)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)
    if scheme is None:
        from stockstream.lake.folder import LocalFolder

        return LocalFolder(Path(text).expanduser())
    if scheme[1].casefold() not in {"s3", "s3a"}:
        message = f"expected a folder, such as {DEFAULT_LAKE}, or s3://bucket/prefix for a lake; found {text}"
        raise LakeError(message)
    from stockstream.lake.bucket import Bucket
    from stockstream.lake.bucket_access import configured_options

    bucket, _, prefix = text[scheme.end() :].partition("/")
    return Bucket(bucket, prefix, options or configured_options())


def bucket_location(bucket: str | None = None, prefix: str = "", options: BucketOptions | None = None) -> Location:
    """Find a lake by bucket and prefix; a `bucket` that contains a slash is a folder or an address ``s3://…``."""
    if bucket is None:
        from stockstream.settings import load

        bucket = load().place() or DEFAULT_LAKE
    is_path = "/" in bucket or os.sep in bucket
    base = bucket if is_path else f"s3://{bucket}"
    inside = prefix.strip("/")
    return locate(f"{base.rstrip('/')}/{inside}" if inside else base, options)
