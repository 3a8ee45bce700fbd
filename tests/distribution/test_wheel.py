"""What is built is what is meant: the two packages, whole, and nothing else."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

PACKAGES = {"stockstream": "stockstream", "stockstream_kernels": "kernels/stockstream_kernels"}


def is_test(path: Path) -> bool:
    """Say whether a file is a test by its name, as pytest does; a module about backtests is none."""
    return "tests" in path.parts or path.name == "conftest.py" or path.match("test_*") or path.match("*_test.py")


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution and, from it, the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(repository)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """Give the wheel's files and their contents."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    """Give the wheel's METADATA."""
    (text,) = [content for name, content in wheel.items() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(text.decode())


def test_wheel_holds_the_two_packages_only(wheel: dict[str, bytes]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    (information,) = [top for top in tops if top.endswith(".dist-info")]
    assert tops == {*PACKAGES, information}


def test_wheel_holds_every_file_of_the_packages(
    wheel: dict[str, bytes], repository: Path, tracked_files: list[Path]
) -> None:
    for package, folder in PACKAGES.items():
        files = [path for path in tracked_files if path.is_relative_to(folder)]
        assert files
        for path in files:
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            assert wheel.get(name) == (repository / path).read_bytes(), name


def test_wheel_holds_no_tests_and_no_data(wheel: dict[str, bytes]) -> None:
    endings = {Path(name).suffix for name in wheel if ".dist-info/" not in name}
    assert not endings & {".csv", ".gz", ".parquet", ".pyc", ".nbi", ".nbc"}
    assert not [name for name in wheel if is_test(Path(name))]


def test_tests_are_known_by_their_names() -> None:
    tests = ["tests/laws.py", "stockstream/test_bars.py", "stockstream/bars_test.py", "stockstream/conftest.py"]
    assert all(is_test(Path(name)) for name in tests)
    assert not any(is_test(Path(name)) for name in ["stockstream/cli/backtests.py", "stockstream/backtesting/costs.py"])


def test_wheel_is_typed_and_licensed(wheel: dict[str, bytes], metadata: Message) -> None:
    assert {"stockstream/py.typed", "stockstream_kernels/py.typed"} <= wheel.keys()
    assert [name for name in wheel if name.endswith(".dist-info/licenses/LICENSE")]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.12"


def test_the_library_and_its_distribution_agree_on_the_version(
    metadata: Message, fresh_python: Callable[[str], str]
) -> None:
    assert fresh_python("import stockstream; print(stockstream.__version__)") == metadata["Version"]


def test_wheel_installs_the_command(wheel: dict[str, bytes]) -> None:
    (text,) = [content for name, content in wheel.items() if name.endswith(".dist-info/entry_points.txt")]
    assert "stockstream = stockstream.cli:main" in text.decode()


def test_every_requirement_is_bounded_on_both_sides(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    requirements = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    for requirement in requirements:
        bounded = "==" in requirement or (">=" in requirement and ",<" in requirement)
        assert bounded or requirement.startswith("stockstream["), requirement


def test_source_distribution_holds_no_tests_and_no_data(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    tops = {name.partition("/")[0] for name in names}
    expected = {"stockstream", "kernels", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"}
    assert expected <= tops <= expected | {"PKG-INFO", ".gitignore"}
    assert not [name for name in names if name.endswith((".csv", ".gz", ".parquet", ".pyc"))]
