"""What all commands have in common, and what the page about them says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from stockstream.cli import app, application, doctor, ingest, quality, symbols
from stockstream.lake import Lake

ROWS = ["config", "doctor", "indicators", "plugins", "strategies"]


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Give every command with its full name."""
    for name, command in typer.main.get_command(app).commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {own}", inner) for own, inner in command.commands.items())
        else:
            yield name, command


COMMANDS = dict(commands())
each_command = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")


@each_command
def test_help_teaches_by_example(name: str) -> None:
    if name == "version":
        return
    text = CliRunner().invoke(app, [*name.split(), "--help"]).stdout
    examples = re.split(r"^ Examples?:$", text, flags=re.MULTILINE)[1]
    assert f"stockstream {name}" in examples
    assert max(map(len, examples.splitlines())) <= 80, "an example must fit a terminal"


@each_command
@pytest.mark.parametrize("width", [80, 200])
def test_help_fits_the_terminal(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = CliRunner().invoke(app, [*name.split(), "--help"]).stdout
    assert max(map(len, text.splitlines())) <= width


def test_the_page_lists_every_command(page: str) -> None:
    table = page.split("## Formats", maxsplit=1)[0]
    assert set(re.findall(r"`([a-z-]+(?: [a-z-]+)?)`", table)) >= set(COMMANDS)


def test_the_page_lists_the_exit_codes_in_use(page: str) -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    used = {application.DONE, application.REFUSED, application.FOUND, ingest.FAILED, ingest.PARTIAL, 130}
    assert listed == used | {quality.FOUND, symbols.PARTIAL}
    assert set(map(int, re.findall(r"^  (\d+) ", application.EPILOG, re.MULTILINE))) == listed


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_rows_come_in_every_format(name: str, form: str) -> None:
    outcome = CliRunner().invoke(app, [name, "--output", f"rows.{form}"])
    assert outcome.exit_code == 0, outcome.output
    read = {"json": pl.read_json, "csv": pl.read_csv, "parquet": pl.read_parquet}[form]
    assert read(f"rows.{form}").height > 3


@pytest.mark.parametrize("name", ROWS)
def test_a_table_fits_eighty_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, CliRunner().invoke(app, [name]).stdout.splitlines())) <= 80


def test_parquet_is_no_text() -> None:
    for name in ROWS:
        assert CliRunner().invoke(app, [name, "--format", "parquet"]).exit_code == 2


def findings(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    outcome = CliRunner().invoke(app, ["doctor", "--format", "json", *arguments])
    return outcome.exit_code, {row["subject"]: row for row in json.loads(outcome.stdout)}


def test_the_doctor_says_what_there_is() -> None:
    code, found = findings()
    assert code == 0
    assert found["polars"]["found"] == pl.__version__
    assert found["lake"]["state"] == "note"
    prices = {name: [1.0] for name in ("open", "high", "low", "close")}
    Lake("data/lake").write_rows({"symbol": ["X"], "date": ["2024-01-02"], "volume": [1], **prices})
    code, found = findings("--write")
    assert code == 0
    assert found["lake"]["state"] == "ok"
    assert "1 batch" in found["lake"]["found"]
    assert found["lake"]["found"].endswith("can be written")


def test_the_doctor_ends_with_four_when_something_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("STOCKSTREAM_WORKERZ", "3")
    code, found = findings("--lake", "file")
    assert code == application.FOUND
    assert found["lake"]["state"] == found["settings"]["state"] == "broken"
    assert "STOCKSTREAM_WORKERZ" in found["settings"]["found"]


def test_the_doctor_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor.metadata, "requires", lambda _: ['nosuch<2; extra == "pictures"', "numpy>=2", 'a; extra == "dev"']
    )
    code, found = findings()
    assert code == 0
    assert found["extra pictures"] == {
        "subject": "extra pictures",
        "state": "note",
        "found": "without nosuch",
        "advice": '`pip install "stockstream[pictures]"` adds it',
    }
    assert "extra dev" not in found


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_no_colours_in_a_pipe_nor_where_they_are_unwanted() -> None:
    assert "\x1b[" not in program("config").stdout
    assert "\x1b[1m" in program("config", FORCE_COLOR="1").stdout, "else this test proves nothing"
    shown = program("config", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_the_shell_can_complete() -> None:
    asked = {"_STOCKSTREAM_COMPLETE": "complete_bash", "COMP_WORDS": "stockstream st", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['stockstream']; from stockstream.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["strategies"]
