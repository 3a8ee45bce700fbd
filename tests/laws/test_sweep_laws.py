"""Every row of a sweep equals the backtest it stands for, whatever the rules, the grid, the bars and the terms."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stockstream as ss
from stockstream.indicators import MACD, SMA
from stockstream.indicators.expression import Parameter, Unknown
from stockstream.research.question import DEFAULT_METRICS, EVERY
from tests.reference.engine_cases import costs, panels
from tests.reference.sweep_cases import (
    Drawn,
    assert_equal,
    assert_rows_are_backtests,
    crossovers,
    grids,
    strategies,
)

NUMBERS = st.fixed_dictionaries(
    {
        "fast": st.integers(1, 3),
        "slow": st.integers(4, 6),
        "level": st.sampled_from([22.5, 47.0]),
        "stop": st.sampled_from([0.02, 0.08]),
    }
)

SLOW_DRAWS = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

#: All that one pass gives: the runs that may go the short way.
ONE_PASS = EVERY[:25]

TERMS = st.fixed_dictionaries(
    {
        "cash": st.sampled_from([1000.7, 50_003.3]),
        "costs": costs(venue=False),
        "fill": st.sampled_from(["next_open", "close"]),
        "intrabar": st.sampled_from(["pessimistic", "optimistic"]),
        "risk_free": st.sampled_from([0.0, 0.04]),
    }
)


@given(strategies(), NUMBERS, NUMBERS)
def test_rules_bind_to_what_binding_makes(strategy, values, others):
    open_rules = strategy(**{name: Unknown(name) for name in values}).rules()
    rules = open_rules.bind({name: Parameter(name) for name in values})
    for built in (strategy(**values).rules(), strategy(**others).rules()):
        assert rules.binds_to(values, built) == (rules.bind(values) == built)


@given(panels(symbols=(1, 3), sessions=(5, 60)), strategies(), grids(), TERMS)
@SLOW_DRAWS
def test_any_rules_in_one_pass(bars, strategy, grid, terms):
    swept = ss.sweep(strategy, bars, grid, metrics=ONE_PASS, progress=False, **terms)
    assert swept.failed == 0
    assert_rows_are_backtests(swept)


@given(panels(symbols=(1, 2), sessions=(5, 60)), strategies(), grids(), TERMS)
@SLOW_DRAWS
def test_any_rules_in_every_metric(bars, strategy, grid, terms):
    levels = 100.0 + np.arange(len(bars.dates)) % 7
    swept = ss.sweep(strategy, bars, grid, metrics=EVERY, benchmark=levels, progress=False, **terms)
    assert swept.path.shortened == 0
    assert_rows_are_backtests(swept, benchmark=levels)


@given(
    panels(symbols=(1, 3), sessions=(20, 200)),
    st.sampled_from(crossovers()),
    st.sampled_from([0.0, 0.001]),
    st.sampled_from([0.0, 0.0005]),
    st.sampled_from(["next_open", "close"]),
)
@SLOW_DRAWS
def test_the_short_way(bars, recipe, commission, slippage, fill):
    strategy = type("Short", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})
    grid = {"fast": [1, 2, 3, 5], "slow": [2, 8, 13], "level": [45.0, 60.0]}
    terms = {"costs": ss.Costs(commission=commission, slippage=slippage), "fill": fill}
    swept = ss.sweep(strategy, bars, grid, metrics=ONE_PASS, progress=False, **terms)
    assert "rules" in swept.path.why or "cross" in swept.path.why
    assert_rows_are_backtests(swept)


@given(
    panels(symbols=(1, 1), sessions=(30, 150), holes=False),
    strategies(),
    st.fixed_dictionaries(
        {
            "costs": st.builds(
                lambda rate, minimum, slippage: ss.Costs(
                    commission=ss.Commission(rate, minimum=minimum), slippage=slippage
                ),
                st.sampled_from([0.0, 0.002]),
                st.sampled_from([0.0, 7.5]),
                st.sampled_from([0.0, 0.0011]),
            ),
            "fill": st.sampled_from(["next_open", "close"]),
            "intrabar": st.sampled_from(["pessimistic", "optimistic"]),
            "risk_free": st.sampled_from([0.0, 0.04]),
        }
    ),
    st.sampled_from([0, 4]),
)
@settings(SLOW_DRAWS, max_examples=40)
def test_legs_and_levels_from_event_to_event(bars, strategy, terms, blocks):
    recipe = {name: part for name, part in strategy.recipe.items() if name != "max_bars"}
    if not {"enter_short", "stop_loss", "take_profit", "trailing_stop"} & set(recipe):
        recipe |= {"trailing_stop": "stop", "take_profit": 0.09}
    walked = type("Walked", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})
    grid = {"fast": [2, 3], "slow": [4, 9], "level": [0.0, 45.0], "stop": [0.0213, 0.0831]}
    swept = ss.sweep(walked, bars, grid, metrics=ONE_PASS, blocks=blocks, progress=False, **terms)
    assert "from event to event" in swept.path.why
    assert_rows_are_backtests(swept)


def test_walks_serve_what_they_are_for():
    recipe = {
        "enter_long": ("crosses above", "sma_fast", "sma_slow"),
        "enter_short": ("crosses below", "sma_fast", "sma_slow"),
        "stop_loss": "stop",
        "take_profit": 0.1,
        "trailing_stop": 0.07,
    }
    strategy = type("Walk", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})
    grid = {"fast": range(2, 7), "slow": [12, 30], "stop": [0.02, 0.05]}
    swept = ss.sweep(strategy, long_panel(2), grid, metrics=ONE_PASS, costs=ss.Costs(commission=0.001), progress=False)
    assert swept.path.simulated == 0
    assert swept.frame["trades"].min() > 10
    assert_rows_are_backtests(swept)


class Reversal(ss.RuleStrategy):
    """Two lines of one indicator, whose windows do not always make sense together."""

    def __init__(self, fast=3, slow=8, signal=2, level=0.0):
        self.fast, self.slow, self.signal, self.level = fast, slow, signal, level

    def rules(self):
        lines = MACD(self.fast, self.slow, self.signal)
        return ss.Rules(
            enter_long=lines.macd.crosses_above(lines.signal), enter_short=lines.macd.crosses_below(lines.signal)
        )


REVERSALS = {"fast": [1, 3, 5], "slow": [4, 5, 11], "signal": [1, 2, 6]}


@given(
    panels(symbols=(1, 1), sessions=(5, 120), holes=False),
    st.sampled_from([0.0, 0.001]),
    st.sampled_from([0.0, 4.5]),
    st.sampled_from([0.0, 0.002]),
    st.sampled_from(["next_open", "close"]),
    st.sampled_from([0, 3]),
)
@settings(SLOW_DRAWS, max_examples=25)
def test_runs_that_only_turn_round(bars, rate, minimum, slippage, fill, blocks):
    costs = ss.Costs(commission=ss.Commission(rate, minimum=minimum), slippage=slippage)
    terms = {"costs": costs, "fill": fill, "risk_free": 0.03}
    swept = ss.sweep(Reversal, bars, REVERSALS, metrics=ONE_PASS, blocks=blocks, progress=False, **terms)
    assert "from event to event" in swept.path.why
    assert swept.failed == 6  # fast=5 with slow=4 and slow=5
    assert_rows_are_backtests(swept)


def test_runs_that_only_turn_round_are_not_simulated():
    grid = {"fast": range(2, 8), "slow": range(9, 30, 5), "signal": [2, 4, 9]}
    costs = ss.Costs(commission=0.001)
    swept = ss.sweep(Reversal, long_panel(2), grid, metrics=ONE_PASS, costs=costs, progress=False)
    assert swept.path.simulated == 0
    assert swept.frame["trades"].min() > 5
    assert_rows_are_backtests(swept)


@given(
    panels(symbols=(1, 2), sessions=(20, 150)),
    st.sampled_from(crossovers()) | strategies().map(lambda drawn: drawn.recipe),
    st.sampled_from([0.0, 4.5]),
    st.integers(1, 20),
    st.sampled_from([("sharpe",), ("sharpe", "cvar_95")]),
)
@settings(SLOW_DRAWS, max_examples=25)
def test_sums_of_blocks(bars, recipe, minimum, blocks, metrics):
    strategy = type("Blocks", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})
    grid = {"fast": [1, 2, 5], "slow": [2, 8], "level": [45.0], "stop": [0.05]}
    terms = {"costs": ss.Costs(commission=ss.Commission(0.001, minimum=minimum))}
    swept = ss.sweep(strategy, bars, grid, metrics=metrics, blocks=blocks, progress=False, **terms)
    assert swept.block_sums.shape == (swept.frame.height, blocks, 3)
    for row, sums in zip(swept.frame.to_dicts(), swept.block_sums, strict=True):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no volume for")
            equity = swept.result(row).equity["equity"].to_numpy()
        if not (equity > 0).all():
            continue
        returns = np.diff(equity, prepend=swept.settings.cash) / np.concatenate([[swept.settings.cash], equity[:-1]])
        for part, (count, total, squares) in zip(np.array_split(returns, blocks), sums, strict=True):
            assert count == len(part)
            np.testing.assert_allclose([total, squares], [part.sum(), (part**2).sum()], rtol=1e-9, atol=1e-12)


@given(panels(symbols=(2, 3), sessions=(10, 50), events=True), strategies(), grids(), st.sampled_from([1, 2, None]))
@settings(SLOW_DRAWS, max_examples=20)
def test_a_shared_account(bars, strategy, grid, max_positions):
    terms = {"portfolio": "shared", "max_positions": max_positions, "sizing": ss.Sizing.weight(0.4)}
    swept = ss.sweep(strategy, bars, grid, metrics=EVERY, benchmark="universe", progress=False, **terms)
    assert "symbol" not in swept.frame.columns
    assert_rows_are_backtests(swept, benchmark="universe")


@given(panels(symbols=(1, 2), sessions=(10, 60)), strategies(), st.integers(0, 2**32 - 1))
@settings(SLOW_DRAWS, max_examples=20)
def test_settings_vary_beside_parameters(bars, strategy, seed):
    grid = {
        "fast": [2, 4],
        "costs.commission": [0.0, 0.002],
        "slow": [5, 9],
        "costs.slippage": [0.0, 0.001],
        "sizing.amount": [0.3, 0.9],
        "settings.cash": [1000.7, 20_000.0],
    }
    swept = ss.sweep(
        strategy, bars, grid, sample=12, seed=seed, metrics=ONE_PASS, sizing=ss.Sizing.weight(0.5), progress=False
    )
    assert swept.combinations == 12
    assert_rows_are_backtests(swept)


def long_panel(symbols=1, sessions=400, seed=0):
    random = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(random.normal(0, 0.012, (symbols, sessions)), axis=1))
    prices = {"open": close * 1.001, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": close * 1e4}
    dates = np.datetime64("2020-01-01") + np.arange(sessions)
    return ss.Bars.from_arrays(symbols=[f"S{i}" for i in range(symbols)], dates=dates, **prices)


def test_the_short_way_serves_what_it_is_for():
    strategy = type("Cross", (Drawn,), {"recipe": crossovers()[0], "__init__": Drawn.__init__})
    grid = {"fast": range(2, 12), "slow": range(12, 40, 4)}
    swept = ss.sweep(strategy, long_panel(2), grid, metrics=ONE_PASS, progress=False)
    assert swept.path.simulated == 0
    assert_rows_are_backtests(swept)


def few_prices(sessions=300, seed=0):
    """Prices of 18 to 22 in whole numbers: averages of few bars are often the same."""
    random = np.random.default_rng(seed)
    close = random.integers(18, 23, (1, sessions)).astype(float)
    prices = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": close * 1e4}
    dates = np.datetime64("2020-01-01") + np.arange(sessions)
    return ss.Bars.from_arrays(symbols=["S0"], dates=dates, **prices)


@pytest.mark.parametrize("leave", ["exit_long", "enter_short"])
def test_a_tie_is_no_cross_and_needs_no_simulator(leave):
    recipe = {"enter_long": ("crosses above", "sma_fast", "sma_slow"), leave: ("crosses below", "sma_fast", "sma_slow")}
    strategy = type("Tied", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})
    grid = {"fast": [1, 2, 4, 5], "slow": [8, 10, 16]}
    swept = ss.sweep(strategy, few_prices(), grid, metrics=ONE_PASS, progress=False)
    assert swept.path.simulated == 0
    assert swept.frame["trades"].min() > 5
    assert_rows_are_backtests(swept)


class Ranked(ss.RuleStrategy):
    def __init__(self, days=20):
        self.days = days

    def rules(self):
        strength = (ss.close / SMA(self.days)).rank(descending=True)
        return ss.Rules(enter_long=strength <= 1, exit_long=strength > 2)


def test_a_rank_sees_the_whole_panel():
    bars = long_panel(4, 120)
    swept = ss.sweep(Ranked, bars, {"days": [5, 9]}, metrics=DEFAULT_METRICS, progress=False)
    for row in swept.frame.to_dicts():
        mean = np.full(bars.shape, np.nan)
        for t in range(row["days"] - 1, len(bars.dates)):
            mean[:, t] = bars.close[:, t - row["days"] + 1 : t + 1].mean(axis=1)
        place = np.argsort(np.argsort(-bars.close / mean, axis=0), axis=0) + 1.0
        place[np.isnan(mean)] = np.nan
        own = bars.symbols.index(row["symbol"])
        by_hand = ss.SignalStrategy(enter_long=place[own] <= 1, exit_long=place[own] > 2)
        expected = ss.backtest(by_hand, bars.select([row["symbol"]])).metrics.to_dict()
        for name in DEFAULT_METRICS:
            assert_equal(row[name], expected[name], name, row)
