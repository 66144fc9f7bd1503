"""What botocore raises, as errors of ours: ``refuse`` is the one place where the one becomes the other."""

from collections.abc import Mapping
from typing import Any, Final

import botocore.exceptions
import botocore.parsers

from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    ObjectMissing,
    OutcomeUnknown,
    TransientError,
)

# By name, along the class's ancestors: botocore adds classes from release to release, and this must import with all.
CREDENTIALS: Final = frozenset(
    """
    CredentialRetrievalError LoginError MetadataRetrievalError NoAuthTokenError NoCredentialsError
    PartialCredentialsError RefreshWithMFAUnsupportedError SSOError TokenRetrievalError UnknownCredentialError
    UnknownTokenProviderError
    """.split()  # noqa: SIM905 (one name a line would be three screens)
)
NOT_SENT: Final = frozenset(
    {"CapacityNotAvailableError", "ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"}
)
UNANSWERED: Final = frozenset(
    """
    AwsChunkedWrapperError ChecksumError ConnectionError FlexibleChecksumError HTTPClientError IncompleteReadError
    SSLError UnseekableStreamError
    """.split()  # noqa: SIM905 (one name a line would be three screens)
)
SETTINGS: Final = frozenset(
    """
    ApiVersionNotFoundError BaseEndpointResolverError ConfigNotFound ConfigParseError DataNotFoundError
    EndpointDiscoveryException EndpointProviderError InvalidChecksumConfigError InvalidConfigError
    InvalidDNSNameError InvalidDefaultsMode InvalidEndpointConfigurationError
    InvalidEndpointDiscoveryConfigurationError InvalidExpressionError InvalidHostLabelError InvalidIMDSEndpointError
    InvalidIMDSEndpointModeError InvalidProxiesConfigError InvalidRetryConfigurationError
    InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError
    MD5UnavailableError MissingDependencyException MissingParametersError OperationNotPageableError PaginationError
    ParamValidationError ProfileNotFound ServiceNotInRegionError StubResponseError UnknownClientMethodError
    UnknownRegionError UnknownServiceStyle UnknownSignatureVersionError UnsupportedOutpostResourceError
    UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError UnsupportedS3ConfigurationError
    UnsupportedS3ControlArnError UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError
    UnsupportedSignatureVersionError ValidationError WaiterConfigError WaiterError
    """.split()  # noqa: SIM905 (one name a line would be three screens)
)

THROTTLED: Final = frozenset(
    """
    BandwidthLimitExceeded OperationAborted ProvisionedThroughputExceededException RequestLimitExceeded
    RequestThrottled RequestTimeout ServerBusy ServiceUnavailable SlowDown SlowDownRead SlowDownWrite Throttling
    ThrottlingException TooManyRequests TooManyRequestsException
    """.split()  # noqa: SIM905 (one name a line would be three screens)
)
GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
"""What DeleteObjects says of a version that is there no more."""
UNDECIDED: Final = THROTTLED | {"InternalError"}
"""What it says of one that may be there or not."""
_DAMAGED: Final = frozenset({"BadDigest", "IncompleteBody", "InvalidDigest", "XAmzContentSHA256Mismatch"})
_OTHER_REGION: Final = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
_WRONG_KEYS: Final = frozenset(
    """
    ExpiredToken InvalidAccessKeyId InvalidSecurity InvalidToken NotSignedUp SignatureDoesNotMatch
    TokenRefreshRequired Unauthorized
    """.split()  # noqa: SIM905 (one name a line would be three screens)
)
_UNSUPPORTED: Final = frozenset({"MethodNotAllowed", "NotImplemented", "UnsupportedOperation", "XNotImplemented"})

# The right that an operation needs, as a bucket policy spells it.
_RIGHTS: Final = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject and s3:DeleteObjectVersion",
    "DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
    "GetBucketAcl": "s3:GetBucketAcl",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetBucketPolicyStatus": "s3:GetBucketPolicyStatus",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObject": "s3:GetObject",
    "GetObjectLegalHold": "s3:GetObjectLegalHold",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetObjectRetention": "s3:GetObjectRetention",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
}
_WRITES: Final = frozenset(
    {"PutObject", "CompleteMultipartUpload", "DeleteObject", "DeleteObjects", "AbortMultipartUpload"}
)
"""Operations that change what a reader sees, or what is left to abort. A part or a begun upload is no object."""


class Unsupported(ConfigError):
    """The store does not know an operation or an argument. Raised only inside this file where it can be survived."""


class Taken(Exception):
    """412 or 409: something stands under the key, or is being written there."""


def refuse(error: BaseException, operation: str, thing: str) -> Exception:
    """The error of ours for whatever boto3, botocore or its HTTP library raised.

    Args:
        operation: As botocore names it: ``PutObject``.
        thing: What it was about: ``s3://bucket/key``.
    """
    undone = "it may have been done" if operation in _WRITES else "nothing was stored or read"
    unanswered: type[ArchiverError] = OutcomeUnknown if operation in _WRITES else TransientError
    if isinstance(error, botocore.exceptions.ClientError):
        return _refuse_answer(error.response, operation, thing)
    names = {ancestor.__name__ for ancestor in type(error).__mro__}
    what = f"{thing}: {operation} failed ({type(error).__name__})"
    if names & CREDENTIALS:
        return AccessDenied(
            f"{what}: no usable credentials; nothing was read or written",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    if "SSLError" in names and "CERTIFICATE" in str(error).upper():
        return ConfigError(
            f"{what}: the endpoint's certificate is not trusted; nothing was read or written",
            hint="check the endpoint's host name, or name its authority's certificates (AWS_CA_BUNDLE)",
        )
    if names & NOT_SENT:
        return TransientError(
            f"{what}: the endpoint cannot be reached; nothing was read or written",
            hint="check AWS_ENDPOINT_URL_S3, name resolution and the firewall",
        )
    if names & SETTINGS:
        return ConfigError(f"{what}: {one_line(error)}; nothing was read or written", hint="check the store's settings")
    # UNANSWERED, a reply that is no XML (a proxy's error page), and whatever a later botocore may add: the only
    # thing that is certain is that nobody told us what happened.
    return unanswered(f"{what}: no answer that can be read; {undone}")


def _refuse_answer(response: Mapping[str, Any], operation: str, thing: str) -> Exception:  # noqa: C901, PLR0911, PLR0912 (one case after another)
    """The error of ours for one that the store answered with."""
    fault = response.get("Error", {})
    code = str(fault.get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    answer = f"{status} {code}: {one_line(fault.get('Message', ''))}"
    what = f"{thing}: {operation} was answered {answer}"
    if code in {"PreconditionFailed", "ConditionalRequestConflict", "412"} or status == 412:  # noqa: PLR2004
        return Taken(what)
    if code == "NoSuchBucket":
        return ConfigError(f"{thing}: there is no such bucket; nothing was read or written", hint=BUCKET_HINT)
    if code in _DAMAGED:
        return TransientError(f"{what}; the bytes did not arrive as they were sent; nothing was stored")
    if code in THROTTLED or status in {408, 429, 503}:
        return TransientError(f"{what}; nothing was read or written")
    if code == "RequestTimeTooSkewed":
        return AccessDenied(f"{what}; nothing was read or written", hint="set this machine's clock")
    if code in _WRONG_KEYS or status == 401:  # noqa: PLR2004
        return AccessDenied(
            f"{what}; the store does not take these credentials; nothing was read or written",
            hint="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if code in _OTHER_REGION or status in {301, 307}:
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = fault.get("Region") or headers.get("x-amz-bucket-region") or "another one"
        return ConfigError(f"{what}; nothing was read or written", hint=f"the bucket's region is {region}: AWS_REGION")
    if code.startswith("KMS."):
        return ConfigError(f"{what}; nothing was read or written", hint="check the KMS key, its state and its policy")
    if code in _UNSUPPORTED or status in {405, 501}:
        return Unsupported(f"{what}; nothing was read or written", hint="this store does not know that operation")
    if code == "InvalidObjectState":
        return ConfigError(f"{what}; it was not read", hint="the object was moved to cold storage: restore it first")
    if status == 403 or code in {"AccessDenied", "AllAccessDisabled", "403"}:  # noqa: PLR2004
        right = _RIGHTS.get(operation, "s3:PutObject")
        return AccessDenied(f"{what}; {right} is missing; nothing was done", hint="grant it to these credentials")
    if code == "NoSuchUpload" and operation in {"UploadPart", "CompleteMultipartUpload"}:
        return TransientError(f"{thing}: its upload was aborted by somebody; nothing was stored")
    if status == 404:  # noqa: PLR2004
        return ObjectMissing(f"{thing}: no such object")
    if status == 409:  # noqa: PLR2004
        return TransientError(f"{what}; nothing was stored")
    if 400 <= status < 500:  # noqa: PLR2004
        return ConfigError(f"{what}; nothing was read or written")
    # 500, 502, 504, and the error inside a 200 reply, which botocore turns into a 500: a gateway may have passed
    # the write on before it gave up.
    if operation in _WRITES:
        return OutcomeUnknown(f"{what}; it may have been done")
    return TransientError(f"{what}; nothing was stored or read")


BUCKET_HINT: Final = "check the bucket's name, its region and AWS_ENDPOINT_URL_S3; archiver never makes a bucket"


def one_line(text: object) -> str:
    """At most 200 characters on one line."""
    return " ".join(str(text).split())[:200]


FAILURES: Final = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    botocore.parsers.ResponseParserError,
    # urllib3 lets some through while a body is read, and boto3 checks some settings with plain ValueErrors.
    OSError,
    ValueError,
)
