"""What each figure of a run shows, as plain data of Plotly's format.

Plain dictionaries, because building Plotly's own objects costs a fresh process a second and a page does not need them;
`stockstream.reports.figures` wraps them for notebooks. Colours carry no meaning alone: each has a name, a shape or a
dash of its own, and 3:1 against a white and against a dark page.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.periods import MONTHS, monthly_returns
from stockstream.errors import counted
from stockstream.reports.decimate import extremes

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from stockstream.backtesting.result import Result

type Spec = dict[str, Any]

BLUE, GREEN, RED, AMBER, GREY, VIOLET = "#2f7ed8", "#1a9850", "#d6404a", "#b8740a", "#7d8794", "#8d5fd3"

#: Points of one line, and trades marked on one price chart.
POINTS: Final = 1200
MARKED: Final = 200
#: Below that many points a line alone may be invisible.
FEW: Final = 40

#: Reasons of leaving that are levels, not decisions.
STOPS: Final = ("stop loss", "trailing stop", "margin call")
TARGETS: Final = ("take profit",)


def plain(values: ArrayLike) -> list[float | None]:
    """Return numbers for JSON: seven significant digits, None for what is not finite."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in np.asarray(values, dtype=np.float64)]


def days(dates: NDArray[np.datetime64]) -> list[str]:
    """Return dates as text."""
    return [str(day) for day in np.datetime_as_string(dates, unit="D")]


def safe(text: object) -> str:
    """Escape a name for Plotly, which reads some HTML in its texts."""
    return html.escape(str(text))


def layout(description: str, **more: Any) -> Spec:
    """Return what all figures share; the description is the text alternative."""
    common: Spec = {
        "margin": {"l": 64, "r": 12, "t": 36, "b": 32},  # l: figures one above the other line up
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "x unified",
        "xaxis": {"showgrid": False, "automargin": True},
        "meta": {"description": description},
    }
    return common | more


def line(dates: NDArray[np.datetime64], values: NDArray[np.float64], name: str, colour: str, **more: Any) -> Spec:
    """Return one line, thinned."""
    kept = extremes(values, POINTS)
    mode = "lines+markers" if len(kept) < FEW else "lines"
    drawn: Spec = {"type": "scatter", "mode": mode, "name": name, "x": days(dates[kept]), "y": plain(values[kept])}
    return drawn | {"line": {"color": colour, "width": 1.6} | more.pop("line", {})} | more


def money_axis(result: Result) -> Spec:
    """Return an axis of money."""
    return {"title": {"text": safe(result.bars.currency)}, "tickformat": "~s", "zeroline": False, "automargin": True}


def equity(result: Result) -> Spec:
    """Return the equity, and the benchmark bought with the same cash."""
    values, dates = result.account.equity, result.bars.dates
    traces = [line(dates, values, "Equity", BLUE, hovertemplate="%{y:,.2f}")]
    text = f"Equity went from {result.settings.cash:,.2f} before {dates[0]} to {values[-1]:,.2f} on {dates[-1]}. "
    high, low = int(values.argmax()), int(values.argmin())
    text += f"Highest {values[high]:,.2f} on {dates[high]}, lowest {values[low]:,.2f} on {dates[low]}."
    if result.benchmark is not None:
        level = result.settings.cash * result.benchmark / result.benchmark[0]
        dashes = {"dash": "dot", "width": 1.4}
        traces.append(line(dates, level, "Benchmark", GREY, hovertemplate="%{y:,.2f}", line=dashes))
        text += f" The benchmark, bought with the same cash, ended at {level[-1]:,.2f}."
    return {"data": traces, "layout": layout(text, yaxis=money_axis(result))}


def drawdown(result: Result) -> Spec:
    """Return the fall below the highest equity so far; nothing is more than lost, as the measure has it."""
    values, dates = np.maximum(result.equity["drawdown"].to_numpy(), -1.0), result.bars.dates
    lowest = int(np.argmin(values))
    deepest, last = (f"{value * 100:.2f} %" for value in (values[lowest], values[-1]))
    text = f"The deepest drawdown was {deepest} on {dates[lowest]}; on the last day it was {last}."
    area = {"fill": "tozeroy", "fillcolor": "rgba(214,64,74,0.25)"}
    trace = line(dates, values, "Drawdown", RED, hovertemplate="%{y:.2%}", **area)
    axis = {"tickformat": ".0%", "rangemode": "tozero", "zeroline": False, "automargin": True}
    return {"data": [trace], "layout": layout(text, yaxis=axis, showlegend=False)}


def monthly(result: Result) -> Spec:
    """Return the calendar of monthly returns."""
    years, table, _ = monthly_returns(result)
    text = [["" if np.isnan(cell) else f"{cell:.1%}" for cell in row] for row in table]
    known = table[~np.isnan(table)]
    trace = {
        "type": "heatmap",
        "x": list(MONTHS),
        "y": [str(year) for year in years],
        "z": [plain(row) for row in table],
        "text": text,
        "texttemplate": "%{text}",
        "colorscale": [[0.0, RED], [0.5, "#f3f1ea"], [1.0, GREEN]],
        "zmid": 0.0,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": "%{x} %{y}: %{z:.2%}<extra></extra>",
    }
    description = f"Returns of {counted(len(known), 'month')}, of which {int((known > 0).sum())} rose."
    axis = {"autorange": "reversed", "type": "category", "showgrid": False, "automargin": True}
    return {"data": [trace], "layout": layout(description, yaxis=axis, hovermode="closest")}


def prices(result: Result, symbol: str, marked: int = MARKED) -> Spec:
    """Return closes of one symbol with its entries, exits and stops, and how many trades there was no room for."""
    bars = result.bars
    closes = bars.close[bars.row(symbol)]
    own = np.flatnonzero(~np.isnan(closes))
    trades = result.trades.filter(result.trades["symbol"] == symbol)
    shown = trades.top_k(marked, by=trades["pnl"].abs()).sort("entry_date") if trades.height > marked else trades
    price = line(bars.dates[own], closes[own], "Close", GREY, hovertemplate="%{x|%Y-%m-%d}: %{y:,.4~f}<extra></extra>")
    description = _price_description(result, symbol, trades, shown, closes[own])
    axis = {"title": {"text": safe(bars.currency)}, "zeroline": False, "automargin": True}
    return {
        "data": [price, *_spans(shown, bars.dates[-1]), *_markers(shown)],
        "layout": layout(description, yaxis=axis, hovermode="closest"),
    }


def with_overlays(spec: Spec, on_prices: list[Spec], below: list[Spec], levels: list[Spec]) -> Spec:
    """Return a price chart with more lines: on its own axis, or in a field of their own below it."""
    names = [trace["name"] for trace in (*on_prices, *below, *levels)]
    if not names:
        return spec
    more: Spec = {}
    if below:
        more["yaxis"] = spec["layout"]["yaxis"] | {"domain": [0.34, 1.0]}
        more["yaxis2"] = {"domain": [0.0, 0.28], "zeroline": False, "automargin": True}
        more["xaxis"] = spec["layout"]["xaxis"] | {"anchor": "y2"}
    meta = {"description": f"{spec['layout']['meta']['description']} With {', '.join(names)}."}
    first, *rest = spec["data"]
    return {"data": [first, *on_prices, *levels, *rest, *below], "layout": spec["layout"] | more | {"meta": meta}}


def _price_description(
    result: Result, symbol: str, trades: pl.DataFrame, shown: pl.DataFrame, closes: NDArray[np.float64]
) -> str:
    if not len(closes):
        return f"{symbol} has no bars."
    open_now = int(trades["open"].sum())
    text = f"{symbol}: close {closes[0]:,.4g} at the start, {closes[-1]:,.4g} at the end; "
    text += (
        f"{counted(trades.height - open_now, 'closed trade')}, {open_now} open, together {trades['pnl'].sum():+,.2f}."
    )
    if shown.height < trades.height:
        text += f" Only the {shown.height} largest gains and losses are drawn."
    if result.bars.delisted.get(symbol):
        text += f" Delisted after {result.bars.delisted[symbol]}."
    return text


def _spans(trades: pl.DataFrame, last: np.datetime64) -> list[Spec]:
    """Return a line from entry to exit of each trade, winners and losers apart."""
    kinds = (("Gain", GREEN, "solid", trades["pnl"] > 0), ("Loss", RED, "dot", trades["pnl"] <= 0))
    spans: list[Spec] = []
    for name, colour, dash, chosen in kinds:
        x: list[str | None] = []
        y: list[float | None] = []
        for row in trades.filter(chosen).iter_rows(named=True):
            x += [str(row["entry_date"]), str(row["exit_date"] or last), None]
            y += [*plain([row["entry_price"], row["exit_price"]]), None]
        if x:
            look = {"line": {"color": colour, "width": 2, "dash": dash}, "hoverinfo": "skip"}
            spans.append({"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, **look})
    return spans


def _markers(trades: pl.DataFrame) -> list[Spec]:
    """Return where trades began and ended, by kind."""
    long, closed = trades["side"] == "long", ~trades["open"]
    stopped = trades["exit_reason"].is_in(STOPS).fill_null(value=False)
    reached = trades["exit_reason"].is_in(TARGETS).fill_null(value=False)
    kinds = (
        ("Entry long", "entry", (BLUE, "triangle-up"), long),
        ("Entry short", "entry", (VIOLET, "triangle-down"), ~long),
        ("Exit", "exit", (AMBER, "circle"), closed & ~stopped & ~reached),
        ("Stop", "exit", (RED, "x"), closed & stopped),
        ("Target", "exit", (GREEN, "star"), closed & reached),
    )
    return [_marker(trades.filter(chosen), name, end, look) for name, end, look, chosen in kinds if chosen.any()]


def _marker(trades: pl.DataFrame, name: str, end: str, look: tuple[str, str]) -> Spec:
    texts = [
        f"{reason}, {quantity:,.6g} shares" + (f", {pnl:+,.2f}" if end == "exit" else "")
        for reason, quantity, pnl in trades.select(f"{end}_reason", "quantity", "pnl").iter_rows()
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [str(day) for day in trades[f"{end}_date"]],
        "y": plain(trades[f"{end}_price"].to_numpy()),
        "text": texts,
        "hovertemplate": f"{name}, %{{x|%Y-%m-%d}} at %{{y:,.4~f}}<br>%{{text}}<extra></extra>",
        "marker": {"color": look[0], "symbol": look[1], "size": 9, "line": {"width": 1, "color": "#ffffff"}},
    }
