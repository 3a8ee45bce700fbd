"""The packages: small enough, the same bytes every time, and each imported where nothing else is installed."""

import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from lambdas import package

FUNCTIONS = package.FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_package_fits(packages: Path, name: str) -> None:
    size = package.unzipped_size(packages / f"{name}.zip")
    assert size <= package.LIMIT


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_holds_byte_code_and_no_trace_of_this_machine(packages: Path, name: str) -> None:
    with zipfile.ZipFile(packages / f"{name}.zip") as archive:
        names = archive.namelist()
        assert f"lambdas/{name}/__pycache__/handler.cpython-312.pyc" in names or sys.version_info[:2] != (3, 12)
        assert not [one for one in names if one.startswith(("numba", "llvmlite", "polars", "pyarrow", "boto3"))]
        handler = archive.read(next(one for one in names if one.endswith("handler.cpython-312.pyc")))
    assert str(packages).encode() not in handler
    assert b"/var/task" in handler


def test_the_same_input_gives_the_same_bytes(packages: Path, tmp_path: Path) -> None:
    name = "symbol_updater"  # the smallest
    wheel = package.build_wheel(tmp_path)
    again = package.build(name, wheel, tmp_path / "out", arch="x86_64", scratch=tmp_path / "scratch")
    first = packages / f"{name}.zip"
    assert sha256(again.read_bytes()).hexdigest() == sha256(first.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_handler_is_imported_from_nothing_else(packages: Path, runtime: Path, tmp_path: Path, name: str) -> None:
    task = tmp_path / "task"
    with zipfile.ZipFile(packages / f"{name}.zip") as archive:
        archive.extractall(task)
    code = (
        "import sys, time; started = time.process_time(); "
        f"import importlib; importlib.import_module('lambdas.{name}.handler'); "
        "assert 'numba' not in sys.modules and 'polars' not in sys.modules; "
        "print(round(time.process_time() - started, 3))"
    )
    done = subprocess.run(
        [runtime, "-c", code],
        cwd=task,
        env={"PYTHONPATH": str(task), "HOME": str(tmp_path), "AWS_DEFAULT_REGION": "ap-southeast-2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seconds = float(done.stdout.strip().splitlines()[-1])
    print(f"{name}: handler imported in {seconds} s of processor time")
    assert seconds < 1.5


#: Where an ELF file says for which processor it is, and what it says there of 64-bit Arm.
MACHINE, AARCH64 = slice(18, 20), (183).to_bytes(2, "little")


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_package_for_arm_fits_and_holds_code_for_arm_only(tmp_path: Path, name: str) -> None:
    wheel = package.build_wheel(tmp_path)
    built = [
        package.build(name, wheel, tmp_path / time, arch="arm64", scratch=tmp_path / f"scratch-{time}")
        for time in ("first", "second")
    ]
    size = package.unzipped_size(built[0])
    print(f"{name} for arm64: {size / 2**20:.1f} MiB unzipped")
    assert size <= package.LIMIT
    assert sha256(built[0].read_bytes()).digest() == sha256(built[1].read_bytes()).digest()
    with zipfile.ZipFile(built[0]) as archive:
        heads = {one: archive.open(one).read(20) for one in archive.namelist()}
    native = {one: head for one, head in heads.items() if head[:4] == b"\x7fELF"}
    assert any(one.endswith(".so") for one in native)
    assert {one for one in heads if ".so" in Path(one).suffixes} <= native.keys()
    assert [one for one, head in native.items() if head[MACHINE] != AARCH64] == []
