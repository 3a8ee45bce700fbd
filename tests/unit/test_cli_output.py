"""Tables that fit the terminal, formats that fit a pipe."""

import io
import json
import math
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stockstream.cli.options import output_file, program, split_list
from stockstream.cli.output import Format, choose_format, column_texts, print_frame, print_json, write_frame
from stockstream.errors import ParameterError

FRAME = pl.DataFrame(
    {
        "symbol": ["BHP", None, 'a,b"c'],
        "date": [date(2024, 1, 31), date(2024, 2, 1), None],
        "close": [50.5, math.nan, None],
        "volume": [7_000_000, 12, None],
    }
)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.5, 2.25, None, math.nan, math.inf], ["1.50", "2.25", "null", "nan", "inf"]),
        ([1.0, 2.0], ["1", "2"]),
        ([12345.678, -0.5], ["12,345.68", "-0.50"]),
        ([0.000123, 0.1], ["0.000123", "0.100000"]),
        ([2013, 2014], ["2013", "2014"]),
        ([2013, 1_234_567, None], ["2,013", "1,234,567", "null"]),
        (["x" * 50, "a\nb", "\x1b[31mred"], ["x" * 39 + "…", "a b", "?[31mred"]),
        ([date(2024, 1, 31)], ["2024-01-31"]),
        ([None, None], ["null", "null"]),
    ],
)
def test_cells_of_a_column_share_their_decimals(values: list[object], texts: list[str]) -> None:
    assert column_texts(pl.Series(values)) == texts


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_is_never_wider_than_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    frame = pl.DataFrame({f"a_long_column_name_{k}": [k * 1000.5] * 60 for k in range(12)})
    print_frame(frame)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    shown = width // 22  # 20 letters and a gap
    assert f"… and 20 more rows and {12 - shown} more columns" in text
    assert all(f"a_long_column_name_{k}" in text for k in range(12))


def test_a_narrow_table_says_nothing_of_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_frame(FRAME)
    assert "more" not in capsys.readouterr().out


@pytest.mark.parametrize("form", [Format.csv, Format.json, Format.parquet])
def test_a_file_holds_every_row_and_column(form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / f"rows.{form}"
    chosen, checked = choose_format(None, path)
    assert (chosen, checked) == (form, path)
    write_frame(FRAME, chosen, checked)
    read = {Format.csv: pl.read_csv, Format.json: pl.read_json, Format.parquet: pl.read_parquet}[form]
    back = read(path)
    assert back.columns == FRAME.columns
    assert_frame_equal(back.select("symbol", "volume"), FRAME.select("symbol", "volume"))
    assert back["close"][0] == 50.5
    assert capsys.readouterr().out == f"3 rows in {path}\n"


def test_a_pipe_gets_rows_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    write_frame(FRAME, Format.csv, None)
    assert_frame_equal(
        pl.read_csv(io.StringIO(capsys.readouterr().out)).select("symbol", "volume"), FRAME.select("symbol", "volume")
    )
    write_frame(FRAME, Format.json, None)
    rows = json.loads(capsys.readouterr().out)
    assert [row["symbol"] for row in rows] == ["BHP", None, 'a,b"c']
    assert rows[1]["close"] is None


def test_json_has_no_numbers_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": math.nan, "b": {"c": -math.inf, "d": 1.5}, "day": date(2024, 1, 31)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": {"c": None, "d": 1.5}, "day": "2024-01-31"}


def test_an_output_file_is_checked_before_anything_is_made(tmp_path: Path) -> None:
    assert output_file("--report", tmp_path / "a" / "b" / "page.HTML", ".html") == tmp_path / "a" / "b" / "page.HTML"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ParameterError, match=re.escape("expected a file ending in .html for --report")):
        output_file("--report", tmp_path / "page", ".html")


def test_lists_are_split_at_commas() -> None:
    assert split_list("--symbols", " BHP ,CBA") == ["BHP", "CBA"]
    with pytest.raises(ParameterError):
        split_list("--symbols", "")


def test_the_program_is_named_as_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / ".venv" / "bin" / "stockstream"
    script.parent.mkdir(parents=True)
    script.write_text("")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", [str(script)])
    assert program() == ".venv/bin/stockstream"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "stockstream"
    monkeypatch.setattr("sys.argv", ["somewhere/stockstream/__main__.py"])
    assert program() == "python -m stockstream"
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert program() == "stockstream"
