"""Sources: what can be read of a database in one snapshot, and how proven rows may leave it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from archiver.model import Dataset, RowsChanged, SourceState, TableSchema, Window

if TYPE_CHECKING:
    import pyarrow as pa


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffect:
    """What deleting rows of a relation does besides, as far as the source's catalogue tells.

    Attributes:
        kind: What the source calls it; ``restrict`` keeps rows from being deleted.
        name: Of the constraint, the trigger, the rule, the publication; of columns, which.
        relation: What it changes, or stands on: ``schema.relation``.
        rows: How many rows of it refer to rows that are due; None: nobody can count them beforehand.
    """

    kind: Literal[
        "cascade",
        "set_null",
        "set_default",
        "restrict",
        "trigger",
        "rule",
        "instead_rule",
        "child_columns",
        "hidden_columns",
        "no_replica_identity",
        "foreign",
    ]
    name: str
    relation: str
    rows: int | None = None


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

    def has_time_index(self, dataset: Dataset) -> bool:
        """Whether an index begins with the time column, so that a purge need not read the whole table."""
        ...

    def side_effects(self, dataset: Dataset, border: datetime) -> tuple[SideEffect, ...]:
        """What deleting the rows with a time before ``border`` would do besides deleting them."""
        ...

    def partitions(self, dataset: Dataset) -> Partitions:
        """The relation's partitions by its time column; none where the source cannot drop one whole."""
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

    Not for several threads. Left without ``commit`` everything is rolled back. ``schema`` gives what the source's last
    snapshot found; that it is still so was seen when the transaction began, and nobody can change it before it ends.
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

    def attempt(self, dataset: Dataset, schema: TableSchema, window: Window, rows_max: int) -> int:
        """Delete the oldest rows of a window, proven or not, look what that changes, and leave all as it was.

        Afterwards the transaction is of no use any more. Where a source cannot do that, nothing is tried.

        Returns:
            How many rows were tried.

        Raises:
            Refused: Something else would be changed, or something forbids deleting the rows.
            AccessDenied, TransientError: As ``delete``.
        """
        ...

    def commit(self) -> tuple[RowsChanged, ...]:
        """Make the deletions durable, if nothing but the rows that were to be deleted has changed.

        Returns:
            What else was changed, of relations that ``Dataset.purge_may_change`` names.

        Raises:
            Refused: Something else would have been changed, by a constraint, a trigger or a rule; it is named, and
                everything was rolled back.
            TransientError: Nothing was deleted.
            OutcomeUnknown: No answer came. The rows may or may not be gone.
        """
        ...


class Purgeable(Source, Protocol):
    """A source that rows can be deleted from."""

    def purging(self, dataset: Dataset) -> AbstractContextManager[PurgeTransaction]:
        """Begin a transaction that may delete rows of one dataset; everything it reads is one snapshot.

        Raises:
            Partial: The relation is no longer what the source's last snapshot found; nothing was deleted.
            AccessDenied: Deleting is not allowed.
            TransientError: Somebody holds a lock for too long, or the source cannot be reached.
        """
        ...


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
class CronRuns:
    """How one of archiver's own pg_cron jobs fares. All times are the database's.

    Attributes:
        failed: Its last run that ended did. None: none has ended yet.
        succeeded_at: The last time that it did its work; None: never, as far as pg_cron's log goes back.
    """

    name: str
    active: bool
    failed: bool | None
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CronLog:
    """pg_cron, as far as archiver's own jobs go.

    Attributes:
        clock: The database's, when it was asked.
        oldest_run: Of any job in pg_cron's log; None: the log is empty.
    """

    clock: datetime
    oldest_run: datetime | None
    jobs: tuple[CronRuns, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A Postgres server, as one role sees it.

    Attributes:
        version: As ``server_version_num`` has it: 150004.
        is_remote: The connection is neither a Unix socket nor leads back to this machine.
        is_encrypted: It is a TLS connection. None: unknown.
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
        rows_estimate: About, or at most; None: unknown.
    """

    role: str
    may_delete: bool
    is_table: bool
    has_time_index: bool
    rows_estimate: int | None
