"""The combinations of a sweep: a table of parameters, checked before anything runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.backtesting.strategy import constructor_parameters
from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

type Grid = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]


def combinations(strategy: type, grid: Grid, where: pl.Expr | None) -> pl.DataFrame:
    """Return one row per combination.

    Parameters
    ----------
    strategy
        The class; its constructor says which parameters there are.
    grid
        Name -> values, for all combinations; or a list of combinations.
    where
        Polars expression that a combination must satisfy.

    Raises
    ------
    ParameterError, UnknownNameError
        An empty grid, a parameter the strategy does not have, the same value twice, NaN, or a constraint that leaves
        nothing.
    """
    import polars as pl

    known = constructor_parameters(strategy)
    frame = _product(grid, known) if isinstance(grid, Mapping) else _listed(grid, known)
    if where is None:
        return frame
    try:
        kept = frame.filter(where)
    except pl.exceptions.PolarsError as error:
        message = f"the constraint does not fit the parameters {', '.join(frame.columns)}: {str(error).splitlines()[0]}"
        raise ParameterError(message) from error
    if kept.height == 0:
        message = f"the constraint removes all {frame.height:,} combinations; loosen it or widen the grid"
        raise ParameterError(message)
    return kept


def _product(grid: Mapping[str, Iterable[Any]], known: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    axes = {name: _axis(name, values, known) for name, values in grid.items()}
    if not axes:
        message = (
            f"expected at least one parameter with values; found an empty grid. The strategy has {', '.join(known)}"
        )
        raise ParameterError(message)
    frame = pl.DataFrame({"_": [0]})
    for name, values in axes.items():
        frame = frame.join(pl.DataFrame({name: values}), how="cross")
    return frame.drop("_")


def _listed(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    names = list(rows[0]) if rows else []
    if not names or any(list(row) != names for row in rows):
        message = (
            "expected a list of combinations that all name the same parameters, "
            "such as [{'period': 10}, {'period': 20}]"
        )
        raise ParameterError(message)
    for name in names:
        for row in rows:
            _check(name, row[name], known)
    frame = pl.DataFrame({name: [row[name] for row in rows] for name in names})
    if frame.n_unique() != frame.height:
        message = f"expected each combination once; {frame.height - frame.n_unique()} are repeated"
        raise ParameterError(message)
    return frame


def _axis(name: str, values: Iterable[Any], known: Mapping[str, Any]) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = [values]
    listed = [value.item() if isinstance(value, np.generic) else value for value in values]
    for value in itertools.chain([None] if not listed else [], listed):
        if value is None:
            message = f"expected at least one value for {name!r}; found none"
            raise ParameterError(message)
        _check(name, value, known)
    if len(set(listed)) != len(listed):
        message = f"expected each value of {name!r} once; found {len(listed) - len(set(listed))} repeated"
        raise ParameterError(message)
    return listed


def _check(name: str, value: Any, known: Mapping[str, Any]) -> None:
    if name not in known:
        message = f"the strategy has no parameter {name!r}; it has {', '.join(known)}.{did_you_mean(name, known)}"
        raise UnknownNameError(message)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        message = f"expected finite numbers for {name!r}; found {value!r}"
        raise ParameterError(message)
