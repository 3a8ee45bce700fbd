"""What tests share: where real market data lies, a server of objects, and how hypothesis searches."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from stockstream import plugins
from stockstream.lake import cache

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

REPOSITORY = Path(__file__).resolve().parent.parent

# A first example may compile kernels for seconds, so no example has a deadline.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Give the root folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Give the folder of real market data: $STOCKSTREAM_TEST_DATA, else `../shared/data` beside the checkout."""
    named = os.environ.get("STOCKSTREAM_TEST_DATA")
    if named:
        folder = Path(named)
        if not folder.is_dir():
            pytest.fail(f"STOCKSTREAM_TEST_DATA names {named}, which is not a folder")
        return folder
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real market data: set STOCKSTREAM_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is kept of lakes out of the user's own cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "default_folder", lambda: folder)
        yield


@pytest.fixture
def fresh_plugins() -> Iterator[None]:
    """Look for installed packages anew, in the test and after it."""
    plugins.forget()
    yield
    plugins.forget()


@pytest.fixture(scope="session")
def store() -> Iterator["ObjectStore"]:
    """Give a real S3 server on loopback, started by the first test that asks for it."""
    from tests.object_store import object_store

    with object_store() as running:
        yield running
