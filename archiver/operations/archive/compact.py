"""Compact: many small parts of a slot become one sorted part. No row comes, goes or changes.

The order of writes, and what a crash after each leaves:

1. the new part is written from the old ones, uploaded, read back from the store and compared with them, row for row
   → litter, or adopted: the same parts give the same key
2. one entry puts the new part in the place of the old ones, which are held no longer   → the next run deletes them
3. each old object is deleted with all its versions, and then looked for                → the next run deletes the rest
4. one entry says that they are gone                                                    → nothing is left to do

A lock that keeps an old object keeps nothing that the archive does not hold anyway: it stays announced, and each run
tries again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from archiver.errors import (
    ArchiverError,
    IntegrityError,
    Partial,
    SegmentAltered,
    SegmentMissing,
)
from archiver.ledger.ledger import Ledger
from archiver.model import (
    Compacted,
    Dataset,
    Event,
    HoldPlaced,
    PartsRemoved,
    Reason,
    Segment,
    Slot,
    Statement,
    TableSchema,
)
from archiver.operations.archive.compact_rows import MERGE_ROWS, holds_the_same, merged
from archiver.operations.steps.commit import append_decided, refuse_swept
from archiver.operations.steps.fetch import fetched, has_left
from archiver.operations.steps.parts import Parts
from archiver.operations.steps.removing import batches, remove_objects
from archiver.operations.steps.run import Run
from archiver.parquet import arrow_schema, check_part, read_batches, written_schema
from archiver.retention import CompactionPlan, CompactionRules, SlotMerge, holds_on, plan_compaction

READ_ROWS_MIN = 1024


@dataclass(slots=True, kw_only=True)
class CompactReceipt:
    """What a compaction really did, by dataset.

    Attributes:
        parts_before, parts_after: Parts that were replaced, and what stands in their place.
        rows: In either.
        size_before_bytes, size_after_bytes: Of the objects.
        objects_removed: Old objects that are gone, those of earlier runs included.
        objects_resumed: Of them, those that an earlier run had replaced.
        left: Slots that were left alone, by reason.
        kept_until: Old objects of which a lock keeps something until then, by key; the next run tries again.
        problems: What the store refused to delete.
    """

    parts_before: dict[str, int] = field(default_factory=dict)
    parts_after: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    size_before_bytes: dict[str, int] = field(default_factory=dict)
    size_after_bytes: dict[str, int] = field(default_factory=dict)
    objects_removed: int = 0
    objects_resumed: int = 0
    left: dict[str, dict[Statement, int]] = field(default_factory=dict)
    kept_until: dict[str, datetime] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)
    interrupted: bool = False


class CompactProgress(Protocol):
    """Watches a compaction. Called from several threads; must not raise."""

    def planned(self, merges: int, size_bytes: int) -> None:
        """So much is to be read."""

    def merge_done(self, merge: SlotMerge) -> None:
        """One more was committed."""

    def object_gone(self, key: str) -> None:
        """An old object is deleted."""


class Compact:
    """One run of the compaction. ``plan`` decides, ``execute`` does what was decided and no more."""

    def __init__(
        self,
        ledger: Ledger,
        datasets: Sequence[Dataset],
        *,
        rules: CompactionRules,
        run: Run,
        now: datetime,
        progress: CompactProgress,
    ) -> None:
        self._ledger = ledger
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._rules = rules
        self._run = run
        self._now = now
        self._progress = progress

    # ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> list[CompactionPlan]:
        """One plan for each dataset. Reads the ledger only."""
        return [self._plan(dataset) for dataset in self._datasets.values()]

    def _plan(self, dataset: Dataset) -> CompactionPlan:
        holdings = self._ledger.holdings

        def holds(slot: Slot) -> Sequence[HoldPlaced]:
            return holds_on(holdings, dataset.name, slot)

        return plan_compaction(dataset, holdings.dataset(dataset.name), holds, rules=self._rules, now=self._now)

    # ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def execute(self, plans: Sequence[CompactionPlan]) -> CompactReceipt:
        """Finish what an earlier run left, then do what the plans say.

        Raises:
            IntegrityError: A part is not what the ledger says, or what was written does not hold the same rows; nothing
                more was replaced.
            TransientError, OutcomeUnknown: The store stayed away; the next run goes on.
        """
        receipt = CompactReceipt()
        receipt.objects_resumed = receipt.objects_removed = self._remove(receipt)
        merges = [(plan.dataset, merge) for plan in plans for merge in plan.merges]
        self._progress.planned(len(merges), sum(merge.size_bytes for _, merge in merges))
        for plan in plans:
            for slot in plan.left:
                _count(receipt.left, plan.dataset, slot.reason)
        for dataset, merge in merges:
            if self._run.stop.is_set():
                receipt.interrupted = True
                break
            if self._merge(self._datasets[dataset], merge, receipt):
                self._progress.merge_done(merge)
            else:
                _count(receipt.left, dataset, Reason.MEANWHILE())
        receipt.objects_removed += self._remove(receipt)
        return receipt

    def _merge(self, dataset: Dataset, merge: SlotMerge, receipt: CompactReceipt) -> bool:
        held = self._ledger.holdings.dataset(dataset.name)
        since_seq = self._ledger.holdings.seq
        schema = held.schemas[merge.segments[0].segment.schema].table
        with ExitStack() as files:
            try:
                old = [fetched(files, self._run, self._ledger.store, part.segment) for part in merge.segments]
            except SegmentMissing as missing:
                if has_left(self._ledger, missing):
                    return False
                raise
            parts = Parts(self._ledger, held, schema, self._run, self._rules.merged_size_bytes_max)
            order = (schema.time_column, *schema.key_columns)
            batches = merged(_streams(old), arrow_schema(schema), order)
            segments = [
                parts.upload(parts.named(merge.slot, part), part) for part in parts.write(files, merge.slot, batches)
            ]
            if len(segments) >= len(merge.segments):
                return False
            new = [fetched(files, self._run, self._ledger.store, segment) for segment in segments]
            self._prove(merge, schema, segments, new, old)

        def event() -> list[Event]:
            # Decided again each time: another run may have placed a hold, begun a purge, or merged the same parts.
            again = self._plan(dataset)
            if not any(now.slot == merge.slot and now.keys == merge.keys for now in again.merges):
                return []
            refuse_swept(self._ledger.holdings, [segment.key for segment in segments], since_seq=since_seq)
            return [
                Compacted(
                    dataset=dataset.name,
                    slot=merge.slot,
                    replaced=merge.keys,
                    segments=tuple(segments),
                    rows=merge.rows,
                )
            ]

        if append_decided(self._ledger, event) is None:
            return False
        for counts, amount in (
            (receipt.parts_before, len(merge.segments)),
            (receipt.parts_after, len(segments)),
            (receipt.rows, merge.rows),
            (receipt.size_before_bytes, merge.size_bytes),
            (receipt.size_after_bytes, sum(segment.size_bytes for segment in segments)),
        ):
            counts[dataset.name] = counts.get(dataset.name, 0) + amount
        return True

    # ── One merge ──────────────────────────────────────────────────────────────────────────────────────────────

    def _prove(
        self,
        merge: SlotMerge,
        schema: TableSchema,
        segments: Sequence[Segment],
        new: Sequence[Path],
        old: Sequence[Path],
    ) -> None:
        """Compare what was read back from the store with the parts that it is to replace."""
        columns = arrow_schema(schema)
        facts = [
            f"{segment.key}: {fact}"
            for segment, path in zip(segments, new, strict=True)
            for fact in check_part(path, segment, written_schema(schema))
        ]
        if facts:
            raise SegmentAltered(f"{facts[0]}; it was just written, and nothing was replaced by it")
        ours = (batch for path in new for batch in read_batches(path))
        try:
            surplus, missing = holds_the_same(ours, _streams(old), columns, schema.time_column)
        except ValueError as problem:
            raise Partial(f"{merge.segments[0].segment.key}: {problem}; its slot was not compacted") from problem
        if surplus or missing:
            raise IntegrityError(
                f"{segments[0].key}: {surplus} of its rows are not in the {len(old)} parts that it was made of, and"
                f" {missing} of theirs are not in it; nothing was replaced",
                hint="a defect of this program or of this machine's memory; report it",
            )

    def _remove(self, receipt: CompactReceipt) -> int:
        removed = finish_compactions(self._ledger, run=self._run, gone=self._progress.object_gone)
        receipt.kept_until |= removed.kept_until
        # What the store refuses at the beginning it refuses at the end as well: said once.
        known = {problem.message for problem in receipt.problems}
        receipt.problems += [problem for problem in removed.problems if problem.message not in known]
        return removed.objects


@dataclass(slots=True)
class RemovedParts:
    """What became of objects that compactions had replaced.

    Attributes:
        objects: Gone.
        kept_until: A lock keeps something of them until then.
    """

    objects: int = 0
    kept_until: dict[str, datetime] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)


def finish_compactions(ledger: Ledger, *, run: Run, gone: Callable[[str], None] = lambda _: None) -> RemovedParts:
    """Delete every object that a compaction has replaced. Their rows are held by others.

    Raises:
        TransientError, OutcomeUnknown: The store stayed away; the next run goes on.
    """
    result = RemovedParts()
    for name, held in sorted(ledger.holdings.datasets.items()):
        for batch in batches(sorted(held.replaced)):
            removed = remove_objects(
                ledger.store,
                batch,
                jobs=run.jobs,
                still="a compaction has replaced it, and it is still there",
                gone=gone,
            )
            result.problems += removed.problems
            result.kept_until |= removed.kept_until
            away = {
                key: removal.versions_deleted for key, removal in removed.removals.items() if removal.kept_until is None
            }
            result.objects += _account(ledger, name, away)
    return result


def _account(ledger: Ledger, dataset: str, away: dict[str, int]) -> int:
    def event() -> list[Event]:
        # Another run may have taken us for dead and accounted for some: each is said to be gone once.
        replaced = ledger.holdings.dataset(dataset).replaced
        keys = tuple(key for key in away if key in replaced)
        if not keys:
            return []
        return [
            PartsRemoved(
                dataset=dataset,
                keys=keys,
                size_bytes=sum(replaced[key].segment.size_bytes for key in keys),
                versions_deleted=sum(away[key] for key in keys),
            )
        ]

    append_decided(ledger, event)
    return len(away)


def _count(counts: dict[str, dict[Statement, int]], dataset: str, reason: Statement) -> None:
    reasons = counts.setdefault(dataset, {})
    reasons[reason] = reasons.get(reason, 0) + 1


def _streams(parts: Sequence[Path]) -> list[Iterator[pa.RecordBatch]]:
    """Each part from its beginning, in batches that fit into memory together."""
    rows_max = max(READ_ROWS_MIN, MERGE_ROWS // len(parts))
    return [read_batches(path, rows_max=rows_max) for path in parts]
