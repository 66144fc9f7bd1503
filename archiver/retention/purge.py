"""What may leave its source, what may not, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from archiver.ledger.holdings import DatasetHoldings, SlotHoldings
from archiver.model import Dataset, HoldPlaced, Reason, RowsKept, Slot, SourceState, Statement, Window
from archiver.retention.reasons import on_hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Rows that are older than their source retention and, by the last look, still in the source."""

    dataset: str
    slots: int
    rows: int
    oldest: datetime


def overdue(dataset: Dataset, held: DatasetHoldings, now: datetime) -> Overdue | None:
    """What of a dataset should have left its source by ``now``, as far as the archive knows."""
    if dataset.source_retention is None:
        return None
    border = now.astimezone(UTC) - dataset.source_retention
    late = [
        known
        for known in held.slots.values()
        if known.slot.window is not None and known.slot.window.end <= border and known.state and known.state.rows
    ]
    if not late:
        return None
    return Overdue(
        dataset=dataset.name,
        slots=len(late),
        rows=sum(known.state.rows for known in late if known.state),
        oldest=min(known.slot.window.start for known in late if known.slot.window),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeSlot:
    """A slot that has rows which are due to leave their source.

    Attributes:
        due: The part of its window whose rows are older than the source may hold them.
        rows_due: In the source, in that part.
        keep: Why none of them may go; None when they may, each row subject to its proof.
        stays: Of those that may go the rows that will not, as far as somebody looked, and why.
    """

    slot: Slot
    due: Window
    rows_due: int
    keep: Statement | None = None
    stays: tuple[RowsKept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgePlan:
    """What a purge of one dataset would do. A row still goes only when it is proven, in the deleting transaction.

    Attributes:
        border: Rows with a time before it are due.
        slots: Oldest first.
        rows_in_source: All of them, for the share that the purge would take.
        rows_undated, rows_future: Never due: without a usable time, or with one that has not come.
        none_before: No dated row of the source is older; None when it has no dated row.
        remarks: What a person should know, such as a missing index.
    """

    dataset: str
    border: datetime
    slots: tuple[PurgeSlot, ...]
    rows_in_source: int
    rows_undated: int
    rows_future: int
    none_before: datetime | None = None
    remarks: tuple[str, ...] = ()

    @property
    def going(self) -> tuple[PurgeSlot, ...]:
        """The slots that nothing keeps."""
        return tuple(slot for slot in self.slots if slot.keep is None)

    @property
    def rows_going(self) -> int:
        """Rows that may go."""
        return sum(slot.rows_due for slot in self.going)

    @property
    def share(self) -> float:
        """The part of the dataset that may go, 0 to 1."""
        return self.rows_going / self.rows_in_source if self.rows_in_source else 0.0


def due_windows(census: Mapping[Window | None, SourceState], border: datetime) -> list[tuple[Window, Window]]:
    """The windows with rows before ``border``, each with its part that lies before it, oldest first."""
    return [
        (window, Window(window.start, min(window.end, border)))
        for window in sorted(window for window in census if window is not None)
        if window.start < border
    ]


def plan_purge(
    dataset: Dataset,
    held: DatasetHoldings,
    census: Mapping[Window | None, SourceState],
    rows_due: Mapping[Window, int],
    holds: Callable[[Slot], Sequence[HoldPlaced]],
    *,
    key_columns: Sequence[str],
    border: datetime,
    now: datetime,
    remarks: Sequence[str] = (),
) -> PurgePlan:
    """Decide which slots' rows may leave their source.

    Args:
        census: The source's windows, as one snapshot saw them.
        rows_due: For each window of ``due_windows`` the rows of its part before ``border``, in the same snapshot.
        holds: Those that cover a slot; one of a subject alone does not keep the whole slot.
        key_columns: Empty: nothing tells one row from another, so nothing may go.
        border: ``now`` less the dataset's source retention.
    """
    slots = []
    for window, due in due_windows(census, border):
        slot = Slot(window=window)
        if not rows_due.get(window):
            continue
        keep = keep_reason(held.slots.get(slot), holds(slot), has_key=bool(key_columns))
        slots.append(PurgeSlot(slot=slot, due=due, rows_due=rows_due[window], keep=keep))
    undated = census.get(None)
    first = min((window for window, state in census.items() if window is not None and state.rows), default=None)
    none_before = None if first is None else first.start
    if first is not None and first.start < border and not rows_due.get(first):
        # Its rows all lie in the part that is not due.
        none_before = border
    return PurgePlan(
        dataset=dataset.name,
        border=border,
        slots=tuple(slots),
        rows_in_source=sum(state.rows for state in census.values()),
        rows_undated=0 if undated is None else undated.rows,
        rows_future=sum(state.rows for window, state in census.items() if window is not None and window.start > now),
        none_before=none_before,
        remarks=tuple(remarks),
    )


def keep_reason(known: SlotHoldings | None, holds: Sequence[HoldPlaced], *, has_key: bool) -> Statement | None:
    """Why no row of a slot may leave its source; None when each may that is proven."""
    if not has_key:
        return Reason.NO_KEY()
    if known is None or not known.segments:
        return Reason.NOT_ARCHIVED()
    if any(held.verified_at is None for held in known.segments):
        return Reason.NOT_VERIFIED()
    whole = [hold for hold in holds if hold.subject is None]
    if whole:
        return on_hold(whole)
    return None
