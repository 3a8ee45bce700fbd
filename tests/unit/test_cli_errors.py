"""Whatever is wrong with a request: exit code 2, one line on stderr that says what to do, nothing written."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stockstream.cli import app
from stockstream.lake import Lake

DAYS = 120
COLUMNS = "symbol,date,open,high,low,close,volume"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a lake of two symbols and some files that are wrong in different ways."""
    folder = tmp_path_factory.mktemp("template")
    days = [date(2024, 1, 1) + timedelta(days=k) for k in range(DAYS)]
    closes = [100 + 10 * ((k // 15) % 2) + k * 0.1 for k in range(DAYS)]
    rows = {"symbol": ["BHP"] * DAYS + ["CBA"] * DAYS, "date": days * 2, "volume": [1000] * 2 * DAYS}
    for name in ("open", "high", "low", "close"):
        rows[name] = closes * 2
    Lake(folder / "lake").write_rows(rows)
    (folder / "empty").mkdir()
    files = {
        "no_close.csv": "symbol,date,open,high,low,volume\nBHP,2024-01-02,1,1,1,5\n",
        "nan_price.csv": f"{COLUMNS}\nBHP,2024-01-02,1,1,nan,1,5\n",
        "negative_price.csv": f"{COLUMNS}\nBHP,2024-01-02,1,1,-1,1,5\n",
        "header_only.csv": f"{COLUMNS}\n",
        "good.csv": f"{COLUMNS}\nXYZ,2024-01-02,1,1,1,1,5\n",
        "prices.xlsx": "no",
        "broken.py": "def f(:\n",
        "raising.py": "raise RuntimeError('no network')\n",
        "mine.py": MINE,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


MINE = """
import stockstream as ss
from stockstream.indicators import SMA

class Breakout(ss.RuleStrategy):
    def __init__(self, days: int, scale: float = 1.0, note: str = "") -> None:
        if days > 500:
            raise ValueError("days is too long")
        self.days, self.scale = days, scale

    def rules(self):
        return ss.Rules(enter_long=ss.close > SMA(self.days))

class Unfinished(ss.RuleStrategy):
    pass

class Callback(ss.Strategy):
    def on_data(self, date, symbol, data, portfolio):
        raise ZeroDivisionError("my mistake")

NOT_A_CLASS = 5
"""


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a fresh copy of the template."""
    place = tmp_path / "work"
    shutil.copytree(template, place)
    monkeypatch.chdir(place)
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


CROSS = "backtest --lake lake --strategy MovingAverageCrossover"
MINE_RUN = "backtest --lake lake --strategy mine.py"
SWEEP = "sweep --lake lake --strategy MovingAverageCrossover"

#: Command -> texts that the one line must contain: what was found, and what to do.
REFUSED = {
    # strategies
    "backtest --lake lake --strategy MovingAverageCrosover": (
        "MovingAverageCrosover",
        "Did you mean 'MovingAverageCrossover'?",
    ),
    "backtest --lake lake --strategy nowhere.py:Mine": ("nowhere.py", "no file"),
    "backtest --lake lake --strategy mine.py": ("mine.py:ClassName", "Breakout, Callback"),
    "backtest --lake lake --strategy broken.py:Mine": ("broken.py", "not valid Python", "line 1"),
    "backtest --lake lake --strategy raising.py:Mine": ("raising.py", "RuntimeError: no network", "--debug"),
    f"{MINE_RUN}:Breakut": ("Breakut", "Did you mean 'Breakout'?"),
    f"{MINE_RUN}:Unfinished": ("mine.py:Unfinished", "rules"),
    f"{MINE_RUN}:NOT_A_CLASS": ("mine.py:NOT_A_CLASS", "Derive it from"),
    f"{MINE_RUN}:Breakout": ("Breakout needs a value for days", "--param days=VALUE"),
    f"{MINE_RUN}:Breakout --param days=900": ("Breakout refused its parameters", "days is too long"),
    f"{MINE_RUN}:Callback": ("my mistake",),
    # parameters
    f"{CROSS} --param fast_perod=5": ("fast_perod", "Did you mean 'fast_period'?"),
    f"{CROSS} --param fast_period=abc": ("a whole number", "--param fast_period", "'abc'"),
    f"{CROSS} --param fast_period=2.5": ("a whole number", "'2.5'"),
    f"{CROSS} --param fast_period": ("NAME=VALUE", "'fast_period'"),
    f"{CROSS} --param fast_period=": ("NAME=VALUE",),
    f"{CROSS} --param fast_period=5 --param fast_period=6": ("fast_period is given twice",),
    f"{CROSS} --param fast_period=0": ("SMA", "found 0"),
    # what to trade
    f"{CROSS} --symbols BHQ": ("BHQ", "Did you mean 'BHP'?"),
    f"{CROSS} --symbols BHP,,CBA": ("--symbols", "BHP,CBA"),
    f"{CROSS} --symbols BHP,BHP": ("each once",),
    f"{CROSS} --start-date 2024-03-01 --end-date 2024-02-01": ("2024-03-01 after 2024-02-01", "Swap"),
    f"{CROSS} --start-date 2030-01-01": ("no prices between 2030-01-01", "runs from 2024-01-01"),
    f"{CROSS} --start-date 01/02/2024": ("expected a date like 2024-01-31", "01/02/2024"),
    f"{CROSS} --adjust everything": ("total", "everything"),
    f"{CROSS} --benchmark XAO": ("XAO",),
    "backtest --lake empty --strategy MovingAverageCrossover": ("no lake at empty", "stockstream import"),
    "backtest --lake mine.py --strategy MovingAverageCrossover": ("mine.py is a file",),
    "backtest --lake s3://bucket --strategy MovingAverageCrossover": ("s3://bucket",),
    "backtest --strategy MovingAverageCrossover": ("no lake at data/lake", "stockstream demo"),
    # how it trades
    f"{CROSS} --initial-capital 0": ("--initial-capital above 0", "found 0"),
    f"{CROSS} --initial-capital -5": ("--initial-capital above 0", "found -5"),
    f"{CROSS} --initial-capital nan": ("--initial-capital above 0",),
    f"{CROSS} --initial-capital lots": ("--initial-capital", "--help"),
    f"{CROSS} --commission 1.5": ("commission", "fraction", "1.5"),
    f"{CROSS} --slippage -0.1": ("slippage", "-0.1"),
    f"{CROSS} --broker comsec": ("comsec", "Did you mean 'commsec'?"),
    f"{CROSS} --broker stake --commission 0.001": ("either --broker or",),
    f"{CROSS} --sizing wieght=0.1": ("Did you mean 'weight'?",),
    f"{CROSS} --sizing weight": ("--sizing weight=0.1",),
    f"{CROSS} --sizing weight=-1": ("above 0",),
    f"{CROSS} --sizing all_cash=0.5": ("without an amount",),
    f"{CROSS} --fill open": ("next_open", "'open'"),
    f"{CROSS} --path fast": ("path", "'fast'"),
    f"{CROSS} --setting levrage=2": ("levrage", "Did you mean 'leverage'?"),
    f"{CROSS} --setting leverage=0.5": ("leverage", "0.5"),
    f"{CROSS} --setting max_positions=many": ("a whole number", "many"),
    f"{CROSS} --setting cash=5": ("--initial-capital",),
    # what to keep
    f"{CROSS} --report empty": ("empty is a folder",),
    f"{CROSS} --report page.txt": (".html", "page.txt"),
    f"{CROSS} --report mine.py/page.html": ("cannot write mine.py/page.html",),
    f"{CROSS} --format csv": ("table or json", "csv"),
    # sweeps
    SWEEP: ("--param",),
    f"{SWEEP} --param fast_period=60:5": ("FIRST <= LAST", "'60:5'"),
    f"{SWEEP} --param fast_period=5:60:0": ("STEP > 0",),
    f"{SWEEP} --param fast_period=5:60:5:1": ("FIRST:LAST:STEP",),
    f"{SWEEP} --param fast_period=a:b": ("FIRST:LAST:STEP", "a:b"),
    f"{SWEEP} --param fast_period=5,,6": ("10,20,50",),
    f"{SWEEP} --param fast_period=1:9999999": ("at most", "Raise the step"),
    f"{SWEEP} --param fast_period=5:6:0.5": ("a whole number", "5.5"),
    f"{SWEEP} --param fst_period=5": ("Did you mean 'fast_period'?",),
    f"{SWEEP} --param fast_period=5,6 --metric sharp": ("Did you mean 'sharpe'?",),
    f"{SWEEP} --param fast_period=5,6 --by symbols": ("Did you mean 'symbol'?",),
    f"{SWEEP} --param fast_period=5,6 --where fast_perod<6": ("Did you mean 'fast_period'?",),
    f"{SWEEP} --param fast_period=5,6 --where (((": ("--where",),
    f"{SWEEP} --param fast_period=5,6 --where fast_period>9": ("removes all 2 combinations",),
    f"{SWEEP} --param fast_period=5,6 --heatmap map.html": ("two parameters",),
    f"{SWEEP} --param fast_period=5,6 --param slow_period=9,20 --heatmap map.html --axes fast_period,slow": (
        "slow_period",
    ),
    f"{SWEEP} --param fast_period=5,6 --heatmap map.png": (".html",),
    f"{SWEEP} --param fast_period=5,6 --symbols BHQ": ("Did you mean 'BHP'?",),
    "sweep --lake lake --strategy mine.py:Breakout --param scale=1,2": ("needs a value for days",),
    "sweep --lake lake --strategy mine.py:Callback --param x=1": ("Callback has no param 'x'",),
    # lakes
    "import nowhere.csv": ("nowhere.csv", "no file"),
    "import prices.xlsx": (".csv", "prices.xlsx"),
    "import no_close.csv": ("close missing",),
    "import nan_price.csv": ("BHP on 2024-01-02", "--quarantine"),
    "import negative_price.csv": ("not positive", "--quarantine"),
    "import header_only.csv": ("at least one row",),
    "import good.csv nan_price.csv": ("BHP on 2024-01-02",),
    "query --lake lake SELEC": ("SELEC",),
    "query --lake lake SELECT|clse|FROM|prices": ("clse", "DESCRIBE prices"),
    "query --lake lake SELECT|1;SELECT|2": ("one SELECT",),
    "query --lake lake COPY|prices|TO|'x.csv'": ("one SELECT",),
    "query --lake lake FROM|prices --format parquet": ("--output FILE",),
    "query --lake lake FROM|prices --output prices.txt": (".csv", "prices.txt"),
    "query --lake lake FROM|prices --output empty": ("empty is a folder",),
    "query --lake lake FROM|prices --format csv --output prices.json": (".csv", "prices.json"),
    "query --lake lake FROM|prices --format table --output prices.csv": ("table",),
    "demo --lake lake": ("lake is a lake with other prices", "--lake"),
    # usage
    "backtst": ("backtst", "Did you mean 'backtest'"),
    "backtest --lake lake": ("--strategy", "stockstream backtest --help"),
    f"{CROSS} --sybmols BHP": ("--sybmols", "--symbols"),
    f"{CROSS} --trades -1": ("--trades", "--help"),
}


@pytest.mark.parametrize("command", REFUSED)
def test_a_wrong_request_is_refused_in_one_line_and_writes_nothing(command: str, folder: Path) -> None:
    before = contents(folder)
    arguments = [argument.replace("|", " ") for argument in command.split()]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2, outcome.output
    assert outcome.stdout == ""
    line, *rest = outcome.stderr.splitlines()
    assert not rest
    assert line.startswith("error: ")
    for text in REFUSED[command]:
        assert text in line
    assert contents(folder) == before


@pytest.mark.parametrize("place", [0, 3, -1])
def test_debug_shows_the_traceback_wherever_it_stands(place: int, folder: Path) -> None:
    arguments = f"{CROSS} --symbols BHQ".split()
    arguments.insert(place if place >= 0 else len(arguments), "--debug")
    outcome = CliRunner().invoke(app, arguments)
    assert type(outcome.exception).__name__ == "UnknownNameError"


def test_a_defect_is_not_disguised_as_a_wrong_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("stockstream.lake.Lake", broken)
    outcome = CliRunner().invoke(app, ["query", "FROM prices"])
    assert isinstance(outcome.exception, RuntimeError)
    assert outcome.exit_code == 1


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.cli.demonstration.find_spec", lambda name: None)
    outcome = CliRunner().invoke(app, ["demo"])
    assert outcome.exit_code == 2
    assert 'pip install "stockstream[demo]"' in outcome.stderr
    monkeypatch.setattr("stockstream.cli.options.find_spec", lambda name: None)
    outcome = CliRunner().invoke(app, [*CROSS.split(), "--report", "page.html"])
    assert outcome.exit_code == 2
    assert 'pip install "stockstream[reports]"' in outcome.stderr


@pytest.mark.filterwarnings("always::stockstream.errors.LakeWarning")
def test_a_bad_file_is_warned_of_once_however_often_the_lake_is_read(folder: Path) -> None:
    (folder / "lake" / "raw-data" / "2024-01-01-batch-1.parquet").write_text("junk")
    (good,) = (folder / "lake" / "raw-data").glob("2024-04-29-*")
    whole = bytearray(good.read_bytes())
    end = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    damaged = good.with_name("2024-01-02-batch-1.parquet")
    damaged.write_bytes(bytes(4) + bytes(end - 4) + bytes(whole[end:]))  # found out by reading, and read without then
    result = CliRunner().invoke(app, ["query", "SELECT count(*) FROM prices", "--lake", "lake"])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert [any(name in line for line in lines) for name in ("01-01-batch-1", "01-02-batch-1")] == [True, True]
    assert len(lines) == len(set(lines)) == 2
