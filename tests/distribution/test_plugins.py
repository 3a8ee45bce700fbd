"""Packages that others make: real wheels, built and installed, one that works and one that does not."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stockstream import plugins
from stockstream.indicators import catalogue

SHOP = {
    "shop/__init__.py": "",
    "shop/indicators.py": """
import stockstream as ss

@ss.indicator
def twice(close, factor: float = 2.0):
    "Twice: the price, times a factor."
    return factor * close

@ss.indicator
def half(close):
    "Half: half the price."
    return close / 2
""",
    "shop/strategies.py": """
from stockstream.backtesting.strategies import RSIMeanReversion

class Dip(RSIMeanReversion):
    "Buy dips."
""",
    "shop/sources.py": "class Prices:\n    def fetch(self, symbols, start, end=None):\n        return []\n",
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1.2"

[project.entry-points."stockstream.indicators"]
shelf = "shop.indicators"

[project.entry-points."stockstream.strategies"]
Dip = "shop.strategies:Dip"

[project.entry-points."stockstream.price_sources"]
shop = "shop.sources:Prices"
""",
}

WRECK = {
    "wreck/__init__.py": "raise RuntimeError('not on this machine')\n",
    "wreck_number.py": "ANSWER = 42\n",
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "wreck"
version = "0.1"

[project.entry-points."stockstream.indicators"]
sunk = "wreck:Sunk"

[project.entry-points."stockstream.strategies"]
library = "wreck:Sunk"
Dip = "wreck:Sunk"
Rust = "wreck:Rust"

[project.entry-points."stockstream.price_sources"]
answer = "wreck_number:ANSWER"
lost = "wreck.nowhere:Prices"

[tool.hatch.build.targets.wheel]
include = ["wreck", "wreck_number.py"]
""",
}


def install(files: dict[str, str], source: Path, target: Path) -> None:
    """Build a wheel of some files and install it into a folder."""
    for name, text in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    wheels = source / "dist"
    for command in (
        ["build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(source)],
        ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"],
    ):
        if command[0] == "pip":
            command += ["--target", str(target), *map(str, wheels.glob("*.whl"))]
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install both packages into one folder."""
    target = tmp_path_factory.mktemp("site")
    install(SHOP, tmp_path_factory.mktemp("shop"), target)
    install(WRECK, tmp_path_factory.mktemp("wreck"), target)
    return target


def run(site: Path, repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(repository), str(repository / "kernels"), str(site), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "80"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_command_lists_what_works_and_names_what_does_not(site: Path, repository: Path) -> None:
    done = run(site, repository, "-m", "stockstream", "plugins", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = {(row["distribution"], row["group"], row["name"]): row for row in json.loads(done.stdout)}
    shop = {key: row["state"] for key, row in rows.items() if key[0] == "shop"}
    assert set(shop.values()) == {"ok"}
    assert {key[1] for key in shop} == {"indicators", "strategies", "price_sources"}
    assert rows["shop", "indicators", "shelf"]["version"] == "1.2"
    assert rows["shop", "indicators", "shelf"]["object"] == "shop.indicators"
    wreck = {(key[1], key[2]): (row["state"], row["problem"]) for key, row in rows.items() if key[0] == "wreck"}
    assert {key: state for key, (state, _) in wreck.items()} == {
        ("indicators", "sunk"): "broken",
        ("strategies", "library"): "shadowed",
        ("strategies", "Dip"): "shadowed",
        ("strategies", "Rust"): "broken",
        ("price_sources", "answer"): "broken",
        ("price_sources", "lost"): "broken",
    }
    assert "RuntimeError: not on this machine" in wreck["indicators", "sunk"][1]
    assert wreck["strategies", "library"][1] == "stockstream has that name already"
    assert "found 42" in wreck["price_sources", "answer"][1]
    own = [row for key, row in rows.items() if key[0] == "stockstream"]
    assert {row["state"] for row in own} == {"ok"}
    table = run(site, repository, "-m", "stockstream", "plugins", "--group", "strategies").stdout
    assert max(map(len, table.splitlines()[:6])) <= 80
    assert "shadowed: shop has that name already" in table


def test_what_works_is_used_and_what_does_not_is_a_warning(site: Path, repository: Path) -> None:
    listed = run(site, repository, "-m", "stockstream", "indicators", "--group", "custom")
    assert listed.returncode == 0
    assert "twice" in listed.stdout
    assert "half" in listed.stdout
    (line,) = listed.stderr.splitlines()
    assert line.startswith("warning: the indicator 'sunk' of wreck (wreck:Sunk) is left out: RuntimeError")
    code = """
import numpy as np
from stockstream import plugins
from stockstream.cli.strategies import find_strategy
from stockstream.errors import PluginError
from stockstream.indicators.catalogue import find
print(find("half")()(np.array([3.0])))
print(find_strategy("Dip").__module__)
try:
    find_strategy("Rust")
except PluginError as error:
    print(error)
"""
    done = run(site, repository, "-W", "ignore", "-c", code)
    assert done.stdout.splitlines() == [
        "[1.5]",
        "shop.strategies",
        "the strategy 'Rust' of wreck (wreck:Rust) cannot be used: RuntimeError: not on this machine",
    ], done.stderr


def test_what_is_built_in_is_registered_like_any_package(repository: Path) -> None:
    """Read the project's own entry points: nothing built in is known in another way."""
    registered = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["entry-points"]
    assert set(registered) <= set(plugins.GROUPS)
    families = {name: f"stockstream.indicators.{name}" for name in catalogue.FAMILIES}
    assert registered[plugins.INDICATORS] == families
    for group, entries in registered.items():
        installed = {p.name: p.value for p in plugins.discover(group) if p.distribution == plugins.OWN}
        assert installed == entries, "pyproject.toml was edited after the installation: `make install`"
