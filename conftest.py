"""Settings that every test and doctest of the repository runs under.

This file must be loaded before Numba is imported, so it imports nothing that imports Numba.
"""

import hashlib
import os
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent
#: Credentials are looked for in files and at an address of the network, too.
NO_AWS_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip
USER_SETTINGS = re.compile(
    r"S3_BUCKET_NAME|ENVIRONMENT|LOG_LEVEL|STOCKSTREAM_(?!TEST_DATA$).*"
    r"|AWS_(PROFILE|(DEFAULT_)?REGION|ENDPOINT_URL(_S3)?|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
)


def kernel_cache_key() -> str:
    """Name the compiled state of the kernels: their sources and the flags that change their code.

    Numba's cache looks only at the file that holds a function: it misses an edit of a kernel that the function calls
    in another file, and it ignores a change of NUMBA_BOUNDSCHECK. A folder per key cannot be stale.
    """
    digest = hashlib.sha256()
    for source in sorted((REPOSITORY / "kernels").rglob("*.py")):
        digest.update(str(source.relative_to(REPOSITORY)).encode())
        digest.update(source.read_bytes())
    digest.update(os.environ.get("NUMBA_BOUNDSCHECK", "").encode())
    return digest.hexdigest()[:16]


os.environ.setdefault("NUMBA_CACHE_DIR", str(REPOSITORY / ".cache" / "numba" / kernel_cache_key()))


@pytest.fixture(autouse=True)
def _away_from_the_users_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Run in an empty folder without the user's bucket or credentials: no `.env`, `config/` or `data/lake` is found."""
    for name in filter(USER_SETTINGS.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in NO_AWS_ACCOUNT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.chdir(tmp_path)
