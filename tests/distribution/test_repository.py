"""The repository says nothing of the machines it was written on, and holds nothing that can be rebuilt."""

import re
from pathlib import Path

import pytest

LOCK_FILES = {"uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock", "yarn.lock"}
LARGEST_BYTES = 1_000_000
PRIVATE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users|opt)/[\w.-]+")
PACKAGE_INDEX = re.compile(
    r"(?:index[-_]url|find[-_]links|extra[-_]index)|https?://[^\s/]*(?:artifactory|nexus|pythonhosted)"
)
DATA_FOLDERS = {"data", "lake"}


@pytest.fixture(scope="module")
def texts(repository: Path, tracked_files: list[Path]) -> dict[Path, str]:
    """Give the text files under version control and their contents, but for this one, which names what it looks for."""
    texts = {}
    for path in tracked_files:
        content = (repository / path).read_bytes()
        if b"\0" not in content and path.name != Path(__file__).name:
            texts[path] = content.decode()
    return texts


def test_no_lock_file_is_tracked(tracked_files: list[Path]) -> None:
    assert not [path for path in tracked_files if path.name in LOCK_FILES]


def test_no_large_file_and_no_market_data_is_tracked(repository: Path, tracked_files: list[Path]) -> None:
    assert not [path for path in tracked_files if (repository / path).stat().st_size > LARGEST_BYTES]
    assert not [path for path in tracked_files if path.parts[0] in DATA_FOLDERS or path.suffix == ".parquet"]


@pytest.mark.parametrize("pattern", [PRIVATE_PATH, PACKAGE_INDEX], ids=["private path", "package index"])
def test_no_text_names_a_private_machine(texts: dict[Path, str], pattern: re.Pattern[str]) -> None:
    assert texts
    found = [f"{path}: {match.group()}" for path, text in texts.items() for match in pattern.finditer(text)]
    assert not found


def test_the_patterns_find_what_they_are_for() -> None:
    assert PRIVATE_PATH.search('folder = "/home/someone/prices"')
    assert not PRIVATE_PATH.search("https://example.org/home/page and tests/work/x and ~/work/x")
    assert PACKAGE_INDEX.search("pip install --extra-index-url file:///x")
