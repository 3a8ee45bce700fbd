"""A result in a terminal and in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from stockstream.errors import counted

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result

#: Symbols that a title names before it counts the rest.
NAMED: Final = 6

HEADLINES = (
    ("Total return", "total_return", "{:+.2%}"),
    ("Annual return", "annual_return", "{:+.2%}"),
    ("Sharpe ratio", "sharpe", "{:.2f}"),
    ("Sortino ratio", "sortino", "{:.2f}"),
    ("Maximum drawdown", "max_drawdown", "{:.2%}"),
    ("Win rate", "win_rate", "{:.1%}"),
    ("Profit factor", "profit_factor", "{:.2f}"),
    ("Average win", "average_win", "{:,.2f}"),
    ("Average loss", "average_loss", "{:,.2f}"),
)


def headlines(result: Result) -> list[tuple[str, str]]:
    """Return label and text of the figures that come first."""
    values = result.metrics.to_dict()
    return [
        (label, "n/a" if values[name] != values[name] else form.format(values[name])) for label, name, form in HEADLINES
    ]


def title(result: Result) -> str:
    """Return strategy with parameters, symbols and dates on one line."""
    parameters = ", ".join(f"{name}={value}" for name, value in result.parameters.items())
    more = len(result.bars.symbols) - NAMED
    symbols = ", ".join(result.bars.symbols[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{result.strategy}({parameters}) on {symbols}, {result.bars.dates[0]} to {result.bars.dates[-1]}"


def footnote(result: Result) -> str:
    """Return the counts and the assumptions that a reader must know."""
    settings = result.settings
    fills = "fills at the next open" if settings.fill == "next_open" else "FILLS AT THE CLOSE OF THE DECISION"
    closed, still_open = counted(len(result.ledgers["trades"]), "closed trade"), len(result.ledgers["open"])
    parts = [closed, f"{still_open} open", fills, f"final equity {result.account.equity[-1]:,.2f}"]
    if result.ambiguous_bars:
        parts.append(f"{counted(result.ambiguous_bars, 'ambiguous bar')} ({settings.intrabar})")
    return "; ".join(parts)


def text_summary(result: Result) -> str:
    """Return a few aligned lines."""
    rows = headlines(result)
    width = max(len(label) for label, _ in rows)
    body = "\n".join(f"  {label:<{width}}  {text:>12}" for label, text in rows)
    return f"{title(result)}\n{body}\n  {footnote(result)}"


def html_summary(result: Result) -> str:
    """Return a small table; every text is escaped."""
    cells = "".join(
        f"<tr><td>{html.escape(label)}</td><td style='text-align:right'>{html.escape(text)}</td></tr>"
        for label, text in headlines(result)
    )
    return (
        f"<div><strong>{html.escape(title(result))}</strong><table>{cells}</table>"
        f"<small>{html.escape(footnote(result))}</small></div>"
    )
