"""How a bucket is reached: options, credentials and region, for boto3, DuckDB and Polars alike."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from stockstream.errors import LakeError
from stockstream.lake.bucket_errors import explained, missing_package
from stockstream.lake.cache import DEFAULT_BYTES, DEFAULT_FILE_BYTES, FileCache, default_folder

if TYPE_CHECKING:
    import duckdb

_AMAZON: Final = "amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class BucketOptions:
    """How to reach a bucket. What is left out comes from where the AWS tools look: environment, profile, role.

    Attributes
    ----------
    endpoint_url
        Address of a server that speaks S3's protocol; None is ``AWS_ENDPOINT_URL_S3`` or
        ``AWS_ENDPOINT_URL``, else AWS.
    region
        Region of the bucket; None is ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, the profile's, else the bucket is
        asked.
    profile
        Name of a profile in the AWS configuration.
    access_key_id, secret_access_key, session_token
        Credentials; the first two are given together.
    cache
        Folder for copies of the bucket's files; None is one in the user's cache folder.
    cache_bytes
        What all copies together never exceed; 0 makes none.
    cache_file_bytes
        Files up to this size are copied whole, in one request; of larger ones only the parts in question are read.

    Raises
    ------
    LakeError
        One of the two keys is given without the other, or a number of bytes is negative.

    Examples
    --------
    >>> BucketOptions(endpoint_url="http://127.0.0.1:9000", access_key_id="me", secret_access_key="mine")
    BucketOptions(endpoint_url='http://127.0.0.1:9000', region=None, profile=None, access_key_id='me')
    """

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    cache: str | os.PathLike[str] | None = field(default=None, repr=False)
    cache_bytes: int = field(default=DEFAULT_BYTES, repr=False)
    cache_file_bytes: int = field(default=DEFAULT_FILE_BYTES, repr=False)

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            message = "expected access_key_id and secret_access_key together; found one of them"
            raise LakeError(message)
        if self.cache_bytes < 0 or self.cache_file_bytes < 0:
            message = f"expected numbers of bytes; found {self.cache_bytes} and {self.cache_file_bytes}"
            raise LakeError(message)

    def file_cache(self) -> FileCache | None:
        """Return the copies to read from, None when there are to be none."""
        folder = default_folder() if self.cache is None else Path(self.cache).expanduser()
        if folder is None or not self.cache_bytes:
            return None
        return FileCache(folder, self.cache_bytes, self.cache_file_bytes)


class Access:
    """The way to one bucket: a session of boto3, made at the first request, and what other readers are told of it.

    Parameters
    ----------
    bucket
        The bucket's name.
    options
        How to reach it.
    """

    def __init__(self, bucket: str, options: BucketOptions) -> None:
        self.bucket = bucket
        self.options = options
        self._making = threading.RLock()

    def storage_options(self) -> dict[str, str]:
        """Return what Polars must be told to read this bucket: endpoint, region and the credentials of now."""
        keys = self._credentials()
        found = {
            "aws_region": self.region,
            "aws_access_key_id": keys.access_key,
            "aws_secret_access_key": keys.secret_key,
            "aws_session_token": keys.token,
        }
        if not self._is_amazon:
            found |= {"aws_endpoint_url": self.endpoint, "aws_virtual_hosted_style_request": "false"}
            if urlsplit(self.endpoint).scheme == "http":
                found["aws_allow_http"] = "true"
        return {name: value for name, value in found.items() if value}

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load DuckDB's S3 extension from its package, and hand the connection the credentials of now, as values."""
        connection.load_extension(_extension())
        connection.execute("SET allow_persistent_secrets = false")  # those of the user's DuckDB are none of ours
        keys, endpoint = self._credentials(), urlsplit(self.endpoint)
        values = {
            "KEY_ID": keys.access_key,
            "SECRET": keys.secret_key,
            "SESSION_TOKEN": keys.token,
            "REGION": self.region,
            "SCOPE": f"s3://{self.bucket}/",
        }
        if not self._is_amazon:
            values |= {"ENDPOINT": endpoint.netloc + endpoint.path.rstrip("/"), "URL_STYLE": "path"}
        elif "." in self.bucket:  # no certificate covers dots before the host's name
            values["URL_STYLE"] = "path"
        values = {name: value for name, value in values.items() if value}
        terms = ", ".join(f"{name} ${name.lower()}" for name in values)
        secure = "true" if endpoint.scheme == "https" else "false"
        connection.execute(
            f"CREATE TEMPORARY SECRET lake (TYPE s3, {terms}, USE_SSL {secure})",
            {name.lower(): value for name, value in values.items()},
        )

    @property
    def client(self) -> Any:
        """The client of boto3 for this bucket, one for all threads."""
        with self._making:  # sessions are not made for threads, clients are
            return self._client

    @cached_property
    def _client(self) -> Any:
        session = self._session
        from botocore.config import Config

        config = Config(
            connect_timeout=5,
            retries=None if os.environ.get("AWS_MAX_ATTEMPTS") else {"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path"} if self.options.endpoint_url or _endpoint_of_environment() else None,
            max_pool_connections=32,
        )
        with explained(f"reach s3://{self.bucket}"):
            return session.client(
                "s3", endpoint_url=self.options.endpoint_url, region_name=self._region_given, config=config
            )

    @cached_property
    def region(self) -> str:
        """The bucket's region: as configured, else as the bucket itself says."""
        configured = self._region_given or self._session.region_name
        if configured or not self._is_amazon:
            return str(configured or "us-east-1")
        with explained(f"find the region of s3://{self.bucket}"):
            return str(self.client.head_bucket(Bucket=self.bucket).get("BucketRegion", "us-east-1"))

    @cached_property
    def _session(self) -> Any:
        try:
            import boto3
        except ImportError as error:
            wanted = f"s3://{self.bucket}"
            raise missing_package(wanted, error) from error
        options = self.options
        with explained(f"reach s3://{self.bucket}"):
            return boto3.Session(
                aws_access_key_id=options.access_key_id,
                aws_secret_access_key=options.secret_access_key,
                aws_session_token=options.session_token,
                profile_name=options.profile,
            )

    @property
    def _region_given(self) -> str | None:
        environment = os.environ
        return self.options.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None

    @property
    def endpoint(self) -> str:
        """The address of the server."""
        return str(self.client.meta.endpoint_url)

    @property
    def _is_amazon(self) -> bool:
        return (urlsplit(self.endpoint).hostname or "").endswith((_AMAZON, f"{_AMAZON}.cn"))

    def _credentials(self) -> Any:
        with self._making, explained(f"read s3://{self.bucket}"):
            found = self._session.get_credentials()
            if found is None:
                from botocore.exceptions import NoCredentialsError

                raise NoCredentialsError
            return found.get_frozen_credentials()


def configured_options() -> BucketOptions:
    """Return how the settings say to reach a bucket.

    Credentials and profile are handed over only when the file ``.env`` alone has them: those of the environment are
    read by boto3, which weighs them with its own rules.
    """
    from stockstream.settings import load

    settings = load()
    key, secret, token = settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SECRET_ACCESS_KEY"):
        key = secret = token = None
    return BucketOptions(
        endpoint_url=settings.aws_endpoint_url,
        region=settings.aws_region,
        profile=None if os.environ.get("AWS_PROFILE") else settings.aws_profile,
        access_key_id=None if key is None else key.get_secret_value(),
        secret_access_key=None if secret is None else secret.get_secret_value(),
        session_token=None if token is None else token.get_secret_value(),
        cache=settings.cache_folder,
        cache_bytes=settings.cache_megabytes << 20,
    )


def _endpoint_of_environment() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _extension() -> str:
    import duckdb

    try:
        import duckdb_extension_httpfs as package
    except ImportError as error:
        wanted = "reading a bucket with DuckDB"
        raise missing_package(wanted, error) from error
    version = duckdb.__version__
    for folder in package.__path__:
        path = Path(folder) / "extensions" / f"v{version}" / "httpfs.duckdb_extension"
        if path.is_file():
            return str(path)
    message = (
        f"DuckDB {version} needs its S3 extension of the same version, and duckdb-extension-httpfs holds another. "
        f"Install both alike: pip install 'duckdb=={version}' 'duckdb-extension-httpfs=={version}'."
    )
    raise LakeError(message)
