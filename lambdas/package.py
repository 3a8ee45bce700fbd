"""Build the zip packages of the functions: pinned wheels, the library and a handler, the same bytes every time.

``make package-lambdas`` calls it; nothing but pip is needed. A package holds wheels for the function's processor, not
for this machine's, so it can be built anywhere; its byte code is of the Python version that builds it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
FUNCTIONS: Final = ("symbol_updater", "stock_data_fetcher", "run_reporter", "compactor")

#: What a function may weigh unzipped: 250 MiB, set by AWS.
LIMIT: Final = 250 * 2**20

#: Wheels' platforms by processor, best first. AWS' image has glibc 2.34.
PLATFORMS: Final = {
    "x86_64": tuple(f"{tag}_x86_64" for tag in ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")),
    "arm64": tuple(f"{tag}_aarch64" for tag in ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")),
}

#: Installed by wheels, and never imported by a function.
_USELESS: Final = ("tests", "include", "bin", "__pycache__")
_USELESS_SUFFIXES: Final = (".pyi", ".c", ".h", ".pxd", ".pyx")
#: Written by pip, and different from one build to the next.
_UNSTABLE: Final = ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD")

#: A line of requirements.in that leaves out what a requirement asks for and never imports.
_WITHOUT: Final = "# without: "

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name


def main(arguments: list[str] | None = None) -> int:
    """Build the packages named, by default all; or write the pins anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="python -m lambdas.package")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"by default {', '.join(FUNCTIONS)}")
    parser.add_argument("--arch", choices=sorted(PLATFORMS), default="x86_64", help="processor of the functions")
    parser.add_argument("--out", type=Path, default=HERE.parent / "dist" / "lambdas", help="folder of the zip files")
    parser.add_argument("--pin", action="store_true", help="write requirements.txt from requirements.in, and stop")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.functions if name not in FUNCTIONS]
    if unknown:
        parser.error(f"expected names among {', '.join(FUNCTIONS)}; found {', '.join(unknown)}")
    names = options.functions or FUNCTIONS
    if options.pin:
        for name in names:
            pin(HERE / name)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        for name in names:
            package = build(name, wheel, options.out, arch=options.arch, scratch=Path(scratch) / name)
            size = unzipped_size(package)
            print(f"{package.name}: {package.stat().st_size / 2**20:.1f} MiB, {size / 2**20:.1f} MiB unzipped")
            check_size(package, size)
    return 0


def pin(folder: Path) -> None:
    """Write every requirement of a function, indirect ones too, with its exact version."""
    lines = (folder / "requirements.in").read_text().splitlines()
    with tempfile.NamedTemporaryFile("w+", suffix=".json") as report:
        wanted = ["--requirement", str(folder / "requirements.in")]
        _pip("install", "--dry-run", "--ignore-installed", "--report", report.name, *wanted)
        chosen = json.load(report)["install"]
    without = {line.removeprefix(_WITHOUT).split()[0] for line in lines if line.startswith(_WITHOUT)}
    versions = {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in chosen}
    pins = sorted(f"{name}=={version}" for name, version in versions.items() if name not in without)
    header = [
        *(line for line in lines if line.startswith("#")),
        "# Written by `make pin-lambdas` from requirements.in.",
    ]
    (folder / "requirements.txt").write_text("\n".join([*header, *pins]) + "\n")


def build_wheel(folder: Path) -> Path:
    """Build the library's wheel."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "wheel"), "."]
    _run(command, cwd=HERE.parent, environment={"SOURCE_DATE_EPOCH": "315532800"})
    return next((folder / "wheel").glob("*.whl"))


def build(name: str, wheel: Path, out: Path, *, arch: str, scratch: Path) -> Path:
    """Build one package and return its path; one that was built from the same input stands."""
    package, stamp = out / f"{name}.zip", out / f"{name}.input"
    inputs = digest_of_inputs(name, wheel, arch)
    if package.exists() and stamp.exists() and stamp.read_text() == inputs:
        return package
    tree = scratch / "tree"
    tree.mkdir(parents=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    platforms = [word for tag in PLATFORMS[arch] for word in ("--platform", tag)]
    target = ["--target", str(tree), "--no-compile", "--no-deps", "--only-binary=:all:", "--python-version", version]
    _pip("install", *target, *platforms, "--requirement", str(HERE / name / "requirements.txt"))
    _pip("install", "--target", str(tree), "--no-compile", "--no-deps", str(wheel))
    (tree / "lambdas" / name).mkdir(parents=True)
    for file in ("events.py", f"{name}/handler.py"):
        shutil.copy(HERE / file, tree / "lambdas" / file)
    prune(tree)
    # Byte code that never asks whether its source changed: a function's folder is read-only, and reading 2,000 sources
    # on every cold start costs seconds. One process, so that the order of interning, and with it the bytes, are stable.
    command = [sys.executable, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    _run([*command, "-s", str(tree), "-p", "/var/task", str(tree)], environment={"PYTHONHASHSEED": "0"})
    out.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    zip_tree(tree, package)
    stamp.write_text(inputs)
    return package


def digest_of_inputs(name: str, wheel: Path, arch: str) -> str:
    """Return a digest of all that a package is made of, but for the wheels that its pins name."""
    digest = sha256(f"{name} {arch} {sys.version}".encode())
    for path in (Path(__file__), HERE / name / "requirements.txt", HERE / "events.py", HERE / name / "handler.py"):
        digest.update(path.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            digest.update(f"{entry.filename} {entry.CRC}".encode())
    return digest.hexdigest()


def prune(tree: Path) -> None:
    """Delete what no function imports, and what differs between two builds of the same input."""
    for path in sorted(tree.rglob("*"), reverse=True):
        useless = path.name in _USELESS if path.is_dir() else path.suffix in _USELESS_SUFFIXES
        if path.is_dir() and useless:
            shutil.rmtree(path)
        elif path.is_file() and (useless or (path.name in _UNSTABLE and path.parent.suffix == ".dist-info")):
            path.unlink()


def zip_tree(tree: Path, target: Path) -> Path:
    """Write a folder as a zip whose bytes depend on names and contents only."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return target


def unzipped_size(package: Path) -> int:
    """Return what a package weighs unzipped, in bytes."""
    with zipfile.ZipFile(package) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def check_size(package: Path, size: int) -> None:
    """Refuse a package that AWS would refuse."""
    if size > LIMIT:
        package.unlink()
        message = (
            f"{package.name} weighs {size / 2**20:.1f} MiB unzipped; AWS takes {LIMIT / 2**20:.0f}. Drop a requirement "
            "from its requirements.in."
        )
        raise SystemExit(message)


def _pip(*arguments: str) -> None:
    _run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])


def _run(command: list[str], cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"{' '.join(command[1:4])} failed:\n{done.stderr or done.stdout}"
        raise SystemExit(message)


if __name__ == "__main__":
    sys.exit(main())
