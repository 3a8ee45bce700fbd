"""A lake in a bucket of S3, or of a server that speaks its protocol: conditional puts instead of links and locks."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from contextlib import nullcontext
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.bucket_access import Access, BucketOptions
from stockstream.lake.bucket_errors import explained
from stockstream.lake.location import Content, Location, Stored, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import duckdb
    from botocore.exceptions import ClientError

    from stockstream.lake.cache import FileCache

#: Marks who wrote an object, so that a put which arrived although its answer was lost is not taken for another's.
_WRITER: Final = "stockstream-writer"

#: How often an object is asked for whose bytes stop coming, or put beside another write of it.
_ATTEMPTS: Final = 3

_CHUNK: Final = 1 << 20


class Bucket(Location):
    """A lake under a prefix of a bucket.

    Nothing is sent before the first read or write.

    Parameters
    ----------
    bucket
        The bucket's name.
    prefix
        Where the lake begins inside it.
    options
        How to reach it; None takes everything from the environment.
    """

    def __init__(self, bucket: str, prefix: str = "", options: BucketOptions | None = None) -> None:
        if not bucket.strip():
            message = "expected s3://bucket/prefix for a lake; found no bucket's name"
            raise LakeError(message)
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        if self.prefix:
            check_name(self.prefix)
        self.options = options or BucketOptions()
        self.access = Access(bucket, self.options)

    def __str__(self) -> str:
        return "/".join([f"s3://{self.bucket}", *([self.prefix] if self.prefix else [])])

    def __repr__(self) -> str:
        return f"Bucket({str(self)!r}, {self.options!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bucket) and (str(self), self.options) == (str(other), other.options)

    def __hash__(self) -> int:
        return hash((str(self), self.options))

    def __reduce__(self) -> tuple[type[Bucket], tuple[str, str, BucketOptions]]:
        return Bucket, (self.bucket, self.prefix, self.options)  # connections stay where they are

    def files(self, folder: str, start: str = "") -> list[Stored]:
        """Return the objects directly under a folder: one request for each thousand; see `Location.files`."""
        prefix = self._key(folder) + "/"
        found: list[Stored] = []
        for page in self._pages(folder, start):
            for item in page.get("Contents", ()):
                name = item["Key"].removeprefix(prefix)
                if name and not name.startswith("."):
                    found.append(Stored(f"{folder}/{name}", item["Size"], item["ETag"].strip('"')))
        return sorted(found)

    def folders(self, folder: str) -> list[str]:
        """Return what the names of objects have in common up to the next slash; see `Location.folders`."""
        prefix = self._key(folder) + "/"
        parts = (item["Prefix"] for page in self._pages(folder) for item in page.get("CommonPrefixes", ()))
        names = (part.removeprefix(prefix).rstrip("/") for part in parts)
        return sorted(f"{folder}/{name}" for name in names if name and not name.startswith("."))

    def read(self, name: str) -> Content | None:
        """Return an object's content and version; see `Location.read`."""
        from botocore.exceptions import ClientError

        with explained(f"read {self.url(name)}"):
            try:
                return self._get(name, lambda answer: Content(answer["Body"].read(), answer["ETag"]))
            except ClientError as error:
                if _code(error) != "NoSuchKey":
                    raise
        return None

    def place(self, names: Iterable[str], fill: Callable[[str], None]) -> str | None:
        """Store one new object under the first free name; see `Location.place`.

        The file is made on this machine, then put in one request that fails where there is an object already.
        """
        with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
            path = Path(folder) / "object"
            for name in names:
                if not path.exists():
                    self._fill(fill, path, name)
                if self._put(name, path, {"IfNoneMatch": "*"}):
                    return name
        return None

    def replace(self, name: str, data: bytes, expected: str) -> bool:
        """Replace an object that has not changed since it was read; see `Location.replace`."""
        return self._put(name, data, {"IfMatch": expected})

    def delete(self, name: str) -> None:
        """Remove an object; see `Location.delete`."""
        with explained(f"remove {self.url(name)}"):
            self.client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def remove_empty(self, folder: str) -> None:
        """Do nothing: a bucket has objects only."""

    def url(self, name: str) -> str:
        """Return the address of an object, ``s3://bucket/prefix/name``."""
        return f"s3://{self.bucket}/{self._key(name)}"

    def readable(self, files: Sequence[Stored]) -> list[str]:
        """Return paths of copies on this machine where there are or can be some, else addresses."""
        cache = self.file_cache()
        if cache is None or not files:
            return super().readable(files)
        copies = cache.copies(f"{self.access.endpoint}/{self}", files, self._download)
        return [str(copies[file]) if file in copies else self.url(file.name) for file in files]

    def file_cache(self) -> FileCache | None:
        """Return the folder of copies that the options name; see `Location.file_cache`."""
        return self.options.file_cache()

    def storage_options(self) -> dict[str, str]:
        """Return what Polars must be told to read this bucket; see `Location.storage_options`."""
        return self.access.storage_options()

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make a DuckDB connection able to read this bucket; see `Location.prepare`."""
        self.access.prepare(connection)

    @property
    def client(self) -> Any:
        """The client of boto3 for this bucket."""
        return self.access.client

    def _key(self, name: str) -> str:
        return "/".join([*([self.prefix] if self.prefix else []), check_name(name)])

    def _pages(self, folder: str, start: str = "") -> Iterator[dict[str, Any]]:
        with explained(f"list {self.url(folder)}"):
            yield from self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self._key(folder)}/{start}", Delimiter="/"
            )

    def _fill(self, fill: Callable[[str], None], path: Path, name: str) -> None:
        try:
            fill(str(path))
        except OSError as error:
            message = (
                f"cannot make {self.url(name)} in {path.parent}: {error.strerror or error}. Nothing was stored; "
                "TMPDIR names another folder for files on their way."
            )
            raise LakeError(message) from error

    def _get[T](self, name: str, take: Callable[[Any], T], **condition: str) -> T:
        """Get an object whole; boto3 asks again for an answer that does not begin, this for one that is cut short.

        `take` makes of an answer what is wanted; called again when the answer ends early.
        """
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        for attempt in itertools.count(1):
            answer = self.client.get_object(Bucket=self.bucket, Key=self._key(name), **condition)
            try:
                return take(answer)
            except (HTTPClientError, IncompleteReadError):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _download(self, file: Stored, path: Path) -> bool:
        """Write one version of an object to a path; False when the bucket holds another version by now, or none."""
        from botocore.exceptions import ClientError

        with explained(f"read {self.url(file.name)}"):
            try:
                self._get(file.name, partial(_save, path), IfMatch=f'"{file.stamp}"')
            except ClientError as error:
                if _status(error) in {HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED}:
                    return False
                raise
        return True

    def _put(self, name: str, content: Path | bytes, condition: dict[str, str]) -> bool:
        """Put an object under a condition; False when the condition does not hold."""
        from botocore.exceptions import ClientError

        writer = uuid.uuid4().hex
        with explained(f"write {self.url(name)}", "Nothing was stored."):
            for attempt in itertools.count(1):
                try:
                    with content.open("rb") if isinstance(content, Path) else nullcontext(content) as body:
                        self.client.put_object(
                            Bucket=self.bucket, Key=self._key(name), Body=body, Metadata={_WRITER: writer}, **condition
                        )
                except ClientError as error:
                    status = _status(error)
                    if status == HTTPStatus.CONFLICT and attempt < _ATTEMPTS:  # another write of it is on its way
                        continue
                    missing = status == HTTPStatus.NOT_FOUND and _code(error) == "NoSuchKey"
                    if status == HTTPStatus.PRECONDITION_FAILED or missing:
                        return self._wrote(name, writer)
                    raise
                return True
        raise AssertionError  # the last attempt returns or raises

    def _wrote(self, name: str, writer: str) -> bool:
        """Whether an object is the one this writer put: a repeated request is refused because the first arrived."""
        from botocore.exceptions import ClientError

        try:
            found = self.client.head_object(Bucket=self.bucket, Key=self._key(name))
        except ClientError as error:
            if _status(error) == HTTPStatus.NOT_FOUND:
                return False
            raise
        return bool(found.get("Metadata", {}).get(_WRITER) == writer)


def _save(path: Path, answer: Any) -> None:
    with path.open("r+b") as file:  # a claim of the final size, which it keeps meanwhile
        for part in answer["Body"].iter_chunks(_CHUNK):
            file.write(part)
        file.truncate()


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
