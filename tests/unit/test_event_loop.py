"""What a strategy is handed on every bar is its own: it may keep it and write into it. Actions are plain values."""

import dataclasses
import pickle

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from stockstream.backtesting import events
from stockstream.errors import ParameterError
from stockstream.indicators import SMA
from tests.reference.scripted import market

NAMES = ("open", "high", "low", "close", "volume")


class Keeper(ss.Strategy):
    """Keeps what it is handed and writes nonsense into every other bar's."""

    indicators = (SMA(3),)

    def __init__(self):
        self.kept, self.seen = {}, {}

    def on_data(self, date, symbol, data, portfolio):
        self.kept[date, symbol], self.seen[date, symbol] = data, dict(data)
        if len(self.kept) % 2:
            data["close"], data["mine"] = -1.0, 1.0
            del data["open"]


@pytest.mark.parametrize("sessions", [3, events.BUILT_SESSIONS + 1, events.BUILT_BARS + 2])
@pytest.mark.parametrize("symbols", [1, 3, 40])
def test_data_belongs_to_the_strategy(symbols, sessions):
    rng = np.random.default_rng(1)
    rows = {f"S{s}": [float(p) for p in rng.uniform(5, 15, sessions)] for s in range(symbols)}
    rows["S0"][1] = None
    bars, keeper = market(**rows), Keeper()
    ss.backtest(keeper, bars)
    assert len({id(data) for data in keeper.kept.values()}) == bars.present.sum()
    sma = np.stack([SMA(3)(row[~np.isnan(row)]) for row in bars.close[:1]])[0]
    own = dict(zip(bars.dates[bars.present[0]].tolist(), sma, strict=True))
    for (date, symbol), data in keeper.seen.items():
        s, t = bars.row(symbol), int(np.searchsorted(bars.dates, np.datetime64(date)))
        assert type(data) is dict
        assert list(data) == [*NAMES, "sma_3"]
        assert [data[name] for name in NAMES] == [getattr(bars, name)[s, t] for name in NAMES]
        if s == 0:
            np.testing.assert_equal(data["sma_3"], own[date])
    untouched = [key for number, key in enumerate(keeper.kept) if number % 2]
    np.testing.assert_equal({k: keeper.kept[k] for k in untouched}, {k: keeper.seen[k] for k in untouched})


def test_writing_into_data_changes_no_fill():
    bars = market(A=[10, 11, 12, 13, 14])

    class Writer(ss.Strategy):
        def on_data(self, date, symbol, data, portfolio):
            data.clear()
            return Action.buy(quantity=1)

    result = ss.backtest(Writer(), bars)
    assert result.fills["price"].to_list() == [11, 12, 13, 14]


def test_an_action_is_a_value():
    action = Action.buy(quantity=5, stop_loss=0.1)
    assert action == Action.buy(stop_loss=0.1, quantity=5, limit=None)
    assert hash(action) == hash(Action.buy(quantity=5, stop_loss=0.1))
    assert action != Action.sell(quantity=5, stop_loss=0.1)
    assert pickle.loads(pickle.dumps(action)) == action
    assert dataclasses.replace(action, quantity=6) == Action.buy(quantity=6, stop_loss=0.1)
    assert "stop_loss=0.1" in repr(action)
    with pytest.raises(dataclasses.FrozenInstanceError):
        action.quantity = 7


def test_an_action_refuses_what_it_does_not_have():
    with pytest.raises(ParameterError, match=r"an action has no 'take_profits'.*Did you mean 'take_profit'"):
        Action.buy(take_profits=0.1)
    with pytest.raises(ParameterError, match="max_bars to be a whole number"):
        Action.buy(max_bars=None)
    with pytest.raises(ParameterError, match="time_in_force"):
        dataclasses.replace(Action.buy(), time_in_force=None)
