"""Random markets and terms for the engine, and the comparison of a result with the twin.

Prices are whole numbers times a crooked factor and sizes are crooked: ties of prices are wanted (levels are touched
exactly), ties of money are not (a rounding would decide whether a share is affordable).
"""

import itertools
import math

import numpy as np
from hypothesis import strategies as st

import stockstream as ss
from stockstream.backtesting.costs import Commission, Slippage, Tier, Venue
from tests.reference.engine import Twin

FIRST = np.datetime64("2024-01-04")
CROOKED = 1.0073


@st.composite
def panels(draw, *, symbols=(1, 4), sessions=(5, 40), holes=True, events=False, factors=False):
    """Draw bars: random walks on a coarse grid with gaps, missing bars, days without trade and weekends."""
    count, length = draw(st.integers(*symbols)), draw(st.integers(*sessions))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.sampled_from([3, 8, 20]))
    close = np.maximum(np.cumsum(random.integers(-steps, steps + 1, (count, length)), axis=1) + 60, 4).astype(float)
    opened = np.maximum(np.roll(close, 1, axis=1) + random.integers(-steps, steps + 1, close.shape), 3)
    opened[:, 0] = close[:, 0]
    high = np.maximum(opened, close) + random.integers(0, steps, close.shape)
    low = np.maximum(np.minimum(opened, close) - random.integers(0, steps, close.shape), 2)
    volume = random.integers(1, 400, close.shape).astype(float)
    prices = {"open": opened, "high": high, "low": low, "close": close}
    prices = {name: values * 0.37 * CROOKED for name, values in prices.items()}
    if holes:
        volume[random.random(close.shape) < draw(st.sampled_from([0.0, 0.1, 0.4]))] = 0.0
        absent = random.random(close.shape) < draw(st.sampled_from([0.0, 0.1, 0.4]))
        for values in (*prices.values(), volume):
            values[absent] = np.nan
    if draw(st.integers(0, 9)) == 0:
        volume[0] = np.where(np.isnan(volume[0]), np.nan, 0.0)  # an index: no volume at all
    extras = {}
    if events:
        extras = _events(draw, random, prices, volume)
    if factors:
        growth = np.cumprod(random.choice([1.0, 1.0, 1.01, 2.0], close.shape), axis=1)
        extras["price_factor"] = np.minimum(growth, 30.0) / 3.0
        extras["volume_factor"] = np.cumprod(random.choice([1.0, 1.0, 0.5], close.shape), axis=1)
    dates = FIRST + np.cumsum(random.choice([1, 1, 1, 3], length))
    names = [f"S{i}" for i in range(count)]
    delisted = {}
    if events and draw(st.booleans()):
        delisted = {names[-1]: str(dates[draw(st.integers(0, length - 1))])}
    return ss.Bars.from_arrays(symbols=names, dates=dates, volume=volume, delisted=delisted, **prices, **extras)


def _events(draw, random, prices, volume):
    """Splits that the prices follow, and dividends."""
    shape = volume.shape
    often = draw(st.sampled_from([0.0, 0.05, 0.2]))
    split = np.where(
        (random.random(shape) < often) & (np.arange(shape[1]) > 0),
        random.choice([0.1, 0.5, 2.0, 1.5, 3.0], shape),
        np.nan,
    )
    dividend = np.where(random.random(shape) < often, random.integers(1, 30, shape) * 0.0531, np.nan)
    growth = np.ones(shape)
    for t in range(1, shape[1]):
        grown = growth[:, t - 1] * np.where(np.isnan(split[:, t]), 1.0, split[:, t])
        split[:, t] = np.where((grown > 0.05) & (grown < 30.0), split[:, t], np.nan)
        growth[:, t] = growth[:, t - 1] * np.where(np.isnan(split[:, t]), 1.0, split[:, t])
    for name in prices:
        prices[name] = prices[name] / growth
    return {"split": split, "dividend": dividend}


@st.composite
def commissions(draw):
    """Draw a fee: none, a rate, a minimum, per share, or a table of tiers (rising or falling)."""
    kind = draw(st.sampled_from(["none", "rate", "minimum", "per share", "tiers", "falling"]))
    if kind == "tiers":
        return Commission(
            tiers=(Tier(301.3, 5.0), Tier(1207.7, 7.5), Tier(math.inf, 0.0, 0.0081)),
            minimum=draw(st.sampled_from([0.0, 6.1])),
        )
    if kind == "falling":
        return Commission(tiers=(Tier(403.1, 31.7), Tier(math.inf, 0.0, 0.0013)))
    return Commission(
        rate=0.0 if kind in ("none", "per share") else 0.0037,
        minimum=3.17 if kind == "minimum" else 0.0,
        per_share=0.0123 if kind == "per share" else 0.0,
    )


@st.composite
def costs(draw, *, venue=True):
    """Draw costs; with a venue also lots, parcels, ticks, settlement and a cap on the volume."""
    place = Venue()
    if venue and draw(st.booleans()):
        place = Venue(
            lot=draw(st.sampled_from([0.0, 1.0, 7.0])),
            parcel=draw(st.sampled_from([0.0, 411.3])),
            ticks=draw(st.sampled_from([(), ((0.51, 0.001), (9.9, 0.05), (21.7, 0.1), (math.inf, 0.25))])),
            settlement=draw(st.sampled_from([0, 2])),
        )
    return ss.Costs(
        commission=draw(commissions()),
        slippage=Slippage(rate=draw(st.sampled_from([0.0, 0.0029])), ticks=draw(st.sampled_from([0.0, 1.0, 2.0]))),
        borrow_rate=draw(st.sampled_from([0.0, 0.0931])),
        cash_rate=draw(st.sampled_from([0.0, 0.0417])),
        participation=draw(st.sampled_from([0.0, 0.0, 0.0, 0.1713, 0.0311])) if venue else 0.0,
        venue=place,
    )


def twin_orders(twin):
    return [
        (o.symbol, o.created, o.cause, o.status, o.reason, o.filled_on, round(o.filled, 6) + 0.0) for o in twin.orders
    ]


def engine_orders(result):
    from stockstream_kernels import ledger

    return [
        (
            int(o["symbol"]),
            int(o["created"]),
            ledger.REASONS[o["cause"]],
            ledger.STATUSES[o["status"]],
            ledger.REASONS[o["reason"]],
            int(o["filled_on"]),
            round(float(o["filled"]), 6) + 0.0,
        )
        for o in result.ledgers["orders"]
    ]


def assert_same(result, twin: Twin):
    """Compare orders, fills, cash and equity with the twin's."""
    from stockstream_kernels import ledger

    pairs = itertools.zip_longest(engine_orders(result), twin_orders(twin))
    different = [(number, *pair) for number, pair in enumerate(pairs) if pair[0] != pair[1]]
    assert not different, f"order, engine's, twin's: {different[0]}"
    fills = result.ledgers["fills"]
    reasons = [ledger.REASONS[f["reason"]] for f in fills]
    assert [(f.order, f.session, f.symbol, f.reason) for f in twin.fills] == [
        (int(f["order"]), int(f["session"]), int(f["symbol"]), r) for f, r in zip(fills, reasons, strict=True)
    ]
    for name in ("quantity", "price", "fee"):
        close(fills[name], [getattr(f, name) for f in twin.fills])
    close(result.account.cash, twin.cashes)
    close(result.account.equity, twin.equities)
    assert result.ambiguous_bars == twin.ambiguous


def close(found, expected):
    """Equal to 1e-9 of the size of the numbers, or of the account."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6 * 1e-3)
