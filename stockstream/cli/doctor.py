"""The command `doctor`: what is installed, what it runs on, and whether the lake can be reached."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from stockstream.cli.application import FOUND
from stockstream.cli.options import LakePath
from stockstream.cli.output import Format, FormatOption, OutputOption, choose_format, print_table, working, write_rows
from stockstream.errors import StockstreamError, counted

EXAMPLES: Final = """
Examples:
  stockstream doctor
  stockstream doctor --lake s3://bucket/prefix --write
  stockstream doctor --format json    # to be sent with a question

Exit codes: 0 nothing is broken; 4 something is.
"""

OK, NOTE, BROKEN = "ok", "note", "broken"

#: Packages that everything stands on.
CORE: Final = ("numpy", "numba", "polars", "duckdb", "pyarrow")

#: Extras that developers alone install.
DEVELOPMENT: Final = {"bench", "dev", "docs", "e2e"}


class Finding(NamedTuple):
    """One thing that was looked at: its state, what was found, and what to do when it is not ok."""

    subject: str
    state: str
    found: str
    advice: str = ""


def doctor(
    lake: LakePath = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also try whether the lake can be written, with a file that is removed.")
    ] = False,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Look at the installation: versions, cores, compiled kernels, extras, settings, the lake.

    What is optional and missing is a note; what is there and does not work is broken.
    """
    form, path = choose_format(form, output)
    with working("Looking …"):
        findings = [*_versions(), *_machine(), _kernels(), *_extras(), _settings(), _plugins()]
        findings.append(_lake(lake, write=write))
    if form is Format.table:
        columns = ["subject", "state", "found"]
        cells = [[f.subject, f.state, f.found + (f"; {f.advice}" if f.advice else "")] for f in findings]
        print_table(columns, cells, wrap=["found"])
    else:
        write_rows([finding._asdict() for finding in findings], Finding._fields, form, path)
    if any(finding.state == BROKEN for finding in findings):
        raise typer.Exit(FOUND)


def _versions() -> Iterator[Finding]:
    import stockstream

    yield Finding("stockstream", OK, f"{stockstream.__version__} in {Path(stockstream.__file__).parent}")
    yield Finding("Python", OK, f"{platform.python_version()} on {platform.platform(terse=True)} {platform.machine()}")
    for name in CORE:
        version = _version(name)
        if version is None:
            yield Finding(name, BROKEN, "not installed", "type `pip install stockstream`")
        else:
            yield Finding(name, OK, version)


def _machine() -> Iterator[Finding]:
    from stockstream.research.budget import free_bytes, in_words
    from stockstream.research.crew import threads

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cores", OK, f"{usable} usable of {os.cpu_count()}; a sweep takes {counted(threads(None), 'thread')}")
    yield Finding("threading", OK, "threads of Python, around kernels that hold no lock; Numba's own layer is not used")
    yield Finding("memory", OK, f"{in_words(free_bytes())} free; a sweep takes a quarter of it at the most")


def _kernels() -> Finding:
    """Say where compiled kernels are kept, and how many are."""
    import numba
    from stockstream_kernels import rolling
    from stockstream_kernels._compile import target

    if getattr(numba.config, "DISABLE_JIT", 0):
        return Finding("kernels", NOTE, "plain Python, hundreds of times slower", "unset NUMBA_DISABLE_JIT")
    kernel: Any = rolling.sma  # all share their cache; its type is that of the plain function
    folder = kernel.stats.cache_path
    if folder is None:
        advice = "set NUMBA_CACHE_DIR to a folder that can be written"
        return Finding("kernels", NOTE, "not kept: every process compiles anew", advice)
    kept = list(Path(folder).glob("*.nbc"))
    size = sum(file.stat().st_size for file in kept) / 1e6
    advice = "" if kept else "the first run compiles for some seconds"
    if target() == "cpu":
        advice = f"kernels were not tried with Numba {numba.__version__} yet: they compile for a third longer"
    return Finding("kernels", OK, f"{len(kept)} compiled, {size:.0f} MB in {folder}", advice)


def _extras() -> Iterator[Finding]:
    """Say which extras are installed, from the requirements of the installed package."""
    try:
        declared = metadata.requires("stockstream") or []
    except metadata.PackageNotFoundError:
        yield Finding("extras", NOTE, "not known: stockstream runs from a folder and is not installed")
        return
    needed: dict[str, list[str]] = {}
    for requirement in declared:
        found = re.match(r"([A-Za-z0-9._-]+).*extra\s*==\s*['\"]([a-z0-9-]+)['\"]", requirement)
        if found and found[2] not in DEVELOPMENT and found[1] != "stockstream":
            needed.setdefault(found[2], []).append(found[1])
    for extra, packages in needed.items():
        missing = [name for name in packages if _version(name) is None]
        if missing:
            yield Finding(
                f"extra {extra}", NOTE, f"without {', '.join(missing)}", f'`pip install "stockstream[{extra}]"` adds it'
            )
        else:
            yield Finding(f"extra {extra}", OK, ", ".join(f"{name} {_version(name)}" for name in packages))


def _settings() -> Finding:
    from stockstream.settings import effective

    try:
        given = [setting.name for setting in effective() if setting.origin != "default"]
    except StockstreamError as error:
        return Finding("settings", BROKEN, str(error))
    return Finding("settings", OK, f"given: {', '.join(given)}" if given else "all by default")


def _plugins() -> Finding:
    from stockstream import plugins

    found = [plugin for group in plugins.GROUPS for plugin in plugins.discover(group)]
    others = [f"{plugin.name} of {plugin.distribution}" for plugin in found if plugin.distribution != plugins.OWN]
    return Finding("plugins", OK, f"from other packages: {', '.join(others)}" if others else "the built-in ones")


def _lake(lake: str | None, *, write: bool) -> Finding:
    """Say whether the lake can be reached, and how long that takes."""
    from stockstream.lake import Lake, check

    start = time.perf_counter()
    try:
        location = Lake(lake).location
        if not write and not location.batch_files("raw-data"):
            return Finding("lake", NOTE, f"{location} can be reached and is empty", "`stockstream import` fills it")
        found = check(location, write=write)
    except StockstreamError as error:
        return Finding("lake", BROKEN, str(error))
    except OSError as error:
        return Finding("lake", BROKEN, f"{error.filename}: {error.strerror}")
    seconds = time.perf_counter() - start
    tried = "; can be written" if found.writable else ""
    size = f"{counted(found.batches, 'batch', 'batches')}, {found.bytes / 1e6:.1f} MB, in {seconds:.1f} s"
    return Finding("lake", OK, f"{found.place}: {size}{tried}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
