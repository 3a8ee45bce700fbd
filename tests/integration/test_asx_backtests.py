"""A crossover on 330 real ASX symbols from the lake: each alone against a plain loop, all together by the laws."""

import warnings

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.indicators import SMA

FAST, SLOW = 10, 30
COMMISSION, SLIPPAGE = 0.001, 0.0005
WAITING = 5


@pytest.fixture(scope="module")
def bars(market_data, tmp_path_factory):
    lake = ss.Lake(tmp_path_factory.mktemp("lake"))
    lake.import_file(market_data / "prices" / "asx_yahoo_2024_2026.parquet")
    return lake.bars()


def crossover(bars, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no volume for")
        return ss.backtest(MovingAverageCrossover(FAST, SLOW), bars, **options)


def sides(close):
    """Sign of fast less slow mean on own bars: 0 for a tie, NaN before both are known.

    The bits of the means are the library's, once they are shown to be means: prices move in ticks, so the two means are
    equal on one bar in hundreds, and the last bit of a sum then decides whether that is a tie.
    """
    means = [SMA(window)(np.ascontiguousarray(close)) for window in (FAST, SLOW)]
    for window, mean in zip((FAST, SLOW), means, strict=True):
        plain = np.lib.stride_tricks.sliding_window_view(close, window).mean(axis=1)
        np.testing.assert_allclose(mean[window - 1 :], plain, rtol=1e-12)
    return np.sign(means[0] - means[1])


def plain_loop(open_, close, volume, cash):
    """Run one symbol's own bars: (bar, signed quantity, price, fee) of each fill, and the value at the end."""
    fills, held, waiting, age, last = [], 0.0, 0, 0, 0.0
    silent = not (volume > 0).any()
    for t, side in enumerate(sides(close) if len(close) >= SLOW else []):
        if waiting and (volume[t] > 0 or silent):
            price = open_[t] * (1 + waiting * SLIPPAGE)
            quantity = cash / (price * (1 + COMMISSION)) if waiting > 0 else -held
            fee = abs(quantity) * price * COMMISSION
            cash, held, waiting = cash - quantity * price - fee, held + quantity, 0
            fills.append((t, quantity, price, fee))
        elif waiting:
            age += 1
            waiting = 0 if age == WAITING else waiting
        if side * last < 0:
            heading = waiting or (1 if held else 0)
            if side > 0:
                # an exit that still waits is taken back; otherwise an entry is new
                waiting, age = (0, 0) if waiting < 0 else (waiting, age) if heading > 0 else (1, 0)
            elif waiting > 0:
                waiting = 0
            elif held and not waiting:
                waiting, age = -1, 0
        last = side if side in (-1.0, 1.0) else last
    return fills, cash + held * (close[-1] if len(close) else 0.0)


def test_each_symbol_alone_equals_a_plain_loop(bars):
    assert len(bars.symbols) == 330
    costs = ss.Costs(commission=COMMISSION, slippage=SLIPPAGE)
    compared = 0
    for row, symbol in enumerate(bars.symbols):
        own = np.flatnonzero(bars.present[row])
        expected, value = plain_loop(bars.open[row, own], bars.close[row, own], bars.volume[row, own], 10_000.0)
        result = crossover(bars.select([symbol]), cash=10_000.0, costs=costs)
        fills = result.ledgers["fills"]
        found = np.column_stack([fills[n].astype(float) for n in ("session", "quantity", "price", "fee")])
        wanted = np.array([(own[t], *rest) for t, *rest in expected]).reshape(-1, 4)
        assert found.shape == wanted.shape, symbol
        np.testing.assert_allclose(found, wanted, rtol=1e-9, err_msg=symbol)
        assert result.equity["equity"][-1] == pytest.approx(value, rel=1e-9), symbol
        compared += len(found)
    assert compared > 3000


@pytest.fixture(scope="module")
def shared(bars):
    costs = ss.Costs(commission=COMMISSION)
    return crossover(bars, cash=100_000.0, costs=costs, sizing=ss.Sizing.weight(0.04), keep_positions=True)


def test_cash_and_positions_are_the_equity_on_every_session(bars, shared):
    fills = shared.ledgers["fills"]
    assert len(fills) > 1000
    paid, held = np.zeros(len(bars)), np.zeros(bars.shape)
    np.add.at(paid, fills["session"], fills["quantity"] * fills["price"] + fills["fee"])
    np.add.at(held, (fills["symbol"], fills["session"]), fills["quantity"])
    held = np.cumsum(held, axis=1)
    cash = 100_000.0 - np.cumsum(paid)
    known = np.maximum.accumulate(np.where(bars.present, np.arange(len(bars)), 0), axis=1)
    marks = np.nan_to_num(np.take_along_axis(bars.close, known, axis=1))
    np.testing.assert_allclose(shared.account.cash, cash, atol=1e-6)
    np.testing.assert_allclose(shared.account.equity, cash + (held * marks).sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(shared.account.positions.T, held, atol=1e-6)
    assert cash.min() > -1e-6


def test_every_fill_is_inside_its_bar_on_a_day_with_trade(bars, shared):
    fills = shared.ledgers["fills"]
    place = fills["symbol"], fills["session"]
    with np.errstate(invalid="ignore"):
        traded = np.nansum(bars.volume, axis=1) > 0
    assert (bars.volume[place] > 0)[traded[fills["symbol"]]].all()
    np.testing.assert_array_equal(fills["price"], bars.open[place])
    # the source rounds, so an open may lie a rounding outside its own range
    assert (fills["price"] <= bars.high[place] * (1 + 1e-6)).all()
    assert (fills["price"] >= bars.low[place] * (1 - 1e-6)).all()


def test_the_cash_runs_out_and_every_order_says_what_became_of_it(shared):
    orders = shared.orders
    assert set(orders["status"]) <= {"filled", "cancelled", "expired", "rejected"}
    ended = orders.filter(orders["status"] != "filled")
    assert ended.height > 0
    assert (ended["reason"] != "").all()
    assert orders.filter(orders["reason"] == "no cash left").height > 0


def test_a_day_of_trade_decides_alone_when_days_after_it_are_gone(bars, shared):
    cut = bars.between(None, bars.dates[300])
    early = crossover(cut, cash=100_000.0, costs=ss.Costs(commission=COMMISSION), sizing=ss.Sizing.weight(0.04))
    before = shared.ledgers["fills"][shared.ledgers["fills"]["session"] <= 300]
    assert len(before) > 500
    np.testing.assert_array_equal(early.ledgers["fills"], before)
