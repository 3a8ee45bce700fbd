"""The execution model, rule by rule: sizes, costs, days without trade, events on raw prices, shorts and ruin.

Every scenario can be worked out on paper. `docs/execution-model.md` names the test of each sentence.
"""

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from stockstream.errors import DataError
from tests.reference.scripted import endings, fills, market, play, signals, with_panels

FLAT = [10.0] * 6
FEE = ss.Costs(commission=0.01)


def entry(bars, sizing, *, costs=None, levels=None, cash=1000.0, **run):
    """Quantity and price of an entry decided on the first bar."""
    run = {"sizing": sizing, "costs": costs or ss.Costs(), **run}
    _, _, quantity, price = fills(signals(bars, enter_long=[0], cash=cash, levels=levels, run=run))[0]
    return quantity, price


# ---- size --------------------------------------------------------------------------------------------------------


def test_all_cash_pays_its_fee_from_the_cash():
    quantity, _ = entry(market(A=FLAT), None, costs=FEE)
    assert quantity == pytest.approx(1000 / 10.1)
    assert signals(market(A=FLAT), enter_long=[0], run={"costs": FEE}).equity["cash"][-1] == pytest.approx(0, abs=1e-9)


def test_shares_are_shares_and_a_value_is_notional_at_the_unslipped_price():
    costs = ss.Costs(slippage=0.1)
    assert entry(market(A=FLAT), ss.Sizing.shares(7)) == (7.0, 10.0)
    assert entry(market(A=FLAT), ss.Sizing.value(500.0), costs=costs) == (50.0, 11.0)


def test_a_weight_is_of_the_equity_and_includes_the_fee():
    quantity, _ = entry(market(A=FLAT), ss.Sizing.weight(0.5), costs=FEE)
    assert quantity * 10 * 1.01 == pytest.approx(500.0)


def test_risk_is_the_loss_at_the_stop():
    assert entry(market(A=FLAT), ss.Sizing.risk(0.02), levels={"stop_loss": 0.05}) == (40.0, 10.0)


def test_volatility_is_a_weight_by_the_last_returns():
    close = np.array([10, 11, 10, 11, 10, 10.0])
    bars = market(A=list(close))
    panel = np.zeros(bars.shape, bool)
    panel[0, 4] = True
    result = ss.backtest(
        ss.SignalStrategy(enter_long=panel), bars, cash=1000.0, sizing=ss.Sizing.volatility(0.2, window=4)
    )
    annual = np.std(close[1:5] / close[:4] - 1) * np.sqrt(252)
    assert fills(result)[0][2] == pytest.approx(0.2 / annual * 100, rel=1e-8)


def test_sizes_are_resolved_with_the_prices_of_the_fill():
    bars = market(A=[10, 10, 10, 20, 20], B=[10, 10, 10, 10, 10])
    run = {"sizing": ss.Sizing.weight(0.3)}
    result = signals(bars, enter_long={"A": [0], "B": [2]}, run=run)
    # A is worth 600 at the open at which B is bought: 30 % of 1300
    assert fills(result)[1] == (3, "B", 39.0, 10.0)


def test_sizes_at_the_decision_use_its_close():
    decided = ss.Sizing("weight", 0.6, at="decision")
    assert entry(market(A=[10, 8, 8]), ss.Sizing.weight(0.6)) == (75.0, 8.0)
    assert entry(market(A=[10, 8, 8]), decided) == (60.0, 8.0)
    assert entry(market(A=[10, 12, 12]), ss.Sizing("value", 600.0, at="decision")) == (60.0, 12.0)


def test_a_weight_is_never_more_than_its_part_at_the_fill():
    assert entry(market(A=[10, 12, 12]), ss.Sizing("weight", 0.6, at="decision")) == (50.0, 12.0)


def test_a_buy_beyond_the_cash_is_cut_to_what_fits_with_its_fee():
    result = signals(market(A=FLAT), enter_long=[0], run={"sizing": ss.Sizing.shares(500), "costs": FEE})
    assert fills(result)[0][2] == pytest.approx(1000 / 10.1, abs=1e-8)
    assert endings(result) == [("filled", "cut to the cash")]


@pytest.mark.parametrize(
    ("commission", "cash", "quantity"),
    [
        (ss.Commission(minimum=20.0), 1000.0, 98.0),
        (ss.Commission(rate=0.1, minimum=20.0), 1000.0, 1000 / 11),
        (ss.Commission(per_share=0.5), 1050.0, 100.0),
        ("tiers", 440.0, 40.0),  # the jump between two tiers buys up to the boundary
        ("tiers", 1050.0, 100.0),
    ],
)
def test_minimum_tiers_and_fees_per_share_are_in_the_cut(commission, cash, quantity):
    from stockstream.backtesting.costs import Tier

    if commission == "tiers":
        commission = ss.Commission(tiers=(Tier(400.0, 10.0), Tier(float("inf"), 50.0)))
    costs = ss.Costs(commission=commission)
    assert entry(market(A=FLAT), None, costs=costs, cash=cash)[0] == pytest.approx(quantity)


def test_quantities_are_fractional_unless_there_are_lots():
    assert entry(market(A=[10, 7]), None)[0] == pytest.approx(1000 / 7)
    assert entry(market(A=[10, 7]), None, costs=ss.Costs(venue=ss.Venue(lot=1)))[0] == 142.0
    assert entry(market(A=[10, 7]), None, costs=ss.Costs(venue=ss.Venue(lot=100)))[0] == 100.0


# ---- costs -------------------------------------------------------------------------------------------------------


def test_slippage_is_against_the_trader_on_both_sides_and_commission_on_the_slipped_price():
    costs = ss.Costs(commission=0.01, slippage=0.1)
    run = {"costs": costs, "sizing": ss.Sizing.shares(10)}
    result = signals(market(A=FLAT), enter_long=[0], exit_long=[2], run=run)
    assert [row[3] for row in fills(result)] == [11.0, 9.0]
    assert result.fills["fee"].to_list() == pytest.approx([1.1, 0.9])
    assert result.fills["slippage"].to_list() == pytest.approx([10.0, 10.0])


def test_stops_slip_and_limits_do_not():
    levels = {"stop_loss": 0.1, "take_profit": 0.2}
    run = {"costs": ss.Costs(slippage=0.01), "sizing": ss.Sizing.shares(10)}
    bars = market(A=[10, 10, (10, 10, 8, 8)])
    stopped = fills(signals(bars, enter_long=[0], levels=levels, run=run))
    assert stopped[1][3] == pytest.approx(10.1 * 0.9 * 0.99)
    aimed = fills(signals(market(A=[10, 10, (10, 13, 10, 13)]), enter_long=[0], levels=levels, run=run))
    assert aimed[1][3] == pytest.approx(10.1 * 1.2)


def test_slippage_is_the_larger_of_ticks_and_a_rate():
    venue = ss.Venue(ticks=((10.0, 0.01), (float("inf"), 0.1)))
    for price, rate, slipped in ((20.0, 0.001, 20.2), (20.0, 0.05, 21.0), (9.0, 0.0, 9.02)):
        costs = ss.Costs(slippage=ss.Slippage(rate=rate, ticks=2), venue=venue)
        assert entry(market(A=[price] * 3), ss.Sizing.shares(1), costs=costs)[1] == pytest.approx(slipped)


def test_shorts_pay_the_borrow_fee_for_every_calendar_day():
    result = play(
        with_days(market(A=FLAT), [0, 1, 4, 5, 6, 7]),
        {0: Action.sell(quantity=50)},
        costs=ss.Costs(borrow_rate=0.365),
        maintenance=0.0,
    )
    assert result.equity["equity"].to_list() == pytest.approx([1000, 1000, 998.5, 998, 997.5, 997])


def test_cash_earns_interest_unless_it_is_collateral():
    costs = ss.Costs(cash_rate=0.365)
    idle = play(market(A=[10, 10, 10]), {}, costs=costs)
    assert idle.equity["equity"].to_list() == pytest.approx([1000, 1001, 1002.001])
    short = play(market(A=[10, 10, 10]), {0: Action.sell(quantity=50)}, costs=costs, maintenance=0.0)
    # 1001 in the evening, 1501 with the proceeds; 1501 - 500 of collateral earn overnight
    assert short.equity["equity"].to_list() == pytest.approx([1000, 1001, 1001 + 1.001])


def with_days(bars, days):
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return ss.Bars.from_arrays(symbols=bars.symbols, dates=np.array(days).astype("datetime64[D]"), **columns)


def test_no_more_than_a_share_of_the_volume_is_traded_and_the_rest_waits():
    bars = market(A=FLAT, volume=100.0)
    result = signals(bars, enter_long=[0], run={"costs": ss.Costs(participation=0.25), "sizing": ss.Sizing.shares(60)})
    assert [row[2] for row in fills(result)] == [25.0, 25.0, 10.0]
    cut = signals(bars, enter_long=[0], run={"costs": ss.Costs(participation=0.1), "sizing": ss.Sizing.shares(60)})
    assert [row[2] for row in fills(cut)] == [10.0] * 5
    assert endings(cut) == [("partly filled", "volume cap")]


def test_a_first_parcel_has_a_least_value():
    venue = ss.Venue(lot=1, parcel=500.0)
    run = {"costs": ss.Costs(venue=venue), "sizing": ss.Sizing.value(499.0)}
    assert endings(signals(market(A=FLAT), enter_long=[0], run=run)) == [("rejected", "below the minimum parcel")]
    plan = {0: Action.buy(quantity=50), 1: Action.buy(quantity=5)}
    assert len(fills(play(market(A=FLAT), plan, costs=ss.Costs(venue=venue)))) == 2


def test_ticks_lots_and_volume_are_judged_on_as_traded_prices():
    # adjusted to a tenth: 10 here was 100 on the screen, one share here a tenth of a share there
    bars = with_panels(market(A=FLAT, volume=100.0), price_factor=[0.1] * 6, volume_factor=[1.0] * 6)
    venue = ss.Venue(lot=1, ticks=((50.0, 0.01), (float("inf"), 1.0)))
    costs = ss.Costs(slippage=ss.Slippage(ticks=1), venue=venue)
    quantity, price = entry(bars, None, costs=costs)
    assert price == pytest.approx(10.1)
    assert quantity == pytest.approx(90.0)  # 9 shares at 101 of 1000
    assert quantity % 10 == pytest.approx(0.0)
    capped = entry(bars, ss.Sizing.shares(9), costs=ss.Costs(participation=0.01), cash=1e6)
    assert capped[0] == 9.0  # 1 % of 100 shares there are 10 here


def test_the_asx_presets_refuse_prices_without_their_factors():
    with pytest.raises(DataError, match="do not carry the"):
        signals(market(A=FLAT), enter_long=[0], run={"costs": ss.Costs.asx()})
    raw = with_panels(market(A=FLAT), price_factor=[1.0] * 6)
    quantity, price = entry(raw, None, costs=ss.Costs.asx(), cash=10_000.0)
    assert (quantity, price) == (998.0, 10.01)  # 998 x 10.01 and a fee of 10 are 9,999.98


# ---- days without trade ------------------------------------------------------------------------------------------


def test_without_a_bar_or_volume_nothing_fills_and_the_order_waits():
    rows = [10, None, 11, 12, 13]
    result = signals(market(A=rows, B=FLAT[:5], volume={"A": [9, 9, 0, 9, 9], "B": [9] * 5}), enter_long=[0])
    assert fills(result) == [(3, "A", pytest.approx(1000 / 12), 12.0)]


def test_a_signal_order_expires_after_five_own_bars():
    quiet = [9.0, 0, 0, 0, 0, 0, 9, 9]
    result = signals(market(A=[10.0] * 8, volume={"A": quiet}), enter_long=[0])
    assert fills(result) == []
    assert endings(result) == [("expired", "no trade within the waiting time")]
    just = [9.0, 0, 0, 0, 0, 9, 9, 9]
    assert fills(signals(market(A=[10.0] * 8, volume={"A": just}), enter_long=[0]))[0][0] == 5


def test_a_newer_decision_supersedes_the_waiting_one():
    quiet = [9.0, 0, 0, 0, 9, 9]
    result = signals(market(A=FLAT, volume={"A": quiet}), enter_long=[0], exit_long=[2])
    assert fills(result) == []
    assert endings(result) == [("cancelled", "superseded by a newer decision")]


def test_an_index_without_volume_trades_with_one_warning():
    bars = market(A=FLAT, B=FLAT, volume=0.0)
    with pytest.warns(UserWarning, match="no volume for A, B") as caught:
        result = signals(bars, enter_long=[0])
    assert len(caught) == 1
    assert len(fills(result)) == 1


def test_a_position_without_a_bar_keeps_its_last_close():
    bars = market(A=[10, (10, 13, 10, 12), None, 9], B=[1, 1, 1, 1])
    assert signals(bars, enter_long=[0]).equity["equity"].to_list() == [1000.0, 1200.0, 1200.0, 900.0]


def test_a_delisted_holding_is_closed_at_its_mark_less_the_loss():
    from dataclasses import replace

    bars = market(A=[10, 10, 12, None, None], B=[1] * 5)
    ended = replace(bars, delisted={"A": "1970-01-03"})
    costs = ss.Costs(commission=0.01)
    result = signals(ended, enter_long=[0], run={"delist_loss": 0.25, "costs": costs, "sizing": ss.Sizing.shares(50)})
    assert fills(result)[1] == (3, "A", -50.0, 9.0)
    assert result.fills["fee"].to_list() == [5.0, 0.0]
    assert result.trades["exit_reason"].to_list() == ["delisted"]
    kept = signals(bars, enter_long=[0])
    assert kept.trades["open"].to_list() == [True]


def test_everything_is_in_the_one_currency_of_the_bars():
    from dataclasses import replace

    plain = market(A=[10, 20, 30, 30], B=[1, 2, 4, 4])
    bars = replace(plain, currency="JPY")
    run = {"sizing": ss.Sizing.value(400.0), "costs": FEE}
    orders = np.zeros(bars.shape, bool)
    orders[:, 0] = True
    result = ss.backtest(ss.SignalStrategy(enter_long=orders), bars, cash=1000.0, **run)
    assert fills(result) == [(1, "A", 20.0, 20.0), (1, "B", 200.0, 2.0)]
    assert result.equity["cash"].to_list() == [1000.0, 192.0, 192.0, 192.0]
    assert result.equity["equity"].to_list() == [1000.0, 992.0, 1592.0, 1592.0]
    assert {result.bars.currency, bars["B"].currency, bars.between(bars.dates[1], None).currency} == {"JPY"}
    other = ss.backtest(ss.SignalStrategy(enter_long=orders), replace(plain, currency="USD"), cash=1000.0, **run)
    assert other.equity.equals(result.equity)


# ---- events on raw prices ----------------------------------------------------------------------------------------

NOTHING = [np.nan] * 5


def test_a_dividend_goes_to_the_holder_of_the_evening_before_and_a_short_pays_it():
    bars = with_panels(market(A=[10, 10, 9, 9, 9]), dividend=[np.nan, np.nan, 1.0, np.nan, np.nan])
    early = play(bars, {0: Action.buy(quantity=50), 1: Action.close()})
    assert early.equity["equity"][-1] == pytest.approx(1000 - 50 + 50)
    late = play(bars, {1: Action.buy(quantity=50)})
    assert late.equity["equity"][-1] == pytest.approx(1000.0)
    short = play(bars, {0: Action.sell(quantity=50)}, maintenance=0.0)
    assert short.equity["equity"].to_list() == pytest.approx([1000.0] * 5)
    assert short.equity["cash"].to_list() == pytest.approx([1000, 1500, 1450, 1450, 1450])


def test_a_dividend_can_be_spent_at_the_open_of_its_day_and_moves_no_level():
    bars = with_panels(
        market(A=[10, 10, 10, 10, 10], B=[5] * 5), dividend=[[np.nan, np.nan, 4, np.nan, np.nan], NOTHING]
    )
    plan = {0: Action.buy(quantity=100, symbol="A"), 1: Action.buy(quantity=80, symbol="B")}
    assert fills(play(bars, plan))[1] == (2, "B", 80.0, 5.0)
    guarded = with_panels(
        market(A=[10, 10, (9.2, 9.2, 9.1, 9.1), (9, 9, 8.9, 8.9), 9]), dividend=[np.nan, np.nan, 0.8, np.nan, np.nan]
    )
    assert fills(signals(guarded, enter_long=[0], levels={"stop_loss": 0.1}))[1] == (3, "A", -100.0, 9.0)


SPLIT = [np.nan, np.nan, 2.0, np.nan, np.nan]


def test_splits_move_quantities_levels_and_waiting_orders_before_the_open():
    bars = with_panels(market(A=[10, 10, 5, (5, 5, 4.4, 4.4), 5]), split=SPLIT)
    result = signals(bars, enter_long=[0], levels={"stop_loss": 0.1})
    assert fills(result) == [(1, "A", 100.0, 10.0), (3, "A", -200.0, 4.5)]
    assert result.equity["equity"].to_list()[:3] == [1000.0] * 3
    resting = play(bars, {0: Action.buy(quantity=10, limit=9.0)})
    assert fills(resting) == [(3, "A", 20.0, 4.5)]


def test_fractions_of_a_consolidation_are_paid_in_cash():
    bars = with_panels(market(A=[10, 10, 100, 100, 100]), split=[np.nan, np.nan, 0.1, np.nan, np.nan])
    result = play(
        bars,
        {0: Action.buy(quantity=55)},
        costs=ss.Costs(venue=ss.Venue(lot=1)),
        keep_positions=True,
    )
    assert result.account.positions[:, 0].tolist() == [0.0, 55.0, 5.0, 5.0, 5.0]
    assert result.equity["cash"].to_list() == [1000.0, 450.0, 500.0, 500.0, 500.0]


def test_dividends_reinvested_without_a_fee_are_the_adjusted_run():
    rng = np.random.default_rng(8)
    raw = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, 120)))
    paid = np.full(120, np.nan)
    paid[[30, 75, 100]] = [0.6, 0.9, 0.4]
    factor = np.ones(120)
    for day in (30, 75, 100):
        factor[:day] *= 1 - paid[day] / raw[day - 1]
    sessions = {"enter_long": [5, 60, 90], "exit_long": [50, 80]}
    run = {"costs": ss.Costs(commission=0.001, slippage=0.001)}
    reinvested = signals(
        with_panels(market(A=list(raw)), dividend=paid), **sessions, run=run | {"dividends": "reinvest"}
    )
    adjusted = signals(market(A=list(raw * factor)), **sessions, run=run)
    np.testing.assert_allclose(reinvested.account.equity, adjusted.account.equity, rtol=1e-9)


# ---- shorts and ruin ---------------------------------------------------------------------------------------------


def test_buying_power_is_equity_times_leverage_less_exposure():
    bars = market(A=FLAT, B=FLAT)
    plan = {0: Action.sell(quantity=60, symbol="A"), 1: Action.buy(quantity=100, symbol="B")}
    assert fills(play(bars, plan, maintenance=0.0))[1] == (2, "B", 40.0, 10.0)
    assert fills(play(bars, plan, maintenance=0.0, leverage=2.0))[1] == (2, "B", 100.0, 10.0)
    assert fills(play(market(A=FLAT), {0: Action.buy(quantity=900)}, leverage=3.0)) == [(1, "A", 300.0, 10.0)]


def test_a_margin_breach_is_liquidated_at_the_close_with_costs():
    bars = market(A=[10, 10, (12, 17, 12, 16), 10, 10])
    costs = ss.Costs(slippage=0.01)
    result = play(bars, {0: Action.sell(quantity=100)}, costs=costs)
    # sold at 9.90; at 16 the equity is 390, less than a quarter of 1600
    assert fills(result)[1] == (2, "A", 100.0, pytest.approx(16.16))
    assert result.trades["exit_reason"].to_list() == ["margin call"]
    assert result.equity["equity"][-1] == pytest.approx(1000 + 990 - 1616)


def test_equity_may_end_below_zero_and_the_account_stops():
    bars = market(A=[10, 10, 30, 10, 10], B=[10] * 5)
    plan = {0: Action.sell(quantity=100), 3: Action.buy(quantity=1)}
    result = play(bars, plan)
    assert result.equity["equity"].to_list() == [1000.0, 1000.0, -1000.0, -1000.0, -1000.0]
    assert len(fills(result)) == 2
    assert len(result.orders) == 2


def test_unsettled_cash_buys_and_earns_nothing_for_two_sessions():
    costs = ss.Costs(cash_rate=0.365, venue=ss.Venue(settlement=2))
    bars = market(A=FLAT, B=FLAT)
    result = play(bars, {0: Action.buy(quantity=100), 1: Action.close()}, costs=costs)
    gained = np.diff(result.account.equity, prepend=1000.0)
    # sold in session 2, settled in session 4: the nights before 3 and 4 earn on the first interest alone
    assert gained == pytest.approx([0, 1.0, 0.001, 0.001001, 0.001002, 1.001003], rel=1e-3)
    buys = play(
        bars, {0: Action.buy(quantity=100), 1: Action.close(), 2: Action.buy(quantity=100, symbol="B")}, costs=costs
    )
    assert fills(buys)[2] == (3, "B", 100.0, 10.0)


def test_a_fee_beyond_the_proceeds_is_paid_at_once_and_lends_nothing():
    costs = ss.Costs(commission=ss.Commission(minimum=30.0), cash_rate=0.365, venue=ss.Venue(settlement=2))
    actions = {0: Action.buy(quantity=2), 1: Action.close()}
    result = play(market(A=FLAT, B=FLAT), actions, costs=costs)
    cash, years = result.account.cash, 1 / 365
    # sold in session 2 for 20 less 30: the night before session 3 earns on the cash that is there, and no more
    assert cash[2] == pytest.approx(cash[1] * (1 + 0.365 * years) - 10.0)
    assert cash[3] == pytest.approx(cash[2] * (1 + 0.365 * years), rel=1e-12)
