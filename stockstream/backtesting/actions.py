"""What an event strategy may answer: frozen descriptions of orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, Self

from stockstream.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = ("buy", "sell", "close", "target", "cancel", "signal")
SIZES: Final = ("quantity", "value", "weight")
LEVELS: Final = ("limit", "stop", "stop_loss", "take_profit", "trailing_stop")
LIVES: Final = {"default": 5, "day": 1, "gtc": 0}


@dataclass(frozen=True, init=False)
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

    def __init__(self, *, kind: str, **details: Any) -> None:
        if kind not in KINDS:
            message = f"expected an action of {', '.join(KINDS)}; found {kind!r}.{did_you_mean(kind, KINDS)}"
            raise ParameterError(message)
        for name, value in details.items():
            _check(name, value)
        _check_together(kind, details)
        # what is not given stays with the class, and the rest is set at once: field by field, making an action took
        # longer than filling it
        vars(self).update(details, kind=kind)

    def __repr__(self) -> str:
        """Name what was given."""
        fields = {f.name: getattr(self, f.name) for f in dataclass_fields(self)[1:] if f.name in vars(self)}
        given = ", ".join(f"{name}={value!r}" for name, value in fields.items() if value is not None)
        return f"Action.{self.kind}({given})"

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
        """Close the whole position, at the open or at `limit` or `stop`; it never opens another."""
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


def _check_together(kind: str, details: Mapping[str, Any]) -> None:
    """Refuse details that do not go with each other or with the kind of action."""
    given = {name: value for name, value in details.items() if value is not None}
    if kind == "target" and not given.keys() & {"quantity", "weight"}:
        message = "a target needs quantity= or weight="
        raise ParameterError(message)
    if not given:
        return
    sizes = [name for name in SIZES if name in given]
    if len(sizes) > 1:
        message = f"expected one of quantity, value and weight; found several in {details!r}"
        raise ParameterError(message)
    if kind == "close" and sizes:
        message = f"an action to close is of the whole position; found {sizes[0]}: sell (or buy back) a part of it"
        raise ParameterError(message)
    if details.get("distances") != "money":
        refuse_out_of_reach(given, long=kind == "buy", short=kind == "sell")


def refuse_out_of_reach(fractions: Mapping[str, float], *, long: bool, short: bool) -> None:
    """Refuse levels that no price can reach: stops of a long, and the target of nothing but shorts, at 0 or below.

    Raises
    ------
    ParameterError
        Most often a percentage in the place of a fraction.
    """
    names = ("stop_loss", "trailing_stop") if long else ("take_profit",) if short else ()
    for name in names:
        if name in fractions and fractions[name] >= 1.0:
            message = (
                f"expected {name} as a fraction below 1 (0.05 is 5 %), or no price can reach it; "
                f"found {fractions[name]!r}"
            )
            raise ParameterError(message)


def _check(name: str, value: Any) -> None:
    """Refuse a detail that an action does not have, or a value that it cannot take."""
    if name not in Action.__dataclass_fields__:
        known = [field for field in Action.__dataclass_fields__ if field not in ("kind", "code")]
        message = f"an action has no {name!r}; expected {', '.join(known)}.{did_you_mean(name, known)}"
        raise ParameterError(message)
    if value is None and name not in ("distances", "max_bars", "time_in_force", "code"):
        return
    expected = None
    if name in LEVELS and not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
        expected = f"{name} above 0"
    elif name in SIZES and not isinstance(value, Real):
        expected = f"{name} to be a number"
    elif name == "time_in_force" and value not in LIVES:
        expected = f"time_in_force {', '.join(LIVES)}"
    elif name == "distances" and value not in ("fraction", "money"):
        expected = "distances='fraction' or 'money'"
    elif name == "max_bars" and not (isinstance(value, Integral) and int(value) >= 0):
        expected = "max_bars to be a whole number, 0 for no end"
    if expected:
        message = f"expected {expected}; found {value!r}"
        raise ParameterError(message)
