"""How much to buy: one frozen object, resolved at the fill."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Self

from stockstream.errors import ParameterError

KINDS: Final = ("all_cash", "shares", "value", "weight", "risk", "volatility")

#: Returns behind a volatility at least: a deviation needs two.
SHORTEST_WINDOW: Final = 2


@dataclass(frozen=True)
class Sizing:
    """Size of every entry; make one with `all_cash`, `shares`, `value`, `weight`, `risk` or `volatility`.

    Attributes
    ----------
    kind, amount
        What the size is measured in, and how much.
    window
        Bars of returns behind `volatility`.
    at
        ``"fill"`` resolves the size with the prices of the fill, ``"decision"`` with the close of the decision.

    Examples
    --------
    >>> Sizing.weight(0.1)
    Sizing(kind='weight', amount=0.1, window=0, at='fill')
    """

    kind: str = "all_cash"
    amount: float = 1.0
    window: int = 0
    at: Literal["fill", "decision"] = "fill"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            message = f"expected a sizing of {', '.join(KINDS)}; found {self.kind!r}"
            raise ParameterError(message)
        number = isinstance(self.amount, int | float) and not isinstance(self.amount, bool)
        if not number or not 0.0 < self.amount < math.inf:
            message = f"expected Sizing.{self.kind} above 0; found {self.amount!r}"
            raise ParameterError(message)
        if self.at not in ("fill", "decision"):
            message = f"expected at='fill' or at='decision'; found {self.at!r}"
            raise ParameterError(message)

    @classmethod
    def all_cash(cls) -> Self:
        """Spend all buying power, fee included."""
        return cls("all_cash")

    @classmethod
    def shares(cls, count: float) -> Self:
        """Trade a fixed number of shares."""
        return cls("shares", count)

    @classmethod
    def value(cls, money: float) -> Self:
        """Trade a fixed notional at the unslipped price."""
        return cls("value", money)

    @classmethod
    def weight(cls, fraction: float) -> Self:
        """Spend a fraction of the equity, fee included."""
        return cls("weight", fraction)

    @classmethod
    def risk(cls, fraction: float) -> Self:
        """Lose that fraction of the equity if the stop-loss is hit; needs a strategy with a stop-loss."""
        return cls("risk", fraction)

    @classmethod
    def volatility(cls, annual: float, *, window: int = 20) -> Self:
        """Hold the weight at which the position alone has that annual volatility, by its last `window` returns."""
        if not isinstance(window, int) or window < SHORTEST_WINDOW:
            message = f"expected a window of at least {SHORTEST_WINDOW} bars; found {window!r}"
            raise ParameterError(message)
        return cls("volatility", annual, window)
