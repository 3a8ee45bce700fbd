"""Speed of the three paths of a backtest and of sweeps, side by side with peers in one run; equality first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stockstream_kernels import ledger

import stockstream as ss
from stockstream.backtesting.engine import Run, settings_of
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.indicators import SMA

if TYPE_CHECKING:
    from collections.abc import Callable

COSTS = ss.Costs(commission=0.001, slippage=0.0005)


def random_bars(symbols: int, sessions: int, seed: int = 7) -> ss.Bars:
    """Seeded random walks with a range around each bar."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0002, 0.015, (symbols, sessions)), axis=1))
    opened = close * np.exp(rng.normal(0, 0.003, close.shape))
    return ss.Bars.from_arrays(
        symbols=[f"S{i:03d}" for i in range(symbols)],
        dates=np.arange(sessions).astype("datetime64[D]"),
        open=opened,
        high=np.maximum(opened, close) * 1.004,
        low=np.minimum(opened, close) * 0.996,
        close=close,
        volume=np.full(close.shape, 1e6),
    )


def interleaved(runs: dict[str, Callable[[], Any]], rounds: int = 11) -> dict[str, float]:
    """Median CPU time of each of several runs, taken in turns after one round to warm up.

    In turns and by the median, so that a machine that slows down half way slows all of them; CPU time, so that what
    else runs on it does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if round_number:
                times[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


#: Fraction of the equity in each position -> what the run then does: all symbols decide after every close whether their
#: averages of 10 and 30 have crossed, about 19 of the 500 do on a day, and the cash is enough for so many of them.
SHARED_CASH = {
    0.1: "10 of 500 held, 25,514 orders, 2,858 fills",
    0.01: "100 of 500 held, 33,776 orders, 19,461 fills",
    0.002: "270 of 500 held, 47,945 orders, 47,922 fills",
}


@pytest.mark.parametrize("weight", SHARED_CASH)
def test_shared_cash_of_500_symbols(benchmark: Any, weight: float) -> None:
    """The array kernel alone, decisions every day, cash shared: symbol-bars a second on one core.

    The bar of 50 million holds for portfolios of up to a hundred symbols, each a hundredth of the equity; where every
    signal of the 500 is filled, two orders are filled for each 50 symbol-bars and the speed is told, not asked for.
    """
    bars = random_bars(500, 2520)
    settings = settings_of(costs=COSTS, sizing=ss.Sizing.weight(weight))
    from stockstream_kernels import portfolio

    from stockstream.backtesting.decisions import signal_panels

    signals = signal_panels(MovingAverageCrossover(10, 30), bars, settings.sizing)
    times: list[float] = []
    runs: list[Run] = []

    def start() -> tuple[tuple[Run], dict[str, Any]]:
        run = Run.start(bars, settings)
        for _ in range(8):
            run.grow()
        runs[:] = [run]
        return (run,), {}

    def simulate(run: Run) -> None:
        began = time.thread_time()
        run.through(lambda r, t: int(portfolio.run_signals(r.book, r.market, r.terms, r.record, signals, t)))
        times.append(time.thread_time() - began)

    benchmark.pedantic(simulate, setup=start, rounds=7, warmup_rounds=1)
    speed = 500 * 2520 / float(np.median(times[1:]))
    benchmark.extra_info["million symbol-bars a second"] = round(speed / 1e6, 1)
    counts = runs[0].book.counts
    assert f"{counts[ledger.ORDERS]:,} orders, {counts[ledger.FILLS]:,} fills" in SHARED_CASH[weight]
    assert np.isfinite(runs[0].record.equity).all()
    assert speed >= 50e6 or weight < 0.01


class Crossover(ss.Strategy):
    """The crossover as a callback."""

    def __init__(self, fast: int = 20, slow: int = 50) -> None:
        self.indicators = {"fast": SMA(fast), "slow": SMA(slow)}
        self.was: bool | None = None

    def on_data(self, date: Any, symbol: str, data: Any, portfolio: Any) -> ss.Action | None:
        """Buy and sell where the averages change sides."""
        slow = data["slow"]
        if slow != slow:  # noqa: PLR0124 NaN
            return None
        above = data["fast"] > slow
        was, self.was = self.was, above
        if was is None or was == above:
            return None
        return ss.Action.buy() if above else ss.Action.close()


def test_event_loop_against_peers(benchmark: Any) -> None:
    """A Python callback on every bar of one symbol, whole runs, against the same strategy in two peers."""
    bars, cash = random_bars(1, 20_000), 1e9
    event = ss.backtest(Crossover(), bars, cash=cash)
    array = ss.backtest(MovingAverageCrossover(20, 50), bars, cash=cash)
    assert np.array_equal(event.account.equity, array.account.equity)
    entries = event.ledgers["trades"]["entry"]
    backtesting_run, backtesting_entries = backtesting_crossover(bars, cash)
    raptorbt_run, raptorbt_entries = raptorbt_crossover(bars, cash)
    assert np.array_equal(entries, backtesting_entries()[: len(entries)])
    assert np.array_equal(entries - 1, raptorbt_entries()[: len(entries)])  # it fills on the bar of the decision

    def mine() -> ss.Result:
        return ss.backtest(Crossover(), bars, cash=cash)

    benchmark.pedantic(mine, rounds=5, warmup_rounds=1)
    spent = interleaved({"stockstream": mine, "backtesting.py": backtesting_run, "raptorbt": raptorbt_run})
    speeds = {name: round(20_000 / seconds) for name, seconds in spent.items()}
    benchmark.extra_info.update({"bars a second": speeds})
    assert spent["backtesting.py"] / spent["stockstream"] >= 4.0
    assert spent["raptorbt"] / spent["stockstream"] >= 2.0


def backtesting_crossover(bars: ss.Bars, cash: float) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the run and its entry sessions in backtesting.py, written as its guide does."""
    import backtesting
    from backtesting.lib import crossover

    frame = bars.to_pandas().set_index("date")[["open", "high", "low", "close", "volume"]]
    frame.columns = [name.capitalize() for name in frame.columns]

    class Peer(backtesting.Strategy):
        def init(self) -> None:
            self.fast = self.I(lambda values: SMA(20)(np.asarray(values)), self.data.Close)
            self.slow = self.I(lambda values: SMA(50)(np.asarray(values)), self.data.Close)

        def next(self) -> None:
            if crossover(self.fast, self.slow):
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()

    peer = backtesting.Backtest(frame, Peer, cash=cash, commission=0.0, finalize_trades=True)
    return peer.run, peer.run()._trades["EntryBar"].to_numpy


def raptorbt_crossover(bars: ss.Bars, cash: float) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the run and its entry sessions in raptorbt's class interface, written as its guide does."""
    import raptorbt

    class Peer(raptorbt.Strategy):
        def on_start(self, ctx: Any) -> None:
            self.fast, self.slow = raptorbt.sma(ctx.close, 20), raptorbt.sma(ctx.close, 50)

        def on_bar(self, ctx: Any) -> None:
            i = ctx.idx
            if i == 0 or np.isnan(self.slow[i]) or np.isnan(self.slow[i - 1]):
                return
            up = self.fast[i] > self.slow[i] and self.fast[i - 1] <= self.slow[i - 1]
            down = self.fast[i] < self.slow[i] and self.fast[i - 1] >= self.slow[i - 1]
            if up and ctx.position is None:
                self.enter()
            elif down and ctx.position is not None:
                self.close_position()

    stamps = bars.dates.astype("datetime64[ns]").astype(np.int64)
    columns = [np.array(getattr(bars, name)[0]) for name in ("open", "high", "low", "close", "volume")]
    config = raptorbt.BacktestConfig(initial_capital=cash, fees=0.0)

    def run() -> Any:
        return raptorbt.run_strategy_backtest(Peer(), stamps, *columns, config=config)

    return run, lambda: np.array([trade.entry_idx for trade in run().trades()])


def test_sweep_of_moving_averages(benchmark: Any) -> None:
    """20,000 pairs of moving averages on one symbol, indicators and tables included."""
    bars = random_bars(1, 2520)
    grid = {"fast_period": range(2, 102), "slow_period": range(110, 310)}

    def run() -> Any:
        return ss.sweep(MovingAverageCrossover, bars, grid, costs=COSTS, progress=False)

    found = run()
    for row in found.frame.sample(10, seed=1).rows(named=True):
        one = ss.backtest(MovingAverageCrossover(row["fast_period"], row["slow_period"]), bars, costs=COSTS).metrics
        for name in found.metrics:
            expected = one.to_dict()[name]
            assert row[name] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    speed = 20_000 * 2520 / benchmark.stats.stats.min
    benchmark.extra_info["million bar-runs a second"] = round(speed / 1e6)
    assert speed >= 100e6
