"""One repeatable-read snapshot of a Postgres database, shared by as many connections as scan it.

One connection takes the snapshot and exports it when another wants to join; every scan runs on a connection of its own,
which is kept open between windows. All of it is read only; deleting has a class of its own.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
from typing_extensions import override

from archiver.contracts import Partitions, SideEffect, Snapshot
from archiver.errors import ConfigError, Partial, TransientError
from archiver.model import DATED_MAX, DATED_MIN, Dataset, SourceState, TableSchema, Window
from archiver.neighbours.postgres.access import PostgresAccess
from archiver.neighbours.postgres.catalog import Catalog, SqlFacts, quoted, relation_name
from archiver.neighbours.postgres.connection import (
    FAILURES,
    begin_script,
    close,
    run,
    state_of,
    translate,
    value_condition,
)
from archiver.neighbours.postgres.effects import find_effects
from archiver.neighbours.postgres.partitions import find_partitions
from archiver.neighbours.postgres.types import mend
from archiver.parquet import arrow_schema, no_utf8

BATCH_BYTES = 1024 * 1024
"""Of the COPY's own form. Several batches of two windows are on their way at once; larger ones are read no faster."""

ROW_VERSION = "hashint8extended(r.xmin::text::int8, 0)"
"""Every update gives a row another ``xmin``; hashed, so that sums of different rows do not meet by chance."""

BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"

T = TypeVar("T")


class PostgresSnapshot(Snapshot):
    """A repeatable-read transaction that may only read."""

    def __init__(self, source: PostgresAccess) -> None:
        self._source = source
        self._main: Any = None
        self._name = ""
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._facts_of: SqlFacts | None = None
        self._taken_at: datetime | None = None
        self._settled_until: datetime | None = None
        self._may_keep = True
        self._is_open = False

    @property
    @override
    def taken_at(self) -> datetime:
        """The database's clock, just before the snapshot was taken."""
        assert self._taken_at is not None
        return self._taken_at

    @property
    @override
    def settled_until(self) -> datetime:
        assert self._settled_until is not None
        return self._settled_until

    def begin(self) -> None:
        """Look at the open transactions, then take the snapshot."""
        # First the transactions, then the snapshot: whatever ends between the two is in the snapshot, and whatever
        # begins between them has times after this clock.
        clock, oldest, hides, prepared, role = self._opened(
            lambda: self._query(
                "SELECT clock_timestamp(),"
                " (SELECT min(xact_start) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
                "   AND pid <> pg_backend_pid()),"
                " (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) FROM pg_catalog.pg_stat_activity"
                "   WHERE datname = current_database() AND pid <> pg_backend_pid()),"
                " (SELECT min(prepared) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()),"
                " current_user::text"
            )
        )[0]
        margin = self._source.settle_margin
        bounds = [clock, oldest or clock, clock - margin if hides else clock]
        if prepared is not None:
            # When a prepared transaction began is not recorded.
            bounds.append(prepared - margin)
        self._taken_at, self._settled_until = clock, min(bounds)
        # The planner takes every time for a window of its own and would sort a census on disk; there are few windows.
        with self._translated("taking a snapshot"):
            self._run(begin_script("READ ONLY", settings={**self._limits(), "enable_sort": "off"}) + " SELECT 1")
        self._know(SqlFacts(self._query, {}, self._source.described), str(role))

    def _opened(self, first: Callable[[], T]) -> T:
        """Do what comes first on the connection that is kept, or, when that has ended meanwhile, on a new one."""
        self._main = self._source.spare.take()
        if self._main is not None:
            try:
                return first()
            except TransientError:
                # The server was restarted, or somebody ended it, while nobody looked.
                close(self._main)
        self._main = self._source.connect()
        return first()

    def _run(self, script: str) -> None:
        """On the first connection, with its transaction begun or ended by it."""
        self._is_open = not script.startswith(("COMMIT", "ROLLBACK"))
        run(self._main, script)

    def _limits(self) -> dict[str, str]:
        timeout_s = self._source.settings.statement_timeout_s
        return {} if timeout_s is None else {"statement_timeout": f"{max(1, round(timeout_s * 1000))}ms"}

    def close(self, *, is_sound: bool = False) -> None:
        """Give every connection back; the source keeps the first one if nothing went wrong."""
        with self._lock:
            main, self._main = self._main, None
            others, self._idle = self._idle, []
        for connection in others:
            close(connection)
        if main is None:
            return
        if is_sound and self._may_keep:
            try:
                if self._is_open:
                    run(main, "ROLLBACK")
            except FAILURES:
                close(main)
            else:
                self._source.spare.put(main)
        else:
            close(main)

    @override
    def schema(self, dataset: Dataset) -> TableSchema:
        return self._known.schema(dataset)

    @override
    def census(
        self,
        dataset: Dataset,
        schema: TableSchema,
        since: datetime | None,
        until: datetime | None,
        *,
        digests: bool = True,
    ) -> Mapping[Window | None, SourceState]:
        """The digest is a sum over hashed ``xmin``, so that any update changes it."""
        kind = self._time_kind(schema)
        time = f"r.{quoted(schema.time_column)}"
        digest = f"coalesce(sum({ROW_VERSION}), 0)::text"
        state = f"count(*), {digest if digests and self._known.is_versioned(dataset) else chr(39) * 2}"
        low, high = max(since or DATED_MIN, DATED_MIN), min(until or DATED_MAX, DATED_MAX)
        seconds = int(dataset.window.total_seconds())
        stamp = "timestamptz" if kind == "timestamptz" else "timestamp"
        bucket = f"date_bin('{seconds} s', {time}::{stamp}, {_instant(DATED_MIN, stamp)})"
        where = f"{time} >= {_instant(low, stamp)} AND {time} < {_instant(high, stamp)}"
        relation = relation_name(dataset)
        if since is None and until is None:
            # Everything is read in any case: once, with the undated rows as those of no window.
            grouped = f"SELECT CASE WHEN {where} THEN {bucket} END AS b, {state} FROM {relation} AS r"
        else:
            grouped = f"SELECT {bucket} AS b, {state} FROM {relation} AS r WHERE {where}"
        states: dict[Window | None, SourceState] = {}
        for start, count, mark in self._query(f"{grouped} GROUP BY 1 ORDER BY 1 NULLS FIRST"):
            window = None
            if start is not None:
                utc = DATED_MIN.tzinfo
                begin = start.replace(tzinfo=utc) if start.tzinfo is None else start.astimezone(utc)
                window = Window(begin, begin + dataset.window)
            states[window] = SourceState(rows=count, digest=mark)
        return states

    @override
    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        target = arrow_schema(schema)
        statement = self._statement(dataset, schema, window)
        doing = f"reading {dataset.name} {window or 'undated rows'}"
        connection = self._borrow()
        done = False
        try:
            with self._translated(doing), _naming(dataset, window), connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{BATCH_OPTION: str(BATCH_BYTES)})
                cursor.execute(statement)
                with cursor.fetch_record_batch() as reader:
                    for batch in reader:
                        if batch.num_rows:
                            yield _as_read(batch, schema, target, dataset, window)
            done = True
        finally:
            # A connection whose scan was not read to its end is in the middle of a COPY: it cannot serve again.
            self._give_back(connection, is_usable=done)

    @override
    def count(self, dataset: Dataset, schema: TableSchema, window: Window) -> int:
        where = self._where(schema, window)
        return int(self._query(f"SELECT count(*) FROM {relation_name(dataset)} AS r WHERE {where}")[0][0])

    @override
    def has_time_index(self, dataset: Dataset) -> bool:
        return bool(self._facts.of(dataset)["has_time_index"])

    @override
    def side_effects(self, dataset: Dataset, border: datetime) -> tuple[SideEffect, ...]:
        return find_effects(self._query, dataset, border)

    @override
    def partitions(self, dataset: Dataset) -> Partitions:
        return find_partitions(self._query, dataset)

    @override
    def duplicate_keys(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> int:
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

    def _know(self, facts: SqlFacts, role: str) -> None:
        self._facts_of, self._catalog = facts, Catalog(facts, role)

    @property
    def _known(self) -> Catalog:
        assert self._catalog is not None
        return self._catalog

    @property
    def _facts(self) -> SqlFacts:
        assert self._facts_of is not None
        return self._facts_of

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with self._lock, self._translated("looking at the database"):
            return self._ask(statement)

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self._main.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def _borrow(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        with self._lock, self._translated("exporting the snapshot"):
            if not self._name:
                self._name = str(self._ask("SELECT pg_export_snapshot()")[0][0])
            # Shares what the driver has learned of the server's types.
            connection = self._main.adbc_clone()
        try:
            with self._translated("joining the snapshot"):
                connection.adbc_connection.set_autocommit(True)
                run(connection, begin_script("READ ONLY", snapshot=self._name, settings=self._limits()))
        except BaseException:
            close(connection)
            raise
        return connection

    def _give_back(self, connection: Any, *, is_usable: bool) -> None:
        if is_usable:
            with self._lock:
                self._idle.append(connection)
        else:
            close(connection)

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as exc:
            if state_of(exc) == "22023" and doing == "joining the snapshot":
                raise ConfigError(
                    f"{self._source.location}: the snapshot of one connection is unknown to the next; nothing was read",
                    hint="a transaction pooler does that: use the session pooler or the direct address (port 5432)",
                ) from None
            raise translate(exc, where=self._source.location, doing=doing) from None


def _as_read(
    batch: pa.RecordBatch, schema: TableSchema, target: pa.Schema, dataset: Dataset, window: Window | None
) -> pa.RecordBatch:
    arrays = [mend(array, column) for array, column in zip(batch.columns, schema.columns, strict=True)]
    read = pa.RecordBatch.from_arrays(arrays, schema=target)
    if unreadable := no_utf8(read):
        raise _no_value(dataset, window, f"column {', '.join(unreadable)} holds bytes that are no UTF-8")
    return read


@contextmanager
def _naming(dataset: Dataset, window: Window | None) -> Iterator[None]:
    """Say which rows the server could not give because of a value in them: asking again would change nothing."""
    try:
        yield
    except OSError as exc:
        what = value_condition(exc)
        if not what:
            raise
        raise _no_value(dataset, window, f"the server cannot write some row's value ({what})") from None


def _no_value(dataset: Dataset, window: Window | None, why: str) -> Partial:
    return Partial(
        f"dataset {dataset.name}, {window or 'undated rows'}: {why}; nothing of it was read",
        hint="correct the row; in a database in SQL_ASCII convert_from(column::bytea, 'UTF8') finds it, in a view the"
        " cast that fails",
    )


def _instant(instant: datetime, stamp: str) -> str:
    """A constant of type timestamptz or timestamp; both mean UTC."""
    zone = "+00" if stamp == "timestamptz" else ""
    return f"{stamp} '{instant:%Y-%m-%d %H:%M:%S.%f}{zone}'".replace(f"'{instant.year}-", f"'{instant.year:04d}-")


def _undated(time: str, stamp: str) -> str:
    return f"({time} IS NULL OR {time} < {_instant(DATED_MIN, stamp)} OR {time} >= {_instant(DATED_MAX, stamp)})"
