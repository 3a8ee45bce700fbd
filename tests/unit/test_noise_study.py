"""What the stored study of noise says, and a smaller one that is run."""

import json

import pytest

from benchmarks import noise_study


def test_the_stored_study_holds_what_is_promised():
    found = json.loads(noise_study.RESULTS.read_text(encoding="utf-8"))
    noise = found["share found, by yearly Sharpe ratio of one run"]["0"]
    bound = noise_study.upper_bound(found["trials"])
    for tool in ("deflated, all trials", "deflated, effective", "reality check", "SPA, consistent"):
        assert noise[tool] <= bound
    assert noise["best, taken alone"] > 0.3
    assert found["moving averages swept on random walks, deflated"] <= bound
    assert abs(noise["mean PBO"] - 0.5) < 0.05


@pytest.mark.compiled
def test_a_smaller_study():
    """Twenty tables of noise and twenty with a strong run; five false findings of twenty happen once in 400 studies."""
    found = noise_study.study(20, repetitions=100, planted=(6.0,))
    shares = found["share found, by yearly Sharpe ratio of one run"]
    for tool in ("deflated, all trials", "reality check", "SPA, consistent"):
        assert shares["0"][tool] <= 0.2
        assert shares["6"][tool] >= 0.8
    assert found["moving averages swept on random walks, deflated"] <= 0.2
