"""How a run was made, in plain words: fills, costs, sizing and data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from stockstream.errors import counted
from stockstream.reports.numbers import percent, trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.backtesting.costs import Commission, Costs, Slippage, Venue
    from stockstream.backtesting.engine import Settings
    from stockstream.backtesting.result import Result
    from stockstream.backtesting.sizing import Sizing
    from stockstream.bars import Bars

#: Most names in a list of symbols, and most characters of one value from outside.
NAMED: Final = 60
LONGEST: Final = 400


def rules(result: Result) -> list[tuple[str, str]]:
    """Return label and sentence of every assumption behind the fills."""
    settings = result.settings
    shown = [
        *terms(settings, result.bars.currency),
        ("Most positions at once", "no limit" if settings.max_positions is None else str(settings.max_positions)),
        ("Stop and target in one bar", f"{settings.intrabar}: {_intrabar(settings)}; {_ambiguity(result)}"),
        ("Measures", f"{trimmed(settings.periods_per_year)} bars a year, risk-free rate {percent(settings.risk_free)}"),
    ]
    if result.bars.dividend is not None:
        shown.append(("Dividends", "credited as cash" if settings.dividends == "cash" else "reinvested without a fee"))
    if settings.delist_loss or result.bars.delisted:
        shown.append(("Delisting", f"a held symbol is sold at its last price less {percent(settings.delist_loss)}"))
    return shown


def terms(settings: Settings, currency: str) -> list[tuple[str, str]]:
    """Return label and sentence of cash, fills, size, costs and leverage."""
    return [
        ("Initial cash", money(settings.cash, currency)),
        ("Fills", _fills(settings)),
        ("Size of an entry", _sizing(settings.sizing)),
        *_costs(settings.costs),
        ("Leverage", _leverage(settings)),
    ]


def _fills(settings: Settings) -> str:
    if settings.fill == "close":
        return "at the close of the decision itself"
    return "a decision after a close is filled at the symbol's next open; stops and targets inside later bars"


def _intrabar(settings: Settings) -> str:
    return "the stop is taken first" if settings.intrabar == "pessimistic" else "the target is taken first"


def _ambiguity(result: Result) -> str:
    found = result.ambiguous_bars
    return f"{counted(found, 'ambiguous bar')}" if found else "no ambiguous bars"


def _sizing(sizing: Sizing) -> str:
    words = {
        "all_cash": "all buying power, fee included",
        "shares": f"{trimmed(sizing.amount)} shares",
        "value": f"{trimmed(sizing.amount)} of money at the unslipped price",
        "weight": f"{percent(sizing.amount)} of the equity, fee included",
        "risk": f"loses {percent(sizing.amount)} of the equity if its stop is hit",
        "volatility": f"{percent(sizing.amount)} volatility a year, by the last {sizing.window} returns",
    }
    when = "with the prices of the fill" if sizing.at == "fill" else "with the close of the decision"
    return f"{words.get(sizing.kind, sizing.kind)}, sized {when}"


def _costs(costs: Costs) -> list[tuple[str, str]]:
    shown = [("Commission", _commission(costs.commission)), ("Slippage", _slippage(costs.slippage))]
    if costs.borrow_rate:
        shown.append(("Borrowing", f"{percent(costs.borrow_rate)} a year on shorts and borrowed cash"))
    if costs.cash_rate:
        shown.append(("Interest on cash", f"{percent(costs.cash_rate)} a year"))
    if costs.participation:
        shown.append(("Volume cap", f"at most {percent(costs.participation)} of a day's volume; the rest waits"))
    if venue := _venue(costs.venue):
        shown.append(("Exchange", venue))
    return shown


def _slippage(slippage: Slippage) -> str:
    parts = [f"{percent(slippage.rate)} of the price"] if slippage.rate else []
    steps = "price step" if slippage.ticks == 1.0 else "price steps"
    parts += [f"{trimmed(slippage.ticks)} {steps}"] if slippage.ticks else []
    if not parts:
        return "none"
    return (
        f"{parts[0]}, against the trader"
        if len(parts) == 1
        else f"the larger of {' and '.join(parts)}, against the trader"
    )


def _commission(commission: Commission) -> str:
    parts = [f"{percent(commission.rate)} of the notional"] if commission.rate else []
    parts += [f"{trimmed(commission.per_share)} a share"] if commission.per_share else []
    for tier in commission.tiers:
        bound = "above" if math.isinf(tier.up_to) else f"up to {trimmed(tier.up_to)}"
        fixed, rate = ([trimmed(tier.fixed)] if tier.fixed else []), ([percent(tier.rate)] if tier.rate else [])
        parts.append(f"{bound}: {' plus '.join(fixed + rate) or '0'}")
    parts += [f"at least {trimmed(commission.minimum)} a fill"] if commission.minimum else []
    return "; ".join(parts) or "none"


def _venue(venue: Venue) -> str:
    parts = [f"lots of {counted(int(venue.lot), 'share')}"] if venue.lot else []
    parts += [f"first parcel of at least {trimmed(venue.parcel)}"] if venue.parcel else []
    parts += ["price steps of the exchange"] if venue.ticks else []
    parts += [f"sales settle after {counted(venue.settlement, 'session')}"] if venue.settlement else []
    return "; ".join(parts)


def _leverage(settings: Settings) -> str:
    if settings.leverage <= 1.0:
        return "none: gross exposure up to the equity"
    limit, least = trimmed(settings.leverage), percent(settings.maintenance)
    return f"gross exposure up to {limit} × the equity; all is sold when the equity is below {least} of it"


def data(bars: Bars) -> list[tuple[str, str]]:
    """Return label and text of where the prices came from and what they cover."""
    symbols, sessions = bars.shape
    present, possible = int(bars.present.sum()), symbols * sessions
    shown = [
        ("Symbols", f"{symbols:,}: {_listed(bars.symbols)}"),
        ("Sessions", f"{sessions:,}, {bars.dates[0]} to {bars.dates[-1]}"),
        ("Bars", f"{present:,} of {possible:,} ({present / possible * 100:.1f} % of all symbols on all sessions)"),
        ("Currency", bars.currency or "not stated"),
    ]
    if bars.delisted:
        shown.append(("Delisted", _listed([f"{name} {day}" for name, day in bars.delisted.items()])))
    held = [name for name in ("dividend", "split", "price_factor", "volume_factor") if getattr(bars, name) is not None]
    shown.append(("Events and factors", ", ".join(name.replace("_", " ") for name in held) or "none carried"))
    shown += [(str(name).replace("_", " ").capitalize(), _value(value)) for name, value in bars.provenance.items()]
    if not bars.provenance:
        shown.append(("Origin", "not stated: the bars were built from a frame or arrays, not read from a lake"))
    return shown


def money(value: float, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{value:,.2f} {currency}".rstrip()


def _listed(names: Iterable[str]) -> str:
    chosen = list(names)
    more = f" and {len(chosen) - NAMED:,} more" if len(chosen) > NAMED else ""
    return ", ".join(chosen[:NAMED]) + more


def _value(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
