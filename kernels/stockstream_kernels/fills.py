"""One order meets one price: slippage, fee, the largest affordable quantity. Pure functions, tested alone.

Ticks, lots and volume caps are judged on as-traded prices: with adjusted bars, ``factor`` is adjusted / as-traded price
and one adjusted share is ``factor`` traded shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stockstream_kernels._compile import step

if TYPE_CHECKING:
    from stockstream_kernels.ledger import Terms


@step
def tick_size(terms: Terms, price: float) -> float:
    """Price step at an as-traded price, 0 without a table."""
    for i in range(terms.tick_count):
        if price < terms.ticks[i, 0]:
            return terms.ticks[i, 1]
    return 0.0


@step
def slipped(terms: Terms, price: float, side: int, factor: float) -> float:
    """Price after slippage, always against the trader: the larger of some ticks and a fraction of the price."""
    step = tick_size(terms, price / factor) * factor * terms.slippage_ticks if terms.slippage_ticks > 0.0 else 0.0
    worse = price + side * max(step, price * terms.slippage)
    return max(worse, 0.0)


@step
def fee(terms: Terms, notional: float, shares: float) -> float:
    """Commission on a trade: the tier's fixed part and rate, so much per share, at least the minimum."""
    if shares == 0.0:
        return 0.0
    charge = terms.per_share * shares
    for i in range(terms.tier_count):
        # what buys exactly up to a bound may come back a rounding above it
        if notional <= terms.tiers[i, 0] * (1.0 + 1e-12):
            charge += terms.tiers[i, 1] + terms.tiers[i, 2] * notional
            break
    return max(charge, terms.minimum_fee)


@step
def whole_lots(terms: Terms, quantity: float, factor: float) -> float:
    """Largest quantity not above the given one that is a whole number of lots of traded shares."""
    if terms.lot <= 0.0:
        return quantity
    # a quantity that came back from an adjusted price is whole up to rounding
    return np.floor(quantity * factor / terms.lot + 1e-9) * terms.lot / factor


@step
def affordable(terms: Terms, budget: float, price: float, factor: float) -> float:
    """Largest quantity whose cost and fee fit into the budget; tiers and minimum included, in whole lots.

    The highest tier that fits is the answer; a budget that falls into the jump between two tiers buys up to the
    boundary. Whole lots may fall back into a lower tier, and its fee may be higher: hence the loop.
    """
    if not (budget > 0.0 and price > 0.0):
        return 0.0
    by_minimum = (budget - terms.minimum_fee) / price
    quantity = 0.0
    for i in range(terms.tier_count - 1, -1, -1):
        fits = (budget - terms.tiers[i, 1]) / (price * (1.0 + terms.tiers[i, 2]) + terms.per_share * factor)
        quantity = min(fits, by_minimum, terms.tiers[i, 0] / price)
        lower = terms.tiers[i - 1, 0] if i > 0 else 0.0
        if quantity * price > lower:
            break
    quantity = whole_lots(terms, max(quantity, 0.0), factor)
    if terms.lot > 0.0:
        most = budget * (1.0 + 1e-12)
        while quantity > 0.0 and quantity * price + fee(terms, quantity * price, quantity * factor) > most:
            quantity = whole_lots(terms, max(quantity - terms.lot / factor, 0.0), factor)
    return quantity


@step
def volume_cap(terms: Terms, volume: float, price_factor: float, volume_factor: float) -> float:
    """Largest quantity that the cap on the share of the day's volume allows; infinite without a cap."""
    if terms.participation <= 0.0:
        return np.inf
    return terms.participation * volume / volume_factor / price_factor
