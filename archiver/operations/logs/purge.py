"""Purge of logs: every chunk that Loki may no longer hold was archived, and none is left.

Where Loki's compactor deletes (``loki.delete = "compactor"``) nothing is deleted here: what is there is looked at, and
whatever is too old, or will be and is not archived, is named.

In a directory of rotated chunks that no Loki reads (``loki.delete = "files"``) the files go, in this order:

1. chunks are read again, and each of their lines is compared with the archive's own segments   → nothing was written
2. one entry intends to delete those that are proven   → an intent that the next run finds: it looks which are gone,
   says so, and decides anew about the others
3. each file is deleted, if it still is the one that was read, and then looked for                → likewise
4. one entry says which are gone                                                                 → nothing is left to do

Only files that a list of archived chunks names go: no index, nothing unsound, nothing on hold.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

from archiver.contracts import ChunkRef, DeletableChunks
from archiver.errors import AccessDenied, ArchiverError, Partial, Refused
from archiver.ledger.ledger import Ledger
from archiver.model import (
    EPOCH,
    ChunksDeleted,
    ChunksDeletionIntended,
    Dataset,
    Event,
    Reason,
    Slot,
    Standing,
    Statement,
    Wait,
    Window,
)
from archiver.operations.logs.lists import ChunkLists, KnownChunk
from archiver.operations.logs.plan import ChunkPlan, rounds
from archiver.operations.logs.proof import ChunkProof, LokiProof
from archiver.operations.logs.settings import LokiSettings
from archiver.operations.steps.commit import append_decided, refuse_swept
from archiver.operations.steps.run import Run
from archiver.retention import holds_on, on_hold, window_at

DAY = timedelta(days=1)
USE_SINCE = timedelta(days=2)
"""Who still uses a directory has written to its index within so long."""


BROKEN = (Standing.LEFT, Standing.UNARCHIVED, Standing.QUARANTINED)
"""Standings of a chunk that is due which say that a promise is not kept."""


@dataclass(frozen=True, slots=True)
class DueChunk:
    """A chunk that is due, or will be soon and is not archived.

    Attributes:
        reason: More than its standing says: which holds, why it waits.
        detail: What was not understood of a deletion request that it waits for.
    """

    ref: ChunkRef
    due_at: datetime
    standing: Standing
    reason: Statement | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiPurgePlan:
    """What is there, and what of it should not be.

    Attributes:
        border: Chunks whose last line is older are due.
        due: Oldest first.
        soon: Not due yet, not archived; oldest first.
        lost: Seen, never archived, and gone since the last export.
        lost_before: The same, as earlier exports have noted.
        archived_due: Chunks that the archive has and that are due, whether they are there or not.
        chunks, size_bytes: There, of any age.
        chunk_plan: What an export would do, for whoever proves.
    """

    dataset: str
    border: datetime
    due: tuple[DueChunk, ...]
    soon: tuple[DueChunk, ...]
    lost: tuple[KnownChunk, ...]
    lost_before: int
    archived_due: int
    chunks: int
    size_bytes: int
    chunk_plan: ChunkPlan

    @property
    def going(self) -> tuple[DueChunk, ...]:
        """What may be deleted here, each chunk subject to its proof."""
        return tuple(chunk for chunk in self.due if chunk.standing is Standing.GOING)

    @property
    def rows_going(self) -> int:
        """Chunks, for the guard: their rows are not counted by anybody."""
        return len(self.going)

    @property
    def share(self) -> float:
        """The part of all bytes that may go, 0 to 1."""
        return sum(chunk.ref.size_bytes for chunk in self.going) / self.size_bytes if self.size_bytes else 0.0

    @property
    def broken(self) -> int:
        """Chunks of which a promise is not kept, or will not be unless somebody acts."""
        return sum(chunk.standing in BROKEN for chunk in self.due) + len(self.soon) + len(self.lost)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest chunk that is there and due had its last line."""
        return min((_instant(chunk.ref.through_ms) for chunk in self.due), default=None)


@dataclass(slots=True, kw_only=True)
class LokiPurgeReceipt:
    """What a purge of logs really did.

    Attributes:
        chunks, size_bytes: Deleted by this run.
        chunks_reconciled: Deleted by an earlier run that died before it could say so.
        kept: Chunks that are due and stayed, by reason.
        problems: What could not be deleted.
    """

    chunks: int = 0
    size_bytes: int = 0
    chunks_reconciled: int = 0
    kept: dict[Statement, int] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)
    interrupted: bool = False


def loki_plan_word(plan: LokiPurgePlan) -> str:
    """The token that confirms exactly this plan: the start of its hash."""
    return _plan_hash(plan)[:8]


def _plan_hash(plan: LokiPurgePlan) -> str:
    facts: list[Any] = [plan.dataset, sorted(chunk.ref.chunk for chunk in plan.going)]
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


class PurgeLoki:
    """One run of the purge of logs. ``plan`` looks, ``execute`` deletes what may be deleted here.

    Args:
        proof: On the same ledger, source and dataset.
        now: The run's time; decides what is due.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: DeletableChunks,
        dataset: Dataset,
        proof: LokiProof,
        *,
        rules: LokiSettings,
        run: Run,
        now: datetime,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._dataset = dataset
        self._proof = proof
        self._lists = ChunkLists(ledger, dataset.name)
        self._rules = rules
        self._run = run
        self._now = now

    # ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> LokiPurgePlan:
        """Look at every chunk's name. Reads no chunk, writes nothing."""
        proven = self._proof.plan()
        border = self._now - self._rules.source_retention
        due: list[DueChunk] = []
        soon: list[DueChunk] = []
        everything = [
            *((ref, None, None, "") for ref in proven.held),
            *((ref, Standing.UNARCHIVED, None, "") for ref in proven.due),
            *((waiting.ref, Standing.UNARCHIVED, waiting.reason(), waiting.detail) for waiting in proven.waiting),
            *((ref, Standing.QUARANTINED, None, "") for ref in proven.in_quarantine),
        ]
        for ref, standing, reason, detail in everything:
            due_at = _instant(ref.through_ms) + self._rules.source_retention
            if due_at <= self._now:
                why = reason or self._hold(ref)
                due.append(DueChunk(ref, due_at, standing or self._standing(ref, due_at), why, detail))
            elif standing is Standing.UNARCHIVED and due_at <= self._now + self._rules.warn_before:
                soon.append(DueChunk(ref, due_at, standing, reason, detail))
        chunks = self._ledger.holdings.dataset(self._dataset.name).chunks
        border_ms = int((border - EPOCH) / timedelta(milliseconds=1))
        return LokiPurgePlan(
            dataset=self._dataset.name,
            border=border,
            due=tuple(sorted(due, key=_by_age)),
            soon=tuple(sorted(soon, key=_by_age)),
            lost=tuple(known for known, reason in proven.gone if reason is not Wait.DELETION),
            lost_before=sum(gone.list.chunks for _, gone in chunks.gone if gone.cause == "lost"),
            archived_due=sum(event.list.chunks for event in chunks.archived if event.list.through_ms < border_ms),
            chunks=len(everything),
            size_bytes=sum(ref.size_bytes for ref, *_ in everything),
            chunk_plan=proven,
        )

    def _standing(self, ref: ChunkRef, due_at: datetime) -> Standing:
        if self._rules.delete == "files":
            return Standing.HOLD if self._hold(ref) else Standing.GOING
        return Standing.LEFT if due_at + self._rules.delete_grace <= self._now else Standing.COMPACTOR

    def _hold(self, ref: ChunkRef) -> Statement | None:
        """Which holds keep a chunk from being deleted here, by the days that its name states."""
        if self._rules.delete != "files":
            return None
        first, last = (_instant(bound_ms) for bound_ms in (ref.from_ms, ref.through_ms))
        days = [window_at(first, DAY)]
        while days[-1].end <= last:
            days.append(Window(days[-1].end, days[-1].end + DAY))
        return self._holds(ref.tenant, days)

    def _holds(self, tenant: str, days: Iterable[Window]) -> Statement | None:
        # A hold on a person keeps every line: which of them name that person nobody can tell.
        holds = [
            hold
            for day in days
            for hold in holds_on(self._ledger.holdings, self._dataset.name, Slot(tenant=tenant, window=day))
        ]
        return on_hold(holds) if holds else None

    # ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def reconcile(self) -> int:
        """Account for intents that an earlier run left behind: look which chunks are gone. Deletes nothing.

        Returns:
            How many chunks were found gone.
        """
        reconciled = 0
        intents = self._ledger.holdings.dataset(self._dataset.name).chunks.open_deletions
        for seq, intent in sorted(intents.items()):
            known = self._lists.chunks(intent.list)
            reconciled += self._close(seq, known, self._present(), reconciled=True)
        return reconciled

    def execute(self, plan: LokiPurgePlan, *, confirmed: Sequence[Statement] = ()) -> LokiPurgeReceipt:
        """Delete the chunks that the plan releases, each as far as it is proven.

        Raises:
            Refused: Something says that a Loki uses the directory; nothing was deleted.
            IntegrityError: A segment is not what the ledger says; nothing more was deleted.
            TransientError, OutcomeUnknown: The store stayed away; the next run goes on.
        """
        receipt = LokiPurgeReceipt()
        kept = Counter(
            chunk.reason if chunk.standing is Standing.HOLD and chunk.reason is not None else chunk.standing()
            for chunk in plan.due
            if chunk.standing is not Standing.GOING
        )
        going = {chunk.ref.chunk: chunk.ref for chunk in plan.going}
        if going:
            sign = self._source.signs_of_use(self._now - USE_SINCE)
            if sign:
                raise Refused(
                    f'{self._source.location}: loki.delete = "files" is for a directory that no Loki reads, and {sign};'
                    " nothing was deleted",
                    hint='set loki.delete = "compactor" where a Loki is at work, and let it delete',
                )
        mark = _plan_hash(plan)
        for due in rounds(list(going.values()), self._rules.round_size_bytes_max):
            if self._run.stop.is_set():
                receipt.interrupted = True
                break
            self._round(due, plan.chunk_plan, mark, tuple(confirmed), receipt, kept)
        receipt.kept = dict(kept)
        return receipt

    def _round(
        self,
        refs: Sequence[ChunkRef],
        chunk_plan: ChunkPlan,
        mark: str,
        confirmed: tuple[Statement, ...],
        receipt: LokiPurgeReceipt,
        kept: Counter[Statement],
    ) -> None:
        proofs = self._proof.prove(refs, chunk_plan)
        proven = [ref for ref in refs if not proofs[ref.chunk].missing]
        kept.update(missing for ref in refs if (missing := proofs[ref.chunk].missing) is not None)
        since_seq = self._ledger.holdings.seq
        going: list[ChunkRef] = []
        intended: list[ChunksDeletionIntended] = []

        def intent() -> list[Event]:
            # Decided again each time: another run may have placed a hold, or expired the proof.
            going[:] = [ref for ref in proven if not self._against(ref, proofs[ref.chunk])]
            named = self._lists.write([KnownChunk.of(ref, "deleted") for ref in going])
            if named is None:
                return []
            refuse_swept(self._ledger.holdings, [named.key], since_seq=since_seq)
            intended[:] = [
                ChunksDeletionIntended(dataset=self._dataset.name, plan=mark, list=named, confirmed=confirmed)
            ]
            return list(intended)

        entry = append_decided(self._ledger, intent)
        against = (self._against(ref, proofs[ref.chunk]) for ref in proven if ref not in going)
        kept.update(reason for reason in against if reason is not None)
        if entry is None:
            return
        for ref in going:
            try:
                self._source.remove(ref)
            except (AccessDenied, Partial) as problem:
                receipt.problems.append(Partial(problem.message, hint=problem.hint))
        known = [KnownChunk.of(ref, "deleted") for ref in going]
        present = self._present()
        receipt.chunks += self._close(entry.seq, known, present, reconciled=False)
        receipt.size_bytes += sum(chunk.size_bytes for chunk in known if chunk.chunk not in present)
        stayed = sum(chunk.chunk in present for chunk in known)
        if stayed:
            kept[Reason.NOT_DELETED()] += stayed

    def _against(self, ref: ChunkRef, proof: ChunkProof) -> Statement | None:
        """What stands against the deletion of a proven chunk by now."""
        holds = self._holds(ref.tenant, (place.window for place in proof.places)) or self._hold(ref)
        if holds is not None:
            return holds
        if not proof.keys <= self._ledger.holdings.keys:
            return Reason.PARTS_CHANGED()
        return None

    def _present(self) -> frozenset[str]:
        return frozenset(ref.chunk for ref in self._source.chunks())

    def _close(self, seq: int, known: Sequence[KnownChunk], present: frozenset[str], *, reconciled: bool) -> int:
        """Say which announced chunks are gone, once. Returns how many."""
        gone = [chunk for chunk in known if chunk.chunk not in present]
        named = self._lists.write(gone)

        def event() -> list[Event]:
            if seq not in self._ledger.holdings.dataset(self._dataset.name).chunks.open_deletions:
                # Another run took us for dead and accounted for them.
                return []
            return [
                ChunksDeleted(
                    dataset=self._dataset.name,
                    intent_seq=seq,
                    list=named,
                    size_bytes=sum(chunk.size_bytes for chunk in gone),
                    kept=len(known) - len(gone),
                    reconciled=reconciled,
                )
            ]

        append_decided(self._ledger, event)
        return len(gone)


def _instant(milliseconds: int) -> datetime:
    """Of a name's bound; what no calendar has becomes its end."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) - timedelta(days=36_500)


def _by_age(chunk: DueChunk) -> tuple[datetime, str]:
    return (chunk.due_at, chunk.ref.chunk)
