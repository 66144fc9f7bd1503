"""Lists of chunks: the objects that name which ones are archived, wait, are lost or deleted."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from archiver import layout
from archiver.contracts import ChunkRef
from archiver.errors import ObjectMissing, SegmentAltered, SegmentMissing
from archiver.ledger.ledger import Ledger
from archiver.model import ChunkList

LIST_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class KnownChunk:
    """A chunk as a list names it."""

    chunk: str
    size_bytes: int
    from_ms: int
    through_ms: int
    reason: str

    @classmethod
    def of(cls, ref: ChunkRef, reason: str) -> Self:
        """A chunk that is there."""
        return cls(ref.chunk, ref.size_bytes, ref.from_ms, ref.through_ms, reason)


@dataclass(frozen=True, slots=True)
class ChunkLists:
    """The lists of one dataset; each is read once."""

    ledger: Ledger
    dataset: str
    _tables: dict[str, pa.Table] = field(default_factory=dict, init=False)

    def read(self, named: ChunkList) -> pa.Table:
        """A list's rows, with the columns of ``KnownChunk``.

        Raises:
            SegmentMissing, SegmentAltered: It is not what the ledger names.
        """
        if named.key not in self._tables:
            self._tables[named.key] = self._read(named)
        return self._tables[named.key]

    def chunks(self, named: ChunkList) -> list[KnownChunk]:
        """The same, a value each."""
        return [KnownChunk(**row) for row in self.read(named).to_pylist()]

    def write(self, chunks: Sequence[KnownChunk]) -> ChunkList | None:
        """Make a list durable; the same chunks give the same object."""
        if not chunks:
            return None
        ordered = sorted(chunks, key=lambda chunk: chunk.chunk)
        table = pa.table(
            {
                "chunk": pa.array([chunk.chunk for chunk in ordered], pa.string()),
                "size_bytes": pa.array([chunk.size_bytes for chunk in ordered], pa.int64()),
                "from_ms": pa.array([chunk.from_ms for chunk in ordered], pa.int64()),
                "through_ms": pa.array([chunk.through_ms for chunk in ordered], pa.int64()),
                "reason": pa.array([chunk.reason for chunk in ordered], pa.string()),
            }
        )
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True, store_schema=False)
        data = sink.getvalue().to_pybytes()
        sha256 = hashlib.sha256(data).hexdigest()
        key = layout.chunk_list_key(self.dataset, sha256)
        self.ledger.store.create(key, data, sha256=sha256)
        self._tables[key] = table
        return ChunkList(
            key=key,
            sha256=sha256,
            size_bytes=len(data),
            chunks=len(ordered),
            from_ms=min(chunk.from_ms for chunk in ordered),
            through_ms=max(chunk.through_ms for chunk in ordered),
        )

    def _read(self, named: ChunkList) -> pa.Table:
        store = self.ledger.store
        try:
            data = store.read(named.key, size_bytes_max=LIST_BYTES_MAX)
        except ObjectMissing as exc:
            raise SegmentMissing(
                f"{named.key}: the ledger names it, {store.location} does not have it; nothing was archived",
                hint="restore the object from a copy of the bucket",
            ) from exc
        digest = hashlib.sha256(data).hexdigest()
        if digest != named.sha256:
            raise SegmentAltered(
                f"{named.key}: ledger says SHA-256 {named.sha256[:16]}…, the object has {digest[:16]}…; nothing was"
                " archived",
                hint="restore the object from a copy of the bucket",
            )
        # Not ``read_table``: its threads may outlive a short run, and abort the program at its end.
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            return file.read(use_threads=False)
