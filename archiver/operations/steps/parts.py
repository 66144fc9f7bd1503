"""Rows become parts: written to files of bounded size, numbered within their day, uploaded under their digest's key."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from archiver import layout
from archiver.ledger.holdings import DatasetHoldings
from archiver.ledger.ledger import Ledger
from archiver.model import Segment, Slot, TableSchema
from archiver.operations.steps.run import Run
from archiver.parquet import PartWriter, WrittenPart, fingerprint


@dataclass(slots=True)
class Parts:
    """The parts of one dataset that one commit may name. Safe to use from several threads.

    Attributes:
        held: As it was when the commit's work began; numbers go on after what it has.
        size_bytes_max: A part is closed at about this size.
    """

    ledger: Ledger
    held: DatasetHoldings
    schema: TableSchema
    run: Run
    size_bytes_max: int
    _next: dict[tuple[str | None, date | None], int] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def write(self, files: ExitStack, slot: Slot, batches: Iterator[pa.RecordBatch]) -> Iterator[WrittenPart]:
        """Write sorted rows to files that go with ``files``. No rows, no file."""
        batch = next(batches, None)
        while batch is not None:
            path = self.run.new_file(files)
            with PartWriter(path, self.schema, dataset=self.held.name, slot=slot) as writer:
                while batch is not None:
                    writer.write(batch)
                    batch = next(batches, None)
                    if writer.size_bytes >= self.size_bytes_max:
                        break
                yield writer.finish()

    def named(self, slot: Slot, part: WrittenPart) -> Segment:
        """Give a part the next number of its day under which nothing was ever swept."""
        day = (slot.tenant, None if slot.window is None else slot.window.date)
        swept = self.ledger.holdings.swept
        with self._lock:
            number = self._next.get(day)
            if number is None:
                number = self.held.next_part(slot)
            while (key := layout.segment_key(self.held.name, slot, number, part.sha256)) in swept:
                number += 1
            self._next[day] = number + 1
        return Segment(
            key=key,
            slot=slot,
            part=number,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            rows=part.rows,
            schema=fingerprint(self.schema),
            oldest=part.oldest,
            newest=part.newest,
        )

    def upload(self, segment: Segment, part: WrittenPart) -> Segment:
        """Make a named part durable in the store, and remove its local file."""
        self.ledger.store.create(segment.key, part.path, sha256=part.sha256)
        part.path.unlink(missing_ok=True)
        return segment
