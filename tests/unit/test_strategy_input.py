"""What strategies are made of and answer is checked: nothing is taken for something else, and no run is lost."""

import numpy as np
import pytest

import stockstream as ss
from stockstream import Action
from stockstream.errors import DataError, ParameterError, StockstreamError, StrategyError
from stockstream.indicators import ATR, SMA
from stockstream.indicators.expression import Parameter
from tests.reference.scripted import endings, fills, market, play, signals

TENS = [10.0] * 6
inf, nan = float("inf"), float("nan")


# ---- a strategy that raises --------------------------------------------------------------------------------------


class Listening(ss.Strategy):
    """Buys on the first bar and raises when it hears of the fill; it may ask for the equity before."""

    def __init__(self, ask):
        self.ask = ask

    def on_data(self, date, symbol, data, portfolio):
        if self.ask:
            _ = portfolio.equity
        return Action.buy() if str(date) == "1970-01-01" else None

    def on_order_filled(self, order, portfolio):
        raise ValueError("no such key")


@pytest.mark.parametrize("ask", [False, True])
def test_a_strategy_that_raises_on_a_fill_names_its_bar_and_line_and_keeps_the_ledger(ask):
    said = (
        r"^Listening on 1970-01-02, A: raised ValueError in on_order_filled: no such key \(test_strategy_input.py, line"
    )
    with pytest.raises(StrategyError, match=said) as caught:
        ss.backtest(Listening(ask), market(A=TENS), cash=1000.0)
    assert fills(caught.value.result) == [(1, "A", 100.0, 10.0)]


# ---- what it answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Action.buy, Action.sell, Action.target])
@pytest.mark.parametrize("size", [{"quantity": inf}, {"quantity": nan}, {"value": inf}, {"weight": nan}])
def test_sizes_that_are_no_finite_numbers_are_rejected(make, size):
    if make == Action.target and "value" in size:
        with pytest.raises(ParameterError, match="a target needs quantity= or weight="):
            make(**size)
        return
    result = play(market(A=TENS), {0: make(**size)})
    assert endings(result) == [("rejected", "size is not a positive number")]


def test_a_close_is_of_the_whole_position():
    with pytest.raises(ParameterError, match="an action to close is of the whole position; found quantity"):
        Action.close(quantity=20)


def test_positions_can_be_read_only():
    def clear(t, symbol, view):
        if t == 2:
            view.positions.clear()

    with pytest.raises(StrategyError, match="mappingproxy"):
        play(market(A=TENS), {0: Action.buy(quantity=5)}, look=clear)


# ---- levels that no price can reach ------------------------------------------------------------------------------

UNREACHED = {
    "rules, stop": lambda: ss.Rules(enter_long=ss.close > 1, stop_loss=5),
    "rules, trailing stop": lambda: ss.Rules(enter_long=ss.close > 1, trailing_stop=1),
    "rules, target of shorts": lambda: ss.Rules(enter_short=ss.close > 1, take_profit=20),
    "signals": lambda: ss.SignalStrategy(enter_long=[True], stop_loss=5),
    "action": lambda: Action.buy(stop_loss=5),
    "action, short": lambda: Action.sell(take_profit=1.5),
}


@pytest.mark.parametrize("case", UNREACHED)
def test_a_percentage_is_not_taken_for_a_fraction(case):
    with pytest.raises(ParameterError, match=r"as a fraction below 1 \(0.05 is 5 %\), or no price can reach it"):
        UNREACHED[case]()


def test_levels_that_can_be_reached_are_taken():
    ss.Rules(enter_long=ss.close > 1, take_profit=5, stop_loss=0.99)
    ss.Rules(enter_short=ss.close > 1, stop_loss=2, trailing_stop=1.5)
    Action.buy(stop_loss=5, distances="money")
    Action.sell(stop_loss=5)


# ---- what it is made of ------------------------------------------------------------------------------------------


class Weights(ss.TargetStrategy):
    def __init__(self, given, threshold=0.0):
        self.given, self.threshold = given, threshold

    def targets(self, bars):
        return self.given


class Declaring(ss.Strategy):
    def __init__(self, indicators):
        self.indicators, self.seen = indicators, []

    def on_data(self, date, symbol, data, portfolio):
        self.seen.append(data)


class NoRules(ss.RuleStrategy):
    def rules(self):
        return {"enter_long": SMA(3) > 1}


class Ruled(ss.RuleStrategy):
    def __init__(self, **parts):
        self.parts = parts

    def rules(self):
        return ss.Rules(enter_long=SMA(3) > 1, **self.parts)


FALSE = [False] * 6
REFUSED = {
    "threshold": (lambda: Weights([[0.1] * 6], -0.1), ParameterError, "threshold as a weight"),
    "threshold that is NaN": (lambda: Weights([[0.1] * 6], nan), ParameterError, "threshold as a weight"),
    "weights of text": (lambda: Weights([["much"] * 6]), DataError, r"expected numbers for Weights.targets\(bars\)"),
    "weights of nothing": (lambda: Weights(None), DataError, r"expected targets of shape \(1, 6\)"),
    "no rules": (NoRules, ParameterError, r"expected NoRules.rules\(\) to return ss.Rules"),
    "bars": (lambda: ss.SignalStrategy(enter_long=FALSE, max_bars=-1), ParameterError, "max_bars to be a whole"),
    "half a bar": (lambda: ss.SignalStrategy(enter_long=FALSE, max_bars=1.5), ParameterError, "max_bars to be a whole"),
    "half a bar in rules": (
        lambda: ss.Rules(enter_long=SMA(3) > 1, max_bars=1.5),
        ParameterError,
        "max_bars to be a whole number; found 1.5",
    ),
    "stop of NaN": (lambda: ss.SignalStrategy(enter_long=FALSE, stop_loss=nan), ParameterError, "stop_loss above 0"),
    "stop of text": (lambda: ss.SignalStrategy(enter_long=FALSE, stop_loss="5%"), DataError, "numbers for stop_loss"),
    "expression of bars": (lambda: Ruled(max_bars=SMA(3)), ParameterError, "expected a whole number of bars"),
    "parameter": (lambda: Ruled(stop_loss=Parameter("far")), ParameterError, "still hold the parameter 'far'"),
    "one indicator": (lambda: Declaring(SMA(3)), ParameterError, r"expected indicators = \(SMA"),
    "name of an indicator": (lambda: Declaring(("sma",)), ParameterError, "found 'sma'"),
    "number": (lambda: Declaring({"x": 5}), ParameterError, "found 5"),
    "name of a price": (lambda: Declaring({"close": SMA(3)}), ParameterError, "as 'close', which is a price"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_strategies_are_refused_before_anything_runs(case):
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        ss.backtest(make(), market(A=TENS))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"rank": SMA(3)}, "rules with rank need all symbols of a day"),
        ({"stop_loss": 0.1, "take_profit": ATR(2)}, "must be all fractions or all expressions"),
    ],
)
def test_what_cannot_be_stepped_bar_by_bar_is_refused_there_and_runs_as_arrays(parts, message):
    bars = market(A=[10, 11, 12, 11, 12, 11])
    assert len(ss.backtest(Ruled(**parts), bars).fills) > 0
    with pytest.raises(StockstreamError, match=message):
        ss.backtest(Ruled(**parts), bars, path="event")


def test_volatility_is_a_weight_of_the_fill():
    with pytest.raises(ParameterError, match="volatility sizing is a weight that is resolved at the fill"):
        play(market(A=TENS), {}, sizing=ss.Sizing("volatility", 0.1, at="decision"))


def test_a_declared_condition_is_true_or_false_and_unknown_is_false():
    strategy = Declaring({"up": ss.close > SMA(3), "sma": SMA(3)})
    ss.backtest(strategy, market(A=[1, 2, 3, 4, 3, 1]))
    assert [data["up"] for data in strategy.seen] == [False, False, True, True, False, False]


# ---- both assumptions --------------------------------------------------------------------------------------------


class Once(ss.Strategy):
    """Buys the first time it is called, and never again."""

    def __init__(self):
        self.called = False

    def on_data(self, date, symbol, data, portfolio):
        called, self.called = self.called, True
        return None if called else Action.buy(stop_loss=0.1, take_profit=0.1)


def test_both_assumptions_are_runs_of_their_own():
    bars = market(A=[10, 10, (10, 12, 8, 10), 10])
    result = ss.backtest(Once(), bars, cash=1000.0, intrabar="both", keep_positions=True)
    assert result.interval["total_return"] == pytest.approx((-0.1, 0.1))
    assert result.metrics.total_return == pytest.approx(-0.1)
    assert result.ambiguous_bars == 1
    assert result.positions["quantity"].to_list() == [100.0]


# ---- benchmarks --------------------------------------------------------------------------------------------------


def test_a_symbol_without_a_bar_is_no_part_of_the_universe_and_no_benchmark():
    bars = market(A=[10, 11, 12, 13, 14, 15], B=[None] * 6, volume={"A": [1.0] * 6, "B": [1.0] * 6})
    strategy = ss.SignalStrategy(enter_long=np.zeros(bars.shape, bool))
    with pytest.warns(UserWarning, match="no volume for B"):
        result = ss.backtest(strategy, bars, benchmark="universe")
    assert result.benchmark.tolist() == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    with pytest.warns(UserWarning, match="no volume"), pytest.raises(DataError, match="B has no bar between"):
        ss.backtest(strategy, bars, benchmark="B")


# ---- risk that is nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["fill", "decision"])
def test_a_risk_over_no_distance_is_rejected(at):
    levels = {"stop_loss": np.array([[nan] * 6])}
    sizing = ss.Sizing("risk", 0.01, at=at)
    assert endings(signals(market(A=TENS), enter_long=[0], levels=levels, run={"sizing": sizing})) == [
        ("rejected", "risk sizing needs a stop")
    ]

    class Flat(ss.RuleStrategy):
        def rules(self):
            return ss.Rules(enter_long=ss.close.crosses_above(10.5), stop_loss=ATR(2) * 0.0)

    rows = [10.0, 10.0, 11.0, 11.0, 11.0]
    assert endings(ss.backtest(Flat(), market(A=rows), sizing=sizing)) == [("rejected", "risk sizing needs a stop")]
