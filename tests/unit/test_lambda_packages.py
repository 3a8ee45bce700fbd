"""What can be said of the deployment without building or deploying anything."""

import re
import zipfile
from pathlib import Path

import pytest

from lambdas import package
from stockstream.ingest.machine import definition
from stockstream.lake.athena import COMPACTED_TYPES, TABLES, projection

REPOSITORY = Path(__file__).resolve().parents[2]
ATHENA_TYPES = {"string": "VARCHAR", "date": "DATE", "double": "DOUBLE", "bigint": "BIGINT", "boolean": "BOOLEAN"}


def test_a_package_over_the_limit_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "LIMIT", 1000)
    path = tmp_path / "compactor.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1001)
    assert package.unzipped_size(path) == 1001
    with pytest.raises(SystemExit, match=r"compactor\.zip weighs 0\.0 MiB unzipped"):
        package.check_size(path, package.unzipped_size(path))
    assert not path.exists()


def test_a_zip_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    zips = []
    for name in ("one", "two"):
        tree = tmp_path / name
        for file in ("b.py", "a/c.py") if name == "one" else ("a/c.py", "b.py"):
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).write_text(file)
        (tree / "b.py").chmod(0o600 if name == "one" else 0o755)
        zips.append(package.zip_tree(tree, tmp_path / f"{name}.zip").read_bytes())
    assert zips[0] == zips[1]


def test_pruning_keeps_code_and_metadata(tmp_path: Path) -> None:
    library = ("lib/core.py", "lib/core.pyi", "lib/tests/test_core.py")
    metadata = ("METADATA", "entry_points.txt", "direct_url.json")
    for file in (*library, *(f"lib-1.dist-info/{name}" for name in metadata), "bin/tool", "RECORD"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    package.prune(tmp_path)
    kept = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert kept == ["RECORD", "lib-1.dist-info/METADATA", "lib-1.dist-info/entry_points.txt", "lib/core.py"]


@pytest.mark.parametrize("name", package.FUNCTIONS)
def test_every_direct_requirement_is_pinned(name: str) -> None:
    folder = REPOSITORY / "lambdas" / name
    lines = [line for line in (folder / "requirements.in").read_text().splitlines() if not line.startswith("#")]
    pinned = [line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9._-]+==[0-9][^ ]*", line) for line in pinned)
    names = {line.partition("==")[0].replace("_", "-") for line in pinned}
    assert {re.split(r"[=<>]", line)[0] for line in lines} <= names


def test_the_glue_tables_have_the_columns_of_the_lake() -> None:
    text = (REPOSITORY / "terraform" / "athena.tf").read_text()
    prices = re.findall(r'\["(\w+)", "(\w+)"\]', text[text.index("prices = [") : text.index("tables = {")])
    for table, (folder, types) in TABLES.items():
        start = text.index(f"{table} = {{")
        block = text[start : text.index("}", start)]
        columns = re.findall(r'\["(\w+)", "(\w+)"\]', block)
        whole = [*(prices if "local.prices" in block else []), *columns]
        assert re.search(r'folder += "([^"]+)"', block)[1] == folder
        assert [(name, ATHENA_TYPES[kind]) for name, kind in whole] == list(types.items())


def test_the_glue_table_of_compactions_is_the_one_that_the_library_writes() -> None:
    text = (REPOSITORY / "terraform" / "athena.tf").read_text()
    pairs = r'\["(\w+)", "(\w+)"\]'
    prices = re.findall(pairs, text[text.index("prices = [") : text.index("tables = {")])
    start = text.index("compacted_types = ")
    columns = re.findall(pairs, text[start : text.index("])", start)])
    assert [(name, ATHENA_TYPES[kind]) for name, kind in [*prices, *columns]] == list(COMPACTED_TYPES.items())
    block = text[text.index('"compacted" {') :]
    written = dict(re.findall(r'^ +"([\w.]+)" += "([^"]+)"', block, re.MULTILINE))
    assert {name: value.replace("$$", "$") for name, value in written.items()} == projection("${local.lake}")


def test_terraform_fills_every_placeholder_of_the_state_machine() -> None:
    placeholders = set(re.findall(r"\$\{(\w+)\}", str(definition())))
    text = (REPOSITORY / "terraform" / "step_functions.tf").read_text()
    assert placeholders == set(re.findall(r"^\s+(\w+_arn)\s+=", text, re.MULTILINE)) - {"role_arn"}


def test_every_trouble_in_the_manual_is_brought_about_by_a_test() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    chapter = text[text.index("## Troubleshooting") : text.index("## Backfill")]
    cases = re.split(r"\n(?=\*\*)", chapter)[1:]
    assert {re.match(r"\*\*([\w ]+)", case)[1] for case in cases} == {
        "Lambda timeout",
        "AccessDenied from S3",
        "MemoryError",
        "Yahoo answers 429",
        "Athena reads an earlier compaction",
    }
    for case in cases:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", case)
        assert named, case
        for file, test in named:
            assert f"def {test}(" in (REPOSITORY / file).read_text()
