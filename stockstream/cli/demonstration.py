"""The command `demo`: a first look, on real prices, without a network."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stockstream.cli.options import made_room, output_file, program
from stockstream.cli.output import heading, print_frame, print_result, say, working
from stockstream.cli.sweeps import print_sweep
from stockstream.errors import LakeError

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.bars import Bars
    from stockstream.lake import Lake
    from stockstream.research.sweep import Sweep

EXAMPLES: Final = """
Examples:
  stockstream demo
  stockstream demo --lake data/first-look --reports pages
"""

DEFAULT_LAKE: Final = "data/demo"
SYMBOLS: Final = ("AAPL", "FB", "GOOG", "IBM", "MSFT")

#: Where adjustment matters most: a split halves the price and costs the holder nothing.
LARGEST_ADJUSTMENTS: Final = """
WITH days AS (
    SELECT symbol, date, p.close,
        100 * (p.close / lag(p.close) OVER w - 1) AS traded,
        100 * (a.close / lag(a.close) OVER w - 1) AS adjusted
    FROM prices AS p JOIN prices_adjusted AS a USING (symbol, date)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, close, round(traded, 1) AS "day as traded %", round(adjusted, 1) AS "day adjusted %"
FROM days ORDER BY abs(traded - adjusted) DESC NULLS LAST, symbol, date LIMIT 5
"""

FAST: Final = range(5, 60)
SLOW: Final = range(20, 250)


def demo(
    lake: Annotated[str, typer.Option("--lake", metavar="FOLDER", help="Where the sample prices go.")] = DEFAULT_LAKE,
    reports: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the two pages go.")] = Path("reports"),
) -> None:
    """Show what this can do: real prices, one query, one backtest, one sweep of 11,830 combinations.

    Five US companies, 2000 to 2013, out of the package bokeh-sampledata. Nothing is downloaded.
    """
    _check_extra()
    report = output_file("--reports", reports / "demo-backtest.html", ".html")
    heatmap = output_file("--reports", reports / "demo-heatmap.html", ".html")
    with working("Reading the sample prices …"):
        place, stored = fill(lake)
        frame = place.sql(LARGEST_ADJUSTMENTS).pl()
    heading(f"1. A lake in {place.location}: {stored:,} daily prices of {len(SYMBOLS)} companies, asked in SQL")
    say("A split looks like a crash; adjusted, it is none. Adjustment changed most:")
    print_frame(frame)

    with working("Running a backtest; the first one compiles for some seconds …"):
        bars = place.bars()
        result = run_backtest(bars)
    heading("2. A backtest: one account, a fifth of it in each symbol, 0.1 % commission and 0.05 % slippage")
    print_result(result, trades=3)
    with working("Writing the report …"):
        result.report(made_room(report))

    heading(f"3. A sweep: every pair of averages {FAST[0]}-{FAST[-1]} and {SLOW[0]}-{SLOW[-1]}, on each symbol")
    swept = run_sweep(bars)
    print_sweep(swept, "sharpe", by="combination", top=5)
    with working("Drawing the heatmap …"):
        from stockstream.reports import write_figure

        write_figure(swept.heatmap("fast_period", "slow_period", "sharpe"), heatmap)
    heading("Look at")
    say(f"  {report}")
    say(f"  {heatmap}")
    _say_what_next(lake, reports)


def fill(lake: str) -> tuple[Lake, int]:
    """Store the sample prices, once, and return the lake and its number of rows.

    Raises
    ------
    LakeError
        The folder is a lake of other prices.
    """
    from stockstream.lake import Lake, sample_rows

    place = Lake(lake)
    rows = sample_rows()
    count = len(rows["symbol"])
    if not place.location.batches("raw-data"):
        place.write_rows(rows)
    elif place.symbols() != SYMBOLS:
        message = f"{place.location} is a lake with other prices; choose another folder for the demo's with --lake"
        raise LakeError(message)
    return place, count


def run_backtest(bars: Bars) -> Result:
    """Return the crossover of 20 and 50 days over all symbols, a fifth of the equity each."""
    import stockstream as ss
    from stockstream.backtesting.strategies import MovingAverageCrossover

    costs = ss.Costs(commission=0.001, slippage=0.0005)
    return ss.backtest(MovingAverageCrossover(), bars, costs=costs, sizing=ss.Sizing.weight(1 / len(SYMBOLS)))


def run_sweep(bars: Bars, *, progress: bool = True) -> Sweep:
    """Return the sweep of all pairs of averages of which the fast one is the shorter."""
    import polars as pl

    import stockstream as ss
    from stockstream.backtesting.strategies import MovingAverageCrossover

    return ss.sweep(
        MovingAverageCrossover,
        bars,
        {"fast_period": FAST, "slow_period": SLOW},
        where=pl.col("fast_period") < pl.col("slow_period"),
        costs=ss.Costs(commission=0.001, slippage=0.0005),
        progress=progress,
    )


def _check_extra() -> None:
    missing = [name for name in ("bokeh_sampledata", "plotly") if find_spec(name) is None]
    if missing:
        message = 'the demo needs sample prices and a plotting library; type `pip install "stockstream[demo]"`'
        raise LakeError(message)


def _say_what_next(lake: str, reports: Path) -> None:
    name, flag = program(), f"--lake {shlex.quote(lake)}"
    heading("Type next")
    for line in (
        f'{name} query "SELECT * FROM symbols" {flag}',
        f"{name} backtest {flag} \\",
        f"  --strategy RSIMeanReversion --symbols IBM,MSFT --report {shlex.quote(str(reports / 'rsi.html'))}",
        f"{name} sweep {flag} --strategy RSIMeanReversion \\",
        "  --param oversold=10:40:5 --param overbought=60:90:5",
        f'{name} query "FROM prices" {flag} --output prices.csv',
        f"{name} import prices.csv --lake data/mine",
        f"{name} --help",
    ):
        say(f"  {line}")
