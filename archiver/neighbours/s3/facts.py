"""What a bucket says of itself. What it will not say is None, and never taken for a no."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from archiver.errors import ArchiverError, ConfigError, ObjectMissing
from archiver.neighbours.s3.connection import S3Options, connect


class Facts:
    """Questions about one bucket.

    Args:
        call: ``S3Store._call``.
    """

    def __init__(self, call: Callable[..., dict[str, Any]], options: S3Options) -> None:
        self._call = call
        self._options = options

    def versioning(self) -> bool | None:
        """Whether it keeps versions, or kept some before."""
        answer = self.asked("GetBucketVersioning")
        return None if answer is None else answer.get("Status") in {"Enabled", "Suspended"}

    def object_lock(self) -> bool | None:
        """Whether objects may be locked in it."""
        answer = self.asked("GetObjectLockConfiguration")
        if answer is None:
            return None
        return bool(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def default_encryption(self, key: str) -> str | None:
        """How the object under a key is encrypted at rest, or else new ones; empty: not at all."""
        # What really happened to an object says more than what the bucket is configured for.
        with contextlib.suppress(ArchiverError):
            if used := self._call("HeadObject", key=key).get("ServerSideEncryption"):
                return str(used)
        answer = self.asked("GetBucketEncryption")
        if answer is None:
            return None
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        named = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules]
        return next((str(name) for name in named if name), "")

    def public(self, key: str) -> bool | None:
        """Whether a request without any signature reads the object or the listing, or the bucket says that it may."""
        stranger = connect(self._options, signed=False)
        answers: list[bool | None] = []
        try:
            for operation, arguments in (("GetObject", {"key": key}), ("ListObjectsV2", {"MaxKeys": 1})):
                try:
                    answer = self._call(operation, client=stranger, **arguments)
                    if "Body" in answer:
                        answer["Body"].close()
                    answers.append(True)
                except (ConfigError, ObjectMissing):
                    answers.append(False)
                except ArchiverError:
                    answers.append(None)
        finally:
            stranger.close()
        status = self.asked("GetBucketPolicyStatus")
        if status is not None and status.get("PolicyStatus", {}).get("IsPublic"):
            return True
        grants = (self.asked("GetBucketAcl") or {}).get("Grants", [])
        if any(str(grant.get("Grantee", {}).get("URI", "")).endswith("/global/AllUsers") for grant in grants):
            return True
        return True if True in answers else None if None in answers else False

    def asked(self, operation: str) -> dict[str, Any] | None:
        """An answer about the bucket; empty: it is not configured; None: the store would not say."""
        try:
            return self._call(operation)
        except ObjectMissing:
            return {}
        except ConfigError:
            return None


def clock_of(answer: Mapping[str, Any]) -> datetime | None:
    """The store's clock as an answer shows it, to the second."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return None if text is None else parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
