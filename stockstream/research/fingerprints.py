"""Hashes of what a run rests on: rows of prices, code, and the program itself."""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

import stockstream
from stockstream.bars import EXTRAS
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stockstream.bars import Bars

#: Packages whose arithmetic is in the results.
PACKAGES: Final = ("numpy", "numba", "llvmlite", "polars")

#: Odd constants of a multiplicative hash; what they are does not matter, that they stay the same does.
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
START: Final = np.uint64(0xCBF29CE484222325)


def hash_of(*parts: bytes) -> str:
    """Return a hash of some parts that depends on where each ends.

    Examples
    --------
    >>> hash_of(b"ab", b"c") == hash_of(b"a", b"bc")
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def rows_of(bars: Bars) -> NDArray[np.uint64]:
    """Return ``(S, T)``: a number for each row of prices, with its factors and events, that changes when one does.

    Fast and not secure: it finds which rows were revised. `data_hash` is what says that none was.
    """
    mixed = np.full(bars.shape, START)
    with np.errstate(over="ignore"):
        for name in (*OHLCV, *EXTRAS):
            panel = getattr(bars, name)
            if panel is not None:
                canonical = np.where(np.isnan(panel), np.nan, panel) + 0.0  # one NaN, one zero
                mixed = (mixed ^ np.ascontiguousarray(canonical).view(np.uint64)) * MULTIPLIER
                mixed ^= mixed >> np.uint64(29)
    return mixed


def data_hash(bars: Bars) -> str:
    """Return a hash of everything a run can read of bars."""
    facts = repr((bars.symbols, sorted((s, str(day)) for s, day in bars.delisted.items()), bars.currency))
    parts = [facts.encode(), bars.dates.astype(np.int64).tobytes()]
    for name in (*OHLCV, *EXTRAS):
        panel = getattr(bars, name)
        parts.append(name.encode() if panel is None else (panel + 0.0).tobytes())
    return hash_of(*parts)


def source_of(cls: type) -> str:
    """Return the text of a class and of what it inherits from, up to the library's own; its code where no text is."""
    own = [c for c in cls.__mro__ if not c.__module__.startswith(("stockstream.", "builtins", "abc"))]
    return "\n".join(f"{c.__qualname__}\n{code_of(c)}" for c in own)


#: Classes whose code has been read: finding it in its file takes milliseconds.
_READ: Final[WeakKeyDictionary[type, str]] = WeakKeyDictionary()


def rule_of(cls: type) -> str:
    """Return what tells one rule from another: its source, or the name of one of the library's own."""
    if cls not in _READ:
        _READ[cls] = source_of(cls) or f"{cls.__module__}.{cls.__qualname__}"
    return _READ[cls]


def code_of(thing: Any) -> str:
    """Return the text of a class or a function; of one typed into a console, its code."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        own = vars(thing).values() if isinstance(thing, type) else [thing]
        codes = [value.__code__ for value in own if hasattr(value, "__code__")]
        return repr([(code.co_code, code.co_names, [str(constant) for constant in code.co_consts]) for code in codes])


def file_of(cls: type) -> str:
    """Return the file a class was read from, or nothing."""
    try:
        found = inspect.getsourcefile(cls)
    except TypeError:
        return ""
    return str(Path(found).resolve()) if found and Path(found).is_file() else ""


@functools.cache
def engine_hash() -> str:
    """Return a hash of the program's own code: everything that computes."""
    import stockstream_kernels

    parts = []
    for package in (stockstream, stockstream_kernels):
        root = Path(str(package.__file__)).parent
        folders = ("backtesting", "indicators") if package is stockstream else ("",)
        for folder in folders:
            for path in sorted((root / folder).rglob("*.py")):
                parts += [path.relative_to(root).as_posix().encode(), path.read_bytes()]
    return hash_of(*parts)


def versions() -> Mapping[str, str]:
    """Return what computed: this program, its code, Python, the packages behind the numbers, the processor."""
    found = {"stockstream": stockstream.__version__, "engine": engine_hash(), "python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return {**found, "processor": platform.machine()}


def panel_hash(array: NDArray[Any]) -> str:
    """Return a hash of the values of an array, of records field by field."""
    columns = [array] if array.dtype.names is None else [array[name] for name in array.dtype.names]
    return hash_of(*(np.ascontiguousarray(column).tobytes() for column in columns))
