"""What each command does when all is well."""

import csv
import io
import json
import math
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import stockstream as ss
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.cli import app
from stockstream.cli.strategies import find_strategy, offers
from stockstream.cli.sweeps import parse_where
from stockstream.cli.terms import parse_costs, parse_settings, parse_sizing

DAYS = 300


def run(*arguments: str) -> Result:
    outcome = CliRunner().invoke(app, list(arguments))
    assert outcome.exit_code == 0, outcome.output
    return outcome


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the prices of two symbols as CSV files."""
    folder = tmp_path_factory.mktemp("prices")
    for symbol, phase in (("BHP", 0.0), ("CBA", 1.0)):
        with (folder / f"{symbol}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["symbol", "date", "open", "high", "low", "close", "volume", "note"])
            for k in range(DAYS):
                price = 100 + 20 * math.sin(k / 15 + phase) + k * 0.05
                day = date(2023, 1, 1) + timedelta(days=k)
                writer.writerow([symbol, day, price, price * 1.01, price * 0.99, price * 1.001, 10_000 + k, "x"])
    return folder


@pytest.fixture
def lake(template: Path) -> str:
    """Fill data/lake in the test's folder."""
    run("import", str(template / "BHP.csv"), str(template / "CBA.csv"))
    return "data/lake"


def bars() -> ss.Bars:
    return ss.Lake("data/lake").bars()


def test_import_says_what_it_stored_and_what_not(template: Path) -> None:
    text = run("import", str(template / "BHP.csv"), "--lake", "mine").stdout
    assert "BHP.csv: 300 rows of 1 symbol, 2023-01-01 to 2023-10-27; columns not stored: note" in text
    assert "The lake at mine holds 1 symbol: BHP" in text
    assert 'query "SELECT * FROM symbols" --lake mine' in text
    assert ss.Lake("mine").symbols() == ("BHP",)


def test_import_sets_bad_rows_aside_when_asked(tmp_path: Path) -> None:
    Path("bad.csv").write_text(
        "symbol,date,open,high,low,close,volume\nA,2024-01-02,1,1,1,1,5\nA,2024-01-03,1,1,-1,1,5\n"
    )
    text = run("import", "bad.csv", "--quarantine").stdout
    assert "1 row of 1 symbol" in text
    assert "1 bad row set aside in data/lake/quarantine" in text


def test_import_counts_events_and_days_without_a_bar() -> None:
    head = "symbol,date,open,high,low,close,volume,dividend,split\n"
    Path("one.csv").write_text(f"{head}A,2024-01-02,1,1,1,1,5,,\nA,2024-01-03,1,1,1,1,5,0.1,\nA,2024-01-04,,,,,,,\n")
    Path("two.csv").write_text(f"{head}B,2024-01-02,1,1,1,1,5,,\nB,2024-01-03,1,1,1,1,5,0.1,2\n")
    one, two = run("import", "one.csv", "two.csv").stdout.splitlines()[:2]
    assert one == "one.csv: 2 rows of 1 symbol, 2024-01-02 to 2024-01-03; 1 dividend or split; 1 day without a bar"
    assert two == "two.csv: 2 rows of 1 symbol, 2024-01-02 to 2024-01-03; 2 dividends and splits"


def test_several_files_are_all_stored(lake: str) -> None:
    assert ss.Lake(lake).symbols() == ("BHP", "CBA")
    assert len(list(Path(lake, "raw-data").iterdir())) == 2


def test_query_answers_in_every_format(lake: str) -> None:
    sql = "SELECT symbol, count(*) AS bars FROM prices GROUP BY symbol ORDER BY symbol"
    assert run("query", sql).stdout.split() == ["symbol", "bars", "─" * 12, "BHP", "300", "CBA", "300"]
    rows = [{"symbol": "BHP", "bars": 300}, {"symbol": "CBA", "bars": 300}]
    assert json.loads(run("query", sql, "--format", "json").stdout) == rows
    assert pl.read_csv(io.StringIO(run("query", sql, "--format", "csv").stdout)).to_dicts() == rows
    run("query", sql, "--output", "out/bars.parquet")
    assert pl.read_parquet("out/bars.parquet").to_dicts() == rows


def test_the_lake_is_the_flag_else_the_environment(
    lake: str, template: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("import", str(template / "BHP.csv"), "--lake", "one")
    sql = "SELECT count(*) AS symbols FROM symbols"
    assert run("query", sql).stdout.split()[-1] == "2"
    monkeypatch.setenv("S3_BUCKET_NAME", str(tmp_path / "one"))
    assert run("query", sql).stdout.split()[-1] == "1"
    assert run("query", sql, "--lake", lake).stdout.split()[-1] == "2"


def test_backtest_prints_the_figures_of_the_library(lake: str) -> None:
    flags = "--strategy MovingAverageCrossover --param fast_period=5 --param slow_period=20 --symbols CBA,BHP"
    costs = "--commission 0.002 --slippage 0.001 --sizing weight=0.4 --initial-capital 5000 --fill close"
    span = "--start-date 2023-02-01 --end-date 2023-09-30"
    command = ["backtest", *flags.split(), *costs.split(), *span.split()]
    result = ss.backtest(
        MovingAverageCrossover(5, 20),
        ss.Lake(lake).bars(["CBA", "BHP"], "2023-02-01", "2023-09-30"),
        cash=5000.0,
        costs=ss.Costs(commission=0.002, slippage=0.001),
        sizing=ss.Sizing.weight(0.4),
        fill="close",
    )
    assert len(result.ledgers["trades"]) > 3
    printed = json.loads(run(*command, "--format", "json").stdout)
    assert printed.pop("verdict")["sentence"] == result.verdict().sentence
    expected = json.loads(json.dumps(result.to_dict(), default=str))
    assert printed == {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in expected.items()}
    text = run(*command).stdout
    assert "MovingAverageCrossover(fast_period=5, slow_period=20) on CBA, BHP, 2023-02-01" in text
    assert f"{result.metrics.total_return:+.2%}" in text
    assert f"final equity {result.account.equity[-1]:,.2f}" in " ".join(text.split())
    assert "FILLS AT THE CLOSE" in text


@pytest.mark.parametrize("path", ["array", "event"])
def test_both_paths_print_the_same(lake: str, path: str) -> None:
    command = ["backtest", "--strategy", "MovingAverageCrossover", "--param", "slow_period=30"]
    assert run(*command, "--path", path).stdout == run(*command).stdout


def test_the_last_trades_are_listed(lake: str) -> None:
    command = ["backtest", "--strategy", "RSIMeanReversion", "--param", "oversold=40", "--param", "overbought=60"]
    result = ss.backtest(find_strategy("RSIMeanReversion")(40.0, 60.0), bars())
    assert result.trades.height > 2
    assert f"Last 2 of {result.trades.height} trades" in run(*command, "--trades", "2").stdout
    assert "Last" not in run(*command, "--trades", "0").stdout


def test_a_run_without_trades_is_a_result(lake: str) -> None:
    text = run("backtest", "--strategy", "RSIMeanReversion", "--param", "oversold=0.001").stdout
    assert "0 closed trades" in text
    assert "n/a" in text


def test_backtest_writes_its_report(lake: str) -> None:
    text = run("backtest", "--strategy", "MovingAverageCrossover", "--report", "pages/cross.html").stdout
    assert "Report: pages/cross.html" in text
    assert "<html" in Path("pages/cross.html").read_text()[:500]


def test_a_strategy_comes_from_a_file_with_its_neighbours(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = Path("my strategies")
    folder.mkdir()
    (folder / "neighbour_of_mine.py").write_text("LEVEL = 100\n")
    (folder / "mine.py").write_text(
        "import stockstream as ss\nfrom neighbour_of_mine import LEVEL\n"
        "class Above(ss.RuleStrategy):\n"
        "    def __init__(self, level: float = LEVEL):\n        self.level = level\n"
        "    def rules(self):\n"
        "        return ss.Rules(enter_long=ss.close > self.level, exit_long=ss.close < self.level)\n"
    )
    text = run("backtest", "--strategy", "my strategies/mine.py:Above", "--param", "level=105").stdout
    assert "Above(level=105.0) on BHP, CBA" in text


@pytest.mark.usefixtures("fresh_plugins")
def test_a_strategy_comes_from_an_installed_package(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Path("site").absolute()
    information = site / "elsewhere-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[stockstream.strategies]\nDip = elsewhere_strategies:BuyTheDip\nLost = elsewhere_strategies:Missing\n"
    )
    (site / "elsewhere_strategies.py").write_text(
        "from stockstream.backtesting.strategies import RSIMeanReversion\n"
        'class BuyTheDip(RSIMeanReversion):\n    """Buy dips."""\n'
    )
    monkeypatch.syspath_prepend(site)
    assert find_strategy("Dip").__name__ == "BuyTheDip"
    with pytest.warns(UserWarning, match="'Lost' of elsewhere .elsewhere_strategies:Missing. is left out"):
        found = offers()
    assert found["Dip"].origin == "elsewhere"
    assert "Lost" not in found
    assert "BuyTheDip(oversold=40.0" in run("backtest", "--strategy", "Dip", "--param", "oversold=40").stdout


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_is_one_line_on_stderr(lake: str) -> None:
    rows = "".join(f"IDX,2024-01-{day:02},1,1,1,1,0\n" for day in range(1, 29))
    Path("index.csv").write_text("symbol,date,open,high,low,close,volume\n" + rows)
    run("import", "index.csv", "--lake", "index")
    outcome = run("backtest", "--strategy", "MovingAverageCrossover", "--lake", "index")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("warning: no volume for IDX")


def test_strategies_are_listed_with_their_parameters() -> None:
    text = run("strategies").stdout
    assert "MovingAverageCrossover  fast_period=20" in text
    assert "slow_period=50" in text
    assert "RSIMeanReversion" in text


def test_sweep_ranks_as_the_library_does(lake: str) -> None:
    grid = ["--param", "fast_period=5:15:5", "--param", "slow_period=10:40:10", "--where", "fast_period < slow_period"]
    command = ["sweep", "--strategy", "MovingAverageCrossover", *grid, "--commission", "0.001"]
    swept = ss.sweep(
        MovingAverageCrossover,
        bars(),
        {"fast_period": [5, 10, 15], "slow_period": [10, 20, 30, 40]},
        where=pl.col("fast_period") < pl.col("slow_period"),
        costs=ss.Costs(commission=0.001),
        progress=False,
    )
    best = swept.best("sharpe", by="combination")
    lines = run(*command, "--top", "3").stdout.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("──")) + 1
    assert lines[first].split()[:3] == [str(best["fast_period"]), str(best["slow_period"]), f"{best['sharpe']:.3f}"]
    assert "10 combinations x 2 symbols x 300 bars" in lines[first + 3]
    assert "million bar-runs a second" in lines[first + 4]
    assert " ".join(lines[first + 5 :]).startswith("Best Sharpe ratio")

    best = swept.best("sortino", by="symbol")
    text = run(*command, "--metric", "sortino", "--by", "symbol", "--top", "1").stdout
    assert f"{best['sortino']:.3f}" in text
    assert text.count("BHP") == text.count("CBA") == 1

    least = swept.best("turnover", by="combination", largest=False)
    text = run(*command, "--metric", "turnover", "--smallest", "--top", "1").stdout
    assert f"{least['turnover']:.4f}" in text

    rows = json.loads(run(*command, "--format", "json").stdout)
    assert len(rows) == swept.frame.height
    assert [row["sharpe"] for row in rows] == pytest.approx(swept.frame["sharpe"].to_list(), nan_ok=True)


def test_sweep_writes_rows_and_a_heatmap(lake: str) -> None:
    command = ["sweep", "--strategy", "RSIMeanReversion", "--param", "oversold=20:40:10", "--param", "overbought=60,70"]
    text = run(*command, "--output", "rows.csv", "--heatmap", "maps/rsi.html", "--axes", "overbought,oversold").stdout
    assert "12 rows in rows.csv" in text
    assert "Heatmap: maps/rsi.html" in text
    assert pl.read_csv("rows.csv").height == 12
    assert "overbought" in Path("maps/rsi.html").read_text()


@pytest.mark.filterwarnings("default::UserWarning")
def test_sweep_says_which_combinations_it_left_out(lake: str) -> None:
    Path("picky.py").write_text(
        "import stockstream as ss\nfrom stockstream.indicators import SMA\n"
        "class Picky(ss.RuleStrategy):\n"
        "    def __init__(self, days: int = 5):\n        self.days = days\n"
        "    def rules(self):\n"
        "        if 6 < self.days < 8:\n            raise ValueError('seven')\n"
        "        return ss.Rules(enter_long=ss.close > SMA(self.days))\n"
    )
    outcome = run("sweep", "--strategy", "picky.py:Picky", "--param", "days=5:8")
    assert "1 combination left out, such as days=7: ValueError: seven" in outcome.stderr
    assert "3 combinations x 2 symbols" in outcome.stdout
    nothing = CliRunner().invoke(
        app, ["sweep", "--strategy", "picky.py:Picky", "--param", "days=7", "--output", "r.csv"]
    )
    assert nothing.exit_code == 2
    assert "every combination failed, the first with ValueError: seven" in " ".join(nothing.stderr.split())
    assert not Path("r.csv").exists()


def test_terms_are_read() -> None:
    assert parse_costs(0.001, None, None) == ss.Costs(commission=0.001)
    assert parse_costs(None, None, "stake") == ss.Costs.asx("stake")
    assert parse_sizing("all_cash") == ss.Sizing.all_cash()
    assert parse_sizing("volatility=0.2") == ss.Sizing.volatility(0.2)
    found = parse_settings(["leverage=2", "max_positions=5", "dividends=reinvest"])
    assert found == {"leverage": 2.0, "max_positions": 5, "dividends": "reinvest"}


def test_a_condition_is_an_expression_over_the_parameters() -> None:
    frame = pl.DataFrame({"fast": [5, 20, 50], "slow": [20, 20, 60]})
    condition = parse_where("fast < slow AND slow - fast >= 10", ["fast", "slow"])
    assert frame.filter(condition)["fast"].to_list() == [5, 50]


def test_help_and_version() -> None:
    assert run("--version").stdout == run("version").stdout == f"stockstream {ss.__version__}\n"
    text = run("--help").stdout
    assert "Exit codes:" in text
    assert CliRunner().invoke(app, []).exit_code == 2
    for command in ("demo", "import", "query", "backtest", "sweep", "strategies"):
        assert command in text
        shown = run(command, "--help").stdout
        assert f"  stockstream {command}" in shown[shown.index("Example") :]
        assert max(map(len, shown.splitlines())) <= 80


def test_sweep_samples_settings_too_and_goes_on_where_it_was(lake: str) -> None:
    grid = ["--param", "fast_period=5:15", "--param", "costs.commission=0,0.001", "--sample", "6", "--seed", "3"]
    command = ["sweep", "--strategy", "MovingAverageCrossover", *grid, "--checkpoint", "kept"]
    text = run(*command, "--output", "rows/all.parquet", "--report", "pages/sweep.html").stdout
    assert "12 rows in rows/all.parquet" in text
    rows = pl.read_parquet("rows/all.parquet")
    assert rows.height == 12
    assert rows["costs.commission"].n_unique() == 2
    assert "Best neighbourhoods" in Path("pages/sweep.html").read_text()
    assert list(Path("kept").glob("part-*"))
    again = json.loads(run(*command, "--format", "json").stdout)
    assert [row["sharpe"] for row in again] == pytest.approx(
        rows.sort("symbol", "fast_period", "costs.commission")["sharpe"].to_list(), nan_ok=True
    )
    refused = CliRunner().invoke(app, [*command, "--seed", "4"])
    assert refused.exit_code == 2
    assert "the grid changed" in " ".join(refused.stderr.split())


def test_help_wraps_paragraphs_at_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("import", "--help").stdout.splitlines()
    first = next(n for n, line in enumerate(lines) if "A file has the columns" in line)
    assert [len(line.rstrip()) > 70 for line in lines[first : first + 4]] == [True, True, True, False]
