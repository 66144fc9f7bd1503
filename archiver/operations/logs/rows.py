"""Rows of logs on their way from chunks to segments: cut into days, spilled, merged, each kept once.

Chunks of one stream overlap, and one entry may be in several of them. What identifies an entry is its stream (tenant
and labels), its time, its line and its structured metadata, compared whole and exactly, never by digests.

Memory: rows wait in files that are mapped, not read. A merge takes out of all of them what lies between two instants
that are some ``CUT_ROWS`` rows or ``CUT_BYTES`` bytes apart; rows of one instant are never parted.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from archiver.contracts import ChunkRef
from archiver.model import EPOCH, Column, TableSchema, Window
from archiver.operations.steps.compare import TimeCursor, joined_pairs, pair_keys
from archiver.parquet import arrow_schema

DAY_NS = 86_400 * 10**9
SPAN_BYTES = 256 << 20
"""A day with more than this is merged and written in several spans of time side by side, a part each. Not a setting:
the same chunks give the same parts."""

CUT_ROWS = 64 * 1024
CUT_BYTES = 32 << 20
SAMPLE_ROWS = 1024

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
        times = _times(ordered.column("timestamp"))
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


def _times(array: pa.Array) -> memoryview:
    """Nanoseconds since the epoch, without a copy. The array has no NULL."""
    everything = memoryview(array.buffers()[1]).cast("B").cast("q")
    return everything[array.offset : array.offset + len(array)]


# ── Merging ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Tally:
    """What a merge left out."""

    duplicates: int = 0


@dataclass(slots=True)
class _Waiting:
    """A piece that is partly taken already."""

    batch: pa.RecordBatch
    times: memoryview
    source: int
    taken: int = 0


@dataclass(slots=True)
class Merge:
    """Bring one place's pieces into one order, each entry once.

    Attributes:
        origins: The round's chunks by ``Piece.source``.
        label_columns: As in ``table_schema``.
        held: Rows of the place that the archive has already, streams sorted by time.
        span: Only rows inside; pieces and held rows may have others.
    """

    place: Place
    pieces: Sequence[Piece]
    origins: Mapping[int, Origin]
    label_columns: Sequence[str]
    held: Sequence[Iterator[pa.RecordBatch]]
    span: Span = Span(None, None)
    tally: Tally = field(default_factory=Tally)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows that the archive lacks, with the columns of ``table_schema``, sorted by time, then stream."""
        used = sorted({piece.source for piece in self.pieces})
        shown = _Shown([self.origins[source] for source in used], self.label_columns)
        number = {source: local for local, source in enumerate(used)}
        held = [TimeCursor(stream, HELD_SCHEMA, "timestamp") for stream in self.held]
        files: dict[Path, pa.RecordBatchFileReader] = {}
        waiting = []
        for piece in sorted(self.pieces, key=lambda piece: (piece.source, piece.path, piece.batch)):
            if piece.path not in files:
                files[piece.path] = pa.ipc.open_file(pa.memory_map(str(piece.path)))
            batch = files[piece.path].get_batch(piece.batch)
            times = _times(batch.column("timestamp"))
            low = 0 if self.span.start_ns is None else bisect_left(times, self.span.start_ns)
            high = len(times) if self.span.end_ns is None else bisect_left(times, self.span.end_ns)
            if low < high:
                waiting.append(_Waiting(batch.slice(low, high - low), times[low:high], number[piece.source]))
        if self.span.start_ns is not None:
            for cursor in held:
                cursor.before(_instant(self.span.start_ns))
        for bound in _cuts(waiting):
            table = _taken(waiting, bound)
            if table.num_rows == 0:
                continue
            limit = None if bound is None else _instant(bound)
            known = pa.concat_tables([cursor.before(limit) for cursor in held]) if held else None
            table = self._once(table, known, shown)
            if table.num_rows:
                yield shown.rows(table, self.place.tenant)

    def _once(self, table: pa.Table, known: pa.Table | None, shown: "_Shown") -> pa.Table:
        """Leave out what an earlier row, or the archive, has. Only rows that share their instant are looked at."""
        times = table.column("timestamp")
        suspects = _shares_instant(times)
        if known is not None and known.num_rows:
            known = known.filter(pc.is_in(known.column("timestamp"), value_set=times.combine_chunks()))
            again = pc.is_in(times, value_set=known.column("timestamp").combine_chunks())
            suspects = pc.or_(suspects, again)
        rows = pc.indices_nonzero(suspects)
        if len(rows) == 0:
            return table
        few = table.take(rows)
        identity = _identity(few, shown.identities.take(few.column("source").combine_chunks()))
        identity = identity.append_column("row", [rows.cast(pa.int64())])
        if known is not None and known.num_rows:
            theirs = _identity(known, pair_keys(known.column("labels").combine_chunks()))
            identity = pa.concat_tables(
                [theirs.append_column("row", [pa.repeat(pa.scalar(-1, pa.int64()), known.num_rows)]), identity]
            )
        first = identity.group_by(identity.column_names[:-1], use_threads=False).aggregate([("row", "min")])
        kept = first.column("row_min").combine_chunks()
        dropped = pc.invert(pc.is_in(rows.cast(pa.int64()), value_set=kept))
        count = pc.sum(dropped).as_py() or 0
        if count == 0:
            return table
        self.tally.duplicates += count
        keep = pc.replace_with_mask(
            pa.repeat(pa.scalar(True), table.num_rows), suspects.combine_chunks(), pc.invert(dropped)
        )
        return table.filter(keep)


def _instant(nanoseconds: int) -> pa.Scalar:
    return pa.scalar(nanoseconds, pa.int64()).cast(pa.timestamp("ns", tz="UTC"))


HELD_SCHEMA = pa.schema(
    [
        pa.field("timestamp", pa.timestamp("ns", tz="UTC")),
        ("labels", LABELS),
        ("line", TEXT),
        ("line_bytes", pa.binary()),
        ("structured_metadata", LABELS),
        ("structured_metadata_pairs", PAIRS),
    ]
)
"""The columns of held rows that tell whether a row is the same."""


class _Shown:
    """What every row of a chunk has in common, a value for each chunk, spread over rows by number."""

    def __init__(self, origins: Sequence[Origin], label_columns: Sequence[str]) -> None:
        self._schema = arrow_schema(table_schema(label_columns))
        self._streams = pa.array([origin.ref.stream for origin in origins], TEXT).dictionary_encode()
        self._chunks = pa.array([origin.ref.chunk for origin in origins], TEXT)
        self._labels = pa.array([sorted(origin.labels.items()) for origin in origins], LABELS)
        self._columns = [
            pa.array([origin.labels.get(name) for origin in origins], TEXT).dictionary_encode()
            for name in label_columns
        ]
        self.identities = pair_keys(self._labels)

    def rows(self, table: pa.Table, tenant: str) -> pa.RecordBatch:
        """Rows with all their columns."""
        sources = table.column("source").combine_chunks()
        columns = [
            table.column("timestamp").combine_chunks(),
            pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), table.num_rows), pa.array([tenant], TEXT)
            ),
            self._streams.take(sources),
            pa.DictionaryArray.from_arrays(sources, self._chunks),
            *(column.take(sources) for column in self._columns),
            table.column("line").combine_chunks(),
            table.column("line_bytes").combine_chunks(),
            self._labels.take(sources),
            table.column("structured_metadata").combine_chunks(),
            table.column("structured_metadata_pairs").combine_chunks(),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _cuts(waiting: Sequence[_Waiting]) -> Iterator[int | None]:
    """Instants between which there are about as many rows or bytes as may be in memory at once; the last is None."""
    samples: list[tuple[int, int, int]] = []
    for one in waiting:
        rows = len(one.times)
        row_bytes = max(one.batch.nbytes // max(rows, 1), 1)
        step = max(1, min(SAMPLE_ROWS, CUT_BYTES // 8 // row_bytes))
        for start in range(0, rows, step):
            count = min(step, rows - start)
            samples.append((one.times[start], count, count * row_bytes))
    samples.sort()
    rows = size_bytes = 0
    for instant, count, count_bytes in samples:
        if rows and (rows + count > CUT_ROWS or size_bytes + count_bytes > CUT_BYTES):
            yield instant
            rows = size_bytes = 0
        rows += count
        size_bytes += count_bytes
    yield None


def _taken(waiting: Sequence[_Waiting], bound: int | None) -> pa.Table:
    """The rows before an instant that were not taken yet, sorted by time, then source, ties as they stood."""
    parts = []
    for one in waiting:
        end = len(one.times) if bound is None else bisect_left(one.times, bound, one.taken)
        if end > one.taken:
            part = one.batch.slice(one.taken, end - one.taken)
            parts.append(part.append_column("source", pa.repeat(pa.scalar(one.source, pa.int32()), part.num_rows)))
            one.taken = end
    if not parts:
        return pa.table({})
    table = pa.Table.from_batches(parts).combine_chunks()
    if len(parts) == 1:
        return table
    order = pc.sort_indices(table, sort_keys=[("timestamp", "ascending"), ("source", "ascending")])
    return table.take(order)


def _shares_instant(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which rows of a sorted table have the time of a neighbour."""
    if len(times) < 2:  # noqa: PLR2004
        return pa.chunked_array([pa.repeat(pa.scalar(False), len(times))])
    flat = times.combine_chunks()
    same = pc.equal(flat.slice(1), flat.slice(0, len(flat) - 1))
    edge = pa.array([False])
    return pa.chunked_array([pc.or_(pa.concat_arrays([edge, same]), pa.concat_arrays([same, edge]))])


def _identity(table: pa.Table, stream_keys: pa.Array) -> pa.Table:
    """Columns that are equal exactly where two rows are the same entry, whatever their form in the file."""
    # Where the exact pairs are given they count: the map has lost those whose name occurs again.
    pairs = table.column("structured_metadata_pairs").combine_chunks()
    metadata = pair_keys(table.column("structured_metadata").combine_chunks())
    if pairs.null_count < len(pairs):
        fields = pairs.values.flatten()
        metadata = pc.coalesce(joined_pairs(pairs, *fields), metadata)
    return pa.table(
        {
            "timestamp": table.column("timestamp").cast(pa.int64()),
            "stream": stream_keys,
            "line": pc.coalesce(table.column("line").cast(pa.binary()), table.column("line_bytes")),
            "metadata": metadata,
        }
    )
