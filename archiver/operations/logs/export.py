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

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import pyarrow as pa

from archiver import layout
from archiver.contracts import ChunkRef, ChunkSource
from archiver.errors import Conflict, Interrupted, SegmentMissing
from archiver.ledger.holdings import DatasetHoldings
from archiver.ledger.ledger import Ledger
from archiver.model import (
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
    SourceState,
    Wait,
)
from archiver.operations.logs.decode import (
    ChunkOutcome,
    DecodedChunk,
    Decoder,
    LineScrubber,
    LokiProgress,
    UnsoundChunk,
    numbered_sources,
    places_of,
)
from archiver.operations.logs.lists import ChunkLists, KnownChunk
from archiver.operations.logs.merge import Merge, fetched_days, identities
from archiver.operations.logs.plan import ChunkPlan, ChunkPlanner, LokiOptions, WaitingChunk, rounds
from archiver.operations.logs.rows import Origin, Place, Span, spans, table_schema
from archiver.operations.steps.ahead import ahead
from archiver.operations.steps.commit import append_decided, refuse_swept
from archiver.operations.steps.fetch import left_meanwhile
from archiver.operations.steps.parts import Parts
from archiver.operations.steps.run import Run
from archiver.operations.steps.schema import schema_event
from archiver.parquet import WrittenPart


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
    waiting: tuple[ChunkShare, ...] = ()
    lost: list[str] = field(default_factory=list)
    superseded: int = 0
    interrupted: bool = False


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
        self._dataset = dataset
        self._options = options
        self._run = run
        self._progress = progress
        self._now = now
        self._schema = table_schema(options.label_columns)
        self._lists = ChunkLists(ledger, dataset.name)
        self._planner = ChunkPlanner(ledger, source, dataset.name, self._lists, options, now)
        self._decoder = Decoder(source, self._planner.present, scrubber, self._quarantine, run, progress, now)
        self._receipt = LokiReceipt()

    def plan(self) -> ChunkPlan:
        """Look at every chunk that is there. Reads no chunk, writes nothing."""
        return self._planner.plan()

    def run(self) -> LokiReceipt:
        """Archive what is due.

        Raises:
            TransientError: The store or Loki stayed away; what was committed before stays.
            IntegrityError, LocalResourceError: As in the contracts; what was committed before stays.
        """
        try:
            self._run.retried(self._attempt, on_conflict=self._ledger.refresh, progress=lambda: self._receipt.commits)
        except Interrupted:
            self._receipt.interrupted = True
        chunks = self._held().chunks
        self._receipt.in_quarantine = len(chunks.quarantined)
        reasons = () if chunks.waiting is None else chunks.waiting.reasons
        self._receipt.waiting = reasons
        return self._receipt

    def _held(self) -> DatasetHoldings:
        return self._ledger.holdings.dataset(self._dataset.name)

    def _attempt(self) -> None:
        try:
            self._work()
        except SegmentMissing as missing:
            raise left_meanwhile(self._ledger, missing) from missing

    def _work(self) -> None:
        schema_event(self._dataset, self._held(), self._schema, accepted=self._options.accepts_drift)
        plan = self._planner.plan()
        self._progress.chunks_planned(len(plan.due), plan.size_bytes)
        waiting = {chunk.ref.chunk: chunk for chunk in plan.waiting}
        for ref in plan.due:
            waiting[ref.chunk] = WaitingChunk(ref, Wait.DUE)
        lost = [known for known, reason in plan.gone if reason is not Wait.DELETION]
        superseded = [known for known, reason in plan.gone if reason is Wait.DELETION]
        seq = self._ledger.holdings.seq
        events = [*self._gone_events(lost, "lost"), *self._gone_events(superseded, "deletion")]
        events += self._waiting_events(waiting)
        if self._commit(events, lambda: self._ledger.holdings.seq == seq, since_seq=seq):
            self._receipt.lost += [known.chunk for known in lost]
            self._receipt.superseded += len(superseded)
        for due in rounds(plan.due, self._options.round_size_bytes_max):
            self._run.check_stop()
            self._round(due, plan, waiting)

    def _gone_events(self, gone: Sequence[KnownChunk], cause: Literal["lost", "deletion"]) -> list[Event]:
        named = self._lists.write(gone)
        return [] if named is None else [ChunksGone(dataset=self._dataset.name, list=named, cause=cause)]

    def _waiting_events(self, waiting: Mapping[str, WaitingChunk]) -> list[Event]:
        """Say what waits, unless that is what was said last."""
        chunks = [KnownChunk.of(chunk.ref, chunk.reason) for chunk in waiting.values()]
        reasons = Counter(chunk.reason for chunk in waiting.values())
        event = ChunksWaiting(
            dataset=self._dataset.name,
            list=self._lists.write(chunks),
            reasons=tuple(ChunkShare(reason=reason(), chunks=reasons[reason]) for reason in sorted(reasons)),
        )
        before = self._held().chunks.waiting
        return [] if event == before or (before is None and event.list is None) else [event]

    def _round(self, due: Sequence[ChunkRef], plan: ChunkPlan, waiting: dict[str, WaitingChunk]) -> None:
        """Decode, merge, upload and commit some chunks."""
        held = self._held()
        base, since_seq = _mark(held), self._ledger.holdings.seq
        with ExitStack() as files:
            outcomes = self._decoder.decode(files, due, plan.rules)
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
            if self._commit(events, lambda: _mark(self._held()) == base, since_seq=since_seq):
                self._count(events, done)

    # ── Days, on worker threads ────────────────────────────────────────────────────────────────────────────────

    def _merged(
        self, held: DatasetHoldings, done: Sequence[DecodedChunk], origins: Mapping[int, Origin]
    ) -> tuple[list[Exported], int]:
        places = places_of(done)
        store, run = self._ledger.store, self._run
        size_bytes_max = self._options.part_size_bytes_max
        parts = Parts(self._ledger, held, self._schema, run, size_bytes_max)
        with ExitStack() as files, ThreadPoolExecutor(run.jobs, thread_name_prefix="days") as pool:
            held_parts = fetched_days(files, pool, run, store, held, places)
            spans_of = [(place, span) for place in sorted(places) for span in spans(places[place])]
            is_alone = len(spans_of) < run.jobs

            def work(place: Place, span: Span) -> tuple[list[WrittenPart], int]:
                earlier = [identities(path) for path in held_parts[place]]
                merge = Merge(place, places[place], origins, self._options.label_columns, earlier, span)
                with ExitStack() as stack:
                    rows: Iterator[pa.RecordBatch] = merge.batches()
                    if is_alone:
                        # Merged while the last rows are written: a single day keeps two cores busy.
                        rows = stack.enter_context(ahead(merge.batches()))
                    written = list(parts.write(files, place.slot, self._until_stopped(rows)))
                return written, merge.tally.duplicates

            merged = list(pool.map(work, *zip(*spans_of, strict=True))) if spans_of else []
            uploads: dict[Place, list[Future[Segment]]] = {}
            for (place, _), (written, _) in zip(spans_of, merged, strict=True):
                for part in written:
                    upload = pool.submit(parts.upload, parts.named(place.slot, part), part)
                    uploads.setdefault(place, []).append(upload)
            segments = {place: tuple(upload.result() for upload in uploads[place]) for place in sorted(uploads)}
        events = [self._exported(held, place, segments[place]) for place in segments]
        return events, sum(duplicates for _, duplicates in merged)

    def _until_stopped(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            self._run.check_stop()
            yield batch

    def _exported(self, held: DatasetHoldings, place: Place, segments: tuple[Segment, ...]) -> Exported:
        known = held.slots.get(place.slot)
        rows = sum(segment.rows for segment in segments)
        now = self._now()
        return Exported(
            dataset=self._dataset.name,
            slot=place.slot,
            segments=segments,
            # Loki does not count its entries for us: what a day has is never known before its chunks are.
            state=SourceState(rows=rows + (known.rows if known is not None else 0), digest="?"),
            rows=rows,
            late=known is not None and bool(known.segments),
            settled=place.window.end <= now - timedelta(days=1),
            snapshot_at=now,
        )

    # ── Committing ─────────────────────────────────────────────────────────────────────────────────────────────

    def _quarantine(self, data: bytes, sha256: str) -> None:
        self._ledger.store.create(layout.quarantine_key(self._dataset.name, sha256), data, sha256=sha256)

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
        named = self._lists.write([KnownChunk.of(outcome.origin.ref, "archived") for outcome in done])
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
                events.append(QuarantineReleased(dataset=self._dataset.name, sha256=sha256, cause="sound"))
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

    def _commit(self, events: Sequence[Event], is_current: Callable[[], bool], *, since_seq: int) -> bool:
        """Append one entry, unless nothing happened.

        Args:
            is_current: Whether what the events were made from still is what the ledger says.

        Raises:
            Conflict: Another run has archived logs meanwhile; what this round did is litter unless it is the same.
        """

        def decided() -> Sequence[Event]:
            if events and not is_current():
                raise Conflict(
                    "another run archived logs meanwhile; nothing of this round was committed", hint="run again"
                )
            refuse_swept(self._ledger.holdings, _named(events), since_seq=since_seq)
            return events

        entry = append_decided(self._ledger, decided)
        if entry is None:
            return False
        self._receipt.commits += 1
        self._progress.chunks_committed(entry.seq, events)
        return True

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
    event = QuarantineReleased(dataset=dataset, sha256=sha256, cause="person", reason=reason)
    append_decided(ledger, lambda: [event])


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


def _summed(counts: Iterable[ScrubCount]) -> tuple[ScrubCount, ...]:
    lines: Counter[tuple[str, str]] = Counter()
    for count in counts:
        lines[count.pattern, count.action] += count.lines
    return tuple(ScrubCount(pattern=key[0], action=key[1], lines=lines[key]) for key in sorted(lines))
