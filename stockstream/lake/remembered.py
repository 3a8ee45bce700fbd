"""What was told of files that never change, kept for the next reading: in the process, and of many files on the disk.

A file is known by its path, inode, size and time of change: another one under its name is another file. Only so many
bytes are kept, those of the latest readings.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from stockstream.lake.digests import LEAST_FILES, digested

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from stockstream.lake.location import Location
    from stockstream.lake.tail import Counted

#: Bytes that are kept at most.
MOST: Final = 128 * 1024**2

_kept: OrderedDict[Hashable, Counted] = OrderedDict()
_lock: Final = Lock()


def remembered(
    location: Location, paths: Sequence[str], question: Hashable, tell: Callable[[], Counted | None]
) -> Counted | None:
    """Return what is told of files, or what was told of the same ones before.

    Parameters
    ----------
    location
        Where the lake is, which knows what of it may be kept on this machine.
    paths
        Files of this machine. Anything else is told anew.
    question
        What is told of them.
    tell
        Tells it. None is not remembered.

    Returns
    -------
    Counted or None
        Its `odd` is the caller's own; everything else is shared, and must not be changed.
    """
    if any("://" in path for path in paths):
        return tell()
    try:
        asked = (question, tuple(map(_mark, paths)))
    except OSError:  # whoever reads it says so
        return tell()
    with _lock:
        found = _kept.get(asked)
        if found is not None:
            _kept.move_to_end(asked)
    if found is None:
        store = location.file_cache() if len(paths) >= LEAST_FILES else None
        found = digested(store, asked, tell)
        if found is None:
            return None
        _keep(asked, found)
    return replace(found, odd=found.odd.copy())


def forget() -> None:
    """Keep nothing of what was told so far."""
    with _lock:
        _kept.clear()


def _keep(asked: Hashable, found: Counted) -> None:
    with _lock:
        _kept[asked] = found
        size = sum(each.size() for each in _kept.values())
        while size > MOST:
            size -= _kept.popitem(last=False)[1].size()


def _mark(path: str) -> tuple[str, int, int, int]:
    found = os.stat(path)  # noqa: PTH116 a thousand files are looked at here
    return path, found.st_ino, found.st_size, found.st_mtime_ns
