"""The batches of a session: fixed once, and believed only if they are batches."""

import json
from datetime import date
from pathlib import Path

import pytest

from stockstream.errors import LakeError
from stockstream.ingest.batches import batches_name, fix_batches, read_batches
from stockstream.lake.location import locate

SESSION = date(2026, 7, 1)


def item(number=1, **other):
    return {"number": number, "session": "2026-07-01", "into_empty": True, "symbols": ["AAA"], **other}


def test_the_first_run_fixes_them(tmp_path: Path) -> None:
    place = locate(tmp_path)
    first = fix_batches(place, SESSION, ["CCC", "AAA", "BBB", "AAA"], 2)
    assert first.symbols == (("AAA", "BBB"), ("CCC",))
    assert fix_batches(place, SESSION, ["AAA", "CCC"], 100) == first
    again = fix_batches(place, SESSION, ["ZZZ", "AAA"], 2)
    assert again.symbols == (*first.symbols, ("ZZZ",))
    assert read_batches(place, SESSION) == again


def test_the_file_is_a_list_of_batches_as_a_distributed_map_reads_it(tmp_path: Path) -> None:
    fix_batches(locate(tmp_path), SESSION, [f"S{number:05d}" for number in range(250)], 100)
    items = json.loads((tmp_path / batches_name(SESSION)).read_text())
    assert [(one["number"], len(one["symbols"])) for one in items] == [(1, 100), (2, 100), (3, 50)]


@pytest.mark.parametrize(
    "content",
    [
        {"batches": [["AAA"]]},
        [item(2)],
        [item(), item(1)],
        [item(session="2026-07-02")],
        [item(symbols=[f"S{number}" for number in range(101)])],
        [item(symbols=[])],
        [item(symbols="AAA")],
        [item(symbols=["AAA", 7])],
        [item(symbols=["AAA", " "])],
        [item(into_empty="yes")],
        [["AAA"]],
        "AAA",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / batches_name(SESSION)
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    with pytest.raises(LakeError, match="expected the batches of 2026-07-01"):
        read_batches(locate(tmp_path), SESSION)


def test_missing_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"2026-07-01-batches\.json"):
        read_batches(locate(tmp_path), SESSION)
