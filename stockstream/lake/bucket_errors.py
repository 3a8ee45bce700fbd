"""What goes wrong with a bucket, in words: what was asked for, what was answered, what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_CREDENTIALS: Final = (
    "no AWS credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a "
    "role is attached."
)

#: Error code of S3 -> what it means and what to do.
_CODES: Final = {
    "NoSuchBucket": "there is no such bucket. Check its name (S3_BUCKET_NAME), or create it.",
    "AccessDenied": "access was denied. Check the permissions of these credentials for this bucket and prefix.",
    "AccessDeniedException": "access was denied. Check the permissions of these credentials for this table.",
    "EntityNotFoundException": "there is no such table. Apply the Terraform, or run the statements of athena_sql.",
    "403": "access was denied. Check the permissions of these credentials for this bucket and prefix.",
    "InvalidAccessKeyId": "the access key is not known there. Check AWS_ACCESS_KEY_ID or AWS_PROFILE.",
    "SignatureDoesNotMatch": "the secret does not belong to the access key. Check AWS_SECRET_ACCESS_KEY.",
    "ExpiredToken": "the credentials have expired. Sign in again.",
    "InvalidToken": "the session token is not valid. Sign in again, or remove AWS_SESSION_TOKEN.",
    "PermanentRedirect": "the bucket is in another region. Set AWS_REGION to the bucket's.",
    "AuthorizationHeaderMalformed": "the bucket is in another region. Set AWS_REGION to the bucket's.",
    "301": "the bucket is in another region. Set AWS_REGION to the bucket's.",
    "RequestTimeTooSkewed": "the clock of this machine is wrong. Set it.",
    "SlowDown": "the server asks for fewer requests. Try again later.",
    "InternalError": "the server failed. Try again later.",
    "ServiceUnavailable": "the server is not available. Try again later.",
}


@contextmanager
def explained(action: str, consequence: str = "") -> Iterator[None]:
    """Turn what boto3 raises into a `LakeError` that names the action, the cause and the remedy.

    Parameters
    ----------
    action
        What was tried, with the object's address: ``read s3://bucket/name``.
    consequence
        A sentence on what state is left behind.
    """
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise missing_package(action, error) from error
    try:
        yield
    except ClientError as error:
        message = f"cannot {action}: {_answer(error)} {consequence}"
        raise LakeError(message.rstrip()) from error
    except BotoCoreError as error:
        message = f"cannot {action}: {_trouble(error)} {consequence}"
        raise LakeError(message.rstrip()) from error


def missing_package(wanted: str, error: ImportError) -> LakeError:
    """Return the error for a package that buckets need and that is not installed."""
    return LakeError(f"{wanted} needs the package {error.name}: pip install 'stockstream[aws]'")


def _answer(error: Any) -> str:
    found = error.response.get("Error", {})
    code, said = str(found.get("Code", "")), str(found.get("Message", "")).strip().rstrip(".")
    if code in _CODES:
        return _CODES[code]
    return f"the server answered {code or 'an error'}{f' ({said})' if said else ''}."


def _trouble(error: Any) -> str:
    """Say what is wrong before or instead of an answer."""
    from botocore import exceptions

    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return _NO_CREDENTIALS
    if isinstance(error, exceptions.ProfileNotFound):
        return f"{error}. Check AWS_PROFILE."
    network = (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)
    if isinstance(error, network):  # no connection, no answer in time, an answer cut short
        return f"no answer ({str(error).rstrip('.')}). Check the network, AWS_ENDPOINT_URL and AWS_REGION."
    return f"{str(error).rstrip('.')}."
