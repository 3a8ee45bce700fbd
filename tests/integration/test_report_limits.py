"""How long a page takes and how large it gets, on runs as long and wide as people have them."""

import time

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting.strategies import DonchianBreakout

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

#: Of processor time, so that a busy machine does not count; what a page takes after the backtest.
SECONDS = 3.0
BYTES = 10_000_000


def run(years: int, symbols: int = 200) -> ss.Result:
    draws, days = np.random.default_rng(7), 252 * years
    close = 20 * np.exp(np.cumsum(draws.normal(0.0003, 0.018, (symbols, days)), axis=1))
    opened = close * np.exp(draws.normal(0, 0.006, close.shape))
    high, low = np.maximum(opened, close) * 1.006, np.minimum(opened, close) / 1.006
    bars = ss.Bars.from_arrays(
        symbols=[f"S{number:03}" for number in range(symbols)],
        dates=np.busday_offset("2000-01-03", np.arange(days), roll="forward"),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=draws.integers(1e5, 1e6, close.shape).astype(np.float64),
    )
    costs = ss.Costs(commission=0.001, slippage=0.0005)
    return ss.backtest(DonchianBreakout(), bars, costs=costs, sizing=ss.Sizing.weight(0.02), keep_levels=True)


def test_the_page_of_ten_years_and_two_hundred_symbols_is_written_in_three_seconds(tmp_path):
    result = run(10)
    assert result.trades.height > 5_000
    begun = time.process_time()
    result.report(tmp_path / "page.html")
    assert time.process_time() - begun < SECONDS


def test_the_page_of_twenty_years_and_two_hundred_symbols_is_below_ten_megabytes(tmp_path):
    result = run(20)
    page = result.report(tmp_path / "page.html")
    assert page.stat().st_size < BYTES
    assert page.read_text(encoding="utf-8").count("<script") > 0
