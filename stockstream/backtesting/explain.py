"""Why something happened, or did not, on one bar of one symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import ledger

from stockstream.errors import DataError
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.panels import Day

#: Shares that are only what rounding left.
ROUNDING: Final = 1e-9


def explain(result: Result, day: Day, symbol: str) -> str:
    """Return a few sentences: the bar, every order that was made, waited or ended on it, and its fills."""
    bars, row = result.bars, result.bars.row(symbol)
    date = np.datetime64(day, "D")
    session = int(np.searchsorted(bars.dates, date))
    if session >= len(bars.dates) or bars.dates[session] != date:
        message = f"{date} is not a session of these bars; they run from {bars.dates[0]} to {bars.dates[-1]}"
        raise DataError(message)
    orders = result.ledgers["orders"]
    lines = [_bar(result, row, session)]
    for number in np.flatnonzero(orders["symbol"] == row):
        text = _order(result, int(number), session)
        if text:
            lines.append(text)
    if len(lines) == 1:
        lines.append(_nothing(result, row, session))
    return "\n".join(lines)


def _bar(result: Result, row: int, session: int) -> str:
    bars = result.bars
    head = f"{bars.symbols[row]} on {bars.dates[session]}: "
    if np.isnan(bars.close[row, session]):
        return head + "no bar, so nothing could be filled; a position is marked at its last known close."
    values = ", ".join(f"{name} {getattr(bars, name)[row, session]:.10g}" for name in OHLCV)
    no_trade = " No trade on this day, so nothing could be filled." if bars.volume[row, session] == 0 else ""
    return f"{head}{values}.{no_trade}"


def _order(result: Result, number: int, session: int) -> str:
    order, dates = result.ledgers["orders"][number], result.bars.dates
    fills = result.ledgers["fills"]
    own = fills[(fills["order"] == number) & (fills["session"] == session)]
    made = order["created"] == session
    waiting = order["created"] < session and (order["filled_on"] == ledger.NEVER or order["filled_on"] >= session)
    if not (made or len(own) or (waiting and order["status"] != ledger.FILLED)):
        return ""
    side = {1: "buy", -1: "sell", 0: "trade to"}[int(order["side"])]
    size = ledger.SIZES[order["size_kind"]]
    amount = "" if size in ("all cash", "close") else f" {order['size']:.10g}"
    cause = ledger.REASONS[order["cause"]]
    text = f"Order {number} ({cause} of {dates[order['created']]}: {side} {size}{amount}): "
    return text + _outcome(order, own, session)


def _outcome(order: Any, own: Any, session: int) -> str:
    reason = ledger.REASONS[order["reason"]]
    if len(own):
        filled = ", ".join(f"{abs(f['quantity']):.10g} at {f['price']:.10g}" for f in own)
        asked = abs(order["asked"])
        short = f" of {asked:.10g} asked" if np.isfinite(asked) and asked > abs(order["filled"]) else ""
        fees = sum(float(f["fee"]) for f in own)
        return f"filled {filled}{short}{f', fee {fees:.10g}' if fees else ''}{f' ({reason})' if reason else ''}."
    if order["created"] == session and order["filled_on"] > session:
        return "made at this close, to be filled later."
    money = f", {order['cash']:.2f} could be spent" if np.isfinite(order["cash"]) else ""
    return f"{ledger.STATUSES[order['status']]}: {reason or 'no reason recorded'}{money}."


def _nothing(result: Result, row: int, session: int) -> str:
    fills = result.ledgers["fills"]
    held = fills["quantity"][(fills["symbol"] == row) & (fills["session"] <= session)].sum()
    state = "nothing was held" if abs(held) < ROUNDING else f"{held:.10g} shares were held"
    return f"No order was made, waited or ended on this bar; {state}."
