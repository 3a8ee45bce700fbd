"""The measures of a run: independent libraries, published numbers, a naive twin, laws, and every edge."""

import math
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stockstream_kernels import performance, relative_performance, trade_performance
from stockstream_kernels.ledger import NEVER, TRADE

from stockstream.backtesting.metrics import DEFINITIONS, Metrics, Totals, metrics, rolling
from stockstream.errors import DataError, ParameterError
from tests.reference import metrics as naive

SEED_NAMES = [
    "total_return",
    "annual_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "average_win",
    "average_loss",
]
CASH = 100_000.0
NO_TRADES = np.zeros(0, TRADE)


def measured(equity, cash=CASH, trades=NO_TRADES, **options):
    options.setdefault("exposure", np.ones(len(equity), bool))
    return metrics(equity, cash, trades, **options)


def path_of(returns, cash=CASH):
    return cash * np.cumprod(1.0 + np.asarray(returns, float))


def trade_records(rows):
    """Records of (net gain, money at entry, bars held)."""
    records = np.zeros(len(rows), TRADE)
    for record, (gain, spent, bars) in zip(records, rows, strict=True):
        record["pnl"], record["entry_price"], record["quantity"], record["bars_held"] = gain, spent / 10, -10.0, bars
    return records


def assert_same(run, expected, relative=1e-9):
    found = {name: getattr(run, name) for name in expected}
    assert found == pytest.approx(expected, rel=relative, abs=1e-12, nan_ok=True)


@pytest.fixture(scope="module")
def goog():
    """Daily bars of GOOG 2004-2013 that backtesting.py brings along."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting.test import GOOG
    return GOOG


@pytest.fixture(scope="module")
def empyrical():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical as library
    return library


@pytest.fixture(scope="module")
def quantstats():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantstats.stats as library
    return library


def random_returns(seed=3, count=1500):
    return np.random.default_rng(seed).standard_t(4, count) * 0.01 + 3e-4


# ---- published numbers -------------------------------------------------------------------------------------------

PUBLISHED = np.array([1.0, 10, -4, 2, 3, 2, 1, -10]) / 100  # the test suite of empyrical, after its leading NaN


def test_the_published_example_without_its_empty_period():
    run = measured(path_of(PUBLISHED))
    assert run.annual_return == pytest.approx(2.3302927973, rel=1e-10)
    assert run.volatility == pytest.approx(0.9136465399704637, rel=1e-12)
    assert run.sharpe == pytest.approx(1.7238613961706866, rel=1e-12)
    assert run.sortino == pytest.approx(2.605531251673693, rel=1e-12)
    assert run.downside_risk == pytest.approx(0.60448325038829653, rel=1e-12)
    assert run.max_drawdown == pytest.approx(-0.1, rel=1e-12)


def test_the_published_example_with_its_empty_period_counted():
    """The published annual return and Calmar ratio count the period without a return."""
    run = measured(path_of([0.0, *PUBLISHED]))
    assert run.annual_return == pytest.approx(1.9135925373194231, rel=1e-12)
    assert run.calmar == pytest.approx(19.135925373194233, rel=1e-12)
    assert run.max_drawdown == pytest.approx(-0.1, rel=1e-12)


def test_goog_bought_and_held(goog):
    close = goog.Close.to_numpy(float)
    run = measured(close[1:], close[0])
    assert run.annual_return == pytest.approx(0.277081, abs=5e-7)
    assert run.volatility == pytest.approx(0.344058, abs=5e-7)
    assert run.sharpe == pytest.approx(0.881519, abs=5e-7)
    assert run.sortino == pytest.approx(1.354167, abs=5e-7)
    assert run.max_drawdown == pytest.approx(-0.652948, abs=5e-7)
    assert run.calmar == pytest.approx(0.424354, abs=5e-7)
    assert run.var_95 == pytest.approx(-0.030780, abs=5e-7)
    assert run.cvar_95 == pytest.approx(-0.048090, abs=5e-7)
    assert measured(close[1:], close[0], risk_free=0.03).sharpe == pytest.approx(0.795601, abs=5e-7)


def test_trades_of_a_crossover_on_goog(goog):
    """100 shares, 20/50 days, 0.1 % commission: the trades of backtesting.py, its SQN, and net money by hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
        from backtesting.lib import crossover
        from backtesting.test import SMA

    class Crossover(Strategy):
        def init(self):
            self.fast, self.slow = self.I(SMA, self.data.Close, 20), self.I(SMA, self.data.Close, 50)

        def next(self):
            if crossover(self.fast, self.slow):
                self.buy(size=100)
            elif crossover(self.slow, self.fast):
                self.position.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = Backtest(goog, Crossover, cash=CASH, commission=0.001, finalize_trades=False).run()
    closed = stats._trades
    rows = zip(closed.PnL, closed.EntryPrice * closed.Size, closed.ExitBar - closed.EntryBar, strict=True)
    run = measured(stats._equity_curve.Equity.to_numpy(float), trades=trade_records(list(rows)))
    assert run.trades == stats["# Trades"] == 19
    assert run.win_rate == pytest.approx(stats["Win Rate [%]"] / 100, rel=1e-12)
    assert run.sqn == pytest.approx(stats["SQN"], rel=1e-9) == pytest.approx(1.24690, abs=5e-6)
    assert run.profit_factor == pytest.approx(2.0902, abs=5e-5)
    assert run.average_win == pytest.approx(8222.042, abs=5e-4)
    assert run.average_loss == pytest.approx(-2860.7706, abs=5e-5)
    assert run.expectancy == pytest.approx(1805.6768, abs=5e-5)
    assert run.total_return == pytest.approx(stats["Return [%]"] / 100, rel=1e-9)
    assert run.max_drawdown == pytest.approx(stats["Max. Drawdown [%]"] / 100, rel=1e-9)


# ---- independent libraries ---------------------------------------------------------------------------------------

EMPYRICAL = {
    "total_return": lambda lib, r, f: lib.cum_returns_final(r),
    "annual_return": lambda lib, r, f: lib.annual_return(r, annualization=252),
    "volatility": lambda lib, r, f: lib.annual_volatility(r, annualization=252),
    "sharpe": lambda lib, r, f: lib.sharpe_ratio(r, risk_free=f, annualization=252),
    "sortino": lambda lib, r, f: lib.sortino_ratio(r, required_return=f, annualization=252),
    "downside_risk": lambda lib, r, f: lib.downside_risk(r, required_return=f, annualization=252),
    "max_drawdown": lambda lib, r, f: lib.max_drawdown(r),
    "calmar": lambda lib, r, f: lib.calmar_ratio(r, annualization=252),
    "omega": lambda lib, r, f: lib.omega_ratio(r, risk_free=f, annualization=1),
    "tail_ratio": lambda lib, r, f: lib.tail_ratio(r),
    "var_95": lambda lib, r, f: lib.value_at_risk(r, cutoff=0.05),
    "cvar_95": lambda lib, r, f: lib.conditional_value_at_risk(r, cutoff=0.05),
}

QUANTSTATS = {
    "annual_return": lambda lib, r, rf: lib.cagr(r, periods=252),
    "volatility": lambda lib, r, rf: lib.volatility(r, periods=252),
    "sharpe": lambda lib, r, rf: lib.sharpe(r, rf=rf, periods=252),
    "sortino": lambda lib, r, rf: lib.sortino(r, rf=rf, periods=252),
    "max_drawdown": lambda lib, r, rf: lib.max_drawdown(r),
    "calmar": lambda lib, r, rf: lib.calmar(r, periods=252),
    "cvar_95": lambda lib, r, rf: lib.conditional_value_at_risk(r, method="historical"),
    "tail_ratio": lambda lib, r, rf: lib.tail_ratio(r),
    "best_day": lambda lib, r, rf: lib.best(r),
    "worst_day": lambda lib, r, rf: lib.worst(r),
    # it divides by n - 1
    "ulcer_index": lambda lib, r, rf: lib.ulcer_index(r) * math.sqrt((len(r) - 1) / len(r)),
}


@pytest.fixture(params=["goog", "random"])
def series(request, goog):
    """Real and random returns, dated."""
    values = goog.Close.pct_change().dropna().to_numpy() if request.param == "goog" else random_returns()
    return pd.Series(values, pd.bdate_range("2010-01-01", periods=len(values)))


@pytest.mark.parametrize("rate", [0.0, 0.03])
@pytest.mark.parametrize("name", EMPYRICAL)
def test_equal_to_empyrical(name, rate, series, empyrical):
    run = measured(path_of(series.to_numpy()), risk_free=rate)
    expected = EMPYRICAL[name](empyrical, series, (1 + rate) ** (1 / 252) - 1)
    assert getattr(run, name) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.03])
@pytest.mark.parametrize("name", QUANTSTATS)
def test_equal_to_quantstats(name, rate, series, quantstats):
    run = measured(path_of(series.to_numpy()), risk_free=rate)
    assert getattr(run, name) == pytest.approx(QUANTSTATS[name](quantstats, series, rate), rel=1e-9)


def test_moments_equal_scipy(series):
    from scipy import stats

    run = measured(path_of(series.to_numpy()))
    assert run.skew == pytest.approx(stats.skew(series), rel=1e-9)
    assert run.kurtosis == pytest.approx(stats.kurtosis(series), rel=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_comparisons_equal_empyrical(rate, series, empyrical):
    """Its alpha is compounded and its captures are ratios of annualised returns; ours follow by arithmetic."""
    other = pd.Series(0.6 * series.to_numpy() + random_returns(5, len(series)), series.index)
    daily = (1 + rate) ** (1 / 252) - 1
    run = measured(path_of(series), benchmark=path_of(other, 50.0), risk_free=rate)
    own, other = series.iloc[1:], other.iloc[1:]
    alpha, beta = empyrical.alpha_beta(own, other, risk_free=daily, annualization=252)
    assert run.beta == pytest.approx(beta, rel=1e-9)
    assert (1 + run.alpha / 252) ** 252 - 1 == pytest.approx(alpha, rel=1e-9)
    assert run.information_ratio == pytest.approx(empyrical.excess_sharpe(own, other) * math.sqrt(252), rel=1e-9)
    assert run.correlation == pytest.approx(np.corrcoef(own, other)[0, 1], rel=1e-9)
    for found, side in ((run.up_capture, other > 0), (run.down_capture, other < 0)):
        years = [empyrical.annual_return(values[side], annualization=252) for values in (own, other)]
        means = [math.expm1(math.log1p(value) / 252) for value in years]
        assert found == pytest.approx(means[0] / means[1], rel=1e-9)


def test_comparisons_equal_quantstats(series, quantstats):
    other = pd.Series(random_returns(9, len(series)), series.index)
    run = measured(path_of(series), benchmark=path_of(other, 50.0))
    greeks = quantstats.greeks(series.iloc[1:], other.iloc[1:], 252, prepare_returns=False)
    assert run.beta == pytest.approx(greeks["beta"], rel=1e-9)
    assert run.alpha == pytest.approx(greeks["alpha"], rel=1e-9)


# ---- the naive twin ----------------------------------------------------------------------------------------------

#: Whole basis points: small numbers that repeat, so that ties, flat spells and runs happen.
basis_points = st.lists(st.integers(-300, 300) | st.sampled_from([0, 0, 100, -100]), min_size=1, max_size=150)
gains = st.lists(
    st.tuples(st.integers(-500, 500) | st.just(0), st.integers(100, 10_000), st.integers(1, 60)), max_size=40
)


@given(basis_points, st.sampled_from([0.0, 0.02, -0.01]), st.sampled_from([252, 52, 12]))
def test_paths_equal_the_twin(points, rate, periods):
    equity = path_of(np.array(points) / 1e4)
    run = measured(equity, periods_per_year=periods, risk_free=rate)
    path = equity.tolist()
    assert_same(run, naive.return_measures(path, CASH, periods, rate))
    assert_same(run, naive.shape_measures(path, CASH, periods, rate))
    assert_same(run, naive.drawdown_measures(path, CASH))


@given(gains)
def test_trades_equal_the_twin(rows):
    run = measured([CASH], trades=trade_records(rows))
    assert_same(run, naive.trade_measures(rows))


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(-300, 300)), min_size=4, max_size=120))
def test_comparisons_equal_the_twin(pairs):
    own, other = np.array(pairs).T / 1e4
    assume(np.ptp(own[1:]) > 0 and np.ptp(other[1:]) > 0 and np.ptp((own - other)[1:]) > 0)
    equity, prices = path_of(own), path_of(other, 7.0)
    run = measured(equity, benchmark=prices, risk_free=0.02)
    assert_same(run, naive.relative_measures(equity.tolist(), prices.tolist(), 252, 0.02))


def test_one_bar_of_a_hundred_times_costs_no_digits():
    returns = random_returns(11, 2520)
    for place, jump in ((1000, 99.0), (1001, -0.99), (63, 99.0), (0, 99.0)):
        returns[place] = jump
    equity = path_of(returns)
    run = measured(equity)
    assert_same(run, naive.return_measures(equity.tolist(), CASH), relative=1e-12)
    assert_same(run, naive.shape_measures(equity.tolist(), CASH), relative=1e-11)


def test_a_small_volatility_on_a_high_return_keeps_its_digits():
    returns = 0.01 + random_returns(2, 300) * 1e-6
    equity = path_of(returns)
    exact = naive.return_measures(equity.tolist(), CASH)["volatility"]
    assert measured(equity).volatility == pytest.approx(exact, rel=1e-9)


# ---- laws --------------------------------------------------------------------------------------------------------

MONEY_FREE = [name for name, item in DEFINITIONS.items() if item.unit != "money"]


@given(basis_points, gains, st.sampled_from([0.5, 2.0, 1024.0]))
def test_scaling_the_money_changes_no_ratio(points, rows, factor):
    equity = path_of(np.array(points) / 1e4)
    plain, scaled = trade_records(rows), trade_records(rows)
    scaled["pnl"] *= factor
    scaled["quantity"] *= factor
    one = measured(equity, trades=plain, totals=Totals(traded=5e5), benchmark=equity[::-1])
    two = measured(
        factor * equity, factor * CASH, scaled, totals=Totals(traded=factor * 5e5), benchmark=factor * equity[::-1]
    )
    # a power of two moves no bit
    for name in MONEY_FREE:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert two.expectancy == pytest.approx(factor * one.expectancy, nan_ok=True)


@given(basis_points)
def test_a_flat_bar_more(points):
    equity = path_of(np.array(points) / 1e4)
    one, two = measured(equity), measured([*equity, equity[-1]])
    for name in ("total_return", "max_drawdown", "average_drawdown", "recovery_factor"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert two.max_drawdown_bars - one.max_drawdown_bars in {0, 1}
    if len(points) > 1:
        assert abs(two.annual_return) <= abs(one.annual_return) * (1 + 1e-12)


@given(basis_points, st.sampled_from([0.0, 0.05]))
def test_bounds_and_signs(points, rate):
    equity = path_of(np.array(points) / 1e4)
    run = measured(equity, risk_free=rate)
    assert -1.0 <= run.max_drawdown <= run.average_drawdown <= 0.0
    assert -run.max_drawdown * (1.0 + 1e-12) >= run.ulcer_index >= 0.0  # a root mean square rounds either way
    assert run.average_drawdown_bars <= run.max_drawdown_bars <= len(points)
    assert run.worst_day <= run.best_day
    if len(points) > 1:
        assert run.cvar_95 <= run.var_95
        assert run.worst_day <= run.cvar_95 * (1 - 1e-12) or run.worst_day == pytest.approx(run.cvar_95, rel=1e-12)
        assert 0.0 <= run.positive_days <= 1.0
    if not math.isnan(run.sharpe):
        excess = np.array(points) / 1e4 - ((1 + rate) ** (1 / 252) - 1)
        assume(abs(excess.mean()) > 1e-12)
        assert np.sign(run.sharpe) == np.sign(excess.mean()) == np.sign(run.sortino)
        assert run.kurtosis >= run.skew**2 - 2 - 1e-9


def test_against_itself(goog):
    close = goog.Close.to_numpy(float)
    run = measured(close, close[0], benchmark=close)
    assert (run.beta, run.correlation) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert run.alpha == pytest.approx(0.0, abs=1e-12)
    assert (run.up_capture, run.down_capture) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert run.tracking_error == 0.0
    assert math.isnan(run.information_ratio)
    assert run.benchmark_return == run.total_return


# ---- edges -------------------------------------------------------------------------------------------------------


def test_nothing_happens():
    run = measured(np.full(10, CASH), exposure=np.zeros(10, bool))
    assert (run.total_return, run.annual_return, run.max_drawdown, run.volatility, run.downside_risk) == (0, 0, 0, 0, 0)
    assert (run.exposure, run.turnover, run.trades, run.consecutive_wins, run.longest_bars_held) == (0, 0, 0, 0, 0)
    assert (run.average_drawdown, run.max_drawdown_bars, run.average_drawdown_bars, run.ulcer_index) == (0, 0, 0, 0)
    assert (run.var_95, run.cvar_95, run.positive_days) == (0, 0, 0)
    undefined = (
        "sharpe sortino calmar recovery_factor recovery_bars skew kurtosis omega tail_ratio win_rate profit_factor"
    )
    undefined += " average_win average_loss payoff_ratio kelly sqn expectancy best_trade worst_trade average_bars_held"
    undefined += " average_trade_return alpha beta correlation information_ratio tracking_error benchmark_return"
    for name in [*undefined.split(), "up_capture", "down_capture"]:
        assert math.isnan(getattr(run, name)), name


@pytest.mark.parametrize("daily", [1e-4, 0.001, 0.07])
def test_the_same_gain_every_day_has_no_volatility(daily):
    """Rounding makes these returns differ by 1e-16: neither a Sharpe ratio of 1e13 nor one of inf."""
    run = measured(path_of(np.full(300, daily)))
    assert run.volatility == 0.0
    assert math.isnan(run.sharpe)
    assert run.sortino == math.inf
    assert run.omega == math.inf
    assert math.isnan(run.skew)
    assert math.isnan(run.calmar)
    loss = measured(path_of(np.full(300, -daily)))
    assert math.isnan(loss.sharpe)
    assert loss.sortino == pytest.approx(-math.sqrt(252))
    assert loss.omega == 0.0


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.02, 0.03, 0.04, 0.05])
def test_earning_the_risk_free_rate_has_no_sortino_ratio(rate):
    """Whichever side of the rate the rounding falls on."""
    daily = (1 + rate) ** (1 / 252) - 1
    run = measured(path_of(np.full(252, daily)), risk_free=rate)
    assert run.total_return == pytest.approx(rate, rel=1e-12)
    assert math.isnan(run.sharpe)
    assert math.isnan(run.sortino)


def test_no_losing_period():
    run = measured(path_of([0.0, 0.01, 0.0, 0.02]))
    assert run.sortino == math.inf
    assert run.omega == math.inf
    assert math.isfinite(run.sharpe)
    assert math.isnan(run.calmar)


def test_one_bar():
    run = measured([CASH * 1.01])
    assert run.total_return == pytest.approx(0.01)
    assert run.best_day == run.worst_day == run.total_return
    names = ["annual_return", "volatility", "sharpe", "sortino", "downside_risk", "skew", "kurtosis", "var_95", "omega"]
    for name in names:
        assert math.isnan(getattr(run, name)), name


def test_a_loss_on_the_first_bar_counts():
    run = measured([0.9 * CASH, 0.95 * CASH])
    assert run.max_drawdown == pytest.approx(-0.1)
    assert run.worst_day == pytest.approx(-0.1)
    assert run.max_drawdown_bars == 2


@pytest.mark.parametrize("last", [0.0, -5_000.0])
def test_ruin_ends_the_run(last):
    path = [CASH, 0.5 * CASH, last]
    run = measured(path, benchmark=[5.0, 6.0, 5.5])
    assert run.annual_return == -1.0
    assert run.max_drawdown == -1.0
    assert run.total_return == last / CASH - 1
    assert run.worst_day == pytest.approx(last / (0.5 * CASH) - 1)
    assert math.isnan(run.recovery_bars)
    later = measured([*path, -1.0, 50.0, 2 * CASH], benchmark=[5.0, 6.0, 5.5, 1.0, 2.0, 3.0])
    assert later.to_dict() == pytest.approx(run.to_dict(), nan_ok=True)
    assert run.down_capture == pytest.approx(-1.0 / (5.5 / 6.0 - 1.0))


def test_ruin_on_the_first_bar():
    run = measured([0.0])
    assert (run.total_return, run.annual_return, run.max_drawdown) == (-1.0, -1.0, -1.0)
    assert math.isnan(run.turnover)


def test_a_growth_beyond_numbers():
    assert measured([1e8, 1e12], 1.0).annual_return == math.inf


def test_winners_only_losers_only_and_a_draw():
    win = measured([CASH], trades=trade_records([(10, 100, 2), (20, 100, 4)]))
    assert (win.win_rate, win.profit_factor, win.average_win) == (1.0, math.inf, 15.0)
    assert math.isnan(win.average_loss)
    assert math.isnan(win.payoff_ratio)
    assert math.isnan(win.kelly)
    loss = measured([CASH], trades=trade_records([(-10, 100, 2)]))
    assert (loss.win_rate, loss.profit_factor, loss.average_loss, loss.consecutive_losses) == (0.0, 0.0, -10.0, 1)
    assert math.isnan(loss.sqn)
    draw = measured([CASH], trades=trade_records([(10, 100, 2), (0, 100, 1), (10, 100, 2)]))
    assert draw.win_rate == pytest.approx(2 / 3)
    assert draw.consecutive_wins == 1
    assert math.isnan(measured([CASH], trades=trade_records([(0, 100, 1)])).profit_factor)
    assert math.isnan(measured([CASH], trades=trade_records([(5, 100, 1), (5, 100, 1)])).sqn)


def test_open_trades_are_left_out():
    records = trade_records([(10, 100, 2), (-99, 100, 4)])
    records["exit"] = [5, NEVER]
    run = measured([CASH], trades=records)
    assert (run.trades, run.expectancy, run.longest_bars_held) == (1, 10.0, 2)
    assert run.average_trade_return == pytest.approx(0.1)


def test_activity_and_costs():
    equity = np.linspace(CASH, 1.2 * CASH, 126)
    held = np.arange(126) % 3 == 0
    run = measured(equity, exposure=held, totals=Totals(12.0, 3.0, 1.5, -2.0, traded=220_000.0))
    assert run.exposure == pytest.approx(42 / 126)
    assert run.turnover == pytest.approx(220_000 / 110_000 * 2)
    assert (run.fees, run.slippage, run.borrow, run.interest) == (12.0, 3.0, 1.5, -2.0)


def test_a_benchmark_or_a_run_that_does_not_move():
    equity = path_of(PUBLISHED)
    still = measured(equity, benchmark=np.full(8, 3.0))
    assert math.isnan(still.beta)
    assert math.isnan(still.alpha)
    assert math.isnan(still.correlation)
    assert math.isnan(still.up_capture)
    assert still.benchmark_return == 0.0
    assert still.tracking_error == pytest.approx(np.std(PUBLISHED[1:], ddof=1) * math.sqrt(252))
    idle = measured(np.full(8, CASH), benchmark=equity, risk_free=0.02)
    assert idle.beta == 0.0
    assert idle.alpha == pytest.approx(-252 * (1.02 ** (1 / 252) - 1))
    assert math.isnan(idle.correlation)


# ---- rolling -----------------------------------------------------------------------------------------------------


def test_every_rolling_row_is_the_measure_of_its_window():
    own, other = random_returns(1, 400), random_returns(2, 400)
    equity, prices = path_of(own), path_of(other, 9.0)
    table = rolling(equity, 63, cash=CASH, benchmark=prices, risk_free=0.02)
    for bar in (62, 63, 200, 399):
        start = equity[bar - 63] if bar > 62 else CASH
        window = measured(equity[bar - 62 : bar + 1], start, risk_free=0.02)
        for name in ("total_return", "volatility", "sharpe", "sortino", "max_drawdown"):
            assert getattr(table, name)[bar] == getattr(window, name), name
        if bar > 62:
            piece = slice(bar - 63, bar + 1)
            assert table.beta[bar] == measured(equity[piece], benchmark=prices[piece]).beta
    for name, values in table._asdict().items():
        assert values.shape == (400,)
        start = 63 if name == "beta" else 62
        assert np.isnan(values[:start]).all(), name
        assert np.isfinite(values[start:]).all(), name


def test_rolling_equals_pandas():
    returns = pd.Series(random_returns(4, 600))
    table = rolling(path_of(returns), 21, cash=CASH)
    windows = returns.rolling(21)
    np.testing.assert_allclose(table.volatility, windows.std() * math.sqrt(252), rtol=1e-9)
    np.testing.assert_allclose(table.sharpe, windows.mean() / windows.std() * math.sqrt(252), rtol=1e-9, atol=1e-11)


def test_rolling_without_benchmark_after_ruin_and_on_a_short_path():
    table = rolling([100.0, 90.0, 0.0, 80.0, 90.0], 2, cash=100.0)
    np.testing.assert_allclose(table.total_return, [math.nan, -0.1, -1.0, math.nan, math.nan])
    assert np.isnan(table.beta).all()
    assert all(np.isnan(values).all() for values in rolling([1.0, 2.0], 5, cash=1.0))


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_equity_that_is_not_a_number_is_refused(bad):
    with pytest.raises(DataError, match=r"finite equity; found .* on bar 1"):
        measured([CASH, bad, CASH])
    with pytest.raises(DataError, match="finite equity"):
        rolling([CASH, bad, CASH], 2, cash=CASH)


@pytest.mark.parametrize("equity", [[], [[1.0, 2.0]]])
def test_equity_of_the_wrong_shape_is_refused(equity):
    with pytest.raises(DataError, match="at least one bar"):
        metrics(equity, CASH, NO_TRADES, exposure=[])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cash": 0.0}, "cash to be a finite number above 0; found 0.0"),
        ({"cash": math.nan}, "cash"),
        ({"periods_per_year": 0}, "periods_per_year"),
        ({"risk_free": -1.0}, "risk_free to be a finite number above -1"),
    ],
)
def test_parameters_out_of_range_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        measured([CASH, CASH], **options)


@pytest.mark.parametrize("window", [1, 0, 2.5, True])
def test_windows_without_a_deviation_are_refused(window):
    with pytest.raises(ParameterError, match="window"):
        rolling([CASH, CASH, CASH], window, cash=CASH)


@pytest.mark.parametrize("prices", [[1.0], [1.0, math.nan], [1.0, 0.0]])
def test_benchmarks_with_gaps_are_refused(prices):
    with pytest.raises(DataError, match="benchmark"):
        measured([CASH, CASH], benchmark=prices)


def test_exposure_of_another_length_is_refused():
    with pytest.raises(DataError, match="exposure of shape"):
        measured([CASH, CASH], exposure=[True])


# ---- the table of measures ---------------------------------------------------------------------------------------


def test_the_seed_names_come_first_and_the_table_names_every_field():
    names = [item.name for item in fields(Metrics)]
    assert names[:9] == SEED_NAMES
    assert list(DEFINITIONS) == names
    assert len(names) >= 40
    for item in DEFINITIONS.values():
        assert item.label
        assert item.text
        assert item.unit
    assert len({item.label for item in DEFINITIONS.values()}) == len(names)


def test_to_dict_holds_plain_numbers_in_order():
    run = measured(path_of(PUBLISHED), benchmark=path_of(PUBLISHED[::-1]), trades=trade_records([(5, 100, 1)]))
    values = run.to_dict()
    assert list(values) == list(DEFINITIONS)
    assert {type(value) for value in values.values()} == {int, float}


def test_metrics_are_frozen():
    with pytest.raises(FrozenInstanceError):
        measured([CASH]).sharpe = 3.0


def test_the_text_shows_every_measure_with_its_unit():
    run = measured(path_of(PUBLISHED))
    text = repr(run)
    assert "Total return" in text
    assert f"{run.total_return * 100:.2f} %" in text
    assert "Beta" not in text
    with_benchmark = measured(path_of(PUBLISHED), benchmark=path_of(PUBLISHED[::-1]))
    for item in DEFINITIONS.values():
        assert item.label in repr(with_benchmark)
    assert max(map(len, text.splitlines())) <= 80


def test_the_html_is_escaped_and_explains():
    page = measured(path_of(PUBLISHED))._repr_html_()
    assert page.startswith("<table>")
    assert page.count("<tr") == page.count("</tr>")
    assert "mean(e) / std(r, ddof=1)" in page
    assert "share of r &gt; 0" in page


def test_values_are_written_for_readers():
    assert DEFINITIONS["profit_factor"].format(math.inf) == "∞"
    assert DEFINITIONS["sortino"].format(-math.inf) == "−∞"
    assert DEFINITIONS["average_bars_held"].format(12.26) == "12 bars"
    assert DEFINITIONS["max_drawdown_bars"].format(1200) == "1,200 bars"
    assert DEFINITIONS["beta"].format(-0.0001) == "0.000"
    assert DEFINITIONS["alpha"].format(-0.0001) == "-0.01 %"
    assert DEFINITIONS["turnover"].format(2.5) == "2.50 × a year"
    assert DEFINITIONS["trades"].format(19) == "19"


# ---- kernels -----------------------------------------------------------------------------------------------------


def test_a_sweep_and_a_single_run_share_every_bit():
    """Sums made trade by trade and path by path give what `metrics` gives."""
    equity = path_of(random_returns(8, 777))
    rows = [(5.5, 100, 3), (-2.25, 90, 1), (7.125, 80, 9)]
    run = measured(equity, trades=trade_records(rows))
    path = performance.path_measures(equity, CASH, 252.0, 0.0)
    sums = np.zeros(trade_performance.TRADE_SUMS_SIZE)
    for gain, spent, bars in rows:
        trade_performance.add_trade(sums, gain, gain / spent, float(bars))
    for part in (path, trade_performance.trade_ratios(sums)):
        for name, value in part._asdict().items():
            assert getattr(run, name) == value, name


def test_kernels_leave_their_inputs_alone():
    equity = path_of(random_returns(8, 100))
    equity.flags.writeable = False
    before = equity.copy()
    run = measured(equity, benchmark=equity)
    assert np.array_equal(equity, before)
    assert run.trades == 0


def test_read_only_and_strided_input_gives_the_same():
    equity = path_of(random_returns(8, 100))
    wide = np.repeat(equity, 2)
    assert repr(measured(wide[::2])) == repr(measured(list(equity)))


def test_fields_of_the_kernels_are_fields_of_metrics():
    parts = (
        performance.PathRatios,
        performance.Shape,
        performance.Tails,
        performance.Drawdowns,
        relative_performance.Relative,
        trade_performance.TradeRatios,
    )
    named = [name for part in parts for name in part._fields]
    assert len(named) == len(set(named))
    assert set(DEFINITIONS) - set(named) == {"exposure", "turnover", "fees", "slippage", "borrow", "interest"}


def test_importing_the_metrics_does_not_import_numba(repository):
    code = "import sys, stockstream.backtesting.metrics; sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, check=False)
    assert done.returncode == 0
