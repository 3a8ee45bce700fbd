"""One order meets one price: fees, the largest affordable quantity, price steps, lots and the cap on the volume.

Numbers are worked out by hand. Steps are called through kernels of one line, as no other kernel returns their answers.
"""

import math

import numpy as np
import pytest
from stockstream_kernels import fills
from stockstream_kernels._compile import kernel

import stockstream as ss
from stockstream.backtesting import engine
from stockstream.backtesting.costs import ASX_TICKS, Commission, Slippage, Tier, Venue

STEPPED = Commission(tiers=(Tier(1_000, 5.0), Tier(3_000, 10.0), Tier(math.inf, 0.0, 0.0012)))


@kernel
def fee_of(terms, notional, shares):
    return fills.fee(terms, notional, shares)


@kernel
def price_of(terms, price, side, factor):
    return fills.slipped(terms, price, side, factor)


@kernel
def lots_of(terms, quantity, factor):
    return fills.whole_lots(terms, quantity, factor)


@kernel
def quantity_for(terms, budget, price, factor):
    return fills.affordable(terms, budget, price, factor)


@kernel
def cap_of(terms, volume, price_factor, volume_factor):
    return fills.volume_cap(terms, volume, price_factor, volume_factor)


def terms_of(commission=0.0, **others):
    one = np.ones((1, 2))
    names = ("open", "high", "low", "close", "volume", "price_factor")
    bars = ss.Bars.from_arrays(symbols=["X"], dates=["2024-01-01", "2024-01-02"], **dict.fromkeys(names, one))
    return engine.terms_of(bars, engine.Settings(costs=ss.Costs(commission=commission, **others)))


@pytest.mark.parametrize(
    ("notional", "expected"),
    [
        (0.01, 5.0),
        (1_000.0, 5.0),  # a bound belongs to the tier below it
        (1_000.0 * (1.0 + 1e-14), 5.0),  # and a rounding above it still does
        (1_000.01, 10.0),
        (3_000.0, 10.0),
        (3_000.01, 3.600012),
        (50_000.0, 60.0),
    ],
)
def test_fee_of_tiers(notional, expected):
    assert fee_of(terms_of(STEPPED), notional, 10.0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("commission", "expected"),
    [
        (Commission(), 0.0),
        (0.001, 2.0),
        (Commission(rate=0.001, minimum=10.0), 10.0),
        (Commission(rate=0.001, minimum=1.5), 2.0),
        (Commission(per_share=0.02), 0.8),
        (Commission(rate=0.001, per_share=0.02), 2.8),
        (Commission(rate=0.001, per_share=0.02, minimum=3.0), 3.0),
    ],
)
def test_fee_of_forty_shares_at_fifty(commission, expected):
    assert fee_of(terms_of(commission), 2_000.0, 40.0) == pytest.approx(expected, rel=1e-12)


def test_nothing_traded_costs_nothing_not_even_the_minimum():
    assert fee_of(terms_of(Commission(minimum=10.0)), 0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("commission", "budget", "expected"),
    [
        (0.0, 1_000.0, 100.0),
        (0.001, 1_001.0, 100.0),
        (Commission(minimum=10.0), 1_010.0, 100.0),
        (Commission(minimum=10.0), 10.0, 0.0),  # the minimum alone takes it all
        (Commission(minimum=10.0), 5.0, 0.0),
        (Commission(rate=0.01, minimum=10.0), 1_010.0, 100.0),  # the rate just reaches the minimum
        (Commission(rate=0.01, minimum=10.0), 2_020.0, 200.0),
        (Commission(per_share=0.1), 1_010.0, 100.0),
        (STEPPED, 1_005.0, 100.0),
        (STEPPED, 1_007.0, 100.0),  # in the jump of the fee from 5 to 10: up to the bound
        (STEPPED, 1_010.5, 100.05),
        (STEPPED, 3_010.0, 300.0),  # 3,000 + 10, or 3,006.39 + 3.61 a tier higher: see below
        (Commission(tiers=(Tier(1_000, 50.0), Tier(math.inf, 0.0))), 1_005.0, 100.5),  # free above 1,000
        (Commission(tiers=(Tier(1_000, 50.0), Tier(math.inf, 0.0))), 990.0, 94.0),
        (0.0, 0.0, 0.0),
        (0.0, -5.0, 0.0),
    ],
)
def test_largest_quantity_at_ten(commission, budget, expected):
    if budget == 3_010.0:
        expected = 3_010.0 / 1.0012 / 10.0  # the fee falls at 3,000, so the higher tier buys more
    assert quantity_for(terms_of(commission), budget, 10.0, 1.0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("commission", "lot", "budget", "expected"),
    [
        (0.0, 1, 1_009.99, 100.0),
        (0.0, 100, 1_990.0, 100.0),
        (Commission(minimum=10.0), 1, 1_009.99, 99.0),
        (STEPPED, 1, 1_005.0, 100.0),
        (STEPPED, 1, 1_004.0, 99.0),
        # 100.5 shares are free of fees, 100 of them are not: 95 x 10 + 50 is the most
        (Commission(tiers=(Tier(1_000, 50.0), Tier(math.inf, 0.0))), 1, 1_005.0, 95.0),
        (0.0, 1, 9.99, 0.0),
    ],
)
def test_largest_quantity_in_whole_lots(commission, lot, budget, expected):
    assert quantity_for(terms_of(commission, venue=Venue(lot=lot)), budget, 10.0, 1.0) == expected


@pytest.mark.parametrize("lot", [0.0, 1.0])
@pytest.mark.parametrize(
    "commission",
    [0.0037, STEPPED, Commission(rate=0.001, minimum=7.0), Commission(tiers=(Tier(500, 31.0), Tier(math.inf, 2.0)))],
)
def test_what_is_affordable_is_paid_for_and_a_little_more_is_not(commission, lot):
    terms = terms_of(commission, venue=Venue(lot=lot))
    for price in np.linspace(0.37, 51.0, 97):
        for budget in (5.0, 505.0, 531.0, 1_000.0, 1_005.0, 1_007.3, 3_010.0, 12_345.6):
            quantity = quantity_for(terms, budget, price, 1.0)
            more = quantity + (lot or 1e-6 * max(quantity, 1.0))
            cost, beyond = (q * price + fee_of(terms, q * price, q) for q in (quantity, more))
            assert cost <= budget * (1.0 + 1e-11)
            assert beyond > budget


@pytest.mark.parametrize(("price", "step"), [(0.099, 0.001), (0.1, 0.005), (1.995, 0.005), (2.0, 0.01), (123.0, 0.01)])
def test_price_steps_of_the_asx(price, step):
    terms = terms_of(slippage=Slippage(ticks=1.0), venue=Venue(ticks=ASX_TICKS))
    assert price_of(terms, price, 1, 1.0) == pytest.approx(price + step, rel=1e-12)
    assert price_of(terms, price, -1, 1.0) == pytest.approx(price - step, rel=1e-12)


@pytest.mark.parametrize(
    ("slippage", "factor", "price", "expected"),
    [
        (Slippage(rate=0.002), 1.0, 10.0, 10.02),
        (Slippage(rate=0.0005, ticks=1.0), 1.0, 10.0, 10.01),  # the larger of 0.005 and 0.01
        (Slippage(rate=0.002, ticks=1.0), 1.0, 10.0, 10.02),
        (Slippage(ticks=2.0), 1.0, 10.0, 10.02),
        (Slippage(ticks=1.0), 0.5, 1.5, 1.505),  # traded at 3.00, where a step is 0.01; half of it
        (Slippage(ticks=1.0), 2.0, 3.0, 3.01),  # traded at 1.50, where a step is 0.005; twice that
    ],
)
def test_slippage_is_the_larger_of_steps_and_rate(slippage, factor, price, expected):
    terms = terms_of(slippage=slippage, venue=Venue(ticks=ASX_TICKS))
    assert price_of(terms, price, 1, factor) == pytest.approx(expected, rel=1e-12)
    assert price_of(terms, price, -1, factor) == pytest.approx(2.0 * price - expected, rel=1e-12)


def test_slippage_never_makes_a_price_negative():
    assert price_of(terms_of(slippage=Slippage(ticks=5.0), venue=Venue(ticks=ASX_TICKS)), 0.003, -1, 1.0) == 0.0


@pytest.mark.parametrize(
    ("lot", "quantity", "factor", "expected"),
    [
        (0, 3.7, 1.0, 3.7),
        (1, 3.7, 1.0, 3.0),
        (1, 0.99, 1.0, 0.0),
        (10, 39.0, 1.0, 30.0),
        (1, 7.9, 0.5, 6.0),  # 3.95 traded shares
        (1, 2.9999999999, 1.0, 3.0),  # three, up to rounding
    ],
)
def test_whole_lots(lot, quantity, factor, expected):
    assert lots_of(terms_of(venue=Venue(lot=lot)), quantity, factor) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("participation", "price_factor", "volume_factor", "expected"),
    [
        (0.0, 1.0, 1.0, math.inf),
        (0.1, 1.0, 1.0, 500.0),
        (0.1, 1.0, 0.5, 1_000.0),  # 10,000 traded
        (0.1, 0.25, 0.5, 4_000.0),  # a traded share is four of the panel's
    ],
)
def test_cap_on_the_share_of_a_volume_of_5000(participation, price_factor, volume_factor, expected):
    assert cap_of(terms_of(participation=participation), 5_000.0, price_factor, volume_factor) == expected
