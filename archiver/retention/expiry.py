"""What the archive itself may no longer hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from archiver.ledger.holdings import DatasetHoldings, HeldSegment, SlotHoldings
from archiver.model import Dataset, HoldPlaced, Reason, Slot, Statement
from archiver.retention.reasons import on_hold


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpirySlot:
    """A slot that the archive has held for as long as it may.

    Attributes:
        due_at: When its retention ended.
        segments: All of its parts; of rows without a usable time those that are due.
        keep: Why it stays all the same; None when it may go.
        subjects: Holds on persons, whose rows must be looked for before it goes.
    """

    slot: Slot
    due_at: datetime
    segments: tuple[HeldSegment, ...]
    keep: Statement | None = None
    subjects: tuple[HoldPlaced, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in these segments."""
        return sum(held.segment.rows for held in self.segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of these segments as stored."""
        return sum(held.segment.size_bytes for held in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryPlan:
    """What leaves the archive of one dataset.

    Attributes:
        slots: Those that are due, oldest first.
        rows_held: In the whole archive of it, for the share that would go.
    """

    dataset: str
    slots: tuple[ExpirySlot, ...]
    rows_held: int

    @property
    def going(self) -> tuple[ExpirySlot, ...]:
        """The slots that nothing keeps."""
        return tuple(slot for slot in self.slots if slot.keep is None)

    @property
    def rows_going(self) -> int:
        """Rows that may go."""
        return sum(slot.rows for slot in self.going)

    @property
    def share(self) -> float:
        """The part of the dataset that may go, 0 to 1."""
        return self.rows_going / self.rows_held if self.rows_held else 0.0


def archive_due_at(dataset: Dataset, known: SlotHoldings, part: HeldSegment | None = None) -> datetime | None:
    """When a slot must leave the archive; None when no period is chosen.

    The period counts from the end of the window, so that no row goes before its time. Rows without a usable time, or
    with one that had not come when they were archived, count from the day on which they were.

    Args:
        part: Only this one of the slot. Parts of rows without a usable time come and go one by one: counted from the
            newest, none would ever go where new ones keep coming.
    """
    if dataset.archive_retention is None or not known.segments:
        return None
    archived_at = max(held.committed_at for held in known.segments) if part is None else part.committed_at
    window = known.slot.window
    start = archived_at if window is None else min(window.end, archived_at)
    return start + dataset.archive_retention


def _due(dataset: Dataset, known: SlotHoldings, now: datetime) -> tuple[datetime, tuple[HeldSegment, ...]] | None:
    """What of a slot is due to leave the archive, and since when; None: nothing."""
    alone = known.slot.window is None
    ends = [(archive_due_at(dataset, known, held if alone else None), held) for held in known.segments]
    due = [(due_at, held) for due_at, held in ends if due_at is not None and due_at <= now]
    return (min(due_at for due_at, _ in due), tuple(held for _, held in due)) if due else None


def plan_expiry(
    dataset: Dataset,
    held: DatasetHoldings,
    holds: Callable[[Slot], Sequence[HoldPlaced]],
    *,
    now: datetime,
) -> ExpiryPlan:
    """Decide which slots leave the archive.

    Args:
        holds: Those that cover a slot, those on persons included.
    """
    purging = {share.slot for intent in held.open_purges.values() for share in intent.slots}
    slots = []
    for known in held.holding():
        due = _due(dataset, known, now)
        if due is None:
            continue
        covering = holds(known.slot)
        slots.append(
            ExpirySlot(
                slot=known.slot,
                due_at=due[0],
                segments=due[1],
                keep=keep_reason(dataset, known, covering, is_purging=known.slot in purging),
                subjects=tuple(hold for hold in covering if hold.subject is not None),
            )
        )
    slots.sort(key=lambda slot: slot.due_at)
    rows_held = sum(known.rows for known in held.holding())
    return ExpiryPlan(dataset=dataset.name, slots=tuple(slots), rows_held=rows_held)


def keep_reason(
    dataset: Dataset, known: SlotHoldings, holds: Sequence[HoldPlaced], *, is_purging: bool
) -> Statement | None:
    """Why a slot that is due stays in the archive; None when it may go."""
    whole = [hold for hold in holds if hold.subject is None]
    if whole:
        return on_hold(whole)
    if is_purging:
        return Reason.PURGE_OPEN()
    if dataset.source_retention is not None and known.state is not None and known.state.rows:
        # The archive is the only proof that they may be deleted there.
        return Reason.IN_SOURCE()
    return None
