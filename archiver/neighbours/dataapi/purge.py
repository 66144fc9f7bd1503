"""Deleting through the data API: rows are read and compared here, one statement there deletes exactly these versions.

A row is named by its key and its version (``xmin``). A version's content never changes, so that a row which still has
the key and the version has the content that was compared; one that was touched meanwhile has another version, the
statement finds fewer rows than it was given, fails, and nothing is deleted. The columns are compared under its lock.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
from typing_extensions import override

from archiver.contracts import PurgeTransaction
from archiver.errors import AccessDenied, ArchiverError, ConfigError, IntegrityError, OutcomeUnknown, TransientError
from archiver.model import Dataset, RowsChanged, SourceState, TableSchema, Window
from archiver.neighbours.dataapi.client import RetryingApi
from archiver.neighbours.dataapi.query import VERSION
from archiver.neighbours.dataapi.snapshot import PostgrestSnapshot
from archiver.neighbours.postgres.catalog import quoted, relation_name
from archiver.neighbours.postgres.effects import changed

_TEXT = "\0text"
"""Behind a key column's name: its text form, as it goes back to the server."""


class PostgrestPurge(PostgrestSnapshot, PurgeTransaction):
    """Reads as a snapshot does, and deletes nothing before ``commit``.

    Args:
        body_bytes_max: Of one deletion's question; a batch with longer keys is deleted in several.
    """

    _with_versions = True

    def __init__(self, api: RetryingApi, *, settle_margin: timedelta, body_bytes_max: int) -> None:
        super().__init__(api, settle_margin=settle_margin)
        self._body_bytes_max = body_bytes_max
        self._read: list[pa.Table] = []
        self._window: tuple[str, Window | None] | None = None
        self._calls: list[dict[str, Any]] = []

    @override
    def schema(self, dataset: Dataset) -> TableSchema:
        """Checks also that rows may be deleted and have versions."""
        schema = super().schema(dataset)
        name = relation_name(dataset)
        if not self._known.is_versioned(dataset):
            raise ConfigError(
                f"dataset {dataset.name}: {name} is no table, so that its rows have no versions; nothing was deleted",
                hint=f'name the table itself, or set datasets.{dataset.name}.source_retention = "never"',
            )
        described = self._facts.of(dataset)
        if not described["may_delete"]:
            role = quoted(str(described["role"]))
            raise AccessDenied(
                f"dataset {dataset.name}: the role {described['role']} may not delete rows of {name}; nothing was"
                " deleted",
                hint=f"as its owner: GRANT DELETE ON {name} TO {role};",
            )
        return schema

    @override
    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        """Remembers the rows' keys and versions."""
        self._read, self._window = [], None
        yield from super().scan(dataset, schema, window)
        self._window = (dataset.name, window)

    def _seen(self, schema: TableSchema, table: pa.Table, texts: pa.Table) -> None:
        names = [column.name for column in schema.columns]
        keys = table.select(list(schema.key_columns))
        for name in schema.key_columns:
            keys = keys.append_column(name + _TEXT, texts.column(str(names.index(name))))
        # The version stands before the time, which is last.
        version = texts.column(str(texts.num_columns - 2))
        self._read.append(keys.append_column(VERSION, version))

    @override
    def delete(self, dataset: Dataset, schema: TableSchema, window: Window, keys: pa.Table) -> SourceState:
        """Looks which of the versions are still there; ``commit`` deletes them."""
        assert self._window == (dataset.name, window)
        proven = self._versions(dataset, schema, keys)
        arguments = {
            "namespace": dataset.namespace,
            "relation": dataset.relation,
            "time_column": schema.time_column,
            "since": window.start.isoformat(),
            "until": window.end.isoformat(),
            "key_columns": list(schema.key_columns),
        }
        state = SourceState(rows=0, digest="0")
        for part in _parts(proven, self._body_bytes_max):
            rows, digest = self._api.ask(
                "archiver_proven",
                {**arguments, "proven": part},
                doing=f"looking at proven rows of {dataset.name}",
                expects=list,
            )
            if rows != len(part):
                raise TransientError(
                    f"{self._api.location}: {len(part)} rows of {dataset.name} {window} were proven and {rows} of"
                    " them are unchanged; nothing of this batch was deleted"
                )
            state = state.plus(SourceState(rows=rows, digest=digest))
            compared = self._facts.of(dataset)["columns"]
            allowed = list(dataset.purge_may_change)
            self._calls.append({**arguments, "proven": part, "compared_columns": compared, "may_change": allowed})
        return state

    @override
    def attempt(self, dataset: Dataset, schema: TableSchema, window: Window, rows_max: int) -> int:
        """A statement over HTTP is committed by itself: nothing is tried."""
        return 0

    @override
    def commit(self) -> tuple[RowsChanged, ...]:
        """A batch whose keys make more than one question is no longer atomic."""
        is_begun = False
        changes: list[RowsChanged] = []
        for call in self._calls:
            try:
                done = self._api.api.call(
                    "archiver_purge",
                    call,
                    doing=f"deleting rows of {call['relation']}",
                    expects=dict,
                    keys=frozenset({"rows", "changed"}),
                    writes=True,
                )
            except ArchiverError as problem:
                if is_begun:
                    raise OutcomeUnknown(
                        f"{problem.message}; an earlier part of the same batch is deleted", hint=problem.hint
                    ) from problem
                raise
            gone = done["rows"]
            if gone != len(call["proven"]):
                raise IntegrityError(
                    f"{self._api.location}: {len(call['proven'])} rows were to be deleted and {gone} were; the"
                    " archive holds each of them",
                    hint="archiver_purge is not the function that the migration installs: install it again",
                )
            changes += changed(done["changed"])
            is_begun = True
        return tuple(changes)

    def _versions(self, dataset: Dataset, schema: TableSchema, keys: pa.Table) -> list[list[str]]:
        """Version and key of each row that is meant, as text."""
        names = list(schema.key_columns)
        read = pa.concat_tables(self._read)
        proven = read
        if keys.num_rows != read.num_rows:
            proven = read.join(keys, names, join_type="inner", use_threads=False)
        if proven.num_rows != keys.num_rows:
            raise ConfigError(
                f"dataset {dataset.name}: its key does not find the rows that were read; nothing of it was deleted",
                hint=f"set datasets.{dataset.name}.key to columns that are no floating point numbers",
            )
        columns = [proven.column(name).to_pylist() for name in (VERSION, *(name + _TEXT for name in names))]
        return [list(row) for row in zip(*columns, strict=True)]


def _parts(rows: Sequence[list[str]], size_bytes_max: int) -> Iterator[list[list[str]]]:
    """As many rows a part as make a question of bounded size; one at least."""
    part: list[list[str]] = []
    size_bytes = 0
    for row in rows:
        length = len(json.dumps(row, ensure_ascii=True)) + 1
        if part and size_bytes + length > size_bytes_max:
            yield part
            part, size_bytes = [], 0
        part.append(row)
        size_bytes += length
    if part:
        yield part
