"""What botocore raises, told in our words. No server: the answers are written here."""

import inspect
from typing import Any

import botocore.exceptions
import botocore.parsers
import pytest
from pydantic import SecretStr, ValidationError

from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    ObjectMissing,
    OutcomeUnknown,
    TransientError,
)
from archiver.neighbours.s3 import connection
from archiver.neighbours.s3 import errors as s3_errors
from archiver.neighbours.s3 import store as s3


def test_every_exception_of_botocore_is_mapped() -> None:
    """When botocore grows an exception class, somebody decides what it means here."""
    known = s3_errors.CREDENTIALS | s3_errors.NOT_SENT | s3_errors.UNANSWERED | s3_errors.SETTINGS
    unmapped = [
        name
        for name, exception in vars(botocore.exceptions).items()
        if inspect.isclass(exception)
        and issubclass(exception, botocore.exceptions.BotoCoreError)
        and exception is not botocore.exceptions.BotoCoreError
        and not known & {ancestor.__name__ for ancestor in exception.__mro__}
    ]
    assert unmapped == []


def test_no_exception_of_botocore_is_mapped_twice() -> None:
    groups = [s3_errors.CREDENTIALS, s3_errors.NOT_SENT, s3_errors.UNANSWERED, s3_errors.SETTINGS]
    assert sum(map(len, groups)) == len(frozenset().union(*groups))


def answer(status: int, code: str, message: str = "text", **fault: str) -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": message, **fault},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
        },
        "operation",
    )


@pytest.mark.parametrize(
    ("status", "code", "on_write", "on_read"),
    [
        (500, "InternalError", OutcomeUnknown, TransientError),
        (502, "502", OutcomeUnknown, TransientError),
        (504, "504", OutcomeUnknown, TransientError),
        (503, "SlowDown", TransientError, TransientError),
        (503, "503", TransientError, TransientError),
        (429, "TooManyRequests", TransientError, TransientError),
        (400, "RequestTimeout", TransientError, TransientError),
        (400, "BadDigest", TransientError, TransientError),
        (409, "OperationAborted", TransientError, TransientError),
        (404, "NoSuchBucket", ConfigError, ConfigError),
        (404, "NoSuchKey", ObjectMissing, ObjectMissing),
        (404, "404", ObjectMissing, ObjectMissing),
        (403, "AccessDenied", AccessDenied, AccessDenied),
        (403, "403", AccessDenied, AccessDenied),
        (403, "SignatureDoesNotMatch", AccessDenied, AccessDenied),
        (403, "RequestTimeTooSkewed", AccessDenied, AccessDenied),
        (403, "InvalidObjectState", ConfigError, ConfigError),
        (401, "Unauthorized", AccessDenied, AccessDenied),
        (400, "ExpiredToken", AccessDenied, AccessDenied),
        (301, "PermanentRedirect", ConfigError, ConfigError),
        (400, "AuthorizationHeaderMalformed", ConfigError, ConfigError),
        (400, "KMS.DisabledException", ConfigError, ConfigError),
        (400, "InvalidArgument", ConfigError, ConfigError),
        (501, "NotImplemented", s3_errors.Unsupported, s3_errors.Unsupported),
        (405, "MethodNotAllowed", s3_errors.Unsupported, s3_errors.Unsupported),
        (599, "SomethingNew", OutcomeUnknown, TransientError),
    ],
)
def test_an_answer_has_one_meaning(
    status: int, code: str, on_write: type[ArchiverError], on_read: type[ArchiverError]
) -> None:
    for operation, expected in (("PutObject", on_write), ("GetObject", on_read)):
        error = s3_errors.refuse(answer(status, code), operation, "s3://bucket/key")
        assert type(error) is expected
        assert isinstance(error, ArchiverError)
        assert error.message.startswith("s3://bucket/key: ")


def test_a_missing_right_is_named() -> None:
    error = s3_errors.refuse(answer(403, "AccessDenied"), "ListObjectVersions", "s3://bucket")
    assert "s3:ListBucketVersions is missing" in str(error)


def test_the_right_region_is_named() -> None:
    error = s3_errors.refuse(
        answer(400, "AuthorizationHeaderMalformed", Region="eu-central-1"), "PutObject", "s3://bucket"
    )
    assert isinstance(error, ConfigError)
    assert "eu-central-1" in error.hint


@pytest.mark.parametrize(
    ("error", "on_write", "on_read"),
    [
        (botocore.exceptions.NoCredentialsError(), AccessDenied, AccessDenied),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="u"), TransientError, TransientError),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="u"), TransientError, TransientError),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="u"), OutcomeUnknown, TransientError),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="u"), OutcomeUnknown, TransientError),
        (botocore.exceptions.SSLError(endpoint_url="u", error="EOF"), OutcomeUnknown, TransientError),
        (
            botocore.exceptions.SSLError(endpoint_url="u", error="CERTIFICATE_VERIFY_FAILED"),
            ConfigError,
            ConfigError,
        ),
        (botocore.exceptions.ParamValidationError(report="r"), ConfigError, ConfigError),
        (botocore.parsers.ResponseParserError("not XML"), OutcomeUnknown, TransientError),
        (RuntimeError("nobody knows"), OutcomeUnknown, TransientError),
    ],
)
def test_a_failure_without_an_answer_says_whether_it_was_sent(
    error: Exception, on_write: type[ArchiverError], on_read: type[ArchiverError]
) -> None:
    assert type(s3_errors.refuse(error, "PutObject", "s3://bucket/key")) is on_write
    assert type(s3_errors.refuse(error, "GetObject", "s3://bucket/key")) is on_read


def test_secrets_do_not_show() -> None:
    options = connection.S3Options(
        bucket="b", access_key_id="AKIA", secret_access_key=SecretStr("hush-1"), session_token=SecretStr("hush-2")
    )
    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    "settings",
    [
        {"bucket": ""},
        {"bucket": "b", "prefix": "a/../b"},
        {"bucket": "b", "part_bytes": 1024},
        {"bucket": "b", "access_key_id": "only"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ValidationError)):
        connection.S3Options(**settings)


@pytest.mark.parametrize("settings", [{"endpoint_url": "no url"}, {"region": "not a region!"}])
def test_an_endpoint_that_is_none_is_a_configuration_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        s3.S3Store(connection.S3Options(bucket="b", **settings))


def test_an_upload_that_somebody_aborted_is_begun_again() -> None:
    for operation in ("UploadPart", "CompleteMultipartUpload"):
        assert type(s3_errors.refuse(answer(404, "NoSuchUpload"), operation, "s3://bucket/key")) is TransientError
    assert (
        type(s3_errors.refuse(answer(404, "NoSuchUpload"), "AbortMultipartUpload", "s3://bucket/key")) is ObjectMissing
    )
