"""Indicators whose parameters hold several values: a row for each combination."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stockstream.errors import ParameterError
from stockstream.indicators.calling import Series, as_input, collector_paused, find_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.indicators.indicator import Indicator


def varied(indicator: Indicator) -> tuple[str, ...]:
    """Return the names of the parameters that hold several values."""
    return tuple(name for name, value in indicator.values.items() if isinstance(value, tuple))


def cells(indicator: Indicator) -> list[Indicator]:
    """Return one indicator per combination, in the order of `itertools.product`."""
    values = indicator.values
    axes = [value if isinstance(value, tuple) else (value,) for value in values.values()]
    return [replace(indicator, **dict(zip(values, cell, strict=True))) for cell in itertools.product(*axes)]


def refuse_grid(indicator: Indicator) -> None:
    """Refuse several values where one is meant."""
    if indicator.is_grid:
        message = (
            f"{indicator!r} holds several values of {', '.join(varied(indicator))}; call it on arrays, give one "
            "indicator for each value, or sweep over the parameter"
        )
        raise ParameterError(message)


def grid_rows(indicator: Indicator, series: Sequence[Series]) -> tuple[Series, ...]:
    """Return an array ``(combinations, T)`` per output; in one call where there is a kernel for that."""
    names = varied(indicator)
    count = math.prod(len(getattr(indicator, name)) for name in names)
    rows = tuple(np.empty((count, len(series[0]))) for _ in indicator.outputs)
    if indicator.grid_kernel and names == (next(iter(indicator.values)),):
        _in_one_call(indicator, names[0], series, rows)
    else:
        for place, cell in enumerate(cells(indicator)):
            cell.write(series, [output[place] for output in rows], (slice(None),))
    return rows


def _in_one_call(indicator: Indicator, name: str, series: Sequence[Series], rows: Sequence[Series]) -> None:
    """Compute all values of the first parameter.

    What is allowed for the smallest and for the largest is allowed between, and what the largest remembers is room
    enough.
    """
    windows = getattr(indicator, name)
    ends = [replace(indicator, **{name: end(windows)}) for end in (min, max)]
    kernel, others = find_kernel(indicator.grid_kernel), ends[0].arguments()[1:]
    state = np.zeros(max(end.state_size() for end in ends))
    with collector_paused():
        kernel(*[as_input(values) for values in series], np.array(windows, dtype=np.int64), *others, state, *rows)
