"""Export of logs: every entry of Loki's chunks becomes a row of the archive, once, and no chunk is left out silently.

The order of writes, and what a crash after each leaves:

1. a list of the chunks that are there and not archived; an entry names it  → what vanishes from now on is a known loss
2. chunks are decoded into spill files of the work directory                → private files, gone with the run
3. each day's rows are merged, written and uploaded under their digest       → litter, or adopted: same rows, same key
4. a list of the chunks, the bytes of unsound ones                           → likewise
5. one entry names the segments of all days, the chunks, and what waits      → they are held
6. the anchor moves                                                          → nothing is left to do

Chunks are worked through in rounds of bounded size, a commit each. A chunk's entries go to the days of their own times,
so that a round may add a part to several days.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver import layout
from archiver.contracts import ChunkRef, ChunkRows, ChunkSource
from archiver.errors import (
    ChunkUnsound,
    Conflict,
    IntegrityError,
    Interrupted,
    ObjectMissing,
    SegmentAltered,
    SegmentMissing,
    TransientError,
)
from archiver.ledger.holdings import DatasetHoldings, HeldSegment
from archiver.ledger.ledger import Ledger
from archiver.model import (
    ChunkList,
    ChunkQuarantined,
    ChunksArchived,
    ChunksGone,
    ChunkShare,
    ChunksWaiting,
    Dataset,
    Event,
    Exported,
    QuarantineReleased,
    ScrubCount,
    Segment,
    Slot,
    SourceState,
)
from archiver.operations.logs.requests import Inexact, Rule, covered, may_touch, rules
from archiver.operations.logs.rows import HELD_SCHEMA, Merge, Origin, Piece, Place, Span, spans, spill, table_schema
from archiver.operations.steps.commit import refuse_swept
from archiver.operations.steps.fetch import fetch_segment, left_meanwhile
from archiver.operations.steps.run import Run
from archiver.operations.steps.schema import schema_event
from archiver.parquet import PartWriter, WrittenPart, fingerprint
from archiver.retention import Wait

COMMIT_ATTEMPTS_MAX = 8
TASK_BYTES = 4 << 20
"""Chunks are decoded in groups of about so many bytes, or one by one where they are larger."""

MERGED_AHEAD = 3
"""Batches that wait for the Parquet writer, which takes two for a row group."""

LIST_BYTES_MAX = 256 << 20
CARRIED_OUT_WAIT = timedelta(hours=48)
"""How long a chunk is left alone that has entries of a request which Loki says it has carried out. Loki deletes files
some hours after it has said so; what is still there then was written later, and is not meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiOptions:
    """How an export of logs works.

    Attributes:
        settle: A chunk whose file is younger than this may still be written to.
        label_columns: Labels that become columns of their own.
        round_size_bytes_max: Chunk bytes of one commit; the work directory needs about ten times as much.
        chunk_size_bytes_max: Larger chunks are not read.
        part_size_bytes_max: A part is closed at about this size.
        since, until: Only chunks with a bound inside; None is unbounded.
    """

    since: datetime | None = None
    until: datetime | None = None
    settle: timedelta = timedelta(minutes=15)
    label_columns: tuple[str, ...] = ("job", "app", "level", "filename", "service_name")
    round_size_bytes_max: int = 256 << 20
    chunk_size_bytes_max: int = 256 << 20
    part_size_bytes_max: int = 256 << 20
    accepts_drift: bool = False


class LineScrubber(Protocol):
    """Takes personal data out of lines."""

    def scrub(self, lines: pa.Array) -> tuple[pa.Array, Sequence[ScrubCount]]:
        """Lines as they may be written, and what was done. NULL stays NULL.

        Args:
            lines: Text, or binary where it is not valid UTF-8.
        """
        ...


@dataclass(frozen=True, slots=True)
class WaitingChunk:
    """A chunk that is left alone, and why."""

    ref: ChunkRef
    reason: Wait
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """What an export of logs would do.

    Attributes:
        due: In the order of their times.
        waiting: There, but left alone.
        gone: Seen before, never archived, no longer there: chunk and the reason it waited for.
        archived: How many that are there have been archived before.
        held: Those.
        in_quarantine: There, and looked at before: these very bytes are not sound.
    """

    due: tuple[ChunkRef, ...]
    waiting: tuple[WaitingChunk, ...]
    gone: tuple[tuple["KnownChunk", Wait], ...]
    archived: int
    rules: Mapping[str, tuple[Rule, ...]]
    held: tuple[ChunkRef, ...] = ()
    in_quarantine: tuple[ChunkRef, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of the chunks that are due."""
        return sum(ref.size_bytes for ref in self.due)


@dataclass(frozen=True, slots=True)
class KnownChunk:
    """A chunk as a list names it."""

    chunk: str
    size_bytes: int
    from_ms: int
    through_ms: int
    reason: str


@dataclass(slots=True, kw_only=True)
class LokiReceipt:
    """What an export of logs really did.

    Attributes:
        rows_duplicate, rows_deleted: Entries left out, as in ``model.ChunksArchived``.
        quarantined: Chunks put into quarantine by this run.
        in_quarantine: All that are, those included.
        lost: Chunks that vanished unarchived.
        superseded: Chunks that vanished because Loki carried out what they waited for.
    """

    chunks: int = 0
    chunk_bytes: int = 0
    entries: int = 0
    line_bytes: int = 0
    rows: int = 0
    rows_duplicate: int = 0
    rows_deleted: int = 0
    segments: int = 0
    size_bytes: int = 0
    commits: int = 0
    scrubbed: tuple[ScrubCount, ...] = ()
    quarantined: list[ChunkQuarantined] = field(default_factory=list)
    in_quarantine: int = 0
    waiting: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    superseded: int = 0
    interrupted: bool = False


class LokiProgress(Protocol):
    """Somebody who watches. Called from several threads; must not raise."""

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
    reason: str


ChunkOutcome = DecodedChunk | UnsoundChunk | WaitingChunk | None
"""Of one chunk; None: it is gone."""


class LokiExport:
    """One run of the export of logs. ``plan`` shows what ``run`` would do; nothing is written before ``run``.

    Args:
        ledger: Open, with a signer.
        scrubber: None: lines are written as they are.
        now: The local clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: ChunkSource,
        dataset: Dataset,
        *,
        options: LokiOptions,
        scrubber: LineScrubber | None,
        run: Run,
        progress: LokiProgress,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._source = source
        self._dataset = dataset
        self._options = options
        self._scrubber = scrubber
        self._run = run
        self._progress = progress
        self._now = now
        self._schema = table_schema(options.label_columns)
        self._file_numbers = count()
        self._receipt = LokiReceipt()
        self._lists: dict[str, pa.Table] = {}

    # ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> ChunkPlan:
        """Look at every chunk that is there. Reads no chunk, writes nothing."""
        refs = self._present()
        held = self._ledger.holdings.dataset(self._dataset.name)
        archived = self._archived(held, refs.values())
        quarantined = self._in_quarantine(held)
        wanted = self._rules({ref.tenant for ref in refs.values()})
        now = self._now()
        due: list[ChunkRef] = []
        unsound: list[ChunkRef] = []
        waiting: list[WaitingChunk] = []
        for ref in sorted(refs.values(), key=lambda ref: (ref.from_ms, ref.chunk)):
            if ref.chunk in archived:
                continue
            if ref.chunk in quarantined and self._is_unchanged(ref, quarantined[ref.chunk]):
                unsound.append(ref)
                continue
            reason = self._reason(ref, now, wanted[ref.tenant][1])
            if reason is None:
                due.append(ref)
            else:
                waiting.append(reason)
        gone = [
            (known, Wait(known.reason))
            for known in self._waited(held)
            if known.chunk not in refs and known.chunk not in archived and known.chunk not in quarantined
        ]
        return ChunkPlan(
            due=tuple(due),
            waiting=tuple(waiting),
            gone=tuple(gone),
            archived=len(archived & refs.keys()),
            rules={tenant: found for tenant, (found, _) in wanted.items()},
            held=tuple(ref for ref in refs.values() if ref.chunk in archived),
            in_quarantine=tuple(unsound),
        )

    def _present(self) -> dict[str, ChunkRef]:
        refs: dict[str, ChunkRef] = {}
        for ref in self._source.chunks():
            known = refs.get(ref.chunk)
            # A chunk may lie in two places, where a schema period was moved: the same bytes, by its checksum.
            if known is None or ref.name < known.name:
                refs[ref.chunk] = ref
        return refs

    def _reason(self, ref: ChunkRef, now: datetime, unknown: str) -> WaitingChunk | None:
        if ref.modified_at > now - self._options.settle:
            return WaitingChunk(ref, Wait.WRITTEN)
        if (self._options.since is not None and ref.through_ms < self._options.since.timestamp() * 1000) or (
            self._options.until is not None and ref.from_ms >= self._options.until.timestamp() * 1000
        ):
            return WaitingChunk(ref, Wait.NOT_ASKED)
        if ref.size_bytes > self._options.chunk_size_bytes_max:
            return WaitingChunk(ref, Wait.TOO_LARGE)
        if unknown:
            return WaitingChunk(ref, Wait.DELETION, unknown)
        return None

    def _rules(self, tenants: Iterable[str]) -> dict[str, tuple[tuple[Rule, ...], str]]:
        found = {}
        for tenant in sorted(tenants):
            told = self._source.deletion_requests(tenant)
            found[tenant] = (rules(told.requests), told.unknown)
        return found

    def _in_quarantine(self, held: DatasetHoldings) -> dict[str, str]:
        """Chunks whose bytes were looked at and refused, with the digest of these bytes."""
        chunks = held.chunks
        refused = {event.chunk: event.sha256 for event in chunks.quarantined.values()}
        return {**{chunk: sha256 for sha256, chunk in chunks.released.items()}, **refused}

    def _is_unchanged(self, ref: ChunkRef, sha256: str) -> bool:
        try:
            return hashlib.sha256(self._source.read(ref)).hexdigest() == sha256
        except ObjectMissing:
            return True

    # ── Lists of chunks ────────────────────────────────────────────────────────────────────────────────────────

    def _archived(self, held: DatasetHoldings, refs: Iterable[ChunkRef]) -> set[str]:
        """Names of archived chunks, of all lists that may name one of ``refs``."""
        spans = list(refs)
        if not spans:
            return set()
        low, high = min(ref.from_ms for ref in spans), max(ref.through_ms for ref in spans)
        names: set[str] = set()
        for event in held.chunks.archived:
            if event.list.from_ms <= high and low <= event.list.through_ms:
                names.update(self._read_list(event.list).column("chunk").to_pylist())
        return names

    def _waited(self, held: DatasetHoldings) -> list[KnownChunk]:
        waiting = held.chunks.waiting
        if waiting is None or waiting.list is None:
            return []
        return known_chunks(self._read_list(waiting.list))

    def _read_list(self, named: ChunkList) -> pa.Table:
        if named.key not in self._lists:
            self._lists[named.key] = read_chunk_list(self._ledger, named)
        return self._lists[named.key]

    def write_list(self, chunks: Sequence[KnownChunk]) -> ChunkList | None:
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
        key = layout.chunk_list_key(self._dataset.name, sha256)
        self._store.create(key, data, sha256=sha256)
        self._lists[key] = table
        return ChunkList(
            key=key,
            sha256=sha256,
            size_bytes=len(data),
            chunks=len(ordered),
            from_ms=min(chunk.from_ms for chunk in ordered),
            through_ms=max(chunk.through_ms for chunk in ordered),
        )

    # ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> LokiReceipt:
        """Archive what is due.

        Raises:
            TransientError: The store or Loki stayed away; what was committed before stays.
            IntegrityError, LocalResourceError: As in the contracts; what was committed before stays.
        """
        failures = 0
        while True:
            commits = self._receipt.commits
            try:
                try:
                    self._work()
                except SegmentMissing as missing:
                    raise left_meanwhile(self._ledger, missing) from missing
            except (TransientError, Conflict) as exc:
                failures = 1 if self._receipt.commits > commits else failures + 1
                lost = exc if isinstance(exc, TransientError) else TransientError(exc.message, hint=exc.hint)
                if not self._run.again(failures, lost):
                    raise
                if isinstance(exc, Conflict):
                    self._ledger.refresh()
                continue
            except Interrupted:
                self._receipt.interrupted = True
            self._receipt.in_quarantine = len(self._held().chunks.quarantined)
            waiting = self._held().chunks.waiting
            self._receipt.waiting = {} if waiting is None else {one.reason: one.chunks for one in waiting.reasons}
            return self._receipt

    def _held(self) -> DatasetHoldings:
        return self._ledger.holdings.dataset(self._dataset.name)

    def _work(self) -> None:
        schema_event(self._dataset, self._held(), self._schema, accepted=self._options.accepts_drift)
        plan = self.plan()
        self._progress.chunks_planned(len(plan.due), plan.size_bytes)
        waiting = {one.ref.chunk: one for one in plan.waiting}
        for ref in plan.due:
            waiting[ref.chunk] = WaitingChunk(ref, Wait.DUE)
        since_seq = self._ledger.holdings.seq
        self._commit([*self._gone_events(plan), *self._waiting_events(waiting)], base=None, since_seq=since_seq)
        for due in rounds(plan.due, self._options.round_size_bytes_max):
            if self._run.stop.is_set():
                raise Interrupted("asked to stop")
            self._round(due, plan, waiting)

    def _gone_events(self, plan: ChunkPlan) -> list[Event]:
        events: list[Event] = []
        lost = [known for known, reason in plan.gone if reason is not Wait.DELETION]
        superseded = [known for known, reason in plan.gone if reason is Wait.DELETION]
        if named := self.write_list(lost):
            events.append(ChunksGone(dataset=self._dataset.name, list=named, cause="lost"))
            self._receipt.lost += [known.chunk for known in lost]
        if named := self.write_list(superseded):
            events.append(ChunksGone(dataset=self._dataset.name, list=named, cause="deletion"))
            self._receipt.superseded += len(superseded)
        return events

    def _waiting_events(self, waiting: Mapping[str, WaitingChunk]) -> list[Event]:
        """Say what waits, unless that is what was said last."""
        chunks = [
            KnownChunk(one.ref.chunk, one.ref.size_bytes, one.ref.from_ms, one.ref.through_ms, one.reason)
            for one in waiting.values()
        ]
        reasons = Counter(chunk.reason for chunk in chunks)
        event = ChunksWaiting(
            dataset=self._dataset.name,
            list=self.write_list(chunks),
            reasons=tuple(ChunkShare(reason=reason, chunks=reasons[reason]) for reason in sorted(reasons)),
        )
        said = self._held().chunks.waiting
        return [] if event == said or (said is None and event.list is None) else [event]

    def _round(self, due: Sequence[ChunkRef], plan: ChunkPlan, waiting: dict[str, WaitingChunk]) -> None:
        """Decode, merge, upload and commit some chunks."""
        held = self._held()
        base, since_seq = _mark(held), self._ledger.holdings.seq
        with ExitStack() as files:
            outcomes = self._decoded(files, due, plan)
            done = [outcome for outcome in outcomes if isinstance(outcome, DecodedChunk)]
            sources = numbered_sources(due)
            origins = {sources[outcome.origin.ref.chunk]: outcome.origin for outcome in done}
            exported, duplicates = self._merged(held, done, origins)
            events = self._events(held, done, exported, duplicates)
            events += self._quarantine_events(held, outcomes, done)
            for ref, outcome in zip(due, outcomes, strict=True):
                if isinstance(outcome, WaitingChunk):
                    waiting[ref.chunk] = outcome
                elif outcome is not None:
                    waiting.pop(ref.chunk, None)
            # One that vanished between the look and the reading stays on the list: the next look finds the loss.
            events += self._waiting_events(waiting)
            if self._commit(events, base=base, since_seq=since_seq):
                self._count(events, done)

    # ── Chunks, on worker threads ──────────────────────────────────────────────────────────────────────────────

    def _decoded(self, files: ExitStack, due: Sequence[ChunkRef], plan: ChunkPlan) -> list[ChunkOutcome]:
        sources = numbered_sources(due)
        others: dict[tuple[str, str], list[ChunkRef]] = {}
        if any(plan.rules.values()):
            for ref in self._present().values():
                others.setdefault((ref.tenant, ref.stream), []).append(ref)
        outcomes: dict[str, ChunkOutcome] = {}

        def work(group: Sequence[ChunkRef]) -> None:
            path = self._new_file(files, "arrow")
            batches = 0
            with pa.OSFile(str(path), "wb") as sink:
                writer: pa.RecordBatchFileWriter | None = None
                for ref in group:
                    if self._run.stop.is_set():
                        raise Interrupted("asked to stop")
                    outcome, table = self._chunk(ref, plan.rules[ref.tenant], others.get((ref.tenant, ref.stream), ()))
                    if isinstance(outcome, DecodedChunk) and table is not None:
                        if writer is None:
                            writer = pa.ipc.new_file(sink, table.schema)
                        pieces = spill(writer, path, batches, sources[ref.chunk], ref, table)
                        batches += len(pieces)
                        outcome = DecodedChunk(
                            outcome.origin,
                            outcome.entries,
                            outcome.deleted,
                            outcome.line_bytes,
                            tuple(pieces),
                            outcome.scrubbed,
                        )
                    outcomes[ref.chunk] = outcome
                    entries = outcome.entries if isinstance(outcome, DecodedChunk) else 0
                    self._progress.chunk_read(ref.size_bytes, entries)
                if writer is not None:
                    writer.close()

        with ThreadPoolExecutor(self._run.jobs, thread_name_prefix="chunks") as pool:
            _all(pool.map(work, _groups(due)))
        return [outcomes[ref.chunk] for ref in due]

    def _chunk(
        self, ref: ChunkRef, wanted: Sequence[Rule], others: Sequence[ChunkRef]
    ) -> tuple[ChunkOutcome, pa.Table | None]:
        try:
            data = self._source.read(ref)
        except ObjectMissing:
            return None, None
        except IntegrityError:
            return WaitingChunk(ref, Wait.WRITTEN), None
        try:
            rows = self._source.decode(ref, data)
        except ChunkUnsound as exc:
            return UnsoundChunk(ref, self._keep(data), exc.message), None
        try:
            table, deleted = self._without_deleted(ref, rows, wanted, others)
        except Inexact as exc:
            return WaitingChunk(ref, Wait.DELETION, str(exc)), None
        table, scrubbed = self._scrubbed(table)
        done = DecodedChunk(Origin(ref, rows.labels), rows.table.num_rows, deleted, rows.line_bytes, (), scrubbed)
        return done, table

    def _keep(self, data: bytes) -> str:
        """Copy bytes into quarantine; their digest."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._store.create(layout.quarantine_key(self._dataset.name, sha256), data, sha256=sha256)
        return sha256

    def _without_deleted(
        self, ref: ChunkRef, rows: ChunkRows, wanted: Sequence[Rule], others: Sequence[ChunkRef]
    ) -> tuple[pa.Table, int]:
        """Leave out what somebody asked Loki to delete.

        Raises:
            Inexact: It cannot be told which entries these are.
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
            if ref.modified_at > self._now() - CARRIED_OUT_WAIT:
                raise Inexact("Loki says that it has carried out a request that covers entries of a younger chunk")
            mask, _ = _covered([rule for rule in wanted if not rule.request.is_carried_out], ref, rows)
            left = rows.table if mask is None else rows.table.filter(pc.invert(mask))
        return left, rows.table.num_rows - left.num_rows

    def _rows_of(self, ref: ChunkRef) -> ChunkRows | None:
        try:
            return self._source.decode(ref, self._source.read(ref))
        except (ObjectMissing, IntegrityError, ChunkUnsound):
            return None

    def _scrubbed(self, table: pa.Table) -> tuple[pa.Table, tuple[ScrubCount, ...]]:
        if self._scrubber is None or table.num_rows == 0:
            return table, ()
        counts: list[ScrubCount] = []
        for name in ("line", "line_bytes"):
            if table.column(name).null_count < table.num_rows:
                lines, found = self._scrubber.scrub(table.column(name).combine_chunks())
                counts += found
                table = table.set_column(table.column_names.index(name), table.schema.field(name), lines)
        return table, tuple(counts)

    # ── Days, on worker threads ────────────────────────────────────────────────────────────────────────────────

    def _merged(
        self, held: DatasetHoldings, done: Sequence[DecodedChunk], origins: Mapping[int, Origin]
    ) -> tuple[list[Exported], int]:
        places = places_of(done)
        with ExitStack() as files, ThreadPoolExecutor(self._run.jobs, thread_name_prefix="days") as pool:
            held_parts = self._fetched(files, pool, held, places)
            spans_of = [(place, span) for place in sorted(places) for span in spans(places[place])]
            is_ahead = len(spans_of) < self._run.jobs

            def work(place: Place, span: Span) -> tuple[list[WrittenPart], int]:
                earlier = [identities(path) for path in held_parts[place]]
                merge = Merge(place, places[place], origins, self._options.label_columns, earlier, span)
                with ExitStack() as stack:
                    batches = merge.batches()
                    if is_ahead:
                        batches = stack.enter_context(closing(_ahead(batches)))
                    return list(self._parts(files, slot_of(place), batches)), merge.tally.duplicates

            merged = list(pool.map(work, *zip(*spans_of, strict=True))) if spans_of else []
            written: dict[Place, list[WrittenPart]] = {}
            for (place, _), (parts, _) in zip(spans_of, merged, strict=True):
                written.setdefault(place, []).extend(parts)
            uploads = {
                place: [pool.submit(self._upload, slot_of(place), number, part) for number, part in numbered]
                for place, numbered in self._numbered(held, written)
            }
            segments = {place: tuple(upload.result() for upload in uploads[place]) for place in uploads}
        events = [self._exported(held, place, segments[place]) for place in sorted(segments) if segments[place]]
        return events, sum(duplicates for _, duplicates in merged)

    def _fetched(
        self, files: ExitStack, pool: ThreadPoolExecutor, held: DatasetHoldings, places: Iterable[Place]
    ) -> dict[Place, list[Path]]:
        """What is held of some days, on this machine's disk."""
        paths = {place: [self._new_file(files, "parquet") for _ in segments_of(held, place)] for place in places}
        fetching = [
            pool.submit(fetch_segment, self._store, one.segment, path)
            for place in paths
            for one, path in zip(segments_of(held, place), paths[place], strict=True)
        ]
        for fetched in fetching:
            fetched.result()
        return paths

    def _numbered(
        self, held: DatasetHoldings, written: Mapping[Place, Sequence[WrittenPart]]
    ) -> Iterator[tuple[Place, list[tuple[int, WrittenPart]]]]:
        """Give each part the next number of its day under which nothing was ever swept."""
        swept = self._ledger.holdings.swept
        for place, parts in written.items():
            number, numbered = held.next_part(slot_of(place)), []
            for part in parts:
                while layout.segment_key(self._dataset.name, slot_of(place), number, part.sha256) in swept:
                    number += 1
                numbered.append((number, part))
                number += 1
            yield place, numbered

    def _exported(self, held: DatasetHoldings, place: Place, segments: tuple[Segment, ...]) -> Exported:
        known = held.slots.get(slot_of(place))
        rows = sum(segment.rows for segment in segments)
        now = self._now()
        return Exported(
            dataset=self._dataset.name,
            slot=slot_of(place),
            segments=segments,
            # Loki does not count its entries for us: what a day has is never known before its chunks are.
            state=SourceState(rows=rows + (known.rows if known is not None else 0), digest="?"),
            rows=rows,
            late=known is not None and bool(known.segments),
            settled=place.window.end <= now - timedelta(days=1),
            snapshot_at=now,
        )

    def _parts(self, files: ExitStack, slot: Slot, batches: Iterator[pa.RecordBatch]) -> Iterator[WrittenPart]:
        batch = next(batches, None)
        while batch is not None:
            path = self._new_file(files, "parquet")
            with PartWriter(path, self._schema, dataset=self._dataset.name, slot=slot) as writer:
                while batch is not None:
                    if self._run.stop.is_set():
                        raise Interrupted("asked to stop")
                    writer.write(batch)
                    batch = next(batches, None)
                    if writer.size_bytes >= self._options.part_size_bytes_max:
                        break
                yield writer.finish()

    def _upload(self, slot: Slot, number: int, part: WrittenPart) -> Segment:
        key = layout.segment_key(self._dataset.name, slot, number, part.sha256)
        self._store.create(key, part.path, sha256=part.sha256)
        part.path.unlink(missing_ok=True)
        return Segment(
            key=key,
            slot=slot,
            part=number,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            rows=part.rows,
            schema=fingerprint(self._schema),
            oldest=part.oldest,
            newest=part.newest,
        )

    def _new_file(self, files: ExitStack, kind: str) -> Path:
        path = self._run.work_dir / f"loki-{next(self._file_numbers):06d}.{kind}"
        files.callback(path.unlink, missing_ok=True)
        return path

    # ── Committing ─────────────────────────────────────────────────────────────────────────────────────────────

    def _events(
        self, held: DatasetHoldings, done: Sequence[DecodedChunk], exported: Sequence[Exported], duplicates: int
    ) -> list[Event]:
        if not done:
            return []
        events: list[Event] = []
        announced = schema_event(self._dataset, held, self._schema, accepted=self._options.accepts_drift)
        if announced is not None:
            events.append(announced)
        events += exported
        named = self.write_list(
            [
                KnownChunk(ref.chunk, ref.size_bytes, ref.from_ms, ref.through_ms, "archived")
                for ref in (outcome.origin.ref for outcome in done)
            ]
        )
        assert named is not None
        events.append(
            ChunksArchived(
                dataset=self._dataset.name,
                list=named,
                size_bytes=sum(outcome.origin.ref.size_bytes for outcome in done),
                entries=sum(outcome.entries for outcome in done),
                rows=sum(event.rows for event in exported),
                rows_duplicate=duplicates,
                rows_deleted=sum(outcome.deleted for outcome in done),
                scrubbed=_summed(scrubbed for outcome in done for scrubbed in outcome.scrubbed),
            )
        )
        return events

    def _quarantine_events(
        self, held: DatasetHoldings, outcomes: Sequence[ChunkOutcome], done: Sequence[DecodedChunk]
    ) -> list[Event]:
        events: list[Event] = []
        quarantined = {event.chunk: sha256 for sha256, event in held.chunks.quarantined.items()}
        for outcome in done:
            sha256 = quarantined.get(outcome.origin.ref.chunk)
            if sha256 is not None:
                reason = "the chunk is sound now, and was archived"
                events.append(QuarantineReleased(dataset=self._dataset.name, sha256=sha256, reason=reason))
        events += [
            ChunkQuarantined(
                dataset=self._dataset.name,
                chunk=unsound.ref.chunk,
                key=layout.quarantine_key(self._dataset.name, unsound.data_sha256),
                size_bytes=unsound.ref.size_bytes,
                sha256=unsound.data_sha256,
                reason=unsound.reason,
            )
            for unsound in outcomes
            if isinstance(unsound, UnsoundChunk) and unsound.data_sha256 not in held.chunks.quarantined
        ]
        return events

    def _commit(self, events: Sequence[Event], *, base: tuple[int, ...] | None, since_seq: int) -> bool:
        """Append one entry, unless nothing happened.

        Raises:
            Conflict: Another run has archived logs meanwhile; what this round did is litter unless it is the same.
        """
        if not events:
            return False
        for _ in range(COMMIT_ATTEMPTS_MAX):
            if base is not None and _mark(self._held()) != base:
                break
            refuse_swept(self._ledger.holdings, _named(events), since_seq=since_seq)
            try:
                entry = self._ledger.append(events)
            except Conflict:
                self._ledger.refresh()
                if base is None:
                    raise
                continue
            self._receipt.commits += 1
            self._progress.chunks_committed(entry.seq, events)
            return True
        raise Conflict("another run archived logs meanwhile; nothing of this round was committed", hint="run again")

    def _count(self, events: Sequence[Event], done: Sequence[DecodedChunk]) -> None:
        receipt = self._receipt
        receipt.line_bytes += sum(outcome.line_bytes for outcome in done)
        for event in events:
            if isinstance(event, Exported):
                receipt.segments += len(event.segments)
                receipt.size_bytes += sum(segment.size_bytes for segment in event.segments)
            elif isinstance(event, ChunkQuarantined):
                receipt.quarantined.append(event)
            elif isinstance(event, ChunksArchived):
                receipt.chunks += event.list.chunks
                receipt.chunk_bytes += event.size_bytes
                receipt.entries += event.entries
                receipt.rows += event.rows
                receipt.rows_duplicate += event.rows_duplicate
                receipt.rows_deleted += event.rows_deleted
                receipt.scrubbed = _summed([*receipt.scrubbed, *event.scrubbed])


def release(ledger: Ledger, dataset: str, sha256: str, reason: str) -> None:
    """Take bytes off the list of quarantined ones: a person has looked at them.

    Raises:
        IntegrityError: They are not in quarantine.
    """
    ledger.append([QuarantineReleased(dataset=dataset, sha256=sha256, reason=reason)])


def read_chunk_list(ledger: Ledger, named: ChunkList) -> pa.Table:
    """Read a list of chunks.

    Raises:
        SegmentMissing, SegmentAltered: It is not what the ledger names.
    """
    store = ledger.store
    try:
        data = store.read(named.key, size_bytes_max=LIST_BYTES_MAX)
    except ObjectMissing as exc:
        raise SegmentMissing(
            f"{named.key}: the ledger names it, {store.location} does not have it; nothing was archived",
            hint="restore the object from a copy of the bucket",
        ) from exc
    found = hashlib.sha256(data).hexdigest()
    if found != named.sha256:
        raise SegmentAltered(
            f"{named.key}: ledger says SHA-256 {named.sha256[:16]}…, the object has {found[:16]}…; nothing was"
            " archived",
            hint="restore the object from a copy of the bucket",
        )
    # Not ``read_table``: its threads may outlive a short run, and abort the program at its end.
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        return file.read(use_threads=False)


def known_chunks(table: pa.Table) -> list[KnownChunk]:
    """A list's rows."""
    return [KnownChunk(**row) for row in table.to_pylist()]


def _covered(wanted: Sequence[Rule], ref: ChunkRef, rows: ChunkRows) -> tuple[pa.ChunkedArray | None, list[Rule]]:
    """Which entries some request covers, and by which requests."""
    mask: pa.ChunkedArray | None = None
    by = []
    for rule in wanted:
        found = covered(rule, rows.labels, rows.table) if may_touch(rule, ref) else None
        if found is not None:
            by.append(rule)
            mask = found if mask is None else pc.or_(mask, found)
    return mask, by


def _same_lines(left: pa.Table, rewritten: ChunkRows, wanted: Sequence[Rule], ref: ChunkRef) -> bool:
    """Whether another chunk holds what is left of one, times and lines in the same order, before or after requests."""
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


def identities(path: Path) -> Iterator[pa.RecordBatch]:
    """A part's rows as far as they tell one entry from another."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=64 * 1024, columns=HELD_SCHEMA.names, use_threads=False):
                yield pa.RecordBatch.from_arrays([batch.column(item.name) for item in HELD_SCHEMA], schema=HELD_SCHEMA)
    except (pa.ArrowException, OSError, KeyError) as exc:
        raise SegmentAltered(f"{path.name}: cannot be decoded as Parquet ({type(exc).__name__})") from exc


def places_of(done: Sequence[DecodedChunk]) -> dict[Place, list[Piece]]:
    """The days that some chunks have rows of, with these."""
    places: dict[Place, list[Piece]] = {}
    for outcome in done:
        for piece in outcome.pieces:
            places.setdefault(piece.place, []).append(piece)
    return places


def slot_of(place: Place) -> Slot:
    """The slot of a tenant's day."""
    return Slot(tenant=place.tenant, window=place.window)


def segments_of(held: DatasetHoldings, place: Place) -> list[HeldSegment]:
    """What is held of a tenant's day."""
    known = held.slots.get(slot_of(place))
    return [] if known is None else known.segments


def _named(events: Sequence[Event]) -> list[str]:
    """The objects that these events name."""
    keys: list[str] = []
    for event in events:
        if isinstance(event, Exported):
            keys += [segment.key for segment in event.segments]
        elif isinstance(event, ChunkQuarantined):
            keys.append(event.key)
        elif isinstance(event, ChunksArchived | ChunksGone | ChunksWaiting) and event.list is not None:
            keys.append(event.list.key)
    return keys


def _mark(held: DatasetHoldings) -> tuple[int, ...]:
    """What changes when anybody archives logs."""
    return (
        len(held.chunks.archived),
        len(held.chunks.quarantined),
        sum(len(slot.segments) for slot in held.slots.values()),
        0 if held.schema is None else held.schema.version,
    )


def rounds(due: Sequence[ChunkRef], size_bytes_max: int) -> Iterator[list[ChunkRef]]:
    """Consecutive chunks of about so many bytes together."""
    taken: list[ChunkRef] = []
    size_bytes = 0
    for ref in due:
        if taken and size_bytes + ref.size_bytes > size_bytes_max:
            yield taken
            taken, size_bytes = [], 0
        taken.append(ref)
        size_bytes += ref.size_bytes
    if taken:
        yield taken


def _groups(due: Sequence[ChunkRef]) -> list[list[ChunkRef]]:
    """What one thread decodes into one file."""
    return list(rounds(sorted(due, key=lambda ref: (ref.tenant, ref.from_ms, ref.chunk)), TASK_BYTES))


def numbered_sources(due: Sequence[ChunkRef]) -> dict[str, int]:
    """A round's chunks, numbered in the order in which their rows of one instant stand."""
    ordered = sorted(due, key=lambda ref: (ref.stream, ref.from_ms, ref.chunk))
    return {ref.chunk: number for number, ref in enumerate(ordered)}


def _summed(counts: Iterable[ScrubCount]) -> tuple[ScrubCount, ...]:
    lines: Counter[tuple[str, str]] = Counter()
    for one in counts:
        lines[one.pattern, one.action] += one.lines
    return tuple(ScrubCount(pattern=key[0], action=key[1], lines=lines[key]) for key in sorted(lines))


def _ahead(batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
    """The same batches, made on another thread while the last ones are written: a single day keeps two cores busy."""
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as pool:
        coming = deque(pool.submit(next, batches, None) for _ in range(MERGED_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, batches, None))
            yield batch


def _all(results: Iterable[None]) -> None:
    """Wait for every result, raising the first failure."""
    for _ in results:
        pass
