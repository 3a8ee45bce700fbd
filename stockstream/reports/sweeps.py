"""The report of a sweep: one HTML page with the best combinations, the views, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import stockstream
from stockstream.backtesting.measures import DEFINITIONS
from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.reports import landscapes, wording
from stockstream.reports.numbers import trimmed
from stockstream.reports.page import write_page
from stockstream.reports.surface import label, surface
from stockstream.research.deflation import said_of_best
from stockstream.research.neighbours import MOST_PARAMETERS, with_medians

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from stockstream.research.results import Sweep

#: Combinations in the table, failures in the list, and combinations that a page looks at.
BEST: Final = 20
FAILURES: Final = 20
MOST: Final = 1_000_000

#: Measures shown beside the one that ranks.
BESIDE: Final = ("total_return", "sharpe", "max_drawdown", "trades")


def write_sweep(sweep: Sweep, path: str | Path, metric: str) -> Path:
    """Write the report of a sweep as one HTML page that opens without a network, and return its path.

    Parameters
    ----------
    sweep
        A finished sweep; of several symbols each combination is shown by its mean.
    path
        The file; its folder is made, and a file of that name is replaced.
    metric
        What ranks, one of the sweep's metrics.

    Raises
    ------
    ParameterError
        Nothing ran with a value of the metric, too many combinations for a page, or the path cannot be written.
    StockstreamError
        Plotly or Jinja2 is not installed.
    """
    frame = _averaged(sweep, metric)
    figures = _figures(sweep, frame, metric)
    descriptions = {name: spec["layout"]["meta"]["description"] for name, spec in figures.items()}
    context = _context(sweep, frame, metric) | {"descriptions": descriptions}
    return write_page("sweep.html", path, figures=figures, **context)


def _averaged(sweep: Sweep, metric: str) -> pl.DataFrame:
    import polars as pl
    from polars import selectors

    if sweep.combinations > MOST:
        message = (
            f"expected at most {MOST:,} combinations on a page; found {sweep.combinations:,}. Draw single figures, or "
            "sweep a coarser grid."
        )
        raise ParameterError(message)
    kept = [name for name in dict.fromkeys([metric, *BESIDE]) if name in sweep.metrics]
    rows = sweep.rows.select(*sweep.parameters, *kept).with_columns(selectors.float().fill_nan(None))
    frame = rows.group_by(sweep.parameters, maintain_order=True).agg(pl.col(kept).mean()).collect()
    if frame[metric].drop_nulls().is_empty():
        message = f"expected at least one run with a value of {metric!r}; there is none"
        raise ParameterError(message)
    return frame


def _figures(sweep: Sweep, frame: pl.DataFrame, metric: str) -> dict[str, Any]:
    varied = _varied(sweep, frame)
    figures: dict[str, Any] = {}
    if len(varied) > 1:
        figures["heatmap"] = surface(frame, varied[0], varied[1], metric)
        figures["relief"] = landscapes.relief(frame, varied[0], varied[1], metric)
        figures["parallel"] = landscapes.parallel(frame, sweep.parameters, metric)
    for place, name in enumerate(sorted(varied, key=sweep.parameters.index)[:MOST_PARAMETERS]):
        figures[f"along-{place}"] = landscapes.sensitivity(frame, name, sweep.parameters, metric)
    return figures


def _varied(sweep: Sweep, frame: pl.DataFrame) -> list[str]:
    """Return the parameters that vary, those with the most values first."""
    sizes = {name: frame[name].n_unique() for name in sweep.parameters}
    varied = [name for name in sizes if sizes[name] > 1] or list(sweep.parameters[:1])
    return sorted(varied, key=lambda name: -sizes[name])


def _context(sweep: Sweep, frame: pl.DataFrame, metric: str) -> dict[str, Any]:
    known = frame.filter(frame[metric].is_not_null())
    ranked = with_medians(known, sweep.parameters, metric).sort(metric, descending=True, maintain_order=True)
    robust = ranked.sort(f"{metric}_median", descending=True, nulls_last=True, maintain_order=True)
    varied = sorted(_varied(sweep, frame), key=sweep.parameters.index)
    return {
        "title": sweep.strategy.__name__,
        "metric": label(metric),
        "names": ", ".join(sweep.bars.symbols[:6]) + (" and more" if len(sweep.bars.symbols) > 6 else ""),  # noqa: PLR2004
        "first": str(sweep.bars.dates[0]),
        "last": str(sweep.bars.dates[-1]),
        "lead": _lead(sweep),
        "review": sweep.review(metric),
        "verdict": _verdict(sweep),
        "columns": [*sweep.parameters, *map(_heading, ranked.columns[len(sweep.parameters) :])],
        "best": _rows(ranked.head(BEST), sweep),
        "robust": _rows(robust.head(BEST), sweep),
        "along": list(enumerate(varied[:MOST_PARAMETERS])),
        "failures": _failures(sweep),
        "terms": [*_grid(sweep, frame), *wording.terms(sweep.settings, sweep.bars.currency)],
        "data": wording.data(sweep.bars),
        "way": str(sweep.path),
        "version": stockstream.__version__,
    }


def _lead(sweep: Sweep) -> str:
    on = ", one account for all symbols" if sweep.portfolio == "shared" else ", each symbol by itself"
    on = "" if len(sweep.bars.symbols) == 1 else on
    said = said_of_best(sweep)
    worth = f" {said[0].upper()}{said[1:]}." if said else ""
    failed = f" {counted(sweep.failed, 'combination')} could not run." if sweep.failed else ""
    ended = "" if sweep.complete else " The sweep was ended early."
    symbols = len(sweep.bars.symbols)
    return f"{counted(sweep.combinations, 'combination')} on {counted(symbols, 'symbol')}{on}.{failed}{ended}{worth}"


def _verdict(sweep: Sweep) -> dict[str, Any]:
    """Return the sentence and the figures behind it, or why there are none."""
    try:
        verdict = sweep.verdict()
    except StockstreamError as error:
        return {"sentence": f"Nothing can be said: {error}.", "lines": []}
    return {"sentence": verdict.sentence, "lines": verdict.lines()}


def _heading(name: str) -> str:
    return "Median around" if name.endswith("_median") else label(name)


def _rows(frame: pl.DataFrame, sweep: Sweep) -> list[list[str]]:
    def text(name: str, value: Any) -> str:
        if value is None:
            return "–"
        if name in sweep.parameters:
            return trimmed(float(value))
        written = name.removesuffix("_median")
        return DEFINITIONS[written].format(value) if written in DEFINITIONS else f"{value:.4g}"

    return [[text(name, value) for name, value in row.items()] for row in frame.to_dicts()]


def _failures(sweep: Sweep) -> list[tuple[str, str]]:
    shown = []
    for row in sweep.failures.head(FAILURES).to_dicts():
        values = ", ".join(f"{name} = {row[name]}" for name in sweep.parameters if row[name] is not None)
        shown.append((f"{counted(row['combinations'], 'combination')}: {values}", row["reason"]))
    return shown


def _grid(sweep: Sweep, frame: pl.DataFrame) -> list[tuple[str, str]]:
    shown = []
    for name in sweep.parameters:
        values = frame[name].unique().sort()
        ends = f"{trimmed(float(values[0]))} to {trimmed(float(values[-1]))}"
        shown.append((name, trimmed(float(values[0])) if len(values) == 1 else f"{len(values):,} values, {ends}"))
    return shown
