"""Memory of a run is so many bytes for each symbol and session, whatever the size; positions by day are extra."""

import tracemalloc

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.indicators import SMA

pytestmark = pytest.mark.compiled  # without the compiler, what is measured is Python's own bookkeeping

#: Bytes for each symbol and session: five panels of the market are 40, rules need a few of their own while they run.
WHILE_RUNNING, AFTERWARDS, POSITIONS = 100.0, 20.0, 8.0


class Idle(ss.Strategy):
    """Looks at everything and does nothing."""

    indicators = (SMA(10), SMA(30))

    def on_data(self, date, symbol, data, portfolio):
        return None


def panel(symbols, sessions):
    rng = np.random.default_rng(2)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (symbols, sessions)), axis=1))
    return ss.Bars.from_arrays(
        symbols=[f"S{s}" for s in range(symbols)],
        dates=np.arange(sessions).astype("datetime64[D]"),
        volume=np.ones(close.shape),
        **dict.fromkeys(("open", "high", "low", "close"), close),
    )


def bytes_per_cell(strategy, bars, **options):
    """Return the highest and the remaining memory of a run, in bytes per symbol and session."""

    def run():
        return ss.backtest(strategy, bars, sizing=ss.Sizing.weight(0.01), **options)

    run()
    tracemalloc.start()
    try:
        result = run()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.isfinite(result.account.equity).all()
    return np.array([peak, left]) / bars.close.size


@pytest.mark.parametrize("strategy", [MovingAverageCrossover(10, 30), Idle()], ids=["rules", "callback"])
@pytest.mark.parametrize("size", [(30, 1000), (60, 1000)])
def test_memory_grows_with_bars_times_symbols(strategy, size):
    bars = panel(*size)
    without = bytes_per_cell(strategy, bars)
    assert (without < [WHILE_RUNNING, AFTERWARDS]).all()
    added = bytes_per_cell(strategy, bars, keep_positions=True) - without
    assert added == pytest.approx([POSITIONS, POSITIONS], abs=0.5)
