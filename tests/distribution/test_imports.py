"""What an import loads and import directions are contracts, so they are tests."""

import ast
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FreshPython = Callable[[str], str]

PUBLIC_NAMES = 35  # what a reader can hold; the rest lives in the subpackages
HEAVY = {"numba", "numpy", "polars", "pandas", "pyarrow", "duckdb", "plotly", "yfinance", "boto3", "typer", "rich"}
MAY_LOAD_WITH_BARS = {"numpy"}
REPOSITORY = Path(__file__).resolve().parents[2]
KERNELS = REPOSITORY / "kernels" / "stockstream_kernels"

REPORT_LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def modules_of(*packages: str) -> list[str]:
    """List the modules of the library's packages, found on disk, so that none is forgotten."""
    paths = [path for package in packages for path in sorted((REPOSITORY / package.replace(".", "/")).rglob("*.py"))]
    return [".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in paths]


def imported_packages(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield str(node.module).partition(".")[0]


def test_import_loads_nothing_heavy(fresh_python: FreshPython) -> None:
    loaded = set(fresh_python(f"import stockstream; {REPORT_LOADED}").split())
    assert "stockstream" in loaded
    assert not loaded & HEAVY


def test_bars_load_numpy_only(fresh_python: FreshPython) -> None:
    loaded = set(fresh_python(f"import stockstream.bars; {REPORT_LOADED}").split())
    assert not loaded & (HEAVY - MAY_LOAD_WITH_BARS)


def test_every_public_name_resolves_and_is_listed(fresh_python: FreshPython) -> None:
    code = """
import stockstream
print(len(stockstream.__all__), set(stockstream.__all__) <= set(dir(stockstream)))
[getattr(stockstream, name) for name in stockstream.__all__]
"""
    count, listed = fresh_python(code).split()
    assert 0 < int(count) <= PUBLIC_NAMES
    assert listed == "True"


def test_an_unknown_name_is_an_attribute_error(fresh_python: FreshPython) -> None:
    code = (
        "import stockstream\ntry: stockstream.bactest\nexcept AttributeError as error: print('bactest' in str(error))"
    )
    assert fresh_python(code) == "True"


def test_ingest_and_lake_never_load_numba(fresh_python: FreshPython) -> None:
    names = modules_of("stockstream/lake", "stockstream/ingest")
    assert names
    loaded = fresh_python(f"import {', '.join(names)}; {REPORT_LOADED}").split()
    assert "stockstream" in loaded
    assert not {"numba", "stockstream_kernels"} & set(loaded)


@pytest.mark.parametrize("path", sorted(KERNELS.rglob("*.py")), ids=lambda path: path.stem)
def test_kernels_import_numpy_and_numba_only(path: Path) -> None:
    allowed = {"numpy", "stockstream_kernels", *sys.stdlib_module_names}
    if path.name == "_numba.py":
        allowed.add("numba")
    if path.name in {"_words.py", "_candles.py"}:
        allowed.add("llvmlite")
    assert set(imported_packages(ast.parse(path.read_text()))) <= allowed


def test_importing_the_kernels_package_imports_nothing(fresh_python: FreshPython) -> None:
    loaded = fresh_python(f"import stockstream_kernels; {REPORT_LOADED}").split()
    assert not {"numba", "numpy"} & set(loaded)


def test_layers_hold() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run(
        [linter, "--no-logo", "--no-cache"], cwd=REPOSITORY, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lists_of_companies_are_kept_without_frames_and_databases(fresh_python: FreshPython) -> None:
    """The function that does it in the cloud has none of them."""
    code = f"""
import datetime, sys, tempfile
from stockstream.ingest.sources import SymbolList, SymbolRow
from stockstream.ingest.symbol_update import update_symbols
from stockstream.lake.location import locate

class One:
    def fetch(self):
        return SymbolList(rows=(SymbolRow(symbol="BHP"),), raw=b"")

update_symbols(locate(tempfile.mkdtemp()), {{"one": One()}}, datetime.date(2024, 1, 2))
{REPORT_LOADED}
"""
    loaded = set(fresh_python(code).split())
    assert "stockstream" in loaded
    assert not loaded & {"duckdb", "numba", "pandas", "polars", "pyarrow", "yfinance"}


@pytest.mark.parametrize("package", ["stockstream", "stockstream.lake", "stockstream.indicators"])
def test_public_names_are_not_hidden_by_modules(package: str, fresh_python: FreshPython) -> None:
    """A module that is called like a public name takes its place as soon as it is imported."""
    find = f"import {package} as p, types; print([n for n in p.__all__ if isinstance(getattr(p, n), types.ModuleType)])"
    assert fresh_python(find).strip() == "[]"
