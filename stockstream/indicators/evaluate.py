"""Expressions over whole panels, on each symbol's own bars.

All symbols' bars stand one after another in flat columns (`Table`): days on which a symbol has no bar are squeezed out,
so that a window counts the symbol's own sessions. Element-wise operations run over the flat columns at once, indicators
on each symbol's slice, ranks across the symbols of one day. Conditions are int8: 0 False, 1 unknown, 2 True, so that
Kleene's ``and`` is the minimum, ``or`` the maximum and ``not`` is 2 - x.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean
from stockstream.indicators.expression import Applied, Column, Expression, Number, scalar
from stockstream.indicators.grids import refuse_grid
from stockstream.indicators.indicator import Indicator, Output
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stockstream.bars import Bars
    from stockstream.panels import Panel

FALSE: Final = 0
UNKNOWN: Final = 1
TRUE: Final = 2

type Flat = NDArray[Any]


class BarColumns(Mapping[str, "Panel"]):
    """Columns of a panel without the days that have no bar; each is squeezed when it is first read."""

    def __init__(self, bars: Bars, present: NDArray[np.bool_] | None) -> None:
        self._bars, self._present = bars, present
        self._squeezed: dict[str, Panel] = {}

    def __getitem__(self, name: str) -> Panel:
        if name not in self._squeezed:
            self._squeezed[name] = self._squeeze(name)
        return self._squeezed[name]

    def _squeeze(self, name: str) -> Panel:
        if name not in self:
            raise KeyError(name)
        panel: Panel
        if name == "date":
            panel = np.broadcast_to(self._bars.dates.astype(np.float64), self._bars.shape)
        else:
            panel = getattr(self._bars, name)
        return panel.ravel() if self._present is None else panel[self._present]

    def __contains__(self, name: object) -> bool:
        return name in (*OHLCV, "date")

    def __iter__(self) -> Iterator[str]:
        return iter((*OHLCV, "date"))

    def __len__(self) -> int:
        return len(OHLCV) + 1


@dataclass(frozen=True, eq=False)
class Table:
    """Own bars of all symbols as flat columns.

    Attributes
    ----------
    columns
        Name -> ``(N,)`` float64, symbol after symbol; ``date`` is in days since 1970-01-01.
    offsets
        ``(S + 1,)``: symbol s is ``columns[name][offsets[s]:offsets[s + 1]]``.
    own_sessions
        ``(N,)`` index of each bar's session among the T sessions; None where every symbol has a bar on every one.
    sessions
        T.
    """

    columns: Mapping[str, Panel]
    offsets: NDArray[np.int64]
    own_sessions: NDArray[np.int64] | None
    sessions: int
    _known: dict[Expression, Flat] = field(default_factory=dict, repr=False)

    @classmethod
    def from_bars(cls, bars: Bars) -> Table:
        """Squeeze the days without a bar out of a panel; a panel without such days is not copied."""
        symbols, sessions = bars.shape
        if np.isfinite(bars.close.sum()):  # one NaN would show in the sum
            return cls(BarColumns(bars, None), np.arange(symbols + 1) * sessions, None, sessions)
        present = bars.present
        own = np.count_nonzero(present, axis=1)
        offsets = np.concatenate([[0], np.cumsum(own)]).astype(np.int64)
        return cls(BarColumns(bars, present), offsets, np.nonzero(present)[1].astype(np.int64, copy=False), sessions)

    @functools.cached_property
    def session(self) -> NDArray[np.int64]:
        """``(N,)``: index of each bar's session among the T sessions."""
        if self.own_sessions is None:
            return np.tile(np.arange(self.sessions), len(self.offsets) - 1)
        return self.own_sessions

    @property
    def bars(self) -> int:
        """N, the bars of all symbols."""
        return int(self.offsets[-1])

    @property
    def slices(self) -> Iterator[slice]:
        """One slice per symbol."""
        return (slice(int(a), int(b)) for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def scatter(self, flat: Flat, absent: float = np.nan) -> NDArray[Any]:
        """Return ``(S, T)`` with `absent` on the days without a bar."""
        symbols = len(self.offsets) - 1
        if len(flat) == symbols * self.sessions:
            return flat.reshape(symbols, self.sessions)
        panel = np.full((symbols, self.sessions), absent, dtype=flat.dtype)
        panel[np.repeat(np.arange(symbols), np.diff(self.offsets)), self.session] = flat
        return panel


def evaluate(expression: Expression, table: Table) -> Flat:
    """Return the value of an expression on every own bar.

    Parameters
    ----------
    expression
        Without parameters left in it.
    table
        The flat columns; results are kept in it, so that what rules share is computed once.

    Returns
    -------
    ndarray
        ``(N,)`` float64 for a number (NaN where it is not known), int8 of FALSE, UNKNOWN, TRUE for a condition.
    """
    known = table._known.get(expression)
    if known is None:
        known = _evaluate(expression, table)
        table._known[expression] = known
    return known


def is_true(expression: Expression, table: Table) -> NDArray[np.bool_]:
    """Return ``(S, T)``: a rule's edge, where unknown and absent become False."""
    panel: NDArray[np.bool_] = table.scatter(evaluate(expression, table), FALSE) == TRUE
    return panel


def _evaluate(expression: Expression, table: Table) -> Flat:
    if isinstance(expression, Number):
        return np.full(table.bars, expression.value)
    if isinstance(expression, Column):
        return _column(expression.name, table)
    if isinstance(expression, Output):
        return _indicator(expression.indicator, table)[expression.indicator.outputs.index(expression.name)]
    if isinstance(expression, Indicator):
        return _indicator(expression, table)[only_output(expression)]
    if isinstance(expression, Applied):
        return _applied(expression, table)
    message = f"{expression!r} has no value yet: it stands for a number that the sweep or the strategy must give"
    raise ParameterError(message)


def only_output(indicator: Indicator) -> int:
    """Return 0, or refuse an indicator of several outputs where one series is wanted."""
    if len(indicator.outputs) > 1:
        choices = ", ".join(f".{name}" for name in indicator.outputs)
        message = f"{indicator!r} has several outputs; choose one of {choices}"
        raise ParameterError(message)
    return 0


def _column(name: str, table: Table) -> Flat:
    if name not in table.columns:
        message = (
            f"expected a column {name!r}; the frame has {', '.join(table.columns)}.{did_you_mean(name, table.columns)}"
        )
        raise UnknownNameError(message)
    return table.columns[name]


def _indicator(indicator: Indicator, table: Table) -> tuple[Flat, ...]:
    held = table._known.get(indicator)
    if held is not None:
        return held  # type: ignore[return-value]
    refuse_grid(indicator)
    inputs = [evaluate(expression, table) for expression in indicator.input_expressions()]
    results = tuple(np.empty(table.bars) for _ in indicator.outputs)
    indicator.write(inputs, results, [own for own in table.slices if own.start < own.stop])
    table._known[indicator] = results  # type: ignore[assignment]
    return results


def _applied(expression: Applied, table: Table) -> Flat:
    if expression.name == "shift":
        return _shifted(evaluate(expression.operands[0], table), int(scalar(expression.operands[1])), table)
    operands = [evaluate(operand, table) for operand in expression.operands]
    if expression.name.startswith("crosses"):
        first, second = operands if expression.name == "crosses_above" else operands[::-1]
        return _crosses(first, second, table)
    if expression.name.startswith("rank"):
        return _ranked(operands[0], table, descending=expression.name == "rank_descending")
    return ELEMENTWISE[expression.name](*operands)


def _compare(function: Callable[[Flat, Flat], Flat]) -> Callable[[Flat, Flat], Flat]:
    def compare(left: Flat, right: Flat) -> Flat:
        truth = function(left, right).astype(np.int8)
        truth *= TRUE
        truth[np.isnan(left) | np.isnan(right)] = UNKNOWN
        return truth

    return compare


def _choose(condition: Flat, yes: Flat, no: Flat) -> Flat:
    chosen = np.where(condition == TRUE, yes, no)
    chosen[condition == UNKNOWN] = np.nan if chosen.dtype.kind == "f" else UNKNOWN
    return chosen


def _quiet(function: Callable[..., Flat]) -> Callable[..., Flat]:
    def quiet(*operands: Flat) -> Flat:
        with np.errstate(all="ignore"):
            return function(*operands)

    return quiet


#: Operation -> its NumPy form on flat arrays; also used on arrays of one bar by the streaming form.
ELEMENTWISE: Final[dict[str, Callable[..., Flat]]] = {
    "add": _quiet(np.add),
    "subtract": _quiet(np.subtract),
    "multiply": _quiet(np.multiply),
    "divide": _quiet(np.divide),
    "negative": np.negative,
    "absolute": np.absolute,
    "maximum": _quiet(np.maximum),
    "minimum": _quiet(np.minimum),
    "less": _compare(np.less),
    "less_equal": _compare(np.less_equal),
    "greater": _compare(np.greater),
    "greater_equal": _compare(np.greater_equal),
    "equal": _compare(np.equal),
    "not_equal": _compare(np.not_equal),
    "and": np.minimum,
    "or": np.maximum,
    "not": lambda condition: TRUE - condition,
    "when": _choose,
}


def _shifted(values: Flat, bars: int, table: Table) -> Flat:
    shifted = np.full(len(values), np.nan if values.dtype.kind == "f" else UNKNOWN, dtype=values.dtype)
    for own in table.slices:
        if own.stop - own.start > bars:
            shifted[own.start + bars : own.stop] = values[own.start : own.stop - bars]
    return shifted


def _crosses(first: Flat, second: Flat, table: Table) -> Flat:
    from stockstream_kernels.expressions import crosses

    crossed = np.empty(len(first), dtype=np.int8)
    for own in table.slices:
        crosses(np.ascontiguousarray(first[own]), np.ascontiguousarray(second[own]), np.zeros(1), crossed[own])
    return crossed


def _ranked(values: Flat, table: Table, *, descending: bool) -> Flat:
    """Average ranks of each session's known values."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.lexsort((-values[known] if descending else values[known], table.session[known]))]
    session, ordered = table.session[order], values[order]
    new_day = np.diff(session, prepend=-1) != 0
    new_value = new_day | (np.diff(ordered, prepend=np.nan) != 0)
    position = np.arange(len(order)) - np.maximum.accumulate(np.where(new_day, np.arange(len(order)), 0))
    group = np.cumsum(new_value) - 1
    mean = np.bincount(group, weights=position) / np.bincount(group) if len(order) else np.empty(0)
    ranks = np.full(len(values), np.nan)
    ranks[order] = mean[group] + 1
    return ranks
