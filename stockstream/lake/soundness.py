"""Files that cannot be what their names say, told from the others before an answer is made of them.

One bad file never hides the others: it is left out, with a warning that names it and why, or refuses the answer where
that is asked for (``strict=True``). Of every file on this machine the end and the schema are looked at before it is
read; that its data decode is found out by reading, and only then looked for file by file.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stockstream.errors import LakeError, LakeWarning, counted
from stockstream.lake.location import literal
from stockstream.lake.rows import connect, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb

    from stockstream.lake.location import Location, Stored

_MAGIC: Final = b"PAR1"

#: The schema is at the beginning of a footer, within so many bytes for every file that a lake writes.
_HEAD: Final = 4096

_SCHEMA_FIELD: Final = 2
_LONG_LIST: Final = 15
_CONTINUED: Final = 128

#: Columns and whether there may be others -> beginnings of footers that hold them, whichever lake they were found in.
_schemas: Final[dict[tuple[str, ...], list[bytes]]] = {}

_NO_PARQUET: Final = "is no whole Parquet file: cut short, or of another kind"


class Problem(NamedTuple):
    """A file of a lake that is left out of its answers, and why."""

    file: str
    reason: str


class Soundness:
    """What is known of the files of one lake; a file that was sound once is not looked at again.

    Parameters
    ----------
    location
        Where the lake lives.
    strict
        Refuse an answer from which a file would be missing.
    """

    def __init__(self, location: Location, *, strict: bool = False) -> None:
        self._location = location
        self.strict = strict
        self._sound: set[Stored] = set()
        self._bad: dict[Stored, str] = {}

    def readable(self, files: Sequence[Stored], types: Mapping[str, str], *, exact: bool = False) -> list[str]:
        """Return paths or URLs of those files that are what they should be.

        Parameters
        ----------
        files
            Files of one kind.
        types
            Columns that they have, with their DuckDB types.
        exact
            They have no others.

        Raises
        ------
        LakeError
            There is a bad file, and that is not to be passed over.
        """
        paths = self.examine(files, types, exact=exact)
        problems = self.problems(files)
        if problems and self.strict:
            raise LakeError(self.refusal(problems))
        for problem in problems:
            message = f"{problem.file} is left out of the answer: it {problem.reason}. Restore it or move it away."
            warnings.warn(message, LakeWarning, stacklevel=5)
        return [path for file, path in zip(files, paths, strict=True) if file not in self._bad]

    def examine(
        self, files: Sequence[Stored], types: Mapping[str, str], *, exact: bool = False, remote: bool = False
    ) -> list[str]:
        """Look at those files of one kind of which nothing is known yet, and return the paths or URLs of all.

        Parameters
        ----------
        files, types, exact
            As in `readable`.
        remote
            Look at files elsewhere too, of which there is no copy on this machine: a few requests each.
        """
        paths = self._location.readable(files)
        for file, path in zip(files, paths, strict=True):
            if file not in self._sound and file not in self._bad:
                reason = self._examine(path, types, exact=exact, remote=remote)
                if reason is None:
                    self._sound.add(file)
                else:
                    self._bad[file] = reason
        return paths

    def trust(self, file: Stored) -> None:
        """Take a file for sound that is as it was written, unless it is known to be bad."""
        if file not in self._bad:
            self._sound.add(file)

    def blame(self, file: Stored, reason: str) -> None:
        """Say what is wrong with a file."""
        self._bad[file] = reason

    def find_undecodable(self, files: Iterable[Stored]) -> bool:
        """Read every file whole, by itself, and return whether some that passed for sound are bad."""
        import duckdb

        known = len(self._bad)
        candidates = [file for file in files if file not in self._bad]
        connection = connect()
        try:
            self._location.prepare(connection)
            for file, path in zip(candidates, self._location.readable(candidates), strict=True):
                try:
                    _decode(connection, path)
                except (duckdb.Error, UnicodeDecodeError) as error:
                    if _is_network(error):  # it says nothing about the file
                        continue
                    self._bad[file] = f"cannot be decoded ({first_line(error).rstrip('.')})"
        finally:
            connection.close()
        return len(self._bad) > known

    def problems(self, files: Iterable[Stored]) -> tuple[Problem, ...]:
        """Return those of some files that are known to be bad."""
        return tuple(Problem(self._location.url(file.name), self._bad[file]) for file in files if file in self._bad)

    def refusal(self, problems: Sequence[Problem], remedy: str = "Restore it or move it away.") -> str:
        """Say which file is bad, how many others, and what to do."""
        first, others = problems[0], len(problems) - 1
        more = f" ({counted(others, 'more such file')})" if others else ""
        return f"cannot read the lake at {self._location}: {first.file} {first.reason}{more}. {remedy}"

    def _examine(self, path: str, types: Mapping[str, str], *, exact: bool, remote: bool) -> str | None:
        """Say what is wrong with a file, as far as its end tells."""
        if "://" in path:  # every look is a request, and the reading itself is about to ask for the same
            return self._examine_schema(path, b"", types, exact=exact) if remote else None
        try:
            head = _footer(path)
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        if head is None:
            return _NO_PARQUET
        # Files of one writer begin their footers alike, schema first: one of them is examined in full.
        alike = _schemas.setdefault((*types, str(exact)), [])
        if any(head.startswith(schema) for schema in alike):
            return None
        return self._examine_schema(path, head, types, exact=exact)

    def _examine_schema(self, path: str, head: bytes, types: Mapping[str, str], *, exact: bool) -> str | None:
        import duckdb

        connection = connect()
        try:
            self._location.prepare(connection)
            held = connection.read_parquet([literal(path)])
            found = {name: str(kind) for name, kind in zip(held.columns, held.types, strict=True)}
        except (duckdb.Error, UnicodeDecodeError) as error:  # names of columns may be damaged, too
            if _is_network(error):  # it says nothing about the file
                return None
            return f"cannot be read ({first_line(error).rstrip('.')})"
        finally:
            connection.close()
        reason = _difference(found, types, exact=exact)
        end = _schema_end(head)
        if reason is None and end is not None:
            _schemas[(*types, str(exact))].append(head[: end + 1])  # with the next byte: the list ends there
        return reason


def _difference(found: Mapping[str, str], types: Mapping[str, str], *, exact: bool) -> str | None:
    missing = [name for name in types if name not in found]
    if missing:
        return f"lacks the columns {', '.join(missing)}; it holds {', '.join(found)}"
    wrong = [name for name in types if types[name] != found[name]]
    if wrong:
        return f"holds {wrong[0]} as {found[wrong[0]]} where {types[wrong[0]]} is expected"
    unknown = [name for name in found if name not in types]
    if exact and unknown:
        return (
            f"holds columns that this version of stockstream does not know ({', '.join(unknown)}): "
            "a newer version may have written it; upgrade, or take the columns out"
        )
    return None


def _footer(path: str) -> bytes | None:
    """Return the beginning of a Parquet file's footer, None when the file does not end as one."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 a thousand files are opened here
        size = file.seek(0, 2)
        if size < 3 * len(_MAGIC):
            return None
        file.seek(max(size - _HEAD, 0))
        end = file.read(_HEAD)  # nearly always with the whole footer
        length = int.from_bytes(end[-8:-4], "little")
        if end[-4:] != _MAGIC or length + 12 > size:
            return None
        if length + 8 <= len(end):
            return end[-8 - length : -8]
        file.seek(-8 - length, 2)
        return file.read(min(length, _HEAD))


def _schema_end(footer: bytes) -> int | None:
    """Return where the schema ends in a footer: after field 2 of a struct in Thrift's compact protocol."""
    at = number = 0
    try:
        while number < _SCHEMA_FIELD:
            number += footer[at] >> 4
            at = _skip(footer[at] & 15, footer, at + 1)
    except IndexError:  # longer than what was read of it
        return None
    return at


def _skip(kind: int, data: bytes, at: int) -> int:
    """Return the place after a value of Thrift's compact protocol."""
    match kind:
        case 4 | 5 | 6:  # integers
            return _varint(data, at)[1]
        case 8:  # text
            length, at = _varint(data, at)
            return at + length
        case 9:  # list
            count, element = data[at] >> 4, data[at] & 15
            count, at = _varint(data, at + 1) if count == _LONG_LIST else (count, at + 1)
            for _ in range(count):
                at = _skip(element, data, at)
            return at
        case 12:  # struct
            while data[at]:
                at = _skip(data[at] & 15, data, at + 1)
            return at + 1
        case 1 | 2:  # truth values, whose kind says all
            return at
        case _:
            raise IndexError


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < _CONTINUED:
            return value, at


def _decode(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Read every value of a file."""
    rows = connection.read_parquet([literal(path)])
    hashes = ", ".join(f'bit_xor(hash("{name.replace(chr(34), chr(34) * 2)}"))' for name in rows.columns)
    rows.aggregate(hashes).fetchall()


def forgiving[**P, T](method: Callable[P, T]) -> Callable[P, T]:
    """Let a reading of a `Lake` be made again without the files that it could not decode.

    Only where an engine failed at reading: a query that is wrong fails at once, and files are not blamed.
    """

    @functools.wraps(method)
    def read(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except LakeError as error:
            lake: Any = args[0]
            if not _gave_up(error.__cause__) or not lake._contents.find_undecodable():
                raise
        return method(*args, **kwargs)

    return read


def _gave_up(cause: BaseException | None) -> bool:
    """Whether an engine failed at reading: not at a query that is wrong, nor for want of memory."""
    import duckdb

    if isinstance(cause, duckdb.Error):
        others = (
            duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException,
            duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.TypeMismatchException,
            duckdb.NotImplementedException, duckdb.PermissionException, duckdb.InterruptException,
            duckdb.OutOfMemoryException,
        )  # fmt: skip
        return not isinstance(cause, others) and not _is_network(cause)
    return type(cause).__module__.startswith("polars") or isinstance(cause, OSError)


def _is_network(error: Exception) -> bool:
    import duckdb

    return isinstance(error, duckdb.HTTPException) or (isinstance(error, duckdb.IOException) and "HTTP" in str(error))
