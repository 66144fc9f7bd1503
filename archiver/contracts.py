"""What every neighbour promises, and what holds when a call fails.

An adapter never retries, never reads the clock and never logs; ``retry`` wraps it, ``wiring`` builds it. Every
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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from archiver.model import Checkpoint, Dataset, SourceState, TableSchema, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from archiver.errors import ArchiverError


# ── Stores ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Anchors ────────────────────────────────────────────────────────────────────────────────────────────────────


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

        Swapping again to the same ``new`` succeeds, so a lost reply is repaired by asking again.

        Raises:
            Conflict: Something else than ``expected`` or ``new`` stands there. Nothing was changed.
            OutcomeUnknown: No answer came. It may or may not have moved.
        """
        ...

    def clock(self) -> datetime | None:
        """The clock of whoever keeps it; None when that is this machine's own."""
        ...


# ── Sources ────────────────────────────────────────────────────────────────────────────────────────────────────


class Snapshot(Protocol):
    """One consistent view of a source. Several threads may scan it at once.

    A source that has none (over HTTP) reads each window as it was at one instant of its own; a window that changed
    while it was read is a ``TransientError``.
    """

    @property
    def taken_at(self) -> datetime:
        """The source's own clock when the view was taken."""
        ...

    @property
    def settled_until(self) -> datetime:
        """Rows with a time before this can no longer appear through a transaction that was open at ``taken_at``.

        Where the source does not show when others' transactions began, a stated margin before ``taken_at``.
        """
        ...

    def schema(self, dataset: Dataset) -> TableSchema:
        """The relation's columns as they are now.

        Raises:
            ConfigError: No such relation, time column or key column; or it has no key and none was declared absent.
            AccessDenied: Reading it is not allowed.
        """
        ...

    def census(
        self,
        dataset: Dataset,
        schema: TableSchema,
        since: datetime | None,
        until: datetime | None,
        *,
        digests: bool = True,
    ) -> Mapping[Window | None, SourceState]:
        """Count the rows of every window that has any, and digest their versions.

        Args:
            since, until: Bounds on the time, on window borders, half-open; None is unbounded. Undated rows
                (window None) are counted only when both are None.
            digests: False: counting is enough, and every digest may be empty.
        """
        ...

    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> "Iterator[pa.RecordBatch]":
        """Read every row of a window, or, with None, every undated row.

        Yields:
            Batches of bounded size with exactly ``parquet.arrow_schema(schema)``, sorted by time column, then
            key columns, ascending, NULLs last, text by its UTF-8 bytes.

        Raises:
            TransientError: The source went away; discard what came and start the scan again.
            SchemaDrift: The relation no longer has these columns.
        """
        ...

    def count(self, dataset: Dataset, schema: TableSchema, window: Window) -> int:
        """How many rows have a time in ``window``, which need not lie on window borders."""
        ...

    def duplicate_keys(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> int:
        """How many rows of a window (None: the undated rows) share their key with another row of it."""
        ...


class Source(Protocol):
    """A database that datasets are read from."""

    @property
    def location(self) -> str:
        """Where it is, for messages, without credentials."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open one consistent view; everything that one commit covers is read from one of them.

        Raises:
            AccessDenied: Wrong credentials.
            TransientError: It cannot be reached.
        """
        ...


class PurgeTransaction(Snapshot, Protocol):
    """One transaction that reads and deletes. Its reads see one snapshot and its own deletions, nothing else.

    Not for several threads. Left without ``commit`` everything is rolled back.
    """

    def delete(self, dataset: Dataset, schema: TableSchema, window: Window, keys: "pa.Table") -> SourceState:
        """Delete the rows of a window that have these keys; returns how many these were, and their digest.

        Args:
            keys: The key columns, a row for each key, each key once.

        Raises:
            TransientError: Another transaction changed one of the rows meanwhile, or holds a lock for too long; the
                transaction is lost and is to be begun again.
            AccessDenied: Deleting is not allowed.
        """
        ...

    def commit(self) -> None:
        """Make the deletions durable.

        Raises:
            TransientError: Nothing was deleted.
            OutcomeUnknown: No answer came. The rows may or may not be gone.
        """
        ...


class Purgeable(Source, Protocol):
    """A source that rows can be deleted from."""

    def purging(self) -> AbstractContextManager[PurgeTransaction]:
        """Begin a transaction that may delete; everything it reads is one snapshot."""
        ...

    def has_time_index(self, dataset: Dataset) -> bool:
        """Whether an index begins with the time column, so that a purge need not read the whole table."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A piece of a partitioned relation: all of its rows with a time in one span, and no others.

    Attributes:
        name: Qualified and quoted, as the source writes it.
        window: Its bounds.
    """

    name: str
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitions:
    """A relation's partitions.

    Attributes:
        droppable: Those that may be dropped whole, as far as rights and rules of the source go; oldest first.
        remarks: Why others may not, in words for a person; empty also where a relation has no partitions.
    """

    droppable: tuple[Partition, ...] = ()
    remarks: tuple[str, ...] = ()


class DropTransaction(PurgeTransaction, Protocol):
    """One transaction over one partition, to which nobody else can write until it ends. Readers are not held up."""

    def drop(self, dataset: Dataset, partition: Partition, rows: int) -> SourceState:
        """Detach and drop the partition; returns how many rows went with it, and their digest.

        Waits only a moment for those who use the relation, as everybody else waits behind it.

        Args:
            rows: How many rows were read of it and proven.

        Raises:
            Refused: It has another number of rows. The transaction is to be left without ``commit``.
            Partial: It is no longer a partition that may be dropped; nothing was done.
            TransientError: Others use the relation; the transaction is lost.
            ConfigError: The source does not allow it (missing rights, something depends on the partition).
        """
        ...


@runtime_checkable
class PurgesPartitions(Purgeable, Protocol):
    """A source from which whole partitions can be dropped."""

    def partitions(self, dataset: Dataset) -> Partitions:
        """The relation's partitions by its time column."""
        ...

    def dropping(self, dataset: Dataset, partition: Partition) -> AbstractContextManager[DropTransaction]:
        """Keep writers out of a partition, then begin a transaction that sees everything that was written to it.

        Raises:
            TransientError: Somebody who writes to it does not end in time.
            AccessDenied, ConfigError: It may not be locked, or is not there any more.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CronJob:
    """A pg_cron job. Its command is searched, never shown: it may hold a secret or a literal of a row."""

    name: str
    schedule: str
    command: str = field(repr=False)
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A Postgres server, as one role sees it.

    Attributes:
        version: As ``server_version_num`` has it: 150004.
        is_remote: The connection is neither a Unix socket nor leads back to this machine.
        is_encrypted: It is a TLS connection. None: it is not told.
        is_standby: A replica: nothing can be deleted from it.
        may_make_temporary: A purge puts the keys of proven rows into a temporary table.
        statement_timeout: That a session of this role begins with; None: none.
        transaction_timeout: Likewise, of Postgres 17 and later.
        connections_max: Of this role at the same time, or of the server where the role has no limit.
        hides_transactions: When others' transactions began is not shown to this role.
    """

    clock: datetime
    version: int
    role: str
    is_remote: bool
    is_encrypted: bool | None
    is_standby: bool
    may_make_temporary: bool
    statement_timeout: timedelta | None
    transaction_timeout: timedelta | None
    connections_max: int
    hides_transactions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationFacts:
    """A relation, whatever the role may do with it.

    Attributes:
        is_table: It could have an index.
        has_time_index: One begins with the time column.
        rows_estimate: About, or at most; None: it is not told.
    """

    role: str
    may_delete: bool
    is_table: bool
    has_time_index: bool
    rows_estimate: int | None


# ── Chunks of logs ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRef:
    """One chunk as a listing shows it; nothing of it was read.

    Attributes:
        name: Its key in the store.
        chunk: Its identity, whatever the store's layout: ``tenant/stream/from:through:crc``.
        stream: The stream's hash, 16 hex digits.
        from_ms, through_ms: Bounds as the name states them, in milliseconds since the epoch; entries can lie outside.
    """

    name: str
    chunk: str
    tenant: str
    stream: str
    from_ms: int
    through_ms: int
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRows:
    """What a sound chunk holds.

    Attributes:
        labels: Of its stream.
        table: Its entries in their order: ``timestamp`` (ns, UTC), ``line`` (text, NULL where it is none),
            ``line_bytes`` (binary, NULL where ``line`` is not), ``structured_metadata`` (map of text in which no name
            occurs twice; of two equal names the last one counts; NULL where it is no text), and
            ``structured_metadata_pairs`` (names and values as binary, in their order; NULL where the map says it all).
        line_bytes: Of all lines.
    """

    labels: Mapping[str, str]
    table: "pa.Table"
    line_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """What somebody asked the logs' owner to delete.

    Attributes:
        query: Which lines, in the source's own language.
        start_ns, end_ns: Both included, in nanoseconds since the epoch.
        is_carried_out: The source says that it has done so; files that it superseded may still be there for a while.
    """

    request: str
    tenant: str
    query: str
    start_ns: int
    end_ns: int
    is_carried_out: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequests:
    """Every request that a tenant has made and not taken back.

    Attributes:
        unknown: Why the requests cannot be told, empty when they can. Then each of the tenant's chunks may be touched.
    """

    requests: tuple[DeletionRequest, ...] = ()
    unknown: str = ""


class ChunkSource(Protocol):
    """Chunks of logs that somebody else writes, rewrites and deletes. Safe to use from several threads."""

    @property
    def location(self) -> str:
        """Where it is, for messages, without credentials."""
        ...

    def chunks(self) -> Iterator[ChunkRef]:
        """Every chunk that is there, whole or not, in no particular order; what is no chunk is passed over.

        Raises:
            ConfigError: There is no such place.
        """
        ...

    def read(self, ref: ChunkRef) -> bytes:
        """A chunk's bytes as they are now.

        Raises:
            ObjectMissing: It is gone.
            IntegrityError: It has grown beyond what the listing said.
        """
        ...

    def decode(self, ref: ChunkRef, data: bytes) -> ChunkRows:
        """A chunk's entries. No input or output happens.

        Raises:
            ChunkUnsound: Anything in it contradicts anything else, its name included.
        """
        ...

    def deletion_requests(self, tenant: str) -> DeletionRequests:
        """What is not to be archived of a tenant.

        Raises:
            AccessDenied, TransientError: As whoever knows it says.
        """
        ...


class DeletableChunks(ChunkSource, Protocol):
    """Chunks in a directory that their owner no longer reads: rotated away, or left behind."""

    def signs_of_use(self, since: datetime) -> str:
        """What says that its owner still uses the place, in words; empty where nothing does.

        Args:
            since: What was written before it is no sign.
        """
        ...

    def remove(self, ref: ChunkRef) -> None:
        """Delete a chunk that still is what the listing showed; durable when this returns. A free name is no error.

        Raises:
            Partial: It was written to since, or is no plain file; it was left alone.
            AccessDenied: This user may not delete it.
        """
        ...
