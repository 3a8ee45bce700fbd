"""The shipped strategies against rules written again with TA-Lib, pandas and plain loops."""

import inspect

import numpy as np
import pandas as pd
import pytest
import talib

import stockstream as ss
from stockstream.backtesting import strategies
from stockstream.backtesting.strategies import (
    BollingerBreakout,
    BuyAndHold,
    CrossSectionalMomentum,
    DonchianBreakout,
    MACDLongShort,
    MovingAverageCrossover,
    PairsMeanReversion,
    RSIMeanReversion,
    spread_score,
)
from stockstream.backtesting.strategy import RuleStrategy, TargetStrategy
from stockstream.errors import DataError, ParameterError, UnknownNameError
from tests.reference.sample_series import random_walk

SESSIONS = 700
COSTS = ss.Costs(commission=0.001, slippage=0.0005)


def panel(symbols=1, sessions=SESSIONS, gaps=0.0):
    """Random walks on business days; `gaps` is the share of missing bars."""
    walks = [random_walk(sessions, seed=90 + k) for k in range(symbols)]
    columns = {name: np.stack([walk[name] for walk in walks]) for name in walks[0]}
    absent = np.random.default_rng(5).random((symbols, sessions)) < gaps
    for values in columns.values():
        values[absent] = np.nan
    days = pd.bdate_range("2020-01-01", periods=sessions).to_numpy().astype("datetime64[D]")
    return ss.Bars.from_arrays(symbols=[f"S{k}" for k in range(symbols)], dates=days, **columns)


def crossed(one, two):
    """Return where one rises above and where it falls below the other; these series have no ties."""
    with np.errstate(invalid="ignore"):
        above, below = one > two, one < two
    return above & np.roll(below, 1), below & np.roll(above, 1)


def donchian(bars, *, short):
    high, low, close = bars.high[0], bars.low[0], bars.close[0]

    def yesterday(values):
        return np.concatenate([[np.nan], values[:-1]])

    with np.errstate(invalid="ignore"):
        signals = {
            "enter_long": close > yesterday(talib.MAX(high, 20)),
            "exit_long": close < yesterday(talib.MIN(low, 10)),
            "enter_short": close < yesterday(talib.MIN(low, 20)),
            "exit_short": close > yesterday(talib.MAX(high, 10)),
        }
    chosen = signals if short else {name: signals[name] for name in ("enter_long", "exit_long")}
    return ss.SignalStrategy(**chosen, stop_loss=2.0 * talib.ATR(high, low, close, 20))


def by_talib(bars):
    """Return shipped strategy -> the same signals by TA-Lib."""
    close = bars.close[0]
    up, down = crossed(talib.SMA(close, 20), talib.SMA(close, 50))
    rsi = talib.RSI(close, 14)
    upper, middle, _ = talib.BBANDS(close, 20, 2.0, 2.0)
    # TA-Lib starts the fast average with the slow one; both forget their start, so signals agree after it
    fast, slow = (pd.Series(close).pipe(ema, n) for n in (12, 26))
    macd = (fast - slow).to_numpy()
    signal = ema(pd.Series(macd), 9).to_numpy()
    rises, falls = crossed(macd, signal)
    with np.errstate(invalid="ignore"):
        low, high = rsi < 30, rsi > 70
    return [
        (MovingAverageCrossover(), ss.SignalStrategy(enter_long=up, exit_long=down)),
        (RSIMeanReversion(), ss.SignalStrategy(enter_long=low, exit_long=high)),
        (
            BollingerBreakout(),
            ss.SignalStrategy(enter_long=crossed(close, upper)[0], exit_long=crossed(close, middle)[1]),
        ),
        (MACDLongShort(), ss.SignalStrategy(enter_long=rises, enter_short=falls)),
        (DonchianBreakout(), donchian(bars, short=True)),
        (DonchianBreakout(short=False), donchian(bars, short=False)),
    ]


def ema(series, window):
    """Exponential mean that starts with the simple mean of the first `window` known values."""
    known = series.dropna()
    start = pd.Series(known.iloc[:window].mean(), index=[known.index[window - 1]])
    smooth = pd.concat([start, known.iloc[window:]]).ewm(alpha=2 / (window + 1), adjust=False).mean()
    return smooth.reindex(series.index)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("sizing", [ss.Sizing.all_cash(), ss.Sizing.weight(0.4)], ids=["all cash", "weight"])
def test_rules_give_the_fills_of_signals_by_talib(number, sizing):
    bars = panel()
    strategy, signals = by_talib(bars)[number]
    ours = ss.backtest(strategy, bars, costs=COSTS, sizing=sizing).ledgers["fills"]
    theirs = ss.backtest(signals, bars, costs=COSTS, sizing=sizing).ledgers["fills"]
    assert len(theirs) >= 6
    for name in ours.dtype.names:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, err_msg=f"{strategy!r} {name}")


def test_a_turtle_loses_its_risk_at_the_stop():
    bars = panel()
    result = ss.backtest(DonchianBreakout(), bars, sizing=ss.Sizing.risk(0.01))
    # from flat, so that the equity at the fill is that of the decision
    trades = result.trades.filter(result.trades["entry_reason"] == "entry signal")
    stopped = trades.filter(trades["exit_reason"] == "stop loss")
    assert stopped.height >= 2
    equity = dict(zip(result.equity["date"], result.equity["equity"], strict=True))
    days = result.equity["date"].to_list()
    ranges = dict(zip(days, 2.0 * talib.ATR(bars.high[0], bars.low[0], bars.close[0], 20), strict=True))
    for trade in stopped.iter_rows(named=True):
        decided = days[days.index(trade["entry_date"]) - 1]
        assert trade["quantity"] * ranges[decided] == pytest.approx(0.01 * equity[decided], rel=1e-9)
        assert trade["pnl"] <= -0.01 * equity[decided] * 0.999


def test_yesterdays_channel_can_be_broken_and_todays_cannot():
    bars = panel()
    assert len(ss.backtest(DonchianBreakout(), bars).ledgers["trades"]) > 0
    assert not (bars.close[0] > talib.MAX(bars.high[0], 20)).any()


# ---- momentum ----------------------------------------------------------------------------------------------------


def test_momentum_holds_the_best_of_each_month():
    bars = panel(8, gaps=0.03)
    strategy = CrossSectionalMomentum(lookback=60, skip=10, top=3)
    weights = strategy.targets(bars)
    frame = pd.DataFrame(bars.close.T, index=pd.DatetimeIndex(bars.dates))
    own = {s: frame[s].dropna() for s in frame}
    moves = pd.DataFrame({s: (c.shift(10) / c.shift(60) - 1.0) for s, c in own.items()}, index=frame.index)
    for t in range(len(bars)):
        best = set(moves.iloc[t].dropna().sort_values().index[-3:])
        assert {int(s) for s in np.flatnonzero(weights[:, t] > 0)} == best
        np.testing.assert_array_equal(np.isnan(weights[:, t]), frame.iloc[t].isna())
    result = ss.backtest(strategy, bars, costs=COSTS)
    made = {day.strftime("%Y-%m-%d") for day in result.orders["created"]}
    first_of_month = frame.groupby([frame.index.year, frame.index.month]).head(1).index.strftime("%Y-%m-%d")
    assert len(made) > 20
    assert made <= set(first_of_month)


def test_momentum_refuses_what_makes_no_sense():
    for options in ({"lookback": 0}, {"top": 0}, {"top": 2.5}, {"skip": -1}, {"skip": 252}, {"lookback": True}):
        with pytest.raises(ParameterError):
            CrossSectionalMomentum(**options)


def test_a_tie_for_the_last_place_stays_in_cash():
    close = np.tile(np.array([[1.0], [1.0], [1.0]]), (1, 5)) * np.array([1.0, 1.0, 1.1, 1.2, 1.3])
    close[2] = [1.0, 1.0, 2.0, 3.0, 4.0]
    bars = ss.Bars.from_arrays(
        symbols=["A", "B", "C"],
        dates=np.arange(5).astype("datetime64[D]"),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=close,
    )
    weights = CrossSectionalMomentum(lookback=1, skip=0, top=2).targets(bars)
    np.testing.assert_array_equal(weights[:, 4], [0.0, 0.0, 0.5])


# ---- pairs -------------------------------------------------------------------------------------------------------


def pair_loop(one, two, window, entry, leave):
    """Side of the first leg after each session, from scratch, by statistics of lists."""
    import statistics

    side, sides, seen = 0, [], []
    for a, b in zip(one.tolist(), two.tolist(), strict=True):
        if a == a and b == b:  # noqa: PLR0124 NaN
            seen.append(np.log(a / b))
            last = seen[-window:]
            if len(last) == window and len(set(last)) > 1:
                score = (last[-1] - statistics.fmean(last)) / statistics.stdev(last)
                if score >= entry:
                    side = -1
                elif score <= -entry:
                    side = 1
                elif abs(score) <= leave or (score > 0) == (side > 0):
                    side = 0
        sides.append(side)
    return sides


def test_pairs_are_on_the_side_of_a_plain_loop():
    bars = panel(3, gaps=0.02)
    strategy = PairsMeanReversion("S2", "S0", window=40, entry=1.8, leave=0.3, gross=0.8)
    weights = strategy.targets(bars)
    sides = pair_loop(bars.close[2], bars.close[0], 40, 1.8, 0.3)
    changes = np.flatnonzero(np.diff(sides, prepend=0))
    assert len(changes) > 15
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(weights[0])), changes)
    np.testing.assert_array_equal(weights[2, changes], np.array(sides)[changes] * 0.4)
    np.testing.assert_array_equal(weights[0, changes], -weights[2, changes])
    assert np.isnan(weights[1]).all()


def test_a_pair_is_long_the_cheap_and_short_the_dear():
    bars = panel(2)
    result = ss.backtest(PairsMeanReversion(), bars, keep_positions=True)
    held = result.account.positions.T
    both = (held != 0).all(axis=0)
    assert both.sum() > 50
    assert (np.sign(held[0, both]) == -np.sign(held[1, both])).all()
    score = spread_score(bars.close[0], bars.close[1], 60)
    opened = np.flatnonzero(both & ~np.roll(both, 1))
    assert (np.sign(score[opened - 1]) == -np.sign(held[0, opened])).all()


def test_the_score_is_unknown_where_it_cannot_be_known():
    one = np.array([1.0, 1.0, 1.0, np.nan, 2.0])
    np.testing.assert_array_equal(np.isnan(spread_score(one, np.ones(5), 3)), [True, True, True, True, False])
    assert np.isnan(spread_score(one, np.ones(5), 6)).all()


def test_pairs_refuse_what_makes_no_sense():
    for options in ({"window": 2}, {"entry": 0.4}, {"leave": -1.0}, {"gross": 0.0}, {"entry": np.nan}):
        with pytest.raises(ParameterError):
            PairsMeanReversion(**options)
    with pytest.raises(DataError, match="two different symbols"):
        PairsMeanReversion().targets(panel(3, 50))
    with pytest.raises(DataError, match="two different symbols"):
        PairsMeanReversion("S0").targets(panel(2, 50))
    with pytest.raises(UnknownNameError, match="S9"):
        PairsMeanReversion("S0", "S9").targets(panel(2, 50))
    with pytest.raises(DataError, match="beyond the leverage"):
        ss.backtest(PairsMeanReversion(gross=1.5), panel(2))


# ---- buy and hold ------------------------------------------------------------------------------------------------


def test_buy_and_hold_is_the_mean_of_the_symbols():
    bars = panel(4)
    result = ss.backtest(BuyAndHold(), bars, cash=1000.0)
    growth = bars.close[:, -1] / bars.open[:, 1]
    assert result.equity["equity"][-1] == pytest.approx(1000.0 * growth.mean(), rel=1e-9)
    assert len(result.ledgers["fills"]) == 4


def test_buy_and_hold_waits_for_a_late_listing():
    bars = panel(2)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for values in columns.values():
        values[1, :100] = np.nan
    late = ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, **columns)
    fills = ss.backtest(BuyAndHold(), late).ledgers["fills"]
    assert fills["session"].tolist() == [1, 101]
    assert fills["quantity"][0] * fills["price"][0] == pytest.approx(50_000.0)


def test_three_that_tie_across_the_last_place_stay_in_cash_too():
    steps = np.array([[0.02], [0.01], [0.01], [0.01], [0.0]])
    close = 10.0 * np.exp(np.cumsum(np.repeat(steps, 60, axis=1), axis=1))
    close[1:4] = close[1]
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    bars = ss.Bars.from_arrays(symbols=list("ABCDE"), dates=days, **columns)
    weights = CrossSectionalMomentum(20, 5, 3, "daily").targets(bars)
    np.testing.assert_allclose(weights[:, 30], [1 / 3, 0.0, 0.0, 0.0, 0.0])


# ---- all ---------------------------------------------------------------------------------------------------------

SHIPPED = [
    cls
    for cls in vars(strategies).values()
    if inspect.isclass(cls) and cls.__module__ == strategies.__name__ and issubclass(cls, RuleStrategy | TargetStrategy)
]


@pytest.mark.parametrize("cls", SHIPPED)
def test_what_comes_later_changes_nothing_before(cls):
    bars = panel(2, gaps=0.02)
    strategy = CrossSectionalMomentum(60, 10, 1) if cls is CrossSectionalMomentum else cls()
    whole = ss.backtest(strategy, bars, costs=COSTS)
    cut = 450
    part = ss.backtest(strategy, bars.between(None, bars.dates[cut]), costs=COSTS)
    fills = whole.ledgers["fills"]
    assert len(fills) > 1
    np.testing.assert_array_equal(part.ledgers["fills"], fills[fills["session"] <= cut])
    np.testing.assert_array_equal(part.account.equity, whole.account.equity[: cut + 1])


@pytest.mark.parametrize("cls", SHIPPED)
def test_every_strategy_says_what_it_does_and_where_it_comes_from(cls):
    text = inspect.getdoc(cls)
    named = list(inspect.signature(cls).parameters)
    assert all(name in text for name in named)
    assert "Notes" in text or cls is BuyAndHold
