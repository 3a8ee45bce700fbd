"""How often the tools against overfitting are wrong on noise, and how often they see a planted signal.

``python -m benchmarks.noise_study`` runs 1,000 seeded trials and writes ``benchmarks/noise_study.json``, with
``--trials`` fewer. A trial is a table of returns of runs that share a part of their noise, as neighbours on a grid do.
Under the null no run has any skill. With a signal one run has a yearly Sharpe ratio that is given. A tool *finds* when
the deflated Sharpe ratio is above 95 %, or a p-value below 5 %.

And, because tables are not markets: random walks are swept with moving averages, and the deflated Sharpe ratio of the
best pair, its trials counted, is taken from the sweep itself.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.research.overfitting import (
    average_correlation,
    deflated_sharpe,
    effective_trials,
    probabilistic_sharpe,
    sharpe_sample,
)
from stockstream.research.reality import reality_check
from stockstream.research.selection import block_sums, overfitting

RESULTS = Path(__file__).with_name("noise_study.json")
SEED = 20_240_229
RUNS, BARS = 30, 504
SHARED = 0.3  # correlation of any two runs
PLANTED = (1.0, 2.0, 3.0)  # yearly Sharpe ratios of the one run with skill
TOOLS = ("best, taken alone", "deflated, all trials", "deflated, effective", "reality check", "SPA, consistent")
GRID = {"fast_period": range(5, 25, 3), "slow_period": range(30, 100, 10)}


def table(draws: np.random.Generator, skill: float) -> np.ndarray:
    """Returns ``(RUNS, BARS)`` with fat tails; the first run has the yearly Sharpe ratio `skill`."""
    own, common = draws.standard_t(5, (RUNS, BARS)), draws.standard_t(5, BARS)
    returns = 0.01 * (math.sqrt(1 - SHARED) * own + math.sqrt(SHARED) * common) / math.sqrt(5 / 3)
    returns[0] += 0.01 * skill / math.sqrt(252)
    return returns


def trial(returns: np.ndarray, seed: int, repetitions: int) -> tuple[list[bool], float]:
    """What each tool says of the best run, and the probability of backtest overfitting."""
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    sample, variance = sharpe_sample(returns[ratios.argmax()]), float(ratios.var(ddof=1))
    effective = effective_trials(average_correlation(returns), RUNS)
    check = reality_check(returns, block=1, repetitions=repetitions, seed=seed)
    found = [
        probabilistic_sharpe(sample) > 0.95,
        deflated_sharpe(sample, RUNS, variance).probability > 0.95,
        deflated_sharpe(sample, effective, variance).probability > 0.95,
        check.white < 0.05,
        check.hansen < 0.05,
    ]
    return found, overfitting(block_sums(returns, 8), workers=1).probability


def swept(draws: np.random.Generator) -> bool:
    """Whether the best pair of moving averages on a random walk is found by its deflated Sharpe ratio."""
    close = 50 * np.exp(np.cumsum(draws.normal(0, 0.01, (1, BARS)), axis=1))
    prices = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": np.full_like(close, 1e6)}
    bars = ss.Bars.from_arrays(symbols=["WALK"], dates=np.datetime64("2020-01-01") + np.arange(BARS), **prices)
    found = ss.sweep(MovingAverageCrossover, bars, GRID, progress=False, record=False, workers=1)
    ratios = found.frame["sharpe"].to_numpy() / math.sqrt(252)
    ratios = ratios[np.isfinite(ratios)]
    sample = sharpe_sample(found.result(found.best("sharpe")).equity["return"].to_numpy())
    return deflated_sharpe(sample, found.runs, float(ratios.var(ddof=1))).probability > 0.95


def study(trials: int, repetitions: int = 300, planted: tuple[float, ...] = PLANTED) -> dict[str, Any]:
    """Shares of trials in which each tool finds, for noise and for each planted skill."""
    started, report = time.perf_counter(), {}
    for skill in (0.0, *planted):
        streams = np.random.default_rng([SEED, int(10 * skill)]).spawn(trials)
        results = [trial(table(draws, skill), number, repetitions) for number, draws in enumerate(streams)]
        shares = np.mean([found for found, _ in results], axis=0)
        report[f"{skill:g}"] = dict(zip(TOOLS, map(float, shares), strict=True)) | {
            "mean PBO": float(np.mean([probability for _, probability in results]))
        }
    walks = np.mean([swept(draws) for draws in np.random.default_rng([SEED, 99]).spawn(trials)])
    return {
        "seed": SEED,
        "trials": trials,
        "runs": RUNS,
        "bars": BARS,
        "correlation": SHARED,
        "repetitions": repetitions,
        "upper bound of 5 % at 99 %": upper_bound(trials),
        "share found, by yearly Sharpe ratio of one run": report,
        "moving averages swept on random walks, deflated": float(walks),
        "seconds": round(time.perf_counter() - started, 1),
    }


def upper_bound(trials: int) -> float:
    """Share of false positives that a true rate of 5 % stays at or below in 99 % of studies."""
    return float(stats.binom.ppf(0.99, trials, 0.05) / trials)


def main() -> None:
    """Run the study and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    given = parser.parse_args()
    found = study(given.trials)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
