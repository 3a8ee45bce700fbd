"""The page of the sweep benchmark is written whatever is missing."""

from benchmarks import sweep_page, sweep_speed

NAMES = ("date", "processor", "cores", "load before", "python", "numba", "numpy", "polars", "stockstream")
MACHINE = dict.fromkeys(NAMES, "?")
MISSING = {"missing": "ModuleNotFoundError: No module named 'raptorbt'"}


def figures(**replaced):
    """Return results of every case."""
    peer = {"rate": 2e6, "runs": 1000, "version": "1"}
    found = {
        "machine": MACHINE,
        "crossovers": {
            "rate": 4e9,
            "roofline_rate": 8e9,
            "share_of_roofline": 0.5,
            "share_by_cpu": 0.45,
            "metrics": 15,
            "profile": {"kernel": 3.0},
        },
        "raptorbt": {"rate": 1e7, "runs": 4000, "version": "1"},
        "vectorbt_numba": {"crossovers": peer, "rules": {"RSI 30/70": {"per_run": 1e-3}}},
        "vectorbt_rust": {"crossovers": peer, "rules": {"RSI 30/70": {"per_run": 5e-4}}},
        "rules": {"RSI 30/70": {"per_run": 1e-5}},
        "million": {"seconds": 1.0, "peak_bytes": 3e8},
        "many_symbols": {"seconds": 3.0, "peak_bytes": 3e8},
        "executors": {"threads": 1.0, "processes": 2.0},
        "growth": {"combinations": [{"runs": 10**k, "sessions": 100, "seconds": 10.0 ** (k - 5)} for k in (3, 4)]},
        "starts": {"cold": 12.0, "warm": 2.0},
        "trust": {
            "sweep": 0.1,
            "deflated": 0.004,
            "deflated_used": 0.005,
            **dict.fromkeys(("overfitting", "walk_forward", "audit"), 1.0),
        }
        | {"walk_forward_first": 4.0, "audit_first": 2.0},
    }
    return found | replaced


def test_every_table_is_there():
    text = sweep_page.block(figures())
    assert "2,000 times as many" in text
    assert "50 % of it" in text
    assert "| 4.0% | 10% |" in text
    assert "All that was aimed at was reached" in text


def test_what_is_missed_is_said():
    rules = {"RSI 30/70": {"per_run": 2e-5}}
    text = sweep_page.block(figures(rules=rules, million={"seconds": 1.0, "peak_bytes": 4.5e8}))
    assert "Aimed at and missed: 50 times vectorbt on RSI 30/70; a million combinations in less than 400 MB." in text


def test_what_costs_more_than_it_may_is_said():
    slow = figures()["trust"] | {"deflated_used": 0.02, "audit": 3.5}
    text = sweep_page.block(figures(trust=slow))
    assert "in the ledger; that audit again" in text.partition("Aimed at and missed: ")[2]


def test_a_missing_peer_or_case_leaves_a_line():
    for case in set(figures()) - {"machine"}:
        text = sweep_page.block(figures(**{case: MISSING}))
        assert case in ("starts", "executors", "growth") or "not measured" in text, case


def test_the_readme_is_changed_between_the_marks_only():
    readme = f"before\n{sweep_page.BEGIN}\nold\n{sweep_page.END}\nafter"
    changed = sweep_page.into_readme(readme, figures())
    assert changed.startswith("before\n")
    assert changed.endswith("\nafter")
    assert "old" not in changed
    assert sweep_page.into_readme("no marks", figures()) == "no marks"


def test_the_plot_has_a_line_for_each_axis():
    assert sweep_page.plot(figures()["growth"]).count("<polyline") == 1


def test_a_case_that_fails_is_an_answer():
    assert "no_such_case" in sweep_speed.child("sweep_cases", "no_such_case", 60)["missing"]


def test_a_part_that_was_answered_is_kept():
    found = sweep_speed.answered('{"crossovers": 1}\nnoise\n', "took more than 5 s")
    assert found == {"crossovers": 1, "ended early": "took more than 5 s"}
    assert sweep_speed.answered("noise", "") == {"missing": "no answer"}
