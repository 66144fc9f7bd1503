"""A source in memory: a table that tests write to between snapshots, and that fails when it is told to.

It passes the same contract suite as the real sources. Rows are dictionaries; every write gives the row a new
version, as Postgres's ``xmin`` does, so that the census's digest changes with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from archiver.contracts import Partitions, PurgeTransaction, SideEffect, Snapshot
from archiver.errors import ConfigError, OutcomeUnknown, TransientError
from archiver.model import DATED_MAX, DATED_MIN, Column, Dataset, RowsChanged, SourceState, TableSchema, Window
from archiver.parquet import arrow_schema
from archiver.retention import window_at
from tests.support.faulty import Faults

LOG_COLUMNS = (
    Column(name="id", source_type="uuid", archive_type="string", nullable=False),
    Column(name="created_at", source_type="timestamptz", archive_type="timestamp[us, tz=UTC]"),
    Column(name="message", source_type="text", archive_type="string"),
    Column(name="score", source_type="double precision", archive_type="double"),
)


@dataclass
class MemoryTable:
    """A relation. ``rows`` maps a hidden row number to (version, values)."""

    columns: tuple[Column, ...] = LOG_COLUMNS
    key: tuple[str, ...] = ("id",)
    rows: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    _next: int = 0
    _version: int = 0

    def insert(self, **values: Any) -> int:
        """Add a row; returns its hidden number."""
        self._next += 1
        self._version += 1
        self.rows[self._next] = (self._version, values)
        return self._next

    def update(self, number: int, **values: Any) -> None:
        """Change a row's columns."""
        self._version += 1
        self.rows[number] = (self._version, {**self.rows[number][1], **values})

    def delete(self, number: int) -> None:
        """Remove a row."""
        del self.rows[number]

    def copied(self) -> "MemoryTable":
        """Another table with the same rows, as they are now."""
        return MemoryTable(self.columns, self.key, dict(self.rows), self._next, self._version)

    def values(self) -> list[dict[str, Any]]:
        """Every row's columns."""
        return [dict(values) for _, values in self.rows.values()]


class MemorySource:
    """Tables by relation name. ``break_scan`` makes the n-th scan from now fail after some batches."""

    def __init__(
        self, now: datetime, tables: Mapping[str, MemoryTable] | None = None, *, faults: Faults | None = None
    ) -> None:
        self.now = now
        self.faults = faults if faults is not None else Faults()
        self.tables = dict(tables or {})
        self.settle = timedelta(0)
        self.batch_rows = 7
        self._scans = 0
        self._broken: dict[int, int] = {}
        self._commits = 0
        self._broken_commits: dict[int, tuple[bool, type[BaseException]]] = {}
        self.before_commit: Callable[[], None] = lambda: None

    @property
    def location(self) -> str:
        return "memory"

    def break_scan(self, *, nth: int = 1, after_batches: int = 0) -> None:
        """The n-th scan from now raises TransientError after so many batches."""
        self._broken[self._scans + nth] = after_batches

    def scan_started(self) -> int | None:
        """Count a scan. Returns after how many batches it fails, or None."""
        self._scans += 1
        return self._broken.get(self._scans)

    def commit_started(self) -> tuple[bool, type[BaseException] | None]:
        """Count a commit. Returns whether it takes effect, and what it raises."""
        self._commits += 1
        return self._broken_commits.get(self._commits, (True, None))

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        yield MemorySnapshot(
            self, {name: MemoryTable(table.columns, table.key, dict(table.rows)) for name, table in self.tables.items()}
        )

    @contextmanager
    def purging(self, dataset: Dataset) -> Iterator[PurgeTransaction]:
        yield MemoryPurge(
            self, {name: MemoryTable(table.columns, table.key, dict(table.rows)) for name, table in self.tables.items()}
        )

    def break_commit(self, *, nth: int = 1, took_effect: bool, error: type[BaseException] = OutcomeUnknown) -> None:
        """The n-th commit from now raises, with or without having taken effect."""
        self._broken_commits[self._commits + nth] = (took_effect, error)


class MemorySnapshot:
    def __init__(self, source: MemorySource, tables: dict[str, MemoryTable]) -> None:
        self._source = source
        self._tables = tables
        self.taken_at = source.now
        self.settled_until = source.now - source.settle

    def schema(self, dataset: Dataset) -> TableSchema:
        table = self._tables.get(dataset.relation)
        if table is None:
            raise ConfigError(f"dataset {dataset.name}: no relation {dataset.relation}; nothing was read")
        key = table.key if dataset.key_columns is None else dataset.key_columns
        return TableSchema(columns=table.columns, time_column=dataset.time_column, key_columns=key, key_is_unique=False)

    def census(
        self,
        dataset: Dataset,
        schema: TableSchema,
        since: datetime | None,
        until: datetime | None,
        *,
        digests: bool = True,
    ) -> Mapping[Window | None, SourceState]:
        found: dict[Window | None, list[int]] = {}
        for version, values in self._tables[dataset.relation].rows.values():
            window = _window_of(values.get(dataset.time_column), dataset.window)
            if window is None:
                if since is None and until is None:
                    found.setdefault(None, []).append(version)
            elif (since is None or window.start >= since) and (until is None or window.end <= until):
                found.setdefault(window, []).append(version)
        return {
            window: SourceState(rows=len(versions), digest=_digest(versions) if digests else "")
            for window, versions in found.items()
        }

    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        fails_after = self._source.scan_started()
        rows = [
            values
            for _, values in self._tables[dataset.relation].rows.values()
            if _belongs(values.get(dataset.time_column), window)
        ]
        order = (schema.time_column, *schema.key_columns)
        rows.sort(key=lambda values: [(values.get(name) is None, values.get(name)) for name in order])
        target = arrow_schema(schema)
        for count, start in enumerate(range(0, len(rows), self._source.batch_rows)):
            if count == fails_after:
                raise TransientError("memory: the source went away; nothing was read")
            part = rows[start : start + self._source.batch_rows]
            yield pa.RecordBatch.from_pylist([{f.name: row.get(f.name) for f in target} for row in part], schema=target)
        if fails_after is not None and fails_after * self._source.batch_rows >= len(rows):
            raise TransientError("memory: the source went away; nothing was read")

    def has_time_index(self, dataset: Dataset) -> bool:
        return True

    def side_effects(self, dataset: Dataset, border: datetime) -> tuple[SideEffect, ...]:
        return ()

    def partitions(self, dataset: Dataset) -> Partitions:
        return Partitions()

    def count(self, dataset: Dataset, schema: TableSchema, window: Window) -> int:
        rows = self._tables[dataset.relation].rows.values()
        return sum(_belongs(values.get(dataset.time_column), window) for _, values in rows)

    def duplicate_keys(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> int:
        seen: dict[tuple[Any, ...], int] = {}
        for _, values in self._tables[dataset.relation].rows.values():
            if _belongs(values.get(dataset.time_column), window):
                key = tuple(values.get(name) for name in schema.key_columns)
                seen[key] = seen.get(key, 0) + 1
        return sum(count for count in seen.values() if count > 1)


class MemoryPurge(MemorySnapshot):
    """A transaction: what it deletes leaves the table at ``commit``, unless somebody changed it meanwhile."""

    def __init__(self, source: MemorySource, tables: dict[str, MemoryTable]) -> None:
        super().__init__(source, tables)
        self._gone: list[tuple[str, int, int]] = []

    def delete(self, dataset: Dataset, schema: TableSchema, window: Window, keys: pa.Table) -> SourceState:
        wanted = {tuple(row[name] for name in schema.key_columns) for row in keys.to_pylist()}
        table = self._tables[dataset.relation]
        found = [
            (number, version)
            for number, (version, values) in table.rows.items()
            if _belongs(values.get(dataset.time_column), window)
            and tuple(values.get(name) for name in schema.key_columns) in wanted
        ]
        for number, version in found:
            now = self._source.tables[dataset.relation].rows.get(number)
            if now is None or now[0] != version:
                raise TransientError("memory: another transaction changed the row; the transaction is lost")
            del table.rows[number]
            self._gone.append((dataset.relation, number, version))
        return SourceState(rows=len(found), digest=_digest([version for _, version in found]))

    def attempt(self, dataset: Dataset, schema: TableSchema, window: Window, rows_max: int) -> int:
        return 0

    def commit(self) -> tuple[RowsChanged, ...]:
        self._source.before_commit()
        with self._source.faults.call("source.commit", "memory"):
            self._commit()
        return ()

    def _commit(self) -> None:
        took_effect, error = self._source.commit_started()
        if error is not None and not took_effect:
            raise error("memory: the commit was not carried out")
        for relation, number, version in self._gone:
            now = self._source.tables[relation].rows.get(number)
            if now is None or now[0] != version:
                raise TransientError("memory: another transaction changed the row; no row is gone")
        for relation, number, _ in self._gone:
            del self._source.tables[relation].rows[number]
        if error is not None:
            raise error("memory: the commit was carried out and its reply lost")


def _digest(versions: list[int]) -> str:
    return str(sum(hash((version, 7)) for version in versions))


def _window_of(instant: datetime | None, length: timedelta) -> Window | None:
    if instant is None or not DATED_MIN <= instant < DATED_MAX:
        return None
    return window_at(instant, length)


def _belongs(instant: datetime | None, window: Window | None) -> bool:
    if window is None:
        return instant is None or not DATED_MIN <= instant < DATED_MAX
    return instant is not None and window.start <= instant < window.end
