"""The command `indicators`: the table, and all that one declares."""

import pytest
from typer.testing import CliRunner

from stockstream.cli import app
from stockstream.indicators import catalogue


def run(*arguments, code=0):
    outcome = CliRunner().invoke(app, ["indicators", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome


def test_all_are_listed_with_group_defaults_and_oracle():
    lines = {line.split()[0]: line.split() for line in run().stdout.splitlines() if line}
    for name, cls in catalogue.builtin().items():
        assert lines[name][1] == cls.group
        other_name = [] if cls.oracle.function == name else cls.oracle.function.split()
        expected = [*cls.oracle.library.split(), *other_name]
        assert lines[name][-len(expected) :] == expected, name
    assert lines["MACD"][2:6] == ["12,", "26,", "9,", "align=own"]
    assert lines["SAR"][2:4] == ["0.02,", "0.2"]
    assert len(lines) <= len(catalogue.builtin()) + 5, "a line each, but for a header, a footer and long defaults"


def test_one_group_is_listed():
    known = catalogue.builtin()
    listed = run("--group", "Momentum").stdout
    assert "RSI" in listed
    assert "SMA" not in listed
    count = sum(cls.group == "momentum" for cls in known.values())
    assert f"{count} indicators" in listed


@pytest.mark.parametrize("name", catalogue.builtin())
def test_one_is_described_in_full(name):
    cls = catalogue.find(name)
    text = " ".join(run(name.lower()).stdout.split())
    assert cls.meaning().split()[0] in text
    assert cls().column_names()[0] in text
    assert f"bar {cls().warmup()}" in text
    assert cls.oracle.function.split()[0] in text
    for parameter, allowed in cls.ranges().items():
        assert f"{parameter} {cls.defaults()[parameter]}" in text
        assert allowed.meaning.split()[0] in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("RSX",), "unknown indicator 'RSX'. Did you mean 'RSI'?"),
        (("--group", "momentun"), "unknown group 'momentun'; expected one of trend, momentum"),
    ],
)
def test_names_that_do_not_exist_are_refused(arguments, words):
    assert words in run(*arguments, code=2).stderr
