"""Naive twin of costs: what a fill costs and how many shares some money buys, one rule per function.

A venue judges what was traded: with adjusted bars one share of the panel is `factor` traded shares at price / factor,
so that the money of a trade is the same either way.
"""

from math import floor, inf

ROUNDING = 1e-12


def tick(costs, as_traded):
    """Price step at an as-traded price; 0 where the table says nothing."""
    for below, step in costs.venue.ticks:
        if as_traded < below:
            return step
    return 0.0


def slipped(costs, price, side, factor):
    """Price after slippage against the trader: the larger of a fraction and some price steps, never below 0."""
    steps = costs.slippage.ticks * tick(costs, price / factor) * factor
    return max(price + side * max(steps, costs.slippage.rate * price), 0.0)


def fee(costs, quantity, price, factor):
    """Commission of one fill: tiers by notional, or a rate; per traded share; at least the minimum."""
    commission, notional = costs.commission, quantity * price
    if quantity == 0.0:
        return 0.0
    charge = commission.rate * notional
    for tier in commission.tiers:
        if notional <= tier.up_to * (1.0 + ROUNDING):
            charge = tier.fixed + tier.rate * notional
            break
    return max(charge + commission.per_share * quantity * factor, commission.minimum)


def whole_lots(costs, quantity, factor):
    """Round a quantity down to lots of traded shares."""
    lot = costs.venue.lot
    return floor(quantity * factor / lot + 1e-9) * lot / factor if lot > 0.0 else quantity


def affordable(costs, money, price, factor):
    """Largest quantity whose cost and fee are within the money.

    The answer lies where the money meets a piece of the fee table, or at the end of a piece: try all of these.
    """

    def fits(quantity):
        return quantity * price + fee(costs, quantity, price, factor) <= money * (1.0 + ROUNDING)

    if not (money > 0.0 and price > 0.0):
        return 0.0
    commission = costs.commission
    pieces = [(t.fixed, t.rate, t.up_to, commission.per_share) for t in commission.tiers]
    pieces = pieces or [(0.0, commission.rate, inf, commission.per_share)]
    tried = [(money - commission.minimum) / price]
    for fixed, rate, up_to, per_share in pieces:
        tried.append((money - fixed) / (price * (1.0 + rate) + per_share * factor))
        tried += [up_to / price] if up_to < inf else []
    best = max((q for q in tried if q > 0.0 and fits(q)), default=0.0)
    if costs.venue.lot == 0.0:
        return best
    lots = floor(best * factor / costs.venue.lot + 1e-9)
    while lots > 0 and not fits(lots * costs.venue.lot / factor):
        lots -= 1
    return lots * costs.venue.lot / factor


def volume_cap(costs, volume, factor, volume_factor):
    """Shares of a bar that may be traded under the cap on the day's volume."""
    if costs.participation == 0.0:
        return inf
    return costs.participation * volume / volume_factor / factor
