"""Deleting from a Postgres database: one repeatable-read transaction for a batch of rows, or for a whole partition."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pyarrow as pa
from typing_extensions import override

from archiver.contracts import DropTransaction, Partition, PurgeTransaction
from archiver.errors import ArchiverError, OutcomeUnknown, Partial, Refused, TransientError
from archiver.model import Dataset, RowsChanged, SourceState, TableSchema, Window
from archiver.neighbours.postgres.access import PostgresAccess
from archiver.neighbours.postgres.catalog import (
    SqlFacts,
    describing,
    literal,
    question_of,
    quoted,
    relation_name,
)
from archiver.neighbours.postgres.connection import (
    FAILURES,
    TRANSIENT_CLASSES,
    begin_script,
    condition,
    detail_of,
    fetch,
    is_lost,
    run,
    state_of,
    translate,
)
from archiver.neighbours.postgres.effects import CHANGED, changed, changes, checking, counts_before
from archiver.neighbours.postgres.partitions import drop_statements
from archiver.neighbours.postgres.snapshot import ROW_VERSION, PostgresSnapshot
from archiver.retention import unagreed

PURGE_KEYS = "archiver_purge_keys"
DROP_LOCK_TIMEOUT = "500ms"
"""While a partition is detached everybody who uses the table waits, and so they do while that waits for its lock."""

_AS_THE_ROLE = (
    "(SELECT set_config('search_path',"
    " (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path'), true))"
)
"""Evaluated once, before the first row is deleted."""

COMPARED = "55000"
"""What our own look raises when a relation is no longer what it was found to be."""


class PostgresPurge(PostgresSnapshot, PurgeTransaction):
    """One connection, one repeatable-read transaction that may write.

    The relation is locked against alterations before the snapshot is taken, and looked at whether it is still what the
    plan found. A row that somebody else changed after the snapshot makes the deletion fail with a serialization error,
    so that what is deleted is what was read.
    """

    _checks_changes = True
    """Rows go one by one, so that what goes with each is counted."""

    def __init__(self, source: PostgresAccess, dataset: Dataset) -> None:
        super().__init__(source)
        self._dataset = dataset
        self._whole: tuple[str, Window | None, int] | None = None
        self._rows = 0

    @property
    @override
    def taken_at(self) -> datetime:
        """The database's clock when the transaction began, just before the snapshot was taken."""
        if self._taken_at is None:
            self._taken_at = self._query("SELECT transaction_timestamp()")[0][0]
        return self._taken_at

    @property
    @override
    def settled_until(self) -> datetime:
        """Nothing is known of others' transactions, and what deletes does not need it."""
        raise NotImplementedError

    def begin(self) -> None:
        """Lock, take the snapshot, and look whether the relation is still what it was found to be."""
        facts = SqlFacts(self._query, self._source.described, self._source.described)
        self._know(facts, "this role")
        if question_of(self._dataset) not in self._source.described:
            self._opened(lambda: facts.of(self._dataset))
            self._source.spare.put(self._main)
        self._opened(self._begin)

    def _begin(self) -> None:
        dataset = self._dataset
        lock_ms = max(1, round(self._source.lock_timeout_s * 1000))
        settings = {**self._limits(), "lock_timeout": f"{lock_ms}ms"}
        described = literal(self._source.described[question_of(dataset)])
        altered = (
            f" DO $archiver$ BEGIN IF {describing(dataset)} IS DISTINCT FROM {described}::jsonb THEN"
            f" RAISE EXCEPTION 'archiver: another relation than was planned with' USING ERRCODE = '{COMPARED}';"
            " END IF; END $archiver$;"
        )
        # Deferred constraints and triggers would do their work after the last look at what was changed.
        begin = begin_script("READ WRITE", settings=settings) + " SET CONSTRAINTS ALL IMMEDIATE;"
        try:
            self._run(begin + self._locks() + altered + counts_before())
        except FAILURES as exc:
            if state_of(exc) == COMPARED:
                self._source.described.pop(question_of(dataset), None)
                raise Partial(
                    f"{dataset.name}: its columns changed while it was purged; nothing more was deleted of it"
                ) from None
            raise translate(
                exc, where=self._source.location, doing=f"locking {dataset.name}", undone="nothing of it was deleted",
                rights=f"as its owner: GRANT DELETE ON {relation_name(dataset)} TO this role;",
            ) from None  # fmt: skip

    def _locks(self) -> str:
        """Nobody alters the relation from here on: a column with a default gives rows content and no version."""
        relation = self._facts.relation(self._dataset)
        if relation is None or relation[1] not in ("r", "p", "v"):
            return ""
        return f" LOCK TABLE {relation_name(self._dataset)} IN ROW EXCLUSIVE MODE;"

    def _borrow(self) -> Any:
        return self._main

    def _give_back(self, connection: Any, *, is_usable: bool) -> None:  # noqa: ARG002
        """The connection is this transaction's own; one that broke is closed with it."""
        self._may_keep = self._may_keep and is_usable

    @override
    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in super().scan(dataset, schema, window):
            rows += batch.num_rows
            yield batch
        self._whole = (dataset.name, window, rows)

    @override
    def delete(self, dataset: Dataset, schema: TableSchema, window: Window, keys: pa.Table) -> SourceState:
        """See ``contracts.PurgeTransaction``.

        Where the keys are those of every row that the window's scan gave, the window itself says which rows are meant:
        the snapshot shows this transaction no other row, whoever else inserts one meanwhile. Otherwise they go into a
        temporary table first.
        """
        is_versioned = self._known.is_versioned(dataset)
        versions = ROW_VERSION if is_versioned else "0"
        # What the application has defined on the table runs with the role's own search path, as it is used to; our
        # statement was read under ours before.
        where = f"{self._where(schema, window)} AND {_AS_THE_ROLE} IS NOT NULL"
        target = f"DELETE FROM {relation_name(dataset)} AS r"
        counted = "SELECT count(*), coalesce(sum(version), 0)::text, transaction_timestamp(){} FROM gone"
        with self._lock, self._deleting(dataset, window):
            if self._whole == (dataset.name, window, keys.num_rows):
                statement = (
                    f"WITH gone AS ({target} WHERE {where} RETURNING {versions} AS version) {counted.format('')}"
                )
                rows, digest, self._taken_at = fetch(self._main, statement)[0]
            else:
                matches = " AND ".join(
                    f"r.{quoted(name)} = k.{quoted(name)}::{self._type_of(schema, name)}" for name in schema.key_columns
                )
                with self._main.cursor() as cursor:
                    cursor.adbc_ingest(PURGE_KEYS, keys, mode="create", temporary=True)
                # The keys that are really gone, compared as the archive writes them: a key that the server takes for
                # equal, under some collation, is another row's.
                readings = self._known.readings(dataset)
                ours = ", ".join(readings[name].sql(f"r.{quoted(name)}") for name in schema.key_columns)
                theirs = ", ".join(f"k.{quoted(name)}" for name in schema.key_columns)
                statement = (
                    f"WITH gone AS ({target} USING pg_temp.{PURGE_KEYS} AS k WHERE {matches} AND {where}"
                    f' RETURNING {versions} AS version, ROW({ours})::text COLLATE "C" ='
                    f' ROW({theirs})::text COLLATE "C" AS same)'
                    f" {counted.format(', count(*) FILTER (WHERE NOT same)')}"
                )
                rows, digest, self._taken_at, others = fetch(self._main, statement)[0]
                run(self._main, f"DROP TABLE pg_temp.{PURGE_KEYS}")
                if others:
                    raise Refused(
                        f"{dataset.name} {window}: {others} rows would have been deleted whose key is not one that was"
                        " proven, but equal to one for the server; everything of this batch was rolled back",
                        hint=f"correct datasets.{dataset.name}.key, or the collation of its columns",
                    )
        self._rows = int(rows)
        return SourceState(rows=int(rows), digest=str(digest) if is_versioned else "")

    @override
    def attempt(self, dataset: Dataset, schema: TableSchema, window: Window, rows_max: int) -> int:
        """A view's rows have no place by which some of them could be chosen."""
        if not self._known.is_versioned(dataset):
            return 0
        where, name = self._where(schema, window), relation_name(dataset)
        time = f"r.{quoted(schema.time_column)}"
        wanted = self._query(f"SELECT count(*) FROM (SELECT FROM {name} AS r WHERE {where} LIMIT {rows_max}) AS w")[0][
            0
        ]
        if not wanted:
            return 0
        statement = (
            f"WITH gone AS (DELETE FROM {name} AS g WHERE (g.tableoid, g.ctid) IN (SELECT r.tableoid, r.ctid"
            f" FROM {name} AS r WHERE {where} ORDER BY {time} LIMIT {rows_max}) AND {_AS_THE_ROLE} IS NOT NULL"
            " RETURNING 1) SELECT count(*) FROM gone"
        )
        self._may_keep = False
        try:
            with self._lock, self._deleting(dataset, window):
                rows = int(fetch(self._main, statement)[0][0])
                run(self._main, "SET LOCAL search_path = pg_catalog")
                others = changed(fetch(self._main, f"SELECT {changes(dataset, rows)}::text")[0][0])
        finally:
            with suppress(*FAILURES):
                self._run_to_commit("ROLLBACK")
        if rows != wanted:
            raise Refused(
                f"{dataset.name}: {wanted} rows were tried to be deleted, and {rows} would be; all was left as it was",
                hint="a trigger or a rule keeps them: take it away, or set source_retention to never",
            )
        self._refuse(others)
        return rows

    @contextmanager
    def _deleting(self, dataset: Dataset, window: Window) -> Iterator[None]:
        """Say what the server said where it does not let rows go: asking again would change nothing."""
        try:
            yield
        except FAILURES as exc:
            raise self._not_deleted(exc, dataset, window) from None

    def _not_deleted(self, exc: BaseException, dataset: Dataset, window: Window | None) -> ArchiverError:
        state, where = state_of(exc), self._source.location
        what = f"deleting rows of {dataset.name}{f' {window}' if window else ''}"
        if not state or (state[:2] in TRANSIENT_CLASSES and state != COMPARED) or state == "42501":
            return translate(
                exc,
                where=where,
                doing=what,
                undone="nothing of this batch was deleted",
                rights=f"as its owner: GRANT DELETE ON {relation_name(dataset)} TO this role; where it has that, what"
                " its triggers do needs the right",
            )
        return Refused(
            f"{where}: the database does not let rows of {dataset.name} go ({condition(exc)}); nothing of this batch"
            " was deleted",
            hint="a constraint, a trigger or a rule of the table stands against it; `archiver purge` names them",
        )

    @override
    def commit(self) -> tuple[RowsChanged, ...]:
        dataset, allowed = self._dataset, self._dataset.purge_may_change
        others: tuple[RowsChanged, ...] = ()
        own = "SET LOCAL search_path = pg_catalog;"
        check = checking(dataset, self._rows) if self._checks_changes else ""
        if allowed and check:
            with self._lock, self._translated("counting what else was changed"):
                run(self._main, own)
                others = changed(fetch(self._main, f"SELECT {changes(dataset, self._rows)}::text")[0][0])
            self._refuse(others)
            check = ""
        try:
            self._run_to_commit(f"{own}{check} COMMIT" if check else "COMMIT")
        except FAILURES as exc:
            state, where = state_of(exc), self._source.location
            if state == CHANGED:
                self._refuse(changed(detail_of(exc)))
            if state[:2] == "40":
                raise TransientError(
                    f"{where}: the deletion was rolled back ({condition(exc)}); no row is gone"
                ) from None
            if not is_lost(exc):
                raise self._not_deleted(exc, dataset, None) from None
            raise OutcomeUnknown(
                f"{where}: no answer came to the commit of a deletion; its rows may or may not be gone",
                hint="run the purge again: it compares and accounts for them",
            ) from None
        return others

    def _run_to_commit(self, script: str) -> None:
        run(self._main, script)
        self._is_open = False

    def _refuse(self, changes: Sequence[RowsChanged]) -> None:
        others = unagreed(changes, self._dataset.purge_may_change)
        if others:
            raise Refused(
                f"{self._dataset.name}: deleting its rows would change what nothing proves: {'; '.join(others)};"
                " everything of this batch was rolled back",
                hint=f"archive and purge these first, or, where they are not to be archived, name them in"
                f" datasets.{self._dataset.name}.purge_may_change",
            )

    def _type_of(self, schema: TableSchema, name: str) -> str:
        column = schema.column(name)
        assert column is not None
        return column.source_type


class PostgresDrop(PostgresPurge, DropTransaction):
    """Drops a partition. Nothing that could have effects is dropped whole."""

    _checks_changes = False

    def __init__(self, source: PostgresAccess, dataset: Dataset, partition: Partition) -> None:
        super().__init__(source, dataset)
        self._partition = partition

    def _locks(self) -> str:
        """Lock the partition before the snapshot is taken: what a writer had committed until then is seen by it."""
        return f" LOCK TABLE ONLY {self._partition.name} IN EXCLUSIVE MODE;"

    @override
    def drop(self, dataset: Dataset, partition: Partition, rows: int) -> SourceState:
        if partition not in self.partitions(dataset).droppable:
            raise Partial(f"{partition.name}: is no longer a partition that may be dropped; it was left alone")
        versions = f"coalesce(sum({ROW_VERSION}), 0)::text" if self._known.is_versioned(dataset) else "''"
        ((count, digest),) = self._query(f"SELECT count(*), {versions} FROM ONLY {partition.name} AS r")
        if count != rows:
            raise Refused(f"{partition.name}: {rows} rows were proven, and it has {count}; it was not dropped")
        with self._lock, self._translated(f"dropping {partition.name}"):
            statements = (f"SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT}'", *drop_statements(dataset, partition))
            run(self._main, "; ".join(statements))
        return SourceState(rows=int(count), digest=str(digest))
