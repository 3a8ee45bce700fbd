"""Figures of a result and of a sweep, as Plotly figures for notebooks and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.errors import UnknownNameError, did_you_mean
from stockstream.reports import charts, landscapes, tearsheet
from stockstream.reports.extras import optional
from stockstream.reports.surface import label, surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go
    import polars as pl

    from stockstream.backtesting.result import Result

__all__ = [
    "drawdown",
    "equity",
    "heatmap",
    "monthly_returns",
    "of_result",
    "parallel",
    "prices",
    "relief",
    "sensitivity",
]


def equity(result: Result) -> go.Figure:
    """Draw the equity at each close, in money, and the benchmark bought with the same cash when there is one.

    Raises
    ------
    StockstreamError
        Plotly is not installed; the same holds for the other figures.
    """
    return _figure(charts.equity(result), "Equity")


def drawdown(result: Result) -> go.Figure:
    """Draw the fall below the highest equity so far, a fraction of 0 or less."""
    return _figure(charts.drawdown(result), "Drawdown")


def monthly_returns(result: Result) -> go.Figure:
    """Draw the return of every calendar month, years as rows; without a colour where there was no session."""
    return _figure(charts.monthly(result), "Monthly returns")


def prices(result: Result, symbol: str) -> go.Figure:
    """Draw the closes of one symbol with entries, exits and stops at their fill prices, and the indicators used.

    Trades are round trips: fills that only changed the size of a position are not marked. With more than 200 trades,
    the 200 largest gains and losses are.

    Raises
    ------
    UnknownNameError
        The run has no such symbol.
    """
    return _figure(tearsheet.price_chart(result, symbol), f"{symbol}: closes and trades")


def of_result(result: Result, name: str = "equity") -> go.Figure:
    """Draw a figure of the report by its name.

    Parameters
    ----------
    result
        A finished run.
    name
        ``"equity"``, ``"drawdown"``, ``"rolling-sharpe"``, ``"rolling-volatility"``, ``"exposure"``,
        ``"distribution"``, ``"years"``, ``"excursions"`` (MAE against MFE), ``"holding"`` or ``"monthly"``.

    Raises
    ------
    UnknownNameError
        There is no such figure.
    """
    known = {**tearsheet.FIGURES, "monthly": charts.monthly}
    if name not in known:
        message = f"expected a figure of {', '.join(known)}; found {name!r}.{did_you_mean(name, known)}"
        raise UnknownNameError(message)
    titles = {**tearsheet.RISK, **tearsheet.TRADES, "monthly": "Monthly returns"}
    return _figure(known[name](result), titles.get(name, name.capitalize()))


def heatmap(frame: pl.DataFrame, x: str, y: str, metric: str) -> go.Figure:
    """Draw one metric of a sweep over two of its parameters.

    Parameters
    ----------
    frame
        One row per combination: parameters and metrics as columns.
    x, y
        Columns of the two parameters. Rows that differ in other columns only (symbols, a third parameter) are averaged.
    metric
        Column of numbers; NaN and inf leave a gap.

    Raises
    ------
    UnknownNameError
        A column does not exist.
    ParameterError, DataError
        Twice the same column, a metric that is no number, or no rows.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"fast": [5, 5, 10, 10], "slow": [20, 50, 20, 50], "sharpe": [0.1, 0.4, -0.2, 0.3]})
    >>> [list(row) for row in heatmap(frame, "fast", "slow", "sharpe").data[0].z]
    [[0.1, -0.2], [0.4, 0.3]]
    """
    return _figure(surface(frame, x, y, metric), f"{label(metric)} by {x} and {y}")


def relief(frame: pl.DataFrame, x: str, y: str, metric: str) -> go.Figure:
    """Draw the same as `heatmap` as a surface in three dimensions."""
    return _figure(landscapes.relief(frame, x, y, metric), f"{label(metric)} by {x} and {y}")


def parallel(frame: pl.DataFrame, parameters: Sequence[str], metric: str) -> go.Figure:
    """Draw parallel coordinates: one line per combination through its parameters, coloured by its metric.

    Rows that differ in other columns only are averaged. Of more than 2,000 combinations the best 1,000 are drawn, and
    as many others, evenly by rank.

    Raises
    ------
    UnknownNameError, ParameterError, DataError
        A column does not exist, there is no parameter, or no finite value.
    """
    return _figure(landscapes.parallel(frame, parameters, metric), f"{label(metric)} by all parameters")


def sensitivity(frame: pl.DataFrame, parameter: str, parameters: Sequence[str], metric: str) -> go.Figure:
    """Draw a metric along one parameter: a plateau is worth more than a peak.

    Three lines: through the best combination, with all other parameters as there; the median of the neighbourhood of
    each of those combinations (all parameters at most one step away); and the median of all combinations with that
    value, with their middle half.

    Raises
    ------
    UnknownNameError, ParameterError, DataError
        A column does not exist, there is no parameter, or no finite value.
    """
    return _figure(landscapes.sensitivity(frame, parameter, parameters, metric), f"{label(metric)} along {parameter}")


def _figure(spec: charts.Spec, title: str) -> go.Figure:
    plotly: go = optional("plotly.graph_objects")
    spec["layout"]["margin"]["t"] = 72  # room for the title above the legend
    figure = plotly.Figure(spec)
    figure.update_layout(title={"text": charts.safe(title)}, template="plotly_white")
    return figure
