"""Expire: what the archive has held for as long as it may leaves it, with every version.

The order of writes, and what a crash after each leaves:

1. one entry intends to delete segments; from there on they are held no longer   → the next run deletes them
2. each object is deleted with all its versions, and then looked for             → the next run deletes the rest
3. one entry says that they are gone, or until when a lock keeps them            → nothing is left to do

What a lock keeps is a residual copy: it is named in every run, and deleted by the first one after the lock's end.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa
import rfc8785

from archiver.contracts import ObjectStore, Removal
from archiver.errors import ArchiverError, SegmentMissing
from archiver.ledger.holdings import HeldSegment
from archiver.ledger.ledger import Ledger
from archiver.model import DATED_MAX, Dataset, Event, Expired, ExpireIntended, Reason, Statement
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.fetch import fetched, left_meanwhile
from archiver.operations.steps.removing import batches, remove_objects
from archiver.operations.steps.run import Run
from archiver.parquet import read_batches
from archiver.privacy.key import fingerprint_of
from archiver.retention import ExpiryPlan, ExpirySlot, holds_on, plan_expiry, under_key


@dataclass(slots=True, kw_only=True)
class ExpireReceipt:
    """What an expiry really did, by dataset.

    Attributes:
        objects, rows, size_bytes: Gone, or kept by a lock only.
        versions: Objects, old versions and delete markers that were removed.
        objects_resumed: Of them, those that an earlier run had announced.
        residuals_gone: Residual copies of earlier expiries whose lock had ended, and that are gone now.
        kept: Rows that are due and stayed, by reason.
        kept_until: Something that this run was to delete remains in the store until then, by key: a lock holds it.
        residuals: The same of earlier runs, whose date has not come yet.
        problems: What could not be deleted.
    """

    objects: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    objects_resumed: int = 0
    residuals_gone: int = 0
    kept: dict[str, dict[Statement, int]] = field(default_factory=dict)
    kept_until: dict[str, datetime] = field(default_factory=dict)
    residuals: dict[str, datetime] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)
    interrupted: bool = False


class ExpireProgress(Protocol):
    """Watches an expiry. Must not raise."""

    def planned(self, objects: int) -> None:
        """So many are to go."""

    def object_gone(self, key: str) -> None:
        """One more is gone."""


def expiry_hash(plans: Sequence[ExpiryPlan]) -> str:
    """SHA-256 over what would go; it changes with every segment."""
    facts: list[Any] = [
        [plan.dataset, [held.segment.key for slot in plan.going for held in slot.segments]] for plan in plans
    ]
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def expiry_word(plans: Sequence[ExpiryPlan]) -> str:
    """The token that confirms exactly these plans: the start of their hash."""
    return expiry_hash(plans)[:8]


class Expire:
    """One run of the expiry. ``plan`` decides, ``execute`` does what was decided and no more.

    Args:
        subject_digest: The keyed digest of a person's identifier, as holds of a person keep it; None when no key is
            set, so that a hold on a person keeps whatever it covers.
    """

    def __init__(
        self,
        ledger: Ledger,
        datasets: Sequence[Dataset],
        *,
        run: Run,
        now: datetime,
        subject_digest: Callable[[str], str] | None,
        progress: ExpireProgress,
    ) -> None:
        self._ledger = ledger
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._run = run
        self._now = now
        self._digest = subject_digest
        self._key = fingerprint_of(subject_digest)
        self._progress = progress
        self._receipt = ExpireReceipt()

    @property
    def _store(self) -> ObjectStore:
        return self._ledger.store

    def plan(self) -> list[ExpiryPlan]:
        """One plan for each dataset that has an archive retention."""
        holdings = self._ledger.holdings
        return [
            plan_expiry(
                dataset,
                holdings.dataset(dataset.name),
                lambda slot, name=dataset.name: under_key(holds_on(holdings, name, slot), self._key),  # type: ignore[misc]
                now=self._now,
            )
            for dataset in self._datasets.values()
            if dataset.archive_retention is not None
        ]

    def unfinished(self) -> int:
        """How many objects an earlier run announced and nobody accounted for."""
        return sum(len(held.expiring) for held in self._ledger.holdings.datasets.values())

    def resume(self) -> ExpireReceipt:
        """Delete what an earlier run announced, and residual copies whose lock has ended.

        These objects are held no longer, so no hold can mean them. The receipt is the run's: ``execute`` goes on with
        it.
        """
        receipt = self._receipt
        for name, held in sorted(self._ledger.holdings.datasets.items()):
            leaving = [held.expiring[key] for key in sorted(held.expiring)]
            receipt.objects_resumed += len(leaving)
            for batch in batches(leaving):
                self._delete(name, batch, receipt)
            # A legal hold has no end that anybody could wait for: it is asked about each time.
            over = [key for key, until in sorted(held.residuals.items()) if until <= self._now or until == DATED_MAX]
            for keys in batches(key for key in over if key not in receipt.kept_until):
                self._delete_residuals(name, keys, receipt)
            receipt.residuals |= {key: until for key, until in held.residuals.items() if key not in receipt.kept_until}
        return receipt

    def execute(self, plans: Sequence[ExpiryPlan], *, confirmed: Sequence[Statement] = ()) -> ExpireReceipt:
        """Do what the plans say.

        Args:
            confirmed: What a guard had refused and a person confirmed for this run.

        Raises:
            IntegrityError: A segment that had to be searched for persons on hold is not what the ledger says.
            TransientError, OutcomeUnknown: The store stayed away; the next run goes on.
        """
        receipt = self._receipt
        mark = expiry_hash(plans)
        self._progress.planned(sum(len(slot.segments) for plan in plans for slot in plan.going))
        for plan in plans:
            for slot in plan.slots:
                if slot.keep is not None:
                    _count(receipt.kept, plan.dataset, slot.keep, slot.rows)
            for slots in batches(plan.going):
                if self._run.stop.is_set():
                    receipt.interrupted = True
                    return receipt
                self._expire(self._datasets[plan.dataset], slots, mark, tuple(confirmed), receipt)
        return receipt

    def _expire(
        self,
        dataset: Dataset,
        slots: Sequence[ExpirySlot],
        mark: str,
        confirmed: tuple[Statement, ...],
        receipt: ExpireReceipt,
    ) -> None:
        going = {planned.slot: planned for planned in slots}
        for planned in slots:
            if planned.subjects and self._has_subject(dataset, planned):
                _count(receipt.kept, dataset.name, Reason.SUBJECT_HOLD(), planned.rows)
                del going[planned.slot]
        leaving: list[HeldSegment] = []

        def intent() -> list[Event]:
            # Decided again each time: another run may have placed a hold, or begun a purge that needs the proof.
            leaving.clear()
            holdings = self._ledger.holdings
            again = plan_expiry(
                dataset,
                holdings.dataset(dataset.name),
                lambda slot: under_key(holds_on(holdings, dataset.name, slot), self._key),
                now=self._now,
            )
            for now in again.going:
                then = going.get(now.slot)
                if then is not None and _same(now, then):
                    leaving.extend(now.segments)
            keys = tuple(sorted(held.segment.key for held in leaving))
            return [ExpireIntended(dataset=dataset.name, plan=mark, keys=keys, confirmed=confirmed)] if keys else []

        append_decided(self._ledger, intent)
        left = sum(planned.rows for planned in going.values()) - sum(held.segment.rows for held in leaving)
        if left:
            _count(receipt.kept, dataset.name, Reason.MEANWHILE(), left)
        if leaving:
            self._delete(dataset.name, leaving, receipt)

    def _has_subject(self, dataset: Dataset, planned: ExpirySlot) -> bool:
        """Whether a segment holds rows of a person on hold; also when that is unknown."""
        wanted = {hold.subject for hold in planned.subjects}
        if self._digest is None or not dataset.subject_columns:
            return True
        for held in planned.segments:
            with ExitStack() as files:
                try:
                    path = fetched(files, self._run, self._store, held.segment)
                except SegmentMissing as missing:
                    raise left_meanwhile(self._ledger, missing) from missing
                for batch in read_batches(path):
                    names = [name for name in dataset.subject_columns if name in batch.schema.names]
                    if not names or any(_mentions(batch.column(name), wanted, self._digest) for name in names):
                        return True
        return False

    def _delete(self, dataset: str, leaving: Sequence[HeldSegment], receipt: ExpireReceipt) -> None:
        removals = self._remove([held.segment.key for held in leaving], receipt)
        segments = {held.segment.key: held.segment for held in leaving}

        def events() -> list[Event]:
            # Another run may have taken us for dead and accounted for some: each is said to be gone once.
            expiring = self._ledger.holdings.dataset(dataset).expiring
            return [
                Expired(
                    dataset=dataset,
                    keys=tuple(keys),
                    rows=sum(segments[key].rows for key in keys),
                    size_bytes=sum(segments[key].size_bytes for key in keys),
                    versions_deleted=sum(removals[key].versions_deleted for key in keys),
                    kept_until=until,
                )
                for until, keys in _grouped((removals[key].kept_until, key) for key in removals if key in expiring)
            ]

        entry = append_decided(self._ledger, events)
        for event in () if entry is None else entry.events:
            assert isinstance(event, Expired)
            for counts, amount in (
                (receipt.objects, len(event.keys)),
                (receipt.rows, event.rows),
                (receipt.size_bytes, event.size_bytes),
                (receipt.versions, event.versions_deleted),
            ):
                counts[dataset] = counts.get(dataset, 0) + amount

    def _delete_residuals(self, dataset: str, keys: Sequence[str], receipt: ExpireReceipt) -> None:
        removals = self._remove(keys, receipt)

        def events() -> list[Event]:
            known = self._ledger.holdings.dataset(dataset).residuals
            changed = [key for key in removals if key in known and removals[key].kept_until != known[key]]
            return [
                Expired(
                    dataset=dataset,
                    keys=tuple(of_one_end),
                    # Their rows were counted when they left the archive.
                    rows=0,
                    size_bytes=0,
                    versions_deleted=sum(removals[key].versions_deleted for key in of_one_end),
                    kept_until=until,
                )
                for until, of_one_end in _grouped((removals[key].kept_until, key) for key in changed)
            ]

        entry = append_decided(self._ledger, events)
        for event in () if entry is None else entry.events:
            assert isinstance(event, Expired)
            if event.kept_until is None:
                receipt.residuals_gone += len(event.keys)
            receipt.versions[dataset] = receipt.versions.get(dataset, 0) + event.versions_deleted

    def _remove(self, keys: Sequence[str], receipt: ExpireReceipt) -> dict[str, Removal]:
        """Delete objects with every version, and look whether they are gone. What the store refuses is not in it."""
        removed = remove_objects(
            self._store,
            keys,
            jobs=self._run.jobs,
            still="it still has to leave the archive",
            gone=self._progress.object_gone,
        )
        receipt.problems += removed.problems
        receipt.kept_until |= removed.kept_until
        return removed.removals


def _grouped(ends: Iterable[tuple[datetime | None, str]]) -> list[tuple[datetime | None, list[str]]]:
    """Keys by the time until which something of them is kept; those of which nothing is first."""
    groups: dict[datetime | None, list[str]] = {}
    for until, key in ends:
        groups.setdefault(until, []).append(key)
    return sorted(groups.items(), key=lambda group: (group[0] is not None, group[0] or DATED_MAX))


def _same(now: ExpirySlot, then: ExpirySlot) -> bool:
    """A hold on a person that came since was not looked for; another part that came since was not planned."""
    return now.subjects == then.subjects and [held.segment.key for held in now.segments] == [
        held.segment.key for held in then.segments
    ]


def _mentions(column: pa.Array, wanted: set[str | None], digest: Callable[[str], str]) -> bool:
    """Whether a column holds one of these persons, as they are or already as their digest."""
    values = column.cast(pa.string()).unique().to_pylist()
    return any(value is not None and (value in wanted or digest(value) in wanted) for value in values)


def _count(kept: dict[str, dict[Statement, int]], dataset: str, reason: Statement, rows: int) -> None:
    reasons = kept.setdefault(dataset, {})
    reasons[reason] = reasons.get(reason, 0) + rows
