"""What many batches told, kept on this machine for the next process: decoding a thousand files takes a second.

A digest is told by what it was made of: its files, each by path, inode, size and time of change, the question, and the
code that answered it. One that is damaged is not there.
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.lake.gathered import distinct
from stockstream.lake.tail import Counted
from stockstream.schema import CONTENT, ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from stockstream.lake.cache import FileCache

#: Of fewer files a digest would save nothing that anybody notices.
LEAST_FILES: Final = 50

#: The largest part of all that is kept on this machine that one digest may take.
_LARGEST_PART: Final = 4

_NAME: Final = "digest.npz"

_ARRAYS: Final = ("days", "held", "counts", "floor", "ceiling", "odd", "code")


def digested(store: FileCache | None, made_of: Hashable, tell: Callable[[], Counted | None]) -> Counted | None:
    """Return what a process before this one was told, or tell it and keep it.

    Parameters
    ----------
    store
        Where it is kept; None tells it anew.
    made_of
        Everything that the answer depends on, apart from this package. Its `repr` tells it from all others.
    tell
        Tells it. None is not kept.
    """
    code = _code()
    if store is None or code is None:
        return tell()
    identity = f"{code} {made_of!r}"
    path = store.kept(identity, _NAME)
    found = None if path is None else _read(path)
    if found is None:
        found = tell()
        if found is not None:
            content = _content(found)
            if len(content) * _LARGEST_PART <= store.max_bytes:
                store.keep(identity, _NAME, content)
    return found


def _content(told: Counted) -> bytes:
    """Return the bytes of a digest: an archive of arrays, each with its checksum."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(told, name) for name in _ARRAYS}
    stamps, arrays["stamp"] = distinct(told.rows.get_column("fetch_timestamp"))
    texts = {"names": told.names, "first": told.first, "stamps": stamps}
    arrays |= {name: np.array(text, dtype=np.str_) for name, text in texts.items()}
    arrays["date"] = told.rows.get_column("date").to_physical().to_numpy()
    for name in CONTENT:
        values = told.rows.get_column(name)
        if values.null_count():
            arrays[f"{name} known"] = values.is_not_null().to_numpy()
            values = values.fill_null(0)
        arrays[f"{name} value"] = values.to_numpy()
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _read(path: Path) -> Counted | None:
    """Return a digest, None where the file does not hold one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _counted({name: arrays[name] for name in arrays.files})
    except Exception:
        return None


def _counted(arrays: dict[str, NDArray[Any]]) -> Counted:
    import polars as pl

    names = arrays["names"].tolist()
    columns = {
        "symbol": pl.Series(names, dtype=pl.String).gather(arrays["code"]),
        "date": pl.Series(arrays["date"]).cast(pl.Date),
        "fetch_timestamp": pl.Series(arrays["stamps"].tolist(), dtype=pl.String).gather(arrays["stamp"]),
    }
    for name in CONTENT:
        values = pl.Series(arrays[f"{name} value"])
        known = arrays.get(f"{name} known")
        columns[name] = values if known is None else values.zip_with(pl.Series(known), values.clear(len(values)))
    return Counted(
        names=names,
        first=str(arrays["first"]),
        rows=pl.DataFrame({name: columns[name] for name in ROW_TYPES}),
        **{name: arrays[name] for name in _ARRAYS},
    )


@cache
def _code() -> str | None:
    """Return what tells the code of this package; None where it cannot be told."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest() if modules else None
