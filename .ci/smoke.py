"""Run by .ci/run in an environment that holds the wheel and its requirements only, away from the checkout."""

import importlib.metadata
from pathlib import Path

import numpy as np

import stockstream as ss
from stockstream.indicators import RSI, SMA


class Crossover(ss.RuleStrategy):
    """Hold while the fast average is above the slow one."""

    def rules(self) -> ss.Rules:
        fast, slow = SMA(5), SMA(20)
        return ss.Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow))


SITE = Path(ss.__file__).resolve().parents[1]


def check_files() -> None:
    """The wheel came from this environment and put two packages there, nothing else."""
    if SITE.name != "site-packages":
        raise SystemExit(f"stockstream was imported from {SITE}, not from the installed wheel")
    files = importlib.metadata.files("stockstream") or []
    tops = {file.parts[0] for file in files if not file.parts[0].endswith(".dist-info")} - {"..", "bin"}
    if tops != {"stockstream", "stockstream_kernels"}:
        raise SystemExit(f"the wheel installs {sorted(tops)}")


def check_backtest() -> None:
    """The core alone, without any extra, computes indicators and runs a backtest."""
    bars_count = 400
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0005, 0.01, bars_count)))
    dates = np.datetime64("2020-01-01") + np.arange(bars_count)
    bars = ss.Bars.from_arrays(
        symbols=["BHP"],
        dates=dates,
        open=close[None, :],
        high=close[None, :] * 1.01,
        low=close[None, :] * 0.99,
        close=close[None, :],
        volume=np.full((1, bars_count), 1e6),
    )
    if not np.isclose(SMA(20)(close)[19], close[:20].mean()) or not 0 <= RSI(14)(close)[-1] <= 100:
        raise SystemExit("an indicator of the installed wheel is wrong")
    result = ss.backtest(Crossover(), bars, cash=100_000, costs=ss.Costs(commission=0.001))
    if result.trades.is_empty() or not np.isfinite(result.metrics.sharpe):
        raise SystemExit("the installed wheel ran a backtest without trades")
    print(result)


if __name__ == "__main__":
    for name in ss.__all__:
        getattr(ss, name)
    check_files()
    check_backtest()
