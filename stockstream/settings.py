"""Settings: from the environment, else from the file ``.env`` in the folder one is in, else their defaults.

This is the only place that decides them. Importing it loads pydantic, so it is imported where a setting is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping  # noqa: TC003 pydantic reads the annotations
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stockstream.errors import SettingsError, did_you_mean

PREFIX: Final = "STOCKSTREAM_"
ENV_FILE: Final = ".env"

#: Names with the prefix that are no settings: the tests read them.
RESERVED: Final = frozenset({"STOCKSTREAM_TEST_DATA"})

_MASK: Final = "********"


class Settings(BaseSettings):
    """Everything that can be set, with units. Make one with `load`, which explains what is wrong.

    Examples
    --------
    >>> Settings(_env_file=None, seconds_between_symbols=0.5).seconds_between_symbols
    0.5
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    s3_bucket_name: str | None = Field(
        None, validation_alias="S3_BUCKET_NAME", description="Bucket that holds the lake, without s3://."
    )
    lake: str | None = Field(
        None, description="Folder or s3://bucket/prefix of the lake; goes before the bucket. Without both: data/lake."
    )
    environment: str = Field(
        "dev", validation_alias="ENVIRONMENT", description="What this deployment is called, in logs and tags."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", validation_alias="LOG_LEVEL", description="Least severe message that the pipeline logs."
    )
    aws_region: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the bucket; unset: as the AWS profile says.",
    )
    aws_endpoint_url: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        description="Address of another server that speaks S3's protocol.",
    )
    aws_profile: str | None = Field(
        None, validation_alias="AWS_PROFILE", description="Profile in the AWS configuration to take credentials from."
    )
    aws_access_key_id: SecretStr | None = Field(
        None, validation_alias="AWS_ACCESS_KEY_ID", description="Credentials; unset: where the AWS tools look."
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="Credentials, with the key above."
    )
    aws_session_token: SecretStr | None = Field(
        None, validation_alias="AWS_SESSION_TOKEN", description="Credentials, when they are temporary."
    )
    price_source: str = Field("yahoo", description="Price source of markets whose configuration names none.")
    symbol_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        ("asx_directory", "asx_official"),
        description="Symbol sources of ASX configurations that name none, in order: the first good list is taken.",
    )
    workers: int = Field(10, ge=1, le=10, description="Batches fetched at once.")
    batch_size: int = Field(100, ge=1, le=100, description="Symbols in a batch.")
    seconds_between_symbols: float = Field(
        2.0, ge=0, le=600, description="Wait between two symbols of a batch, seconds."
    )
    overlap_days: int = Field(45, ge=30, le=60, description="Days before the session that each run asks for again.")
    coverage_threshold: float = Field(
        0.95, ge=0, le=1, description="Least share of the symbols with a bar for a run to be complete, 0 to 1."
    )
    timeout_seconds: float = Field(30.0, gt=0, le=600, description="Longest wait for one answer of a source, seconds.")
    attempts: int = Field(4, ge=1, le=20, description="Tries for one answer of a source, the first one included.")
    ca_bundle: Path | None = Field(
        None, description="File of the certificates that sources are trusted by; unset: the system's."
    )
    proxy: str | None = Field(
        None, description="Proxy for requests to sources, such as http://user:password@host:8080."
    )
    cache_folder: Path | None = Field(
        None,
        description="Folder for what is kept of lakes (copies of a bucket's files, digests of many batches); "
        "unset: in the user's cache folder.",
    )
    cache_megabytes: int = Field(
        2048, ge=0, description="Most that the cache folder may hold, megabytes; 0: nothing is kept."
    )

    athena_table: str | None = Field(
        None,
        description="Table of the Glue catalogue, database.table, that shows the lake's last compaction to Athena; the "
        "compactor in the cloud sets it.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("symbol_sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("s3_bucket_name", "lake", mode="after")
    @classmethod
    def _stripped(cls, value: str | None) -> str | None:
        return (value.strip() or None) if value is not None else None

    def place(self) -> str | None:
        """Return where the lake is: a folder, a bucket's name, or ``s3://bucket/prefix``; None when nothing says."""
        if self.lake is None or "/" in self.lake or os.sep in self.lake:
            return self.lake or self.s3_bucket_name
        return f"./{self.lake}"  # a name without a slash would be taken for a bucket


class Effective(NamedTuple):
    """One setting as it is in force: its value as a text without secrets, and where that came from."""

    name: str
    value: str
    origin: str
    meaning: str


def names(field: str) -> tuple[str, ...]:
    """Return the names under which a field of `Settings` is set, the first one first looked for.

    Examples
    --------
    >>> names("lake"), names("aws_region")
    (('STOCKSTREAM_LAKE',), ('AWS_REGION', 'AWS_DEFAULT_REGION'))
    """
    alias = Settings.model_fields[field].validation_alias
    if alias is None:
        return (PREFIX + field.upper(),)
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def load(env_file: str | os.PathLike[str] = ENV_FILE) -> Settings:
    """Read the settings that are in force now.

    Parameters
    ----------
    env_file
        The file of settings; it need not exist.

    Raises
    ------
    SettingsError
        A value is malformed, a name that begins with ``STOCKSTREAM_`` is unknown, or the file cannot be read.
    """
    path = Path(env_file)
    written = _written(path)
    _refuse_unknown(os.environ, "the environment")
    _refuse_unknown(written, str(path))
    try:
        return Settings(_env_file=path)  # type: ignore[call-arg]  # known to pydantic-settings, not to its types
    except ValidationError as error:
        raise SettingsError(_explained(error, written, path)) from None


def effective(env_file: str | os.PathLike[str] = ENV_FILE) -> list[Effective]:
    """Return all settings with their origin: ``default``, the file's name, or ``environment``; secrets are masked.

    Raises
    ------
    SettingsError
        As for `load`.
    """
    path = Path(env_file)
    settings, written = load(path), _written(path)
    return [
        Effective(
            names(field)[0], _shown(getattr(settings, field)), _origin(field, written, path), info.description or ""
        )
        for field, info in Settings.model_fields.items()
    ]


def _written(path: Path) -> dict[str, str | None]:
    """Return what a file sets, refusing lines that are neither settings nor comments."""
    from dotenv.parser import parse_stream

    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the settings in {path}: {error}. Write NAME=value lines in UTF-8."
        raise SettingsError(message) from error
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            message = (
                f"{path}, line {binding.original.line}: expected NAME=value; "
                f"found {binding.original.string.strip().partition('=')[0]!r}"
            )
            raise SettingsError(message)
    return {binding.key: binding.value for binding in bindings if binding.key is not None}


def _refuse_unknown(found: Mapping[str, Any], where: str) -> None:
    known = {name for field in Settings.model_fields for name in names(field)}
    for name in found:
        if name.upper().startswith(PREFIX) and name.upper() not in known | RESERVED:
            message = f"unknown setting {name} in {where}.{did_you_mean(name, known)} `stockstream config` lists all."
            raise SettingsError(message)


def _origin(field: str, written: Mapping[str, str | None], path: Path) -> str:
    for origin, found in (("environment", os.environ), (str(path), written)):
        folded = {name.casefold(): value for name, value in found.items()}
        if any(folded.get(name.casefold()) for name in names(field)):
            return origin
    return "default"


def _explained(error: ValidationError, written: Mapping[str, str | None], path: Path) -> str:
    said = []
    for problem in error.errors():
        located = str(problem["loc"][0])
        field = next(field for field in Settings.model_fields if located in {field, *names(field)})
        name, origin = names(field)[0], _origin(field, written, path)
        expected = re.sub(r"^Input should be", "expected", str(problem["msg"]))
        secret = "Secret" in str(Settings.model_fields[field].annotation)
        found = _MASK if secret else repr(_without_password(str(problem["input"])))
        allowed = (problem.get("ctx") or {}).get("expected")
        hint = did_you_mean(str(problem["input"]), re.findall(r"'(\w+)'", str(allowed))) if allowed else ""
        said.append(f"{name} (from {origin}): {expected}; found {found}.{hint}")
    return " ".join(said)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return _without_password(str(value))


def _without_password(text: str) -> str:
    """Return a text with the password of an address in it masked.

    Examples
    --------
    >>> _without_password("http://me:mine@proxy.example:8080")
    'http://me:********@proxy.example:8080'
    """
    try:
        parts = urlsplit(text)
        password = parts.password
    except ValueError:
        return _MASK if "@" in text else text
    if password is None:
        return text
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{_MASK}@{host}"))
