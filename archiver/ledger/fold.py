"""The fold: what each kind of event does to the holdings. Pure; a contradiction is an error, never a repair."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from archiver.errors import LedgerBroken
from archiver.ledger.holdings import DatasetHoldings, HeldSegment, Holdings, SlotHoldings
from archiver.model import (
    AnchorAdopted,
    ChunkQuarantined,
    ChunksArchived,
    ChunksDeleted,
    ChunksDeletionIntended,
    ChunksGone,
    ChunksWaiting,
    Compacted,
    Entry,
    Event,
    Expired,
    ExpireIntended,
    Exported,
    HoldPlaced,
    HoldReleased,
    Initialised,
    PartsRemoved,
    Purged,
    PurgeIntended,
    QuarantineReleased,
    RulesStated,
    RunEnded,
    SchemaChanged,
    Segment,
    Slot,
    StackChecked,
    Statement,
    StepOutcome,
    SweepIntended,
    Swept,
    Verified,
)


def fold(entries: Iterable[Entry], start: Holdings | None = None) -> Holdings:
    """Apply entries in order. ``start`` is consumed: use only what is returned.

    Raises:
        LedgerBroken: An entry contradicts the ones before it.
    """
    holdings = start or Holdings()
    for entry in entries:
        if entry.seq != holdings.seq + 1:
            raise LedgerBroken(f"ledger: entry {entry.seq} follows entry {holdings.seq}; nothing was read further")
        if holdings.at is not None:
            holdings.pause = max(holdings.pause, entry.at - holdings.at)
        for event in entry.events:
            _APPLY[type(event)](holdings, entry, event)
        holdings.seq, holdings.at = entry.seq, entry.at
    return holdings


def check_next(holdings: Holdings, entry: Entry) -> None:
    """Whether an entry may follow, without applying it: what was written once can never be taken back.

    Raises:
        LedgerBroken: It contradicts what is held.
    """
    # A verification changes every slot and contradicts nothing, so that slots need not be copied for it.
    events = tuple(event for event in entry.events if not isinstance(event, Verified))
    touched: dict[str, list[Event]] = {}
    for event in events:
        if (name := getattr(event, "dataset", None)) is not None:
            touched.setdefault(name, []).append(event)
    trial = replace(
        holdings,
        keys=set(holdings.keys),
        holds=dict(holdings.holds),
        sweeping=set(holdings.sweeping),
        swept=dict(holdings.swept),
        last_verified_at=dict(holdings.last_verified_at),
        last_runs=dict(holdings.last_runs),
        last_successes=dict(holdings.last_successes),
        datasets={
            name: _copied(dataset, touched[name]) if name in touched else dataset
            for name, dataset in holdings.datasets.items()
        },
    )
    fold([replace(entry, events=events)], trial)


def _copied(dataset: DatasetHoldings, events: Sequence[Event]) -> DatasetHoldings:
    """A copy that these events can change. Only their slots are copied: there may be thousands, each with an entry."""
    slots = dict(dataset.slots)
    for slot in _slots_of(dataset, events):
        if slot in slots:
            slots[slot] = replace(slots[slot], segments=list(slots[slot].segments))
    return replace(
        dataset,
        slots=slots,
        open_purges=dict(dataset.open_purges),
        expiring=dict(dataset.expiring),
        residuals=dict(dataset.residuals),
        replaced=dict(dataset.replaced),
        schemas=dict(dataset.schemas),
        credited=dict(dataset.credited),
        chunks=dataset.chunks.copied(),
    )


def _slots_of(dataset: DatasetHoldings, events: Sequence[Event]) -> Iterator[Slot]:
    for event in events:
        if isinstance(event, ExpireIntended):
            gone = frozenset(event.keys)
            for held in dataset.slots.values():
                if held.segments and any(part.segment.key in gone for part in held.segments):
                    yield held.slot
        elif isinstance(event, Exported | Compacted | Purged):
            yield event.slot


def _begin(holdings: Holdings, entry: Entry, event: Initialised) -> None:
    if entry.seq != 0:
        raise LedgerBroken(f"ledger entry {entry.seq}: the archive is begun a second time")
    holdings.archive = event


def _change_schema(holdings: Holdings, _: Entry, event: SchemaChanged) -> None:
    dataset = _dataset(holdings, event.dataset)
    dataset.schema = event
    dataset.schemas[event.schema] = event


def _dataset(holdings: Holdings, name: str) -> DatasetHoldings:
    return holdings.datasets.setdefault(name, DatasetHoldings(name=name))


def _export(holdings: Holdings, entry: Entry, event: Exported) -> None:
    dataset = _dataset(holdings, event.dataset)
    slot = dataset.slots.setdefault(event.slot, SlotHoldings(slot=event.slot))
    for segment in event.segments:
        _name(holdings, dataset, entry, event.slot, segment)
        slot.segments.append(HeldSegment(segment, entry.seq, entry.at))
        slot.parts_named = max(slot.parts_named, segment.part + 1)
    if sum(segment.rows for segment in event.segments) != event.rows:
        raise LedgerBroken(f"ledger entry {entry.seq}: the parts of {event.dataset} {event.slot} do not add up")
    slot.state = event.state
    slot.compared_at = event.snapshot_at
    slot.settled = event.settled
    slot.schema = "" if dataset.schema is None else dataset.schema.schema
    slot.rows_missing = event.rows_missing
    slot.rows_duplicate_key = event.rows_duplicate_key
    dataset.last_export_at = entry.at


def _name(holdings: Holdings, dataset: DatasetHoldings, entry: Entry, slot: Slot, segment: Segment) -> None:
    """A segment is held from here on."""
    if segment.key in holdings.keys:
        raise LedgerBroken(f"ledger entry {entry.seq}: {segment.key} is named a second time")
    if segment.key in holdings.swept:
        raise LedgerBroken(f"ledger entry {entry.seq}: {segment.key} is named, and was swept as litter")
    if segment.key in dataset.replaced or segment.key in dataset.expiring or segment.key in dataset.residuals:
        raise LedgerBroken(f"ledger entry {entry.seq}: {segment.key} is named, and is about to be deleted")
    if segment.slot != slot:
        raise LedgerBroken(f"ledger entry {entry.seq}: {segment.key} stands in a slot that is not its own")
    holdings.keys.add(segment.key)


def _compact(holdings: Holdings, entry: Entry, event: Compacted) -> None:
    dataset = _dataset(holdings, event.dataset)
    known = dataset.slots.get(event.slot)
    held = {} if known is None else {part.segment.key: part for part in known.segments}
    what = f"ledger entry {entry.seq}: compacts {event.dataset} {event.slot}"
    missing = [key for key in event.replaced if key not in held]
    if known is None or missing or not event.replaced or len(set(event.replaced)) != len(event.replaced):
        raise LedgerBroken(f"{what}, which does not hold {min(missing, default='what it replaces')}")
    leaving = [held[key] for key in event.replaced]
    if not (
        sum(segment.segment.rows for segment in leaving)
        == sum(segment.rows for segment in event.segments)
        == event.rows
    ):
        raise LedgerBroken(f"{what}: the rows of the parts before and after it are not equal in number")
    if len({segment.schema for segment in (*(old.segment for old in leaving), *event.segments)}) != 1:
        raise LedgerBroken(f"{what}: its parts have different columns")
    for part in leaving:
        holdings.keys.discard(part.segment.key)
        dataset.replaced[part.segment.key] = part
    # Read back and decoded before the entry was written: as good as verified by it.
    committed_at = max(part.committed_at for part in leaving)
    known.segments = [part for part in known.segments if part.segment.key not in dataset.replaced]
    for segment in event.segments:
        _name(holdings, dataset, entry, event.slot, segment)
        known.segments.append(HeldSegment(segment, entry.seq, committed_at, entry.at, entry.at))
        known.parts_named = max(known.parts_named, segment.part + 1)


def _remove_parts(holdings: Holdings, entry: Entry, event: PartsRemoved) -> None:
    replaced = _dataset(holdings, event.dataset).replaced
    for key in event.keys:
        if replaced.pop(key, None) is None:
            raise LedgerBroken(f"ledger entry {entry.seq}: removes {key}, which no compaction has replaced")


def _verify(holdings: Holdings, entry: Entry, event: Verified) -> None:
    dataset = _dataset(holdings, event.dataset)
    whole = event.since is None and event.until is None and event.keys is None
    looked_at = None if event.keys is None else frozenset(event.keys)
    for slot in dataset.slots.values():
        if not slot.segments:
            continue
        window = slot.slot.window
        if window is None:
            covered = whole or looked_at is not None
        else:
            covered = (event.since is None or window.start >= event.since) and (
                event.until is None or window.end <= event.until
            )
        if covered:
            slot.segments = [
                _verified(held, entry, event) if looked_at is None or held.segment.key in looked_at else held
                for held in slot.segments
            ]
    if whole:
        holdings.last_verified_at[event.dataset] = entry.at


def _verified(held: HeldSegment, entry: Entry, event: Verified) -> HeldSegment:
    if held.committed_seq > event.through_seq:
        return held
    return HeldSegment(
        held.segment,
        held.committed_seq,
        held.committed_at,
        verified_at=entry.at,
        verified_deep_at=entry.at if event.depth == "deep" else held.verified_deep_at,
    )


def _purge(holdings: Holdings, entry: Entry, event: Purged) -> None:
    dataset = _dataset(holdings, event.dataset)
    slot = dataset.slots.get(event.slot)
    intent = dataset.open_purges.get(event.intent_seq)
    if slot is None or intent is None or all(share.slot != event.slot for share in intent.slots):
        raise LedgerBroken(
            f"ledger entry {entry.seq}: purges {event.dataset} {event.slot}, which entry {event.intent_seq} did not"
            " intend"
        )
    slot.rows_purged += event.rows
    slot.state = event.state
    slot.compared_at = event.snapshot_at
    slot.last_purged_at = entry.at
    if event.reconciled:
        dataset.credited[event.intent_seq, event.slot] = event.rows
    left = tuple(share for share in intent.slots if share.slot != event.slot)
    if left:
        dataset.open_purges[event.intent_seq] = replace(intent, slots=left)
    else:
        del dataset.open_purges[event.intent_seq]


def _intend_expiry(holdings: Holdings, entry: Entry, event: ExpireIntended) -> None:
    dataset = _dataset(holdings, event.dataset)
    gone = set(event.keys)
    for slot in dataset.slots.values():
        if not slot.segments:
            continue
        leaving = [held for held in slot.segments if held.segment.key in gone]
        if not leaving:
            continue
        slot.segments = [held for held in slot.segments if held.segment.key not in gone]
        slot.rows_expired += sum(held.segment.rows for held in leaving)
        if not slot.segments:
            # Nothing is held that could be missing from the source, or purged from it.
            slot.rows_purged_let_go, slot.rows_missing = slot.rows_purged, 0
        for held in leaving:
            gone.discard(held.segment.key)
            holdings.keys.discard(held.segment.key)
            dataset.expiring[held.segment.key] = held
    if gone:
        raise LedgerBroken(f"ledger entry {entry.seq}: expires {min(gone)}, which the archive does not hold")
    _deletion_intended(holdings, event.confirmed)


def _deletion_intended(holdings: Holdings, confirmed: tuple[Statement, ...]) -> None:
    holdings.pause = timedelta(0)
    if confirmed:
        holdings.anchor_adopted_at = None


def _intend_purge(holdings: Holdings, entry: Entry, event: PurgeIntended) -> None:
    _dataset(holdings, event.dataset).open_purges[entry.seq] = event
    _deletion_intended(holdings, event.confirmed)


def _expire(holdings: Holdings, _: Entry, event: Expired) -> None:
    dataset = _dataset(holdings, event.dataset)
    for key in event.keys:
        dataset.expiring.pop(key, None)
        if event.kept_until is None:
            dataset.residuals.pop(key, None)
        else:
            dataset.residuals[key] = event.kept_until


def _place_hold(holdings: Holdings, _: Entry, event: HoldPlaced) -> None:
    holdings.holds[event.hold] = event


def _release_hold(holdings: Holdings, entry: Entry, event: HoldReleased) -> None:
    if holdings.holds.pop(event.hold, None) is None:
        raise LedgerBroken(f"ledger entry {entry.seq}: releases the hold {event.hold}, which is not in force")


def _intend_sweep(holdings: Holdings, entry: Entry, event: SweepIntended) -> None:
    named = holdings.keys.intersection(event.keys)
    if named:
        raise LedgerBroken(f"ledger entry {entry.seq}: sweeps {min(named)}, which the archive holds")
    holdings.sweeping.update(event.keys)
    holdings.swept.update(dict.fromkeys(event.keys, entry.seq))


def _sweep(holdings: Holdings, _: Entry, event: Swept) -> None:
    holdings.sweeping.difference_update(event.keys)


def _adopt_anchor(holdings: Holdings, entry: Entry, _: AnchorAdopted) -> None:
    holdings.anchor_adopted_at = entry.at


def _archive_chunks(holdings: Holdings, entry: Entry, event: ChunksArchived) -> None:
    if event.rows + event.rows_duplicate + event.rows_deleted != event.entries:
        raise LedgerBroken(f"ledger entry {entry.seq}: the entries of the chunks of {event.dataset} do not add up")
    dataset = _dataset(holdings, event.dataset)
    dataset.chunks.archived.append(event)
    dataset.last_export_at = entry.at


def _wait_for_chunks(holdings: Holdings, _: Entry, event: ChunksWaiting) -> None:
    _dataset(holdings, event.dataset).chunks.waiting = event


def _miss_chunks(holdings: Holdings, entry: Entry, event: ChunksGone) -> None:
    _dataset(holdings, event.dataset).chunks.gone.append((entry.at, event))


def _intend_chunk_deletion(holdings: Holdings, entry: Entry, event: ChunksDeletionIntended) -> None:
    _dataset(holdings, event.dataset).chunks.open_deletions[entry.seq] = event
    _deletion_intended(holdings, event.confirmed)


def _delete_chunks(holdings: Holdings, entry: Entry, event: ChunksDeleted) -> None:
    chunks = _dataset(holdings, event.dataset).chunks
    intent = chunks.open_deletions.pop(event.intent_seq, None)
    if intent is None:
        raise LedgerBroken(f"ledger entry {entry.seq}: deletes chunks that entry {event.intent_seq} did not intend")
    if (0 if event.list is None else event.list.chunks) + event.kept != intent.list.chunks:
        raise LedgerBroken(f"ledger entry {entry.seq}: the chunks that entry {event.intent_seq} intended do not add up")
    chunks.deleted.append(event)


def _quarantine(holdings: Holdings, _: Entry, event: ChunkQuarantined) -> None:
    chunks = _dataset(holdings, event.dataset).chunks
    chunks.quarantined[event.sha256] = event
    chunks.released.pop(event.sha256, None)


def _release_quarantine(holdings: Holdings, entry: Entry, event: QuarantineReleased) -> None:
    chunks = _dataset(holdings, event.dataset).chunks
    quarantined = chunks.quarantined.pop(event.sha256, None)
    if quarantined is None:
        raise LedgerBroken(f"ledger entry {entry.seq}: releases {event.sha256[:16]}…, which is not in quarantine")
    chunks.released[event.sha256] = quarantined.chunk


def _state_rules(holdings: Holdings, _: Entry, event: RulesStated) -> None:
    holdings.rules = event


def _check_stack(holdings: Holdings, entry: Entry, event: StackChecked) -> None:
    holdings.stack_checked = (entry.at, event)


def _end_run(holdings: Holdings, entry: Entry, event: RunEnded) -> None:
    holdings.last_runs[event.command] = (entry.at, event)
    if event.exit_status == 0:
        holdings.last_successes[event.command] = entry.at
    for step in event.steps:
        if step.outcome is StepOutcome.DONE:
            holdings.last_successes[step.step] = entry.at


_APPLY: Mapping[type[object], Callable[[Holdings, Entry, Any], None]] = {
    Initialised: _begin,
    SchemaChanged: _change_schema,
    Exported: _export,
    Verified: _verify,
    PurgeIntended: _intend_purge,
    Purged: _purge,
    HoldPlaced: _place_hold,
    HoldReleased: _release_hold,
    ExpireIntended: _intend_expiry,
    Expired: _expire,
    Compacted: _compact,
    PartsRemoved: _remove_parts,
    SweepIntended: _intend_sweep,
    Swept: _sweep,
    AnchorAdopted: _adopt_anchor,
    ChunksArchived: _archive_chunks,
    ChunksWaiting: _wait_for_chunks,
    ChunksGone: _miss_chunks,
    ChunksDeletionIntended: _intend_chunk_deletion,
    ChunksDeleted: _delete_chunks,
    ChunkQuarantined: _quarantine,
    QuarantineReleased: _release_quarantine,
    RulesStated: _state_rules,
    StackChecked: _check_stack,
    RunEnded: _end_run,
}


"""What each kind of event does to the holdings; a test holds it together with ``model.Event``."""
