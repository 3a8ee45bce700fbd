"""The same sweeps by vectorbt and raptorbt: ``python -m benchmarks.sweep_peers NAME`` prints one line of JSON.

Before anything is timed, the measures of some combinations are compared with ours, to 1e-9.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np

import stockstream as ss
from benchmarks.sweep_cases import COSTS, METRICS, RULES, SESSIONS, WORKERS, market, prices, timed
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.indicators import BBANDS, MACD, RSI, SMA

CASH = 100_000.0
TOLERANCE = 1e-9

FAST, SLOW = range(5, 55), range(60, 80)  # 1,000 pairs
COMPARED = [(5, 60), (17, 64), (33, 79), (54, 71)]

#: Runs of the rules that vectorbt is asked for at once.
COLUMNS = 400


def agree(theirs, ours, what):
    """Refuse to time what is not equal."""
    for name, found, expected in zip(METRICS, theirs, ours, strict=True):
        if not abs(found - expected) <= TOLERANCE * max(1.0, abs(expected)):
            raise SystemExit(f"{what}: {name} is {found!r} there and {expected!r} here")


def ours_of(strategy):
    """Return our six measures of one strategy, filled at the close as theirs are."""
    metrics = ss.backtest(strategy, market(), cash=CASH, costs=COSTS, fill="close", maintenance=0.0).metrics
    return [getattr(metrics, name) for name in METRICS]


def crossings(one, two):
    """Return where one series rises above another, and where it falls below."""
    above, below = one > two, one < two
    up, down = np.zeros(above.shape, dtype=bool), np.zeros(above.shape, dtype=bool)
    up[1:], down[1:] = above[1:] & below[:-1], below[1:] & above[:-1]
    return up, down


# ---- vectorbt ----------------------------------------------------------------------------------------------------


def vectorbt(engine):
    """Load vectorbt with an engine, for years of 252 bars."""
    import vectorbt as vbt

    vbt.settings["engine"] = engine
    vbt.settings.returns["year_freq"] = "252 days"
    vbt.settings.caching["enabled"] = False
    if engine == "rust":
        version("vectorbt-rust")
    return vbt


def frames():
    """Return prices as pandas columns."""
    import pandas as pd

    dates = pd.date_range("1990-01-01", periods=SESSIONS)
    return {name: pd.Series(panel[0], dates) for name, panel in prices().items()}


def six(portfolio):
    """Return their six measures, ``(6, columns)``."""
    closed = portfolio.trades.closed
    found = [
        portfolio.total_return(),
        portfolio.sharpe_ratio(),
        portfolio.sortino_ratio(),
        portfolio.max_drawdown(),
        closed.win_rate(),
        closed.profit_factor(),
    ]
    return np.array([np.atleast_1d(np.asarray(values, dtype=float)) for values in found])


def portfolio_of(vbt, data, entries, exits, **options):
    """Run signals, all in, at the close."""
    return vbt.Portfolio.from_signals(
        data["close"], entries=entries, **exits, fees=0.001, init_cash=CASH, freq="1D", lock_cash=True, **options
    )


def vectorbt_crossovers(engine):
    """1,000 pairs: averages, crosses, portfolio and six measures."""
    vbt, data = vectorbt(engine), frames()
    close = data["close"]

    def run(pairs):
        fast = vbt.MA.run(close, [pair[0] for pair in pairs], short_name="fast")
        slow = vbt.MA.run(close, [pair[1] for pair in pairs], short_name="slow")
        up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        return six(portfolio_of(vbt, data, up.to_numpy(), {"exits": down.to_numpy()}))

    for place, theirs in enumerate(run(COMPARED).T):
        agree(theirs, ours_of(MovingAverageCrossover(*COMPARED[place])), f"vectorbt ({engine})")
    pairs = [(fast, slow) for fast in FAST for slow in SLOW]
    best = timed(lambda: run(pairs), 3)
    return {**best, "runs": len(pairs), "rate": len(pairs) * SESSIONS / best["seconds"], "version": version("vectorbt")}


def vectorbt_rules(engine):
    """Three kinds of rules; equality is that of portfolios from our own indicators, of which theirs may differ."""
    vbt, data = vectorbt(engine), frames()
    makers = {
        "RSI 30/70": (rsi_by_them, rsi_by_us, {"period": 14, "oversold": 30, "overbought": 70}),
        "Bollinger with stop and target": (
            bands_by_them,
            bands_by_us,
            {"period": 20, "deviations": 2.0, "stop": 0.05, "target": 0.1},
        ),
        "MACD reversal": (macd_by_them, macd_by_us, {"fast_period": 12, "slow_period": 26, "signal_period": 9}),
    }
    found = {}
    for name, (by_them, by_us, parameters) in makers.items():
        strategy = RULES[name][0](**parameters)
        agree(six(by_us(vbt, data, **parameters))[:, 0], ours_of(strategy), f"vectorbt ({engine}), {name}")
        best = timed(lambda by_them=by_them: six(by_them(vbt, data)), 2)
        found[name] = {**best, "runs": COLUMNS, "per_run": best["seconds"] / COLUMNS}
    return found


def rsi_by_us(vbt, data, period, oversold, overbought):
    rsi = RSI(period)(data["close"].to_numpy())
    return portfolio_of(vbt, data, rsi < oversold, {"exits": rsi > overbought})


def rsi_by_them(vbt, data):
    rsi = vbt.RSI.run(data["close"], np.arange(5, 45), ewm=True).rsi.to_numpy()
    entries = np.concatenate([rsi < level for level in range(25, 35)], axis=1)
    return portfolio_of(vbt, data, entries, {"exits": np.tile(rsi > 70, (1, 10))})


def bands_by_us(vbt, data, period, deviations, stop, target):
    close = data["close"].to_numpy()
    bands = BBANDS(period, deviations)(close)
    entries, exits = crossings(close, bands.lower)[1], crossings(close, bands.middle)[0]
    return portfolio_of(vbt, data, entries, {"exits": exits}, **levels(data, stop, target))


def bands_by_them(vbt, data):
    bands = vbt.BBANDS.run(data["close"], np.arange(10, 50), alpha=2.0)
    entries = np.tile(bands.close_crossed_below(bands.lower).to_numpy(), (1, 10))
    exits = np.tile(bands.close_crossed_above(bands.middle).to_numpy(), (1, 10))
    return portfolio_of(vbt, data, entries, {"exits": exits}, **levels(data, 0.05, 0.1))


def levels(data, stop, target):
    """Return vectorbt's words for a stop and a target inside the bar, from the price of the fill."""
    ranges = {name: data[name] for name in ("open", "high", "low")}
    where = {"stop_entry_price": "fillprice", "stop_exit_price": "stopmarket"}
    return {"sl_stop": stop, "tp_stop": target, **where, **ranges}


def macd_by_us(vbt, data, fast_period, slow_period, signal_period):
    lines = MACD(fast_period, slow_period, signal_period)(data["close"].to_numpy())
    up, down = crossings(lines.macd, lines.signal)
    return portfolio_of(vbt, data, up, {"short_entries": down}, upon_opposite_entry="reverse")


def macd_by_them(vbt, data):
    fast, slow, signal = np.meshgrid(np.arange(5, 15), np.arange(20, 30), np.arange(5, 9), indexing="ij")
    lines = vbt.MACD.run(data["close"], fast.ravel(), slow.ravel(), signal.ravel(), macd_ewm=True, signal_ewm=True)
    up, down = lines.macd_crossed_above(lines.signal).to_numpy(), lines.macd_crossed_below(lines.signal).to_numpy()
    return portfolio_of(vbt, data, up, {"short_entries": down}, upon_opposite_entry="reverse")


# ---- raptorbt ----------------------------------------------------------------------------------------------------


def raptorbt():
    """4,000 pairs in one batch over all cores: signals by NumPy from our averages, then its engine."""
    import raptorbt as rbt

    panel = {name: np.ascontiguousarray(values[0]) for name, values in prices().items()}
    stamps = np.arange(SESSIONS, dtype=np.int64) * 86_400_000_000_000
    config = rbt.BacktestConfig(initial_capital=CASH, fees=0.001, periods_per_year=252.0, fill_timing="same_bar_close")

    def run(pairs):
        rows = {window: SMA(window)(panel["close"]) for pair in pairs for window in pair}
        items = [rbt.BatchSingleItem("", *crossings(rows[fast], rows[slow])) for fast, slow in pairs]
        bars = [panel[name] for name in ("open", "high", "low", "close")]
        found = rbt.batch_single_backtest(stamps, *bars, np.full(SESSIONS, 1e6), items, config)
        return [result.metrics for _, result in found]

    for pair, m in zip(COMPARED, run(COMPARED), strict=True):
        theirs = [m.total_return_pct, m.sharpe_ratio, m.sortino_ratio, -m.max_drawdown_pct, m.win_rate_pct]
        scale = [100, 1, 1, 100, 100]
        values = [*(value / by for value, by in zip(theirs, scale, strict=True)), m.profit_factor]
        agree(values, ours_of(MovingAverageCrossover(*pair)), "raptorbt")
    pairs = [(fast, slow) for fast in range(5, 55) for slow in range(60, 140)]
    best = timed(lambda: run(pairs), 3)
    return {**best, "runs": len(pairs), "rate": len(pairs) * SESSIONS / best["seconds"], "version": version("raptorbt")}


def by_vectorbt(engine):
    """Crossovers and rules in one process, which loads and compiles once; the first are answered at once."""
    first = {"crossovers": vectorbt_crossovers(engine)}
    print(json.dumps(first), flush=True)
    return {**first, "rules": vectorbt_rules(engine)}


CASES = {
    "vectorbt_numba": lambda: by_vectorbt("numba"),
    "vectorbt_rust": lambda: by_vectorbt("rust"),
    "raptorbt": raptorbt,
}

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    begun = time.perf_counter()
    answer = CASES[sys.argv[1]]()
    print(json.dumps({**answer, "workers": WORKERS, "whole": time.perf_counter() - begun}))
