"""Intervals, orders of trades and reality checks: against arch itself, against laws, and on noise."""

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.errors import DataError, ParameterError
from stockstream.research.reality import block_length, reality_check
from stockstream.research.resampling import intervals, trade_orders
from tests.laws.test_sweep_laws import long_panel

NOISE = np.random.default_rng(5).normal(0, 0.01, (6, 300))


@pytest.fixture(scope="module")
def result():
    bars = long_panel(2, 400)
    bars = bars.select([bars.symbols[0]])
    return ss.backtest(MovingAverageCrossover(fast_period=3, slow_period=10), bars, benchmark=bars.symbols[0])


def test_an_interval_holds_its_value_and_widens_with_confidence(result):
    narrow, wide = (intervals(result, repetitions=200, confidence=share) for share in (0.5, 0.95))
    for name in ("total_return", "sharpe", "volatility", "win_rate", "beta"):
        (_, value, low, high), (_, _, lower, higher) = (
            found.frame.row(found.frame["metric"].to_list().index(name)) for found in (narrow, wide)
        )
        assert lower <= low <= high <= higher
        assert lower <= value <= higher
    returns = result.equity["return"].to_numpy()
    assert wide.block == pytest.approx(max(optimal_block_length(returns)["stationary"].iloc[0], 1.0))
    assert intervals(result, repetitions=20, seed=1).frame.equals(intervals(result, repetitions=20, seed=1).frame)


def test_the_interval_of_a_mean_has_the_width_of_theory(result):
    """With blocks of one bar the mean return varies by the deviation over the root of the number of bars."""
    returns = result.equity["return"].to_numpy()
    found = intervals(result, block=1, repetitions=1000, confidence=0.6827, seed=2)
    row = found.frame.row(found.frame["metric"].to_list().index("sharpe"))
    assert (row[3] - row[2]) / 2 == pytest.approx((252 / len(returns)) ** 0.5, rel=0.12)


def test_every_order_ends_with_the_same_equity_and_has_its_own_drawdown(result):
    found = trade_orders(result, repetitions=500)
    trades = result.ledgers["trades"]
    cash, path = result.settings.cash, [result.settings.cash]
    for pnl in trades["pnl"]:
        cash += pnl
        path.append(cash)
    path = np.array(path)
    assert found.observed == pytest.approx((path / np.maximum.accumulate(path) - 1).min(), rel=1e-12)
    changes = trades["pnl"] / path[:-1]
    assert np.prod(1 + np.random.default_rng(0).permutation(changes)) == pytest.approx(path[-1] / path[0], rel=1e-12)
    worst, best = np.sort(changes[changes < 0]), found.drawdowns
    assert best.max() <= worst[0] + 1e-12  # no order avoids the worst single trade
    assert best.min() >= np.prod(1 + worst) - 1 - 1e-12  # nor is any worse than all losses in a row
    assert 0 <= found.worse <= 1


def test_trades_that_overlap_are_not_reordered():
    bars = long_panel(2, 400)
    both = ss.backtest(
        MovingAverageCrossover(fast_period=3, slow_period=10), bars, sizing=ss.Sizing.weight(0.4), cash=1e5
    )
    with pytest.raises(ParameterError, match="overlap"):
        trade_orders(both)


def test_a_planted_signal_is_seen_and_noise_is_not():
    planted = NOISE.copy()
    planted[2] += 0.003
    assert reality_check(planted, repetitions=300).white < 0.01
    found = reality_check(NOISE - 0.0005, repetitions=300)
    assert found.hansen > 0.05
    assert found.white >= found.hansen  # bad runs only ever make White's milder
    assert found.block >= 1


def test_a_benchmark_is_what_must_be_beaten():
    market = NOISE[0]
    better = np.array([market, market + 0.001 + NOISE[1] * 0.01])
    assert reality_check(better, market, block=1, repetitions=200).white < 0.01
    assert reality_check(better - 0.002, market, block=1, repetitions=200).white > 0.5


@pytest.mark.parametrize(
    ("returns", "options", "error", "said"),
    [
        (NOISE[:1], {}, ParameterError, "2 to 5,000"),
        (np.zeros((5_001, 30)), {}, ParameterError, "2 to 5,000"),
        (np.zeros((3, 30)), {}, DataError, "never vary"),
        (NOISE[:, :10], {}, DataError, "at least 20"),
        (NOISE, {"block": 400}, ParameterError, "blocks"),
        (NOISE, {"benchmark": [0.1]}, DataError, "benchmark"),
        (np.where(np.arange(6)[:, None] + np.arange(300) == 5, np.nan, NOISE), {}, DataError, "found 6 that are not"),
        (NOISE, {"benchmark": np.full(300, np.inf)}, DataError, "finite returns of the benchmark"),
    ],
)
def test_what_cannot_be_tested_is_explained(returns, options, error, said):
    with pytest.raises(error, match=said):
        reality_check(returns, **options)


def test_runs_without_figures_are_explained(result):
    flat = ss.backtest(ss.SignalStrategy(enter_long=np.zeros(400, dtype=bool)), result.bars)
    with pytest.raises(DataError, match="vary"):
        intervals(flat)
    with pytest.raises(DataError, match="closed trades"):
        trade_orders(flat)
    with pytest.raises(ParameterError, match="confidence"):
        intervals(result, confidence=95)
    with pytest.raises(DataError, match="at least 20"):
        block_length([0.1] * 5)
