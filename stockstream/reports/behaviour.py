"""How a run behaved, as plain data of Plotly's format: rolling risk, exposure, distribution, years and trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.periods import monthly_returns
from stockstream.errors import counted
from stockstream.reports.charts import AMBER, BLUE, GREEN, RED, VIOLET, Spec, layout, line, plain, safe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result

type Series = NDArray[np.float64]

#: Returns in a rolling window, half a year of daily ones; a short run has a window of a quarter of it.
WINDOW: Final = 126
#: Bars of a histogram, and trades drawn as points.
BINS: Final = 41
POINTS: Final = 1500

PERCENT: Final[Spec] = {"tickformat": ".0%", "automargin": True}


def window_of(result: Result) -> int:
    """Return the number of returns in a rolling window."""
    return max(min(WINDOW, len(result.bars) // 4), 2)


def rolling_sharpe(result: Result) -> Spec:
    """Return the Sharpe ratio of the last half year at each close."""
    return _rolled(result, "sharpe", "Sharpe ratio", BLUE, {"zeroline": True, "automargin": True}, "{:.2f}")


def rolling_volatility(result: Result) -> Spec:
    """Return the volatility of the last half year at each close."""
    axis = {**PERCENT, "rangemode": "tozero", "zeroline": False}
    return _rolled(result, "volatility", "Volatility", VIOLET, axis, "{:.1%}")


def _rolled(result: Result, name: str, label: str, colour: str, axis: Spec, form: str) -> Spec:
    window = window_of(result)
    values = result.rolling(window)[name].to_numpy().astype(np.float64)
    known = values[np.isfinite(values)]
    text = f"{label} a year of the last {window} returns. "
    if not len(known):
        return {"data": [], "layout": layout(text + "It is defined on no day of this run.", yaxis=axis)}
    last, low, high = (form.format(value) for value in (known[-1], known.min(), known.max()))
    text += f"From {low} to {high}; at the end {last}."
    hover = "%{y:.2%}" if "%" in form else "%{y:.2f}"
    trace = line(result.bars.dates, values, f"{label}, {counted(window, 'bar')}", colour, hovertemplate=hover)
    return {"data": [trace], "layout": layout(text, yaxis=axis, showlegend=False)}


def exposure(result: Result) -> Spec:
    """Return the gross exposure at each close, and what was traded each month, both as parts of the equity."""
    account, dates = result.account, result.bars.dates
    with np.errstate(divide="ignore", invalid="ignore"):
        gross = np.where(account.equity > 0.0, (account.long_value + account.short_value) / account.equity, np.nan)
    months, traded = _turnover(result)
    mean = float(np.nanmean(gross)) if np.isfinite(gross).any() else 0.0
    most = float(np.nanmax(gross, initial=0.0))
    text = f"Gross exposure was {mean:.0%} of the equity on average and {most:.0%} at most. "
    text += f"In a month {float(np.mean(traded)):.0%} of the equity was bought and sold on average."
    bars: Spec = {
        "type": "bar",
        "name": "Traded in the month",
        "x": [f"{month}-15" for month in np.datetime_as_string(months, unit="M")],
        "y": plain(traded),
        "yaxis": "y2",
        "marker": {"color": AMBER, "opacity": 0.75},
        "hovertemplate": "%{y:.0%}",
    }
    shape = {"shape": "hv", "width": 1.2}
    trace = line(dates, gross, "Gross exposure", BLUE, hovertemplate="%{y:.0%}", line=shape)
    axes = {
        "yaxis": {**PERCENT, "rangemode": "tozero", "domain": [0.42, 1.0], "title": {"text": "exposure"}},
        "yaxis2": {**PERCENT, "rangemode": "tozero", "domain": [0.0, 0.34], "title": {"text": "turnover"}},
        "xaxis": {"showgrid": False, "automargin": True, "anchor": "y2"},
    }
    return {"data": [trace, bars], "layout": layout(text, **axes)}


def _turnover(result: Result) -> tuple[NDArray[np.datetime64], Series]:
    """Return the months of the run and the notional traded in each, as a part of its mean equity."""
    fills, equity = result.ledgers["fills"], result.account.equity
    of_session = result.bars.dates.astype("datetime64[M]").astype(np.int64)
    month = of_session - of_session[0]
    notional = np.abs(fills["quantity"] * fills["price"])
    traded = np.bincount(month[fills["session"]], weights=notional, minlength=month[-1] + 1)
    sessions = np.bincount(month, minlength=month[-1] + 1)
    mean = np.bincount(month, weights=equity, minlength=month[-1] + 1) / np.maximum(sessions, 1)
    known = np.flatnonzero(sessions)
    parts = np.where(mean[known] > 0.0, traded[known] / np.where(mean[known] > 0.0, mean[known], 1.0), 0.0)
    return (known + of_session[0]).astype("datetime64[M]"), parts


def distribution(result: Result) -> Spec:
    """Return how often returns of each size came, beside the normal distribution of the same mean and deviation."""
    returns = result.equity["return"].to_numpy()
    returns = returns[np.isfinite(returns)]
    axis = {"title": {"text": "bars"}, "zeroline": False, "automargin": True}
    axes = {"xaxis": {"tickformat": ".1%", "showgrid": False, "automargin": True}, "yaxis": axis}
    moved = returns[returns != 0.0]
    text = f"{counted(len(returns), 'return')} of one bar, {len(returns) - len(moved):,} of them exactly 0"
    if len(moved) < 2 or moved.min() == moved.max():  # noqa: PLR2004 a histogram of one value says nothing
        return {"data": [], "layout": layout(text + "; too few others to draw.", bargap=0, **axes)}
    counts, edges = np.histogram(moved, bins=BINS)
    centres = (edges[1:] + edges[:-1]) / 2.0
    mean, deviation = float(moved.mean()), float(moved.std(ddof=1))
    normal = np.exp(-(((centres - mean) / deviation) ** 2) / 2.0) / (deviation * np.sqrt(2.0 * np.pi))
    data: list[Spec] = [
        _histogram(centres, counts, "Bars", "%{x:.2%}: %{y:,}<extra></extra>"),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Normal",
            "x": plain(centres),
            "y": plain(normal * len(moved) * (edges[1] - edges[0])),
            "line": {"color": AMBER, "dash": "dot", "width": 1.6},
            "hoverinfo": "skip",
        },
    ]
    text += f" and not drawn. The others lie from {moved.min():.2%} to {moved.max():.2%}, with the mean {mean:.3%}."
    return {"data": data, "layout": layout(text, bargap=0.03, hovermode="closest", **axes)}


def _histogram(places: Series, counts: NDArray[np.int64], name: str, hover: str) -> Spec:
    look = {"color": BLUE, "opacity": 0.85}
    return {
        "type": "bar",
        "name": name,
        "x": plain(places),
        "y": counts.tolist(),
        "marker": look,
        "hovertemplate": hover,
    }


def years(result: Result) -> Spec:
    """Return the return of every calendar year."""
    names, _, returns = monthly_returns(result)
    known = np.isfinite(returns)
    text = f"Returns of {counted(len(names), 'calendar year')}, the first and the last as long as the run makes them. "
    if known.any():
        best, worst = int(np.nanargmax(returns)), int(np.nanargmin(returns))
        text += f"Best {names[best]} ({returns[best]:+.1%}), worst {names[worst]} ({returns[worst]:+.1%})."
    trace: Spec = {
        "type": "bar",
        "x": [str(name) for name in names],
        "y": plain(returns),
        "text": ["" if np.isnan(value) else f"{value:+.1%}" for value in returns],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": [GREEN if value > 0.0 else RED for value in returns]},
        "hovertemplate": "%{x}: %{y:.2%}<extra></extra>",
    }
    axes = {"xaxis": {"type": "category", "showgrid": False, "automargin": True}, "yaxis": PERCENT}
    return {"data": [trace], "layout": layout(text, showlegend=False, hovermode="closest", **axes)}


def excursions(result: Result) -> Spec:
    """Return how far each closed trade went against and with its holder, winners and losers apart."""
    import polars as pl

    closed = result.trades.filter(~pl.col("open"))
    shown = closed.top_k(POINTS, by=closed["pnl"].abs()) if closed.height > POINTS else closed
    text = f"{counted(closed.height, 'closed trade')}: the furthest each went against it (MAE) and with it (MFE)."
    if shown.height < closed.height:
        text += f" Only the {POINTS:,} largest gains and losses are drawn."
    if closed.height:
        given = closed.filter(pl.col("pnl") <= 0.0, pl.col("mfe") > 0.0).height
        text += f" {counted(given, 'losing trade')} had been ahead at some time."
    data = [
        _points(shown.filter(chosen), name, colour, symbol)
        for name, colour, symbol, chosen in (
            ("Gain", GREEN, "circle", pl.col("pnl") > 0.0),
            ("Loss", RED, "x", pl.col("pnl") <= 0.0),
        )
    ]
    axes = {
        "xaxis": {"title": {"text": "MAE"}, "tickformat": ".0%", "automargin": True},
        "yaxis": {"title": {"text": "MFE"}, "tickformat": ".0%", "automargin": True},
    }
    return {"data": data, "layout": layout(text, hovermode="closest", **axes)}


def _points(trades: Any, name: str, colour: str, symbol: str) -> Spec:
    texts = [f"{safe(row[0])}, {row[1]}: {row[2]:+,.2f}" for row in trades.select("symbol", "entry_date", "pnl").rows()]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": plain(trades["mae"].to_numpy()),
        "y": plain(trades["mfe"].to_numpy()),
        "text": texts,
        "hovertemplate": "%{text}<br>MAE %{x:.2%}, MFE %{y:.2%}<extra></extra>",
        "marker": {"color": colour, "symbol": symbol, "size": 6, "opacity": 0.7},
    }


def holding(result: Result) -> Spec:
    """Return how long closed trades were held."""
    bars = result.ledgers["trades"]["bars_held"].astype(np.float64)
    axes = {
        "xaxis": {"title": {"text": "bars held"}, "showgrid": False, "automargin": True},
        "yaxis": {"title": {"text": "trades"}, "zeroline": False, "automargin": True},
    }
    if not len(bars):
        return {"data": [], "layout": layout("No closed trades.", **axes)}
    step = max(int(np.ceil((bars.max() - bars.min() + 1) / BINS)), 1)
    edges = np.arange(bars.min(), bars.max() + step + 1, step) - 0.5
    counts, _ = np.histogram(bars, edges)
    text = f"Closed trades were held for {bars.min():.0f} to {bars.max():.0f} bars, the median is {np.median(bars):g}."
    trace = _histogram((edges[1:] + edges[:-1]) / 2.0, counts, "Trades", "%{x:.0f} bars: %{y:,}<extra></extra>")
    return {"data": [trace], "layout": layout(text, bargap=0.05, showlegend=False, hovermode="closest", **axes)}
