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

    from numpy.typing import NDArray

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
    if indicator.grid_kernel and set(names) <= set(gridded(indicator)):
        _in_one_call(indicator, names, series, rows)
    else:
        for place, cell in enumerate(cells(indicator)):
            cell.write(series, [output[place] for output in rows], (slice(None),))
    return rows


def gridded(indicator: Indicator) -> tuple[str, ...]:
    """Return the names of the parameters that its grid kernel takes many values of."""
    return tuple(indicator.values)[: indicator.grid_parameters]


def _in_one_call(
    indicator: Indicator, names: tuple[str, ...], series: Sequence[Series], rows: Sequence[Series]
) -> None:
    """Compute all values of the first parameters.

    Of one parameter, what is allowed for the smallest and for the largest is allowed between, and what the largest
    remembers is room enough; of several, each combination is checked.
    """
    if indicator.grid_parameters == 1:
        checked = [replace(indicator, **{names[0]: end(getattr(indicator, names[0]))}) for end in (min, max)]
        columns = [np.array(getattr(indicator, names[0]), dtype=np.int64)]
    else:
        checked = cells(indicator)
        columns = [np.array([cell.values[name] for cell in checked], dtype=np.int64) for name in gridded(indicator)]
    run_grid(indicator, columns, (checked[0], checked[-1]), series, rows)


def run_grid(
    indicator: Indicator,
    columns: Sequence[NDArray[np.int64]],
    ends: tuple[Indicator, Indicator],
    series: Sequence[Series],
    rows: Sequence[Series],
) -> None:
    """Call the grid kernel of an indicator.

    ``columns`` are the values ``(P,)`` of each parameter that it takes many of, `ends` two combinations of which one
    needs the longest state, ``rows (P, T)`` the outputs; one of ``(1, T)`` is written over again and again.
    """
    others = ends[0].arguments()[len(columns) :]
    state = np.zeros(max(end.state_size() for end in ends))
    with collector_paused():
        inputs = [as_input(values) for values in series]
        find_kernel(indicator.grid_kernel)(*inputs, *columns, *others, state, *rows)
