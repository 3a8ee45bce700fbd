"""What `benchmarks.sweep_speed` measures of our own sweeps, each in a process of its own.

``python -m benchmarks.sweep_cases NAME`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import stockstream as ss
from stockstream.backtesting.strategies import MACDLongShort, MovingAverageCrossover, RSIMeanReversion
from stockstream.indicators import BBANDS, SMA

SESSIONS = 2520
ROUNDS = 9

#: Rounds of what takes a few milliseconds, where one that nothing disturbs is rare.
MANY = 200
WORKERS = min(os.cpu_count() or 1, 2)

#: Six measures that all libraries have.
METRICS = ("total_return", "sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor")

COSTS = ss.Costs(commission=0.001)


class BollingerWithLevels(ss.RuleStrategy):
    """Buy below the lower band, sell above the middle, with a stop and a target."""

    def __init__(self, period=20, deviations=2.0, stop=0.05, target=0.1):
        self.period, self.deviations, self.stop, self.target = period, deviations, stop, target

    def rules(self):
        bands = BBANDS(self.period, self.deviations)
        return ss.Rules(
            enter_long=ss.close.crosses_below(bands.lower),
            exit_long=ss.close.crosses_above(bands.middle),
            stop_loss=self.stop,
            take_profit=self.target,
        )


class StoppedCrossover(MovingAverageCrossover):
    """A crossover with a stop."""

    def __init__(self, fast_period=20, slow_period=50, stop=0.1):
        super().__init__(fast_period, slow_period)
        self.stop = stop

    def rules(self):
        rules = super().rules()
        return ss.Rules(enter_long=rules.enter_long, exit_long=rules.exit_long, stop_loss=self.stop)


def prices(symbols=1, sessions=SESSIONS, seed=1):
    """Return open, high, low and close of random walks, ``(symbols, sessions)``."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0.0003, 0.015, (symbols, sessions)), axis=1))
    opened = close * np.exp(random.normal(0, 0.004, close.shape))
    return {
        "open": opened,
        "high": np.maximum(opened, close) * 1.003,
        "low": np.minimum(opened, close) * 0.997,
        "close": close,
    }


def market(symbols=1, sessions=SESSIONS, seed=1):
    """Return the same as Bars."""
    panel = prices(symbols, sessions, seed)
    dates = np.datetime64("1990-01-01") + np.arange(sessions)
    names = [f"S{row}" for row in range(symbols)]
    return ss.Bars.from_arrays(symbols=names, dates=dates, volume=np.full(panel["close"].shape, 1e6), **panel)


def sweep(strategy, bars, grid, **options):
    """Run a sweep as users would, without the bar."""
    return ss.sweep(strategy, bars, grid, costs=COSTS, progress=False, workers=WORKERS, **options)


def timed(run, rounds=ROUNDS):
    """Return the wall and processor seconds of the best of some rounds, after one that loads kernels."""
    return in_turns([run], rounds)[0]


def in_turns(runs, rounds):
    """Return the same of several, which take turns: what the machine does meanwhile is done to all of them."""
    walls, cpus = [[] for _ in runs], [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(rounds):
        for place, run in enumerate(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            walls[place].append(time.perf_counter() - wall)
            cpus[place].append(time.process_time() - cpu)
    return [
        {"seconds": min(wall), "median": statistics.median(wall), "cpu": min(cpu)}
        for wall, cpu in zip(walls, cpus, strict=True)
    ]


# ---- the headline ------------------------------------------------------------------------------------------------


def roofline(rows, pairs, totals):
    """Compare two rows a bar, for each pair, and nothing else: the least any sweep of crossovers has to do."""
    for pair in range(len(pairs)):
        one, two = rows[pairs[pair, 0]], rows[pairs[pair, 1]]
        above = 0
        for t in range(len(one)):
            above += one[t] > two[t]
        totals[pair] = above


def beside_roofline(run, bars, fast, slow):
    """Return the seconds of a sweep and of the roofline on as many threads, in turns."""
    from stockstream_kernels._compile import kernel

    compiled, close = kernel(roofline), bars.close[0]
    rows = np.array([SMA(window)(close) for window in (*fast, *slow)])
    pairs = np.array([(i, len(fast) + j) for i in range(len(fast)) for j in range(len(slow))])
    totals = np.zeros(len(pairs), dtype=np.int64)
    parts = np.array_split(np.arange(len(pairs)), 4 * WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        least = lambda: list(pool.map(lambda part: compiled(rows, pairs[part], totals[part]), parts))  # noqa: E731
        return in_turns([run, least], MANY)


def crossovers():
    """20,000 pairs of moving averages, beside the roofline, with where the time goes."""
    bars, fast, slow = market(), range(5, 105), range(110, 310)
    grid = {"fast_period": fast, "slow_period": slow}
    best, floor = beside_roofline(lambda: sweep(MovingAverageCrossover, bars, grid), bars, fast, slow)
    swept = sweep(MovingAverageCrossover, bars, grid)
    work = swept.bar_runs
    return {
        "bar_runs": work,
        "metrics": len(swept.metrics),
        **best,
        "rate": work / best["seconds"],
        "rate_per_core_by_cpu": work / best["cpu"],
        "roofline_rate": work / floor["seconds"],
        "share_of_roofline": floor["seconds"] / best["seconds"],
        "share_by_cpu": floor["cpu"] / best["cpu"],
        "path": str(swept.path),
        "profile": profile(bars, grid),
    }


def profile(bars, grid):
    """Return processor milliseconds of the parts of a call, by wrapping the functions that do them."""
    from stockstream_kernels import short

    from stockstream.research import collect, desk, plan

    spent = dict.fromkeys(("rules tried", "series named", "series computed", "tables", "kernel", "rows"), 0.0)
    wrapped = [
        (plan, "symbolic_rules", "rules tried"),
        (desk, "_series", "series computed"),
        (desk, "_tape", "tables"),
        (short, "score_crosses", "kernel"),
        (collect.Collector, "hand_on", "rows"),
        (plan.Needs, "bound", "series named"),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in wrapped]

    def wrap(function, part):
        def measured(*args, **options):
            begun = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                spent[part] += time.thread_time() - begun

        return measured

    for owner, name, part in wrapped:
        setattr(owner, name, wrap(getattr(owner, name), part))
    try:
        begun = time.process_time()
        for _ in range(ROUNDS):
            sweep(MovingAverageCrossover, bars, grid)
        whole = time.process_time() - begun
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)
    spent["planning, threads and the rest"] = whole - sum(spent.values())
    return {part: 1e3 * seconds / ROUNDS for part, seconds in spent.items()}


# ---- rules beside vectorbt ---------------------------------------------------------------------------------------

RULES = {
    "RSI 30/70": (
        RSIMeanReversion,
        {"period": range(5, 45), "oversold": range(20, 40), "overbought": range(60, 80)},
    ),
    "Bollinger with stop and target": (
        BollingerWithLevels,
        {
            "period": range(10, 60),
            "deviations": [1.5, 2.0, 2.5],
            "stop": [0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12],
            "target": [0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4],
        },
    ),
    "MACD reversal": (
        MACDLongShort,
        {"fast_period": range(5, 25), "slow_period": range(26, 66), "signal_period": range(5, 25)},
    ),
}


def rules():
    """Return seconds a run of three kinds of rules."""
    bars, found = market(), {}
    for name, (strategy, grid) in RULES.items():
        best = timed(lambda strategy=strategy, grid=grid: sweep(strategy, bars, grid, fill="close"), 3)
        swept = sweep(strategy, bars, grid, fill="close")
        found[name] = {**best, "runs": swept.runs, "per_run": best["seconds"] / swept.runs, "path": str(swept.path)}
    return found


# ---- size --------------------------------------------------------------------------------------------------------


def million():
    """A million combinations, and the most memory the process had, imports included."""
    bars = market()
    grid = {"fast_period": range(2, 1002), "slow_period": range(1003, 2003)}
    begun = time.perf_counter()
    swept = sweep(MovingAverageCrossover, bars, grid, metrics=METRICS)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"runs": swept.runs, "seconds": seconds, "rate": swept.bar_runs / seconds, "peak_bytes": peak}


def many_symbols():
    """200 symbols, 10,000 combinations each."""
    bars = market(200)
    grid = {"fast_period": range(5, 105), "slow_period": range(110, 210)}
    sweep(MovingAverageCrossover, market(1), {"fast_period": [5], "slow_period": [20]})
    begun = time.perf_counter()
    swept = sweep(MovingAverageCrossover, bars, grid, metrics=METRICS, top_k=1000)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"runs": swept.runs, "seconds": seconds, "rate": swept.bar_runs / seconds, "peak_bytes": peak}


def first_result():
    """A small sweep in a new process: what the parent times."""
    swept = sweep(MovingAverageCrossover, market(), {"fast_period": range(5, 15), "slow_period": range(20, 30)})
    return {"runs": swept.runs}


#: Axes of the plot: name -> points (combinations, sessions, symbols, with stops).
GROWTH = {
    "combinations": [(10**k, SESSIONS, 1, False) for k in range(3, 8)],
    "combinations with stops": [(10**k, SESSIONS, 1, True) for k in range(3, 7)],
    "bars": [(10_000, bars, 1, False) for bars in (315, 630, 1260, 2520, 5040, 10_080, 20_160)],
    "symbols": [(1_000, SESSIONS, symbols, False) for symbols in (1, 3, 10, 30, 100, 200)],
}


def growth():
    """Seconds along each axis; the last decade of combinations adds values of the costs, that of stops stops."""
    found = {}
    for axis, points in GROWTH.items():
        found[axis] = [grown(*point) for point in points]
    return found


#: More combinations than this are made of values of the costs.
MILLION = 1_000_000


def grown(combinations, sessions, symbols, stopped):
    """Return one point of the plot."""
    side = min(round(combinations**0.5), 1000)
    strategy, grid = MovingAverageCrossover, {}
    if stopped:
        strategy, side = StoppedCrossover, round((combinations / 10) ** 0.5)
        grid["stop"] = np.linspace(0.02, 0.2, 10).round(3).tolist()
    rest = max(combinations // MILLION, 1)
    half = min(sessions // 5, 200)
    grid |= {"fast_period": range(2, 2 + side), "slow_period": range(half, half + side)}
    if rest > 1 and not stopped:
        grid["costs.commission"] = np.linspace(0.0, 0.004, rest).round(5).tolist()
    bars = market(symbols, sessions)
    few = {name: values[:2] for name, values in grid.items()}
    sweep(strategy, bars, few, metrics=METRICS, top_k=100)  # loads kernels
    run = lambda: sweep(strategy, bars, grid, metrics=METRICS, top_k=100)  # noqa: E731
    begun = time.perf_counter()
    swept = run()
    seconds = swept.seconds
    rounds = 0 if time.perf_counter() - begun > 1.0 else 3
    for _ in range(rounds):
        seconds = min(seconds, run().seconds)
    return {"runs": swept.runs, "sessions": sessions, "symbols": symbols, "seconds": seconds}


def executors():
    """Return the seconds of two threads and of two processes on the same work."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    bars = market(4)
    grid = {"fast_period": range(5, 205), "slow_period": range(210, 410)}
    found = {"threads": timed(lambda: sweep(MovingAverageCrossover, bars, grid, metrics=METRICS), 3)["seconds"]}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        run = lambda: sweep(MovingAverageCrossover, bars, grid, metrics=METRICS, executor=pool)  # noqa: E731
        found["processes"] = timed(run, 3)["seconds"]
    return found


CASES = {case.__name__: case for case in (crossovers, rules, million, many_symbols, first_result, growth, executors)}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]]()))
