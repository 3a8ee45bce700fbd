"""Order by order against vectorbt and backtesting, on GOOG and on random walks, and the rules in which they differ."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from tests.reference import peers, scripted

VECTORBT = json.loads(peers.FIXTURE.read_text())
EXACT = 1e-9

#: What `backtesting` can be asked: one symbol, next open, whole shares, no slippage.
BACKTESTING = {
    "crossover": peers.Scenario("", slippage=0.0),
    "reversal": peers.Scenario("", reverse=True, slippage=0.0),
    "stop and target": peers.Scenario("", slippage=0.0, stop_loss=0.04, take_profit=0.08),
    "stop and target of both sides": peers.Scenario("", reverse=True, slippage=0.0, stop_loss=0.09, take_profit=0.12),
    "trailing stop": peers.Scenario("", slippage=0.0, trailing=0.06),
    "trailing stop of both sides": peers.Scenario("", reverse=True, slippage=0.0, trailing=0.06),
    "fixed fraction": peers.Scenario("", slippage=0.0, sizing=("weight", 0.3)),
}


def bars_of(prices):
    """Our bars of a peer's market."""
    shape = prices["close"].shape
    return ss.Bars.from_arrays(
        symbols=[f"S{row}" for row in range(shape[0])],
        dates=np.arange(shape[1]).astype("datetime64[D]"),
        volume=np.full(shape, 1e6),
        **prices,
    )


def our_run(scenario, *, lot=0.0, strategy=None):
    prices = peers.market(scenario.market)
    up, down = peers.signals(scenario, prices)
    levels = {"stop_loss": scenario.stop_loss, "take_profit": scenario.take_profit, "trailing_stop": scenario.trailing}
    sides = {"enter_short": down} if scenario.reverse else {"exit_long": down}
    kind, amount = scenario.sizing
    return ss.backtest(
        strategy or ss.SignalStrategy(enter_long=up, **sides, **levels),
        bars_of(prices),
        cash=peers.CASH,
        costs=ss.Costs(commission=scenario.commission, slippage=scenario.slippage, venue=ss.Venue(lot=lot)),
        sizing=ss.Sizing.all_cash() if kind == "all_cash" else getattr(ss.Sizing, kind)(amount),
        fill=scenario.fill,
        maintenance=0.0,
    )


def fills(result):
    rows = result.ledgers["fills"]
    return np.column_stack([rows[name].astype(float) for name in ("session", "symbol", "quantity", "price", "fee")])


def trades(result):
    rows = result.ledgers["trades"]
    quantity = rows["side"] * rows["quantity"]
    names = ("entry", "exit", "entry_price", "exit_price", "fees")
    entry, leave, bought, sold, fees = (rows[name].astype(float) for name in names)
    return np.column_stack([entry, leave, quantity, bought, sold, fees])


# ---- vectorbt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", peers.SCENARIOS)
def test_every_order_is_vectorbts(name):
    result, theirs = our_run(peers.SCENARIOS[name]), VECTORBT["scenarios"][name]
    assert len(theirs["orders"]) > 20
    np.testing.assert_allclose(fills(result), np.array(theirs["orders"]), rtol=EXACT)
    assert result.equity["equity"][-1] == pytest.approx(theirs["equity"], rel=EXACT)


@pytest.mark.parametrize("name", [name for name in peers.SCENARIOS if name.startswith("crossover")])
def test_the_shipped_crossover_is_the_one_the_peers_run(name):
    scenario = peers.SCENARIOS[name]
    rules = our_run(scenario, strategy=MovingAverageCrossover(scenario.fast, scenario.slow))
    np.testing.assert_array_equal(fills(rules), fills(our_run(scenario)))


@pytest.mark.slow
def test_the_stored_orders_are_what_vectorbt_answers_today():
    import vectorbt

    assert vectorbt.__version__ == VECTORBT["vectorbt"]
    for name, scenario in peers.SCENARIOS.items():
        assert peers.vectorbt_run(scenario) == VECTORBT["scenarios"][name], name
    for name, difference in peers.DIFFERENCES.items():
        assert peers.vectorbt_difference(difference) == VECTORBT["differences"][name], name


# ---- backtesting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["GOOG", "walk", "wild"])
@pytest.mark.parametrize("name", BACKTESTING)
def test_every_trade_is_backtestings(name, market):
    scenario = replace(BACKTESTING[name], market=market)
    theirs = peers.backtesting_run(scenario)
    result = our_run(scenario, lot=1.0)
    expected = np.array(sorted(theirs["trades"]))
    assert len(expected) > 10
    np.testing.assert_allclose(trades(result), expected, rtol=EXACT)
    assert result.equity["equity"][-1] == pytest.approx(theirs["equity"], rel=EXACT)


# ---- where the rules differ --------------------------------------------------------------------------------------


def their_run(rows, plan, **options):
    """Run `backtesting` on hand-made bars; a plan is session -> what to do with the strategy."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    class Planned(Strategy):
        def init(self):
            pass

        def next(self):
            plan.get(len(self.data) - 1, lambda _: None)(self)

    frame = pd.DataFrame(rows, columns=["Open", "High", "Low", "Close"], dtype=float).assign(Volume=1.0)
    frame.index = pd.date_range("2020-01-01", periods=len(rows))
    return Backtest(frame, Planned, cash=1000, finalize_trades=True, **options).run()


def theirs(rows, plan, **options):
    trades_of = their_run(rows, plan, **options)["_trades"]
    return trades_of[["EntryBar", "ExitBar", "Size", "EntryPrice", "ExitPrice"]].to_numpy(float).tolist()


def entering(**levels):
    return lambda strategy: strategy.buy(size=50, **levels)


def ours(rows, *, levels=None, run=None, **sides):
    levels = {"stop_loss": 0.1, "take_profit": 0.2} if levels is None else levels
    run = {"sizing": ss.Sizing.shares(50), **(run or {})}
    bars = scripted.market(A=rows)
    return [row[2:] for row in scripted.fills(scripted.signals(bars, enter_long=[1], levels=levels, run=run, **sides))]


QUIET = peers.QUIET


def test_a_target_that_the_open_jumped_over_goes_before_a_stop_inside_the_bar():
    rows = [QUIET, QUIET, QUIET, (13.0, 13.0, 8.0, 8.0), QUIET]
    assert theirs(rows, {1: entering(sl=9.0, tp=12.0)}) == [[2, 3, 50, 10, 9]]
    assert ours(rows) == [(50, 10), (-50, 13)]


def test_slippage_is_paid_on_both_sides():
    rows = [QUIET] * 6
    plan = {1: entering(), 3: lambda strategy: strategy.position.close()}
    assert theirs(rows, plan, spread=0.1) == [[2, 4, 50, 11, 10]]
    assert ours(rows, exit_long=[3], levels={}, run={"costs": ss.Costs(slippage=0.1)}) == [(50, 11), (-50, 9)]


def test_a_buy_beyond_the_cash_is_cut_and_not_cancelled():
    rows = [QUIET] * 5
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert theirs(rows, {1: lambda strategy: strategy.buy(size=500)}) == []
    assert any("canceled the order" in str(warning.message) for warning in said)
    assert ours(rows, levels={}, run={"sizing": ss.Sizing.shares(500)}) == [(100, 10)]


def test_a_reversal_pays_one_commission():
    rows = [QUIET] * 6
    plan = {1: entering(), 3: lambda strategy: strategy.sell(size=100)}
    assert theirs(rows, plan, commission=(5, 0.0))[0] == [2, 4, 50, 10, 10]
    run = {"costs": ss.Costs(commission=ss.Commission(minimum=5.0)), "maintenance": 0.0}
    assert ours(rows, enter_short=[3], levels={}, run=run) == [(50, 10), (-100, 10)]


@pytest.mark.parametrize("name", peers.DIFFERENCES)
def test_vectorbt_differs_as_the_documentation_says(name):
    difference, stored = peers.DIFFERENCES[name], VECTORBT["differences"][name]
    assert [price for _, price in stored] == pytest.approx(difference.theirs)
    run = {"fill": difference.fill, "costs": ss.Costs(slippage=difference.slippage)}
    found = ours([QUIET, *difference.rows], levels=difference.levels, run=run)
    assert [price for _, price in found] == pytest.approx(difference.ours)


def test_a_ruined_account_keeps_its_debt():
    rows = [QUIET, QUIET, QUIET, (30.0, 30.0, 30.0, 30.0), QUIET]
    plan = {1: lambda strategy: strategy.sell(size=100)}
    assert theirs(rows, plan)[0][:3] == [2, 3, -100]
    assert their_run(rows, plan)["Equity Final [$]"] == 0.0
    result = scripted.play(scripted.market(A=rows), {1: ss.Action.sell(quantity=100)})
    assert result.equity["equity"][-1] == -1000.0
