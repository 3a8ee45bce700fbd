"""The tables of a report, as text ready to be escaped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from stockstream.backtesting.measures import DEFINITIONS, Definition
from stockstream.backtesting.periods import monthly_returns
from stockstream.errors import counted
from stockstream.reports.drawdowns import deepest
from stockstream.reports.numbers import price, shares

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result

#: Measures that come first, in the order people ask for them.
HEADLINES: Final = (
    "total_return",
    "annual_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "average_win",
    "average_loss",
)
#: Rows of the table of trades and of the table by symbol.
TRADES: Final = 1000
SYMBOLS: Final = 50
#: Rows of the table of drawdowns.
DRAWDOWNS: Final = 10
#: A month that moved that much has the full colour.
FULL_COLOUR: Final = 0.12


class Measure(NamedTuple):
    """One measure: words, value, what it means, why it has no value when it has none, and ``"up"`` or ``"down"``."""

    name: str
    label: str
    text: str
    definition: Definition
    missing: str
    sign: str


class Cell(NamedTuple):
    """A return: its text, ``"up"``, ``"down"`` or ``""``, and how strong its colour is, 0 to 1."""

    text: str
    sign: str
    strength: str


class Year(NamedTuple):
    """One row of the calendar."""

    name: int
    months: list[Cell]
    total: Cell


class Table(NamedTuple):
    """Rows, and a sentence about those left out, empty when none are."""

    rows: list[dict[str, str]]
    left_out: str


def headlines(result: Result) -> list[Measure]:
    """Return the measures that come first."""
    return [measure(result, DEFINITIONS[name]) for name in HEADLINES]


def measures(result: Result) -> list[tuple[str, list[Measure]]]:
    """Return all measures by group; the benchmark's only when there is one."""
    groups: dict[str, list[Measure]] = {}
    for definition, _ in result.metrics.rows():
        groups.setdefault(definition.group, []).append(measure(result, definition))
    return list(groups.items())


def measure(result: Result, definition: Definition) -> Measure:
    """Return one measure, "n/a" with the reason where it is undefined."""
    value = getattr(result.metrics, definition.name)
    if math.isnan(value):
        edges = definition.edges.replace("as alpha", DEFINITIONS["alpha"].edges)
        return Measure(definition.name, definition.label, "n/a", definition, edges or "the run is too short for it", "")
    sign = ""
    if definition.name in {"total_return", "annual_return"}:
        sign = "up" if value > 0 else "down" if value < 0 else ""
    return Measure(definition.name, definition.label, definition.format(value), definition, "", sign)


def calendar(result: Result) -> list[Year]:
    """Return the returns of months and years."""
    years, table, totals = monthly_returns(result)
    return [
        Year(year, [_cell(month, FULL_COLOUR) for month in months], _cell(total, 4 * FULL_COLOUR))
        for year, months, total in zip(years, table, totals, strict=True)
    ]


def _cell(value: float, full: float) -> Cell:
    if math.isnan(value):
        return Cell("", "", "0")
    text = f"{value * 100:.1f}"
    if not float(text):
        return Cell("0.0", "", "0")
    return Cell(text, "up" if value > 0 else "down", f"{min(abs(value) / full, 1.0):.2f}")


def trades(result: Result) -> Table:
    """Return the trades in the order of their entries; when there are too many, the largest gains and losses."""
    frame = result.trades
    left_out = ""
    if frame.height > TRADES:
        left_out = (
            f"The {TRADES:,} largest gains and losses of {frame.height:,} trades; {frame.height - TRADES:,} are left "
            "out. result.trades holds all of them."
        )
        frame = frame.top_k(TRADES, by=frame["pnl"].abs())
    frame = frame.sort("entry_date", "symbol", maintain_order=True)
    return Table([_trade(row) for row in frame.iter_rows(named=True)], left_out)


def _trade(row: dict[str, object]) -> dict[str, str]:
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    return {
        "symbol": str(row["symbol"]),
        "side": str(row["side"]),
        "entry_date": str(row["entry_date"]),
        "entry_price": price(numbers["entry_price"]),
        "exit_date": "open" if row["open"] else str(row["exit_date"]),
        "exit_price": price(numbers["exit_price"]),
        "quantity": shares(numbers["quantity"]),
        "pnl": f"{numbers['pnl']:+,.2f}",
        "return": _signed(numbers["return"]),
        "fees": f"{numbers['fees']:,.2f}",
        "bars": f"{numbers['bars_held']:,.0f}",
        "mae": _signed(numbers["mae"]),
        "mfe": _signed(numbers["mfe"]),
        "why": f"{row['entry_reason']} → {'still held' if row['open'] else row['exit_reason']}",
        "sign": _direction(numbers["pnl"]),
    }


def _signed(fraction: float) -> str:
    return f"{fraction * 100:+,.2f}" if math.isfinite(fraction) else "–"


def _direction(value: float) -> str:
    return "up" if value > 0 else "down" if value < 0 else ""


def drawdowns(result: Result) -> list[dict[str, str]]:
    """Return the deepest drawdowns as text."""
    return [
        {
            "depth": f"{one.depth * 100:.2f}",
            "peak": "the start" if one.peak is None else str(one.peak),
            "bottom": str(one.bottom),
            "recovery": "not yet" if one.recovery is None else str(one.recovery),
            "bars": f"{one.bars:,}",
        }
        for one in deepest(result, DRAWDOWNS)
    ]


def costs_paid(result: Result) -> list[tuple[str, str]]:
    """Return label and text of what trading cost."""
    totals, cash = result.totals, result.settings.cash
    paid = totals.fees + totals.slippage + totals.borrow
    gross = float(result.account.equity[-1]) - cash + paid - totals.interest
    shown = [
        ("Commission", f"{totals.fees:,.2f}"),
        ("Slippage", f"{totals.slippage:,.2f}"),
        ("Borrow fees", f"{totals.borrow:,.2f}"),
        ("Interest received", f"{totals.interest:,.2f}"),
        ("Costs together", f"{paid:,.2f}, {paid / cash:.2%} of the initial cash"),
        ("Bought and sold", f"{totals.traded:,.2f}"),
        ("Result before costs and interest", f"{gross:+,.2f}"),
    ]
    if totals.traded > 0.0:
        shown.append(("Costs of each trade", f"{(totals.fees + totals.slippage) / totals.traded:.3%} of the notional"))
    return shown


def by_symbol(result: Result) -> Table:
    """Return what each symbol made, the most first; when there are too many, those that mattered most."""
    import polars as pl

    won = (pl.col("pnl") > 0).filter(~pl.col("open"))
    sums = result.trades.group_by("symbol").agg(
        (~pl.col("open")).sum().alias("closed"),
        pl.col("open").sum().alias("open"),
        won.mean().alias("win_rate"),
        pl.col("pnl").sum(),
        pl.col("fees").sum(),
    )
    left_out = ""
    if sums.height > SYMBOLS:
        left_out = f"The {SYMBOLS} largest gains and losses of {counted(sums.height, 'traded symbol')}."
        sums = sums.top_k(SYMBOLS, by=sums["pnl"].abs())
    ordered = sums.sort("pnl", "symbol", descending=[True, False])
    return Table([_symbol(row) for row in ordered.iter_rows(named=True)], left_out)


def _symbol(row: dict[str, float]) -> dict[str, str]:
    return {
        "symbol": str(row["symbol"]),
        "closed": f"{row['closed']:,}",
        "open": f"{row['open']:,}",
        "win_rate": "–" if row["win_rate"] is None else DEFINITIONS["win_rate"].format(row["win_rate"]),
        "pnl": f"{row['pnl']:+,.2f}",
        "fees": f"{row['fees']:,.2f}",
        "sign": _direction(row["pnl"]),
    }


def trade_counts(result: Result) -> dict[str, int]:
    """Return the number of trades of each traded symbol, open ones included."""
    return dict(result.trades["symbol"].value_counts().iter_rows())


def busiest(result: Result, limit: int) -> list[str]:
    """Return the symbols with the most trades; untraded ones fill up, in the order of the bars."""
    number = trade_counts(result)
    ranked = sorted(result.bars.symbols, key=lambda symbol: -number.get(symbol, 0))
    return ranked[:limit]
