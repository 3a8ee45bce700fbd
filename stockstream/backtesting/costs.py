"""What trading costs and what a venue allows: small frozen objects that compose into `Costs`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

#: Rows that a table of fees or price steps may have; the kernels hold them in records of fixed size.
MOST_ROWS: Final = 12


def _check_rate(name: str, value: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.0 <= value < 1.0:
        message = f"expected {name} as a fraction from 0 to below 1 (0.001 is 0.1 %); found {value!r}"
        raise ParameterError(message)
    return float(value)


def _check_money(name: str, value: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.0 <= value < math.inf:
        message = f"expected {name} to be 0 or more; found {value!r}"
        raise ParameterError(message)
    return float(value)


def _check_length(name: str, table: tuple[object, ...]) -> None:
    if len(table) > MOST_ROWS:
        message = f"expected at most {MOST_ROWS} {name}; found {len(table)}"
        raise ParameterError(message)


@dataclass(frozen=True)
class Tier:
    """One step of a fee table: up to a notional, a fixed fee plus a fraction of the notional."""

    up_to: float
    fixed: float = 0.0
    rate: float = 0.0

    def __post_init__(self) -> None:
        if not self.up_to > 0.0:
            message = f"expected a tier up to a notional above 0, the last one up to inf; found {self.up_to!r}"
            raise ParameterError(message)
        _check_money("the fixed fee of a tier", self.fixed)
        _check_rate("the rate of a tier", self.rate)


@dataclass(frozen=True)
class Commission:
    """Commission of one fill, on the slipped price, on both sides.

    Attributes
    ----------
    rate
        Fraction of the notional.
    minimum
        Least commission, in money.
    per_share
        Money per traded share.
    tiers
        Steps by notional, increasing; they take the place of `rate`.
    """

    rate: float = 0.0
    minimum: float = 0.0
    per_share: float = 0.0
    tiers: tuple[Tier, ...] = ()

    def __post_init__(self) -> None:
        _check_rate("commission rate", self.rate)
        _check_money("minimum commission", self.minimum)
        _check_money("commission per share", self.per_share)
        bounds = [tier.up_to for tier in self.tiers]
        if self.tiers and (bounds != sorted(set(bounds)) or not math.isinf(bounds[-1])):
            message = f"expected tiers with increasing bounds, the last one inf; found {bounds}"
            raise ParameterError(message)
        _check_length("tiers", self.tiers)
        if self.tiers and self.rate:
            message = "expected either a commission rate or tiers; found both"
            raise ParameterError(message)


@dataclass(frozen=True)
class Slippage:
    """Slippage against the trader on both sides, stops included: the larger of a fraction and some price steps."""

    rate: float = 0.0
    ticks: float = 0.0

    def __post_init__(self) -> None:
        _check_rate("slippage", self.rate)
        _check_money("slippage in ticks", self.ticks)


@dataclass(frozen=True)
class Venue:
    """Rules of an exchange, judged on as-traded prices.

    Attributes
    ----------
    lot
        Shares per lot; 0 allows fractions.
    parcel
        Least notional of a first purchase.
    ticks
        Price steps: (below this price, step), increasing.
    settlement
        Sessions until sale proceeds settle, 0 or 2; unsettled cash may buy but earns no interest.
    strict
        Refuse bars that do not carry the factors between adjusted and as-traded prices.
    """

    lot: float = 0.0
    parcel: float = 0.0
    ticks: tuple[tuple[float, float], ...] = ()
    settlement: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        _check_money("lot", self.lot)
        _check_money("minimum parcel", self.parcel)
        if self.settlement not in (0, 2):
            message = f"expected settlement after 0 or 2 sessions; found {self.settlement!r}"
            raise ParameterError(message)
        _check_length("price steps", self.ticks)
        bounds = [bound for bound, _ in self.ticks]
        if bounds != sorted(set(bounds)) or any(step <= 0 for _, step in self.ticks):
            message = f"expected price steps with increasing bounds and steps above 0; found {self.ticks}"
            raise ParameterError(message)


#: Price steps of the ASX: 0.1 cent below 10 cents, 0.5 cent below 2 dollars, 1 cent above.
ASX_TICKS: Final = ((0.10, 0.001), (2.00, 0.005), (math.inf, 0.01))

ASX: Final = Venue(lot=1, parcel=500.0, ticks=ASX_TICKS, strict=True)

#: Brokerage on the ASX, in AUD; published rates, see the documentation for the date.
ASX_BROKERS: Final[dict[str, Commission]] = {
    "default": Commission(rate=0.001, minimum=10.0),
    "commsec": Commission(
        tiers=(
            Tier(1_000, 5.0),
            Tier(3_000, 10.0),
            Tier(10_000, 19.95),
            Tier(25_000, 29.95),
            Tier(math.inf, 0.0, 0.0012),
        )
    ),
    "stake": Commission(minimum=3.0),
}


@dataclass(frozen=True)
class Costs:
    """Everything that stands between a price and what is paid.

    Attributes
    ----------
    commission
        A `Commission`, or a number: the fraction of the notional.
    slippage
        A `Slippage`, or a number: the fraction of the price.
    borrow_rate
        Annual fee on the value of shorts, and on borrowed cash; fraction, calendar days / 365.
    cash_rate
        Annual interest on settled cash that is not collateral; fraction.
    participation
        Largest share of a day's volume that may be traded, 0 for no cap. The rest of an order waits.
    venue
        Lots, parcels, price steps, settlement.

    Examples
    --------
    >>> Costs(commission=0.001, slippage=0.0005).commission
    Commission(rate=0.001, minimum=0.0, per_share=0.0, tiers=())
    >>> Costs.asx("commsec").venue.lot
    1
    """

    commission: Commission = field(default_factory=Commission)
    slippage: Slippage = field(default_factory=Slippage)
    borrow_rate: float = 0.0
    cash_rate: float = 0.0
    participation: float = 0.0
    venue: Venue = field(default_factory=Venue)

    def __init__(
        self,
        *,
        commission: Commission | float = 0.0,
        slippage: Slippage | float = 0.0,
        borrow_rate: float = 0.0,
        cash_rate: float = 0.0,
        participation: float = 0.0,
        venue: Venue | None = None,
    ) -> None:
        given = {
            "commission": commission if isinstance(commission, Commission) else Commission(rate=commission),
            "slippage": slippage if isinstance(slippage, Slippage) else Slippage(rate=slippage),
            "borrow_rate": _check_rate("borrow rate", borrow_rate),
            "cash_rate": _check_rate("cash rate", cash_rate),
            "participation": _check_rate("participation", participation),
            "venue": venue or Venue(),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @classmethod
    def asx(cls, broker: str = "default", *, ticks: float = 1.0, settlement: int = 0) -> Costs:
        """Return costs of trading on the ASX: whole shares, a first parcel of $500, its price steps, a broker's fees.

        Parameters
        ----------
        broker
            ``"default"`` (0.1 %, at least $10), ``"commsec"`` (tiers) or ``"stake"`` ($3).
        ticks
            Price steps of slippage per fill.
        settlement
            2 makes sale proceeds earn interest only after two sessions.
        """
        if broker not in ASX_BROKERS:
            message = (
                f"unknown broker {broker!r}; expected one of {', '.join(ASX_BROKERS)}."
                f"{did_you_mean(broker, ASX_BROKERS)}"
            )
            raise UnknownNameError(message)
        return cls(
            commission=ASX_BROKERS[broker], slippage=Slippage(ticks=ticks), venue=replace(ASX, settlement=settlement)
        )
