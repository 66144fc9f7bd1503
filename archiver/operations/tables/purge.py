"""Purge: rows that the archive provably holds leave their source, and nothing else does.

The order of writes, and what a crash after each leaves:

1. one entry intends to delete rows of named slots       → an intent that the next run finds and accounts for
2. a transaction reads rows again, compares each with the archive's own segments, deletes exactly the keys that are
   proven, looks for new holds, and commits                → rows gone that only the intent speaks of
3. one entry says what is gone and what stayed, and why    → nothing is left to do

How one slot's rows are compared and deleted is in ``purge_slot``.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import rfc8785

from archiver.contracts import Partition, Partitions, Purgeable, SideEffect, Snapshot
from archiver.errors import ArchiverError, ConfigError, OutcomeUnknown, Partial, Refused, SchemaDrift, TransientError
from archiver.ledger.holdings import Holdings, SlotHoldings
from archiver.ledger.ledger import Ledger
from archiver.model import (
    Dataset,
    Entry,
    Event,
    Purged,
    PurgeIntended,
    Reason,
    SlotShare,
    SourceState,
    Statement,
    TableSchema,
    rows_kept,
)
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.compare import COMPARE_ROWS, aligned, difference
from archiver.operations.steps.reading import SourceReader
from archiver.operations.steps.run import Run
from archiver.operations.steps.schema import schema_event
from archiver.operations.tables.settings import PurgeSettings
from archiver.operations.tables.slot import SlotPurge, SlotWork
from archiver.privacy.key import PrivacyKey, fingerprint_of
from archiver.retention import (
    PurgePlan,
    PurgeSlot,
    describe,
    due_windows,
    holds_on,
    keep_reason,
    notes,
    obstacles,
    plan_purge,
    same_state,
    under_key,
    window_at,
)

ATTEMPT_ROWS = 100
"""So many are deleted for a plan, and rolled back: enough to see what goes along, few enough to lock nobody out."""

NO_PLAN = "0" * 64
"""The plan of an intent that only makes room for rows which another run's reconciliation could not see."""


class PurgeOptions(PurgeSettings):
    """How a purge works.

    Attributes:
        subject_digest: The keyed digest of a person's identifier, as holds of a subject keep it.
        privacy_key: For column policies that write digests.
    """

    subject_digest: Callable[[str], str] | None = None
    privacy_key: PrivacyKey | None = None


@dataclass(slots=True, kw_only=True)
class PurgeReceipt:
    """What a purge really did, by dataset.

    Attributes:
        rows: Deleted from the source by this run.
        rows_reconciled: Deleted by an earlier run that died before it could say so.
        kept: Rows that are due and stayed, by reason.
        partitions: Dropped whole; their rows are counted in ``rows``.
        remarks: Why a partition was not.
        problems: What stopped a dataset.
    """

    rows: dict[str, int] = field(default_factory=dict)
    rows_reconciled: dict[str, int] = field(default_factory=dict)
    kept: dict[str, dict[Statement, int]] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)
    interrupted: bool = False


class PurgeProgress(Protocol):
    """Watches a purge; must not raise."""

    def planned(self, plans: Sequence[PurgePlan]) -> None:
        """What is to be done."""

    def rows_purged(self, dataset: str, rows: int) -> None:
        """This many more rows are gone."""


def plan_word(plans: Sequence[PurgePlan]) -> str:
    """The token that confirms exactly these plans: the start of their hash."""
    return plan_hash(plans)[:8]


def plan_hash(plans: Sequence[PurgePlan]) -> str:
    """SHA-256 over what would go; it changes with every window and every count."""
    facts: list[Any] = [[plan.dataset, [[str(slot.slot), slot.rows_due] for slot in plan.going]] for plan in plans]
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


class Purge:
    """One run of the purge. ``plan`` decides, ``execute`` does what was decided and no more.

    Args:
        ledger: Open, with a signer for ``execute``.
        now: The run's time; decides what is due.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: Purgeable,
        datasets: Sequence[Dataset],
        *,
        options: PurgeOptions,
        run: Run,
        now: datetime,
        progress: PurgeProgress,
    ) -> None:
        self._ledger = ledger
        self._source = source
        # What is archived itself is proven itself, whatever the settings say of it.
        self._relations = {_relation(dataset): dataset.name for dataset in datasets}
        self._datasets = {
            dataset.name: replace(
                dataset,
                purge_may_change=tuple(name for name in dataset.purge_may_change if name not in self._relations),
            )
            for dataset in datasets
        }
        self._blocked: dict[str, ArchiverError] = {}
        self._effects: dict[str, tuple[SideEffect, ...]] = {}
        self._options = options
        self._run = run
        self._now = now
        self._progress = progress
        self._reader = SourceReader(options.privacy_key)
        self._key = fingerprint_of(options.subject_digest)
        self._slots = SlotPurge(
            ledger,
            source,
            batch_rows_max=options.batch_rows_max,
            drop_partitions=options.drop_partitions,
            subject_digest=options.subject_digest,
            privacy_key=options.privacy_key,
            reader=self._reader,
            run=run,
        )

    # ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, *, look: bool = False) -> tuple[list[PurgePlan], datetime]:
        """One plan for each dataset that has a source retention, from one snapshot; and that snapshot's time.

        Args:
            look: Compare, row by row, what may have changed since it was archived, to say which rows will stay. The
                transactions that delete do so in any case.
        """
        with self._source.snapshot() as snapshot:
            plans = [
                self._plan(snapshot, dataset, look=look)
                for dataset in self._datasets.values()
                if dataset.source_retention is not None
            ]
            taken_at = snapshot.taken_at
        plans = self._referring_first(plans)
        self._progress.planned(plans)
        return plans, taken_at

    def _referring_first(self, plans: Sequence[PurgePlan]) -> list[PurgePlan]:
        """Rows that refer to others leave before those, so that nothing is left to go along with them."""
        waiting, ordered = {plan.dataset: plan for plan in plans}, []
        while waiting:
            needed = {
                name: {self._relations.get(effect.relation) for effect in self._effects.get(name, ())} - {name}
                for name in waiting
            }
            # Where they refer to each other in a circle, the order of the settings decides.
            first = next((name for name in waiting if not needed[name] & waiting.keys()), next(iter(waiting)))
            ordered.append(waiting.pop(first))
        return ordered

    def _plan(self, snapshot: Snapshot, dataset: Dataset, *, look: bool) -> PurgePlan:
        assert dataset.source_retention is not None
        schema = self._reader.schema(snapshot, dataset)
        # Which versions rows have says whether it is worth looking; what is executed is compared in any case.
        census = snapshot.census(dataset, schema, None, None, digests=look)
        border = self._now - dataset.source_retention
        rows_due = {
            window: census[window].rows if due == window else snapshot.count(dataset, schema, due)
            for window, due in due_windows(census, border)
        }
        remarks = []
        if not snapshot.has_time_index(dataset):
            remarks.append(f"no index begins with {dataset.time_column}: every batch reads the whole table")
        partitions = self._slots.partitions(snapshot, dataset)
        self._slots.know(dataset, schema, partitions)
        remarks += _partition_remarks(partitions, dataset, border)
        holdings = self._ledger.holdings
        plan = plan_purge(
            dataset,
            holdings.dataset(dataset.name),
            census,
            rows_due,
            lambda slot: under_key(holds_on(holdings, dataset.name, slot), self._key),
            key_columns=schema.key_columns,
            border=border,
            now=self._now,
            remarks=remarks,
        )
        plan = self._forbidden(snapshot, dataset, schema, plan)
        if not look:
            return plan
        plan = self._tried(dataset, schema, plan)
        slots = []
        for planned in plan.slots:
            known = holdings.dataset(dataset.name).slots.get(planned.slot)
            assert planned.slot.window is not None
            if (
                known is not None
                and planned.keep is None
                and self._may_differ(dataset, known, census[planned.slot.window])
            ):
                slots.append(replace(planned, stays=self._slots.look(snapshot, dataset, schema, planned)))
            else:
                slots.append(planned)
        return replace(plan, slots=tuple(slots))

    def _forbidden(self, snapshot: Snapshot, dataset: Dataset, schema: TableSchema, plan: PurgePlan) -> PurgePlan:
        """The plan, with nothing going where the whole dataset may not be purged; that is found before anything is."""
        self._blocked.pop(dataset.name, None)
        self._effects.pop(dataset.name, None)
        if not plan.going:
            return plan
        try:
            held = self._ledger.holdings.dataset(dataset.name)
            schema_event(dataset, held, schema, accepted=False, undone="nothing of it was purged")
        except SchemaDrift as drift:
            self._blocked[dataset.name] = drift
            return _all_kept(plan, Reason.DRIFT(), [drift.message])
        effects = self._effects[dataset.name] = snapshot.side_effects(dataset, plan.border)
        # Rows of a dataset that is purged itself leave before; what is left of them is seen by the deletion.
        first = {
            relation
            for relation, name in self._relations.items()
            if name != dataset.name and self._datasets[name].source_retention is not None
        }
        against = obstacles(effects, dataset.purge_may_change, leaving_first=first)
        if against:
            self._blocked[dataset.name] = Refused(
                f"{dataset.name}: {'; '.join(against)}; nothing of it was deleted",
                hint="archive and purge first what would go along, or, where it is not to be archived, name it in"
                f" datasets.{dataset.name}.purge_may_change",
            )
            return _all_kept(plan, Reason.SIDE_EFFECTS(), against)
        return replace(plan, remarks=(*plan.remarks, *notes(effects, dataset.purge_may_change)))

    def _tried(self, dataset: Dataset, schema: TableSchema, plan: PurgePlan) -> PurgePlan:
        """The plan, after some of its rows were deleted and everything was rolled back: what triggers do is seen so."""
        if not plan.going:
            return plan
        try:
            with self._source.purging(dataset) as work:
                work.attempt(dataset, schema, plan.going[0].due, ATTEMPT_ROWS)
        except (Refused, ConfigError, Partial) as problem:
            return _all_kept(plan, Reason.SIDE_EFFECTS(), [problem.message])
        except TransientError as problem:
            return replace(plan, remarks=(*plan.remarks, f"a deletion could not be tried: {problem.message}"))
        return plan

    def _may_differ(self, dataset: Dataset, known: SlotHoldings, state: SourceState) -> bool:
        """Whether a slot may have rows that are not proven: whatever the versions of its rows do not rule out."""
        is_same = same_state(known, state) and bool(state.digest) and known.state is not None and known.state.digest
        holds = under_key(holds_on(self._ledger.holdings, dataset.name, known.slot), self._key)
        return not is_same or bool(known.rows_duplicate_key) or bool(holds)

    # ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def execute(self, plans: Sequence[PurgePlan], *, confirmed: Sequence[Statement] = ()) -> PurgeReceipt:
        """Do what the plans say, row by row as far as it is proven.

        Args:
            confirmed: What a guard had refused and a person confirmed for this run.

        Raises:
            IntegrityError: A segment is not what the ledger says; nothing more was deleted.
            TransientError, OutcomeUnknown: The source or the store stayed away. Whatever was deleted before is in the
                ledger, or will be after the next run's ``reconcile``.
        """
        receipt = PurgeReceipt()
        mark = plan_hash(plans)
        for plan in plans:
            receipt.kept[plan.dataset] = dict(_kept(plan))
            receipt.rows[plan.dataset] = 0
        for plan in plans:
            if self._run.stop.is_set():
                receipt.interrupted = True
                break
            if plan.dataset in self._blocked:
                receipt.problems.append(self._blocked[plan.dataset])
                continue
            try:
                self._dataset(self._datasets[plan.dataset], plan, mark, tuple(confirmed), receipt)
            except (ConfigError, Partial, Refused) as problem:
                receipt.problems.append(problem)
        return receipt

    def reconcile(self) -> dict[str, int]:
        """Account for intents that an earlier run left behind: compare, and say what is gone. Deletes nothing.

        Returns:
            Rows found gone, by dataset.
        """
        rows: dict[str, int] = {}
        for name, dataset in self._datasets.items():
            for seq, intent in sorted(self._ledger.holdings.dataset(name).open_purges.items()):
                for share in intent.slots:
                    event = self._reconcile(dataset, seq, share)
                    if self._close(event, None):
                        rows[name] = rows.get(name, 0) + event.rows
        return rows

    def _dataset(
        self, dataset: Dataset, plan: PurgePlan, mark: str, confirmed: tuple[Statement, ...], receipt: PurgeReceipt
    ) -> None:
        going = {planned.slot: planned for planned in plan.going}
        if not going:
            return

        def intent() -> list[Event]:
            # Decided again each time: another run may have expired the proof, or placed a hold.
            shares = [
                SlotShare(slot=planned.slot, rows=planned.rows_due)
                for planned in going.values()
                if self._may_go(plan, planned)
            ]
            if not shares:
                return []
            return [PurgeIntended(dataset=dataset.name, plan=mark, slots=tuple(shares), confirmed=confirmed)]

        entry = append_decided(self._ledger, intent)
        open_slots = [] if entry is None else [share.slot for share in _intended(entry).slots]
        for slot in going.keys() - set(open_slots):
            _count(receipt.kept[dataset.name], Reason.MEANWHILE(), going[slot].rows_due)
        stopped: ArchiverError | None = None
        for slot in open_slots:
            assert entry is not None
            stopped = self._intended_slot(dataset, entry.seq, going[slot], stopped, receipt)
        if stopped is not None:
            raise stopped

    def _intended_slot(
        self, dataset: Dataset, seq: int, planned: PurgeSlot, stopped: ArchiverError | None, receipt: PurgeReceipt
    ) -> ArchiverError | None:
        """Work on a slot, unless something stopped the run, and account for it. Returns what stops the run."""
        work = SlotWork(one=planned)
        if self._run.stop.is_set():
            receipt.interrupted = True
        if not receipt.interrupted and stopped is None:
            try:
                self._slots.run(dataset, work)
            except OutcomeUnknown as problem:
                # Whether the last batch is gone is found out now, or, when the source is away, by the next run.
                self._account(
                    dataset,
                    self._reconcile(dataset, seq, SlotShare(slot=planned.slot, rows=planned.rows_due)),
                    None,
                    receipt,
                )
                return problem
            except ArchiverError as problem:
                stopped = problem
        if work.partitions:
            receipt.partitions[dataset.name] = receipt.partitions.get(dataset.name, 0) + work.partitions
        for change in work.changed.values():
            work.remarks.append(f"not archived, as purge_may_change says: {describe(change)} along with {planned.slot}")
        if work.remarks:
            receipt.remarks.setdefault(dataset.name, []).extend(work.remarks)
        # A slot that is not begun any more is accounted for as well, so that no intent stays open.
        why = Reason.STOPPED() if stopped is None else Reason.STOPPED_BY(error=type(stopped).__name__)
        self._account(dataset, self._done(dataset, seq, work, why), work.gone, receipt)
        return stopped

    def _may_go(self, plan: PurgePlan, planned: PurgeSlot) -> bool:
        known = self._ledger.holdings.dataset(plan.dataset).slots.get(planned.slot)
        holds = under_key(holds_on(self._ledger.holdings, plan.dataset, planned.slot), self._key)
        return keep_reason(known, holds, has_key=True) is None

    def _done(self, dataset: Dataset, seq: int, work: SlotWork, why: Statement) -> Purged:
        if not work.is_complete:
            work.kept[why] += max(0, work.one.rows_due - work.gone.rows - sum(work.kept.values()))
        return Purged(
            dataset=dataset.name,
            intent_seq=seq,
            slot=work.one.slot,
            rows=work.gone.rows,
            kept=rows_kept(work.kept),
            state=work.gone,
            snapshot_at=work.taken_at or self._now,
            changed=tuple(work.changed[name] for name in sorted(work.changed)),
        )

    def _account(self, dataset: Dataset, event: Purged, gone: SourceState | None, receipt: PurgeReceipt) -> None:
        self._close(event, gone)
        receipt.rows[dataset.name] += event.rows
        for row in event.kept:
            _count(receipt.kept[dataset.name], row.reason, row.rows)
        self._progress.rows_purged(dataset.name, event.rows)

    def _close(self, event: Purged, gone: SourceState | None) -> bool:
        """Say what became of an intended slot, once. Returns whether the intent was still open.

        Args:
            gone: What this run itself deleted; None where it was found out by comparing.
        """
        is_open = True

        def closing() -> list[Event]:
            nonlocal is_open
            dataset = self._ledger.holdings.dataset(event.dataset)
            known = dataset.slots[event.slot]
            intent = dataset.open_purges.get(event.intent_seq)
            is_open = intent is not None and any(share.slot == event.slot for share in intent.slots)
            if is_open:
                # What others have deleted meanwhile is off the state already.
                before = known.state or SourceState(rows=event.rows, digest="?")
                return [event if gone is None else replace(event, state=before.minus(gone))]
            # Another run took us for dead and accounted for the slot, as far as it could see. What two runs have found
            # out by comparing is the same rows; what we deleted ourselves we know exactly.
            rest = 0 if gone is None else gone.rows - dataset.credited.get((event.intent_seq, event.slot), 0)
            if rest <= 0:
                return []
            again = PurgeIntended(
                dataset=event.dataset, plan=NO_PLAN, slots=(SlotShare(slot=event.slot, rows=rest),), confirmed=()
            )
            state = SourceState(rows=max(0, (known.state.rows if known.state else 0) - rest), digest="?")
            return [again, replace(event, rows=rest, state=state, intent_seq=self._ledger.holdings.seq + 1)]

        append_decided(self._ledger, closing)
        return is_open

    # ── After a crash ──────────────────────────────────────────────────────────────────────────────────────────

    def _reconcile(self, dataset: Dataset, seq: int, share: SlotShare) -> Purged:
        known = self._ledger.holdings.dataset(dataset.name).slots[share.slot]
        with ExitStack() as files, self._source.snapshot() as snapshot:
            held = self._slots.archive(files, dataset, self._reader.schema(snapshot, dataset), share.slot)
            time = held.schema.time_column
            missing = 0
            scan = self._slots.scan(snapshot, dataset, held, share.slot.window)
            for ours, theirs in aligned(scan, held.batches(), held.columns, time, rows=COMPARE_ROWS):
                missing += difference(ours, theirs).missing
            taken_at = snapshot.taken_at
        # Rows that their owner deleted meanwhile cannot be told from ours: never more than was intended.
        rows = min(share.rows, max(0, missing - known.rows_purged_held - known.rows_missing))
        before = known.state or SourceState(rows=rows)
        return Purged(
            dataset=dataset.name,
            intent_seq=seq,
            slot=share.slot,
            rows=rows,
            # Which versions of rows are gone is not known any more: the next export compares.
            state=SourceState(rows=max(0, before.rows - rows), digest="?"),
            reconciled=True,
            snapshot_at=taken_at,
        )


def _intended(entry: Entry) -> PurgeIntended:
    (event,) = entry.events
    assert isinstance(event, PurgeIntended)
    return event


def _relation(dataset: Dataset) -> str:
    return f"{dataset.namespace}.{dataset.relation}"


def _all_kept(plan: PurgePlan, reason: Statement, remarks: Sequence[str]) -> PurgePlan:
    slots = tuple(planned if planned.keep else replace(planned, keep=reason) for planned in plan.slots)
    return replace(plan, slots=slots, remarks=(*plan.remarks, *remarks))


def _count(counts: dict[Statement, int], reason: Statement, rows: int) -> None:
    counts[reason] = counts.get(reason, 0) + rows


def _kept(plan: PurgePlan) -> Counter[Statement]:
    kept = Counter[Statement]()
    for slot in plan.slots:
        if slot.keep is not None:
            kept[slot.keep] += slot.rows_due
    return kept


def _partition_remarks(partitions: Partitions, dataset: Dataset, border: datetime) -> list[str]:
    due = [partition for partition in partitions.droppable if partition.window.end <= border]
    wide = [partition for partition in due if not _is_within_one_window(partition, dataset)]
    remarks = list(partitions.remarks)
    if len(due) > len(wide):
        remarks.append(f"{len(due) - len(wide)} partitions are due as a whole: dropped if every row is proven")
    if wide:
        remarks.append(
            f"{len(wide)} partitions reach over several windows of {dataset.window}: their rows are deleted one by"
            " one, and they stay"
        )
    return remarks


def _is_within_one_window(partition: Partition, dataset: Dataset) -> bool:
    return partition.window.end <= window_at(partition.window.start, dataset.window).end


def unaccounted(holdings: Holdings) -> dict[str, int]:
    """Slots of intents that nobody accounted for, by dataset."""
    return {
        name: sum(len(intent.slots) for intent in dataset.open_purges.values())
        for name, dataset in holdings.datasets.items()
        if dataset.open_purges
    }
