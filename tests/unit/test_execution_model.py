"""The execution model, rule by rule: time, the order of events within a bar, and who goes first.

Every scenario can be worked out on paper. `docs/execution-model.md` names the test of each sentence.
"""

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from tests.reference.scripted import endings, fills, market, play, signals

FLAT = [10.0, 10.0, 10.0, 10.0, 10.0, 10.0]
STOP = {"stop_loss": 0.1}
BOTH = {"stop_loss": 0.1, "take_profit": 0.2}


# ---- time --------------------------------------------------------------------------------------------------------


def test_a_decision_is_filled_at_the_next_open():
    result = signals(market(A=[10, (11, 13, 11, 12), 12]), enter_long=[0])
    assert fills(result) == [(1, "A", pytest.approx(1000 / 11), 11.0)]


def test_close_fills_are_at_the_close_of_the_decision_and_the_result_says_so():
    result = signals(market(A=[(9, 10, 9, 10), 11, 12]), enter_long=[0], run={"fill": "close"})
    assert fills(result) == [(0, "A", 100.0, 10.0)]
    assert "FILLS AT THE CLOSE OF THE DECISION" in repr(result)
    assert "FILLS AT THE CLOSE" not in repr(signals(market(A=FLAT), enter_long=[0]))


def test_a_decision_on_the_last_bar_is_an_unfilled_order():
    result = signals(market(A=[10, 11]), enter_long=[1])
    assert fills(result) == []
    assert endings(result) == [("expired", "not filled before the end of the data")]


# ---- within a bar ------------------------------------------------------------------------------------------------


def test_levels_that_the_open_jumped_over_fill_at_the_open():
    stopped = signals(market(A=[10, 10, (8, 8.5, 7, 8), 8]), enter_long=[0], levels=BOTH)
    assert fills(stopped)[1] == (2, "A", -100.0, 8.0)
    aimed = signals(market(A=[10, 10, (13, 13, 12.5, 13), 13]), enter_long=[0], levels=BOTH)
    assert fills(aimed)[1] == (2, "A", -100.0, 13.0)


def test_an_open_beyond_the_target_comes_before_a_stop_inside_the_bar():
    result = signals(market(A=[10, 10, (13, 13, 8, 8), 8]), enter_long=[0], levels=BOTH)
    assert fills(result)[1] == (2, "A", -100.0, 13.0)
    assert result.ambiguous_bars == 0


def test_gaps_through_levels_come_before_the_decisions_of_yesterday():
    result = signals(market(A=[10, 10, 10, (8, 8, 8, 8), 8]), enter_long=[0], exit_long=[2], levels=STOP)
    assert fills(result) == [(1, "A", 100.0, 10.0), (3, "A", -100.0, 8.0)]
    assert result.trades["exit_reason"].to_list() == ["stop loss"]


def test_an_exit_at_the_open_comes_before_a_stop_inside_the_bar():
    result = signals(market(A=[10, 10, 10, (9.5, 9.5, 8, 8), 8]), enter_long=[0], exit_long=[2], levels=STOP)
    assert fills(result)[1] == (3, "A", -100.0, 9.5)
    assert result.trades["exit_reason"].to_list() == ["exit signal"]


def test_levels_inside_the_bar_fill_at_the_level():
    stopped = signals(market(A=[10, 10, (10, 10, 8, 8)]), enter_long=[0], levels=BOTH)
    assert fills(stopped)[1] == (2, "A", -100.0, 9.0)
    aimed = signals(market(A=[10, 10, (10, 13, 10, 13)]), enter_long=[0], levels=BOTH)
    assert fills(aimed)[1] == (2, "A", -100.0, 12.0)


def test_stop_and_target_in_one_bar_are_ambiguous_and_the_stop_is_taken():
    bars = market(A=[10, 10, (10, 13, 8, 10)])
    result = signals(bars, enter_long=[0], levels=BOTH)
    assert fills(result)[1] == (2, "A", -100.0, 9.0)
    assert result.ambiguous_bars == 1
    hopeful = signals(bars, enter_long=[0], levels=BOTH, run={"intrabar": "optimistic"})
    assert fills(hopeful)[1] == (2, "A", -100.0, 12.0)
    assert hopeful.ambiguous_bars == 1


def test_the_strategy_sees_the_account_marked_at_the_close():
    seen = {}

    def look(session, symbol, portfolio):
        seen[session] = portfolio.equity

    play(market(A=[10, (10, 13, 10, 12), 11]), {0: Action.buy(quantity=50)}, look=look)
    assert seen == {0: 1000.0, 1: 500 + 50 * 12, 2: 500 + 50 * 11}


def test_close_fills_come_after_the_decision_and_before_the_final_mark():
    bars = market(A=[10, (10, 12, 10, 12), 12])
    costs = ss.Costs(commission=0.01)
    result = play(bars, {1: Action.buy(quantity=50)}, fill="close", costs=costs)
    assert fills(result) == [(1, "A", 50.0, 12.0)]
    assert result.equity["equity"].to_list() == [1000.0, 994.0, 994.0]


def test_stops_of_an_open_fill_are_live_on_its_bar_and_of_a_close_fill_from_the_next():
    bars = market(A=[10, (10, 10, 8, 10), (10, 10, 8.5, 10), 10])
    opened = signals(bars, enter_long=[0], levels=STOP)
    assert fills(opened) == [(1, "A", 100.0, 10.0), (1, "A", -100.0, 9.0)]
    closed = signals(bars, enter_long=[1], levels=STOP, run={"fill": "close"})
    assert fills(closed) == [(1, "A", 100.0, 10.0), (2, "A", -100.0, 9.0)]


LIMIT_ENTRY = Action.buy(quantity=50, limit=9.0, stop_loss=0.1, take_profit=0.1)
STOP_ENTRY = Action.buy(quantity=50, stop=11.0, stop_loss=0.1, take_profit=0.1)


def test_after_a_limit_entry_a_stop_in_the_bar_is_certain_and_a_target_waits():
    stopped = play(market(A=[10, (10, 10, 8, 9), 9]), {0: LIMIT_ENTRY})
    assert fills(stopped) == [(1, "A", 50.0, 9.0), (1, "A", -50.0, 8.1)]
    assert stopped.ambiguous_bars == 0
    waits = play(market(A=[10, (10, 10.5, 8.8, 9), (9, 9, 8.5, 8.5), (9, 10, 9, 10)]), {0: LIMIT_ENTRY})
    assert fills(waits) == [(1, "A", 50.0, 9.0), (3, "A", -50.0, 9.9)]


def test_after_a_stop_entry_a_stop_in_the_bar_is_ambiguous_and_a_target_fills():
    stopped = play(market(A=[10, (10, 11.5, 9.5, 11), 11]), {0: STOP_ENTRY})
    assert fills(stopped) == [(1, "A", 50.0, 11.0), (1, "A", -50.0, 9.9)]
    assert stopped.ambiguous_bars == 1
    aimed = play(market(A=[10, (10, 12.5, 10, 12), 12]), {0: STOP_ENTRY})
    assert fills(aimed) == [(1, "A", 50.0, 11.0), (1, "A", -50.0, 12.1)]
    assert aimed.ambiguous_bars == 0


def test_a_trailing_stop_starts_at_the_fill_and_follows_completed_bars():
    rows = [10, (10, 14, 9.5, 13), (13, 13.5, 12.7, 13), (13, 13, 12, 12)]
    result = signals(market(A=rows), enter_long=[0], levels={"trailing_stop": 0.1})
    # 9.00 on the bar of the fill, whose high of 14 counts only once it is complete: then 12.60
    assert fills(result) == [(1, "A", 100.0, 10.0), (3, "A", -100.0, 12.6)]
    assert result.trades["exit_reason"].to_list() == ["trailing stop"]
    start = signals(market(A=[10, (10, 10, 8.5, 9), 9]), enter_long=[0], levels={"trailing_stop": 0.1})
    assert fills(start)[1] == (1, "A", -100.0, 9.0)


def test_the_trailing_stop_of_a_close_fill_leaves_the_bar_of_the_fill_out():
    rows = [10, (10, 20, 10, 10), (10, 10, 9.5, 10), 10]
    result = signals(market(A=rows), enter_long=[1], levels={"trailing_stop": 0.1}, run={"fill": "close"})
    assert len(fills(result)) == 1


# ---- who goes first ----------------------------------------------------------------------------------------------


def test_sells_go_before_buys():
    bars = market(A=FLAT, B=FLAT)
    result = signals(bars, enter_long={"B": [0], "A": [2]}, exit_long={"B": [2]})
    assert fills(result)[1:] == [(3, "B", -100.0, 10.0), (3, "A", 100.0, 10.0)]


def test_rank_decides_who_gets_the_cash_and_then_the_order_of_the_symbols():
    bars = market(A=FLAT, B=FLAT, C=FLAT)
    entries = np.zeros(bars.shape, bool)
    entries[:, 0] = True

    def first(rank):
        strategy = ss.SignalStrategy(enter_long=entries, rank=rank)
        return fills(ss.backtest(strategy, bars, cash=1000.0))[0][1]

    assert first(np.array([[1.0], [3.0], [2.0]]) * np.ones(6)) == "B"
    assert first(None) == "A"


def test_exits_only_reduce_and_end_with_the_position():
    bars = market(A=[10, 10, (10, 10, 8, 8), 8, 8, 8])
    plan = {0: Action.buy(quantity=50, stop_loss=0.1), 1: Action.close(limit=30.0, time_in_force="gtc")}
    result = play(bars, plan)
    assert fills(result) == [(1, "A", 50.0, 10.0), (2, "A", -50.0, 9.0)]
    assert ("cancelled", "position closed") in endings(result)
    nothing = play(market(A=FLAT), {0: Action.close()})
    assert fills(nothing) == []
    assert endings(nothing) == [("cancelled", "no position to close")]


def test_attachments_end_with_the_position():
    rows = [10, 10, 10, 10, (10, 10, 5, 5), 5]
    result = signals(market(A=rows), enter_long=[0], exit_long=[1], levels=STOP)
    assert [row[2] for row in fills(result)] == [100.0, -100.0]


def test_a_stop_and_an_exit_at_one_open_are_one_fill():
    result = signals(market(A=[10, 10, 10, 8, 8]), enter_long=[0], exit_long=[2], levels=STOP)
    assert fills(result)[1:] == [(3, "A", -100.0, 8.0)]
    assert result.trades["exit_reason"].to_list() == ["stop loss"]
    assert ("cancelled", "position closed") in endings(result)


def test_a_stopped_symbol_ignores_the_entry_of_that_bar_and_takes_the_next():
    rows = [10, 10, (10, 10, 8, 8), 8, 8, 8]
    result = signals(market(A=rows), enter_long=[0, 2, 3], levels=STOP)
    assert [row[:2] for row in fills(result)] == [(1, "A"), (2, "A"), (4, "A")]
    assert ("rejected", "stopped out on this bar") in endings(result)


def test_a_reversal_is_one_order_one_commission_and_two_trades():
    costs = ss.Costs(commission=ss.Commission(minimum=5.0))
    run = {"costs": costs, "sizing": ss.Sizing.shares(20), "maintenance": 0.0}
    result = signals(market(A=FLAT), enter_long=[0], enter_short=[2], run=run)
    assert fills(result) == [(1, "A", 20.0, 10.0), (3, "A", -40.0, 10.0)]
    assert result.fills["fee"].to_list() == [5.0, 5.0]
    assert result.trades["side"].to_list() == ["long", "short"]
    assert result.trades["fees"].to_list() == [7.5, 2.5]


def test_there_is_one_net_position_per_symbol():
    plan = {0: Action.buy(quantity=30), 1: Action.buy(quantity=20), 2: Action.sell(quantity=70)}
    result = play(market(A=[10, 10, 12, 12, 12]), plan, maintenance=0.0, keep_positions=True)
    assert result.account.positions[:, 0].tolist() == [0.0, 30.0, 50.0, -20.0, -20.0]
    assert result.trades["entry_price"][0] == pytest.approx(10.8)


def test_entries_of_both_sides_on_one_bar_contradict_each_other():
    result = signals(market(A=FLAT), enter_long=[1], enter_short=[1])
    assert endings(result) == [("rejected", "entry long and short on the same bar")]


# ---- orders ------------------------------------------------------------------------------------------------------

RESTING = {
    "a limit below the market": (Action.buy(quantity=10, limit=9.5), (10, 10, 9, 9), 9.5),
    "a limit at a better open": (Action.buy(quantity=10, limit=11.0), (10, 10, 9, 9), 10.0),
    "a stop above the market": (Action.buy(quantity=10, stop=11.0), (10, 12, 10, 12), 11.0),
    "a stop that the open jumped over": (Action.buy(quantity=10, stop=11.0), (12, 12, 12, 12), 12.0),
    "a stop-limit within its limit": (Action.buy(quantity=10, stop=11.0, limit=11.5), (10, 13, 10, 13), 11.0),
    "a stop-limit beyond its limit": (Action.buy(quantity=10, stop=11.0, limit=11.5), (12, 13, 12, 13), None),
    "a limit to sell": (Action.sell(quantity=10, limit=11.0), (10, 12, 10, 12), 11.0),
    "a stop to sell": (Action.sell(quantity=10, stop=9.0), (10, 10, 8, 8), 9.0),
}


@pytest.mark.parametrize("name", RESTING)
def test_resting_orders_fill_at_their_level_or_the_open(name):
    action, row, price = RESTING[name]
    result = play(market(A=[10, row]), {0: action}, maintenance=0.0)
    assert [fill[3] for fill in fills(result)] == ([] if price is None else [price])


def test_orders_live_a_day_five_bars_or_until_cancelled():
    bars = market(A=[10.0] * 20)
    limit = {"quantity": 10, "limit": 5.0}
    result = play(bars, {0: [Action.buy(**limit, time_in_force=life) for life in ("day", "default", "gtc")]})
    reasons = ["day order ended", "price level not reached", "not filled before the end of the data"]
    assert [reason for _, reason in endings(result)] == reasons
    late = [20.0] * 20
    for life, session in (("day", 1), ("default", 5), ("gtc", 15)):
        for touch, filled in ((session, True), (session + 1, life == "gtc")):
            rows = list(late)
            rows[touch] = (20, 20, 4, 20)
            plan = {0: Action.buy(**limit, time_in_force=life)}
            assert bool(fills(play(market(A=rows), plan))) is filled, (life, touch)


def test_a_cancelled_order_and_a_new_one_in_its_place():
    plan = {0: Action.buy(quantity=10, limit=9.0), 1: [Action.cancel(), Action.buy(quantity=20, limit=8.0)]}
    result = play(market(A=[10, 10, (10, 10, 7, 7)]), plan)
    assert fills(result) == [(2, "A", 20.0, 8.0)]
    assert endings(result)[0] == ("cancelled", "cancelled by the strategy")


def test_positions_end_after_their_most_bars():
    result = signals(market(A=[10.0] * 8), enter_long=[0], levels={"max_bars": 3})
    assert [row[0] for row in fills(result)] == [1, 4]
    assert result.trades["exit_reason"].to_list() == ["time exit"]
    assert result.trades["bars_held"].to_list() == [3]


def test_no_more_symbols_are_held_than_allowed():
    bars = market(A=FLAT, B=FLAT)
    run = {"max_positions": 1, "sizing": ss.Sizing.weight(0.2)}
    result = signals(bars, enter_long={"A": [0], "B": [0]}, run=run)
    assert [row[1] for row in fills(result)] == ["A"]
    assert endings(result)[1] == ("rejected", "maximum number of positions reached")


def test_levels_are_fractions_of_the_fill_or_distances_in_money():
    bars = market(A=[10, 10, (10, 10, 7, 7)])
    assert fills(signals(bars, enter_long=[0], levels={"stop_loss": 0.2}))[1][3] == 8.0
    assert fills(signals(bars, enter_long=[0], levels={"stop_loss": np.full((1, 3), 1.5)}))[1][3] == 8.5
    money = Action.buy(quantity=10, stop_loss=2.5, distances="money")
    assert fills(play(bars, {0: money}))[1][3] == 7.5


def test_every_order_ends_with_a_status_and_a_reason_that_why_repeats():
    bars = market(A=FLAT, B=FLAT)
    result = signals(bars, enter_long={"A": [0], "B": [0]})
    assert endings(result) == [("filled", ""), ("rejected", "no cash left")]
    assert "no cash left" in result.why("1970-01-02", "B")
    assert "filled 100 at 10" in result.why("1970-01-02", "A")


def test_no_signal_leaves_a_flat_line():
    result = signals(market(A=[10, 11, 9, 12]), enter_long=[])
    assert result.equity["equity"].to_list() == [1000.0] * 4
    assert len(result.orders) == 0


# ---- weights -----------------------------------------------------------------------------------------------------


class Weights(ss.TargetStrategy):
    """The same weights on every day, or those of a list of days."""

    def __init__(self, weights, rebalance="daily", threshold=0.0):
        self.weights, self.rebalance, self.threshold = weights, rebalance, threshold

    def targets(self, bars):
        return np.broadcast_to(np.array(self.weights, float).reshape(len(bars.symbols), -1), bars.shape)


def test_weights_are_reached_at_the_next_open_and_unknown_ones_leave_alone():
    bars = market(A=[10, 10, 20, 20, 20], B=[10, 10, 10, 10, 10])
    plan = [[0.5, np.nan, np.nan, 0.0, np.nan], [np.nan, np.nan, 0.25, np.nan, np.nan]]
    result = ss.backtest(Weights(plan), bars, cash=1000.0)
    assert fills(result) == [(1, "A", 50.0, 10.0), (3, "B", 37.5, 10.0), (4, "A", -50.0, 20.0)]


MONDAYS = [0, 4, 11, 18, 25, 32, 39, 46, 53]  # after Thursday, 1 January 1970


@pytest.mark.parametrize(
    ("schedule", "sessions"), [("daily", list(range(60))), ("weekly", MONDAYS), ("monthly", [0, 31, 59])]
)
def test_rebalancing_is_decided_on_the_first_session_of_its_period(schedule, sessions):
    rising = [(open_, 1.02 * open_, open_, 1.02 * open_) for open_ in 10.0 * 1.03 ** np.arange(60)]
    result = ss.backtest(Weights([0.5], schedule), market(A=rising))
    assert result.ledgers["orders"]["created"].tolist() == sessions


def test_rebalancing_within_the_threshold_is_left_out():
    bars = market(A=[10, 10, 11, 15, 15])
    near = ss.backtest(Weights([0.5], threshold=0.05), bars, cash=1000.0)
    # 0.524 after the first rise is near enough, 0.6 after the second is not
    assert [row[0] for row in fills(near)] == [1, 4]


def test_weights_beyond_the_leverage_are_an_error():
    bars = market(A=FLAT, B=FLAT)
    with pytest.raises(ss.StockstreamError, match="beyond the leverage"):
        ss.backtest(Weights([0.7, -0.7]), bars)
    assert ss.backtest(Weights([0.7, -0.7]), bars, leverage=1.5, maintenance=0.0).account.short_value[-1] > 0
