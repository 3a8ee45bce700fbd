"""How orders end, and what options are refused: every status and reason once, and the corners a random search found.

Closes are 10 or other whole numbers and cash is 1,000, so that every expected number can be worked out on paper.
"""

import math

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from stockstream.backtesting.costs import Commission, Slippage, Tier, Venue
from stockstream.errors import DataError, ParameterError, StockstreamError, StrategyError, UnknownNameError
from tests.reference.scripted import fills, market, play, signals, with_panels

TENS = [10.0] * 5
LONG = [10.0] * 9
LOTS = ss.Costs(venue=Venue(lot=100))
nan = np.nan

# ---- every ending ------------------------------------------------------------------------------------------------

ENDINGS = {
    "filled": lambda: play(market(A=TENS), {0: Action.buy()}),
    "filled: cut to the cash": lambda: play(market(A=TENS), {0: Action.buy(quantity=150)}),
    "partly filled: volume cap": lambda: play(
        market(A=LONG), {0: Action.buy(quantity=80)}, costs=ss.Costs(participation=0.01)
    ),
    "partly filled: not filled before the end of the data": lambda: play(
        market(A=TENS), {0: Action.buy(quantity=80)}, costs=ss.Costs(participation=0.01)
    ),
    "partly filled: superseded by a newer decision": lambda: signals(
        market(A=LONG), enter_long=[0], exit_long=[2], run={"costs": ss.Costs(participation=0.01)}
    ),
    "expired: not filled before the end of the data": lambda: play(market(A=TENS), {4: Action.buy()}),
    "expired: no trade within the waiting time": lambda: play(
        market(A=LONG, volume={"A": [1, 1, 0, 0, 0, 0, 0, 0, 1]}), {1: Action.buy()}
    ),
    "expired: volume cap": lambda: play(
        market(A=LONG), {0: Action.buy(quantity=100)}, costs=ss.Costs(participation=0.01, venue=Venue(lot=100))
    ),
    "expired: price level not reached": lambda: play(market(A=LONG), {0: Action.buy(limit=9.0)}),
    "expired: day order ended": lambda: play(market(A=LONG), {0: Action.buy(limit=9.0, time_in_force="day")}),
    "cancelled: cancelled by the strategy": lambda: play(
        market(A=TENS), {0: Action.buy(limit=9.0), 1: Action.cancel()}
    ),
    "cancelled: superseded by a newer decision": lambda: signals(
        market(A=TENS, volume={"A": [1, 0, 0, 1, 1]}), enter_long=[0], exit_long=[1]
    ),
    "cancelled: position closed": lambda: signals(
        market(A=[10, 10, 10, 8, 8]), enter_long=[0], exit_long=[2], levels={"stop_loss": 0.1}
    ),
    "cancelled: no position to close": lambda: play(market(A=TENS), {0: Action.close()}),
    "cancelled: target already met": lambda: play(
        market(A=TENS), {0: Action.buy(quantity=40), 2: Action.target(quantity=40)}
    ),
    "cancelled: delisted": lambda: play(delisted(), {0: Action.buy(limit=9.0, time_in_force="gtc")}),
    "rejected: no cash left": lambda: play(market(A=TENS, B=TENS), {0: [Action.buy(), Action.buy(symbol="B")]}),
    "rejected: below one lot": lambda: play(market(A=TENS), {0: Action.buy(quantity=99)}, costs=LOTS),
    "rejected: below the minimum parcel": lambda: play(
        market(A=TENS), {0: Action.buy(value=499)}, costs=ss.Costs(venue=Venue(parcel=500))
    ),
    "rejected: maximum number of positions reached": lambda: signals(
        market(A=TENS, B=TENS), enter_long={"A": [0], "B": [0]}, run={"max_positions": 1, "sizing": ss.Sizing.shares(1)}
    ),
    "rejected: entry long and short on the same bar": lambda: signals(market(A=TENS), enter_long=[0], enter_short=[0]),
    "rejected: stopped out on this bar": lambda: signals(
        market(A=[10, 10, 8, 8, 8]), enter_long=[0, 2], levels={"stop_loss": 0.1}
    ),
    "rejected: size is not a positive number": lambda: play(market(A=TENS), {0: Action.buy(quantity=-1)}),
    "rejected: risk sizing needs a stop": lambda: play(market(A=TENS), {0: Action.buy()}, sizing=ss.Sizing.risk(0.01)),
    "rejected: weights beyond the leverage": lambda: play(market(A=TENS), {0: Action.target(weight=1.5)}),
    "rejected: account stopped after ruin": lambda: play(
        market(A=[10, 10, 30, 30, 30], B=[10, 10, 10, 10, 9]),
        {0: [Action.sell(quantity=90), Action.buy(symbol="B", limit=9.0, time_in_force="gtc")]},
        maintenance=0.0,
    ),
}


def delisted():
    bars = market(A=TENS)
    prices = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return ss.Bars.from_arrays(symbols=["A"], dates=bars.dates, delisted={"A": str(bars.dates[2])}, **prices)


@pytest.mark.parametrize("ending", ENDINGS)
def test_statuses_and_reasons(ending):
    status, _, reason = ending.partition(": ")
    found = list(zip(*(ENDINGS[ending]().orders[name] for name in ("status", "reason")), strict=True))
    assert (status, reason) in found


def test_every_cause_of_a_fill():
    causes = {
        "strategy order": play(market(A=TENS), {0: Action.buy()}),
        "entry signal": signals(market(A=TENS), enter_long=[0]),
        "exit signal": signals(market(A=TENS), enter_long=[0], exit_long=[1]),
        "reversal": signals(market(A=TENS), enter_long=[0], enter_short=[1]),
        "stop loss": signals(market(A=[10, 10, 8, 8]), enter_long=[0], levels={"stop_loss": 0.1}),
        "trailing stop": signals(market(A=[10, 10, 8, 8]), enter_long=[0], levels={"trailing_stop": 0.1}),
        "take profit": signals(market(A=[10, 10, 12, 12]), enter_long=[0], levels={"take_profit": 0.1}),
        "time exit": signals(market(A=TENS), enter_long=[0], levels={"max_bars": 2}),
        "margin call": signals(market(A=[10, 10, 17, 17]), enter_short=[0]),
        "delisted": play(delisted(), {0: Action.buy()}),
    }
    for cause, result in causes.items():
        assert cause in result.fills["reason"].to_list()


# ---- why ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "day", "expected"),
    [
        (
            play(market(A=TENS), {0: Action.buy(quantity=150)}),
            0,
            "Order 0 (strategy order of 1970-01-01: buy shares 150): made at this close, to be filled later.",
        ),
        (play(market(A=TENS), {0: Action.buy(quantity=150)}), 1, "filled 100 at 10 of 150 asked (cut to the cash)."),
        (
            play(market(A=TENS), {0: Action.buy()}, costs=ss.Costs(commission=Commission(minimum=10.0))),
            1,
            "filled 99 at 10, fee 10.",
        ),
        (play(market(A=TENS), {}), 1, "No order was made, waited or ended on this bar; nothing was held."),
        (
            play(market(A=TENS), {0: Action.buy(quantity=30)}),
            3,
            "No order was made, waited or ended on this bar; 30 shares were held.",
        ),
        (
            play(market(A=TENS), {0: Action.buy(value=499)}, costs=ss.Costs(venue=Venue(parcel=500))),
            1,
            "rejected: below the minimum parcel, 1000.00 could be spent.",
        ),
        (play(market(A=LONG), {0: Action.buy(limit=9.0)}), 5, "expired: price level not reached."),
        (
            signals(market(A=[10, None, 10, 10, 10], B=TENS), enter_long={"A": [0]}),
            1,
            "no bar, so nothing could be filled; a position is marked at its last known close.",
        ),
        (
            signals(market(A=TENS, volume={"A": [1, 0, 1, 1, 1]}), enter_long=[0]),
            1,
            "No trade on this day, so nothing could be filled.",
        ),
    ],
)
def test_why_says_what_happened(result, day, expected):
    assert expected in result.why(result.bars.dates[day], "A")


def test_why_knows_its_sessions_and_symbols():
    result = play(market(A=TENS), {})
    with pytest.raises(DataError, match="1999-01-01 is not a session of these bars"):
        result.why("1999-01-01", "A")
    with pytest.raises(UnknownNameError, match="no bars for symbol 'B'"):
        result.why("1970-01-01", "B")


# ---- corners that a random search found --------------------------------------------------------------------------


def test_a_reversal_whose_position_was_stopped_out_does_not_sell_it_again():
    bars = market(A=[10, 10, 10, (8, 8, 8, 8), 8])
    result = signals(
        bars,
        enter_long=[0],
        enter_short=[2],
        levels={"stop_loss": 0.1},
        run={"sizing": ss.Sizing("shares", 50.0, at="decision")},
    )
    assert fills(result) == [(1, "A", 50.0, 10.0), (3, "A", -50.0, 8.0), (3, "A", -50.0, 8.0)]


def test_what_a_capped_reversal_still_has_to_do_forgets_a_position_that_is_stopped_out():
    bars = market(A=[10, 10, 10, 10, 12.5, 12.5], volume={"A": [9e3, 9e3, 9e3, 200, 9e3, 9e3]})
    result = signals(
        bars,
        enter_short=[0],
        enter_long=[2],
        levels={"stop_loss": 0.2},
        run={"sizing": ss.Sizing.shares(50.0), "costs": ss.Costs(participation=0.1)},
    )
    assert fills(result)[:2] == [(1, "A", -50.0, 10.0), (3, "A", 20.0, 10.0)]
    assert fills(result)[2:] == [(4, "A", 30.0, 12.5), (4, "A", 50.0, 12.5)]  # the stop, then the new side


def test_a_capped_close_also_closes_what_a_dividend_bought_in_between():
    bars = with_panels(
        market(A=[10, 10, 10, 10, 10, 10, 10], volume={"A": [1e4, 1e4, 400, 400, 400, 400, 400]}),
        dividend=[nan, nan, nan, 1, nan, nan, nan],
    )
    result = play(
        bars,
        {0: Action.buy(quantity=90), 1: Action.close(time_in_force="gtc")},
        costs=ss.Costs(participation=0.1),
        dividends="reinvest",
        keep_positions=True,
    )
    # 40 a day: 50 are left when each 9 earn one more
    assert result.account.positions[:, 0] == pytest.approx([0, 90, 50, 50 * 10 / 9 - 40, 0, 0, 0], abs=1e-9)


def test_sizes_of_the_decision_wait_for_the_room_that_a_sale_makes():
    bars = market(A=TENS, B=TENS)
    result = signals(
        bars,
        enter_long={"A": [0], "B": [2]},
        exit_long={"A": [2]},
        run={"sizing": ss.Sizing("value", 800.0, at="decision"), "max_positions": 1},
    )
    assert fills(result) == [(1, "A", 80.0, 10.0), (3, "A", -80.0, 10.0), (3, "B", 80.0, 10.0)]


def test_proceeds_that_are_not_settled_earn_nothing_and_cost_nothing():
    bars = market(A=TENS, B=TENS)
    plan = {0: Action.buy(), 1: [Action.close(), Action.buy(symbol="B")]}
    costs = ss.Costs(cash_rate=0.365, borrow_rate=0.365, venue=Venue(settlement=2))
    result = play(bars, plan, costs=costs)
    assert result.totals.interest == pytest.approx(1.001)  # on 1,000 the first night, on the 1 that it left the second


def test_the_proceeds_of_a_short_are_collateral_once():
    costs = ss.Costs(cash_rate=0.365, venue=Venue(settlement=2))
    result = play(market(A=TENS), {0: Action.sell(quantity=40)}, costs=costs)
    assert result.account.equity[1:3] == pytest.approx([1001.0, 1001.0 * 1.001])


@pytest.mark.parametrize(("lot", "shares", "ratio", "left", "cash"), [(100, 100, 1.5, 150, 0.0), (1, 1, 0.4, 0, 10.0)])
def test_fractions_of_a_share_are_paid_out_and_not_those_of_a_lot(lot, shares, ratio, left, cash):
    after = 10 / ratio
    bars = with_panels(market(A=[10, 10, after, after]), split=[nan, nan, ratio, nan])
    result = play(
        bars,
        {0: Action.buy(quantity=shares)},
        cash=10.0 * shares,
        costs=ss.Costs(venue=Venue(lot=lot)),
        keep_positions=True,
    )
    assert result.account.positions[-1, 0] == left
    assert result.account.cash[-1] == pytest.approx(cash)
    assert result.account.equity[-1] == pytest.approx(10.0 * shares)


@pytest.mark.parametrize("quantity", [30.0, -30.0])
def test_a_target_may_wait_for_a_price_inside_a_bar(quantity):
    level = 9.0 if quantity > 0 else 11.0
    bars = market(A=[10, (10, 10.5, 9.5, 10), (10, 12, 8, 10), 10])
    assert fills(play(bars, {0: Action.target(quantity=quantity, limit=level)})) == [(2, "A", quantity, level)]


def test_a_target_that_is_no_number_is_rejected():
    result = play(market(A=TENS), {0: Action.target(weight=nan)})
    assert result.orders["reason"].to_list() == ["size is not a positive number"]


def test_a_stop_that_was_triggered_goes_on_as_a_market_order():
    bars = market(A=[10, (10, 11, 10, 10), 10, 10], volume={"A": [400] * 4})
    result = play(bars, {0: Action.buy(quantity=60, stop=11.0)}, costs=ss.Costs(participation=0.1))
    assert fills(result) == [(1, "A", 40.0, 11.0), (2, "A", 20.0, 10.0)]


def test_risk_is_measured_from_the_price_that_was_paid():
    result = signals(
        market(A=TENS),
        enter_long=[0],
        levels={"stop_loss": 0.1},
        run={"sizing": ss.Sizing.risk(0.01), "costs": ss.Costs(slippage=0.25)},
    )
    assert fills(result)[0] == (1, "A", 8.0, 12.5)  # 1 % of 1,000 over a distance of 1.25


def test_what_rounding_leaves_of_the_cap_is_not_traded():
    bars = market(A=TENS, volume=0.2)  # 0.1 of it less 0.01 less 0.01 is 3.5e-18
    plan = {0: [Action.buy(quantity=0.01), Action.buy(quantity=0.01), Action.buy(quantity=0.01, time_in_force="day")]}
    result = play(bars, plan, costs=ss.Costs(participation=0.1, commission=Commission(minimum=1.0)))
    assert fills(result) == [(1, "A", 0.01, 10.0), (1, "A", 0.01, 10.0)]
    assert result.orders["reason"].to_list() == ["", "", "volume cap"]


def test_no_cap_on_a_volume_that_is_not_known():
    with pytest.warns(UserWarning, match="no volume for A"):
        result = play(market(A=TENS, volume=0.0), {0: Action.buy(quantity=50)}, costs=ss.Costs(participation=0.1))
    assert fills(result) == [(1, "A", 50.0, 10.0)]


def test_a_strategy_sees_the_shares_a_split_has_made():
    seen = {}
    bars = with_panels(market(A=[10, 10, 5, 5]), split=[nan, nan, 2, nan])
    play(
        bars,
        {0: Action.buy(quantity=30)},
        look=lambda t, s, view: seen.update({t: [p.quantity for p in view.positions.values()]}),
    )
    assert seen == {0: [], 1: [30.0], 2: [60.0], 3: [60.0]}


def test_the_last_session_of_close_fills_ends_once():
    result = play(market(A=TENS), {4: Action.buy(quantity=80)}, fill="close", costs=ss.Costs(participation=0.01))
    assert fills(result) == [(4, "A", 10.0, 10.0)]
    assert result.orders["quantity"].to_list() == [80.0]


@pytest.mark.parametrize("answer", [5, "buy", [None], {"buy": 1}, True])
def test_an_answer_that_is_no_action_names_its_bar(answer):
    with pytest.raises(StrategyError, match=r"Script on 1970-01-02, A: answered .* expected Action\.buy"):
        play(market(A=TENS), {1: answer})


def test_an_unknown_symbol_keeps_the_ledger_so_far():
    with pytest.raises(StrategyError, match="no bars for symbol 'Z'") as caught:
        play(market(A=TENS), {0: Action.buy(), 2: Action.buy(symbol="Z")})
    assert fills(caught.value.result) == [(1, "A", 100.0, 10.0)]


def test_a_strategy_may_order_more_than_the_ledgers_were_made_for():
    orders = [Action.buy(quantity=0.5, limit=9.0, time_in_force="gtc") for _ in range(1500)]
    result = play(market(A=[10, 10, 9, 9]), {0: orders, 1: orders}, cash=1e6)
    assert len(fills(result)) == 3000
    assert result.account.cash[-1] == pytest.approx(1e6 - 1500 * 9.0)


# ---- options that make no sense ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ss.Costs(commission=-0.1), "commission rate as a fraction"),
        (lambda: ss.Costs(commission=1.0), "commission rate as a fraction"),
        (lambda: ss.Costs(slippage=nan), "slippage as a fraction"),
        (lambda: ss.Costs(borrow_rate="5%"), "borrow rate as a fraction"),
        (lambda: ss.Costs(participation=-0.1), "participation as a fraction"),
        (lambda: Commission(minimum=-1.0), "minimum commission to be 0 or more"),
        (lambda: Commission(per_share=math.inf), "per share to be 0 or more"),
        (lambda: Commission(tiers=(Tier(10.0),)), "the last one inf"),
        (lambda: Commission(tiers=(Tier(math.inf), Tier(10.0))), "increasing bounds"),
        (lambda: Commission(rate=0.1, tiers=(Tier(math.inf),)), "either a commission rate or tiers"),
        (lambda: Commission(tiers=(*(Tier(float(i)) for i in range(1, 13)), Tier(math.inf))), "at most 12 tiers"),
        (lambda: Tier(nan), "notional above 0"),
        (lambda: Tier(1.0, fixed=-1.0), "fixed fee of a tier"),
        (lambda: Tier(1.0, rate=2.0), "rate of a tier"),
        (lambda: Slippage(ticks=-1.0), "slippage in ticks"),
        (lambda: Venue(lot=-1), "lot to be 0 or more"),
        (lambda: Venue(parcel=nan), "minimum parcel"),
        (lambda: Venue(settlement=1), "settlement after 0 or 2"),
        (lambda: Venue(ticks=((2.0, 0.01), (1.0, 0.02))), "increasing bounds"),
        (lambda: Venue(ticks=((2.0, 0.0),)), "steps above 0"),
        (lambda: Venue(ticks=tuple((float(i), 0.1) for i in range(1, 14))), "at most 12 price steps"),
        (lambda: ss.Sizing("half"), "expected a sizing of all_cash"),
        (lambda: ss.Sizing.shares(0), "Sizing.shares above 0"),
        (lambda: ss.Sizing.weight(-0.5), "Sizing.weight above 0"),
        (lambda: ss.Sizing.value(nan), "Sizing.value above 0"),
        (lambda: ss.Sizing.risk(math.inf), "Sizing.risk above 0"),
        (lambda: ss.Sizing.volatility(0.1, window=1), "at least 2 bars"),
        (lambda: ss.Sizing("shares", 1.0, at="close"), "at='fill' or at='decision'"),
        (lambda: Action.buy(quantity=1, weight=0.5), "one of quantity, value and weight"),
        (lambda: Action.buy(quantity="ten"), "quantity to be a number"),
        (lambda: Action.buy(limit=-1.0), "limit above 0"),
        (lambda: Action.buy(stop=nan), "stop above 0"),
        (lambda: Action.buy(stop_loss="2%"), "stop_loss above 0"),
        (lambda: Action.buy(max_bars=1.5), "max_bars to be a whole number"),
        (lambda: Action.buy(max_bars=-1), "max_bars to be a whole number"),
        (lambda: Action.buy(time_in_force="week"), "time_in_force default, day, gtc"),
        (lambda: Action.buy(distances="ticks"), "distances='fraction' or 'money'"),
        (lambda: Action(kind="by"), "Did you mean 'buy'"),
        (lambda: ss.SignalStrategy(exit_long=[True]), "without an entry there is nothing to do"),
    ],
)
def test_objects_refuse_what_makes_no_sense(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cash": 0}, "cash to be above 0"),
        ({"cash": nan}, "cash to be above 0"),
        ({"cash": True}, "cash to be above 0"),
        ({"leverage": 0.5}, "leverage to be 1 or more"),
        ({"maintenance": 1.0}, "maintenance to be a fraction"),
        ({"delist_loss": 1.5}, "delist_loss to be a fraction"),
        ({"periods_per_year": 0}, "periods_per_year to be above 0"),
        ({"fill": "open"}, "fill to be one of 'next_open', 'close'"),
        ({"intrabar": "lucky"}, "intrabar to be one of"),
        ({"dividends": "keep"}, "dividends to be one of"),
        ({"max_positions": 0}, "max_positions to be a whole number"),
        ({"max_positions": 2.0}, "max_positions to be a whole number"),
        ({"sizing": 100}, "expected costs=ss.Costs"),
        ({"costs": 0.001}, "expected costs=ss.Costs"),
        ({"levrage": 2}, "no option 'levrage'.*Did you mean 'leverage'"),
        ({"path": "fast"}, "path to be one of"),
        ({"sizing": ss.Sizing.risk(0.01)}, "needs a strategy with a stop_loss"),
    ],
)
def test_a_backtest_refuses_options_before_anything_runs(options, message):
    with pytest.raises(ParameterError, match=message):
        signals(market(A=TENS), enter_long=[0], run=options) if "cash" not in options else play(
            market(A=TENS), {}, **options
        )


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"enter_long": [1, 0, 0, 0, 0]}, DataError, "expected booleans for enter_long; found int"),
        ({"enter_long": [True]}, DataError, r"enter_long of shape \(1, 5\)"),
        ({"enter_long": [True] * 5, "stop_loss": -0.1}, ParameterError, "stop_loss above 0"),
        ({"enter_long": [True] * 5, "rank": [1.0]}, DataError, "rank of shape"),
    ],
)
def test_arrays_must_fit_the_bars(arrays, error, message):
    with pytest.raises(error, match=message):
        ss.backtest(ss.SignalStrategy(**arrays), market(A=TENS))


def test_a_strategy_must_be_a_strategy_and_bars_bars():
    with pytest.raises(StockstreamError, match="must be instantiated"):
        ss.backtest(ss.RuleStrategy, market(A=TENS))
    with pytest.raises(DataError, match="expected Bars; found list"):
        ss.backtest(ss.SignalStrategy(enter_long=[True]), [1, 2, 3])
