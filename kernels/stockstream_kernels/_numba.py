"""Numba, loaded without the packages that it tries, finds and does not need for a kernel.

Looking at SciPy's version and for its BLAS takes longer than all the rest of Numba; coverage, colours for messages and
a reader of settings come on top. Numba does without each of them where it is not installed. What it was not given here
stays importable for everybody, and what was loaded before it finds as ever.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

__all__ = ["numba"]


class Absent:
    """A finder that says of some packages, to the thread that made it alone, that they are not installed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.thread = names, threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Refuse the packages; leave all others to the finders after this one."""
        if name in self.names and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(name, name=name)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let imports of this thread do without some packages, as far as they are not loaded yet."""
    finder = Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def unneeded() -> tuple[str, ...]:
    """Return the packages that Numba does without: those its settings may ask for only where it has no settings."""
    asked = {"NUMBA_COLOR_SCHEME", "NUMBA_JIT_COVERAGE"} & os.environ.keys() or Path(".numba_config.yaml").exists()
    return ("scipy",) if asked else ("scipy", "colorama", "coverage", "yaml")


with absent(*unneeded()):
    import numba

    if not getattr(numba.config, "DISABLE_JIT", 0):
        # These look for SciPy's BLAS once, for `np.convolve` and `np.correlate` of compiled functions, which do
        # without; all other linear algebra looks again when it is compiled.
        importlib.import_module("numba.np.arraymath")
