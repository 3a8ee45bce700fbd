"""What a Sharpe ratio proves, against the numbers its authors and other implementations published."""

import math

import numpy as np
import pytest

from stockstream.errors import DataError, ParameterError
from stockstream.research.overfitting import (
    SharpeSample,
    average_correlation,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    minimum_backtest_length,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_deviation,
    sharpe_sample,
)


@pytest.mark.parametrize(
    ("sample", "published", "tolerance"),
    [
        (SharpeSample(0.458, 24), 0.981675, 1e-6),
        (SharpeSample(0.458, 24, -2.448, 10.164), 0.913361, 1e-6),
        (SharpeSample(1.585 / math.sqrt(12), 24, -2.448, 10.164), 0.91323430688486, 1e-13),
    ],
)
def test_published_probabilistic_ratios(sample, published, tolerance):
    assert probabilistic_sharpe(sample) == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize(
    ("sample", "deviation", "years"),
    [
        (SharpeSample(0.7079, 134, -0.2250, 2.9570), 0.1028, 0.7152),
        (SharpeSample(0.8183, 134, -1.4455, 7.0497), 0.1550, 1.1593),
    ],
)
def test_published_errors_and_track_records(sample, deviation, years):
    assert sharpe_deviation(sample) == pytest.approx(deviation, abs=5e-5)
    assert minimum_track_record(sample) / 12 == pytest.approx(years, abs=5e-5)


@pytest.mark.parametrize(("periods", "years"), [(250, 2.7311878), (52, 2.8288336)])
def test_published_track_records_against_a_ratio_of_one(periods, years):
    root = math.sqrt(periods)
    assert minimum_track_record(SharpeSample(2 / root, 100), 1 / root) / periods == pytest.approx(years, abs=5e-8)


def test_published_track_record_of_skewed_months():
    root = math.sqrt(12)
    months = minimum_track_record(SharpeSample(3 / root, 100, -0.72, 5.78), 2.5 / root)
    assert months / 12 == pytest.approx(27.35292, abs=5e-6)


def test_published_expected_maxima():
    assert expected_maximum(10) == pytest.approx(1.57, abs=5e-3)
    assert expected_maximum(100) == pytest.approx(2.5306028932, abs=5e-11)


def test_published_deflated_ratio():
    chosen = SharpeSample(2.5 / math.sqrt(250), 1250, -3, 10)
    found = deflated_sharpe(chosen, 100, 0.5 / 250)
    assert found.threshold == pytest.approx(0.1132, abs=5e-5)
    assert found.probability == pytest.approx(0.90039683444939, abs=1e-13)
    assert deflated_sharpe(chosen, 46, 0.5 / 250).probability == pytest.approx(0.9505017, abs=5e-8)


def test_published_backtest_length():
    assert minimum_backtest_length(45, 1.0) == pytest.approx(4.9980870044, abs=5e-11)
    for trials in (2, 10, 1000, 10**6):  # the authors' upper bound
        assert minimum_backtest_length(trials, 0.8) < 2 * math.log(trials) / 0.8**2


def test_expected_maximum_of_simulated_trials():
    for trials, high in ((10, 0.023), (1000, 0.004)):
        draws = np.random.default_rng(1).normal(size=(4000, trials)).max(axis=1)
        error = draws.std() / math.sqrt(len(draws)) / draws.mean()
        assert expected_maximum(trials) / draws.mean() - 1 == pytest.approx(high, abs=4 * error)


def test_one_trial_is_not_deflated():
    sample = SharpeSample(0.1, 500)
    assert deflated_sharpe(sample, 1, 0.0).probability == probabilistic_sharpe(sample)
    assert expected_maximum(1.0) == 0.0 < expected_maximum(1.5) < expected_maximum(2.0)


def test_moments_are_those_of_scipy():
    from scipy import stats

    returns = np.random.default_rng(2).standard_t(5, 400) * 0.01 + 0.001
    sample = sharpe_sample(returns)
    assert sample.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert sample.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
    assert sample.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-14)


def test_a_ratio_proves_as_often_as_it_says():
    """Of worthless normal series one in twenty has a PSR above 95 %."""
    draws = np.random.default_rng(3).normal(size=(2000, 250))
    share = np.mean([probabilistic_sharpe(sharpe_sample(row)) > 0.95 for row in draws])
    assert abs(share - 0.05) < 2.6 * math.sqrt(0.05 * 0.95 / 2000)


def test_average_correlation_is_that_of_all_pairs():
    rows = np.random.default_rng(4).normal(size=(12, 60)) + np.random.default_rng(5).normal(size=60)
    pairs = np.corrcoef(rows)[np.triu_indices(12, 1)]
    assert average_correlation(np.vstack([rows, np.zeros(60)])) == pytest.approx(pairs.mean(), rel=1e-12)
    assert effective_trials(1.0, 50) == 1.0
    assert effective_trials(-0.2, 50) == 50.0


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        (np.full(100, 0.01), "vary"),
        (np.arange(5) / 100, "at least 20"),
        ([0.1, float("nan")] * 20, "finite"),
        (np.zeros((3, 30)), "shape"),
        (["much", "little"], "numbers"),
        (None, "finite"),
    ],
)
def test_returns_that_say_nothing_are_explained(returns, said):
    with pytest.raises(DataError, match=said):
        sharpe_sample(returns)


def test_impossible_figures_are_explained():
    sample = SharpeSample(0.1, 500)
    with pytest.raises(ParameterError, match="two trials"):
        deflated_sharpe(sample, 10, float("nan"))
    with pytest.raises(ParameterError, match="at least one trial"):
        deflated_sharpe(sample, 0, 0.1)
    with pytest.raises(ParameterError, match="not excess"):
        sharpe_deviation(SharpeSample(2.0, 100, 3.0, 0.5))
    with pytest.raises(ParameterError, match="observations"):
        sharpe_deviation(SharpeSample(0.1, 1))
    with pytest.raises(ParameterError, match="confidence"):
        minimum_track_record(sample, confidence=95)
    with pytest.raises(ParameterError, match="above 0"):
        minimum_backtest_length(10, 0.0)
    assert minimum_track_record(sample, threshold=0.2) == math.inf
