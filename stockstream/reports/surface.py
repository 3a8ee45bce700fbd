"""The surface of a sweep: one metric over two parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from stockstream.backtesting.measures import DEFINITIONS, FRACTION, PER_YEAR
from stockstream.errors import DataError, ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.reports.charts import Spec, layout, plain, safe

if TYPE_CHECKING:
    import polars as pl

#: Below and above zero apart; and one direction, light to dark, that also reads in grey.
DIVERGING: Final = [[0.0, "#a5202b"], [0.25, "#e58a78"], [0.5, "#f3f1ea"], [0.75, "#79b8c9"], [1.0, "#14607a"]]
RING: Final = "#e08a00"
RISING: Final = [[0.0, "#f3f1ea"], [0.35, "#a9cdd2"], [0.7, "#3f8ea5"], [1.0, "#0d4358"]]


class Landscape(NamedTuple):
    """A metric over two parameters: their values, the table ``(len(rows), len(columns))`` and what it says."""

    columns: list[Any]
    rows: list[Any]
    table: np.ndarray[Any, Any]
    text: str


def landscape(frame: pl.DataFrame, x: str, y: str, metric: str) -> Landscape:
    """Lay out a metric; several rows of one cell are averaged, and the description says so."""
    cells, several = _cells(frame, x, y, metric)
    columns, rows = cells[x].unique().sort().to_list(), cells[y].unique().sort().to_list()
    table = np.full((len(rows), len(columns)), np.nan)
    row_of, column_of = ({value: place for place, value in enumerate(values)} for values in (rows, columns))
    for at_x, at_y, value in cells.select(x, y, metric).iter_rows():
        table[row_of[at_y], column_of[at_x]] = math.nan if value is None else value
    known = table[np.isfinite(table)]
    return Landscape(columns, rows, table, _description((x, y, metric), cells, known, several))


def surface(frame: pl.DataFrame, x: str, y: str, metric: str) -> Spec:
    """Return a heatmap."""
    columns, rows, table, text = landscape(frame, x, y, metric)
    numbers, known = number_format(metric), table[np.isfinite(table)]
    trace: Spec = {
        "type": "heatmap",
        "x": ticks(columns),
        "y": ticks(rows),
        "z": [plain(row) for row in table],
        "colorbar": {"title": {"text": safe(label(metric))}, "tickformat": numbers, "thickness": 14, "outlinewidth": 0},
        "hoverongaps": False,
        "hovertemplate": f"{safe(x)} %{{x}}, {safe(y)} %{{y}}<br>{safe(label(metric))} %{{z:{numbers}}}<extra></extra>",
        **colours(known),
    }
    axes: Spec = {
        axis: {"title": {"text": safe(name)}, "showgrid": False, "zeroline": False, "automargin": True}
        for axis, name in (("xaxis", x), ("yaxis", y))
    }
    frame_of = layout(text, hovermode="closest", showlegend=False, **axes)
    return {"data": [trace, *_highest(table, trace)], "layout": frame_of}


def label(metric: str) -> str:
    """Return the words for a metric."""
    return DEFINITIONS[metric].label if metric in DEFINITIONS else metric


def _cells(frame: pl.DataFrame, x: str, y: str, metric: str) -> tuple[pl.DataFrame, int]:
    """Return one row per pair of parameters, and the most rows that one of them stands for."""
    import polars as pl

    for name in (x, y, metric):
        if name not in frame.columns:
            meant = did_you_mean(name, frame.columns)
            message = f"the frame has no column {name!r}; it has {', '.join(frame.columns)}.{meant}"
            raise UnknownNameError(message)
    if len({x, y, metric}) < 3:  # noqa: PLR2004 three columns, each once
        message = f"expected two different parameters and a metric; found {x!r}, {y!r} and {metric!r}"
        raise ParameterError(message)
    if not frame.schema[metric].is_numeric():
        message = f"expected numbers in the metric {metric!r}; found {frame.schema[metric]}"
        raise ParameterError(message)
    known = frame.drop_nulls([x, y])
    if known.is_empty():
        message = f"expected at least one row with {x!r} and {y!r}; the frame has none"
        raise DataError(message)
    value = pl.col(metric).cast(pl.Float64)
    finite = pl.when(value.is_finite()).then(value)  # a profit factor of inf has no place on a colour scale
    cells = known.group_by(x, y).agg(finite.mean(), pl.len().alias("__rows"))
    return cells.drop("__rows"), int(cells["__rows"].max())  # type: ignore[arg-type]


def _description(names: tuple[str, str, str], cells: pl.DataFrame, known: np.ndarray[Any, Any], several: int) -> str:
    x, y, metric = names
    text = f"{label(metric)} of {counted(cells.height, 'combination')} of {x} and {y}"
    text += f", each the mean of up to {several:,} rows. " if several > 1 else ". "
    write = DEFINITIONS[metric].format if metric in DEFINITIONS else "{:.4g}".format
    if not len(known):
        return text + "It is defined for none of them."
    best = cells.filter(cells[metric] == cells[metric].max()).sort(x, y).row(0, named=True)
    text += f"From {write(float(known.min()))} to {write(float(known.max()))}, "
    return text + f"the highest at {x} {best[x]}, {y} {best[y]}; the median is {write(float(np.median(known)))}."


def ticks(values: list[Any]) -> list[Any]:
    """Return values for an axis, texts escaped."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return values if numeric else [safe(value) for value in values]


def number_format(metric: str) -> str:
    """Return how an axis writes a metric."""
    fraction = metric in DEFINITIONS and DEFINITIONS[metric].unit in {FRACTION, PER_YEAR}
    return ".1%" if fraction else ",.3~f"


def colours(known: np.ndarray[Any, Any]) -> Spec:
    """Return a scale that parts gains from losses where there are both."""
    if len(known) and known.min() < 0.0 < known.max():
        return {"colorscale": DIVERGING, "zmid": 0.0}
    return {"colorscale": RISING}


def _highest(table: np.ndarray[Any, Any], trace: Spec) -> list[Spec]:
    """Return a ring around the highest cell."""
    if not np.isfinite(table).any():
        return []
    row, column = np.unravel_index(int(np.nanargmax(table)), table.shape)
    ring = {"symbol": "circle-open", "size": 14, "color": RING, "line": {"width": 3}}
    place = {"x": [trace["x"][column]], "y": [trace["y"][row]], "hoverinfo": "skip", "marker": ring}
    return [{"type": "scatter", "mode": "markers", "name": "highest", **place}]
