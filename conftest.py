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


#: The variables that name the AWS account of --aws, taken before tests are kept away from it.
ACCOUNT = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `pytest tests/integration --aws` takes."""
    group = parser.getgroup("stockstream")
    group.addoption("--aws", action="store_true", help="Deploy to the AWS account of your credentials, and only that.")
    group.addoption(
        "--aws-settings", default="{}", metavar="JSON", help="Further settings of the functions deployed by --aws."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the account before a test runs, so that nothing is built without one."""
    if config.getoption("--aws"):
        config.stash[ACCOUNT] = aws_account()


def aws_account() -> dict[str, str]:
    """Return the variables of the AWS account that boto3 finds, or end the run."""
    try:
        import boto3
    except ImportError as error:
        message = "--aws needs boto3: make install, or pip install -e '.[dev]'"
        raise pytest.UsageError(message) from error
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        message = (
            "--aws deploys to an AWS account, and found no credentials. Sign in (aws configure, aws sso login), or set "
            "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
        raise pytest.UsageError(message)
    region = session.region_name or "ap-southeast-2"
    found = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL"),
    }
    return {name: value for name, value in found.items() if value}


@pytest.fixture(scope="session")
def account_variables(pytestconfig: pytest.Config) -> dict[str, str]:
    """Give the variables that name the account of --aws."""
    return pytestconfig.stash[ACCOUNT]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what deploys to an account, or with --aws everything else: neither counts as skipped."""
    wanted = bool(config.getoption("--aws"))
    others = [item for item in items if (item.get_closest_marker("aws") is not None) is not wanted]
    if others:
        items[:] = [item for item in items if item not in set(others)]
        config.hook.pytest_deselected(items=others)


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
