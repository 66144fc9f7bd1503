"""Parts of logs, each of a chunk that came on its own, merged: every entry stays, exactly once."""

from collections import Counter
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.neighbours.loki.source import ChunkDirectory, LokiSource
from archiver.operations.logs.plan import LokiOptions
from archiver.retention import CompactionRules
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.loki import DATA, LOGS, LokiArchive, stated
from tests.support.memory_source import MemorySource
from tests.support.nights import Nights


def whole_rows(archive: LokiArchive) -> Counter[str]:
    """Every row with all its columns, nanoseconds as numbers."""
    rows: Counter[str] = Counter()
    for held in archive.held.segments():
        data = archive.store.read(held.segment.key, size_bytes_max=1 << 30)
        table = pq.read_table(pa.BufferReader(data))
        rows.update(map(repr, table.set_column(0, "timestamp", table.column(0).cast(pa.int64())).to_pylist()))
    return rows


@pytest.mark.parametrize("name", ["edge-v13-snappy", "wal-replay-dups", "v13-zstd"])
def test_parts_of_real_chunks_are_merged(name: str) -> None:
    """Lines that are no text, structured metadata with a name that occurs twice, labels as columns: all as before."""
    faults = Faults()
    archive = LokiArchive(
        FaultyStore(faults), FaultyAnchor(faults), LokiSource(ChunkDirectory(DATA / name / "store"), None)
    )
    archive.options = LokiOptions.model_construct(round_size_bytes_max=1)
    archive.init()
    archive.export()
    nights = Nights(
        archive.store,
        archive.anchor,
        MemorySource(archive.now()),
        datasets=(LOGS,),
        now=archive.now,
        compaction=CompactionRules(parts_min=2, after=timedelta(days=2)),
    )
    assert nights.compact().parts_before == {}, "nothing is verified yet"
    nights.verify_and_record()
    before = {known.slot: len(known.segments) for known in archive.held.ordered()}
    rows = whole_rows(archive)
    assert max(before.values()) > 1
    receipt = nights.compact()
    assert receipt.parts_before == {"loki": sum(count for count in before.values() if count > 1)}
    assert {len(known.segments) for known in archive.held.ordered()} == {1}
    assert whole_rows(archive) == rows, "chunk of origin, stream and every other column included"
    archive.check(stated(name, "truth", "surplus"))
    assert not [key for key in archive.verify().litter if key.startswith("data/")]
    again = archive.export()
    assert (again.commits, again.rows) == (0, 0)
