"""Rows of logs as they leave their chunks: which columns they have, and how they wait in spill files, cut into days."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from archiver.contracts import ChunkRef
from archiver.model import EPOCH, Column, Slot, TableSchema, Window

DAY_NS = 86_400 * 10**9
SPAN_BYTES = 256 << 20
"""A day with more than this is merged and written in several spans of time side by side, a part each. Not a setting:
the same chunks give the same parts."""

LABELS = pa.map_(pa.string(), pa.string())
PAIRS = pa.list_(pa.field("element", pa.struct([("name", pa.binary()), ("value", pa.binary())])))
TEXT = pa.string()
CATEGORY = "dictionary<values=string, indices=int32, ordered=0>"


def table_schema(label_columns: Sequence[str]) -> TableSchema:
    """The columns of archived logs: what every entry has, and some labels as columns of their own."""
    return TableSchema(
        columns=(
            Column(name="timestamp", source_type="time", archive_type="timestamp[ns, tz=UTC]", nullable=False),
            Column(name="tenant", source_type="tenant", archive_type=CATEGORY, nullable=False),
            Column(name="stream_hash", source_type="fingerprint", archive_type=CATEGORY, nullable=False),
            Column(name="chunk", source_type="chunk key", archive_type=CATEGORY, nullable=False),
            *(Column(name=name, source_type="label", archive_type=CATEGORY) for name in label_columns),
            Column(name="line", source_type="line, UTF-8", archive_type="string"),
            Column(name="line_bytes", source_type="line, not UTF-8", archive_type="binary"),
            Column(name="labels", source_type="labels", archive_type=str(LABELS), nullable=False),
            Column(name="structured_metadata", source_type="structured metadata", archive_type=str(LABELS)),
            Column(
                name="structured_metadata_pairs",
                source_type="structured metadata, exact",
                archive_type=str(PAIRS),
            ),
        ),
        time_column="timestamp",
        key_columns=("stream_hash",),
        key_is_unique=False,
    )


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A tenant's day: what becomes one slot. ``day`` counts from 1970-01-01."""

    tenant: str
    day: int

    @property
    def window(self) -> Window:
        """The day in UTC."""
        start = EPOCH + timedelta(days=self.day)
        return Window(start, start + timedelta(days=1))

    @property
    def date(self) -> date:
        """The day."""
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=self.day)).date()

    @property
    def slot(self) -> Slot:
        """The slot of its rows."""
        return Slot(tenant=self.tenant, window=self.window)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one chunk and one day, sorted by time, in a spill file.

    Attributes:
        batch: Its number in the file.
        source: The chunk's number in the round, in the order of (stream, chunk).
    """

    place: Place
    path: Path
    batch: int
    source: int
    first_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a day, in nanoseconds since the epoch, half-open; None: as far as the day reaches."""

    start_ns: int | None
    end_ns: int | None


WHOLE_DAY = Span(None, None)


def spans(pieces: Sequence[Piece]) -> list[Span]:
    """Cut a day into spans of about ``SPAN_BYTES``, by where its pieces begin."""
    borders: list[int] = []
    size_bytes = 0
    for piece in sorted(pieces, key=lambda piece: piece.first_ns):
        if size_bytes >= SPAN_BYTES and (not borders or piece.first_ns > borders[-1]):
            borders.append(piece.first_ns)
            size_bytes = 0
        size_bytes += piece.size_bytes
    return [Span(start, end) for start, end in zip([None, *borders], [*borders, None], strict=True)]


@dataclass(frozen=True, slots=True)
class Origin:
    """A chunk that rows come from."""

    ref: ChunkRef
    labels: Mapping[str, str]


def spill(
    writer: pa.RecordBatchFileWriter, path: Path, first_batch: int, source: int, ref: ChunkRef, table: pa.Table
) -> list[Piece]:
    """Write a chunk's rows to an open file, cut at midnight UTC, each piece sorted by time, ties as they stood."""
    pieces: list[Piece] = []
    for block in table.to_batches():
        ordered = _by_time(block)
        times = times_of(ordered.column("timestamp"))
        start = 0
        while start < len(times):
            day = times[start] // DAY_NS
            end = bisect_left(times, (day + 1) * DAY_NS, start)
            rows = ordered.slice(start, end - start)
            writer.write_batch(rows)
            place = Place(ref.tenant, day)
            pieces.append(Piece(place, path, first_batch + len(pieces), source, times[start], rows.nbytes))
            start = end
    return pieces


def _by_time(rows: pa.RecordBatch) -> pa.RecordBatch:
    times = rows.column("timestamp")
    if len(times) > 1 and not pc.all(pc.less_equal(times.slice(0, len(times) - 1), times.slice(1))).as_py():
        return rows.take(pc.sort_indices(rows, sort_keys=[("timestamp", "ascending")]))
    return rows


def times_of(array: pa.Array) -> memoryview:
    """Nanoseconds since the epoch, without a copy. The array has no NULL."""
    everything = memoryview(array.buffers()[1]).cast("B").cast("q")
    return everything[array.offset : array.offset + len(array)]
