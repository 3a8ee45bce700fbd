"""What share of known faults the checks find, on draws other than the published ones."""

from tests.reference.corruptions import measure


def test_faults_are_found_and_clean_prices_left_in_peace():
    recalls, (alarms, clean, reasons) = measure(trials=12, seed=7)
    missed = {recall.fault: recall.found for recall in recalls if recall.found < recall.trials - 1}
    assert not missed
    assert sum(recall.found for recall in recalls) >= 0.98 * sum(recall.trials for recall in recalls)
    assert alarms <= 0.01 * clean, reasons
