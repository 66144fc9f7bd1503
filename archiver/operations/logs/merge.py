"""The rows of a day's chunks brought into one order, each kept once.

Chunks of one stream overlap, and one entry may be in several of them. What identifies an entry is its stream (tenant
and labels), its time, its line and its structured metadata, compared whole and exactly, never by digests.

Memory: rows wait in files that are mapped, not read. A merge takes out of all of them what lies between two instants
that are some ``CUT_ROWS`` rows or ``CUT_BYTES`` bytes apart; rows of one instant are never parted.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.contracts import ObjectStore
from archiver.errors import SegmentAltered
from archiver.ledger.holdings import DatasetHoldings, HeldSegment
from archiver.operations.logs.rows import (
    LABELS,
    PAIRS,
    TEXT,
    WHOLE_DAY,
    Origin,
    Piece,
    Place,
    Span,
    table_schema,
    times_of,
)
from archiver.operations.steps.compare import TimeCursor, joined_pairs, pair_keys
from archiver.operations.steps.fetch import fetched
from archiver.operations.steps.run import Run
from archiver.parquet import arrow_schema

CUT_ROWS = 64 * 1024
CUT_BYTES = 32 << 20
SAMPLE_ROWS = 1024


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
    span: Span = WHOLE_DAY
    tally: Tally = field(default_factory=Tally)

    def batches(self) -> Generator[pa.RecordBatch]:
        """Rows that the archive lacks, with the columns of ``table_schema``, sorted by time, then stream."""
        used = sorted({piece.source for piece in self.pieces})
        chunk_columns = _ChunkColumns([self.origins[source] for source in used], self.label_columns)
        number = {source: local for local, source in enumerate(used)}
        held = [TimeCursor(stream, HELD_SCHEMA, "timestamp") for stream in self.held]
        files: dict[Path, pa.RecordBatchFileReader] = {}
        waiting = []
        for piece in sorted(self.pieces, key=lambda piece: (piece.source, piece.path, piece.batch)):
            if piece.path not in files:
                files[piece.path] = pa.ipc.open_file(pa.memory_map(str(piece.path)))
            batch = files[piece.path].get_batch(piece.batch)
            times = times_of(batch.column("timestamp"))
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
            table = self._once(table, known, chunk_columns)
            if table.num_rows:
                yield chunk_columns.rows(table, self.place.tenant)

    def _once(self, table: pa.Table, known: pa.Table | None, chunk_columns: "_ChunkColumns") -> pa.Table:
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
        identity = _identity(few, chunk_columns.identities.take(few.column("source").combine_chunks()))
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


class _ChunkColumns:
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
    for chunk in waiting:
        rows = len(chunk.times)
        row_bytes = max(chunk.batch.nbytes // max(rows, 1), 1)
        step = max(1, min(SAMPLE_ROWS, CUT_BYTES // 8 // row_bytes))
        for start in range(0, rows, step):
            count = min(step, rows - start)
            samples.append((chunk.times[start], count, count * row_bytes))
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
    for chunk in waiting:
        end = len(chunk.times) if bound is None else bisect_left(chunk.times, bound, chunk.taken)
        if end > chunk.taken:
            part = chunk.batch.slice(chunk.taken, end - chunk.taken)
            parts.append(part.append_column("source", pa.repeat(pa.scalar(chunk.source, pa.int32()), part.num_rows)))
            chunk.taken = end
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


# ── What is merged with what ───────────────────────────────────────────────────────────────────────────────────


def identities(path: Path) -> Iterator[pa.RecordBatch]:
    """A part's rows as far as they tell one entry from another."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=64 * 1024, columns=HELD_SCHEMA.names, use_threads=False):
                yield pa.RecordBatch.from_arrays([batch.column(item.name) for item in HELD_SCHEMA], schema=HELD_SCHEMA)
    except (pa.ArrowException, OSError, KeyError) as exc:
        raise SegmentAltered(f"{path.name}: cannot be decoded as Parquet ({type(exc).__name__})") from exc


def segments_of(held: DatasetHoldings, place: Place) -> list[HeldSegment]:
    """What is held of a tenant's day."""
    known = held.slots.get(place.slot)
    return [] if known is None else known.segments


def fetched_days(
    files: ExitStack,
    pool: ThreadPoolExecutor,
    run: Run,
    store: ObjectStore,
    held: DatasetHoldings,
    places: Iterable[Place],
) -> dict[Place, list[Path]]:
    """What is held of some days, on this machine's disk, in the order of ``segments_of``."""
    fetching = {
        place: [pool.submit(fetched, files, run, store, part.segment) for part in segments_of(held, place)]
        for place in places
    }
    return {place: [future.result() for future in fetching[place]] for place in fetching}
