"""The daily list of companies in a bucket: the same files, from the same code."""

import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from stockstream.errors import LakeError
from stockstream.ingest.company_lists import details_name, latest, list_name
from stockstream.ingest.sources import SymbolList, SymbolRow
from stockstream.ingest.symbol_update import update_symbols
from stockstream.lake.location import locate

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

NOW = datetime(2024, 1, 3, tzinfo=UTC)


class Fixed:
    """A symbol source with some codes."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes

    def fetch(self) -> SymbolList:
        return SymbolList(rows=tuple(SymbolRow(symbol=code, name=code.lower()) for code in self.codes), raw=b"")


def test_lists_go_to_a_bucket_as_they_go_to_a_folder(store: "ObjectStore", tmp_path) -> None:
    bucket = locate(f"s3://{store.new_bucket()}/asx", store.options())
    folder = locate(tmp_path / "lake")
    for place in (bucket, folder):
        update_symbols(place, {"fixed": Fixed("BHP", "360")}, date(2024, 1, 2), now=NOW)
        again = update_symbols(place, {"fixed": Fixed("OTHER")}, date(2024, 1, 2), now=NOW)
        assert not again.fresh
        after = update_symbols(place, {"fixed": Fixed("BHP", "NAN", "360")}, date(2024, 1, 3), now=NOW)
        assert after.changes.additions == ("NAN",)
    names = [list_name(date(2024, 1, 3)), details_name(date(2024, 1, 2)), "symbols/listings.csv"]
    for name in names:
        assert bucket.read_bytes(name) == folder.read_bytes(name)
        assert bucket.read_bytes(name) is not None


def test_a_lake_that_may_not_be_written_is_refused_and_holds_nothing(store: "ObjectStore") -> None:
    name = store.new_bucket()
    with pytest.raises(LakeError):
        update_symbols(locate(f"s3://{name}", store.reader()), {"fixed": Fixed("BHP")}, date(2024, 1, 2), now=NOW)
    assert latest(locate(f"s3://{name}", store.options())) is None


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(6))
def test_an_update_that_is_killed_at_any_write_is_completed_by_the_next(step: int, tmp_path, monkeypatch) -> None:
    """Kill it at each write in turn: what stands then is the list of an update that ran through."""
    through = locate(tmp_path / "through")
    broken = locate(tmp_path / "broken")
    for place in (through, broken):
        update_symbols(place, {"fixed": Fixed("BHP", "360")}, date(2024, 1, 2), now=NOW)
    writes = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal writes
            writes += 1
            if writes == step + 1:
                raise Killed
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for method in ("place", "replace"):
            patch.setattr(type(broken), method, counted(getattr(type(broken), method)))
        with contextlib.suppress(Killed):
            update_symbols(broken, {"fixed": Fixed("BHP", "NAN")}, date(2024, 1, 3), now=NOW)
    for place in (through, broken):
        done = update_symbols(place, {"fixed": Fixed("BHP", "NAN")}, date(2024, 1, 3), now=NOW)
        assert done.companies.symbols == {"BHP", "NAN"}
        assert done.missing == ("360",)
    for file in through.files("symbols"):
        assert broken.read_bytes(file.name) == through.read_bytes(file.name), file.name
