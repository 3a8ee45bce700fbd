"""What the manifest of a compaction must say to be one: whatever else is in its place decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: Final = ("latest", "history", "snapshots", "events", "dividends")

_FILES: Final = ("curated/latest/", "curated/history/")


def fault(manifest: dict[str, Any]) -> str | None:
    """Return what is wrong with a manifest of the format of this release, None if nothing is.

    The names in it are checked too, because files are deleted by them.

    Examples
    --------
    >>> fault({"parts": {"latest": "curated/latest/a.parquet"}})
    "no 'history' among its parts"
    """
    for part in PARTS:
        if not isinstance(manifest.get("parts"), dict) or part not in manifest["parts"]:
            return f"no {part!r} among its parts"
    for entry, holds in _ENTRIES.items():
        later = entry in _LATER and entry not in manifest
        if not later and (entry not in manifest or not holds(manifest[entry])):
            return f"{entry!r} as {str(manifest.get(entry, 'nothing'))[:40]!r}"
    return None


def _named(*folders: str) -> Callable[[object], bool]:
    """Return whether a value is the name of a file in one of some folders."""

    def holds(name: object) -> bool:
        if not isinstance(name, str) or not name.startswith(folders):
            return False
        try:
            return check_name(name) == name
        except LakeError:
            return False

    return holds


def _mapping(name: Callable[[object], bool], value: Callable[[object], bool]) -> Callable[[object], bool]:
    def holds(found: object) -> bool:
        return isinstance(found, dict) and all(name(each) and value(held) for each, held in found.items())

    return holds


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_instant(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int)


def _is_stamped(value: object) -> bool:
    return isinstance(value, list) and len(value) == len(("key", "since")) and all(map(_is_text, value))


_ENTRIES: Final[dict[str, Callable[[object], bool]]] = {
    "parts": _mapping(_is_text, _named(*_FILES)),
    "retired": _mapping(_named(*_FILES), _is_text),
    "raw": _mapping(_named(f"{RAW_DATA}/", f"{RAW_EVENTS}/"), _is_stamped),
    "verdicts": _mapping(_named(f"{QUARANTINE}/"), _is_stamped),
    "exchange": _is_text,
    "first": _is_instant,
    "through": _is_instant,
    "rows": _is_count,
    "bars": _is_count,
    "complete": _is_count,
    "keys": _mapping(_is_text, _is_text),
    "digests": _mapping(_is_text, _is_text),
    "expired": lambda value: value is None or _is_count(value),
}

#: What manifests of earlier releases do not say.
_LATER: Final = {"keys", "digests", "expired"}
