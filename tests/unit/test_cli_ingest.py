"""The commands `ingest` and `fetch`: what they say, and with which code they end."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stockstream.cli import app
from stockstream.cli.progress import BatchProgress
from stockstream.errors import LakeError
from stockstream.ingest import run
from stockstream.ingest.budget import Budget
from stockstream.lake import Lake
from tests.replay.books import Generated
from tests.replay.running import settings_for
from tests.replay.server import ReplayServer

DONE = {
    "state": "complete",
    "session": "2026-05-14",
    "coverage": 0.99,
    "symbols": 1900,
    "received": 1881,
    "outcomes": {"no_data": 4, "not_found": 15, "ok": 1881},
    "revisions": 12,
    "backfill_queue": 19,
    "failed_batches": 0,
    "quarantined": 0,
    "hidden": 1,
    "findings": 1234,
    "manifest": "runs/2026-05-14.json",
}


class Runs:
    """Stands for the run: keeps what was wanted, returns or raises what it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, wanted: run.Wanted, *, processes: bool, observer: Any) -> Any:
        self.wanted = wanted
        assert processes
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def invoke(monkeypatch: pytest.MonkeyPatch, answer: Any, *arguments: str) -> tuple[Any, Runs]:
    runs = Runs(answer)
    monkeypatch.setattr(run, "run_day", runs)
    return CliRunner().invoke(app, list(arguments)), runs


def test_a_complete_run_is_told_in_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    result, runs = invoke(monkeypatch, DONE, "ingest", "--lake", "x", "--backfill", "2010-01-01")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "2026-05-14: complete, 1,881 of 1,900 symbols (99.0%) have the session's bar",
        "without prices: 4 no data, 15 not found",
        "history that changed, fetched whole: 12 symbols",
        "sessions still missing, asked for again by later runs: 19 symbols",
        "checks of the rows: days hidden 1, doubts 1,234; the manifest names them",
        "manifest: runs/2026-05-14.json in the lake",
    ]
    assert runs.wanted == run.Wanted(lake="x", market={}, backfill=date(2010, 1, 1))


def test_symbols_without_prices_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failures = {"not_found": {f"X{n:02d}": "unknown" for n in range(15)}, "no_data": dict.fromkeys("ABCD", "no bars")}
    (tmp_path / "runs").mkdir()
    told = {"state": "complete", "backfill_queue": {}, "failures": failures}
    (tmp_path / "runs" / "2026-05-14.json").write_text(json.dumps(told))
    result, _ = invoke(monkeypatch, DONE, "ingest", "--lake", str(tmp_path))
    line = "without prices: 4 no data (A, B, C, D), 15 not found (X00, X01, X02, X03, X04, X05, X06, X07, …)"
    assert line in result.stdout.replace("\n", " ")


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("partial", 3), ("failed", 1)])
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, state: str, code: int) -> None:
    assert invoke(monkeypatch, {**DONE, "state": state}, "ingest", "--quiet")[0].exit_code == code


def test_quiet_says_nothing_and_json_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke(monkeypatch, DONE, "ingest", "--quiet")[0].output == ""
    assert json.loads(invoke(monkeypatch, DONE, "ingest", "--json")[0].stdout) == DONE


def test_nothing_to_do_is_said_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"new_session": False, "session": "2026-05-14", "reason": "the session of 2026-05-14 is complete already"}
    result, _ = invoke(monkeypatch, answer, "ingest")
    assert (result.exit_code, result.stdout) == (0, "nothing to do: the session of 2026-05-14 is complete already\n")


def test_a_lake_that_cannot_be_written_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = invoke(monkeypatch, LakeError("Access Denied at s3://x"), "ingest")
    assert (result.exit_code, "error: Access Denied at s3://x" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ingest", "--date", "14.5.2026"), "expected a date like 2024-01-31 for --date"),
        (("ingest", "--symbols", "BHP,,CBA"), "expected names with commas"),
        (("ingest", "--symbols", "BHP.AX"), "expected the exchange's own code, 'BHP'"),
        (("ingest", "--config", "nowhere.json"), "cannot read nowhere.json"),
        (("fetch",), "--output"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    result, runs = invoke(monkeypatch, DONE, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not hasattr(runs, "wanted")


def test_a_typo_in_the_configuration_is_found_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "symbols.json"
    path.write_text('{"market": "ASX", "price_source": {"name": "yahoo", "timeuot": 3}}')
    result, runs = invoke(monkeypatch, DONE, "ingest", "--config", str(path))
    assert result.exit_code == 2
    assert "Did you mean 'timeout'?" in result.stderr
    assert not hasattr(runs, "wanted")


def test_fetch_is_a_run_into_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "symbols.json"
    path.write_text('{"symbols": ["BHP", "CBA"], "update_frequency": "daily", "market": "ASX"}')
    _, runs = invoke(monkeypatch, DONE, "fetch", "--config", str(path), "--output", "data/", "--start", "2020-01-01")
    market = {"symbols": ["BHP", "CBA"], "update_frequency": "daily", "market": "ASX"}
    assert runs.wanted == run.Wanted(lake="data", market=market, backfill=date(2020, 1, 1))


def test_progress_follows_the_batches() -> None:
    budget = Budget(delay=0, per_second=1e6)
    with BatchProgress(shown=True) as progress:
        progress.observe("start", {"budget": budget})
        progress.observe("items", {"count": 3})
        for number in (1, 2):
            item = {"Item": {"Index": number - 1, "Value": number}}
            progress.observe("state", {"name": "FetchStockData", "item": item})
        pace = budget.pace(1)
        for _ in range(40):
            pace.wait()
        wait = {"name": "FetchStockData", "input": {"number": 2}, "error": "BatchIncompleteError", "wait": 31.0}
        progress.observe("retry", wait)
        progress.observe("failed", {**wait, "cause": "2 symbols are still to be asked for"})
        for _ in range(100):
            lines = {task.description: task for task in progress._progress.tasks}
            if lines["batch 1"].completed == 40:
                break
            progress._ended.wait(0.05)
        assert (lines["all batches"].completed, lines["all batches"].total) == (40, 300)
        assert lines["batch 2"].fields["state"] == "again in 31 s: BatchIncompleteError"
        progress.observe("item", {"index": 0, "value": 1, "result": {"number": 1, "symbols": 97}})
        assert "batch 1" not in {task.description for task in progress._progress.tasks}
    assert progress.failures == {2: "2 symbols are still to be asked for"}


def test_the_command_fills_a_lake(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    symbols = [f"C{number:02d}" for number in range(9)]
    book = Generated(symbols, today - timedelta(days=120), today)
    with ReplayServer(tmp_path / "replay", book, datetime.now(UTC)) as server:
        root = Path(__file__).resolve().parents[2]
        env = {
            **os.environ,
            **settings_for(server, batch_size="5", workers="2"),
            "PYTHONPATH": os.pathsep.join([str(root), str(root / "kernels")]),
        }
        command = [sys.executable, "-m", "stockstream", "ingest", "--symbols", ",".join(symbols), "--lake", "lake"]
        first, again = (
            subprocess.run(each, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
            for each in ([*command, "--json"], command)
        )
    assert first.returncode == 0, first.stdout + first.stderr
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(first.stdout)["outcomes"] == {"ok": 9}
    assert first.stderr == ""
    assert again.stdout.startswith("nothing to do: the session of ")
    assert Lake(tmp_path / "lake").symbols() == tuple(symbols)
