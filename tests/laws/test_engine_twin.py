"""The engine against its naive twin on random markets, decisions and terms."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stockstream as ss
from stockstream.backtesting.engine import settings_of
from tests.reference.engine import Twin
from tests.reference.engine_cases import assert_same, costs, panels

LEVELS = {"stop_loss": "stop_loss", "take_profit": "take_profit", "trailing_stop": "trailing"}


def run_both(bars, strategy, decide, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no volume for")
        result = ss.backtest(strategy, bars, **options)
    twin = Twin(bars, settings_of(**options)).run(decide)
    assert_same(result, twin)
    return result, twin


def signals_of(codes, levels=None, rank=None, max_bars=0, sizes=None):
    """Return the strategy of arrays and what the twin is told of the same codes."""
    levels = levels or {}
    conditions = {
        name: (codes & bit) != 0
        for name, bit in {"enter_long": 1, "exit_long": 2, "enter_short": 4, "exit_short": 8}.items()
    }
    strategy = ss.SignalStrategy(**conditions, **levels, rank=rank, max_bars=max_bars)

    def decide(twin, t):
        for s in range(twin.count):
            if not twin.present(s) or not codes[s, t]:
                continue
            here = {LEVELS[n]: v if np.isscalar(v) else float(v[s, t]) for n, v in levels.items()}
            fractions = {LEVELS[n]: np.isscalar(v) for n, v in levels.items()}
            place = 0.0 if rank is None else -float(rank[s, t])
            size = None if sizes is None else float(sizes[s, t])
            twin.signal(
                s,
                int(codes[s, t]),
                here,
                fractions=fractions,
                rank=np.inf if np.isnan(place) else place,
                max_bars=max_bars,
                size=size,
            )

    return strategy, decide


@st.composite
def codes_for(draw, bars, allowed=(0, 1, 2)):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quiet = draw(st.sampled_from([0.3, 0.6, 0.9]))
    codes = random.choice(allowed, bars.shape)
    return np.where(random.random(bars.shape) < quiet, 0, codes).astype(np.uint8)


def market_orders_of_one_symbol_with_all_cash(data):
    bars = data.draw(panels(symbols=(1, 1), holes=False))
    codes = data.draw(codes_for(bars))
    strategy, decide = signals_of(codes)
    run_both(bars, strategy, decide, cash=1000.0)


def gaps_in_the_data_and_costs(data):
    bars = data.draw(panels(symbols=(1, 2)))
    strategy, decide = signals_of(data.draw(codes_for(bars)))
    run_both(bars, strategy, decide, cash=1000.0, costs=data.draw(costs(venue=False)), fill=data.draw(FILLS))


FILLS = st.sampled_from(["next_open", "close"])


@st.composite
def sizings(draw, *, stop=False):
    kind = draw(st.sampled_from(["all_cash", "shares", "value", "weight", "volatility", *(["risk"] if stop else [])]))
    amount = {"shares": 11.3, "value": 417.3, "weight": 0.3719, "risk": 0.0193, "volatility": 0.3127}.get(kind, 1.0)
    at = "fill" if kind == "volatility" else draw(st.sampled_from(["fill", "fill", "decision"]))
    return ss.Sizing(kind, amount, window=3 if kind == "volatility" else 0, at=at)


@st.composite
def options(draw, *, stop=False):
    return {
        "cash": draw(st.sampled_from([1000.7, 5003.3])),
        "costs": draw(costs()),
        "sizing": draw(sizings(stop=stop)),
        "fill": draw(FILLS),
        "leverage": draw(st.sampled_from([1.0, 1.0, 1.9])),
        "maintenance": draw(st.sampled_from([0.25, 0.0, 0.6])),
        "max_positions": draw(st.sampled_from([None, None, 1, 2])),
        "intrabar": draw(st.sampled_from(["pessimistic", "optimistic"])),
        "dividends": draw(st.sampled_from(["cash", "reinvest"])),
        "delist_loss": draw(st.sampled_from([0.0, 0.31])),
    }


@st.composite
def level_panels(draw, bars):
    """Each level absent, a fraction, or a panel of distances with holes."""
    random, levels = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), {}
    for name in LEVELS:
        form = draw(st.sampled_from(["absent", "fraction", "panel"]))
        if form == "fraction":
            levels[name] = draw(st.sampled_from([0.0213, 0.0631, 0.2113]))
        elif form == "panel":
            panel = random.integers(1, 30, bars.shape) * 0.37 * 1.0073
            levels[name] = np.where(random.random(bars.shape) < 0.1, np.nan, panel)
    return levels


def volatility_weights(bars, sizing):
    from stockstream.backtesting.decisions import sizes

    return sizes(sizing, bars) if sizing.kind == "volatility" else None


def everything_that_signals_can_ask_for(data):
    bars = data.draw(panels())
    levels = data.draw(level_panels(bars))
    chosen = data.draw(options(stop="stop_loss" in levels))
    codes = data.draw(codes_for(bars, allowed=data.draw(st.sampled_from([(1, 2), (1, 2, 4, 8), tuple(range(1, 16))]))))
    rank = None
    if data.draw(st.booleans()):
        rank = np.random.default_rng(data.draw(st.integers(0, 99))).choice([1.0, 2.0, np.nan], bars.shape)
    strategy, decide = signals_of(
        codes, levels, rank, data.draw(st.sampled_from([0, 0, 1, 4])), volatility_weights(bars, chosen["sizing"])
    )
    run_both(bars, strategy, decide, **chosen)


class Weights(ss.TargetStrategy):
    """Hold given weights."""

    def __init__(self, weights, rebalance, threshold):
        self.weights, self.rebalance, self.threshold = weights, rebalance, threshold

    def targets(self, bars):
        return self.weights


def rebalances(schedule, days, t):
    if schedule == "daily" or t == 0:
        return True
    now, before = days[t].item(), days[t - 1].item()
    if schedule == "weekly":
        return now.isocalendar()[:2] != before.isocalendar()[:2]
    return (now.year, now.month) != (before.year, before.month)


def weights_to_hold(data):
    bars = data.draw(panels(sessions=(5, 60), events=data.draw(st.booleans()), factors=data.draw(st.booleans())))
    chosen = data.draw(options())
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    low = data.draw(st.sampled_from([0.0, -1.0]))
    weights = random.uniform(low, 1.0, bars.shape) * (random.random(bars.shape) < 0.8)
    weights *= chosen["leverage"] / np.maximum(np.abs(weights).sum(axis=0), 1.0)
    weights[random.random(bars.shape) < 0.4] = np.nan
    schedule, threshold = (
        data.draw(st.sampled_from(["daily", "weekly", "monthly"])),
        data.draw(st.sampled_from([0.0, 0.113])),
    )

    def decide(twin, t):
        equity = twin.equity()
        for s in range(twin.count):
            if rebalances(schedule, bars.dates, t) and not np.isnan(weights[s, t]):
                twin.weigh(s, float(weights[s, t]), threshold, equity)

    run_both(bars, Weights(weights, schedule, threshold), decide, **chosen)


def splits_dividends_delistings_and_as_traded_prices(data):
    bars = data.draw(panels(events=True, factors=data.draw(st.booleans())))
    levels = data.draw(level_panels(bars))
    chosen = data.draw(options(stop="stop_loss" in levels))
    codes = data.draw(codes_for(bars, allowed=(1, 2, 4, 8)))
    strategy, decide = signals_of(codes, levels, sizes=volatility_weights(bars, chosen["sizing"]))
    run_both(bars, strategy, decide, **chosen)


@st.composite
def actions(draw, bars, random):
    """Draw an action, and how the twin is told of it."""
    kind = draw(st.sampled_from(["buy", "buy", "sell", "close", "target", "cancel"]))
    if kind == "cancel":
        return ss.Action.cancel(), lambda twin, s: twin.cancel(s)
    symbol = draw(st.sampled_from([None, *bars.symbols]))
    details, size = {}, {}
    if kind in ("buy", "sell"):
        size = draw(st.sampled_from([{}, {"quantity": 7.3}, {"quantity": -1.0}, {"value": 313.7}, {"weight": 0.4179}]))
    elif kind == "target":
        size = draw(
            st.sampled_from(
                [
                    {"quantity": 9.7},
                    {"quantity": -4.3},
                    {"weight": 0.5117},
                    {"weight": -0.2171},
                    {"weight": 0.0},
                    {"quantity": np.nan},
                ]
            )
        )
    for name in ("limit", "stop"):
        if draw(st.integers(0, 2)) == 0:
            details[name] = float(random.integers(20, 100)) * 0.37 * 1.0073
    for name in LEVELS:
        if draw(st.integers(0, 3)) == 0:
            details[name] = 0.0613
    details["max_bars"] = draw(st.sampled_from([0, 0, 3]))
    details["time_in_force"] = draw(st.sampled_from(["default", "day", "gtc"]))
    action = getattr(ss.Action, kind)(symbol=symbol, **size, **details)
    return action, lambda twin, s: tell(twin, action, s if symbol is None else bars.row(symbol))


def tell(twin, action, s):
    """Order what an action says."""
    held, sizing = twin.held[s].quantity, twin.settings.sizing
    side = {"buy": 1, "sell": -1, "target": 0, "close": -1 if held > 0 else 1}[action.kind]
    size = next(
        (
            (n, v)
            for n, v in (("shares", action.quantity), ("value", action.value), ("weight", action.weight))
            if v is not None
        ),
        (sizing.kind.replace("_", " "), sizing.amount),
    )
    if action.kind == "target":
        size = (f"target {size[0]}", size[1])
    if action.kind == "close":
        size = ("close", 0.0)
    given = [name for name, price in (("stop", action.stop), ("limit", action.limit)) if price is not None]
    twin.order(
        s,
        side,
        *size,
        kind="-".join(given) or "market",
        limit=np.nan if action.limit is None else action.limit,
        stop=np.nan if action.stop is None else action.stop,
        fractions=dict.fromkeys(LEVELS.values(), True),
        max_bars=action.max_bars,
        life={"default": 5, "day": 1, "gtc": 0}[action.time_in_force],
        **{
            twin_name: np.nan if getattr(action, name) is None else getattr(action, name)
            for name, twin_name in LEVELS.items()
        },
    )


class Plan(ss.Strategy):
    """Do on each bar what was planned for it, and look at the account on some."""

    def __init__(self, plan, bars, looks):
        self.plan, self.looks, self.seen, self.heard = plan, looks, {}, []
        self.places = {(d.item(), n): (t, s) for t, d in enumerate(bars.dates) for s, n in enumerate(bars.symbols)}

    def on_data(self, date, symbol, data, portfolio):
        place = self.places[date, symbol]
        if place in self.looks:
            quantities = {name: held.quantity for name, held in portfolio.positions.items()}
            self.seen[place] = (portfolio.cash, portfolio.equity, quantities)
        return [action for action, _ in self.plan.get(place, ())]

    def on_order_filled(self, order, portfolio):
        self.heard.append(order.number)


def orders_of_an_event_strategy(data):
    bars = data.draw(panels(events=data.draw(st.booleans()), sessions=(5, 25)))
    sizing = data.draw(st.sampled_from([ss.Sizing.all_cash(), ss.Sizing.weight(0.3719)]))
    chosen = data.draw(options()) | {"sizing": sizing}
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    chance, plan, seen = data.draw(st.sampled_from([0.1, 0.4])), {}, {}
    for s, t in zip(*np.nonzero(bars.present & (random.random(bars.shape) < chance)), strict=True):
        plan[int(t), int(s)] = data.draw(st.lists(actions(bars, random), min_size=1, max_size=2))
    looks = {(int(t), int(s)) for s, t in zip(*np.nonzero(random.random(bars.shape) < 0.3), strict=True)}

    def decide(twin, t):
        for s in range(twin.count):
            if twin.present(s):
                quantities = {name: h.quantity for name, h in zip(bars.symbols, twin.held, strict=True) if h.quantity}
                seen[t, s] = (twin.cash, twin.equity(), quantities)
                for _, told in plan.get((t, s), ()):
                    told(twin, s)

    strategy = Plan(plan, bars, looks)
    _, twin = run_both(bars, strategy, decide, **chosen)
    assert set(strategy.seen) == set(seen) & looks
    for place, (cash, equity, quantities) in strategy.seen.items():
        assert (cash, equity) == pytest.approx(seen[place][:2], rel=1e-9, abs=1e-9)
        assert quantities == pytest.approx(seen[place][2], rel=1e-9)
    assert strategy.heard == [fill.order for fill in twin.fills]


CHECKS = [
    market_orders_of_one_symbol_with_all_cash,
    gaps_in_the_data_and_costs,
    everything_that_signals_can_ask_for,
    weights_to_hold,
    splits_dividends_delistings_and_as_traded_prices,
    orders_of_an_event_strategy,
]


@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=150)
@given(data=st.data())
def test_engine_equals_its_twin(check, data):
    check(data)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=3000)
@given(data=st.data())
def test_engine_equals_its_twin_at_length(check, data):
    check(data)
