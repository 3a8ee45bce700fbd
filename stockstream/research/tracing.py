"""Which line of a function first holds a value that depends on the future.

The function runs twice, on bars that agree up to a cut, while the interpreter reports each line of its file. Of every
local variable the part up to the cut is remembered as a hash; the first line after which the two runs disagree is the
one that let the future in. A debugger or coverage that traces is put back afterwards.
"""

from __future__ import annotations

import hashlib
import inspect
import linecache
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

#: What keeps a trace short: how often one line is looked at, how many lines in all, and for how long.
VISITS: Final = 6
STEPS: Final = 2_000
SECONDS: Final = 1.0

#: A precaution, not a finding: long test processes that followed lines crashed under Python 3.12.1, and so did one that
#: did not. Until the cause is known, lines are followed by later releases only.
FOLLOWS_LINES: Final = sys.version_info >= (3, 12, 4)

type Step = tuple[int, int, dict[str, bytes]]


def source_line(function: Callable[..., Any], one: Callable[[], Any], two: Callable[[], Any], kept: int) -> str:
    """Return ``file.py:12: code`` for the line by which two calls differ, else the line that defines the function.

    Before Python 3.12.4 it is always the latter (see `FOLLOWS_LINES`).

    Parameters
    ----------
    function
        Its file is watched, so that functions it calls there are seen too.
    one, two
        The calls, on bars that are the same on their first `kept` sessions.
    kept
        Sessions that both have in common.
    """
    function = inspect.unwrap(function)
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None:
        return ""
    if not FOLLOWS_LINES:
        return definition(function)
    first, second = _steps(code, one, kept), _steps(code, two, kept)
    line = _split(first, second)
    return described(code.co_filename, line or code.co_firstlineno)


def described(filename: str, line: int) -> str:
    """Return ``file.py:12: code``."""
    text = linecache.getline(filename, line).strip()
    return f"{Path(filename).name}:{line}" + (f": {text}" if text else "")


def definition(function: Callable[..., Any]) -> str:
    """Return the line that defines a function."""
    code: CodeType | None = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else described(code.co_filename, code.co_firstlineno)


def _split(first: list[Step], second: list[Step]) -> int | None:
    """Return the line that ran before the first step at which two traces disagree; if none does, the last one."""
    lines: dict[int, int] = {}  # depth of a frame that runs or waits -> its last line
    for (depth, line, held), (other_depth, other_line, other_held) in zip(first, second, strict=False):
        lines = {at: ran for at, ran in lines.items() if at <= depth}
        if (depth, line) != (other_depth, other_line) or held != other_held:
            return lines[max(lines)] if lines else None
        lines[depth] = line
    return lines[min(lines)] if lines and len(first) < STEPS else None


def _steps(code: CodeType, call: Callable[[], Any], kept: int) -> list[Step]:
    steps: list[Step] = []
    visits: dict[tuple[CodeType, int], int] = {}
    started = time.monotonic()

    def entered(frame: FrameType, event: str, _argument: object) -> Any:
        watched = frame.f_code.co_filename == code.co_filename and frame.f_code.co_name != "<module>"
        return reached if watched else None

    def reached(frame: FrameType, event: str, _argument: object) -> Any:
        place = frame.f_code, frame.f_lineno
        if event == "line" and visits.get(place, 0) < VISITS and len(steps) < STEPS:
            visits[place] = visits.get(place, 0) + 1
            if time.monotonic() - started <= SECONDS:
                steps.append((_depth(frame), frame.f_lineno, _held(frame, kept)))
        return reached

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        call()
    except Exception:  # the trace up to the error is what there is
        return steps
    finally:
        sys.settrace(before)
    return steps


def _depth(frame: FrameType) -> int:
    depth, at = 0, frame.f_back
    while at is not None:
        depth, at = depth + 1, at.f_back
    return depth


def _held(frame: FrameType, kept: int) -> dict[str, bytes]:
    return {name: digest for name, value in frame.f_locals.items() if (digest := _digest(value, kept)) is not None}


def _digest(value: Any, kept: int) -> bytes | None:
    """Hash the part of a value up to the cut; None for what has no such part."""
    if isinstance(value, bool | int | float | str | np.generic):
        return repr(value).encode()
    if not isinstance(value, np.ndarray):
        if not (hasattr(value, "to_numpy") and hasattr(value, "shape")):
            return None
        value = value.to_numpy()
    if value.dtype.kind not in "bfiuM" or value.ndim == 0:
        return repr(value).encode() if value.ndim == 0 else None
    axis = -1 if value.shape[-1] > kept else 0
    part = value[..., :kept] if axis == -1 else value[:kept]
    return hashlib.blake2b(np.ascontiguousarray(part).tobytes(), digest_size=8).digest()
