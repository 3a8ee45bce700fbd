"""Where two sets of dated answers first differ, up to a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stockstream.research.answers import Answer, Answers

#: Differences below this part of the largest value of a series are rounding: a transform or a sum over all bars may
#: round otherwise when later bars change, and no decision rests on it.
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Difference:
    """The first difference: which answer, when, of which symbol, and both values."""

    answer: str
    date: np.datetime64
    symbol: str
    before: str
    after: str
    row: int = 0


def first_difference(
    one: Answers, two: Answers, until: np.datetime64, symbols: Sequence[str], tolerance: float = ROUNDING
) -> Difference | None:
    """Return the first difference of the first answer that has one on a day up to `until`."""
    for name, answer in one.items():
        found = _differ(name, answer, two[name], until, symbols, tolerance) if name in two else None
        if name not in two:
            return Difference(name, until, "", "given", "missing")
        if found is not None:
            return found
    return None


def _differ(
    name: str, one: Answer, two: Answer, until: np.datetime64, symbols: Sequence[str], tolerance: float
) -> Difference | None:
    first, second = (int(np.searchsorted(a.dates, until, side="right")) for a in (one, two))
    both = min(first, second)
    before, after = one.values[..., :both], two.values[..., :both]
    if before.shape != after.shape:
        return Difference(name, until, "", f"shape {one.values.shape}", f"shape {two.values.shape}")
    moved = one.dates[:both] != two.dates[:both]
    wrong = unequal(before, after, tolerance)
    where = moved | (wrong.any(axis=tuple(range(wrong.ndim - 1))) if wrong.ndim > 1 else wrong)
    if not where.any():
        if first == second:
            return None
        longer, at = (one, both) if first > second else (two, both)
        text, row = _shown(longer.values[..., at]), _row(longer.values[..., at])
        texts = (text, "nothing") if first > second else ("nothing", text)
        return Difference(name, longer.dates[at], symbols[row] if longer.values.dtype.names else "", *texts, row)
    at = int(np.argmax(where))
    flat = wrong[..., at].ravel()
    cell = int(np.argmax(flat)) if flat.any() else 0
    values = [a[..., at].ravel()[cell] for a in (before, after)]
    row = _row(values[0]) if before.dtype.names else cell
    known = bool(before.dtype.names) or (before.ndim == 2 and before.shape[0] == len(symbols)) or len(symbols) == 1  # noqa: PLR2004
    day = min(one.dates[at], two.dates[at])
    return Difference(name, day, symbols[row] if known else "", _shown(values[0]), _shown(values[1]), row)


def unequal(one: NDArray[Any], two: NDArray[Any], tolerance: float = ROUNDING) -> NDArray[np.bool_]:
    """Return where two arrays of one shape differ; NaN equals NaN, and rounding is none."""
    if one.dtype.names:
        columns = [unequal(one[field], two[field], tolerance) for field in one.dtype.names]
        whole: NDArray[np.bool_] = np.logical_or.reduce(columns)
        return whole
    differs = np.asarray(one != two)
    if one.dtype.kind == "f" and two.dtype.kind == "f" and differs.any():
        finite = np.abs(one[np.isfinite(one)])
        allowed = tolerance * float(finite.max()) if finite.size else 0.0
        with np.errstate(invalid="ignore"):
            apart = ~(np.abs(one - two) <= allowed)
        return np.asarray(apart & ~((one == two) | (np.isnan(one) & np.isnan(two))))
    return differs


def _row(value: Any) -> int:
    return int(value["symbol"]) if getattr(value.dtype, "names", None) and "symbol" in value.dtype.names else 0


def _shown(value: Any) -> str:
    names = getattr(getattr(value, "dtype", None), "names", None)
    if names:
        return ", ".join(f"{name} {value[name]:.6g}" for name in names if name not in {"symbol", "created", "session"})
    if isinstance(value, np.ndarray):
        return "a row"
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
