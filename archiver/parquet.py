"""Segments as Parquet: written once, digested while written, checked when read.

The same rows give the same bytes: nothing about the run or the time of writing goes into a segment, so that a part
which was uploaded by a run that died is recognised by its digest and adopted.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.errors import LocalResourceError, Partial, SegmentAltered
from archiver.model import EPOCH, Segment, Slot, TableSchema

METADATA_PREFIX = "archiver."
ROW_GROUP_ROWS = 32 * 1024
ROW_GROUP_BYTES = 16 * 1024 * 1024
"""A row group is written at so many rows or so many Arrow bytes, whichever comes first: the writer's memory.

Arrow wants a row group whole. Four times as many rows made segments of the benchmarks' table 2 % smaller, and took four
times the memory as soon as a window had that many.
"""
ROW_GROUPS_KEPT = 8
"""After so many, of all writers of the process together, freed memory goes back to the system."""
_row_groups = itertools.count(1)

ZSTD_LEVEL = 1
"""Level 3 took twice the time on rows of the two tables, and made their segments no smaller."""

ARROW_TYPES: Mapping[str, pa.DataType] = {
    str(arrow_type): arrow_type
    for arrow_type in (
        pa.string(),
        pa.binary(),
        pa.bool_(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
        pa.time64("us"),
        pa.timestamp("us"),
        pa.timestamp("us", tz="UTC"),
        pa.timestamp("ns", tz="UTC"),
        pa.map_(pa.string(), pa.string()),
        pa.list_(pa.field("element", pa.struct([("name", pa.binary()), ("value", pa.binary())]))),
        pa.dictionary(pa.int32(), pa.string()),
    )
}
"""Arrow's name of every type that a segment may hold. Anything else arrives in its text form."""


def arrow_schema(schema: TableSchema) -> pa.Schema:
    """The Arrow schema of a segment: columns in order, each with its source type as field metadata."""
    return pa.schema(
        [
            pa.field(
                column.name,
                ARROW_TYPES[column.archive_type],
                nullable=column.nullable,
                metadata={f"{METADATA_PREFIX}source_type": column.source_type},
            )
            for column in schema.columns
        ]
    )


def fingerprint(schema: TableSchema) -> str:
    """64 hex digits that change when a column's name, type, order or policy, the time column or the key changes."""
    facts: list[Any] = [
        [[column.name, column.source_type, column.archive_type, column.nullable] for column in schema.columns],
        schema.time_column,
        list(schema.key_columns),
    ]
    if schema.policies:
        facts += [_policies(schema), schema.privacy_key]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _policies(schema: TableSchema) -> dict[str, str]:
    return {policy.column: str(policy.action) for policy in schema.policies}


def written_schema(schema: TableSchema) -> pa.Schema:
    """``arrow_schema`` with what a segment's metadata say of column policies; nothing where there are none."""
    facts = {"policies": json.dumps(_policies(schema), ensure_ascii=False)} if schema.policies else {}
    if schema.privacy_key:
        facts["privacy_key"] = schema.privacy_key
    return arrow_schema(schema).with_metadata({f"{METADATA_PREFIX}{key}": value for key, value in facts.items()})


# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """A Parquet file on this machine's disk, finished and digested, not yet in the archive.

    Attributes:
        oldest, newest: As in ``model.Segment``.
    """

    path: Path
    size_bytes: int
    sha256: str
    rows: int
    oldest: str | None
    newest: str | None


class _DigestingFile:
    """What Arrow writes to: a file that knows its SHA-256 when it is closed, without being read again."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: Any) -> int:
        view = memoryview(data)
        written = 0
        while written < view.nbytes:
            written += self._file.write(view[written:]) or 0
        self._digest.update(view)
        self.size_bytes += written
        return written

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """Nothing is buffered here."""

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class PartWriter:
    """Write one part: batches in their final order in, one finished file out. A context manager.

    Left without ``finish``, or through an exception, it removes its file: a part half written may hold personal data.

    Args:
        path: Must not exist; readable by the owner alone.
        schema: Its fingerprint, time column and key columns go into the file's metadata.
        dataset, slot: Go into the metadata too. Nothing about the run does: the same rows give the same bytes.
    """

    def __init__(
        self, path: Path, schema: TableSchema, *, dataset: str, slot: Slot, metadata: Mapping[str, str] | None = None
    ) -> None:
        self._path = path
        self._schema = schema
        self._arrow_schema = arrow_schema(schema)
        self._time = schema.time_column
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._bounds = _Bounds()
        self._finished = False
        self.rows = 0
        facts = {
            "dataset": dataset,
            "slot": str(slot),
            "schema": fingerprint(schema),
            "sorted_by": json.dumps([schema.time_column, *schema.key_columns]),
            **(metadata or {}),
        }
        names = [column.name for column in schema.columns]
        sorted_by = [name for name in dict.fromkeys((schema.time_column, *schema.key_columns)) if name in names]
        # Without a stated number of distinct values Arrow takes 32 to 64 MB for each filter of each row group, keeps
        # them all until the part is finished, and then writes the same bytes.
        bloom = {
            column.name: {"ndv": ROW_GROUP_ROWS}
            for column in schema.columns
            if column.name in schema.key_columns and column.archive_type in ("string", "int64", "binary")
        }
        with _disk_errors(path):
            self._file = _DigestingFile(path)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._file, mode="w"),
            self._arrow_schema.with_metadata(
                {f"{METADATA_PREFIX}{key}": value for key, value in facts.items()} | _facts(written_schema(schema))
            ),
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[name for name in names if name not in sorted_by],
            version="2.6",
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(names.index(name)) for name in sorted_by],
            bloom_filter_options=bloom or None,
        )

    @property
    def size_bytes(self) -> int:
        """Bytes written so far, without the pending row group."""
        return self._file.size_bytes

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows. They follow everything written before in the order of (time, key).

        Raises:
            LocalResourceError: The disk is full.
            Partial: A text is no UTF-8: it could be written, and nobody could read it back.
        """
        if batch.num_rows == 0:
            return
        if unreadable := no_utf8(batch):
            raise Partial(f"column {', '.join(unreadable)}: holds bytes that are no UTF-8; nothing of them was written")
        self._bounds.add(batch.column(self._time))
        self.rows += batch.num_rows
        start = 0
        while start < batch.num_rows:
            # Cut at the bound: Bloom filters have room for that many values, however large the batches are.
            piece = batch.slice(start, ROW_GROUP_ROWS - self._pending_rows)
            start += piece.num_rows
            self._pending.append(piece)
            self._pending_rows += piece.num_rows
            self._pending_bytes += piece.nbytes
            if self._pending_rows >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def finish(self) -> WrittenPart:
        """Write the footer, make the file durable, and say what it is.

        Raises:
            LocalResourceError: The disk is full.
        """
        self._flush()
        with _disk_errors(self._path):
            self._writer.close()
            self._file.close()
        self._finished = True
        return WrittenPart(
            path=self._path,
            size_bytes=self._file.size_bytes,
            sha256=self._file.sha256,
            rows=self.rows,
            oldest=self._bounds.oldest,
            newest=self._bounds.newest,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            # Arrow's writer ends its file when it is collected; by then this one must not be written to any more.
            with contextlib.suppress(pa.ArrowException, OSError, ValueError):
                self._writer.close()
            self._writer.is_open = False
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._pending:
            return
        # In one piece: Parquet looks whether a page is full at every chunk's end, and bytes must not depend on batches.
        table = pa.Table.from_batches(self._pending, schema=self._arrow_schema).combine_chunks()
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        with _disk_errors(self._path):
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        del table
        # What was freed stays in the arenas of the threads that took it: more with every row group of a large window.
        # Giving it back each time would cost a tenth of an export's processor time: the next one takes it again.
        if next(_row_groups) % ROW_GROUPS_KEPT == 0:
            pa.default_memory_pool().release_unused()


class _Bounds:
    """The earliest and latest time of the batches added; NULLs do not count."""

    def __init__(self) -> None:
        self._low: pa.Scalar | None = None
        self._high: pa.Scalar | None = None

    def add(self, times: pa.Array) -> None:
        extremes = pc.min_max(times)
        low, high = extremes["min"], extremes["max"]
        if low.is_valid and (self._low is None or low.value < self._low.value):
            self._low = low
        if high.is_valid and (self._high is None or high.value > self._high.value):
            self._high = high

    @property
    def oldest(self) -> str | None:
        return _instant_text(self._low)

    @property
    def newest(self) -> str | None:
        return _instant_text(self._high)


class _disk_errors:  # noqa: N801 - reads as a statement
    """Turn a full disk into ours, naming the path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise LocalResourceError(
                f"{self._path.parent}: no space for the part being written; nothing of it was committed",
                hint="free some space there, or point work_dir elsewhere, and run again",
            ) from error


def _instant_text(scalar: pa.Scalar | None) -> str | None:
    """RFC 3339 UTC text of a timestamp or date scalar; None where the calendar does not reach (infinity, BC)."""
    if scalar is None:
        return None
    kind = scalar.type
    if pa.types.is_date32(kind):
        seconds, rest, digits = scalar.value * 86_400, 0, 6
    elif not pa.types.is_timestamp(kind):
        raise ValueError(f"{kind} is no time")
    else:
        per_second = {"us": 10**6, "ns": 10**9}[kind.unit]
        digits = len(str(per_second)) - 1
        seconds, rest = divmod(scalar.value, per_second)
    try:
        return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:0{digits}d}Z"
    except OverflowError:
        return None


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_batches(path: Path, *, rows_max: int = 64 * 1024) -> Iterator[pa.RecordBatch]:
    """The rows of a part in their written order, in batches of at most ``rows_max`` rows.

    Raises:
        SegmentAltered: The file is not Parquet, or a page's checksum disagrees.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from file.iter_batches(batch_size=rows_max, use_threads=False)
    except (pa.ArrowException, OSError) as exc:
        raise SegmentAltered(f"{path.name}: cannot be decoded as Parquet ({type(exc).__name__})") from exc


def check_part(path: Path, segment: Segment, schema: pa.Schema | None) -> list[str]:
    """Decode a whole part and compare it with what the ledger says of it.

    Args:
        path: A local copy whose digest was compared already.
        schema: What the ledger has for ``segment.schema``, as ``written_schema``; None skips that comparison.

    Returns:
        One sentence for each fact that disagrees, in a fixed order; empty when all agree.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return [*_check_metadata(file.schema_arrow, segment, schema), *_check_rows(file, segment)]
    except (pa.ArrowException, OSError, ValueError, LookupError) as exc:
        # A damaged footer can claim anything: names that are not there, metadata that is not text.
        return [f"it cannot be decoded as Parquet ({type(exc).__name__})"]


def _facts(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def _check_metadata(written: pa.Schema, segment: Segment, schema: pa.Schema | None) -> list[str]:
    problems = []
    facts = _facts(written)
    named = facts.get(f"{METADATA_PREFIX}schema", "")
    if named != segment.schema:
        problems.append(f"ledger has schema {segment.schema[:16]}, the file {named[:16] or 'none'}")
    place = facts.get(f"{METADATA_PREFIX}slot", "")
    if place != str(segment.slot):
        problems.append(f"ledger puts it in {segment.slot}, the file says {place or 'nothing'}")
    if schema is not None and not written.equals(schema, check_metadata=False):
        problems.append("the file's columns are not those of its schema version")
    if schema is not None:
        stated = _facts(schema)
        problems.extend(
            f"the file's {name} is not that of its schema version"
            for name in (f"{METADATA_PREFIX}policies", f"{METADATA_PREFIX}privacy_key")
            if facts.get(name) != stated.get(name)
        )
    return problems


def _check_rows(file: pq.ParquetFile, segment: Segment) -> list[str]:
    problems = []
    # The time can be part of the key.
    order = list(dict.fromkeys(json.loads(_facts(file.schema_arrow).get(f"{METADATA_PREFIX}sorted_by", "[]"))))
    bounds = _Bounds()
    rows, is_in_order, last = 0, True, None
    unreadable: set[str] = set()
    for batch in file.iter_batches(batch_size=64 * 1024, use_threads=False):
        if batch.num_rows == 0:
            continue
        rows += batch.num_rows
        unreadable.update(no_utf8(batch))
        if order:
            bounds.add(batch.column(order[0]))
            is_in_order = is_in_order and is_sorted(batch, order, last)
        last = batch.slice(batch.num_rows - 1)
    if not is_in_order:
        problems.append(f"the rows are not sorted by {', '.join(order)}")
    if unreadable:
        problems.append(f"column {', '.join(sorted(unreadable))} holds bytes that are no UTF-8")
    if rows != segment.rows:
        problems.append(f"ledger says {segment.rows} rows, the file has {rows}")
    for name, stated, actual in (("oldest", segment.oldest, bounds.oldest), ("newest", segment.newest, bounds.newest)):
        if order and stated != actual:
            problems.append(f"ledger says {name} {stated}, the file has {actual}")
    return problems


def no_utf8(batch: pa.RecordBatch) -> tuple[str, ...]:
    """Columns with a text that is no UTF-8, which Arrow itself takes on trust."""
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_primitive(field.type):
            continue  # no text in it; and 24:00, which Postgres knows, is no time to Arrow's own check
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            columns.append(field.name)
    return tuple(columns)


def sort_rows(rows: pa.Table, columns: Iterable[str]) -> pa.Table:
    """Rows in ascending order of some columns, NULLs last: the order of a segment."""
    order = [(name, "ascending", "at_end") for name in dict.fromkeys(columns)]
    return rows.take(pc.sort_indices(rows, sort_keys=order))


def is_sorted(batch: pa.RecordBatch, columns: list[str], before: pa.RecordBatch | None = None) -> bool:
    """Whether rows are in ascending order of some columns, NULLs last, and none sorts before the row ``before``."""
    table = pa.Table.from_batches(
        [before.select(columns), batch.select(columns)] if before else [batch.select(columns)]
    )
    if table.num_rows < 2:  # noqa: PLR2004
        return True
    # Lexicographic comparison of neighbours, a column at a time: ``open_`` marks pairs equal so far.
    undecided = None
    for name in columns:
        column = table.column(name).combine_chunks()
        left, right = column.slice(0, len(column) - 1), column.slice(1)
        greater = pc.fill_null(pc.greater(left, right), False)
        greater = pc.or_(greater, pc.and_(pc.is_null(left), pc.is_valid(right)))
        equal = pc.or_(pc.fill_null(pc.equal(left, right), False), pc.and_(pc.is_null(left), pc.is_null(right)))
        wrong = greater if undecided is None else pc.and_(undecided, greater)
        if pc.any(wrong).as_py():
            return False
        undecided = equal if undecided is None else pc.and_(undecided, equal)
    return True
