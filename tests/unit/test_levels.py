"""The stops and targets that a result keeps for drawing are those that its bars were tested against."""

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from stockstream.errors import ParameterError
from stockstream.indicators import ATR, SMA
from tests.reference.peers import walk
from tests.reference.scripted import market, play, signals, with_panels

nan = np.nan


def kept(result, symbol="A"):
    return [tuple(row) for row in result.levels(symbol).select("stop", "target").iter_rows()]


def test_levels_of_each_bar():
    bars = market(A=[10, 10, (10, 12, 10, 12), 12, (12, 12, 8, 8), 8])
    levels = {"stop_loss": 0.2, "take_profit": 0.5, "trailing_stop": 0.1}
    result = signals(bars, enter_long=[0], levels=levels, run={"keep_levels": True})
    none = (None, None)
    # a tenth below the fill, then below the high of the completed bar, and nothing once it is sold
    assert kept(result) == [
        none,
        (9.0, 15.0),
        (9.0, 15.0),
        (pytest.approx(10.8), 15.0),
        (pytest.approx(10.8), 15.0),
        none,
    ]
    assert result.trades["exit_price"].to_list() == pytest.approx([10.8])


def test_an_addition_leaves_the_levels_as_they_are():
    plan = {
        0: Action.buy(quantity=10, stop_loss=0.2, take_profit=0.5),
        1: Action.buy(quantity=10, stop_loss=0.1, take_profit=0.1),
    }
    result = play(market(A=[10, 10, 12, 12]), plan, keep_levels=True)
    assert kept(result) == [(None, None), (8.0, 15.0), (8.0, 15.0), (8.0, 15.0)]
    assert result.account.equity[-1] == 1000.0 + 10 * 2.0


def test_levels_move_with_a_split_and_not_on_a_day_without_trade():
    bars = market(A=[10, 10, 10, 5, 5], volume={"A": [1, 1, 0, 1, 1]})
    bars = with_panels(bars, split=[nan, nan, nan, 2, nan])
    result = signals(bars, enter_long=[0], levels={"stop_loss": 0.2}, run={"keep_levels": True})
    assert kept(result) == [(None, None), (8.0, None), (None, None), (4.0, None), (4.0, None)]


def test_levels_of_a_close_fill_begin_on_the_next_bar():
    run = {"keep_levels": True, "fill": "close"}
    result = signals(market(A=[10, 10, 10]), enter_long=[0], levels={"stop_loss": 0.2}, run=run)
    assert kept(result) == [(None, None), (8.0, None), (8.0, None)]


class Guarded(ss.RuleStrategy):
    def rules(self):
        fast, slow = SMA(5), SMA(20)
        levels = {"stop_loss": 2 * ATR(14), "take_profit": 4 * ATR(14), "trailing_stop": 3 * ATR(14)}
        return ss.Rules(enter_long=fast.crosses_above(slow), enter_short=fast.crosses_below(slow), **levels)


@pytest.mark.parametrize("path", ["array", "event"])
def test_every_exit_is_at_its_level_or_the_open_beyond_it_and_no_other_bar_touches_one(path):
    prices = walk(12, 0.03)
    bars = ss.Bars.from_arrays(
        symbols=["A"],
        dates=np.arange(len(prices["close"])).astype("datetime64[D]"),
        volume=np.ones((1, len(prices["close"]))),
        **{name: values[None, :] for name, values in prices.items()},
    )
    result = ss.backtest(Guarded(), bars, path=path, keep_levels=True, maintenance=0.0)
    stop, target = (result.account.levels[i, 0] for i in (0, 1))
    reasons = result.fills["reason"].to_list()
    sessions = result.ledgers["fills"]["session"]
    side = -np.sign(result.ledgers["fills"]["quantity"])  # of the position that the fill ends
    ended = set()
    for reason, t, way, price in zip(reasons, sessions, side, result.fills["price"], strict=True):
        if reason in ("stop loss", "trailing stop"):
            assert price == way * min(way * stop[t], way * bars.open[0, t])
            ended.add(t)
        elif reason == "take profit":
            assert price == way * max(way * target[t], way * bars.open[0, t])
            ended.add(t)
    assert len(ended) > 20
    quiet = np.setdiff1d(np.flatnonzero(~np.isnan(stop)), [*ended, *sessions])
    long = stop[quiet] < target[quiet]
    low, high = bars.low[0, quiet], bars.high[0, quiet]
    assert (
        (low > np.where(long, stop[quiet], target[quiet])) & (high < np.where(long, target[quiet], stop[quiet]))
    ).all()


def test_levels_are_kept_only_when_asked_for():
    result = signals(market(A=[10, 10, 10]), enter_long=[0], levels={"stop_loss": 0.2})
    assert result.account.levels.size == 0
    with pytest.raises(ParameterError, match="keep_levels=True"):
        result.levels("A")
