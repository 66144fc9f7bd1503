"""A few chunks of one evening in March, and an archive of Loki's chunks in which every write can be made to fail."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from archiver.operations.logs.plan import LokiOptions
from tests.support.chunk_store import MemoryLoki
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.loki import Entry, LokiArchive
from tests.support.loki_encoder import Entry as Line
from tests.support.loki_encoder import Writing

MARCH_7 = int(datetime(2026, 3, 7, tzinfo=UTC).timestamp()) * 10**9
HOUR_NS = 3600 * 10**9
NIGHT = datetime(2026, 3, 9, tzinfo=UTC)


def chunk(*lines: tuple[int, bytes], tenant: str = "fake", **labels: str) -> Writing:
    """A chunk of some lines, each with its hours since the 7th of March 2026 in nanoseconds."""
    entries = [Line(MARCH_7 + nanoseconds, line) for nanoseconds, line in lines]
    times = [entry.timestamp // 10**6 for entry in entries]
    return Writing(
        blocks=[entries], tenant=tenant, labels=labels or {"job": "pm2"}, from_ms=min(times), through_ms=max(times) + 1
    )


def entries_of(*writings: Writing) -> Counter[Entry]:
    """The distinct entries of some chunks."""
    return Counter(
        {
            (writing.tenant, tuple(sorted(writing.labels.items())), line.timestamp, line.line, ()): 1
            for writing in writings
            for block in writing.blocks
            for line in block
        }
    )


def world(*writings: Writing, conditional: bool = True, **options: Any) -> tuple[LokiArchive, Faults, MemoryLoki]:
    faults = Faults()
    loki = MemoryLoki()
    for writing in writings:
        loki.store.put(writing)
    archive = LokiArchive(
        FaultyStore(faults, conditional=conditional),
        FaultyAnchor(faults),
        loki,
        jobs=1,
        now=lambda: NIGHT,
        options=LokiOptions.model_construct(**options),
    )
    return archive, faults, loki


EVENING = chunk((22 * HOUR_NS, b"a"), (23 * HOUR_NS, b"b"), (25 * HOUR_NS, b"after midnight"))
OVERLAP = chunk((23 * HOUR_NS, b"b"), (23 * HOUR_NS, b"another line of that instant"), (26 * HOUR_NS, b"c"))
OTHER = chunk((HOUR_NS, b"\xff\xfe not text"), (HOUR_NS, b""), tenant="kunde-a")
LATE = chunk((22 * HOUR_NS, b"a"), (22 * HOUR_NS, b"late"), (25 * HOUR_NS, b"after midnight"), (27 * HOUR_NS, b"d"))
