"""Objects in a bucket, through boto3; nothing else in the project knows it.

- A small object is one PUT, a large one a multipart upload, sent part by part in order with one part in memory.
  Neither is visible before it is whole.
- ``If-None-Match: *`` goes with every PutObject and CompleteMultipartUpload where the store honours it
  (``conditional``, which ``probe`` finds out). On 412 or 409 what stands there is read back and compared: the same
  bytes are success, which is how a PUT whose reply was lost is repaired.
- A multipart upload is aborted when the store answered with an error. When CompleteMultipartUpload went
  unanswered it is left alone: it may be about to become the object, and a store that only links the parts
  together would lose them. ``pending_uploads`` shows it.
- Deleting removes every version and every delete marker. A store that knows no versions gets a plain delete.
- botocore's own retries are off; ``retry`` wraps the store.
"""

import base64
import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import botocore
import botocore.config
import botocore.exceptions
import botocore.parsers
from typing_extensions import override

from archiver import layout
from archiver.contracts import BucketKeeping, ObjectRef, ObjectStore, PendingUpload, Removal, StoreFacts
from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    IntegrityError,
    LocalResourceError,
    ObjectExists,
    ObjectMissing,
    OutcomeUnknown,
    TransientError,
)
from archiver.model import DATED_MAX
from archiver.neighbours.deleting import delete_each
from archiver.neighbours.keys import check_key
from archiver.neighbours.s3.body import STREAM_BUFFER_BYTES, Body
from archiver.neighbours.s3.bulk import DELETE_BATCH_MAX, Bulk, delete_in_bulk
from archiver.neighbours.s3.connection import S3Options, connect
from archiver.neighbours.s3.errors import BUCKET_HINT, FAILURES, GONE, UNDECIDED, Taken, Unsupported, refuse
from archiver.neighbours.s3.facts import Facts, clock_of
from archiver.neighbours.s3.folders import start_in_folder
from archiver.neighbours.s3.lifecycle import default_lock, lifecycle_rules

T = TypeVar("T")

PARTS_MAX: Final = 10_000
"""S3's own limit: parts of one upload."""


# ── The store ──────────────────────────────────────────────────────────────────────────────────────────────────


class S3Store(ObjectStore):
    """One archive in one bucket. Any number of threads may use it; ``close`` gives its connections back.

    Args:
        conditional: The store honours ``If-None-Match`` (``probe`` found out and the archive's descriptor says so).
            False: ``create`` looks first and then writes without a condition, which does not order two writers.

    Raises:
        ConfigError: The settings are no endpoint, region or profile that botocore knows.
    """

    def __init__(self, options: S3Options, *, conditional: bool = True) -> None:
        self.options = options
        self.conditional = conditional
        self._prefix = f"{options.prefix.strip('/')}/" if options.prefix.strip("/") else ""
        self._client = connect(options, signed=True)
        self._facts = Facts(self._call, options)
        # A HEAD cannot tell a missing object from a missing bucket; this is asked once.
        self._bucket_seen = False
        self._sorts_by_folder = False

    def close(self) -> None:
        """Give back every connection. The store is not used afterwards."""
        self._client.close()

    @property
    @override
    def location(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.options.bucket}/{self._prefix}".rstrip("/")

    def _call(self, operation: str, *, key: str | None = None, client: Any = None, **arguments: Any) -> dict[str, Any]:
        """One request; ``key`` is the archive's, without the prefix."""
        thing = self.location
        if key is not None:
            arguments["Key"] = self._prefix + key
            thing = f"{thing}/{key}"
        method: Callable[..., dict[str, Any]] = getattr(client or self._client, _method(operation))
        try:
            return method(Bucket=self.options.bucket, **arguments)
        except FAILURES as error:
            raise refuse(error, operation, thing) from error

    def _pages(self, operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """A whole listing, a page at a time.

        Raises:
            ConfigError: The store gives the same page again and again, or says that more follows and not where.
        """
        paginator = self._client.get_paginator(_method(operation))
        pages = iter(paginator.paginate(Bucket=self.options.bucket, **arguments))
        page: Mapping[str, Any] | None = None
        while True:
            last = page
            try:
                page = next(pages, None)
            except FAILURES as error:
                raise refuse(error, operation, self.location) from error
            if page is None:
                break
            yield page
        if last is not None and last.get("IsTruncated"):
            raise ConfigError(
                f"{self.location}: {operation} says that more follows, and not where; the listing was not used",
                hint="this store cannot list more than one page: it cannot hold an archive",
            )

    # ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def create(self, key: str, data: bytes | Path, *, sha256: str) -> None:
        """See ``contracts.ObjectStore``.

        Raises:
            LocalResourceError: ``data`` cannot be read, or is not what ``sha256`` says. Nothing is visible.
        """
        check_key(key)
        # Some stores make a missing bucket on the first PUT: a misspelt one would become a second, empty archive.
        self._check_bucket()
        try:
            size_bytes = len(data) if isinstance(data, bytes) else data.stat().st_size
            in_parts = size_bytes > self.options.multipart_threshold_bytes
            # Before many parts are sent in vain, and where nobody else checks it, ask whether the key is free.
            if (in_parts or not self.conditional) and self._same(key, size_bytes, sha256):
                return
            condition = {"IfNoneMatch": "*"} if self.conditional else {}
            try:
                if in_parts:
                    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as source:
                        self._put_parts(key, source, size_bytes, sha256, condition)
                else:
                    body = data if isinstance(data, bytes) else data.read_bytes()
                    _check_announced(key, hashlib.sha256(body).hexdigest(), sha256)
                    self._put(key, body, sha256, condition)
            except Taken as error:
                if not self._same(key, size_bytes, sha256):
                    raise TransientError(
                        f"{self.location}/{key}: another writer is at work on it ({error}); nothing was stored"
                    ) from error
        except OSError as error:
            raise LocalResourceError(f"{key}: the file to store cannot be read ({error.strerror})") from error

    def _put(self, key: str, body: bytes, sha256: str, condition: Mapping[str, str]) -> dict[str, Any]:
        checksum = (
            {"ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode()} if self.options.checksums else {}
        )
        return self._call("PutObject", key=key, Body=body, **checksum, **condition, **self._encryption())

    def _put_parts(
        self, key: str, source: BinaryIO, size_bytes: int, sha256: str, condition: Mapping[str, str]
    ) -> None:
        part_bytes = max(self.options.part_bytes, -(-size_bytes // PARTS_MAX))
        algorithm = {"ChecksumAlgorithm": "SHA256"} if self.options.checksums else {}
        upload_id = str(self._call("CreateMultipartUpload", key=key, **algorithm, **self._encryption())["UploadId"])
        try:
            digest = hashlib.sha256()
            parts: list[dict[str, Any]] = []
            while body := source.read(part_bytes):
                digest.update(body)
                parts.append(self._put_part(key, upload_id, len(parts) + 1, body))
            _check_announced(key, digest.hexdigest(), sha256)
        except BaseException:
            self._abort(key, upload_id)
            raise
        try:
            completed = self._call(
                "CompleteMultipartUpload", key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )
        except OutcomeUnknown:
            raise
        except BaseException:
            self._abort(key, upload_id)
            raise
        self._check_completed(key, completed, size_bytes)

    def _put_part(self, key: str, upload_id: str, number: int, body: bytes) -> dict[str, Any]:
        checksum = {}
        if self.options.checksums:
            checksum["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        sent = self._call("UploadPart", key=key, UploadId=upload_id, PartNumber=number, Body=body, **checksum)
        # Named again on completion only when the store says that it kept the checksum.
        kept = {"ChecksumSHA256": sent["ChecksumSHA256"]} if sent.get("ChecksumSHA256") else {}
        return {"PartNumber": number, "ETag": sent["ETag"], **kept}

    def _check_completed(self, key: str, completed: Mapping[str, Any], size_bytes: int) -> None:
        """A 200 whose body is empty or something else than a result is no success; the object itself must be there."""
        reference = self.stat(key) if completed.get("ETag") else None
        if reference is None:
            raise OutcomeUnknown(
                f"{self.location}/{key}: CompleteMultipartUpload was answered 200 without a result; "
                "the object may or may not exist"
            )
        if reference.size_bytes != size_bytes:
            raise IntegrityError(
                f"{self.location}/{key}: {size_bytes} bytes were sent, the store holds {reference.size_bytes}"
            )

    def _encryption(self) -> dict[str, Any]:
        match self.options.sse:
            case "":
                return {}
            case "AES256":
                return {"ServerSideEncryption": "AES256"}
            case "aws:kms":
                key = {} if self.options.kms_key_id is None else {"SSEKMSKeyId": self.options.kms_key_id}
                # One data key for the bucket instead of one request to KMS for each object.
                return {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True, **key}

    def _same(self, key: str, size_bytes: int, sha256: str) -> bool:
        """Whether exactly these bytes stand under the key already; False when it is free.

        Raises:
            ObjectExists: Other bytes stand there.
        """
        reference = self.stat(key)
        if reference is None:
            return False
        digest = hashlib.sha256()
        if reference.size_bytes == size_bytes:
            try:
                with self.open(key) as stream:
                    while chunk := stream.read(STREAM_BUFFER_BYTES):
                        digest.update(chunk)
            except ObjectMissing:
                return False
        if digest.hexdigest() != sha256:
            raise ObjectExists(
                f"{self.location}/{key}: holds {reference.size_bytes} bytes with another SHA-256 than "
                f"{sha256[:16]}… ({size_bytes} bytes); nothing was changed"
            )
        return True

    # ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        with self._body(key) as raw:
            if raw.size_bytes > size_bytes_max:
                raise IntegrityError(
                    f"{self.location}/{key}: {raw.size_bytes} bytes, at most {size_bytes_max} may stand there; "
                    "it was not read"
                )
            return raw.read_whole()

    @contextmanager
    @override
    def open(self, key: str) -> Iterator[BinaryIO]:
        with self._body(key) as raw, io.BufferedReader(raw, STREAM_BUFFER_BYTES) as stream:
            yield stream

    @contextmanager
    def _body(self, key: str) -> Iterator[Body]:
        check_key(key)
        answer = self._call("GetObject", key=key)
        with contextlib.closing(answer["Body"]) as body:
            yield Body(body, int(answer["ContentLength"]), f"{self.location}/{key}")

    @override
    def stat(self, key: str) -> ObjectRef | None:
        check_key(key)
        try:
            answer = self._call("HeadObject", key=key)
        except ObjectMissing:
            self._check_bucket()
            return None
        return ObjectRef(
            key=key, size_bytes=int(answer["ContentLength"]), modified_at=answer["LastModified"].astimezone(UTC)
        )

    def _check_bucket(self) -> None:
        if self._bucket_seen:
            return
        try:
            self._call("HeadBucket")
        except ObjectMissing as error:
            raise ConfigError(
                f"{self.location}: there is no such bucket; nothing was read or written", hint=BUCKET_HINT
            ) from error
        except (AccessDenied, Unsupported):
            pass
        self._bucket_seen = True

    @override
    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
        """The empty ``folder/`` objects that consoles make are left out.

        Raises:
            ConfigError: The store does not list in the order of the keys' bytes (an S3 directory bucket).
        """
        if self._sorts_by_folder:
            yield from self._list_by_folder(prefix, after)
            return
        arguments = {"StartAfter": self._prefix + after} if after else {}
        last = after.encode()
        for page in self._pages("ListObjectsV2", Prefix=self._prefix + prefix, **arguments):
            # SeaweedFS goes through its folders by name, so that "a/x" comes before "a-b".
            if "seaweed" in str(page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("server", "")).lower():
                self._sorts_by_folder = True
                yield from self._list_by_folder(prefix, after)
                return
            for reference in self._references(page):
                order = reference.key.encode()
                # Some clones ignore StartAfter.
                if order <= after.encode():
                    continue
                if order <= last:
                    raise ConfigError(
                        f"{self.location}: lists {reference.key!a} after {last!a}, not in the order of the keys; "
                        "the listing was not used",
                        hint="an S3 directory bucket cannot hold an archive; use a general purpose bucket",
                    )
                last = order
                yield reference

    def _list_by_folder(self, prefix: str, mark: str) -> Iterator[ObjectRef]:
        """The right order from a store that sorts within folders only: one request for each folder."""
        after = mark.encode()
        entries: dict[bytes, ObjectRef | None] = {}
        start = start_in_folder(prefix.rpartition("/")[0], mark)
        arguments = {"StartAfter": self._prefix + start} if start else {}
        for page in self._pages("ListObjectsV2", Prefix=self._prefix + prefix, Delimiter="/", **arguments):
            for reference in self._references(page):
                if reference.key.encode() > after:
                    entries[reference.key.encode()] = reference
            for item in page.get("CommonPrefixes", ()):
                folder = str(item["Prefix"])[len(self._prefix) :].encode()
                if folder > after or after.startswith(folder):
                    entries[folder] = None
        for order in sorted(entries):
            entry = entries[order]
            if entry is None:
                yield from self._list_by_folder(order.decode(), mark)
            else:
                yield entry

    def _references(self, page: Mapping[str, Any]) -> Iterator[ObjectRef]:
        for item in page.get("Contents", ()):
            key = str(item["Key"])[len(self._prefix) :]
            if key and not key.endswith("/"):
                yield ObjectRef(key=key, size_bytes=int(item["Size"]), modified_at=item["LastModified"].astimezone(UTC))

    # ── Deleting ───────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def delete(self, key: str) -> Removal:
        """Delete every version that no lock keeps.

        Where Object Lock keeps a version, it is hidden behind a delete marker, so that readers of the archive do
        not find it, and ``kept_until`` says how long; a legal hold has no end and counts as ``DATED_MAX``.
        """
        check_key(key)
        try:
            versions, markers = self._versions(key)
        except Unsupported:
            versions, markers = [], []
        if not versions and not markers:
            # Nothing there, or a store that keeps no versions; some list none although the object exists.
            reference = self.stat(key)
            if reference is not None:
                self._call("DeleteObject", key=key)
            return Removal(versions_deleted=0 if reference is None else 1)
        kept = self._delete_versions(key, [str(version["VersionId"]) for version in versions])
        if kept:
            if not any(marker.get("IsLatest") for marker in markers):
                self._call("DeleteObject", key=key)
            return Removal(versions_deleted=len(versions) - len(kept), kept_until=max(kept))
        # Markers last: without its marker an old version would be the object again.
        kept = self._delete_versions(key, [str(marker["VersionId"]) for marker in markers])
        return Removal(
            versions_deleted=len(versions) + len(markers) - len(kept), kept_until=max(kept) if kept else None
        )

    @override
    def delete_many(self, keys: Sequence[str], *, at_once: int) -> Mapping[str, Removal | ArchiverError]:
        """In bulk as far as that leads; what is out of the ordinary, one by one."""
        for key in keys:
            check_key(key)
        bulk = delete_in_bulk(self._call, self._pages, [self._prefix + key for key in keys], at_once=at_once)
        alone = delete_each(self, [key for key in keys if self._prefix + key not in bulk.settled], at_once=at_once)
        return {key: self._together(bulk, key, alone.get(key)) for key in keys}

    def _together(self, bulk: Bulk, key: str, alone: Removal | ArchiverError | None) -> Removal | ArchiverError:
        if alone is None:
            return bulk.settled[self._prefix + key]
        begun = bulk.begun.get(self._prefix + key, 0)
        return replace(alone, versions_deleted=alone.versions_deleted + begun) if isinstance(alone, Removal) else alone

    def _versions(self, key: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
        """Every version and every delete marker of exactly this key."""
        full = self._prefix + key
        versions: list[Mapping[str, Any]] = []
        markers: list[Mapping[str, Any]] = []
        for page in self._pages("ListObjectVersions", Prefix=full):
            versions += [item for item in page.get("Versions", ()) if item["Key"] == full]
            markers += [item for item in page.get("DeleteMarkers", ()) if item["Key"] == full]
        return versions, markers

    def _delete_versions(self, key: str, version_ids: Sequence[str]) -> Sequence[datetime]:
        """Delete versions; give back until when each of those is kept that a lock holds.

        Raises:
            AccessDenied: One was not deleted and no lock explains it.
        """
        refused: list[str] = []
        if len(version_ids) == 1:
            try:
                self._call("DeleteObject", key=key, VersionId=version_ids[0])
            except (AccessDenied, ConfigError) as error:
                return [self._kept_until(key, version_ids[0], error)]
            return []
        for start in range(0, len(version_ids), DELETE_BATCH_MAX):
            batch = version_ids[start : start + DELETE_BATCH_MAX]
            answer = self._call(
                "DeleteObjects",
                Delete={
                    "Objects": [{"Key": self._prefix + key, "VersionId": version} for version in batch],
                    "Quiet": True,
                },
            )
            for fault in answer.get("Errors", ()):
                if fault.get("Code") in GONE:
                    continue
                if fault.get("Code") in UNDECIDED:
                    raise OutcomeUnknown(f"{self.location}/{key}: some versions were not deleted ({fault.get('Code')})")
                refused.append(str(fault.get("VersionId")))
        missing = AccessDenied(
            f"{self.location}/{key}: the store refused to delete a version, and no lock on it can be seen",
            hint="grant s3:DeleteObjectVersion, s3:GetObjectRetention and s3:GetObjectLegalHold",
        )
        return [self._kept_until(key, version, missing) for version in refused]

    def _kept_until(self, key: str, version_id: str, refusal: ArchiverError) -> datetime:
        """Until when a lock keeps a version that could not be deleted; raises ``refusal`` when there is no lock."""
        until: list[datetime] = []
        with contextlib.suppress(ObjectMissing, ConfigError):
            hold = self._call("GetObjectLegalHold", key=key, VersionId=version_id).get("LegalHold", {})
            if hold.get("Status") == "ON":
                until.append(DATED_MAX)
        with contextlib.suppress(ObjectMissing, ConfigError):
            retention = self._call("GetObjectRetention", key=key, VersionId=version_id).get("Retention", {})
            if retention.get("RetainUntilDate") is not None:
                until.append(retention["RetainUntilDate"].astimezone(UTC))
        if not until:
            raise refusal
        return max(until)

    # ── Uploads that nobody finished ───────────────────────────────────────────────────────────────────────────

    @override
    def pending_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """None where the store cannot list them."""
        # rclone answers 404 where there are none.
        with contextlib.suppress(Unsupported, ObjectMissing):
            for page in self._pages("ListMultipartUploads", Prefix=self._prefix + prefix):
                for item in page.get("Uploads", ()):
                    if str(item["Key"]).startswith(self._prefix + prefix):
                        yield PendingUpload(
                            key=str(item["Key"])[len(self._prefix) :],
                            upload_id=str(item["UploadId"]),
                            begun_at=item["Initiated"].astimezone(UTC),
                        )

    @override
    def abort_upload(self, upload: PendingUpload) -> None:
        check_key(upload.key)
        with contextlib.suppress(ObjectMissing):
            self._call("AbortMultipartUpload", key=upload.key, UploadId=upload.upload_id)

    def _abort(self, key: str, upload_id: str) -> None:
        """After a failure that is being raised already; what cannot be aborted stays visible in pending_uploads."""
        with contextlib.suppress(ArchiverError):
            self._call("AbortMultipartUpload", key=key, UploadId=upload_id)

    # ── Finding out ────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def clock(self) -> datetime | None:
        """The ``Date`` header of a listing of one key."""
        return clock_of(self._call("ListObjectsV2", Prefix=self._prefix + layout.LEDGER_PREFIX, MaxKeys=1))

    @override
    def probe(self, token: str) -> StoreFacts:
        """Find out by trying.

        Both ways of creating an object are tried on a key that is taken; a store counts as conditional only when
        it refuses both. Under a default Object Lock the probe's object stays for as long as the lock says.
        """
        key = layout.probe_key(token)
        body, other_body = f"one {token}".encode(), f"other {token}".encode()
        self._check_bucket()
        self.delete(key)
        try:
            answer = self._probe_first(key, body)
            conditional = self._refuses(key, body, lambda: self._probe_put(key, other_body)) and self._refuses(
                key, body, lambda: self._probe_parts(key, other_body)
            )
            if next((reference for reference in self.list(key) if reference.key == key), None) is None:
                raise ConfigError(f"{self.location}: an object that was just written is not listed")
            return StoreFacts(
                conditional_create=conditional,
                versioning=self._facts.versioning(),
                object_lock=self._facts.object_lock(),
                encryption=self._facts.default_encryption(key),
                public=self._facts.public(key),
                clock_at=clock_of(answer),
            )
        finally:
            with contextlib.suppress(ArchiverError):
                self.delete(key)

    def keeping(self) -> BucketKeeping:
        """What the bucket does with objects on its own. Writes nothing.

        Raises:
            ConfigError: There is no such bucket, or it may not be asked at all.
            TransientError: The store is away.
        """
        self._check_bucket()
        lifecycle = self._facts.asked("GetBucketLifecycleConfiguration")
        return BucketKeeping(
            versioning=self._facts.versioning(),
            rules=None if lifecycle is None else lifecycle_rules(lifecycle),
            public=self._facts.public(self._any_key()),
            lock_period=self.lock_period(),
        )

    def lock_period(self) -> timedelta | None:
        """How long every new object is locked when nothing else is said; zero: not at all; None: it does not tell."""
        lock = self._facts.asked("GetObjectLockConfiguration")
        return None if lock is None else default_lock(lock)

    def _any_key(self) -> str:
        """A key to try without credentials: some policies let anybody read objects, and nobody list them."""
        with contextlib.suppress(ArchiverError):
            for item in self._call("ListObjectsV2", Prefix=self._prefix, MaxKeys=1).get("Contents", []):
                return str(item["Key"]).removeprefix(self._prefix)
        return layout.DESCRIPTOR

    def _probe_first(self, key: str, body: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(body).hexdigest()
        try:
            return self._put(key, body, sha256, {"IfNoneMatch": "*"})
        except (Taken, Unsupported):
            # A lock kept the object of an earlier probe, or the store refuses the header itself.
            return self._put(key, body, sha256, {})

    def _probe_put(self, key: str, body: bytes) -> None:
        self._put(key, body, hashlib.sha256(body).hexdigest(), {"IfNoneMatch": "*"})

    def _probe_parts(self, key: str, body: bytes) -> None:
        self._put_parts(key, io.BytesIO(body), len(body), hashlib.sha256(body).hexdigest(), {"IfNoneMatch": "*"})

    def _refuses(self, key: str, held: bytes, overwrite: Callable[[], None]) -> bool:
        """Whether an attempt to write other bytes under a taken key was refused and left it as it was."""
        try:
            overwrite()
        except Taken:
            return self.read(key, size_bytes_max=1024) == held
        except (Unsupported, IntegrityError):
            return False
        return False


def _check_announced(key: str, actual: str, announced: str) -> None:
    if actual != announced:
        raise LocalResourceError(
            f"{key}: the bytes to store have SHA-256 {actual[:16]}…, {announced[:16]}… was announced; "
            "nothing was stored",
            hint="the file changed after it was written, or this machine's disk or memory is failing",
        )


def _method(operation: str) -> str:
    """``ListObjectsV2`` → ``list_objects_v2``."""
    return str(botocore.xform_name(operation))
