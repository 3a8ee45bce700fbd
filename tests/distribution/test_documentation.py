"""Documentation that is checked stays true: links lead somewhere, code is code, targets and commands exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
IGNORED_FOLDERS = {".venv", ".cache", ".git", ".pytest_cache", "node_modules"}
DOCUMENTS = sorted(
    path for path in REPOSITORY.rglob("*.md") if not IGNORED_FOLDERS & set(path.relative_to(REPOSITORY).parts)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE_TARGET = re.compile(r"`make ([a-z][a-z0-9-]*)|^make ([a-z][a-z0-9-]*)", re.MULTILINE)
RULE = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))


def anchors(text: str) -> Iterator[str]:
    """Give the anchors that a page's headings make."""
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@each_document
def test_relative_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@each_document
def test_python_blocks_parse(document: Path) -> None:
    for block in PYTHON_BLOCK.findall(document.read_text()):
        ast.parse(block)


@each_document
def test_named_make_targets_exist(document: Path) -> None:
    rules = set(RULE.findall((REPOSITORY / "Makefile").read_text()))
    named = {one or other for one, other in MAKE_TARGET.findall(document.read_text())}
    assert named <= rules


def test_every_target_people_type_is_explained() -> None:
    lines = (REPOSITORY / "Makefile").read_text().splitlines()
    explained = {line.partition(":")[0] for line in lines if re.match(r"[a-z-]+:.*## ", line)}
    assert explained >= {"bench", "build", "clean", "coverage", "demo", "docs", "format", "install", "lint"}
    assert explained >= {"test", "test-unit", "test-slow", "test-jit-off", "test-bounds"}
