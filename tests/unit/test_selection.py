"""The probability of backtest overfitting: against purgedcv 0.1.11, a naive twin, and what luck must give."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.errors import DataError, ParameterError
from stockstream.research.selection import block_sums, halves_of, overfitting
from tests.laws.test_sweep_laws import long_panel

NOISE = np.random.default_rng(7).normal(0, 0.01, (50, 800))


@pytest.mark.parametrize(
    ("blocks", "planted", "probability", "slope"),
    [  # purgedcv.probability_of_backtest_overfitting(returns, n_splits=blocks) of version 0.1.11
        (8, 0.0, 0.6714285714285714, -0.051342011957997924),
        (8, 0.002, 0.0, -0.9988112236965859),
        (10, 0.0, 0.6626984126984127, -0.3922234710501486),
        (10, 0.002, 0.0, -0.9997274555539032),
    ],
)
def test_another_implementation(blocks, planted, probability, slope):
    returns = NOISE.copy()
    returns[3] += planted
    found = overfitting(block_sums(returns, blocks))
    assert found.probability == probability
    assert found.slope == pytest.approx(slope, rel=1e-9)


def twin(returns, blocks):
    """Choose and rank by the ratios of the returns themselves; runs that never vary have the ratio 0."""
    pieces = np.split(returns, blocks, axis=1)

    def ratios(taken):
        part = np.hstack([pieces[block] for block in taken])
        traded = (part != 0).any(axis=1)
        return np.where(traded, part.mean(axis=1) / np.where(traded, part.std(axis=1, ddof=1), 1), 0.0)

    found = []
    for taken in itertools.combinations(range(blocks), blocks // 2):
        inside, outside = ratios(taken), ratios([block for block in range(blocks) if block not in taken])
        best = int(inside.argmax())
        rank = (outside < outside[best]).sum() + ((outside == outside[best]).sum() + 1) / 2
        found.append((best, rank / (len(returns) + 1), inside[best], outside[best]))
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([4, 6]), st.sampled_from([2, 63, 64, 65, 200]), st.sampled_from([1, 3]))
def test_the_naive_twin(seed, blocks, runs, workers):
    draws = np.random.default_rng(seed)
    returns = draws.normal(0, 0.01, (runs, blocks * 6))
    returns[draws.integers(runs)] = 0.0  # never traded
    if runs > 2:
        returns[draws.integers(runs)] = returns[draws.integers(runs)]  # the same run twice
    found = overfitting(block_sums(returns, blocks), workers=workers)
    wanted = twin(returns, blocks)
    relative = sorted(w for _, w, _, _ in wanted)
    assert np.sort(1 / (1 + np.exp(-found.logits))) == pytest.approx(np.array(relative), rel=1e-9)
    assert sorted(found.chosen.tolist()) == sorted(best for best, *_ in wanted)
    assert np.sort(found.in_sample) == pytest.approx(np.sort([row[2] for row in wanted]), rel=1e-9, abs=1e-12)
    assert np.sort(found.out_of_sample) == pytest.approx(np.sort([row[3] for row in wanted]), rel=1e-9, abs=1e-12)


def test_a_hurdle_is_taken_from_every_return():
    shifted = overfitting(block_sums(NOISE[:20] - 0.001, 8))
    asked = overfitting(block_sums(NOISE[:20], 8), hurdle=0.001)
    assert asked.probability == shifted.probability
    assert asked.out_of_sample == pytest.approx(shifted.out_of_sample, rel=1e-9)


@pytest.mark.compiled
def test_worthless_runs_are_chosen_in_vain():
    """Over many draws of noise half of the choices are below the middle."""
    draws = np.random.default_rng(12)
    shares = [overfitting(block_sums(draws.normal(size=(20, 160)), 8)).probability for _ in range(200)]
    assert abs(np.mean(shares) - 0.5) < 3 * np.std(shares) / np.sqrt(len(shares)) + 0.02


def test_a_sweep_keeps_what_is_needed():
    bars = long_panel(1, 400)
    grid = {"fast_period": range(3, 9), "slow_period": range(10, 20)}
    swept = ss.sweep(MovingAverageCrossover, bars, grid, blocks=8, progress=False)
    runs = [swept.result(row).equity["return"].to_numpy() for row in swept.frame.to_dicts()]
    assert overfitting(swept.block_sums).probability == overfitting(block_sums(np.array(runs), 8)).probability


def test_halves_are_all_and_each_once():
    halves = halves_of(16)
    assert len({tuple(row) for row in halves.tolist()}) == len(halves) == 12_870
    assert {int(row).bit_count() for row in halves[:, 0] | halves[:, 1] << 8} == {8}


@pytest.mark.parametrize(
    ("sums", "error", "said"),
    [
        (block_sums(NOISE[:1], 8), ParameterError, "at least two runs"),
        (block_sums(NOISE, 7), ParameterError, "even"),
        (block_sums(NOISE, 22), ParameterError, "even"),
        (block_sums(NOISE[:, :30], 8), DataError, "at least 5 sessions"),
        (block_sums(np.zeros((9, 80)), 8), DataError, "nothing to choose"),
        (np.zeros((9, 8)), DataError, "shape"),
        (np.full((9, 8, 3), np.nan), DataError, "finite"),
    ],
)
def test_what_cannot_be_answered_is_explained(sums, error, said):
    with pytest.raises(error, match=said):
        overfitting(sums)


def test_returns_that_are_no_table_are_explained():
    with pytest.raises(DataError, match="runs, T"):
        block_sums([0.1, 0.2], 2)
