"""Chunks become rows that may be archived: decoded, without what somebody asked Loki to delete, scrubbed, spilled.

Nothing is written but files of the work directory.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from archiver.contracts import ChunkRef, ChunkRows, ChunkSource
from archiver.errors import ChunkUnsound, IntegrityError, ObjectMissing
from archiver.model import Event, ScrubCount, Statement, Wait
from archiver.operations.logs.plan import WaitingChunk, rounds
from archiver.operations.logs.requests import Inexact, Rule, covered, may_touch
from archiver.operations.logs.rows import Origin, Piece, Place, spill
from archiver.operations.steps.run import Run

TASK_BYTES = 4 << 20
"""Chunks are decoded in groups of about so many bytes, or one by one where they are larger."""

CARRIED_OUT_WAIT = timedelta(hours=48)
"""How long a chunk is left alone that has entries of a request which Loki says it has carried out. Loki deletes files
some hours after it has said so; what is still there then was written later, and is not meant."""


class LineScrubber(Protocol):
    """Takes personal data out of lines."""

    def scrub(self, lines: pa.Array) -> tuple[pa.Array, Sequence[ScrubCount]]:
        """Lines as they may be written, and what was done. NULL stays NULL.

        Args:
            lines: Text, or binary where it is not valid UTF-8.
        """
        ...


class LokiProgress(Protocol):
    """Watches an export of logs. Called from several threads; must not raise."""

    def chunks_planned(self, chunks: int, size_bytes: int) -> None:
        """So much is to be read."""

    def chunk_read(self, size_bytes: int, entries: int) -> None:
        """One more was decoded."""

    def chunks_committed(self, seq: int, events: Sequence[Event]) -> None:
        """An entry was appended."""


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """A chunk whose rows are spilled."""

    origin: Origin
    entries: int
    deleted: int
    line_bytes: int
    pieces: tuple[Piece, ...]
    scrubbed: tuple[ScrubCount, ...]


@dataclass(frozen=True, slots=True)
class UnsoundChunk:
    """A chunk that contradicts itself."""

    ref: ChunkRef
    data_sha256: str
    reason: Statement


ChunkOutcome = DecodedChunk | UnsoundChunk | WaitingChunk | None
"""Of one chunk; None: it is gone."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads the chunks of one source.

    Attributes:
        present: Every chunk that is there, by name; asked where somebody asked Loki to delete something.
        scrubber: None: lines are left as they are.
        unsound: Given the bytes of a chunk that contradicts itself, and their SHA-256. Called from several threads.
        now: The local clock.
    """

    source: ChunkSource
    present: Callable[[], Mapping[str, ChunkRef]]
    scrubber: LineScrubber | None
    unsound: Callable[[bytes, str], None]
    run: Run
    progress: LokiProgress
    now: Callable[[], datetime]

    def decode(
        self, files: ExitStack, due: Sequence[ChunkRef], rules: Mapping[str, Sequence[Rule]]
    ) -> list[ChunkOutcome]:
        """Read some chunks, several at a time; their rows wait in files that go with ``files``.

        Args:
            rules: What somebody asked Loki to delete, by tenant.

        Returns:
            What became of each, in their order.

        Raises:
            Interrupted: The run should end.
        """
        sources = numbered_sources(due)
        others: dict[tuple[str, str], list[ChunkRef]] = {}
        if any(rules.values()):
            for ref in self.present().values():
                others.setdefault((ref.tenant, ref.stream), []).append(ref)
        outcomes: dict[str, ChunkOutcome] = {}

        def work(group: Sequence[ChunkRef]) -> None:
            path = self.run.new_file(files, "arrow")
            batches = 0
            with pa.OSFile(str(path), "wb") as sink:
                writer: pa.RecordBatchFileWriter | None = None
                for ref in group:
                    self.run.check_stop()
                    outcome, table = self._chunk(ref, rules[ref.tenant], others.get((ref.tenant, ref.stream), ()))
                    if isinstance(outcome, DecodedChunk) and table is not None:
                        if writer is None:
                            writer = pa.ipc.new_file(sink, table.schema)
                        pieces = spill(writer, path, batches, sources[ref.chunk], ref, table)
                        batches += len(pieces)
                        outcome = replace(outcome, pieces=tuple(pieces))
                    outcomes[ref.chunk] = outcome
                    entries = outcome.entries if isinstance(outcome, DecodedChunk) else 0
                    self.progress.chunk_read(ref.size_bytes, entries)
                if writer is not None:
                    writer.close()

        with ThreadPoolExecutor(self.run.jobs, thread_name_prefix="chunks") as pool:
            for _ in pool.map(work, _groups(due)):
                pass
        return [outcomes[ref.chunk] for ref in due]

    def _chunk(
        self, ref: ChunkRef, wanted: Sequence[Rule], others: Sequence[ChunkRef]
    ) -> tuple[ChunkOutcome, pa.Table | None]:
        try:
            data = self.source.read(ref)
        except ObjectMissing:
            return None, None
        except IntegrityError:
            return WaitingChunk(ref, Wait.WRITTEN), None
        try:
            rows = self.source.decode(ref, data)
        except ChunkUnsound as exc:
            sha256 = hashlib.sha256(data).hexdigest()
            self.unsound(data, sha256)
            return UnsoundChunk(ref, sha256, Statement(code=exc.code, facts=exc.facts)), None
        try:
            table, deleted = self._without_deleted(ref, rows, wanted, others)
        except Inexact as exc:
            return WaitingChunk(ref, Wait.DELETION, str(exc)), None
        table, scrubbed = self._scrubbed(table)
        done = DecodedChunk(Origin(ref, rows.labels), rows.table.num_rows, deleted, rows.line_bytes, (), scrubbed)
        return done, table

    def _without_deleted(
        self, ref: ChunkRef, rows: ChunkRows, wanted: Sequence[Rule], others: Sequence[ChunkRef]
    ) -> tuple[pa.Table, int]:
        """Leave out what somebody asked Loki to delete.

        Raises:
            Inexact: It cannot be decided exactly which entries these are.
        """
        mask, by = _covered(wanted, ref, rows)
        if mask is None:
            return rows.table, 0
        left = rows.table.filter(pc.invert(mask))
        for other in others:
            if other.chunk != ref.chunk and other.from_ms <= ref.through_ms and ref.from_ms <= other.through_ms:
                rewritten = self._rows_of(other)
                if rewritten is not None and _same_lines(left, rewritten, wanted, other):
                    # Loki has written what is left anew and will remove this chunk. Its copy may differ in the
                    # metadata, as rewriting once garbled them; it is the one that Loki shows.
                    return rows.table.slice(0, 0), rows.table.num_rows
        if any(rule.request.is_carried_out and ref.modified_at > rule.request.created_at for rule in by):
            if ref.modified_at > self.now() - CARRIED_OUT_WAIT:
                raise Inexact("Loki says that it has carried out a request that covers entries of a younger chunk")
            mask, _ = _covered([rule for rule in wanted if not rule.request.is_carried_out], ref, rows)
            left = rows.table if mask is None else rows.table.filter(pc.invert(mask))
        return left, rows.table.num_rows - left.num_rows

    def _rows_of(self, ref: ChunkRef) -> ChunkRows | None:
        try:
            return self.source.decode(ref, self.source.read(ref))
        except (ObjectMissing, IntegrityError, ChunkUnsound):
            return None

    def _scrubbed(self, table: pa.Table) -> tuple[pa.Table, tuple[ScrubCount, ...]]:
        if self.scrubber is None or table.num_rows == 0:
            return table, ()
        counts: list[ScrubCount] = []
        for name in ("line", "line_bytes"):
            if table.column(name).null_count < table.num_rows:
                lines, scrubbed = self.scrubber.scrub(table.column(name).combine_chunks())
                counts += scrubbed
                table = table.set_column(table.column_names.index(name), table.schema.field(name), lines)
        return table, tuple(counts)


def places_of(done: Sequence[DecodedChunk]) -> dict[Place, list[Piece]]:
    """The days that some chunks have rows of, with these."""
    places: dict[Place, list[Piece]] = {}
    for outcome in done:
        for piece in outcome.pieces:
            places.setdefault(piece.place, []).append(piece)
    return places


def numbered_sources(due: Sequence[ChunkRef]) -> dict[str, int]:
    """A round's chunks, numbered in the order in which their rows of one instant stand."""
    ordered = sorted(due, key=lambda ref: (ref.stream, ref.from_ms, ref.chunk))
    return {ref.chunk: number for number, ref in enumerate(ordered)}


def _groups(due: Sequence[ChunkRef]) -> list[list[ChunkRef]]:
    """What one thread decodes into one file."""
    return list(rounds(sorted(due, key=lambda ref: (ref.tenant, ref.from_ms, ref.chunk)), TASK_BYTES))


def _covered(wanted: Sequence[Rule], ref: ChunkRef, rows: ChunkRows) -> tuple[pa.ChunkedArray | None, list[Rule]]:
    """Which entries some request covers, and by which requests."""
    mask: pa.ChunkedArray | None = None
    by = []
    for rule in wanted:
        hit = covered(rule, rows.labels, rows.table) if may_touch(rule, ref) else None
        if hit is not None:
            by.append(rule)
            mask = hit if mask is None else pc.or_(mask, hit)
    return mask, by


def _same_lines(left: pa.Table, rewritten: ChunkRows, wanted: Sequence[Rule], ref: ChunkRef) -> bool:
    """Whether another chunk holds the rest of this one, times and lines in order, before or after deletion requests."""
    if left.num_rows == 0:
        return False
    names = ["timestamp", "line", "line_bytes"]
    tables = [rewritten.table]
    mask, _ = _covered(wanted, ref, rewritten)
    if mask is not None:
        tables.append(rewritten.table.filter(pc.invert(mask)))
    return any(
        table.num_rows == left.num_rows
        and table.select(names).combine_chunks().equals(left.select(names).combine_chunks())
        for table in tables
    )
