"""The page on the execution model: every sentence names tests, and every test it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "execution-model.md"
ITEM = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_\w+)`")


def sentences(text):
    """Return (number, sentence, [(file, test)]) of every numbered item below the first heading of a section."""
    body = text[text.index("\n## ") :]
    found = []
    for number, item in ITEM.findall(body):
        prose = " ".join(line.strip() for line in item.splitlines() if not line.strip().startswith("- `"))
        found.append((int(number), prose.strip(), NAMED.findall(item)))
    return found


@cache
def defined_in(file):
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return frozenset(name for name in functions if name.startswith("test_"))


def problems(text):
    """Return what is wrong with a page."""
    wrong = []
    items = sentences(text)
    if [number for number, _, _ in items] != list(range(1, len(items) + 1)):
        wrong.append("the numbers do not run from 1")
    for number, sentence, tests in items:
        if not tests:
            wrong.append(f"{number} names no test")
        if not re.fullmatch(r"[^.]*\.(?:\d[^.]*\.)*", re.sub(r"`[^`]*`", "", sentence)):
            wrong.append(f"{number} is not one sentence")
        wrong += [
            f"{number} names {file}::{test}, which is not there" for file, test in tests if test not in defined_in(file)
        ]
    loose = ITEM.sub("", text[text.index("\n## ") :])
    wrong += [
        f"not in a numbered sentence: {line}" for line in loose.splitlines() if line and not line.startswith("## ")
    ]
    return wrong


def test_every_sentence_names_a_test_that_exists():
    text = PAGE.read_text()
    assert len(sentences(text)) > 60
    assert problems(text) == []


def test_the_page_names_every_scenario():
    named = {test for _, _, tests in sentences(PAGE.read_text()) for _, test in tests}
    for file in ("unit/test_execution_model.py", "unit/test_execution_terms.py"):
        assert defined_in(file) <= named, file


HEAD = "# Title\n\nAn introduction. Of two sentences.\n\n## Part\n\n"
NAME = "unit/test_execution_model_doc.py::test_every_sentence_names_a_test_that_exists"
GOOD = f"1. One sentence,\n   on two lines.\n   - `{NAME}`\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD + "2. No test.\n", "2 names no test"),
        (GOOD.replace("::test_every", "::test_never"), "which is not there"),
        (GOOD.replace("unit/", "unity/"), "which is not there"),
        (GOOD.replace("1. One", "2. One"), "do not run from 1"),
        (GOOD.replace("lines.", "lines. And another."), "is not one sentence"),
        (GOOD.replace("lines.", "lines"), "is not one sentence"),
        (GOOD + "\n## More\n\nLoose prose.\n", "not in a numbered sentence"),
    ],
)
def test_a_page_that_says_more_than_is_tested_is_refused(text, problem):
    assert problems(HEAD + GOOD) == []
    assert any(problem in found for found in problems(HEAD + text)), problems(HEAD + text)
