"""The page on the metrics of a backtest, made from their definitions."""

from __future__ import annotations

from stockstream.backtesting.measures import DEFINITIONS, GROUPS

HEAD = """
# Metrics

The fields of `result.metrics`. `stockstream sweep --metric` and `ss.sweep(metrics=)` take the same names. The tests
compare them with quantstats and empyrical, and with their definitions written once more.

V is the equity at a close, starting from the initial cash; r the return of a bar, n of them for n bars; P the periods a
year (252 for daily bars); f the risk-free return of one period; e = r − f. Fractions are fractions: 0.12 is 12 %.
"""


def metrics_page() -> str:
    """Return the page."""
    lines = [HEAD]
    for group in GROUPS:
        members = [definition for definition in DEFINITIONS.values() if definition.group == group]
        lines += [f"## {group}", "", "| field | is | unit | definition | at the edges |", "|---|---|---|---|---|"]
        lines += [f"| `{d.name}` | {_cell(d.label)} | {d.unit} | {_cell(d.text)} | {_cell(d.edges)} |" for d in members]
        lines.append("")
    return "\n".join(lines).strip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
