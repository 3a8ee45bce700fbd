"""More views of a sweep: its surface in space, all its parameters side by side, and one parameter at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.measures import DEFINITIONS
from stockstream.errors import DataError, ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.reports.charts import AMBER, BLUE, GREY, Spec, layout, plain, safe
from stockstream.reports.surface import colours, label, landscape, number_format, ticks
from stockstream.research.neighbours import with_medians

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

#: Lines of parallel coordinates: more are a carpet.
LINES: Final = 2_000

#: A figure without axes of its own kind.
NO_AXES: Final = {"xaxis": {"visible": False}, "yaxis": {"visible": False}}


def relief(frame: pl.DataFrame, x: str, y: str, metric: str) -> Spec:
    """Return the surface of a metric over two parameters, in space."""
    columns, rows, table, text = landscape(frame, x, y, metric)
    numbers = number_format(metric)
    trace: Spec = {
        "type": "surface",
        "x": ticks(columns),
        "y": ticks(rows),
        "z": [plain(row) for row in table],
        "connectgaps": False,
        "colorbar": {"title": {"text": safe(label(metric))}, "tickformat": numbers, "thickness": 14, "outlinewidth": 0},
        "hovertemplate": f"{safe(x)} %{{x}}, {safe(y)} %{{y}}<br>{safe(label(metric))} %{{z:{numbers}}}<extra></extra>",
        **_centred(table[np.isfinite(table)]),
    }
    scene: Spec = {
        "xaxis": {"title": {"text": safe(x)}},
        "yaxis": {"title": {"text": safe(y)}},
        "zaxis": {"title": {"text": safe(label(metric))}, "tickformat": numbers},
        "camera": {"eye": {"x": 1.5, "y": -1.5, "z": 0.9}},
    }
    return {"data": [trace], "layout": layout(text, hovermode="closest", scene=scene, **NO_AXES)}


def parallel(frame: pl.DataFrame, parameters: Sequence[str], metric: str) -> Spec:
    """Return parallel coordinates: one line per combination through its parameters to its metric."""
    known = _combinations(frame, parameters, metric)
    ordered = known.sort(metric, descending=True, maintain_order=True)
    if ordered.height > LINES:  # the best half, and of the others as many as fit, evenly by rank
        rest = ordered.slice(LINES // 2)
        ordered = ordered.head(LINES // 2).vstack(rest.gather_every(math.ceil(rest.height / (LINES // 2))))
    shown = ordered.reverse()  # the best are drawn last, on top
    values = shown[metric].to_numpy()
    dimensions = [{"label": safe(name), "values": shown[name].to_list()} for name in parameters]
    dimensions.append({"label": safe(label(metric)), "values": plain(values), "tickformat": number_format(metric)})
    bar = {"title": {"text": safe(label(metric))}, "tickformat": number_format(metric), "thickness": 14}
    trace: Spec = {
        "type": "parcoords",
        "dimensions": dimensions,
        "line": {"color": plain(values), "showscale": True, "colorbar": bar, **_centred(values)},
    }
    text = (
        f"{shown.height:,} of {counted(known.height, 'combination')}, each a line through its parameters to its "
        f"{label(metric)}. Drag along an axis to keep the lines that pass there. {_span(metric, known)}"
    )
    return {"data": [trace], "layout": layout(text, hovermode="closest", **NO_AXES)}


def sensitivity(frame: pl.DataFrame, parameter: str, parameters: Sequence[str], metric: str) -> Spec:
    """Return a metric along one parameter: through the best combination, around it, and over all combinations."""
    import polars as pl

    if parameter not in parameters:
        message = f"expected one of the parameters {', '.join(parameters)}; found {parameter!r}."
        raise UnknownNameError(message + did_you_mean(parameter, parameters))
    known = with_medians(_combinations(frame, parameters, metric), parameters, metric)
    best = known.sort(metric, descending=True, maintain_order=True).row(0, named=True)
    others = [name for name in parameters if name != parameter]
    here = pl.all_horizontal(pl.lit(value=True), *(pl.col(name) == best[name] for name in others))
    through = known.filter(here).sort(parameter)
    spread = (
        known.group_by(parameter)
        .agg(pl.col(metric).quantile(share, "linear").alias(str(share)) for share in (0.25, 0.5, 0.75))
        .sort(parameter)
    )
    at = spread[parameter].to_list()
    band = {"fill": "toself", "fillcolor": "rgba(125,135,148,0.22)", "line": {"width": 0}, "hoverinfo": "skip"}
    traces: list[Spec] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "All: middle half",
            "x": [*at, *reversed(at)],
            "y": plain([*spread["0.75"], *reversed(spread["0.25"].to_list())]),
            **band,
        },
        _line("All: median", spread[parameter], spread["0.5"], GREY, "dot"),
        _line("Median of the neighbourhood", through[parameter], through[f"{metric}_median"], AMBER, "dash"),
        _line("Through the best", through[parameter], through[metric], BLUE, "solid"),
    ]
    axes: Spec = {
        "xaxis": {"title": {"text": safe(parameter)}, "showgrid": False, "automargin": True},
        "yaxis": {"title": {"text": safe(label(metric))}, "tickformat": number_format(metric), "automargin": True},
    }
    text = _plateau(known, best, parameter, others, metric)
    return {"data": traces, "layout": layout(text, **axes)}


def _line(name: str, x: pl.Series, y: pl.Series, colour: str, dash: str) -> Spec:
    look = {"color": colour, "dash": dash, "width": 2}
    values = plain(y.to_numpy())
    return {"type": "scatter", "mode": "lines+markers", "name": name, "x": x.to_list(), "y": values, "line": look}


def _plateau(known: pl.DataFrame, best: dict[str, Any], parameter: str, others: Sequence[str], metric: str) -> str:
    write = _writer(metric)
    held = f" with {', '.join(f'{name} {best[name]}' for name in others)}" if others else ""
    around = best[f"{metric}_median"]
    robust = known.sort(f"{metric}_median", descending=True, nulls_last=True, maintain_order=True).row(0, named=True)
    place = ", ".join(f"{name} {robust[name]}" for name in (parameter, *others))
    return (
        f"{label(metric)} along {parameter}{held}. The best is {write(best[metric])} at {parameter} {best[parameter]}; "
        f"the median of its neighbourhood is {write(around)}. The best neighbourhood has the median "
        f"{write(robust[f'{metric}_median'])}, around {place}."
    )


def _combinations(frame: pl.DataFrame, parameters: Sequence[str], metric: str) -> pl.DataFrame:
    """Return one row per combination with a finite value: the mean over its symbols."""
    import polars as pl

    for name in (*parameters, metric):
        if name not in frame.columns:
            message = f"the frame has no column {name!r}; it has {', '.join(frame.columns)}."
            raise UnknownNameError(message + did_you_mean(name, frame.columns))
    if not parameters or metric in parameters:
        message = f"expected at least one parameter and a metric beside them; found {', '.join(parameters) or 'none'}"
        raise ParameterError(message)
    value = pl.col(metric).cast(pl.Float64)
    finite = frame.select(*parameters, pl.when(value.is_finite()).then(value).alias(metric)).drop_nulls()
    if finite.is_empty():
        message = f"expected at least one finite {metric!r}; the frame has none"
        raise DataError(message)
    return finite.group_by(parameters, maintain_order=True).agg(pl.col(metric).mean())


def _span(metric: str, known: pl.DataFrame) -> str:
    write, values = _writer(metric), known[metric].to_numpy()
    return f"From {write(values.min())} to {write(values.max())}, the median is {write(float(np.median(values)))}."


def _writer(metric: str) -> Any:
    return DEFINITIONS[metric].format if metric in DEFINITIONS else "{:.4g}".format


def _centred(known: np.ndarray[Any, Any]) -> Spec:
    scale = colours(known)
    return {"colorscale": scale["colorscale"], **({"cmid": 0.0} if "zmid" in scale else {})}
