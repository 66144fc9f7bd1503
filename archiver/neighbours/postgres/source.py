"""Postgres through ADBC: ``COPY`` straight to Arrow, one repeatable-read snapshot for everything of one commit.

One connection takes the snapshot and exports it; every scan on another thread joins it with ``SET TRANSACTION
SNAPSHOT``, on connections that are kept open between windows. All of it is read only; deleting has a class of its own.
"""

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow as pa

from archiver.contracts import DropTransaction, Partition, Partitions, PurgeTransaction, Snapshot
from archiver.errors import ConfigError, OutcomeUnknown, Partial, Refused, TransientError
from archiver.model import DATED_MAX, DATED_MIN, Dataset, SourceState, TableSchema, Window
from archiver.neighbours.postgres.catalog import Catalog, SqlFacts, literal, quoted, relation_name
from archiver.neighbours.postgres.errors import translate
from archiver.neighbours.postgres.partitions import drop_statements, find_partitions
from archiver.neighbours.postgres.types import mend
from archiver.parquet import arrow_schema

BATCH_BYTES = 1024 * 1024
"""Of the COPY's own form. Several batches of two windows are on their way at once; larger ones are read no faster."""

ROW_VERSION = "hashint8extended(r.xmin::text::int8, 0)"
"""Every update gives a row another ``xmin``; hashed, so that sums of different rows do not meet by chance."""

PURGE_KEYS = "archiver_purge_keys"
BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"

SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
"""What the text forms depend on, what keeps a long snapshot alive, and what lets it go: a scan that waits behind
somebody's ``ALTER TABLE`` waits for whom our own snapshot makes wait, and the application stands behind both."""

DROP_LOCK_TIMEOUT = "500ms"
"""While a partition is detached everybody who uses the table waits, and so they do while that waits for its lock."""

BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, "


class _Spare:
    """At most one connection that nobody uses now, outside of any transaction; the next snapshot takes it.

    A purge takes a snapshot for each of its batches, and to connect costs as much as to read thousands of rows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None

    def take(self) -> Any:
        """The connection, in a new transaction; None: there is none that still works."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return None
        try:
            connection.adbc_connection.set_autocommit(False)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            # The server was restarted, or somebody ended it, while nobody looked.
            _close(connection)
            return None
        return connection

    def put(self, connection: Any) -> None:
        """Keep a connection whose transaction, if one is open, may be rolled back."""
        try:
            connection.rollback()
            connection.adbc_connection.set_autocommit(True)
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            _close(connection)
            return
        with self._lock:
            connection, self._connection = self._connection, connection
        _close(connection)

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            connection, self._connection = self._connection, None
        _close(connection)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PostgresSource:
    """A Postgres database. It keeps one connection between its snapshots, until it is collected itself.

    Attributes:
        dsn: ``postgresql://…``, direct or through a session pooler.
        statement_timeout_s: None: the role's own.
        settle_margin: Where the server hides when others' transactions began, they count as begun so long ago.
    """

    dsn: str = field(repr=False)
    connect_timeout_s: float = 10.0
    statement_timeout_s: float | None = None
    settle_margin: timedelta = timedelta(hours=1)
    application_name: str = "archiver"
    lock_timeout_s: float = 5.0
    spare: _Spare = field(default_factory=_Spare, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """See to it that the spare connection is closed in any case."""
        weakref.finalize(self, self.spare.close)

    @property
    def location(self) -> str:
        """Host, port and database, without credentials."""
        parts = urlsplit(self.dsn)
        query = dict(parse_qsl(parts.query))
        host = parts.hostname or query.get("host", "")
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{host}{port}{parts.path}"

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See ``contracts.Source``."""
        view = PostgresSnapshot(self)
        try:
            view.begin()
            yield view
        except BaseException:
            view.close()
            raise
        view.close(is_sound=True)

    @contextmanager
    def purging(self) -> Iterator[PurgeTransaction]:
        """See ``contracts.Purgeable``."""
        work = PostgresPurge(self)
        try:
            work.begin()
            yield work
        except BaseException:
            work.close()
            raise
        work.close(is_sound=True)

    @contextmanager
    def dropping(self, dataset: Dataset, partition: Partition) -> Iterator[DropTransaction]:  # noqa: ARG002
        """See ``contracts.PurgesPartitions``."""
        work = PostgresDrop(self, partition)
        try:
            work.begin()
            yield work
        except BaseException:
            work.close()
            raise
        work.close(is_sound=True)

    def partitions(self, dataset: Dataset) -> Partitions:
        """See ``contracts.PurgesPartitions``."""
        with self.snapshot() as snapshot:
            return snapshot.partitions(dataset) if isinstance(snapshot, PostgresSnapshot) else Partitions()

    def has_time_index(self, dataset: Dataset) -> bool:
        """See ``contracts.Purgeable``."""
        with self.snapshot() as snapshot:
            return isinstance(snapshot, PostgresSnapshot) and snapshot.has_time_index(dataset)

    def connect(self) -> Any:
        """A new connection, not in a transaction that has read anything yet."""
        parts = urlsplit(self.dsn)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.setdefault("connect_timeout", str(max(2, round(self.connect_timeout_s))))
        query.setdefault("application_name", self.application_name)
        query.setdefault("client_encoding", "UTF8")
        # Without keepalives a server that vanished in the middle of a COPY would be waited for by the hour.
        query.setdefault("keepalives_idle", "30")
        query.setdefault("tcp_user_timeout", "60000")
        uri = urlunsplit(parts._replace(query=urlencode(query)))
        try:
            return adbc_driver_postgresql.dbapi.connect(uri)
        except adbc_driver_manager.Error as exc:
            raise translate(exc, where=self.location, doing="connecting") from None


class PostgresSnapshot:
    """See ``contracts.Snapshot``."""

    _mode = "READ ONLY"

    def __init__(self, source: PostgresSource) -> None:
        self._source = source
        self._main: Any = None
        self._name = ""
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._taken_at: datetime | None = None
        self._settled_until: datetime | None = None
        self._may_keep = True

    @property
    def taken_at(self) -> datetime:
        """The database's clock, just before the snapshot was taken."""
        assert self._taken_at is not None
        return self._taken_at

    @property
    def settled_until(self) -> datetime:
        """See ``contracts.Snapshot``."""
        assert self._settled_until is not None
        return self._settled_until

    def begin(self) -> None:
        """Look at the open transactions, then take the snapshot and export it."""
        self._main = self._source.spare.take() or self._source.connect()
        # First the transactions, then the snapshot: whatever ends between the two is in the snapshot, and whatever
        # begins between them has times after this clock.
        clock, oldest, hides, prepared, role = self._query(
            "SELECT clock_timestamp(),"
            " (SELECT min(xact_start) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
            "   AND pid <> pg_backend_pid()),"
            " (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) FROM pg_catalog.pg_stat_activity"
            "   WHERE datname = current_database() AND pid <> pg_backend_pid()),"
            " (SELECT min(prepared) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()),"
            " current_user::text"
        )[0]
        margin = self._source.settle_margin
        bounds = [clock, oldest or clock, clock - margin if hides else clock]
        if prepared is not None:
            # When a prepared transaction began is not recorded.
            bounds.append(prepared - margin)
        self._taken_at, self._settled_until = clock, min(bounds)
        with self._translated("taking a snapshot"):
            self._main.commit()
            self._start(self._main, None)
        self._share()
        self._catalog = Catalog(SqlFacts(self._query), str(role))

    def _share(self) -> None:
        self._name = str(self._query("SELECT pg_export_snapshot()")[0][0])

    def close(self, *, is_sound: bool = False) -> None:
        """Give every connection back; the source keeps the first one if nothing went wrong."""
        with self._lock:
            main, self._main = self._main, None
            others, self._idle = self._idle, []
        for connection in others:
            _close(connection)
        if is_sound and self._may_keep:
            self._source.spare.put(main)
        else:
            _close(main)

    def schema(self, dataset: Dataset) -> TableSchema:
        """See ``contracts.Snapshot``."""
        return self._known.schema(dataset)

    def census(
        self,
        dataset: Dataset,
        schema: TableSchema,
        since: datetime | None,
        until: datetime | None,
        *,
        digests: bool = True,
    ) -> Mapping[Window | None, SourceState]:
        """See ``contracts.Snapshot``. The digest is a sum over hashed ``xmin``, so that any update changes it."""
        kind = self._time_kind(schema)
        time = f"r.{quoted(schema.time_column)}"
        digest = f"coalesce(sum({ROW_VERSION}), 0)::text"
        state = f"count(*), {digest if digests and self._known.is_versioned(dataset) else chr(39) * 2}"
        low, high = max(since or DATED_MIN, DATED_MIN), min(until or DATED_MAX, DATED_MAX)
        seconds = int(dataset.window.total_seconds())
        stamp = "timestamptz" if kind == "timestamptz" else "timestamp"
        bucket = f"date_bin('{seconds} s', {time}::{stamp}, {_instant(DATED_MIN, stamp)})"
        where = f"{time} >= {_instant(low, stamp)} AND {time} < {_instant(high, stamp)}"
        # The planner takes every time for a window of its own and would sort the table on disk; there are few windows.
        self._query("SELECT set_config('enable_sort', 'off', false)")
        rows = self._query(
            f"SELECT {bucket}, {state} FROM {relation_name(dataset)} AS r WHERE {where} GROUP BY 1 ORDER BY 1"
        )
        self._query("SELECT set_config('enable_sort', 'on', false)")
        found: dict[Window | None, SourceState] = {}
        if since is None and until is None:
            count, mark = self._query(
                f"SELECT {state} FROM {relation_name(dataset)} AS r WHERE {_undated(time, stamp)}"
            )[0]
            if count:
                found[None] = SourceState(rows=count, digest=mark)
        for start, count, mark in rows:
            begin = (
                start.replace(tzinfo=DATED_MIN.tzinfo) if start.tzinfo is None else start.astimezone(DATED_MIN.tzinfo)
            )
            found[Window(begin, begin + dataset.window)] = SourceState(rows=count, digest=mark)
        return found

    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        """See ``contracts.Snapshot``."""
        target = arrow_schema(schema)
        statement = self._statement(dataset, schema, window)
        doing = f"reading {dataset.name} {window or 'undated rows'}"
        connection = self._borrow()
        done = False
        try:
            with self._translated(doing), connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{BATCH_OPTION: str(BATCH_BYTES)})
                cursor.execute(statement)
                with cursor.fetch_record_batch() as reader:
                    for batch in reader:
                        if batch.num_rows:
                            arrays = [
                                mend(array, column) for array, column in zip(batch.columns, schema.columns, strict=True)
                            ]
                            yield pa.RecordBatch.from_arrays(arrays, schema=target)
            done = True
        finally:
            # A connection whose scan was not read to its end is in the middle of a COPY: it cannot serve again.
            self._give_back(connection, is_usable=done)

    def count(self, dataset: Dataset, schema: TableSchema, window: Window) -> int:
        """See ``contracts.Snapshot``."""
        where = self._where(schema, window)
        return int(self._query(f"SELECT count(*) FROM {relation_name(dataset)} AS r WHERE {where}")[0][0])

    def has_time_index(self, dataset: Dataset) -> bool:
        """Whether a valid index begins with the time column."""
        return bool(
            self._query(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a"
                " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
                f" WHERE i.indrelid = {literal(relation_name(dataset))}::regclass AND i.indisvalid"
                f" AND i.indpred IS NULL AND a.attname = {literal(dataset.time_column)})"
            )[0][0]
        )

    def partitions(self, dataset: Dataset) -> Partitions:
        """See ``contracts.PurgesPartitions``."""
        return find_partitions(self._query, dataset)

    def duplicate_keys(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> int:
        """See ``contracts.Snapshot``."""
        keys = ", ".join(f"r.{quoted(name)}" for name in schema.key_columns)
        return int(
            self._query(
                "SELECT coalesce(sum(n), 0)::int8 FROM (SELECT count(*) AS n"
                f" FROM {relation_name(dataset)} AS r WHERE {self._where(schema, window)} GROUP BY {keys}"
                " HAVING count(*) > 1) AS d"
            )[0][0]
        )

    # ── Statements ─────────────────────────────────────────────────────────────────────────────────────────────

    def _statement(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> str:
        readings = self._known.readings(dataset)
        columns = ", ".join(readings[column.name].sql(f"r.{quoted(column.name)}") for column in schema.columns)
        order = []
        for name in dict.fromkeys((schema.time_column, *schema.key_columns)):
            how = readings[name]
            plain = f"r.{quoted(name)}"
            order.append(f'({how.sql(plain)}) COLLATE "C"' if how.sorts_as_text else plain)
        return (
            f"SELECT {columns} FROM {relation_name(dataset)} AS r WHERE {self._where(schema, window)}"
            f" ORDER BY {', '.join(order)}"
        )

    def _where(self, schema: TableSchema, window: Window | None) -> str:
        time = f"r.{quoted(schema.time_column)}"
        stamp = "timestamptz" if self._time_kind(schema) == "timestamptz" else "timestamp"
        if window is None:
            return _undated(time, stamp)
        return f"{time} >= {_instant(window.start, stamp)} AND {time} < {_instant(window.end, stamp)}"

    def _time_kind(self, schema: TableSchema) -> str:
        column = schema.column(schema.time_column)
        assert column is not None
        return {"timestamp[us, tz=UTC]": "timestamptz", "timestamp[us]": "timestamp"}.get(column.archive_type, "date")

    # ── Connections ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _known(self) -> Catalog:
        assert self._catalog is not None
        return self._catalog

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with self._lock, self._translated("looking at the database"), self._main.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def _borrow(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = self._source.connect()
        try:
            with self._translated("joining the snapshot"):
                self._start(connection, self._name)
        except BaseException:
            _close(connection)
            raise
        return connection

    def _give_back(self, connection: Any, *, is_usable: bool) -> None:
        if is_usable:
            with self._lock:
                self._idle.append(connection)
        else:
            _close(connection)

    def _start(self, connection: Any, snapshot: str | None) -> None:
        """Begin the read-only transaction of a connection, on an exported snapshot if one is named."""
        timeout_s = self._source.statement_timeout_s
        extra = {} if timeout_s is None else {"statement_timeout": f"{max(1, round(timeout_s * 1000))}ms"}
        settings = ", ".join(
            f"set_config({literal(name)}, {literal(value)}, false)" for name, value in {**SESSION, **extra}.items()
        )
        with connection.cursor() as cursor:
            cursor.execute(BEGIN + self._mode)
            if snapshot is not None:
                cursor.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
            cursor.execute(f"SELECT {settings}")
            cursor.fetchall()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as exc:
            if getattr(exc, "sqlstate", None) == "22023" and doing == "joining the snapshot":
                raise ConfigError(
                    f"{self._source.location}: the snapshot of one connection is unknown to the next; nothing was read",
                    hint="a transaction pooler does that: use the session pooler or the direct address (port 5432)",
                ) from None
            raise translate(exc, where=self._source.location, doing=doing) from None


class PostgresPurge(PostgresSnapshot):
    """See ``contracts.PurgeTransaction``: one connection, one repeatable-read transaction that may write.

    A row that somebody else changed after the snapshot makes the deletion fail with a serialization error, so that what
    is deleted is what was read.
    """

    _mode = "READ WRITE"

    def __init__(self, source: PostgresSource) -> None:
        super().__init__(source)
        self._whole: tuple[str, Window | None, int] | None = None

    def _share(self) -> None:
        """Nobody joins a transaction that deletes; and it never makes the application wait for long."""
        with self._translated("beginning to delete"), self._main.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {max(1, round(self._source.lock_timeout_s * 1000))}")

    def _borrow(self) -> Any:
        return self._main

    def _give_back(self, connection: Any, *, is_usable: bool) -> None:  # noqa: ARG002
        """The connection is this transaction's own; one that broke is closed with it."""
        self._may_keep = self._may_keep and is_usable

    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        """See ``contracts.Snapshot``."""
        rows = 0
        for batch in super().scan(dataset, schema, window):
            rows += batch.num_rows
            yield batch
        self._whole = (dataset.name, window, rows)

    def delete(self, dataset: Dataset, schema: TableSchema, window: Window, keys: pa.Table) -> SourceState:
        """See ``contracts.PurgeTransaction``.

        Where the keys are those of every row that the window's scan gave, the window itself says which rows are meant:
        the snapshot shows this transaction no other row, whoever else inserts one meanwhile. Otherwise they go into a
        temporary table first.
        """
        is_versioned = self._known.is_versioned(dataset)
        versions = ROW_VERSION if is_versioned else "0"
        gone = "SELECT count(*), coalesce(sum(version), 0)::text FROM gone"
        if self._whole == (dataset.name, window, keys.num_rows):
            with self._translated(f"deleting rows of {dataset.name} {window}"), self._main.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
                cursor.execute(
                    f"WITH gone AS (DELETE FROM {relation_name(dataset)} AS r WHERE {self._where(schema, window)}"
                    f" RETURNING {versions} AS version) {gone}"
                )
                rows, digest = cursor.fetchall()[0]
            return SourceState(rows=int(rows), digest=str(digest) if is_versioned else "")
        matches = " AND ".join(
            f"r.{quoted(name)} = k.{quoted(name)}::{self._type_of(schema, name)}" for name in schema.key_columns
        )
        with self._translated(f"deleting rows of {dataset.name} {window}"), self._main.cursor() as cursor:
            cursor.adbc_ingest(PURGE_KEYS, keys, mode="create", temporary=True)
            # As a COPY, which ADBC would make of it, the statement would not be allowed to delete.
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(
                f"WITH gone AS (DELETE FROM {relation_name(dataset)} AS r USING pg_temp.{PURGE_KEYS} AS k"
                f" WHERE {matches} AND {self._where(schema, window)} RETURNING {versions} AS version) {gone}"
            )
            rows, digest = cursor.fetchall()[0]
            cursor.execute(f"DROP TABLE pg_temp.{PURGE_KEYS}")
        return SourceState(rows=int(rows), digest=str(digest) if is_versioned else "")

    def commit(self) -> None:
        """See ``contracts.PurgeTransaction``."""
        try:
            self._main.commit()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as exc:
            state = getattr(exc, "sqlstate", None) or ""
            where = self._source.location
            if state[:2] in ("40", "23"):
                raise TransientError(
                    f"{where}: the deletion was rolled back (SQLSTATE {state}); no row is gone"
                ) from None
            raise OutcomeUnknown(
                f"{where}: no answer came to the commit of a deletion; its rows may or may not be gone",
                hint="run the purge again: it compares and accounts for them",
            ) from None

    def _type_of(self, schema: TableSchema, name: str) -> str:
        column = schema.column(name)
        assert column is not None
        return column.source_type


class PostgresDrop(PostgresPurge):
    """See ``contracts.DropTransaction``."""

    def __init__(self, source: PostgresSource, partition: Partition) -> None:
        super().__init__(source)
        self._partition = partition

    def _start(self, connection: Any, snapshot: str | None) -> None:
        """Lock the partition before the snapshot is taken: what a writer had committed until then is seen by it."""
        timeout_ms = max(1, round(self._source.lock_timeout_s * 1000))
        with self._translated(f"locking {self._partition.name}"), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {timeout_ms}")
            cursor.execute(f"LOCK TABLE ONLY {self._partition.name} IN EXCLUSIVE MODE")
        super()._start(connection, snapshot)

    def drop(self, dataset: Dataset, partition: Partition, rows: int) -> SourceState:
        """See ``contracts.DropTransaction``."""
        if partition not in self.partitions(dataset).droppable:
            raise Partial(f"{partition.name}: is no longer a partition that may be dropped; it was left alone")
        versions = f"coalesce(sum({ROW_VERSION}), 0)::text" if self._known.is_versioned(dataset) else "''"
        ((found, digest),) = self._query(f"SELECT count(*), {versions} FROM ONLY {partition.name} AS r")
        if found != rows:
            raise Refused(f"{partition.name}: {rows} rows were proven, and it has {found}; it was not dropped")
        with self._translated(f"dropping {partition.name}"), self._main.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT}'")
            for statement in drop_statements(dataset, partition):
                cursor.execute(statement)
        return SourceState(rows=int(found), digest=str(digest))


def _instant(instant: datetime, stamp: str) -> str:
    """A constant of type timestamptz or timestamp; both mean UTC."""
    zone = "+00" if stamp == "timestamptz" else ""
    return f"{stamp} '{instant:%Y-%m-%d %H:%M:%S.%f}{zone}'".replace(f"'{instant.year}-", f"'{instant.year:04d}-")


def _undated(time: str, stamp: str) -> str:
    return f"({time} IS NULL OR {time} < {_instant(DATED_MIN, stamp)} OR {time} >= {_instant(DATED_MAX, stamp)})"


def _close(connection: Any) -> None:
    if connection is not None:
        with suppress(adbc_driver_manager.Error, pa.ArrowException, OSError):
            connection.close()
