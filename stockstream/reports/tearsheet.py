"""The report of a run: one HTML page, numbers and tables first, figures when the script has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import stockstream
from stockstream.backtesting.periods import MONTHS
from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.reports import behaviour, charts, overlays, tables, wording
from stockstream.reports.evidence import evidence, interval_table
from stockstream.reports.page import write_page
from stockstream.reports.stress import stress_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stockstream.backtesting.result import Result
    from stockstream.backtesting.review.facts import Audited
    from stockstream.research.resampling import Intervals
    from stockstream.research.stress import Stress

#: Symbols with a price chart, and trades marked on all of them together: what keeps the page below 7 MB.
CHARTED: Final = 10
MARKED: Final = 2000

#: Figures of the page by name, beside the price charts.
FIGURES: Final = {
    "equity": charts.equity,
    "drawdown": charts.drawdown,
    "rolling-sharpe": behaviour.rolling_sharpe,
    "rolling-volatility": behaviour.rolling_volatility,
    "exposure": behaviour.exposure,
    "distribution": behaviour.distribution,
    "years": behaviour.years,
    "excursions": behaviour.excursions,
    "holding": behaviour.holding,
}

#: Figures that share a place, behind tabs: name of the figure -> words on the tab.
RISK: Final = {
    "drawdown": "Underwater",
    "rolling-sharpe": "Rolling Sharpe",
    "rolling-volatility": "Rolling volatility",
    "exposure": "Exposure and turnover",
    "distribution": "Distribution",
    "years": "Years",
}
TRADES: Final = {"excursions": "MAE against MFE", "holding": "Holding time"}


def write_report(
    result: Result,
    path: str | Path,
    *,
    title: str | None = None,
    symbols: Sequence[str] | None = None,
    audit: Audited | None = None,
    stress: Stress | bool = False,
    intervals: Intervals | bool = False,
) -> Path:
    """Write the report of a run as one HTML page that opens without a network, and return its path.

    Parameters
    ----------
    result
        A finished run.
    path
        The file; its folder is made, and a file of that name is replaced.
    title
        Heading; default the strategy's name.
    symbols
        Symbols with a price chart, at most 10; default those with the most trades.
    audit
        The answer of a look-ahead audit of the strategy, for the review.
    stress
        What `Result.stress` answered, for a table of its own; True asks it, which runs the strategy again many times.
    intervals
        What `stockstream.research.resampling.intervals` answered; True asks it, which takes some seconds.

    Raises
    ------
    UnknownNameError
        The run has no such symbol.
    ParameterError
        Too many symbols, or the path cannot be written.
    StockstreamError
        Plotly or Jinja2 is not installed.
    """
    charted = _charted(result, symbols)
    figures = {name: draw(result) for name, draw in FIGURES.items()}
    marked = max(MARKED // max(len(charted), 1), charts.MARKED)
    figures |= {f"price-{place}": price_chart(result, symbol, marked) for place, symbol in enumerate(charted)}
    descriptions = {name: spec["layout"]["meta"]["description"] for name, spec in figures.items()}
    context = _context(result, title, audit) | {"descriptions": descriptions, "charted": charted}
    asked = result.stress() if stress is True else stress
    context["stress"] = stress_table(asked) if asked else None
    context["intervals"] = _intervals(result, intervals or None)
    return write_page("report.html", path, figures=figures, **context)


def price_chart(result: Result, symbol: str, marked: int = charts.MARKED) -> charts.Spec:
    """Return closes of one symbol with its trades, the strategy's indicators, and levels where they were kept."""
    spec = charts.prices(result, symbol, marked)
    return charts.with_overlays(spec, *overlays.indicators(result, symbol), overlays.levels(result, symbol))


def _intervals(result: Result, asked: Intervals | Literal[True] | None) -> dict[str, Any] | None:
    from stockstream.research.resampling import intervals

    if asked is None or asked is not True:
        return None if asked is None else interval_table(asked)
    try:
        return interval_table(intervals(result))
    except StockstreamError as error:  # too few bars, or none that vary: the page says so
        return {"rows": [], "note": f"There are none: {error}."}


def _charted(result: Result, symbols: Sequence[str] | None) -> list[str]:
    if symbols is None:
        return tables.busiest(result, CHARTED)
    chosen = [symbols] if isinstance(symbols, str) else list(dict.fromkeys(symbols))
    for symbol in chosen:
        result.bars.row(symbol)
    if not 0 < len(chosen) <= CHARTED:
        message = f"expected 1 to {CHARTED} symbols to chart; found {len(chosen)}. The tables hold all of them."
        raise ParameterError(message)
    return chosen


def _context(result: Result, title: str | None, audit: Audited | None) -> dict[str, Any]:
    bars = result.bars
    parameters = ", ".join(f"{name} = {value}" for name, value in result.parameters.items())
    names = ", ".join(bars.symbols[:6]) + (f" and {len(bars.symbols) - 6:,} more" if len(bars.symbols) > 6 else "")  # noqa: PLR2004
    return {
        "title": title or result.strategy,
        "strategy": result.strategy,
        "parameters": parameters,
        "names": names,
        "first": str(bars.dates[0]),
        "last": str(bars.dates[-1]),
        "lead": _lead(result),
        "review": result.review(audit=audit),
        "evidence": evidence(result),
        "headlines": tables.headlines(result),
        "months": MONTHS,
        "calendar": tables.calendar(result),
        "measures": tables.measures(result),
        "drawdowns": tables.drawdowns(result),
        "costs": tables.costs_paid(result),
        "risk_tabs": RISK,
        "trade_tabs": TRADES,
        "logarithmic": bool((result.account.equity > 0.0).all()),
        "trades": tables.trades(result),
        "counts": tables.trade_counts(result),
        "by_symbol": tables.by_symbol(result),
        "rules": wording.rules(result),
        "data": wording.data(bars),
        "symbols": len(bars.symbols),
        "version": stockstream.__version__,
    }


def _lead(result: Result) -> str:
    """Say in a sentence what happened."""
    currency, closed, still = result.bars.currency, len(result.ledgers["trades"]), len(result.ledgers["open"])
    start, end = result.settings.cash, result.account.equity[-1]
    trades = f"{counted(closed, 'closed trade')}, {still:,} still open" if still else counted(closed, "closed trade")
    return f"{wording.money(start, currency)} became {wording.money(float(end), currency)}: {trades}."
