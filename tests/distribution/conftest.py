"""What the distribution tests share: the files that git tracks, and a Python that starts afresh."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FreshPython = Callable[[str], str]


@pytest.fixture(scope="session")
def tracked_files(repository: Path) -> list[Path]:
    """Give every file under version control that is on disk, relative to the repository."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=True, text=True)
    return [Path(name) for name in listing.stdout.split("\0") if name and (repository / name).is_file()]


@pytest.fixture(scope="session")
def fresh_python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> FreshPython:
    """Give a function that runs code in a new interpreter, away from the checkout, and returns what it printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    search_path = os.pathsep.join([str(repository), str(repository / "kernels")])

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": search_path},
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
