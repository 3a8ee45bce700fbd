"""Walk-forward and cross-validation against a loop over windows that slices, and the promises of the splitters."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stockstream as ss
from stockstream.backtesting.strategies import CrossSectionalMomentum, MovingAverageCrossover
from stockstream.errors import ParameterError
from stockstream.research import judgement
from stockstream.research.cross_validation import cross_validate
from stockstream.research.splitters import CombinatorialSplit, WalkForwardSplit
from stockstream.research.walk import walk_forward

T = 420
GRID = {"fast_period": [3, 5, 8, 12], "slow_period": [15, 25, 40]}
COSTS = ss.Costs(commission=ss.Commission(rate=0.001, minimum=5.0), slippage=0.0005)


def walk(seed=3, symbols=1):
    draws = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(draws.normal(0.0003, 0.015, (symbols, T)), axis=1))
    opening = close * np.exp(draws.normal(0, 0.004, close.shape))
    return ss.Bars.from_arrays(
        symbols=[f"S{number}" for number in range(symbols)],
        dates=np.datetime64("2020-01-01") + np.arange(T),
        open=opening,
        high=np.maximum(opening, close) * 1.004,
        low=np.minimum(opening, close) * 0.996,
        close=close,
        volume=np.full(close.shape, 1e6),
    )


def sma(close, window):
    return np.array([np.nan if t < window - 1 else close[t - window + 1 : t + 1].mean() for t in range(len(close))])


def slice_of(bars, first, end):
    return bars.between(bars.dates[first], bars.dates[end - 1])


def run_alone(bars, row, first, end, cash):
    """Crosses of plain moving averages as arrays, on the test's sessions only, closed on its last open."""
    close = bars.close[0]
    above = sma(close, row["fast_period"]) > sma(close, row["slow_period"])
    known = ~np.isnan(sma(close, row["slow_period"]))
    both = known & np.concatenate([[False], known[:-1]])
    enter = both & above & ~np.concatenate([[False], above[:-1]])
    leave = both & ~above & np.concatenate([[False], above[:-1]])
    enter, leave = enter[first:end].copy(), leave[first:end].copy()
    enter[-2:], leave[-2] = False, True
    strategy = ss.SignalStrategy(enter_long=enter, exit_long=leave)
    return ss.backtest(strategy, slice_of(bars, first, end), cash=cash, costs=COSTS)


@pytest.mark.parametrize(("anchored", "purge"), [(False, 0), (True, 7)])
def test_a_loop_over_windows_on_slices(anchored, purge):
    bars = walk()
    found = walk_forward(
        MovingAverageCrossover, bars, GRID, train=150, test=60, anchored=anchored, purge=purge, costs=COSTS
    )
    cash, curve = 100_000.0, []
    for window, start in enumerate(range(150, T, 60)):
        begin, learned = (0 if anchored else start - 150), start - purge
        past = slice_of(bars, 0, learned)  # nothing later exists
        rows = ss.sweep(MovingAverageCrossover, past, GRID, costs=COSTS, progress=False).frame.to_dicts()
        ratios = []
        for row in rows:
            parameters = {name: row[name] for name in GRID}
            returns = ss.backtest(MovingAverageCrossover(**parameters), past, costs=COSTS).equity["return"][begin:]
            ratios.append(returns.mean() / returns.std() if returns.std() else -np.inf)
        best = rows[int(np.argmax(ratios))]
        given = found.windows.row(window, named=True)
        assert {name: given[name] for name in GRID} == {name: best[name] for name in GRID}
        assert given["in_sample"] == pytest.approx(max(ratios) * 252**0.5, rel=1e-9)
        result = run_alone(bars, best, start, min(start + 60, T), cash)
        cash = result.equity["equity"][-1]
        curve += result.equity["equity"].to_list()
    assert found.equity["equity"].to_numpy() == pytest.approx(curve, rel=1e-12)
    assert found.metrics.total_return == pytest.approx(cash / 100_000 - 1, rel=1e-9)
    assert found.metrics.trades == found.windows["trades"].sum() > 3


def test_every_test_begins_and_ends_flat_and_pays():
    bars = walk()
    found = walk_forward(MovingAverageCrossover, bars, GRID, train=150, test=60, costs=COSTS)
    assert found.metrics.fees >= 2 * 5.0 * found.metrics.trades  # both sides of every trade, at least the minimum
    free = walk_forward(MovingAverageCrossover, bars, GRID, train=150, test=60)
    assert free.metrics.fees == 0.0


def test_what_comes_later_changes_nothing_before():
    bars = walk()
    longer = walk_forward(MovingAverageCrossover, bars, GRID, train=150, test=60)
    shorter = walk_forward(MovingAverageCrossover, slice_of(bars, 0, 330), GRID, train=150, test=60)
    assert shorter.equity.equals(longer.equity[: shorter.equity.height])
    assert shorter.windows.equals(longer.windows[: shorter.windows.height])


def test_stability_counts_what_was_chosen():
    found = walk_forward(MovingAverageCrossover, walk(), GRID, train=150, test=60)
    chosen = found.windows["fast_period"].to_list()
    row = found.stability.row(by_predicate=pl.col("parameter") == "fast_period", named=True)
    assert row["values"] == len(set(chosen))
    assert row["changed"] == np.mean([a != b for a, b in zip(chosen[1:], chosen[:-1], strict=True)])
    learned = np.array([row["in_sample"] for row in found.windows.to_dicts()])
    assert np.isfinite(learned).all()
    assert "windows" in repr(found)


def test_windows_in_which_nothing_traded_stay_in_cash():
    flat = np.full((1, T), 10.0)
    prices = dict.fromkeys(("open", "high", "low", "close"), flat) | {"volume": flat}
    bars = ss.Bars.from_arrays(symbols=["X"], dates=walk().dates, **prices)
    found = walk_forward(MovingAverageCrossover, bars, GRID, train=150, test=60)
    assert found.windows["fast_period"].null_count() == found.windows.height
    assert (found.equity["equity"] == 100_000).all()
    assert np.isnan(found.efficiency)


def test_a_ratio_that_is_none_is_explained_and_not_shown_as_a_number():
    flat = {name: np.full((1, T), 10.0) for name in ("open", "high", "low", "close", "volume")}
    bars = ss.Bars.from_arrays(symbols=["S0"], dates=np.datetime64("2020-01-01") + np.arange(T), **flat)
    walked = walk_forward(MovingAverageCrossover, bars, GRID, train=150, test=60)
    assert "Nothing can be said: no combination traded in training" in repr(walked)
    assert "nan" not in repr(walked)


def test_several_symbols_share_an_account():
    grid = [{"fast_period": 3, "slow_period": 15}, {"fast_period": 5, "slow_period": 25}]
    found = walk_forward(MovingAverageCrossover, walk(symbols=2), grid, train=200, test=100)
    assert found.sweep.portfolio == "shared"
    assert found.equity.height == 220


def test_paths_of_cross_validation_are_blocks_run_alone():
    bars = walk()
    found = cross_validate(MovingAverageCrossover, bars, GRID, groups=6, test_groups=2, purge=3, embargo=4, costs=COSTS)
    assert found.paths.shape == (5, T)
    borders = CombinatorialSplit(groups=6).borders(T)
    row = next(row for row in found.splits.to_dicts() if row["test"] == "0, 3")  # the third test of group 3 is path 0
    result = run_alone(bars, row, borders[3], borders[4], 100_000.0)
    assert found.paths[0, borders[3] : borders[4]] == pytest.approx(result.equity["return"].to_numpy(), abs=1e-15)
    excess = found.paths.mean(axis=1) / found.paths.std(axis=1, ddof=1) * 252**0.5
    assert found.sharpe == pytest.approx(excess, rel=1e-12)
    assert "5 paths out of 15 splits" in repr(found)


# ---- splitters ---------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.integers(30, 200), st.integers(10, 29), st.integers(1, 20), st.booleans(), st.integers(0, 9), st.integers(0, 9)
)
def test_learning_ends_before_its_test(sessions, train, test, anchored, purge, embargo):
    if embargo >= test:
        with pytest.raises(ParameterError, match="embargo"):
            WalkForwardSplit(train=train, test=test, embargo=embargo)
        return
    splitter = WalkForwardSplit(train=train, test=test, anchored=anchored, purge=purge, embargo=embargo)
    splits = list(splitter.split(range(sessions)))
    assert len(splits) == splitter.get_n_splits(range(sessions))
    assert np.concatenate([judged for _, judged in splits]).tolist() == list(range(train, sessions))
    for number, (learned, judged) in enumerate(splits):
        first = judged[0]
        wanted = set(range(0 if anchored else first - train, first - purge))
        for _, earlier in splits[:number]:
            wanted -= set(range(earlier[-1] + 1, earlier[-1] + 1 + embargo))
        assert set(learned.tolist()) == wanted


@settings(max_examples=40)
@given(st.integers(40, 120), st.integers(3, 8), st.integers(1, 2), st.integers(0, 3), st.integers(0, 3))
def test_nothing_near_a_test_is_learned_on(sessions, groups, tests, purge, embargo):
    splitter = CombinatorialSplit(groups=groups, test_groups=tests, purge=purge, embargo=embargo)
    splits = list(splitter.split(range(sessions)))
    assert len(splits) == splitter.get_n_splits()
    times = np.zeros(sessions, dtype=int)
    for learned, judged in splits:
        times[judged] += 1
        near = {day + gap for day in judged.tolist() for gap in range(-purge, embargo + 1)}
        assert set(learned.tolist()) == set(range(sessions)) - near
    assert (times == splitter.paths).all()


def test_scikit_learn_takes_the_splitters():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score

    draws = np.random.default_rng(0)
    x = draws.normal(size=(120, 3))
    y = x @ [1.0, 2.0, 3.0] + draws.normal(size=120) * 0.01
    for splitter in (WalkForwardSplit(train=40, test=20), CombinatorialSplit(groups=5, test_groups=1, embargo=2)):
        assert (cross_val_score(Ridge(), x, y, cv=splitter) > 0.99).all()


class Deciding(ss.Strategy):
    """Decides by events."""

    def __init__(self, every=20):
        self.every = every

    def on_data(self, date, symbol, data, portfolio):
        return None


@pytest.mark.parametrize(
    ("strategy", "found"),
    [
        (CrossSectionalMomentum, "found CrossSectionalMomentum, which gives target weights and no rules"),
        (Deciding, "found Deciding, which gives its own decisions and no rules"),
        (ss.SignalStrategy, "found SignalStrategy, which gives its own decisions and no rules"),
    ],
)
def test_what_gives_no_rules_is_told_what_to_do_instead(strategy, found):
    for run in (
        lambda: ss.sweep(strategy, walk(), {"top": [1, 2]}, progress=False),
        lambda: walk_forward(strategy, walk(), {"top": [1, 2]}, train=150, test=60),
        lambda: cross_validate(strategy, walk(), {"top": [1, 2]}),
        lambda: judgement.judged(strategy, walk(), {"top": [1, 2]}),
    ):
        with pytest.raises(ParameterError, match=r"with a single value for each parameter") as raised:
            run()
        assert str(raised.value).startswith("expected a RuleStrategy class")
        assert found in str(raised.value)


def test_one_run_of_target_weights_is_judged():
    found = judgement.judged(CrossSectionalMomentum, walk(symbols=2), {"lookback": [60], "skip": [5], "top": [1]})
    assert found.title.startswith("CrossSectionalMomentum, one run")
    assert "Probability that it is above 0, taken alone" in found.frame["figure"].to_list()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train": 150, "test": 60, "purge": 150}, "leaves nothing"),
        ({"train": 10, "test": 60}, "at least 20 sessions"),
        ({"train": 500, "test": 60}, "nothing is left to test"),
        ({"train": 150, "test": 0}, "whole number"),
        ({"train": 150, "test": 60, "select": "sortino"}, "mean_return"),
        ({"train": 150, "test": 60, "sizing": ss.Sizing.volatility(0.1)}, "volatility"),
    ],
)
def test_windows_that_cannot_be_are_explained(options, said):
    with pytest.raises(ParameterError, match=said):
        walk_forward(MovingAverageCrossover, walk(), GRID, **options)


def test_gaps_that_overlap_are_explained():
    with pytest.raises(ParameterError, match="overlap"):
        cross_validate(MovingAverageCrossover, walk(), GRID, groups=3, test_groups=2, purge=100, embargo=100)
    with pytest.raises(ParameterError, match="fewer test groups"):
        CombinatorialSplit(groups=3, test_groups=3)
    with pytest.raises(ParameterError, match="setting"):
        walk_forward(MovingAverageCrossover, walk(), {"costs.commission": [0.0]}, train=150, test=60)


def test_one_combination_is_no_choice():
    one = {"fast_period": [5], "slow_period": [15]}
    assert walk_forward(MovingAverageCrossover, walk(), one, train=100, test=50).sentence.endswith(
        "There was one combination, so nothing was chosen."
    )
    with pytest.raises(ParameterError, match="at least two combinations to choose from; found 1"):
        cross_validate(MovingAverageCrossover, walk(), one)
