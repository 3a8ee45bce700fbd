"""What an event strategy may answer: frozen descriptions of orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Final, Self

from stockstream.errors import ParameterError, did_you_mean

KINDS: Final = ("buy", "sell", "close", "target", "cancel", "signal")
LIVES: Final = {"default": 5, "day": 1, "gtc": 0}


@dataclass(frozen=True, kw_only=True)
class Action:
    """One order, or the cancelling of orders; make it with `buy`, `sell`, `close`, `target` or `cancel`.

    Attributes
    ----------
    kind
        ``"buy"``, ``"sell"``, ``"close"``, ``"target"``, ``"cancel"`` or ``"signal"``.
    symbol
        None is the symbol of the bar.
    quantity, value, weight
        Shares, notional in money, or fraction of equity; none of them means the run's sizing.
    limit, stop
        Prices that make it a limit, stop or stop-limit order; none is a market order.
    stop_loss, take_profit, trailing_stop
        Distances from the fill price of the position it opens: fractions, unless `distances` is ``"money"``.
    max_bars
        Leave after that many own bars.
    time_in_force
        ``"day"`` is good for the next own bar, ``"gtc"`` until cancelled, ``"default"`` for 5 own bars.
    """

    kind: str
    symbol: str | None = None
    quantity: float | None = None
    value: float | None = None
    weight: float | None = None
    limit: float | None = None
    stop: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    distances: str = "fraction"
    max_bars: int = 0
    time_in_force: str = "default"
    code: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            message = f"expected an action of {', '.join(KINDS)}; found {self.kind!r}.{did_you_mean(self.kind, KINDS)}"
            raise ParameterError(message)
        if sum(size is not None for size in (self.quantity, self.value, self.weight)) > 1:
            message = f"expected one of quantity, value and weight; found several in {self!r}"
            raise ParameterError(message)
        if self.time_in_force not in LIVES:
            message = f"expected time_in_force {', '.join(LIVES)}; found {self.time_in_force!r}"
            raise ParameterError(message)
        if self.distances not in ("fraction", "money"):
            message = f"expected distances='fraction' or 'money'; found {self.distances!r}"
            raise ParameterError(message)
        for name in ("limit", "stop", "stop_loss", "take_profit", "trailing_stop"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
                message = f"expected {name} above 0; found {value!r}"
                raise ParameterError(message)
        for name in ("quantity", "value", "weight"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Real):
                message = f"expected {name} to be a number; found {value!r}"
                raise ParameterError(message)
        if not isinstance(self.max_bars, Integral) or int(self.max_bars) < 0:
            message = f"expected max_bars to be a whole number, 0 for no end; found {self.max_bars!r}"
            raise ParameterError(message)

    @classmethod
    def buy(cls, *, symbol: str | None = None, **details: Any) -> Self:
        """Buy: open or add to a long, or reduce a short and go on to the other side."""
        return cls(kind="buy", symbol=symbol, **details)

    @classmethod
    def sell(cls, *, symbol: str | None = None, **details: Any) -> Self:
        """Sell: open or add to a short, or reduce a long and go on to the other side."""
        return cls(kind="sell", symbol=symbol, **details)

    @classmethod
    def close(cls, *, symbol: str | None = None, **details: Any) -> Self:
        """Close the whole position."""
        return cls(kind="close", symbol=symbol, **details)

    @classmethod
    def target(cls, *, symbol: str | None = None, **details: Any) -> Self:
        """Trade to a number of shares (`quantity`) or a fraction of equity (`weight`); negative is short."""
        return cls(kind="target", symbol=symbol, **details)

    @classmethod
    def cancel(cls, *, symbol: str | None = None) -> Self:
        """Cancel the waiting orders of the symbol; ordering anew replaces them."""
        return cls(kind="cancel", symbol=symbol)

    @classmethod
    def signal(cls, code: int) -> Self:
        """Act on signals as rules do: 1 enter long, 2 exit long, 4 enter short, 8 exit short, added up."""
        return cls(kind="signal", code=code)
