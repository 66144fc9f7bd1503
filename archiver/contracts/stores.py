"""Stores and anchors: what each promises, and what holds when a call to any neighbour fails.

An adapter never retries, never reads the clock and never logs; ``retry`` wraps it, ``app`` builds it. Every
adapter, and every fake that stands in for one, passes the one suite in ``tests/contract/``; a new adapter is done
when it is added to that suite's parameters.

Whatever a neighbour's library raises is translated at the adapter's edge into a branch of ``errors``:

  - wrong credentials, a missing grant or right        → AccessDenied
  - the service is away, throttles or times out,
    and nothing was written                            → TransientError
  - a write was sent and no answer came                → OutcomeUnknown
  - this machine's disk is full                        → LocalResourceError
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from archiver.model import Checkpoint

if TYPE_CHECKING:
    from archiver.errors import ArchiverError


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """One object as a listing shows it."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What deleting a key really did.

    Attributes:
        versions_deleted: Objects, old versions and delete markers removed; 0 when the key was free already.
        kept_until: Something of it remains until then (Object Lock); ``DATED_MAX`` when nobody says until when (a legal
            hold); None when nothing remains.
    """

    versions_deleted: int
    kept_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpload:
    """A multipart upload that was begun and neither completed nor aborted; its parts may hold personal data."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What a probe found out by trying. None: the store would not say.

    Attributes:
        conditional_create: Creating under a taken key was refused. Only such a store may order writers.
        versioning: Deleted and replaced objects live on as old versions.
        object_lock: Objects can be kept from deletion by a lock.
        encryption: The default encryption at rest, as the store names it; empty: none.
        public: Anybody may read without credentials.
        clock_at: The store's own clock (its ``Date`` header), or the file system's.
    """

    conditional_create: bool
    versioning: bool | None
    object_lock: bool | None
    encryption: str | None
    public: bool | None
    clock_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """One rule of a bucket's lifecycle configuration, as the store tells it.

    Attributes:
        prefix: Whole keys in the bucket begin with it; empty is every key.
        filtered: It also asks for tags or sizes, so that it may not match every key under its prefix.
        expires_after: Current versions; None: never.
        noncurrent_after: Older versions; None: never.
        archives_after: Moved to a class that must be restored before it can be read; None: never.
    """

    name: str
    enabled: bool = True
    prefix: str = ""
    filtered: bool = False
    expires_after: timedelta | None = None
    noncurrent_after: timedelta | None = None
    archives_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketKeeping:
    """What a bucket does with objects on its own. None: the store does not tell, or we may not ask.

    Attributes:
        versioning: Whether an overwritten or deleted object stays as an old version. Suspended counts as on: what
            was kept before is still there.
        rules: Empty: there are none.
        public: Whether anybody reads it without credentials.
        lock_period: The default retention of an object lock; zero: no lock.
    """

    versioning: bool | None
    rules: tuple[LifecycleRule, ...] | None
    public: bool | None
    lock_period: timedelta | None


class ObjectStore(Protocol):
    """Bytes under a key, each key written once. Safe to use from several threads."""

    @property
    def location(self) -> str:
        """Where it is, for messages: a URL without credentials."""
        ...

    def create(self, key: str, data: bytes | Path, *, sha256: str) -> None:
        """Store bytes, or a whole local file, under a free key; durable when this returns.

        The same bytes under the same key succeed again, so a lost reply is repaired by asking again. A reader
        sees all of the object or none of it.

        Args:
            key: As ``layout`` builds it.
            data: A path is streamed with bounded memory.
            sha256: Of ``data``, 64 hex digits; sent as a checksum where the store takes one.

        Raises:
            ObjectExists: The key holds other bytes. Nothing was changed. (A store without conditional
                create finds this by looking first, which does not order two writers.)
            TransientError: Nothing was written.
            OutcomeUnknown: No answer came. The object may or may not exist.
        """
        ...

    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        """The whole object, which must not be larger than ``size_bytes_max``.

        Raises:
            ObjectMissing: Nothing stands under the key.
            IntegrityError: It is larger.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The object as a forward-only stream; ``read(n)`` returns fewer bytes only at the end.

        Raises:
            ObjectMissing: Nothing stands under the key.
            TransientError: Also while reading, when the connection ends before the object does.
        """
        ...

    def stat(self, key: str) -> ObjectRef | None:
        """The object under exactly this key, or None."""
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
        """Every object whose key starts with ``prefix`` and sorts after ``after``, in the order of the keys' bytes."""
        ...

    def delete(self, key: str) -> Removal:
        """Delete the object with every version and delete marker. A free key is no error.

        Raises:
            OutcomeUnknown: No answer came; ask again, deleting twice is harmless.
        """
        ...

    def delete_many(self, keys: Sequence[str], *, at_once: int) -> "Mapping[str, Removal | ArchiverError]":
        """Delete each key as ``delete`` does, then look whether anybody still finds it. One failure stops no other key.

        Args:
            keys: Any number, each once.
            at_once: How many questions may be open at a time. A store may be asked about many keys with one.

        Returns:
            For each key what was done, or why that is not done or not known: the errors of ``delete``, and
            ``IntegrityError`` where the object was deleted and is still found. In the order of ``keys``.

        Raises:
            IntegrityError: One of them is no key. Nothing was deleted.
        """
        ...

    def pending_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Multipart uploads (or temporary files) below ``prefix`` that nobody finished."""
        ...

    def abort_upload(self, upload: PendingUpload) -> None:
        """Discard a pending upload's parts. One that is gone is no error."""
        ...

    def clock(self) -> datetime | None:
        """The clock of whoever keeps the objects, to the second; None when that is this machine's own."""
        ...

    def probe(self, token: str) -> StoreFacts:
        """Find out by trying, with objects under ``layout.probe_key(token)`` that are removed afterwards.

        Raises:
            AccessDenied: Reading, writing, listing or deleting is not allowed; the message says which.
            ConfigError: There is no such bucket or directory.
        """
        ...


class ChunkStore(Protocol):
    """A place that others write to and that we only read: where Loki keeps its chunks. An ``ObjectStore`` is one."""

    @property
    def location(self) -> str:
        """Where it is, for messages: a URL without credentials."""
        ...

    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        """The whole object, which must not be larger than ``size_bytes_max``.

        Raises:
            ObjectMissing: Nothing stands under the key.
            IntegrityError: It is larger.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Every object whose key starts with ``prefix``."""
        ...


@runtime_checkable
class KeepsArchives(Protocol):
    """An anchor that can tell which archives it keeps a checkpoint of."""

    def archives(self) -> tuple[Checkpoint, ...]:
        """Each archive's checkpoint, in any order, signed by whichever key."""
        ...


class Anchor(Protocol):
    """One signed checkpoint for each archive, in another trust domain than the store, moved by compare-and-swap."""

    @property
    def location(self) -> str:
        """Where it is, for messages, without credentials."""
        ...

    def read(self, archive_id: str) -> Checkpoint | None:
        """The checkpoint kept for an archive; None when there is none yet.

        Raises:
            IntegrityError: What stands there cannot be read as a checkpoint.
        """
        ...

    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        """Replace ``expected`` (None: there is none yet) by ``new``, atomically; durable when this returns.

        Swapping again to the same ``new`` succeeds, so a lost reply is repaired by asking again. It only moves forward:
        to a number above that of ``expected``, whoever asks.

        Raises:
            Conflict: Something else than ``expected`` or ``new`` stands there, or ``new`` is no step forward. Nothing
                was changed.
            OutcomeUnknown: No answer came. It may or may not have moved.
        """
        ...

    def clock(self) -> datetime | None:
        """The clock of whoever keeps it; None when that is this machine's own."""
        ...
